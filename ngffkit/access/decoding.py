"""What this machine needs for chunks, apart from the way to them: measured on a few real ones."""

from __future__ import annotations

import itertools
import math
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ngffkit.access.lines import Machine
from ngffkit.access.sizes import places_of
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.arrayspec import Sharding
from ngffkit.chunks.reader import ArrayReader
from ngffkit.layout import Layout

#: Chunks that are decoded, their bytes, and seconds after which nothing further is begun.
CHUNKS, NBYTES, SECONDS = 8, 2**27, 0.5

#: Of small chunks so many, up to so many bytes: with less to do, the threads of a read have
#: hardly begun when it is over, and it seems that they don't help.
_MANY, _ENOUGH = 64, 2**23

#: Places where chunks are looked for, and how often they are decoded.
_PLACES, _TIMES = 16, 3

#: Chunks of eight bytes, per axis: what they take is what each chunk takes, whatever its size.
_GRID = (8, 8, 4)

#: What decoding a byte takes where there is no chunk to measure: a copy.
_COPY = 5e-10


class _Kept:
    """A store of a dictionary."""

    url, concurrency = "memory://", 1

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = objects

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        data = self.objects.get(key)
        if data is None:
            return None
        begin = max(0, len(data) + start) if start < 0 else start
        return data[begin : None if length is None else begin + length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        data = self.objects[key]
        return [data[start : start + length] for start, length in ranges]

    def children(self, prefix: str = "") -> list[str] | None:  # noqa: ARG002 - as every store
        return None


class _Replayed:
    """A store that answers from memory what it was asked before."""

    url, concurrency = "memory://", 1

    def __init__(self, store: Any) -> None:
        self.store = store
        self.objects = self.ranges = 0
        self._said: dict[Any, Any] = {}

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        asked = key, start, length
        if asked not in self._said:
            self._said[asked] = found = self.store.get(*asked)
            self.objects += found is not None
        return self._said[asked]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        asked = key, tuple(ranges)
        if asked not in self._said:
            self._said[asked] = found = self.store.get_ranges(key, ranges)
            self.ranges += len(found)
        return list(self._said[asked])

    def children(self, prefix: str = "") -> list[str] | None:  # noqa: ARG002 - as every store
        return None


def machine(reader: ArrayReader, *, limit: float = SECONDS) -> Machine:
    """Measure what this machine needs to make pixels of what came.

    Parameters
    ----------
    reader : ArrayReader
        Some of its chunks are fetched, and then decoded from memory.
    limit : float
        Seconds after which no further chunk is begun.

    Returns
    -------
    Machine
        ``per_request`` and ``per_chunk`` are those of chunks of eight bytes in memory; ``per_byte``
        is what whole chunks take beyond that, decoded and copied by one thread, and ``speedup``
        how much sooner all threads are done with them. All are medians.

    Examples
    --------
    >>> import tempfile, ngffkit as nk
    >>> from ngffkit.api import as_opened
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = as_opened(nk.open(nk.sample(folder + "/cells.ome.zarr")))
    ...     found = machine(opened.reader(0))
    >>> found.cpus >= 1, 0 < found.per_chunk < 0.1, 0 <= found.per_byte < 1e-5
    (True, True, True)
    """
    cpus = os.cpu_count() or 1
    alone, inside = _overhead(sharded=False), _overhead(sharded=True)
    steps = max(0.0, alone - inside), inside
    end = time.perf_counter() + limit
    layout = reader.spec.layout
    for box in _boxes(layout, cpus):
        store = _Replayed(reader.store)
        one = ArrayReader(store, reader.path, reader.spec, denied_is_absent=reader.denied_is_absent)
        one.read(box)  # as many at a time as the store is worth; from here on it is kept
        one.workers = 1
        count = store.ranges if reader.spec.sharding else store.objects
        if count:
            took = _median(one, box)
            per_byte = max(0.0, took / count - alone) / layout.chunk_nbytes
            one.workers = cpus
            speedup = took / _median(one, box) if count > 1 and cpus > 1 else float(cpus)
            return Machine(cpus, *steps, per_byte, min(max(speedup, 1.0), float(cpus)))
        if time.perf_counter() > end:
            break
    return Machine(cpus, *steps, _COPY, float(cpus))


def _boxes(layout: Layout, cpus: int) -> Iterator[tuple[slice, ...]]:
    """Yield boxes of a few whole chunks: in the middle, then anywhere."""
    flat = Layout(layout.shape, layout.dtype, layout.chunks, None, (), layout.zarr_format)
    middle = tuple(n // 2 // c for n, c in zip(layout.shape, layout.chunks, strict=True))
    size = max(1, layout.chunk_nbytes)
    most = max(cpus, min(CHUNKS, NBYTES // size), min(_MANY, _ENOUGH // size))
    for first in (middle, *places_of(flat, _PLACES, 0)):
        # as nearly a cube as that many chunks make
        side = max(2, round(most ** (1 / max(1, len(first)))))
        count, box = 1, []
        for i, c, n in reversed(list(zip(first, layout.chunks, layout.shape, strict=True))):
            grow = 1
            while (i + 2 * grow - 1) * c < n and 2 * count * grow <= most and grow < side:
                grow *= 2
            count *= grow
            box.append(slice(i * c, min((i + grow) * c, n)))
        yield tuple(reversed(box))


def _overhead(*, sharded: bool) -> float:
    """Return the seconds a chunk takes whose pixels are next to nothing."""
    shape = tuple(2 * n for n in _GRID)
    count = math.prod(_GRID)
    layout = Layout(shape, np.dtype("u1"), (2, 2, 2), shape if sharded else None, (), 3)
    sharding = Sharding(at_end=True, checked=False) if sharded else None
    spec = ArraySpec(layout, layout.dtype, (), None, sharding, 0, "c", "/")
    if sharded:
        index = np.array([(8 * i, 8) for i in range(count)], "<u8")
        objects = {spec.key((0, 0, 0)): bytes(8 * count) + index.tobytes()}
    else:
        places = itertools.product(*map(range, _GRID))
        objects = {spec.key(coords): bytes(8) for coords in places}
    reader = ArrayReader(_Kept(objects), "", spec, workers=1)
    return _median(reader, tuple(slice(0, n) for n in shape)) / count


def _median(reader: ArrayReader, box: tuple[slice, ...]) -> float:
    found = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        reader.read(box)
        found.append(time.perf_counter() - start)
    return statistics.median(found)
