"""ngffkit: `write` of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from _pyramids import run

import ngffkit as nk


def write(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    nk.write(
        array,
        ask["target"],
        axes="zyx",
        voxel_size=(4, 4, 4),
        unit="nanometer",
        chunks=ask["chunk"],
        shards=ask["shard"],
        compression=f"zstd:{ask['codec_level']}",
        mags=[2**i for i in range(ask["levels"])],
    )


if __name__ == "__main__":
    run("ngffkit", write)
