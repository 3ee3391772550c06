"""Messages that speak of Python's options, in the words of a form's fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ngffkit.errors import NgffError, PlanError, Problem
from ngffkit.panels.fields import Field
from ngffkit.typed import respelled

#: What an option is set to, in a message: a quoted text, something in brackets, or a word.
_VALUE = r"'[^']*'|\"[^\"]*\"|\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]|[\w.:/+-]*[\w/+-]"

_HEAD = re.compile(r"(\w+)(?:=| is )?: ?")


def in_fields(problem: Problem, fields: Mapping[str, Field]) -> Problem:
    """Return a problem with options called as the form calls them.

    Parameters
    ----------
    problem : Problem
        In the words of Python.
    fields : Mapping of str to Field
        Those of the form, by name.

    Examples
    --------
    >>> from ngffkit.panels.options import RUNNING
    >>> fields = {field.name: field for field in RUNNING}
    >>> remedy = "choose another one, or pass overwrite=True; a larger memory= is faster"
    >>> in_fields(Problem("target", "error", "it exists", remedy), fields).remedy
    'choose another one, or tick "overwrite"; a larger "memory" is faster'
    """
    names = "|".join(sorted(fields, key=len, reverse=True))
    # what is a part of a URL stays
    pattern = rf"(\b(?:pass|give|set|say) )?(?<![\w&?/.-])({names})=({_VALUE})?(?!=)"

    def spelled(match: re.Match[str]) -> str:
        return _spelled(fields[match[2]], match[3], asked=bool(match[1]))

    # names of Python that are no words of their own
    odd = "|".join(name for name in fields if "_" in name)
    bare = rf"(?<![\w&?/.'\"-])({odd})(?![\w/.='\"-])"

    def worded(text: str) -> str:
        text = re.sub(pattern, spelled, text)
        return re.sub(bare, lambda m: f'"{fields[m[1]].label}"', text) if odd else text

    message, remedy = worded(problem.message), worded(problem.remedy)
    return replace(problem, message=message, remedy=remedy)


def _spelled(field: Field, value: str | None, *, asked: bool) -> str:
    """Say ``name=value`` of a field, or ``pass name=value``."""
    label = f'"{field.label}"'
    if field.kind == "switch" and value in ("True", "False"):
        word = "tick" if value == "True" else "untick"
        return f"{word} {label}" if asked else f"{label} {'on' if value == 'True' else 'off'}"
    if value is None:
        return f"fill in {label}" if asked else label
    text = {"True": "yes", "False": "no"}.get(value) or respelled(value)
    return f"put {text} into {label}" if asked else f"{label} {text}"


def beside(err: NgffError, fields: Mapping[str, Field], loc: str) -> PlanError:
    """Return an error with an address: what is said of an option begins with its name.

    Parameters
    ----------
    err : NgffError
        What a function said.
    fields : Mapping of str to Field
        Those of the form, by name.
    loc : str
        The field for whatever names none.

    Examples
    --------
    >>> from ngffkit.panels.options import MAGS
    >>> fields = {field.name: field for field in MAGS}
    >>> beside(NgffError("mags: not so many"), fields, "source").problems[0].loc
    'mags'
    """
    if isinstance(err, PlanError) and err.problems:
        return err
    text = str(err)
    match = _HEAD.match(text)
    if match is not None and match[1] in fields:
        return PlanError([Problem(match[1], "error", text[match.end() :])])
    named = re.match(r"(\w+)(?:=| is )", text)
    return PlanError([Problem(named[1] if named and named[1] in fields else loc, "error", text)])
