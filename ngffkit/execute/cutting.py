"""How an array is cut into tasks and slabs: arithmetic on shapes, no pixels.

A *task* writes whole objects (shards, or chunks where there are none), so no object has two
writers. Within a task, pixels come in *slabs*: as many as are read in one go, held in one buffer,
and cut into chunks. Slabs are rows of *units*, or parts of one that are a chunk deep, so chunks
follow one another unit by unit and in C order within, whatever the memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ngffkit.sources.contract import Box

#: A slab grows to this many bytes where chunks and planes leave the choice.
SLAB_BYTES = 16 * 2**20

#: Blocks that are smaller are read several at a time, up to this many bytes.
READ_BYTES = 2 * 2**20

#: A task grows to this many bytes: less, and the bookkeeping shows; more, and a kill costs more.
TASK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Cut:
    """How one array is worked on.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    chunks, objects : tuple of int
        Shapes of its chunks and of its objects.
    region : tuple of int
        Shape of what a task covers, a multiple of `objects`.
    unit : tuple of int
        The smallest slab that reads no block of the source twice.
    slab : tuple of int
        Shape of what is held at once, a multiple of `chunks`. Smaller than `unit` when that
        doesn't fit into memory; then units are staged in a scratch file.
    itemsize : int
        Bytes per pixel.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    objects: tuple[int, ...]
    region: tuple[int, ...]
    unit: tuple[int, ...]
    slab: tuple[int, ...]
    itemsize: int

    @property
    def staged(self) -> bool:
        """Whether slabs come from a scratch file that holds a unit."""
        return any(s < u for s, u in zip(self.slab, self.unit, strict=True))

    @property
    def slab_nbytes(self) -> int:
        """Size of the largest slab in bytes."""
        return _nbytes(self.slab, self.shape, self.itemsize)

    @property
    def unit_nbytes(self) -> int:
        """Size of the largest unit in bytes."""
        return _nbytes(self.unit, self.shape, self.itemsize)

    def grid(self, box: Box) -> tuple[range, ...]:
        """Return the coordinates of the regions that a box touches, per axis."""
        return tuple(
            range(s.start // r, -(-s.stop // r)) for s, r in zip(box, self.region, strict=True)
        )

    def count(self, box: Box) -> int:
        """Return how many tasks a box takes."""
        return math.prod(map(len, self.grid(box)))

    def region_box(self, coords: Sequence[int]) -> Box:
        """Return the pixels of a region, within the array."""
        return tuple(
            slice(c * r, min((c + 1) * r, n))
            for c, r, n in zip(coords, self.region, self.shape, strict=True)
        )


def whole(shape: Sequence[int]) -> Box:
    """Return the box of a whole array."""
    return tuple(slice(0, n) for n in shape)


def size_of(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(s.stop - s.start for s in box)


def pieces(box: Box, step: Sequence[int]) -> Iterator[Box]:
    """Yield the parts of a box between the multiples of `step`, in C order.

    Examples
    --------
    >>> [b[0] for b in pieces((slice(3, 9),), (4,))]
    [slice(3, 4, None), slice(4, 8, None), slice(8, 9, None)]
    """
    axes = []
    for s, n in zip(box, step, strict=True):
        cuts = range(s.start // n, -(-s.stop // n))
        axes.append([slice(max(s.start, i * n), min(s.stop, (i + 1) * n)) for i in cuts])
    return itertools.product(*axes)


def overlap(one: Box, other: Box) -> Box | None:
    """Return what two boxes share, None when that is nothing."""
    out = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return out if all(s.start < s.stop for s in out) else None


def within(box: Box, outer: Box) -> Box:
    """Return a box as counted from the start of another."""
    return tuple(
        slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, outer, strict=True)
    )


def cut_up(
    shape: Sequence[int],
    chunks: Sequence[int],
    objects: Sequence[int],
    block: Sequence[int],
    itemsize: int,
) -> Cut:
    """Choose tasks and slabs for an array, as if memory didn't matter; see `fit`.

    Parameters
    ----------
    shape, chunks, objects : sequence of int
        Of the array, of a chunk, of a shard (or chunk).
    block : sequence of int
        What the source decodes at once.
    itemsize : int
        Bytes per pixel.

    Examples
    --------
    >>> c = cut_up((512, 512, 512), (64, 64, 64), (512, 512, 512), (1, 512, 512), 1)
    >>> c.unit, c.region
    ((64, 512, 512), (512, 512, 512))
    """
    n, c, o = tuple(shape), tuple(chunks), tuple(objects)
    unit = tuple(
        # a block that spans the axis needs no padding to whole chunks
        cc * -(-min(b, size) // cc)
        for cc, b, size in zip(c, block, n, strict=True)
    )
    region = tuple(oo * -(-u // oo) for oo, u in zip(o, unit, strict=True))
    slab = _grow(unit, unit, region, n, SLAB_BYTES // itemsize)
    if all(s >= r for s, r in zip(slab, region, strict=True)):
        # small objects are written together
        most = tuple(oo * -(-size // oo) for oo, size in zip(o, n, strict=True))
        region = _grow(region, region, most, n, TASK_BYTES // itemsize)
        slab = _grow(unit, unit, region, n, SLAB_BYTES // itemsize)
    return Cut(n, c, o, region, unit, slab, itemsize)


def fit(cut: Cut, limit: int) -> Cut | None:
    """Make slabs small enough for `limit` bytes; None when not even one chunk column fits.

    The last axes are cut first, since bands of rows are what strips and scratch files give
    without reading anything twice.
    """
    if cut.slab_nbytes <= limit:
        return cut
    if cut.unit_nbytes <= limit:
        slab = _grow(cut.unit, cut.unit, cut.region, cut.shape, limit // cut.itemsize)
        return replace(cut, slab=slab)
    # one chunk deep along all others, so that chunks of a shard still come in C order
    rows = max(0, len(cut.shape) - 2)
    slab = cut.chunks[:rows] + cut.unit[rows:]
    for i in range(rows, len(slab)):
        rest = _nbytes(slab, cut.shape, cut.itemsize) // min(slab[i], cut.shape[i])
        room = limit // (rest * cut.chunks[i])
        fitting = min(slab[i], max(1, room) * cut.chunks[i])
        slab = (*slab[:i], fitting, *slab[i + 1 :])
        if room >= 1:
            return replace(cut, slab=slab)
    return None


def read_step(block: tuple[int, ...], cut: Cut) -> tuple[int, ...]:
    """Grow small blocks to parts that are worth a call, the last axis first."""
    out = list(block)
    for i in reversed(range(len(out))):
        pixels = math.prod(min(o, n) for o, n in zip(out, cut.shape, strict=True))
        times = max(1, READ_BYTES // cut.itemsize // max(1, pixels))
        out[i] = min(out[i] * times, max(cut.slab[i], out[i]))
        if out[i] < min(cut.slab[i], cut.shape[i]):
            break
    return tuple(out)


def _nbytes(part: Sequence[int], shape: Sequence[int], itemsize: int) -> int:
    return math.prod(min(p, n) for p, n in zip(part, shape, strict=True)) * itemsize


def _grow(
    start: Sequence[int], step: Sequence[int], most: Sequence[int], shape: Sequence[int], limit: int
) -> tuple[int, ...]:
    """Grow a box in steps up to `most`, the last axis first, within a number of pixels."""
    out = list(start)
    for i in reversed(range(len(out))):
        if out[i] >= min(most[i], shape[i]):
            continue  # covers the axis already
        pixels = math.prod(min(p, n) for p, n in zip(out, shape, strict=True))
        times = max(1, limit // max(1, pixels))
        wanted = min(most[i], out[i] + step[i] * (times - 1))
        # whole fractions of the region keep slabs equal
        out[i] = most[i] if wanted >= most[i] else out[i] + (wanted - out[i]) // step[i] * step[i]
        if out[i] < min(most[i], shape[i]):
            break  # C order: an axis grows only when those behind it are whole
    return tuple(out)
