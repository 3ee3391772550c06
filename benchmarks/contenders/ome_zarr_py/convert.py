"""ome-zarr-py, as its documentation does it: a lazy dask stack of slices, then `write_image`."""

from __future__ import annotations

from typing import Any

from _asked import asked, tell


def main() -> None:
    """Convert once."""
    ask = asked()
    import dask.array.image
    import imagecodecs
    from _writing import write

    def decode(path: str) -> Any:
        return imagecodecs.imread(path)

    planes = dask.array.image.imread(f"{ask['source']}/*", imread=decode)
    rows, columns = (min(ask["shard"], n) for n in planes.shape[1:])
    write(planes.rechunk((ask["chunk"], rows, columns)), ask)
    tell("ome-zarr")


if __name__ == "__main__":
    main()
