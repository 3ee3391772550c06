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

#: Decodes `source` into `out` (uint8, exactly the decoded size); raises ValueError with a cause.
Decoder = Callable[[Any, npt.NDArray[np.uint8]], None]

_ZSTD_MAGIC = 0xFD2FB528
_UNKNOWN_SIZE = -1


def _fit(got: int, out: npt.NDArray[np.uint8], what: str) -> None:
    if got != out.nbytes:
        raise ValueError(f"{what} {got} bytes where the chunk has {out.nbytes}")


def _blosc(source: Any, out: npt.NDArray[np.uint8]) -> None:
    size = len(source)
    if size < 16:
        raise ValueError(f"Blosc chunk of {size} bytes, shorter than its 16-byte header")
    typesize = source[3]
    nbytes, blocksize, cbytes = struct.unpack_from("<III", source, 4)
    _fit(nbytes, out, "Blosc header promises")
    if cbytes != size:
        raise ValueError(f"truncated or padded: {size} bytes, Blosc header says {cbytes}")
    if nbytes == 0:
        return
    # c-blosc divides by both
    if typesize == 0 or not 0 < blocksize <= nbytes:
        raise ValueError(f"damaged Blosc header: typesize {typesize}, blocksize {blocksize}")
    numcodecs.blosc.decompress(source, out)


def zstd_content_size(source: Any) -> int:
    """Return the decoded size that a Zstandard frame declares, -1 when it declares none.

    Source: RFC 8878, section 3.1.1.1 (frame header).
    """
    if len(source) < 6 or struct.unpack_from("<I", source)[0] != _ZSTD_MAGIC:
        raise ValueError(f"not a Zstandard frame ({len(source)} bytes)")
    descriptor = source[4]
    single_segment = bool(descriptor & 0x20)
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    start = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
    if width == 0:
        return _UNKNOWN_SIZE
    field = bytes(source[start : start + width])
    if len(field) < width:
        raise ValueError("truncated in the Zstandard frame header")
    return int.from_bytes(field, "little") + (256 if width == 2 else 0)


def _zstd(source: Any, out: npt.NDArray[np.uint8]) -> None:
    promised = zstd_content_size(source)
    # several frames may follow one another, so fewer is possible, more is not
    if promised > out.nbytes:
        _fit(promised, out, "Zstandard header promises")
    numcodecs.zstd.decompress(source, out)


def _lz4(source: Any, out: npt.NDArray[np.uint8]) -> None:
    if len(source) < 4:
        raise ValueError(f"LZ4 chunk of {len(source)} bytes, shorter than its header")
    _fit(struct.unpack_from("<I", source)[0], out, "LZ4 header promises")
    numcodecs.lz4.decompress(source, out)


def _stdlib(make: Callable[[], Any], name: str) -> Decoder:
    def decode(source: Any, out: npt.NDArray[np.uint8]) -> None:
        filled, rest = 0, bytes(source)
        # gzip and bz2 allow several members one after another
        while rest:
            engine = make()
            # one byte more than fits tells a bomb from a full chunk
            data = engine.decompress(rest, out.nbytes - filled + 1)
            if filled + len(data) > out.nbytes:
                raise ValueError(f"{name} data go on beyond the chunk's {out.nbytes} bytes")
            out[filled : filled + len(data)] = np.frombuffer(data, np.uint8)
            filled += len(data)
            if not engine.eof:
                raise ValueError(f"truncated {name} data: {filled} of {out.nbytes} bytes")
            rest = engine.unused_data
        _fit(filled, out, f"{name} data hold")

    return decode


def _raw(source: Any, out: npt.NDArray[np.uint8]) -> None:
    _fit(len(source), out, "it holds")
    out[:] = np.frombuffer(source, np.uint8)


#: Compressors by the name that Zarr v2 and v3 have for them.
DECODERS: Mapping[str, Decoder] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "lz4": _lz4,
    "gzip": _stdlib(lambda: zlib.decompressobj(31), "gzip"),
    "zlib": _stdlib(lambda: zlib.decompressobj(15), "zlib"),
    "bz2": _stdlib(bz2.BZ2Decompressor, "bz2"),
    "lzma": _stdlib(lzma.LZMADecompressor, "lzma"),
    "raw": _raw,
}


def strip_crc32c(source: Any) -> Any:
    """Check and take off the 4-byte CRC-32C that ends `source` (Zarr v3 codec ``crc32c``)."""
    if len(source) < 4:
        raise ValueError(f"{len(source)} bytes, shorter than its checksum")
    body, stored = source[:-4], struct.unpack("<I", bytes(source[-4:]))[0]
    computed = google_crc32c.value(bytes(body))
    if stored != computed:
        raise ValueError(f"checksum is {computed:08x}, stored was {stored:08x}: damaged")
    return body


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
    decoder = _raw
    for name in reversed(names):
        if name == "crc32c":
            source = strip_crc32c(source)
        else:
            decoder = DECODERS[name]
    try:
        decoder(source, out)
    except ValueError:
        raise
    except (RuntimeError, zlib.error, lzma.LZMAError, OSError, EOFError, struct.error) as err:
        raise ValueError(f"damaged: {err}") from err
