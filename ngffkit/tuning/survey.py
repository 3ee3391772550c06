"""How an image lies in its store: each mag with its objects, and what is odd about the pyramid."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ngffkit.access.sizes import Census, census_of
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError, Problem
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.layout import Layout
from ngffkit.opened import Opened
from ngffkit.stores.base import LocalStore
from ngffkit.stores.zips import ZipStore
from ngffkit.tuning.costs import Lying

#: A document with the metadata of everything below: where each Zarr format has it.
_TOGETHER = {2: ".zmetadata", 3: "zarr.json"}


@dataclass(frozen=True, slots=True)
class Mag:
    """One level as it lies in its store.

    Parameters
    ----------
    name : str
        The mag, as WEBKNOSSOS spells it.
    path : str
        Of its array, below the image.
    grid : Grid
        Of the image at this mag.
    spec : ArraySpec
        How its array is cut up and encoded.
    census : Census
        Its objects.
    origin : tuple of int
        Where the image begins in its array, in pixels.
    """

    name: str
    path: str
    grid: Grid
    spec: ArraySpec = field(repr=False)
    census: Census
    origin: tuple[int, ...]

    @property
    def layout(self) -> Layout:
        """Shape, type, chunks, shards, codecs."""
        return self.spec.layout

    @property
    def lying(self) -> Lying:
        """What reading it is counted by."""
        return Lying(self.spec, self.census.sizes, self.origin)

    @property
    def chunks(self) -> int:
        """How many chunks the array has when none is left out."""
        layout = self.layout
        return math.prod(-(-n // c) for n, c in zip(layout.shape, layout.chunks, strict=True))

    @property
    def empty(self) -> int:
        """How many chunks are not there: left out since they are empty, or lost."""
        return round(self.chunks * (1 - self.census.present))

    @property
    def padding(self) -> float:
        """Which part of the voxels in its chunks lies beyond the image's edge, 0 to 1."""
        layout = self.layout
        whole = self.chunks * math.prod(layout.chunks)
        return 1 - math.prod(self.grid.shape) / whole if whole else 0.0

    @property
    def density(self) -> float:
        """Encoded bytes for each byte of the image's own pixels; 1 when no chunk is there.

        What lies beyond the image's edge compresses to next to nothing, so it is not counted
        where there is a codec.
        """
        if not self.census.chunk:
            return 1.0
        whole = self.touched(self.layout.chunks) * math.prod(self.layout.chunks)
        own = math.prod(self.grid.shape) / whole if self.layout.codecs and whole else 1.0
        return self.census.chunk / (self.layout.chunk_nbytes * own)

    @property
    def filled(self) -> float:
        """Which part of the chunks that hold pixels of the image is there, 0 to 1."""
        return min(1.0, self.census.present * self.chunks / self.touched(self.layout.chunks))

    def touched(self, part: Sequence[int]) -> int:
        """Return how many chunks, or objects, of this shape hold pixels of the image."""
        spans = zip(self.origin, self.grid.shape, part, strict=True)
        return math.prod(max(1, -(-(o + n) // size) - o // size) for o, n, size in spans)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values: shapes in the order of the axes, sizes in bytes."""
        layout, census = self.layout, self.census
        return {
            "mag": self.name,
            "path": self.path,
            "shape": list(self.grid.shape),
            "dtype": str(layout.dtype),
            "chunk": list(layout.chunks),
            "chunk_nbytes": layout.chunk_nbytes,
            "shard": list(layout.shards) if layout.shards else None,
            "codecs": list(layout.codecs),
            "ratio": census.ratio,
            "objects": round(census.objects),
            "possible": layout.objects,
            "nbytes": round(census.nbytes),
            "smallest": census.smallest,
            "median": census.median,
            "largest": census.largest,
            "empty_chunks": self.empty,
            "padding": self.padding,
            "exact": census.exact,
        }


@dataclass(frozen=True, slots=True)
class Survey:
    """How an image lies in its store.

    Parameters
    ----------
    url : str
        Where it is.
    image : Image
        What it is.
    mags : tuple of Mag
        Finest first.
    consolidated : bool
        Whether one document has the metadata of all arrays.
    remote : bool
        Whether requests travel over a network.
    local : bool
        Whether it is a folder of this machine.
    problems : tuple of Problem
        What could not be looked at.
    """

    url: str
    image: Image
    mags: tuple[Mag, ...]
    consolidated: bool
    remote: bool
    local: bool
    problems: tuple[Problem, ...] = ()

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return self.mags[0].layout.zarr_format

    @property
    def objects(self) -> int:
        """How many objects hold its pixels."""
        return round(sum(mag.census.objects for mag in self.mags))

    @property
    def nbytes(self) -> int:
        """How many bytes those have."""
        return round(sum(mag.census.nbytes for mag in self.mags))

    @property
    def pixels(self) -> int:
        """How many bytes its pixels have, decoded, all mags."""
        return sum(math.prod(mag.grid.shape) * mag.layout.dtype.itemsize for mag in self.mags)

    @property
    def exact(self) -> bool:
        """Whether all objects were counted; else the numbers are of a sample."""
        return all(mag.census.exact for mag in self.mags)


def survey(opened: Opened) -> Survey:
    """Look at the objects of an image; no pixel is read.

    Parameters
    ----------
    opened : Opened
        The image.

    Raises
    ------
    StoreError
        When the store does not answer.
    NgffError
        When there is no image, or it has no pixels.
    """
    image = opened.image
    mags = tuple(_mag(opened, i) for i in range(len(image.levels)))
    if not math.prod(image.base.shape):
        raise NgffError(f"{opened.url} has no pixels (shape {image.base.shape}); nothing to tune")
    local = isinstance(opened.store, LocalStore)
    near = local or (isinstance(opened.store, ZipStore) and not _remote(opened))
    known = _consolidated(opened, mags[0].layout.zarr_format)
    return Survey(opened.url, image, mags, known, not near, local)


def _mag(opened: Opened, i: int) -> Mag:
    image = opened.image
    grid, reader = image.levels[i].grid, opened.reader(i)
    crops: Mapping[str, slice] = opened.node.crops[i] if opened.node.crops else {}
    origin = tuple(crops[name].start or 0 if name in crops else 0 for name in grid.dims)
    return Mag(image.mags[i], image.levels[i].path, grid, reader.spec, census_of(reader), origin)


def _remote(opened: Opened) -> bool:
    return "://" in opened.store.url


def _consolidated(opened: Opened, zarr_format: int) -> bool:
    """Tell whether one document has the metadata of all that is below."""
    key = join(opened.node.path, _TOGETHER[zarr_format]).lstrip("/")
    try:
        raw = opened.store.get(key)
    except NgffError:
        return False  # what can't be had helps nobody
    if raw is None:
        return False
    if zarr_format == 2:
        return True
    try:
        found = json.loads(bytes(raw)).get("consolidated_metadata")
    except (ValueError, AttributeError, RecursionError):
        return False
    return isinstance(found, Mapping) and bool(found.get("metadata"))
