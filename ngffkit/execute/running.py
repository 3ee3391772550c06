"""Run the tasks of a conversion on threads, processes or a cluster; journal what is done.

Levels follow one another, since each is made from the one before. Within a level tasks are
independent: any order, any worker, any number of attempts gives the same bytes.
"""

from __future__ import annotations

import pickle
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.execute.job import Done, ImageJob, Job, Skipped, Task
from ngffkit.execute.journal import Journal, Record
from ngffkit.execute.work import Worker, cpus

#: Tasks that wait at the workers, per worker: enough that none is idle, few that a stop is quick.
_AHEAD = 2


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


#: A job travels with each of its tasks; one that holds an image is a mistake.
_MOST_SENT = 64 * 2**20

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

    def tick(self, nbytes: int) -> None:
        self.done += nbytes
        self.tell()

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
    with _crew(executor, workers) as crew:
        for item in images:
            for level in range(len(item.job.levels)):
                todo = (t for t in item.job.tasks(level) if item.name(t) not in journal.done)
                counter.what = item.job.levels[level].path
                for done in crew(item.job, todo, counter):
                    journal.record(_record(item, done))
                    skipped += done.skipped
                    counter.tasks_done += 1
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
                    counter.done += item.job.task_nbytes(task)
                    counter.tasks_done += 1
                    skipped += [_skipped(entry) for entry in record.skipped]
    counter.resumed, counter.skipped = counter.done, len(skipped)
    return skipped


def _record(item: ImageJob, done: Done) -> Record:
    return Record(
        item.name(done.task), done.written, tuple(entry.to_json() for entry in done.skipped), {}
    )


def _skipped(entry: Mapping[str, Any]) -> Skipped:
    return Skipped(entry["name"], entry["cause"], tuple((a, b) for a, b in entry["box"]))


# --- who does the work --------------------------------------------------------------------------

#: Carries out tasks of a job and yields what each leaves, as it is done.
_Crew = Callable[[Job, Iterator[Task], _Counter], Iterator[Done]]


@contextmanager
def _crew(executor: Any, workers: int | None) -> Iterator[_Crew]:
    if executor == "threads":
        here = _Here()
        try:
            yield here
        finally:
            here.close()
        return
    if executor == "processes":
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        count = workers or cpus()
        # a fork would copy locks of threads that don't exist in the child
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_follow)
        try:
            yield _elsewhere(pool, count)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return
    count = workers or workers_of(executor)
    if hasattr(executor, "get_executor"):  # a dask.distributed Client
        executor = executor.get_executor(pure=False, retries=3)
    if not isinstance(executor, Executor) and not hasattr(executor, "submit"):
        raise NgffError(
            f"executor={executor!r}; 'threads', 'processes', a dask Client or a "
            "concurrent.futures.Executor was expected"
        )
    yield _elsewhere(executor, count)


def _follow() -> None:
    """Let a worker end when its parent does, however that ends; else it would write on, unseen."""
    import multiprocessing
    import os
    import threading

    parent = multiprocessing.parent_process()

    def wait_for() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait_for, name="ngffkit-parent", daemon=True).start()


def workers_of(executor: Any) -> int:
    """Return how many tasks an executor can work on at the same time."""
    if executor == "threads":
        return 1
    if executor == "processes":
        return cpus()
    if hasattr(executor, "nthreads"):  # a dask.distributed Client
        return max(1, sum(map(int, executor.nthreads().values())))
    return int(getattr(executor, "_max_workers", 0)) or cpus()


class _Here:
    """Does the work in this process; what one level keeps for the next stays between calls."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def __call__(self, job: Job, tasks: Iterator[Task], counter: _Counter) -> Iterator[Done]:
        if self._worker is None or self._worker.job is not job:
            self.close()
            self._worker = Worker(job, keeps=True)
        for task in tasks:
            done = self._worker.run(task, counter.tick)
            job.target.sync()
            yield done

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


def _elsewhere(pool: Any, count: int) -> _Crew:
    def crew(job: Job, tasks: Iterator[Task], counter: _Counter) -> Iterator[Done]:
        data = _pickled(job)
        pending: dict[Future[Done], Task] = {}
        # `wait` looks at all that is pending whenever one ends, a thousand on many workers
        ended: SimpleQueue[Future[Done]] = SimpleQueue()
        try:
            while True:
                while len(pending) < _AHEAD * count and (task := next(tasks, None)) is not None:
                    future = pool.submit(run_pickled, data, task)
                    pending[future] = task
                    future.add_done_callback(ended.put)
                if not pending:
                    return
                future = ended.get()
                done = _result(future, pending.pop(future))
                counter.done += job.task_nbytes(done.task)
                yield done
        finally:
            for future in pending:
                future.cancel()
            # what has begun runs to its end, so that no worker writes when this has returned
            wait([future for future in pending if not future.cancelled()])

    return crew


def _pickled(job: Job) -> bytes:
    """Return a job as it is sent to a worker, with every task."""
    try:
        data = pickle.dumps(job)
    except Exception as err:
        # whatever objects raise that can't be pickled
        raise NgffError(
            f"this source can't be sent to other processes ({err}); pass executor='threads'"
        ) from err
    if len(data) > _MOST_SENT:
        raise NgffError(
            f"the source would be sent to each worker with every task, {len(data)} bytes of it; "
            "save it first (numpy.save) and name the file, or pass executor='threads'"
        )
    # the names of many slices shrink to an eighth, and a scheduler holds them for each task
    return zlib.compress(data, 1)


def _result(future: Future[Done], task: Task) -> Done:
    try:
        return future.result()
    except (NgffError, KeyboardInterrupt):
        raise
    except BrokenExecutor as err:
        raise NgffError(
            f"a worker died over task {task.name}: killed, out of memory, or, in a script, for "
            "want of `if __name__ == '__main__':`; what is done stays: run the same again to go on"
        ) from err
    except Exception as err:
        if type(err).__name__ in ("KilledWorker", "CancelledError"):
            raise NgffError(
                f"workers were lost over task {task.name} ({err}); what is done stays: run the "
                "same again to go on"
            ) from err
        raise


def run_pickled(data: bytes, task: Task) -> Done:
    """Carry out a task on a worker; the job is unpickled once per worker."""
    worker = _worker(data)
    done = worker.run(task)
    worker.job.target.sync()
    return done


@lru_cache(maxsize=1)
def _worker(data: bytes) -> Worker:
    job: Job = pickle.loads(zlib.decompress(data))  # noqa: S301 - pickled by the process that asks
    # many workers share a machine: each task has one thread
    return Worker(replace(job, threads=1, readers=1, buffers=1))
