"""Open an image."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image
from read import image


def library() -> Any:
    """Import ngff-zarr."""
    import ngff_zarr

    return ngff_zarr


def levels(_: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    return [level.data for level in image(asked).images]


if __name__ == "__main__":
    open_image("ngff-zarr", library, levels)
