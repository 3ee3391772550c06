"""Decode one chunk, bounded: nothing is believed of what a chunk says of its own size.

zarr-python and numcodecs believe the headers of compressed chunks: a truncated Blosc chunk decodes
to garbage, an empty one crashes the process, and a header may promise terabytes. Here the decoded
size is known beforehand, from the array's metadata, and anything else is an error with a cause.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import google_crc32c
import numcodecs.blosc
import numcodecs.lz4
import numcodecs.zstd
import numpy as np
import numpy.typing as npt

from ngffkit.chunks import zstdframes

#: Decodes `source` into `out` (uint8, exactly the decoded size); raises ValueError with a cause.
Decoder = Callable[[Any, npt.NDArray[np.uint8]], None]

#: Decodes `source` into as many bytes as it holds, at most the number given.
Expander = Callable[[Any, int], Any]

#: xz headers ask for a dictionary of up to 4 GB; the strongest preset needs 65 MB.
_LZMA_MEMORY = 128 * 2**20

#: Both numbers of a chunk that a shard doesn't have.
_ABSENT = np.uint64(2**64 - 1)

#: gzip, bz2 and xz data may be cut into members; each costs a copy of what follows it.
_MAX_MEMBERS = 1024


def _fit(got: int, out: npt.NDArray[np.uint8], what: str) -> None:
    if got != out.nbytes:
        raise ValueError(f"{what} {got} bytes where the chunk has {out.nbytes}")


def _bound(got: int, limit: int, what: str) -> None:
    if got > limit:
        raise ValueError(f"{what} {got} bytes where the chunk can't have more than {limit}")


# --- Blosc --------------------------------------------------------------------------------------


def _blosc_size(source: Any) -> int:
    """Check a Blosc header; return the decoded size that it promises."""
    size = len(source)
    if size < 16:
        raise ValueError(f"Blosc chunk of {size} bytes, shorter than its 16-byte header")
    nbytes, blocksize, cbytes = struct.unpack_from("<III", source, 4)
    if cbytes != size:
        raise ValueError(f"truncated or padded: {size} bytes, Blosc header says {cbytes}")
    # c-blosc divides by both
    if nbytes and (source[3] == 0 or not 0 < blocksize <= nbytes):
        raise ValueError(f"damaged Blosc header: typesize {source[3]}, blocksize {blocksize}")
    return int(nbytes)


def _blosc(source: Any, out: npt.NDArray[np.uint8]) -> None:
    _fit(_blosc_size(source), out, "Blosc header promises")
    if out.nbytes:
        numcodecs.blosc.decompress(source, out)


def _expand_blosc(source: Any, limit: int) -> Any:
    nbytes = _blosc_size(source)
    _bound(nbytes, limit, "Blosc header promises")
    return numcodecs.blosc.decompress(source) if nbytes else b""


# --- Zstandard ----------------------------------------------------------------------------------


def _zstd(source: Any, out: npt.NDArray[np.uint8]) -> None:
    promised = zstdframes.content_size(source)
    if promised == out.nbytes:
        numcodecs.zstd.decompress(source, out)
        return
    if promised > out.nbytes:
        _fit(promised, out, "Zstandard header promises")
    frames = zstdframes.split(source)
    known = sum(frame.size for frame in frames if frame.size is not None)
    unknown = [frame for frame in frames if frame.size is None]
    if len(unknown) > 1:
        raise ValueError(f"{len(unknown)} Zstandard frames of unknown size in one chunk")
    if unknown:
        _bound(known + 1, out.nbytes, "Zstandard frames hold at least")
    else:
        _fit(known, out, "Zstandard frames hold")
    start = 0
    for frame in frames:
        size = out.nbytes - known if frame.size is None else frame.size
        body = source[frame.start : frame.stop]
        if frame.size is None:
            # told the size, the decoder holds the frame to it
            body = zstdframes.declare(body, size)
        if size:
            numcodecs.zstd.decompress(body, out[start : start + size])
        start += size


def _expand_zstd(source: Any, limit: int) -> Any:
    frames = zstdframes.split(source)
    _bound(sum(f.most for f in frames), limit, "Zstandard frames hold up to")
    return b"".join(numcodecs.zstd.decompress(source[f.start : f.stop]) for f in frames)


# --- LZ4 ----------------------------------------------------------------------------------------


def _lz4_size(source: Any) -> int:
    if len(source) < 4:
        raise ValueError(f"LZ4 chunk of {len(source)} bytes, shorter than its header")
    return int(struct.unpack_from("<I", source)[0])


def _lz4(source: Any, out: npt.NDArray[np.uint8]) -> None:
    _fit(_lz4_size(source), out, "LZ4 header promises")
    numcodecs.lz4.decompress(source, out)


def _expand_lz4(source: Any, limit: int) -> Any:
    _bound(_lz4_size(source), limit, "LZ4 header promises")
    return numcodecs.lz4.decompress(source)


# --- gzip, zlib, bz2, xz ------------------------------------------------------------------------


def _members(make: Callable[[], Any], name: str, source: Any, limit: int) -> list[bytes]:
    parts: list[bytes] = []
    filled, rest = 0, bytes(source)
    # several members may follow one another
    while rest or not parts:
        if len(parts) >= _MAX_MEMBERS:
            raise ValueError(f"more than {_MAX_MEMBERS} {name} members in one chunk")
        engine = make()
        # one byte more than fits tells a bomb from a full chunk
        data = engine.decompress(rest, limit - filled + 1)
        filled += len(data)
        parts.append(data)
        if filled > limit:
            raise ValueError(f"{name} data go on beyond the chunk's {limit} bytes")
        if not engine.eof:
            raise ValueError(f"truncated {name} data: {filled} of {limit} bytes")
        rest = engine.unused_data
    return parts


def _stdlib(make: Callable[[], Any], name: str) -> tuple[Decoder, Expander]:
    def decode(source: Any, out: npt.NDArray[np.uint8]) -> None:
        filled = 0
        for data in _members(make, name, source, out.nbytes):
            out[filled : filled + len(data)] = np.frombuffer(data, np.uint8)
            filled += len(data)
        _fit(filled, out, f"{name} data hold")

    def expand(source: Any, limit: int) -> Any:
        return b"".join(_members(make, name, source, limit))

    return decode, expand


# --- all of them --------------------------------------------------------------------------------


def _raw(source: Any, out: npt.NDArray[np.uint8]) -> None:
    _fit(len(source), out, "it holds")
    out[:] = np.frombuffer(source, np.uint8)


_PAIRS: Mapping[str, tuple[Decoder, Expander]] = {
    "blosc": (_blosc, _expand_blosc),
    "zstd": (_zstd, _expand_zstd),
    "lz4": (_lz4, _expand_lz4),
    "gzip": _stdlib(lambda: zlib.decompressobj(31), "gzip"),
    "zlib": _stdlib(lambda: zlib.decompressobj(15), "zlib"),
    "bz2": _stdlib(bz2.BZ2Decompressor, "bz2"),
    "lzma": _stdlib(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), "lzma"),
}

#: Compressors by the name that Zarr v2 and v3 have for them.
DECODERS: Mapping[str, Decoder] = {name: pair[0] for name, pair in _PAIRS.items()}


def strip_crc32c(source: Any) -> Any:
    """Check and take off the 4-byte CRC-32C that ends `source` (Zarr v3 codec ``crc32c``)."""
    if len(source) < 4:
        raise ValueError(f"{len(source)} bytes, shorter than its checksum")
    body, stored = source[:-4], struct.unpack("<I", bytes(source[-4:]))[0]
    computed = google_crc32c.value(bytes(body))
    if stored != computed:
        raise ValueError(f"checksum is {computed:08x}, stored was {stored:08x}: damaged")
    return body


def check_index(index: npt.NDArray[np.uint64], start: int) -> None:
    """Check the index of a shard: chunks lie side by side, and not in the index itself.

    Parameters
    ----------
    index : ndarray of uint64, shape (..., 2)
        Offset and length of each chunk; both 2^64 - 1 where there is none.
    start : int
        Where chunks may begin: behind an index at the start.

    Raises
    ------
    ValueError
        When a chunk lies where none can.

    Examples
    --------
    >>> check_index(np.array([[0, 12], [12, 12]], np.uint64), 0)
    """
    entries = index.reshape(-1, 2)
    entries = entries[~np.all(entries == _ABSENT, axis=1)]
    if np.any(entries >= 2**62):
        raise ValueError("a chunk lies beyond any file")
    entries = entries[np.argsort(entries[:, 0])]
    if len(entries) and entries[0, 0] < start:
        raise ValueError(f"a chunk begins at {entries[0, 0]}, inside the index of {start} bytes")
    ends = entries.sum(axis=1)
    if np.any(ends[:-1] > entries[1:, 0]):
        raise ValueError("two chunks overlap")


def decode(source: Any, names: tuple[str, ...], out: npt.NDArray[np.uint8]) -> None:
    """Undo the bytes-to-bytes codecs `names`, given in encoding order, into `out`.

    Parameters
    ----------
    source : bytes-like
        The stored chunk.
    names : tuple of str
        Names of `DECODERS` or ``crc32c``, at most one of them a compressor.
    out : ndarray of uint8
        Receives the decoded chunk; its size is the one the array's metadata imply.

    Raises
    ------
    ValueError
        When the chunk is not what it should be; the message is the cause.

    Examples
    --------
    >>> out = np.empty(5, np.uint8)
    >>> decode(zlib.compress(b"hello"), ("zlib",), out)
    >>> out.tobytes()
    b'hello'
    """
    inner = next((i for i, name in enumerate(names) if name != "crc32c"), 0)
    for name in reversed(names):
        if name == "crc32c":
            source = strip_crc32c(source)
        elif inner == 0:
            _guarded(DECODERS[name], source, out)
            return
        else:  # checksums lie below the compressor
            held = np.empty(out.nbytes + 4 * inner, np.uint8)
            _guarded(DECODERS[name], source, held)
            source = memoryview(held)
    _raw(source, out)


def expand(source: Any, name: str, limit: int) -> Any:
    """Undo one compressor whose decoded size is not known, but bounded.

    Parameters
    ----------
    source : bytes-like
        The stored bytes.
    name : str
        One of `DECODERS`.
    limit : int
        The largest size it may decode to, in bytes.

    Returns
    -------
    bytes-like
        What `source` decodes to.

    Raises
    ------
    ValueError
        When it is damaged or holds more.

    Examples
    --------
    >>> expand(zlib.compress(b"hello"), "zlib", 5)
    b'hello'
    """
    return _guarded(_PAIRS[name][1], source, limit)


def expand_with(make: Callable[[], Any], name: str, source: Any, limit: int) -> Any:
    """Undo a compressor of the standard library's kind, as `expand` does.

    Parameters
    ----------
    make : callable
        Returns a new decompressor with ``decompress``, ``eof`` and ``unused_data``.
    name : str
        What it is called, for errors.
    source, limit
        As for `expand`.
    """
    return _guarded(lambda s, most: b"".join(_members(make, name, s, most)), source, limit)


def _guarded(step: Callable[[Any, Any], Any], source: Any, target: Any) -> Any:
    try:
        return step(source, target)
    except ValueError:
        raise
    except MemoryError:
        raise ValueError("decoding it takes more memory than there is") from None
    except (RuntimeError, zlib.error, lzma.LZMAError, OSError, EOFError, struct.error) as err:
        raise ValueError(f"damaged: {err}") from err
