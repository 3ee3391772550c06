"""From pixels at one mag to the same place at another: mags, regions, labels, wells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ngffkit import mag as _mag
from ngffkit import resolve
from ngffkit.errors import NgffError
from ngffkit.image import Image
from ngffkit.opened import Opened
from ngffkit.stores.substore import below


def mag_of(da: xr.DataArray) -> str:
    """Return the mag of an array: how many pixels of mag 1 one of its pixels spans."""
    image = resolve.image_of(da)
    factors = resolve.factors_of(da)
    if image is None or not factors:
        return "1"
    level = level_of(da, image)
    known = image.factors(image.levels[level].grid)
    if all(math.isclose(known[name], factors[name], rel_tol=1e-6) for name in factors):
        return image.mags[level]
    return _mag.spell(factors)


def level_of(da: xr.DataArray, image: Image) -> int:
    """Return the level that an array's pixels were read from: the one nearest in pixel size.

    Pixels that were strided lie between levels; they come from the finer one.
    """
    grid = resolve.grid_of(da)
    names = [name for name in grid.space if name in image.base.dims]
    if not names:
        return 0
    best = 0
    for i, level in enumerate(image.levels):
        here = level.grid
        if all(here.scale[here.axis(n)] <= grid.scale[grid.axis(n)] * (1 + 1e-6) for n in names):
            best = i
    return best


def at(region: xr.DataArray | None, opened: Opened, mag: object) -> xr.Dataset:
    """Return one mag of an image, cut to the region of `region`."""
    try:
        level = opened.image.level_of(mag)
    except KeyError as err:
        raise NgffError(f"{opened.url}: {err.args[0]}") from None
    made = opened.dataset(level)
    return made if region is None else same_region(made, region)


def same_region(target: xr.Dataset, region: xr.DataArray) -> xr.Dataset:
    """Cut a Dataset to the extent of an array of another pixel size.

    A pixel belongs to the region when its centre lies in the extent of the region's pixels; where
    none does, the nearest one stands for them.
    """
    grid = resolve.grid_of(region)
    for name in map(str, target.dims):
        coord = region.coords.get(name)
        if coord is None:
            continue
        if coord.dtype.kind not in "fiu" or target[name].dtype.kind not in "fiu":
            target = _same_names(target, name, coord)
        elif coord.ndim == 0:
            target = target.sel({name: float(coord)}, method="nearest")
        elif coord.size:
            half = grid.scale[grid.axis(name)] / 2
            low, high = float(coord.values[0]) - half, float(coord.values[-1]) + half
            cut = target.sel({name: slice(low, high)})
            if not cut.sizes[name]:
                middle = target.indexes[name].get_indexer([(low + high) / 2], method="nearest")
                cut = target.isel({name: slice(middle[0], middle[0] + 1)})
            target = cut
    return target


def _same_names(target: xr.Dataset, name: str, coord: xr.DataArray) -> xr.Dataset:
    known = target.indexes[name]
    wanted = np.atleast_1d(coord.values)
    if not all(value in known for value in wanted):
        return target
    return target.sel({name: wanted if coord.ndim else coord.values.item()})


def labels_for(region: xr.DataArray | None, labels: Mapping[str, Opened]) -> dict[str, xr.Dataset]:
    """Return label images at the mag that suits a region, cut to it."""
    if region is None:
        return {name: opened.dataset(0) for name, opened in labels.items()}
    grid = resolve.grid_of(region)
    size = {name: grid.scale[grid.axis(name)] for name in grid.space}
    return {
        name: same_region(opened.dataset(opened.image.level_for(size)), region)
        for name, opened in labels.items()
    }


def open_well(opened: Opened, name: str, **kwargs: Any) -> xr.DataTree:
    """Open one well of a plate as a tree of its own."""
    from ngffkit import api
    from ngffkit.discover.walk import well_path

    plate = opened.node.plate
    if plate is None:
        raise NgffError(f"{opened.url} is no plate")
    path = well_path(name, [well.path for well in plate.wells])
    inside = f"{opened.node.path}/{path}" if opened.node.path else path
    return api.open(below(opened.store, inside), missing=opened.missing, **kwargs)
