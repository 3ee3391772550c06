"""Read by tensorstore: as many threads as processors, 64 requests at a time, no cache."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from _reading import REQUESTS, Asked, Read, read_boxes


def kvstore(asked: Asked, path: str) -> dict[str, Any]:
    """Return where something of an image lies."""
    place = f"{asked['place']}/{path}"
    parts = urlsplit(place)
    if parts.scheme == "s3":
        return {
            "driver": "s3",
            "bucket": parts.netloc,
            "path": parts.path.lstrip("/"),
            "endpoint": asked["endpoint"],
            "aws_region": "us-east-1",
            "aws_credentials": {"type": "anonymous"},
        }
    if parts.scheme == "http":
        return {"driver": "http", "base_url": f"http://{parts.netloc}", "path": parts.path}
    return {"driver": "file", "path": place}


def spec(asked: Asked, path: str) -> dict[str, Any]:
    """Return how an array is opened."""
    driver = "zarr" if asked["zarr"] == 2 else "zarr3"
    return {"driver": driver, "kvstore": kvstore(asked, f"{path}/")}


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import tensorstore as ts

    context = ts.Context(
        {
            "data_copy_concurrency": {"limit": os.cpu_count()},
            "cache_pool": {"total_bytes_limit": 0},
            "http_request_concurrency": {"limit": REQUESTS},
            "s3_request_concurrency": {"limit": REQUESTS},
        }
    )
    store = ts.open(spec(asked, "0"), context=context, open=True, read=True).result()
    return lambda box: store[box].read().result()


if __name__ == "__main__":
    read_boxes("tensorstore", opened)
