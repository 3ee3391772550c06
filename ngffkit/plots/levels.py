"""The mags that a picture can choose from, and which one suits its pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from ngffkit import regions, resolve
from ngffkit.errors import NgffError
from ngffkit.image import Image
from ngffkit.opened import Opened


@dataclass(frozen=True, slots=True)
class Source:
    """What is drawn: an image with its mags, or an array that is one.

    Parameters
    ----------
    load : callable
        Gives the lazy array of a level by its position in `levels`.
    levels : tuple of int
        Positions of the levels there are, finest first.
    image : Image, optional
        What is known of it; needed to choose among levels.
    """

    load: Callable[[int], xr.DataArray]
    levels: tuple[int, ...] = (0,)
    image: Image | None = None

    @classmethod
    def of(cls, obj: Any, mag: object = None) -> Source:
        """Make the source of any object that can be drawn.

        Parameters
        ----------
        obj : DataTree, Dataset, DataArray or Opened
            A tree and an opened image have a choice of mags. A Dataset or DataArray is one mag,
            taken as it is.
        mag : optional
            Leaves only this one to choose.

        Raises
        ------
        NgffError
            When it is something else, has no image or several, or no such mag.
        """
        if isinstance(obj, Opened):
            image = obj.image
            made = cls(lambda i: resolve.array_of(obj.dataset(i)), _all(image), image)
        elif isinstance(obj, xr.DataTree):
            made = cls._of_tree(obj)
        elif isinstance(obj, (xr.Dataset, xr.DataArray)):
            array = resolve.array_of(obj)
            made = cls(lambda _: array)
        else:
            raise NgffError(
                f"can't draw a {type(obj).__name__}; give what xarray holds, a DataTree, Dataset "
                "or DataArray, e.g. ngffkit.plot(ngffkit.open(path))"
            )
        return made if mag is None else made._only(mag)

    @classmethod
    def _of_tree(cls, tree: xr.DataTree) -> Source:
        if tree.ds.data_vars:
            array = resolve.array_of(tree)
            return cls(lambda _: array)
        node = resolve.only_image(tree)
        children = [child for child in node.children.values() if child.ds.data_vars]
        image = resolve.image_of(node)
        named = {} if image is None else {name: i for i, name in enumerate(image.mags)}
        known = {named[str(c.name)]: c for c in children if str(c.name) in named}
        if image is None or not known:
            # nobody says how these are related, so the first one it is
            return cls(lambda _: resolve.array_of(children[0].to_dataset()))
        return cls(lambda i: resolve.array_of(known[i].to_dataset()), tuple(sorted(known)), image)

    def _only(self, mag: object) -> Source:
        if self.image is None:
            raise NgffError(f"mag={mag!r}: these pixels are one mag; give the tree to choose")
        try:
            level = self.image.level_of(mag)
        except KeyError as err:
            raise NgffError(str(err.args[0])) from None
        if level not in self.levels:
            raise NgffError(f"mag {mag!r} is not in this tree")
        return Source(self.load, (level,), self.image)

    @property
    def finest(self) -> xr.DataArray:
        """The array of the finest level."""
        return self.load(self.levels[0])

    def level_for(self, size: Mapping[str, float]) -> int:
        """Return the level for pixels of `size`, by axis, in the units of the axes.

        Where even the finest pixels are larger (often along z), being as fine as these is enough:
        otherwise one coarse axis would make all others be read at full resolution.
        """
        if self.image is None or len(self.levels) == 1:
            return self.levels[0]
        base = self.image.base
        names = [name for name in size if name in base.dims]
        wanted = {name: max(size[name], base.scale[base.axis(name)]) for name in names}
        best = self.image.level_for(wanted)
        finer = [i for i in self.levels if i <= best]
        return finer[-1] if finer else self.levels[0]

    def mag(self, level: int, plane: xr.DataArray) -> str | None:
        """Return the mag of what is drawn, None when it isn't known."""
        if self.image is not None:
            return self.image.mags[level]
        if resolve.image_of(plane) is None:
            return None
        try:
            return regions.mag_of(self.load(level))
        except NgffError:
            return None  # a coordinate that isn't shown is uneven: no reason to refuse a picture


def _all(image: Image) -> tuple[int, ...]:
    return tuple(range(len(image.levels)))
