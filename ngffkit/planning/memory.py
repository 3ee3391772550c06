"""How much memory a job takes, as arithmetic; and the slabs, buffers and threads that fit."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ngffkit.execute.cutting import Cut, fit
from ngffkit.execute.job import LevelJob
from ngffkit.execute.work import AHEAD, read_step
from ngffkit.reduce import METHODS
from ngffkit.sources.contract import SourceInfo

#: What modules that are loaded on the way, and the allocator, may add.
SLACK = 40 * 2**20

#: Freed memory is not given back at once: this much more than what is in use.
_HELD = 1.15


@dataclass(frozen=True, slots=True)
class Share:
    """How level 0 is worked on within a budget.

    Parameters
    ----------
    cut : Cut
        With slabs that fit.
    readers : int
        Blocks that are decoded at the same time.
    buffers : int
        Slabs that are held.
    nbytes : int
        What that takes.
    """

    cut: Cut
    readers: int
    buffers: int
    nbytes: int


def share_out(cut: Cut, info: SourceInfo, threads: int, budget: int) -> Share | None:
    """Choose slabs, readers and buffers for copying level 0 within `budget` bytes.

    Parameters
    ----------
    cut : Cut
        As if memory didn't matter.
    info : SourceInfo
        Its blocks, and what decoding one takes.
    threads : int
        Threads that encode.
    budget : int
        Bytes.

    Returns
    -------
    Share or None
        Without a scratch file if it can be; None when not even one block fits.
    """
    staged: Share | None = None
    for readers in range(threads, 0, -1):
        fixed = _encoding(cut, threads) + readers * _reading(cut, info)
        for buffers in (2, 1):
            found = fit(cut, max(0, int(budget / _HELD) - fixed) // buffers)
            if found is None:
                continue
            nbytes = int((fixed + buffers * found.slab_nbytes) * _HELD)
            share = Share(found, readers, buffers, nbytes)
            if not found.staged:
                return share
            staged = staged or share
    return staged


def least(cut: Cut, info: SourceInfo) -> int:
    """Return the smallest budget that `share_out` can work with."""
    smallest = math.prod(min(c, n) for c, n in zip(cut.chunks, cut.shape, strict=True))
    return int((_encoding(cut, 1) + _reading(cut, info) + smallest * cut.itemsize) * _HELD) + 1


def _encoding(cut: Cut, threads: int) -> int:
    """Return what encoding takes: copies of chunks, and encoded ones that wait."""
    chunk = math.prod(cut.chunks) * cut.itemsize
    return (2 * threads + AHEAD * threads) * chunk


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


def with_cut(level: LevelJob, cut: Cut) -> LevelJob:
    """Return a level with other slabs."""
    return replace(level, cut=cut)


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
