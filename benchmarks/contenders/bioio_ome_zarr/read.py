"""Read the dask array of an image; from afar with as many threads as others have requests."""

from __future__ import annotations

from typing import Any

from _reading import REQUESTS, Asked, Read, read_boxes


def reader(asked: Asked) -> Any:
    """Open an image."""
    from bioio_ome_zarr import Reader

    options: dict[str, Any] = {}
    if "endpoint" in asked:
        options = {"anon": True, "endpoint_url": asked["endpoint"]}
    return Reader(asked["place"], fs_kwargs=options)


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import dask

    if "server" in asked:
        dask.config.set(num_workers=REQUESTS)
    array = reader(asked).xarray_dask_data.squeeze()
    return lambda box: array[box].values


if __name__ == "__main__":
    read_boxes("bioio-ome-zarr", opened)
