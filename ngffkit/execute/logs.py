"""Where the lines of a journal go: the end of a file, or objects that are put together later."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ngffkit.errors import NgffError
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Target, view_of, write_at, write_error

#: The file, and the folder of lines that are not in it yet.
LOG, PIECES = "journal.jsonl", "journal"


class Log(Protocol):
    """Lines that are safe when they are in."""

    def forget(self) -> None:
        """Remove lines that are not in the file yet."""

    def start(self, header: bytes) -> None:
        """Begin anew with one line, whole or not at all."""

    def go_on(self, lines: Sequence[bytes], good: int) -> None:
        """Go on behind the sound lines, which fill `good` bytes of the file."""

    def go_beyond(self, lines: Sequence[bytes], good: int, header: bytes) -> None:
        """Go on behind what is finished with the header of something new."""

    def append(self, line: bytes, name: str) -> None:
        """Add the line of a task."""

    def finish(self, line: bytes) -> None:
        """Add the last line."""

    def close(self) -> None:
        """Let go of the file."""


class FileLog:
    """A file that is appended to.

    Parameters
    ----------
    place : Target
        The folder beside the target.
    """

    def __init__(self, place: Target) -> None:
        assert isinstance(place, LocalTarget)
        self._place, self._path = place, f"{place.root}/{LOG}"
        self._fd, self._size = -1, 0

    def forget(self) -> None:
        """Do nothing: all lines are in the file."""

    def start(self, header: bytes) -> None:
        """Replace the file by one of one line."""
        partial = self._place.begin(LOG)
        partial.append(header + b"\n")
        self._open(partial.commit().size)

    def go_on(self, lines: Sequence[bytes], good: int) -> None:  # noqa: ARG002 - they are there
        """Cut off what a crash has torn."""
        self._open(good)

    def go_beyond(self, lines: Sequence[bytes], good: int, header: bytes) -> None:
        """Add a header behind the sound lines."""
        self.go_on(lines, good)
        self.append(header, "")

    def _open(self, size: int) -> None:
        try:
            self._fd = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            if os.fstat(self._fd).st_size > size:
                os.ftruncate(self._fd, size)
                os.fsync(self._fd)
        except OSError as err:
            raise write_error(LOG, self._path, err) from err
        self._size = size

    def append(self, line: bytes, name: str) -> None:  # noqa: ARG002 - for objects
        """Add a line to the file and to the disk.

        One that fails leaves the end where it was, so that the next one replaces what came of it.
        """
        data = view_of(line + b"\n")
        try:
            write_at(self._fd, data, self._size)
            os.fsync(self._fd)
        except OSError as err:
            self._cut()
            raise write_error(LOG, self._path, err) from err
        self._size += len(data)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            return  # what is there is no line, or one that is true

    def finish(self, line: bytes) -> None:
        """Add the last line."""
        self.append(line, "")

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class ObjectLog:
    """Objects of one line each, which are put together now and then.

    Parameters
    ----------
    place : Target
        The place beside the target.
    """

    def __init__(self, place: Target) -> None:
        self._place, self._count = place, 0
        self._lines: list[bytes] = []

    def forget(self) -> None:
        """Remove lines that are not in the file yet."""
        # one after another, a million of them would take a day far from the store
        with ThreadPoolExecutor(self._place.concurrency) as pool:
            for _ in pool.map(self._place.remove, list(self._place.keys(PIECES))):
                pass

    def start(self, header: bytes) -> None:
        """Write a file of one line, when no other lines are left."""
        self.forget()
        self._lines = [header]
        self._merge()

    def go_on(self, lines: Sequence[bytes], good: int) -> None:  # noqa: ARG002 - for files
        """Put together what is there, so that the next run asks for one object."""
        self._lines = list(lines)
        self._merge()
        self.forget()

    def go_beyond(self, lines: Sequence[bytes], good: int, header: bytes) -> None:
        """Add a header behind the sound lines."""
        # lines of what is finished, which could not be removed then, are none of what begins
        self.forget()
        self.go_on([*lines, header], good)

    def _merge(self) -> None:
        self._place.put(LOG, b"".join(line + b"\n" for line in self._lines))

    def append(self, line: bytes, name: str) -> None:
        """Add a line as an object."""
        spelled = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
        self._place.put(f"{PIECES}/{self._count:06d}-{spelled}.json", line + b"\n")
        self._count += 1
        self._lines.append(line)

    def finish(self, line: bytes) -> None:
        """Put all lines together, and remove the objects."""
        self._lines.append(line)
        try:
            self._merge()
        except NgffError:
            self._lines.pop()
            raise
        # it is done: an error would have it done twice; who begins anew removes what stays
        with contextlib.suppress(NgffError):
            self.forget()

    def close(self) -> None:
        """Do nothing."""
