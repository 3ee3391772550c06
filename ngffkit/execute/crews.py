"""Who carries out tasks: threads of this process, other processes, or a cluster of dask.

Whoever it is yields what tasks leave, in the order in which they end. When it is left early nothing
more is begun, and what has begun runs to its end: nobody writes after it returned.
"""

from __future__ import annotations

import pickle
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from ngffkit.errors import NgffError
from ngffkit.execute.job import Done, Job, Task
from ngffkit.execute.work import Tick, Worker, cpus

#: Tasks that wait at the workers, per worker: enough that none is idle, few that a stop is quick.
_AHEAD = 2

#: A job travels with each of its tasks; one that holds an image is a mistake.
_MOST_SENT = 64 * 2**20

#: Seconds after which a cluster that says nothing is asked whether it is there.
_PATIENCE = 5.0

#: Carries out tasks of a job, tells what is written meanwhile if it knows, yields what each leaves.
Crew = Callable[[Job, Iterator[Task], Tick], Iterator[Done]]


def workers_of(executor: Any) -> int:
    """Return how many tasks an executor can work on at the same time."""
    if executor == "threads":
        return 1
    if executor == "processes":
        return cpus()
    if _is_client(executor):
        return max(1, sum(map(int, executor.nthreads().values())))
    return int(getattr(executor, "_max_workers", 0)) or cpus()


def _is_client(executor: Any) -> bool:
    """Tell whether this is a dask.distributed Client, one that can be waited for."""
    if not hasattr(executor, "get_executor"):
        return False
    if executor.asynchronous:
        raise NgffError(
            f"executor={executor!r} is asynchronous: whoever waits for it here stops it; pass a "
            "Client made without asynchronous=True"
        )
    return True


@contextmanager
def crew_of(executor: Any, workers: int | None = None) -> Iterator[Crew]:
    """Give who carries out tasks.

    Parameters
    ----------
    executor : {"threads", "processes"}, dask Client or Executor
        Who does the work.
    workers : int, optional
        Processes, or tasks that an executor works on at the same time.
    """
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
            yield _elsewhere(_Pool(pool), count)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return
    count = workers or workers_of(executor)
    if _is_client(executor):
        yield _elsewhere(_Cluster(executor), count)
        return
    if not isinstance(executor, Executor) and not hasattr(executor, "submit"):
        raise NgffError(
            f"executor={executor!r}; 'threads', 'processes', a dask Client or a "
            "concurrent.futures.Executor was expected"
        )
    yield _elsewhere(_Pool(executor), count)


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


class _Here:
    """Does the work in this process; what one level keeps for the next stays between calls."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def __call__(self, job: Job, tasks: Iterator[Task], tick: Tick) -> Iterator[Done]:
        if self._worker is None or self._worker.job is not job:
            self.close()
            self._worker = Worker(job, keeps=True)
        for task in tasks:
            done = self._worker.run(task, tick)
            job.target.sync()
            yield done

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


# --- elsewhere ------------------------------------------------------------------------------------


class _Hands(Protocol):
    """Where tasks are sent."""

    def submit(self, data: bytes, task: Task) -> Future[Done]: ...

    def check(self) -> None:
        """Raise if no answer will come any more."""

    def stop(self, pending: Collection[Future[Done]]) -> None:
        """Let nothing more begin of what is pending."""


class _Pool:
    """An executor of `concurrent.futures`, or whatever has its ways."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    def submit(self, data: bytes, task: Task) -> Future[Done]:
        found: Future[Done] = self._executor.submit(run_pickled, data, task)
        return found

    def check(self) -> None:
        """Nothing to ask: a pool answers for its workers."""

    def stop(self, pending: Collection[Future[Done]]) -> None:
        for future in pending:
            future.cancel()


class _LostError(Exception):
    """The cluster, or the connection to it, is gone before a task has answered."""


class _Cluster:
    """The workers of a dask.distributed Client.

    Its own executor never ends a future whose result is under way when the scheduler dies, and
    forgets tasks it cancels, of which some are being carried out.
    """

    def __init__(self, client: Any) -> None:
        self._client, self._token = client, uuid.uuid4().hex

    def submit(self, data: bytes, task: Task) -> Future[Done]:
        told: Future[Done] = Future()
        try:
            sent = self._client.submit(
                _run_unless_stopped, self._token, data, task, pure=False, retries=3
            )
        except Exception as err:  # noqa: BLE001 - a client that was closed; what it raises varies
            told.set_exception(_LostError(str(err)))
        else:
            self._client.loop.add_callback(_tell, sent, told)
        return told

    def check(self) -> None:
        if self._client.status in ("closing", "closed"):
            raise _LostError("the client is closed")

    def stop(self, pending: Collection[Future[Done]]) -> None:
        if pending and self._client.status == "running":
            with suppress(Exception):
                # workers that don't hear it do the few tasks that wait at them
                self._client.run(_stop, self._token, wait=False, on_error="ignore")


async def _tell(sent: Any, told: Future[Any]) -> None:
    """Wait for a task at a cluster, and pass on what came of it, whatever it is."""
    try:
        found, error = await sent, None
    except BaseException as err:  # noqa: BLE001 - who waits elsewhere must hear of it
        # the task's own, or of the way to it: then it may have been carried out, or not
        found, error = None, err if sent.status == "error" else _LostError(str(err))
    if told.set_running_or_notify_cancel():
        if error is None:
            told.set_result(found)
        else:
            told.set_exception(error)


def _elsewhere(hands: _Hands, count: int) -> Crew:
    def crew(job: Job, tasks: Iterator[Task], tick: Tick) -> Iterator[Done]:
        del tick  # nothing is heard of a task before it ends
        data = _pickled(job)
        pending: dict[Future[Done], Task] = {}
        # `wait` looks at all that is pending whenever one ends, a thousand on many workers
        ended: SimpleQueue[Future[Done]] = SimpleQueue()
        try:
            while True:
                while len(pending) < _AHEAD * count and (task := next(tasks, None)) is not None:
                    future = hands.submit(data, task)
                    pending[future] = task
                    future.add_done_callback(ended.put)
                if not pending:
                    return
                future = _next(hands, ended)
                yield _result(future, pending.pop(future))
        finally:
            hands.stop(pending)
            _settle(hands, [future for future in pending if not future.cancelled()])

    return crew


def _next(hands: _Hands, ended: SimpleQueue[Future[Done]]) -> Future[Done]:
    """Return a task that has ended."""
    while True:
        with suppress(Empty):
            return ended.get(timeout=_PATIENCE)
        try:
            hands.check()
        except _LostError as err:
            raise _lost("what was sent", err) from err


def _settle(hands: _Hands, begun: Collection[Future[Done]]) -> None:
    """Wait for what has begun, as long as somebody will tell."""
    with suppress(_LostError):
        while begun := wait(begun, timeout=_PATIENCE).not_done:
            hands.check()


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
        # by name: dask is not asked for by those who don't use it
        if isinstance(err, _LostError) or type(err).__name__ in ("KilledWorker", "CancelledError"):
            raise _lost(f"task {task.name}", err) from err
        raise


def _lost(what: str, err: Exception) -> NgffError:
    return NgffError(
        f"workers were lost over {what} ({err}); what is done stays: run the same again to go on"
    )


# --- at a worker ----------------------------------------------------------------------------------


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


#: Those whose tasks are not to begin here any more.
_STOPPED: set[str] = set()


def _stop(token: str) -> None:
    _STOPPED.add(token)


def _run_unless_stopped(token: str, data: bytes, task: Task) -> Done | None:
    return None if token in _STOPPED else run_pickled(data, task)
