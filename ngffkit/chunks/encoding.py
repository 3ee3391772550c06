"""Encode chunks, and say how: the counterpart of `codecs`, and the documents of new arrays.

One chunk becomes the bytes of its pixels in C order and little-endian, compressed by Zstandard with
a checksum of the content in each frame, so that every reader notices a flipped bit.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import google_crc32c
import numcodecs.zstd
import numpy as np
import numpy.typing as npt

from ngffkit.chunks.arrayspec import ArraySpec, Sharding
from ngffkit.errors import NgffError
from ngffkit.layout import Layout

#: Attribute of an array whose writer left out no object, so that an absent one was lost.
COMPLETE = "ngffkit_complete"

#: The entry of a shard's index for a chunk that holds nothing but the fill value.
_ABSENT = 2**64 - 1


class Encoder(Protocol):
    """Makes bytes of chunks."""

    @property
    def codecs(self) -> tuple[str, ...]:
        """Names of the codecs, as `Layout.codecs` has them."""

    def encode(self, pixels: npt.NDArray[Any]) -> bytes:
        """Encode the pixels of a whole chunk, C-contiguous and little-endian."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How chunks are compressed.

    Parameters
    ----------
    name : {"zstd", "gzip", "none"}
        The codec. Blosc isn't offered: its chunks carry no checksum.
    level : int
        Zstandard: 1 to 22, gzip: 1 to 9. On noisy images higher levels take many times longer for
        a percent; see ``docs/converting.md``.

    Examples
    --------
    >>> Compression("zstd", 3).codecs
    ('zstd',)
    """

    name: Literal["zstd", "gzip", "none"] = "zstd"
    level: int = 1

    def __post_init__(self) -> None:
        """Refuse what no codec knows."""
        most = {"zstd": 22, "gzip": 9, "none": self.level}.get(self.name)
        if most is None:
            raise NgffError(f"compression {self.name!r}; choose 'zstd', 'gzip' or 'none'")
        if not 1 <= self.level <= most and self.name != "none":
            raise NgffError(f"level {self.level} of {self.name}; choose 1 to {most}")

    @property
    def codecs(self) -> tuple[str, ...]:
        """Names of the codecs, as `Layout.codecs` has them."""
        return () if self.name == "none" else (self.name,)

    def encode(self, pixels: npt.NDArray[Any]) -> bytes:
        """Encode the pixels of a whole chunk, C-contiguous and little-endian."""
        raw = pixels.reshape(-1).view(np.uint8)
        if self.name == "zstd":
            return numcodecs.zstd.compress(raw, self.level, checksum=True)  # type: ignore[no-any-return]
        if self.name == "gzip":
            # no time stamp: equal pixels are equal bytes
            return gzip.compress(raw, self.level, mtime=0)
        return raw.tobytes()


def array_spec(
    layout: Layout, dims: Sequence[str], attrs: Mapping[str, Any] | None = None
) -> ArraySpec:
    """Return how an array of ours lies in its store.

    Parameters
    ----------
    layout : Layout
        Shape, type, chunks, shards, codecs, format.
    dims : sequence of str
        Names of the dimensions.
    attrs : Mapping, optional
        Its attributes.
    """
    v3 = layout.zarr_format == 3
    return ArraySpec(
        layout,
        layout.dtype.newbyteorder("<"),
        layout.codecs,
        None,
        Sharding(at_end=True, checked=True) if layout.shards else None,
        layout.dtype.type(0),
        "c" if v3 else "",
        "/",
        tuple(dims),
        dict(attrs or {}),
    )


def documents(spec: ArraySpec, compression: Compression) -> dict[str, dict[str, Any]]:
    """Return the metadata documents of an array by their names.

    Examples
    --------
    >>> lay = Layout((8,), np.dtype("u2"), (4,), None, ("zstd",), 3)
    >>> documents(array_spec(lay, "x"), Compression())["zarr.json"]["dimension_names"]
    ['x']
    """
    return _zarr3(spec, compression) if spec.layout.zarr_format == 3 else _zarr2(spec, compression)


def _zarr3(spec: ArraySpec, compression: Compression) -> dict[str, dict[str, Any]]:
    layout = spec.layout
    little = {"endian": "little"} if layout.dtype.itemsize > 1 else {}
    codecs = [_codec("bytes", **little)]
    if compression.name == "zstd":
        codecs.append(_codec("zstd", level=compression.level, checksum=True))
    elif compression.name == "gzip":
        codecs.append(_codec("gzip", level=compression.level))
    if layout.shards:
        codecs = [
            _codec(
                "sharding_indexed",
                chunk_shape=list(layout.chunks),
                codecs=codecs,
                index_codecs=[_codec("bytes", endian="little"), _codec("crc32c")],
                index_location="end",
            )
        ]
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(layout.shape),
        "data_type": layout.dtype.name,
        "chunk_grid": _codec("regular", chunk_shape=list(layout.object_shape)),
        "chunk_key_encoding": _codec("default", separator="/"),
        "fill_value": _zero(layout.dtype),
        "codecs": codecs,
        "attributes": dict(spec.attrs),
        "dimension_names": list(spec.dims or ()),
    }
    return {"zarr.json": document}


def _zero(dtype: np.dtype) -> bool | int | float:
    return {"b": False, "f": 0.0}.get(dtype.kind, 0)


def _codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name} | ({"configuration": configuration} if configuration else {})


def _zarr2(spec: ArraySpec, compression: Compression) -> dict[str, dict[str, Any]]:
    layout = spec.layout
    compressor: dict[str, Any] | None = {"id": compression.name, "level": compression.level}
    document = {
        "zarr_format": 2,
        "shape": list(layout.shape),
        "chunks": list(layout.chunks),
        "dtype": layout.dtype.newbyteorder("<").str,
        # the checksum is in the frames; tensorstore knows no member that says so
        "compressor": None if compression.name == "none" else compressor,
        "fill_value": _zero(layout.dtype),
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
    }
    attrs = {"_ARRAY_DIMENSIONS": list(spec.dims or ()), **spec.attrs}
    return {".zarray": document, ".zattrs": attrs}


def whole_chunk(pixels: npt.NDArray[Any], chunk: Sequence[int]) -> npt.NDArray[Any]:
    """Return pixels as a whole chunk: C-contiguous, little-endian, filled up beyond the edge."""
    dtype = pixels.dtype.newbyteorder("<")
    if pixels.shape == tuple(chunk):
        return np.ascontiguousarray(pixels, dtype)
    out = np.zeros(chunk, dtype)
    out[tuple(slice(0, n) for n in pixels.shape)] = pixels
    return out


@dataclass(slots=True)
class ShardIndex:
    """Where the chunks of a shard lie, as it is being filled.

    Parameters
    ----------
    grid : tuple of int
        Number of chunks along each axis.

    Examples
    --------
    >>> index = ShardIndex.empty((2, 1))
    >>> index.place((1, 0), 0, 12)
    >>> len(index.encoded())
    36
    """

    grid: tuple[int, ...]
    entries: npt.NDArray[np.uint64]

    @classmethod
    def empty(cls, grid: Sequence[int]) -> ShardIndex:
        """Return the index of a shard in which there is nothing yet."""
        return cls(tuple(grid), np.full((*grid, 2), _ABSENT, "<u8"))

    def place(self, coords: Sequence[int], offset: int, length: int) -> None:
        """Note where a chunk begins, and how long it is."""
        self.entries[tuple(coords)] = offset, length

    def encoded(self, *, checked: bool = True) -> bytes:
        """Return it as it is stored: little-endian, with its CRC-32C if it is `checked`."""
        body = self.entries.tobytes()
        return body + struct.pack("<I", google_crc32c.value(body)) if checked else body

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.grid) * 16 + 4
