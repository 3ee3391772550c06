"""From what xarray holds to pixels that can be served: levels of an image, cutouts, dask arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from ngffkit import api, regions, resolve
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.index import axis_coords
from ngffkit.lazy import LazyArray
from ngffkit.opened import Opened
from ngffkit.serving.live import Given
from ngffkit.sources.contract import Source
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.ordering import Adjusted

#: Pixel centres this near, in pixels, are at the same place.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Found:
    """What an object holds, before it is decided how it is served.

    Parameters
    ----------
    levels : tuple of Given
        The image's levels, finest first.
    labels : Mapping of str to tuple of Given
        Those of its label images, by name.
    stored : Opened, optional
        The image in its store, when this is all of it and nothing else.
    """

    levels: tuple[Given, ...]
    labels: Mapping[str, tuple[Given, ...]] = field(default_factory=dict)
    stored: Opened | None = None


def found_in(
    obj: xr.DataTree | xr.Dataset | xr.DataArray, *, labels: bool, axes: str | None = None
) -> Found:
    """Find the levels of an image, and its labels, in what xarray holds.

    Parameters
    ----------
    obj : DataTree, Dataset or DataArray
        A tree with a node per level, as `ngffkit.open` makes it or made by hand. A Dataset or
        DataArray that is a box of an opened image, not computed yet, is shown at that image's mags
        from its own on; anything else is one level.
    labels : bool
        Whether labels are looked for: in the tree, a variable ``labels`` beside the image, and
        those of the image that it comes from, cut to the same region.
    axes : str, optional
        What its dimensions are, where their names don't say.
    """
    if isinstance(obj, xr.DataTree) and not obj.ds.data_vars:
        return _of_tree(resolve.only_image(obj), labels=labels)
    if isinstance(obj, xr.DataTree):
        obj = obj.to_dataset()
    da = resolve.array_of(obj)
    cutout = cutout_of(da)
    stored = cutout.opened if cutout is not None and cutout.whole else None
    levels = (given_of(da, axes=axes),) if cutout is None else cutout.levels(da)
    beside: dict[str, tuple[Given, ...]] = {}
    if labels and isinstance(obj, xr.Dataset) and da.name != "labels" and "labels" in obj:
        beside, stored = {"labels": (given_of(obj["labels"], kind="label"),)}, None
    elif labels and not resolve.is_label(da):
        beside = _labels_around(da)
    return Found(levels, beside, stored)


def given_of(da: xr.DataArray, **said: Any) -> Given:
    """Return an array as pixels that can be served.

    Parameters
    ----------
    da : DataArray
        Of any order of axes, y and x among them.
    **said
        As `ngffkit.sources.options.ReadOptions` takes it: ``kind``, ``name``, ``axes``.
    """
    if da.chunks is not None and da.name == da.data.name:
        da = da.rename(None)  # dask's name of it, a hash
    source = open_source(da, ReadOptions(**said))
    opened = resolve.opened_of(da)
    if opened is not None and opened.node.image is not None:
        source = _without_windows(source, opened)
    if da.chunks is None:
        return Given(source)
    # the chunks are in the order of the array
    order: Sequence[int] = range(da.ndim)
    inner: Any = source
    while isinstance(inner, Adjusted):
        order = [inner.order[i] for i in order]
        inner = inner.source
    edges = [tuple(accumulate(sizes, initial=0)) for sizes in da.chunks]
    return Given(source, tuple(edges[i] for i in order))


def _without_windows(source: Source, opened: Opened) -> Source:
    """Drop windows that were chosen for pixels of another type than what was computed of them."""
    info = source.info
    known = next((spec for spec in opened.node.specs if spec is not None), None)
    if known is None or known.layout.dtype == info.dtype:
        return source
    channels = tuple(replace(channel, window=None) for channel in info.channels)
    order, starts = tuple(range(len(info.grid.shape))), (0,) * len(info.grid.shape)
    return Adjusted(source, replace(info, channels=channels), order, starts)


def opened_levels(opened: Opened) -> tuple[Given, ...]:
    """Return the levels of an image in a store, whatever its version."""
    return tuple(
        Given(open_source(opened, ReadOptions(mag=mag, labels=False))) for mag in opened.image.mags
    )


# --- cutouts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cutout:
    """The image that an array is a box of, and the level it is from.

    Parameters
    ----------
    opened : Opened
        The image.
    level : int
        Position of the level.
    whole : bool
        Whether the box is all of the finest level.
    """

    opened: Opened
    level: int
    whole: bool

    def levels(self, da: xr.DataArray) -> tuple[Given, ...]:
        """Return the same region at the mags from its own on."""
        mags = self.opened.image.mags[self.level + 1 :]
        coarser = [resolve.array_of(regions.at(da, self.opened, mag)) for mag in mags]
        # what a small box leaves of a coarse mag may be one pixel in size for several of them
        kept = [part for part in coarser if part.dims == da.dims]
        return (given_of(da), *map(given_of, kept))


def cutout_of(da: xr.DataArray) -> Cutout | None:
    """Find the image that an array is a box of, not computed yet; None when it is something else.

    Strides, lists of positions, another order of axes and coordinates that were moved count as
    something else.
    """
    data: Any = da.variable._data  # noqa: SLF001 - xarray has no public way to ask what is lazy
    while isinstance(data, (indexing.MemoryCachedArray, indexing.CopyOnWriteArray)):
        data = data.array
    lazy = isinstance(data, indexing.LazilyIndexedArray) and isinstance(data.array, LazyArray)
    opened = resolve.opened_of(da) if lazy else None
    if opened is None or opened.node.image is None:
        return None
    reader, image = data.array.reader, opened.image
    paths = [join(opened.node.path, level.path) for level in image.levels]
    if reader.store is not opened.store or reader.path not in paths:
        return None
    level = paths.index(reader.path)
    grid = image.levels[level].grid
    cuts: dict[str, slice] = {}
    for name, part, size in zip(grid.dims, data.key.tuple, data.array.shape, strict=True):
        if isinstance(part, slice):
            cuts[name] = slice(*part.indices(size))
        elif isinstance(part, np.ndarray):
            return None
    if list(cuts) != list(map(str, da.dims)) or any(cut.step != 1 for cut in cuts.values()):
        return None
    starts = opened.node.crops[level] if opened.node.crops else {}
    first = {
        name: cut.start - (starts[name].start or 0 if name in starts else 0)
        for name, cut in cuts.items()
    }
    if not _is_there(da, grid, first):
        return None
    whole = level == 0 and len(cuts) == len(grid.dims) and da.shape == grid.shape
    return Cutout(opened, level, whole)


def _is_there(da: xr.DataArray, grid: Grid, first: Mapping[str, int]) -> bool:
    """Tell whether an array lies where its pixels were cut out."""
    try:
        own = resolve.grid_of(da)
    except NgffError:
        return False
    for axis, scale, origin in zip(own.axes, own.scale, own.origin, strict=True):
        if axis.is_channel:
            continue
        i = grid.axis(axis.name)
        expected = grid.origin[i] + first[axis.name] * grid.scale[i]
        if axis.name not in da.coords or not math.isclose(scale, grid.scale[i], rel_tol=1e-6):
            return False
        if abs(origin - expected) > _SAME * grid.scale[i]:
            return False
    return True


# --- trees ---------------------------------------------------------------------------------------


def _of_tree(node: xr.DataTree, *, labels: bool) -> Found:
    levels, opened = _levels_of(node)
    beside: dict[str, tuple[Given, ...]] = {}
    untouched = opened is not None
    holder = node.children.get("labels")
    if labels and holder is not None:
        for name, child in holder.children.items():
            beside[name], own = _levels_of(child, kind="label")
            untouched = untouched and own is not None
    if untouched and opened is not None and labels:
        untouched = set(beside) == set(api.labels_of(opened))
    return Found(levels, beside, opened if untouched else None)


def _levels_of(node: xr.DataTree, **said: Any) -> tuple[tuple[Given, ...], Opened | None]:
    """Return the levels of a node, finest first, and the image if they are all of it, as it is."""
    arrays = [
        resolve.array_of(child.to_dataset())
        for name, child in node.children.items()
        if child.ds.data_vars and name != "labels"
    ]
    if not arrays:
        raise NgffError(f"there is no image at {node.path!r}")
    cutouts = [cutout_of(da) for da in arrays]
    known = [cut for cut in cutouts if cut is not None]
    opened = known[0].opened if known else None
    same = [c.level for c in known if c.opened is opened] if opened is not None else []
    all_there = opened is not None and same == list(range(len(opened.image.levels)))
    whole = all_there and all(
        da.shape == level.grid.shape
        for da, level in zip(arrays, opened.image.levels if opened else (), strict=False)
    )
    given = sorted(
        (given_of(da, **said) for da in arrays),
        key=lambda part: math.prod(part.source.info.grid.scale),
    )
    return tuple(given), opened if whole else None


# --- labels --------------------------------------------------------------------------------------


def _labels_around(da: xr.DataArray) -> dict[str, tuple[Given, ...]]:
    """Return the label images of the image that an array comes from, cut to its region."""
    opened = resolve.opened_of(da)
    if opened is None or opened.node.image is None:
        return {}
    out = {}
    for name, label in api.labels_of(opened).items():
        mags = _mags_from(label.image, resolve.grid_of(da))
        arrays = [resolve.array_of(regions.at(da, label, mag)) for mag in mags]
        out[name] = tuple(given_of(part) for part in arrays)
    return out


def _mags_from(image: Image, grid: Grid) -> tuple[str, ...]:
    """Return the mags of an image from that on whose pixels are as large as those of a grid."""
    size = {name: grid.scale[grid.axis(name)] for name in grid.space}
    return image.mags[image.level_for(size) :]


def label_of(label: Any, name: str, grid: Grid) -> Given:
    """Return what was given as labels; bare arrays lie where the image does.

    Raises
    ------
    NgffError
        When a bare array is not as large as the image, or the pixels are no ids.
    """
    if isinstance(label, (xr.DataArray, xr.Dataset, xr.DataTree)):
        return given_of(resolve.array_of(label), kind="label", name=name)
    if not hasattr(label, "shape") or not hasattr(label, "dtype"):
        return Given(open_source(label, ReadOptions(kind="label", name=name, labels=False)))
    axes = [i for i, axis in enumerate(grid.axes) if not axis.is_channel]
    axes = axes[len(axes) - len(label.shape) :]
    shape = tuple(grid.shape[i] for i in axes)
    if tuple(label.shape) != shape:
        raise NgffError(
            f"the labels {name!r} have the shape {tuple(label.shape)}, the image {shape}; give "
            "them as a DataArray with coordinates if they lie elsewhere"
        )
    own = Grid(
        tuple(grid.axes[i] for i in axes),
        shape,
        tuple(grid.scale[i] for i in axes),
        tuple(grid.origin[i] for i in axes),
    )
    made = xr.DataArray(label, axis_coords(own), own.dims, name="labels")
    return given_of(made, kind="label", name=name)
