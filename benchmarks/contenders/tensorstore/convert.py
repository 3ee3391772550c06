"""Slices decoded by imagecodecs, a shard deep at a time, and written with tensorstore by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
from _asked import asked, tell
from _writing import write


def slabs(files: list[Path], depth: int) -> Iterator[np.ndarray]:
    """Decode slabs, on as many threads as there are processors."""
    first = imagecodecs.imread(str(files[0]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), depth):
            part = files[start : start + depth]
            slab = np.empty((len(part), *first.shape), first.dtype)

            def decode(z: int, part: list[Path] = part, slab: np.ndarray = slab) -> None:
                slab[z] = imagecodecs.imread(str(part[z]))

            list(pool.map(decode, range(len(part))))
            yield slab


def main() -> None:
    """Convert once."""
    ask = asked()
    files = sorted(Path(ask["source"]).iterdir())
    plane = imagecodecs.imread(str(files[0]))
    write(slabs(files, ask["shard"]), (len(files), *plane.shape), ask)
    tell("tensorstore")


if __name__ == "__main__":
    main()
