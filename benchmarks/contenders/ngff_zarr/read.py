"""Read the dask arrays of an image; from afar with as many threads as others have requests."""

from __future__ import annotations

import os
from typing import Any

from _reading import REQUESTS, Asked, Read, read_boxes


def image(asked: Asked) -> Any:
    """Open an image."""
    import ngff_zarr as nz

    options = None
    if "endpoint" in asked:
        options = {"anon": True, "endpoint_url": asked["endpoint"]}
        os.environ["AWS_ALLOW_HTTP"] = "true"  # it has no option for that
    return nz.from_ngff_zarr(asked["place"], storage_options=options)


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import dask

    if "server" in asked:
        dask.config.set(num_workers=REQUESTS)
    array = image(asked).images[0].data
    return lambda box: array[box].compute()


if __name__ == "__main__":
    read_boxes("ngff-zarr", opened)
