"""Slices as a lazy dask array, as the documentation of packages that take one has it."""

from __future__ import annotations

from typing import Any


def stack_of(ask: dict[str, Any]) -> Any:
    """Return the stack in pieces as deep as a chunk and as wide as a shard."""
    import dask.array.image
    import imagecodecs

    def decode(path: str) -> Any:
        return imagecodecs.imread(path)

    planes = dask.array.image.imread(f"{ask['source']}/*", imread=decode)
    rows, columns = (min(ask["shard"], n) for n in planes.shape[1:])
    return planes.rechunk((ask["chunk"], rows, columns))
