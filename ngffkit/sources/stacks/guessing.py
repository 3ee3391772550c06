"""A pattern for file names that were given none: what varies, and which axis that is.

Names are cut at what is neither letter nor digit, and between letters and digits. What all names
share is literal; a number or word that varies is an axis, by the marker before it (``t``, ``ch``,
``slice``, ...) or by its place. The result is a pattern as a person would write it, so that it can
be shown, corrected and passed again.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ngffkit.errors import NgffError
from ngffkit.sources.stacks.patterns import natural, shown

#: What people and microscopes write before a number, by axis; ``s`` is a site, which is no axis.
_MARKERS = {
    "t": "t time timepoint tp frame timelapse",
    "c": "c ch chan channel w wave wavelength",
    "z": "z slice plane sl section zpos zplane zslice",
    "y": "y row",
    "x": "x col column",
    "s": "site field tile pos position fov series well scene",
    # one letter is a site only where other numbers are beside it; alone it counts slices
    "s?": "s m",
}
_AXIS = {word: axis for axis, words in _MARKERS.items() for word in words.split()}

#: Axes that numbers without a marker are given, the last number in the name first.
_UNMARKED = "ztc"

#: More words than this are no channels.
_MAX_WORDS = 32

#: Numbers that are wavelengths in nm, not counts.
_VISIBLE = range(350, 900)


@dataclass(slots=True, eq=False)
class _Column:
    """One piece of all names."""

    values: tuple[str, ...]
    marker: str = ""
    #: What is written in the pattern; the literal when nothing varies.
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.values[0].replace("{", "{{").replace("}", "}}")

    @property
    def varies(self) -> bool:
        return len(set(self.values)) > 1

    @property
    def counts(self) -> bool:
        """Whether they are numbers."""
        return all(value.isdecimal() for value in self.values)

    @property
    def numbers(self) -> list[int]:
        return sorted({int(value) for value in self.values})

    @property
    def even(self) -> bool:
        """Whether the numbers follow each other at one distance."""
        return len({b - a for a, b in itertools.pairwise(self.numbers)}) <= 1


def guess(names: Sequence[str], axes: str | None = None, taken: str = "") -> str:
    """Return a pattern that places files.

    Parameters
    ----------
    names : sequence of str
        Files below their folder, with ``/``; all of one image.
    axes : str, optional
        Axes of what varies, in the order of the names, where markers don't say or say otherwise.
    taken : str
        Axes that files have inside.

    Raises
    ------
    NgffError
        When the names have no such pattern; the message names the odd ones.

    Examples
    --------
    >>> guess(["a_ch0_z1.tif", "a_ch0_z2.tif", "a_ch1_z1.tif", "a_ch1_z2.tif"])
    'a_ch{c}_z{z}.tif'
    >>> guess([f"{i}.png" for i in range(12)], axes="t")
    '{t}.png'
    """
    ordered = sorted(names, key=natural)
    columns = _columns(ordered)
    varying = _reduced([c for c in columns if c.varies], columns)
    told = (axes or "").removesuffix("yx")
    if told:
        _assign_told(varying, told)
    else:
        _assign(varying, taken, ordered)
    return "".join(column.text for column in columns)


def _columns(names: Sequence[str]) -> list[_Column]:
    """Cut all names alike."""
    stems = [name.rpartition(".") if "." in name else (name, "", "") for name in names]
    parts = [re.split(r"([^0-9A-Za-zµ]+)", stem) for stem, _, _ in stems]
    _check_alike(names, parts)
    columns: list[_Column] = []
    before = ""
    for own in zip(*parts, strict=True):
        made = _cut(own, before)
        columns += made
        # a marker may be a word of its own: time_001
        if re.search(r"[0-9A-Za-z]", own[0]):
            before = own[0] if len(set(own)) == 1 else ""
    endings = tuple(dot + ending for _, dot, ending in stems)
    columns.append(_Column(endings if len(set(endings)) == 1 else ("*",)))
    return columns


def _check_alike(names: Sequence[str], parts: Sequence[Sequence[str]]) -> None:
    kinds = [(len(own), tuple(own[1::2])) for own in parts]
    usual, count = Counter(kinds).most_common(1)[0]
    odd = [name for name, kind in zip(names, kinds, strict=True) if kind != usual]
    if odd:
        first = next(name for name, kind in zip(names, kinds, strict=True) if kind == usual)
        raise NgffError(
            f"pattern: {shown(odd)} are not called like the other {count} files, such as {first}; "
            "move them away, or say what belongs together by pattern=, e.g. 'slice_{z}.tif'"
        )


def _cut(own: Sequence[str], before: str) -> Iterator[_Column]:
    """Cut one part of all names between letters and digits, where that is the same in all."""
    pieces = [re.findall(r"[0-9]+|[^0-9]+", text) for text in own]
    kinds = {tuple(piece[0].isdecimal() for piece in row) for row in pieces}
    if len(set(own)) == 1 or len(kinds) > 1:
        yield _Column(tuple(own), _word_marker(before))
        return
    marker = _word_marker(before)
    for column in zip(*pieces, strict=True):
        yield _Column(tuple(column), marker)
        marker = _end_marker(column[0]) if len(set(column)) == 1 else ""


def _word_marker(text: str) -> str:
    return _AXIS.get(text.lower(), "")


def _end_marker(text: str) -> str:
    """Return the axis that the end of a text before a number names: ``imgZ``, ``TimePoint``."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)
    return _AXIS.get(text.lower()) or (_AXIS.get(words[-1].lower(), "") if words else "")


# --- which of them count --------------------------------------------------------------------------


def _reduced(varying: list[_Column], columns: list[_Column]) -> list[_Column]:
    """Return the columns that are axes; the others repeat them, or don't matter."""
    kept: list[_Column] = []
    for column in varying:
        same = next((k for k in kept if k.values == column.values), None)
        if same is None:
            kept.append(column)
            continue
        # the same text twice: what is decided for one holds for the other
        columns[columns.index(column)] = same
        same.marker = same.marker or column.marker
    if not _complete(kept):
        kept = _split_prefix(kept, columns)
    if not _complete(kept):
        kept = _without(kept)
    return kept


def _complete(columns: Sequence[_Column]) -> bool:
    """Tell whether every combination is there once."""
    if not columns:
        return True
    rows = set(zip(*(c.values for c in columns), strict=True))
    n = len(columns[0].values)
    return len(rows) == n == math.prod(len(set(c.values)) for c in columns)


def _split_prefix(kept: list[_Column], columns: list[_Column]) -> list[_Column]:
    """Find a number that begins with another: ``ch1/ch1042.tif``."""
    for first, second in itertools.permutations(kept, 2):
        pairs = list(zip(first.values, second.values, strict=True))
        if not (first.counts and second.counts) or not all(
            b.startswith(a) and len(b) > len(a) for a, b in pairs
        ):
            continue
        rest = _Column(tuple(b[len(a) :] for a, b in pairs))
        changed = [rest if c is second else c for c in kept]
        if _complete(changed):
            at = next(i for i, c in enumerate(columns) if c is second)
            columns[at : at + 1] = [first, rest]
            return changed
    return kept


def _without(kept: list[_Column]) -> list[_Column]:
    """Leave out what only repeats what others say, such as the time a file was written."""

    def idle(column: _Column) -> bool:
        if column.marker:
            return False
        return column.counts or not all(value.isalpha() for value in column.values)

    # uneven numbers first, since stacks are numbered evenly
    candidates = sorted(
        (c for c in kept if idle(c)), key=lambda c: (c.counts, c.counts and c.even, kept.index(c))
    )
    for count in range(1, min(len(candidates), 6) + 1):
        for chosen in itertools.combinations(candidates[:8], count):
            rest = [c for c in kept if not any(c is d for d in chosen)]
            if rest and _complete(rest):
                for column in chosen:
                    column.text = "*"
                return rest
    return kept


# --- which axis each of them is -------------------------------------------------------------------


def _assign_told(varying: list[_Column], told: str) -> None:
    unmarked = [c for c in varying if not c.marker]
    chosen = varying if len(told) == len(varying) else unmarked
    if len(told) != len(chosen) or len(set(told)) != len(told):
        raise NgffError(
            f"axes: {told!r} for files whose names vary in {len(varying)} places; one letter per "
            "place was expected, or a pattern="
        )
    for column, axis in zip(chosen, told, strict=True):
        column.marker = axis
    for column in varying:
        column.text = f"{{{column.marker}}}"


def _assign(varying: list[_Column], taken: str, names: Sequence[str]) -> None:
    used = dict.fromkeys(taken, "inside the files")
    free: list[_Column] = []
    words = [c for c in varying if not c.counts]
    for column in words:
        if len(set(column.values)) > _MAX_WORDS:
            _refuse(f"{len(set(column.values))} words are too many for channels", names)
    for column in reversed(varying):
        axis = "c" if column in words else column.marker or _by_values(column, varying)
        if axis == "s" or (axis == "s?" and len(varying) > 1):
            _refuse_sites(column, names)
        axis = axis.removesuffix("?").removesuffix("s")
        if not axis or (axis in used and column not in words):
            free.append(column)
        elif axis in used:
            _refuse(f"both {shown(column.values)} and something else would be channels", names)
        else:
            used[axis], column.text = column.text, f"{{{axis}}}"
    for column in free:
        left = [axis for axis in _UNMARKED if axis not in used]
        if not left:
            _refuse(f"{len(varying)} things vary in the names", names)
        used[left[0]], column.text = column.text, f"{{{left[0]}}}"


def _by_values(column: _Column, varying: Sequence[_Column]) -> str:
    numbers = column.numbers
    colours = all(n in _VISIBLE for n in numbers) and numbers[-1] - numbers[0] >= len(numbers)
    return "c" if colours and len(varying) > 1 and len(numbers) <= 8 else ""


def _refuse_sites(column: _Column, names: Sequence[str]) -> None:
    values = sorted(set(column.values), key=natural)
    raise NgffError(
        f"pattern: the files are of {len(values)} sites ({shown(values)}), which are images of "
        f"their own; choose one by pattern=, with the others' place filled in, as in {names[0]}, "
        "or place tiles by {y} and {x}"
    )


def _refuse(why: str, names: Sequence[str]) -> None:
    raise NgffError(
        f"pattern: {why}, so what is along which axis can't be guessed from {shown(names)}; pass "
        "pattern=, e.g. 'img_t{t}_c{c}_z{z}.tif'"
    )
