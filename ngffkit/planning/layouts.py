"""Chunks and shards for each level, chosen or as asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ngffkit.errors import PlanError, Problem
from ngffkit.grid import Grid
from ngffkit.layout import Layout
from ngffkit.planning.options import PerAxis, WriteOptions

#: Voxels along an axis of a chunk, and of a shard, where nobody says otherwise: WEBKNOSSOS and
#: neuroglancer stream chunks of 32 to 128 voxels best.
CHUNK, SHARD = 64, 512

#: A row of shards holds at most this many bytes of planes, since it is what a kill may cost.
_ROW_BYTES = 4 * 2**30

#: The longest side of a chunk of flat images, 64^3 voxels.
_FLAT = 512


def layout_of(
    grid: Grid,
    dtype: np.dtype,
    zarr_format: int,
    options: WriteOptions,
    codecs: tuple[str, ...],
) -> Layout:
    """Return how an array of this grid is laid out.

    Parameters
    ----------
    grid : Grid
        Of the array.
    dtype : numpy.dtype
        Of its pixels.
    zarr_format : int
        2 or 3.
    options : WriteOptions
        What was asked for.
    codecs : tuple of str
        Names of the codecs.

    Raises
    ------
    PlanError
        When chunks or shards can't be.
    """
    chunk = _chunks(grid, options.chunks)
    shards = None if zarr_format == 2 else _shards(grid, dtype, chunk, options.shards)
    if zarr_format == 2 and options.shards not in ("auto", None):
        problem = Problem(
            "shards", "error", f"{options.shards} asked for; Zarr v2 has none", "pass shards=None"
        )
        raise PlanError([problem])
    return Layout(grid.shape, dtype, chunk, shards, codecs, zarr_format)


def _chunks(grid: Grid, asked: PerAxis | Literal["auto"]) -> tuple[int, ...]:
    if asked == "auto":
        return _auto(grid)
    wanted = per_axis(grid, asked, "chunks", CHUNK)
    # an axis that is shorter needs no more
    return tuple(min(w, max(1, n)) for w, n in zip(wanted, grid.shape, strict=True))


def _auto(grid: Grid) -> tuple[int, ...]:
    """Return chunks of about 64^3 voxels: cubes, or flatter ones where an axis is short."""
    sizes = dict(zip(grid.dims, grid.shape, strict=True))
    out = {name: min(CHUNK, max(1, sizes[name])) if name in grid.space else 1 for name in grid.dims}
    plane = [name for name in grid.space[-2:] if sizes[name] > CHUNK]
    side = CHUNK
    while plane and side < _FLAT:
        side *= 2
        bigger = out | {name: min(side, sizes[name]) for name in plane}
        if math.prod(bigger.values()) > CHUNK**3:
            break
        out = bigger
    return tuple(out.values())


def _shards(
    grid: Grid, dtype: np.dtype, chunk: tuple[int, ...], asked: PerAxis | Literal["auto"] | None
) -> tuple[int, ...] | None:
    if asked is None:
        return None
    if asked == "auto":
        wanted = [
            max(c, SHARD // c * c) if name in grid.space else c
            for name, c in zip(grid.dims, chunk, strict=True)
        ]
        _flatten(grid, dtype, chunk, wanted)
    else:
        wanted = list(per_axis(grid, asked, "shards", 1))
        for i, (name, c, n) in enumerate(zip(grid.dims, chunk, grid.shape, strict=True)):
            if name not in grid.space and not isinstance(asked, Mapping):
                wanted[i] = c
            if wanted[i] % c and wanted[i] < n:
                raise PlanError([_uneven(name, wanted[i], c)])
    # no larger than the chunks that there are
    return tuple(
        c * max(1, min(-(-w // c), -(-n // c)))
        for w, c, n in zip(wanted, chunk, grid.shape, strict=True)
    )


def _flatten(grid: Grid, dtype: np.dtype, chunk: tuple[int, ...], wanted: list[int]) -> None:
    """Make shards flatter where planes are so wide that a row of shards would be huge."""
    if len(grid.space) < 3:
        return
    plane = math.prod(n for name, n in zip(grid.dims, grid.shape, strict=True) if name in "yx")
    i = grid.axis(grid.space[0])
    while wanted[i] > chunk[i] and wanted[i] * plane * dtype.itemsize > _ROW_BYTES:
        wanted[i] = max(chunk[i], wanted[i] // 2 // chunk[i] * chunk[i])


def _uneven(name: str, shard: int, chunk: int) -> Problem:
    whole = max(chunk, round(shard / chunk) * chunk)
    message = f"{shard} voxels along {name} are no multiple of the chunk's {chunk}"
    return Problem("shards", "error", message, f"pass {whole}")


def per_axis(grid: Grid, asked: Any, option: str, other: int) -> tuple[int, ...]:
    """Spread what was asked for over the axes of a grid.

    Parameters
    ----------
    grid : Grid
        With the axes.
    asked : int, sequence or mapping
        One number is for all spatial axes; a sequence is in x-y-z order (with the channel before
        them if there are four numbers); a mapping is by name.
    option : str
        Its name, for errors.
    other : int
        For axes of space that a mapping leaves out; others get 1.

    Examples
    --------
    >>> from ngffkit.sources.contract import make_grid
    >>> per_axis(make_grid({"t": 9, "z": 9, "y": 9, "x": 9}), (32, 32, 16), "chunks", 64)
    (1, 16, 32, 32)
    """
    if isinstance(asked, Mapping):
        named = {str(k): v for k, v in asked.items()}
    elif isinstance(asked, (int, np.integer)) and not isinstance(asked, bool):
        named = dict.fromkeys(grid.space, asked)
    elif isinstance(asked, Sequence) and not isinstance(asked, str):
        names = {1: "x", 2: "xy", 3: "xyz", 4: "cxyz", 5: "tcxyz"}.get(len(asked), "")
        named = dict(zip(names, asked, strict=True)) if names else {}
        if len(names) >= 3 and "z" not in grid.dims:
            named.pop("z", None)
        named = {k: v for k, v in named.items() if k in grid.dims}
    else:
        named = {}
    wrong = [k for k, v in named.items() if k not in grid.dims or not _whole(v)]
    if not named or wrong:
        text = "a whole number, (x, y, z), or numbers by axis, e.g. {'z': 32, 'y': 64, 'x': 64}"
        message = f"{asked!r} does not fit the axes {', '.join(grid.dims)}"
        raise PlanError([Problem(option, "error", message, f"pass {text}")])
    return tuple(int(named.get(d, other if d in grid.space else 1)) for d in grid.dims)


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= 1
