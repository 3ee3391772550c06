"""Carry out one task: the only place where pixels move.

Level 0 is copied from the source, slab by slab: while one slab is encoded, the next one is read.
A coarser level is made chunk by chunk from the level it stems from, which lies in the target by
then. So memory depends on chunks, planes and threads, never on the size of the array.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.encoding import COMPLETE
from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NgffError, SourceError
from ngffkit.execute.blocks import Blocks
from ngffkit.execute.cutting import overlap, pieces, read_step, size_of, within
from ngffkit.execute.job import Done, Job, LevelJob, Skipped, Task
from ngffkit.execute.objects import ObjectWriter, Pixels
from ngffkit.execute.staging import Stage
from ngffkit.reduce import METHODS, reduce
from ngffkit.sources.contract import Box, Source, check_pixels

#: Blocks that are tried one by one when one of them can't be read; pixels of arrays are no blocks.
_MOST_BLOCKS = 4096

#: Encoded chunks that wait for their turn, per thread.
AHEAD = 3

Tick = Callable[[int], None]


@dataclass(slots=True)
class Worker:
    """Carries out the tasks of a job, one after another, on its threads.

    Parameters
    ----------
    job : Job
        What is to be done.
    keeps : bool
        Whether it does all tasks, so that what the next mag needs of a chunk is worth keeping.
    """

    job: Job
    keeps: bool = False
    _readers: dict[int, ArrayReader] = field(default_factory=dict)
    _blocks: dict[int, Blocks | None] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def run(self, task: Task, tick: Tick = lambda _: None) -> Done:
        """Carry out one task.

        Parameters
        ----------
        task : Task
            Which.
        tick : callable
            Called with the bytes of pixels written since the last call, from this thread; what it
            raises ends the task.

        Raises
        ------
        SourceError, WriteError, ChunkError
            Naming the slice, object or chunk. Objects of the task that were not finished leave
            nothing behind.
        """
        job, level = self.job, self.job.levels[task.level]
        if job.update:
            with self.lock:
                # they know indexes of shards that were replaced since
                self._readers.clear()
        box = level.cut.region_box(task.coords)
        pool = ThreadPoolExecutor(job.threads, thread_name_prefix="ngffkit-write")
        writer = ObjectWriter(job.target, level, pool, AHEAD * job.threads, tick)
        skipped: tuple[Skipped, ...] = ()
        try:
            if level.parent is None:
                copy = _Copy(self, level, pool)
                for slab, pixels in copy.slabs(box):
                    writer.write(
                        slab, self._noting(task.level, self._kept(task.level, slab, pixels))
                    )
                skipped = tuple(copy.skipped.values())
            else:
                writer.write(box, self._noting(task.level, self._coarse(task.level)))
            written = writer.finish()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            writer.abort()
            raise
        pool.shutdown()
        nbytes = _count(size_of(box)) * level.spec.layout.dtype.itemsize
        return Done(task, written, skipped, nbytes)

    @property
    def scratch(self) -> str:
        """Folder for scratch files: on the disk of the target, if that is here."""
        beside = f"{self.job.target.url}.journal"
        return beside if os.path.isdir(beside) else tempfile.gettempdir()  # noqa: PTH112 - a str

    def close(self) -> None:
        """Remove scratch files."""
        for blocks in self._blocks.values():
            if blocks is not None:
                blocks.close()
        self._blocks.clear()

    # --- where pixels come from ---------------------------------------------------------------

    def _noting(self, level: int, pixels: Pixels) -> Pixels:
        """Return the same pixels, of which children are told as they pass."""
        if not self.keeps:
            return pixels
        for done in [child for child in self._blocks if child < level]:
            blocks = self._blocks.pop(done)
            if blocks is not None:
                blocks.close()
        for child, entry in enumerate(self.job.levels):
            if entry.parent == level and child not in self._blocks:
                self._blocks[child] = Blocks.of(self.job, child, self.scratch)
        told = [
            blocks
            for child, blocks in self._blocks.items()
            if blocks is not None and self.job.levels[child].parent == level
        ]

        def chunk(box: Box) -> npt.NDArray[Any]:
            # rows that lie side by side are reduced ten times as fast, and encoded as they are
            found = np.ascontiguousarray(pixels(box))
            for blocks in told:
                blocks.put(box, found)
            return found

        return chunk if told else pixels

    def reader(self, level: int) -> ArrayReader:
        """Return what reads a level of the target; absent objects are fill, or lost."""
        with self.lock:
            if level not in self._readers:
                entry, store = self.job.levels[level], self.job.target.store
                workers = 1 if store.concurrency <= 1 else 0
                absent = _lost if entry.spec.attrs.get(COMPLETE) is True else None
                self._readers[level] = ArrayReader(
                    store, entry.path, entry.spec, absent, workers=workers
                )
            return self._readers[level]

    def _kept(
        self, level: int, slab: Box, pixels: npt.NDArray[Any]
    ) -> Callable[[Box], npt.NDArray[Any]]:
        """Return the pixels of a slab, around which what is there already is kept."""
        target = self.job.levels[level].box

        def chunk(box: Box) -> npt.NDArray[Any]:
            new = overlap(box, target)
            if new == box:
                return pixels[within(box, slab)]
            out = self.reader(level).read(box)
            if new is not None:
                out[within(new, box)] = pixels[within(new, slab)]
            return out

        return chunk

    def _coarse(self, level: int) -> Callable[[Box], npt.NDArray[Any]]:
        """Return the pixels of a chunk, made from those of its parent."""
        entry = self.job.levels[level]
        assert entry.parent is not None
        shape = self.job.levels[entry.parent].spec.layout.shape
        parent = self.reader(entry.parent)
        halo = [METHODS[self.job.method].halo(f) for f in entry.step]
        blocks = self._blocks.get(level)

        def made(box: Box) -> npt.NDArray[Any]:
            kept = None if blocks is None else blocks.get(box)
            if kept is not None:
                return kept
            inner = [
                (s.start * f, min(s.stop * f, n))
                for s, f, n in zip(box, entry.step, shape, strict=True)
            ]
            before = tuple(min(h, a) for h, (a, _) in zip(halo, inner, strict=True))
            after = tuple(min(h, n - b) for h, (_, b), n in zip(halo, inner, shape, strict=True))
            outer = tuple(
                slice(a - p, b + q) for (a, b), p, q in zip(inner, before, after, strict=True)
            )
            found = parent.read(outer)
            return reduce(found, entry.step, self.job.method, before=before, after=after)

        def chunk(box: Box) -> npt.NDArray[Any]:
            new = overlap(box, entry.box)
            if new == box:
                return made(box)
            # pixels that look at nothing new stay, however their writer made them
            out = self.reader(level).read(box)
            if new is not None:
                out[within(new, box)] = made(new)
            return out

        return chunk


def _lost(reader: ArrayReader, coords: list[tuple[int, ...]]) -> None:
    raise reader.error(coords[0], "absent, but its writer left out no object, so it was lost")


def _count(shape: tuple[int, ...]) -> int:
    out = 1
    for n in shape:
        out *= n
    return out


@dataclass(slots=True)
class _Copy:
    """Reads the slabs of a task from the source, the next one while the last is used."""

    worker: Worker
    level: LevelJob
    pool: ThreadPoolExecutor
    skipped: dict[str, Skipped] = field(default_factory=dict)

    @property
    def _source(self) -> Source:
        assert self.worker.job.source is not None
        return self.worker.job.source

    def slabs(self, box: Box) -> Iterator[tuple[Box, npt.NDArray[Any]]]:
        """Yield the slabs of a box with their pixels; a buffer is used again afterwards."""
        cut = self.level.cut
        if not cut.staged:
            yield from self._ahead(list(pieces(box, cut.slab)), self._source.read, self._step())
            return
        for unit in pieces(box, cut.unit):
            with Stage(
                self._to_source(unit), self._source.info.dtype, self.worker.scratch
            ) as stage:
                part = overlap(unit, self.level.box)
                if part is not None:
                    where = self._to_source(part)
                    self._wait(self._start(where, self._step(), self._source.read, stage.write))
                yield from self._ahead(list(pieces(unit, cut.slab)), stage.read, None)

    def _ahead(
        self, slabs: list[Box], read: Callable[[Box], Any], step: tuple[int, ...] | None
    ) -> Iterator[tuple[Box, npt.NDArray[Any]]]:
        """Yield slabs, reading on while they are used if there is a second buffer."""
        buffers = [self._buffer() for _ in range(min(self.worker.job.buffers, len(slabs)))]
        begun: dict[int, list[Future[None]]] = {}

        def begin(i: int) -> None:
            if i < len(slabs):
                begun[i] = self._fill(slabs[i], buffers[i % len(buffers)], read, step)

        begin(0)
        try:
            for i, slab in enumerate(slabs):
                self._wait(begun.pop(i))
                if len(buffers) > 1:
                    begin(i + 1)
                shape = size_of(slab)
                yield slab, buffers[i % len(buffers)][: _count(shape)].reshape(shape)
                if len(buffers) == 1:
                    begin(i + 1)
        finally:
            for futures in begun.values():
                self._cancel(futures)

    def _buffer(self) -> npt.NDArray[Any]:
        cut, dtype = self.level.cut, self.level.spec.layout.dtype
        try:
            return np.empty(cut.slab_nbytes // cut.itemsize, dtype)
        except MemoryError:
            raise NgffError(
                f"no memory for a slab of {cut.slab_nbytes} bytes; pass a smaller memory="
            ) from None

    def _fill(
        self,
        slab: Box,
        buffer: npt.NDArray[Any],
        read: Callable[[Box], Any],
        step: tuple[int, ...] | None,
    ) -> list[Future[None]]:
        """Begin to read a slab into a buffer, in parts."""
        shape = size_of(slab)
        out = buffer[: _count(shape)].reshape(shape)
        part = overlap(slab, self.level.box)
        if part is None:
            return []
        where, origin = self._to_source(part), self._to_source(slab)

        def place(box: Box, pixels: npt.NDArray[Any]) -> None:
            out[within(box, origin)] = pixels

        return self._start(where, step or size_of(slab), read, place)

    def _start(
        self,
        where: Box,
        step: tuple[int, ...],
        read: Callable[[Box], Any],
        place: Callable[[Box, npt.NDArray[Any]], None],
    ) -> list[Future[None]]:
        """Begin to read the parts of a box of the source, a few at a time."""
        parts, lock = pieces(where, step), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    box = next(parts, None)
                if box is None:
                    return
                self._read(read, box, place)

        return [self.pool.submit(work) for _ in range(self.worker.job.readers)]

    def _read(
        self,
        read: Callable[[Box], Any],
        box: Box,
        place: Callable[[Box, npt.NDArray[Any]], None],
    ) -> None:
        """Read a box, or what can be read of it; the rest is zeros, and noted."""
        info = self._source.info
        try:
            found = read(box)
            check_pixels(found, box, info.dtype, info.name or "the source")
        except SourceError as err:
            if not self.worker.job.skip:
                raise
            blocks = list(pieces(box, info.block))
            if 1 < len(blocks) <= _MOST_BLOCKS:
                # one of several that were read together: its neighbours are kept
                for block in blocks:
                    self._read(read, block, place)
                return
            offset = self.worker.job.offset
            where = tuple((s.start + o, s.stop + o) for s, o in zip(box, offset, strict=True))
            self._skip(Skipped(err.name, err.cause, where))
            found = np.zeros(size_of(box), info.dtype)
        place(box, found)

    def _skip(self, part: Skipped) -> None:
        """Note what could not be read; rows of one slice become one entry."""
        with self.worker.lock:
            known = self.skipped.get(part.name)
            if known is not None:
                box = tuple(
                    (min(a, c), max(b, d))
                    for (a, b), (c, d) in zip(known.box, part.box, strict=True)
                )
                part = Skipped(known.name, known.cause, box)
            self.skipped[part.name] = part

    def _step(self) -> tuple[int, ...]:
        """Return how much is read at once: a block, or several small ones."""
        block, cut = self._source.info.block, self.level.cut
        return read_step(block, cut)

    def _to_source(self, box: Box) -> Box:
        offset = self.worker.job.offset
        return tuple(slice(s.start - o, s.stop - o) for s, o in zip(box, offset, strict=True))

    def _wait(self, futures: list[Future[None]]) -> None:
        try:
            for future in futures:
                future.result()
        except BaseException:
            self._cancel(futures)
            raise

    @staticmethod
    def _cancel(futures: list[Future[None]]) -> None:
        for future in futures:
            future.cancel()
        wait(futures)


def cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
