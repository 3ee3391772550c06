"""The door to all methods: an array with its halo in, one pixel per bin out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ngffkit.reduce.gaussians import gaussian
from ngffkit.reduce.means import mean
from ngffkit.reduce.methods import METHODS, Method, supported
from ngffkit.reduce.modes import mode
from ngffkit.reduce.pieces import Pixels, Span, pieces, regions
from ngffkit.reduce.ranks import maximum, median, minimum


def reduce(
    pixels: Pixels,
    factors: Sequence[int],
    method: Method | str,
    *,
    before: Sequence[int] = (),
    after: Sequence[int] = (),
) -> Pixels:
    """Downsample an array by whole factors.

    Parameters
    ----------
    pixels : ndarray
        Of any number of axes; bool, int, uint or float of at most 64 bits. Whole bins from its
        first pixel after the halo on; a last bin may be partial, if the image ends with it.
    factors : sequence of int
        Pixels that become one, per axis; each at least 1.
    method : Method or str
        Or its name in `METHODS`.
    before, after : sequence of int
        Pixels of halo at the two ends, per axis; none when left out. They are looked at, but make
        no results. Where there are fewer than ``method.halo(factor)``, the image ends there.

    Returns
    -------
    ndarray
        Shape ``ceil((n - before - after) / factor)``, the type of `pixels`, C order, new memory.

    Raises
    ------
    ValueError
        When the factors or halos don't fit the array, or its type can't be downsampled.

    Notes
    -----
    An array is worked on in pieces that fit a processor's cache. So temporaries stay small, and
    so does the time: see `Method.scratch`. Positions of results: `ngffkit.grid.Grid.coarsen`
    with ``stride=method.stride``.

    Examples
    --------
    >>> reduce(np.array([[1, 2, 9], [3, 4, 9]], "u1"), (2, 2), "mean")
    array([[2, 9]], dtype=uint8)
    >>> reduce(np.array([0, 2, 4, 6, 8, 10, 12], "i2"), (2,), "gaussian", before=(2,), after=(1,))
    array([5, 9], dtype=int16)
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"no method {method!r:.80}; there are {', '.join(METHODS)}")
        method = METHODS[method]
    pixels = np.asarray(pixels)
    if not supported(pixels.dtype):
        raise ValueError(f"{pixels.dtype} can't be downsampled; bool, int, uint and float can")
    spans, inner = _spans(pixels.shape, factors, method, (before, after))
    pixels = _view(pixels, inner)
    out = np.empty(tuple(span.bins for span in spans), pixels.dtype)
    with np.errstate(all="ignore"):  # what infinities and NaNs of an image give needs no warning
        for piece in pieces(spans, pixels.dtype.itemsize):
            part = _handy(_view(pixels, piece.source))
            _work(method.name, part, piece.spans, _view(out, piece.target))
    return out


def _spans(
    shape: tuple[int, ...],
    factors: Sequence[int],
    method: Method,
    halos: tuple[Sequence[int], Sequence[int]],
) -> tuple[tuple[Span, ...], tuple[slice, ...]]:
    """Return the axes of the work, and which pixels take part: more halo than needed does not."""
    whole = _numbers("factors", factors, len(shape), 1)
    before, after = (
        _numbers(name, halo or (0,) * len(shape), len(shape), 0)
        for name, halo in zip(("before", "after"), map(tuple, halos), strict=True)
    )
    spans, inner = [], []
    for n, f, b, a in zip(shape, whole, before, after, strict=True):
        if b + a > n:
            raise ValueError(f"halos of {b} and {a} pixels don't fit an axis of {n}, shape {shape}")
        if a and (n - b - a) % f:
            raise ValueError(
                f"{n - b - a} pixels are no whole bins of {f}, and {a} pixels of the image come "
                "after them; only the bin the image ends with may be partial"
            )
        halo = method.halo(f)
        low, high = max(b - halo, 0), n - max(a - halo, 0)
        spans.append(Span(high - low, min(b, halo), min(a, halo), f, halo))
        inner.append(slice(low, high))
    return tuple(spans), tuple(inner)


def _numbers(name: str, values: Sequence[int], count: int, least: int) -> tuple[int, ...]:
    try:
        numbers = tuple(operator.index(value) for value in values)
    except TypeError:
        numbers = ()
    if len(numbers) != count or any(number < least for number in numbers):
        raise ValueError(
            f"{name} are {values!r:.80}; expected {count} whole numbers of at least {least}, "
            "one per axis"
        )
    return numbers


def _view(pixels: Pixels, box: tuple[slice, ...]) -> Pixels:
    index: tuple[Any, ...] = (*box, ...)  # with it, no axes give an array of none, not a number
    view: Pixels = pixels[index]
    return view


def _handy(piece: Pixels) -> Pixels:
    """Return a piece in native byte order whose last axis is contiguous, copied if need be."""
    native = piece.dtype.newbyteorder("=")
    near = piece.ndim == 0 or piece.strides[-1] == piece.dtype.itemsize
    return piece if near and piece.dtype == native else np.ascontiguousarray(piece, native)


def _work(name: str, part: Pixels, spans: tuple[Span, ...], out: Pixels) -> None:
    if name == "gaussian":
        out[...] = gaussian(part, spans)
        return
    kernel = _KERNELS[name]
    for source, target, bins in regions(part.shape, tuple(span.factor for span in spans)):
        block = part[source]
        # a bin of one pixel is that pixel, whatever the method
        out[target] = block if max(bins, default=1) == 1 else kernel(block, bins)


def _first(block: Pixels, bins: tuple[int, ...]) -> Pixels:
    return block[tuple(slice(0, None, size) for size in bins)]


#: From a block and the shape of its bins, which divides its own, to one value per bin.
_KERNELS: Final[Mapping[str, Callable[[Pixels, tuple[int, ...]], Pixels]]] = {
    "mean": mean,
    "median": median,
    "mode": mode,
    "nearest": _first,
    "min": minimum,
    "max": maximum,
}
