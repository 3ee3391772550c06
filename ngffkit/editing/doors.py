"""Edits as functions: plan; add and remove labels; add channels, time points, mags; a region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ngffkit.editing.plans import EditPlan, make_edit, priced
from ngffkit.execute.running import Watch
from ngffkit.planning.plan import Result
from ngffkit.progress import watching


def plan_edit(edit: str, image: Any, /, *given: Any, **options: Any) -> EditPlan:
    """Say what an edit will do, without moving a pixel.

    Parameters
    ----------
    edit : str
        What is done: ``"add_labels"``, ``"remove_labels"``, ``"append"``, ``"write_region"`` or
        ``"downsample"``.
    image : path, URL, or anything opened by ngffkit
        What is edited.
    *given, **options
        As for the function of that name.

    Returns
    -------
    EditPlan
        Which parts of which arrays are written, bytes, files, memory and problems; a card in
        notebooks. `EditPlan.run` carries it out.

    Raises
    ------
    NotFoundError
        When there is no image.
    PlanError
        When it can't be done, with the reason.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.zeros((8, 64, 64), "u1"), path, voxel_size=(1, 1, 1))
    >>> ones = np.ones((2, 4, 4), "u1")
    >>> plan = plan_edit("write_region", path, ones, at={"z": 2, "y": 8, "x": 8})
    >>> plan.ok, [level.path for level in plan.levels], plan.files
    (True, ['0', '1', '2'], 3)
    """
    return priced(make_edit(edit, image, given, options))


def add_labels(
    image: Any, data: Any, name: str, /, *, progress: Watch | bool = False, **options: Any
) -> Result:
    """Add a label image to an image, with its pyramid.

    Parameters
    ----------
    image : path, URL, or anything opened by ngffkit
        What is labelled.
    data : DataArray, NumPy or dask array, or anything that can be converted
        Ids, whole numbers. A DataArray brings its coordinates; an array without any must have
        the image's shape, with or without its channels, and lies on its pixels.
    name : str
        What the labels are called: they go to ``labels/<name>``.
    progress : bool or callable
        True shows a bar; a callable is told how far it is.
    **options
        As for `ngffkit.convert`; the mags are those of the image unless told otherwise. With
        ``overwrite=True`` labels of this name are replaced: the old ones go first.

    Returns
    -------
    Result
        What was written.

    Raises
    ------
    PlanError
        When it can't be done; nothing was begun.
    SourceError, WriteError, BusyError
        When something failed on the way; the same call resumes.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.ones((8, 64, 64), "u1"), path, voxel_size=(1, 1, 1))
    >>> _ = add_labels(path, np.full((8, 64, 64), 7, "u4"), "nuclei")
    >>> int(nk.open_dataset(path, image="labels/nuclei")["labels"].max())
    7
    """
    return _done(make_edit("add_labels", image, (data, name), options), progress=progress)


def remove_labels(
    image: Any, name: str | Sequence[str], /, *, progress: Watch | bool = False, **options: Any
) -> Result:
    """Remove labels of an image, with all their files.

    Parameters
    ----------
    image : path, URL, or anything opened by ngffkit
        What is labelled.
    name : str or sequence of str
        What the labels are called: those at ``labels/<name>`` are removed.
    progress : bool or callable
        As for the other edits; no pixels are moved.
    **options
        ``image`` names one of several, e.g. a field of a plate; ``storage_options`` or
        ``target_options`` are for its store; ``resume=False`` gives up another edit that is
        unfinished, where that can be.

    Returns
    -------
    Result
        What was written: documents.

    Raises
    ------
    PlanError
        When there are no such labels, with the names of those that there are, or it can't be
        done; nothing was begun.
    WriteError, BusyError
        When something failed on the way; the same call resumes.

    Notes
    -----
    The list of labels and all consolidated metadata are replaced first, then files are removed,
    documents before chunks: nobody takes what is half removed for labels. Once the list is
    replaced it can't be given up, only finished. With the last labels goes the group that lists
    them, unless it holds something else: then it keeps an empty list.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.ones((8, 64, 64), "u1"), path, voxel_size=(1, 1, 1))
    >>> _ = add_labels(path, np.full((8, 64, 64), 7, "u4"), "nuclei")
    >>> _ = remove_labels(path, "nuclei")
    >>> list(nk.open_dataset(path).ngff.labels)
    []
    """
    return _done(make_edit("remove_labels", image, (name,), options), progress=progress)


def append(
    image: Any, data: Any, axis: str, /, *, progress: Watch | bool = False, **options: Any
) -> Result:
    """Add channels or time points at the end of an image, at all its mags.

    Parameters
    ----------
    image : path, URL, or anything opened by ngffkit
        What grows.
    data : DataArray, NumPy or dask array, or anything that can be converted
        As large as the image along all other axes; without `axis` it is one channel or time
        point. Coordinates, if it has any, must be those of the image.
    axis : str
        ``"c"`` or ``"t"``: the image must have it.
    progress : bool or callable
        True shows a bar; a callable is told how far it is.
    **options
        ``channels=["GFP"]`` names new channels; ``method`` says how mags are made where the image
        does not; and what says how the work is done.

    Returns
    -------
    Result
        What was written.

    Raises
    ------
    PlanError
        When it can't be done; nothing was begun.
    SourceError, WriteError, BusyError
        When something failed on the way; the same call resumes.

    Notes
    -----
    New pixels are invisible until documents are replaced: those of the arrays from the coarsest to
    the finest, then the image's. Who opens the image in between may see more channels or time
    points at coarse mags than at fine ones, never pixels that are not there.
    """
    return _done(make_edit("append", image, (data, axis), options), progress=progress)


def downsample(image: Any, /, *, progress: Watch | bool = False, **options: Any) -> Result:
    """Add the mags that an image lacks.

    Parameters
    ----------
    image : path, URL, or anything opened by ngffkit
        What gets them.
    progress : bool or callable
        True shows a bar; a callable is told how far it is.
    **options
        ``mags``, ``sampling``, ``coarsest``, ``until`` and ``method`` say which there shall be, as
        for `ngffkit.convert`; ``chunks``, ``shards`` and ``compression`` how they are stored, as
        the finest one is when left out; and what says how the work is done.

    Returns
    -------
    Result
        What was written: nothing when no mag is missing.

    Raises
    ------
    PlanError
        When it can't be done; nothing was begun.
    ChunkError, WriteError, BusyError
        When something failed on the way; the same call resumes.

    Notes
    -----
    Mags that are there stay as they are. Each new one is made from the coarsest other one that
    divides it exactly, which may be a new one.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.ones((8, 64, 64), "u1"), path, voxel_size=(1, 1, 1), mags=[1])
    >>> downsample(path, mags=[1, 2]).files, downsample(path, mags=[1, 2]).files
    (3, 0)
    """
    return _done(make_edit("downsample", image, (), options), progress=progress)


def write_region(
    image: Any,
    data: Any,
    /,
    *,
    at: Mapping[str, int] | None = None,
    progress: Watch | bool = False,
    **options: Any,
) -> Result:
    """Replace the pixels of a box, and bring all coarser mags up to date where they look at it.

    Parameters
    ----------
    image : path, URL, or anything opened by ngffkit
        What is changed: an image, or labels (``"a.zarr/labels/nuclei"``).
    data : DataArray, NumPy or dask array, or anything that can be converted
        Pixels of mag 1. A DataArray says by its coordinates where they go: they must be pixel
        centres, to a millionth of a pixel. An array without names has the image's last axes.
    at : Mapping of str to int, optional
        The pixel of the image that the first one of the data replaces, by axis:
        ``{"z": 10, "y": 0, "x": 64}``; for axes that have no coordinates and are cut.
    progress : bool or callable
        True shows a bar; a callable is told how far it is.
    **options
        ``image`` names one of several, e.g. labels; ``method`` says how mags are made where the
        image does not; and what says how the work is done.

    Returns
    -------
    Result
        What was written.

    Raises
    ------
    PlanError
        When it can't be done, naming the coordinate or axis; nothing was begun.
    SourceError, ChunkError, WriteError, BusyError
        When something failed on the way; the same call resumes.

    Notes
    -----
    Objects are replaced one by one, each at once and as a whole. Who reads meanwhile may see some
    old and some new ones, and coarse mags that don't show the region yet.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> path = f"{tempfile.mkdtemp()}/a.zarr"
    >>> _ = convert(np.zeros((8, 64, 64), "u1"), path, voxel_size=(1, 1, 1))
    >>> _ = write_region(path, np.full((2, 4, 4), 9, "u1"), at={"z": 2, "y": 8, "x": 8})
    >>> nk.open_dataset(path, mag="2")["image"].values.sum()
    np.uint64(36)
    """
    return _done(
        make_edit("write_region", image, (data,), {**options, "at": at}), progress=progress
    )


def _done(plan: EditPlan, *, progress: Watch | bool) -> Result:
    with watching(progress) as watch:
        return plan.run(watch)
