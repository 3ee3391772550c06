"""What is put into an image: its pixels in the image's order of axes, and where they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.editing.place import Place, refuse
from ngffkit.grid import PIXEL_TOLERANCE, Axis, Grid
from ngffkit.planning.options import Options
from ngffkit.sources.adjusting import check_cut
from ngffkit.sources.arrays import ArraySource, digest_of, names_of
from ngffkit.sources.contract import Box, Source, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.opening import open_source
from ngffkit.sources.ordering import axes_of


@dataclass(frozen=True, slots=True)
class Laid:
    """A source seen in the axes and the type of an array that is there.

    Parameters
    ----------
    source : Source
        Where the pixels come from.
    info : SourceInfo
        In the axes of the array.
    axes : tuple of (int or None)
        Axis of `source` that each axis is; None for one of a single pixel that it has not.
    """

    source: Source
    info: SourceInfo
    axes: tuple[int | None, ...]

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box; see `Source.read`."""
        inner = [slice(0, 1)] * len(self.source.info.grid.shape)
        for cut, i in zip(box, self.axes, strict=True):
            if i is not None:
                inner[i] = cut
        first = [i for i in self.axes if i is not None]
        order = first + [i for i in range(len(inner)) if i not in first]
        pixels = self.source.read(tuple(inner)).transpose(order)
        shape = tuple(s.stop - s.start for s in box)
        return pixels.reshape(shape).astype(self.info.dtype, copy=False)


@dataclass(frozen=True, slots=True)
class Incoming:
    """Pixels that are to be put into an image.

    Parameters
    ----------
    source : Source
        Their own axes and positions.
    dims : tuple of str
        Names of the image's axes that the source's are.
    coords : Mapping of str to ndarray
        Positions of their centres, or names of channels, by axis of the image, where they are
        known; one for an axis that was cut down to a point.
    units : Mapping of str to str
        Units of the positions, where known.
    lazy_from : str
        Address of the image that the pixels are still to be read from; empty when they are here.
    """

    source: Source
    dims: tuple[str, ...]
    coords: Mapping[str, npt.NDArray[Any]]
    units: Mapping[str, str]
    lazy_from: str = ""

    @property
    def sizes(self) -> dict[str, int]:
        """Pixels along each axis."""
        return dict(zip(self.dims, self.source.info.grid.shape, strict=True))


def incoming(data: Any, grid: Grid, options: Options, without: Sequence[str] = ()) -> Incoming:
    """Open what is put into an image.

    Parameters
    ----------
    data : DataArray, Dataset, NumPy or dask array, or anything that can be converted
        An array without names has the last axes of the image.
    grid : Grid
        Of the image at its finest level.
    options : Options
        How to read it.
    without : sequence of str
        Axes that an array without names may lack, wherever they stand.

    Raises
    ------
    PlanError
        When it has other axes than the image.
    """
    if _is_of(data, "xarray"):
        return _of_xarray(data, options)
    if not _is_of(data, "dask") and isinstance(data, (list, tuple)) and not _paths(data):
        data = np.asarray(data)
    if _is_of(data, "dask") or _is_of(data, "numpy"):
        return _of_array(data, grid, without, options)
    source = open_source(data, options.read)
    own = source.info.grid
    coords = {name: own.coords(name) for name in own.dims if not _channel(own, name)}
    units = {axis.name: axis.unit for axis in own.axes if axis.unit}
    return Incoming(source, own.dims, coords, units)


def _paths(data: Any) -> bool:
    return any(isinstance(item, str) or hasattr(item, "__fspath__") for item in data)


def _is_of(value: Any, package: str) -> bool:
    return any(kind.__module__.split(".", 1)[0] == package for kind in type(value).__mro__)


def _channel(grid: Grid, name: str) -> bool:
    return grid.axes[grid.axis(name)].is_channel


def _of_array(data: Any, grid: Grid, without: Sequence[str], options: Options) -> Incoming:
    dims = grid.dims
    if options.read.axes is not None:
        dims = axes_of(data.shape, options.read)[0]
    elif data.ndim < len(dims):
        less = tuple(d for d in dims if d not in without)
        dims = less if len(less) == data.ndim else dims[len(dims) - data.ndim :]
    if len(dims) != data.ndim or not data.ndim:
        refuse(
            "data",
            f"an array of {data.ndim} axes {tuple(data.shape)} can't be a part of an image with "
            f"axes {', '.join(grid.dims)}",
            "bring its axes into that order",
        )
    if options.read.crop:
        cuts = _cuts(dict(zip(dims, data.shape, strict=True)), options.read.crop)
        data = data[tuple(cuts.get(name, slice(None)) for name in dims)]
    own = make_grid(dict(zip(dims, map(int, data.shape), strict=True)))
    info = SourceInfo(
        own,
        np.dtype(data.dtype).newbyteorder("="),
        "data",
        block=tuple(max(c) for c in data.chunks) if _is_of(data, "dask") else (),
        fingerprint=_fingerprint(data),
    )
    return Incoming(ArraySource(data, info), dims, {}, {})


def _fingerprint(data: Any) -> str:
    if _is_of(data, "dask"):
        return fingerprint_of([data.name, data.shape])
    return fingerprint_of([data.shape, str(data.dtype), digest_of(np.asarray(data))])


def _of_xarray(data: Any, options: Options) -> Incoming:
    from ngffkit import resolve

    da = resolve.array_of(data)
    # a single row or column is an axis of one pixel
    points = [name for name in ("y", "x") if name in da.coords and name not in da.dims]
    da = da.expand_dims(points) if points else da
    short = dict(zip(map(str, da.dims), names_of(da, options.read), strict=True))
    if options.read.crop:
        # here and not by the source: the coordinates are to be cut as well
        cuts = _cuts({short[str(d)]: n for d, n in da.sizes.items()}, options.read.crop)
        da = da.isel({d: cuts.get(short[str(d)], slice(None)) for d in da.dims})
    read = replace(options.read, crop=None)
    source = open_source(da.drop_vars([c for c in da.coords if c not in da.dims]), read)
    found = {short.get(str(n), str(n)): c for n, c in da.coords.items() if c.ndim <= 1}
    coords = {name: np.atleast_1d(c.values) for name, c in found.items()}
    units = {name: str(c.attrs["units"]) for name, c in found.items() if c.attrs.get("units")}
    origin = resolve.origin_of(da)
    here = da.chunks is None and da.variable._in_memory  # noqa: SLF001 - no public word for it
    lazy = "" if here or origin is None else str(origin)
    return Incoming(source, source.info.grid.dims, coords, units, lazy)


def _cuts(sizes: Mapping[str, int], crop: Mapping[str, slice]) -> Mapping[str, slice]:
    """Return a crop of an array, checked."""
    for name, cut in crop.items():
        if name not in sizes:
            refuse("crop", f"no axis {name!r}", f"the axes are {', '.join(sizes)}")
        check_cut(name, cut, sizes[name])
    return crop


# --- laid on the image --------------------------------------------------------------------------


def laid(data: Incoming, axes: Sequence[Axis], dtype: np.dtype, lone: Sequence[str]) -> Laid:
    """Return the pixels in the axes and the type of an array.

    Parameters
    ----------
    data : Incoming
        The pixels.
    axes : sequence of Axis
        Of the array.
    dtype : numpy.dtype
        Of the array.
    lone : sequence of str
        Axes that the pixels may lack: they are one pixel long there.

    Raises
    ------
    PlanError
        When axes are missing or too many, or values would not survive the change of type.
    """
    names = [axis.name for axis in axes]
    sizes, source = data.sizes, data.source
    odd = [d for d in data.dims if d not in names and sizes[d] != 1]
    lacking = [name for name in names if name not in data.dims and name not in lone]
    if odd or lacking:
        what = f"axis {odd[0]!r} is none of the image's" if odd else f"it has no {lacking[0]!r}"
        refuse("data", f"it has axes {', '.join(data.dims)}: {what}", f"use {', '.join(names)}")
    own = source.info.dtype
    if own != dtype and not np.can_cast(own, dtype, "safe"):
        refuse(
            "data",
            f"pixels of {own} don't fit into an array of {dtype}",
            f"change them yourself, so that you know what is lost: data.astype('{dtype}')",
        )
    place = tuple(data.dims.index(name) if name in data.dims else None for name in names)
    shape = tuple(1 if i is None else source.info.grid.shape[i] for i in place)
    block = tuple(1 if i is None else source.info.block[i] for i in place)
    grid = Grid(tuple(axes), shape, (1.0,) * len(shape), (0.0,) * len(shape))
    info = replace(source.info, grid=grid, dtype=dtype, block=block, labels={})
    return Laid(source, info, place)


def offsets(
    data: Incoming, place: Place, at: Mapping[str, int], free: Sequence[str] = ()
) -> dict[str, int]:
    """Return the pixel of the image where the data begin, by axis.

    Parameters
    ----------
    data : Incoming
        The pixels.
    place : Place
        The image.
    at : Mapping of str to int
        What the caller says.
    free : sequence of str
        Axes whose positions don't matter.

    Raises
    ------
    PlanError
        Naming the coordinate that meets no pixel centre, or the axis that nothing is known of.
    """
    grid = place.opened.image.base
    unknown = [name for name in at if name not in grid.dims]
    if unknown:
        refuse("at", f"{unknown[0]!r} is no axis", f"the axes are {', '.join(grid.dims)}")
    out = {}
    for i, name in enumerate(grid.dims):
        size = data.sizes.get(name, 1)
        if name in free:
            continue
        if name in at:
            out[name] = _told(at, name)
        elif name in data.coords and grid.axes[i].is_channel:
            out[name] = _channel_at(data.coords[name], name, place)
        elif name in data.coords:
            out[name] = _position(data, name, grid)
        elif size == grid.shape[i] and (name in data.dims or size == 1):
            out[name] = 0
        else:
            message = f"nothing says where the data begin along {name}"
            refuse("at", message, f"pass the first pixel, e.g. at={{{name!r}: 0}}")
        if not 0 <= out[name] <= grid.shape[i] - size:
            message = (
                f"pixels {out[name]} to {out[name] + size} along {name} are not in the image, "
                f"which has {grid.shape[i]}"
            )
            refuse("at", message, "cut the data, or use ngffkit's append for new time points")
    return out


def _told(at: Mapping[str, int], name: str) -> int:
    value = at[name]
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        refuse("at", f"{name} is {value!r}", "pass the first pixel as a whole number, from 0")
    return int(value)


def _position(data: Incoming, name: str, grid: Grid) -> int:
    """Return the pixel whose centre is at the first coordinate; all must be at their centres."""
    i = grid.axis(name)
    values, unit = data.coords[name], grid.axes[i].unit
    own = data.units.get(name)
    if own and unit and own != unit:
        message = f"coordinate {name!r} is in {own}, the image in {unit}"
        refuse("data", message, f"convert it, and set data[{name!r}].attrs['units'] = {unit!r}")
    if values.dtype.kind not in "fiu":
        message = f"coordinate {name!r} is made of {values.dtype}"
        refuse("data", message, f"positions in numbers were expected, or at={{{name!r}: 0}}")
    index = (values.astype(np.float64) - grid.origin[i]) / grid.scale[i]
    first = round(float(index[0])) if np.isfinite(index[0]) else 0
    off = np.abs(index - (first + np.arange(len(index))))
    wrong = np.flatnonzero(~(off <= PIXEL_TOLERANCE))
    if len(wrong):
        k = int(wrong[0])
        near = grid.origin[i] + (first + k) * grid.scale[i]
        message = (
            f"coordinate {name}={values[k]} is no pixel centre of mag 1; {near:g} was expected "
            f"there, {grid.scale[i]:g} from one to the next"
        )
        refuse("data", message, f"cut the data from mag 1, or pass at={{{name!r}: ...}} instead")
    return first


def _channel_at(values: npt.NDArray[Any], name: str, place: Place) -> int:
    """Return the first of the channels that are named, which must follow one another."""
    ds = place.opened.dataset(0)
    known = list(ds.coords[name].values.tolist()) if name in ds.coords else []
    count = place.opened.image.base.shape[place.opened.image.base.axis(name)]
    if not known or values.dtype.kind in "iu":
        known = list(range(count))
    wanted = values.tolist()
    first = known.index(wanted[0]) if wanted[0] in known else 0
    if known[first : first + len(wanted)] != wanted:
        message = (
            f"channels {', '.join(map(str, wanted))} are not among {', '.join(map(str, known))}, "
            "one after another"
        )
        refuse("data", message, f"name them so, or drop_vars({name!r}) and pass at=")
    return first
