"""TIFF files of one plane: as bytes where they are uncompressed, by tifffile otherwise."""

from __future__ import annotations

import io
import os
import re
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngffkit.sources.probes import Probe, channels_first, sane
from ngffkit.sources.tiffhead import TiffHead, read_head


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
    else:
        import tifffile

        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pixels = np.asarray(file.pages[0].asarray())
        if head.samples > 1 and head.planar == 2:
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels.reshape(rows, columns, head.samples)
    keep = head.samples - head.alpha
    return channels_first(pixels, keep).astype(dtype, copy=False)
