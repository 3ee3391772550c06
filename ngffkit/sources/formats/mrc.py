"""MRC, CCP4 and MAP files of electron microscopy as a source.

Reference: "MRC2014: Extensions to the MRC format header for electron cryo-microscopy and
tomography", Cheng et al., J. Struct. Biol. 192 (2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ngffkit.errors import NgffError, Problem, SourceError
from ngffkit.sources.arranged import named_axes, positive
from ngffkit.sources.formats.handles import (
    Facts,
    FileSource,
    file_source,
    open_packed,
    placed_pixels,
)
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import Placed, local_file, reason

#: Types of pixels by mode; the others are complex numbers or packed.
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}

#: The highest mode that anybody uses.
_LAST_MODE = 101

#: Words of the header that are needed, by their number from 0.
_WORDS = {
    "nx": 0,
    "ny": 1,
    "nz": 2,
    "mode": 3,
    "mx": 7,
    "my": 8,
    "mz": 9,
    "mapc": 16,
    "mapr": 17,
    "maps": 18,
    "ispg": 22,
    "nsymbt": 23,
    "stamp": 38,
    "flags": 39,
}

#: Bytes of the header before its extension.
_HEADER = 1024

#: IMOD's mark in the header: where it stands, bytes are unsigned unless a flag says otherwise.
_IMOD = 1146047817

#: Space groups that mark a stack of volumes.
_VOLUMES = range(401, 631)


def open_mrc(source: Any, options: ReadOptions) -> FileSource:
    """Open an MRC, CCP4 or MAP file; ``.gz`` and ``.bz2`` are unpacked to a temporary file.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``axes`` overrides the meaning of its dimensions, e.g. ``"tyx"`` for a movie.

    Returns
    -------
    FileSource
        Axes z, y, x (t before them for a stack of volumes) in the order of the file: sections,
        rows, columns. Sizes in angstrom.

    Raises
    ------
    SourceError
        When it is no such file, or is truncated.
    NgffError
        When its pixels are complex or packed.
    """
    path = local_file(source)
    header = _header(path)
    mode, notes = header["mode"], list[Problem]()
    if mode not in _MODES:
        raise NgffError(
            f"{path} is of MRC mode {mode}, which is complex or packed; modes "
            f"{', '.join(map(str, _MODES))} are read: convert it first, e.g. by newstack -mode 2"
        )
    dtype = np.dtype(_MODES[mode]).newbyteorder(header["order"])
    if mode == 0 and _unsigned(header):
        dtype = np.dtype("u1")
    nx, ny, nz, mz = (header[n] for n in ("nx", "ny", "nz", "mz"))
    shape, known = (nz, ny, nx), ("z", "y", "x")
    if header["ispg"] in _VOLUMES and 0 < mz < nz and nz % mz == 0:
        shape, known = (nz // mz, mz, ny, nx), ("t", "z", "y", "x")  # type: ignore[assignment]
        notes.append(_advice("axes", f"{nz // mz} volumes; taken as times"))
    elif header["ispg"] == 0 and nz > 1:
        notes.append(_advice("axes", f"a stack of {nz} images; taken as z (a movie is axes='tyx')"))
    if nz == 1:
        shape, known = (ny, nx), ("y", "x")  # type: ignore[assignment]
    names, guesses = named_axes(shape, options, known, str(path))
    spacing = _spacing(header, notes)
    placed = Placed(_HEADER + header["nsymbt"], shape, dtype)
    facts = Facts(
        path,
        _stem(path),
        names,
        shape,
        dtype,
        spacing=spacing,
        units=dict.fromkeys(spacing, "angstrom"),
        notes=[*notes, *guesses],
    )
    return file_source(facts, placed_pixels(path, placed))


def _header(path: Path) -> dict[str, Any]:
    """Read the header: 256 words of 4 bytes, most of them numbers.

    It is read here, since 20 of its words are all that is needed, and mrcfile stumbles over NumPy
    2.5.
    """
    try:
        with open_packed(path) as file:
            raw = file.read(_HEADER)
    except Exception as err:
        raise SourceError(str(path), f"it can't be unpacked: {reason(err)}") from err
    for order in ">" if raw[212:213] == b"\x11" else "<>":
        words = np.frombuffer(raw[: len(raw) // 4 * 4], f"{order}i4")
        if len(raw) < _HEADER or min(words[:3]) < 1 or not 0 <= words[3] <= _LAST_MODE:
            continue
        out = {name: int(words[i]) for name, i in _WORDS.items()}
        if out["nsymbt"] < 0:
            continue
        cell = np.frombuffer(raw, f"{order}f4", 3, 40).tolist()
        return out | {"order": order, "cell": cell}
    raise SourceError(
        str(path), "it is no MRC file: its header has no size, or no mode that there is"
    )


def _unsigned(header: Mapping[str, Any]) -> bool:
    """Tell whether IMOD wrote bytes as unsigned; the standard has them signed."""
    return bool(header["stamp"] == _IMOD and not header["flags"] & 1)


def _spacing(header: Mapping[str, Any], notes: list[Problem]) -> dict[str, float]:
    """Return the size of a pixel along columns (x), rows (y) and sections (z)."""
    counts = [header[n] for n in ("mx", "my", "mz")]
    cells = zip(header["cell"], counts, strict=True)
    sizes = [positive(length / n) if n > 0 else None for length, n in cells]
    order = [header[n] - 1 for n in ("mapc", "mapr", "maps")]
    if sorted(order) != [0, 1, 2]:
        order = [0, 1, 2]
    if order != [0, 1, 2]:
        shown = "".join("xyz"[i] for i in order)
        notes.append(
            _advice(
                "axes", f"columns, rows and sections run along {shown} of the cell; kept as x, y, z"
            )
        )
    out = {name: sizes[i] for name, i in zip("xyz", order, strict=True)}
    if None in out.values():
        notes.append(_advice("voxel_size", "it does not say how large its pixels are"))
    return {name: size for name, size in out.items() if size is not None}


def _advice(loc: str, message: str) -> Problem:
    return Problem(loc, "advice", message, f"give {loc} if that is wrong")


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".gz", ".bz2"):
        name = name.removesuffix(suffix)
    return name.rsplit(".", 1)[0] or name
