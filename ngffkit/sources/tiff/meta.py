"""What TIFF files of several makers say of their pixels: sizes, units, channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ngffkit.errors import Problem
from ngffkit.image import Channel, Window
from ngffkit.sources.arranged import positive, unit_name

#: The TIFF tags XResolution, YResolution and ResolutionUnit.
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296

#: Pixels per centimetre from which on a resolution is that of a microscope rather than of paper.
_FINEST_PRINT = 500

_RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


@dataclass(slots=True)
class Meaning:
    """What is known of an image apart from its pixels; by axis where that applies."""

    spacing: dict[str, float] = field(default_factory=dict)
    units: dict[str, str | None] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    notes: list[Problem] = field(default_factory=list)

    def note(self, loc: str, message: str, remedy: str = "") -> None:
        """Add a piece of advice."""
        self.notes.append(Problem(loc, "advice", message, remedy))


def rgb_channels() -> tuple[Channel, ...]:
    """Return the channels of a picture in colour."""
    return tuple(Channel(name, color) for name, color in _RGB)


def meaning_of(tif: Any, series: Any, channels: int) -> Meaning:
    """Return what a file says of one of its series.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Open.
    series : tifffile.TiffPageSeries
        One of its series; not of OME-TIFF, which says it all in XML.
    channels : int
        How many the series has.
    """
    page = series.keyframe
    if series.kind == "lsm" and tif.lsm_metadata:
        return _lsm(tif.lsm_metadata, channels)
    if series.kind == "stk" and tif.stk_metadata:
        return _stk(tif.stk_metadata)
    if series.kind == "imagej" and tif.imagej_metadata:
        return _imagej(tif.imagej_metadata, page, channels)
    if series.kind == "shaped" and tif.shaped_metadata:
        found = [dict(m) for m in tif.shaped_metadata if "unit" in m or "spacing" in m]
        if found:
            return _imagej(found[0], page, channels)
    if series.kind in ("uniform", "generic", "shaped", ""):
        return _plain(page)
    return _others(series)


def _imagej(meta: Mapping[str, Any], page: Any, channels: int) -> Meaning:
    """Read what ImageJ writes: numbers per unit in the resolution tags, the rest in a text."""
    out = Meaning()
    unit = unit_name(meta.get("unit"))
    if unit == "inch":
        unit = None  # what ImageJ makes of a file that was meant for a printer
        out.note("voxel_size", "the unit of length is the inch; ignored", "give voxel_size")
    x, y = _resolution(page)
    steps = {"x": x and 1 / x, "y": y and 1 / y, "z": positive(meta.get("spacing"))}
    if unit is not None:
        for name, step in steps.items():
            if step:
                out.spacing[name] = step
                out.units[name] = unit
            start = meta.get(f"{name}origin")
            if step and isinstance(start, (int, float)) and math.isfinite(start) and start:
                out.origin[name] = -start * step
        if not (x and y):
            out.note("voxel_size", "the resolution of x and y is missing", "give voxel_size")
    elif any(step and step != 1 for step in steps.values()) and meta.get("unit"):
        out.note(
            "voxel_size",
            f"the unit of length is {meta['unit']!r}, which is none; sizes ignored",
            "give voxel_size and unit",
        )
    interval, rate = positive(meta.get("finterval")), positive(meta.get("fps"))
    interval = interval or (rate and 1 / rate)
    if interval:
        out.spacing["t"] = interval
        out.units["t"] = unit_name(meta.get("tunit")) or "second"
    out.channels = _imagej_channels(meta, page, channels)
    return out


def _imagej_channels(meta: Mapping[str, Any], page: Any, channels: int) -> tuple[Channel, ...]:
    luts, ranges = meta.get("LUTs") or (), meta.get("Ranges") or ()
    if not ranges and channels == 1 and "min" in meta and "max" in meta:
        ranges = (meta["min"], meta["max"])
    names = _slice_labels(meta.get("Labels"), channels)
    grey = meta.get("mode") == "grayscale"
    colors = [None if grey else _color(lut) for lut in luts][:channels]
    windows = [
        _window(ranges[2 * i], ranges[2 * i + 1], np.dtype(page.dtype))
        for i in range(min(channels, len(ranges) // 2))
    ]
    if not (any(colors) or any(windows) or names):
        return ()
    colors += [None] * (channels - len(colors))
    windows += [None] * (channels - len(windows))
    names = names or [f"Channel {i}" for i in range(channels)]
    return tuple(map(Channel, names, colors, windows))


def _slice_labels(labels: Any, channels: int) -> list[str]:
    """Return the labels of slices, where they name the channels: one per channel, over again."""
    if not isinstance(labels, (list, tuple)) or channels < 2 or len(labels) < channels:
        return []
    first = [str(label).strip() for label in labels[:channels]]
    again = all(str(label).strip() == first[i % channels] for i, label in enumerate(labels))
    return first if again and all(first) and len(set(first)) == channels else []


def _color(lut: Any) -> str | None:
    """Return the colour of a table that rises from black to it, None for any other table."""
    table = np.asarray(lut)
    if table.ndim != 2 or table.shape[0] != 3 or table.shape[1] < 2:
        return None
    ramp = np.linspace(0, 1, table.shape[1])[None] * table[:, -1:].astype(float)
    if not table[:, -1].any() or np.abs(table - ramp).max() > 0.02 * float(table.max()):
        return None
    scale = 257 if table.max() > 255 else 1
    return "".join(f"{int(value) // scale:02X}" for value in table[:, -1])


def _window(low: Any, high: Any, dtype: np.dtype) -> Window | None:
    try:
        start, end = float(low), float(high)
    except (TypeError, ValueError):
        return None
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        return None
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return Window(start, end, float(info.min), float(info.max))
    return Window(start, end, start, end)


def _plain(page: Any) -> Meaning:
    """Read the resolution tags of a file that nobody's program has marked as its own."""
    out = Meaning()
    x, y = _resolution(page)
    unit = page.tags.get(_RESOLUTION_UNIT)
    per_cm = {2: 1 / 2.54, 3: 1.0}.get(int(unit.value) if unit is not None else 1)
    if not (x and y and per_cm):
        return out
    x, y = x * per_cm, y * per_cm
    if min(x, y) < _FINEST_PRINT:
        return out  # 72 or 300 dots per inch say how to print it
    out.spacing = {"x": 1e4 / x, "y": 1e4 / y}
    out.units = {"x": "micrometer", "y": "micrometer"}
    out.note(
        "voxel_size",
        f"pixels of {1e4 / x:.6g} x {1e4 / y:.6g} micrometer, by the tags for printing",
        "give voxel_size if that is wrong",
    )
    return out


def _resolution(page: Any) -> tuple[float | None, float | None]:
    """Return how many pixels there are per unit along x and y, where that is a number."""
    out: list[float | None] = []
    for code in (_X_RESOLUTION, _Y_RESOLUTION):
        tag = page.tags.get(code)
        value: Any = None if tag is None else tag.value
        if isinstance(value, Sequence) and len(value) == 2:
            value = value[0] / value[1] if value[1] else None
        out.append(positive(value))
    return out[0], out[1]


def _lsm(meta: Mapping[str, Any], channels: int) -> Meaning:
    """Read the sizes of Zeiss LSM, which are metres and seconds."""
    out = Meaning()
    for name in "xyz":
        size = positive(meta.get(f"VoxelSize{name.upper()}"))
        if size:
            out.spacing[name], out.units[name] = size * 1e6, "micrometer"
    step = positive(meta.get("TimeIntervall"))
    if step:
        out.spacing["t"], out.units["t"] = step, "second"
    colors = meta.get("ChannelColors") or {}
    values, names = list(colors.get("Colors") or ()), list(colors.get("ColorNames") or ())
    if len(values) == channels or len(names) == channels:
        out.channels = tuple(
            Channel(
                str(names[i]) if i < len(names) and names[i] else f"Channel {i}",
                "".join(f"{int(v) & 255:02X}" for v in values[i][:3]) if i < len(values) else None,
            )
            for i in range(channels)
        )
    return out


def _stk(meta: Mapping[str, Any]) -> Meaning:
    """Read the sizes of MetaMorph's stacks."""
    out = Meaning()
    unit = unit_name(meta.get("CalibrationUnits"))
    if unit is None:
        return out
    gaps = np.asarray(meta.get("ZDistance", ()), float).ravel()[:-1]
    steps = {
        "x": meta.get("XCalibration"),
        "y": meta.get("YCalibration"),
        "z": gaps[0] if gaps.size and np.allclose(gaps, gaps[0], rtol=1e-3) else None,
    }
    for name, step in steps.items():
        size = positive(step)
        if size:
            out.spacing[name], out.units[name] = size, unit
    if gaps.size and "z" not in out.spacing:
        out.note("voxel_size", "the distances between planes differ or are 0", "give voxel_size")
    return out


def _others(series: Any) -> Meaning:
    """Take what tifffile says of formats that have no part of their own here."""
    out = Meaning()
    scales = getattr(series, "coord_scales", None) or {}
    units = getattr(series, "coord_units", None) or {}
    for axis, value in scales.items():
        size, unit = positive(value), unit_name(units.get(axis))
        if size and unit:
            out.spacing[axis.lower()], out.units[axis.lower()] = size, unit
    return out
