"""Write a dataset: each layer an OME-Zarr of its own, and one document that lists them all."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NotFoundError, PlanError, Problem, WriteError
from ngffkit.execute.commit import put_durably
from ngffkit.execute.cutting import pieces, whole
from ngffkit.execute.job import LevelJob
from ngffkit.execute.journal import read_journal
from ngffkit.execute.running import Watch
from ngffkit.planning.carrying import SIDECAR
from ngffkit.planning.plan import Plan, Result
from ngffkit.planning.sidecar import Member, finest, layer_name, obstacle, properties
from ngffkit.progress import watching
from ngffkit.stores.targets import DOCUMENTS, Target, open_target
from ngffkit.writing import plan

_OTHER_ROOTS = DOCUMENTS - {SIDECAR}

#: What a layer is called, and what it is, others say.
_NAMES = frozenset({"sidecar", "layer", "kind", "name"})

#: Options that no layer has to itself.
_OF_ALL = _NAMES | {"overwrite", "resume", "target_options"}

_PACKED = (".ozx", ".zip")


def write(
    layers: Mapping[str, Any],
    target: Any,
    *,
    segmentations: Collection[str] = (),
    per_layer: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Watch | bool = False,
    **options: Any,
) -> Result:
    """Write a WEBKNOSSOS dataset of several layers.

    Each layer is an OME-Zarr image below the target, with its mags; ``datasource-properties.json``
    lists them and is written last, so that half a dataset is none. WEBKNOSSOS, its library and all
    that read OME-Zarr open it.

    Parameters
    ----------
    layers : Mapping of str to array, xarray object, path or URL
        What the layers are called, and their pixels: whatever `ngffkit.convert` takes. An image
        with several channels becomes a layer for each, one with labels brings them along.
    target : path or URL
        The folder of the dataset.
    segmentations : collection of str
        Layers whose pixels are ids. Label images of an OME-Zarr, and xarray variables called
        ``labels``, are known as such.
    per_layer : Mapping of str to Mapping, optional
        Options of single layers, which count before those for all:
        ``{"cells": {"chunks": 32, "mags": ["1", "2"]}}``.
    progress : bool or callable
        As for `ngffkit.convert`, layer by layer.
    **options
        As for `ngffkit.convert`, for all layers: ``voxel_size``, ``unit``, ``chunks``, ``mags``,
        ``overwrite``. Voxel sizes come from coordinates and files where they have them.

    Returns
    -------
    Result
        What was written, all layers together. Segmentations tell their largest id, for which their
        finest mag is read once more.

    Raises
    ------
    PlanError
        When it can't be done, with every reason: names that WEBKNOSSOS does not take, layers that
        don't begin at the same place, voxels that are no whole multiples (powers of two) of the
        smallest. Nothing was begun.
    SourceError, WriteError, BusyError
        When something failed on the way; the same call goes on where it stopped.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> em, cells = np.ones((8, 64, 64), "u1"), np.ones((8, 64, 64), "u4")
    >>> place = tempfile.mkdtemp() + "/dataset"
    >>> result = nk.webknossos.write(
    ...     {"color": em, "cells": cells}, place, segmentations=["cells"], voxel_size=(4, 4, 40)
    ... )
    >>> list(nk.open(place).children)
    ['color', 'cells']
    """
    began = time.monotonic()
    place = open_target(target, options.get("target_options"))
    own = per_layer or {}
    _check(layers, segmentations, place, options)
    _check_own(layers, own)
    plans = {
        name: plan(
            source,
            f"{place.url}/{name}",
            **{"name": name, **options, **own.get(name, {}), **_kind(name, segmentations)},
        )
        for name, source in layers.items()
    }
    finished = {name for name, planned in plans.items() if _is_done(planned)}
    _check_plans({name: planned for name, planned in plans.items() if name not in finished})
    _check_fit(plans)
    place.remove(SIDECAR)
    results = []
    with watching(progress) as watch:
        for name, planned in plans.items():
            if name not in finished:
                results.append(planned.run(watch))
    written = put_durably(place, SIDECAR, json.dumps(_document(place, plans), indent=2).encode())
    return Result(
        place.url,
        sum(result.files for result in results) + 1,
        sum(result.nbytes for result in results) + written.size,
        tuple(part for result in results for part in result.skipped),
        round(time.monotonic() - began, 3),
    )


def _kind(name: str, segmentations: Collection[str]) -> dict[str, str]:
    return {"kind": "label"} if name in segmentations else {}


def _check(
    layers: Mapping[str, Any], segmentations: Collection[str], place: Target, options: Any
) -> None:
    """Refuse what can be told from names alone."""
    problems = []
    if not layers:
        problems.append(Problem("layers", "error", "there are none", "name one at least"))
    for name in layers:
        plain = layer_name(str(name), set())
        if plain != name:
            remedy = f"take letters, digits and _ $ @ - . (not first), e.g. {plain!r}"
            problems.append(Problem("layers", "error", f"{name!r} is no name for a layer", remedy))
    for name in set(segmentations) - set(layers):
        message, remedy = f"{name!r} is none of the layers", f"they are {', '.join(layers)}"
        problems.append(Problem("segmentations", "error", message, remedy))
    for option in sorted(_NAMES & set(options)):
        remedy = "the names of the layers and segmentations= say it"
        problems.append(Problem(option, "error", "is not for datasets", remedy))
    problems += _about_place(place, overwrite=bool(options.get("overwrite")))
    if problems:
        raise PlanError(problems)


def _check_own(layers: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse options of layers that are not there, and those that are not for layers."""
    problems = []
    for name, options in own.items():
        if name not in layers:
            message, remedy = f"{name!r} is none of the layers", f"they are {', '.join(layers)}"
            problems.append(Problem("per_layer", "error", message, remedy))
        for option in sorted(_OF_ALL & set(options)):
            remedy = "say it of the dataset, in layers=, segmentations= or the options for all"
            message = f"{name!r}: {option!r} is not for a layer"
            problems.append(Problem("per_layer", "error", message, remedy))
    if problems:
        raise PlanError(problems)


def _about_place(place: Target, *, overwrite: bool) -> list[Problem]:
    if place.url.lower().endswith(_PACKED):
        message = f"{place.url} would be a single file; a dataset is a folder"
        return [Problem("target", "error", message, "name a folder, and pack that afterwards")]
    there = [key for key in sorted(_OTHER_ROOTS) if place.store.get(key) is not None]
    if there:
        message = f"{place.url} is a Zarr already ({there[0]})"
        return [Problem("target", "error", message, "write to a folder of its own")]
    if place.store.get(SIDECAR) is not None and not overwrite:
        message = f"{place.url} is a dataset already"
        return [Problem("target", "error", message, "pass overwrite=True")]
    return []


def _is_done(planned: Plan) -> bool:
    """Tell whether an earlier call wrote this layer, and was stopped at a later one."""
    if planned.options.run.overwrite or not planned.options.run.resume:
        return False
    try:
        journal = read_journal(planned.target)
    except (NotFoundError, WriteError):
        return False
    return journal.finished is not None and journal.fingerprint == planned.fingerprint


def _check_plans(plans: Mapping[str, Plan]) -> None:
    problems = [
        replace(problem, message=f"{name}: {problem.message}")
        for name, planned in plans.items()
        for problem in planned.problems
        if problem.severity == "error"
    ]
    if problems:
        raise PlanError(problems)


def _check_fit(plans: Mapping[str, Plan]) -> None:
    """Refuse layers that can't be in one dataset."""
    members = _members(plans)
    base, problems = finest(members), []
    for member in members:
        cause = obstacle(member, base)
        if cause:
            remedy = (
                "write it to a dataset of its own, or bring it to the grid of the others, whose "
                f"finest voxels are {' x '.join(f'{v:g}' for v in base.scale)} "
                f"({', '.join(base.dims)})"
            )
            problems.append(Problem("layers", "error", f"{member.name!r}: {cause}", remedy))
    if problems:
        raise PlanError(problems)


def _members(plans: Mapping[str, Plan], *, windows: bool = False) -> list[Member]:
    return [
        Member.of(item, _called(item.path, name, plans), name, windows=windows)
        for name, planned in plans.items()
        for item in planned.images
    ]


def _called(path: str, layer: str, layers: Collection[str]) -> str:
    """Return the name of an image of a layer: labels leave theirs to the layer that asked for it.

    Examples
    --------
    >>> _called("", "em", ["em"]), _called("labels/cells", "em", ["em", "cells"])
    ('em', 'em_cells')
    """
    name = path.rpartition("/")[2] or layer
    return f"{layer}_{name}" if path and name in layers else name


def _document(place: Target, plans: Mapping[str, Plan]) -> dict[str, Any]:
    jobs = [item for planned in plans.values() for item in planned.images]
    members = [
        replace(member, largest=_largest(item.job.target, item.job.levels[0]))
        if member.image.kind == "label"
        else member
        for member, item in zip(_members(plans, windows=True), jobs, strict=True)
    ]
    return properties(place.url.rstrip("/").rpartition("/")[2], members, finest(members))


def _largest(target: Target, level: LevelJob) -> int:
    reader = ArrayReader(target.store, level.path, level.spec)
    return largest_id(reader, level.spec.layout.object_shape)


def largest_id(reader: ArrayReader, block: Sequence[int]) -> int:
    """Return the largest value of an array, read block by block.

    Parameters
    ----------
    reader : ArrayReader
        Reads it.
    block : sequence of int
        Pixels that are read at once, per axis.
    """
    boxes = pieces(whole(reader.spec.layout.shape), tuple(block))
    return max((int(np.max(reader.read(box))) for box in boxes), default=0)
