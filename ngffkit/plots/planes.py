"""Which pixels a picture needs: its two axes, its place on the others, its mag; and reading them.

A picture is drawn from an image with one array per mag. Nothing is read before the mag, the place
and the channels are settled; then one box is, of ``(c, y, x)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ngffkit import resolve
from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel
from ngffkit.plots.levels import Source

#: Left, right, bottom and top edge, in the coordinates of the axes.
Extent = tuple[float, float, float, float]

#: So many channels are shown at most when nobody chose: more colours can't be told apart.
MAX_CHANNELS = 6


@dataclass(frozen=True, slots=True)
class Request:
    """Which part of an image to draw.

    Parameters
    ----------
    plane : (str, str)
        The horizontal and the vertical axis.
    where : Mapping of str to number or slice
        Positions on other axes, in their coordinates; slices crop the axes of the plane.
    channels : sequence of str or int, optional
        Names or positions.
    """

    plane: tuple[str, str]
    where: Mapping[str, Any] = field(default_factory=dict)
    channels: Sequence[str | int] | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """Pixels that were read for a picture.

    Parameters
    ----------
    values : ndarray, shape (c, v, h)
        One plane per channel; v and h are the vertical and the horizontal axis.
    array : DataArray
        Where they are from: dimensions (c,) v, h, the other axes as scalar coordinates.
    grid : Grid
        Of the axes v and h.
    channels : tuple of Channel
        As many as there are planes.
    hidden : int
        How many more channels the image has, that nobody asked to leave out.
    places : tuple of (Axis, object)
        Where the plane lies on the axes that aren't drawn.
    mag : str, optional
        Which mag it is.
    """

    values: npt.NDArray[Any]
    array: xr.DataArray
    grid: Grid
    channels: tuple[Channel, ...]
    hidden: int
    places: tuple[tuple[Axis, Any], ...]
    mag: str | None

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The vertical and the horizontal axis."""
        return self.grid.axes[0], self.grid.axes[1]

    @property
    def extent(self) -> Extent:
        """Left, right, bottom and top edge of the pixels; the first row is at the top."""
        return extent_of(self.grid)


def extent_of(grid: Grid) -> Extent:
    """Return left, right, bottom and top edge of a grid whose axes are (vertical, horizontal)."""
    (top, bottom), (left, right) = (
        (origin - scale / 2, origin + (n - 0.5) * scale)
        for origin, scale, n in zip(grid.origin, grid.scale, grid.shape, strict=True)
    )
    return left, right, bottom, top


def axes_of(da: xr.DataArray) -> dict[str, Axis]:
    """Return what is known of each dimension, without minding whether coordinates are even."""
    corner = da.isel({dim: slice(0, 1) for dim in da.dims})
    return {axis.name: axis for axis in resolve.grid_of(corner).axes}


def choose_axes(da: xr.DataArray, plane: str | Sequence[str] | None) -> tuple[str, str]:
    """Settle the horizontal and the vertical axis.

    Parameters
    ----------
    da : DataArray
        What is drawn.
    plane : str or sequence of two str, optional
        ``"xy"``, ``"xz"``, ``"yz"``, or two names: horizontal, then vertical. Left out: x and y,
        or the only two axes there are.

    Raises
    ------
    NgffError
        When there are no such axes; the message lists those there are.
    """
    dims = [str(dim) for dim in da.dims if dim != resolve.channel_dim(da)]
    if plane is None:
        if "x" in dims and "y" in dims:
            return "x", "y"
        if len(dims) == 2:
            return dims[1], dims[0]
        plane = ("x", "y")
    names = tuple(plane)
    if len(names) != 2 or names[0] == names[1]:
        raise NgffError(f"plane={plane!r}: a plane has two axes; write 'xy', or ('x', 'angle')")
    absent = [name for name in names if name not in dims]
    if absent:
        example = tuple(dims[:-3:-1]) if len(dims) >= 2 else None
        remedy = f"choose two of them, e.g. plane={example!r}" if example else "a picture needs two"
        raise NgffError(
            f"there is no axis {absent[0]!r} to draw; the axes are "
            f"{', '.join(dims) or 'none'}: {remedy}"
        )
    return names[0], names[1]


def cut_axis(da: xr.DataArray, name: str, cut: slice) -> xr.DataArray:
    """Cut one axis to a range of its coordinates, or of pixels where it has none."""
    return da.sel({name: cut}) if name in da.indexes else da.isel({name: cut})


def value_at(da: xr.DataArray, name: str, i: int) -> Any:
    """Return the coordinate of a pixel, its number where there are none."""
    return da.indexes[name][i] if name in da.indexes else i


def crop(da: xr.DataArray, request: Request) -> xr.DataArray:
    """Cut the axes of the plane to what was asked for."""
    for name in request.plane:
        cut = request.where.get(name)
        if cut is None:
            continue
        if not isinstance(cut, slice):
            raise NgffError(
                f"{name}={cut!r}: the axis {name!r} is drawn, so it takes a range, e.g. "
                f"slice(10, 20); for one position choose another plane"
            )
        da = cut_axis(da, name, cut)
    empty = [str(name) for name, size in da.sizes.items() if size == 0]
    if empty:
        raise NgffError(f"there is nothing to draw: the axis {empty[0]!r} has no pixels left")
    return da


def settle(da: xr.DataArray, request: Request) -> Request:
    """Put a position on every axis that isn't drawn: the middle of space, the first of others."""
    axes, channel = axes_of(da), resolve.channel_dim(da)
    unknown = [name for name in request.where if name not in axes]
    if unknown:
        raise NgffError(
            f"there is no axis {unknown[0]!r} to choose a position on; the axes are "
            f"{', '.join(axes)}"
        )
    at = {name: request.where[name] for name in request.plane if name in request.where}
    for name, axis in axes.items():
        if name in request.plane or name == channel:
            continue
        wanted = request.where.get(name)
        if wanted is None:
            i = da.sizes[name] // 2 if axis.is_space else 0
            at[name] = value_at(da, name, i)
        else:
            at[name] = wanted
    return Request(request.plane, at, request.channels)


def position(da: xr.DataArray, name: str, wanted: Any) -> int:
    """Return the pixel of an axis that lies nearest to a position.

    Raises
    ------
    NgffError
        When the position is beyond the ends of the axis by more than a pixel, or no position.
    """
    if isinstance(wanted, slice) or np.ndim(wanted):
        raise NgffError(
            f"{name}={wanted!r}: a picture lies at one position of the axis {name!r}; give a "
            "number, or use ngffkit.montage for several"
        )
    # without a coordinate, positions are pixel numbers
    known = da.indexes.get(name, pd.RangeIndex(da.sizes[name]))
    try:
        if known.dtype.kind not in "fiu":
            exact = known.dtype.kind in "OUS"
            found = known.get_indexer([wanted], method=None if exact else "nearest")[0]
        else:
            values, goal = known.to_numpy().astype(np.float64), float(wanted)
            found = int(np.argmin(np.abs(values - goal)))
            step = float(np.max(np.abs(np.diff(values)))) if len(values) > 1 else np.inf
            if not abs(values[found] - goal) <= step:
                found = -1
    except (TypeError, ValueError) as err:
        raise NgffError(f"{name}={wanted!r} is no position on the axis {name!r}: {err}") from None
    if found < 0:
        raise NgffError(
            f"{name}={wanted!r} lies outside the image, whose axis {name!r} runs from "
            f"{known[0]} to {known[-1]}; choose a position in between"
        )
    return int(found)


def named_channels(da: xr.DataArray) -> tuple[Channel, ...]:
    """Return the channels of an array under the names they have there, which all differ."""
    channels = resolve.channels_of(da)
    coord = da.coords.get(resolve.channel_dim(da) or "")
    names = [] if coord is None else [str(value) for value in np.atleast_1d(coord.values)]
    if len(names) != len(channels):
        return channels
    return tuple(replace(c, label=name) for c, name in zip(channels, names, strict=True))


def choose_channels(
    da: xr.DataArray, wanted: Sequence[str | int] | str | int | None
) -> tuple[list[int], int]:
    """Return the positions of the channels to draw, and how many were left out unasked.

    Left out unasked is what the image's own settings hide (``active: false``) and what goes beyond
    the number of colours that can be told apart.
    """
    channels = named_channels(da)
    if wanted is None:
        shown = [i for i, channel in enumerate(channels) if channel.active]
        shown = (shown or list(range(len(channels))))[:MAX_CHANNELS]
        return shown, len(channels) - len(shown)
    names = [channel.label for channel in channels]
    out = []
    for want in [wanted] if isinstance(wanted, (str, int, np.integer)) else wanted:
        if isinstance(want, (int, np.integer)) and -len(names) <= want < len(names):
            out.append(int(want) % len(names))
        elif isinstance(want, str) and want in names:
            out.append(names.index(want))
        else:
            listed = ", ".join(f"{i}: {name!r}" for i, name in enumerate(names)) or "none"
            raise NgffError(f"there is no channel {want!r}; the channels are {listed}")
    if not out:
        raise NgffError("channels is empty; name at least one channel, or leave it out for all")
    return out, 0


def read(source: Source, level: int, request: Request) -> Plane:
    """Read the pixels of a picture, and no others.

    Parameters
    ----------
    source : Source
        The image.
    level : int
        Which of its levels.
    request : Request
        From `settle`, so that every axis has its position.
    """
    da = crop(source.load(level), request)
    axes, channel = axes_of(da), resolve.channel_dim(da)
    chosen: dict[str, Any] = {
        name: position(da, name, request.where[name])
        for name in axes
        if name not in request.plane and name != channel
    }
    channels, hidden = named_channels(da), 0
    if channel is not None and channel in da.dims:
        chosen[channel], hidden = choose_channels(da, request.channels)
        channels = tuple(channels[i] for i in chosen[channel])
    horizontal, vertical = request.plane
    plane = da.isel(chosen).transpose(..., vertical, horizontal)
    values = np.asarray(plane.values)
    if values.ndim == 2:
        values = values[np.newaxis]
    grid = resolve.grid_of(plane.isel({channel: 0}) if channel in plane.dims else plane)
    return Plane(
        values,
        plane,
        grid,
        channels[: len(values)] or (Channel(""),),
        hidden,
        _places(da, chosen, request.plane),
        source.mag(level, plane),
    )


def _places(
    da: xr.DataArray, chosen: Mapping[str, Any], plane: Sequence[str]
) -> tuple[tuple[Axis, Any], ...]:
    """Say where a plane lies on the axes that aren't drawn, if there was a choice.

    That is now, or before it was made: what is left of ``ds.sel(z=3)`` still lies at z = 3.
    """
    image, channel = resolve.image_of(da), resolve.channel_dim(da)
    base = () if image is None else zip(image.base.axes, image.base.shape, strict=True)
    known = {axis.name: (axis, size) for axis, size in base}
    out = []
    for name in dict.fromkeys([*known, *map(str, da.dims), *map(str, da.coords)]):
        if name == channel or name in plane:
            continue
        axis, size = known.get(name, (Axis(name), 1))
        coord = da.coords.get(name)
        if name in da.dims and da.sizes[name] > 1:
            here = chosen[name] if coord is None else coord.to_numpy()[chosen[name]]
        elif name not in da.dims and size > 1 and coord is not None and coord.ndim == 0:
            here = coord.to_numpy()[()]
        else:
            continue
        unit = None if coord is None else coord.attrs.get("units")
        out.append((Axis(name, axis.type, unit or axis.unit), here))
    return tuple(out)
