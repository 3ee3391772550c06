"""Nikon ND2 files as a source, through the reader of the same name."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, SourceError
from ngffkit.image import Channel
from ngffkit.sources.arranged import by_name, library, positive
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import Facts, FileSource, Shared, file_source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file, reason

#: Axes within a frame, in the order a frame has them.
_FRAME = "CYXS"


@dataclass(frozen=True, slots=True)
class Nd2Pixels:
    """Frames of one position.

    Parameters
    ----------
    file : Shared
        The file.
    loops : tuple of (str, int)
        The axes over which frames were taken, with their lengths, slowest first.
    position : int
        Which position.
    frame : tuple of int
        Channels, rows, columns and samples of a frame.
    """

    file: Shared
    loops: tuple[tuple[str, int], ...]
    position: int
    frame: tuple[int, int, int, int]

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box; axes are the loops without the position, then c, y, x."""
        *lead, channels, rows, columns = cut
        places = iter(lead)
        ranges = [
            range(self.position, self.position + 1)
            if name == "P"
            else range((s := next(places)).start, s.stop)
            for name, _ in self.loops
        ]
        lengths = [n for _, n in self.loops]
        parts = []
        with self.file.use() as file:
            for index in itertools.product(*ranges):
                number = int(np.ravel_multi_index(index, lengths)) if lengths else 0
                frame = np.asarray(file.read_frame(number)).reshape(self.frame)
                flat = np.moveaxis(frame, -1, 1).reshape(-1, *self.frame[1:3])
                parts.append(flat[channels, rows, columns].copy())
        return np.stack(parts).reshape([s.stop - s.start for s in cut])


def open_file(path: str) -> Any:
    """Open an ND2 file for reading."""
    nd2 = library("nd2", "nd2")
    try:
        return nd2.ND2File(path)
    except Exception as err:
        raise SourceError(path, f"it is no ND2 file that can be opened: {reason(err)}") from err


def open_nd2(source: Any, options: ReadOptions) -> FileSource:
    """Open one position of an ND2 file.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``image`` is the number of a position; needed only where there are several.

    Returns
    -------
    FileSource
        Axes t, c, z, y, x, those there are; samples of a colour are channels. Sizes are
        micrometres.

    Raises
    ------
    NgffError
        When there are several positions and none was chosen.
    SourceError
        When it is no such file.
    """
    path = local_file(source)
    shared = Shared(open_file, str(path))
    with shared.use() as file:
        try:
            sizes = dict(file.sizes)
            loops = tuple((a, int(n)) for a, n in sizes.items() if a not in _FRAME)
            voxel, dtype = file.voxel_size(), np.dtype(file.dtype)
            channels = _channels(file)
        except Exception as err:
            raise SourceError(str(path), reason(err)) from err
    position = _position(dict(loops).get("P", 1), options.image, str(path))
    frame = tuple(int(sizes.get(axis, 1)) for axis in _FRAME)
    outer = [(a.lower(), n) for a, n in loops if a != "P"]
    shape = (*(n for _, n in outer), frame[0] * frame[3], frame[1], frame[2])
    spacing = by_name("xyz", [positive(v) for v in voxel])
    facts = Facts(
        path,
        path.stem,
        (*(a for a, _ in outer), "c", "y", "x"),
        shape,
        dtype,
        f"position {position}" if "P" in dict(loops) else "",
        spacing,
        dict.fromkeys(spacing, "micrometer"),
        channels,
        block=(*(1 for _ in outer), *shape[-3:]),
        scratch=2 * int(np.prod(frame)) * dtype.itemsize,
    )
    pixels = Nd2Pixels(shared, loops, position, frame)  # type: ignore[arg-type]
    return file_source(facts, pixels)


def _position(count: int, wanted: str | None, where: str) -> int:
    if wanted is None and count == 1:
        return 0
    if wanted is not None and wanted.isdecimal() and int(wanted) < count:
        return int(wanted)
    raise NgffError(f"{where} has {count} positions; choose one by image='0' to '{count - 1}'")


def _channels(file: Any) -> tuple[Channel, ...]:
    out = []
    for entry in getattr(file.metadata, "channels", None) or ():
        color = getattr(entry.channel, "color", None)
        parts = [getattr(color, name, None) for name in "rgb"]
        text = "".join(f"{int(p):02X}" for p in parts) if None not in parts else None  # type: ignore[arg-type]
        out.append(Channel(str(entry.channel.name), text))
    return tuple(out)
