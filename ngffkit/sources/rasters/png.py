"""PNG: ISO/IEC 15948, sections 5 and 11. Headers are read here, pixels are decoded by libpng."""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngffkit.sources.rasters.probes import Probe, channels_first, is_grey, sane

_PNG = b"\x89PNG\r\n\x1a\n"


def _png_header(data: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bit depth and colour type."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("it is cut short within its header")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        raise ValueError("its header fails its checksum")
    if colour not in (0, 2, 3, 4, 6):
        raise ValueError(f"its colour type {colour} is none of PNG's")
    return width, height, depth, colour


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the chunks before the pixels that are wanted, as far as `data` has them."""
    out, at = {}, 33
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind == b"IDAT":
            break
        if kind in (b"PLTE", b"tRNS", b"pHYs"):
            out[kind] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return out


def _palette(chunk: bytes | None) -> npt.NDArray[np.uint8]:
    table = np.frombuffer(chunk or b"", np.uint8)
    if table.size == 0 or table.size % 3:
        raise ValueError("it has a palette of no colours")
    return table.reshape(-1, 3)


def probe_png(file: BinaryIO, stat: os.stat_result, *, ids: bool) -> Probe:
    """Return what the header of a PNG file says; `ids` as for `rasters.probe`."""
    file.seek(0)
    data = file.read(1024)
    width, height, depth, colour = _png_header(data)
    chunks = _png_chunks(data)
    if colour == 3 and b"PLTE" not in chunks:
        # it stands behind a long colour profile or text
        file.seek(0)
        chunks = _png_chunks(file.read(2**20))
    samples = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}[colour]
    if colour == 3 and (ids or is_grey(_palette(chunks.get(b"PLTE")))):
        samples = 1
    dtype: np.dtype = np.dtype("u2" if depth == 16 else "u1")
    if depth == 1 and colour == 0 and not ids:
        dtype = np.dtype(bool)
    per_metre = None
    if len(chunks.get(b"pHYs", b"")) == 9 and chunks[b"pHYs"][8] == 1:
        per_metre = struct.unpack(">II", chunks[b"pHYs"][:8])
    size, dots = (
        sane(*(n / 1e6 for n in per_metre)) if per_metre and all(per_metre) else (None, None)
    )
    return Probe(
        "png",
        (height, width),
        samples,
        dtype,
        alpha=colour in (4, 6) or b"tRNS" in chunks,
        palette=colour == 3,
        plain=colour == 0 and depth >= 8 and b"tRNS" not in chunks,
        pixel_size=size,
        unit="um" if size else None,
        print_size=dots,
        size=stat.st_size,
        mtime=stat.st_mtime_ns,
    )


def decode_png(data: bytes, *, ids: bool) -> npt.NDArray[Any]:
    """Return the pixels of a PNG file, (y, x) or (c, y, x); `ids` as for `rasters.probe`."""
    import imagecodecs

    _, _, depth, colour = _png_header(data)
    if colour != 3:
        pixels = imagecodecs.png_decode(data)
        if colour == 0 and depth < 8:
            # decoders spread 1, 2 and 4 bits over 0 to 255
            if depth == 1 and not ids:
                bits: npt.NDArray[Any] = channels_first(pixels, 1) != 0
                return bits
            if ids:
                pixels //= 255 // (2**depth - 1)
        keep = {0: 1, 2: 3, 4: 1, 6: 3}[colour]
        return channels_first(pixels, keep)
    # positions in the palette, which are read by calling them grey
    places = imagecodecs.png_decode(_as_grey(data))
    if depth < 8:
        places //= 255 // (2**depth - 1)
    if ids:
        return channels_first(places)
    table = _palette(_png_chunks(data).get(b"PLTE"))
    if int(places.max(initial=0)) >= len(table):
        raise ValueError(f"a pixel has colour {places.max()} of a palette of {len(table)}")
    return channels_first(table[:, 0][places] if is_grey(table) else table[places])


def _as_grey(data: bytes) -> bytes:
    """Return a PNG with a palette as one without: same pixels, grey."""
    header = bytearray(data[12:29])
    header[13] = 0
    out = [data[:12], bytes(header), zlib.crc32(header).to_bytes(4, "big")]
    at = 33
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in (b"IDAT", b"IEND"):
            out.append(data[at:end])
        at = end
    return b"".join(out)
