"""Folders of this machine as targets.

Whatever is written is a file of another name first, in a work folder beside the target, and is then
renamed: four system calls per object. Nothing is forced to the disk one by one; `sync` does that
for many at a time.
"""

# paths are str, for speed per chunk; tests replace functions of `os`
# ruff: noqa: PTH100, PTH102, PTH103, PTH105, PTH106, PTH108, PTH112, PTH113, PTH120

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ngffkit.errors import NgffError, StoreError, WriteError
from ngffkit.stores.base import LocalStore
from ngffkit.stores.disk import discard, entries, missing_folders, sync_file, sync_folder, walk
from ngffkit.stores.targets import (
    DOCUMENTS,
    Spool,
    Written,
    check_key,
    crc_of,
    view_of,
    write_all,
    write_error,
)

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
_SYNC_THREADS = 8


class LocalTarget:
    """A folder of this machine.

    Parameters
    ----------
    root : str or Path
        The folder; need not exist. Where it is a symbolic link, what it leads to.
    work : str, optional
        Folder for files that are not whole yet, on the same file system;
        ``<root>.journal/partial`` when left out.

    Raises
    ------
    NgffError
        When `root` is the root of a file system, which has no place beside it.
    """

    concurrency = 8

    def __init__(self, root: str | os.PathLike[str], work: str | None = None) -> None:
        self.url = os.path.abspath(root)
        # one lock for all names of one place, and renaming works where a link leads
        self.root = os.path.realpath(self.url)
        if os.path.dirname(self.root) == self.root:
            raise NgffError(f"{self.root!r} can't be a target; name a folder below it")
        self.work = work or f"{self.root}.journal/partial"
        self._made: set[str] = set()
        self._lock, self._syncing = threading.Lock(), threading.Lock()
        #: Files put since the last `sync`; True where the disk refused one.
        self._files: dict[str, bool] = {}
        #: Folders with new names in them.
        self._folders: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the constructor's arguments, for worker processes."""
        return type(self), (self.url, self.work)

    @property
    def store(self) -> LocalStore:
        """To read back what was written."""
        return LocalStore(self.root)

    def beside(self, suffix: str) -> LocalTarget:
        """Return the folder called like this one with `suffix` after its name."""
        return LocalTarget(f"{self.root}{suffix}", self.work)

    # --- writing ------------------------------------------------------------------------------

    def put(self, key: str, data: Any) -> Written:
        """Write a whole file under another name, then rename it."""
        view = view_of(data)
        written = Written(key, len(view), crc_of(view))
        try:
            path = self._path(key)
            try:
                self._place(path, view)
            except FileNotFoundError:
                # a folder that was there is gone: swept, or cleared, by another hand
                self._made.clear()
                self._place(self._path(key), view)
        except OSError as err:
            raise self._error(key, err) from err
        with self._lock:
            self._files[path] = False
            self._folders.add(os.path.dirname(path))
        return written

    def _place(self, path: str, view: memoryview) -> None:
        temporary = self._temporary()
        try:
            fd = os.open(temporary, _NEW, 0o666)
            try:
                write_all(fd, view)
            finally:
                os.close(fd)
            os.replace(temporary, path)
        except BaseException:
            discard(temporary)
            raise

    def begin(self, key: str) -> LocalPartial:
        """Begin a large file."""
        try:
            path = self._path(key)
            try:
                temporary = self._temporary()
                fd = os.open(temporary, _NEW, 0o666)
            except FileNotFoundError:
                self._made.clear()
                path, temporary = self._path(key), self._temporary()
                fd = os.open(temporary, _NEW, 0o666)
        except OSError as err:
            raise self._error(key, err) from err
        return LocalPartial(Spool(fd, key, f"{self.root}/{key}"), temporary, path, self)

    def remove(self, key: str) -> None:
        """Remove a file; absent is fine."""
        check_key(key, self.url)
        path = f"{self.root}/{key}"
        folder = os.path.dirname(path)
        try:
            if os.path.lexists(folder) and not self._is_inside(folder):
                raise self._leads_out(folder)
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as err:
            raise self._error(key, err) from err
        finally:
            with self._lock:
                self._files.pop(path, None)
        with self._lock:
            self._folders.add(folder)

    def clear(self) -> None:
        """Remove everything below, documents first, from the root down."""
        try:
            if os.path.isfile(self.root):
                os.unlink(self.root)
            if not os.path.isdir(self.root):
                return
            self._remove_documents()
            for entry in entries(self.root):
                if entry.path == self.work:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        except OSError as err:
            raise self._error("", err) from err
        with self._lock:
            self._files.clear()
            self._folders.clear()
            self._made.clear()

    def _remove_documents(self) -> None:
        for folder, found in walk(self.root, self.work):
            # an array goes before its attributes, which say whether an absent chunk was lost
            for entry in sorted(found, key=lambda entry: entry.name == ".zattrs"):
                if entry.name in DOCUMENTS and not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
            if folder == self.root:
                # without its root's documents it is no image any more, power cut or not
                sync_folder(folder)

    # --- what is there ------------------------------------------------------------------------

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all files below a folder; links to folders are not followed."""
        if prefix:
            check_key(prefix.strip("/"), self.url)
        try:
            for _, found in walk(f"{self.root}/{prefix}".rstrip("/"), self.work):
                for entry in found:
                    if entry.is_file():
                        yield os.path.relpath(entry.path, self.root).replace(os.sep, "/")
        except OSError as err:
            cause = err.strerror or str(err)
            raise StoreError(
                prefix, self.url, cause, denied=isinstance(err, PermissionError)
            ) from (err)

    def exists(self) -> bool:
        """Tell whether there is a file, or a folder with anything in it."""
        try:
            return any(entry.path != self.work for entry in entries(self.root))
        except NotADirectoryError:
            return True
        except OSError as err:
            raise StoreError("", self.url, err.strerror or str(err)) from err

    def free(self) -> int | None:
        """Return the bytes that are free on its file system for whoever runs this."""
        for folder in (Path(self.root), *Path(self.root).parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(folder).free
        return None

    # --- the disk -----------------------------------------------------------------------------

    def sync(self) -> None:
        """Force to the disk what was put so far, several files at a time.

        A file that the disk once refused counts as lost until it is put again: a second attempt
        may succeed without writing what the system has dropped.
        """
        # who comes second waits: what it has put may be in the hands of the first
        with self._syncing:
            with self._lock:
                files, self._files = self._files, {}
                folders, self._folders = self._folders, set()
            failed: dict[str, OSError] = {}
            with ThreadPoolExecutor(max(1, min(_SYNC_THREADS, len(files)))) as pool:
                for path, refusal in zip(files, pool.map(sync_file, files), strict=True):
                    if refusal is not None:
                        failed[path] = refusal
                    elif files[path]:
                        failed[path] = OSError("it could not be forced to the disk; write it again")
            for folder in folders:
                try:
                    sync_folder(folder)
                except FileNotFoundError:
                    continue
                except OSError as err:
                    failed[folder] = err
            if failed:
                self._keep(failed, folders)
                path, cause = next(iter(failed.items()))
                key = os.path.relpath(path, self.root).replace(os.sep, "/")
                raise self._error(key, cause) from cause

    def _keep(self, failed: dict[str, OSError], folders: set[str]) -> None:
        """Remember what is not on the disk, unless it was put again in the meantime."""
        with self._lock:
            for path in failed:
                if path not in folders:
                    self._files.setdefault(path, True)
            self._folders |= folders

    def sweep(self) -> None:
        """Remove partial files that nobody will finish, and their folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.tidy()

    def tidy(self) -> None:
        """Remove the folder for partial files, and the one it is in, where they are empty."""
        self._made.discard(self.work)
        for folder in (self.work, os.path.dirname(self.work)):
            with contextlib.suppress(OSError):
                os.rmdir(folder)

    # --- paths --------------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        """Return the path of a key, its folder made and known to lie within the root."""
        check_key(key, self.url)
        path = f"{self.root}/{key}"
        self._make(os.path.dirname(path))
        return path

    def _make(self, folder: str) -> None:
        if folder in self._made:
            return
        above = os.path.dirname(folder)
        if folder == self.root:
            fresh = missing_folders(folder)
            if fresh:
                os.makedirs(folder, exist_ok=True)
        else:
            self._make(above)
            fresh = {above}
            try:
                os.mkdir(folder)
            except FileExistsError:
                if not self._is_inside(folder):
                    raise self._leads_out(folder) from None
        with self._lock:
            self._folders |= fresh
        self._made.add(folder)

    def _is_inside(self, folder: str) -> bool:
        return f"{os.path.realpath(folder)}{os.sep}".startswith(f"{self.root}{os.sep}")

    def _leads_out(self, folder: str) -> WriteError:
        key = os.path.relpath(folder, self.root).replace(os.sep, "/")
        return WriteError(
            key, folder, f"it is a link that leads out of {self.url}; remove it, or write elsewhere"
        )

    def _temporary(self) -> str:
        if self.work not in self._made:
            os.makedirs(self.work, exist_ok=True)
            self._made.add(self.work)
        # of one attempt: two attempts of one task never share a file
        return f"{self.work}/{uuid.uuid4().hex}"

    def _error(self, key: str, err: OSError) -> WriteError:
        if isinstance(err, WriteError):
            return err
        return write_error(key, f"{self.root}/{key}".rstrip("/"), err)


class LocalPartial:
    """A large file that is not whole yet.

    Parameters
    ----------
    spool : Spool
        The file under its temporary name.
    temporary, path : str
        Its name now, and when it is committed.
    target : LocalTarget
        Where it belongs.
    """

    def __init__(self, spool: Spool, temporary: str, path: str, target: LocalTarget) -> None:
        self._spool, self._temporary, self._final = spool, temporary, path
        self._target, self._open = target, True

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._spool.size

    def append(self, data: Any) -> int:
        """Append bytes; return the offset where they begin."""
        self._check()
        return self._spool.append(data)

    def reserve(self, data: Any) -> tuple[int, Callable[[], None]]:
        """Append bytes later: return where they will begin, and what writes them there."""
        self._check()
        return self._spool.reserve(data)

    def commit(self) -> Written:
        """Force the file to the disk, rename it, and force its name to the disk."""
        self._check()
        try:
            written = self._spool.settle()
            os.fsync(self._spool.fd)
            self._close()
            os.replace(self._temporary, self._final)
            self._temporary = ""
            sync_folder(os.path.dirname(self._final))
        except OSError as err:
            # once the disk has refused, a second fsync proves nothing: begin again
            raise write_error(self._spool.key, self._spool.url, err) from err
        finally:
            self.abort()
        return written

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._open:
            self._close()
        if self._temporary:
            discard(self._temporary)
            self._temporary = ""

    def _close(self) -> None:
        self._open = False
        os.close(self._spool.fd)

    def _check(self) -> None:
        if not self._open:
            raise WriteError(
                self._spool.key, self._spool.url, "it was committed or aborted; begin it again"
            )

    def __del__(self) -> None:
        """Leave nothing behind when it is forgotten."""
        with contextlib.suppress(Exception):
            self.abort()
