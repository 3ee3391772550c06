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

#: Deeper sequences are an attack.
_MAX_DEPTH = 16

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
        On a scale that is zero, negative or not a number, and on lists of the wrong length.

    Examples
    --------
    >>> axis_map([{"type": "scale", "scale": [2, 4]}, {"type": "translation", "translation": [1, 0]}],
    ...          2, "")
    AxisMap(order=(0, 1), scale=(2.0, 4.0), translation=(1.0, 0.0))
    """
    matrix: Matrix | None = _identity(ndim)
    for i, item in enumerate(transforms):
        step = _matrix(item, ndim, f"{loc}[{i}]", 0)
        matrix = None if step is None or matrix is None else _compose(step, matrix)
    return None if matrix is None else _as_axis_map(matrix, ndim)


def _identity(ndim: int) -> Matrix:
    return [[float(i == j) for j in range(ndim)] + [0.0] for i in range(ndim)]


def _compose(after: Matrix, before: Matrix) -> Matrix:
    columns = len(before[0])
    return [
        [
            sum(
                row[k] * before[k][j] for k in range(len(before)) if row[k] != 0.0
            )
            + (row[-1] if j == columns - 1 else 0.0)
            for j in range(columns)
        ]
        for row in after
    ]


def _as_axis_map(matrix: Matrix, ndim: int) -> AxisMap | None:
    order, scale = [], []
    for row in matrix:
        used = [j for j in range(ndim) if row[j] != 0.0]
        if len(used) != 1 or not (row[used[0]] > 0 and math.isfinite(row[used[0]])):
            return None
        order.append(used[0])
        scale.append(row[used[0]])
    if sorted(order) != list(range(ndim)) or not all(math.isfinite(row[-1]) for row in matrix):
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
    steps = item.get("transformations")
    if not isinstance(steps, list):
        raise MetadataError("is missing; a list was expected", f"{loc}.transformations")
    matrix: Matrix | None = _identity(ndim)
    for i, step in enumerate(steps):
        made = _matrix(step, ndim, f"{loc}.transformations[{i}]", depth + 1)
        matrix = None if made is None or matrix is None else _compose(made, matrix)
    return matrix


def _by_dimension(item: Mapping[str, Any], ndim: int, loc: str, depth: int) -> Matrix | None:
    parts = item.get("transformations")
    if not isinstance(parts, list):
        raise MetadataError("is missing; a list was expected", f"{loc}.transformations")
    rows: dict[int, list[float]] = {}
    for i, part in enumerate(parts):
        inner = part.get("transformation") if isinstance(part, Mapping) else None
        inputs, outputs = (
            (part.get("inputAxes"), part.get("outputAxes"))
            if isinstance(part, Mapping)
            else (None, None)
        )
        if inner is None or not _indices(inputs, ndim) or not _indices(outputs, ndim):
            return None
        here = f"{loc}.transformations[{i}].transformation"
        made = _matrix(inner, len(inputs), here, depth + 1)  # type: ignore[arg-type]
        if made is None or len(made) != len(outputs):  # type: ignore[arg-type]
            return None
        for row, out in zip(made, outputs, strict=True):  # type: ignore[arg-type]
            full = [0.0] * ndim + [row[-1]]
            for value, j in zip(row[:-1], inputs, strict=True):  # type: ignore[arg-type]
                full[j] = value
            rows[out] = full
    return [rows[i] for i in range(ndim)] if sorted(rows) == list(range(ndim)) else None


def _indices(value: Any, ndim: int) -> bool:
    return isinstance(value, list) and all(
        isinstance(i, int) and not isinstance(i, bool) and 0 <= i < ndim for i in value
    )


def _numbers(item: Mapping[str, Any], key: str, ndim: int, loc: str) -> list[float] | None:
    values = item.get(key)
    if values is None and isinstance(item.get("path"), str):
        return None  # the numbers are in an array of their own
    loc = f"{loc}.{key}"
    if not isinstance(values, list):
        raise MetadataError(f"is {values!r}; a list of {ndim} numbers was expected", loc)
    if len(values) != ndim:
        raise MetadataError(f"has {len(values)} numbers, the image has {ndim} axes", loc)
    out = []
    for i, value in enumerate(values):
        try:
            number = float(value) if isinstance(value, (int, float)) else math.nan
        except OverflowError:
            number = math.inf
        if not math.isfinite(number) or isinstance(value, bool):
            raise MetadataError(f"is {value!r}; a finite number was expected", f"{loc}[{i}]")
        out.append(number)
    return out


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


def _rows(item: Mapping[str, Any], key: str, ndim: int, extra: int) -> Matrix | None:
    rows = item.get(key)
    good = (
        isinstance(rows, list)
        and len(rows) == ndim
        and all(
            isinstance(row, list)
            and len(row) == ndim + extra
            and all(isinstance(v, (int, float)) and abs(v) < 1e300 for v in row)
            for row in rows
        )
    )
    return [[float(v) for v in row] + [0.0] * (1 - extra) for row in rows] if good else None  # type: ignore[union-attr]


def _affine(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:  # noqa: ARG001
    return _rows(item, "affine", ndim, 1)


def _rotation(item: Mapping[str, Any], ndim: int, loc: str) -> Matrix | None:  # noqa: ARG001
    return _rows(item, "rotation", ndim, 0)


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
