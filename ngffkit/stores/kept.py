"""Objects kept on disk, one file for each range: it says what it is, and has a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
import uuid
import warnings
from dataclasses import dataclass
from typing import Any

from ngffkit.errors import NgffWarning
from ngffkit.stores.bounded import ADDRESS, MAKE, Folder
from ngffkit.stores.targets import crc_of, write_all

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)

#: Of a file: magic, CRC-32C of all that follows, size of the whole object, length of name and tag.
_HEAD = struct.Struct("<4sIqHH")
_MAGIC, _CHECKED = b"nkc1", 8

#: A file that is used again within so many nanoseconds keeps its time.
_RECENT = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Entry:
    """Bytes that were kept.

    Parameters
    ----------
    data : memoryview
        The bytes.
    tag : str
        The version of the object they belong to.
    size : int
        Bytes of the whole object.
    """

    data: memoryview
    tag: str
    size: int


class Kept:
    """The objects of one address in a folder.

    Parameters
    ----------
    folder : Folder
        Where they lie.
    address : str
        Where they came from, without secrets.
    who : bytes
        What tells those who ask apart: nobody finds what another one was given.
    """

    def __init__(self, folder: Folder, address: str, who: bytes) -> None:
        self.folder, self.address, self.who = folder, address, who
        home = hashlib.blake2b(address.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        self._home, self._writes = f"{folder.root}/{home}", True
        self._reads = True
        try:
            folder.check()
        except PermissionError as err:
            self._reads = False
            self._give_up(err)
        self._head = hashlib.blake2b(
            who + b"\0" + home.encode() + b"\0", digest_size=16, person=b"ngffkit cache"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by where it is, for worker processes."""
        return type(self), (self.folder, self.address, self.who)

    def name(self, key: str) -> str:
        """Return what files of a key are called by."""
        whole = self._head.copy()
        whole.update(key.encode("utf-8", "surrogatepass"))
        return whole.hexdigest()

    def read(self, name: str, start: int, length: int | None, tag: str = "") -> Entry | None:
        """Return a range of a key; None when it is damaged, or of another version than `tag`."""
        if not self._reads:
            return None
        own = f"{name}.{start}.{'' if length is None else length}"
        path = f"{self._home}/{name[:2]}/{own}"
        try:
            fd = os.open(path, _READ)
        except OSError:
            return None
        try:
            stat = os.fstat(fd)
            raw = _read(fd, stat.st_size)
            if time.time_ns() - stat.st_mtime_ns > _RECENT:
                with contextlib.suppress(OSError):
                    os.utime(path)
        except OSError:
            return None
        finally:
            os.close(fd)
        entry = _parse(raw, own.encode())
        if entry is None or (tag and entry.tag != tag):
            # damaged, or void
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a str
            return None
        return entry

    def is_absent(self, name: str) -> bool:
        """Tell whether it was seen that there is no such key."""
        return self._reads and os.path.lexists(f"{self._home}/{name[:2]}/{name}.absent")

    def write(self, name: str, span: tuple[int, int | None], entry: Entry) -> None:
        """Keep a range of a key; when the disk won't, warn once and go on without."""
        start, length = span
        own = f"{name}.{start}.{'' if length is None else length}".encode()
        tag = entry.tag.encode("utf-8", "surrogatepass")
        head = _HEAD.pack(_MAGIC, 0, entry.size, len(own), len(tag)) + own + tag
        crc = crc_of(entry.data, crc_of(memoryview(head[_CHECKED:])))
        head = head[:4] + crc.to_bytes(4, "little") + head[_CHECKED:]
        self._write(own.decode(), head, entry.data)
        with contextlib.suppress(OSError):
            os.unlink(f"{self._home}/{name[:2]}/{name}.absent")  # noqa: PTH108 - a str

    def write_absent(self, name: str) -> None:
        """Keep in mind that there is no such key, and nothing else of it."""
        self.drop(name)
        self._write(f"{name}.absent", b"", memoryview(b""))

    def _write(self, own: str, head: bytes, data: memoryview) -> None:
        folder = f"{self._home}/{own[:2]}"
        if not self._writes:
            return
        part = f"{folder}/.part-{uuid.uuid4().hex}"
        try:
            if not os.path.isdir(folder):  # noqa: PTH112 - a str
                self._settle(folder)
            if not self.folder.reserve(part, len(head) + len(data)):
                return
            fd = os.open(part, os.O_WRONLY | getattr(os, "O_BINARY", 0))
            try:
                write_all(fd, memoryview(head))
                write_all(fd, data)
            finally:
                os.close(fd)
            os.replace(part, f"{folder}/{own}")  # noqa: PTH105 - a str
        except FileNotFoundError:
            return  # somebody empties the cache
        except OSError as err:
            with contextlib.suppress(OSError):
                os.unlink(part)  # noqa: PTH108 - a str
            self._give_up(err)

    def _settle(self, folder: str) -> None:
        """Make a folder, and say beside it whose it is."""
        self.folder.make(folder)
        note = f"{self._home}/{ADDRESS}"
        if not os.path.exists(note):  # noqa: PTH110 - a str
            fd = os.open(note, MAKE, 0o600)
            try:
                write_all(fd, memoryview(f"{self.address}\n".encode("utf-8", "replace")))
            finally:
                os.close(fd)

    def _give_up(self, err: OSError) -> None:
        """Stop keeping: a full disk is full for the next chunk, too."""
        first, self._writes = self._writes, False
        if first:
            warnings.warn(
                f"the cache in {self.folder.root} takes nothing more ({err.strerror or err}); "
                "reading goes on without it: make room, or name another folder",
                NgffWarning,
                stacklevel=2,
            )

    def drop(self, name: str) -> None:
        """Remove all ranges of a key."""
        with contextlib.suppress(OSError), os.scandir(f"{self._home}/{name[:2]}") as found:
            for entry in found:
                if entry.name.startswith(name):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)  # noqa: PTH108 - a str


def _parse(raw: bytes, own: bytes) -> Entry | None:
    """Return what a file holds, None when it is damaged or another one's."""
    if len(raw) < _HEAD.size:
        return None
    magic, crc, size, name, tag = _HEAD.unpack_from(raw)
    body = _HEAD.size + name + tag
    if magic != _MAGIC or len(raw) < body or raw[_HEAD.size : _HEAD.size + name] != own:
        return None
    whole = memoryview(raw)
    if crc_of(whole[_CHECKED:]) != crc:
        return None
    return Entry(whole[body:], raw[_HEAD.size + name : body].decode("utf-8", "surrogatepass"), size)


def _read(fd: int, size: int) -> bytes:
    """Read a file; the system may give less at a time than it is asked for."""
    data = os.read(fd, size)
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            break
        data += more
    return data
