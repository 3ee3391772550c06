"""The only opener of stores: a path, URL, zip file or Zarr store becomes one small interface.

Local files are read directly, http(s), s3, gs and az by obstore (it retries with back-off, which
fsspec's HTTP does not), everything else by fsspec, and whatever zarr-python already opened through
its own store.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ngffkit.errors import StoreError

#: Binary where that isn't all there is; and a named pipe among the chunks must not block.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

#: Ranges that are this near one another travel together. With 64 requests in flight, one more takes
#: half a millisecond of a line of 30 ms, and as much of a processor: as long as 64 KiB at 80 MB/s.
NEAR = 2**16

_PAGE_STARTS = (b"<!doctype html", b"<html", b"<?xml")


def is_web_page(data: Any) -> bool:
    """Tell whether bytes are a page for people, such as the login page of a server."""
    return bytes(data[:256]).lstrip().lower().startswith(_PAGE_STARTS)


@runtime_checkable
class Store(Protocol):
    """Keys to bytes.

    Attributes
    ----------
    url : str
        Where it is, without a slash at its end.
    concurrency : int
        How many requests at a time are worth making.
    """

    url: str
    concurrency: int

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key`, or of a range of it, or None when it does not exist.

        A negative `start` counts from the end. Of a range that goes beyond the end comes what
        there is; where a server refuses a range that begins there, StoreError. Raises StoreError
        when the store fails.
        """

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges ``(start, length)`` of an existing key.

        Each is as long as asked for or, at the end of the object, shorter. Raises StoreError when
        the key does not exist.
        """

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`; None when this store can't list."""


class LocalStore:
    """A folder of this machine."""

    concurrency = 1

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(root)  # noqa: PTH100 - a str, for speed per chunk
        self.url = self.root

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return the bytes of `key` or of a range of it."""
        try:
            fd = os.open(f"{self.root}/{key}", _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as err:
            raise self._error(key, err) from err
        try:
            size = os.fstat(fd).st_size
            if start < 0:
                start = size + start
            start = max(0, min(start, size))
            count = size - start if length is None else min(length, size - start)
            return _read(fd, start, count)
        except IsADirectoryError:
            return None
        except OSError as err:
            raise self._error(key, err) from err
        finally:
            os.close(fd)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a file that is opened once."""
        try:
            fd = os.open(f"{self.root}/{key}", _FLAGS)
        except OSError as err:
            raise self._error(key, err) from err
        try:
            size, out = os.fstat(fd).st_size, []
            for start, length in ranges:
                out.append(_read(fd, min(start, size), max(0, min(length, size - start))))
            return out
        except OSError as err:
            raise self._error(key, err) from err
        finally:
            os.close(fd)

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names in a folder."""
        try:
            return sorted(entry.name for entry in Path(self.root, prefix).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as err:
            raise self._error(prefix, err) from err

    def size(self, key: str) -> int | None:
        """Return the size of a file in bytes, None when it does not exist."""
        try:
            return os.stat(f"{self.root}/{key}").st_size  # noqa: PTH116 - a str, as elsewhere here
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as err:
            raise self._error(key, err) from err

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Return what changes when a file is replaced or written to, None when there is none."""
        try:
            found = os.stat(f"{self.root}/{key}")  # noqa: PTH116 - a str, as elsewhere here
        except OSError:
            return None
        # the time of a renaming tells two files apart that had one number, one after the other
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _error(self, key: str, err: OSError) -> StoreError:
        denied = isinstance(err, PermissionError)
        return StoreError(key, f"{self.root}/{key}", err.strerror or str(err), denied=denied)


def _read(fd: int, start: int, count: int) -> bytes:
    data = _read_some(fd, count, start)
    if len(data) == count:
        return data
    # read(2) may return less, on network file systems and beyond 2 GiB
    parts, found = [data], len(data)
    while data and found < count:
        data = _read_some(fd, count - found, start + found)
        parts.append(data)
        found += len(data)
    return b"".join(parts)


def _seek_and_read(fd: int, count: int, start: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    return os.read(fd, count)


#: One system call instead of two, where there is one.
_read_some = getattr(os, "pread", _seek_and_read)


def merge_ranges(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge near ranges ``(start, length)`` to spans ``(start, stop)``, in ascending order.

    What lies between is read for nothing, so no span is more than twice as long as what is wanted
    of it.
    """
    out: list[tuple[int, int]] = []
    wanted = 0
    for start, length in sorted(ranges):
        stop = start + length
        if out and start <= out[-1][1] + NEAR:
            first, last = out[-1][0], max(out[-1][1], stop)
            fresh = last - max(start, out[-1][1])
            if last - first <= 2 * (wanted + fresh):
                out[-1], wanted = (first, last), wanted + fresh
                continue
        out.append((start, stop))
        wanted = length
    return out


def cut_range(
    spans: Sequence[tuple[int, int]], parts: Sequence[Any], start: int, length: int
) -> Any:
    """Cut a range out of the bytes of the merged spans."""
    i = bisect_right(spans, start, key=lambda span: span[0]) - 1
    begin = start - spans[i][0]
    # slices stop at the end, so a part that came short gives short ranges
    return parts[i][begin : begin + length]
