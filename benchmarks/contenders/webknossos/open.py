"""Open a dataset that lies beside the image, and the arrays of its mags."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image
from read import layer


def library() -> Any:
    """Import webknossos."""
    import webknossos
    from upath import UPath

    return webknossos, UPath


def levels(_: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    mags = layer(asked).mags
    found = [mags[mag] for mag in sorted(mags)]
    for mag in found:
        mag.get_zarr_array()  # opened when first used
    return found


if __name__ == "__main__":
    open_image("webknossos", library, levels, lambda mag: mag.read())
