"""Axes and the regular grid of pixel centres they span: the only place for coordinates.

Everything is a value: frozen, hashable, without I/O. Tuples are in the order of `Grid.axes`,
which is the order of the array's dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

#: Coordinates are one float64 per pixel of an axis; beyond this an axis is a mistake or an attack.
MAX_AXIS_LENGTH = 10_000_000

#: How near two coordinates must be, in pixels, to count as the same place.
PIXEL_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image.

    Parameters
    ----------
    name : str
        The field's name for it: ``t``, ``c``, ``z``, ``y``, ``x`` or any other.
    type : str, optional
        ``space``, ``time``, ``channel`` or another type; None when its writer gave none.
    unit : str, optional
        Unit of the coordinates along the axis, UDUNITS spelling (``micrometer``).
    extra : tuple of (str, object)
        Further keys a newer specification gives it (``orientation``, ``discrete``), as JSON values.

    Examples
    --------
    >>> Axis("z", "space", "micrometer").is_space
    True
    """

    name: str
    type: str | None = None
    unit: str | None = None
    extra: tuple[tuple[str, object], ...] = ()

    @property
    def is_space(self) -> bool:
        """Whether positions along this axis are places."""
        return self.type == "space" or (self.type is None and self.name in "xyz")

    @property
    def is_channel(self) -> bool:
        """Whether this axis counts channels."""
        return self.type == "channel" or (self.type is None and self.name == "c")

    @property
    def is_time(self) -> bool:
        """Whether this axis is time."""
        return self.type == "time" or (self.type is None and self.name == "t")


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular n-D grid of pixel centres in physical space.

    The centre of pixel ``i`` along an axis is ``origin + i * scale``.

    Parameters
    ----------
    axes : tuple of Axis
        The axes, in the order of the array's dimensions.
    shape : tuple of int
        Number of pixels along each.
    scale : tuple of float
        Distance between pixel centres along each, in the unit of the axis; positive.
    origin : tuple of float
        Position of the centre of the first pixel along each, in the unit of the axis.

    Examples
    --------
    >>> g = Grid(
    ...     (Axis("y", "space", "um"), Axis("x", "space", "um")), (5, 4), (2.0, 0.5), (0.0, 0.0)
    ... )
    >>> g.coarsen({"y": 2, "x": 2}).shape, g.coarsen({"y": 2, "x": 2}).origin
    ((3, 2), (1.0, 0.25))
    """

    axes: tuple[Axis, ...]
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    origin: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what can't be a grid."""
        n = len(self.axes)
        if not (len(self.shape) == len(self.scale) == len(self.origin) == n):
            raise ValueError(
                f"axes, shape, scale and origin must have one length, got {n}, {len(self.shape)}, "
                f"{len(self.scale)} and {len(self.origin)}"
            )
        if len(set(self.dims)) != n:
            raise ValueError(f"axis names must differ, got {self.dims}")
        for name, size, scale, origin in zip(
            self.dims, self.shape, self.scale, self.origin, strict=True
        ):
            if not 0 <= size <= MAX_AXIS_LENGTH:
                raise ValueError(
                    f"axis {name!r} has {size} pixels; 0 to {MAX_AXIS_LENGTH} are understood"
                )
            if not (math.isfinite(scale) and scale > 0):
                raise ValueError(f"scale of axis {name!r} is {scale}; it must be a positive number")
            if not math.isfinite(origin):
                raise ValueError(f"origin of axis {name!r} is {origin}; it must be a finite number")
            if not math.isfinite(origin + size * scale):
                raise ValueError(
                    f"axis {name!r} ends at {origin} + {size} * {scale}, beyond what can be counted"
                )
        if math.prod(self.shape) > 2**62:
            raise ValueError(f"shape {self.shape} has more pixels than can be counted")

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the spatial axes, in array order."""
        return tuple(axis.name for axis in self.axes if axis.is_space)

    def axis(self, name: str) -> int:
        """Return the position of the axis called `name`."""
        try:
            return self.dims.index(name)
        except ValueError:
            raise KeyError(f"no axis {name!r}; the axes are {self.dims}") from None

    def coords(self, name: str) -> npt.NDArray[np.float64]:
        """Return the pixel centres along one axis, shape ``(size,)``, in its unit."""
        i = self.axis(name)
        return self.origin[i] + np.arange(self.shape[i], dtype=np.float64) * self.scale[i]

    def crop(self, box: Mapping[str, slice]) -> Grid:
        """Return the grid of ``array[box]``: slices in pixels, steps allowed, positive."""
        shape, scale, origin = list(self.shape), list(self.scale), list(self.origin)
        for name, cut in box.items():
            i = self.axis(name)
            start, stop, step = cut.indices(self.shape[i])
            if step < 1:
                raise ValueError(f"step along {name!r} is {step}; it must be positive")
            shape[i] = len(range(start, stop, step))
            origin[i] = self.origin[i] + start * self.scale[i]
            scale[i] = self.scale[i] * step
        return replace(self, shape=tuple(shape), scale=tuple(scale), origin=tuple(origin))

    def coarsen(self, factors: Mapping[str, int], *, stride: bool = False) -> Grid:
        """Return the grid after downsampling by whole factors.

        Parameters
        ----------
        factors : mapping of str to int
            Pixels that become one, by axis; axes that are absent stay.
        stride : bool
            Whether every n-th pixel was taken instead of the mean of n: then the first pixel
            stays where it was.

        Returns
        -------
        Grid
            With ``ceil(n / f)`` pixels per axis. The origin moves by ``(s_n - s_0) / 2`` when
            binning (OME-Zarr 0.6, section "multiscales"), and by nothing when striding.
        """
        shape, scale, origin = list(self.shape), list(self.scale), list(self.origin)
        for name, factor in factors.items():
            i = self.axis(name)
            if factor < 1 or factor != int(factor):
                raise ValueError(
                    f"factor along {name!r} is {factor}; it must be a whole number >= 1"
                )
            shape[i] = -(-self.shape[i] // factor)
            scale[i] = self.scale[i] * factor
            if not stride:
                origin[i] = self.origin[i] + (scale[i] - self.scale[i]) / 2
        return replace(self, shape=tuple(shape), scale=tuple(scale), origin=tuple(origin))

    def transform(self, scale: Sequence[float], translation: Sequence[float]) -> Grid:
        """Return the grid after ``p -> p * scale + translation`` on its positions."""
        return replace(
            self,
            scale=tuple(a * b for a, b in zip(self.scale, scale, strict=True)),
            origin=tuple(
                o * a + b for o, a, b in zip(self.origin, scale, translation, strict=True)
            ),
        )

    def to_world(self, index: Mapping[str, float]) -> dict[str, float]:
        """Return the positions of pixel indices, which may be fractions."""
        return {
            name: self.origin[self.axis(name)] + value * self.scale[self.axis(name)]
            for name, value in index.items()
        }

    def to_index(self, world: Mapping[str, float]) -> dict[str, float]:
        """Return the pixel indices, as fractions, of positions."""
        return {
            name: (value - self.origin[self.axis(name)]) / self.scale[self.axis(name)]
            for name, value in world.items()
        }

    def factors(self, base: Grid) -> dict[str, float]:
        """Return how many of `base`'s pixels one pixel of this grid spans, by axis."""
        return {
            name: self.scale[i] / base.scale[base.axis(name)]
            for i, name in enumerate(self.dims)
            if name in base.dims
        }
