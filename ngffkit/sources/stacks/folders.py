"""What a folder is: a stack, a file in a folder of its own, an image with its labels, a Zarr."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ngffkit.errors import NgffError, NotFoundError, Problem, SourceError
from ngffkit.sources.adjusting import adjust
from ngffkit.sources.contract import Source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.ordering import Adjusted
from ngffkit.sources.stacks.patterns import compile_pattern, is_junk, natural, shown
from ngffkit.sources.stacks.slices import PICTURES, open_stack

#: What makes a folder a Zarr, or a WEBKNOSSOS dataset.
_ZARR = frozenset(
    ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata", "datasource-properties.json")
)

#: Folders of label images: these words, or a name that ends in one.
_LABELS = re.compile(
    r"(?:(?P<name>.+)[ _.-])?(labels?|masks?|seg|segmentations?|instances)", re.IGNORECASE
)

_AS_LABEL = ReadOptions(kind="label")

#: How much of the description of a set of OME-TIFF files is looked at.
_LONGEST_OME = 2**26

#: How deep files are looked for where nobody says.
_DEPTH = 3


def is_zarr(folder: str) -> bool:
    """Tell whether a folder is a Zarr or a WEBKNOSSOS dataset."""
    if folder.rstrip("/\\").lower().endswith((".zarr", ".n5")):
        return True
    return any(Path(folder, name).is_file() for name in _ZARR)


def open_folder(folder: str, options: ReadOptions) -> Source:
    """Open a folder of images.

    Parameters
    ----------
    folder : str
        A folder that is no Zarr.
    options : ReadOptions
        Its ``pattern``, ``axes``, ``gaps``, ``kind`` and ``labels`` are taken.

    Raises
    ------
    NotFoundError
        When there is nothing in it that is understood.
    NgffError
        When what is in it does not make one image; the message names the files.
    """
    if options.pattern is not None:
        depth = compile_pattern(options.pattern).depth
        found = [n for n in _walk(folder, depth) if n.count("/") == depth]
        return open_stack(folder, _readable(folder, found, options), options)
    level = _list(folder)
    files = _images(level.files)
    images, labels = _paired(level.folders)
    if files:
        return _attached(_open_files(folder, level, options), folder, labels, options)
    if not level.folders:
        raise NotFoundError(
            f"{folder} holds no image files"
            + (f", but {shown(sorted(level.files, key=natural))}" if level.files else "")
        )
    if not (labels and images):
        return _open_below(folder, level.folders, options)
    source = _open_below(folder, images, options)
    return _attached(renamed(source, Path(folder).resolve().name), folder, labels, options)


@dataclass(frozen=True, slots=True)
class _Level:
    files: tuple[str, ...]
    folders: tuple[str, ...]


def _list(folder: str) -> _Level:
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                (folders if entry.is_dir() else files).append(entry.name)
    except OSError as err:
        raise SourceError(folder, err.strerror or str(err)) from err
    return _Level(tuple(sorted(files, key=natural)), tuple(sorted(folders, key=natural)))


def _walk(folder: str, depth: int, below: str = "") -> list[str]:
    """Return files down to a depth, without Zarrs."""
    level = _list(str(Path(folder, below)))
    out = [below + name for name in level.files]
    if depth:
        for name in level.folders:
            if not is_zarr(str(Path(folder, below + name))):
                out += _walk(folder, depth - 1, f"{below}{name}/")
    return out


def _images(names: Sequence[str]) -> list[str]:
    """Return the files that are pictures, or all that can be opened where none is."""
    from ngffkit.sources.opening import is_known

    pictures = [name for name in names if name.lower().endswith(PICTURES)]
    return pictures or [name for name in names if is_known(name)]


def _readable(folder: str, names: Sequence[str], options: ReadOptions) -> Sequence[str]:
    if not names:
        raise NotFoundError(f"pattern: {folder} has no files as deep as {options.pattern!r} says")
    return names


def _open_files(folder: str, level: _Level, options: ReadOptions) -> Source:
    from ngffkit.sources.opening import open_file

    files = _images(level.files)
    first = files[0] if len(files) == 1 else _one_of_set(folder, files)
    if first is None:
        source = open_stack(folder, files, options)
    else:
        source = open_file(str(Path(folder, first)), options)
    beside = [name for name in level.folders if _LABELS.fullmatch(name) is None]
    if not beside:
        return source
    said = f"{shown(files)} is read; the folders beside it, {shown(beside)}, are left out"
    note = Problem("pattern", "advice", said, "open one of them, or pass pattern=")
    return renamed(source, source.info.name, note=note)


def _one_of_set(folder: str, files: Sequence[str]) -> str | None:
    """Return one file of a set of OME-TIFF files that know of each other, None when it is none."""
    from ngffkit.sources.rasters.reading import probe

    if not files[0].lower().endswith((".tif", ".tiff")):
        return None
    head = probe(str(Path(folder, files[0])))
    if not head.ome:
        return None
    documents = [set(head.siblings)]
    for name in _list(folder).files:
        if name.lower().endswith(".companion.ome"):
            with Path(folder, name).open("rb") as file:
                text = file.read(_LONGEST_OME).decode("utf-8", "replace")
            documents.append(set(re.findall(r'FileName="([^"]+)"', text)))
    return files[0] if any(set(files) <= named for named in documents) else None


def _paired(folders: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Tell folders of images from folders of labels, by the name of the labels."""
    images, labels = [], {}
    for name in folders:
        match = _LABELS.fullmatch(name)
        if match is None:
            images.append(name)
        else:
            labels[match["name"] or "labels"] = name
    return images, labels


def _attached(source: Source, folder: str, labels: dict[str, str], options: ReadOptions) -> Source:
    """Return an image with the label images that stand beside it."""
    if options.labels is not True or options.kind == "label" or not labels:
        return source
    own = ReadOptions(kind="label", labels=False, gaps=options.gaps)
    found = {}
    for name, below in labels.items():
        try:
            found[name] = adjust(open_folder(str(Path(folder, below)), own), _AS_LABEL)
        except NgffError as err:
            raise NgffError(
                f"labels: {below} stands beside the images but can't be read as labels: {err}. "
                "Pass labels=False to leave it out"
            ) from err
    note = Problem(
        "labels",
        "advice",
        f"{', '.join(labels.values())} beside the images is read as labels",
        "pass labels=False to leave it out",
    )
    return renamed(source, source.info.name, found, note)


def renamed(
    source: Source,
    name: str,
    labels: dict[str, Source] | None = None,
    note: Problem | None = None,
) -> Source:
    """Return a source under another name, with labels and a note."""
    info = source.info
    n = len(info.grid.shape)
    changed = replace(
        info,
        name=name,
        labels=info.labels if labels is None else labels,
        notes=info.notes if note is None else (*info.notes, note),
    )
    return Adjusted(source, changed, tuple(range(n)), (0,) * n)


def _open_below(folder: str, folders: Sequence[str], options: ReadOptions) -> Source:
    """Open folders of files: one per channel or time point, or deeper."""
    zarrs = [name for name in folders if is_zarr(str(Path(folder, name)))]
    if zarrs:
        raise NgffError(f"{folder} holds {len(zarrs)} Zarrs ({shown(zarrs)}); open one of them")
    if len(folders) == 1:
        return open_folder(str(Path(folder, folders[0])), options)
    found = [f"{name}/{n}" for name in folders for n in _walk(str(Path(folder, name)), _DEPTH - 1)]
    files = _images(found)
    if not files:
        raise NotFoundError(f"{folder} holds no image files, down to {_DEPTH} folders deep")
    return open_stack(folder, files, options)
