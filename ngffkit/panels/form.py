"""A form without a page: texts by field, what they mean, and what is wrong beside each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ngffkit.errors import NgffError, PlanError, Problem
from ngffkit.panels.fields import Field
from ngffkit.shown import shown


class Form:
    """Texts by field, read as they are typed.

    A problem has one of two sources: a text that can't be read, known at once, and what the
    functions say about values that can (`tell`). Both stand beside their field. Who shares a form
    between threads holds a lock: see `ngffkit.panels.model.Model`.

    Parameters
    ----------
    fields : sequence of Field
        In the order in which they are shown.

    Attributes
    ----------
    texts : dict of str to str
        What is typed, by field.
    enabled : bool
        Whether the page lets people type.
    hidden : frozenset of str
        Fields that make no sense now: they aren't shown, and what they hold does not count.
    elsewhere : frozenset of str
        Fields that count, but are shown by another part of the panel.

    Examples
    --------
    >>> from ngffkit import typed
    >>> form = Form([Field("chunks", "chunks", "voxels per chunk", typed.voxels, default="auto")])
    >>> form.set("chunks", "64,64,x")
    >>> form.values, [str(problem) for problem in form.problems["chunks"]][0][:30]
    ({}, "error    chunks: '64,64,x'; wh")
    >>> form.set("chunks", "64,64,32")
    >>> form.values, form.problems
    ({'chunks': (64, 64, 32)}, {})
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields: dict[str, Field] = {field.name: field for field in fields}
        self.texts: dict[str, str] = {field.name: field.default for field in fields}
        self.enabled = True
        self.hidden: frozenset[str] = frozenset()
        self.elsewhere: frozenset[str] = frozenset()
        # what the page has typed last, by field: it must not be undone by an older answer
        self._edits: dict[str, int] = {}
        self._told: tuple[Problem, ...] = ()
        self._values: dict[str, Any] = {}
        self._unread: dict[str, Problem] = {}

    def set(self, name: str, text: str, edit: int | None = None) -> None:
        """Type into a field.

        Parameters
        ----------
        name : str
            Of the field.
        text : str
            What it holds now, all of it. Empty is the same as the default.
        edit : int, optional
            The page's count of its edits to this field.

        Raises
        ------
        NgffError
            When there is no such field.
        """
        field = self.fields.get(name)
        if field is None:
            raise NgffError(f"there is no field {shown(name)}; choose {', '.join(self.fields)}")
        if edit is not None:
            self._edits[name] = edit
        self.texts[name] = text
        self._unread.pop(name, None)
        self._values.pop(name, None)
        # what was said of the former text no longer holds
        self._told = tuple(problem for problem in self._told if _head(problem) != name)
        bare = text.strip()
        if bare in ("", field.default):
            return
        try:
            self._values[name] = field.read(bare)
        except (ValueError, NgffError) as err:
            self._unread[name] = Problem(name, "error", shown(bare), str(err))

    def update(self, texts: Mapping[str, str]) -> None:
        """Type into several fields."""
        for name, text in texts.items():
            self.set(name, text)

    def change(self, name: str, **given: Any) -> None:
        """Change what a field offers: its choices, its hint, its label."""
        self.fields[name] = replace(self.fields[name], **given)

    def tell(self, problems: Iterable[Problem]) -> None:
        """Show what the functions say of these values, in place of what they said before."""
        self._told = tuple(problems)

    @property
    def values(self) -> dict[str, Any]:
        """What was asked for, by option: fields that hold something else than their default."""
        return {name: self._values[name] for name in self._shown if name in self._values}

    @property
    def readable(self) -> bool:
        """Whether every text could be read."""
        return not self._wrong

    @property
    def _shown(self) -> list[str]:
        return [name for name in self.fields if name not in self.hidden]

    @property
    def _wrong(self) -> dict[str, Problem]:
        """Texts that can't be read, of fields that are shown."""
        return {name: p for name, p in self._unread.items() if name not in self.hidden}

    @property
    def problems(self) -> dict[str, tuple[Problem, ...]]:
        """Problems by field, those that belong to none under ``""``."""
        out: dict[str, tuple[Problem, ...]] = {name: (p,) for name, p in self._wrong.items()}
        for problem in self._told:
            name = _head(problem)
            key = name if name in self._shown else ""
            if key not in self._wrong:
                out[key] = (*out.get(key, ()), problem)
        return out

    @property
    def ok(self) -> bool:
        """Whether nothing forbids to go on."""
        return not any(p.severity == "error" for found in self.problems.values() for p in found)

    def to_json(self) -> dict[str, Any]:
        """Return what a page shows."""
        problems = {
            name: [problem.to_json() for problem in found] for name, found in self.problems.items()
        }
        return {
            "fields": [field.to_json() for field in self.fields.values()],
            "texts": dict(self.texts),
            "edits": dict(self._edits),
            "problems": problems,
            "enabled": self.enabled,
            "hidden": sorted(self.hidden | self.elsewhere),
        }


def problems_of(err: NgffError, loc: str = "") -> tuple[Problem, ...]:
    """Return an error as problems: those of a plan by their options, any other under `loc`."""
    if isinstance(err, PlanError) and err.problems:
        return tuple(err.problems)
    return (Problem(loc, "error", str(err)),)


def _head(problem: Problem) -> str:
    """Return the option that a problem is about: ``crop`` of ``crop.z``."""
    match = re.match(r"\w+", problem.loc)
    return match[0] if match else ""
