"""A folder of files within a bound, shared by processes: the least recently used go first.

When a file was last used is its time of change, and the files themselves are all there is to know,
so there is no index that could go wrong. One number, the sum of all sizes, lies in a file that is
locked for the moment in which it grows. The system frees that lock when a process ends, however it
ends, and it works on the network file systems that home folders lie on, where SQLite's write-ahead
log does not. The number may be too large, never too small: it grows before a file does, and all is
counted anew when it reaches the bound.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ngffkit.stores.targets import write_all

#: What our files lie in, in the folder that was named; another layout gets another name.
LAYOUT = "objects-1"

#: The sum of all sizes, locked while it grows.
_TOTAL = "total"

#: What says in a folder of objects where they came from.
ADDRESS = "address.txt"

#: Made for this user alone, never through a link.
MAKE = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)

#: Names of files: the key and the range, or that there is no such key; and of unfinished ones.
_NAME = re.compile(r"[0-9a-f]{32}\.(-?\d+\.\d*|absent)")
_PART = re.compile(r"\.part-[0-9a-f]{32}")

#: What file systems give files at least; an empty one takes an entry in a folder.
_BLOCK, _EMPTY = 4096, 512

#: Seconds after which an unfinished file belongs to nobody, and those a lock is waited for.
_STALE, _PATIENCE = 3600.0, 5.0

#: How full the folder is after room was made: it is not counted again for every file.
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Held:
    """What a folder holds of one address: objects, and bytes on the disk."""

    objects: int
    nbytes: int


class Folder:
    """A folder of objects and its bound.

    Parameters
    ----------
    root : str
        Where it is; made when something is put there.
    bound : int
        Bytes that it may take.
    """

    def __init__(self, root: str, bound: int) -> None:
        self.root, self.bound = f"{_absolute(root)}/{LAYOUT}", bound

    def make(self, path: str) -> None:
        """Make a folder for this user alone, and those above it."""
        os.makedirs(os.path.dirname(self.root), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        for folder in (self.root, os.path.dirname(path), path):  # noqa: PTH120 - a str
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102 - a str
        self.check()

    def check(self) -> None:
        """Raise PermissionError when it belongs to another user, who could put anything there."""
        if not hasattr(os, "getuid"):
            return
        try:
            owner = os.lstat(self.root).st_uid
        except OSError:
            return  # not there yet
        if owner != os.getuid():
            raise PermissionError(f"{self.root} belongs to another user")

    def reserve(self, path: str, size: int) -> bool:
        """Make an unfinished file of some size when there is room for it, or can be made."""
        if taken(size) > self.bound * _FULL:
            return False  # all the others would have to go
        with self._locked() as fd:
            total = _number(os.read(fd, 32))
            if total is None or total + taken(size) > self.bound:
                total = self._make_room(int(self.bound * _FULL) - taken(size))
            fits = total + taken(size) <= self.bound
            # the number grows first: a process that dies here leaves it too large, not too small
            _write_number(fd, total + taken(size) * fits)
            if fits:
                _make_file(path, size)
            return fits

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Lock the total and yield its file; TimeoutError when others keep it for too long."""
        fd, until = os.open(f"{self.root}/{_TOTAL}", MAKE, 0o600), time.monotonic() + _PATIENCE
        try:
            held = _lock(fd)
            while not held and time.monotonic() < until:
                time.sleep(0.001)
                held = _lock(fd)
            if not held:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps it locked")
            yield fd
        finally:
            os.close(fd)

    def _make_room(self, wanted: int) -> int:
        """Remove the least recently used files until `wanted` bytes are left; return how many."""
        found, total = [], 0
        now = time.time()
        for entry in self.files():
            with contextlib.suppress(OSError):
                stat = entry.stat(follow_symlinks=False)
                if _PART.fullmatch(entry.name):
                    if now - stat.st_mtime > _STALE:
                        os.unlink(entry.path)  # noqa: PTH108 - a str
                        continue
                else:
                    found.append((stat.st_mtime_ns, taken(stat.st_size), entry.path))
                total += taken(stat.st_size)
        if total > wanted:
            for _, size, path in sorted(found):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 - a str
                total -= size
                if total <= wanted:
                    break
        return total

    def files(self, within: str = "") -> Iterator[os.DirEntry[str]]:
        """Yield our files, finished or not, in one folder of an address or in all."""
        for home in [within] if within else self.homes():
            for part in _subfolders(f"{self.root}/{home}", 2):
                with contextlib.suppress(OSError), os.scandir(part.path) as found:
                    yield from (
                        e for e in found if _NAME.fullmatch(e.name) or _PART.fullmatch(e.name)
                    )

    def homes(self) -> list[str]:
        """Return the folders of addresses."""
        return [entry.name for entry in _subfolders(self.root, 16)]

    def address(self, home: str) -> str:
        """Return the address of a folder."""
        try:
            return Path(self.root, home, ADDRESS).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return "unknown"

    def held(self, home: str) -> Held:
        """Count what there is of an address."""
        sizes = []
        for entry in self.files(home):
            with contextlib.suppress(OSError):
                sizes.append(taken(entry.stat(follow_symlinks=False).st_size))
        return Held(len(sizes), sum(sizes))

    def clear(self, home: str) -> None:
        """Remove all there is of an address, and nothing that is not ours."""
        place = f"{self.root}/{home}"
        for entry in list(self.files(home)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path)  # noqa: PTH108 - a str
        for part in _subfolders(place, 2):
            with contextlib.suppress(OSError):
                os.rmdir(part.path)  # noqa: PTH106 - a str
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{place}/{ADDRESS}")  # noqa: PTH108 - a str
        with contextlib.suppress(OSError):
            os.rmdir(place)  # noqa: PTH106 - a str
        with self._locked() as fd:
            _write_number(fd, self._make_room(self.bound))


def held_in(folder: Folder) -> Mapping[str, Held]:
    """Return what a folder holds, by address; the largest first."""
    found: dict[str, Held] = {}
    for home in folder.homes():
        held, address = folder.held(home), folder.address(home)
        before = found.get(address, Held(0, 0))
        found[address] = Held(before.objects + held.objects, before.nbytes + held.nbytes)
    return dict(sorted(found.items(), key=lambda item: -item[1].nbytes))


def taken(size: int) -> int:
    """Return what a file takes of a disk.

    Examples
    --------
    >>> taken(0), taken(1), taken(4097)
    (512, 4096, 8192)
    """
    return -(-size // _BLOCK) * _BLOCK or _EMPTY


def _subfolders(path: str, digits: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return [e for e in found if re.fullmatch(rf"[0-9a-f]{{{digits}}}", e.name)]
    except OSError:
        return []


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - a str


def _make_file(path: str, size: int) -> None:
    fd = os.open(path, MAKE | os.O_EXCL, 0o600)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _write_number(fd: int, number: int) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    # of one length, so that it is never cut short
    write_all(fd, memoryview(f"{number:020d}".encode()))


def _lock(fd: int) -> bool:
    """Lock a file unless another one has; the system unlocks it when it is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, 2**30, os.SEEK_SET)  # bytes that nobody reads
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            os.lseek(fd, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
