"""ome-zarr-py: `write_image` of a dask array whose blocks are shards."""

from __future__ import annotations

from typing import Any

import dask.array
import numpy as np
from _pyramids import run
from _writing import write


def blocks(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    write(dask.array.from_array(array, chunks=ask["shard"]), ask)


if __name__ == "__main__":
    run("ome-zarr", blocks)
