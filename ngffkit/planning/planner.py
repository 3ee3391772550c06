"""From a source, a target and options to a plan: every decision is made here, no pixel moves."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ngffkit import __version__
from ngffkit.chunks.encoding import Compression, array_spec
from ngffkit.errors import NgffError, NotFoundError, PlanError, Problem
from ngffkit.execute.crews import workers_of
from ngffkit.execute.cutting import cut_up, whole
from ngffkit.execute.job import ImageJob, Job, LevelJob
from ngffkit.execute.journal import read_journal
from ngffkit.execute.work import cpus
from ngffkit.grid import Grid
from ngffkit.image import Image, LabelInfo, Level
from ngffkit.layout import Layout
from ngffkit.planning.conformity import against_the_spec
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.memory import Room, fitting_threads, journal_nbytes, least, share_out
from ngffkit.planning.options import Options, WriteOptions, about
from ngffkit.planning.overlaps import about_removing, about_source
from ngffkit.planning.packed import open_place
from ngffkit.planning.plan import Cost, Plan
from ngffkit.planning.sampling import Sample, sample_source
from ngffkit.planning.sidecar import doubts
from ngffkit.pyramids import grids, ladder
from ngffkit.reduce import method_of
from ngffkit.sources.contract import Source, fingerprint_of
from ngffkit.sources.opening import open_source
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.targets import Target

#: Where the labels of an image go.
_LABELS = "labels"


@dataclass(frozen=True, slots=True)
class _Draft:
    """One image as it will be, before memory is shared out."""

    path: str
    source: Source
    image: Image
    levels: tuple[LevelJob, ...]
    method: str


def make_plan(source: Any, target: Any, options: Options) -> Plan:
    """Plan a conversion.

    Parameters
    ----------
    source, target
        As for `ngffkit.plan`.
    options : Options
        What was asked for.

    Raises
    ------
    NotFoundError, SourceError
        When there is no such source.
    PlanError
        When an option can't be understood, with all that is wrong. What only forbids to *run* the
        plan (no memory, no space, a target that exists) is among its problems instead.
    """
    found = open_source(source, options.read)
    place, packed = open_place(target, options.run.target_options, options.write.version)
    drafts = list(_drafts(found, options))
    problems = [*found.info.notes, *about_target(place, packed, options)]
    if options.run.overwrite:
        problems += about_source(source, found, packed or place.url)
    room = Room.of(options.run).beside(journal_nbytes(lv for d in drafts for lv in d.levels))
    images, peak = _share(drafts, place, options, room, problems)
    sample = sample_source(found, images[0].job.levels[0])
    cost = cost_of(images, sample, room, peak, options)
    problems += [*about_space(place, cost, sample), *against_the_spec(images)]
    problems += doubts(images) if options.write.sidecar else []
    facts = _facts(found, drafts, options)
    fingerprint = fingerprint_of(facts)
    return Plan(found, place, images, options, cost, tuple(problems), fingerprint, packed)


# --- what is written ----------------------------------------------------------------------------


def _drafts(source: Source, options: Options) -> Iterator[_Draft]:
    """Yield the image, and the labels that belong to it."""
    yield draft_of("", source, options.write)
    if options.read.labels is not False:
        write = replace(options.write, method=None)
        for name, labels in source.info.labels.items():
            yield draft_of(f"{_LABELS}/{name}", labels, write)


def draft_of(path: str, source: Source, write: WriteOptions) -> _Draft:
    """Decide mags, layouts and method for one image."""
    info, number = source.info, zarr_format(write.version)
    method = method_of(write.method, info.kind, info.dtype)
    compression = compression_of(write.compression)
    rungs = ladder(
        info.grid,
        mags=write.mags,
        coarsest=write.coarsest,
        until=write.until,
        sampling=write.sampling,
    )
    made = grids(info.grid, rungs, stride=method.stride)
    label = (info.label or LabelInfo()) if info.kind == "label" else None
    if label is not None and path:
        label = replace(label, source="../../")
    image = Image(
        path.rpartition("/")[2] or info.name,
        tuple(Level(str(i), grid) for i, grid in enumerate(made)),
        () if info.kind == "label" else info.channels,
        info.kind,
        write.version,
        label,
        method.name if len(rungs) > 1 else None,
    )
    levels = []
    for i, (rung, grid) in enumerate(zip(rungs, made, strict=True)):
        layout = layout_of(grid, info.dtype, number, write, compression.codecs)
        block = info.block if i == 0 else layout.chunks
        where = f"{path}/{i}" if path else str(i)
        parent = None if i == 0 else rung.parent
        levels.append(_level(where, grid, layout, compression, block, parent, rung.step))
    return _Draft(path, source, image, tuple(levels), method.name)


def _level(
    path: str,
    grid: Grid,
    layout: Layout,
    compression: Compression,
    block: Sequence[int],
    parent: int | None,
    step: tuple[int, ...],
) -> LevelJob:
    cut = cut_up(layout.shape, layout.chunks, layout.object_shape, block, layout.dtype.itemsize)
    spec = array_spec(layout, grid.dims)
    return LevelJob(path, spec, compression, cut, whole(layout.shape), parent, step)


def compression_of(text: str) -> Compression:
    """Understand ``zstd``, ``zstd:5``, ``none``.

    Examples
    --------
    >>> compression_of("zstd:5").level
    5
    """
    name, _, level = str(text).partition(":")
    try:
        number = int(level) if level else {"gzip": 5}.get(name, 1)
        return Compression(name, number)  # type: ignore[arg-type]
    except (ValueError, NgffError) as err:
        message = str(err) if isinstance(err, NgffError) else f"{text!r} has no level"
        remedy = "choose zstd, gzip or none, with a level if wanted: 'zstd:5'"
        raise PlanError([Problem("compression", "error", message, remedy)]) from None


# --- memory -------------------------------------------------------------------------------------


def _share(
    drafts: Sequence[_Draft],
    target: Target,
    options: Options,
    room: Room,
    problems: list[Problem],
) -> tuple[tuple[ImageJob, ...], int]:
    """Share the memory out; return the jobs, and the peak."""
    images, most, needed = [], 0, 0
    for draft in drafts:
        info, cut = draft.source.info, draft.levels[0].cut
        share = share_out(cut, info, room.threads, room.each)
        if share is None:
            share = least(cut, info)
            needed = max(needed, share.nbytes)
        threads, coarse = fitting_threads(draft.levels, draft.method, share.threads, room.each)
        needed = max(needed, coarse if coarse > room.each else 0)
        job = Job(
            target,
            draft.source,
            (replace(draft.levels[0], cut=share.cut), *draft.levels[1:]),
            (0,) * len(cut.shape),
            draft.method,
            threads,
            share.readers,
            share.buffers,
            options.run.on_error == "skip",
        )
        images.append(ImageJob(draft.path, draft.image, job))
        most = max(most, share.nbytes, coarse)
    if needed:
        problems.append(room.too_little(needed))
    return tuple(images), room.total(most)


# --- what it costs ------------------------------------------------------------------------------


def cost_of(
    images: Sequence[ImageJob], sample: Sample, room: Room, peak: int, options: Options
) -> Cost:
    """Return what writing these images takes."""
    raw = sum(lv.spec.layout.nbytes for item in images for lv in item.job.levels)
    first = images[0].job.levels[0]
    scratch = first.cut.unit_nbytes if first.cut.staged else 0
    who = options.run.executor
    workers = options.run.workers or (cpus() if who == "threads" else workers_of(who))
    seconds = None if sample.rate is None else raw / (sample.rate * workers)
    return Cost(room.base, peak, room.budget, int(raw * sample.ratio), scratch, seconds)


def about_target(target: Target, packed: str | None, options: Options) -> list[Problem]:
    """Say whether something is in the way at a target."""
    if options.run.overwrite:
        return about_removing(target, packed)
    there = packed if packed is not None and Path(packed).exists() else None
    if there is None and target.exists():
        there = target.url
    if there is None:
        return []
    with contextlib.suppress(NotFoundError):
        if options.run.resume and read_journal(target).finished is None:
            return []  # the journal has the last word, when it is opened
    remedy = "choose another one, or pass overwrite=True to replace it"
    return [Problem("target", "error", f"{there} exists", remedy)]


def about_space(target: Target, cost: Cost, sample: Sample) -> list[Problem]:
    """Say whether disks have room for it."""
    out = []
    free = target.free()
    if free is not None and cost.stored > free:
        message = f"about {about(cost.stored)} are needed at {target.url}, {about(free)} are free"
        out.append(Problem("target", "error", message, "free some space, or choose another place"))
    if cost.scratch:
        # a scratch file lies on the disk of the target where that is here: see `Worker.scratch`
        folder, left = target.url, None if free is None else free - cost.stored
        if left is None:
            import shutil

            folder = tempfile.gettempdir()
            left = shutil.disk_usage(folder).free
        message = f"planes are wider than memory: {about(cost.scratch)} are staged beside {folder}"
        if left < cost.scratch:
            remedy = (
                f"only {about(max(0, left))} are free there: free some, or pass a larger memory="
            )
            out.append(Problem("memory", "error", message, remedy))
        else:
            out.append(Problem("memory", "advice", message, "a larger memory= is faster"))
    if sample.problem is not None:
        out.append(sample.problem)
    return out


def _facts(source: Source, drafts: Sequence[_Draft], options: Options) -> Mapping[str, Any]:
    """Return what must be equal for a conversion to be resumed.

    Memory, threads and executors may change: they change no byte.
    """
    return {
        "ngffkit": __version__.rpartition(".")[0],
        "source": source.info.fingerprint,
        "labels": [draft.source.info.fingerprint for draft in drafts[1:]],
        "images": [
            [
                draft.path,
                draft.method,
                repr(draft.image),
                [
                    [repr(lv.spec.layout), repr(lv.compression), lv.cut.region]
                    for lv in draft.levels
                ],
            ]
            for draft in drafts
        ],
        "options": [options.run.on_error, options.write.sidecar, options.write.layer],
    }


__all__ = [
    "about_space",
    "about_target",
    "compression_of",
    "cost_of",
    "draft_of",
    "make_plan",
]
