"""A folder of an OME-Zarr as one file, ``.ozx``.

As RFC-9 of OME-NGFF recommends (https://ngff.openmicroscopy.org/rfc/9): a zip file without
compression, in ZIP64 whatever its size, the root's ``zarr.json`` first, the others after it breadth
first, then everything else; the version in its comment. The bytes depend on nothing but names and
contents. `zipfile` is not used for writing: it decides on ZIP64 by size, and patches what it has
written, of which no checksum could be kept.
"""

# paths are str and system calls are looked up in `os`, as in `folders`
# ruff: noqa: PTH100, PTH120, PTH119

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import IO
from zipfile import ZipFile

from ngffkit.errors import NgffError, SourceError
from ngffkit.stores.disk import entries, walk
from ngffkit.stores.folders import LocalPartial, LocalTarget
from ngffkit.stores.targets import Written

#: Files up to this size are read once, larger ones twice: their checksum stands before them.
_AT_ONCE = 2**23

# APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3.7, 4.3.12, 4.3.14, 4.3.15, 4.3.16, 4.5.3
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")

#: The version of the format that knows ZIP64; made on Unix, by that version.
_NEEDED, _MADE = 45, 3 << 8 | 45
#: 1980-01-01, the first day of zip.
_DAY = 0x21
_UTF8 = 0x800
_ATTRIBUTES = (stat.S_IFREG | 0o644) << 16
_END_OF_IT = "the end of the zip file"
#: "See the ZIP64 field."
_ELSEWHERE, _ELSEWHERE16 = 0xFFFFFFFF, 0xFFFF


def pack(folder: str, file: str, version: str) -> Written:
    """Pack the folder of an OME-Zarr into a single file.

    Parameters
    ----------
    folder : str
        Root of the hierarchy, of Zarr format 3, complete; nobody may write to it meanwhile.
    file : str
        Path of the file, by custom ``*.ozx``. It appears, or replaces what was there, when it is
        complete and on the disk.
    version : str
        Of OME-Zarr, for the comment.

    Returns
    -------
    Written
        Name, size and CRC-32C of the file.

    Raises
    ------
    NgffError
        When the folder is no hierarchy of Zarr format 3.
    SourceError
        When a file of it can't be read, is a link, or changes while it is packed.
    WriteError
        When the file can't be written.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (root := Path(place, "x.zarr")).mkdir()
    ...     _ = (root / "zarr.json").write_text("{}")
    ...     done = pack(str(root), f"{place}/x.ozx", "0.5")
    ...     zipfile.ZipFile(f"{place}/x.ozx").namelist()
    ['zarr.json']
    """
    root = os.path.abspath(folder)
    if not os.path.isfile(f"{root}/zarr.json"):  # noqa: PTH113 - a str
        raise NgffError(
            f"{folder!r} has no zarr.json at its root: a single-file OME-Zarr is of Zarr format 3; "
            "write it so, or keep the folder"
        )
    path = os.path.abspath(file)
    if path.startswith(f"{root}{os.sep}"):
        raise NgffError(f"{file!r} lies in the folder that is packed; write it elsewhere")
    target = LocalTarget(os.path.dirname(path), f"{path}.journal/partial")
    try:
        partial = target.begin(os.path.basename(path))
        try:
            archive = _Archive(partial)
            for name in _names(root):
                archive.add(root, name)
            archive.finish(_comment(version))
            return partial.commit()
        finally:
            partial.abort()
    finally:
        target.tidy()


def unlike_packed(archive: ZipFile) -> str:
    """Find what around the members of a zip file has changed since `pack` wrote it.

    Parameters
    ----------
    archive : ZipFile
        A file that is open for reading, whose members were found sound.

    Returns
    -------
    str
        The member whose entry has changed, or what else has; empty when nothing has, and for files
        of other writers.
    """
    heads: list[tuple[int, bytes, str]] = []
    rows: list[tuple[int, bytes, str]] = []
    infos, position = archive.infolist(), 0
    for info in infos:
        name, size, crc = info.filename, info.file_size, info.CRC
        heads.append((position, _head(name, size, crc), name))
        rows.append((0, _row(name, size, crc, position), name))
        position += len(heads[-1][1]) + size
    begin = position
    for i, (_, row, name) in enumerate(rows):
        rows[i] = (position, row, name)
        position += len(row)
    tail = _tail(len(rows), begin, position - begin, _comment(_version_in(archive)))
    with open(str(archive.filename), "rb") as file:  # noqa: PTH123 - a str
        parts = [*heads, *rows, (position, tail, _END_OF_IT)]
        changed = [name for at, part, name in parts if not _has(file, at, part)]
        longer = file.seek(0, os.SEEK_END) != position + len(tail)
    # one that another program wrote, by its own habits, differs at least in every row
    if len(changed) > len(infos) / 2 + 1:
        return ""
    return changed[0] if changed else _END_OF_IT if longer else ""


def _has(file: IO[bytes], position: int, part: bytes) -> bool:
    file.seek(position)
    return file.read(len(part)) == part


def _version_in(archive: ZipFile) -> str:
    """Return the version that the root tells, so that the one in the comment can be compared."""
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return str(json.loads(archive.read("zarr.json"))["attributes"]["ome"]["version"])
    return ""


def _comment(version: str) -> bytes:
    comment = {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}
    return json.dumps({"ome": comment}).encode()


def _names(root: str) -> Iterator[str]:
    """Yield what is packed, in its order: documents breadth first, then the rest by name."""
    try:
        documents = [
            _key(entry.path, root)
            for _, found in walk(root)
            for entry in found
            if entry.name == "zarr.json"
        ]
        yield from documents
        yield from _rest(root, root)
    except OSError as err:
        if isinstance(err, NgffError):
            raise
        raise SourceError(err.filename or root, err.strerror or str(err)) from err


def _rest(folder: str, root: str) -> Iterator[str]:
    # folder by folder, so that the names of a million chunks are never sorted at once
    for entry in sorted(entries(folder), key=lambda entry: _natural(entry.name)):
        if entry.is_dir(follow_symlinks=False):
            yield from _rest(entry.path, root)
        elif entry.name != "zarr.json":
            yield _key(entry.path, root)


def _key(path: str, root: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sort 2 before 10, so that neighbours in the image are neighbours in the file."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [
        (False, int(part), part) if part[0] in "0123456789" else (True, 0, part) for part in parts
    ]


class _Archive:
    """A zip file that is being appended to."""

    def __init__(self, partial: LocalPartial) -> None:
        self.partial, self.count = partial, 0
        self.directory = bytearray()

    def add(self, root: str, name: str) -> None:
        path = f"{root}/{name}"
        try:
            fd = os.open(
                path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            )
        except OSError as err:
            linked = os.path.islink(path)  # noqa: PTH114 - a str
            cause = "it is a link; pack what it leads to" if linked else err.strerror or str(err)
            raise SourceError(path, cause) from err
        try:
            self._add(fd, path, name)
        finally:
            os.close(fd)

    def _add(self, fd: int, path: str, name: str) -> None:
        head = _read(fd, path, _AT_ONCE)
        size, crc, piece = len(head), zlib.crc32(head), head
        while len(head) == _AT_ONCE and (piece := _read(fd, path, _AT_ONCE)):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
        whole = size == len(head)
        begin = self.partial.append(_head(name, size, crc) + (head if whole else b""))
        self.directory += _row(name, size, crc, begin)
        self.count += 1
        if whole:
            return
        os.lseek(fd, 0, os.SEEK_SET)
        left, again = size, 0
        while piece := _read(fd, path, _AT_ONCE):
            self.partial.append(piece)
            left, again = left - len(piece), zlib.crc32(piece, again)
        if left or again != crc:
            raise SourceError(path, "it changed while it was packed; pack again when it is at rest")

    def finish(self, comment: bytes) -> None:
        begin = self.partial.append(self.directory)
        self.partial.append(_tail(self.count, begin, len(self.directory), comment))


def _head(name: str, size: int, crc: int) -> bytes:
    """Return what stands before a member."""
    raw, extra = name.encode(), struct.pack("<2H2Q", 1, 16, size, size)
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            _NEEDED,
            _flags(name),
            0,
            0,
            _DAY,
            crc,
            _ELSEWHERE,
            _ELSEWHERE,
            len(raw),
            len(extra),
        )
        + raw
        + extra
    )


def _row(name: str, size: int, crc: int, begin: int) -> bytes:
    """Return what the directory says of a member."""
    raw, extra = name.encode(), struct.pack("<2H3Q", 1, 24, size, size, begin)
    return (
        _CENTRAL.pack(
            b"PK\x01\x02",
            _MADE,
            _NEEDED,
            _flags(name),
            0,
            0,
            _DAY,
            crc,
            _ELSEWHERE,
            _ELSEWHERE,
            len(raw),
            len(extra),
            0,
            0,
            0,
            _ATTRIBUTES,
            _ELSEWHERE,
        )
        + raw
        + extra
    )


def _tail(count: int, begin: int, size: int, comment: bytes) -> bytes:
    """Return what follows a directory."""
    return (
        _END64.pack(
            b"PK\x06\x06",
            _END64.size - 12,
            _MADE,
            _NEEDED,
            0,
            0,
            count,
            count,
            size,
            begin,
        )
        + _LOCATOR.pack(b"PK\x06\x07", 0, begin + size, 1)
        + _END.pack(
            b"PK\x05\x06",
            0,
            0,
            _ELSEWHERE16,
            _ELSEWHERE16,
            _ELSEWHERE,
            _ELSEWHERE,
            len(comment),
        )
        + comment
    )


def _flags(name: str) -> int:
    return 0 if name.isascii() else _UTF8


def _read(fd: int, path: str, count: int) -> bytes:
    """Read `count` bytes, less at the end alone."""
    parts: list[bytes] = []
    try:
        while count and (piece := os.read(fd, count)):
            parts.append(piece)
            count -= len(piece)
    except OSError as err:
        raise SourceError(path, err.strerror or str(err)) from err
    return b"".join(parts)
