"""An image that was opened: its meaning, its arrays and how to read them, and xarray made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import xarray as xr
from xarray.core import indexing

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.reader import ArrayReader
from ngffkit.chunks.threads import Threads
from ngffkit.discover.walk import Node, join
from ngffkit.errors import NgffError
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.index import axis_coords
from ngffkit.lazy import LazyArray
from ngffkit.missing import AbsentPolicy, Missing, Witness
from ngffkit.stores.base import Store

#: dask chunks of a whole shard are welcome up to this size.
_MAX_PREFERRED = 128 * 2**20


class Origin(str):
    """Where data came from: an address, with what was opened there as long as this process lives.

    It is an ordinary string for everything that keeps attributes (repr, netCDF, JSON), and finds
    its way through whatever xarray does with attributes.
    """

    __slots__ = ("opened",)

    opened: Opened | None

    def __new__(cls, text: str, opened: Opened | None = None) -> Self:
        """Make the string, and remember what was opened."""
        made = super().__new__(cls, text)
        made.opened = opened
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what was opened."""
        return Origin, (str(self), self.opened)

    def __deepcopy__(self, memo: Any) -> Origin:
        """Return itself: it is a value."""
        return self


@dataclass(frozen=True, slots=True)
class Opened:
    """One image of a store.

    Parameters
    ----------
    store : Store
        Where it is.
    node : Node
        What was found there.
    missing : {"error", "warn", "fill"}
        What to do about chunks that should be there and aren't.
    labels : Mapping of str to Opened
        Its label images.
    threads : Threads
        Read and decode; shared by everything that was opened together.
    """

    store: Store
    node: Node
    missing: Missing
    labels: Mapping[str, Opened] = field(default_factory=dict, hash=False)
    threads: Threads = field(default_factory=Threads, hash=False, compare=False, repr=False)

    @property
    def image(self) -> Image:
        """What the image is."""
        if self.node.image is None:
            raise NgffError(f"{self.url} is no image")
        return self.node.image

    @property
    def url(self) -> str:
        """Where it is."""
        return join(self.store.url, self.node.path) if self.node.path else self.store.url

    def spec(self, level: int) -> ArraySpec:
        """Return what a level's array is; read now if it was left out on opening."""
        known = self.node.specs[level]
        if known is not None:
            return known
        found = self._witness(level).reader()
        if found is None:
            path = self.image.levels[level].path
            raise NgffError(f"the array {path!r} of {self.url} does not exist")
        return found.spec

    def reader(self, level: int) -> ArrayReader:
        """Return what reads a level."""
        image, policy = self.image, None
        if self.missing != "fill":
            witnesses = tuple(map(self._witness, range(level + 1, len(image.levels))))
            policy = AbsentPolicy(self.missing, self._array_grid(level), witnesses)
        path = join(self.node.path, image.levels[level].path)
        return ArrayReader(
            self.store,
            path,
            self.spec(level),
            policy,
            denied_is_absent=self.missing != "error",
            threads=self.threads,
        )

    def _witness(self, level: int) -> Witness:
        entry = self.image.levels[level]
        known = next(spec for spec in self.node.specs if spec is not None)
        return Witness(
            self.store,
            join(self.node.path, entry.path),
            self._array_grid(level),
            self.node.specs[level],
            known.layout.zarr_format,
        )

    def _array_grid(self, level: int) -> Grid:
        """Return the grid of a level's whole array, which may be padded beyond the image."""
        grid, spec = self.image.levels[level].grid, self.node.specs[level]
        if not self.node.crops or spec is None:
            return grid
        starts = [self.node.crops[level][name].start for name in grid.dims]
        origin = [o - n * s for o, n, s in zip(grid.origin, starts, grid.scale, strict=True)]
        return Grid(grid.axes, spec.layout.shape, grid.scale, tuple(origin))

    def dataset(self, level: int) -> xr.Dataset:
        """Return one level as a lazy Dataset.

        Returns
        -------
        xarray.Dataset
            With one variable, ``image`` or ``labels``, whose dimensions are the image's axes and
            whose coordinates are pixel centres in their units.
        """
        image, spec = self.image, self.spec(level)
        reader = self.reader(level)
        grid = image.levels[level].grid
        data = indexing.LazilyIndexedArray(LazyArray(reader))
        layout = spec.layout
        preferred = layout.object_shape
        if layout.shards and _nbytes(layout.shards, layout.dtype.itemsize) > _MAX_PREFERRED:
            preferred = layout.chunks
        encoding = {
            "chunks": layout.chunks,
            "shards": layout.shards,
            "preferred_chunks": dict(zip(grid.dims, preferred, strict=True)),
            "source": join(self.url, image.levels[level].path),
        }
        variable = xr.Variable(grid.dims, data, self._attrs(), encoding)
        if self.node.crops:
            variable = variable.isel(self.node.crops[level])
            variable.encoding = encoding
        name = "labels" if image.kind == "label" else "image"
        if name in grid.dims:  # an axis may be called anything
            name = "pixels"
        channels = [channel.label for channel in image.channels]
        coords = axis_coords(grid, channels, Origin(self.url, self))
        made = xr.Dataset({name: variable}, coords, self._attrs())
        made.encoding["source"] = encoding["source"]
        return made

    def _attrs(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        if self.image.name:
            attrs["long_name"] = self.image.name
        attrs["ngff_version"] = self.image.version
        attrs["ngff_source"] = Origin(self.url, self)
        return attrs


def _nbytes(shape: tuple[int, ...], itemsize: int) -> int:
    out = itemsize
    for n in shape:
        out *= n
    return out
