"""WEBKNOSSOS: a layer of its `Dataset`, one mag written, the others by `downsample`.

Downsampling in this process took less here than its pool of processes, which begins anew with each
mag and has one shard to do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pyramids import run
from cluster_tools import get_executor
from webknossos import Dataset, Mag
from webknossos.dataset.layer.view import Zarr3Config


def write(array: np.ndarray, ask: dict[str, Any]) -> None:
    """Write an array and its mags; WEBKNOSSOS has x first, in memory and in its files."""
    shape = {"chunk_shape": ask["chunk"], "shard_shape": ask["shard"]}
    codecs = (
        {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": ask["codec_level"], "checksum": False}},
    )
    layer = Dataset(ask["target"], voxel_size=(4, 4, 4)).add_layer(
        "img", "color", data_format="zarr3", dtype=array.dtype
    )
    config = Zarr3Config(codecs=codecs)
    mag = layer.add_mag(1, compress=config, **shape)
    mag.write(array.T, allow_resize=True)
    coarsest = Mag(2 ** (ask["levels"] - 1))
    with get_executor("sequential") as executor:
        layer.downsample(coarsest_mag=coarsest, compress=config, executor=executor, **shape)


if __name__ == "__main__":
    run("webknossos", write)
