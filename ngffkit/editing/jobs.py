"""From arrays that are there to a job that edits them: parents, boxes, memory. No pixel moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.chunks.arrays import ArraySpec, parse_array
from ngffkit.chunks.encoding import Encoder
from ngffkit.chunks.recoding import recoder_of
from ngffkit.discover.walk import join
from ngffkit.editing.papers import Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.errors import MetadataError, PlanError
from ngffkit.execute.cutting import cut_up
from ngffkit.execute.job import Job, LevelJob
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.planning.memory import Room, fitting_threads, least, share_out
from ngffkit.planning.options import RunOptions
from ngffkit.reduce.methods import METHODS, method_of
from ngffkit.sources.contract import Box, Source
from ngffkit.stores.targets import Target

#: How far the ratio of two pixel sizes may be from a whole number.
_NEAR = 1e-3


@dataclass(frozen=True, slots=True)
class Held:
    """An array that is there.

    Parameters
    ----------
    path : str
        Below the target.
    grid : Grid
        Of its pixels.
    document, attributes : dict
        As they are.
    spec : ArraySpec
        What that means.
    recoder : Encoder
        Encodes its chunks.
    """

    path: str
    grid: Grid
    document: dict[str, Any]
    attributes: dict[str, Any]
    spec: ArraySpec
    recoder: Encoder


def held_arrays(place: Place, papers: Papers) -> tuple[Held, ...]:
    """Return the arrays of an image, finest first.

    Raises
    ------
    PlanError
        Naming the array, and what of it can't be written.
    """
    return tuple(
        _held(papers, join(place.path, level.path), level.grid)
        for level in place.opened.image.levels
    )


def _held(papers: Papers, path: str, grid: Grid) -> Held:
    document, attributes = papers.array(path)
    try:
        spec = parse_array(document, attributes, path)
        return Held(path, grid, document, attributes, spec, recoder_of(document, spec))
    except MetadataError as err:
        where = f"{path}: " if path not in str(err) else ""
        refuse("image", f"{where}{err}", "the other arrays were left as they are")


# --- who is made from whom ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """From which level another one is made.

    Parameters
    ----------
    parent : int
        Its position.
    step : tuple of int
        Pixels of the parent that become one, per axis.
    """

    parent: int
    step: tuple[int, ...]


def factors_of(grid: Grid, base: Grid) -> tuple[int, ...] | None:
    """Return how many pixels of the finest level one pixel spans, None when it isn't whole."""
    out = []
    for ratio in grid.factors(base).values():
        whole = round(ratio)
        if whole < 1 or abs(ratio - whole) > _NEAR:
            return None
        out.append(whole)
    return tuple(out)


def links(grids: Sequence[Grid]) -> list[Link | None]:
    """Find the parent of each level: the coarsest finer one that divides it exactly.

    Parameters
    ----------
    grids : sequence of Grid
        Finest first.

    Returns
    -------
    list of (Link or None)
        None for the finest level, and for one that is made of no other.

    Examples
    --------
    >>> from ngffkit.sources.contract import make_grid
    >>> g = make_grid({"y": 9, "x": 8})
    >>> links([g, g.coarsen({"x": 2}), g.coarsen({"y": 3, "x": 4})])[2]
    Link(parent=1, step=(3, 2))
    """
    factors = [factors_of(grid, grids[0]) for grid in grids]
    out: list[Link | None] = [None]
    for i in range(1, len(grids)):
        best: Link | None = None
        for j in range(i):
            step = _step(factors[i], factors[j])
            if step is not None and _fits(grids[i].shape, grids[j].shape, step):
                size = math.prod(factors[j] or ())
                if best is None or size >= math.prod(factors[best.parent] or ()):
                    best = Link(j, step)
        out.append(best)
    return out


def _step(own: tuple[int, ...] | None, its: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if own is None or its is None or any(f % g for f, g in zip(own, its, strict=True)):
        return None
    step = tuple(f // g for f, g in zip(own, its, strict=True))
    return step if any(n > 1 for n in step) else None


def _fits(shape: Sequence[int], parent: Sequence[int], step: Sequence[int]) -> bool:
    # some writers keep the partial bin at the end, some leave it out
    return all(
        n in (-(-m // f), max(1, m // f)) for n, m, f in zip(shape, parent, step, strict=True)
    )


def sure_links(image: Image, grids: Sequence[Grid]) -> list[Link | None]:
    """Find the parents of all levels that are there, or say which has none.

    Raises
    ------
    PlanError
        When a level is no exact downsampling of a finer one.
    """
    found = links(grids)
    for i, link in enumerate(found[1:], 1):
        if link is None:
            level = image.levels[i]
            message = (
                f"level {level.path!r} ({_shape(level.grid)} pixels) is no downsampling of a finer "
                f"one by whole numbers (the finest has {_shape(image.base)}), so it can't be kept "
                "up to date"
            )
            refuse("image", message, "rewrite the image with ngffkit.convert, then edit that")
    return found


def _shape(grid: Grid) -> str:
    return " x ".join(map(str, grid.shape))


# --- levels and boxes ---------------------------------------------------------------------------


def method_for(image: Image, held: Held, asked: str | None) -> str:
    """Return how coarser levels are made: as asked, or as the image says, or as is usual."""
    dtype = held.spec.layout.dtype
    if asked is None and image.method is not None:
        word = image.method.strip().lower()
        fits = METHODS.get(word)
        if fits is not None and (image.kind != "label" or fits.labels):
            return word
    return method_of(asked, image.kind, dtype).name


def level_job(
    held: Held,
    spec: ArraySpec,
    box: Box,
    link: Link | None,
    block: Sequence[int] = (),
    *,
    written: bool = True,
) -> LevelJob:
    """Return what is to be done at a level: which part of it is written, and from what.

    Parameters
    ----------
    held : Held
        The array.
    spec : ArraySpec
        What it will be.
    box : Box
        What is written of it.
    link : Link, optional
        What it is made from; None when that is the source.
    block : sequence of int
        What the source decodes at once.
    written : bool
        Whether it is written at all.
    """
    layout = spec.layout
    cut = cut_up(
        layout.shape,
        layout.chunks,
        layout.object_shape,
        block or layout.chunks,
        layout.dtype.itemsize,
    )
    return LevelJob(
        held.path,
        spec,
        # encodes as well, in the words of the document that is there
        held.recoder,
        cut,
        box,
        None if link is None else link.parent,
        () if link is None else link.step,
        written,
    )


def grown(spec: ArraySpec, axis: int, size: int) -> ArraySpec:
    """Return an array with another size along an axis."""
    shape = spec.layout.shape
    layout = replace(spec.layout, shape=(*shape[:axis], size, *shape[axis + 1 :]))
    return replace(spec, layout=layout)


def seen_by(box: Box, step: Sequence[int], shape: Sequence[int], method: str) -> Box | None:
    """Return the pixels of a level that look at a box of its parent, None when none does.

    Parameters
    ----------
    box : Box
        In pixels of the parent.
    step : sequence of int
        Pixels of the parent that become one.
    shape : sequence of int
        Of the level.
    method : str
        How it is made; some look beyond their bins.

    Examples
    --------
    >>> seen_by((slice(3, 5),), (2,), (9,), "mean"), seen_by((slice(3, 5),), (2,), (9,), "gaussian")
    ((slice(1, 3, None),), (slice(0, 4, None),))
    """
    found = METHODS[method]
    out = []
    for s, f, n in zip(box, step, shape, strict=True):
        halo = found.halo(f)
        start = max(0, (s.start - halo) // f)
        stop = min(n, -(-(s.stop + halo) // f))
        if start >= stop:
            return None  # beyond the last whole bin, which its writer left out
        out.append(slice(start, stop))
    return tuple(out)


def shared_out(
    target: Target,
    source: Source | None,
    levels: Sequence[LevelJob],
    offset: tuple[int, ...],
    method: str,
    run: RunOptions,
) -> tuple[Job, int]:
    """Share the memory out, as a conversion does; return the job, and the bytes that it takes.

    Parameters
    ----------
    target : Target
        Where it goes.
    source : Source or None
        Where level 0 comes from.
    levels : sequence of LevelJob
        Parents before children.
    offset : tuple of int
        Where the source begins in level 0.
    method : str
        How levels are made.
    run : RunOptions
        ``memory``, ``executor`` and ``workers``.

    Raises
    ------
    PlanError
        When it does not fit into ``memory``.
    """
    room = Room.of(run)
    threads, readers, buffers, needed = room.threads, 1, 1, 0
    done = tuple(levels)
    if source is not None:
        cut = levels[0].cut
        share = share_out(cut, source.info, threads, room.each) or least(cut, source.info)
        threads, readers, buffers = share.threads, share.readers, share.buffers
        needed = share.nbytes
        done = (replace(levels[0], cut=share.cut), *levels[1:])
    threads, coarse = fitting_threads(levels, method, threads, room.each)
    most = max(needed, coarse)
    if most > room.each:
        raise PlanError([room.too_little(most)])
    job = Job(target, source, done, offset, method, threads, readers, buffers, update=True)
    return job, most


__all__ = [
    "Held",
    "Link",
    "PlanError",
    "factors_of",
    "grown",
    "held_arrays",
    "level_job",
    "links",
    "method_for",
    "seen_by",
    "shared_out",
    "sure_links",
]
