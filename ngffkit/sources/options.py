"""What may be said about a source that it does not say itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ngffkit.image import Kind


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a source; whatever is None is read from the source or guessed, and noted.

    Parameters
    ----------
    pattern : str, optional
        Names of the files of a stack below their folder, with ``{t}``, ``{c}``, ``{z}``, ``{y}``,
        ``{x}`` for the numbers or words that place a file on an axis, and ``*`` for what varies
        without meaning: ``"img_t{t}_c{c}_z{z}.tif"``, ``"{c}/{z}.png"``. Also ``{z:4}`` for a
        number of four digits, ``{c:DAPI|GFP}`` for words, and a name repeated for the same text.
    axes : str, optional
        Meaning of the dimensions where they have no names: ``"tzyx"`` of an array, of the pages of
        a TIFF and its pixels; for files of a stack without a pattern, the axis they are along
        (``"t"``).
    voxel_size : sequence of float or Mapping of str to float, optional
        Pixel size in x, y, z order, or by axis (``{"t": 2.5}`` too); overrides the file's.
    unit : str, optional
        Of `voxel_size`: ``"nanometer"``, ``"micrometer"`` and their short forms.
    origin : Mapping of str to float, optional
        Position of the centre of the first pixel, by axis.
    name : str, optional
        What the image is called.
    kind : {"intensity", "label"}, optional
        Whether pixels are measurements or ids.
    channels : sequence of str, optional
        Names of the channels.
    shape : sequence of int, optional
        Of a raw file, in the order of `axes`.
    dtype : optional
        Of a raw file, e.g. ``"<u2"``.
    offset : int
        Bytes before the pixels of a raw file.
    gaps : {"error", "close", "fill"}
        What to do about numbers that are missing in a stack: refuse by name, move the files
        together, or leave zeros there, noted.
    image : str, optional
        Which image where there are several: a path in a Zarr, a dataset in an HDF5, a series, a
        scene, a WEBKNOSSOS layer.
    mag : optional
        Which mag of a pyramid is the source; the finest when left out.
    crop : Mapping of str to slice, optional
        Which part, in pixels, by axis.
    labels : bool or Mapping of str to path or array
        Whether label images that belong to the source come along; or, by name, folders and files
        that hold them, or arrays.
    storage_options : Mapping, optional
        For remote stores.
    """

    pattern: str | None = None
    axes: str | None = None
    voxel_size: Sequence[float] | Mapping[str, float] | None = None
    unit: str | None = None
    origin: Mapping[str, float] | None = None
    name: str | None = None
    kind: Kind | None = None
    channels: Sequence[str] | None = None
    shape: Sequence[int] | None = None
    dtype: Any = None
    offset: int = 0
    gaps: Literal["error", "close", "fill"] = "error"
    image: str | None = None
    mag: object = None
    crop: Mapping[str, slice] | None = None
    labels: bool | Mapping[str, Any] = True
    storage_options: Mapping[str, Any] | None = field(default=None, hash=False)
