"""Coordinate transformations: what can be laid on axes is, the rest is kept.

Scale, translation, identity, sequences of them, and those affine, rotation and mapAxis that only
permute, scale and move axes, come out as one scale and one translation per axis. Everything else
can't be a coordinate along an axis: it is kept as it was given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ngffkit.errors import MetadataError
from ngffkit.shown import shown

#: The specification forbids sequences in sequences; deeper than this is an attack.
_MAX_DEPTH = 8

#: As is a longer list of steps.
_MAX_STEPS = 64

#: A number of a matrix that is so small beside its row's largest is a zero with rounding errors.
_ZERO = 1e-12

Matrix = list[list[float]]


@dataclass(frozen=True, slots=True)
class AxisMap:
    """A transformation that treats every axis on its own.

    Parameters
    ----------
    order : tuple of int
        Output axis ``i`` is made from input axis ``order[i]``.
    scale, translation : tuple of float
        ``out[i] = scale[i] * in[order[i]] + translation[i]``.
    """

    order: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]


def axis_map(transforms: Sequence[Any], ndim: int, loc: str) -> AxisMap | None:
    """Reduce transformations, applied one after another, to one per axis.

    Parameters
    ----------
    transforms : sequence
        JSON values of ``coordinateTransformations``.
    ndim : int
        Number of axes.
    loc : str
        JSON path of the list, for errors.

    Returns
    -------
    AxisMap or None
        None when they mix axes, mirror them or need data of their own.

    Raises
    ------
    MetadataError
        On a scale that is zero, negative or not a number, on lists of the wrong length, and when
        the product of all can't be counted.

    Examples
    --------
    >>> axis_map(
    ...     [{"type": "scale", "scale": [2, 4]}, {"type": "translation", "translation": [1, 0]}],
    ...     2,
    ...     "",
    ... )
    AxisMap(order=(0, 1), scale=(2.0, 4.0), translation=(1.0, 0.0))
    """
    matrix = _chain(transforms, ndim, loc, 0)
    if matrix is None:
        return None
    if not all(math.isfinite(value) for row in matrix for value in row):
        raise MetadataError("multiply to more than a number can hold", loc)
    for i, row in enumerate(matrix):
        if not any(row[:-1]):
            raise MetadataError(f"put all pixels at one place along axis {i}", loc)
    return _as_axis_map(matrix, ndim)


def _chain(steps: Sequence[Any], ndim: int, loc: str, depth: int) -> Matrix | None:
    """Multiply steps that follow one another; None when one of them is no matrix."""
    if len(steps) > _MAX_STEPS:
        raise MetadataError(f"has {len(steps)} steps; at most {_MAX_STEPS} are understood", loc)
    matrix: Matrix | None = _identity(ndim)
    for i, item in enumerate(steps):
        # all are looked at: a harmful one is refused wherever it stands
        step = _matrix(item, ndim, f"{loc}[{i}]", depth)
        matrix = None if step is None or matrix is None else _compose(step, matrix)
    return matrix


def _identity(ndim: int) -> Matrix:
    return [[float(i == j) for j in range(ndim)] + [0.0] for i in range(ndim)]


def _compose(after: Matrix, before: Matrix) -> Matrix:
    columns = len(before[0])
    return [
        [
            sum(row[k] * before[k][j] for k in range(len(before)) if row[k] != 0.0)
            + (row[-1] if j == columns - 1 else 0.0)
            for j in range(columns)
        ]
        for row in after
    ]


def _as_axis_map(matrix: Matrix, ndim: int) -> AxisMap | None:
    order, scale = [], []
    for row in matrix:
        largest = max(map(abs, row[:-1]), default=0.0)
        used = [j for j in range(ndim) if abs(row[j]) > largest * _ZERO]
        if len(used) != 1 or row[used[0]] < 0:
            return None
        order.append(used[0])
        scale.append(row[used[0]])
    if sorted(order) != list(range(ndim)):
        return None
    return AxisMap(tuple(order), tuple(scale), tuple(row[-1] for row in matrix))


def _matrix(item: Any, ndim: int, loc: str, depth: int) -> Matrix | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("type"), str):
        raise MetadataError("is no transformation; an object with a type was expected", loc)
    if depth > _MAX_DEPTH:
        raise MetadataError(f"is nested more than {_MAX_DEPTH} deep", loc)
    kind = item["type"]
    if kind == "sequence":
        return _sequence(item, ndim, loc, depth)
    if kind == "byDimension":
        return _by_dimension(item, ndim, loc, depth)
    make = _SIMPLE.get(kind)
    return None if make is None else make(item, ndim, loc)


def _sequence(item: Mapping[str, Any], ndim: int, loc: str, depth: int) -> Matrix | None:
    return _chain(_steps(item, loc), ndim, f"{loc}.transformations", depth + 1)


def _steps(item: Mapping[str, Any], loc: str) -> list[Any]:
    steps = item.get("transformations")
    if not isinstance(steps, list):
        raise MetadataError(f"is {shown(steps)}; a list was expected", f"{loc}.transformations")
    if len(steps) > _MAX_STEPS:
        raise MetadataError(
            f"has {len(steps)} steps; at most {_MAX_STEPS} are understood", f"{loc}.transformations"
        )
    return steps


def _by_dimension(item: Mapping[str, Any], ndim: int, loc: str, depth: int) -> Matrix | None:
    rows: dict[int, list[float]] = {}
    for i, part in enumerate(_steps(item, loc)):
        if not isinstance(part, Mapping) or part.get("transformation") is None:
            return None
        # drafts up to dev4 spelled them with an underscore
        inputs = part.get("inputAxes", part.get("input_axes"))
        outputs = part.get("outputAxes", part.get("output_axes"))
        if not _indices(inputs, ndim) or not _indices(outputs, ndim):
            return None
        here = f"{loc}.transformations[{i}].transformation"
        made = _matrix(part["transformation"], len(inputs), here, depth + 1)
        if made is None or len(made) != len(outputs) or rows.keys() & set(outputs):
            return None
        for row, out in zip(made, outputs, strict=True):
            full = [0.0] * ndim + [row[-1]]
            for value, j in zip(row[:-1], inputs, strict=True):
                full[j] = value
            rows[out] = full
    return [rows[i] for i in range(ndim)] if sorted(rows) == list(range(ndim)) else None


def _indices(value: Any, ndim: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= ndim
        and all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < ndim for i in value)
        and len(set(value)) == len(value)
    )


def _numbers(item: Mapping[str, Any], key: str, ndim: int, loc: str) -> list[float] | None:
    values = item.get(key)
    if values is None and isinstance(item.get("path"), str):
        return None  # the numbers are in an array of their own
    loc = f"{loc}.{key}"
    if not isinstance(values, list):
        raise MetadataError(f"is {shown(values)}; a list of {ndim} numbers was expected", loc)
    if len(values) != ndim:
        raise MetadataError(f"has {len(values)} numbers, the image has {ndim} axes", loc)
    return [_number(value, f"{loc}[{i}]") for i, value in enumerate(values)]


def _number(value: Any, loc: str) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or isinstance(value, bool):
        raise MetadataError(f"is {shown(value)}; a finite number was expected", loc)
    return number


def _scale(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:
    values = _numbers(item, "scale", ndim, loc)
    if values is None:
        return None
    for i, value in enumerate(values):
        if value <= 0:
            raise MetadataError(
                f"is {value:g}; the distance between pixels must be positive", f"{loc}.scale[{i}]"
            )
    matrix = _identity(ndim)
    for i, value in enumerate(values):
        matrix[i][i] = value
    return matrix


def _translation(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:
    values = _numbers(item, "translation", ndim, loc)
    if values is None:
        return None
    matrix = _identity(ndim)
    for i, value in enumerate(values):
        matrix[i][-1] = value
    return matrix


def _rows(item: Mapping[str, Any], key: str, ndim: int, loc: str, columns: int) -> Matrix | None:
    rows = item.get(key)
    if (
        not isinstance(rows, list)
        or len(rows) != ndim
        or not all(isinstance(row, list) and len(row) == columns for row in rows)
    ):
        return None  # in an array of its own, or between spaces of different dimensions
    return [
        [_number(value, f"{loc}.{key}[{i}][{j}]") for j, value in enumerate(row)]
        for i, row in enumerate(rows)
    ]


def _affine(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:
    return _rows(item, "affine", ndim, loc, ndim + 1)


def _rotation(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:
    rows = _rows(item, "rotation", ndim, loc, ndim)
    return None if rows is None else [[*row, 0.0] for row in rows]


def _map_axis(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:  # noqa: ARG001
    order = item.get("mapAxis")
    if not _indices(order, ndim) or len(order) != ndim:  # type: ignore[arg-type]
        return None
    return [[float(j == source) for j in range(ndim)] + [0.0] for source in order]  # type: ignore[union-attr]


_SIMPLE = {
    "identity": lambda item, ndim, loc: _identity(ndim),  # noqa: ARG005
    "scale": _scale,
    "translation": _translation,
    "affine": _affine,
    "rotation": _rotation,
    "mapAxis": _map_axis,
}
