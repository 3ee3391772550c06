"""ome-zarr-py, as its documentation does it: a lazy dask stack of slices, then `write_image`."""

from __future__ import annotations

from typing import Any

from _arguments import CHUNK, SHARD, asked


def main() -> None:
    """Convert once."""
    ask = asked()
    import dask.array.image
    import imagecodecs
    from ome_zarr.format import FormatV05
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image
    from zarr.codecs import ZstdCodec

    def decode(path: str) -> Any:
        return imagecodecs.imread(path)

    planes = dask.array.image.imread(str(ask.source / "*"), imread=decode)
    rows, columns = (min(SHARD, n) for n in planes.shape[1:])
    stack = planes.rechunk((CHUNK, rows, columns))
    options = [
        {
            "chunks": (CHUNK,) * 3,
            "shards": tuple(min(SHARD, max(CHUNK, n >> i)) for n in stack.shape),
            "compressors": [ZstdCodec(level=ask.codec_level)],
        }
        for i in range(ask.levels)
    ]
    write_image(
        stack,
        str(ask.target),
        axes="zyx",
        fmt=FormatV05(),
        scale_factors=[dict.fromkeys("zyx", 2**i) for i in range(1, ask.levels)],
        method=Methods.NEAREST if ask.labels else Methods.LOCAL_MEAN,
        storage_options=options,
    )


if __name__ == "__main__":
    main()
