"""What a group names: labels, series, plates, wells. Every path is checked before it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ngffkit.errors import MetadataError
from ngffkit.image import Plate, Well
from ngffkit.shown import shown
from ngffkit.spec.detect import Found

#: Labels, series, wells or fields; the largest plates have 3456 wells.
_MAX_NAMES = 10_000

_MAX_PATH = 1024

#: A home, a drive, a URL; backslashes, control characters, halves of surrogate pairs, which no file
#: system can name; and dots, slashes and controls in the spelling that web servers undo.
_FOREIGN = re.compile(
    r"^~|^[a-z]:|^[a-z][a-z0-9+.-]*:/|[\\\x00-\x1f\x7f\ud800-\udfff]|%(2e|2f|5c|7f|[01][0-9a-f])",
    re.IGNORECASE,
)


def safe_path(value: Any, loc: str) -> str:
    """Return `value` when it is a path that stays below the group that names it.

    Raises
    ------
    MetadataError
        When it is not a string, is absolute, climbs, or is a URL.

    Examples
    --------
    >>> safe_path("labels/original/0", "")
    'labels/original/0'
    """
    if not isinstance(value, str):
        raise MetadataError(f"is {shown(value)}; a path was expected", loc)
    inside = (
        0 < len(value) <= _MAX_PATH
        and not any(part in ("", ".", "..") for part in value.split("/"))
        and not _FOREIGN.search(value)
    )
    if not inside:
        raise MetadataError(
            f"is {shown(value)}; a relative path that stays inside the image was expected", loc
        )
    return value


def names_of(found: Found, key: str) -> tuple[str, ...]:
    """Return a list of paths, such as ``labels`` or ``series``, each of them checked."""
    loc = f"{found.prefix}{key}"
    value = found.body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MetadataError(f"is {shown(value)}; a list of names was expected", loc)
    at_most(_MAX_NAMES, "names", value, loc)
    return tuple(safe_path(item, f"{loc}[{i}]") for i, item in enumerate(value))


def decode_plate(found: Found) -> Plate:
    """Decode ``plate``."""
    loc = f"{found.prefix}plate"
    plate = found.body["plate"]
    if not isinstance(plate, Mapping):
        raise MetadataError(f"is {shown(plate)}; an object was expected", loc)
    rows, columns = (_names(plate.get(key), f"{loc}.{key}") for key in ("rows", "columns"))
    wells = []
    for i, item in enumerate(_list(plate.get("wells"), f"{loc}.wells")):
        path = item.get("path") if isinstance(item, Mapping) else item
        path = safe_path(path, f"{loc}.wells[{i}].path")
        row, _, column = path.partition("/")
        wells.append(Well(path, row, column))
    acquisitions = plate.get("acquisitions")
    count = plate.get("field_count")
    return Plate(
        name=text_of(plate.get("name")),
        rows=rows,
        columns=columns,
        wells=tuple(dict.fromkeys(wells)),
        acquisitions=tuple(a for a in acquisitions if isinstance(a, Mapping))
        if isinstance(acquisitions, list)
        else (),
        field_count=count if isinstance(count, int) else None,
        version=found.version,
    )


def decode_well(found: Found) -> tuple[tuple[str, int | None], ...]:
    """Decode ``well``: path and acquisition of each of its fields."""
    loc = f"{found.prefix}well"
    well = found.body["well"]
    if not isinstance(well, Mapping):
        raise MetadataError(f"is {shown(well)}; an object was expected", loc)
    out = []
    for i, item in enumerate(_list(well.get("images"), f"{loc}.images")):
        path = item.get("path") if isinstance(item, Mapping) else None
        acquisition = item.get("acquisition") if isinstance(item, Mapping) else None
        out.append(
            (
                safe_path(path, f"{loc}.images[{i}].path"),
                acquisition if isinstance(acquisition, int) else None,
            )
        )
    return tuple(dict.fromkeys(out))


def _names(value: Any, loc: str) -> tuple[str, ...]:
    return tuple(
        text_of(item.get("name")) if isinstance(item, Mapping) else text_of(item)
        for item in _list(value, loc)
    )


def _list(value: Any, loc: str) -> list[Any]:
    if not isinstance(value, list):
        raise MetadataError(f"is {shown(value)}; a list was expected", loc)
    at_most(_MAX_NAMES, "entries", value, loc)
    return value


def text_of(value: Any) -> str:
    """Return a text for what should be one."""
    return value if isinstance(value, str) else ("" if value is None else shown(value))


def at_most(most: int, what: str, values: Sequence[Any], loc: str) -> None:
    """Refuse lists that are too long to be meant."""
    if len(values) > most:
        raise MetadataError(f"has {len(values)} {what}; at most {most} are understood", loc)
