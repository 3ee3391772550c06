"""Files side by side: along the axes that their names give, or as tiles of one plane."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ngffkit.errors import SourceError
from ngffkit.image import Channel
from ngffkit.sources.contract import ORDER, Box, SourceInfo
from ngffkit.sources.stacks.patterns import Places


class Members(Protocol):
    """The files of a stack."""

    def read(self, index: int, box: Box) -> npt.NDArray[Any]:
        """Return a box of one file, whose axes are the inner ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Files side by side along the axes that their names give.

    Parameters
    ----------
    info : SourceInfo
        What they are together.
    members : Members
        The files.
    inner : tuple of str
        Axes inside a file, in their order.
    outer : tuple of str
        Axes of `table`; ``y`` and ``x`` among them are tiles.
    table : ndarray
        Which file is at each place, -1 where there is none and zeros are.
    tile : tuple of int
        Rows and columns of a tile.
    """

    info: SourceInfo
    members: Members
    inner: tuple[str, ...]
    outer: tuple[str, ...]
    table: npt.NDArray[np.intp]
    tile: tuple[int, int]

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box, each file read once.

        Raises
        ------
        SourceError
            Naming the file that is gone, damaged, or no longer what it was.
        """
        dims = self.info.grid.dims
        cuts = dict(zip(dims, box, strict=True))
        out: npt.NDArray[Any] | None = None
        for index, places in self._places(cuts):
            which = int(self.table[index])
            inner = tuple(places[name][0] for name in self.inner)
            order = sorted(range(len(self.inner)), key=lambda i: dims.index(self.inner[i]))
            target = tuple(places[name][1] for name in dims)
            pixels = None
            if which >= 0:
                pixels = self.members.read(which, inner).transpose(order)
                shape = [
                    places[n][1].stop - places[n][1].start if n in self.inner else 1 for n in dims
                ]
                pixels = pixels.reshape(shape)
                if pixels.shape == tuple(cut.stop - cut.start for cut in box):
                    return pixels
            if out is None:
                out = np.zeros([cut.stop - cut.start for cut in box], self.info.dtype)
            if pixels is not None:
                out[target] = pixels
        if out is None:
            raise SourceError(self.info.name, f"the box {box} is empty")
        return out

    def _places(
        self, cuts: Mapping[str, slice]
    ) -> Iterator[tuple[tuple[int, ...], dict[str, tuple[slice, slice]]]]:
        """Yield where in the table, and by axis what of the file goes where in the result."""
        ranges = []
        for axis, count in zip(self.outer, self.table.shape, strict=True):
            cut = cuts[axis]
            if axis in "yx":
                side = self.tile["yx".index(axis)]
                ranges.append(range(cut.start // side, min(count, -(-cut.stop // side))))
            else:
                ranges.append(range(cut.start, cut.stop))
        for index in itertools.product(*ranges):
            at = dict(zip(self.outer, index, strict=True))
            yield index, {axis: self._one(axis, cut, at) for axis, cut in cuts.items()}

    def _one(self, axis: str, cut: slice, at: Mapping[str, int]) -> tuple[slice, slice]:
        if axis in at and axis not in "yx":
            i = at[axis] - cut.start
            return slice(0, 1), slice(i, i + 1)
        if axis not in at:
            return cut, slice(0, cut.stop - cut.start)
        side = self.tile["yx".index(axis)]
        low, high = at[axis] * side, (at[axis] + 1) * side
        start, stop = max(cut.start, low), min(cut.stop, high)
        return slice(start - low, stop - low), slice(start - cut.start, stop - cut.start)


def sizes_of(
    places: Places, inside: Mapping[str, int], plane: tuple[int, int] | None
) -> dict[str, int]:
    """Return the sizes of all axes, in the order t, others, c, z, y, x.

    Parameters
    ----------
    places : Places
        What the names tell.
    inside : Mapping of str to int
        Sizes of what is inside one file.
    plane : tuple of int, optional
        Rows and columns of all tiles together, where that is more than a multiple.
    """
    sizes = dict(inside)
    for axis, count in zip(places.axes, places.table.shape, strict=True):
        if axis in "yx" and plane is None:
            sizes[axis] = count * inside[axis]
        elif axis not in "yx":
            sizes[axis] = count
    if plane is not None:
        sizes["y"], sizes["x"] = plane
    ordered = sorted(sizes, key=lambda a: ORDER.index(a) if a in ORDER else 0.5)
    return {axis: sizes[axis] for axis in ordered}


def channels_of(places: Places, samples: int) -> tuple[Channel, ...]:
    """Return the channels that names or colours tell of; none when they are only counted."""
    if "c" in places.axes:
        words = places.labels[places.axes.index("c")]
        return tuple(Channel(w) for w in words) if not all(w.isdecimal() for w in words) else ()
    if samples == 3:
        named = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
        return tuple(Channel(word, colour) for word, colour in named)
    return ()
