"""Schemas of 0.6: coordinate systems, transformations between them, scenes.

The drafts differ in a few spellings, and a `Draft` holds them: one row per draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from ngffkit.spec.report import DEEPEST, Spot
from ngffkit.spec.rules import (
    Anything,
    Both,
    ByTag,
    Choice,
    Either,
    Fields,
    Items,
    Member,
    Number,
    Rule,
    Text,
)
from ngffkit.spec.rules_axes import system_axes

_BETWEEN: Final = "e.g. {'name': 'physical'}"
_FROM_ARRAY: Final = "the path of the dataset, e.g. {'path': '0'}"


@dataclass(frozen=True, slots=True)
class Draft:
    """How one draft of 0.6 spells its transformations.

    Parameters
    ----------
    strings : bool
        Whether ``input`` and ``output`` of datasets are strings, not objects.
    either : bool
        Whether ``input`` and ``output`` between coordinate systems may be strings or objects.
    loose : bool
        Whether it is one of the first two, which are read liberally: they allow scales stored
        as arrays, inverses, and axes that are named where later drafts count them.
    scenes : {"none", "paths", "names"}
        Whether there are scenes, and if so whether the input must name its path.
    children : {"any", "output", "both"}
        Which ends of an image's transformations may refer to another group.
    projects : bool
        Whether ``projectAxis`` exists and byDimension says ``inputAxes``, not ``input_axes``.
    settled : bool
        Whether the text demands what it does since the release candidate: one graph, connected.
    """

    strings: bool = False
    either: bool = False
    loose: bool = False
    scenes: str = "names"
    children: str = "both"
    projects: bool = False
    settled: bool = False

    @property
    def axes_keys(self) -> tuple[str, str]:
        """How byDimension spells the axes it takes and gives."""
        return ("inputAxes", "outputAxes") if self.projects else ("input_axes", "output_axes")


_FIRST: Final = Draft(strings=True, either=True, loose=True, scenes="none", children="any")

DRAFTS: Final[Mapping[str, Draft]] = {
    "0.6.dev1": _FIRST,
    "0.6.dev2": _FIRST,
    "0.6.dev3": Draft(strings=True, either=True, scenes="open", children="any"),
    "0.6.dev4": Draft(scenes="paths", children="output"),
    "0.6rc0": Draft(projects=True, settled=True),
    "0.6": Draft(projects=True, settled=True),
}


def _text(need: str = "may", remedy: str = "") -> Member:
    return Member(Text(), "must" if need == "must" else "may", remedy)


# --- coordinate systems -----------------------------------------------------------------------


@cache
def system(draft: Draft) -> Rule:
    """Return the rule for one coordinate system."""
    return Fields(
        {
            "name": Member(Text(".+", "a name"), "must", "name it, e.g. 'physical'"),
            "axes": Member(
                system_axes(counted=not draft.loose), "must", "list the axes, e.g. z, y and x"
            ),
        }
    )


# --- transformations --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nested:
    """A transformation within another one; looked up late, for they hold each other.

    Parameters
    ----------
    draft : Draft
        The draft.
    """

    draft: Draft

    def check(self, value: object, at: Spot) -> None:
        """Report what is wrong with the transformation, unless it lies too deep."""
        if at.depth > DEEPEST:
            at.problem(
                "transformations are nested too deeply to be checked",
                "flatten them",
                severity="meaning",
            )
        else:
            transformation(self.draft).check(value, at)


def _parameter(name: str, each: Rule, draft: Draft) -> Rule:
    """Return the rule of scale and translation: numbers, or in first drafts a path to them."""
    if draft.loose:
        return Either({name: Items(each), "path": Text()})
    return Fields({name: Member(Items(each), "must", "give one number per axis")})


def _matrix(size: int | None = None) -> Rule:
    if size is None:
        return Items(Items(Number()))
    return Items(Items(Number(), least=size, most=size), least=size, most=size)


@dataclass(frozen=True, slots=True)
class Square:
    """A matrix of 2 to 5 rows with as many columns."""

    def check(self, value: object, at: Spot) -> None:
        """Report a matrix that is not square, or has too few or too many rows."""
        rows = len(value) if isinstance(value, (list, tuple)) else 2
        _matrix(min(max(rows, 2), 5)).check(value, at)


def _positions(least: int, most: int) -> Rule:
    return Items(Number(whole=True, least=0, most=4), least=least, most=most, unique=True)


def _by_dimension(draft: Draft) -> Rule:
    # the first drafts put the axes into the transformation, under changing names
    part: Rule = Nested(draft)
    if not draft.loose:
        hint = "list the positions of the axes, from 0"
        part = Fields(
            {
                "transformation": Member(part, "must", "the transformation of these axes"),
                **{key: Member(Items(Number()), "must", hint) for key in draft.axes_keys},
            }
        )
    return Fields({"transformations": Member(Items(part), "must", "one for each set of axes")})


def _field(draft: Draft) -> Rule:
    methods = Choice(("nearest", "linear", "cubic"))
    need = "may" if draft.loose else "must"
    return Fields(
        {
            "path": _text(need, "the path of the vector field"),
            "interpolation": Member(methods),
        }
    )


def _kinds(draft: Draft) -> Mapping[str, Rule]:
    """Return the rules by type of transformation, without what all share."""
    inner = Member(Nested(draft), "must", "a transformation")
    loose = draft.loose
    kinds: dict[str, Rule] = {
        "identity": Fields(),
        "mapAxis": Fields(
            {
                "mapAxis": Member(
                    Anything() if loose else _positions(2, 5),
                    "must",
                    "list the position of each input axis, e.g. [1, 0]",
                )
            }
        ),
        "scale": _parameter("scale", Number(above=0), draft),
        "translation": _parameter("translation", Number(), draft),
        "affine": Either(
            {
                "affine": Items() if loose else _matrix(),
                "path": Text(),
            }
        ),
        "rotation": Either({"rotation": Items() if loose else Square(), "path": Text()}),
        "bijection": Fields({"forward": inner, "inverse": inner}),
        "sequence": Fields(
            {"transformations": Member(Items(Nested(draft)), "must", "list the transformations")}
        ),
        "byDimension": _by_dimension(draft),
        "displacements": _field(draft),
        "coordinates": _field(draft),
    }
    if loose:
        kinds["inverseOf"] = Fields({"transformation": inner})
    if draft.projects:
        ends = ("droppedInputs", "createdOutputs")
        kinds["projectAxis"] = Fields({key: Member(_positions(1, 3)) for key in ends}, any_of=ends)
    return kinds


@cache
def transformation(draft: Draft) -> Rule:
    """Return the rule for a transformation anywhere; where from and to is judged elsewhere."""
    return Both((Fields({"name": _text()}), ByTag(_kinds(draft))))


def _ends(first: Rule, second: Rule, remedies: tuple[str, str]) -> Rule:
    return Fields(
        {
            "input": Member(first, "must", remedies[0]),
            "output": Member(second, "must", remedies[1]),
        }
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """A coordinate system by name, by path, or both.

    Parameters
    ----------
    needs : tuple of str
        Which of the two must be given.
    closed : bool
        Whether nothing else may stand beside what is listed.
    keys : tuple of str
        Which of the two may be given.
    path : Rule
        What a path must be.
    strings : bool
        Whether a plain string does, too.
    """

    needs: tuple[str, ...] = ()
    closed: bool = False
    keys: tuple[str, ...] = ("name", "path")
    path: Rule = field(default_factory=Text)
    strings: bool = False

    def check(self, value: object, at: Spot) -> None:
        """Report anything but such a reference."""
        if self.strings and isinstance(value, str):
            return
        rules = {"name": Text(), "path": self.path}
        Fields(
            {key: Member(rules[key], "must" if key in self.needs else "may") for key in self.keys},
            closed=self.closed,
        ).check(value, at)


def _typed(kind: str, rule: Rule) -> Rule:
    """Return `rule` for a transformation that may leave out its type, as datasets' may."""
    return Both((Fields({"type": Member(Choice((kind,)))}), rule))


@cache
def of_dataset(draft: Draft) -> Rule:
    """Return the rule for the transformations of a dataset."""
    if draft.loose:
        return Items(transformation(draft), least=1, unique=True)
    if draft.strings:
        ends = _ends(Text(), Text(), ("the path of the dataset", "a coordinate system's name"))
    else:
        ends = _ends(Reference(("path",)), Reference(("name",)), (_FROM_ARRAY, _BETWEEN))
    kinds = _kinds(draft)
    parts = {kind: _typed(kind, kinds[kind]) for kind in ("scale", "translation")}
    steps = Items(ByTag(parts, alone=True), least=2, most=2)
    chain = Fields(
        {
            "type": Member(Choice(("sequence",)), "must"),
            "transformations": Member(steps, "must", "a scale, then a translation"),
        }
    )
    name = Fields({"name": _text()})
    options: dict[str, Rule] = {
        "scale": Both((name, parts["scale"], ends)),
        "identity": Both((name, _typed("identity", Fields()), ends)),
        "sequence": Both((name, chain, ends)),
    }
    return Items(ByTag(options, alone=True), least=1, most=1, unique=True)


@cache
def of_image(draft: Draft) -> Rule:
    """Return the rule for the transformations an image has beside those of its datasets."""
    if draft.children == "any":
        end = Reference(strings=True)
        # the first drafts let an image's transformations stand without ends
        ends = Anything() if draft.loose else _ends(end, end, (_BETWEEN, _BETWEEN))
    elif draft.children == "output":
        downward = Text(r"(?!\.\./|/).*", "a path downward from this group")
        ends = _ends(
            Reference(("name",), closed=True, keys=("name",)),
            Reference(("name",), closed=True, path=downward),
            (_BETWEEN, _BETWEEN),
        )
    else:
        end = Reference(("name",), path=Anything())
        ends = _ends(end, end, (_BETWEEN, _BETWEEN))
    return Items(Both((transformation(draft), ends)), least=1)


@cache
def systems(draft: Draft) -> Rule:
    """Return the rule for a list of coordinate systems."""
    return Items(system(draft), unique=True)


@cache
def bare(draft: Draft) -> Rule:
    """Return the rule for an object of coordinate systems and transformations between them."""
    end = Reference(strings=draft.either)
    each = Both((transformation(draft), _ends(end, end, (_BETWEEN, _BETWEEN))))
    return Fields(
        {
            "coordinateSystems": Member(systems(draft)),
            "coordinateTransformations": Member(
                Items(each, least=1, unique=True), "must", "list the transformations"
            ),
        }
    )


@cache
def scene(draft: Draft) -> Rule:
    """Return the rule for a scene."""
    if draft.scenes == "names":
        end = Reference(("name",), closed=True)
        ends = _ends(end, end, (_BETWEEN, _BETWEEN))
        between = Items(Both((transformation(draft), ends)), least=1)
        more: dict[str, Member] = {}
    else:
        needs = ("name", "path") if draft.scenes == "paths" else ("name",)
        ends = _ends(Reference(needs), Reference(("name",)), (_BETWEEN, _BETWEEN))
        between = Items(Both((transformation(draft), ends)), least=1, unique=True)
        arrays = Items(Fields({"type": Member(Choice(("array",)))}))
        axes = Both((system_axes(), arrays))
        array_system = Fields({"name": _text(), "axes": Member(axes, "must")})
        more = {"arrayCoordinateSystem": Member(array_system)}
    return Fields(
        {
            "coordinateSystems": Member(systems(draft)),
            "coordinateTransformations": Member(between, "must", "list the transformations"),
            **more,
        }
    )
