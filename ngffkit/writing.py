"""Convert and write, as functions; the accessor, the command line and the panels call these."""

from __future__ import annotations

import inspect
from typing import Any

from ngffkit.execute.running import Watch
from ngffkit.planning.options import Options, keywords
from ngffkit.planning.plan import Plan, Result
from ngffkit.planning.planner import make_plan
from ngffkit.progress import watching


def plan(source: Any, target: Any, **options: Any) -> Plan:
    """Say what a conversion will do, without moving a pixel.

    Parameters
    ----------
    source : path, URL, list of paths, array, xarray object or Source
        A folder of numbered images, an image file (PNG, JPEG, BMP, TIFF, and more by extras), a
        NumPy, dask or xarray array, any Zarr, a WEBKNOSSOS dataset.
    target : path or URL
        Where the OME-Zarr goes: a folder, ``s3://``, ``gs://``, or a file ``*.ozx``.
    **options
        How to read (`ngffkit.sources.options.ReadOptions`), what to write
        (`ngffkit.planning.options.WriteOptions`) and how to work
        (`ngffkit.planning.options.RunOptions`), e.g. ``voxel_size=(4, 4, 40)``,
        ``chunks=64``, ``memory="500 MB"``.

    Returns
    -------
    Plan
        Shape, mags, layout, bytes, files, tasks, memory, time and problems; a card in notebooks.
        `Plan.run` carries it out.

    Raises
    ------
    NotFoundError, SourceError
        When there is no such source, or it can't be understood.
    PlanError
        When an option makes no sense. What only forbids to run the plan (too little memory or
        space, a target that exists) is listed in `Plan.problems`.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk
    >>> volume = np.arange(32 * 64 * 64, dtype="u2").reshape(32, 64, 64)
    >>> plan = nk.plan(volume, "memory://volume.zarr", voxel_size=(4, 4, 8), unit="nm")
    >>> plan.mags, plan.ok
    (('1', '2-2-1', '4-4-2'), True)
    """
    return make_plan(source, target, Options.of(options))


def convert(source: Any, target: Any, *, progress: Watch | bool = False, **options: Any) -> Result:
    """Convert anything to OME-Zarr; short for ``plan(...).run()``.

    Parameters
    ----------
    source, target, **options
        As for `plan`.
    progress : bool or callable
        True shows a bar, in notebooks and terminals; a callable is told how far the work is, as
        `ngffkit.execute.running.Progress`, and stops it by raising.

    Returns
    -------
    Result
        What was written, and what was left out.

    Raises
    ------
    PlanError
        When it can't be done; nothing was begun.
    SourceError, WriteError, BusyError
        When something failed on the way; what was done stays, and the same call resumes.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> result = nk.convert(np.ones((8, 64, 64), "u1"), f"{folder}/a.zarr", voxel_size=(1, 1, 1))
    >>> nk.open_dataset(result.url)["image"].shape
    (8, 64, 64)
    """
    planned = plan(source, target, **options)
    with watching(progress) as watch:
        return planned.run(watch)


def write(data: Any, target: Any, *, progress: Watch | bool = False, **options: Any) -> Result:
    """Write an array as OME-Zarr: NumPy, dask, or xarray with its coordinates.

    Parameters
    ----------
    data : DataArray, Dataset, dask or NumPy array
        Coordinates, units, channels and kind come from xarray objects; `options` override them.
    target, progress, **options
        As for `convert`.

    Returns
    -------
    Result
        What was written.

    Raises
    ------
    PlanError, WriteError
        As for `convert`.
    """
    return convert(data, target, progress=progress, **options)


def copy(source: Any, target: Any, *, progress: Watch | bool = False, **options: Any) -> Result:
    """Copy any Zarr to OME-Zarr: to another version, layout, set of mags, or a part of it.

    Parameters
    ----------
    source, target, progress, **options
        As for `convert`: ``version``, ``chunks``, ``shards``, ``mags``,
        ``crop={"z": slice(0, 64)}``.

    Returns
    -------
    Result
        What was written.
    """
    return convert(source, target, progress=progress, **options)


def _shows_options(function: Any) -> None:
    """Let help and completion show the options that a function takes."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=[*own, *keywords()])


for _function in (plan, convert, write, copy):
    _shows_options(_function)
