"""From what is drawn to data: a box, points or a line cut out of an image and its labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from ngffkit.errors import NgffError
from ngffkit.grid import PIXEL_TOLERANCE
from ngffkit.widgets import profiles
from ngffkit.widgets.layers import Layer, ViewLevel
from ngffkit.widgets.preparing import Scene
from ngffkit.widgets.profiles import MAX_SAMPLES, Floats, Line
from ngffkit.widgets.state import checked

Indices = npt.NDArray[np.intp]


class Deferred(BackendArray):
    """An array that is read when its values are asked for, and only what is asked for.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of its elements.
    fetch : callable
        Takes positions along each axis, and returns the elements at all of their combinations.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], fetch: Callable[..., npt.NDArray[Any]]
    ) -> None:
        self.shape, self.dtype, self.fetch = shape, dtype, fetch

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read by any of xarray's indexers."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        parts = [np.arange(n)[k] for k, n in zip(key, self.shape, strict=True)]
        found = self.fetch(*(np.atleast_1d(part) for part in parts))
        return found.reshape([part.size for part in parts if part.ndim])

    def variable(self, dims: Sequence[str], attrs: Mapping[str, Any]) -> xr.Variable:
        """Return it as a lazy variable."""
        return xr.Variable(dims, indexing.LazilyIndexedArray(self), dict(attrs))


def select(scene: Scene, selection: Mapping[str, Any], mag: Any = None) -> xr.Dataset:
    """Cut a selection out of all layers.

    Parameters
    ----------
    scene : Scene
        What there is.
    selection : Mapping
        In voxels, as it is shared with the page.
    mag : optional
        Which mag of the first layer; the finest when left out.

    Returns
    -------
    Dataset
        See `ngffkit.widgets.browse.Viewer.select`.
    """
    kind = selection.get("kind")
    if kind is None:
        raise NgffError("nothing is drawn; draw a box, points or a line, or set view.selection")
    first = scene.layers.layers[0]
    level = first.levels[_level_of(scene, first, mag)]
    if kind == "box":
        return _box(scene, selection, level)
    if kind == "points":
        points = selection["points"]
        where = {n: np.array([p[n] for p in points]) for n in scene.places.names}
        return _samples(scene, where, level, "point", {})
    line = Line.between(selection["points"], scene.places, level.factor)
    inside = np.ones(len(line.distance), bool)
    for name, at in line.voxels.items():
        inside &= (at >= -0.5) & (at <= scene.places.size(name) - 0.5)
    where = {name: at[inside] for name, at in line.voxels.items()}
    distance = ("distance", line.distance[inside], {"units": line.unit})
    return _samples(scene, where, level, "distance", {"distance": distance})


def _level_of(scene: Scene, layer: Layer, mag: Any) -> int:
    """Return the level of a mag; the finest without one."""
    name = "" if mag is None else checked("held_mag", mag, scene.places, {})
    mags = [level.mag for level in layer.levels]
    if name and name not in mags:
        raise NgffError(f"{layer.name!r} has no mag {name}; it has {', '.join(mags)}")
    return mags.index(name) if name else 0


def _suiting(layer: Layer, factor: Mapping[str, float]) -> ViewLevel:
    """Return the coarsest level whose pixels are no larger than those of another grid."""
    best = layer.levels[0]
    for level in layer.levels:
        if all(
            f <= factor.get(name, 1.0) * (1 + PIXEL_TOLERANCE) for name, f in level.factor.items()
        ):
            best = level
    return best


def _named(scene: Scene) -> list[tuple[str, Layer]]:
    """Return the layers by the names of their variables."""
    out: dict[str, Layer] = {}
    for i, layer in enumerate(scene.layers.layers):
        name = "image" if i == 0 and layer.kind == "intensity" else layer.name
        while name in out or name in scene.places.names or name in ("point", "distance"):
            name += "_labels"
        out[name] = layer
    return list(out.items())


# --- boxes ---------------------------------------------------------------------------------------


def _box(scene: Scene, selection: Mapping[str, Any], level: ViewLevel) -> xr.Dataset:
    cut = {
        name: pixels_in(level, name, selection["lo"][name] - 0.5, selection["hi"][name] - 0.5)
        for name in scene.places.spatial
        if name in level.shape
    }
    whole = {name: slice(0, size) for name, size in level.shape.items()}
    region = {**whole, **cut}
    base = level.array.isel(cut)
    (title, _), *others = _named(scene)
    out = base.to_dataset(name=title)
    out.attrs = {"mag": level.mag}
    over = {name: _onto(_suiting(la, level.factor), level, region) for name, la in others}
    return out.assign(over)


def pixels_in(level: ViewLevel, name: str, low: float, high: float) -> slice:
    """Return the pixels of an axis whose centres lie between two voxel coordinates, ends included.

    Where there is none, the nearest one stands for them, as in `ngffkit.regions.same_region`.
    """
    offset, factor, size = level.offset[name], level.factor[name], level.shape[name]
    first, last = (
        (low - offset) / factor - PIXEL_TOLERANCE,
        (high - offset) / factor + PIXEL_TOLERANCE,
    )
    start, stop = max(0, math.ceil(first)), min(size, math.floor(last) + 1)
    if start < stop:
        return slice(start, stop)
    middle = min(max(math.floor(((low + high) / 2 - offset) / factor + 0.5), 0), size - 1)
    return slice(middle, middle + 1)


def _indices(level: ViewLevel, name: str, voxels: Floats) -> Indices:
    """Return the pixels of an axis at voxel coordinates; -1 outside of the level."""
    found = np.floor((voxels - level.offset[name]) / level.factor[name] + 0.5)
    inside = (found >= 0) & (found < level.shape[name])
    return np.where(inside, found, -1).astype(np.intp)


def _onto(own: ViewLevel, level: ViewLevel, region: Mapping[str, slice]) -> xr.Variable:
    """Lay a level of labels onto the pixels of a region of another level; 0 beyond its end."""
    dims = [str(dim) for dim in own.array.dims if dim in region]
    at = {}
    for name in dims:
        pixels = np.arange(region[name].start, region[name].stop)
        at[name] = _indices(own, name, level.offset[name] + pixels * level.factor[name])
    array = own.array.variable
    if all(np.array_equal(i, np.arange(len(i)) + i[0]) and i[0] >= 0 for i in at.values()):
        return array.isel({n: slice(int(i[0]), int(i[-1]) + 1) for n, i in at.items()})

    def fetch(*parts: Indices) -> npt.NDArray[Any]:
        wanted = [at[name][part] for name, part in zip(dims, parts, strict=True)]
        inside = [i >= 0 for i in wanted]
        out = np.zeros([len(i) for i in wanted], array.dtype)
        found = [
            np.unique(i[ok], return_inverse=True) for i, ok in zip(wanted, inside, strict=True)
        ]
        if all(len(pixels) for pixels, _ in found):
            read = array.isel({n: pixels for n, (pixels, _) in zip(dims, found, strict=True)})
            out[np.ix_(*inside)] = read.to_numpy()[np.ix_(*(back for _, back in found))]
        return out

    shape = tuple(len(at[name]) for name in dims)
    return Deferred(shape, array.dtype, fetch).variable(dims, array.attrs)


# --- points and lines ----------------------------------------------------------------------------


def _samples(
    scene: Scene,
    where: Mapping[str, Floats],
    level: ViewLevel,
    dim: str,
    coords: Mapping[str, Any],
) -> xr.Dataset:
    """Take the nearest pixels at places, along one dimension."""
    out: dict[str, Any] = {}
    known: dict[str, Any] = dict(coords)
    for name, layer in _named(scene):
        first = layer is scene.layers.layers[0]
        own = level if first else _suiting(layer, level.factor)
        out[name] = _pointwise(scene, layer, layer.levels.index(own), where, dim)
        channel = _channel_of(layer)
        if channel is not None and channel in own.array.coords:
            known[channel] = own.array.coords[channel]
    for name, at in where.items():
        if name not in level.shape:
            continue
        pixels = np.clip(_indices(level, name, at), 0, None)
        known[name] = (dim, *_coordinates(level, name, pixels))
    return xr.Dataset(out, known, {"mag": level.mag})


def _coordinates(
    level: ViewLevel, name: str, pixels: Indices
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    coord = level.array.coords.get(name)
    if coord is None:
        return pixels, {}
    return coord.to_numpy()[pixels], dict(coord.attrs)


def _channel_of(layer: Layer) -> str | None:
    dims = [str(dim) for dim in layer.levels[0].array.dims if str(dim) not in layer.axes]
    return dims[0] if dims else None


def _pointwise(
    scene: Scene, layer: Layer, i: int, where: Mapping[str, Floats], dim: str
) -> xr.Variable:
    level = layer.levels[i]
    at = [_indices(level, name, where[name]) for name in layer.axes]
    inside = np.all([pixels >= 0 for pixels in at], axis=0)

    def fetch(channels: Indices, points: Indices) -> npt.NDArray[Any]:
        out = np.zeros((len(channels), len(points)), layer.dtype)
        for j, point in enumerate(points.tolist()):
            if not inside[point]:
                continue
            cut = {
                name: slice(int(pixels[point]), int(pixels[point]) + 1)
                for name, pixels in zip(layer.axes, at, strict=True)
            }
            for k, channel in enumerate(channels.tolist()):
                out[k, j] = scene.bricks.read(layer, i, channel, cut).item()
        return out

    channel, count, attrs = _channel_of(layer), len(at[0]), level.array.attrs
    if channel is not None:
        shape = (len(layer.channels), count)
        return Deferred(shape, layer.dtype, fetch).variable([channel, dim], attrs)
    one = np.zeros(1, np.intp)
    return Deferred((count,), layer.dtype, lambda p: fetch(one, p)[0]).variable([dim], attrs)


# --- profiles ------------------------------------------------------------------------------------


def profile(
    scene: Scene, ends: Sequence[Mapping[str, float]], level: int, most: int = MAX_SAMPLES
) -> tuple[Line, list[Floats]]:
    """Interpolate all channels along a line.

    Parameters
    ----------
    scene : Scene
        What there is.
    ends : sequence of two Mapping
        In voxels.
    level : int
        Which level of the images.
    most : int
        Samples, at most.

    Returns
    -------
    (Line, list of ndarray)
        Where, and the values of each channel of the images.
    """
    images = [layer for layer in scene.layers.layers if layer.kind == "intensity"]
    if not images:
        raise NgffError("ids of labels can't be interpolated; view.selected has those on the line")
    first = images[0].levels[min(max(level, 0), len(images[0].levels) - 1)]
    line = Line.between(ends, scene.places, first.factor, most)
    out = []
    for layer in images:
        i = min(max(level, 0), len(layer.levels) - 1)
        at = layer.levels[i]
        where = {n: (line.voxels[n] - at.offset[n]) / at.factor[n] for n in layer.axes}
        for channel in range(len(layer.channels)):

            def read(
                box: Mapping[str, slice], layer: Layer = layer, i: int = i, channel: int = channel
            ) -> npt.NDArray[Any]:
                return scene.bricks.read(layer, i, channel, box)

            out.append(profiles.values_along(read, where, at.shape))
    return line, out
