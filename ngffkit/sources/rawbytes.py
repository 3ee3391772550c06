"""Bytes of files: read exactly what is asked for, or say which file falls short.

Files are opened for each read and closed after it, so that sources stay plain values: they can be
pickled, read by several threads, and hold no descriptors.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NotFoundError, SourceError
from ngffkit.sources.contract import Box

#: Rows that are read whole and cut afterwards, in bytes at a time.
BATCH = 4 * 2**20

#: Runs of at least this many bytes are read one by one: a call costs little next to them.
_LONG_RUN = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Placed:
    """An array in C order somewhere in a file, neither compressed nor cut up.

    Parameters
    ----------
    offset : int
        Byte of its first element.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Type of its elements, in the byte order of the file.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def local_file(source: Any) -> Path:
    """Return the absolute path of a file that is there.

    Raises
    ------
    NotFoundError
        When it isn't, or is a folder.
    """
    path = Path(source).expanduser().absolute()
    if not path.exists():
        raise NotFoundError(f"there is no file {str(path)!r}; check the path")
    if path.is_dir():
        raise NotFoundError(f"{str(path)!r} is a folder, a file was expected")
    return path


def stamp(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file changes: path, size in bytes, modification time in ns."""
    try:
        found = path.stat()
    except OSError as err:
        raise SourceError(str(path), reason(err)) from err
    return str(path), found.st_size, found.st_mtime_ns


def reason(err: BaseException) -> str:
    """Return why something failed, in one line."""
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    text = " ".join(str(err).split()) or type(err).__name__
    return text if len(text) <= 300 else text[:300] + "..."


@contextmanager
def opened(path: Path | str, name: str = "") -> Iterator[BinaryIO]:
    """Open a file for reading without a buffer; whatever the system says is a SourceError.

    Parameters
    ----------
    path : Path or str
        The file.
    name : str
        What is read of it, for the message; the path when left out.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            yield cast("BinaryIO", file)
    except SourceError:
        raise
    except OSError as err:
        raise SourceError(name or str(path), reason(err)) from err


def read_bytes(file: BinaryIO, offset: int, count: int, name: str) -> bytearray:
    """Read `count` bytes at `offset`; fewer are an error that says where the file ends."""
    size = os.fstat(file.fileno()).st_size
    if offset + count > size:  # before memory is taken for a length that is a lie
        raise SourceError(
            name, f"truncated: {count} bytes at {offset} are wanted, the file ends at {size}"
        )
    out = bytearray(count)
    _fill(file, offset, memoryview(out), name)
    return out


def read_array(
    file: BinaryIO,
    placed: Placed,
    box: Box,
    name: str,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Read a box of an array in a file.

    Parameters
    ----------
    file : binary file
        Open, without a buffer.
    placed : Placed
        Where the array is.
    box : tuple of slice
        One per axis, within its shape.
    name : str
        What to call it in errors.
    out : ndarray, optional
        Where to put the pixels: contiguous, of the box's shape and the array's type in either
        byte order; made when left out.

    Returns
    -------
    ndarray
        Of the box's shape, in native byte order.

    Raises
    ------
    SourceError
        When the file ends too early.
    """
    counts = tuple(s.stop - s.start for s in box)
    if out is None:
        out = np.empty(counts, placed.dtype.newbyteorder("="))
    target = out.view(placed.dtype)
    cut = [i for i, (s, n) in enumerate(zip(box, placed.shape, strict=True)) if s != slice(0, n)]
    axis = cut[-1] if cut else 0
    if placed.shape:
        tail = math.prod(placed.shape[axis + 1 :]) * placed.dtype.itemsize
        run, row = counts[axis] * tail, placed.shape[axis] * tail
        if axis and run < _LONG_RUN and row <= min(8 * run, BATCH):
            _read_rows(file, placed, box, target, axis, name)
        else:
            _read_runs(file, placed, box, target, axis, name)
    else:
        _fill(file, placed.offset, _bytes_of(target), name)
    if not placed.dtype.isnative:
        target.byteswap(inplace=True)
    return out


def _read_runs(
    file: BinaryIO, placed: Placed, box: Box, target: npt.NDArray[Any], axis: int, name: str
) -> None:
    """Read each run of bytes straight to its place."""
    strides = _strides(placed)
    outer = [range(s.start, s.stop) for s in box[:axis]]
    runs = target.reshape(math.prod(map(len, outer)), -1)
    for i, index in enumerate(itertools.product(*outer)):
        start = sum(n * s for n, s in zip((*index, box[axis].start), strides, strict=False))
        _fill(file, placed.offset + start, _bytes_of(runs[i]), name)


def _read_rows(
    file: BinaryIO, placed: Placed, box: Box, target: npt.NDArray[Any], axis: int, name: str
) -> None:
    """Read rows whole, some at a time, and cut what is wanted of them."""
    strides = _strides(placed)
    outer = [range(s.start, s.stop) for s in box[: axis - 1]]
    rows, cut = box[axis - 1], box[axis]
    step = max(1, BATCH // strides[axis - 1])
    tail = placed.shape[axis:]
    parts = target.reshape(math.prod(map(len, outer)), *target.shape[axis - 1 :])
    buffer = np.empty((min(step, rows.stop - rows.start), *tail), placed.dtype)
    for i, index in enumerate(itertools.product(*outer)):
        for first in range(rows.start, rows.stop, step):
            count = min(step, rows.stop - first)
            start = sum(n * s for n, s in zip((*index, first), strides, strict=False))
            _fill(file, placed.offset + start, _bytes_of(buffer[:count]), name)
            at = first - rows.start
            parts[i, at : at + count] = buffer[:count, cut]


def _strides(placed: Placed) -> tuple[int, ...]:
    out, step = [], placed.dtype.itemsize
    for n in reversed(placed.shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


def _bytes_of(pixels: npt.NDArray[Any]) -> memoryview:
    return memoryview(pixels.reshape(-1).view(np.uint8))


def _fill(file: BinaryIO, offset: int, view: memoryview, name: str) -> None:
    try:
        file.seek(offset)
        done = 0
        while done < len(view):
            got = file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise SourceError(
                    name,
                    f"truncated: {len(view)} bytes at {offset} are wanted, {done} are there",
                )
            done += got
    except SourceError:
        raise
    except OSError as err:
        raise SourceError(name, reason(err)) from err
