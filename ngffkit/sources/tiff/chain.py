"""The chain of a TIFF's pages: each says where the next one is, and may say it is one before."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from ngffkit.errors import SourceError

#: By the number after the byte order: where the first offset stands, formats of an offset and of
#: the count of tags, bytes of a tag.
_FORMS = {42: (4, "I", "H", 12), 43: (8, "Q", "Q", 20)}


def check_chain(path: Path) -> None:
    """Refuse a file whose pages go round in a circle: reading them would never end.

    What else is wrong with a file is left to who reads it.

    Raises
    ------
    SourceError
        Naming the file.
    """
    with path.open("rb") as file:
        head = file.read(4)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        form = _FORMS.get(struct.unpack(f"{order}H", head[2:4])[0]) if order and head[3:] else None
        if form is None:
            return
        place, offset, count, tag = form
        seen: set[int] = set()
        size = os.fstat(file.fileno()).st_size
        while 0 < (at := _number(file.fileno(), place, f"{order}{offset}")) < size:
            if at in seen:
                raise SourceError(
                    str(path), f"its pages go round in a circle: the one at {at} comes again"
                )
            seen.add(at)
            tags = _number(file.fileno(), at, f"{order}{count}")
            if tags < 0:
                return
            place = at + struct.calcsize(count) + tags * tag


def _number(fd: int, place: int, form: str) -> int:
    """Return a number of a file; -1 where the file has ended."""
    width = struct.calcsize(form)
    if place > 2**62:
        return -1
    os.lseek(fd, place, os.SEEK_SET)
    raw = os.read(fd, width)
    return int(struct.unpack(form, raw)[0]) if len(raw) == width else -1
