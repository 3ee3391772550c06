"""Run the tasks of a conversion; journal what is done, and tell how far it is.

Levels follow one another, since each is made from the one before. Within a level tasks are
independent: any order, any worker, any number of attempts gives the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ngffkit.execute.crews import crew_of
from ngffkit.execute.job import Done, ImageJob, Skipped
from ngffkit.execute.journal import Journal, Record


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is.

    Parameters
    ----------
    done, total : int
        Bytes of pixels, over all levels.
    tasks_done, tasks : int
        Tasks.
    what : str
        What is being written: path of the array.
    skipped : int
        Parts of the source that could not be read so far.
    seconds : float
        Since the start of this run.
    resumed : int
        Bytes of `done` that an earlier run had done.
    """

    done: int
    total: int
    tasks_done: int
    tasks: int
    what: str
    skipped: int
    seconds: float
    resumed: int

    @property
    def rate(self) -> float:
        """Bytes per second of this run."""
        return (self.done - self.resumed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that are left at this rate, None when nothing is known yet."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


#: Called now and then; what it raises stops the work, which can be resumed.
Watch = Callable[[Progress], None]


@dataclass(slots=True)
class _Counter:
    """Adds up what is reported, and tells the watch."""

    total: int
    tasks: int
    watch: Watch
    done: int = 0
    tasks_done: int = 0
    skipped: int = 0
    resumed: int = 0
    what: str = ""
    began: float = field(default_factory=time.monotonic)
    _finished: int = 0

    def tick(self, nbytes: int) -> None:
        """Count a part of a task that somebody is at."""
        self.done += nbytes
        self.tell()

    def finish(self, nbytes: int) -> None:
        """Count a whole task, of which parts may have been counted."""
        self._finished += nbytes
        self.done = self._finished
        self.tasks_done += 1

    def tell(self) -> None:
        seconds = time.monotonic() - self.began
        self.watch(
            Progress(
                min(self.done, self.total),
                self.total,
                self.tasks_done,
                self.tasks,
                self.what,
                self.skipped,
                seconds,
                self.resumed,
            )
        )


def run_images(
    images: Sequence[ImageJob],
    journal: Journal,
    executor: Any = "threads",
    workers: int | None = None,
    watch: Watch = lambda _: None,
) -> list[Skipped]:
    """Carry out all tasks that the journal doesn't have yet.

    Parameters
    ----------
    images : sequence of ImageJob
        What is to be written.
    journal : Journal
        Told of every finished task.
    executor : {"threads", "processes"}, dask Client or Executor
        Who does the work.
    workers : int, optional
        Threads, or processes.
    watch : callable
        Told how far the work is.

    Returns
    -------
    list of Skipped
        What could not be read, of this run and of earlier ones.
    """
    counter = _Counter(
        sum(item.job.nbytes(i) for item in images for i in range(len(item.job.levels))),
        sum(item.job.count(i) for item in images for i in range(len(item.job.levels))),
        watch,
    )
    skipped = _resumed(images, journal, counter)
    counter.tell()
    with crew_of(executor, workers) as crew:
        for item in images:
            for level in range(len(item.job.levels)):
                todo = (t for t in item.job.tasks(level) if item.name(t) not in journal.done)
                counter.what = item.job.levels[level].path
                for done in crew(item.job, todo, counter.tick):
                    journal.record(_record(item, done))
                    skipped += done.skipped
                    counter.finish(item.job.task_nbytes(done.task))
                    counter.skipped = len(skipped)
                    counter.tell()
    return skipped


def _resumed(images: Sequence[ImageJob], journal: Journal, counter: _Counter) -> list[Skipped]:
    """Count what an earlier run had done, and return what it had skipped."""
    skipped: list[Skipped] = []
    if journal.done:
        for item in images:
            for task in (t for i in range(len(item.job.levels)) for t in item.job.tasks(i)):
                record = journal.done.get(item.name(task))
                if record is not None:
                    counter.finish(item.job.task_nbytes(task))
                    skipped += [_skipped(entry) for entry in record.skipped]
    counter.resumed, counter.skipped = counter.done, len(skipped)
    return skipped


def _record(item: ImageJob, done: Done) -> Record:
    return Record(
        item.name(done.task), done.written, tuple(entry.to_json() for entry in done.skipped), {}
    )


def _skipped(entry: Mapping[str, Any]) -> Skipped:
    return Skipped(entry["name"], entry["cause"], tuple((a, b) for a, b in entry["box"]))
