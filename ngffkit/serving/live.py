"""Images that are computed when they are asked for: their levels, and which pixels make a chunk."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit import pyramids
from ngffkit.chunks.arrayspec import ArraySpec
from ngffkit.chunks.encoding import COMPLETE, Compression, array_spec
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.grid import Grid
from ngffkit.image import Image, LabelInfo, Level
from ngffkit.layout import Layout
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.options import PerAxis, WriteOptions, about, nbytes_of
from ngffkit.reduce import Method, method_of
from ngffkit.sources.contract import Box, Source
from ngffkit.spec.encode import DEFAULT, zarr_format

#: Pixels of the finest level that one chunk of a level we make may need, where nobody says.
WORK = 512**3

#: Levels are made until the longest axis has so many pixels.
_UNTIL = 128

#: What viewers can't show, and what is sent instead.
_SENT = {"bool": "uint8", "float16": "float32"}


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How computed data are served.

    Parameters
    ----------
    chunks : int, sequence, mapping or "auto"
        Voxels per chunk, as for `ngffkit.convert`. ``"auto"`` is about 64^3, and fits the chunks of
        dask arrays.
    mags : sequence, optional
        Which coarser mags are made of data that have one mag alone; ``["1"]`` makes none.
    method : str, optional
        How they are made; mean for intensities, mode for labels.
    work : int
        Pixels of the finest level that one chunk may need: coarser levels are left out.
    memory : str or int
        Bytes that computed pixels and encoded chunks may take in all while they are kept.
    compression : str
        ``"zstd"``, ``"gzip"`` or ``"none"``.
    version : str
        Version of OME-Zarr.
    dtype : optional
        Type to which pixels are converted: neuroglancer shows no float64.
    name : str, optional
        What the image is called.
    axes : str, optional
        Meaning of the dimensions where they have no names, e.g. ``"tzyx"``.
    """

    chunks: PerAxis | str = "auto"
    mags: Sequence[Any] | None = None
    method: str | None = None
    work: int = WORK
    memory: str | int = 256 * 2**20
    compression: str = "zstd"
    version: str = DEFAULT
    dtype: Any = None
    name: str | None = None
    axes: str | None = None

    @property
    def codec(self) -> Compression:
        """How chunks are compressed."""
        name, _, level = self.compression.partition(":")
        if level and not level.isdecimal():
            raise NgffError(f"compression {self.compression!r}; write it as 'zstd' or 'zstd:3'")
        kind: Any = name  # it refuses what it doesn't know
        return Compression(kind, int(level or 1))

    @property
    def kept(self) -> int:
        """Bytes that may be kept."""
        return nbytes_of(self.memory, "memory")


@dataclass(frozen=True, slots=True)
class Given:
    """Pixels that can be read or computed box by box.

    Parameters
    ----------
    source : Source
        Axes in the order t, c, z, y, x.
    edges : tuple of tuple of int, optional
        Where what is computed at once begins, per axis, and the end of the last: the chunks of a
        dask array. None where a box costs no more than its pixels.
    """

    source: Source
    edges: tuple[tuple[int, ...], ...] | None = None

    def blocks(self, box: Box) -> list[tuple[tuple[int, ...], Box]]:
        """Return the blocks that a box touches, each with its own box."""
        assert self.edges is not None
        per_axis = []
        for cut, edges in zip(box, self.edges, strict=True):
            first = int(np.searchsorted(edges, cut.start, "right")) - 1
            last = int(np.searchsorted(edges, cut.stop, "left"))
            per_axis.append(range(first, last))
        found = np.stack(np.meshgrid(*per_axis, indexing="ij"), -1).reshape(-1, len(box)).tolist()
        return [
            (tuple(at), tuple(slice(e[i], e[i + 1]) for i, e in zip(at, self.edges, strict=True)))
            for at in found
        ]

    @property
    def block(self) -> tuple[int, ...] | None:
        """Shape of the largest block."""
        if self.edges is None:
            return None
        return tuple(int(np.max(np.diff(edges))) for edges in self.edges)


@dataclass(frozen=True, slots=True)
class LiveLevel:
    """One level as it is served.

    Parameters
    ----------
    spec : ArraySpec
        The array.
    given : Given, optional
        Where its pixels are read; None when they are made of the level before.
    step : tuple of int
        Pixels of the level before that become one.
    """

    spec: ArraySpec
    given: Given | None
    step: tuple[int, ...]

    def box(self, coords: Sequence[int]) -> Box:
        """Return the box of a chunk, which ends where the array does."""
        layout = self.spec.layout
        return tuple(
            slice(i * c, min((i + 1) * c, n))
            for i, c, n in zip(coords, layout.chunks, layout.shape, strict=True)
        )


@dataclass(frozen=True, slots=True)
class LiveImage:
    """An image as it is served.

    Parameters
    ----------
    image : Image
        What is said of it.
    levels : tuple of LiveLevel
        Finest first.
    method : Method
        Makes levels of the one before.
    """

    image: Image
    levels: tuple[LiveLevel, ...]
    method: Method

    @classmethod
    def of(cls, given: Sequence[Given], options: LiveOptions) -> LiveImage:
        """Lay out the levels of an image.

        Parameters
        ----------
        given : sequence of Given
            Its levels, finest first, all of one type. One alone gets coarser ones.
        options : LiveOptions
            How it is served.

        Raises
        ------
        NgffError
            When they don't go together, or an option makes no sense.
        """
        info = given[0].source.info
        dtype = sent_dtype(info.dtype, info.kind, options.dtype)
        method = method_of(options.method, info.kind, dtype)
        grids = [part.source.info.grid for part in given]
        _check(grids)
        _warn_of_large_blocks(given, options)
        steps = [(1,) * len(grids[0].shape)] * len(grids)
        chunks = [_layout(g.source.info.grid, dtype, g.block, options) for g in given]
        if len(given) == 1:
            for rung, grid, layout in _made(grids[0], chunks[0], method, options):
                grids.append(grid)
                steps.append(rung.step)
                chunks.append(layout)
        kept = [*given, *[None] * (len(grids) - len(given))]
        dims = grids[0].dims
        levels = tuple(
            LiveLevel(array_spec(layout, dims, {COMPLETE: True}), part, step)
            for layout, part, step in zip(chunks, kept, steps, strict=True)
        )
        image = Image(
            options.name if options.name is not None else info.name or "image",
            tuple(Level(str(i), grid) for i, grid in enumerate(grids)),
            info.channels,
            info.kind,
            options.version,
            (info.label or LabelInfo()) if info.kind == "label" else None,
            method.name if len(grids) > len(given) else None,
        )
        return cls(image, levels, method)


def sent_dtype(dtype: np.dtype, kind: str, asked: Any) -> np.dtype:
    """Return the type that pixels are sent in.

    Examples
    --------
    >>> sent_dtype(np.dtype(bool), "intensity", None), sent_dtype(np.dtype("i8"), "label", None)
    (dtype('uint8'), dtype('uint64'))
    """
    if asked is not None:
        try:
            dtype = np.dtype(asked)
        except TypeError:
            raise NgffError(f"dtype {asked!r} is no type of pixels; pass e.g. 'uint8'") from None
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise NgffError(f"dtype {dtype} can't be served; pass an integer or float type")
    name = _SENT.get(dtype.name, dtype.name)
    if kind == "label" and name == "int64":
        name = "uint64"  # ids are not negative, and viewers know no signed ones of this size
    return np.dtype(name)


def converted(pixels: npt.NDArray[Any], dtype: np.dtype, kind: str) -> npt.NDArray[Any]:
    """Convert pixels to the type they are sent in.

    Raises
    ------
    NgffError
        When a label is negative.
    """
    if kind == "label" and pixels.dtype.kind == "i" and dtype.kind == "u" and pixels.size:
        least = int(pixels.min())
        if least < 0:
            raise NgffError(f"a label is {least}; labels are counted from 0 up, so convert them")
    return pixels.astype(dtype, copy=False)


def _check(grids: Sequence[Grid]) -> None:
    for before, grid in pairwise(grids):
        if grid.dims != before.dims:
            raise NgffError(
                f"one level has the axes {', '.join(before.dims)}, the next "
                f"{', '.join(grid.dims)}; all levels need the same"
            )
        finer = any(a > b * (1 + 1e-9) for a, b in zip(before.scale, grid.scale, strict=True))
        if finer or grid.scale == before.scale:
            raise NgffError(
                f"levels of pixel sizes {before.scale} and {grid.scale} ({', '.join(grid.dims)}) "
                "are no pyramid; give each level coordinates of its own pixel size"
            )


def _warn_of_large_blocks(given: Sequence[Given], options: LiveOptions) -> None:
    for part in given:
        info, block = part.source.info, part.block
        nbytes = math.prod(block or ()) * info.dtype.itemsize
        if block is not None and nbytes > options.kept // 2:
            warnings.warn(
                f"{info.name}: what is computed at once is {about(nbytes)}, more than the "
                f"{about(options.kept // 2)} that are kept, so it is computed for every chunk "
                f"anew; rechunk it, or pass memory={about(2 * nbytes)!r}",
                NgffWarning,
                stacklevel=2,
            )


def _layout(
    grid: Grid, dtype: np.dtype, block: tuple[int, ...] | None, options: LiveOptions
) -> Layout:
    asked: Any = options.chunks
    write = WriteOptions(version=options.version, chunks=asked, shards=None)
    layout = layout_of(grid, dtype, zarr_format(options.version), write, options.codec.codecs)
    if block is None or asked != "auto":
        return layout
    chunks = tuple(map(_fitting, layout.chunks, block))
    return replace(layout, chunks=chunks)


def _fitting(chunk: int, block: int) -> int:
    """Return a chunk about as long that tiles a block, or that blocks tile.

    Examples
    --------
    >>> _fitting(64, 500), _fitting(64, 24), _fitting(64, 997)
    (50, 48, 64)
    """
    if block <= chunk:
        return chunk // block * block
    near = [n for n in range(chunk // 2 + 1, 2 * chunk) if block % n == 0]
    return min(near, key=lambda n: abs(n - chunk), default=chunk)


def _made(
    base: Grid, finest: Layout, method: Method, options: LiveOptions
) -> list[tuple[pyramids.Rung, Grid, Layout]]:
    """Return the levels that are made of the finest, as far as the work for a chunk is bounded."""
    if options.mags is not None:
        rungs = pyramids.ladder(base, mags=options.mags)
    else:
        rungs = pyramids.ladder(base, until=_UNTIL)
    grids = pyramids.grids(base, rungs, stride=method.stride)
    out = []
    for i, (rung, grid) in enumerate(zip(rungs[1:], grids[1:], strict=True)):
        if rung.parent != i:
            raise NgffError(
                f"mags={list(options.mags or ())!r}: each must be a multiple of the one before"
            )
        layout = _layout(grid, finest.dtype, None, options)
        needed = math.prod(
            min(c * f, n) for c, f, n in zip(layout.chunks, rung.factors, base.shape, strict=True)
        )
        if needed > options.work:
            break
        out.append((rung, grid, layout))
    return out
