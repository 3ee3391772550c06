"""Open an image, each of its resolutions in turn."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image
from read import reader


def library() -> Any:
    """Import bioio-ome-zarr."""
    import bioio_ome_zarr

    return bioio_ome_zarr


def levels(_: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    image, out = reader(asked), []
    for level in image.resolution_levels:
        image.set_resolution_level(level)
        out.append(image.xarray_dask_data)
    return out


def pixels(level: Any) -> Any:
    """Return the pixels of a mag."""
    found = level.values
    return found.reshape(found.shape[-3:])


if __name__ == "__main__":
    open_image("bioio-ome-zarr", library, levels, pixels)
