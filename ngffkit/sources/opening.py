"""From whatever holds an image to a `Source`: the dispatch behind `convert` and `plan`."""

from __future__ import annotations

import glob
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ngffkit.errors import NgffError, NotFoundError
from ngffkit.sources.adjusting import adjust
from ngffkit.sources.contract import Source
from ngffkit.sources.options import ReadOptions

#: Who opens a file, by how its name ends: a module beside this one, and its function.
_OPENERS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".zarr", ".ozx", ".zip"), "zarrs:open_zarr"),
    ((".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk"), "tiff.source:open_tiff"),
    ((".png", ".jpg", ".jpeg", ".bmp"), "opening:open_picture"),
    ((".h5", ".hdf5"), "formats.hdf5:open_hdf5"),
    ((".mrc", ".rec", ".map", ".st", ".ali"), "formats.mrc:open_mrc"),
    ((".mrc.gz", ".rec.gz", ".map.gz", ".st.gz", ".ali.gz"), "formats.mrc:open_mrc"),
    ((".nii", ".nii.gz", ".img", ".hdr", ".img.gz", ".hdr.gz"), "formats.nifti:open_nifti"),
    ((".czi",), "formats.czi:open_czi"),
    ((".nd2",), "formats.nd2:open_nd2"),
    ((".ims",), "formats.imaris:open_imaris"),
    ((".npy",), "arrays:open_npy"),
    ((".raw", ".bin", ".dat"), "raw:open_raw"),
)

#: What opens files that end in none of these.
_ANY = "formats.bioio:open_bioio"

#: What opens objects, by the package their type, or one it is made of, comes from.
_OBJECTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("xarray", ("DataTree",), "zarrs:open_zarr"),
    ("xarray", ("DataArray", "Dataset"), "arrays:open_array"),
    ("dask", ("Array",), "arrays:open_array"),
    ("numpy", ("ndarray",), "arrays:open_array"),
    ("ngffkit", (), "zarrs:open_zarr"),
    ("zarr", (), "zarrs:open_zarr"),
    ("obstore", (), "zarrs:open_zarr"),
    ("fsspec", (), "zarrs:open_zarr"),
)

_UNDERSTOOD = (
    "a path (an image file, a folder of numbered images, a Zarr, a WEBKNOSSOS dataset), a list of "
    "paths, a URL of a Zarr, a NumPy, dask or xarray array, or what ngffkit or zarr opened"
)


def open_source(x: Any, options: ReadOptions = ReadOptions()) -> Source:  # noqa: B008 - frozen
    """Open anything that can be converted.

    Parameters
    ----------
    x : Source, str, Path, sequence of paths, array, xarray object, zarr or ngffkit object
        A file by its ending; a folder of numbered images (also ``dir/*.tif``, or a list), with
        subfolders for channels, time points or labels; a Zarr, zip or URL; an array.
    options : ReadOptions
        How to read it, and what is said over what it says.

    Returns
    -------
    Source
        With the axes in the order t, others, c, z, y, x.

    Raises
    ------
    NotFoundError
        When there is nothing.
    SourceError
        When a file is damaged; the message names it.
    NgffError
        When it is not understood, or an option does not fit; the message says what would be.

    Examples
    --------
    >>> source = open_source(np.zeros((2, 8, 8), "u1"), ReadOptions(voxel_size=(4, 4, 40)))
    >>> source.info.grid.scale, source.info.grid.axes[0].unit
    ((40.0, 4.0, 4.0), 'nanometer')
    """
    return adjust(_opened(x, options), options, open_source)


def open_file(path: str, options: ReadOptions = ReadOptions()) -> Source:  # noqa: B008 - frozen
    """Open one file by how its name ends, and apply no option over what it says.

    Raises
    ------
    NotFoundError
        When there is no such file.
    NgffError
        When it is not understood.
    """
    if not Path(path).exists():
        raise NotFoundError(f"{path} does not exist")
    return _load(_opener_of(path) or _ANY)(path, options)


def is_known(name: str) -> bool:
    """Tell whether files that end so are opened by a reader of ours."""
    return _opener_of(name) is not None


def open_picture(path: str, options: ReadOptions) -> Source:
    """Open one picture: a stack of one plane."""
    from ngffkit.sources.stacks.slices import open_stack

    file = Path(path)
    literal = file.name.replace("{", "{{").replace("}", "}}")
    own = ReadOptions(pattern=literal, kind=options.kind)
    return open_stack(str(file.parent), [file.name], own)


def _opened(x: Any, options: ReadOptions) -> Source:
    if isinstance(x, Source):
        return x
    if isinstance(x, (str, os.PathLike)):
        path = os.fspath(x)
        if not isinstance(path, str):
            raise NgffError(f"{path!r} is bytes; a str or a Path was expected")
        return _open_path(path, options)
    for package, names, target in _OBJECTS:
        if _is_of(x, package, names):
            return _load(target)(x, options)
    if isinstance(x, Sequence) and x and all(isinstance(p, (str, os.PathLike)) for p in x):
        return _open_list([os.fspath(p) for p in x], options)
    if hasattr(x, "__array__") and not isinstance(x, (int, float, complex)):
        return _load("arrays:open_array")(np.asarray(x), options)
    raise NgffError(f"a {type(x).__name__} is no image; {_UNDERSTOOD} was expected")


def _is_of(x: Any, package: str, names: tuple[str, ...]) -> bool:
    # without importing the package
    return any(
        kind.__module__.split(".", 1)[0] == package and (not names or kind.__name__ in names)
        for kind in type(x).__mro__
    )


def _open_path(path: str, options: ReadOptions) -> Source:
    from ngffkit.sources.stacks.folders import is_zarr, open_folder

    if path.lower().startswith("file://"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        path = url2pathname(urlsplit(path).path)
    if "://" in path or "::" in path:
        _refuse_remote_file(path)
        return _load("zarrs:open_zarr")(path, options)
    try:
        path = str(Path(path).expanduser())
        is_folder, exists = Path(path).is_dir(), Path(path).exists()
    except (OSError, ValueError, RuntimeError) as err:
        raise NgffError(f"{path!r} is not a path: {err}") from err
    if is_folder:
        return (
            _load("zarrs:open_zarr")(path, options) if is_zarr(path) else open_folder(path, options)
        )
    if exists:
        return open_file(path, options)
    if glob.has_magic(path):
        found = glob.glob(path, recursive=True)  # noqa: PTH207 - the pattern may be absolute
        if found:
            return _open_list([p for p in found if Path(p).is_file()], options)
    raise NotFoundError(f"{path} does not exist; {_UNDERSTOOD} was expected")


def _refuse_remote_file(url: str) -> None:
    opener = _opener_of(url.split("?", 1)[0])
    if opener is not None and not opener.startswith("zarrs:"):
        raise NgffError(f"{url} is an image file on a server; download it, or name a Zarr there")


def _open_list(paths: Sequence[str], options: ReadOptions) -> Source:
    from ngffkit.sources.stacks.patterns import is_junk
    from ngffkit.sources.stacks.slices import open_stack

    paths = [str(Path(p).absolute()) for p in paths if not is_junk(Path(p).name)]
    missing = [p for p in paths if not Path(p).is_file()]
    if missing or not paths:
        raise NotFoundError(f"{missing[0] if missing else 'no image file'} does not exist")
    if len(set(paths)) < len(paths):
        twice = next(p for p in paths if paths.count(p) > 1)
        raise NgffError(f"{twice} is in the list twice")
    if len(paths) == 1:
        return open_file(paths[0], options)
    folder = os.path.commonpath([str(Path(p).parent) for p in paths])
    return open_stack(folder, [Path(p).relative_to(folder).as_posix() for p in paths], options)


def _opener_of(name: str) -> str | None:
    """Return who opens files that end so; the longest ending counts."""
    lower = name.lower().rstrip("/")
    fits = [
        (len(ending), target)
        for endings, target in _OPENERS
        for ending in endings
        if lower.endswith(ending)
    ]
    return max(fits)[1] if fits else None


def _load(target: str) -> Callable[..., Source]:
    """Import an opener when it is used, with the libraries it needs."""
    module, name = target.split(":")
    opener: Callable[..., Source] = getattr(
        importlib.import_module(f"ngffkit.sources.{module}"), name
    )
    return opener
