"""Zarr as a source: OME-Zarr of any version, plain arrays, WEBKNOSSOS datasets, opened xarray."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit import api
from ngffkit.chunks.reader import ArrayReader
from ngffkit.chunks.threads import Task, Threads
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError, Problem, SourceError, StoreError
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.opened import Opened
from ngffkit.sources.arranged import Arrangement, named_axes, understood
from ngffkit.sources.contract import Box, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import reason
from ngffkit.tree import as_image, images_of

#: A shard up to this size is read as a whole; of a larger one, its chunks.
_SMALL_SHARD = 64 * 2**20

#: Requests in flight from which on a store is far away, where waiting takes longer than decoding:
#: there threads of its own pay, whatever the caller's.
_REMOTE = 8

#: Files whose times go into a fingerprint.
_SAMPLED = 64


class SerialThreads(Threads):
    """Runs tasks in the caller's thread: who reads many boxes has threads of their own."""

    def run(self, tasks: Iterable[Task], workers: int) -> None:
        """Run all tasks; `workers` are not needed."""
        del workers
        for task in tasks:
            task()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it is."""
        return SerialThreads, ()


@dataclass(frozen=True, slots=True)
class ZarrSource:
    """One array of a Zarr store.

    Parameters
    ----------
    info : SourceInfo
        What is known of it.
    reader : ArrayReader
        Reads boxes of it, strictly: a chunk that should be there and isn't is an error.
    arrangement : Arrangement
        The order of its axes in the store.
    starts : tuple of int
        Where the image begins in the array, per axis of the array, which may be padded.
    """

    info: SourceInfo
    reader: ArrayReader = field(compare=False)
    arrangement: Arrangement
    starts: tuple[int, ...]

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box; see `Source.read`."""
        cut = self.arrangement.to_file(box)
        key = [slice(s.start + n, s.stop + n) for s, n in zip(cut, self.starts, strict=True)]
        try:
            pixels = self.reader.read(key)
        except StoreError as err:
            raise SourceError(f"{err.url}", err.cause) from err
        except (NgffError, OSError, ValueError) as err:
            raise SourceError(f"{self.reader.store.url}/{self.reader.path}", reason(err)) from err
        return self.arrangement.from_file(pixels)


def open_zarr(source: Any, options: ReadOptions) -> ZarrSource:
    """Open one mag of one image of a Zarr store.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array, store, or xarray object opened by ngffkit
        OME-Zarr 0.1 to 0.6, plain arrays, a WEBKNOSSOS dataset. Of an xarray object the whole
        image is meant that it was opened from, whatever has been cut out of it since.
    options : ReadOptions
        ``image`` chooses an image or array by its path; ``mag`` a level, the finest when left
        out; ``labels`` whether its label images come along; ``axes`` names dimensions of arrays
        that have no names.

    Returns
    -------
    ZarrSource
        With the grid, the channels and the kind of the image; in ``info.labels`` its labels.

    Raises
    ------
    NgffError
        When there is no such image or mag; the message lists them.
    """
    opened = _choose(_found(source, options), options)
    image = opened.image
    try:
        level = 0 if options.mag is None else image.level_of(options.mag)
    except KeyError as err:
        raise NgffError(f"{opened.url}: {err.args[0]}") from None
    made = _source(opened, level, options)
    if options.labels is False or image.kind == "label":
        return made
    labels = {}
    for name, label in api.labels_of(opened).items():
        at = _same_level(label.image, image.levels[level].grid)
        labels[name] = _source(label, at, replace(options, axes=None))
    return replace(made, info=replace(made.info, labels=labels))


def _found(source: Any, options: ReadOptions) -> Opened:
    import xarray as xr

    if isinstance(source, (Opened, xr.DataTree, xr.Dataset, xr.DataArray)):
        return api.as_opened(source, options.storage_options)
    image = options.image or ""
    parts = image.strip("/").split("/")
    wells = ("/".join(parts[:2]),) if len(parts) >= 3 else ()
    labels = options.labels is not False or "labels" in parts
    return api.find(source, Wanted(labels=labels, wells=wells), "error", options.storage_options)


def _choose(found: Opened, options: ReadOptions) -> Opened:
    store, node = found.store, found.node
    if node.image is not None and options.image is None:
        return replace(found, missing="error")
    if node.kind == "array":
        name = store.url.rstrip("/").rsplit("/", 1)[-1].split(".", 1)[0] or "array"
        return as_image(store, node, "error", name)
    if node.kind == "arrays":
        wanted = (options.image or "").strip("/")
        sizes = {k: n.specs[0].layout.shape for k, n in node.children.items() if n.specs[0]}
        able = [k for k, shape in sizes.items() if len(shape) >= 2]
        if options.image is None and len(able) == 1:
            wanted = able[0]
        if wanted not in sizes:
            said = "" if options.image is None else f"no array {options.image!r}; "
            shown = ", ".join(f"{k!r} {' x '.join(map(str, sizes[k]))}" for k in able) or "none"
            raise NgffError(f"{store.url}: {said}choose one by image=: {shown}")
        return as_image(store, node.children[wanted], "error", wanted)
    return api.choose(dict(images_of(store, node, "error")), options.image, store.url)


def _same_level(label: Image, grid: Grid) -> int:
    """Return the level of a label image whose pixels are as large as those of its image."""
    for i, level in enumerate(label.levels):
        names = [n for n in level.grid.space if n in grid.dims]
        own = [level.grid.scale[level.grid.axis(n)] for n in names]
        if np.allclose(own, [grid.scale[grid.axis(n)] for n in names], rtol=1e-6):
            return i
    return 0


def _source(opened: Opened, level: int, options: ReadOptions) -> ZarrSource:
    image, spec = opened.image, opened.spec(level)
    grid = image.levels[level].grid
    where = "/".join(p for p in (opened.url, image.levels[level].path) if p)
    names: tuple[str, ...] = grid.dims
    notes: tuple[Problem, ...] = ()
    if image.version == "zarr":
        known = None if any(n.startswith("dim_") for n in names) else names
        names, notes = named_axes(grid.shape, options, known, where)
        sizes = dict(zip(names, grid.shape, strict=True))
        grid = make_grid(sizes)
    elif options.axes is not None and tuple(options.axes) != names:
        raise NgffError(f"{where} says that its axes are {''.join(names)!r}; leave out axes=")
    arrangement = Arrangement(names)
    layout = spec.layout
    block = layout.object_shape
    if layout.shards and math.prod(layout.shards) * layout.dtype.itemsize > _SMALL_SHARD:
        block = layout.chunks
    block = tuple(min(b, n) for b, n in zip(block, grid.shape, strict=True))
    crops = opened.node.crops[level] if opened.node.crops else {}
    starts = tuple(crops[n].start or 0 if n in crops else 0 for n in names)
    reader = opened.reader(level)
    if reader.store.concurrency <= _REMOTE:
        reader = replace(reader, threads=SerialThreads())
    notes += tuple(Problem("image", "advice", text) for text in opened.node.notes)
    info = SourceInfo(
        Grid(
            arrangement.arrange(grid.axes),
            arrangement.arrange(grid.shape),
            arrangement.arrange(grid.scale),
            arrangement.arrange(grid.origin),
        ),
        understood(layout.dtype, where),
        image.name or _stem(opened.url),
        image.kind,
        image.channels if len(image.channels) == _channels(grid) else (),
        image.label,
        arrangement.arrange(block),
        2 * layout.chunk_nbytes + (layout.chunk_nbytes if not layout.shards else 2 * 8 * 2**20),
        fingerprint_of([where, grid.shape, str(layout), _times(opened.url, level, image)]),
        notes,
    )
    return ZarrSource(info, reader, arrangement, starts)


def _channels(grid: Grid) -> int:
    return next((n for a, n in zip(grid.axes, grid.shape, strict=True) if a.is_channel), 1)


def _stem(url: str) -> str:
    name = url.rstrip("/").rsplit("/", 1)[-1]
    return name.removesuffix(".zarr").removesuffix(".ome") or "image"


def _times(url: str, level: int, image: Image) -> list[Any]:
    """Return sizes and times of some files of a local store, which change when it is rewritten."""
    path = Path(url.removeprefix("file://"))
    if "://" in url.removeprefix("file://") or not path.exists():
        return []
    if path.is_file():
        return [path.stat().st_size, path.stat().st_mtime_ns]
    folder = path / image.levels[level].path
    files = (*sorted(path.glob(".z*")), path / "zarr.json", *_files(folder))
    return [[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files if f.is_file()]


def _files(folder: Path) -> list[Path]:
    out: list[Path] = []
    for parent, folders, names in folder.walk():
        folders.sort()
        out += [parent / name for name in sorted(names)]
        if len(out) >= _SAMPLED:
            break
    return out[:_SAMPLED]
