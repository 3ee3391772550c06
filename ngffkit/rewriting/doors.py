"""Rewrite an image as functions: plan it, do it."""

from __future__ import annotations

from typing import Any

from ngffkit.execute.running import Watch
from ngffkit.planning.plan import Result
from ngffkit.progress import watching
from ngffkit.rewriting.plan import Rewriting
from ngffkit.rewriting.planner import make_plan


def plan_rewrite(
    x: Any,
    layout: Any = None,
    target: Any = None,
    *,
    image: str | None = None,
    verify: bool = True,
    keep: bool = False,
    **options: Any,
) -> Rewriting:
    """Say what a rewriting will do, without moving a pixel.

    Parameters
    ----------
    x, layout, target, image, verify, keep, **options
        As for `rewrite`.

    Returns
    -------
    Rewriting
        Files, bytes, memory and problems before and after; a card in notebooks. `Rewriting.run`
        carries it out.

    Raises
    ------
    NotFoundError
        When there is no such image.
    PlanError
        When an option makes no sense. What only forbids to run it is in `Rewriting.problems`.

    Notes
    -----
    A swap that was killed after the new image had taken the old one's place is brought to its end
    first, so that what is planned on is what is there.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.ones((64, 64, 64), "u1"), path, voxel_size=(1, 1, 1), chunks=16, shards=None)
    >>> plan = plan_rewrite(path, chunks=32, shards=64)
    >>> plan.files_before, plan.files, plan.ok
    (73, 3, True)
    """
    return make_plan(x, layout, target, image, options, verify=verify, keep=keep)


def rewrite(
    x: Any,
    layout: Any = None,
    target: Any = None,
    *,
    image: str | None = None,
    verify: bool = True,
    keep: bool = False,
    progress: Watch | bool = False,
    **options: Any,
) -> Result:
    """Store the same pixels in another layout, in place or elsewhere.

    Every mag that there is is copied as it is, bit by bit; labels come along, and so do attributes
    and files of other programs. Mags are made only where they are asked for and missing.

    Parameters
    ----------
    x : path, URL, or anything opened by ngffkit
        An OME-Zarr image, or images of bioformats2raw's layout. With `target` also plain arrays and
        layers of WEBKNOSSOS datasets.
    layout : mapping, "advised" or Layout, optional
        Options of `ngffkit.planning.options.WriteOptions`, such as ``{"chunks": 64}``; what
        `ngffkit.tune` advises; or how arrays shall lie. Chunks and shards that are not asked for
        stay as they are; from Zarr v2, which has no shards, to v3 they are as `ngffkit.convert`
        chooses them. Compression is Zstandard unless another one is asked for.
    target : path or URL, optional
        Where it goes, as for `ngffkit.convert`. When left out the image is replaced, which folders
        of this machine allow: it is written beside, compared, and exchanged in one step.
    image : str, optional
        Which image where there are several; with `target`.
    verify : bool
        Whether all is read back: every copied pixel is compared with the original before the
        image counts, and every object with its checksum.
    keep : bool
        Whether the image that is replaced stays, as ``<name>.before``.
    progress : bool or callable
        True shows a bar; a callable is told how far it is.
    **options
        ``version``, ``chunks``, ``shards``, ``compression``, ``mags``, ``sampling``, ``coarsest``,
        ``until``, ``method``; and how the work is done: ``memory``, ``workers``, ``executor``,
        ``resume``, ``overwrite`` (of `target`), ``storage_options``, ``target_options``. The
        version stays as it is unless another is asked for.

    Returns
    -------
    Result
        Where the image is, and what was written.

    Raises
    ------
    PlanError
        When it can't be done, or something would be lost; nothing was begun.
    SourceError
        Naming the chunk that can't be read or was lost. The image is as it was.
    WriteError, BusyError
        When something failed on the way, or what was written reads back otherwise. The image is as
        it was; the same call goes on.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.ones((64, 64, 64), "u1"), path, voxel_size=(1, 1, 1), chunks=16, shards=None)
    >>> result = rewrite(path, chunks=32, shards=64)
    >>> nk.open_dataset(path)["image"].encoding["shards"]
    (64, 64, 64)
    """
    planned = plan_rewrite(x, layout, target, image=image, verify=verify, keep=keep, **options)
    with watching(progress) as watch:
        return planned.run(watch)
