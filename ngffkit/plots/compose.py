"""From pixels to colours, in numpy alone: windows, channel composites, label colours, outlines.

Planes are ``(c, y, x)``, colours RGB from 0 to 1, results 8 bit: what a screen shows.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError

Array = npt.NDArray[np.generic]
Window = tuple[float, float]
Color = tuple[float, float, float]

#: Colours of channels that were given none, by how many there are. Two: green and magenta, three:
#: cyan, magenta and yellow (B. Wong, "Points of view: Color blindness", Nature Methods 8, 441,
#: 2011); they stay apart with red-green blindness, where red on green does not. More: the palette
#: of M. Okabe and K. Ito (2008) follows.
_PALETTES: Mapping[int, tuple[str, ...]] = {
    1: ("FFFFFF",),
    2: ("00FF00", "FF00FF"),
    3: ("00FFFF", "FF00FF", "FFFF00"),
}
_MANY = ("00FFFF", "FF00FF", "FFFF00", "FFFFFF", "E69F00", "009E73", "0072B2", "D55E00")

#: Percentiles are taken of this many evenly spaced pixels at most.
_SAMPLE = 4_000_000

#: Labels are no darker than this, or they would not be seen on a dark picture.
_DARKEST = 0.42

#: 2**64 divided by the golden ratio: multiples of it are as far apart on a circle as can be.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

#: An odd number without a pattern: the multiplier of LXM (G. Steele and S. Vigna, OOPSLA 2021).
_SEED = 0xD1342543DE82EF95


def parse_color(color: str | Sequence[float]) -> Color:
    """Turn a colour into red, green and blue from 0 to 1.

    Parameters
    ----------
    color : str or sequence of float
        ``RRGGBB`` in hexadecimal, with or without ``#`` (a further pair, alpha, is ignored), or
        three numbers from 0 to 1.

    Raises
    ------
    NgffError
        When it is neither.

    Examples
    --------
    >>> parse_color("FF0000"), parse_color("#00ff00"), parse_color((0, 0.5, 1))
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.5, 1.0))
    """
    if isinstance(color, str):
        digits = color.strip().removeprefix("#")
        if re.fullmatch(r"[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", digits):
            r, g, b = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
            return r, g, b
    elif len(color) >= 3 and all(0 <= float(part) <= 1 for part in color):
        return float(color[0]), float(color[1]), float(color[2])
    raise NgffError(f"{color!r} is no colour; write RRGGBB, e.g. 'FF00FF', or (1, 0, 1)")


def default_colors(known: Sequence[str | None]) -> tuple[str, ...]:
    """Choose colours for channels that have none.

    Parameters
    ----------
    known : sequence of str or None
        The colour of each channel, ``RRGGBB``, where there is one.

    Returns
    -------
    tuple of str
        Those, and for the others colours that nobody has yet. One channel is grey, more are told
        apart by colour-blind people too.

    Examples
    --------
    >>> default_colors([None]), default_colors([None, None]), default_colors(["00FF00", None])
    (('FFFFFF',), ('00FF00', 'FF00FF'), ('00FF00', 'FF00FF'))
    """
    palette = _PALETTES.get(len(known), _MANY)
    taken = {color.upper() for color in known if color}
    free = [color for color in palette if color not in taken] or list(palette)
    out, used = [], 0
    for color in known:
        out.append(color or free[used % len(free)])
        used += color is None
    return tuple(out)


def window_of(
    pixels: Array | Iterable[Array], percentiles: tuple[float, float] = (0.5, 99.5)
) -> Window:
    """Choose the range of values to show pixels in.

    Parameters
    ----------
    pixels : ndarray or iterable of ndarray
        Of any shape; several are looked at as one. NaN and infinity don't count.
    percentiles : (float, float)
        Of the values, what becomes black and what becomes full colour.

    Returns
    -------
    (float, float)
        Always rising. Where the percentiles coincide (a few bright spots on a flat ground) the
        extremes are taken; where these coincide too, zero is black and the constant is bright.

    Examples
    --------
    >>> window_of(np.arange(201)), window_of(np.zeros((2, 2))), window_of(np.full(9, -3))
    ((1.0, 199.0), (0.0, 1.0), (-3.0, 0.0))
    """
    parts = [pixels] if isinstance(pixels, np.ndarray) else list(pixels)
    if parts and all(part.dtype == bool for part in parts):
        return 0.0, 1.0
    stride = max(1, -(-sum(part.size for part in parts) // _SAMPLE))
    values = [_real(part.reshape(-1)[::stride]) for part in parts]
    found = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if not found.size:
        return 0.0, 1.0
    low, high = map(float, np.percentile(found, percentiles))
    if not low < high:
        low, high = float(found.min()), float(found.max())
    if not low < high:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if low < high else (0.0, 1.0)


def composite(
    planes: Array,
    colors: Sequence[Color] | Array,
    windows: Sequence[Window] | Array,
    gammas: Sequence[float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Blend channels additively into one picture.

    Each channel is scaled so that its window becomes 0 to 1, clipped, raised to its gamma and
    multiplied by its colour; the sum is clipped at white:
    ``min(1, sum_c clip((v_c - lo_c) / (hi_c - lo_c), 0, 1) ** gamma_c * rgb_c)``.

    Parameters
    ----------
    planes : ndarray, shape (c, y, x)
        Of any real type, bool, or complex (its magnitude is shown). NaN is black.
    colors : array_like, shape (c, 3)
        RGB from 0 to 1.
    windows : array_like, shape (c, 2)
        Values shown black and in full colour. A window that falls inverts the channel; one of no
        width is a threshold.
    gammas : sequence of float, optional
        One for each channel, positive; 1 when left out. Below 1 brightens what is dim.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Rounded half to even.

    Raises
    ------
    NgffError
        When they don't agree in number, or a gamma isn't positive.

    Examples
    --------
    >>> composite(np.array([[[0, 50, 200]]]), [(1, 0, 0)], [(0, 100)])[0].tolist()
    [[0, 0, 0], [128, 0, 0], [255, 0, 0]]
    >>> composite(np.array([[[0, 25, 200]]]), [(1, 0, 0)], [(0, 100)], [0.5])[0].tolist()
    [[0, 0, 0], [128, 0, 0], [255, 0, 0]]
    """
    gammas = [1.0] * len(planes) if gammas is None else [float(gamma) for gamma in gammas]
    if planes.ndim != 3 or not len(planes) == len(colors) == len(windows) == len(gammas):
        raise NgffError(
            f"{len(colors)} colours, {len(windows)} windows and {len(gammas)} gammas for planes of "
            f"shape {planes.shape}; planes must be (c, y, x), with one of each for every channel"
        )
    out = np.zeros((*planes.shape[1:], 3), np.float32)
    for plane, color, (low, high), gamma in zip(planes, colors, windows, gammas, strict=True):
        if not 0 < gamma < np.inf:
            raise NgffError(f"gamma is {gamma}; it must be a positive number, 1 changes nothing")
        shade = _shade(_real(plane), float(low), float(high))
        if gamma != 1:
            shade **= np.float32(gamma)
        for i, part in enumerate(color):
            if part:
                out[..., i] += shade * np.float32(part)
    return np.rint(np.clip(out, 0, 1, out=out) * 255).astype(np.uint8)


def _shade(values: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.float32]:
    if low == high:
        return (values > low).astype(np.float32)
    # infinities clip like any value beyond the window; dividing first would lose big integers
    scaled = (np.clip(values, min(low, high), max(low, high)) - low) / (high - low)
    return np.asarray(np.nan_to_num(scaled, nan=0.0, copy=False), np.float32)


def _real(values: Array) -> npt.NDArray[np.floating]:
    """Return pixels as floats that are exact enough for a screen."""
    if values.dtype.kind == "c":
        return np.asarray(np.abs(values))
    if values.dtype.kind not in "buif":
        raise NgffError(
            f"pixels of type {values.dtype} can't be drawn; make them numbers, e.g. "
            "da.astype('float32')"
        )
    small = values.dtype.itemsize <= 2
    return values.astype(np.float32 if small else np.float64)


def label_colors(
    ids: Array, given: Mapping[int, Sequence[int]] | None = None, *, seed: int = 0
) -> npt.NDArray[np.uint8]:
    r"""Colour labels: one id has one colour, today, tomorrow and on every machine.

    The hue is ``frac(id / golden ratio)`` (Fibonacci hashing: D. Knuth, The Art of Computer
    Programming, vol. 3, 6.4), in 64-bit integers, so ids that follow one another, which are often
    neighbours, differ most; strength and brightness come from a hash of the id (SplitMix64:
    G. Steele et al., OOPSLA 2014).

    Parameters
    ----------
    ids : ndarray of int or bool, any shape
        Up to 64 bits, with or without sign.
    given : Mapping of int to (r, g, b, a), optional
        Colours, 0 to 255, that were chosen for some ids.
    seed : int
        Another gives other colours, where neighbours happen to look alike.

    Returns
    -------
    ndarray of uint8, shape (\*ids.shape, 4)
        RGBA. The id 0 is background: transparent, whatever `given` says.

    Raises
    ------
    NgffError
        When ids are not whole numbers.

    Examples
    --------
    >>> label_colors(np.array([0, 7]), {7: (1, 2, 3, 255)}).tolist()
    [[0, 0, 0, 0], [1, 2, 3, 255]]
    """
    if ids.dtype.kind not in "bui":
        raise NgffError(
            f"labels are whole numbers, these pixels are {ids.dtype}; convert them, e.g. "
            "da.astype('uint32')"
        )
    unique, inverse = np.unique(ids, return_inverse=True)
    signed = unique.astype(np.int64) if unique.dtype.kind == "i" else unique
    table = _hashed(signed.astype(np.uint64) ^ np.uint64(seed * _SEED & 2**64 - 1))
    if given:
        for i, value in enumerate(unique.tolist()):
            if int(value) in given:
                table[i] = given[int(value)]
    table[unique == 0] = 0
    return table[inverse.reshape(ids.shape)]


def _hashed(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Hash ids to opaque colours, shape (n, 4)."""
    hue = (keys * _GOLDEN).astype(np.float64) / 2.0**64
    mixed = keys + _GOLDEN
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    strength = 0.55 + 0.4 * ((mixed & np.uint64(255)).astype(np.float64) / 255)
    bright = 0.8 + 0.2 * ((mixed >> np.uint64(8) & np.uint64(255)).astype(np.float64) / 255)
    out = np.full((len(keys), 4), 255, np.uint8)
    for i, hsv in enumerate(zip(hue.tolist(), strength.tolist(), bright.tolist(), strict=True)):
        out[i, :3] = [round(255 * part) for part in _legible(colorsys.hsv_to_rgb(*hsv))]
    return out


def _legible(color: Color) -> Color:
    """Lighten a colour, blues mostly, until its luma (ITU-R BT.601) stands out from black."""
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    white = max(0.0, (_DARKEST - luma) / (1 - luma))
    r, g, b = (part + (1 - part) * white for part in color)
    return r, g, b


def outline(ids: Array, width: int = 1) -> npt.NDArray[np.bool_]:
    """Find the pixels of labels that touch another label or the background.

    Parameters
    ----------
    ids : ndarray, shape (y, x)
        The labels; 0 is background.
    width : int
        How many pixels wide, counted inwards.

    Returns
    -------
    ndarray of bool, shape (y, x)
        The edge of the picture is no edge of a label.

    Examples
    --------
    >>> outline(np.array([[0, 3, 3, 3, 3]])).astype(int).tolist()
    [[0, 1, 0, 0, 0]]
    """
    edge = np.zeros(ids.shape, np.bool_)
    for axis in (0, 1):
        for shift in range(1, min(max(1, width), ids.shape[axis] - 1) + 1):
            ahead = [slice(None), slice(None)]
            behind = [slice(None), slice(None)]
            ahead[axis], behind[axis] = slice(shift, None), slice(None, -shift)
            differs = ids[tuple(ahead)] != ids[tuple(behind)]
            edge[tuple(ahead)] |= differs
            edge[tuple(behind)] |= differs
    return np.asarray(edge & (ids != 0))


def draw_labels(
    ids: Array, given: Mapping[int, Sequence[int]] | None = None, outline_width: int = 0
) -> npt.NDArray[np.uint8]:
    """Picture labels as areas, or as outlines of `outline_width` pixels.

    Parameters
    ----------
    ids : ndarray of int or bool, shape (y, x)
        The labels; 0 is background.
    given : Mapping of int to (r, g, b, a), optional
        As for `label_colors`.
    outline_width : int
        0 fills the areas.

    Returns
    -------
    ndarray of uint8, shape (y, x, 4)
        RGBA, transparent where there is nothing.

    Examples
    --------
    >>> draw_labels(np.array([[0, 3, 3]]), {3: (9, 9, 9, 255)}, 1)[0, :, 3].tolist()
    [0, 255, 0]
    """
    rgba = label_colors(ids, given)
    if outline_width > 0:
        rgba[~outline(ids, outline_width)] = 0
    return rgba
