"""Work in the background: it runs, pauses, is cancelled, goes on, and says how far it is."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from ngffkit.errors import BusyError, NgffError
from ngffkit.execute.running import Progress, Watch
from ngffkit.planning.card import lasting
from ngffkit.planning.options import about
from ngffkit.progress import share

Doing = Literal["ready", "running", "paused", "stopping", "stopped", "failed", "done"]

#: Seconds between two reports to the page: what an eye follows, and a channel carries easily.
_EVERY = 0.2

#: Seconds over which the rate is measured.
_WINDOW = 8.0


class Cancelled(Exception):  # noqa: N818 - not a failure
    """Raised into the work when it is cancelled."""


class Run:
    """One piece of work, and how far it is.

    Parameters
    ----------
    changed : callable
        Called without arguments when there is something new to show, from any thread, some times
        a second at most.

    Attributes
    ----------
    doing : str
        ``ready``, ``running``, ``paused``, ``stopping``, ``stopped``, ``failed`` or ``done``.
    result : object
        What the work returned.
    error : NgffError or None
        Why it failed.

    Examples
    --------
    >>> run = Run(lambda: None)
    >>> run.start(lambda watch: 42)
    >>> run.wait(), run.doing, run.result
    (True, 'done', 42)
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._go = threading.Event()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self.doing: Doing = "ready"
        self.result: Any = None
        self.error: NgffError | None = None
        self._progress: Progress | None = None
        self._told = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    def start(self, work: Callable[[Watch], Any]) -> None:
        """Begin, or go on after it was cancelled.

        Parameters
        ----------
        work : callable
            Is handed the watch that it tells how far it is, and by which it is stopped.

        Raises
        ------
        BusyError
            When it runs already.
        """
        with self._lock:
            if not self._ended.is_set():
                raise BusyError("this panel is at work; wait for its end, or cancel it")
            self._ended.clear()
            self._stop.clear()
            self._go.set()
            self._seen.clear()
            self._progress, self.result, self.error = None, None, None
            self.doing = "running"
        self._changed()
        threading.Thread(target=self._work, args=(work,), name="ngffkit-run", daemon=True).start()

    def pause(self) -> None:
        """Hold: tasks that have begun wait where they are, with their memory."""
        with self._lock:
            if self.doing != "running":
                return
            self._go.clear()
            self.doing = "paused"
        self._changed()

    def resume(self) -> None:
        """Go on after a pause."""
        with self._lock:
            if self.doing != "paused":
                return
            self.doing = "running"
            # a rate over the pause would be none
            self._seen.clear()
            self._go.set()
        self._changed()

    def cancel(self) -> None:
        """Stop soon. What was done stays: the same call goes on from there."""
        with self._lock:
            if self.doing not in ("running", "paused"):
                return
            self.doing = "stopping"
            self._stop.set()
            self._go.set()
        self._changed()

    def rest(self) -> None:
        """Forget work that is done or was stopped, since something else is asked for.

        Work whose end is still being told of stays: its result would be lost.
        """
        with self._lock:
            if self.doing in ("done", "stopped") and self._ended.is_set():
                self.doing, self._progress = "ready", None

    def heed(self) -> None:
        """Hold the work here, or stop it, when that was asked for; called by the work itself.

        Raises
        ------
        Cancelled
            When it is to stop.
        """
        self._go.wait()
        if self._stop.is_set():
            raise Cancelled

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; tell whether it came."""
        return self._ended.wait(timeout)

    @property
    def active(self) -> bool:
        """Whether there is work going on, or held."""
        return self.doing in ("running", "paused", "stopping")

    def to_json(self) -> dict[str, Any]:
        """Return what a page shows."""
        with self._lock:
            progress = self._progress
            return {
                "doing": self.doing,
                "fraction": progress.done / progress.total if progress and progress.total else 0.0,
                "text": self._text(progress),
                "error": str(self.error) if self.error else "",
            }

    def _text(self, progress: Progress | None) -> str:
        if progress is None:
            return ""
        done, total = about(progress.done), about(progress.total)
        parts = [f"{share(progress.done, progress.total)}, {done} of {total}"]
        rate = self._rate() if self.doing == "running" else 0.0
        if rate > 0 and progress.done < progress.total:
            parts += [
                f"{about(rate)}/s",
                f"{lasting((progress.total - progress.done) / rate)} left",
            ]
        if progress.resumed:
            parts.append(f"{share(progress.resumed, progress.total)} was there")
        if progress.skipped:
            parts.append(f"{progress.skipped} skipped")
        return ", ".join(parts)

    def _rate(self) -> float:
        """Return bytes per second of the last seconds."""
        if len(self._seen) < 2:
            return 0.0
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - began) if now > began else 0.0

    def _work(self, work: Callable[[Watch], Any]) -> None:
        doing: Doing = "done"
        result, error = None, None
        try:
            result = work(self._watch)
        except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
            # a disk that fills up while the work is being stopped is still to be told of
            if _is_cancelled(err):
                doing = "stopped"
            else:
                doing, error = "failed", as_ours(err)
        with self._lock:
            self.doing, self.result, self.error = doing, result, error
        self._changed()
        self._ended.set()

    def _watch(self, progress: Progress) -> None:
        """Be told how far the work is; hold it, or stop it. Called by any thread of it."""
        self.heed()
        now = time.monotonic()
        with self._lock:
            self._progress = progress
            self._seen.append((now, progress.done))
            while len(self._seen) > 2 and self._seen[0][0] < now - _WINDOW:
                self._seen.popleft()
            if now - self._told < _EVERY:
                return
            self._told = now
        self._changed()


def _is_cancelled(err: BaseException | None) -> bool:
    while err is not None:
        if isinstance(err, Cancelled):
            return True
        err = err.__cause__ or err.__context__
    return False


def as_ours(err: Exception) -> NgffError:
    """Return an error of ours; any other is a mistake of ours, said as such."""
    if isinstance(err, NgffError):
        return err
    import logging

    logging.getLogger(__name__).error("a mistake in ngffkit", exc_info=err)
    ours = NgffError(f"this is a mistake in ngffkit, please report it: {type(err).__name__}: {err}")
    ours.__cause__ = err
    return ours
