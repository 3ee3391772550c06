"""The last thing asked for, in a thread of its own: what a plan that follows one's typing needs."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

#: Seconds that are waited for more typing, and at the end of Python for what is being done.
PAUSE, _END = 0.15, 2.0


class Latest:
    """Does the last thing that it was asked to; results of earlier ones are dropped.

    Parameters
    ----------
    name : str
        Of the thread.
    pause : float
        Seconds to wait for a newer request before one is begun.
    lock : context manager, optional
        Held while a result is handed over; who asks while holding it is never handed an older
        answer afterwards. A reentrant lock, such as that of a model.

    Examples
    --------
    >>> found = []
    >>> latest = Latest("example", pause=0.01)
    >>> for i in range(3):
    ...     latest.ask(lambda i=i: i * 10, found.append)
    >>> latest.settle()
    True
    >>> found[-1]
    20
    """

    def __init__(
        self, name: str, pause: float = PAUSE, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self._name, self._pause = name, pause
        self._lock: AbstractContextManager[Any] = nullcontext() if lock is None else lock
        self._changed = threading.Condition()
        self._asked: tuple[Callable[[], Any], Callable[[Any], None]] | None = None
        self._count = 0
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        with self._changed:
            return self._busy

    def ask(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do `work` soon, and hand what it returns to `then`, unless something else is asked.

        Both run in a thread. `work` handles its own errors: what it raises is handed to
        `threading.excepthook`.
        """
        with self._changed:
            self._asked = (work, then)
            self._count += 1
            if not self._busy:
                self._busy = True
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            self._changed.notify_all()

    def drop(self) -> None:
        """Forget what was asked for."""
        with self._changed:
            self._asked = None
            self._count += 1
            self._changed.notify_all()

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until nothing is to be done; tell whether that came to pass."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, timeout)

    def _work(self) -> None:
        # who still shows something while Python ends sends it on a line that is gone; each thread
        # has an end of its own, since the next one may begin while this one leaves
        end = partial(self._end)
        atexit.register(end)
        try:
            self._go_on()
        except BaseException:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            raise
        finally:
            atexit.unregister(end)

    def _end(self) -> None:
        """Show nothing any more; what is being shown comes to its end."""
        self.drop()
        self.settle(_END)

    def _go_on(self) -> None:
        while True:
            with self._changed:
                count = -1
                while count != self._count:
                    count = self._count
                    self._changed.wait(self._pause)
                asked, self._asked = self._asked, None
                if asked is None:
                    self._busy = False
                    self._changed.notify_all()
                    return
            work, then = asked
            result = work()
            with self._lock:
                # between the look and the answer nobody who holds the lock can ask for more
                with self._changed:
                    current = count == self._count
                if current:
                    then(result)
