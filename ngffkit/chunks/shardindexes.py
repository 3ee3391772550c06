"""Shard indexes that were read before, within a bound: the least used goes first."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

#: Offset and length of each chunk of a shard, shape (..., 2); None when there is no shard.
ShardIndex = npt.NDArray[np.uint64] | None

#: Shard indexes that a reader keeps, in bytes.
MAX_BYTES = 64 * 2**20

#: What an entry takes beside its numbers; that a shard is absent is remembered, too.
_ENTRY_BYTES = 256


class ShardIndexes:
    """Keeps shard indexes by the grid coordinates of their shards.

    Parameters
    ----------
    limit : int
        Bytes that are kept at most.

    Examples
    --------
    >>> kept = ShardIndexes(1000)
    >>> for i in range(3):
    ...     kept.add((i,), np.zeros((16, 2), np.uint64))
    >>> kept.get((0,)), (2,) in kept
    (None, True)
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self.limit, self.nbytes = limit, 0
        # the least used comes first
        self._kept: dict[tuple[int, ...], tuple[ShardIndex, Any]] = {}
        self._lock = threading.Lock()

    def __contains__(self, coords: tuple[int, ...]) -> bool:
        """Tell whether the index of a shard is kept, or that there is no shard."""
        return coords in self._kept

    def get(self, coords: tuple[int, ...]) -> ShardIndex:
        """Return an index that is kept, and count that as use; None when there is none."""
        found = self.tagged(coords)
        return None if found is None else found[0]

    def tagged(self, coords: tuple[int, ...]) -> tuple[ShardIndex, Any] | None:
        """Return an index that is kept, with the version of its shard; None when none is."""
        with self._lock:
            if coords not in self._kept:
                return None
            found = self._kept[coords] = self._kept.pop(coords)
            return found

    def add(self, coords: tuple[int, ...], index: ShardIndex, tag: Any = None) -> None:
        """Keep an index, in place of those that were not used for longest."""
        with self._lock:
            if coords in self._kept:
                self.nbytes -= _size(self._kept.pop(coords)[0])
            self._kept[coords] = index, tag
            self.nbytes += _size(index)
            while self.nbytes > self.limit and len(self._kept) > 1:
                self.nbytes -= _size(self._kept.pop(next(iter(self._kept)))[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what is kept, for worker processes."""
        return ShardIndexes, (self.limit,)


def _size(index: ShardIndex) -> int:
    return _ENTRY_BYTES + (0 if index is None else index.nbytes)
