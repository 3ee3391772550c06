"""Which methods of downsampling there are, what each does to labels and positions, and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from ngffkit.errors import PlanError, Problem
from ngffkit.image import Kind
from ngffkit.reduce.pieces import LARGEST


@dataclass(frozen=True, slots=True)
class Method:
    """A way to make one pixel of many.

    Parameters
    ----------
    name : str
        What it is called, also in metadata.
    stride : bool
        Whether the result stands for the first pixel of each bin, not for the bin's centre: the
        argument of `ngffkit.grid.Grid.coarsen`.
    labels : bool
        Whether each result is a value that was in its bin, so that labels get no new ids.
    scratch : float
        Bytes of temporaries per byte of input, at most, beside the result. It was measured with
        tracemalloc, over all types and factors up to 8, and is what inputs from 256 KiB to 2 MiB
        may take; larger ones are worked on in pieces and take no more: `temporaries`.
    reach : int
        How far beyond a bin it looks, in lengths of the bin, on either side.

    Examples
    --------
    >>> METHODS["mean"].halo(2), METHODS["gaussian"].halo(2), METHODS["gaussian"].halo(1)
    (0, 3, 0)
    >>> METHODS["mean"].temporaries(10**9)
    2097152
    """

    name: str
    stride: bool
    labels: bool
    scratch: float
    reach: int = 0

    def halo(self, factor: int) -> int:
        """Return how many pixels beyond a bin of `factor` pixels it needs on either side.

        One more than it weighs: whether there is one tells it whether the image ends there.
        """
        return self.reach * factor + 1 if self.reach and factor > 1 else 0

    def temporaries(self, nbytes: int) -> int:
        """Return how many bytes of temporaries an input of `nbytes` takes, at most."""
        return round(self.scratch * min(max(nbytes, 256 * 1024), 8 * LARGEST))


#: All methods by name.
METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("mean", stride=False, labels=False, scratch=1.0),
            Method("median", stride=False, labels=False, scratch=1.0),
            Method("mode", stride=False, labels=True, scratch=3.0),
            Method("nearest", stride=True, labels=True, scratch=0.25),
            Method("gaussian", stride=False, labels=False, scratch=3.0, reach=1),
            Method("min", stride=False, labels=True, scratch=0.5),
            Method("max", stride=False, labels=True, scratch=0.5),
        )
    }
)

#: WEBKNOSSOS's words for the same: halfway between two pixels, linear interpolation is their mean.
_ALSO: Final[Mapping[str, str]] = {"bilinear": "mean", "minimum": "min", "maximum": "max"}


def method_of(name: str | None, kind: Kind, dtype: npt.DTypeLike) -> Method:
    """Return the method that is meant.

    Parameters
    ----------
    name : str or None
        A key of `METHODS`, in any case, or what ``webknossos --interpolation-mode`` takes: its
        ``bilinear`` is ``mean``, which is what linear interpolation halfway between pixels is.
        None and ``default`` are ``mean`` for measurements, ``mode`` for labels and bool.
    kind : {"intensity", "label"}
        What the pixels are.
    dtype : dtype-like
        Their type: bool, int, uint or float of at most 64 bits.

    Raises
    ------
    PlanError
        When there is no such method, it would make new ids of labels, or the type of the pixels
        can't be downsampled.

    Examples
    --------
    >>> method_of(None, "label", "u4").name, method_of("BILINEAR", "intensity", "u1").name
    ('mode', 'mean')
    """
    dtype = np.dtype(dtype)
    if not supported(dtype):
        _refuse("dtype", f"pixels of {dtype} can't be downsampled", "convert to int, uint or float")
    word = "default" if name is None else str(name).strip().lower()
    if word == "default":
        word = "mode" if kind == "label" or dtype.kind == "b" else "mean"
    method = METHODS.get(_ALSO.get(word, word))
    if word == "bicubic":
        _refuse(
            "method",
            "'bicubic' overshoots at edges: it makes values that were never measured",
            "take 'mean', or 'gaussian' for a smoother image",
        )
    if method is None:
        _refuse("method", f"is {name!r:.80}", f"choose one of {', '.join(METHODS)}")
    if kind == "label" and not method.labels:
        fit = ", ".join(m.name for m in METHODS.values() if m.labels)
        _refuse("method", f"{word!r} would make ids that label nothing", f"choose one of {fit}")
    return method


def supported(dtype: np.dtype) -> bool:
    """Tell whether pixels of a type can be downsampled: bool, int, uint, float up to 64 bits."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def _refuse(option: str, message: str, remedy: str) -> NoReturn:
    raise PlanError([Problem(option, "error", message, remedy)])
