"""Places that must not be written to, since what is read lies there."""

# paths are str
# ruff: noqa: PTH120, PTH121

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import Problem
from ngffkit.sources.contract import Source


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
