"""Open the arrays of an image, all at once; what their paths are stands in the group's document."""

from __future__ import annotations

import json
from typing import Any

from _reading import Asked, open_image
from read import kvstore, spec


def library() -> Any:
    """Import tensorstore."""
    import tensorstore as ts

    return ts


def levels(ts: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    name = ".zattrs" if asked["zarr"] == 2 else "zarr.json"
    group = ts.KvStore.open(kvstore(asked, "")).result()
    said = json.loads(group.read(name).result().value)
    image = said if asked["zarr"] == 2 else said["attributes"]["ome"]
    paths = [level["path"] for level in image["multiscales"][0]["datasets"]]
    under_way = [ts.open(spec(asked, path), open=True, read=True) for path in paths]
    return [array.result() for array in under_way]


if __name__ == "__main__":
    open_image("tensorstore", library, levels, lambda level: level.read().result())
