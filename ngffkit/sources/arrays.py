"""Arrays that are open already: NumPy, memory maps, ``.npy`` files, xarray and dask."""

from __future__ import annotations

import hashlib
import math
import mmap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, NotFoundError, SourceError
from ngffkit.image import Kind
from ngffkit.sources.contract import Box, Source, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.ordering import axes_of, in_order
from ngffkit.sources.raw import dtype_of, plain_file

#: Arrays up to this size are fingerprinted by all of their bytes.
_HASHED = 256 * 2**20

#: How many pixels stand for a larger one.
_SAMPLES = 2**16

#: Bytes that are copied at a time to be summed up.
_PIECE = 2**24

#: What people and libraries call the axes.
_NAMES = {
    "time": "t",
    "frame": "t",
    "channel": "c",
    "channels": "c",
    "depth": "z",
    "plane": "z",
    "row": "y",
    "rows": "y",
    "col": "x",
    "column": "x",
}


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """A NumPy array, or anything that is cut like one.

    Parameters
    ----------
    data : array
        NumPy or dask array, or the DataArray that reads when it is cut.
    info : SourceInfo
        What it is.
    """

    data: Any
    info: SourceInfo

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box: a view of a NumPy array, a new array otherwise.

        Raises
        ------
        SourceError
            When what computes the pixels fails.
        """
        try:
            part = self.data[box]
            if hasattr(part, "compute"):
                # a scheduler of its own in each of our threads would be too many; `in_order`
                # and the executor are what makes it parallel
                part = part.compute(scheduler="synchronous")
            pixels = np.asarray(part)
        except NgffError as err:
            raise SourceError(self.info.name or "the array", str(err)) from err
        except Exception as err:
            # whatever the graph or the lazy array does
            cause = f"{type(err).__name__}: {err}"
            raise SourceError(self.info.name or "the array", cause) from err
        return pixels.astype(self.info.dtype, copy=False)


def open_array(array: Any, options: ReadOptions = ReadOptions()) -> Source:  # noqa: B008 - frozen
    """Make a source of an array.

    Parameters
    ----------
    array : numpy.ndarray, numpy.memmap, dask array, xarray.DataArray or xarray.Dataset
        Axes that have no names are as ``options.axes`` says, or by their number: y, x; z, y, x;
        c, z, y, x; t, c, z, y, x.
    options : ReadOptions
        Its ``axes`` is taken.

    Returns
    -------
    Source
        With the axes in the order t, c, z, y, x.

    Raises
    ------
    NgffError
        When the type of its pixels or its axes can't be those of an image.

    Examples
    --------
    >>> source = open_array(np.arange(12).reshape(3, 4))
    >>> source.read((slice(1, 2), slice(0, 2))).tolist()
    [[4, 5]]
    """
    if _is_of(array, "xarray"):
        return _open_xarray(array, options)
    if _is_of(array, "dask"):
        return _open_dask(array, options)
    dtype = dtype_of(array.dtype)
    if isinstance(array, np.ma.MaskedArray):
        raise NgffError("a masked array was given; fill it first: array.filled(0)")
    _check_size(array.shape)
    filed = _filed(array, options)
    if filed is not None:
        return filed
    axes, notes = axes_of(array.shape, options)
    plain = np.asarray(array)
    info = SourceInfo(
        make_grid(dict(zip(axes, array.shape, strict=True))),
        dtype.newbyteorder("="),
        name="array",
        fingerprint=fingerprint_of([array.shape, axes, dtype.str, digest_of(plain)]),
        notes=notes,
    )
    return in_order(ArraySource(plain, info))


def open_npy(path: str, options: ReadOptions = ReadOptions()) -> Source:  # noqa: B008 - frozen
    """Open a ``.npy`` file; its pixels are read from the file box by box.

    Raises
    ------
    NotFoundError
        When it is not there.
    NgffError
        When it is no such file, or holds no pixels.
    """
    try:
        with Path(path).open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if reader is None:
                raise NgffError(f"{path} is a .npy file of version {version}; save it anew")
            shape, fortran, dtype = reader(file)
            offset = file.tell()
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist") from None
    except OSError as err:
        raise SourceError(Path(path).name, err.strerror or str(err)) from err
    except NgffError:
        raise
    except Exception as err:  # its header is read as Python's literals are, by their tokens
        raise NgffError(f"{path} is no .npy file: {err}") from err
    _check_size(shape)
    own = replace(options, offset=offset)
    return plain_file(str(path), shape, dtype_of(dtype), own, fortran=fortran)


def _is_of(value: Any, package: str) -> bool:
    # without importing the package
    return any(kind.__module__.split(".", 1)[0] == package for kind in type(value).__mro__)


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) == 0 or not shape:
        raise NgffError(f"an array of shape {shape} holds no image")


def _filed(array: Any, options: ReadOptions) -> Source | None:
    """Return the file behind a memory map, which is lighter to send to other processes."""
    base: Any = getattr(array, "base", None)
    # a part of a map has a map as its base, and its offset is not that of the part
    if not isinstance(array, np.memmap) or not isinstance(base, mmap.mmap):
        return None
    if not array.filename or array.mode == "c" or not array.flags.c_contiguous:
        return None
    array.flush()
    path, end = Path(array.filename), array.offset + array.nbytes
    if not path.is_file() or path.stat().st_size != end:
        return None
    own = replace(options, offset=array.offset)
    return plain_file(str(path), array.shape, dtype_of(array.dtype), own)


def digest_of(array: npt.NDArray[Any]) -> str:
    """Return a hash of an array's bytes.

    Of a large one a regular sample is hashed, and all of it goes into a checksum, which takes a
    seventh of the time: work that was interrupted must not go on with other pixels. A large file
    in memory's clothes (``np.memmap``) is sampled alone, as it may be larger than memory.

    Examples
    --------
    >>> digest_of(np.zeros(4, "u1")) == digest_of(np.zeros(4, "u1"))
    True
    """
    more = ""
    if array.nbytes > _HASHED:
        # what is repeated without being held, as by np.broadcast_to, is looked at once
        once = array[tuple(slice(None) if step else slice(1) for step in array.strides)]
        more = "" if _is_mapped(array) else f"-{_checksum(once, 0):08x}"
        step = max(1, array.size // _SAMPLES)
        array = array.reshape(-1)[::step] if array.flags.c_contiguous else array.flat[::step]
    data = np.ascontiguousarray(array)
    found = hashlib.blake2b(data.reshape(-1).view(np.uint8).data, digest_size=16).hexdigest()
    return found + more


def _is_mapped(array: Any) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


def _checksum(array: npt.NDArray[Any], crc: int) -> int:
    """Return a checksum of an array's bytes in C order; a piece at most is copied at a time."""
    if array.flags.c_contiguous or array.nbytes <= _PIECE:
        data = np.ascontiguousarray(array)
        return zlib.crc32(data.reshape(-1).view(np.uint8).data, crc)
    axis = next(i for i, size in enumerate(array.shape) if size > 1)
    for part in np.array_split(array, 2, axis):
        crc = _checksum(part, crc)
    return crc


def _open_dask(array: Any, options: ReadOptions) -> Source:
    dtype = dtype_of(array.dtype)
    if any(math.isnan(n) for n in array.shape):
        raise NgffError(
            f"the dask array has unknown sizes, {array.shape}; call its compute_chunk_sizes() first"
        )
    _check_size(array.shape)
    axes, notes = axes_of(array.shape, options)
    block = tuple(max(sizes) for sizes in array.chunks)
    info = SourceInfo(
        make_grid(dict(zip(axes, array.shape, strict=True))),
        dtype.newbyteorder("="),
        name="array",
        block=block,
        scratch=math.prod(block) * dtype.itemsize,
        # dask names an array by what computes it
        fingerprint=fingerprint_of([array.name, array.shape, axes, dtype.str]),
        notes=notes,
    )
    return in_order(ArraySource(array, info))


def _open_xarray(obj: Any, options: ReadOptions) -> Source:
    from ngffkit import resolve

    da = resolve.array_of(obj)
    dtype = dtype_of(da.dtype)
    _check_size(da.shape)
    kind: Kind = "label" if resolve.is_label(da) and dtype.kind in "biu" else "intensity"
    grid, channels = resolve.grid_of(da), resolve.channels_of(da)
    names = names_of(da, options)
    axes = tuple(
        make_grid({name: 1}).axes[0]
        if axis.name != name
        else replace(axis, type=axis.type or make_grid({name: 1}).axes[0].type)
        for axis, name in zip(grid.axes, names, strict=True)
    )
    axes = tuple(replace(axis, unit=old.unit) for axis, old in zip(axes, grid.axes, strict=True))
    block = _block_of(da)
    info = SourceInfo(
        replace(grid, axes=axes),
        dtype.newbyteorder("="),
        name=str(da.attrs.get("long_name") or ("array" if da.name is None else da.name)),
        kind=kind,
        channels=channels if "c" in names or len(channels) == 1 else (),
        block=block,
        scratch=math.prod(block) * dtype.itemsize if math.prod(block) > 1 else 0,
        fingerprint=_xarray_fingerprint(da, grid),
    )
    held = da.variable
    # coordinates and attributes are in the info; the array alone is lighter to send
    data = held.data if _in_memory(da) or da.chunks is not None else _Lazy(held)
    return in_order(ArraySource(data, info))


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A variable of xarray that reads when it is cut, and keeps nothing of what it read."""

    variable: Any

    def __getitem__(self, box: Box) -> npt.NDArray[Any]:
        return np.asarray(self.variable[box].values)


def names_of(da: Any, options: ReadOptions) -> tuple[str, ...]:
    """Return what the dimensions of a DataArray are called here, y and x among them."""
    if options.axes is not None:
        return axes_of(da.shape, options)[0]
    names = tuple(
        _NAMES.get(str(d).lower(), str(d).lower() if len(str(d)) == 1 else str(d)) for d in da.dims
    )
    if len(set(names)) != len(names) or not {"y", "x"} <= set(names):
        raise NgffError(
            f"axes: the dimensions are {', '.join(map(str, da.dims))}; which are y and x can't be "
            f"told, so pass axes=, one letter each, e.g. axes={'tczyx'[-da.ndim :]!r}"
        )
    return names


def _in_memory(da: Any) -> bool:
    return bool(da.variable._in_memory)  # noqa: SLF001 - xarray has no public word for it


def _block_of(da: Any) -> tuple[int, ...]:
    """Return what is decoded at once: a chunk of dask's, or of the store it was opened from."""
    if da.chunks is not None:
        return tuple(max(sizes) for sizes in da.chunks)
    preferred = da.encoding.get("preferred_chunks")
    if _in_memory(da) or not isinstance(preferred, Mapping):
        return ()
    return tuple(
        max(1, min(int(preferred.get(name, n)), n))
        for name, n in zip(da.dims, da.shape, strict=True)
    )


def _xarray_fingerprint(da: Any, grid: Any) -> str:
    from ngffkit import resolve

    facts = [da.shape, list(da.dims), str(da.dtype), repr(grid)]
    if da.chunks is not None:
        facts.append(da.data.name)
    elif _in_memory(da):
        facts.append(digest_of(np.asarray(da.values)))
    else:
        source = da.encoding.get("source")
        origin = resolve.origin_of(da)
        facts += [str(source), str(origin), _stamp(source)]
        corner = da.variable[(slice(0, 1),) * da.ndim]
        facts.append(digest_of(np.asarray(corner.values)))
    return fingerprint_of(facts)


def _stamp(source: Any) -> list[int]:
    """Return size and time of the file that is behind lazy pixels, where it is a local one."""
    try:
        stat = Path(str(source)).stat()
    except (OSError, ValueError):
        return []
    return [stat.st_size, stat.st_mtime_ns]
