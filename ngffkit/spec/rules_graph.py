"""What the text of 0.6 asks of transformations: that they fit their axes and join up.

Everything here runs after the schema and must bear documents that break it: what has not the
right form is passed over, for the schema has reported it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ngffkit.spec.report import DEEPEST, Spot, items, members, numbers, show, twins
from ngffkit.spec.rules_axes import TYPES_06, check_axes
from ngffkit.spec.rules_paths import check_path
from ngffkit.spec.rules_transforms import Draft

_FIT: Final = "it needs one number for each axis of the coordinate system"
# Matrices come from registration and are printed with few digits.
_ROTATION_TOLERANCE: Final = 1e-3


class Ref(NamedTuple):
    """A coordinate system as ``input`` and ``output`` give it."""

    name: str | None
    path: str | None

    @classmethod
    def of(cls, value: object) -> Ref:
        """Read a reference from an object, or from the string of the first drafts."""
        if isinstance(value, str):
            return cls(value, None)
        found = members(value)
        name, path = found.get("name"), found.get("path")
        return cls(name if isinstance(name, str) else None, path if isinstance(path, str) else None)


# --- coordinate systems -----------------------------------------------------------------------


def check_systems(value: object, at: Spot, *, image: bool) -> dict[str, int]:
    """Report what is wrong with coordinate systems; return the number of axes of each by name."""
    found = items(value)
    names = [members(one).get("name") for one in found]
    for position, earlier in twins(n if isinstance(n, str) else object() for n in names):
        at.index(position).key("name").problem(
            f"{show(names[position])} is already the name of coordinate system {earlier}",
            "give every coordinate system a name of its own",
        )
    sizes: dict[str, int] = {}
    for position, (name, one) in enumerate(zip(names, found, strict=True)):
        if at.report.full:
            break
        axes = members(one).get("axes")
        check_axes(axes, at.index(position).key("axes"), image=image, types=TYPES_06)
        if isinstance(name, str) and isinstance(axes, (list, tuple)):
            sizes.setdefault(name, len(axes))
    return sizes


# --- do parameters fit the axes? --------------------------------------------------------------

# From a transformation and the number of its input axes: how many it takes and how many it gives,
# each None when it doesn't say.
Implied = tuple[int | None, int | None]


def _vector(key: str) -> Callable[[Mapping[str, Any], int | None], Implied]:
    def implied(one: Mapping[str, Any], _n: int | None) -> Implied:
        found = one.get(key)
        size = len(found) if isinstance(found, (list, tuple)) else None
        return size, size

    return implied


def _affine(one: Mapping[str, Any], _n: int | None) -> Implied:
    rows = items(one.get("affine"))
    widths = {len(items(row)) for row in rows}
    if len(widths) != 1 or 0 in widths:
        return None, None
    return widths.pop() - 1, len(rows)


def _project(one: Mapping[str, Any], n: int | None) -> Implied:
    if n is None:
        return None, None
    dropped, created = items(one.get("droppedInputs")), items(one.get("createdOutputs"))
    return n, n - len(dropped) + len(created)


def _same(_one: Mapping[str, Any], n: int | None) -> Implied:
    return n, n


_IMPLIED: Final[Mapping[str, Callable[[Mapping[str, Any], int | None], Implied]]] = {
    "identity": _same,
    "displacements": _same,
    "scale": _vector("scale"),
    "translation": _vector("translation"),
    "mapAxis": _vector("mapAxis"),
    "rotation": _vector("rotation"),
    "affine": _affine,
    "projectAxis": _project,
}


def fit(one: Mapping[str, Any], n_in: int | None, n_out: int | None, at: Spot) -> int | None:
    """Report what doesn't fit a transformation from `n_in` to `n_out` axes.

    Parameters
    ----------
    one : Mapping
        The transformation.
    n_in, n_out : int, optional
        The number of axes of its input and output, where known.
    at : Spot
        Its place.

    Returns
    -------
    int or None
        How many axes come out of it, where known.
    """
    kind = one.get("type")
    if at.depth > DEEPEST or not isinstance(kind, str):
        return n_out
    if kind in _WRAPPERS:
        return _WRAPPERS[kind](one, n_in, n_out, at)
    if kind not in _IMPLIED:
        check_path(one.get("path"), at.key("path"), climb=True)
        return n_out
    takes, gives = _IMPLIED[kind](one, n_in)
    spot = at.key(kind) if kind in one else at
    if takes is not None and n_in is not None and takes != n_in:
        spot.problem(f"is for {takes} axes, its input has {n_in}", _FIT)
    elif gives is not None and n_out is not None and gives != n_out:
        spot.problem(f"gives {gives} axes, its output has {n_out}", _FIT)
    if kind in one:
        check_values(kind, one[kind], spot)
    _check_positions(one, n_in, n_out, at)
    check_path(one.get("path"), at.key("path"), climb=True)
    return gives


def check_values(kind: str, value: object, at: Spot) -> None:
    """Report parameters of a scale, translation, affine or rotation that can't be meant.

    The list itself is reported, not its items: they are wrong together more often than not.
    """
    rows = items(value) if kind in {"affine", "rotation"} else [value]
    found = [numbers(row) for row in rows]
    flat = [number for row in found for number in row or ()]
    if not all(map(math.isfinite, flat)):
        at.problem(f"{show(value)} holds a number that is not finite", "write finite numbers")
    elif kind == "scale" and any(number <= 0 for number in flat):
        at.problem(
            f"{show(value)} holds a number that is not positive",
            "a scale is the distance between two pixels; mirror with an affine",
        )
    elif kind == "affine" and len({len(row or ()) for row in found}) > 1:
        at.problem("its rows differ in length", "every row needs a number per axis and an offset")
    elif kind == "rotation" and None not in found:
        _check_rotation([row or [] for row in found], at)


def _check_rotation(rows: Sequence[Sequence[float]], at: Spot) -> None:
    size = len(rows)
    if size > 5 or any(len(row) != size for row in rows):
        return
    for i in range(size):
        for j in range(size):
            product = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
            if not abs(product - (i == j)) <= _ROTATION_TOLERANCE:
                at.problem("its rows are not orthonormal", "use an affine instead")
                return
    if _determinant(rows) < 0:
        at.problem("its determinant is -1, so it is a reflection", "use an affine instead")


def _determinant(rows: Sequence[Sequence[float]]) -> float:
    if not rows:
        return 1.0
    head, *tail = rows
    out: float = sum(
        (-1) ** column * entry * _determinant([[*row[:column], *row[column + 1 :]] for row in tail])
        for column, entry in enumerate(head)
    )
    return out


def _check_positions(one: Mapping[str, Any], n_in: int | None, n_out: int | None, at: Spot) -> None:
    """Report positions of axes that do not exist."""
    for key, count in (("mapAxis", n_in), ("droppedInputs", n_in), ("createdOutputs", n_out)):
        found = numbers(one.get(key))
        if found and count is not None and max(found) >= count:
            at.key(key).problem(
                f"{show(one[key])} names axis {max(found):.0f} of {count}", "axes count from 0"
            )


# --- transformations that hold others ---------------------------------------------------------


def _fit_sequence(
    one: Mapping[str, Any], n_in: int | None, n_out: int | None, at: Spot
) -> int | None:
    steps = items(one.get("transformations"))
    if not steps and "transformations" in one:
        at.key("transformations").problem("is empty", "use an identity")
    spot, size = at.key("transformations"), n_in
    for position, step in enumerate(steps):
        if at.report.full:
            break
        last = position == len(steps) - 1
        size = fit(members(step), size, n_out if last else None, spot.index(position))
    return size


def _fit_bijection(
    one: Mapping[str, Any], n_in: int | None, n_out: int | None, at: Spot
) -> int | None:
    fit(members(one.get("forward")), n_in, n_out, at.key("forward"))
    fit(members(one.get("inverse")), n_out, n_in, at.key("inverse"))
    if n_in is not None and n_out is not None and n_in != n_out:
        at.problem(
            f"is between {n_in} and {n_out} axes, which can't be a bijection",
            "give two transformations instead",
        )
    return n_out


def _fit_by_dimension(
    one: Mapping[str, Any], n_in: int | None, n_out: int | None, at: Spot
) -> int | None:
    spot = at.key("transformations")
    taken: dict[float, int] = {}
    for position, part in enumerate(map(members, items(one.get("transformations")))):
        here = spot.index(position)
        keys = [
            next((key for key in pair if key in part), pair[0])
            for pair in (("inputAxes", "input_axes"), ("outputAxes", "output_axes"))
        ]
        axes = [numbers(part.get(key)) for key in keys]
        for key, found, count in zip(keys, axes, (n_in, n_out), strict=True):
            if found and count is not None and not (min(found) >= 0 and max(found) < count):
                here.key(key).problem(
                    f"{show(part[key])} names an axis that does not exist; there are {count}",
                    "axes count from 0",
                )
        for axis in axes[1] or ():
            if taken.setdefault(axis, position) != position:
                here.key(keys[1]).problem(
                    f"axis {axis:g} is already an output of transformation {taken[axis]}",
                    "each output axis belongs to one transformation",
                )
        sizes = [None if found is None else len(found) for found in axes]
        fit(members(part.get("transformation")), sizes[0], sizes[1], here.key("transformation"))
    if n_out is not None and taken and len(taken) < n_out:
        spot.problem(f"sets {len(taken)} of {n_out} output axes", "every output axis must be set")
    return n_out


_WRAPPERS: Final[
    Mapping[str, Callable[[Mapping[str, Any], int | None, int | None, Spot], int | None]]
] = {
    "sequence": _fit_sequence,
    "bijection": _fit_bijection,
    "byDimension": _fit_by_dimension,
}


# --- between coordinate systems ---------------------------------------------------------------


def check_edges(value: object, sizes: Mapping[str, int], at: Spot, draft: Draft) -> None:
    """Report transformations that refer to nothing, do not fit, or leave systems unconnected.

    Parameters
    ----------
    value : object
        The list of transformations.
    sizes : Mapping of str to int
        The number of axes of the coordinate systems declared beside it.
    at : Spot
        The place of the list.
    draft : Draft
        Says whether all must be connected.
    """
    edges: list[tuple[Ref, Ref]] = []
    for position, one in enumerate(map(members, items(value))):
        if at.report.full:
            return
        spot = at.index(position)
        ends = Ref.of(one.get("input")), Ref.of(one.get("output"))
        counts = [
            _resolve(end, sizes, spot.key(key))
            for end, key in zip(ends, ("input", "output"), strict=True)
        ]
        fit(one, counts[0], counts[1], spot)
        edges.append(ends)
    if draft.settled:
        _check_connected(edges, sizes, at)


def _resolve(end: Ref, sizes: Mapping[str, int], at: Spot) -> int | None:
    """Report a reference to an undeclared system; return the number of axes where known."""
    if end.path is not None:
        check_path(end.path, at.key("path"))
        return None
    if end.name is not None and end.name not in sizes:
        known = ", ".join(map(show, list(sizes)[:8])) or "none"
        at.problem(
            f"{show(end.name)} is not a coordinate system of this group, which has {known}",
            "declare it under coordinateSystems, or say where it is with 'path'",
        )
    return sizes.get(end.name) if end.name is not None else None


def _check_connected(edges: Sequence[tuple[Ref, Ref]], sizes: Mapping[str, int], at: Spot) -> None:
    # the systems of another group are connected by that group's own transformations
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def node(end: Ref) -> tuple[str, str]:
        return ("path", end.path) if end.path is not None else ("name", end.name or "")

    for start, stop in edges:
        parent[root(node(start))] = root(node(stop))
    groups = {root(("name", name)) for name in sizes} | {root(known) for known in list(parent)}
    if len(groups) > 1:
        at.problem(
            f"leaves the coordinate systems in {len(groups)} groups that nothing connects",
            "add a transformation between them, or remove those that are not needed",
        )
