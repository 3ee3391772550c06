"""Read the dask arrays of an image; from afar with as many threads as others have requests."""

from __future__ import annotations

from typing import Any

from _reading import REQUESTS, Asked, Read, read_boxes


def levels(asked: Asked) -> list[Any]:
    """Return the image's mags."""
    from ome_zarr.io import ZarrLocation, parse_url
    from ome_zarr.reader import Reader

    if "endpoint" in asked:
        from ome_zarr.format import FormatV04, FormatV05
        from zarr.storage import FsspecStore

        options = {"anon": True, "endpoint_url": asked["endpoint"]}
        store = FsspecStore.from_url(asked["place"], storage_options=options, read_only=True)
        # it forgets the store where another version is found than it was told
        version = FormatV04() if asked["zarr"] == 2 else FormatV05()
        location: Any = ZarrLocation(store, mode="r", fmt=version)
    else:
        location = parse_url(asked["place"], mode="r")
    return list(next(iter(Reader(location)())).data)


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import dask

    if "server" in asked:
        dask.config.set(num_workers=REQUESTS)
    array = levels(asked)[0]
    return lambda box: array[box].compute()


if __name__ == "__main__":
    read_boxes("ome-zarr", opened)
