"""What a source is: where its pixels are, what they mean, and how to read a box of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ngffkit.errors import Problem, SourceError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Kind, LabelInfo

#: One slice per axis, ``start`` and ``stop`` given, no step.
Box = tuple[slice, ...]

#: The order that OME-Zarr asks for; axes of other names stand between time and channel.
ORDER = "tczyx"


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Everything that is known of a source before its pixels are read.

    Parameters
    ----------
    grid : Grid
        Axes in the order t, c, z, y, x (those there are), shape, pixel size and origin in the
        units of the axes. An axis without calibration has scale 1.0 and unit None.
    dtype : numpy.dtype
        Type of the pixels, in native byte order: bool, int, uint or float.
    name : str
        What the image is called when nobody says otherwise.
    kind : {"intensity", "label"}
        Whether pixels are measurements or ids.
    channels : tuple of Channel
        One per index of the channel axis; empty when nothing is known of them.
    label : LabelInfo, optional
        For labels: colours and properties that are known.
    block : tuple of int
        What is decoded at once, per axis: a plane ``(1, 1, 1, Y, X)``, a strip, a chunk. Reading
        less than a block costs as much as reading all of it. Ones where nothing is compressed.
    scratch : int
        Bytes that one read of one block takes besides its result (the compressed file, a
        decoded page of another type).
    fingerprint : str
        Changes when the pixels may have changed; see `fingerprint_of`.
    notes : tuple of Problem
        What was guessed or looks odd; `Problem.loc` names the option that overrides it.
    labels : Mapping of str to Source
        Label images that belong to it.
    """

    grid: Grid
    dtype: np.dtype
    name: str = ""
    kind: Kind = "intensity"
    channels: tuple[Channel, ...] = ()
    label: LabelInfo | None = None
    block: tuple[int, ...] = ()
    scratch: int = 0
    fingerprint: str = ""
    notes: tuple[Problem, ...] = ()
    labels: Mapping[str, Source] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        """Fill in the block, and refuse what can't be written."""
        if not self.block:
            object.__setattr__(self, "block", (1,) * len(self.grid.shape))


@runtime_checkable
class Source(Protocol):
    """Anything convertible.

    A source is a value that can be pickled (files are opened when they are read, on whichever
    process that is) and read by several threads at once.
    """

    @property
    def info(self) -> SourceInfo:
        """What is known of it."""

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box.

        Parameters
        ----------
        box : tuple of slice
            One per axis of ``info.grid``, within its shape, in pixels, ``start < stop``.

        Returns
        -------
        ndarray
            Of exactly this shape and of ``info.dtype``, in native byte order; it may be read-only
            or a view.

        Raises
        ------
        SourceError
            Naming the file (and page) and the cause. Never any other error, never zeros for what
            could not be read.
        """


def fingerprint_of(facts: Any) -> str:
    """Return a short hash of JSON-able facts: paths, sizes, modification times, shapes.

    Examples
    --------
    >>> fingerprint_of({"a": 1}) == fingerprint_of({"a": 1}) != fingerprint_of({"a": 2})
    True
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_grid(
    sizes: Mapping[str, int],
    spacing: Mapping[str, float] | None = None,
    units: Mapping[str, str | None] | None = None,
    origin: Mapping[str, float] | None = None,
) -> Grid:
    """Build a grid from what is known of each axis.

    Parameters
    ----------
    sizes : Mapping of str to int
        Pixels along each axis, in the order of the array.
    spacing, units, origin : Mapping, optional
        By axis; 1.0, None and 0.0 where unknown.

    Examples
    --------
    >>> make_grid({"z": 3, "y": 4, "x": 5}, {"z": 2.0}).scale
    (2.0, 1.0, 1.0)
    """
    types = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
    # without a type it would count as one of space, of which there are at most three
    axes = tuple(Axis(name, types.get(name, name), (units or {}).get(name)) for name in sizes)
    return Grid(
        axes,
        tuple(sizes.values()),
        tuple(float((spacing or {}).get(name, 1.0)) for name in sizes),
        tuple(float((origin or {}).get(name, 0.0)) for name in sizes),
    )


def check_pixels(got: npt.NDArray[Any], box: Box, dtype: np.dtype, name: str) -> None:
    """Refuse pixels that are not what was announced: a slice of another size or type."""
    shape = tuple(s.stop - s.start for s in box)
    if got.shape != shape or got.dtype != dtype:
        raise SourceError(
            name,
            f"it holds {_spelled(got.shape)} pixels of {got.dtype}, {_spelled(shape)} of {dtype} "
            "were expected",
        )


def _spelled(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
