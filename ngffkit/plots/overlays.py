"""Label images over a picture: which are meant, and the part of them that lies on its plane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ngffkit import api, resolve
from ngffkit.errors import NgffError
from ngffkit.image import LabelInfo
from ngffkit.plots import planes
from ngffkit.plots.levels import Source
from ngffkit.plots.planes import Extent, Plane


@dataclass(frozen=True, slots=True)
class Labels:
    """A plane of labels over a picture.

    Parameters
    ----------
    ids : ndarray, shape (v, h)
        One id per pixel, 0 where there is nothing.
    extent : (float, float, float, float)
        Left, right, bottom and top edge; not that of the picture below, in general.
    info : LabelInfo
        Colours that were chosen for some ids.
    """

    ids: npt.NDArray[Any]
    extent: Extent
    info: LabelInfo


def overlays_of(obj: Any, finest: xr.DataArray, labels: Any) -> tuple[Source, ...]:
    """Find the label images that are meant by `labels`.

    Raises
    ------
    NgffError
        When there is no such label image; the message lists those there are.
    """
    if labels is None or labels is False:
        return ()
    if isinstance(labels, (xr.DataArray, xr.Dataset, xr.DataTree)):
        return (_aligned(labels, finest),)
    known = _named_labels(obj)
    if labels is True:
        if not known:
            raise NgffError("labels=True: this image has no label images; leave labels out")
        wanted: list[Any] = list(known)
    else:
        wanted = [labels] if isinstance(labels, str) else list(labels)
    out = []
    for want in wanted:
        if isinstance(want, (xr.DataArray, xr.Dataset, xr.DataTree)):
            out.append(_aligned(want, finest))
        elif want in known:
            out.append(Source.of(known[want]))
        else:
            raise NgffError(
                f"there are no labels {want!r}; this image has "
                f"{', '.join(map(repr, known)) or 'none'}"
            )
    return tuple(out)


def _named_labels(obj: Any) -> dict[str, Any]:
    if isinstance(obj, xr.DataTree) and not obj.ds.data_vars:
        holder = resolve.only_image(obj).children.get("labels")
        if holder is not None:
            return {
                node.path.removeprefix(holder.path).strip("/"): node
                for node in holder.subtree
                if any(child.ds.data_vars for child in node.children.values())
            }
    array = obj if isinstance(obj, xr.DataTree) else resolve.array_of(obj)
    opened = resolve.opened_of(array)
    return {} if opened is None else dict(api.labels_of(opened))


def _aligned(labels: Any, finest: xr.DataArray) -> Source:
    """Take labels that were handed over; without coordinates they lie as the image does."""
    source = Source.of(labels)
    if source.image is not None:
        return source
    array = source.finest
    for name in map(str, array.dims):
        if name in array.coords or name not in finest.coords:
            continue
        if array.sizes[name] != finest.sizes.get(name):
            raise NgffError(
                f"the labels have no coordinate {name!r} and {array.sizes[name]} pixels along it, "
                f"the image has {finest.sizes.get(name, 'none')}; give them coordinates, e.g. "
                f"labels.assign_coords({name}=...)"
            )
        array = array.assign_coords({name: finest[name]})
    return Source(lambda _: array)


def read_labels(source: Source, plane: Plane, size: Mapping[str, float]) -> Labels | None:
    """Read the labels that lie on a plane, and no others.

    Parameters
    ----------
    source : Source
        The label image; it may have other mags, another extent and fewer axes.
    plane : Plane
        The picture below.
    size : Mapping of str to float
        How large the figure's pixels are, by axis.

    Returns
    -------
    Labels or None
        None when the labels don't reach this plane.
    """
    da = source.load(source.level_for(size))
    vertical, horizontal = (axis.name for axis in plane.axes)
    absent = [name for name in (horizontal, vertical) if name not in da.dims]
    if absent:
        raise NgffError(
            f"the labels have no axis {absent[0]!r}; they have {', '.join(map(str, da.dims))}"
        )
    channel = resolve.channel_dim(da)
    chosen: dict[str, Any] = {}
    for name in map(str, da.dims):
        if name in (horizontal, vertical):
            chosen[name] = _overlap(da, name, plane)
            if chosen[name].stop <= chosen[name].start:
                return None
        elif name == channel or name not in plane.array.coords:
            chosen[name] = 0
        else:
            try:
                here = plane.array.coords[name].values[()]
                chosen[name] = planes.position(da, name, here)
            except NgffError:
                return None  # they end before this plane
    cut = da.isel(chosen).transpose(vertical, horizontal)
    image = resolve.image_of(da)
    info = image.label if image is not None and image.label is not None else LabelInfo()
    return Labels(np.asarray(cut.values), planes.extent_of(resolve.grid_of(cut)), info)


def _overlap(da: xr.DataArray, name: str, plane: Plane) -> slice:
    """Return the pixels of an axis that are seen within the edges of a plane, if only in part."""
    grid = resolve.grid_of(da.isel({dim: 0 for dim in da.dims if dim != name}))
    here = plane.grid.axis(name)
    low = plane.grid.origin[here] - plane.grid.scale[here] / 2
    high = low + plane.grid.shape[here] * plane.grid.scale[here]
    first = (low - grid.origin[0]) / grid.scale[0] + 0.5
    last = (high - grid.origin[0]) / grid.scale[0] + 0.5
    # edges that coincide but for rounding don't count as seen
    start, stop = math.floor(first + 1e-6), math.ceil(last - 1e-6)
    return slice(min(max(0, start), grid.shape[0]), min(max(0, stop), grid.shape[0]))
