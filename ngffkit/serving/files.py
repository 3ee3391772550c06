"""Files of one folder, and of no other place, whatever links lie in it."""

# paths are str, and opened one component at a time

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ngffkit.errors import StoreError
from ngffkit.serving.content import Head

_FILE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_CLOSED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOSED

#: Whether folders can be opened and walked from, which Windows doesn't know.
_WALKS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")

_LINK = (errno.ELOOP, errno.EMLINK)


class Files:
    """The regular files below a folder.

    Each component of a key is opened from the folder before it, and links are not followed, so no
    exchange of a folder for a link between a check and its use leads out. Where there is a link,
    it is resolved, and what it leads to is opened in the same way, without following links, if it
    lies below the same folder. Pipes, devices and sockets are no files. (On Windows the path is
    resolved and compared, then opened; that leaves a moment between.)

    Parameters
    ----------
    root : str
        The folder; links on the way to it are the caller's own.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[int, os.stat_result] | None]:
        """Open a file; None when there is none.

        Raises
        ------
        StoreError
            When it lies elsewhere, is no regular file or must not be read.
        """
        try:
            fd = self._open(key)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except StoreError:
            raise
        except OSError as err:
            raise self._error(key, err.strerror or "it can't be opened") from err
        try:
            found = os.fstat(fd)
            if stat.S_ISDIR(found.st_mode):
                yield None
                return
            if not stat.S_ISREG(found.st_mode):
                raise self._error(key, "it is no regular file")
            yield fd, found
        finally:
            os.close(fd)

    def _open(self, key: str) -> int:
        if not _WALKS:
            return os.open(self._inside(key), _FILE)
        try:
            return self._walk(key)
        except OSError as err:
            # a link to a folder says that it is no folder, one to a file that it is a link
            if err.errno not in (*_LINK, errno.ENOTDIR):
                raise
        path = self._inside(key)
        return self._walk(os.path.relpath(path, self.root))

    def _walk(self, key: str) -> int:
        *folders, name = key.split("/")
        at = os.open(self.root, _FOLDER)
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            return os.open(name, _FILE | _CLOSED, dir_fd=at)
        finally:
            os.close(at)

    def _inside(self, key: str) -> str:
        path = os.path.realpath(os.path.join(self.root, *key.split("/")))  # noqa: PTH118
        if os.path.commonpath([path, self.root]) != self.root:
            raise self._error(key, "it is a link that leads out of the image")
        return path

    def head(self, key: str) -> Head | None:
        """Return size and tag of a file; the tag is made of time, size and inode."""
        with self.opened(key) as found:
            return None if found is None else _head(found[1])

    def read(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes `start` to `stop` of a file, or fewer at its end."""
        with self.opened(key) as found:
            if found is None:
                raise self._error(key, "it vanished while it was read")
            return _read(found[0], start, stop)

    def _error(self, key: str, cause: str) -> StoreError:
        return StoreError(key, self.root, cause)


def _head(found: os.stat_result) -> Head:
    tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"'
    return Head(found.st_size, tag)


def _read(fd: int, start: int, stop: int) -> bytes:
    parts: list[bytes] = []
    if not hasattr(os, "pread"):
        os.lseek(fd, start, os.SEEK_SET)
    while start < stop:
        part = (
            os.pread(fd, stop - start, start) if hasattr(os, "pread") else os.read(fd, stop - start)
        )
        if not part:
            break
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
