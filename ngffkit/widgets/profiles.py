"""Values along a line through an image: interpolated, from a level's pixels, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ngffkit.widgets.places import Places

Floats = npt.NDArray[np.float64]
#: Reads a box of one channel: slices by axis to pixels in the order of the axes.
Read = Callable[[Mapping[str, slice]], npt.NDArray[Any]]

#: Pixels that are read at once; a long diagonal is followed piece by piece.
_AT_ONCE = 2**21

#: Samples of a line, at most.
MAX_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """Places along a line.

    Parameters
    ----------
    voxels : Mapping of str to ndarray, shape (n,)
        Where the samples are, by axis, in voxels.
    distance : ndarray, shape (n,)
        From the first of them.
    unit : str
        Of `distance`; ``px`` where the axes share no unit.
    """

    voxels: Mapping[str, Floats]
    distance: Floats
    unit: str

    @classmethod
    def between(
        cls,
        ends: Sequence[Mapping[str, float]],
        places: Places,
        factors: Mapping[str, float],
        most: int = MAX_SAMPLES,
    ) -> Line:
        """Lay samples along a line, one for each pixel that it passes.

        Parameters
        ----------
        ends : sequence of two Mapping
            In voxels, every axis.
        places : Places
            The scene.
        factors : Mapping of str to float
            Voxels that a pixel spans.
        most : int
            Samples, at most.
        """
        a, b = ends
        pixels = math.hypot(*((b[n] - a[n]) / factors.get(n, 1.0) for n in places.spatial))
        count = min(max(2, math.ceil(pixels - 1e-9) + 1), most)
        at = np.linspace(0.0, 1.0, count)
        unit = places.unit(places.spatial[-1])
        sizes = [places.voxel_size(name, unit) for name in places.spatial]
        if not unit or None in sizes:
            sizes, unit = [1.0] * len(sizes), "px"
        length = math.hypot(
            *((b[n] - a[n]) * (s or 0) for n, s in zip(places.spatial, sizes, strict=True))
        )
        voxels = {name: a[name] + at * (b[name] - a[name]) for name in places.names}
        return cls(voxels, at * length, unit)


def values_along(read: Read, where: Mapping[str, Floats], shape: Mapping[str, int]) -> Floats:
    """Interpolate linearly between the pixels of an array.

    Parameters
    ----------
    read : callable
        Reads a box.
    where : Mapping of str to ndarray, shape (n,)
        Positions in pixels, for each axis of the array, in their order.
    shape : Mapping of str to int
        Of the array.

    Returns
    -------
    ndarray, shape (n,)
        NaN outside of the array; up to half a pixel beyond the centres of its outermost pixels is
        inside.

    Examples
    --------
    >>> row = np.array([0.0, 10.0, 20.0])
    >>> at = {"x": np.array([-1.0, -0.5, 0.25, 2.0])}
    >>> values_along(lambda box: row[box["x"]], at, {"x": 3}).tolist()
    [nan, 0.0, 2.5, 20.0]
    """
    names = list(where)
    places = np.stack([where[name] for name in names])
    sizes = np.array([shape[name] for name in names], np.float64)[:, None]
    # what was computed from a voxel may end a rounding error beyond the edge
    inside = np.all((places >= -0.5 - 1e-9) & (places <= sizes - 0.5 + 1e-9), axis=0)
    out = np.full(places.shape[1], np.nan)
    clamped = np.clip(places[:, inside], 0, sizes - 1)
    out[inside] = _pieces(read, names, clamped)
    return out


def _pieces(read: Read, names: Sequence[str], places: Floats) -> Floats:
    if not places.shape[1]:
        return np.empty(0)
    low, high = np.floor(places.min(axis=1)), np.ceil(places.max(axis=1))
    if places.shape[1] > 1 and np.prod(high - low + 1) > _AT_ONCE:
        half = places.shape[1] // 2
        parts = (places[:, :half], places[:, half:])
        return np.concatenate([_pieces(read, names, part) for part in parts])
    start, stop = low.astype(int), high.astype(int) + 1
    box = {
        name: slice(a, b) for name, a, b in zip(names, start.tolist(), stop.tolist(), strict=True)
    }
    return _between(np.asarray(read(box)).astype(np.float64), places - low[:, None])


def _between(pixels: Floats, places: Floats) -> Floats:
    """Weigh the pixels around each place: two along every axis."""
    first = np.floor(places).astype(int)
    part = places - first
    out = np.zeros(places.shape[1])
    for corner in itertools.product((0, 1), repeat=len(places)):
        step = np.array(corner)[:, None]
        weight = np.prod(np.where(step, part, 1 - part), axis=0)
        counts = weight > 0
        # what doesn't count may lie outside, or be no number
        index = tuple((first + step)[:, counts])
        out[counts] += weight[counts] * pixels[index]
    return out


def message(line: Line, channels: Sequence[tuple[str, str, Floats]]) -> dict[str, Any]:
    """Return a profile as the page takes it; JSON knows no NaN."""
    return {
        "distance": line.distance.tolist(),
        "unit": line.unit,
        "channels": [
            {
                "label": label,
                "color": color,
                "values": [v if math.isfinite(v) else None for v in values.tolist()],
            }
            for label, color, values in channels
        ],
    }


def dataset(line: Line, channels: Mapping[str, Floats], places: Places) -> xr.Dataset:
    """Return a profile as a Dataset: a variable per channel along ``distance``."""
    coords: dict[str, Any] = {"distance": ("distance", line.distance, {"units": line.unit})}
    for name in places.spatial:
        at = [places.coordinate(name, float(v)) for v in line.voxels[name]]
        unit = places.unit(name)
        coords[name] = ("distance", at, {"units": unit} if unit else {})
    return xr.Dataset({name: ("distance", v) for name, v in channels.items()}, coords)
