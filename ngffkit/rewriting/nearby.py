"""What is around an image: groups that hold it."""

# paths are str
# ruff: noqa: PTH113

from __future__ import annotations

import os
from typing import Final

from ngffkit.discover.documents import PROPERTIES
from ngffkit.planning.overlaps import above
from ngffkit.stores.folders import LocalTarget

#: What makes a folder a group that may speak of what lies in it.
_OWNERS: Final = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata", PROPERTIES)


def owner_of(home: LocalTarget) -> str:
    """Return the nearest folder above an image whose documents may speak of it; empty without.

    Groups may lie in folders that are none, and hold an image by a link.
    """
    for place in dict.fromkeys((home.root, home.url)):
        for folder in above(place):
            if any(os.path.isfile(f"{folder}/{name}") for name in _OWNERS):
                return folder
    return ""
