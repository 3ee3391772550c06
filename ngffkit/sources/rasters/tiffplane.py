"""TIFF files of one plane: as bytes where they are uncompressed, by tifffile otherwise."""

from __future__ import annotations

import io
import os
import re
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngffkit.sources.rasters.probes import Probe, channels_first, sane
from ngffkit.sources.rasters.tiffhead import TiffHead, read_head

#: Compressions whose strips can be decoded into a part of the plane, by imagecodecs' name.
_DECODERS = {8: "zlib_decode", 32946: "zlib_decode", 50000: "zstd_decode"}


def probe_tiff(file: BinaryIO, stat: os.stat_result, *, ids: bool) -> Probe:  # noqa: ARG001 - one signature for all
    """Return what the header of a TIFF file says; `ids` as for `rasters.probe`."""
    head = read_head(file, stat.st_size, segments=True)
    if head.dtype is None:
        raise ValueError(f"its pixels have {head.bits} bits of sample format {head.format}")
    if head.photometric == 5:
        raise ValueError("its colours are CMYK, for printing; save it as RGB or grey")
    if head.samples <= head.alpha:
        raise ValueError("it holds opacity only")
    size, spacing, unit, dots = _calibration(head)
    return Probe(
        "tiff",
        head.shape,
        head.samples - head.alpha,
        head.dtype,
        alpha=head.alpha > 0,
        palette=head.photometric == 3,
        more=head.more,
        start=head.start if head.samples == 1 else None,
        pixel_size=size,
        spacing=spacing,
        unit=unit,
        print_size=dots,
        order=head.order,
        size=stat.st_size,
        mtime=stat.st_mtime_ns,
        ome="<OME" in head.description,
        plain=head.samples == 1 and _is_plain(head),
        siblings=frozenset(re.findall(r'FileName="([^"]+)"', head.description)),
    )


def _calibration(
    head: TiffHead,
) -> tuple[tuple[float, float] | None, float | None, str | None, float | None]:
    """Return pixel size, spacing, unit and dots per inch."""
    if head.resolution is None or min(head.resolution) <= 0:
        return None, None, None, None
    said = head.imagej.get("unit", "").strip()
    if said and said.lower() not in ("pixel", "pixels", "inch", "inches"):
        x, y = head.resolution
        try:
            spacing = float(head.imagej.get("spacing", "nan"))
        except ValueError:
            spacing = float("nan")
        return (1 / x, 1 / y), spacing if spacing > 0 else None, said, None
    micrometres = {2: 25400.0, 3: 10000.0}.get(head.resolution_unit)
    if micrometres is None or head.imagej:
        return None, None, None, None
    size, dots = sane(*(n / micrometres for n in head.resolution))
    return size, None, "um" if size else None, dots


def _is_plain(head: TiffHead) -> bool:
    """Tell whether strips follow one another as they are, only compressed."""
    assert head.dtype is not None
    return (
        head.compression in _DECODERS
        and head.predictor == 1
        and head.bits == head.dtype.itemsize * 8
        and not (head.tiled or head.filled)
        and (head.samples == 1 or head.planar == 1)
    )


def _strips(data: bytes, head: TiffHead, dtype: np.dtype) -> npt.NDArray[Any]:
    """Decode strips straight into the plane, which for wide planes halves the memory."""
    import imagecodecs

    decode = getattr(imagecodecs, _DECODERS[head.compression])
    count = head.shape[0] * head.shape[1] * head.samples
    out = np.empty(count * dtype.itemsize, np.uint8)
    view, at = memoryview(data), 0
    for offset, size in head.segments:
        # the last strip may be padded to whole rows
        room = out[at:] if at < out.size else np.empty(0, np.uint8)
        at += len(decode(view[offset : offset + size], out=room))
    if at != out.size:
        raise ValueError(f"its strips hold {at} bytes, {out.size} were expected")
    stored = dtype.newbyteorder(head.order) if dtype.itemsize > 1 else dtype
    return out.view(stored).astype(dtype, copy=False)


def decode_tiff(data: bytes, *, ids: bool) -> npt.NDArray[Any]:  # noqa: ARG001 - one signature for all
    """Return the pixels of a TIFF file, (y, x) or (c, y, x); `ids` as for `rasters.probe`."""
    head = read_head(io.BytesIO(data), len(data), segments=True)
    dtype, start = head.dtype, head.start
    rows, columns = head.shape
    if dtype is None:
        raise ValueError(f"its pixels have {head.bits} bits of sample format {head.format}")
    if start is not None:
        stored = dtype.newbyteorder(head.order) if dtype.itemsize > 1 else dtype
        flat = np.frombuffer(data, stored, rows * columns * head.samples, start)
        pixels: npt.NDArray[Any] = flat.reshape(rows, columns, head.samples).astype(
            dtype, copy=False
        )
    elif _is_plain(head):
        pixels = _strips(data, head, dtype).reshape(rows, columns, head.samples)
    else:
        import tifffile

        # closed by hand: tifffile's file and page know each other, and would keep the bytes
        with io.BytesIO(data) as held, tifffile.TiffFile(held) as file:
            pixels = np.asarray(file.pages[0].asarray())
        if head.samples > 1 and head.planar == 2:
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels.reshape(rows, columns, head.samples)
    keep = head.samples - head.alpha
    return channels_first(pixels, keep).astype(dtype, copy=False)
