"""The most frequent value of each bin, fast where bins agree, as most bins of labels do."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Final

import numpy as np
import numpy.typing as npt

from ngffkit.reduce.pieces import Pixels, along
from ngffkit.reduce.ranks import NETWORK, apply, network

#: Runs of so many pixels are found at once; each may take forty bytes.
_BATCH: Final = 16 * 1024


def mode(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Return the most frequent value of each bin, the smallest of those equally frequent.

    Parameters
    ----------
    block : ndarray
        Its shape is a multiple of `bins`; bool, int, uint or float.
    bins : tuple of int
        Shape of a bin.

    Returns
    -------
    ndarray
        One value per bin, of the type of `block`; each was in its bin. NaN where a bin has one,
        as ``scipy.stats.mode`` does.
    """
    values = block.view(np.uint8) if block.dtype.kind == "b" else block
    out = values[tuple(slice(0, None, f) for f in bins)].copy()
    mixed = ~_agree(values, bins)
    if mixed.any():
        out[mixed] = _most_frequent(_gathered(values, bins, mixed))
    return out.view(block.dtype)


def _agree(block: Pixels, bins: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Tell which bins are of one value.

    Along one axis after the other, the other pixels of a bin are compared with its first;
    what agreed along the axes before is kept beside, as bools.
    """
    same: npt.NDArray[np.bool_] | None = None
    for axis, size in enumerate(bins):
        if size == 1:
            continue
        first, *others = along(block, axis, size)
        now = first == others[0]
        for other in others[1:]:
            now &= first == other
        if same is not None:
            for before in along(same, axis, size):
                now &= before
        block, same = first, now
    return np.ones(block.shape, np.bool_) if same is None else same


def _gathered(block: Pixels, bins: tuple[int, ...], where: npt.NDArray[np.bool_]) -> Pixels:
    """Copy the pixels of some bins: shape ``(pixels of a bin, bins)``."""
    flat = np.ascontiguousarray(block).reshape(-1)
    strides = [math.prod(block.shape[axis + 1 :]) for axis in range(block.ndim)]
    corner = np.zeros((1,) * block.ndim, np.intp)
    for axis, (size, stride) in enumerate(zip(bins, strides, strict=True)):
        along = np.arange(0, block.shape[axis], size, dtype=np.intp) * stride
        corner = corner + along.reshape([-1 if i == axis else 1 for i in range(block.ndim)])
    corners = corner[where]
    rows = np.empty((math.prod(bins), corners.size), block.dtype)
    for row, offsets in zip(rows, product(*map(range, bins)), strict=True):
        shift = sum(o * stride for o, stride in zip(offsets, strides, strict=True))
        # all are inside; "clip" spares the buffer that take needs to be able to raise
        flat.take(corners + shift, out=row, mode="clip")
    return rows


def _most_frequent(rows: Pixels) -> Pixels:
    if len(rows) > NETWORK:
        batch = max(1, _BATCH // len(rows))
        parts = [rows[:, i : i + batch].T for i in range(0, rows.shape[1], batch)]
        return np.concatenate([_most_frequent_of_many(np.sort(part)) for part in parts])
    ordered = list(rows)
    apply(network(len(rows), tuple(range(len(rows)))), ordered)
    best: Pixels = ordered[0].copy()
    run = np.ones(best.shape, np.uint8)
    longest = run.copy()
    for previous, row in pairwise(ordered):
        run *= previous == row
        run += np.uint8(1)
        # only a longer run wins: of equal ones the first, which is the smaller value, stays
        np.copyto(best, row, where=run > longest)
        np.maximum(longest, run, out=longest)
    return best


def _most_frequent_of_many(columns: Pixels) -> Pixels:
    """Find the first longest run of each row of a sorted matrix."""
    starts_run = np.ones(columns.shape, np.bool_)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=starts_run[:, 1:])
    starts = np.flatnonzero(starts_run)
    lengths = np.diff(starts, append=columns.size)
    of_row = starts // columns.shape[1]
    first = np.flatnonzero(np.diff(of_row, prepend=-1))
    longest = np.maximum.reduceat(lengths, first)
    winners = np.flatnonzero(lengths == longest[of_row])
    winners = winners[np.flatnonzero(np.diff(of_row[winners], prepend=-1))]
    best: Pixels = columns.reshape(-1)[starts[winners]]
    if columns.dtype.kind == "f":
        best[np.isnan(columns[:, -1])] = np.nan  # NaNs sort to the end
    return best
