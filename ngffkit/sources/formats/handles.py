"""Sources of files that a library reads: one shape for all of them.

What differs between formats is how their header is read and how a box is got out of them. What is
the same is here: the order of axes, errors that name the file, and libraries that must not be
entered by two threads at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from ngffkit.errors import Problem, SourceError
from ngffkit.image import Channel
from ngffkit.sources.arranged import Arrangement, understood
from ngffkit.sources.contract import Box, SourceInfo, check_pixels, fingerprint_of, make_grid
from ngffkit.sources.rawbytes import BATCH, Placed, opened, read_array, reason, stamp

#: How a file is unpacked, by the end of its name: module and function that open it.
_PACKED = {".gz": ("gzip", "open"), ".bz2": ("bz2", "open")}


class Pixels(Protocol):
    """Gives boxes of an array in the order of its file."""

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box; any exception may come out of it."""


@dataclass(slots=True)
class Facts:
    """What is known of an image in a file, in the order of the file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the image is called.
    axes : tuple of str
        Names of its axes.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Type of its pixels.
    part : str
        Which part of the file it is: a dataset, a scene.
    spacing, units : dict
        By axis.
    channels : tuple of Channel
        Of its channel axis.
    block : tuple of int, optional
        What is decoded at once; ones where nothing is.
    scratch : int
        Bytes that reading a block takes besides the block.
    notes : list of Problem
        What was guessed.
    """

    path: Path
    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    part: str = ""
    spacing: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str | None] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    block: Sequence[int] | None = None
    scratch: int = 2 * BATCH
    notes: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class FileSource:
    """An image in a file that a library reads.

    Parameters
    ----------
    info : SourceInfo
        What is known of it.
    pixels : Pixels
        Gives boxes of it; can be pickled.
    arrangement : Arrangement
        The order of its axes in the file.
    where : str
        The file, for messages.
    """

    info: SourceInfo
    pixels: Pixels = field(compare=False)
    arrangement: Arrangement
    where: str

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box; see `Source.read`."""
        try:
            got = self.pixels.read(self.arrangement.to_file(box))
        except SourceError:
            raise
        except Exception as err:  # a library's errors are of any kind
            raise SourceError(self.where, reason(err)) from err
        out = self.arrangement.from_file(np.asarray(got))
        if out.dtype != self.info.dtype and out.dtype.newbyteorder("=") == self.info.dtype:
            out = out.astype(self.info.dtype)
        check_pixels(out, box, self.info.dtype, self.where)
        return out


def file_source(facts: Facts, pixels: Pixels) -> FileSource:
    """Make the source of an image from what is known of it.

    Raises
    ------
    NgffError
        When its pixels are of a type that no image has.
    SourceError
        When its size is none that an image has.
    """
    where = f"{facts.path}, {facts.part}" if facts.part else str(facts.path)
    arrangement = Arrangement(facts.axes)
    sizes = dict(zip(arrangement.dims, arrangement.arrange(facts.shape), strict=True))
    block = facts.block or (1,) * len(facts.shape)
    count = sizes.get("c", 1)
    try:
        grid = make_grid(sizes, facts.spacing, facts.units)
    except ValueError as err:
        raise SourceError(where, f"its header is corrupt: {err}") from err
    info = SourceInfo(
        grid,
        understood(facts.dtype, where),
        facts.name,
        channels=facts.channels if len(facts.channels) == count else (),
        block=tuple(
            max(1, min(int(b), n))
            for b, n in zip(arrangement.arrange(block), sizes.values(), strict=True)
        ),
        scratch=facts.scratch,
        fingerprint=fingerprint_of([stamp(facts.path), facts.part, facts.axes, facts.shape]),
        notes=tuple(facts.notes),
    )
    return FileSource(info, pixels, arrangement, where)


class Shared:
    """An object that a library opens, kept per process and entered by one thread at a time.

    Parameters
    ----------
    opener : callable
        Opens it; a function of a module, so that it can be pickled.
    args : tuple
        Its arguments.
    """

    __slots__ = ("_held", "_lock", "args", "opener")

    def __init__(self, opener: Callable[..., Any], *args: Any) -> None:
        self.opener, self.args = opener, args
        self._held: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self) -> Iterator[Any]:
        """Lend it; others wait."""
        with self._lock:
            # what was opened before a fork is the parent's: its position, its locks
            if self._held is None or self._held[0] != os.getpid():
                self._held = os.getpid(), self.opener(*self.args)
            yield self._held[1]

    def __del__(self) -> None:
        """Close what was opened, unless it is that of the process this one was forked from."""
        held = getattr(self, "_held", None)
        if held is not None and held[0] == os.getpid() and hasattr(held[1], "close"):
            with contextlib.suppress(Exception):
                held[1].close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what opens it."""
        return Shared, (self.opener, *self.args)


@dataclass(frozen=True, slots=True)
class PlacedPixels:
    """Pixels that lie in a file as they are, or do so once it is unpacked.

    Parameters
    ----------
    path : str
        The file; ``.gz`` and ``.bz2`` are unpacked, once per process, into a file without a name
        in the folder for temporary files, so that memory stays small.
    placed : Placed
        Where the array is.
    """

    path: str
    placed: Placed
    unpacked: Shared | None = None

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box in the order of the file."""
        if self.unpacked is None:
            with opened(self.path) as file:
                return read_array(file, self.placed, cut, self.path)
        with self.unpacked.use() as file:
            return read_array(file, self.placed, cut, self.path)


def placed_pixels(path: Path, placed: Placed) -> PlacedPixels:
    """Return what reads an array that lies in a file, which may be packed.

    Raises
    ------
    SourceError
        When a file that isn't packed ends before the array does.
    """
    if path.suffix.lower() in _PACKED:
        return PlacedPixels(str(path), placed, Shared(unpack, str(path)))
    size = path.stat().st_size
    if placed.offset + placed.nbytes > size:
        raise SourceError(
            str(path),
            f"truncated: its pixels end at {placed.offset + placed.nbytes}, the file at {size}",
        )
    return PlacedPixels(str(path), placed)


def open_packed(path: Path) -> BinaryIO:
    """Open a file for reading from its beginning, through gzip or bzip2 if it ends in that."""
    module, function = _PACKED.get(path.suffix.lower(), ("io", "open"))
    file: BinaryIO = getattr(importlib.import_module(module), function)(path, "rb")
    return file


def unpack(path: str) -> BinaryIO:
    """Unpack a file into one without a name, which goes when it is closed.

    Raises
    ------
    SourceError
        When it is corrupt, cut off, or there is no room.
    """
    import shutil

    out = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as its source
    try:
        with open_packed(Path(path)) as file:
            shutil.copyfileobj(file, out, BATCH)
    except Exception as err:
        out.close()
        raise SourceError(path, f"it can't be unpacked: {reason(err)}") from err
    return out
