"""Reading from a folder: planes, cutouts and everything, of each layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from contenders._reading import Box, as_text, digest_of
from harness import Case, Mode, contenders
from volumes import CHUNK, LAYOUTS, SHARD, Layout, volume, write

#: What a quick run reads: each layout once.
QUICK = {("v2", "xy plane"), ("v3", "cutout"), ("sharded", "everything")}


def boxes(size: int, count: int) -> dict[str, list[Box]]:
    """Return the boxes of each pattern; cutouts are of 64^3, and lie off the grid of chunks."""
    rng, whole = np.random.default_rng(0), slice(0, size)
    at = [int(i) for i in rng.integers(0, size, count)]
    corners = rng.integers(0, (size - CHUNK) // CHUNK, (count, 3)) * CHUNK + CHUNK // 2 - 1
    return {
        "xy plane": [(slice(i, i + 1), whole, whole) for i in at],
        "xz plane": [(whole, slice(i, i + 1), whole) for i in at],
        "cutout": [tuple(slice(int(o), int(o) + CHUNK) for o in corner) for corner in corners],
        "everything": [(whole, whole, whole)] * 3,
    }


def told(layout: Layout, place: str, dataset: str, size: int) -> dict[str, Any]:
    """Return what a contender is told of an image."""
    side = min(SHARD, size) // CHUNK if layout.sharded else 0
    return {"place": place, "dataset": dataset, "zarr": layout.zarr, "shard": side}


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[Sequence[Case]]:
    """Write the volume; yield a case for each pattern of each layout."""
    data = volume(mode.size)
    paths = write(folder, data)
    patterns = boxes(mode.size, 8)
    yield [
        _case(layout, paths[layout.name], name, every, data)
        for layout in LAYOUTS
        for name, every in patterns.items()
        if not mode.quick or (layout.name, name) in QUICK
    ]


def _case(layout: Layout, path: Path, pattern: str, every: list[Box], data: np.ndarray) -> Case:
    asked = told(layout, str(path), str(path.parent / layout.name), data.shape[0])
    asked["boxes"] = as_text(every)
    size = "×".join(str(s.stop - s.start) for s in every[0])
    return Case(
        f"{layout.name}, {pattern}",
        contenders("read", asked),
        pixels=digest_of(data, every),
        note=f"{size} of {data.shape[0]}³, uint8, chunks of {CHUNK}³; the median of {len(every)} "
        "reads by an image that is open, from the system's cache; memory is that of the process",
    )
