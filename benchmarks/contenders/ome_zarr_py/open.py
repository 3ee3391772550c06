"""Open an image."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image
from read import levels


def library() -> Any:
    """Import ome-zarr-py."""
    import ome_zarr.io
    import ome_zarr.reader

    return ome_zarr


def mags(_: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    return levels(asked)


if __name__ == "__main__":
    open_image("ome-zarr", library, mags)
