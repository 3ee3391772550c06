"""Chunks become objects: encoded on many threads, appended in order, each object appearing whole.

The order of the chunks in a shard is that in which they are given, never that in which threads
finish, so the same pixels make the same bytes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.encoding import ShardIndex, whole_chunk
from ngffkit.execute.cutting import overlap, pieces, size_of, whole
from ngffkit.execute.job import LevelJob
from ngffkit.sources.contract import Box
from ngffkit.stores.targets import Partial, Target, Written

#: Where the pixels of a chunk come from, given its box.
Pixels = Callable[[Box], npt.NDArray[Any]]

Coords = tuple[int, ...]


@dataclass(slots=True)
class _Shard:
    """A shard that is being filled."""

    partial: Partial
    index: ShardIndex
    left: int
    writes: list[Future[None]] = field(default_factory=list)

    def finish(self, *, checked: bool) -> Written:
        """Append the index, with a checksum or without, and let the shard exist."""
        # they were handed to the same threads before this was, so they run or have run
        for write in self.writes:
            write.result()
        self.partial.append(self.index.encoded(checked=checked))
        return self.partial.commit()


@dataclass(slots=True)
class ObjectWriter:
    """Writes the objects of one task.

    Parameters
    ----------
    target : Target
        Where they go.
    level : LevelJob
        The array.
    pool : Executor
        Threads that encode.
    window : int
        Chunks that are in the works at the same time; bounds the memory.
    tick : callable
        Told the bytes of pixels that were written.
    """

    target: Target
    level: LevelJob
    pool: Executor
    window: int
    tick: Callable[[int], None]
    _written: list[Written | Future[Written]] = field(default_factory=list)
    _shards: dict[Coords, _Shard] = field(default_factory=dict)
    _begun: list[_Shard] = field(default_factory=list)
    _writes: deque[Future[None]] = field(default_factory=deque)

    def write(self, box: Box, pixels: Pixels) -> None:
        """Write the chunks of a box, which ends where chunks or the array end."""
        pending: deque[tuple[Box, Future[bytes | Written | None]]] = deque()
        encode = self._encode if self._sharded else self._put
        try:
            for chunk in self._chunks(box):
                while len(pending) >= self.window:
                    self._take(*pending.popleft())
                pending.append((chunk, self.pool.submit(encode, chunk, pixels)))
            while pending:
                self._take(*pending.popleft())
        except BaseException:
            for _, future in pending:
                future.cancel()
            raise

    def finish(self) -> tuple[Written, ...]:
        """Wait until all objects are there, and return what is known of them."""
        return tuple(w if isinstance(w, Written) else w.result() for w in self._written)

    def abort(self) -> None:
        """Leave nothing behind of objects that are not whole; the pool has come to its end."""
        for shard in self._begun:
            shard.partial.abort()
        self._begun.clear()
        self._shards.clear()

    @property
    def _sharded(self) -> bool:
        return self.level.spec.layout.shards is not None

    def _chunks(self, box: Box) -> Iterator[Box]:
        """Yield the chunks of a box whose objects are to be written."""
        layout = self.level.spec.layout
        every = self.level.box == whole(layout.shape)
        # unit by unit, so that the order is the same however large slabs are
        for unit in pieces(box, self.level.cut.unit):
            for chunk in pieces(unit, layout.chunks):
                if every or overlap(self._object_box(chunk), self.level.box):
                    yield chunk

    def _object_box(self, chunk: Box) -> Box:
        layout = self.level.spec.layout
        return tuple(
            slice(s.start // o * o, (s.start // o + 1) * o)
            for s, o in zip(chunk, layout.object_shape, strict=True)
        )

    def _coords(self, chunk: Box, shape: Coords) -> Coords:
        return tuple(s.start // n for s, n in zip(chunk, shape, strict=True))

    def _key(self, coords: Coords) -> str:
        name = self.level.spec.key(coords)
        return f"{self.level.path}/{name}" if self.level.path else name

    # --- on the threads of the pool -----------------------------------------------------------

    def _encode(self, chunk: Box, pixels: Pixels) -> bytes | None:
        """Return an encoded chunk, None for one that holds nothing but fill."""
        found = whole_chunk(pixels(chunk), self.level.spec.layout.chunks)
        return None if self._blank(found) else self.level.compression.encode(found)

    def _blank(self, found: npt.NDArray[Any]) -> bool:
        """Tell whether a chunk holds nothing but fill, which absence stands for."""
        fill = self.level.spec.fill
        if fill is None or fill:
            return bool((found == fill).all()) if fill is not None else False
        # by its bytes: -0.0 is no 0.0
        return not found.reshape(-1).view(np.uint8).any()

    def _put(self, chunk: Box, pixels: Pixels) -> Written:
        """Write a chunk that is an object; also one of fill, so that absence proves loss."""
        found = whole_chunk(pixels(chunk), self.level.spec.layout.chunks)
        key = self._key(self._coords(chunk, self.level.spec.layout.chunks))
        return self.target.put(key, self.level.compression.encode(found))

    # --- on the thread of the task ------------------------------------------------------------

    def _take(self, chunk: Box, future: Future[bytes | Written | None]) -> None:
        found = future.result()
        if isinstance(found, Written):
            self._written.append(found)
        else:
            self._append(chunk, found)
        self.tick(math.prod(size_of(chunk)) * self.level.spec.layout.dtype.itemsize)

    def _append(self, chunk: Box, encoded: bytes | None) -> None:
        layout = self.level.spec.layout
        coords = self._coords(chunk, layout.object_shape)
        shard = self._shards.get(coords)
        if shard is None:
            shard = self._shards[coords] = self._begin(coords)
        if encoded is not None:
            inner = self._coords(chunk, layout.chunks)
            place = tuple(c % g for c, g in zip(inner, shard.index.grid, strict=True))
            offset, write = shard.partial.reserve(encoded)
            shard.index.place(place, offset, len(encoded))
            shard.writes.append(self.pool.submit(write))
            self._writes.append(shard.writes[-1])
            while len(self._writes) > self.window:
                self._writes.popleft().result()
        shard.left -= 1
        if not shard.left:
            sharding = self.level.spec.sharding
            checked = sharding is None or sharding.checked
            self._written.append(self.pool.submit(shard.finish, checked=checked))
            del self._shards[coords]

    def _begin(self, coords: Coords) -> _Shard:
        layout = self.level.spec.layout
        grid = tuple(o // c for o, c in zip(layout.object_shape, layout.chunks, strict=True))
        box = tuple(
            slice(c * o, min((c + 1) * o, n))
            for c, o, n in zip(coords, layout.object_shape, layout.shape, strict=True)
        )
        count = math.prod(-(-n // c) for n, c in zip(size_of(box), layout.chunks, strict=True))
        shard = _Shard(self.target.begin(self._key(coords)), ShardIndex.empty(grid), count)
        self._begun.append(shard)
        return shard
