"""Open a group and the arrays that its attributes name."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image
from read import store


def library() -> Any:
    """Import zarr-python."""
    import zarr

    return zarr


def levels(zarr: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    group = zarr.open_group(store(asked), mode="r", zarr_format=asked["zarr"])
    said = dict(group.attrs)
    image = said.get("ome", said)["multiscales"][0]
    return [group[level["path"]] for level in image["datasets"]]


if __name__ == "__main__":
    open_image("zarr", library, levels)
