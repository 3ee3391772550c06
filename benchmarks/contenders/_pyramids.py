"""What the scripts of pyramids share: which array is written, and which part of the time counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _asked import asked, tell, timed


def run(package: str, write: Callable[[np.ndarray, dict[str, Any]], None]) -> None:
    """Write a corner of the array, then all of it; the second time is told.

    What is imported or compiled when it is first needed is a matter of sessions, not of volumes.
    """
    ask = asked()
    array = np.load(ask["source"], mmap_mode="r")
    corner = tuple(slice(0, 2 * ask["chunk"]) for _ in array.shape)
    write(array[corner], ask | {"target": ask["target"] + ".corner"})
    _, wall, cpu = timed(lambda: write(array, ask))
    tell(package, wall=wall, cpu=cpu)
