"""How `write_image` of ome-zarr-py is called, for slices and for arrays."""

from __future__ import annotations

from typing import Any


def write(stack: Any, ask: dict[str, Any]) -> None:
    """Write a dask array and its mags."""
    from ome_zarr.format import FormatV05
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image
    from zarr.codecs import ZstdCodec

    chunk, shard = ask["chunk"], ask["shard"]
    options = [
        {
            "chunks": (chunk,) * 3,
            "shards": tuple(min(shard, max(chunk, n >> i)) for n in stack.shape),
            "compressors": [ZstdCodec(level=ask["codec_level"])],
        }
        for i in range(ask["levels"])
    ]
    write_image(
        stack,
        ask["target"],
        axes="zyx",
        fmt=FormatV05(),
        scale_factors=[dict.fromkeys("zyx", 2**i) for i in range(1, ask["levels"])],
        method=Methods.NEAREST if ask["labels"] else Methods.LOCAL_MEAN,
        storage_options=options,
    )
