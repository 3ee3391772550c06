"""Places that can be written to, safely: an object is there as a whole, or it is not.

What is written comes back as `Written`: key, size and CRC-32C, which a journal can keep and
`verify` can compare. Folders are in `folders`, object stores in `uploads`, what
fsspec knows in `filesystems`.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import google_crc32c

from ngffkit.errors import NgffError, WriteError
from ngffkit.stores.base import Store

#: Documents by which a reader takes a folder for an image or an array: the first to go when a
#: target is cleared.
DOCUMENTS = frozenset(
    ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata", "datasource-properties.json")
)

_OBSTORE_SCHEMES = ("s3", "gs", "az", "abfs", "abfss")

#: Empty parts, ``.``, ``..``, what Windows takes for a path, and what no system takes.
_BAD_KEY = re.compile(r"(^|/)\.{0,2}(/|$)|[\\\0]|^[A-Za-z]:")

#: google_crc32c takes nothing but bytes, so other buffers are copied piece by piece.
_PIECE = 2**18

#: More than this at once is an error on macOS, a short write on Linux.
_MOST = 2**30


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of an object that is safely there.

    Parameters
    ----------
    key : str
        Below the root of its target.
    size : int
        Bytes.
    crc : int
        CRC-32C (RFC 3720, Castagnoli) of the whole object, unsigned.
    """

    key: str
    size: int
    crc: int


class Partial(Protocol):
    """A large object that is appended to and appears only as a whole."""

    @property
    def size(self) -> int:
        """Bytes so far."""

    def append(self, data: Any) -> int:
        """Append bytes; return the offset where they begin.

        After a WriteError nothing of `data` counts, and the same call may be made again.
        """

    def reserve(self, data: Any) -> tuple[int, Callable[[], None]]:
        """Append bytes later: return where they will begin, and what writes them there.

        Any thread may call that, once, before `commit`; if it raises, the object must be aborted.
        """

    def commit(self) -> Written:
        """Let it exist under its key, whole and on the disk; on a WriteError it is gone."""

    def abort(self) -> None:
        """Leave nothing behind; also after a commit, and again, it does no harm."""


@runtime_checkable
class Target(Protocol):
    """Bytes to keys; can be pickled, and used by many threads at once.

    Attributes
    ----------
    url : str
        Where it is, without a slash at its end.
    concurrency : int
        How many objects at a time are worth writing.

    Notes
    -----
    All raise `WriteError`. In worker processes, `sync` knows what its own process has put.
    """

    url: str
    concurrency: int

    @property
    def store(self) -> Store:
        """To read back what was written."""

    def put(self, key: str, data: Any) -> Written:
        """Write a whole object: readers see the old one or the new one, never half.

        It survives the end of the process at once, a power cut after `sync`.
        """

    def begin(self, key: str) -> Partial:
        """Begin a large object; once committed it survives a power cut."""

    def remove(self, key: str) -> None:
        """Remove an object; absent is fine."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all objects below `prefix` (a folder), partial ones left out."""

    def clear(self) -> None:
        """Remove everything below, documents first, so that what is half removed never opens."""

    def exists(self) -> bool:
        """Tell whether anything is there."""

    def free(self) -> int | None:
        """Return the bytes that are free where it lies; None when that is unknown."""

    def sync(self) -> None:
        """Make everything that was put so far survive a power cut."""

    def sweep(self) -> None:
        """Remove what attempts that died have left; for the holder of the lock alone."""

    def beside(self, suffix: str) -> Target:
        """Return the place called like this one with `suffix` after its name."""


def open_target(url: Any, storage_options: Mapping[str, Any] | None = None) -> Target:
    """Return what is written to by `url`; nothing is made or opened yet.

    Parameters
    ----------
    url : str, Path or Target
        A path, or a URL: file, s3, gs or az by obstore, any other scheme by fsspec.
    storage_options : Mapping, optional
        For obstore or fsspec.

    Raises
    ------
    NgffError
        When nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = open_target(folder + "/x.zarr")
    ...     target.put("a/b", b"123456789"), target.store.get("a/b"), list(target.keys())
    (Written(key='a/b', size=9, crc=3808858755), b'123456789', ['a/b'])
    """
    if isinstance(url, Target):
        return url
    if not isinstance(url, (str, os.PathLike)):
        raise NgffError(f"can't write to a {type(url).__name__}; a path or a URL was expected")
    text = os.fspath(url)
    if not isinstance(text, str) or not text.strip():
        raise NgffError(f"{text!r} is no place to write to; a path or a URL was expected")
    scheme = text.split("://", 1)[0].lower() if "://" in text else "file"
    if scheme in ("http", "https"):
        raise NgffError(
            f"{text!r} can't be written: web servers are read-only here; write to a folder, "
            "s3://, gs:// or az://"
        )
    if "::" in text:
        raise NgffError(f"{text!r} is a chain of file systems; write to one of them")
    if scheme in ("file", "local"):
        from ngffkit.stores.folders import LocalTarget

        path = text
        if "://" in text:
            from urllib.request import url2pathname  # late: it brings http and ssl

            path = url2pathname(urlsplit(text).path)
        try:
            return LocalTarget(Path(path).expanduser())
        except (OSError, ValueError, RuntimeError) as err:
            raise NgffError(f"{text!r} is not a path: {err}") from err
    from ngffkit.stores import filesystems, uploads

    text = f"{scheme}://{text.partition('://')[2].rstrip('/')}"
    if scheme in _OBSTORE_SCHEMES:
        return uploads.open_remote(text, dict(storage_options or {}))
    return filesystems.open_fsspec(text, dict(storage_options or {}))


def beside(target: Target, suffix: str) -> Target:
    """Return the place called like `target` with `suffix` after its name.

    Examples
    --------
    >>> beside(open_target("/data/out.zarr"), ".journal").url
    '/data/out.zarr.journal'
    """
    return target.beside(suffix)


def check_key(key: str, url: str) -> None:
    """Refuse keys that could lead elsewhere.

    Raises
    ------
    WriteError
        For empty and absolute keys, and for those with ``..``, ``.``, an empty part, a backslash
        or a drive.
    """
    if _BAD_KEY.search(key):
        raise WriteError(
            key, url, "this is no key; names joined by slashes were expected, without '..'"
        )


def view_of(data: Any) -> memoryview:
    r"""Return a C-contiguous buffer (bytes, memoryview, array of any shape) as plain bytes.

    Examples
    --------
    >>> import numpy as np
    >>> view_of(np.array([[1, 2]], ">u2")).tobytes()
    b'\x00\x01\x00\x02'
    """
    view = memoryview(data)
    return view.cast("B") if view.nbytes else memoryview(b"")


def crc_of(view: memoryview, crc: int = 0) -> int:
    """Return the CRC-32C of what came before, with `crc`, and `view` (RFC 3720, B.4)."""
    if isinstance(view.obj, bytes) and view.nbytes == len(view.obj):
        return int(google_crc32c.extend(crc, view.obj))
    for start in range(0, len(view), _PIECE):
        crc = google_crc32c.extend(crc, bytes(view[start : start + _PIECE]))
    return crc


def write_all(fd: int, view: memoryview) -> None:
    """Write all of `view`, however little the system takes at a time."""
    done = 0
    while done < len(view):
        done += _progress(os.write(fd, view[done : done + _MOST]))


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write all of `view` at an offset, however little the system takes at a time."""
    done = 0
    while done < len(view):
        piece = view[done : done + _MOST]
        if hasattr(os, "pwrite"):
            done += _progress(os.pwrite(fd, piece, offset + done))
        else:
            os.lseek(fd, offset + done, os.SEEK_SET)
            done += _progress(os.write(fd, piece))


def _progress(count: int) -> int:
    if count <= 0:
        raise OSError(errno.EIO, "the system takes no more bytes, and does not say why")
    return count


_RESUME = "then resume: what is finished stays"
_CAUSES: Mapping[int, str] = {
    errno.ENOSPC: f"the disk is full; free some space, {_RESUME}",
    getattr(errno, "EDQUOT", -1): f"the disk quota is used up; free some space, {_RESUME}",
    errno.EIO: f"the disk failed (input/output error); check it, {_RESUME}",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.EFBIG: "the file is larger than this file system allows; write smaller shards",
    errno.EXDEV: "the target is a mount point of its own; write into a folder below it",
    errno.EISDIR: "a folder has this name; remove it, or write elsewhere",
    errno.ENOTDIR: "a file stands where a folder is needed; remove it, or write elsewhere",
    errno.ENAMETOOLONG: "the name is too long for this file system; write to a shorter path",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n) or use fewer threads",
}


def write_error(key: str, url: str, err: OSError, where: str = "") -> WriteError:
    """Return a system's error in our words.

    Parameters
    ----------
    key, url : str
        What could not be written.
    err : OSError
        What the system said.
    where : str
        Where that happened when it is not at `url`, such as a folder for temporary files.
    """
    denied = isinstance(err, PermissionError)
    cause = _CAUSES.get(err.errno or 0) or err.strerror or str(err)
    if denied:
        cause = f"{cause}; ask for the right to write there, or write elsewhere"
    return WriteError(key, url, f"{where}: {cause}" if where else cause, denied=denied)


class Spool:
    """A file that is appended to, with the CRC-32C of what it holds; may be used by threads.

    Parameters
    ----------
    fd : int
        An empty file, open for writing.
    key, url : str
        Of the object it will be, for messages.
    where : str
        Where the file is when it is not at `url`.
    """

    def __init__(self, fd: int, key: str, url: str, where: str = "") -> None:
        self.fd, self.key, self.url, self.where = fd, key, url, where
        self.size, self._crc, self._torn = 0, 0, False
        self._lock = threading.Lock()

    def append(self, data: Any) -> int:
        """Append bytes; return the offset where they begin."""
        view = view_of(data)
        with self._lock:
            begin = self.size
            try:
                write_at(self.fd, view, begin)
            except OSError as err:
                # the next attempt begins at the same place and may be shorter
                self._torn = True
                raise write_error(self.key, self.url, err, self.where) from err
            self._crc = crc_of(view, self._crc)
            self.size += len(view)
        return begin

    def reserve(self, data: Any) -> tuple[int, Callable[[], None]]:
        """Count bytes as appended; return where they begin, and what writes them there."""
        view = view_of(data)
        with self._lock:
            begin = self.size
            self._crc = crc_of(view, self._crc)
            self.size += len(view)

        def write() -> None:
            try:
                write_at(self.fd, view, begin)
            except OSError as err:
                raise write_error(self.key, self.url, err, self.where) from err

        return begin, write

    def settle(self) -> Written:
        """Cut off what a failed write has left, and tell what the file holds."""
        if self._torn:
            os.ftruncate(self.fd, self.size)
            self._torn = False
        return Written(self.key, self.size, self._crc)
