"""NIfTI and Analyze files of medical imaging as a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, Problem, SourceError
from ngffkit.sources.arranged import library, named_axes, positive, unit_name
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import (
    Facts,
    FileSource,
    PlacedPixels,
    file_source,
    placed_pixels,
)
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import BATCH, Placed, local_file, reason

#: The axes of NIfTI, fastest first; the fifth holds vectors or channels.
_AXES = "xyztc"

#: A step in time beyond this many seconds is more likely in milliseconds.
_LONG_STEP = 500.0


@dataclass(frozen=True, slots=True)
class ScaledPixels:
    """Pixels that stand for ``value * slope + inter``.

    Parameters
    ----------
    stored : PlacedPixels
        Gives what is stored.
    slope, inter : float
        As the header says.
    """

    stored: PlacedPixels
    slope: float
    inter: float

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box in the order of the file."""
        return _scaled(self.stored.read(cut), self.slope, self.inter)


def open_nifti(source: Any, options: ReadOptions) -> FileSource:
    """Open a NIfTI-1, NIfTI-2 or Analyze file; ``.gz`` is unpacked to a temporary file.

    Parameters
    ----------
    source : str or Path
        The file (``.nii``, ``.nii.gz``, or either of ``.hdr`` and ``.img``).
    options : ReadOptions
        ``axes`` overrides the meaning of its dimensions, in the order slowest first
        (``"tzyx"``), which is the reverse of the file's.

    Returns
    -------
    FileSource
        Axes t, c, z, y, x. Where the header scales pixels they come as float64: an integer of 16
        bits times a slope of 24 does not fit float32.

    Raises
    ------
    SourceError
        When it is no such file, or is truncated.
    NgffError
        When nibabel is not installed, or the pixels are of no simple type.
    """
    path = local_file(source)
    nibabel = library("nibabel", "nifti")
    try:
        image = nibabel.load(path)
        proxy, header = image.dataobj, image.header
        data = Path(image.file_map["image"].filename)
        shape = tuple(int(n) for n in proxy.shape)[::-1]
        placed = Placed(int(proxy.offset), shape, np.dtype(proxy.dtype))
        slope, inter = float(proxy.slope), float(proxy.inter)
        zooms = [float(z) for z in header.get_zooms()]
    except Exception as err:
        raise SourceError(str(path), f"it is no NIfTI file: {reason(err)}") from err
    if proxy.order != "F" or not 2 <= len(shape) <= len(_AXES):
        raise NgffError(f"{path} has {len(shape)} dimensions; 2 to {len(_AXES)} are understood")
    # what comes first in the file is fastest there, which is the last axis of an array in C order
    known = tuple(reversed(_AXES[: len(shape)]))
    names, notes = named_axes(shape, options, known, str(path))
    spacing, units, more = _sizes(image, zooms, nibabel)
    pixels: Any = placed_pixels(local_file(data), placed)
    dtype, scratch = placed.dtype, 2 * BATCH
    if (slope, inter) != (1.0, 0.0):
        pixels = ScaledPixels(pixels, slope, inter)
        dtype = _scaled(np.zeros(1, placed.dtype), slope, inter).dtype
    facts = Facts(
        data.absolute(),
        path.name.removesuffix(".gz").rsplit(".", 1)[0],
        names,
        shape,
        dtype,
        spacing=spacing,
        units=units,
        scratch=scratch,
        notes=[*notes, *more],
    )
    return file_source(facts, pixels)


def _scaled(stored: npt.NDArray[Any], slope: float, inter: float) -> npt.NDArray[Any]:
    """Return ``stored * slope + inter`` in the type that nibabel takes for it."""
    from nibabel.volumeutils import apply_read_scaling

    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return np.asarray(apply_read_scaling(native, slope, inter))


def _sizes(
    image: Any, zooms: list[float], nibabel: Any
) -> tuple[dict[str, float], dict[str, str | None], list[Problem]]:
    length, time = None, None
    if hasattr(image.header, "get_xyzt_units"):
        length, time = (unit_name(u) for u in image.header.get_xyzt_units())
    spacing, units, notes = dict[str, float](), dict[str, str | None](), list[Problem]()
    for name, zoom in zip(_AXES, zooms, strict=False):
        size = positive(zoom)
        if size is None or name == "c":
            continue
        spacing[name] = size
        units[name] = time if name == "t" else length
    if spacing.get("t", 0.0) > _LONG_STEP and time == "second":
        notes.append(
            Problem(
                "voxel_size",
                "advice",
                f"a step of {spacing['t']:g} seconds between times; milliseconds were meant?",
                f"give voxel_size={{'t': {spacing['t'] / 1000:g}}} if so",
            )
        )
    codes = "".join(str(c or "?") for c in nibabel.aff2axcodes(image.affine))
    notes.append(
        Problem(
            "axes",
            "advice",
            f"its x, y and z rise towards {codes} of the patient; pixels stay in its order",
            "turn it by nibabel.as_closest_canonical first if another order is meant",
        )
    )
    return spacing, units, notes
