"""Minimum, maximum and median of bins, and the sorting networks that find ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import numpy as np

from ngffkit.reduce.pieces import Pixels, along, members

#: Bins of up to so many pixels are sorted by a network, across bins, which is much faster than
#: sorting each of many short rows.
NETWORK: Final = 32

#: Two rows, and which of the smaller and the larger are wanted of them.
Comparator = tuple[int, int, bool, bool]


def minimum(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Return the smallest pixel of each bin; NaN where there is one."""
    return _folded(np.minimum, block, bins)


def maximum(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Return the largest pixel of each bin; NaN where there is one."""
    return _folded(np.maximum, block, bins)


def _folded(pick: np.ufunc, block: Pixels, bins: tuple[int, ...]) -> Pixels:
    for axis, size in enumerate(bins):
        if size > 1:
            parts = along(block, axis, size)
            block = pick(parts[0], parts[1])
            for part in parts[2:]:
                pick(block, part, out=block)
    return block


def median(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Return the median of each bin; of an even count the mean of the middle two.

    Parameters
    ----------
    block : ndarray
        Its shape is a multiple of `bins`; bool, int, uint or float.
    bins : tuple of int
        Shape of a bin.

    Returns
    -------
    ndarray
        One value per bin, of the type of `block`. Whole numbers are rounded half to even. NaN
        where a bin has one, as ``np.median`` does.
    """
    values = block.view(np.uint8) if block.dtype.kind == "b" else block
    count = math.prod(bins)
    middle = ((count - 1) // 2, count // 2)
    if count <= NETWORK:
        rows = list(rows_of(values, bins))
        apply(network(count, middle), rows)
        low, high = rows[middle[0]], rows[middle[1]]
    else:
        columns = columns_of(values, bins)
        if columns.dtype.kind == "f":
            # NaNs sort to the end; where there is one, all of the bin is
            columns[np.isnan(columns).any(axis=-1)] = np.nan
        columns.partition(middle, axis=-1)
        low, high = columns[..., middle[0]], columns[..., middle[1]]
    return _midway(low, high).view(block.dtype)


def rows_of(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Copy bins to rows: shape ``(pixels of a bin, *bins there are)``."""
    first = next(members(block, bins))
    rows = np.empty((math.prod(bins), *first.shape), block.dtype)
    for row, view in zip(rows, members(block, bins), strict=True):
        row[...] = view
    return rows


def columns_of(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Copy bins to columns: shape ``(*bins there are, pixels of a bin)``."""
    split = [n for size, f in zip(block.shape, bins, strict=True) for n in (size // f, f)]
    there = tuple(range(0, 2 * block.ndim, 2))
    inside = tuple(range(1, 2 * block.ndim, 2))
    moved = block.reshape(split).transpose(there + inside)
    columns = np.empty((*moved.shape[: block.ndim], math.prod(bins)), block.dtype)
    columns.reshape(moved.shape)[...] = moved
    return columns


def _midway(low: Pixels, high: Pixels) -> Pixels:
    if low.dtype.kind == "f":
        half = low.dtype.type(0.5)
        both = (low + high) * half
        # the sum may overflow where its half does not
        safe: Pixels = np.where(np.isfinite(both), both, low * half + high * half)
        return safe
    # a + b = 2 (a & b) + (a ^ b): the floor of the mean, without overflow
    apart = low ^ high
    floor: Pixels = (low & high) + (apart >> low.dtype.type(1))
    floor += apart & floor & low.dtype.type(1)
    return floor


# --- networks -------------------------------------------------------------------------------------


@cache
def network(count: int, wanted: tuple[int, ...]) -> tuple[Comparator, ...]:
    """Return the comparators that bring the values of the wanted ranks to their rows.

    Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2, algorithm M), without the comparators and
    halves of comparators that no wanted rank depends on.

    Examples
    --------
    >>> network(3, (1,))
    ((0, 2, True, True), (0, 1, False, True), (1, 2, True, False))
    """
    needed = set(wanted)
    kept: list[Comparator] = []
    for i, j in reversed(list(_merge_exchange(count))):
        if i in needed or j in needed:
            kept.append((i, j, i in needed, j in needed))
            needed |= {i, j}
    return tuple(reversed(kept))


def _merge_exchange(count: int) -> Iterator[tuple[int, int]]:
    top = 1 << max((count - 1).bit_length() - 1, 0)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1


def apply(comparators: tuple[Comparator, ...], rows: list[Any]) -> None:
    """Run a network over rows of equal shape; they are overwritten and change places.

    A NaN is both the smaller and the larger of a pair, so it reaches every row that depends
    on its own.
    """
    spare = np.empty_like(rows[0])
    for i, j, smaller, larger in comparators:
        a, b = rows[i], rows[j]
        if smaller:
            np.minimum(a, b, out=spare if larger else a)
        if larger:
            np.maximum(a, b, out=b)
        if smaller and larger:
            rows[i], spare = spare, a
