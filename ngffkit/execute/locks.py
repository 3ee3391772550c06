"""One writer per target.

On a local file system the operating system keeps the lock and frees it when the process ends,
however it ends, so it is never stale. In an object store the lock is an object that is written on
the condition that there is none, and refreshed; one that nobody has refreshed for a while is taken
over, again on a condition.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol, Self, cast

from ngffkit.errors import BusyError, NgffError, NgffWarning
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Target, beside, write_all, write_error
from ngffkit.stores.uploads import Claims

#: Seconds between two refreshments, and after how many without any the holder counts as dead.
REFRESH, STALE = 20.0, 75.0

#: Name of the lock in the place beside the target.
NAME = "lock"

#: A lock file may vanish between being opened and being locked, when its holder ends.
_ATTEMPTS = 100

#: Windows locks bytes, not files: one that nobody reads.
_FAR = 2**30


class Lock(Protocol):
    """The right to write to a target; a context manager."""

    def __enter__(self) -> Self:
        """Take it.

        Raises
        ------
        BusyError
            Naming who has it.
        """

    def __exit__(self, *_: object) -> None:
        """Give it back."""

    def check(self) -> None:
        """Raise BusyError when it was lost."""


def lock_of(target: Target) -> Lock:
    """Return the lock of a target, not taken yet.

    Examples
    --------
    >>> import tempfile
    >>> from ngffkit.stores.targets import open_target
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = open_target(folder + "/x.zarr")
    ...     with lock_of(target):
    ...         try:
    ...             lock_of(target).__enter__()
    ...         except BusyError as err:
    ...             print("is being written by process" in str(err))
    True
    """
    if isinstance(target, LocalTarget):
        return FileLock(target)
    return LeaseLock(target)


def _whoever() -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _busy(target: Target, data: bytes, place: str, more: str = "") -> BusyError:
    """Say who writes, as far as the lock tells."""
    who: Any = None
    with contextlib.suppress(ValueError):
        who = json.loads(data)
    owner = "another process"
    if isinstance(who, dict) and {"pid", "host", "since"} <= who.keys():
        owner = f"process {who['pid']} on {who['host']} since {who['since']}"
    return BusyError(
        f"{target.url} is being written by {owner}; wait until that ends, or stop it{more} "
        f"(the lock is {place})"
    )


class FileLock:
    """A lock of the operating system on a file beside the target.

    Processes that are forked while it is held keep it as long as they live; spawned ones don't.

    Parameters
    ----------
    target : LocalTarget
        What is locked.
    """

    def __init__(self, target: LocalTarget) -> None:
        self._target, self._folder = target, target.beside(".journal").root
        self._path, self._fd = f"{self._folder}/{NAME}", -1

    def __enter__(self) -> Self:
        """Take it, or say who has it."""
        try:
            for _ in range(_ATTEMPTS):
                self._fd = self._attempt()
                if self._fd >= 0:
                    return self
        except OSError as err:
            if isinstance(err, NgffError):
                raise
            raise write_error(NAME, self._path, err) from err
        raise _busy(self._target, b"", self._path)

    def _attempt(self) -> int:
        try:
            os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103 - tests replace functions of `os`
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except (FileExistsError, FileNotFoundError):
            if os.path.isfile(self._folder):  # noqa: PTH113 - a str
                raise
            return -1  # another writer has just ended and taken the folder away
        try:
            if not self._grab(fd):
                raise _busy(self._target, os.read(fd, 4096), self._path)
            if not self._is_ours(fd):
                os.close(fd)
                return -1
            os.ftruncate(fd, 0)
            write_all(fd, memoryview(json.dumps(_whoever()).encode()))
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        return fd

    def _grab(self, fd: int) -> bool:
        try:
            _lock(fd)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as err:
            if err.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL):
                raise
            warnings.warn(
                f"the file system of {self._target.url} knows no locks: see to it that nobody else "
                "writes there",
                NgffWarning,
                stacklevel=5,
            )
        return True

    def _is_ours(self, fd: int) -> bool:
        """Tell whether the file that is locked is still the one with that name."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))  # noqa: PTH116 - a str
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Raise BusyError when its file was taken away: then others may write too."""
        if self._fd < 0 or not self._is_ours(self._fd):
            raise BusyError(
                f"the lock {self._path} was removed while {self._target.url} was being written; "
                "see to it that nobody else writes there, then resume"
            )

    def __exit__(self, *_: object) -> None:
        """Give it back, and leave no empty folder."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if os.name == "nt":  # where a file that is open can't be removed
            os.close(fd)
            fd = -1
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108 - a str
        if fd >= 0:
            os.close(fd)
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)  # noqa: PTH106 - a str


def _lock(fd: int) -> None:
    if os.name == "nt":
        import msvcrt

        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            windows = cast("Any", msvcrt)
            windows.locking(fd, windows.LK_NBLCK, 1)
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class LeaseLock:
    """A lock that is an object beside the target, refreshed by a thread.

    Ages are differences of times that the store itself gives, so clocks need not agree.

    Parameters
    ----------
    target : Target
        What is locked; what is beside it must be able to `claim`.
    refresh : float
        Seconds between two refreshments.
    stale : float
        Seconds after which a lock that was not refreshed may be taken over.
    """

    def __init__(self, target: Target, refresh: float = REFRESH, stale: float = STALE) -> None:
        place = beside(target, ".journal")
        if not hasattr(place, "claim"):
            raise NgffError(f"{target.url} can't be locked; write to a path or a URL")
        self._target, self._place = target, cast("Claims", place)
        self._refresh, self._stale = refresh, stale
        self._who, self._beats, self._tag = _whoever(), 0, None
        self._lost, self._last = "", 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Take it, or say who has it."""
        self._claim()
        # a store that ignores conditions has let both in; the last one has it
        seen = self._place.peek(NAME)
        if seen is None or not self._is_ours(seen.data):
            raise self._refusal(seen.data if seen else b"")
        self._tag, self._last = seen.tag, time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="ngffkit-lock", daemon=True)
        self._thread.start()
        return self

    def _claim(self) -> None:
        """Write the lock, whatever becomes of the answer."""
        try:
            if self._place.claim(NAME, self._words()) is None:
                self._take_over()
        except BusyError:
            raise
        except NgffError:
            # the answer was lost, but the lock may have arrived: nobody else would remove it
            seen = self._place.peek(NAME)
            if seen is None or not self._is_ours(seen.data):
                raise

    def _take_over(self) -> None:
        """Take the lock of a holder that has not refreshed it for too long."""
        seen, tag = self._place.peek(NAME), None
        if seen is None:
            tag = self._place.claim(NAME, self._words())
        elif self._is_ours(seen.data):
            return  # a request that was repeated is refused although its first attempt arrived
        elif (self._now() - seen.modified).total_seconds() >= self._stale:
            tag = self._place.claim(NAME, self._words(), seen.tag)
        else:
            raise self._refusal(seen.data)
        if tag is None:  # another one was faster
            now = self._place.peek(NAME)
            if now is None or not self._is_ours(now.data):
                raise self._refusal(now.data if now else b"")

    def _refusal(self, data: bytes) -> BusyError:
        more = f"; if it died, try again in {self._stale:.0f} seconds"
        return _busy(self._target, data, f"{self._place.url}/{NAME}", more)

    def _now(self) -> datetime:
        """Ask the store for its time."""
        key = f"clock-{uuid.uuid4().hex}"
        try:
            self._place.claim(key, b"what time is it?")
            seen = self._place.peek(key)
            return seen.modified if seen else datetime.now(UTC)
        finally:
            self._place.remove(key)

    def _words(self) -> bytes:
        self._beats += 1  # some stores make the tag of the content
        return json.dumps({**self._who, "beats": self._beats}).encode()

    def _is_ours(self, data: bytes) -> bool:
        with contextlib.suppress(ValueError):
            return bool(json.loads(data).get("id") == self._who["id"])
        return False

    def _keep(self) -> None:
        while not self._stop.wait(self._refresh):
            try:
                self._beat()
            except NgffError as err:
                # the line is down; time tells whether it comes back soon enough
                if time.monotonic() - self._last >= self._stale:
                    self._lost = f"it could not be refreshed ({err})"
            if self._lost:
                return

    def _beat(self) -> None:
        tag = self._place.claim(NAME, self._words(), self._tag)
        if tag is None:
            # a request that was repeated is refused although its first attempt arrived
            seen = self._place.peek(NAME)
            if seen is None or not self._is_ours(seen.data):
                self._lost = "another process has taken it over" if seen else "it was removed"
                return
            tag = seen.tag
        self._tag, self._last = tag, time.monotonic()

    def check(self) -> None:
        """Raise BusyError when it was lost to another writer, or not refreshed for too long."""
        if self._lost or self._thread is None:
            raise BusyError(
                f"the lock {self._place.url}/{NAME} was lost: {self._lost or 'it is not held'}; "
                "see to it that nobody else writes there, then resume"
            )

    def __exit__(self, *_: object) -> None:
        """Give it back if it is still ours."""
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        with contextlib.suppress(NgffError):  # it becomes stale by itself
            seen = self._place.peek(NAME)
            if seen is not None and self._is_ours(seen.data):
                self._place.remove(NAME)


@contextlib.contextmanager
def locked(target: Target) -> Iterator[Lock]:
    """Hold the lock of a target."""
    lock = lock_of(target)
    with lock:
        yield lock
