"""The order of axes: t, others, c, z, y, x, whichever a source has them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from ngffkit.errors import PlanError, Problem
from ngffkit.grid import Grid
from ngffkit.sources.contract import ORDER, Box, Source, SourceInfo
from ngffkit.sources.options import ReadOptions

#: Axes of an array that says nothing, by how many it has.
_BY_COUNT = {2: "yx", 3: "zyx", 4: "czyx", 5: "tczyx"}
_COLOURED = {3: "yxc", 4: "zyxc", 5: "tzyxc"}


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A source seen through another description of it.

    Parameters
    ----------
    source : Source
        Where the pixels come from.
    info : SourceInfo
        What it is said to be.
    order : tuple of int
        Axis of `source` that is each axis of this one.
    starts : tuple of int
        First pixel along each axis of `source`.
    """

    source: Source
    info: SourceInfo
    order: tuple[int, ...]
    starts: tuple[int, ...]

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box, in the order of ``info.grid``'s axes.

        Raises
        ------
        SourceError
            Whatever the source behind it raises.
        """
        inner: list[slice] = [slice(0, 1)] * len(self.order)
        for cut, i in zip(box, self.order, strict=True):
            inner[i] = slice(cut.start + self.starts[i], cut.stop + self.starts[i])
        return self.source.read(tuple(inner)).transpose(self.order)


def in_order(source: Source) -> Source:
    """Bring the axes into the order t, others, c, z, y, x.

    Raises
    ------
    PlanError
        When there is no y or x.
    """
    info = source.info
    dims = info.grid.dims
    if not {"y", "x"} <= set(dims):
        raise PlanError.of(
            f"axes: {', '.join(dims)}; an image has y and x, so say which are those by axes=, "
            f"e.g. axes={_BY_COUNT.get(len(dims), 'yx')!r}"
        )
    order = tuple(sorted(range(len(dims)), key=lambda i: _rank(dims[i])))
    if order == tuple(range(len(dims))):
        return source

    def turned(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i] for i in order)

    grid = info.grid
    turned_grid = Grid(*map(turned, (grid.axes, grid.shape, grid.scale, grid.origin)))
    changed = replace(info, grid=turned_grid, block=turned(info.block))
    return Adjusted(source, changed, order, (0,) * len(order))


def _rank(name: str) -> float:
    # axes of other names come after time
    return ORDER.index(name) if name in ORDER else 0.5


def axes_of(
    shape: Sequence[int], options: ReadOptions
) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return the names of an array's axes, as told or by how many there are, and what was guessed.

    Raises
    ------
    PlanError
        When ``options.axes`` doesn't fit the shape, or nothing can be guessed.

    Examples
    --------
    >>> axes_of((3, 64, 64), ReadOptions())[0]
    ('z', 'y', 'x')
    """
    spelled = " x ".join(map(str, shape)) or "one pixel"
    if options.axes is not None:
        axes = tuple(str(options.axes).lower())
        if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set("yx") <= set(axes):
            raise PlanError.of(
                f"axes: {options.axes!r} for an array of {spelled}; one different letter per "
                "dimension was expected, y and x among them"
            )
        return axes, ()
    guess = _BY_COUNT.get(len(shape))
    if guess is None:
        raise PlanError.of(
            f"axes: what the {len(shape)} dimensions of {spelled} are can't be guessed; pass "
            "axes=, e.g. axes='tczyx'"
        )
    remedy = "pass axes= to say otherwise"
    if len(shape) >= 3 and shape[-1] in (3, 4):
        remedy += f", e.g. axes={_COLOURED[len(shape)]!r} if the last dimension is colours"
    note = Problem("axes", "advice", f"{spelled} is read as {', '.join(guess)}", remedy)
    return tuple(guess), (note,) if len(shape) > 2 else ()
