"""What users give, bare arrays included, as xarray has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ngffkit import api, resolve
from ngffkit.errors import NgffError
from ngffkit.opened import Opened

#: Dimensions of a bare array, by how many there are.
_DIMS = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}


def held(obj: Any, *, labels: Any) -> Any:
    """Return what xarray holds, or the opened image, of anything that can be shown."""
    if isinstance(obj, xr.DataArray):
        return _unnamed(obj)
    if isinstance(obj, (xr.DataTree, xr.Dataset, Opened)):
        return obj
    # arrays of zarr have a shape, too, but `open` finds their axes
    if (
        type(obj).__module__.split(".")[0] != "zarr"
        and hasattr(obj, "shape")
        and hasattr(obj, "dtype")
        and hasattr(obj, "__array__")
    ):
        return _bare(obj)
    if isinstance(obj, (list, tuple)):
        try:
            return _bare(np.asarray(obj))
        except ValueError:
            raise NgffError(
                "these lists are no array, because some are longer than others; make them alike, "
                "or give an array"
            ) from None
    return api.open(obj, labels=labels is not None and labels is not False)


def _bare(array: Any) -> xr.DataArray:
    """Name the axes of an array that has nothing but pixels."""
    shape = tuple(array.shape)
    if len(shape) == 3 and shape[2] == 3 and min(shape[:2]) > 8 and array.dtype == np.uint8:
        made = xr.DataArray(array, dims=tuple("yxc"), coords={"c": ["red", "green", "blue"]})
        return _unnamed(made)
    dims: Sequence[str] = _DIMS.get(len(shape), "")
    if len(shape) == 4 and shape[0] <= 8:
        dims = "czyx"
    names = tuple(dims) or tuple(f"dim_{i}" for i in range(len(shape)))
    return _unnamed(xr.DataArray(array, dims=names))


def _unnamed(da: xr.DataArray) -> xr.DataArray:
    """Take off the name that xarray takes over from dask: a hash, which is no name of an image."""
    return da.rename(None) if da.chunks is not None and da.name == da.data.name else da


def labelled(part: Any, finest: xr.DataArray) -> Any:
    """Name the axes of bare arrays of labels as those of the image are."""
    if isinstance(part, (str, xr.DataArray, xr.Dataset, xr.DataTree)):
        return part
    if not hasattr(part, "shape") or not hasattr(part, "dtype"):
        raise NgffError(f"labels={part!r:.80}: give their names, or arrays")
    dims = [dim for dim in finest.dims if dim != resolve.channel_dim(finest)]
    if len(part.shape) > len(dims):
        raise NgffError(
            f"the labels have {len(part.shape)} axes, the image has {len(dims)} besides channels; "
            "give them as a DataArray with named dimensions"
        )
    return xr.DataArray(part, dims=dims[len(dims) - len(part.shape) :], name="labels")
