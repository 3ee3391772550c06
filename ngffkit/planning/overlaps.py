"""Places that must not be written to, since what is read lies there."""

# paths are str
# ruff: noqa: PTH112, PTH113, PTH120, PTH121, PTH208

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NotFoundError, Problem
from ngffkit.execute.journal import read_journal
from ngffkit.sources.contract import Source
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import DOCUMENTS, Target


def about_source(given: Any, found: Source, target: str) -> list[Problem]:
    """Say where overwriting a target would remove the source before it is read.

    Parameters
    ----------
    given : object
        The source as it was named.
    found : Source
        What was opened.
    target : str
        The place that is cleared.
    """
    names = [given] if isinstance(given, (str, os.PathLike)) else given
    places = list(names) if isinstance(names, Sequence) else []
    places = [os.fspath(name) for name in places if isinstance(name, (str, os.PathLike))]
    # not `isinstance(found, ZarrSource)`: that module loads xarray, 40 MB that PNGs don't need
    reader = getattr(found, "reader", None)
    if isinstance(reader, ArrayReader):
        places.append(f"{reader.store.url}/{reader.path}".rstrip("/"))
    for place in places:
        if what := overlap(target, place):
            if what.startswith("lies in"):
                continue  # what is removed is not what is read
            remedy = "write to another place; `rewrite` replaces an image safely"
            return [Problem("target", "error", f"{target} {what}, which would be removed", remedy)]
    return []


def about_removing(target: Target, packed: str | None) -> list[Problem]:
    """Refuse to remove what is no Zarr: a folder of other files was named by mistake.

    Parameters
    ----------
    target : Target
        Where it goes.
    packed : str or None
        The single file that it is packed into, if any.
    """
    if packed is not None:
        there, ours = os.path.lexists(packed), os.path.isfile(packed)
    else:
        there = target.exists()
        ours = there and is_zarr(target)
    if not there or ours:
        return []
    message = f"{packed or target.url} is there and is no Zarr; it is not removed"
    return [Problem("target", "error", message, "choose another place, or remove it yourself")]


def is_zarr(target: Target) -> bool:
    """Tell whether a place holds a Zarr, the beginning of one, or nothing."""
    if isinstance(target, LocalTarget):
        if not os.path.isdir(target.root):
            return False
        if not os.listdir(target.root):
            return True
    if any(target.store.get(name, 0, 1) is not None for name in sorted(DOCUMENTS)):
        return True
    try:
        return read_journal(target) is not None
    except NotFoundError:
        return False


def overlap(target: str, source: str) -> str:
    """Say how a target lies in the source or the other way round; empty when they are apart.

    Examples
    --------
    >>> overlap("s3://bucket/a.zarr/", "s3://bucket/a.zarr/em")
    'holds the image, s3://bucket/a.zarr/em'
    >>> overlap("s3://bucket/a.zarr/copy", "s3://bucket/a.zarr/em")
    ''
    """
    one, other = _plain(target), _plain(source)
    if _is(one, other):
        return "is the image itself"
    if any(_is(one, folder) for folder in above(other)):
        return f"holds the image, {source}"
    if any(_is(other, folder) for folder in above(one)):
        return f"lies in the image, {source}"
    return ""


def _plain(place: str) -> str:
    """Return a URL without its last slash, and a path without links."""
    scheme, sep, rest = place.partition("://")
    if sep and scheme.lower() != "file":
        return place.rstrip("/")
    return os.path.realpath(rest if sep else place)


def above(place: str) -> Iterator[str]:
    """Yield the folders above a place, the nearest first."""
    while (folder := os.path.dirname(place)) not in ("", place):
        yield folder
        place = folder


def _is(one: str, other: str) -> bool:
    """Tell whether two names are of one place: upper case may equal lower case, or be mounted."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False
