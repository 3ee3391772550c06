"""The last thing asked for, in a thread of its own: what a plan that follows one's typing needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

#: Seconds that are waited for more typing.
PAUSE = 0.15


class Latest:
    """Does the last thing that it was asked to; results of earlier ones are dropped.

    Parameters
    ----------
    name : str
        Of the thread.
    pause : float
        Seconds to wait for a newer request before one is begun.

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

    def __init__(self, name: str, pause: float = PAUSE) -> None:
        self._name, self._pause = name, pause
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
        try:
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
                with self._changed:
                    current = count == self._count
                if current:
                    then(result)
        except BaseException:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            raise
