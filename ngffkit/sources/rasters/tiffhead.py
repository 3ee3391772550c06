"""The first directory of a TIFF file, from a few hundred bytes: what 10,000 slices need on opening.

Follows TIFF 6.0 (sections 2 and 8, and the tags of sections 3, 4, 15 and 18) and the BigTIFF
design. Decoding is tifffile's; what is read here is where pixels are, so that uncompressed planes
are read as bytes, and so that strips beyond the end of a file are an error instead of zeros.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np

#: What is read at first; a directory is in it when it stands at the front of the file.
_FRONT = 1024

#: More tags than this, or a value longer than that, is no image of ours.
_MAX_TAGS, _MAX_VALUE = 4096, 2**27

#: Size in bytes and letter of `struct` of each type of value.
_TYPES = {
    1: (1, "B"), 2: (1, "s"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "s"),
    8: (2, "h"), 9: (4, "i"), 10: (8, "ii"), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"),
    16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
}  # fmt: skip

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _DESCRIPTION, _STRIPS, _SAMPLES, _COUNTS = 266, 270, 273, 277, 279
_XRES, _YRES, _PLANAR, _RES_UNIT, _PREDICTOR = 282, 283, 284, 296, 317
_TILES, _TILE_COUNTS, _EXTRA, _FORMAT, _STK = 324, 325, 338, 339, 33629


@dataclass(frozen=True, slots=True)
class TiffHead:
    """What the first page of a TIFF file holds.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    samples : int
        Values per pixel.
    bits, format : int
        Of one value; 1 is unsigned, 2 signed, 3 floating point.
    order : {"<", ">"}
        Byte order of the file.
    photometric, compression, planar : int
        As TIFF counts them.
    alpha : int
        How many of the last values per pixel are opacity.
    more : bool
        Whether the file holds more than this page.
    segments : tuple of (int, int)
        Where strips or tiles are, and their sizes; empty when they were not asked for.
    tiled, filled : bool
        Whether those are tiles; whether bits run backwards.
    predictor : int
        As TIFF counts it.
    resolution : tuple of float, optional
        Pixels per unit along x and y.
    resolution_unit : int
        1 none, 2 inch, 3 centimetre.
    description : str
        Its first 64 KB.
    """

    shape: tuple[int, int]
    samples: int
    bits: int
    format: int
    order: Literal["<", ">"]
    photometric: int
    compression: int
    planar: int
    alpha: int
    more: bool
    segments: tuple[tuple[int, int], ...]
    tiled: bool
    filled: bool
    predictor: int
    resolution: tuple[float, float] | None
    resolution_unit: int
    description: str

    @property
    def dtype(self) -> np.dtype | None:
        """Type of the pixels in native order; None when it is none of an image's."""
        if self.format == 3:
            return np.dtype(f"f{self.bits // 8}") if self.bits in (16, 32, 64) else None
        if self.bits == 1:
            return np.dtype(bool)
        if self.format not in (1, 2, 4) or not 1 < self.bits <= 64:
            return None
        size = next(n for n in (8, 16, 32, 64) if n >= self.bits)
        return np.dtype(f"{'i' if self.format == 2 else 'u'}{size // 8}")

    @property
    def start(self) -> int | None:
        """Byte of the first pixel when the page is one uncompressed run, None otherwise."""
        dtype = self.dtype
        plain = self.compression == 1 and self.predictor == 1 and not (self.tiled or self.filled)
        if not (plain and self.segments) or dtype is None or self.bits != dtype.itemsize * 8:
            return None
        if self.samples > 1 and self.planar != 1:
            return None
        at = self.segments[0][0]
        for offset, count in self.segments:
            if offset != at:
                return None
            at += count
        rows, columns = self.shape
        whole = rows * columns * self.samples * dtype.itemsize
        return self.segments[0][0] if at - self.segments[0][0] >= whole else None

    @property
    def imagej(self) -> Mapping[str, str]:
        """What ImageJ says of the image, by key; empty when it did not write it."""
        if not self.description.startswith("ImageJ="):
            return {}
        return dict(re.findall(r"^(\w+)=(.*?)\s*$", self.description, re.MULTILINE))


def read_head(file: BinaryIO, size: int, *, segments: bool) -> TiffHead:
    """Read the first directory of a TIFF file.

    Parameters
    ----------
    file : binary file
        Open for reading.
    size : int
        Of the file.
    segments : bool
        Whether to read where strips and tiles are, and to check them.

    Raises
    ------
    ValueError
        When it is no TIFF file, or a damaged one; the message says what is wrong.
    """
    reader = _Reader(file, size)
    tags, more = reader.directory()
    width, length = tags.get(_WIDTH, (0,))[0], tags.get(_LENGTH, (0,))[0]
    if not (width and length):
        raise ValueError("its first page has no size")
    bits, formats = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))
    samples = int(tags.get(_SAMPLES, (1,))[0])
    if len(set(bits)) > 1 or len(set(formats)) > 1:
        raise ValueError(f"its channels differ in type: {bits} bits")
    head = TiffHead(
        shape=(int(length), int(width)),
        samples=samples,
        bits=int(bits[0]),
        format=int(formats[0]),
        order=reader.order,
        photometric=int(tags.get(_PHOTOMETRIC, (1,))[0]),
        compression=int(tags.get(_COMPRESSION, (1,))[0]),
        planar=int(tags.get(_PLANAR, (1,))[0]) if samples > 1 else 1,
        alpha=sum(value in (1, 2) for value in tags.get(_EXTRA, ())),
        more=more or _STK in tags,
        segments=_segments(tags, size) if segments else (),
        tiled=_TILES in tags,
        filled=tags.get(_FILL_ORDER, (1,))[0] == 2,
        predictor=int(tags.get(_PREDICTOR, (1,))[0]),
        resolution=_resolution(tags),
        resolution_unit=int(tags.get(_RES_UNIT, (2,))[0]),
        description=bytes(tags.get(_DESCRIPTION, b"")).split(b"\0")[0].decode("utf-8", "replace"),
    )
    # ImageJ writes stacks beyond 4 GB as one page that the others follow without a word of TIFF
    images = head.imagej.get("images", "1")
    return head if head.more or images in ("", "1") else replace(head, more=True)


def _resolution(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    if _XRES not in tags or _YRES not in tags:
        return None
    (a, b), (c, d) = tags[_XRES][:2], tags[_YRES][:2]
    return (a / b, c / d) if a and b and c and d else None


def _segments(tags: Mapping[int, Any], size: int) -> tuple[tuple[int, int], ...]:
    offsets = tags.get(_TILES) or tags.get(_STRIPS) or ()
    counts = tags.get(_TILE_COUNTS) or tags.get(_COUNTS) or ()
    if not offsets or len(offsets) != len(counts):
        raise ValueError(f"it names {len(offsets)} places of pixels and {len(counts)} sizes")
    for i, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        if not offset or not count:
            raise ValueError(f"strip or tile {i} of its first page was never written")
        if offset + count > size:
            raise ValueError(
                f"it has {size} bytes, but strip or tile {i} ends at byte {offset + count}: it is "
                "cut short"
            )
    return tuple(zip(offsets, counts, strict=True))


class _Reader:
    """Reads bytes at places, the front of the file once."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.front = self._read(0, min(_FRONT, size))
        magic = self.front[:4]
        kinds: dict[bytes, Literal["<", ">"]] = {
            b"II*\0": "<",
            b"MM\0*": ">",
            b"II+\0": "<",
            b"MM\0+": ">",
        }
        if magic not in kinds:
            raise ValueError("it does not begin as a TIFF file does")
        self.order = kinds[magic]
        self.big = magic[2:].strip(b"\0") == b"+"

    def _read(self, at: int, count: int) -> bytes:
        self.file.seek(at)
        got = self.file.read(count) or b""
        if len(got) < count:
            raise ValueError(f"it ends at byte {at + len(got)}, within its directory")
        return got

    def bytes_at(self, at: int, count: int) -> bytes:
        if at + count > self.size:
            raise ValueError(
                f"it has {self.size} bytes, but its directory reaches to byte {at + count}: it is "
                "cut short"
            )
        if at + count <= len(self.front):
            return self.front[at : at + count]
        return self._read(at, count)

    def numbers(self, text: str, at: int) -> tuple[Any, ...]:
        text = self.order + text
        return struct.unpack(text, self.bytes_at(at, struct.calcsize(text)))

    def directory(self) -> tuple[dict[int, Any], bool]:
        """Return the values of the first directory by tag, and whether another follows."""
        at = int(self.numbers("Q", 8)[0] if self.big else self.numbers("I", 4)[0])
        (count,) = self.numbers("Q" if self.big else "H", at)
        if not 0 < count <= _MAX_TAGS:
            raise ValueError(f"its first directory has {count} tags")
        at += 8 if self.big else 2
        entry = 20 if self.big else 12
        table = self.bytes_at(at, count * entry + (8 if self.big else 4))
        tags: dict[int, Any] = {}
        for i in range(count):
            tag, kind = struct.unpack_from(self.order + "HH", table, i * entry)
            if tag in _WANTED and kind in _TYPES:
                tags[tag] = self._value(kind, table[i * entry + 4 : (i + 1) * entry], tag)
        more = any(table[count * entry :])
        return tags, more

    def _value(self, kind: int, rest: bytes, tag: int) -> Any:
        wide = "Q" if self.big else "I"
        count, at = struct.unpack(self.order + wide + wide, rest)
        size, letter = _TYPES[kind]
        if tag == _DESCRIPTION:
            count = min(count, 2**16)
        if count * size > _MAX_VALUE:
            raise ValueError(f"its tag {tag} has {count} values")
        inline = rest[len(rest) // 2 :]
        data = inline[: count * size]
        if count * size > len(inline):
            data = self.bytes_at(at, count * size)
        if letter == "s":
            return data
        return struct.unpack(f"{self.order}{count * len(letter)}{letter[0]}", data)


_WANTED = frozenset(
    (
        *(_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _DESCRIPTION, _STRIPS),
        *(_SAMPLES, _COUNTS, _XRES, _YRES, _PLANAR, _RES_UNIT, _PREDICTOR, _TILES, _TILE_COUNTS),
        *(_EXTRA, _FORMAT, _STK),
    )
)
