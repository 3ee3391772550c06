"""What a picture shows and how: options, label overlays, and pixels turned into colours.

It knows pixels and colours, but nothing of figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from ngffkit import resolve
from ngffkit.errors import NgffError
from ngffkit.image import Channel
from ngffkit.plots import planes
from ngffkit.plots.compose import (
    Color,
    Window,
    composite,
    default_colors,
    parse_color,
    window_of,
)
from ngffkit.plots.levels import Source
from ngffkit.plots.overlays import Labels, overlays_of, read_labels
from ngffkit.plots.planes import Extent, Plane, Request

Channels = Sequence[str | int] | str | int | None

#: What the channels of a photograph are called.
_PHOTO = {"r": "FF0000", "g": "00FF00", "b": "0000FF"} | {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How pictures look; every field is a keyword of `plot`, `ortho` and `montage`.

    Parameters
    ----------
    mag : optional
        Draws this mag, whatever suits the figure; for trees.
    kind : {"intensity", "label"}, optional
        Whether pixels are measurements or ids, where the image says nothing or is wrong.
    colors : str, sequence or mapping, optional
        ``RRGGBB`` per channel, in the order drawn or by name, instead of the image's own. One that
        all of several channels share is not used: it tells nothing apart.
    windows : (float, float), sequence of them, mapping or "auto", optional
        What becomes black and full colour, in the order drawn or by channel name. Left out: the
        image's own windows, and percentiles where it has none or one that is the whole range of a
        type of 16 bits or more, which writers fill in unasked and which shows most images black;
        ``"auto"``: percentiles.
    percentiles : (float, float)
        Of the pixels that are shown, for channels without a window.
    opacity : float, optional
        Of labels, 0 to 1; left out, 0.5 for areas and 1 for outlines.
    outline : bool or int
        Whether labels are outlines instead of areas, and how many pixels wide.
    size : float, optional
        Longest side of what is drawn, in inches.
    dpi : float, optional
        Pixels per inch; matplotlib's when left out. More pixels want a finer mag.
    title : bool or str
        Whether there is a title, or which.
    scalebar, legend, ticks : bool
        Whether there is a scale bar, a list of the channels' colours, axes with numbers.
    """

    mag: object = None
    kind: Literal["intensity", "label"] | None = None
    colors: Any = None
    windows: Any = None
    percentiles: tuple[float, float] = (0.5, 99.5)
    opacity: float | None = None
    outline: bool | int = False
    size: float | None = None
    dpi: float | None = None
    title: bool | str = True
    scalebar: bool = True
    legend: bool = True
    ticks: bool = True

    def __post_init__(self) -> None:
        """Refuse what can't be drawn."""
        if self.opacity is not None and not 0 <= self.opacity <= 1:
            raise NgffError(f"opacity is {self.opacity}; it must be 0 (invisible) to 1")
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise NgffError(f"percentiles are {self.percentiles}; they must rise, from 0 to 100")
        if self.kind not in (None, "intensity", "label"):
            raise NgffError(f"kind is {self.kind!r}; it must be 'intensity' or 'label'")
        for name in ("size", "dpi"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise NgffError(f"{name} is {value}; it must be a positive number")


@dataclass(frozen=True, slots=True)
class View:
    """One plane with its labels: pixels, not colours yet."""

    plane: Plane
    labels: tuple[Labels, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a picture is made of, before a pixel is read.

    Parameters
    ----------
    source : Source
        The image.
    name : str
        What it is called.
    overlays : tuple of Source
        Label images to lay over it.
    where : Mapping
        Positions and crops, by axis.
    channels : sequence, str or int, optional
        The channels to show.
    style : Style
        How it looks.
    """

    source: Source
    name: str
    overlays: tuple[Source, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    channels: Channels = None
    style: Style = field(default_factory=Style)

    @classmethod
    def of(cls, obj: Any, channels: Channels, labels: Any, options: Mapping[str, Any]) -> Scene:
        """Sort out what `plot` and its kin were called with.

        Parameters
        ----------
        obj : DataTree, Dataset or DataArray
            The image.
        channels, labels
            As for `ngffkit.plots.figures.plot`.
        options : Mapping
            Fields of `Style`, names of axes, and ``sel``.

        Raises
        ------
        NgffError
            When an option is neither; the message lists them.
        """
        style_names = [f.name for f in fields(Style)]
        source = Source.of(obj, options.get("mag"))
        finest = source.finest
        dims, channel = list(map(str, finest.dims)), resolve.channel_dim(finest)
        at = dict(options.get("sel") or {})
        looks: dict[str, Any] = {}
        for name, value in options.items():
            if name in dims:
                at[name] = value
            elif name in style_names:
                looks[name] = value
            elif name != "sel":
                raise NgffError(
                    f"{name!r} is neither an axis of this image ({', '.join(dims)}) nor an option "
                    f"({', '.join(['sel', *style_names])})"
                )
        if channel in at:
            # the axis's own name is as good as the keyword
            channels = at.pop(channel) if channels is None else channels
        return cls(
            source,
            name_of(obj, finest),
            overlays_of(obj, finest, labels),
            at,
            channels,
            Style(**looks),
        )

    def request(self, names: tuple[str, str]) -> Request:
        """Return the request of a plane, with a position on every axis."""
        channels = self.channels
        listed = [channels] if isinstance(channels, (str, int, np.integer)) else channels
        return planes.settle(self.source.finest, Request(names, self.where, listed))

    def extent(self, names: tuple[str, str]) -> Extent:
        """Return left, right, bottom and top edge of a plane, without reading it."""
        request = self.request(names)
        da = planes.crop(self.source.finest, request)
        horizontal, vertical = names
        rest = {dim: 0 for dim in da.dims if dim not in names}
        corner = da.isel(rest).transpose(vertical, horizontal)
        return planes.extent_of(resolve.grid_of(corner))

    def look(self, names: tuple[str, str], pixels: tuple[float, float]) -> View:
        """Read a plane and its labels, at the mags that suit so many pixels across and down."""
        left, right, bottom, top = self.extent(names)
        size = {
            names[0]: (right - left) / max(1.0, pixels[0]),
            names[1]: (bottom - top) / max(1.0, pixels[1]),
        }
        plane = planes.read(self.source, self.source.level_for(size), self.request(names))
        found = (read_labels(source, plane, size) for source in self.overlays)
        return View(plane, tuple(labels for labels in found if labels is not None))

    def is_label(self, plane: Plane) -> bool:
        """Tell whether the image's own pixels are ids."""
        if self.style.kind is not None:
            return self.style.kind == "label"
        return resolve.is_label(plane.array) and plane.values.dtype.kind in "bui"


def name_of(obj: Any, finest: xr.DataArray) -> str:
    """Return what an image is called: its own name, else the last part of its address."""
    image, opened = resolve.image_of(finest), resolve.opened_of(finest)
    if image is not None and image.name.strip("/"):
        return image.name.strip("/")
    if finest.attrs.get("long_name"):
        return str(finest.attrs["long_name"])
    if opened is not None:
        return opened.url.rstrip("/").rsplit("/", 1)[-1]
    names = [str(name) for name in (finest.name, getattr(obj, "name", None)) if name is not None]
    return next(iter(names), "")


def paint(
    shown: Sequence[Plane], style: Style
) -> tuple[list[npt.NDArray[np.uint8]], list[tuple[str, Color]]]:
    """Turn planes of one image into pictures, with one window per channel for all of them.

    Parameters
    ----------
    shown : sequence of Plane
        With the same channels.
    style : Style
        Colours, windows and percentiles.

    Returns
    -------
    list of ndarray of uint8, shape (v, h, 3)
        One per plane.
    list of (str, (float, float, float))
        Name and colour of each channel.
    """
    channels = shown[0].channels
    colors = colors_for(channels, style.colors)
    windows = [
        _window(style, shown[0], i) or window_of([p.values[i] for p in shown], style.percentiles)
        for i in range(len(channels))
    ]
    pictures = [composite(plane.values, colors, windows) for plane in shown]
    return pictures, [(c.label, color) for c, color in zip(channels, colors, strict=True)]


def colors_for(channels: Sequence[Channel], wanted: Any = None) -> list[Color]:
    """Return the colour of each channel: the one wanted, its own, or one that is free."""
    names = [channel.label for channel in channels]
    known: list[Any] = [channel.color for channel in channels]
    if len(known) > 1 and len(set(known)) == 1:
        known = [None] * len(known)
    if not any(known) and len(names) == 3:
        known = [_PHOTO.get(name.lower()) for name in names]
    if isinstance(wanted, Mapping):
        known = [wanted.get(name, color) for name, color in zip(names, known, strict=True)]
    elif wanted is not None:
        known = [wanted] if isinstance(wanted, str) else list(wanted)
        if len(known) != len(channels):
            raise NgffError(f"{len(known)} colors for {len(channels)} channels; give one for each")
    # a triple is no palette colour; its place is taken all the same
    texts = ["" if isinstance(color, tuple) else color for color in known]
    free = default_colors([None if color is None else str(color) for color in texts])
    return [
        parse_color(new if color is None else color) for color, new in zip(known, free, strict=True)
    ]


def _window(style: Style, plane: Plane, i: int) -> Window | None:
    wanted: Any = style.windows
    channels, channel = plane.channels, plane.channels[i]
    given: Any = None
    if isinstance(wanted, Mapping):
        given = wanted.get(channel.label)
    elif wanted is not None and not isinstance(wanted, str):
        listed = list(wanted)
        one = len(listed) == 2 and all(np.ndim(part) == 0 for part in listed)
        if not one and len(listed) != len(channels):
            raise NgffError(
                f"{len(listed)} windows for {len(channels)} channels; give (low, high) for each, "
                "or one for all"
            )
        given = listed if one else listed[i]
    elif wanted not in (None, "auto"):
        raise NgffError(f"windows={wanted!r} isn't understood; write (low, high) or 'auto'")
    if given is not None:
        return float(given[0]), float(given[1])
    own = None if wanted == "auto" else channel.window
    if own is None or not own.start < own.end:
        return None
    window = (own.start, own.end)
    return None if _is_everything(window, plane.values.dtype) else window


def _is_everything(window: Window, dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "ui" or dtype.itemsize < 2:
        return False
    limits = np.iinfo(dtype)
    return window[0] <= limits.min and window[1] >= limits.max
