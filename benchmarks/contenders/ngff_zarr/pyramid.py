"""ngff-zarr: `to_multiscales`, binning by dask, and `to_ngff_zarr`."""

from __future__ import annotations

from typing import Any

import ngff_zarr as nz
import numpy as np
from _pyramids import run


def write(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    image = nz.to_ngff_image(array, dims=["z", "y", "x"], scale=dict.fromkeys("zyx", 4.0))
    mags = nz.to_multiscales(
        image,
        scale_factors=[2**i for i in range(1, ask["levels"])],
        method=nz.Methods.DASK_BIN_SHRINK,
        chunks=ask["chunk"],
    )
    nz.to_ngff_zarr(
        ask["target"],
        mags,
        version="0.5",
        chunks_per_shard=ask["shard"] // ask["chunk"],
        compressors=nz.codec_from_name("zstd", ask["codec_level"]),
    )


if __name__ == "__main__":
    run("ngff-zarr", write)
