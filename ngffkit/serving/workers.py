"""Threads that work for an event loop, and never keep Python from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

type _Job = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class Workers:
    """Runs functions on threads, for the coroutines of one event loop.

    An executor of the standard library has threads that Python waits for when it ends, whatever
    they compute, and finishes what is queued. These are daemons, and what nobody waits for any more
    is not begun.

    Parameters
    ----------
    most : int
        Threads; they are started when they are needed.
    name : str
        What they are called.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._closed = False

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function returns, or raise what it raises."""
        future = asyncio.get_running_loop().create_future()
        self._jobs.put((future, function, args))
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return await future

    def close(self) -> None:
        """Begin nothing any more; what is running comes to its end, and nobody waits for it."""
        self._closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future = job[0]
            if not self._closed and not future.cancelled():
                _do(*job)
            # bytes must not live until the next job comes
            del job, future
            self._idle.release()


def _do(future: asyncio.Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    result: Any = None
    error: BaseException | None = None
    try:
        result = function(*args)
    except StopIteration as err:
        error = RuntimeError(f"StopIteration: {err}")  # no future takes one
        error.__cause__ = err
    except BaseException as err:  # noqa: BLE001 - raised again where it is waited for
        error = err
    # a loop that has ended waits for nothing
    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_tell, future, result, error)


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
