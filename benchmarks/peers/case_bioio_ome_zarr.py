"""bioio-ome-zarr: a lazy dask stack of slices, then its `OMEZarrWriter`."""

from __future__ import annotations

from typing import Any

from _arguments import CHUNK, SHARD, asked


def main() -> None:
    """Convert once."""
    ask = asked()
    import dask.array.image
    import imagecodecs
    from bioio_ome_zarr.writers import OMEZarrWriter
    from zarr.codecs import ZstdCodec

    def decode(path: str) -> Any:
        return imagecodecs.imread(path)

    planes = dask.array.image.imread(str(ask.source / "*"), imread=decode)
    rows, columns = (min(SHARD, n) for n in planes.shape[1:])
    stack = planes.rechunk((CHUNK, rows, columns))
    shapes = [tuple(n >> i for n in stack.shape) for i in range(ask.levels)]
    writer = OMEZarrWriter(
        str(ask.target),
        shapes,
        stack.dtype,
        chunk_shape=(CHUNK,) * 3,
        shard_shape=[tuple(min(SHARD, max(CHUNK, n)) for n in shape) for shape in shapes],
        compressor=ZstdCodec(level=ask.codec_level),
        zarr_format=3,
        axes_names=["z", "y", "x"],
        axes_types=["space"] * 3,
    )
    writer.write_full_volume(stack)


if __name__ == "__main__":
    main()
