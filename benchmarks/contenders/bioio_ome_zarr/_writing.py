"""How `OMEZarrWriter` of bioio-ome-zarr is called, for slices and for arrays."""

from __future__ import annotations

from typing import Any


def write(stack: Any, ask: dict[str, Any]) -> None:
    """Write an array and its mags."""
    from bioio_ome_zarr.writers import OMEZarrWriter
    from zarr.codecs import ZstdCodec

    chunk, shard = ask["chunk"], ask["shard"]
    shapes = [tuple(n >> i for n in stack.shape) for i in range(ask["levels"])]
    writer = OMEZarrWriter(
        ask["target"],
        shapes,
        stack.dtype,
        chunk_shape=(chunk,) * 3,
        shard_shape=[tuple(min(shard, max(chunk, n)) for n in shape) for shape in shapes],
        compressor=ZstdCodec(level=ask["codec_level"]),
        zarr_format=3,
        axes_names=["z", "y", "x"],
        axes_types=["space"] * 3,
    )
    writer.write_full_volume(stack)
