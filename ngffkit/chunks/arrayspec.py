"""What one array is, as a value, and the checks that both Zarr formats share."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ngffkit.errors import MetadataError
from ngffkit.grid import MAX_AXIS_LENGTH
from ngffkit.layout import Layout
from ngffkit.shown import shown

#: A chunk is decoded whole, in memory; no writer of images makes larger ones.
MAX_CHUNK_NBYTES = 2**32

#: numpy has room for 64, Zarr 2 had for 32; the longest list of axes in the wild has 7.
MAX_DIMS = 32

#: Longer chains of codecs are an attack.
MAX_CODECS = 32

#: These run code or make objects when they decode.
_FORBIDDEN = {"pickle", "json2", "msgpack2", "vlen-utf8", "vlen-bytes", "vlen-array", "categorize"}

_NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class Sharding:
    """How chunks lie in a shard.

    Parameters
    ----------
    at_end : bool
        Whether the index ends the shard; else it begins it.
    checked : bool
        Whether a CRC-32C follows the index.
    """

    at_end: bool
    checked: bool


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array: its layout, how its chunks are found and decoded.

    Parameters
    ----------
    layout : Layout
        Shape, type, chunks, shards.
    stored : numpy.dtype
        The type as stored, with its byte order.
    codecs : tuple of str, optional
        Bytes-to-bytes codecs of a chunk in encoding order; None when only zarr-python can decode
        this array.
    order : tuple of int, optional
        Chunks are stored transposed by this permutation.
    sharding : Sharding, optional
        Present when sharded.
    fill : object
        The value of chunks that are absent by design; None when the writer left it undefined.
    prefix, separator : str
        A chunk's key is `prefix`, then its coordinates joined by `separator`.
    dims : tuple of str or None
        Names that the array gives its own dimensions.
    attrs : Mapping
        Its attributes.
    """

    layout: Layout
    stored: np.dtype
    codecs: tuple[str, ...] | None
    order: tuple[int, ...] | None
    sharding: Sharding | None
    fill: Any
    prefix: str
    separator: str
    dims: tuple[str | None, ...] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def key(self, coords: Sequence[int]) -> str:
        """Return the key, below the array, of the object at these grid coordinates."""
        if not coords:
            return self.prefix or "0"
        head = f"{self.prefix}{self.separator}" if self.prefix else ""
        return head + self.separator.join(map(str, coords))


def whole_numbers(value: Any, loc: str, *, low: int) -> tuple[int, ...]:
    """Return a list of whole numbers, each of `low` to 2^63, one per dimension."""
    if not isinstance(value, list):
        raise MetadataError(f"is {shown(value)}; a list of whole numbers was expected", loc)
    if len(value) > MAX_DIMS:
        raise MetadataError(f"has {len(value)} entries; at most {MAX_DIMS} are understood", loc)
    for i, n in enumerate(value):
        if not isinstance(n, int) or isinstance(n, bool) or not low <= n < 2**63:
            raise MetadataError(
                f"is {shown(n)}; a whole number of {low} to 2^63 was expected", f"{loc}[{i}]"
            )
    return tuple(value)


def geometry(shape: Any, chunks: Any, chunk_loc: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check the shape of an array and that of its chunks, and return both."""
    sizes = whole_numbers(shape, "shape", low=0)
    cut = whole_numbers(chunks, chunk_loc, low=1)
    if len(sizes) != len(cut):
        raise MetadataError(
            f"has {len(cut)} entries, shape has {len(sizes)}; they must agree", chunk_loc
        )
    for i, n in enumerate(sizes):
        if n > MAX_AXIS_LENGTH:
            raise MetadataError(
                f"is {n}; up to {MAX_AXIS_LENGTH} pixels per axis are understood", f"shape[{i}]"
            )
    if math.prod(sizes) > 2**62:
        raise MetadataError(f"is {shown(shape)}: more pixels than can be counted", "shape")
    return sizes, cut


def check_chunk(chunks: tuple[int, ...], dtype: np.dtype, loc: str) -> None:
    """Refuse chunks that can't be decoded in memory."""
    nbytes = math.prod(chunks) * dtype.itemsize
    if nbytes > MAX_CHUNK_NBYTES:
        raise MetadataError(
            f"is {shown(list(chunks))}: a chunk of {nbytes} bytes, more than {MAX_CHUNK_NBYTES}",
            loc,
        )


def check_codec(name: str, loc: str) -> None:
    """Refuse codecs that make Python objects, under either of their names."""
    if name.removeprefix("numcodecs.") in _FORBIDDEN:
        raise MetadataError(
            f"is the codec {name!r}, which makes Python objects; refused for safety", loc
        )


def choice(value: Any, allowed: Sequence[str], loc: str) -> str:
    """Return `value` when it is one of a few words."""
    if isinstance(value, str) and value in allowed:
        return value
    words = " or ".join(map(repr, allowed))
    raise MetadataError(f"is {shown(value)}; {words} was expected", loc)


def names_of_dims(value: Any, ndim: int) -> tuple[str | None, ...] | None:
    """Return the names that an array gives its dimensions, None when it gives none that fit."""
    if (
        isinstance(value, list)
        and len(value) == ndim
        and all(v is None or isinstance(v, str) for v in value)
    ):
        return tuple(value)
    return None


def fill_value(value: Any, dtype: np.dtype) -> Any:
    """Return a fill value as a scalar of the array's type in native byte order.

    Raises
    ------
    MetadataError
        When it is none.

    Examples
    --------
    >>> fill_value("NaN", np.dtype("f4")), fill_value("0x7fc00000", np.dtype("f4"))
    (np.float32(nan), np.float32(nan))
    """
    if value is None:
        return None
    try:
        return _fill(value, dtype, dtype.newbyteorder("="))
    except (ValueError, TypeError, OverflowError, IndexError, FloatingPointError):
        raise MetadataError(
            f"is {shown(value)}; a value of type {dtype} was expected", "fill_value"
        ) from None


def _fill(value: Any, dtype: np.dtype, native: np.dtype) -> Any:
    if dtype.kind == "U" and isinstance(value, str):
        return np.array(value, native)[()]
    if isinstance(value, str) and value not in _NOT_NUMBERS:
        if value.startswith("0x") and dtype.kind == "f":
            raw = int(value, 16).to_bytes(dtype.itemsize, "big")
            return np.frombuffer(raw, dtype.newbyteorder(">"))[0].astype(native)
        raw = base64.b64decode(value, validate=True)
        if dtype.kind == "S":
            return np.array(raw, native)[()]
        return np.frombuffer(raw, dtype)[0].astype(native)
    if isinstance(value, list) and dtype.kind == "c":
        real, imag = (_fill(part, np.dtype("f8"), np.dtype("f8")) for part in value)
        return np.array(complex(real, imag), native)[()]
    number = _NOT_NUMBERS[value] if isinstance(value, str) else value
    if not isinstance(number, (bool, int, float)):
        raise TypeError
    if dtype.kind in "iu" and (isinstance(number, bool) or number != int(number)):
        raise ValueError
    if dtype.kind == "b" and number not in (0, 1):
        raise ValueError
    with np.errstate(over="raise"):
        return np.array(number, native)[()]
