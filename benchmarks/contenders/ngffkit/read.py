"""Read through xarray, as users do."""

from __future__ import annotations

from typing import Any

from _reading import Asked, Read, read_boxes


def options(asked: Asked) -> dict[str, Any] | None:
    """Return how a bucket of another address is asked without a name."""
    return {"endpoint": asked["endpoint"], "anon": True} if "endpoint" in asked else None


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import ngffkit as nk

    image = nk.open(asked["place"], storage_options=options(asked))["1"].image
    return lambda box: image[box].values


if __name__ == "__main__":
    read_boxes("ngffkit", opened)
