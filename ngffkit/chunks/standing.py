"""Whether the chunks of an array are still cut as its document said when it was opened.

Who has an image open while it is rewritten in place reads new files by an old document. Most of
them don't fit, which is an error; chunks of another shape and the same size would, and be garbled.
"""

from __future__ import annotations

import json
from typing import Any

from ngffkit.chunks.arrays import ArraySpec, parse_array
from ngffkit.errors import ChunkError, MetadataError
from ngffkit.layout import Layout
from ngffkit.stores.base import LocalStore, Store


class Standing:
    """Remembers which document was found to say what was known."""

    def __init__(self) -> None:
        self._seen: tuple[int, ...] | None = None

    def check(self, store: Store, path: str, spec: ArraySpec) -> None:
        """Look at the document of an array after its chunks were read; only in folders.

        Raises
        ------
        ChunkError
            When its chunks are cut or encoded otherwise by now.
        """
        if not isinstance(store, LocalStore):
            return
        name = ".zarray" if spec.layout.zarr_format == 2 else "zarr.json"
        key = f"{path}/{name}".lstrip("/")
        stamp = store.stamp(key)
        if stamp is None or stamp == self._seen:
            return  # where there is none, the policy of absent chunks has its say
        found = _layout(LocalStore.get(store, key), path)  # as a look at its date: no request
        if found is not None and _cut(found) != _cut(spec.layout):
            cause = "it was rewritten in another layout since it was opened; open it again"
            raise ChunkError(key, f"{store.url}/{key}", cause)
        self._seen = stamp

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was seen, for worker processes."""
        return Standing, ()


def _layout(data: Any, path: str) -> Layout | None:
    try:
        return parse_array(json.loads(bytes(data or b"")), {}, path).layout
    except (MetadataError, ValueError, AttributeError):
        return None  # it is just being replaced, or of a kind that only its group explains


def _cut(layout: Layout) -> tuple[Any, ...]:
    # an array that has grown is still the same
    return layout.chunks, layout.shards, layout.dtype, layout.codecs, layout.zarr_format
