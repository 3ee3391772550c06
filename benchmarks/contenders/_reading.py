"""What the contenders' scripts for reading share: what is timed, and the digest of the pixels.

Nothing is imported before it is needed: one of the jobs counts what a contender imports.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

#: Requests that are under way together, for those who can be told: enough for a line of 30 ms.
REQUESTS = 64

#: The server's log, which begins anew with each look.
LOG = "/-log-"

Box = tuple[slice, ...]
Read = Callable[[Box], Any]
Asked = dict[str, Any]


class Pixels:
    """The digest of boxes as they come: of their type, their shapes, and values in C order."""

    def __init__(self) -> None:
        import hashlib

        self._hash = hashlib.sha256()

    def add(self, found: Any, shape: Sequence[int]) -> None:
        """Add what was read of a box; axes of length 1 may be missing, or more than asked for."""
        import numpy as np

        array = np.ascontiguousarray(found).reshape(tuple(shape))
        self._hash.update(f"{array.dtype.str} {array.shape} ".encode())
        # in place: a copy of everything would be most of the memory that is measured
        self._hash.update(array.reshape(-1).view(np.uint8).data)

    def __str__(self) -> str:
        return self._hash.hexdigest()


def shape_of(box: Box) -> tuple[int, ...]:
    """Return the shape of a box."""
    return tuple(s.stop - s.start for s in box)


def digest_of(data: Any, boxes: Iterable[Box]) -> str:
    """Return the digest that boxes of an array have."""
    seen = Pixels()
    for box in boxes:
        seen.add(data[box], shape_of(box))
    return str(seen)


def as_text(boxes: Iterable[Box]) -> list[list[list[int]]]:
    """Return boxes as what a script is asked for."""
    return [[[s.start, s.stop] for s in box] for box in boxes]


def _boxes(asked: Asked) -> list[Box]:
    return [tuple(slice(*ends) for ends in box) for box in asked["boxes"]]


# --- the jobs -------------------------------------------------------------------------------------


def read_boxes(package: str, opened: Callable[[Asked], Read]) -> None:
    """Read boxes of mag 1, one after another, and tell the medians.

    Parameters
    ----------
    package : str
        Whose version counts.
    opened : callable
        Opens an image; returns what reads a box of its mag 1. What it asks for by itself is not
        counted.

    Notes
    -----
    The first box is read once before the clock starts, which brings imports and the system's cache;
    of another image at another address, where one is named: then it is the first one of this image
    that counts, and no other.
    """
    from _asked import tell

    asked = json.loads(sys.argv[1])
    boxes, seen = _boxes(asked), Pixels()
    if "before" in asked:
        opened(asked | asked["before"])(boxes[0])
        boxes = boxes[:1]
        read = opened(asked)
    else:
        read = opened(asked)
        read(boxes[0])
    logged(asked)
    walls, cpus = [], []
    for box in boxes:
        wall, cpu = time.perf_counter(), time.process_time()
        found = read(box)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        seen.add(found, shape_of(box))
        # one array at a time, for everybody
        del found
    tell(
        package,
        wall=_median(walls),
        cpu=_median(cpus),
        pixels=str(seen),
        **logged(asked, len(boxes)),
    )


def open_image[Library, Level](
    package: str,
    library: Callable[[], Library],
    levels: Callable[[Library, Asked], Sequence[Level]],
    pixels: Callable[[Level], Any] | None = None,
) -> None:
    """Open an image, all its mags, and tell how long it takes, with imports where that is asked.

    Parameters
    ----------
    package : str
        Whose version counts.
    library : callable
        Imports the package.
    levels : callable
        Opens; returns the mags, the finest first.
    pixels : callable, optional
        Reads a mag, as z, y, x; else it is an array by itself.

    Notes
    -----
    Where imports don't count, an image like it is opened before, from another place: many packages
    import as they go. It leaves no connection and no document that the one that counts could use.

    The digest is that of the smallest mag, read when the clock has stopped, and of how many there
    are: an image that turns out not to be there has none.
    """
    asked = json.loads(sys.argv[1])
    if not asked["imports"]:
        levels(library(), asked | asked["before"])
    logged(asked)
    wall, cpu = time.perf_counter(), time.process_time()
    opened = levels(library(), asked)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    traffic = logged(asked)

    import numpy as np
    from _asked import tell

    last = np.asarray((pixels or np.asarray)(opened[-1]))
    seen = Pixels()
    seen.add(last, last.shape[-3:])
    tell(
        package,
        wall=wall,
        cpu=cpu,
        pixels=f"{len(opened)} mags, {seen}",
        **traffic,
    )


def _median(values: list[float]) -> float:
    import statistics

    return statistics.median(values)


# --- what a server saw ----------------------------------------------------------------------------


def logged(asked: Asked, reads: int = 1) -> dict[str, Any]:
    """Return requests, bytes and rounds of each read since the last look; nothing of a folder."""
    if "server" not in asked:
        return {}
    import urllib.request

    with urllib.request.urlopen(asked["server"] + LOG) as reply:  # noqa: S310 - http
        log = json.load(reply)
    return {
        "requests": len(log) / reads,
        "nbytes": sum(hit[2] for hit in log) / reads,
        "figures": {"rounds": rounds_of(log) / reads},
    }


def rounds_of(log: Iterable[Sequence[float]]) -> int:
    """Return the longest chain of requests that could only begin when another had ended.

    Parameters
    ----------
    log : iterable of (begin, end, bytes)
        In any order.
    """
    rounds, free = 0, float("-inf")
    for start, end, _ in sorted(log, key=lambda hit: hit[1]):
        if start >= free:
            rounds, free = rounds + 1, end
    return rounds
