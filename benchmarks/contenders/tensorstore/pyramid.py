"""An array written with tensorstore by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from _pyramids import run
from _writing import write


def slabs(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    deep = ask["shard"]
    write((array[z : z + deep] for z in range(0, len(array), deep)), array.shape, ask)


if __name__ == "__main__":
    run("tensorstore", slabs)
