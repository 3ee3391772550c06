"""Small pictures of a source: its first, middle and last slice, at a cost that is known before."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError
from ngffkit.image import Channel
from ngffkit.planning.options import about
from ngffkit.sources.contract import Box, Source, SourceInfo

#: Pixels of the longer side of a picture.
SIDE = 256

#: Bytes that are decoded for one slice at most: of what is here, and of what is far away.
MOST, FAR = 2**27, 2**23

#: No smaller part of a slice is worth showing.
_LEAST = 256

#: Channels that are shown together: more can't be told apart.
_CHANNELS = 4

Pixels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture.

    Parameters
    ----------
    label : str
        Where it lies, as ``z 0``.
    src : str
        A PNG as a data URI; empty when it can't be read.
    error : str
        Why it can't.
    """

    label: str
    src: str = ""
    error: str = ""

    def to_json(self) -> dict[str, str]:
        """Return what a page shows."""
        return {"label": self.label, "src": self.src, "error": self.error}


def thumbnails(source: Source, most: int = MOST) -> tuple[tuple[Slice, ...], str]:
    """Return the first, middle and last slice of a source, and what to know about them.

    Slices lie along z, or along t where there is no z. Intensities are stretched between the
    0.5th and 99.5th percentile of all three, labels have the colours that the viewer gives them.
    Of planes that cost more than `most` the middle is shown, and nothing where not even that
    can be had for this price.

    Parameters
    ----------
    source : Source
        Anything convertible.
    most : int
        Bytes that are decoded for one slice at most.

    Returns
    -------
    tuple of Slice, str
        None where nothing is shown; then the text says why.

    Examples
    --------
    >>> from ngffkit.sources.opening import open_source
    >>> found, said = thumbnails(open_source(np.zeros((9, 8, 8), "u1")))
    >>> [one.label for one in found], said
    (['z 0', 'z 4', 'z 8'], '')
    """
    info = source.info
    window = _window(info, most)
    if window is None:
        size = about(_cost(info, _box(info, {}, _part(info, _LEAST))))
        return (), f"no pictures: {size} would be read for each"
    said = []
    sizes = dict(zip(info.grid.dims, info.grid.shape, strict=True))
    if any(window[a].stop - window[a].start < sizes[a] for a in "yx"):
        wide, high = (window[a].stop - window[a].start for a in "xy")
        said.append(f"the middle {wide} × {high} pixels of each plane")
    if info.kind != "label" and sizes.get("c", 1) > _CHANNELS:
        said.append(f"the first {_CHANNELS} of {sizes['c']} channels")
    read: list[tuple[str, Pixels | str]] = []
    for places in _places(info):
        label = ", ".join(f"{name} {i}" for name, i in places.items()) or "the plane"
        try:
            read.append((label, _reduced(info, source.read(_box(info, places, window)))))
        except NgffError as err:
            read.append((label, str(err)))
    return tuple(_drawn(info, read)), "; ".join(said)


def _places(info: SourceInfo) -> list[dict[str, int]]:
    """Return where slices are taken, by axis."""
    sizes = dict(zip(info.grid.dims, info.grid.shape, strict=True))
    others = [n for n in info.grid.dims if n not in "cyx" and sizes[n] > 1]
    along = next((n for n in ("z", "t", *others) if n in others), None)
    if along is None:
        return [{}]
    last = sizes[along] - 1
    rest = {name: 0 for name in others if name != along}
    return [{along: i, **rest} for i in sorted({0, (last + 1) // 2, last})]


def _box(info: SourceInfo, places: dict[str, int], window: dict[str, slice]) -> Box:
    channels = 1 if info.kind == "label" else _CHANNELS
    out = []
    for name, size in zip(info.grid.dims, info.grid.shape, strict=True):
        if name in "yx":
            out.append(window[name])
        elif name == "c":
            out.append(slice(0, min(size, channels)))
        else:
            out.append(slice(places.get(name, 0), places.get(name, 0) + 1))
    return tuple(out)


def _part(info: SourceInfo, side: int) -> dict[str, slice]:
    """Return the middle of a plane, of at most so many pixels along y and x."""
    out = {}
    for name in "yx":
        size = info.grid.shape[info.grid.axis(name)]
        start = max(0, (size - side) // 2)
        out[name] = slice(start, min(size, start + side))
    return out


def _window(info: SourceInfo, most: int) -> dict[str, slice] | None:
    """Return the largest part of a plane that can be had for the price."""
    side = max(info.grid.shape[info.grid.axis(name)] for name in "yx")
    while _cost(info, _box(info, {}, _part(info, side))) > most:
        if side <= _LEAST:
            return None
        side = max(_LEAST, side // 2)
    return _part(info, side)


def _cost(info: SourceInfo, box: Box) -> int:
    """Return the bytes that are decoded for a box: whole blocks, whatever is taken of them."""
    count = 1
    for cut, block, size in zip(box, info.block, info.grid.shape, strict=True):
        first, last = cut.start // block, (cut.stop - 1) // block
        count *= min((last - first + 1) * block, size)
    return count * info.dtype.itemsize


def _reduced(info: SourceInfo, pixels: Pixels) -> Pixels:
    """Return a plane ``(c, y, x)`` of at most `SIDE` pixels: means, of labels single pixels."""
    plane = pixels.reshape(-1, *pixels.shape[-2:])
    step = -(-max(plane.shape[1:]) // SIDE)
    if step == 1:
        return plane
    if info.kind == "label" or min(plane.shape[1:]) < step:
        return plane[:, ::step, ::step]
    high, wide = (n // step for n in plane.shape[1:])
    cut = plane[:, : high * step, : wide * step]
    blocks = cut.reshape(-1, high, step, wide, step)
    return np.asarray(blocks.mean((2, 4), dtype=np.float32))


def _drawn(info: SourceInfo, read: Sequence[tuple[str, Pixels | str]]) -> list[Slice]:
    planes = [found for _, found in read if not isinstance(found, str)]
    pictures = iter(_labels(info, planes) if info.kind == "label" else _colours(info, planes))
    return [
        Slice(label, error=found) if isinstance(found, str) else Slice(label, _uri(next(pictures)))
        for label, found in read
    ]


def _labels(info: SourceInfo, planes: Sequence[Pixels]) -> list[Pixels]:
    from ngffkit.plots.compose import label_colors

    given = dict(info.label.colors) if info.label else None
    return [label_colors(plane[0], given) for plane in planes]


def _colours(info: SourceInfo, planes: Sequence[Pixels]) -> list[Pixels]:
    from ngffkit.plots.compose import composite, window_of
    from ngffkit.plots.scene import colors_for

    if not planes:
        return []
    count = len(planes[0])
    whole = info.grid.shape[info.grid.axis("c")] if "c" in info.grid.dims else 1
    channels = info.channels if len(info.channels) == whole else (Channel(""),) * whole
    colors = colors_for(channels[:count])
    windows = [window_of([plane[i] for plane in planes]) for i in range(count)]
    return [composite(plane, colors, windows) for plane in planes]


def _uri(picture: Pixels) -> str:
    from ngffkit.widgets.frames import png_of

    return "data:image/png;base64," + base64.b64encode(png_of(picture, 6)).decode()
