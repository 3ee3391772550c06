"""Pixels that lie uncompressed in one file: raw files, ``.npy`` files and memory maps.

Read by plain reads, so nothing is mapped: what a mapping has touched counts as memory of the
process, and a file that shrinks under a mapping kills it.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, NotFoundError, SourceError
from ngffkit.sources.contract import Box, Source, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.ordering import axes_of, in_order

#: Runs of pixels shorter than this are read with what lies between them.
_SHORT = 2**14

#: What is read at most at once beyond what was asked for.
_SPAN = 2**23


@dataclass(frozen=True, slots=True)
class RawSource:
    """An array in C order in one file.

    Parameters
    ----------
    path : str
        The file.
    info : SourceInfo
        What it is; ``info.dtype`` is the native form of `dtype`.
    dtype : numpy.dtype
        Type of the pixels in the file, with its byte order.
    offset : int
        Bytes before the first pixel.
    """

    path: str
    info: SourceInfo
    dtype: np.dtype
    offset: int = 0

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box, shape of the box, in native byte order.

        Raises
        ------
        SourceError
            When the file is gone, shorter than it was, or can't be read.
        """
        name = Path(self.path).name
        try:
            with Path(self.path).open("rb", buffering=0) as file:
                out = read_box(file, self.info.grid.shape, self.dtype, self.offset, box)
        except EOFError as err:
            raise SourceError(name, str(err)) from None
        except OSError as err:
            raise SourceError(name, err.strerror or str(err)) from err
        return out.astype(self.info.dtype, copy=False)


def read_box(
    file: io.FileIO, shape: Sequence[int], dtype: np.dtype, offset: int, box: Box
) -> npt.NDArray[Any]:
    """Read a box of a C-ordered array from an open file.

    Parameters
    ----------
    file : io.FileIO
        Open for reading, without a buffer.
    shape : sequence of int
        Of the whole array.
    dtype : numpy.dtype
        Of the pixels in the file.
    offset : int
        Bytes before the first pixel.
    box : tuple of slice
        One per axis.

    Returns
    -------
    ndarray
        Shape of the box, of `dtype`.

    Raises
    ------
    EOFError
        When the file ends before the box does.
    """
    starts = [cut.start for cut in box]
    sizes = [cut.stop - cut.start for cut in box]
    out = np.empty(sizes, dtype)
    # axes from `k` on are read as one run: the last one that is cut, and the whole ones after it
    k = len(shape) - 1
    while k > 0 and sizes[k] == shape[k]:
        k -= 1
    strides = [math.prod(shape[i + 1 :]) * dtype.itemsize for i in range(len(shape))]
    run = math.prod(sizes[k:]) * dtype.itemsize
    if run < _SHORT and k > 0 and sizes[k - 1] > 1:
        # many short runs: read rows as a whole and cut
        for index in itertools.product(*(range(n) for n in sizes[: k - 1])):
            where = offset + sum((starts[i] + n) * strides[i] for i, n in enumerate(index))
            _read_cut(file, out[index], where, (shape[k - 1 :], box[k - 1 :]))
        return out
    for index in itertools.product(*(range(n) for n in sizes[:k])):
        where = offset + sum((starts[i] + n) * strides[i] for i, n in enumerate(index))
        _fill(file, out[index], where + starts[k] * strides[k])
    return out


def _read_cut(
    file: io.FileIO, out: npt.NDArray[Any], where: int, part: tuple[Sequence[int], Box]
) -> None:
    """Fill `out` from rows that are read whole, a few MB at a time."""
    shape, box = part
    row = math.prod(shape[1:])
    first, stop = box[0].start, box[0].stop
    for low, high in _spans(first, stop, max(1, _SPAN // max(1, row * out.dtype.itemsize))):
        rows = np.empty((high - low, *shape[1:]), out.dtype)
        _fill(file, rows, where + low * row * out.dtype.itemsize)
        out[low - first : high - first] = rows[(slice(None), *box[1:])]


def _spans(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    for low in range(start, stop, step):
        yield low, min(stop, low + step)


def _fill(file: io.FileIO, out: npt.NDArray[Any], where: int) -> None:
    # a view of bytes, also of arrays without axes
    target = memoryview(out.reshape(-1).view(np.uint8))
    file.seek(where)
    done = 0
    while done < len(target):
        got = file.readinto(target[done:])
        if not got:
            raise EOFError(
                f"it ends at byte {where + done}, {len(target) - done} bytes before the end of "
                "what was asked for"
            )
        done += got


def open_raw(path: str, options: ReadOptions = ReadOptions()) -> Source:  # noqa: B008 - frozen
    """Open a raw file by its shape and type.

    Parameters
    ----------
    path : str
        The file.
    options : ReadOptions
        With ``shape``, ``dtype``, and ``axes`` and ``offset`` where needed.

    Raises
    ------
    NgffError
        When the shape or the type is missing, or the size of the file does not fit them.
    """
    if options.shape is None or options.dtype is None:
        missing = " and ".join(n for n in ("shape", "dtype") if getattr(options, n) is None)
        raise NgffError(
            f"{path} is a raw file, which does not say what it holds: {missing} missing; pass e.g. "
            "shape=(100, 512, 512), dtype='<u2', axes='zyx'"
        )
    shape = tuple(int(n) for n in options.shape)
    if not shape or min(shape) < 1:
        raise NgffError(f"shape is {shape}; positive sizes were expected")
    if options.offset < 0:
        raise NgffError(f"offset is {options.offset}; bytes before the pixels were expected")
    return plain_file(path, shape, dtype_of(options.dtype), options)


def dtype_of(value: Any) -> np.dtype:
    """Return a pixel type: bool, int, uint or float, of any byte order.

    Raises
    ------
    NgffError
        When it is none of those.
    """
    try:
        dtype: np.dtype = np.dtype(value)
    except (TypeError, ValueError) as err:
        raise NgffError(f"dtype is {value!r}, which is no type ({err}); pass e.g. '<u2'") from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise NgffError(
            f"pixels are of type {dtype}; bool, int, uint or float of up to 64 bits were expected"
        )
    return dtype


def plain_file(
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    options: ReadOptions,
    *,
    fortran: bool = False,
) -> Source:
    """Return the source of an uncompressed array that ends a file.

    Parameters
    ----------
    path : str
        The file.
    shape : tuple of int
        Of the array.
    dtype : numpy.dtype
        Of the pixels in the file.
    options : ReadOptions
        Its ``axes`` and ``offset`` are taken.
    fortran : bool
        Whether the first axis varies fastest.

    Raises
    ------
    NgffError
        When the size of the file does not fit.
    """
    try:
        stat = Path(path).stat()
    except OSError as err:
        raise NotFoundError(f"{path}: {err.strerror}") from None
    expected = options.offset + math.prod(shape) * dtype.itemsize
    if stat.st_size != expected:
        spelled = " x ".join(map(str, shape))
        raise NgffError(
            f"{path} has {stat.st_size} bytes, but {spelled} pixels of {dtype} after "
            f"{options.offset} bytes make {expected}; correct shape, dtype or offset"
        )
    axes, notes = axes_of(shape, options)
    names = tuple(reversed(axes)) if fortran else axes
    sizes = dict(zip(axes, shape, strict=True))
    grid = make_grid({name: sizes[name] for name in names})
    facts = [str(path), stat.st_size, stat.st_mtime_ns, shape, dtype.str, options.offset, axes]
    info = SourceInfo(
        grid,
        dtype.newbyteorder("="),
        name=Path(path).name.split(".")[0],
        # reading one pixel of a row costs as much as reading the row
        block=(*(1,) * (len(shape) - 1), grid.shape[-1]),
        scratch=_SPAN,
        fingerprint=fingerprint_of(facts),
        notes=notes,
    )
    return in_order(RawSource(str(path), info, dtype, options.offset))
