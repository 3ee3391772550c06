"""Imaris files (``.ims``) as a source: HDF5 in a layout of their own.

Reference: "Imaris 5.5 file format", Oxford Instruments, section "DataSet".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, SourceError
from ngffkit.image import Channel, Window
from ngffkit.sources.arranged import positive, unit_name
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import Facts, FileSource, Shared, file_source
from ngffkit.sources.formats.hdf5 import check_own, open_file
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file

_AXES = ("t", "c", "z", "y", "x")


@dataclass(frozen=True, slots=True)
class ImarisPixels:
    """Pixels of one resolution, each time and channel of which is a dataset of its own.

    Parameters
    ----------
    file : Shared
        The file.
    level : str
        Path of the resolution in it.
    dtype : numpy.dtype
        Type of the pixels.
    """

    file: Shared
    level: str
    dtype: np.dtype

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box; axes t, c, z, y, x. Datasets are padded, so the box says what is image."""
        out = np.empty([s.stop - s.start for s in cut], self.dtype)
        times, channels, *space = cut
        with self.file.use() as file:
            for i, t in enumerate(range(times.start, times.stop)):
                for j, c in enumerate(range(channels.start, channels.stop)):
                    out[i, j] = file[_path(self.level, t, c)][tuple(space)]
        return out


def open_imaris(source: Any, options: ReadOptions) -> FileSource:
    """Open the image of an Imaris file.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``mag`` is the number of a resolution level as Imaris counts them, 0 or None the finest.

    Returns
    -------
    FileSource
        Axes t, c, z, y, x. Voxel sizes are the extents of the image over its true size: datasets
        are padded to whole chunks, attributes say where the image ends.

    Raises
    ------
    SourceError
        When it is no such file, or a channel is missing or too small.
    """
    path = local_file(source)
    shared = Shared(open_file, str(path))
    with shared.use() as file:
        if "DataSet/ResolutionLevel 0" not in file:
            raise SourceError(str(path), "it has no group DataSet/ResolutionLevel 0, as Imaris has")
        level = f"DataSet/ResolutionLevel {_level(file, options.mag, str(path))}"
        times = _count(file[level], "TimePoint")
        channels = _count(file[f"{level}/TimePoint 0"], "Channel") if times else 0
        if not (times and channels):
            raise SourceError(str(path), f"{level} has no TimePoint 0 with a Channel 0")
        size = _size(file[f"{level}/TimePoint 0/Channel 0"])
        _check(file, level, (times, channels, *size), str(path))
        data = file[_path(level, 0, 0)]
        info = file["DataSetInfo/Image"].attrs if "DataSetInfo/Image" in file else {}
        chunks = data.chunks or (1, 1, 1)
        spacing, unit = _spacing(info, size)
        name = _text(info.get("Name"))
        facts = Facts(
            path,
            name if name and name != "(name not specified)" else path.stem,
            _AXES,
            (times, channels, *size),
            data.dtype,
            spacing=spacing,
            units=dict.fromkeys(spacing, unit),
            channels=_channels(file, channels, data.dtype),
            block=(1, 1, *chunks),
            scratch=2 * math.prod(chunks) * data.dtype.itemsize,
        )
    return file_source(facts, ImarisPixels(shared, level, np.dtype(data.dtype)))


def _path(level: str, t: int, c: int) -> str:
    return f"{level}/TimePoint {t}/Channel {c}/Data"


def _level(file: Any, mag: object, where: str) -> int:
    if mag is None:
        return 0
    count = _count(file["DataSet"], "ResolutionLevel")
    try:
        number = int(str(mag))
    except ValueError:
        number = -1
    if not 0 <= number < count:
        raise NgffError(f"{where} has no level mag={mag!r}; it has 0 to {count - 1}, as a number")
    return number


def _count(group: Any, word: str) -> int:
    count = 0
    while f"{word} {count}" in group:
        count += 1
    return count


def _size(channel: Any) -> tuple[int, int, int]:
    """Return the true size z, y, x of a channel, without padding."""
    known = [_text(channel.attrs.get(f"ImageSize{axis}")) for axis in "ZYX"]
    shape = channel["Data"].shape
    return tuple(  # type: ignore[return-value]
        int(text) if text.isdecimal() and 0 < int(text) <= n else int(n)
        for text, n in zip(known, shape, strict=True)
    )


def _check(file: Any, level: str, shape: tuple[int, ...], where: str) -> None:
    first = file[_path(level, 0, 0)].dtype
    for t in range(shape[0]):
        for c in range(shape[1]):
            path = _path(level, t, c)
            if path not in file:
                raise SourceError(where, f"{path} is missing")
            data = file[path]
            check_own(data, where)
            if data.dtype != first or any(
                a < b for a, b in zip(data.shape, shape[2:], strict=True)
            ):
                raise SourceError(where, f"{path} is {data.shape} {data.dtype}, not like the first")


def _spacing(info: Any, size: tuple[int, int, int]) -> tuple[dict[str, float], str | None]:
    """Return the extents of the image over its size: ExtMin0 is the border of x, not a centre."""
    out = {}
    for i, name in enumerate("xyz"):
        try:
            low, high = float(_text(info.get(f"ExtMin{i}"))), float(_text(info.get(f"ExtMax{i}")))
        except ValueError:
            continue
        step = positive((high - low) / size[2 - i])
        if step is not None:
            out[name] = step
    return out, unit_name(_text(info.get("Unit")) or "um")


def _channels(file: Any, count: int, dtype: np.dtype) -> tuple[Channel, ...]:
    out = []
    for c in range(count):
        group = file.get(f"DataSetInfo/Channel {c}")
        attrs = {} if group is None else group.attrs
        color = None
        parts = [positive(v) or 0.0 for v in _text(attrs.get("Color")).split()]
        if len(parts) == 3:
            color = "".join(f"{min(255, round(v * 255)):02X}" for v in parts)
        window = None
        limits = _text(attrs.get("ColorRange")).split()
        if len(limits) == 2 and dtype.kind in "iu" and float(limits[0]) < float(limits[1]):
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            window = Window(float(limits[0]), float(limits[1]), float(low), float(high))
        name = _text(attrs.get("Name"))
        named = bool(name) and name != "(name not specified)"
        out.append(Channel(name if named else f"Channel {c}", color, window))
    return tuple(out)


def _text(value: Any) -> str:
    """Return an attribute as text: Imaris stores arrays of single bytes."""
    if value is None:
        return ""
    if isinstance(value, np.ndarray):
        return b"".join(value.astype("S1").ravel().tolist()).decode("utf-8", "replace").strip()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value).strip()
