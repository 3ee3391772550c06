"""Which chunks a box touches, and what each contributes to it: arithmetic on indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: One index per dimension: a slice with a positive step, or whole numbers in any order.
Index = slice | npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk contributes along one dimension."""

    chunk: int
    source: Index
    target: Index


@dataclass(frozen=True, slots=True)
class Part:
    """What one chunk contributes: where in the chunk, where in the result."""

    chunk: tuple[int, ...]
    source: tuple[Any, ...]
    target: tuple[Any, ...]


def pieces_of(index: Index, size: int, chunk: int) -> list[Piece]:
    """Return what each chunk contributes to an index along one dimension.

    Examples
    --------
    >>> [(p.chunk, p.source, p.target) for p in pieces_of(slice(3, 6), 10, 4)]
    [(0, slice(3, 4, 1), slice(0, 1, None)), (1, slice(0, 2, 1), slice(1, 3, None))]
    """
    if isinstance(index, slice):
        start, stop, step = index.indices(size)
        if (stop - start) <= 0:
            return []
        last = start + (stop - start - 1) // step * step
        out = []
        for c in range(start // chunk, last // chunk + 1):
            # the first index of the selection that falls into this chunk
            low = start if c * chunk <= start else start + -(-(c * chunk - start) // step) * step
            high = min((c + 1) * chunk - 1, last)
            if low > high:
                continue
            first, count = (low - start) // step, (high - low) // step + 1
            source = slice(low - c * chunk, low - c * chunk + (count - 1) * step + 1, step)
            out.append(Piece(c, source, slice(first, first + count)))
        return out
    owners = index // chunk
    return [
        Piece(int(c), index[where] - c * chunk, where)
        for c in np.unique(owners)
        for where in (np.flatnonzero(owners == c),)
    ]


def cross(pieces: Sequence[Piece]) -> Part:
    """Combine one piece per dimension, all of them slices."""
    return Part(
        tuple([p.chunk for p in pieces]),
        tuple([p.source for p in pieces]),
        tuple([p.target for p in pieces]),
    )


def cross_mesh(pieces: Sequence[Piece]) -> Part:
    """Combine one piece per dimension, some of them lists of positions: their outer product."""
    part = cross(pieces)
    return Part(part.chunk, _open_mesh(part.source), _open_mesh(part.target))


def _open_mesh(index: tuple[Any, ...]) -> tuple[Any, ...]:
    return np.ix_(
        *(np.arange(i.start, i.stop, i.step) if isinstance(i, slice) else i for i in index)
    )


def result_shape(key: Sequence[Index], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of what an index selects."""
    return tuple(
        len(range(*k.indices(n))) if isinstance(k, slice) else len(k)
        for k, n in zip(key, shape, strict=True)
    )
