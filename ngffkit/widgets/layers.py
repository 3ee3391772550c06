"""What a viewer shows, before a pixel is read: axes, layers, their levels and channels.

Positions are in voxels: pixels of the finest level of the first image, whose centres are whole
numbers. A level's own pixel ``j`` has its centre at ``offset + j * factor`` voxels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from ngffkit.errors import NgffWarning
from ngffkit.image import Channel
from ngffkit.plots.compose import Window, window_of
from ngffkit.plots.scene import colors_for
from ngffkit.widgets.pixels import Array, Pixels

#: Reads a box of a channel of a level, as `ngffkit.widgets.bricks.Bricks.read` does.
Read = Callable[["Layer", int, int, Mapping[str, slice]], Array]

#: A window is chosen by looking at so many pixels along an axis at most.
_SAMPLE = 1024

#: So many channels are looked at; any beyond share what these have.
_SAMPLED = 16


@dataclass(frozen=True, slots=True)
class ViewAxis:
    """One axis of the scene.

    Parameters
    ----------
    name, type : str
        Its name; "space", "time" or another.
    unit : str
        Its symbol; empty when there is none.
    size : int
        Voxels.
    scale, origin : float
        Distance of voxel centres and position of the first, in `unit`.
    values : tuple of str, optional
        What to show for each voxel where positions are no even numbers.
    display : float
        Extent of one voxel in a unit that all spatial axes share.
    index : pandas.Index, optional
        The coordinates themselves, None when the array has none.
    """

    name: str
    type: str
    unit: str
    size: int
    scale: float
    origin: float
    values: tuple[str, ...] | None = None
    display: float = 1.0
    index: pd.Index | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return ``Axis`` of ``js/src/types.js``."""
        names = ("name", "type", "unit", "size", "scale", "origin", "display")
        values = None if self.values is None else list(self.values)
        return {name: getattr(self, name) for name in names} | {"values": values}


@dataclass(frozen=True, slots=True, eq=False)
class ViewLevel:
    """One array of a layer's pyramid; mappings are by the layer's axes.

    Parameters
    ----------
    mag : str
        How many pixels of mag 1 one of its pixels spans; unique in its layer.
    shape, factor, offset : Mapping
        Its pixels; voxels that one spans; the voxel at the first one's centre.
    chunk, tile : Mapping
        Shape of a chunk, and the extent of tiles along spatial axes.
    stride : Mapping of str to int
        Every how many pixels of a finer array it takes; 1 for arrays that exist.
    array : DataArray
        The pixels, lazily, with coordinates and channels.
    pixels : Pixels
        The same, as they are read.
    """

    mag: str
    shape: Mapping[str, int]
    factor: Mapping[str, float]
    offset: Mapping[str, float]
    chunk: Mapping[str, int]
    tile: Mapping[str, int]
    stride: Mapping[str, int]
    array: xr.DataArray = field(repr=False)
    pixels: Pixels = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return ``Level`` of ``js/src/types.js``."""
        names = ("shape", "factor", "offset", "chunk", "tile")
        return {"mag": self.mag} | {name: dict(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True)
class LayerChannel:
    """One channel of a layer.

    Parameters
    ----------
    label : str
        Its name.
    range : (float, float)
        Limits of what its window can sensibly be.
    known : Channel
        What the image says of it.
    visible : bool
        Whether it is shown at first.
    """

    label: str
    range: tuple[float, float]
    known: Channel
    visible: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return ``ChannelInfo`` of ``js/src/types.js``."""
        return {"label": self.label, "range": list(self.range)}


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """An image or a label image.

    Parameters
    ----------
    name : str
        What it is called; unique.
    kind : {"intensity", "label"}
        Whether pixels are measurements or ids.
    dtype : numpy.dtype
        Of the pixels as they are read and sent, little endian.
    axes : tuple of str
        In the order of its pixels, without channels.
    channels : tuple of LayerChannel
        At least one; labels have exactly one.
    levels : tuple of ViewLevel
        Finest first.
    colors : tuple of (int, (int, int, int, int))
        RGBA, 0 to 255, of ids that were given one.
    """

    name: str
    kind: Literal["intensity", "label"]
    dtype: np.dtype[Any]
    axes: tuple[str, ...]
    channels: tuple[LayerChannel, ...]
    levels: tuple[ViewLevel, ...]
    colors: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return ``Layer`` of ``js/src/types.js``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "dtype": self.dtype.name,
            "axes": list(self.axes),
            "channels": [channel.to_json() for channel in self.channels],
            "levels": [level.to_json() for level in self.levels],
            "colors": [[str(label), list(color)] for label, color in self.colors],
        }


@dataclass(frozen=True, slots=True)
class Layers:
    """A scene: all that is known before a pixel is read.

    Parameters
    ----------
    name : str
        What it is called.
    axes : tuple of ViewAxis
        In the order of the first image's array, without channels.
    spatial : tuple of str
        The axes that planes are made of, in that order.
    planes : tuple of (str, str)
        Horizontal and vertical axis; one or three.
    layers : tuple of Layer
        Images first, then label images.
    source : Any
        What `of` was given.
    """

    name: str
    axes: tuple[ViewAxis, ...]
    spatial: tuple[str, ...]
    planes: tuple[tuple[str, str], ...]
    layers: tuple[Layer, ...]
    source: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, obj: Any, *, labels: Any = True, name: str | None = None) -> Layers:
        """Make the scene of whatever holds an image.

        Parameters
        ----------
        obj : path, URL, store, Opened, DataTree, Dataset, DataArray, dask or NumPy array
            A tree, an opened image, and what was cut out of one but not computed, have all mags;
            anything else is one, with coarser ones by taking every n-th pixel when it is large.
        labels : bool, str, array, or list or mapping of these
            True: all label images that belong to the image, False or None: none; names of them;
            or arrays, by name when a mapping.
        name : str, optional
            What it is called; its own name when left out.

        Raises
        ------
        NgffError
            When it has no image, several, one with fewer than two axes, or pixels that are no
            numbers.

        Examples
        --------
        >>> layers = Layers.of(np.zeros((3, 40, 50), np.uint8))
        >>> layers.planes, layers.layers[0].levels[0].shape
        ((('x', 'y'), ('x', 'z'), ('z', 'y')), {'z': 3, 'y': 40, 'x': 50})
        """
        from ngffkit.widgets import layering

        return layering.layers_of(obj, labels, name)

    @property
    def reference(self) -> str:
        """The axis that zoom is measured on."""
        return self.planes[0][0]

    @property
    def exact(self) -> dict[str, pd.Index]:
        """The coordinates of all voxels, by axis, for the axes that have any."""
        return {axis.name: axis.index for axis in self.axes if axis.index is not None}

    def axis(self, name: str) -> ViewAxis:
        """Return an axis by its name."""
        return next(axis for axis in self.axes if axis.name == name)

    def manifest(self) -> dict[str, Any]:
        """Return ``Manifest`` of ``js/src/types.js``, ready for JSON."""
        return {
            "name": self.name,
            "axes": [axis.to_json() for axis in self.axes],
            "spatial": list(self.spatial),
            "reference": self.reference,
            "planes": [list(plane) for plane in self.planes],
            "layers": [layer.to_json() for layer in self.layers],
        }

    def channel_states(
        self, read: Read, report: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return how each channel is shown at first: ``ChannelState`` of ``js/src/types.js``.

        Colours and windows are the image's own, by the rules of `ngffkit.plot`. A channel without
        a window gets percentiles (0.5 and 99.5) of the middle of its coarsest stored level.

        Parameters
        ----------
        read : callable
            Reads pixels, such as `Bricks.read`.
        report : callable, optional
            Is told when pixels can't be read, in place of a warning; the channel then gets the
            range of its type.
        """
        out = []
        for layer in self.layers:
            if layer.kind == "label":
                continue
            colors = colors_for([channel.known for channel in layer.channels])
            windows = self._windows(layer, read, report or _warn)
            for channel, color, window in zip(layer.channels, colors, windows, strict=True):
                text = "".join(f"{round(part * 255):02x}" for part in color)
                state = {"visible": channel.visible, "color": f"#{text}"}
                out.append(state | {"window": list(window), "gamma": 1.0})
        return out

    def _windows(self, layer: Layer, read: Read, report: Callable[[str], None]) -> list[Window]:
        own = [_own_window(channel.known, layer.dtype) for channel in layer.channels]
        wanted = [i for i, window in enumerate(own) if window is None]
        # those that are seen first
        wanted.sort(key=lambda i: not layer.channels[i].visible)
        level = _sampled_level(layer)
        box = self._middle(layer, level)
        found: dict[int, Window] = {}
        for i in wanted[:_SAMPLED]:
            try:
                found[i] = window_of(read(layer, level, i, box))
            except Exception as err:  # noqa: BLE001 - it is reported, and seen in place later
                label = layer.channels[i].label or layer.name
                report(f"no window could be chosen for {label!r}: {err}")
                found[i] = limits_of(layer.dtype)
        rest = limits_of(layer.dtype)
        if found:
            rest = min(w[0] for w in found.values()), max(w[1] for w in found.values())
        return [window or found.get(i, rest) for i, window in enumerate(own)]

    def _middle(self, layer: Layer, level: int) -> dict[str, slice]:
        """Return the middle of a level: one plane, its first time point, not too much of it."""
        out, at = {}, layer.levels[level]
        for name in layer.axes:
            size = at.shape[name]
            count = min(size, _SAMPLE) if name in self.planes[0] else 1
            start = (size - count) // 2 if name in self.spatial else 0
            out[name] = slice(start, start + count)
        return out


def _sampled_level(layer: Layer) -> int:
    """Return the coarsest level whose planes can be read at a small cost."""
    last = len(layer.levels) - 1
    while last and not layer.levels[last].pixels.direct and _is_virtual(layer.levels[last]):
        last -= 1
    return last


def _is_virtual(level: ViewLevel) -> bool:
    return any(stride > 1 for stride in level.stride.values())


def _own_window(channel: Channel, dtype: np.dtype[Any]) -> Window | None:
    """Return the window that an image states, unless it is the whole range of a wide type."""
    own = channel.window
    if own is None or not own.start < own.end:
        return None
    if dtype.kind in "ui" and dtype.itemsize > 1:
        low, high = limits_of(dtype)
        if own.start <= low and own.end >= high:
            return None
    return float(own.start), float(own.end)


def limits_of(dtype: np.dtype[Any]) -> Window:
    """Return the least and the largest value of a type of whole numbers; 0 and 1 for others."""
    if dtype.kind not in "ui":
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def _warn(message: str) -> None:
    warnings.warn(message, NgffWarning, stacklevel=4)
