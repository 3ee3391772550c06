"""What a header of a picture says, and what pictures of every kind have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Larger pixels than this are the resolution of a printer or a screen, not of a microscope.
_LARGEST_PIXEL_UM = 20.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What the header of a picture says.

    Parameters
    ----------
    format : {"png", "jpeg", "bmp", "tiff"}
        What wrote it.
    shape : tuple of int
        Rows and columns.
    samples : int
        Channels that are read: 1 for grey, 3 for colours; opacity is left out.
    dtype : numpy.dtype
        Of the pixels as they are read, native.
    alpha : bool
        Whether opacity was left out.
    palette : bool
        Whether pixels are positions in a table of colours.
    more : bool
        Whether the file holds more than one plane.
    start : int, optional
        Byte of the first pixel where the plane is one uncompressed run.
    pixel_size : tuple of float, optional
        Along x and y, in `unit`.
    spacing : float, optional
        Along z, in `unit`, as ImageJ says it.
    unit : str, optional
        As the file spells it.
    print_size : float, optional
        Dots per inch, where the resolution is one of printing.
    order : {"<", ">"}
        Byte order in the file, for reading by `start`.
    size, mtime : int
        Bytes of the file, and when it was last changed, in ns.
    ome : bool
        Whether a TIFF holds OME metadata.
    siblings : frozenset of str
        Files that those name.
    plain : bool
        Whether pixels are decoded into their place, with nothing between but the file.
    """

    format: str
    shape: tuple[int, int]
    samples: int
    dtype: np.dtype
    alpha: bool = False
    palette: bool = False
    more: bool = False
    start: int | None = None
    pixel_size: tuple[float, float] | None = None
    spacing: float | None = None
    unit: str | None = None
    print_size: float | None = None
    order: str = "<"
    size: int = 0
    mtime: int = 0
    ome: bool = False
    siblings: frozenset[str] = frozenset()
    plain: bool = False


def sane(x: float, y: float) -> tuple[tuple[float, float] | None, float | None]:
    """Tell a microscope's pixels per micrometre from a printer's dots per inch.

    Parameters
    ----------
    x, y : float
        Pixels per micrometre.

    Returns
    -------
    pixel size or None, dots per inch or None

    Examples
    --------
    >>> sane(2.0, 2.0), sane(300 / 25400, 300 / 25400)
    (((0.5, 0.5), None), (None, 300.0))
    """
    if min(x, y) <= 0:
        return None, None
    size = (1 / x, 1 / y)
    return (size, None) if max(size) <= _LARGEST_PIXEL_UM else (None, round(x * 25400, 1))


def is_grey(table: npt.NDArray[Any]) -> bool:
    """Tell whether a table of colours, shape (n, 3), has greys only."""
    return bool((table == table[:, :1]).all())


def scratch_of(probe: Probe) -> int:
    """Return the bytes that decoding a picture takes besides its pixels: at least the file."""
    plane = math.prod(probe.shape) * probe.dtype.itemsize * (probe.samples + probe.alpha)
    # grey values are decoded into place; colours are sorted, palettes are looked up
    return probe.size + 2**20 + (0 if probe.plain else 2 * plane)


def channels_first(pixels: npt.NDArray[Any], keep: int | None = None) -> npt.NDArray[Any]:
    """Bring (y, x, c) to (c, y, x), without opacity."""
    if pixels.ndim == 2:
        return pixels
    keep = pixels.shape[2] if keep is None else keep
    return pixels[..., 0] if keep == 1 else np.moveaxis(pixels[..., :keep], -1, 0)
