"""WEBKNOSSOS: `Dataset.from_images`, then `downsample`; it writes Zstandard of level 5, always.

It is measured by what is quicker: `webknossos convert` took eight times the processor time for
33 MB of slices, and 5.9 GB of memory instead of 0.4. Here coarser mags get the shards that are
asked of all.
"""

from __future__ import annotations

import math
import os

from _asked import asked, tell


def main() -> None:
    """Convert once."""
    ask = asked()
    from cluster_tools import get_executor
    from webknossos import Dataset, Mag

    shape = {"chunk_shape": ask["chunk"], "shard_shape": ask["shard"]}
    # a pool begins anew with each mag, and helps only where there are several shards
    many = math.prod(-(-n // ask["shard"]) for n in ask["shape"]) > 1
    pool = {"max_workers": os.cpu_count()} if many else {}
    with get_executor("multiprocessing" if many else "sequential", **pool) as executor:
        dataset = Dataset.from_images(
            ask["source"],
            ask["target"],
            voxel_size=(4, 4, 4),
            layer_name="img",
            layer_category="segmentation" if ask["labels"] else "color",
            data_format="zarr3",
            executor=executor,
            **shape,
        )
        (layer,) = dataset.layers.values()
        coarsest = Mag(2 ** (ask["levels"] - 1))
        layer.downsample(coarsest_mag=coarsest, executor=executor, **shape)
    tell("webknossos")


if __name__ == "__main__":
    main()
