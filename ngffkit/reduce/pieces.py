"""Cutting arrays: into pieces that fit a processor's cache, and into bins of one shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy.typing as npt

Pixels = npt.NDArray[Any]

#: A piece and its temporaries stay in a level-2 cache of a megabyte or two, and a piece is still
#: large enough that numpy's overhead per call (about a microsecond) is small beside the work.
LARGEST: Final = 256 * 1024
SMALLEST: Final = 32 * 1024

#: Input bytes per byte of a piece, at least: what keeps temporaries small beside small inputs.
_SHARE: Final = 8

#: Bins along an axis with a halo, below which a piece would consist of halos.
_THICK: Final = 4


@dataclass(frozen=True, slots=True)
class Span:
    """One axis of an input.

    Parameters
    ----------
    total : int
        All its pixels.
    before, after : int
        How many of them, at its two ends, are halo.
    factor : int
        Pixels of a bin.
    halo : int
        Pixels that are looked at beyond a bin on either side, if the image has them.
    """

    total: int
    before: int
    after: int
    factor: int
    halo: int

    @property
    def pixels(self) -> int:
        """Pixels that are binned."""
        return self.total - self.before - self.after

    @property
    def bins(self) -> int:
        """Bins they fill, the last perhaps in part."""
        return -(-self.pixels // self.factor)

    def cut(self, step: int) -> Iterator[tuple[slice, slice, Span]]:
        """Yield source, target and span of each piece of `step` bins."""
        inner = self.total - self.after
        for first in range(0, self.bins, step):
            last = min(first + step, self.bins)
            start = self.before + first * self.factor
            stop = min(self.before + last * self.factor, inner)
            low, high = max(0, start - self.halo), min(self.total, stop + self.halo)
            own = Span(high - low, start - low, high - stop, self.factor, self.halo)
            yield slice(low, high), slice(first, last), own


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the work: which pixels give which results.

    Parameters
    ----------
    source : tuple of slice
        Of the input, with the halo there is.
    target : tuple of slice
        Of the result.
    spans : tuple of Span
        The axes of ``input[source]``.
    """

    source: tuple[slice, ...]
    target: tuple[slice, ...]
    spans: tuple[Span, ...]


def pieces(spans: tuple[Span, ...], itemsize: int) -> Iterator[Piece]:
    """Cut an input into pieces of whole bins, along the first axes first.

    Parameters
    ----------
    spans : tuple of Span
        The axes.
    itemsize : int
        Bytes of a pixel.
    """
    size = math.prod(span.pixels for span in spans) * itemsize
    goal = min(max(size // _SHARE, SMALLEST), LARGEST)
    steps = []
    for span in spans:
        bins = max(span.bins, 1)
        least = _THICK if span.halo else 1
        step = bins if size <= goal else min(bins, max(least, goal * bins // size))
        size = size * step // bins
        steps.append(step)
    for cuts in product(*(span.cut(step) for span, step in zip(spans, steps, strict=True))):
        source, target, own = zip(*cuts, strict=True) if cuts else ((), (), ())
        yield Piece(source, target, own)


def regions(
    shape: tuple[int, ...], factors: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], tuple[int, ...]]]:
    """Part an array into blocks whose bins all have one shape: whole bins, and partial last ones.

    Yields
    ------
    source, target : tuple of slice
        Of the array, and of the result.
    bins : tuple of int
        Shape of each bin; it divides the shape of the block.

    Examples
    --------
    >>> [(source[0], target[0], bins) for source, target, bins in regions((5,), (2,))]
    [(slice(0, 4, None), slice(0, 2, None), (2,)), (slice(4, 5, None), slice(2, 3, None), (1,))]
    """
    axes = []
    for n, f in zip(shape, factors, strict=True):
        whole = n // f
        parts = [(slice(0, whole * f), slice(0, whole), f)] if whole else []
        if n % f:
            parts.append((slice(whole * f, n), slice(whole, whole + 1), n % f))
        axes.append(parts)
    for parts_of in product(*axes):
        source, target, bins = zip(*parts_of, strict=True) if parts_of else ((), (), ())
        yield source, target, bins


def members(block: Pixels, bins: tuple[int, ...]) -> Iterator[Pixels]:
    """Yield, for each position in a bin in C order, the pixels there, as a strided view."""
    for offsets in product(*map(range, bins)):
        yield block[tuple(slice(o, None, f) for o, f in zip(offsets, bins, strict=True))]


def along(block: Pixels, axis: int, size: int) -> list[Pixels]:
    """Return the first pixels of all bins along one axis, the second ones, and so on, as views."""
    every = (slice(None),) * axis
    return [block[(*every, slice(i, None, size))] for i in range(size)]
