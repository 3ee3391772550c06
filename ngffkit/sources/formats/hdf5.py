"""A dataset of an HDF5 file as a source, with what ilastik, plantseg and others write beside it."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, SourceError
from ngffkit.sources.arranged import library, named_axes, positive
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import Facts, FileSource, Shared, file_source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file, reason


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pixels of one dataset.

    Parameters
    ----------
    file : Shared
        The file.
    path : str
        Of the dataset in it.
    """

    file: Shared
    path: str

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box in the order of the file."""
        with self.file.use() as file:
            return np.asarray(file[self.path][cut])


def open_file(path: str) -> Any:
    """Open an HDF5 file for reading; filters come along where hdf5plugin is installed."""
    h5py = library("h5py", "hdf5")
    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")
    try:
        return h5py.File(path, "r")
    except OSError as err:
        raise SourceError(path, f"it is no HDF5 file that can be opened: {reason(err)}") from err


def open_hdf5(source: Any, options: ReadOptions) -> FileSource:
    """Open one dataset of an HDF5 file.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``image`` is the path of the dataset; left out, the only or the largest one of 2 to 5
        dimensions. ``axes`` names its dimensions where the file doesn't.

    Returns
    -------
    FileSource
        Axes from ``DIMENSION_LABELS`` or ``axistags``; sizes from ``element_size_um``.

    Raises
    ------
    NgffError
        When there are several as large and none was chosen; the message lists them.
    SourceError
        When it is no such file.
    """
    path = local_file(source)
    shared = Shared(open_file, str(path))
    with shared.use() as file:
        name = _choose(file, str(path), options.image)
        data = file[name]
        check_own(data, str(path))
        shape, where = tuple(int(n) for n in data.shape), f"{path}, dataset {name!r}"
        names, notes = named_axes(shape, options, _axes(data), where)
        spacing = _spacing(data, names)
        block = data.chunks or (1,) * len(shape)
        size = math.prod(block) * data.dtype.itemsize
        facts = Facts(
            path,
            path.name.rsplit(".", 1)[0] if len(name.split("/")) == 1 else name.rsplit("/", 1)[-1],
            names,
            shape,
            data.dtype,
            f"dataset {name!r}",
            spacing,
            dict.fromkeys(spacing, "micrometer"),
            block=block,
            scratch=2 * size if data.chunks else 2**20,
            notes=notes,
        )
    return file_source(facts, Dataset(shared, name))


def check_own(data: Any, path: str) -> None:
    """Refuse a dataset whose pixels HDF5 would take from files elsewhere.

    External storage, virtual datasets and links name any file of this machine; a file that
    somebody has sent must not choose what goes into an image. Files beside it are its own.

    Raises
    ------
    SourceError
        Naming both files.
    """
    folder = Path(path).parent.resolve()
    # HDF5 looks for external storage from where the process is, for the others from the file
    named = [Path.cwd() / os.fsdecode(entry[0]) for entry in data.external or ()]
    if data.is_virtual:
        others = {source.file_name for source in data.virtual_sources()} - {"."}
        named += [folder / name for name in others]
    for found in (*named, Path(os.fsdecode(data.file.filename))):
        if folder not in found.resolve().parents:
            raise SourceError(
                path, f"pixels of {data.name} lie in {found}, which is not beside it; move it there"
            )


def _choose(file: Any, where: str, wanted: str | None) -> str:
    h5py = library("h5py", "hdf5")
    found: dict[str, Any] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
            found[name] = item

    file.visititems(look)
    images = {n: d for n, d in found.items() if 2 <= d.ndim <= 5 and d.size}
    shown = "; ".join(f"{n!r} {' x '.join(map(str, d.shape))} {d.dtype}" for n, d in images.items())
    if wanted is not None:
        if wanted.strip("/") in found:
            return wanted.strip("/")
        raise NgffError(f"{where} has no dataset {wanted!r}; it has {shown or 'none'}")
    if not images:
        raise NgffError(f"{where} has no dataset of 2 to 5 dimensions that could be an image")
    largest = max(d.size for d in images.values())
    names = [n for n, d in images.items() if d.size == largest]
    if len(names) > 1:
        raise NgffError(f"{where} has several datasets; choose one by image=: {shown}")
    return names[0]


def _axes(data: Any) -> tuple[str, ...] | None:
    """Return the names of a dataset's axes, where it says them."""
    labels = tuple(str(dim.label).lower() for dim in data.dims)
    if all(labels):
        return labels
    tags = data.attrs.get("axistags")
    if tags is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = tags.decode() if isinstance(tags, bytes) else str(tags)
            return tuple(str(axis["key"]) for axis in json.loads(text)["axes"])
    return None


def _spacing(data: Any, names: tuple[str, ...]) -> dict[str, float]:
    """Return ``element_size_um``, which is in z, y, x order."""
    values = data.attrs.get("element_size_um")
    if values is None:
        return {}
    sizes = [positive(v) for v in np.ravel(values)]
    spatial = [n for n in "zyx" if n in names]
    if len(sizes) == 3:
        pairs = zip("zyx", sizes, strict=True)
    elif len(sizes) == len(spatial):
        pairs = zip(spatial, sizes, strict=True)
    else:
        return {}
    return {n: s for n, s in pairs if s is not None and n in names}
