"""Chunks of a shard that may be replaced after its index was read: of one version, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ngffkit.chunks.batches import Entry
from ngffkit.errors import ChunkError, StoreError
from ngffkit.stores.pinning import get_tagged_ranges
from ngffkit.stores.versions import ChangedError

if TYPE_CHECKING:
    from ngffkit.chunks.reader import ArrayReader

#: How often a shard is looked up that was replaced since its index was read.
_ATTEMPTS = 5


def read_parts[T](
    reader: ArrayReader,
    shard: tuple[int, ...],
    batch: list[Entry[T]],
    tag: Any,
    entries: Callable[[Any], list[Entry[T]]],
) -> Iterable[tuple[Any, Entry[T]]] | None:
    """Read chunks of a shard; where it was replaced since its index was read, of the new one.

    Some servers name the same version otherwise each time. What is read without a condition is of
    one version when the index is the same before and after.

    Parameters
    ----------
    reader : ArrayReader
        Of the array.
    shard : tuple of int
        Which one.
    batch : list of Entry
        Where its chunks lie, by the index of the version `tag`.
    tag : object
        Of the version; None where the store tells none.
    entries : callable
        Returns where the same chunks lie by another index.

    Returns
    -------
    iterable of (bytes, Entry), or None
        None when there is no such shard any more.

    Raises
    ------
    ChunkError
        When it can't be read, or is replaced all the time.
    """
    index: Any = None
    for _ in range(_ATTEMPTS):
        try:
            return zip(_ranges(reader, shard, batch, tag), batch, strict=True)
        except ChangedError:
            index, tag = reader.reload_index(shard, tag)
        if index is None:
            return None
        batch = entries(index)
    blobs = _ranges(reader, shard, batch, None)
    after = reader.load_index(shard)
    if after is None or not np.array_equal(index, after):
        cause = "it is replaced again and again while it is read; read it later"
        raise reader.error(shard, cause)
    return zip(blobs, batch, strict=True)


def _ranges[T](
    reader: ArrayReader, shard: tuple[int, ...], batch: list[Entry[T]], tag: Any
) -> list[Any]:
    key, ranges = reader.key(shard), [(offset, length) for offset, length, _ in batch]
    try:
        if tag is None:
            return list(reader.store.get_ranges(key, ranges))
        return get_tagged_ranges(reader.store, key, ranges, tag)
    except StoreError as err:
        if tag is not None and isinstance(err, ChangedError):
            raise
        raise ChunkError(key, reader.url(shard), err.cause, denied=err.denied) from err
