"""File names that place files on axes: ``img_t{t}_c{c}_z{z}.tif``.

A pattern is compiled to a regular expression, files are laid out along the axes it names, and what
is missing or there twice is refused by name. `ngffkit.sources.stacks.guessing` finds a pattern
where none was given.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, NotFoundError, Problem
from ngffkit.sources.contract import ORDER

#: Files that systems leave behind, and notes of people.
_JUNK = re.compile(
    r"\.|thumbs\.db$|desktop\.ini$|.*\.(txt|csv|md|json|xml|log|yaml|yml|ini|pdf|html|db|bak|tmp)$",
    re.IGNORECASE,
)

_FIELD = re.compile(r"\{\{|\}\}|\{(?P<axis>[A-Za-z]\w*)(:(?P<rule>[^{}]+))?\}|\*|\?")

#: How many names an error lists.
_SHOWN = 3


def is_junk(name: str) -> bool:
    """Tell whether a name is one of a system's or a note, no image.

    Examples
    --------
    >>> is_junk(".DS_Store"), is_junk("Thumbs.db"), is_junk("a.png")
    (True, True, False)
    """
    return _JUNK.match(name.rsplit("/", 1)[-1]) is not None


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts names as people count.

    Examples
    --------
    >>> sorted(["10.png", "2.png", "1.png"], key=natural)
    ['1.png', '2.png', '10.png']
    """
    parts = re.split(r"([0-9]+)", text)
    return tuple((1, int(p), p) if p.isdecimal() else (0, 0, p) for p in parts if p)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of file names.

    Parameters
    ----------
    text : str
        As it was written.
    axes : tuple of str
        Axes it names, in the order t, others, c, z, y, x.
    regex : re.Pattern
        Matches whole names; a group per axis.
    """

    text: str
    axes: tuple[str, ...]
    regex: re.Pattern[str]

    @property
    def depth(self) -> int:
        """How many folders deep its files are."""
        return self.text.count("/")


def compile_pattern(text: str) -> Pattern:
    r"""Compile a pattern.

    Parameters
    ----------
    text : str
        ``{t}``, ``{z}``, ``{y}``, ``{x}`` stand for numbers, ``{c}`` and other names for numbers or
        words. ``{z:4}`` has four digits, ``{c:DAPI|GFP}`` is one of these words. A name that
        stands twice stands for the same text. ``*`` and ``?`` are what does not matter within one
        folder; ``{{`` and ``}}`` are braces.

    Raises
    ------
    NgffError
        When it is no such pattern.

    Examples
    --------
    >>> compile_pattern("t{t}/c{c}_z{z}.png").regex.fullmatch("t1/c2_z03.png").groupdict()
    {'t': '1', 'c': '2', 'z': '03'}
    """
    out, seen, at = [], [], 0
    for found in _FIELD.finditer(text):
        out.append(_literal(text, text[at : found.start()]))
        at = found.end()
        axis, rule, token = found["axis"], found["rule"], found.group()
        if axis is None:
            out.append({"{{": r"\{", "}}": r"\}", "*": "[^/]*?", "?": "[^/]"}[token])
        elif axis in seen:
            out.append(f"(?P={axis})")
        else:
            seen.append(axis)
            out.append(f"(?P<{axis}>{_rule(axis, rule)})")
    out.append(_literal(text, text[at:]))
    if not text.strip():
        raise NgffError("pattern: it is empty; pass e.g. 'slice_{z}.png'")
    axes = sorted(seen, key=lambda name: ORDER.index(name) if name in ORDER else 0.5)
    return Pattern(text, tuple(axes), re.compile("".join(out)))


def _literal(pattern: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise NgffError(
            f"pattern: {pattern!r} has a brace that is no axis; write {{t}}, {{c}}, {{z}}, {{y}} "
            "or {x}, and {{ for a brace"
        )
    return re.escape(text)


def _rule(axis: str, rule: str | None) -> str:
    counted = axis in "tzyx"
    if rule is None:
        return "[0-9]+" if counted else "[^/]+?"
    if rule.isdecimal():
        return f"[0-9]{{{int(rule)}}}" if counted else f"[^/]{{{int(rule)}}}"
    return "|".join(re.escape(word) for word in rule.split("|"))


@dataclass(frozen=True, slots=True)
class Places:
    """Files, placed.

    Parameters
    ----------
    names : tuple of str
        Files below their folder.
    axes : tuple of str
        In the order t, others, c, z, y, x.
    labels : tuple of tuple of str
        What stands in the names, along each axis, in order.
    table : ndarray
        Position in `names` by place along each axis; -1 where there is no file.
    notes : tuple of Problem
        What was closed, filled or left out.
    """

    names: tuple[str, ...]
    axes: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    table: npt.NDArray[np.intp]
    notes: tuple[Problem, ...] = ()

    def summary(self) -> str:
        """Say what is along each axis.

        Examples
        --------
        >>> place(["a1.png", "a2.png"], compile_pattern("a{z}.png")).summary()
        'z 1 to 2'
        """
        said = [
            f"{axis} {values[0]} to {values[-1]}"
            if len(values) > 4 or all(v.isdecimal() for v in values)
            else f"{axis} {', '.join(values)}"
            for axis, values in zip(self.axes, self.labels, strict=True)
        ]
        return "; ".join(said) or "one file"


def place(
    names: Sequence[str], pattern: Pattern, gaps: Literal["error", "close", "fill"] = "error"
) -> Places:
    """Lay out files along the axes that a pattern names.

    Parameters
    ----------
    names : sequence of str
        Files below their folder, with ``/``.
    pattern : Pattern
        What their names mean; files that don't match are left out, and noted.
    gaps : {"error", "close", "fill"}
        What to do about numbers that are missing: refuse, move together, or leave empty.

    Raises
    ------
    NotFoundError
        When no name matches.
    NgffError
        When a file is missing or there twice; the message names it.
    """
    if gaps not in ("error", "close", "fill"):
        raise NgffError(f"gaps: {gaps!r}; 'error', 'close' or 'fill' was expected")
    found = {name: m for name in names if (m := pattern.regex.fullmatch(name))}
    others = [name for name in names if name not in found]
    if not found:
        raise NotFoundError(
            f"pattern: none of {len(names)} files is called like {pattern.text!r}; they are called "
            f"{shown(sorted(names, key=natural))}"
        )
    notes = []
    if others:
        said = f"{len(others)} files are left out, not being called so: {shown(others)}"
        notes.append(Problem("pattern", "advice", said))
    ordered = tuple(sorted(found, key=natural))
    keys = [tuple(found[name][axis] for axis in pattern.axes) for name in ordered]
    labels = tuple(_sorted({key[i] for key in keys}) for i in range(len(pattern.axes)))
    values = tuple(
        _spaced(axis, own, gaps, _Namer(ordered, found))
        for axis, own in zip(pattern.axes, labels, strict=True)
    )
    table = np.full([len(v) for v in values], -1, dtype=np.intp)
    where = [{_value(v): i for i, v in enumerate(own) if v is not None} for own in values]
    for i, key in enumerate(keys):
        at = tuple(where[a][_value(text)] for a, text in enumerate(key))
        if table[at] >= 0:
            first = ordered[table[at]]
            raise NgffError(
                f"pattern: {first} and {ordered[i]} are at the same place of {pattern.text!r} "
                f"({_spelled(pattern.axes, key)}); name what tells them apart, or fix it by a word"
            )
        table[at] = i
    notes += _check_product(pattern, values, table, gaps, _Namer(ordered, found))
    filled = tuple(tuple(_shown(own, i) for i in range(len(own))) for own in values)
    return Places(ordered, pattern.axes, filled, table, tuple(notes))


def shown(names: Sequence[str]) -> str:
    """Return a few names, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _value(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() else text


def _sorted(texts: set[str]) -> tuple[str, ...]:
    """Return what stands in the names, each number once, in order."""
    once = {_value(text): text for text in sorted(texts)}
    if all(isinstance(value, int) for value in once):
        return tuple(text for _, text in sorted(once.items()))
    return tuple(sorted(once.values(), key=natural))


def _shown(values: Sequence[str | None], i: int) -> str:
    value = values[i]
    if value is not None:
        return value
    known = {j: int(v) for j, v in enumerate(values) if v is not None}
    (j, a), (k, b) = sorted(known.items())[:2]
    return str(a + (b - a) // (k - j) * (i - j))


class _Namer:
    """Names the file that would stand at a place, after one that is there."""

    def __init__(self, names: Sequence[str], found: Mapping[str, re.Match[str]]) -> None:
        self.names, self.found = names, found

    def name(self, wanted: Mapping[str, str]) -> str:
        """Return the name, from the file that differs least."""

        def unlike(name: str) -> int:
            match = self.found[name]
            return sum(_value(match[a]) != _value(v) for a, v in wanted.items())

        name = min(self.names, key=unlike)
        match = self.found[name]
        cuts = []
        for axis, text in wanted.items():
            own = match[axis]
            padded = text.zfill(len(own)) if text.isdecimal() and own.isdecimal() else text
            cuts.append((match.start(axis), match.end(axis), padded))
        for start, end, text in sorted(cuts, reverse=True):
            name = name[:start] + text + name[end:]
        return name

    def beside(self, axis: str, text: str) -> str:
        """Return the first file at a place along one axis."""
        return next(n for n in self.names if _value(self.found[n][axis]) == _value(text))


def _spaced(axis: str, labels: tuple[str, ...], gaps: str, namer: _Namer) -> tuple[str | None, ...]:
    """Return the places along an axis; None where a number is missing and is to be filled."""
    if axis == "c" or axis not in ORDER or len(labels) < 3 or gaps == "close":
        return labels
    numbers = [int(text) for text in labels]
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    counts = Counter(steps)
    # the usual step, the smaller one when two are as usual
    step = min(counts, key=lambda s: (-counts[s], s))
    if any(s % step for s in steps):
        step = int(np.gcd.reduce(steps))
    out: list[str | None] = [labels[0]]
    missing: list[tuple[int, str, str]] = []
    for (a, b), text, before in zip(itertools.pairwise(numbers), labels[1:], labels, strict=False):
        lost = range(a + step, b, step)
        missing += [(n, before, text) for n in lost[: 1000 - len(missing)]]
        if gaps == "fill":
            out += [None] * len(lost)
        out.append(text)
    if missing and gaps == "error":
        number, before, after = missing[0]
        first = namer.name({axis: str(number)})
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NgffError(
            f"{first} is missing between {namer.beside(axis, before)} and "
            f"{namer.beside(axis, after)}{more}; find it, or pass gaps='fill' to leave zeros there "
            "or gaps='close' to move the others together"
        )
    return tuple(out)


def _check_product(
    pattern: Pattern,
    values: Sequence[Sequence[str | None]],
    table: npt.NDArray[np.intp],
    gaps: str,
    namer: _Namer,
) -> list[Problem]:
    """Refuse, or note, places without a file."""
    empty = np.argwhere(table < 0)
    if not len(empty):
        return []
    key = tuple(_shown(values[a], int(i)) for a, i in enumerate(empty[0]))
    name = namer.name(dict(zip(pattern.axes, key, strict=True)))
    more = f", and {len(empty) - 1} more" if len(empty) > 1 else ""
    where = _spelled(pattern.axes, key)
    if gaps != "fill":
        raise NgffError(
            f"{name} is missing ({where}{more}): {pattern.text!r} places "
            f"{int((table >= 0).sum())} files in {table.size} places. Find it, pass gaps='fill' to "
            "leave zeros there, or another pattern="
        )
    said = f"{len(empty)} planes are missing and will be zeros: {name} ({where}){more}"
    return [Problem("gaps", "advice", said, "find them before converting")]


def _spelled(axes: Sequence[str], key: Sequence[str]) -> str:
    return ", ".join(f"{axis} {text}" for axis, text in zip(axes, key, strict=True))
