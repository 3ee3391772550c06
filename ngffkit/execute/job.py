"""What is to be done, as values that travel to workers: a job, its levels, one task."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.encoding import Encoder
from ngffkit.execute.cutting import Cut, size_of
from ngffkit.image import Image
from ngffkit.sources.contract import Box, Source
from ngffkit.stores.targets import Target, Written


@dataclass(frozen=True, slots=True)
class LevelJob:
    """One array that is written.

    Parameters
    ----------
    path : str
        Path of the array below the target.
    spec : ArraySpec
        How it lies there.
    compression : Encoder
        How its chunks are compressed.
    cut : Cut
        Tasks and slabs.
    box : Box
        Which part of the array is written; all of it in a conversion.
    parent : int or None
        Position of the level it is made from; None when it comes from the source.
    step : tuple of int
        Pixels of the parent that become one, per axis.
    written : bool
        Whether it is written at all, rather than only read by those below it.
    """

    path: str
    spec: ArraySpec
    compression: Encoder
    cut: Cut
    box: Box
    parent: int | None = None
    step: tuple[int, ...] = ()
    written: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a worker needs to carry out a task.

    Parameters
    ----------
    target : Target
        Where it goes.
    source : Source or None
        Where level 0 comes from; None when only coarser levels are made.
    levels : tuple of LevelJob
        Parents before children.
    offset : tuple of int
        Where the first pixel of the source lies in level 0.
    method : str
        How levels are made from their parents.
    threads : int
        Threads of one task.
    readers : int
        Blocks of the source that are decoded at the same time.
    buffers : int
        1, or 2 where the next slab is read while one is encoded.
    skip : bool
        Whether what can't be read is recorded and left as fill, instead of being an error.
    update : bool
        Whether objects may be there already, whose other pixels are kept.
    """

    target: Target
    source: Source | None
    levels: tuple[LevelJob, ...]
    offset: tuple[int, ...]
    method: str = "mean"
    threads: int = 1
    readers: int = 1
    buffers: int = 1
    skip: bool = False
    update: bool = False

    def tasks(self, level: int) -> Iterator[Task]:
        """Yield the tasks of a level, in C order."""
        entry = self.levels[level]
        if entry.written:
            for coords in itertools.product(*entry.cut.grid(entry.box)):
                yield Task(level, coords)

    def count(self, level: int) -> int:
        """Return how many tasks a level has."""
        entry = self.levels[level]
        return entry.cut.count(entry.box) if entry.written else 0

    def nbytes(self, level: int) -> int:
        """Return how many bytes of pixels the tasks of a level write."""
        entry = self.levels[level]
        if not entry.written:
            return 0
        ranges = entry.cut.grid(entry.box)
        sizes = [
            min(r.stop * step, n) - r.start * step
            for r, step, n in zip(ranges, entry.cut.region, entry.cut.shape, strict=True)
        ]
        return math.prod(sizes) * entry.cut.itemsize

    def task_nbytes(self, task: Task) -> int:
        """Return how many bytes of pixels a task writes."""
        cut = self.levels[task.level].cut
        return math.prod(size_of(cut.region_box(task.coords))) * cut.itemsize


@dataclass(frozen=True, slots=True)
class Task:
    """One region of one level.

    Parameters
    ----------
    level : int
        Position of the level in `Job.levels`.
    coords : tuple of int
        The region, counted along each axis.

    Examples
    --------
    >>> Task(0, (0, 3)).name
    '0/0.3'
    """

    level: int
    coords: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its name in the journal."""
        return f"{self.level}/{'.'.join(map(str, self.coords))}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of the source that could not be read and was left as fill.

    Parameters
    ----------
    name, cause : str
        What, and why, as `SourceError` says it.
    box : tuple of (int, int)
        Start and stop along each axis, in pixels of level 0.
    """

    name: str
    cause: str
    box: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Return its fields as a JSON object."""
        return {"name": self.name, "cause": self.cause, "box": [list(b) for b in self.box]}


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished task leaves.

    Parameters
    ----------
    task : Task
        Which.
    written : tuple of Written
        The objects that are there now.
    skipped : tuple of Skipped
        What could not be read.
    nbytes : int
        Bytes of pixels that were worked on.
    """

    task: Task
    written: tuple[Written, ...]
    skipped: tuple[Skipped, ...] = ()
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One image of a conversion: what it will be, and how it comes about.

    Parameters
    ----------
    path : str
        Path of its group below the target: empty for the root, ``labels/nuclei``.
    image : Image
        What it is when all is done.
    job : Job
        How.
    """

    path: str
    image: Image
    job: Job

    def name(self, task: Task) -> str:
        """Return the name of one of its tasks in the journal."""
        return f"{self.path}:{task.name}" if self.path else task.name
