"""From the images that there are to the jobs that rewrite them, level by level."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ngffkit.chunks.encoding import COMPLETE, Compression, array_spec
from ngffkit.discover.documents import Metadata
from ngffkit.discover.walk import join
from ngffkit.editing.coarser import missing_grids
from ngffkit.editing.jobs import Link, links
from ngffkit.editing.place import refuse
from ngffkit.errors import NgffError, Problem
from ngffkit.execute.cutting import cut_up, whole
from ngffkit.execute.job import ImageJob, Job, LevelJob
from ngffkit.grid import Grid
from ngffkit.image import Image, Level
from ngffkit.opened import Opened
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.memory import Room, fitting_threads, least, share_out
from ngffkit.planning.options import WriteOptions
from ngffkit.planning.planner import compression_of
from ngffkit.reduce.methods import METHODS, method_of
from ngffkit.rewriting.asked import MAGS
from ngffkit.sources.arranged import Arrangement
from ngffkit.sources.contract import Source, SourceInfo, fingerprint_of
from ngffkit.sources.zarrs import SerialThreads, ZarrSource
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.targets import Target

#: A shard up to this size is read as a whole; of a larger one, its chunks.
_SMALL_SHARD: Final = 64 * 2**20

#: Requests in flight from which on a store is far away.
_REMOTE: Final = 8

#: Attributes of arrays that follow from what is written.
_OWN: Final = ("_ARRAY_DIMENSIONS", COMPLETE)


@dataclass(frozen=True, slots=True)
class Draft:
    """One image as it will be.

    Parameters
    ----------
    path : str
        Path of its group below the root of what is rewritten.
    opened : Opened
        The image as it is.
    source : Image
        The same with the levels that are made, in its old version.
    image : Image
        The same in the new version.
    levels : tuple of LevelJob
        All levels, finest first; those of `fresh` have parents.
    fresh : tuple of Level
        Those that are made.
    method : str
        How they are made.
    sources : tuple of (Source or None)
        Where the pixels of each level are; None for those that are made.
    """

    path: str
    opened: Opened
    source: Image
    image: Image
    levels: tuple[LevelJob, ...]
    fresh: tuple[Level, ...]
    method: str
    sources: tuple[Source | None, ...]


def draft(path: str, opened: Opened, write: WriteOptions, asked: Collection[str]) -> Draft:
    """Decide the layouts of one image.

    Parameters
    ----------
    path : str
        Path of its group below the root of what is rewritten.
    opened : Opened
        The image.
    write : WriteOptions
        What was asked for.
    asked : collection of str
        Names of the options that were; chunks and shards stay, and no mags are made, unless asked
        for.
    """
    old = opened.image
    sources = [_source(opened, i) for i in range(len(old.levels))]
    dtype = sources[0].info.dtype
    method = "copy"
    attributes = _attributes(opened)
    if not old.version[:1].isdigit():
        # arrays of no image, or of one that calls them otherwise
        old = replace(old, levels=tuple(Level(str(i), lv.grid) for i, lv in enumerate(old.levels)))
    whence = {lv.path: i for i, lv in enumerate(old.levels)}
    fresh: tuple[Level, ...] = ()
    if any(name in asked for name in MAGS):
        method = method_of(write.method or _known(old), old.kind, dtype).name
        fresh = _missing(opened, old, write, method)
    every = sorted((*old.levels, *fresh), key=lambda level: math.prod(level.grid.scale))
    parents = links([level.grid for level in every])
    found = [whence.get(level.path) for level in every]
    jobs = []
    for level, link, at in zip(every, parents, found, strict=True):
        if at is None and link is None:
            message = f"{level.grid.shape} can't be made of another level"
            refuse("mags", message, "list a mag between")
        jobs.append(
            _job_of(
                join(path, level.path),
                level.grid,
                sources[at or 0],
                {} if at is None else attributes[at],
                _staying(write, sources[at or 0], asked),
                link if at is None else None,
            )
        )
    source_image = replace(old, levels=tuple(every))
    image = replace(source_image, version=write.version)
    given = tuple(None if at is None else sources[at] for at in found)
    return Draft(path, opened, source_image, image, tuple(jobs), fresh, method, given)


def _job_of(
    path: str,
    grid: Grid,
    source: ZarrSource,
    attributes: Mapping[str, Any],
    write: WriteOptions,
    link: Link | None,
) -> LevelJob:
    """Return the job of one level; `link` says what it is made of, unless it is copied."""
    compression, dtype = compression_of(write.compression), source.info.dtype
    layout = layout_of(grid, dtype, zarr_format(write.version), write, compression.codecs)
    # like every array of ours: no object is left out, so one that is absent was lost
    spec = array_spec(layout, grid.dims, {**attributes, COMPLETE: True})
    fill = source.reader.spec.fill
    spec = spec if fill is None else replace(spec, fill=dtype.type(fill))
    block = source.info.block if link is None else layout.chunks
    cut = cut_up(grid.shape, layout.chunks, layout.object_shape, block, dtype.itemsize)
    parent, step = (None, ()) if link is None else (link.parent, link.step)
    return LevelJob(path, spec, compression, cut, whole(grid.shape), parent, step)


def _staying(write: WriteOptions, source: ZarrSource, asked: Collection[str]) -> WriteOptions:
    """Return what is written where what was not asked for stays as it is."""
    if "chunks" in asked:
        return write
    layout, dims = source.reader.spec.layout, source.info.grid.dims
    shards: Any = write.shards
    if "shards" not in asked and layout.zarr_format == zarr_format(write.version):
        shards = layout.shards and dict(zip(dims, layout.shards, strict=True))
    return replace(write, chunks=dict(zip(dims, layout.chunks, strict=True)), shards=shards)


def _known(image: Image) -> str | None:
    """Return how the image says that its mags were made, where that can be done again."""
    word = (image.method or "").strip().lower()
    found = METHODS.get(word)
    usable = found is not None and (image.kind != "label" or found.labels)
    return word if usable else None


def _missing(opened: Opened, image: Image, write: WriteOptions, method: str) -> tuple[Level, ...]:
    """Return the levels of the mags that are asked for and are not there."""
    wanted = missing_grids(image, write, METHODS[method])
    folder = join(getattr(opened.store, "root", ""), opened.node.path)
    return tuple(map(Level, _names([lv.path for lv in image.levels], len(wanted), folder), wanted))


def _names(used: Sequence[str], count: int, folder: str) -> list[str]:
    """Return names for new levels, in the manner of those that are there.

    What has a name in the folder already, and is no level, comes along under it.
    """
    heads = {match[1] for path in used if (match := re.fullmatch(r"(.*?)\d+", path))}
    head = heads.pop() if len(heads) == 1 else ""
    every = (f"{head}{i}" for i in itertools.count())
    free = (name for name in every if name not in used and not os.path.lexists(join(folder, name)))
    return list(itertools.islice(free, count))


def _attributes(opened: Opened) -> list[dict[str, Any]]:
    """Return the attributes of each array that are not ours to make."""
    paths = [level.path for level in opened.image.levels]
    inside = [join(opened.node.path, path) for path in paths]
    number = opened.spec(0).layout.zarr_format
    if number == 2:
        found = Metadata(opened.store, 2).v2_attrs(inside)
    else:
        found = [opened.spec(i).attrs for i in range(len(paths))]
    return [{k: v for k, v in attrs.items() if k not in _OWN} for attrs in found]


# --- where pixels come from -----------------------------------------------------------------------


def _source(opened: Opened, level: int) -> ZarrSource:
    """Return what reads one level as it is, its axes in the order that they have."""
    image, spec = opened.image, opened.spec(level)
    grid, layout = image.levels[level].grid, spec.layout
    if layout.dtype.kind not in "biufc":
        message = f"level {image.levels[level].path!r} of {opened.url} holds {layout.dtype}"
        refuse("image", message, "images of booleans and numbers can be rewritten")
    block = layout.object_shape
    if layout.shards and math.prod(layout.shards) * layout.dtype.itemsize > _SMALL_SHARD:
        block = layout.chunks
    crops = opened.node.crops[level] if opened.node.crops else {}
    reader = replace(opened, missing="error").reader(level)
    if reader.store.concurrency <= _REMOTE:
        reader = replace(reader, threads=SerialThreads())
    where = join(opened.url, image.levels[level].path)
    info = SourceInfo(
        grid,
        layout.dtype.newbyteorder("="),
        image.name,
        image.kind,
        image.channels,
        image.label,
        tuple(min(b, max(1, n)) for b, n in zip(block, grid.shape, strict=True)),
        2 * layout.chunk_nbytes + (layout.chunk_nbytes if not layout.shards else 2 * 8 * 2**20),
        fingerprint_of([where, grid.shape, str(layout), _time(where)]),
    )
    # names that none of the known axes has keep their order
    same = Arrangement(tuple(f"axis {i}" for i in range(len(grid.shape))))
    starts = tuple(crops[n].start or 0 if n in crops else 0 for n in grid.dims)
    return ZarrSource(info, reader, same, starts)


def _time(url: str) -> list[int]:
    """Return when a local array was changed, as far as its folder tells."""
    try:
        return [Path(url).stat().st_mtime_ns]
    except OSError:
        return []  # far away, or gone


# --- who does it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What is run, and what it takes.

    Parameters
    ----------
    images : tuple of ImageJob
        What each image will be; with all its levels.
    jobs : tuple of ImageJob
        What is run: one for each level that is copied, one for all that are made of an image.
    peak : int
        Bytes of memory, without those for verifying.
    problems : tuple of Problem
        What stands against it.
    """

    images: tuple[ImageJob, ...]
    jobs: tuple[ImageJob, ...]
    peak: int
    problems: tuple[Problem, ...]


def share(drafts: Sequence[Draft], target: Target, room: Room) -> Work:
    """Share the memory out."""
    images, jobs, most, needed = [], [], 0, 0
    for item in drafts:
        levels = list(item.levels)
        for i, (level, source) in enumerate(zip(item.levels, item.sources, strict=True)):
            if source is None:
                continue
            part = share_out(level.cut, source.info, room.threads, room.each)
            if part is None:
                part = least(level.cut, source.info)
                needed = max(needed, part.nbytes)
            levels[i] = replace(level, cut=part.cut)
            job = _job(target, source, (levels[i],), item, part.threads)
            job = replace(job, readers=part.readers, buffers=part.buffers)
            # tasks are called by the array: each is a job of its own
            jobs.append(ImageJob(level.path, item.image, job))
            most = max(most, part.nbytes)
        coarse = [replace(lv, written=lv.parent is not None) for lv in levels]
        threads, nbytes = fitting_threads(coarse, item.method, room.threads, room.each)
        needed = max(needed, nbytes if nbytes > room.each else 0)
        most = max(most, nbytes)
        if item.fresh:
            made = _job(target, None, tuple(coarse), item, threads)
            jobs.append(ImageJob(f"{item.path}+", item.image, made))
        whole_job = _job(target, item.sources[0], tuple(levels), item, threads)
        images.append(ImageJob(item.path, item.image, whole_job))
    problems = (room.too_little(needed),) if needed else ()
    return Work(tuple(images), tuple(jobs), most, problems)


def _job(
    target: Target,
    source: Source | None,
    levels: tuple[LevelJob, ...],
    item: Draft,
    threads: int,
) -> Job:
    offset = (0,) * len(item.image.base.shape)
    return Job(target, source, levels, offset, item.method, threads)


def compression_at(level: LevelJob) -> Compression:
    """Return how a level that is written anew is compressed."""
    if not isinstance(level.compression, Compression):
        raise NgffError(f"{level.path} is not written anew")
    return level.compression
