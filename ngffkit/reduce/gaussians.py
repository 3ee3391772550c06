"""Gaussian means around the centre of each bin, exact for whole numbers, and on ramps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from ngffkit.reduce.means import (
    HALF,
    from_offset_binary,
    halves,
    holding,
    offset_binary,
    round_quotient,
    round_quotient_of_halves,
)
from ngffkit.reduce.pieces import Pixels, Span


def gaussian(block: Pixels, spans: tuple[Span, ...]) -> Pixels:
    r"""Return the Gaussian mean around the centre of each bin.

    Parameters
    ----------
    block : ndarray
        Bool, int, uint or float, with its halo.
    spans : tuple of Span
        Its axes.

    Returns
    -------
    ndarray
        One value per bin, of the type of `block`, or of a wider float. Whole numbers are rounded
        once, half to even. NaN wherever one is within reach.

    Notes
    -----
    The kernel is a product of one per axis, with :math:`\sigma = f / 2` for a factor :math:`f`:
    what the coarser grid can't tell from a constant, frequency :math:`1/f`, is damped to
    :math:`e^{-2 \pi^2 \sigma^2 / f^2} = e^{-\pi^2 / 2} < 1 \%`, its highest frequency,
    :math:`1 / 2f`, to 29 %. It reaches `f` pixels beyond the bin on either side, at least
    2.5 sigma from the centre. Where the image ends sooner on one side, it ends as soon on the
    other: a kernel that is symmetric around the centre of the bin leaves linear ramps as they
    are. The kernel of a partial last bin is symmetric around the pixels that are there. The last
    pixel of the image counts for its own bin only: in a cascade it may itself stand for a partial
    bin, whose pixels are not where the grid says, and would bend ramps.

    Weights are whole numbers whose sum is a power of two, so constants stay what they are and
    sums of whole numbers are exact.
    """
    blurred = [axis for axis, span in enumerate(spans) if span.factor > 1]
    bits = weight_bits(len(blurred))
    total_bits = bits * len(blurred)
    if block.dtype.kind == "f":
        return _sums(block, spans, bits)
    counts = offset_binary(block)
    if counts.dtype.itemsize * 8 <= HALF:
        quotient = round_quotient(_sums(counts, spans, bits), 2**total_bits)
    else:
        low, high = (_sums(half, spans, bits) for half in halves(counts))
        quotient = round_quotient_of_halves(low, high, 2**total_bits)
    return from_offset_binary(quotient, block.dtype)


def weight_bits(axes: int) -> int:
    """Return the logarithm of the sum of the weights of one axis, when so many are blurred.

    With 32 bits of a pixel, sums must fit 62 bits.
    """
    return min(10, 30 // max(axes, 1))


def _sums(block: Pixels, spans: tuple[Span, ...], bits: int) -> Pixels:
    """Return the weighted sums of unsigned numbers, or the weighted means of floats."""
    width = min(8 * block.dtype.itemsize, HALF)
    for axis, span in enumerate(spans):
        if span.factor > 1:
            width += bits
            wide = np.dtype(np.float64) if block.dtype.kind == "f" else holding(width)
            block = _along(block, axis, span, wide, bits)
    return block


def _along(block: Pixels, axis: int, span: Span, wide: np.dtype, bits: int) -> Pixels:
    every = (slice(None),) * axis
    out = np.empty(tuple(span.bins if i == axis else n for i, n in enumerate(block.shape)), wide)
    for first, last, size, reach in _groups(span):
        start = span.before + first * span.factor - reach
        length = (last - first - 1) * span.factor + 1
        taps = [
            block[(*every, slice(i, i + length, span.factor))]
            for i in range(start, start + size + 2 * reach)
        ]
        kernel = weights(span.factor, size, reach, bits)
        out[(*every, slice(first, last))] = _weighted(taps, kernel, wide)
    return out


def _weighted(taps: list[Pixels], weighing: tuple[int, ...], wide: np.dtype) -> Pixels:
    """Sum taps times weights; for floats the sum of the weights is one."""
    total = np.zeros(taps[0].shape, wide)
    unit = 1 / sum(weighing) if wide.kind == "f" else 1
    term = np.empty_like(total)
    for tap, weight in zip(taps, weighing, strict=True):
        if weight:  # an infinity times nothing would be no number
            np.multiply(tap, wide.type(weight * unit), out=term)
            total += term
    return total


def _groups(span: Span) -> Iterator[tuple[int, int, int, int]]:
    """Yield ranges of bins with one kernel: first, last, pixels of a bin, pixels beyond it."""
    f = span.factor
    # those in the middle reach all they want to; near an end each is a case of its own
    first = max(0, -(-(f - span.before) // f))
    last = max(first, min(span.pixels, span.pixels + span.after - 1 - f) // f)
    for i in range(min(first, span.bins)):
        yield i, i + 1, *_kernel(span, i)
    if first < last:
        yield first, last, f, f
    for i in range(last, span.bins):
        yield i, i + 1, *_kernel(span, i)


def _kernel(span: Span, i: int) -> tuple[int, int]:
    start = i * span.factor
    size = min(span.factor, span.pixels - start)
    left = span.before + start
    right = span.after + span.pixels - start - size
    # the halo has a pixel more than is weighed, to tell whether the image ends with the reach
    return size, max(0, min(span.factor, left, right - 1))


@cache
def weights(factor: int, size: int, reach: int, bits: int) -> tuple[int, ...]:
    """Return whole weights, symmetric, of sum ``2**bits``, nearest to a Gaussian.

    Parameters
    ----------
    factor : int
        Twice the standard deviation in pixels.
    size, reach : int
        Pixels of the bin, and beyond it on either side.
    bits : int
        Logarithm of the sum.

    Examples
    --------
    >>> weights(2, 2, 2, 10)
    (18, 133, 361, 361, 133, 18)
    >>> weights(3, 3, 0, 10)
    (315, 394, 315)
    """
    count = size + 2 * reach
    middle = (count - 1) / 2
    half = [
        math.exp(-2 * ((i - middle) / factor) ** 2) / (2 if i == middle else 1)
        for i in range((count + 1) // 2)
    ]
    # the two halves are equal; what rounding down leaves over goes to the largest remainders
    whole = 1 << (bits - 1)
    ideal = [whole * w / sum(half) for w in half]
    floors = [math.floor(w) for w in ideal]
    left = sorted(range(len(half)), key=lambda i: (floors[i] - ideal[i], -i))
    for i in left[: whole - sum(floors)]:
        floors[i] += 1
    mirrored = floors[: count // 2][::-1]
    return (*floors[: count // 2], *(2 * w for w in floors[count // 2 :]), *mirrored)
