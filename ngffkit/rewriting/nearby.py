"""What is around an image: groups that hold it, and places that must not be written to for it."""

# paths are str
# ruff: noqa: PTH113, PTH120, PTH121

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from ngffkit.discover.documents import PROPERTIES
from ngffkit.stores.folders import LocalTarget

#: What makes a folder a group that may speak of what lies in it.
_OWNERS: Final = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata", PROPERTIES)


def owner_of(home: LocalTarget) -> str:
    """Return the nearest folder above an image whose documents may speak of it; empty without.

    Groups may lie in folders that are none, and hold an image by a link.
    """
    for place in dict.fromkeys((home.root, home.url)):
        for folder in _above(place):
            if any(os.path.isfile(f"{folder}/{name}") for name in _OWNERS):
                return folder
    return ""


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
    if any(_is(one, folder) for folder in _above(other)):
        return f"holds the image, {source}"
    if any(_is(other, folder) for folder in _above(one)):
        return f"lies in the image, {source}"
    return ""


def _plain(place: str) -> str:
    """Return a URL without its last slash, and a path without links."""
    scheme, sep, rest = place.partition("://")
    if sep and scheme.lower() != "file":
        return place.rstrip("/")
    return os.path.realpath(rest if sep else place)


def _above(place: str) -> Iterator[str]:
    while (above := os.path.dirname(place)) not in ("", place):
        yield above
        place = above


def _is(one: str, other: str) -> bool:
    """Tell whether two names are of one place: upper case may equal lower case, or be mounted."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False
