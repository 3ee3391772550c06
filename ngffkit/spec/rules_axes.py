"""Axes: what the schemas ask of them, and what the text asks beyond: order, number and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ngffkit.spec.report import Spot, items, members, show, twins
from ngffkit.spec.rules import Both, Fields, Flag, Holds, Items, Member, Rule, Text

SCALES: Final[Mapping[str, str]] = {
    "yocto": "y",
    "zepto": "z",
    "atto": "a",
    "femto": "f",
    "pico": "p",
    "nano": "n",
    "micro": "u",
    "milli": "m",
    "centi": "c",
    "deci": "d",
    "": "",
    "hecto": "h",
    "kilo": "k",
    "mega": "M",
    "giga": "G",
    "tera": "T",
    "peta": "P",
    "exa": "E",
    "zetta": "Z",
    "yotta": "Y",
}

# The names the specification lists, which are those of UDUNITS-2, by the type of axis.
UNITS: Final[Mapping[str, frozenset[str]]] = {
    "space": frozenset(f"{scale}meter" for scale in SCALES)
    | {"angstrom", "foot", "inch", "mile", "parsec", "yard"},
    "time": frozenset(f"{scale}second" for scale in SCALES) | {"day", "hour", "minute"},
}

# What people write instead, beyond plurals and symbols such as "nm" and "ms".
_SLANG: Final[Mapping[str, str]] = {
    "µm": "micrometer",
    "μm": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "µs": "microsecond",
    "μs": "microsecond",
    "å": "angstrom",
    "feet": "foot",
    "inches": "inch",
    "sec": "second",
    "secs": "second",
    "min": "minute",
    "mins": "minute",
    "hr": "hour",
    "h": "hour",
    "d": "day",
}
_SYMBOLS: Final[Mapping[str, str]] = {
    f"{short}{symbol}": f"{scale}{name}"
    for scale, short in SCALES.items()
    for symbol, name in (("m", "meter"), ("s", "second"))
}

TYPES: Final = ("space", "time", "channel")
TYPES_06: Final = (*TYPES, "array", "coordinate", "displacement", "frequency")

# Any type that is not listed stands where channels do.
_RANK: Final[Mapping[str, int]] = {"time": 0, "space": 2}
_PLACE: Final = ("time", "channel or custom", "space")


def suggest(unit: str) -> str | None:
    """Return the listed unit that `unit` most likely means, or None.

    Examples
    --------
    >>> suggest("seconds"), suggest("um"), suggest("Micrometre"), suggest("pixel")
    ('second', 'micrometer', 'micrometer', None)
    """
    known = UNITS["space"] | UNITS["time"]
    plain = unit.strip()[:40]
    lower = plain.lower().replace("metre", "meter")
    for guess in (lower, lower.removesuffix("s")):
        if guess in known:
            return guess
    return _SYMBOLS.get(plain) or _SLANG.get(lower)


# --- schemas ----------------------------------------------------------------------------------


def letters() -> Rule:
    """Return the rule of 0.3, where an axis is a letter."""
    return Items(Text("[xyzct]", "one of t, c, z, y, x"), least=2)


def _may_be_space(axis: object) -> bool:
    # 0.4 and 0.5 count an axis without a type among the spatial ones
    axis = axis if isinstance(axis, Mapping) else {"type": None}
    return axis.get("type", "space") == "space" and isinstance(axis.get("unit", ""), str)


def _counted(value: object) -> bool:
    # of an empty list its length is reported
    return not items(value) or 2 <= sum(map(_may_be_space, items(value))) <= 3


def objects() -> Rule:
    """Return the rule of 0.4 and 0.5, where an axis is an object."""
    axis = Fields(
        {
            "name": Member(Text(), "must", "name it, e.g. 'x'"),
            "type": Member(Text(), "may", "one of space, time, channel, or leave it out"),
        }
    )
    return Both(
        (
            Items(axis, least=2, most=5, unique=True),
            Holds(_counted, "does not have 2 or 3 axes of type space (or without a type)"),
        )
    )


def _one_mix(value: object) -> bool:
    types = [members(axis).get("type") for axis in items(value)]
    return not types or (2 <= types.count("space") <= 3) != (types.count("array") >= 2)


def system_axes(*, counted: bool = True) -> Rule:
    """Return the rule of 0.6 for the axes of a coordinate system.

    Parameters
    ----------
    counted : bool
        Whether 2 or 3 axes of space, or 2 of type array, are demanded; the first drafts did not.
    """
    axis = Fields(
        {
            "name": Member(Text(".+", "a name"), "must", "name it, e.g. 'x'"),
            "longName": Member(Text()),
            "type": Member(Text(), "may", "e.g. space, time, channel, or leave it out"),
            "discrete": Member(Flag()),
            "unit": Member(Text(), "may", "e.g. 'micrometer', or leave it out"),
        }
    )
    rule = Items(axis, least=1, most=5, unique=True)
    if not counted:
        return rule
    mix = Holds(_one_mix, "has neither 2 or 3 axes of type space nor 2 or more of type array")
    return Both((rule, mix))


# --- the text ---------------------------------------------------------------------------------


def check_letters(value: object, at: Spot) -> None:
    """Report axes of 0.3 that repeat or are not in the order t, c, z, y, x."""
    found = [axis if isinstance(axis, str) else "" for axis in items(value)]
    _unique_names(found, at)
    ranks = ["tczyx".find(axis) for axis in found]
    if ranks != sorted(ranks) and -1 not in ranks:
        at.problem(
            f"{show(value)} is not in the order t, c, z, y, x",
            "give the axes in the order the arrays are stored in, which must be t, c, z, y, x",
        )


def check_axes(value: object, at: Spot, *, image: bool = True, types: Sequence[str]) -> None:
    """Report what the text of 0.4 to 0.6 holds against axes that are objects.

    Parameters
    ----------
    value : object
        The list of axes.
    at : Spot
        Its place.
    image : bool
        Whether they are an image's: ordered, with 2 or 3 of space and one of time at most.
    types : sequence of str
        The types that version knows.
    """
    found = items(value)
    axes = [members(axis) for axis in found]
    _unique_names([axis.get("name") for axis in axes], at.grade("meaning"), ".name")
    if image and found and all(isinstance(axis, Mapping) for axis in found):
        _composition(axes, at.grade("meaning"))
    for position, axis in enumerate(found[:16]):
        if not isinstance(axis, Mapping):
            continue
        spot = at.index(position).grade("advice")
        _check_type(axis, spot, types)
        _check_unit(axis, spot)


def _unique_names(names: Sequence[object], at: Spot, member: str = "") -> None:
    texts = [name if isinstance(name, str) else object() for name in names]
    for position, earlier in twins(texts):
        spot = at.index(position)
        (spot.key(member[1:]) if member else spot).problem(
            f"{show(names[position])} is already the name of axis {earlier}",
            "give every axis a name of its own",
        )


def _composition(axes: Sequence[Mapping[str, Any]], at: Spot) -> None:
    ranks = []
    for axis in axes:
        found = axis.get("type")
        ranks.append(_RANK.get(found, 1) if isinstance(found, str) else 1)
    for position in range(1, len(ranks)):
        if ranks[position] < ranks[position - 1]:
            here, there = _PLACE[ranks[position]], _PLACE[ranks[position - 1]]
            at.index(position).problem(
                f"a {here} axis follows a {there} axis; the order is time, channel, space",
                "reorder the axes and the arrays' dimensions",
            )
            break
    for rank, (least, most) in enumerate(((0, 1), (0, 1), (2, 3))):
        if not least <= ranks.count(rank) <= most:
            at.problem(
                f"has {ranks.count(rank)} {_PLACE[rank]} axes,"
                f" {f'{least} or ' if least else 'at most '}{most} are allowed",
                "say what each axis is: its type is space, time or channel",
            )
    names = [axis.get("name") for axis, rank in zip(axes, ranks, strict=True) if rank > 1]
    known = [name for name in ("z", "y", "x") if name in names]
    if len(known) == len(names) and names != known:
        at.problem(
            f"the spatial axes are ordered {show(names)}; {show(known)} is usual",
            "many readers take the last two axes for y and x",
            severity="advice",
        )


def _check_type(axis: Mapping[str, Any], at: Spot, types: Sequence[str]) -> None:
    found = axis.get("type")
    if "type" not in axis:
        at.missing("type", "should", f"one of {', '.join(types)}")
    elif isinstance(found, str) and found not in types:
        at.key("type").problem(
            f"{show(found)} is not one of {', '.join(types)}",
            "readers will treat this axis as a custom one",
        )


def _check_unit(axis: Mapping[str, Any], at: Spot) -> None:
    kind = axis.get("type")
    known = UNITS.get(kind) if isinstance(kind, str) else None
    if known is None:
        return
    if "unit" not in axis:
        at.missing("unit", "should", "e.g. 'micrometer'" if kind == "space" else "e.g. 'second'")
        return
    unit = axis["unit"]
    spot = at.key("unit")
    if not isinstance(unit, str):
        spot.problem(f"{show(unit)} is not a string", "a unit is a name", severity="meaning")
    elif unit not in known:
        better = suggest(unit)
        if better is not None and better not in known:
            other = "time" if kind == "space" else "space"
            spot.problem(
                f"{show(unit)} is a unit of {other}, and this is a {kind} axis",
                "correct the unit or the type of the axis",
                severity="meaning",
            )
        else:
            spot.problem(
                f"{show(unit)} is not a unit that the specification lists",
                f"write {better!r}" if better else "leave it out if there is no physical unit",
            )
