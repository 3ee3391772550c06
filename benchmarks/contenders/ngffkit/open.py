"""Open an image as a tree of xarray's."""

from __future__ import annotations

from typing import Any

from _reading import Asked, open_image


def library() -> Any:
    """Import ngffkit."""
    import ngffkit as nk

    return nk


def levels(nk: Any, asked: Asked) -> list[Any]:
    """Return the image's mags."""
    tree = nk.open(asked["place"])
    return [mag["image"] for mag in tree.children.values() if "image" in mag]


if __name__ == "__main__":
    open_image("ngffkit", library, levels)
