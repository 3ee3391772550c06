"""Read by zarr-python as it comes; from afar by obstore, with as many requests as all others."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from _reading import REQUESTS, Asked, Read, read_boxes


def store(asked: Asked) -> Any:
    """Return what zarr-python reads from."""
    place = asked["place"]
    if "://" not in place:
        return place
    import zarr
    from obstore.store import HTTPStore, S3Store
    from zarr.storage import ObjectStore

    zarr.config.set({"async.concurrency": REQUESTS})
    client: Any = {"allow_http": True}
    if "endpoint" in asked:
        parts = urlsplit(place)
        config: Any = {"endpoint": asked["endpoint"], "skip_signature": True}
        prefix = parts.path.lstrip("/")
        inner: Any = S3Store(parts.netloc, prefix=prefix, config=config, client_options=client)
    else:
        inner = HTTPStore.from_url(place, client_options=client)
    return ObjectStore(inner, read_only=True)


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import zarr

    array: Any = zarr.open_array(store(asked), path="0", mode="r", zarr_format=asked["zarr"])
    return lambda box: array[box]


if __name__ == "__main__":
    read_boxes("zarr", opened)
