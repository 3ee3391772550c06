"""What reading a box asks of a store: requests, bytes, rounds, and what is decoded. No I/O."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ngffkit.access.patterns import Box
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.batches import cut_batches
from ngffkit.chunks.boxes import pieces_of, result_shape
from ngffkit.layout import Layout
from ngffkit.stores.base import merge_ranges

#: What the index of a shard says of a chunk that it doesn't have (Zarr v3, sharding codec 1.0).
_ABSENT = np.uint64(2**64 - 1)

#: Bytes of an entry of a shard's index, and of the checksum after all of them (same source).
_ENTRY, _CHECKSUM = 16, 4


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one read costs; a mean of several may have fractions.

    Parameters
    ----------
    requests : float
        Objects and ranges that are asked for, shard indexes included.
    nbytes : float
        Encoded bytes that come, gaps between near ranges included.
    rounds : float
        Requests that must wait for one another: 1 for chunks, 2 where an index comes first.
    chunks : float
        Chunks that are decoded.
    decoded : float
        Their size in bytes, decoded.
    wanted : float
        Bytes of pixels that were asked for.

    Examples
    --------
    >>> Traffic(8, 8e5, 1, 8, 2_097_152, 262_144).amplification
    8.0
    """

    requests: float
    nbytes: float
    rounds: float
    chunks: float
    decoded: float
    wanted: float

    @property
    def amplification(self) -> float:
        """Bytes that are decoded for each byte that was asked for."""
        return self.decoded / self.wanted if self.wanted else 0.0


class Sizes(Protocol):
    """How large the objects of an array are."""

    def object(self, coords: tuple[int, ...]) -> int | None:
        """Return the bytes of an object; None when it is absent."""

    def index(self, coords: tuple[int, ...]) -> npt.NDArray[np.uint64] | None:
        """Return offset and length of the chunks of a shard, shape (..., 2); None when absent."""


@dataclass(frozen=True, slots=True)
class Typical:
    """Sizes where only the mean is known, or where nothing is written yet.

    Parameters
    ----------
    layout : Layout
        Of the array.
    chunk : float
        Encoded bytes of a chunk that is there.
    present : float
        Which part of the chunks is there, 0 to 1.

    Examples
    --------
    >>> layout = Layout((8, 8), np.dtype("u1"), (2, 2), (4, 4), (), 3)
    >>> sizes = Typical(layout, 3.2)
    >>> sizes.object((0, 0)), sizes.index((0, 0))[1].tolist()
    (81, [[6, 3], [9, 3]])
    """

    layout: Layout
    chunk: float
    present: float = 1.0

    @property
    def grid(self) -> tuple[int, ...]:
        """How many chunks an object has along each axis."""
        pairs = zip(self.layout.object_shape, self.layout.chunks, strict=True)
        return tuple(whole // part for whole, part in pairs)

    def object(self, coords: tuple[int, ...]) -> int | None:  # noqa: ARG002 - all are alike
        """Return the mean, whichever object it is; a shard's with its index."""
        if self.layout.shards is None:
            return round(self.chunk)
        return round(math.prod(self.grid) * (self.chunk + _ENTRY)) + _CHECKSUM

    def index(self, coords: tuple[int, ...]) -> npt.NDArray[np.uint64] | None:  # noqa: ARG002
        """Return the index of a shard whose chunks lie in C order, without gaps."""
        length = max(1, round(self.chunk))
        count = math.prod(self.grid)
        out = np.empty((count, 2), np.uint64)
        out[:, 0] = np.arange(count, dtype=np.uint64) * np.uint64(length)
        out[:, 1] = length
        return out.reshape(*self.grid, 2)


@dataclass(slots=True)
class _Sum:
    """What comes together while objects are counted."""

    requests: float = 0
    nbytes: float = 0
    chunks: float = 0

    def add(self, other: _Sum, times: float = 1) -> None:
        self.requests += other.requests * times
        self.nbytes += other.nbytes * times
        self.chunks += other.chunks * times


def traffic_of(
    spec: ArraySpec, box: Box, sizes: Sizes, *, merges: bool, cpus: int, warm: bool = False
) -> Traffic:
    """Return what reading a box of an array costs, as `ngffkit.chunks.reader` would read it.

    Parameters
    ----------
    spec : ArraySpec
        How the array lies in its store.
    box : Box
        What is read, in pixels of the array.
    sizes : Sizes
        How large its objects are.
    merges : bool
        Whether near ranges travel together, as they do from remote stores.
    cpus : int
        Processors of the machine that reads.
    warm : bool
        Whether the indexes of the shards are known from a read before.

    Notes
    -----
    Exact for sizes that are exact. With `Typical`, all chunks are alike, so shards of which the
    same chunks are wanted cost the same: one of each kind is counted, at most three per axis, and
    a box of millions of chunks takes no longer than a small one.

    Arrays in codecs that only zarr-python decodes are counted as if they were read like the
    others.

    Examples
    --------
    A plane of 512 x 512 pixels in chunks of 64^3, as objects of their own:

    >>> from ngffkit.chunks.arrays import ArraySpec
    >>> layout = Layout((512,) * 3, np.dtype("u1"), (64,) * 3, None, (), 3)
    >>> spec = ArraySpec(layout, layout.dtype, (), None, None, 0, "c", "/")
    >>> plane = (slice(256, 257), slice(0, 512), slice(0, 512))
    >>> found = traffic_of(spec, plane, Typical(layout, 100_000), merges=True, cpus=4)
    >>> found.requests, found.nbytes, found.amplification
    (64, 6400000.0, 64.0)
    """
    layout = spec.layout
    wanted = math.prod(result_shape(box, layout.shape)) * layout.dtype.itemsize
    if not wanted:
        return Traffic(0, 0, 0, 0, 0, 0)
    axes = [
        [piece.chunk for piece in pieces_of(cut, size, chunk)]
        for cut, size, chunk in zip(box, layout.shape, layout.chunks, strict=True)
    ]
    if spec.sharding is None:
        total, rounds = _chunks(axes, sizes), 1
        absent = total.requests - total.chunks
        if layout.zarr_format == 2 and len(axes) > 1 and absent >= 0.5 and not warm:
            # Zarr v2 lets the separator of keys be forgotten: the reader tries the other one, once
            total.requests, rounds = total.requests + 1, 2
    else:
        ask = _Shards(spec, sizes, cpus if merges else 0, warm)
        total = ask.count(axes)
        rounds = (0 if warm else 1) + (1 if total.chunks else 0)
    decoded = total.chunks * layout.chunk_nbytes
    return Traffic(total.requests, total.nbytes, rounds, total.chunks, decoded, wanted)


def mean(parts: Sequence[Traffic]) -> Traffic:
    """Return the mean of several."""
    return Traffic(*(sum(values) / len(parts) for values in zip(*map(astuple, parts), strict=True)))


def _chunks(axes: Sequence[Sequence[int]], sizes: Sizes) -> _Sum:
    """Count chunks that are objects of their own: one request each, also for those not there."""
    count = math.prod(map(len, axes))
    if isinstance(sizes, Typical):
        return _Sum(count, count * sizes.present * sizes.chunk, count * sizes.present)
    found = [size for size in map(sizes.object, itertools.product(*axes)) if size is not None]
    return _Sum(count, sum(found), len(found))


@dataclass(frozen=True, slots=True)
class _Shards:
    """Counts what is asked of shards.

    Parameters
    ----------
    spec : ArraySpec
        Of the array.
    sizes : Sizes
        Of its shards.
    cpus : int
        Processors of the machine that reads where near ranges travel together, else 0.
    warm : bool
        Whether indexes are known.
    """

    spec: ArraySpec
    sizes: Sizes
    cpus: int
    warm: bool

    def count(self, axes: Sequence[Sequence[int]]) -> _Sum:
        """Count the chunks at the outer product of `axes`."""
        layout = self.spec.layout
        pairs = zip(layout.object_shape, layout.chunks, strict=True)
        ratio = [whole // part for whole, part in pairs]
        # per axis: which chunks are wanted of which shard
        cuts = [_by_shard(chunks, n) for chunks, n in zip(axes, ratio, strict=True)]
        shards = math.prod(map(len, cuts))
        total = _Sum()
        for coords, inner, times in self._kinds(cuts):
            index = self.sizes.index(coords)
            total.add(self._index(there=index is not None), times)
            if index is not None:
                found = self._ranges(index[np.ix_(*inner)].reshape(-1, 2), shards)
                if isinstance(self.sizes, Typical):
                    found.nbytes *= self.sizes.present
                    found.chunks *= self.sizes.present
                total.add(found, times)
        return total

    def _kinds(
        self, cuts: Sequence[dict[int, tuple[int, ...]]]
    ) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]], int]]:
        """Yield a shard, which of its chunks are wanted, and how many shards are like it."""
        if not isinstance(self.sizes, Typical):
            for coords in itertools.product(*cuts):
                yield coords, [cut[c] for cut, c in zip(cuts, coords, strict=True)], 1
            return
        origin = (0,) * len(cuts)
        for kind in itertools.product(*(Counter(cut.values()).items() for cut in cuts)):
            yield origin, [inner for inner, _ in kind], math.prod(times for _, times in kind)

    def _index(self, *, there: bool) -> _Sum:
        if self.warm:
            return _Sum()
        sharding, layout = self.spec.sharding, self.spec.layout
        assert sharding is not None
        pairs = zip(layout.object_shape, layout.chunks, strict=True)
        count = math.prod(whole // part for whole, part in pairs)
        size = count * _ENTRY + (_CHECKSUM if sharding.checked else 0)
        return _Sum(1, size if there else 0)

    def _ranges(self, entries: npt.NDArray[np.uint64], shards: int) -> _Sum:
        """Count the ranges of one shard, in batches and merged as they travel."""
        there = entries[(entries != _ABSENT).any(axis=1)]
        if not self.cpus:
            return _Sum(len(there), float(there[:, 1].sum()), len(there))
        out = _Sum(chunks=len(there))
        listed = [(offset, length, None) for offset, length in there.tolist()]
        for batch in cut_batches(listed, shards, self.cpus):
            spans = merge_ranges([(offset, length) for offset, length, _ in batch])
            out.requests += len(spans)
            out.nbytes += sum(stop - start for start, stop in spans)
        return out


def _by_shard(chunks: Sequence[int], ratio: int) -> dict[int, tuple[int, ...]]:
    """Return which chunks, counted within their shard, are wanted of each shard."""
    out: dict[int, list[int]] = {}
    for chunk in chunks:
        out.setdefault(chunk // ratio, []).append(chunk % ratio)
    return {shard: tuple(inner) for shard, inner in out.items()}
