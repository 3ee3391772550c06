"""A few threads that wait for work: started when they are first needed, kept, shared by readers."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Task = Callable[[], None]


class Threads:
    """Runs independent tasks on a few threads that outlive the call.

    Starting threads costs as much as decoding a chunk, so a small cutout would pay a fifth more.
    Tasks never submit tasks, so sharing the threads can't lock up.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0
        self._pid = 0

    def run(self, tasks: Iterable[Task], workers: int) -> None:
        """Run all tasks, on at most `workers` threads; the first error ends it and is raised.

        Tasks are drawn one by one, so that a million of them need not exist at once. The caller's
        thread works along.
        """
        source = iter(tasks)
        first = list(itertools.islice(source, workers))
        source = itertools.chain(first, source)
        if len(first) <= 1:
            for task in source:
                task()
            return
        lock, failed = threading.Lock(), list[BaseException]()

        def work() -> None:
            while not failed:
                try:
                    with lock:
                        task = next(source, None)
                    if task is None:
                        return
                    task()
                except BaseException as err:  # noqa: BLE001 - raised again in the caller's thread
                    failed.append(err)

        pool = self._executor(workers - 1)
        helpers = [pool.submit(work) for _ in range(len(first) - 1)]
        work()
        for helper in helpers:
            # one that hasn't begun by now has nothing left to do
            if not helper.cancel():
                helper.result()
        if failed:
            raise failed[0]

    def _executor(self, workers: int) -> ThreadPoolExecutor:
        # threads don't survive a fork, so a child starts its own
        if self._pool is None or self._size < workers or self._pid != os.getpid():
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ngffkit-read")
            self._size, self._pid = workers, os.getpid()
        return self._pool

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without threads, for worker processes."""
        return Threads, ()

    def __deepcopy__(self, memo: Any) -> Threads:
        """Return itself: threads are shared."""
        return self
