"""JPEG (ITU-T T.81, annex B) and BMP."""

from __future__ import annotations

import io
import os
import struct
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngffkit.sources.rasters.probes import Probe, channels_first, is_grey, sane

_JPEG = b"\xff\xd8\xff"
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def probe_jpeg(file: BinaryIO, stat: os.stat_result, *, ids: bool) -> Probe:  # noqa: ARG001 - one signature for all
    """Return what the header of a JPEG file says; `ids` as for `rasters.probe`."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(18)
        if len(head) < 10:
            raise ValueError("it is cut short within its header")
        if head[0] != 0xFF:
            raise ValueError(f"its header is damaged at byte {at}")
        if head[1] in _SOF:
            break
        if head[1] == 0xDA:
            raise ValueError("it has no frame before its pixels")
        at += 1 if head[1] == 0xFF else 2 + int.from_bytes(head[2:4], "big")
    bits, height, width, samples = struct.unpack(">BHHB", head[4:10])
    if samples not in (1, 3):
        raise ValueError(f"it has {samples} colours (CMYK, for printing); save it as RGB or grey")
    if bits != 8:
        raise ValueError(f"it has {bits} bits per colour; JPEG is read with 8")
    return Probe(
        "jpeg",
        (height, width),
        samples,
        np.dtype("u1"),
        size=stat.st_size,
        mtime=stat.st_mtime_ns,
        plain=samples == 1,
    )


def decode_jpeg(data: bytes, *, ids: bool) -> npt.NDArray[Any]:  # noqa: ARG001 - one signature for all
    """Return the pixels of a JPEG file, (y, x) or (c, y, x); `ids` as for `rasters.probe`."""
    import imagecodecs

    at = 2
    while at + 4 <= len(data) and data[at + 1] != 0xDA:
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    # a decoder fills up with grey what is not there; only the end marker tells that it is
    if data.find(b"\xff\xd9", at) < 0:
        raise ValueError("it is cut short")
    return channels_first(imagecodecs.jpeg8_decode(data))


# --- BMP ------------------------------------------------------------------------------------------


def probe_bmp(file: BinaryIO, stat: os.stat_result, *, ids: bool) -> Probe:
    """Return what the header of a BMP file says; `ids` as for `rasters.probe`."""
    file.seek(0)
    data = file.read(2048)
    if len(data) < 54:
        raise ValueError("it is cut short within its header")
    header = int.from_bytes(data[14:18], "little")
    if header < 40:
        raise ValueError("it is of OS/2's kind; save it anew")
    width, height = struct.unpack("<ii", data[18:26])
    bits, packing = struct.unpack("<HI", data[28:34])
    samples = 1 if bits <= 8 and (ids or is_grey(_bmp_palette(data))) else 3
    if ids and bits <= 8 and packing:
        raise ValueError("it is a packed BMP, whose ids can't be read; save it as PNG")
    per_metre = struct.unpack("<ii", data[38:46])
    size, dots = sane(*(n / 1e6 for n in per_metre))
    return Probe(
        "bmp",
        (abs(height), width),
        samples,
        np.dtype(bool if _bmp_is_binary(data) and not ids else "u1"),
        alpha=bits == 32 and packing == 3,
        palette=bits <= 8,
        pixel_size=size,
        unit="um" if size else None,
        print_size=dots,
        size=stat.st_size,
        mtime=stat.st_mtime_ns,
    )


def _bmp_palette(data: bytes) -> npt.NDArray[np.uint8]:
    header = int.from_bytes(data[14:18], "little")
    bits = int.from_bytes(data[28:30], "little")
    count = int.from_bytes(data[46:50], "little") or 2**bits
    table = np.frombuffer(data[14 + header : 14 + header + 4 * min(count, 256)], np.uint8)
    if table.size < 4 or table.size % 4:
        raise ValueError("it has a palette of no colours")
    return table.reshape(-1, 4)[:, 2::-1]


def _bmp_is_binary(data: bytes) -> bool:
    bits = int.from_bytes(data[28:30], "little")
    return bits == 1 and _bmp_palette(data).tolist() in ([[0] * 3, [255] * 3], [[255] * 3, [0] * 3])


def decode_bmp(data: bytes, *, ids: bool) -> npt.NDArray[Any]:
    """Return the pixels of a BMP file, (y, x) or (c, y, x); `ids` as for `rasters.probe`.

    By Pillow: imagecodecs crashes on some damaged files.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["BMP"]) as picture:
        found = np.asarray(picture)
    if int.from_bytes(data[28:30], "little") > 8:
        return channels_first(found, 3 if found.ndim == 3 else None)
    # what Pillow takes for grey or binary has colours that count up
    places = found.astype(np.uint8)
    if ids:
        return places
    palette = _bmp_palette(data)
    if _bmp_is_binary(data):
        white: npt.NDArray[np.bool_] = palette[places, 0] != 0
        return white
    if int(places.max(initial=0)) >= len(palette):
        raise ValueError(f"it has a pixel of colour {places.max()}, and {len(palette)} colours")
    colours = palette[places]
    return channels_first(colours[..., 0] if is_grey(palette) else colours)
