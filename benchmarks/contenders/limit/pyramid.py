"""The hand-written limit of pyramids: slabs are views of the array, see `slabs`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from _pyramids import run
from slabs import CHUNK, cascade, finish, levels_of, mean, wait


def write(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    target = Path(ask["target"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        levels = levels_of(target, array[0], len(array), ask, pool)
        first, encoding = levels[0], []
        for z in range(0, len(array), CHUNK):
            first.slab = array[z : z + CHUNK]
            first.filled = len(first.slab)
            first.flush()
            # of the slab before, so that threads have work while this one halves
            wait(encoding)
            encoding, first.jobs = first.jobs, []
            cascade(levels[1:], first.slab, mean)
        wait(encoding)
        finish(target, levels, ask["codec_level"])


if __name__ == "__main__":
    run("imagecodecs", write)
