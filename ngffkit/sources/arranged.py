"""What readers of formats share: the order of axes, names of units, and libraries that may lack."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, Problem
from ngffkit.sources.contract import Box
from ngffkit.sources.options import ReadOptions

#: Units as files spell them, and as OME-Zarr does (UDUNITS names).
_UNITS = {
    "micrometer": "um µm μm micron microns micrometer micrometers micrometre micrometres",
    "nanometer": "nm nanometer nanometers nanometre nanometres",
    "millimeter": "mm millimeter millimeters millimetre millimetres",
    "centimeter": "cm centimeter centimeters centimetre centimetres",
    "meter": "m meter meters metre metres",
    "kilometer": "km kilometer kilometers",
    "picometer": "pm picometer picometers",
    "angstrom": "a å Å angstrom angstroms ångström",
    "inch": "in inch inches",
    "second": "s sec secs second seconds",
    "millisecond": "ms msec millisecond milliseconds",
    "microsecond": "us µs μs usec microsecond microseconds",
    "nanosecond": "ns nsec nanosecond nanoseconds",
    "minute": "min mins minute minutes",
    "hour": "h hr hour hours",
    "day": "d day days",
}
_BY_SPELLING = {word: name for name, words in _UNITS.items() for word in words.split()}

_RANK = {"t": 0, "c": 2, "z": 3, "y": 4, "x": 5}


def unit_name(text: object) -> str | None:
    r"""Return the UDUNITS name of a unit as a file spells it, None when it is no known unit.

    Examples
    --------
    >>> unit_name("\\u00B5m"), unit_name("microns"), unit_name("pixel")
    ('micrometer', 'micrometer', None)
    """
    if not isinstance(text, str):
        return None
    word = text.strip().strip("\0").replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    return _BY_SPELLING.get(word) or _BY_SPELLING.get(word.lower())


def positive(value: object) -> float | None:
    """Return a number that is finite and above zero, None for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def library(name: str, extra: str) -> Any:
    """Import a reader that comes with an extra of the package.

    Raises
    ------
    NgffError
        Naming the extra, when it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as err:
        package = name.split(".", 1)[0]
        raise NgffError(
            f"{package} is needed to read this; pip install 'ngffkit[{extra}]' ({err})"
        ) from err


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the axes of a file come to stand in the order t, others, c, z, y, x.

    Parameters
    ----------
    names : tuple of str
        Names of the file's axes, in its order.

    Examples
    --------
    >>> a = Arrangement(("x", "y", "z", "t"))
    >>> a.dims
    ('t', 'z', 'y', 'x')
    >>> a.to_file((slice(0, 1), slice(0, 2), slice(0, 3), slice(0, 4)))[0]
    slice(0, 4, None)
    """

    names: tuple[str, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Position in the file of each axis, in the order they come out."""
        ranks = [_RANK.get(name, 1) for name in self.names]
        return tuple(sorted(range(len(ranks)), key=lambda i: (ranks[i], i)))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes in the order they come out."""
        return tuple(self.names[i] for i in self.order)

    def arrange(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Put one value per axis of the file into the order they come out."""
        return tuple(values[i] for i in self.order)

    def to_file(self, box: Sequence[slice]) -> Box:
        """Put the slices of a box into the order of the file."""
        out = [slice(0, 0)] * len(self.names)
        for cut, i in zip(box, self.order, strict=True):
            out[i] = cut
        return tuple(out)

    def from_file(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Put the axes of pixels of the file into the order they come out."""
        return pixels.transpose(self.order)


def named_axes(
    shape: Sequence[int], options: ReadOptions, known: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return the names of the axes of an array, with a note where they were guessed.

    Parameters
    ----------
    shape : sequence of int
        Of the array in the file.
    options : ReadOptions
        ``axes`` overrides everything.
    known : sequence of str, optional
        What the file says.
    where : str
        Name for messages.

    Raises
    ------
    NgffError
        When the names don't fit the shape, or nothing can be guessed.

    Examples
    --------
    >>> named_axes((3, 4, 5), ReadOptions(), None, "a.h5")[0]
    ('z', 'y', 'x')
    """
    n = len(shape)
    size = " x ".join(map(str, shape))
    if options.axes is not None:
        names = tuple(options.axes.lower())
        if len(names) != n or len(set(names)) != n or not {"x", "y"} <= set(names):
            raise NgffError(
                f"axes={options.axes!r} does not fit {where}, which is {size}; "
                f"give {n} different letters, with y and x"
            )
        return names, ()
    if known is not None and len(known) == n and len(set(known)) == n:
        return tuple(known), ()
    if not 2 <= n <= 5:
        raise NgffError(f"{where} has {n} dimensions ({size}); 2 to 5 are understood")
    names = tuple({2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}[n])
    if n == 4 and shape[0] <= 4:
        names = tuple("czyx")  # few of them are rather channels than times
    note = Problem(
        "axes",
        "advice",
        f"{where} does not say what its dimensions ({size}) mean; taken as {''.join(names)}",
        f"say axes={''.join(names)!r} or what they are",
    )
    return names, (note,) if n > 2 else ()


def understood(dtype: np.dtype, where: str) -> np.dtype:
    """Return a pixel type in native byte order.

    Raises
    ------
    NgffError
        When it is none that can be an image: complex, records, text.
    """
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise NgffError(
            f"{where} has pixels of type {dtype}; bool, integers and floats of up to 64 bits are "
            "understood: convert it first, e.g. to its magnitude"
        )
    return dtype.newbyteorder("=")


def by_name(names: Sequence[str], values: Sequence[float | None]) -> Mapping[str, float]:
    """Return the values that are known, by name."""
    return {k: v for k, v in zip(names, values, strict=True) if v is not None}
