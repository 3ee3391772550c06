"""Zip files of a Zarr hierarchy (``.ozx``, ``.zip``), wherever they are, read by ranges.

The directory at the end is read once, by the standard library; members are read straight from the
store the file lies in, each in one request and many at a time.
"""

from __future__ import annotations

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ngffkit.errors import NgffError, NotFoundError, StoreError
from ngffkit.stores.base import LocalStore, Store

#: Signature, 22 bytes that the directory repeats, lengths of the name and of the extra fields.
_LOCAL_HEADER = struct.Struct("<4s22xHH")

#: How much longer than in the directory the extra fields before a member may be, without a second
#: request: ZIP64 sizes and time stamps fit.
_SLACK = 64

#: Read at once from the end: the directory of some thousand members.
_TAIL = 2**18

_ENCRYPTED = 0x1

#: What macOS puts beside the folder that is packed.
_APPLE = "__MACOSX/"


class Sized(Store, Protocol):
    """A store that knows how large its objects are."""

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, None when it does not exist."""


class ZipStore:
    """A zip file as a store.

    Parameters
    ----------
    parent : Store
        The store it lies in; must know sizes.
    name : str
        Its key there.

    Raises
    ------
    NotFoundError
        When there is no such file.
    NgffError
        When it is no zip file, or a damaged one.
    """

    def __init__(self, parent: Sized, name: str) -> None:
        self.parent, self.name = parent, name
        self.url = f"{parent.url}/{name}"
        self.concurrency = parent.concurrency
        self._seen = self._stamp()
        size = parent.size(name)
        if size is None:
            raise NotFoundError(f"{self.url!r} does not exist")
        try:
            with zipfile.ZipFile(_RangeFile(parent, name, size)) as directory:
                infos = directory.infolist()
                self._start = directory.start_dir
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as err:
            raise NgffError(f"{self.url} is not a zip file that can be read: {err}") from err
        names = {
            info.filename: info
            for info in infos
            if not info.is_dir() and not info.filename.startswith(_APPLE)
        }
        prefix = _common_root(names)
        self._members = {name.removeprefix(prefix): info for name, info in names.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by reading the directory again, for worker processes."""
        return type(self), (self.parent, self.name)

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of a member or of a range of it."""
        info = self._members.get(key)
        if info is None:
            return None
        if start < 0:
            start = max(0, info.file_size + start)
        start = min(start, info.file_size)
        stop = info.file_size if length is None else min(info.file_size, start + length)
        whole = start == 0 and stop == info.file_size
        if info.flag_bits & _ENCRYPTED:
            raise self._error(key, "it is encrypted; unpack the file with its password first")
        if info.compress_type == zipfile.ZIP_STORED and not whole:
            return self._stored(key, info, [(start, stop - start)])[0]
        data = self._inflate(key, info, self._raw(key, info), None if whole else stop)
        return data if whole else data[start:stop]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a member."""
        info = self._members.get(key)
        if info is None:
            raise self._error(key, "there is no such member")
        if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED:
            size = info.file_size
            inside = [(min(a, size), max(0, min(n, size - a))) for a, n in ranges]
            return self._stored(key, info, inside)
        data = self.get(key)
        return [data[start : start + length] for start, length in ranges]

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`."""
        head = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        return sorted(
            {name[len(head) :].split("/", 1)[0] for name in self._members if name.startswith(head)}
        )

    # --- members ----------------------------------------------------------------------------

    def _raw(self, key: str, info: zipfile.ZipInfo) -> Any:
        """Return a member as it is stored: the header before it and its bytes travel together."""
        expected = _LOCAL_HEADER.size + len(info.orig_filename.encode()) + len(info.extra)
        count = expected + _SLACK + info.compress_size
        if info.header_offset + count > self._start:
            count = max(0, self._start - info.header_offset)
        data = self._part(info.header_offset, count)
        begin = self._data_start(key, data)
        raw = data[begin : begin + info.compress_size]
        missing = begin + info.compress_size - len(data)
        if missing > 0 and info.header_offset + len(data) + missing <= self._start:
            raw = bytes(raw) + bytes(self._part(info.header_offset + len(data), missing))
        if len(raw) != info.compress_size:
            raise self._error(
                key, f"truncated: {len(raw)} bytes, the zip directory says {info.compress_size}"
            )
        return raw

    def _stored(
        self, key: str, info: zipfile.ZipInfo, ranges: Sequence[tuple[int, int]]
    ) -> list[Any]:
        """Return ranges of a member that is not compressed."""
        header = self._part(info.header_offset, _LOCAL_HEADER.size)
        base = info.header_offset + self._data_start(key, header)
        if base + info.compress_size > self._start or info.compress_size != info.file_size:
            raise self._error(key, "damaged zip member: it goes on beyond the directory")
        found = self.parent.get_ranges(self.name, [(base + a, n) for a, n in ranges])
        if self._stamp() != self._seen:
            self._check_directory(key)
        return found

    def _stamp(self) -> Any:
        """Return what changes when the file is replaced, None where its store can't tell."""
        return self.parent.stamp(self.name) if isinstance(self.parent, LocalStore) else None

    def _check_directory(self, key: str) -> None:
        """Refuse ranges of another file than the one whose directory was read: none has a CRC."""
        now = ZipStore(self.parent, self.name)
        if now._places() != self._places():
            raise self._error(key, "the file was replaced since it was opened; open it again")
        self._seen = now._seen

    def _places(self) -> dict[str, tuple[int, int, int]]:
        members = self._members.items()
        return {k: (info.header_offset, info.file_size, info.CRC) for k, info in members}

    def _data_start(self, key: str, header: Any) -> int:
        if len(header) < _LOCAL_HEADER.size:
            raise self._error(key, "damaged zip member: it lies beyond the end of the file")
        signature, name, extra = _LOCAL_HEADER.unpack_from(header)
        if signature != b"PK\x03\x04":
            raise self._error(key, "damaged zip member: no header where it should be")
        return int(_LOCAL_HEADER.size + name + extra)

    def _part(self, start: int, count: int) -> Any:
        data = self.parent.get(self.name, start, count)
        if data is None:
            raise NotFoundError(f"{self.url} vanished while it was read")
        return data

    def _inflate(self, key: str, info: zipfile.ZipInfo, raw: Any, stop: int | None) -> bytes:
        """Return the first bytes of a member, never more than its directory promises."""
        most = info.file_size if stop is None else stop
        try:
            # one byte more than promised tells a bomb
            data = _decompress(info, raw, most + 1)
        except (zlib.error, OSError, EOFError, ValueError) as err:
            raise self._error(key, f"damaged zip member: {err}") from err
        if stop is not None:
            return data[:stop]
        if len(data) != info.file_size:
            raise self._error(
                key, f"damaged zip member: {len(data)} bytes, its directory says {info.file_size}"
            )
        if zlib.crc32(data) != info.CRC:
            raise self._error(key, "damaged zip member: its checksum is wrong")
        return data

    def _error(self, key: str, cause: str) -> StoreError:
        return StoreError(key, f"{self.url}/{key}", cause)


def _decompress(info: zipfile.ZipInfo, raw: Any, most: int) -> bytes:
    if info.compress_type == zipfile.ZIP_STORED:
        return bytes(raw)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-15).decompress(raw, most)
    if info.compress_type == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(raw, most)
    raise ValueError(
        f"compressed by method {info.compress_type}; stored, deflated and bzip2 are understood"
    )


def _common_root(names: Mapping[str, Any]) -> str:
    """Return the one folder that holds everything, when the root has no metadata of its own."""
    tops = {name.split("/", 1)[0] for name in names}
    if len(tops) != 1 or not all("/" in name for name in names):
        return ""
    return f"{tops.pop()}/"


class _RangeFile(io.RawIOBase):
    """A file-like over ranges of one object, for reading the directory of a zip file."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        super().__init__()
        self._store, self._key, self._size, self._pos = store, key, size, 0
        # the directory and what points to it are read in small pieces, back and forth
        self._begin = max(0, size - _TAIL)
        self._tail = self._fetch(self._begin, size - self._begin)

    def _fetch(self, start: int, count: int) -> Any:
        data = self._store.get(self._key, start, count) if count else b""
        if data is None:
            raise NotFoundError(f"{self._store.url}/{self._key} vanished while it was read")
        return data

    def seekable(self) -> bool:
        """Tell zipfile that it may seek."""
        return True

    def readable(self) -> bool:
        """Tell io that it may read."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        position = offset + (0, self._pos, self._size)[whence]
        if position < 0:
            raise OSError(f"can't seek to {position}")
        self._pos = position
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._pos

    def read(self, size: int | None = -1, /) -> bytes:
        """Read from the position on."""
        left = max(0, self._size - self._pos)
        count = left if size is None or size < 0 else min(size, left)
        start, self._pos = self._pos, self._pos + count
        if start >= self._begin:
            return bytes(self._tail[start - self._begin : start - self._begin + count])
        return bytes(self._fetch(start, count))
