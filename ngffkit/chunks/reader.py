"""Read boxes of an array: which chunks, in which order, on how many threads, into one buffer.

Chunks are decoded straight from the store into the result, on a few threads that share scratch
buffers. What comes is checked against the array's metadata (see `codecs`); an absent chunk
goes by the policy of `missing`.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks import codecs
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.batches import Entry, cut_batches, cut_spans
from ngffkit.chunks.boxes import Index, Part, cross, cross_mesh, pieces_of, result_shape
from ngffkit.chunks.replaced import read_parts
from ngffkit.chunks.shardindexes import ShardIndex, ShardIndexes
from ngffkit.chunks.standing import Standing
from ngffkit.chunks.threads import Task, Threads
from ngffkit.errors import ChunkError, NgffError, StoreError
from ngffkit.stores.base import Store, is_web_page
from ngffkit.stores.pinning import get_tagged

_ABSENT = 2**64 - 1
_CPUS = os.cpu_count() or 1

#: Chunks of one read that may have come and not be decoded yet.
_MOST_BEHIND = 64


@dataclass(slots=True)
class ArrayReader:
    """Reads boxes of one array of a store.

    Parameters
    ----------
    store : Store
        Where it is.
    path : str
        The array's path below the root of the store; empty for the root.
    spec : ArraySpec
        What its metadata say.
    absent : callable, optional
        Called with this reader and the grid coordinates of objects that are absent without a word
        about it; decides whether that is an error (see `ngffkit.missing`).
    denied_is_absent : bool
        Whether a key the store refuses to show (403) counts as absent.
    threads : Threads
        Read and decode; shared by the readers of a store.
    denied : set of tuple of int
        Grid coordinates of the objects that counted as absent because they were denied.
    workers : int
        Threads of one read; 0: as many as the store and this machine are worth. 1 where many
        threads read already.
    """

    store: Store
    path: str
    spec: ArraySpec
    absent: Callable[[ArrayReader, list[tuple[int, ...]]], None] | None = None
    denied_is_absent: bool = False
    threads: Threads = field(default_factory=Threads, repr=False)
    denied: set[tuple[int, ...]] = field(default_factory=set, repr=False)
    workers: int = 0
    _indexes: ShardIndexes = field(default_factory=ShardIndexes, repr=False)
    _separator_checked: bool = field(default=False, repr=False)
    _standing: Standing = field(default_factory=Standing, repr=False)

    def url(self, coords: Sequence[int]) -> str:
        """Return where an object is, for messages."""
        return f"{self.store.url}/{self.key(coords)}"

    def key(self, coords: Sequence[int]) -> str:
        """Return the key of an object below the root of the store."""
        name = self.spec.key(coords)
        return f"{self.path}/{name}" if self.path else name

    def read(self, key: Sequence[Index]) -> npt.NDArray[Any]:
        """Read the outer product of one index per dimension.

        Parameters
        ----------
        key : sequence of slice or ndarray of int
            One per dimension, within the shape, slices with positive steps.

        Returns
        -------
        ndarray
            Of the array's type, in native byte order.

        Raises
        ------
        ChunkError
            Naming key, URL and cause, when a chunk that should be there can't be had.
        """
        layout = self.spec.layout
        shape = result_shape(key, layout.shape)
        try:
            out = np.empty(shape, layout.dtype)
        except (MemoryError, ValueError):
            raise NgffError(
                f"{shape} pixels of {self.path or self.store.url} don't fit into memory; cut out "
                "less, take a coarser mag, or open with chunks={} to work piece by piece"
            ) from None
        if out.size == 0:
            return out
        if self.spec.codecs is None:
            return self._read_by_zarr(key)
        combine = cross_mesh if any(isinstance(k, np.ndarray) for k in key) else cross
        axes = [
            pieces_of(k, n, c) for k, n, c in zip(key, layout.shape, layout.chunks, strict=True)
        ]
        parts = map(combine, itertools.product(*axes))
        run = _Run(self, out)
        if self.spec.sharding is None:
            work: Iterable[Task] = map(run.chunk, parts)
        else:
            work = self._shard_work(run, list(parts))
        self.threads.run(work, self._workers())
        self._standing.check(self.store, self.path, self.spec)
        if run.absent:
            self._check_separator(min(run.absent))
            if self.absent is not None:
                self.absent(self, sorted(run.absent))
        return out

    def _check_separator(self, coords: tuple[int, ...]) -> None:
        """Look whether chunks lie under the other separator, which Zarr v2 lets be forgotten."""
        if self._separator_checked or self.spec.layout.zarr_format != 2 or len(coords) < 2:
            return
        other = replace(self.spec, separator="/" if self.spec.separator == "." else ".")
        name = other.key(coords)
        try:
            found = self.store.get(f"{self.path}/{name}" if self.path else name, 0, 1)
        except StoreError:
            return  # the policy of absent chunks has its own say about what is denied
        if found is not None:
            raise self.error(
                coords,
                f"absent, but {name!r} is there: set the array's dimension_separator to "
                f"{other.separator!r}",
            )
        self._separator_checked = True

    def _workers(self) -> int:
        return self.workers or max(self.store.concurrency, _CPUS)

    # --- shards -----------------------------------------------------------------------------

    def _shard_work(self, run: _Run, parts: list[Part]) -> list[Task]:
        layout = self.spec.layout
        assert layout.shards is not None
        ratio = tuple(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
        by_shard: dict[tuple[int, ...], list[Part]] = {}
        for part in parts:
            shard = tuple(c // r for c, r in zip(part.chunk, ratio, strict=True))
            by_shard.setdefault(shard, []).append(part)
        indexes = self._load_indexes(by_shard)
        work: list[Task] = []
        for shard, members in by_shard.items():
            index, tag = indexes[shard]
            if index is None:
                work.append(run.fill(shard, members))
                continue
            wanted = run.entries(index, members)
            work.extend(run.ranges(shard, wanted, tag, len(by_shard)))
        return work

    def _load_indexes(
        self, shards: Iterable[tuple[int, ...]]
    ) -> dict[tuple[int, ...], tuple[ShardIndex, Any]]:
        """Return the indexes of shards; those that were read before are kept, within bounds."""
        wanted = list(shards)
        kept = ((shard, self._indexes.tagged(shard)) for shard in wanted)
        found = {shard: index for shard, index in kept if index is not None}

        def load(shard: tuple[int, ...]) -> Task:
            return lambda: found.__setitem__(shard, self._load(shard))

        missing = [shard for shard in wanted if shard not in found]
        self.threads.run(map(load, missing), self._workers())
        for shard in missing:
            self._indexes.add(shard, *found[shard])
        return found

    def load_index(self, shard: tuple[int, ...]) -> ShardIndex:
        """Read the index of a shard: offset and length of each of its chunks."""
        return self._load(shard)[0]

    def reload_index(self, shard: tuple[int, ...], tag: Any) -> tuple[ShardIndex, Any]:
        """Return the index of a shard that is another one than a tag says, with its own tag."""
        found = self._indexes.tagged(shard)
        if found is None or found[1] == tag:
            found = self._load(shard)
            self._indexes.add(shard, *found)
        return found

    def _load(self, shard: tuple[int, ...]) -> tuple[ShardIndex, Any]:
        """Read the index of a shard, with what tells the version of the shard."""
        layout, sharding = self.spec.layout, self.spec.sharding
        assert layout.shards is not None
        assert sharding is not None
        grid = tuple(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
        size = math.prod(grid) * 16 + (4 if sharding.checked else 0)
        start = -size if sharding.at_end else 0
        raw, tag = self._ask(shard, lambda key: get_tagged(self.store, key, start, size))
        if raw is None:
            return None, None
        if len(raw) != size:
            raise self.error(shard, f"truncated: {len(raw)} bytes, its index alone has {size}")
        try:
            body = codecs.strip_crc32c(raw) if sharding.checked else raw
            index = np.frombuffer(body, "<u8").reshape(*grid, 2)
            codecs.check_index(index, 0 if sharding.at_end else size)
        except ValueError as err:
            raise self.error(shard, f"shard index: {err}") from None
        return index, tag

    def fetch(self, coords: Sequence[int], start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of an object or of a range of it, None when it is absent."""
        return self._ask(coords, lambda key: (self.store.get(key, start, length), None))[0]

    def _ask(self, coords: Sequence[int], ask: Callable[[str], tuple[Any, Any]]) -> tuple[Any, Any]:
        key = self.key(coords)
        try:
            return ask(key)
        except StoreError as err:
            if err.denied and self.denied_is_absent:
                self.denied.add(tuple(coords))
                return None, None
            raise ChunkError(key, self.url(coords), err.cause, denied=err.denied) from err

    def error(self, coords: Sequence[int], cause: str) -> ChunkError:
        """Build the error that names an object and what is wrong with it."""
        return ChunkError(self.key(coords), self.url(coords), cause)

    # --- the long way -----------------------------------------------------------------------

    def _read_by_zarr(self, key: Sequence[Index]) -> npt.NDArray[Any]:
        from ngffkit.chunks import fallback

        return fallback.read(self, key)


class _Run:
    """One call of `ArrayReader.read`: the buffer it fills and what it found absent."""

    def __init__(self, reader: ArrayReader, out: npt.NDArray[Any]) -> None:
        self.reader, self.spec, self.out = reader, reader.spec, out
        self.absent: set[tuple[int, ...]] = set()
        # what came and isn't decoded yet: encoded chunk, where it belongs, object that held it
        self._came: deque[tuple[Any, Part, tuple[int, ...]]] = deque()
        self._decoders = threading.Semaphore(_CPUS)
        self._scratch: list[npt.NDArray[np.uint8]] = []

    def chunk(self, part: Part) -> Task:
        def task() -> None:
            raw = self.reader.fetch(part.chunk)
            if raw is None:
                self.absent.add(part.chunk)
                self._fill(part)
            else:
                self._place(raw, part, part.chunk)

        return task

    def fill(self, coords: tuple[int, ...], parts: list[Part]) -> Task:
        def task() -> None:
            self.absent.add(coords)
            for part in parts:
                self._fill(part)

        return task

    def entries(self, index: npt.NDArray[np.uint64], parts: list[Part]) -> list[Entry[Part]]:
        """Return where the chunks lie that a shard has; others are fill."""
        inner = np.array([part.chunk for part in parts]) % index.shape[:-1]
        wanted: list[Entry[Part]] = []
        for part, (offset, length) in zip(parts, index[tuple(inner.T)].tolist(), strict=True):
            if offset == _ABSENT and length == _ABSENT:
                self._fill(part)  # the index says so: absent by design
            else:
                wanted.append((offset, length, part))
        return wanted

    def ranges(
        self, shard: tuple[int, ...], wanted: list[Entry[Part]], tag: Any, shards: int
    ) -> list[Task]:
        """Cut what is wanted of a shard into batches that lie near one another."""
        batches = cut_batches(wanted, shards, _CPUS)
        if self.reader.store.concurrency > 1:
            # each request on a thread of its own; a file is opened once for all of a batch
            batches = [span for batch in batches for span in cut_spans(batch)]
        return [self._batch(shard, batch, tag) for batch in batches]

    def _batch(self, shard: tuple[int, ...], batch: list[Entry[Part]], tag: Any) -> Task:
        def task() -> None:
            reader = self.reader
            parts = [part for *_, part in batch]
            read = read_parts(reader, shard, batch, tag, lambda index: self.entries(index, parts))
            if read is None:
                self.fill(shard, parts)()
                return
            for raw, (offset, length, part) in read:
                if len(raw) != length:
                    raise reader.error(
                        shard,
                        f"chunk {part.chunk} should be {length} bytes at {offset}, got {len(raw)}",
                    )
                self._place(raw, part, shard)

        return task

    def _fill(self, part: Part) -> None:
        self.out[part.target] = 0 if self.spec.fill is None else self.spec.fill

    def _place(self, raw: Any, part: Part, coords: tuple[int, ...]) -> None:
        """Decode a chunk, or leave it to the threads that decode already.

        A thread for each request in flight is far more than can decode at a time; they would only
        take turns, each with a buffer that is in no cache. Whoever decodes looks again afterwards,
        so nothing is left lying. Who finds that too much lies there waits, to bound the memory.
        """
        self._came.append((raw, part, coords))
        while self._came and self._decoders.acquire(blocking=len(self._came) > _MOST_BEHIND):
            try:
                self._decode_one()
            finally:
                self._decoders.release()

    def _decode_one(self) -> None:
        layout, codecs_ = self.spec.layout, self.spec.codecs
        assert codecs_ is not None
        try:
            raw, part, coords = self._came.popleft()
        except IndexError:
            return  # another thread was quicker
        # the last that was put back is the one the caches hold
        try:
            scratch = self._scratch.pop()
        except IndexError:
            scratch = np.empty(layout.chunk_nbytes, np.uint8)
        try:
            codecs.decode(raw, codecs_, scratch)
        except ValueError as err:
            raise self.reader.error(coords, _explain(raw, err)) from None
        self.out[part.target] = self._shaped(scratch)[part.source]
        self._scratch.append(scratch)

    def _shaped(self, raw: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        layout, order = self.spec.layout, self.spec.order
        flat = raw.view(self.spec.stored)
        if order is None:
            return flat.reshape(layout.chunks)
        stored = tuple(layout.chunks[i] for i in order)
        return flat.reshape(stored).transpose(np.argsort(order))


def _explain(raw: Any, err: ValueError) -> str:
    """Say what came, when it isn't a chunk at all."""
    if is_web_page(raw):
        return f"a web page came instead of the chunk (a login page?): {bytes(raw[:60])!r}"
    return str(err)
