"""The axes of arrays that are shown: where their pixels lie, and what image they are part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ngffkit import resolve
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError
from ngffkit.grid import Axis
from ngffkit.opened import Opened
from ngffkit.plots.scalebar import parse_unit
from ngffkit.widgets.pixels import Array, check_readable, stored_key

#: Axes with more uneven positions than this show pixel numbers: the page holds them as texts.
_MAX_TEXTS = 100_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One axis of an array.

    Parameters
    ----------
    axis : Axis
        Name, type and unit.
    size : int
        Its pixels.
    scale, origin : float
        Distance of pixel centres and position of the first; 1 and 0 where they are uneven.
    values : tuple of str, optional
        The positions, where they are no even, rising numbers.
    index : pandas.Index, optional
        The coordinates, where there are any.
    """

    axis: Axis
    size: int
    scale: float
    origin: float
    values: tuple[str, ...] | None
    index: pd.Index | None

    @property
    def symbol(self) -> str:
        """The unit as it is shown."""
        return parse_unit(self.axis.unit).symbol


def check_axes(da: xr.DataArray) -> None:
    """Raise when an array can't be shown, for the sake of its axes or their order."""
    for dim, size in da.sizes.items():
        if not isinstance(dim, str):
            raise NgffError(f"the dimension {dim!r} is no text; da.rename({{{dim!r}: 'y'}}) helps")
        # dask has NaN for what it would have to compute
        if size != size:  # noqa: PLR0124
            raise NgffError(
                f"nobody knows how many pixels the axis {dim!r} has; compute_chunk_sizes() of the "
                "dask array finds out"
            )
        if not size:
            raise NgffError(f"there is nothing to show: the axis {dim!r} has no pixels")
    check_readable(da)


def measure(da: xr.DataArray, name: str) -> Measured:
    """Measure one axis of an array."""
    index, size = da.indexes.get(name), int(da.sizes[name])
    line = da.isel({dim: 0 for dim in da.dims if dim != name})
    values: tuple[str, ...] | None = None
    try:
        grid = resolve.grid_of(line)
    except (NgffError, ValueError):
        grid, values = resolve.grid_of(line.drop_vars(name)), ()
    numeric = index is None or index.dtype.kind in "fiu"
    if values is not None or not numeric:
        values = _texts(index)
    return Measured(grid.axes[0], size, grid.scale[0], grid.origin[0], values, index)


def _texts(index: pd.Index | None) -> tuple[str, ...] | None:
    if index is None or len(index) > _MAX_TEXTS:
        return None
    if index.dtype.kind == "f":
        return tuple(f"{value:.6g}" for value in index)
    return tuple(map(str, index.astype(str))) if index.nlevels == 1 else tuple(map(str, index))


def measured_axes(da: xr.DataArray, channel: str | None) -> dict[str, Measured]:
    """Measure all axes of an array but that of its channels."""
    return {str(dim): measure(da, str(dim)) for dim in da.dims if dim != channel}


def clean(value: float, tolerance: float) -> float:
    """Take off the rounding of a number that is a multiple of an eighth, as those of pyramids are.

    Which pixel lies under a voxel is decided halfway between pixels, where the last digit counts.

    Examples
    --------
    >>> clean(3.0000000000000004, 1e-9), clean(0.3333, 1e-9)
    (3.0, 0.3333)
    """
    near = round(value * 8) / 8
    return near if abs(value - near) <= tolerance * max(1.0, abs(near)) else value


def whole_image(da: xr.DataArray) -> tuple[Opened, int] | None:
    """Find the image that an array is a cutout of, not computed yet, and the level it is from.

    Returns
    -------
    (Opened, int) or None
        None when it was computed, strided or reordered, or lies elsewhere than the file says.
    """
    found, opened = stored_key(da), resolve.opened_of(da)
    if found is None or opened is None or opened.node.image is None:
        return None
    reader, image = found[0].reader, opened.image
    if reader.store is not opened.store:
        return None
    paths = [join(opened.node.path, level.path) for level in image.levels]
    if reader.path not in paths:
        return None
    level = paths.index(reader.path)
    grid = image.levels[level].grid
    kept = [name for name, k in zip(grid.dims, found[1], strict=True) if not isinstance(k, int)]
    crops = opened.node.crops[level] if opened.node.crops else {}
    same = kept == list(map(str, da.dims)) and all(
        _is_there(da, axis, key, grid.coords(axis.name), crops)
        for axis, key in zip(grid.axes, found[1], strict=True)
    )
    return (opened, level) if same else None


def _is_there(
    da: xr.DataArray,
    axis: Axis,
    key: int | slice | Array,
    coords: Array,
    crops: Any,
) -> bool:
    """Tell whether an axis has the coordinates that belong to what was cut out."""
    coord = da.coords.get(axis.name)
    if coord is None:
        return False
    if axis.is_channel:
        return True
    start = crops[axis.name].start if axis.name in crops else 0
    if isinstance(key, slice):
        expected = coords[key.start - start : key.stop - start : key.step]
        return key.step == 1 and np.array_equal(coord.to_numpy(), expected)
    return isinstance(key, int) and bool(coord.to_numpy()[()] == coords[key - start])
