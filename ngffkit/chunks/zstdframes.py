"""The outside of Zstandard data: where frames begin and end, and what sizes they declare.

Source: RFC 8878, sections 3.1.1 (frames), 3.1.1.2 (blocks) and 3.1.2 (skippable frames). Nothing is
decoded here; this is what tells a chunk from a bomb before memory is spent on it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50

#: No block decodes to more.
_BLOCK = 128 * 1024

#: A chunk is one frame; a few are what parallel compressors make.
_MAX_FRAMES = 4096

_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Parameters
    ----------
    start, stop : int
        Where it lies in the data.
    size : int, optional
        Its decoded size, if it declares one.
    blocks : int
        Number of its blocks.
    """

    start: int
    stop: int
    size: int | None
    blocks: int

    @property
    def most(self) -> int:
        """The largest size it can decode to."""
        return self.blocks * _BLOCK if self.size is None else self.size


def _header(source: Any, start: int) -> tuple[int, int, bool]:
    """Return the declared size (-1: none), where the blocks begin, whether a checksum follows."""
    if len(source) - start < 6 or struct.unpack_from("<I", source, start)[0] != _MAGIC:
        raise ValueError(f"not a Zstandard frame ({len(source) - start} bytes)")
    descriptor = source[start + 4]
    single_segment = bool(descriptor & 0x20)
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    at = start + 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
    size = _UNKNOWN
    if width:
        field = bytes(source[at : at + width])
        if len(field) < width:
            raise ValueError("truncated in the Zstandard frame header")
        size = int.from_bytes(field, "little") + (256 if width == 2 else 0)
    return size, at + width, bool(descriptor & 4)


def content_size(source: Any) -> int:
    """Return the decoded size that the first frame declares, -1 when it declares none.

    Examples
    --------
    >>> import numcodecs.zstd
    >>> content_size(numcodecs.zstd.compress(b"hello"))
    5
    """
    if len(source) >= 8 and struct.unpack_from("<I", source)[0] & ~0xF == _SKIPPABLE:
        return _UNKNOWN
    return _header(source, 0)[0]


def split(source: Any) -> list[Frame]:
    """Find the frames of Zstandard data, leaving out skippable ones.

    Raises
    ------
    ValueError
        When they are cut short, or too many.

    Examples
    --------
    >>> import numcodecs.zstd
    >>> [frame.size for frame in split(numcodecs.zstd.compress(b"hello") * 2)]
    [5, 5]
    """
    frames: list[Frame] = []
    at, total, count = 0, len(source), 0
    while at < total or not count:
        count += 1
        if count > _MAX_FRAMES:
            raise ValueError(f"more than {_MAX_FRAMES} Zstandard frames in one chunk")
        if total - at >= 8 and struct.unpack_from("<I", source, at)[0] & ~0xF == _SKIPPABLE:
            at += 8 + int(struct.unpack_from("<I", source, at + 4)[0])
        else:
            frames.append(_frame(source, at))
            at = frames[-1].stop
        if at > total:
            raise ValueError(f"truncated Zstandard data: {total} bytes of {at}")
    return frames


def _frame(source: Any, start: int) -> Frame:
    size, at, checked = _header(source, start)
    blocks, last = 0, False
    while not last:
        if at + 3 > len(source):
            raise ValueError(f"truncated Zstandard data: {len(source)} bytes, blocks go on")
        word = source[at] | source[at + 1] << 8 | source[at + 2] << 16
        last, kind, length = bool(word & 1), word >> 1 & 3, word >> 3
        at += 3 + (1 if kind == 1 else length)
        blocks += 1
    return Frame(start, at + (4 if checked else 0), None if size == _UNKNOWN else size, blocks)


def declare(frame: Any, size: int) -> bytes:
    """Return a frame that declares no size with `size` written into its header.

    The decoder then needs no buffer of its own, and refuses whatever is longer or shorter.

    Parameters
    ----------
    frame : bytes-like
        One whole frame.
    size : int
        What it should decode to, in bytes.
    """
    _, blocks, _ = _header(frame, 0)
    head = bytearray(frame[:blocks])
    head[4] |= 0xC0  # the size follows, in 8 bytes
    return bytes(head) + struct.pack("<Q", size) + bytes(frame[blocks:])
