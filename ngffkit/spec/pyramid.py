"""A pyramid before the shapes of its arrays are known, and how levels are placed once they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.errors import MetadataError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Image, Level
from ngffkit.spec.transforms import AxisMap

#: 0.1 and 0.2 name no axes: images are 5-D, in this order.
_IMPLICIT = "tczyx"

#: What an axis is by its name, where its version doesn't say.
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True, slots=True)
class Pyramid:
    """One entry of ``multiscales``, before the shapes of its arrays are known.

    Parameters
    ----------
    image : Image
        Everything but levels.
    paths : tuple of str
        Paths of the arrays, finest first as written.
    axes : tuple of Axis, optional
        None for 0.1 and 0.2, where the arrays' dimensions tell.
    maps : tuple of (AxisMap or None)
        The transformation of each level; None where the version has none or it can't be applied.
    after : AxisMap, optional
        What applies to all levels after their own transformations.
    notes : tuple of str
        What was read liberally.
    loc : str
        JSON path of this entry.
    """

    image: Image
    paths: tuple[str, ...]
    axes: tuple[Axis, ...] | None
    maps: tuple[AxisMap | None, ...]
    after: AxisMap | None
    notes: tuple[str, ...] = ()
    loc: str = ""

    def with_shapes(self, shapes: Sequence[tuple[int, ...]]) -> Image:
        """Make the image, now that the shapes of its arrays are known.

        Parameters
        ----------
        shapes : sequence of tuple of int
            One per path.

        Raises
        ------
        MetadataError
            When shapes and axes don't agree.
        """
        axes = self.axes or _implicit_axes(len(shapes[0]))
        for i, shape in enumerate(shapes):
            if len(shape) != len(axes):
                raise MetadataError(
                    f"the array {self.paths[i]!r} has {len(shape)} dimensions, the axes are "
                    f"{', '.join(a.name for a in axes)}; they must agree",
                    f"{self.loc}.datasets[{i}]",
                )
        # what a level doesn't say follows from the first that does
        known = next((i for i, step in enumerate(self.maps) if step is not None), 0)
        like = self._at(known, _by_map, self.maps[known], axes, shapes[known])
        grids = []
        for i, (step, shape) in enumerate(zip(self.maps, shapes, strict=True)):
            grid = (
                self._at(i, _by_shape, like, shape)
                if step is None
                else self._at(i, _by_map, step, axes, shape)
            )
            grids.append(self._at(i, self._after, grid, axes))
        levels = [Level(p, g) for p, g in zip(self.paths, grids, strict=True)]
        # every version wants the finest first; where a writer did otherwise, its scales tell
        levels.sort(key=lambda level: math.prod(level.grid.scale))
        return replace(self.image, levels=tuple(levels))

    def _at(self, i: int, make: Callable[..., Grid], *args: Any) -> Grid:
        try:
            return make(*args)
        except ValueError as err:
            raise MetadataError(str(err), f"{self.loc}.datasets[{i}]") from None

    def _after(self, grid: Grid, axes: tuple[Axis, ...]) -> Grid:
        after = self.after
        if after is None:
            return grid
        place = [axes.index(axis) for axis in grid.axes]
        return grid.transform(
            [after.scale[k] for k in place], [after.translation[k] for k in place]
        )


def _implicit_axes(ndim: int) -> tuple[Axis, ...]:
    if ndim > len(_IMPLICIT):
        raise MetadataError(f"the array has {ndim} dimensions, this version allows 5", "axes")
    return tuple(Axis(name, TYPES[name]) for name in _IMPLICIT[len(_IMPLICIT) - ndim :])


def _by_map(step: AxisMap | None, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Grid:
    if step is None:  # pixels are all that is known
        return Grid(axes, shape, (1.0,) * len(axes), (0.0,) * len(axes))
    # the transformation names its output axes; dimension `j` of the array may be another
    place = [step.order.index(j) for j in range(len(axes))]
    return Grid(
        tuple(axes[k] for k in place),
        shape,
        tuple(step.scale[k] for k in place),
        tuple(step.translation[k] for k in place),
    )


def _by_shape(like: Grid, shape: tuple[int, ...]) -> Grid:
    """Place a level by its shape alone, as versions before 0.4 leave no other way.

    Levels are taken to cover the same extent, whole factors wherever rounding explains the shape.
    """
    scale = []
    for axis, n, n0, step in zip(like.axes, shape, like.shape, like.scale, strict=True):
        ratio = n0 / n if n and n0 else 1.0
        whole = max(1, round(ratio))
        exact = n in (n0 // whole, -(-n0 // whole))
        spread = axis.is_space or axis.type is None
        scale.append(step * (whole if exact else ratio) if spread else step)
    origin = tuple(
        first + (s - step) / 2
        for first, s, step in zip(like.origin, scale, like.scale, strict=True)
    )
    return Grid(like.axes, shape, tuple(scale), origin)
