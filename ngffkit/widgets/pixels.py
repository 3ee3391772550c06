"""Where a level's pixels are and how a box of them is read: from memory, from chunks, by xarray.

All kinds give boxes of ``(channel, *axes)``, in the type that travels to the browser. Boxes may be
read on many threads at once.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NgffError
from ngffkit.lazy import LazyArray

Array = npt.NDArray[Any]

#: Pixels of an array that is read by an index of each of them, at most.
_SCATTERED = 2**24

#: One slice per axis, with start and stop, step 1.
Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Cuts:
    """How chunks cut one axis.

    Parameters
    ----------
    size : int
        Pixels of the axis.
    chunk : int
        Pixels of a chunk, of the largest one where they differ.
    phase : int
        Pixels of the first chunk that lie before the axis begins, because the axis is cut out.
    edges : tuple of int, optional
        Where chunks begin, and the end, when they differ.

    Examples
    --------
    >>> Cuts(10, 4, 1).meeting(2, 8), Cuts(10, 5, 0, (0, 2, 7, 10)).meeting(2, 8)
    ([(0, 3), (3, 7), (7, 10)], [(2, 7), (7, 10)])
    """

    size: int
    chunk: int
    phase: int = 0
    edges: tuple[int, ...] | None = None

    def meeting(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return start and stop of each chunk that a range meets."""
        if self.edges is not None:
            first, last = bisect_right(self.edges, start) - 1, bisect_right(self.edges, stop - 1)
            return [(self.edges[i], self.edges[i + 1]) for i in range(first, last)]
        chunk, phase = self.chunk, self.phase
        return [
            (max(0, k * chunk - phase), min(self.size, (k + 1) * chunk - phase))
            for k in range((start + phase) // chunk, (stop - 1 + phase) // chunk + 1)
        ]

    @classmethod
    def of(cls, size: int, chunk: int, start: int, step: int) -> Cuts:
        """Return the cuts of every `step`-th pixel from `start`, where chunks have `chunk` pixels.

        Pieces end where chunks end, so that none is decoded twice; where that would make pieces of
        many chunks, they are about as large as what one chunk contributes.
        """
        piece = chunk // math.gcd(chunk, step)
        if piece * step > 2 * max(chunk, step):
            piece = max(1, chunk // step)
        first = -(-(chunk - start % chunk) // step)
        return cls(size, piece, (piece - first) % piece)

    @classmethod
    def listed(cls, chunks: Sequence[int]) -> Cuts:
        """Return the cuts of an axis whose chunks are given one by one, as dask does."""
        size, chunk = sum(chunks), max(chunks)
        if all(n == chunk for n in chunks[:-1]):
            return cls(size, chunk)
        return cls(size, chunk, edges=(0, *accumulate(n for n in chunks if n)))


class Pixels(Protocol):
    """The pixels of one level.

    Attributes
    ----------
    cuts : tuple of Cuts
        Of channels and axes.
    dtype : numpy.dtype
        Of what `read` returns.
    direct : bool
        Whether they are in memory, so that keeping them would only double them.
    workers : int
        Reads at a time that are worth making.
    """

    cuts: tuple[Cuts, ...]
    dtype: np.dtype[Any]
    direct: bool
    workers: int

    def read(self, box: Box) -> Array:
        """Return a box, shape as the box; it may share memory with the source."""


def sent_dtype(dtype: np.dtype[Any], what: str = "these pixels") -> np.dtype[Any]:
    """Return the type in which pixels travel: little endian, one that JavaScript can hold.

    Raises
    ------
    NgffError
        When they are no numbers.

    Examples
    --------
    >>> [sent_dtype(np.dtype(t)).str for t in (">i2", "?", "c16", "f2")]
    ['<i2', '|u1', '<f4', '<f2']
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "c":
        return np.dtype("<f4")
    if dtype.kind == "f":
        return np.dtype(f"<f{min(dtype.itemsize, 8)}")
    if dtype.kind in "ui":
        return dtype.newbyteorder("<")
    raise NgffError(
        f"{what} are of type {dtype}, which can't be shown; make them numbers, e.g. "
        "da.astype('float32')"
    )


def converted(pixels: Array, dtype: np.dtype[Any]) -> Array:
    """Bring pixels to the type they travel in; complex ones as their magnitude."""
    if pixels.dtype.kind == "c":
        pixels = np.abs(pixels)
    return pixels.astype(dtype, copy=False)


class InMemory:
    """Pixels of a NumPy array, shape ``(channel, *axes)``."""

    direct, workers = True, 1

    def __init__(self, array: Array, tile: int) -> None:
        self.array, self.dtype = array, sent_dtype(array.dtype)
        self.cuts = tuple(Cuts(n, min(n, tile)) for n in array.shape)

    def read(self, box: Box) -> Array:
        """Return a box, without copying when it needs no conversion."""
        return converted(self.array[box], self.dtype)


class Lazily:
    """Pixels of any lazy variable: dask, or another backend of xarray."""

    direct, workers = False, 8

    def __init__(self, variable: xr.Variable, order: Sequence[int], chunks: Sequence[Cuts]) -> None:
        """Take the variable, its dimensions in the order wanted (-1: none), and their cuts."""
        self.variable, self.order = variable, tuple(order)
        self.dtype, self.cuts = sent_dtype(variable.dtype), tuple(chunks)

    def read(self, box: Box) -> Array:
        """Compute a box."""
        key: list[slice] = [slice(None)] * self.variable.ndim
        for dim, cut in zip(self.order, box, strict=True):
            if dim >= 0:
                key[dim] = cut
        return self._ordered(self.variable[tuple(key)].to_numpy())

    def _ordered(self, found: Array) -> Array:
        own = found.transpose([dim for dim in self.order if dim >= 0])
        return converted(own if self.order[0] >= 0 else own[np.newaxis], self.dtype)


class Stored:
    """Pixels of an array of a store that ngffkit opened, read without a detour over xarray.

    Parameters
    ----------
    reader : ArrayReader
        Reads the array.
    key : sequence of int, slice or ndarray
        What of the array is shown, per dimension of the array; slices with positive steps.
    order : sequence of int
        Which of the dimensions that are left, as `Lazily` counts them, is channel and each axis.
    """

    direct = False

    def __init__(
        self, reader: ArrayReader, key: Sequence[int | slice | Array], order: Sequence[int]
    ) -> None:
        # many boxes are read at a time, so each on one thread
        self.reader = replace(reader, workers=1)
        self.workers = min(32, max(8, reader.store.concurrency))
        self.dtype = sent_dtype(reader.spec.layout.dtype)
        layout = reader.spec.layout
        self._fixed: list[slice] = [
            slice(k, k + 1) if isinstance(k, int) else slice(0) for k in key
        ]
        left = [i for i, k in enumerate(key) if not isinstance(k, int)]
        self._dims = [left[j] if j >= 0 else -1 for j in order]
        self._keys = [key[i] if i >= 0 else 0 for i in self._dims]
        self._transpose = [i for i in self._dims if i >= 0] + [
            i for i, k in enumerate(key) if isinstance(k, int)
        ]
        self.cuts = tuple(
            _cuts_of(k, layout.chunks[i]) for k, i in zip(self._keys, self._dims, strict=True)
        )

    def read(self, box: Box) -> Array:
        """Decode what a box needs."""
        parts: list[Any] = self._fixed.copy()
        for dim, key, cut in zip(self._dims, self._keys, box, strict=True):
            if dim < 0:
                continue
            if isinstance(key, slice):
                start, step = key.start, key.step
                parts[dim] = slice(
                    start + cut.start * step, start + (cut.stop - 1) * step + 1, step
                )
            else:
                parts[dim] = key[cut]  # type: ignore[index]
        found = self.reader.read(parts).transpose(self._transpose)
        shape = [cut.stop - cut.start for cut in box]
        return converted(found.reshape(shape), self.dtype)


def _cuts_of(key: int | slice | Array, chunk: int) -> Cuts:
    if isinstance(key, slice):
        count = len(range(key.start, key.stop, key.step))
        return Cuts.of(count, chunk, key.start, key.step)
    return Cuts(1 if isinstance(key, int) else len(key), 1)


def check_readable(da: xr.DataArray) -> None:
    """Raise when boxes of an array can't be cut out without an index of all its pixels.

    That is how xarray transposes what isn't read yet.
    """
    scattered = isinstance(_source_of(da), indexing.LazilyVectorizedIndexedArray)
    if scattered and da.size > _SCATTERED:
        raise NgffError(
            f"these {da.size} pixels were transposed, or picked one by one, before they were read, "
            "and xarray can't read such in parts; browse them as they were, a view has no use for "
            "an order of axes, or open with chunks={}"
        )


def _source_of(da: xr.DataArray) -> Any:
    """Return what a variable's pixels are read from."""
    data: Any = da.variable._data  # noqa: SLF001 - xarray has no public way to ask what is lazy
    while isinstance(data, (indexing.MemoryCachedArray, indexing.CopyOnWriteArray)):
        data = data.array
    return data


def stored_key(da: xr.DataArray) -> tuple[LazyArray, tuple[int | slice | Array, ...]] | None:
    """Find the array of a store that a DataArray is a lazy cutout of, and which one.

    Returns
    -------
    (LazyArray, tuple of int, slice or ndarray) or None
        One entry per dimension of the stored array; None when pixels were computed, transposed
        or reversed.
    """
    data = _source_of(da)
    if not isinstance(data, indexing.LazilyIndexedArray):
        return None
    key, data = data.key.tuple, data.array
    if not isinstance(data, LazyArray):
        return None
    parts: list[int | slice | Array] = []
    for part, size in zip(key, data.shape, strict=True):
        if isinstance(part, slice):
            start, stop, step = part.indices(size)
            if step < 1:
                return None
            parts.append(slice(start, stop, step))
        elif isinstance(part, np.ndarray):
            parts.append(np.where(part < 0, part + size, part).astype(np.intp))
        else:
            parts.append(int(part) % size)
    return data, tuple(parts)


def pixels_of(da: xr.DataArray, channel: str | None, axes: Sequence[str], tile: int) -> Pixels:
    """Choose how the pixels of an array are read.

    Parameters
    ----------
    da : DataArray
        Any.
    channel : str, optional
        Its dimension of channels.
    axes : sequence of str
        Its other dimensions, in the order that boxes are wanted in.
    tile : int
        Pixels along an axis that are read at a time where there are no chunks.
    """
    dims = list(map(str, da.dims))
    order = [-1 if channel is None else dims.index(channel), *map(dims.index, axes)]
    sent_dtype(da.dtype, "these pixels" if da.name is None else f"the pixels of {str(da.name)!r}")
    found = stored_key(da)
    if found is not None:
        return Stored(found[0].reader, found[1], order)
    if da.variable._in_memory:  # noqa: SLF001 - `.values` would load what isn't
        own = np.asarray(da.variable.values).transpose([i for i in order if i >= 0])
        return InMemory(own if channel is not None else own[np.newaxis], tile)
    return Lazily(da.variable, order, [_lazy_cuts(da, i, tile) for i in order])


def _lazy_cuts(da: xr.DataArray, dim: int, tile: int) -> Cuts:
    if dim < 0:
        return Cuts(1, 1)
    if da.chunks is not None:
        return Cuts.listed(da.chunks[dim])
    size = da.shape[dim]
    preferred = da.encoding.get("preferred_chunks") or {}
    return Cuts(size, max(1, min(size, int(preferred.get(da.dims[dim], tile)))))
