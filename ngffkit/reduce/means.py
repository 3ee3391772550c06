"""Means of bins: exact for whole numbers, right to the last place for floats."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ngffkit.reduce.pieces import Pixels, along

_UNSIGNED: Final = {8 * size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}

#: 64-bit numbers are summed as two halves of so many bits.
HALF: Final = 32


def mean(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Return the mean of each bin, whole numbers rounded half to even.

    Parameters
    ----------
    block : ndarray
        Its shape is a multiple of `bins`; bool, int, uint or float.
    bins : tuple of int
        Shape of a bin.

    Returns
    -------
    ndarray
        One value per bin, of the type of `block`, or of a wider float.
    """
    if block.dtype.kind == "f":
        return _mean_float(block, bins)
    count = math.prod(bins)
    counts = offset_binary(block)
    bits = 8 * counts.dtype.itemsize + (count - 1).bit_length()
    if bits <= 64:
        quotient = round_quotient(_sum(counts, bins, holding(bits)), count)
    else:
        low, high = (_sum(half, bins, _UNSIGNED[64]) for half in halves(counts))
        quotient = round_quotient_of_halves(low, high, count)
    return from_offset_binary(quotient, block.dtype)


# --- whole numbers --------------------------------------------------------------------------------


def offset_binary(block: Pixels) -> Pixels:
    """Return whole numbers as unsigned ones: signed ones are moved up by half their range.

    The move is an even number (but for bool, which isn't moved), so means and weighted means
    commute with it, rounding half to even included.
    """
    unsigned = block.view(_UNSIGNED[8 * block.dtype.itemsize])
    return unsigned ^ _sign(unsigned.dtype) if block.dtype.kind == "i" else unsigned


def from_offset_binary(counts: Pixels, dtype: np.dtype) -> Pixels:
    """Undo `offset_binary` on results that fit the type."""
    narrow = counts.astype(_UNSIGNED[8 * dtype.itemsize], copy=False)
    return (narrow ^ _sign(narrow.dtype) if dtype.kind == "i" else narrow).view(dtype)


def _sign(dtype: np.dtype) -> Any:
    return dtype.type(1 << (8 * dtype.itemsize - 1))


def holding(bits: int) -> np.dtype:
    """Return the smallest unsigned type of at least so many bits, from 16 on."""
    return next(dtype for size, dtype in _UNSIGNED.items() if size >= max(bits, 16))


def halves(counts: Pixels) -> tuple[Pixels, Pixels]:
    """Return the lower and the upper 32 bits of 64-bit numbers, as 64-bit numbers."""
    return counts & np.uint64(2**HALF - 1), counts >> np.uint64(HALF)


def round_quotient(sums: Pixels, count: int) -> Pixels:
    """Divide unsigned sums by a whole number, rounding half to even; may overwrite `sums`.

    Examples
    --------
    >>> round_quotient(np.array([2, 6, 7, 10], "u2"), 4).tolist()
    [0, 2, 2, 2]
    """
    one, divisor = sums.dtype.type(1), sums.dtype.type(count)
    if count == 1:
        return sums
    if count & (count - 1) == 0:
        shift = sums.dtype.type(count.bit_length() - 1)
        # just under a half is added, and one more where the quotient is odd
        odd = sums >> shift
        odd &= one
        sums += odd
        sums += sums.dtype.type(count // 2 - 1)
        sums >>= shift
        return sums
    quotient: Pixels = sums // divisor
    twice = (sums - quotient * divisor) << one
    quotient += (twice > divisor) | ((twice == divisor) & ((quotient & one) == one))
    return quotient


def round_quotient_of_halves(low: Pixels, high: Pixels, count: int) -> Pixels:
    """Divide ``high * 2**32 + low`` by a whole number below 2**31, rounding half to even."""
    divisor = np.uint64(count)
    quotient = high // divisor
    rest = ((high - quotient * divisor) << np.uint64(HALF)) + low
    # the upper part is even, so that the parity that rounding asks for is that of the lower
    return (quotient << np.uint64(HALF)) + round_quotient(rest, count)


def _sum(block: Pixels, bins: tuple[int, ...], wide: np.dtype) -> Pixels:
    total = block
    for axis, size in enumerate(bins):
        if size > 1:
            parts = along(total, axis, size)
            total = np.add(parts[0], parts[1], dtype=wide)
            for part in parts[2:]:
                total += part
    return total


# --- floats ---------------------------------------------------------------------------------------


def _mean_float(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    count = math.prod(bins)
    wide = np.dtype(np.float64)
    if block.dtype != wide:
        # 29 bits more than a float32 has: no sum overflows, and rounding errors stay far below
        return _sum(block, bins, wide) / count
    out = _compensated(block, bins) / count
    bad = ~np.isfinite(out)
    if bad.any():
        # the sum may overflow where the mean does not; a power of two scales without rounding
        scale = 2.0 ** -count.bit_length()
        again = _compensated(block * scale, bins)[bad]
        most = np.finfo(wide).max
        # a mean of finite numbers is finite; the quotient may be rounded up beyond
        means = np.clip(again / (count * scale), -most, most)
        out[bad] = np.where(np.isfinite(again), means, again)
    return out


def _compensated(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    """Sum bins, keeping what each addition rounds off (Knuth's TwoSum, TAOCP 2, 4.2.2)."""
    total, lost = block, np.zeros((1,) * block.ndim)
    for axis, size in enumerate(bins):
        if size == 1:
            continue
        parts = along(total, axis, size)
        lost_parts = along(np.broadcast_to(lost, total.shape), axis, size)
        total, lost = parts[0], lost_parts[0].copy()
        for part, lost_part in zip(parts[1:], lost_parts[1:], strict=True):
            before, total = total, total + part
            moved = total - before
            lost += lost_part
            lost += (before - (total - moved)) + (part - moved)
    # what is lost on the way to an infinity is no number
    return np.where(np.isfinite(total), total + lost, total)
