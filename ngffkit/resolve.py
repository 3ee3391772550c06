"""From any xarray object to what is known of it: its grid, its channels, where it came from.

Coordinates come first, since they follow every operation; what was opened fills in what
coordinates can't hold (colours, mags, labels).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image
from ngffkit.index import AxisIndex, channel_names, spacing
from ngffkit.opened import Opened, Origin

Obj = xr.DataTree | xr.Dataset | xr.DataArray

#: What an axis is, when nobody says so, by its usual name.
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}

#: Variables that ngffkit makes, in the order they are looked for.
_VARIABLES = ("image", "labels")


def origin_of(obj: Obj) -> Origin | None:
    """Return where an object came from, None when it wasn't opened by ngffkit."""
    candidates = [obj.attrs.get("ngff_source")]
    if isinstance(obj, xr.Dataset):
        candidates += [var.attrs.get("ngff_source") for var in obj.data_vars.values()]
    if not isinstance(obj, xr.DataTree):
        # some operations drop attributes, none of them drops all indexes
        candidates += [getattr(index, "source", None) for index in obj.xindexes.values()]
    for value in candidates:
        if isinstance(value, Origin) and value.opened is not None:
            return value
        if isinstance(value, str) and value:
            # what a file or another process kept of it is the address alone
            return _reopened(value)
    return None


def _reopened(address: str) -> Origin | None:
    from ngffkit import api
    from ngffkit.discover.walk import Wanted

    try:
        return Origin(address, api.find(address, Wanted()))
    except NgffError:
        return None


def opened_of(obj: Obj) -> Opened | None:
    """Return the opened image behind an object, None when there is none."""
    origin = origin_of(obj)
    return None if origin is None else origin.opened


def image_of(obj: Obj) -> Image | None:
    """Return the image behind an object, None when there is none."""
    opened = opened_of(obj)
    return None if opened is None else opened.node.image


def array_of(obj: Obj, *, mag: object = None) -> xr.DataArray:
    """Return the image's pixels as a DataArray.

    Parameters
    ----------
    obj : DataTree, Dataset or DataArray
        A tree gives its only image, at `mag` or the finest.
    mag : optional
        For trees.

    Raises
    ------
    NgffError
        When there is none, or more than one; the message lists them.
    """
    if isinstance(obj, xr.DataArray):
        return obj
    if isinstance(obj, xr.DataTree):
        if obj.ds.data_vars:
            return array_of(obj.to_dataset())
        return array_of(node_at(obj, mag))
    for name in _VARIABLES:
        if name in obj.data_vars:
            return obj[name]
    candidates = [name for name, var in obj.data_vars.items() if var.ndim >= 2]
    if len(candidates) == 1:
        return obj[candidates[0]]
    raise NgffError(
        f"this Dataset has {len(candidates)} variables that could be the image "
        f"({', '.join(map(str, candidates)) or 'none'}); choose one, e.g. ds['name'].ngff"
    )


def node_at(tree: xr.DataTree, mag: object = None) -> xr.Dataset:
    """Return one mag of the only image of a tree."""
    node = only_image(tree)
    levels = {name: child for name, child in node.children.items() if child.ds.data_vars}
    if not levels:
        raise NgffError(f"there is no image at {node.path!r}")
    if mag is None:
        return next(iter(levels.values())).to_dataset()
    image = image_of(node)
    try:
        name = image.mags[image.level_of(mag)] if image is not None else str(mag)
        return levels[name].to_dataset()
    except KeyError:
        raise NgffError(f"no mag {mag!r}; this image has {', '.join(levels)}") from None


def only_image(tree: xr.DataTree) -> xr.DataTree:
    """Return the node of the only image in a tree."""
    if any(child.ds.data_vars for child in tree.children.values()):
        return tree
    found = [
        node
        for node in tree.subtree
        if any(child.ds.data_vars for child in node.children.values())
        and "labels" not in node.path.removeprefix(tree.path).split("/")
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        opened = opened_of(tree)
        plate = None if opened is None else opened.node.plate
        if plate is not None and plate.wells:
            well = plate.wells[0].path
            raise NgffError(f"a plate is no image; choose a well, e.g. dt.ngff.well({well!r})")
        raise NgffError("there is no image in this tree")
    names = [node.path.removeprefix(tree.path).strip("/") for node in found]
    shown = ", ".join(repr(name) for name in names[:20])
    raise NgffError(
        f"this tree has {len(found)} images ({shown}); choose one, e.g. dt[{shown[:40]}]"
    )


def grid_of(da: xr.DataArray) -> Grid:
    """Derive the grid of an array from its coordinates.

    A crop, a stride or a single pixel left over is right, since the index knows its step; a
    dimension whose coordinate was dropped counts pixels.

    Raises
    ------
    NgffError
        When a coordinate is not evenly spaced or runs backwards.
    """
    image = image_of(da)
    known = {} if image is None else {axis.name: axis for axis in image.base.axes}
    axes, scale, origin = [], [], []
    for name in map(str, da.dims):
        axis = known.get(name, Axis(name, _TYPES.get(name)))
        coord = da.coords.get(name)
        if coord is not None and coord.attrs.get("units"):
            axis = Axis(axis.name, axis.type, str(coord.attrs["units"]), axis.extra)
        step, first = (1.0, 0.0)
        if coord is not None and not axis.is_channel and coord.dtype.kind in "fiu":
            step, first = _step(da, name, image), float(coord.values[0]) if coord.size else 0.0
        axes.append(axis)
        scale.append(step)
        origin.append(first)
    return Grid(tuple(axes), tuple(da.shape), tuple(scale), tuple(origin))


def _step(da: xr.DataArray, name: str, image: Image | None) -> float:
    index = da.xindexes.get(name)
    values = da.coords[name].values
    kept = index.step if isinstance(index, AxisIndex) else None
    step = spacing(values, kept)
    if step is None and len(values) < 2:
        step = image.base.scale[image.base.axis(name)] if image and name in image.base.dims else 1.0
    if step is None or step <= 0:
        raise NgffError(
            f"coordinate {name!r} is not evenly spaced and rising, so it has no pixel size; "
            f"sort it, or replace it by da.assign_coords({name}=...)"
        )
    return step


def channels_of(da: xr.DataArray) -> tuple[Channel, ...]:
    """Return the channels an array has left, with the colours and windows of its image."""
    name = channel_dim(da)
    image = image_of(da)
    if name is None:
        return image.channels[:1] if image and len(image.channels) == 1 else ()
    coord = da.coords.get(name)
    channels = image.channels if image else ()
    if coord is None:
        size = da.sizes.get(name, 1)
        return channels if len(channels) == size else tuple(Channel(str(i)) for i in range(size))
    # the names that the coordinate was given, which all differ
    names = channel_names([channel.label for channel in channels], len(channels))
    known = dict(zip(map(str, names), channels, strict=True))
    return tuple(known.get(str(v)) or Channel(str(v)) for v in np.atleast_1d(coord.values))


def channel_dim(da: xr.DataArray) -> str | None:
    """Return the name of the channel dimension or of what is left of it, None without one."""
    image = image_of(da)
    if image is not None:
        named = [axis.name for axis in image.base.axes if axis.is_channel]
        if named and (named[0] in da.dims or named[0] in da.coords):
            return named[0]
    return "c" if "c" in da.dims or "c" in da.coords else None


def factors_of(da: xr.DataArray) -> Mapping[str, float]:
    """Return how many pixels of mag 1 one pixel spans, by spatial axis."""
    grid, image = grid_of(da), image_of(da)
    if image is None:
        return dict.fromkeys(grid.space, 1.0)
    factors = image.factors(grid)
    return {name: factors[name] for name in grid.space if name in factors}


def is_label(da: Any) -> bool:
    """Tell whether pixels are ids rather than measurements."""
    image = image_of(da)
    if image is not None:
        return image.kind == "label"
    return bool(da.name == "labels")
