"""Add the mags that an image lacks."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.chunks.arrays import parse_array
from ngffkit.chunks.encoding import COMPLETE, array_spec, documents
from ngffkit.chunks.recoding import recoder_of
from ngffkit.discover.walk import join
from ngffkit.editing.carrying import Edit, begun
from ngffkit.editing.jobs import (
    Held,
    Link,
    factors_of,
    held_arrays,
    level_job,
    links,
    method_for,
    shared_out,
)
from ngffkit.editing.papers import Json, Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.errors import MetadataError
from ngffkit.execute.cutting import whole
from ngffkit.execute.job import ImageJob
from ngffkit.grid import Grid
from ngffkit.image import Image, Level
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.options import Options, WriteOptions
from ngffkit.planning.planner import compression_of
from ngffkit.pyramids import grids, ladder
from ngffkit.reduce.methods import METHODS, Method
from ngffkit.spec.encode import encode
from ngffkit.spec.transforms import axis_map

_KIND = "downsample"


@dataclass(frozen=True, slots=True)
class _Rung:
    """A level there will be: one that is held, or a new one."""

    grid: Grid
    held: Held
    new: bool


def plan_mags(place: Place, options: Options, *, told: bool) -> Edit | None:
    """Plan to add mags; None when none is missing. See `ngffkit.editing.doors.downsample`.

    Parameters
    ----------
    place : Place
        The image.
    options : Options
        Which mags there shall be, and how they are stored.
    told : bool
        Whether chunks, shards or compression were asked for, rather than those of the finest.
    """
    papers, before = Papers(place), begun(place, _KIND)
    paths = list(map(str, before.get("paths") or ()))
    image = place.opened.image
    # a commit that was killed may have listed the new levels already
    image = replace(image, levels=tuple(lv for lv in image.levels if lv.path not in paths))
    place = replace(
        place, opened=replace(place.opened, node=replace(place.opened.node, image=image))
    )
    held = held_arrays(place, papers)
    method = method_for(image, held[0], options.write.method)
    wanted = missing_grids(image, options.write, METHODS[method])
    if not wanted:
        return None
    paths = paths or _paths(place, papers, len(wanted))
    made = [
        _new(held[0], join(place.path, path), grid, place, options if told else None)
        for path, grid in zip(paths, wanted, strict=True)
    ]
    rungs = [_Rung(lv.grid, array, new=False) for lv, array in zip(image.levels, held, strict=True)]
    rungs += [_Rung(array.grid, array, new=True) for array in made]
    rungs.sort(key=lambda rung: math.prod(rung.grid.scale))
    found = links([rung.grid for rung in rungs])
    levels = [
        level_job(r.held, r.held.spec, whole(r.grid.shape), _known(link, r), written=r.new)
        for link, r in zip(found, rungs, strict=True)
    ]
    ndim = len(image.base.shape)
    job, taken = shared_out(place.target, None, levels, (0,) * ndim, method, options.run)
    fresh = tuple(Level(p, g) for p, g in zip(paths, wanted, strict=True))
    work = ImageJob(place.path, image, job)
    facts = {
        "method": method,
        "levels": [[repr(r.grid), r.new, repr(r.held.spec.layout)] for r in rungs],
        "regions": [level.cut.region for level in levels],
        "finest": held[0].document,
    }

    def patch() -> None:
        for array in made:
            if array.spec.layout.zarr_format != 3:
                papers.put(join(array.path, ".zattrs"), array.attributes)
            papers.put_array(array.path, array.document)
        _list_levels(place, papers, fresh, method)

    return Edit(_KIND, place, work, papers, facts, {"paths": paths}, patch, taken=taken)


def _known(link: Link | None, rung: _Rung) -> Link | None:
    if rung.new and link is None:
        refuse("mags", f"{rung.grid.shape} can't be made of another level", "list a mag between")
    return link


def missing_grids(image: Image, write: WriteOptions, method: Method) -> list[Grid]:
    """Return the grids of the mags that shall be there and are not."""
    base = image.base
    rungs = ladder(
        base,
        mags=write.mags,
        coarsest=write.coarsest,
        until=write.until,
        sampling=write.sampling,
    )
    there = {factors_of(level.grid, base) for level in image.levels}
    made = zip(rungs, grids(base, rungs, stride=method.stride), strict=True)
    return [grid for rung, grid in made if rung.factors not in there]


def _paths(place: Place, papers: Papers, count: int) -> list[str]:
    """Return names for new levels, in the manner of those that are there."""
    used = [level.path for level in place.opened.image.levels]
    found = [re.fullmatch(r"([^\d/]*)(\d+)", path) for path in used]
    heads = {match[1] if match else None for match in found}
    head = heads.pop() if len(heads) == 1 else ""
    out: list[str] = []
    number = 0
    while len(out) < count:
        path = f"{head or ''}{number}"
        document, _ = papers.array(join(place.path, path))
        if path not in used and not document:
            out.append(path)
        number += 1
    return out


# --- arrays like another one --------------------------------------------------------------------


def _new(finest: Held, path: str, grid: Grid, place: Place, told: Options | None) -> Held:
    """Return a new array, stored as was told, or as the finest one."""
    layout = finest.spec.layout
    attributes: Json = {COMPLETE: True}
    if "_ARRAY_DIMENSIONS" in finest.attributes:
        attributes["_ARRAY_DIMENSIONS"] = finest.attributes["_ARRAY_DIMENSIONS"]
    if told is not None:
        compression = compression_of(told.write.compression)
        chosen = layout_of(grid, layout.dtype, place.zarr_format, told.write, compression.codecs)
        spec = array_spec(chosen, grid.dims, attributes)
        made = documents(spec, compression)
        document = made.get("zarr.json") or made[".zarray"]
        return Held(
            path,
            grid,
            document,
            made.get(".zattrs", attributes),
            spec,
            compression,
        )
    document = copy.deepcopy(finest.document)
    document["shape"] = list(grid.shape)
    chunks = [min(c, max(1, n)) for c, n in zip(layout.chunks, grid.shape, strict=True)]
    if layout.shards is not None:
        shards = _fewer(layout.shards, layout.chunks, chunks, grid.shape)
        document["chunk_grid"]["configuration"]["chunk_shape"] = shards
        document["codecs"][0]["configuration"]["chunk_shape"] = chunks
    elif layout.zarr_format == 3:
        document["chunk_grid"]["configuration"]["chunk_shape"] = chunks
    else:
        document["chunks"] = chunks
    if layout.zarr_format == 3:
        document["attributes"] = attributes
    try:
        spec = parse_array(document, attributes, path)
        return Held(path, grid, document, attributes, spec, recoder_of(document, spec))
    except MetadataError as err:
        refuse("image", str(err), "pass chunks= and compression=, which are used instead")


def _fewer(
    shards: Sequence[int], old: Sequence[int], chunks: Sequence[int], shape: Sequence[int]
) -> list[int]:
    """Return shards of as many chunks as they had, or as there are."""
    return [
        c * max(1, min(s // o, -(-n // c)))
        for s, o, c, n in zip(shards, old, chunks, shape, strict=True)
    ]


# --- the image's document -----------------------------------------------------------------------


def _list_levels(place: Place, papers: Papers, fresh: Sequence[Level], method: str) -> None:
    """List new levels among the others, finest first; what is said of those stays."""
    attributes = papers.attributes(place.path)
    body = attributes.get("ome", attributes)
    entry: Json = body["multiscales"][0]
    image = place.opened.image
    paths = {level.path for level in fresh}
    old: list[Json] = [item for item in entry["datasets"] if item["path"] not in paths]
    sizes = {level.path: math.prod(level.grid.scale) for level in (*image.levels, *fresh)}
    entry["datasets"] = sorted(
        [*old, *entries_like(image, fresh, old)], key=lambda item: sizes[item["path"]]
    )
    entry.setdefault("type", method)
    papers.put_attributes(place.path, attributes)


def entries_like(image: Image, fresh: Sequence[Level], old: Sequence[Json]) -> list[Json]:
    """Return the entries of new levels, before what the image says of all levels alike.

    Parameters
    ----------
    image : Image
        With its levels, in the version that the entries are for.
    fresh : sequence of Level
        The new ones.
    old : sequence of dict
        The entries that are there.
    """
    base = image.base
    like = next(item for item in old if item["path"] == image.levels[0].path)
    steps = like.get("coordinateTransformations") or []
    own = axis_map(steps, len(base.shape), "datasets") if steps else None
    if own is None or own.order != tuple(range(len(base.shape))):
        message = f"the transformation of level {like['path']!r} can't be laid on axes"
        refuse("image", message, "copy the image with ngffkit.convert, and edit the copy")
    # p -> p * a + b comes after the transformations of all levels
    a = [s / t for s, t in zip(base.scale, own.scale, strict=True)]
    b = [o - f * t for o, f, t in zip(base.origin, a, own.translation, strict=True)]
    levels = []
    for level in fresh:
        grid = level.grid
        scale = tuple(s / f for s, f in zip(grid.scale, a, strict=True))
        origin = tuple((o - m) / f for o, m, f in zip(grid.origin, b, a, strict=True))
        levels.append(Level(level.path, replace(grid, scale=scale, origin=origin)))
    plain = replace(image, levels=tuple(levels), transformations=(), coordinate_systems=())
    made: dict[str, Any] = encode(plain, image.version)
    entries: list[Json] = made.get("ome", made)["multiscales"][0]["datasets"]
    for item in entries:
        if "output" in steps[-1]:
            item["coordinateTransformations"][-1]["output"] = steps[-1]["output"]
    return entries
