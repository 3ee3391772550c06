"""Compare what was written with what it was copied from: every pixel, bit by bit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import ChunkError, WriteError
from ngffkit.execute.cutting import pieces, whole
from ngffkit.execute.job import ImageJob, LevelJob
from ngffkit.execute.running import Progress, Watch
from ngffkit.sources.contract import Box, Source
from ngffkit.stores.targets import Target

#: Boxes grow to whole chunks of both arrays up to this size.
_BOX = 32 * 2**20

#: Boxes that wait for a thread, per thread.
_AHEAD = 2


def compare(jobs: Sequence[ImageJob], target: Target, threads: int, watch: Watch) -> int:
    """Read every level that was copied from both places; return the bytes that were compared.

    Parameters
    ----------
    jobs : sequence of ImageJob
        Each with the level that it copied.
    target : Target
        Where that was written.
    threads : int
        Boxes that are compared at the same time.
    watch : callable
        Told how far it is.

    Raises
    ------
    WriteError
        Naming the array and the box whose pixels differ.
    SourceError, ChunkError
        Naming the chunk that can't be read.
    """
    copied = [(item.job.levels[0], item.job.source) for item in jobs if item.job.source is not None]
    total, done = sum(level.spec.layout.nbytes for level, _ in copied), 0
    with ThreadPoolExecutor(threads, thread_name_prefix="ngffkit-compare") as pool:
        for level, source in copied:
            for nbytes in _level(pool, level, source, target, threads):
                done += nbytes
                watch(Progress(done, total, 0, 0, f"{level.path} (comparing)", 0, 0.0, 0))
    return done


def peak(jobs: Sequence[ImageJob], threads: int) -> int:
    """Return the bytes of memory that comparing takes."""
    most = 0
    for item in jobs:
        source = item.job.source
        if source is not None:
            level = item.job.levels[0]
            box = math.prod(_step(level, source)) * level.spec.layout.dtype.itemsize
            each = 3 * box + source.info.scratch + 2 * level.spec.layout.chunk_nbytes
            most = max(most, threads * each)
    return most


def _level(
    pool: ThreadPoolExecutor, level: LevelJob, source: Source, target: Target, threads: int
) -> Iterator[int]:
    shape = level.spec.layout.shape
    if not math.prod(shape):
        return
    reader = ArrayReader(target.store, level.path, level.spec, _lost, workers=1)
    pending: deque[Future[int]] = deque()
    try:
        for box in pieces(whole(shape), _step(level, source)):
            while len(pending) >= threads * _AHEAD:
                yield pending.popleft().result()
            pending.append(pool.submit(_box, reader, source, box))
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _box(reader: ArrayReader, source: Source, box: Box) -> int:
    try:
        found = reader.read(box)
    except ChunkError as err:
        raise WriteError(reader.path, reader.store.url, f"it can't be read back: {err}") from err
    wanted = source.read(box)
    if found.shape != wanted.shape or not np.array_equal(_bits(found), _bits(wanted)):
        where = ", ".join(f"{s.start}:{s.stop}" for s in box)
        cause = f"pixels [{where}] read back are not those of the image; nothing was replaced"
        raise WriteError(reader.path, reader.store.url, cause)
    return found.nbytes


def _bits(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    # NaN equals no NaN, and 0.0 equals -0.0; their bytes tell
    native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return native.reshape(-1).view(np.uint8)


def _lost(reader: ArrayReader, coords: list[tuple[int, ...]]) -> None:
    raise reader.error(coords[0], "absent, but it was written")


def _step(level: LevelJob, source: Source) -> tuple[int, ...]:
    """Return boxes of whole chunks of both arrays, cut along the widest axes where that is much."""
    layout = level.spec.layout
    least = tuple(min(c, n) for c, n in zip(layout.chunks, layout.shape, strict=True))
    step = [
        min(n, -(-max(c, b) // c) * c)
        for c, b, n in zip(layout.chunks, source.info.block, layout.shape, strict=True)
    ]
    while math.prod(step) * layout.dtype.itemsize > _BOX:
        ratios = [s / max(1, m) for s, m in zip(step, least, strict=True)]
        i = ratios.index(max(ratios))
        if ratios[i] <= 1:
            break
        step[i] = max(least[i], step[i] // 2)
    return tuple(max(1, s) for s in step)
