"""How much memory a job takes, as arithmetic; and the slabs, buffers and threads that fit."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ngffkit.errors import Problem
from ngffkit.execute.crews import workers_of
from ngffkit.execute.cutting import Cut, fit, read_step
from ngffkit.execute.job import LevelJob
from ngffkit.execute.work import AHEAD, cpus
from ngffkit.planning.options import RunOptions, about
from ngffkit.reduce import METHODS
from ngffkit.sources.contract import SourceInfo

#: What modules that are loaded on the way, and the allocator, may add.
SLACK = 40 * 2**20

#: Freed memory is not given back at once: this much more than what is in use.
_HELD = 1.05

#: What the work may take where nobody says.
_WORK = 10**9

#: What a new process takes before it works: Python, numpy, the readers.
_FRESH = 120 * 2**20

#: What the journal takes in memory for a task and for an object, at most: when it is read again.
_PER_TASK, _PER_OBJECT = 300, 100

#: What reducing a chunk takes while it is at hand, per thread, whatever the method.
_REDUCING = 6 * 2**20


@dataclass(frozen=True, slots=True)
class Room:
    """The memory that there is for the work itself.

    Parameters
    ----------
    base : int
        Bytes that this process has, and what it will load.
    workers : int
        Processes that work, besides this one; 0 when it works itself.
    threads : int
        Threads of a task.
    budget : int
        Bytes that may be taken in all.
    """

    base: int
    workers: int
    threads: int
    budget: int

    @classmethod
    def of(cls, run: RunOptions) -> Room:
        """Return what a run may take, with what this process has now."""
        processes = run.executor == "processes"
        base = resident() + SLACK
        workers = (run.workers or workers_of(run.executor)) if processes else 0
        threads = (run.workers or cpus()) if run.executor == "threads" else 1
        budget = run.budget
        if budget is None:
            budget = base + workers * _FRESH + _WORK
        return cls(base, workers, threads, budget)

    def beside(self, nbytes: int) -> Room:
        """Return the room that is left beside something that stays in memory."""
        return replace(self, base=self.base + nbytes)

    @property
    def each(self) -> int:
        """Bytes for the work of one task."""
        if not self.workers:
            return self.budget - self.base
        return (self.budget - self.base) // self.workers - _FRESH

    def total(self, work: int) -> int:
        """Return what is taken in all when a task takes `work` bytes."""
        return self.base + (self.workers * (_FRESH + work) if self.workers else work)

    def too_little(self, work: int) -> Problem:
        """Say that a task which takes `work` bytes doesn't fit, and what would do."""
        what = f"{about(self.budget)} is too little"
        what += f" for {self.workers} processes" if self.workers else ""
        # rounded up so that what is asked for is enough
        enough = -(-self.total(work) // 10**6) + 1
        return Problem("memory", "error", what, f"pass memory='{enough} MB' or more")


@dataclass(frozen=True, slots=True)
class Share:
    """How level 0 is worked on within a budget.

    Parameters
    ----------
    cut : Cut
        With slabs that fit.
    threads : int
        Threads that encode.
    readers : int
        Blocks that are decoded at the same time.
    buffers : int
        Slabs that are held.
    nbytes : int
        What that takes.
    """

    cut: Cut
    threads: int
    readers: int
    buffers: int
    nbytes: int


def share_out(cut: Cut, info: SourceInfo, threads: int, budget: int) -> Share | None:
    """Choose slabs, readers, buffers and threads for copying level 0 within `budget` bytes.

    Parameters
    ----------
    cut : Cut
        As if memory didn't matter.
    info : SourceInfo
        Its blocks, and what decoding one takes.
    threads : int
        Threads that may encode.
    budget : int
        Bytes.

    Returns
    -------
    Share or None
        Without a scratch file if it can be, with as many threads as can be; None when not even
        one block fits.
    """
    staged: Share | None = None
    fewer = [(threads, readers) for readers in range(threads, 0, -1)]
    fewer += [(count, 1) for count in range(threads - 1, 0, -1)]
    for count, readers in fewer:
        fixed = _encoding(cut, count) + readers * _reading(cut, info)
        for buffers in (2, 1):
            found = fit(cut, max(0, int(budget / _HELD) - fixed) // buffers)
            if found is None:
                continue
            nbytes = int((fixed + buffers * found.slab_nbytes) * _HELD)
            share = Share(found, count, readers, buffers, nbytes)
            if not found.staged:
                return share
            staged = staged or share
    return staged


def least(cut: Cut, info: SourceInfo) -> Share:
    """Return the smallest share that `share_out` can give."""
    smallest = math.prod(min(c, n) for c, n in zip(cut.chunks, cut.shape, strict=True))
    fixed = _encoding(cut, 1) + _reading(cut, info)
    return Share(cut, 1, 1, 1, int((fixed + smallest * cut.itemsize) * _HELD) + 1)


def _encoding(cut: Cut, threads: int) -> int:
    """Return what encoding takes: copies of chunks, and encoded ones that wait."""
    chunk = math.prod(cut.chunks) * cut.itemsize
    return (3 * threads + AHEAD * threads) * chunk + threads * _REDUCING


def _reading(cut: Cut, info: SourceInfo) -> int:
    """Return what reading one part of the source takes: its pixels, and what decoding needs."""
    step = read_step(info.block, cut)
    part = math.prod(min(s, n) for s, n in zip(step, cut.shape, strict=True)) * cut.itemsize
    return part + info.scratch


def coarse_nbytes(level: LevelJob, parent: LevelJob, method: str, threads: int) -> int:
    """Return what making a coarser level takes: what each thread reads, reduces and encodes."""
    found = METHODS[method]
    box = [
        c * f + 2 * found.halo(f) for c, f in zip(level.spec.layout.chunks, level.step, strict=True)
    ]
    itemsize = level.spec.layout.dtype.itemsize
    read = math.prod(min(b, n) for b, n in zip(box, parent.spec.layout.shape, strict=True))
    nbytes = read * itemsize
    each = nbytes + found.temporaries(nbytes) + parent.spec.layout.chunk_nbytes
    return int((threads * each + _encoding(level.cut, threads)) * _HELD)


def fitting_threads(
    levels: Sequence[LevelJob], method: str, threads: int, budget: int
) -> tuple[int, int]:
    """Return how many threads may make the coarser levels, and what they take at most."""
    coarse = [level for level in levels if level.parent is not None and level.written]
    for count in range(threads, 0, -1):
        most = max(
            (coarse_nbytes(lv, levels[lv.parent or 0], method, count) for lv in coarse), default=0
        )
        if most <= budget or count == 1:
            return count, most
    return 1, 0


def journal_nbytes(levels: Iterable[LevelJob]) -> int:
    """Return what a journal takes in memory, which keeps a line for each task that is done."""
    return sum(
        level.cut.count(level.box) * _PER_TASK + level.spec.layout.objects * _PER_OBJECT
        for level in levels
        if level.written
    )


def resident() -> int:
    """Return the bytes of memory that this process has now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return 150 * 2**20  # what the imports take, where nobody says
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
