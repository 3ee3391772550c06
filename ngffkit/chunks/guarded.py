"""zarr-python's arrays with bounded compressors, for codecs that only zarr-python can chain.

Its own believe what a chunk says of its size, or decode until memory ends. Here every compressor in
a chain, wherever it stands, is exchanged for the one of `ngffkit.chunks.codecs`. What it decodes to
is not known beforehand, since filters come after it, but it is bounded by the number of pixels in a
chunk.
"""

from __future__ import annotations

import copy
import lzma
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numcodecs.abc
import zarr
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.codecs import ShardingCodec
from zarr.core.array import AsyncArray
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer

from ngffkit.chunks import codecs

#: The widest pixels, complex128; filters between pixels and compressor widen them to no more.
_WIDEST = 16

#: What checksums, headers and small chunks may add.
_SLACK = 2**16


def guard(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return an array that reads the same, whose compressors can't be made to run away.

    Parameters
    ----------
    array : zarr.Array
        Open for reading.

    Returns
    -------
    zarr.Array
        Can be read only.
    """
    metadata: Any = copy.copy(array.metadata)
    if metadata.zarr_format == 2:
        limit = _limit(array.chunks)
        filters = metadata.filters
        changed = {
            "compressor": _bounded2(metadata.compressor, limit),
            "filters": filters and tuple(_bounded2(item, limit) for item in filters),
        }
    else:
        changed = {"codecs": _bounded3(metadata.codecs)}
    for name, value in changed.items():
        object.__setattr__(metadata, name, value)  # a copy of our own, though frozen
    inner = array.async_array
    return zarr.Array(AsyncArray(metadata, inner.store_path, inner.config))


def _limit(chunk: Iterable[int]) -> int:
    return math.prod(chunk) * _WIDEST + _SLACK


# --- Zarr v2 ------------------------------------------------------------------------------------


class _Bounded2(numcodecs.abc.Codec):  # type: ignore[misc] # numcodecs has no types
    """Decodes as another codec does, within a limit."""

    def __init__(self, codec_id: str, expand: Callable[[Any], Any]) -> None:
        self.codec_id, self._expand = codec_id, expand

    def encode(self, buf: Any) -> Any:
        raise NotImplementedError

    def decode(self, buf: Any, out: Any = None) -> Any:  # noqa: ARG002 - the signature is theirs
        return self._expand(memoryview(buf).cast("B"))

    def get_config(self) -> dict[str, Any]:
        return {"id": self.codec_id}


def _bounded2(codec: Any, limit: int) -> Any:
    name = str(getattr(codec, "codec_id", None))
    if name not in codecs.DECODERS:
        return codec
    if name == "lzma" and codec.format == lzma.FORMAT_RAW:
        make = partial(lzma.LZMADecompressor, format=codec.format, filters=codec.filters)
        return _Bounded2(name, lambda source: codecs.expand_with(make, name, source, limit))
    return _Bounded2(name, lambda source: codecs.expand(source, name, limit))


# --- Zarr v3 ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bounded3(BytesBytesCodec):
    """Decodes as the codec of this name does, within the limit of a chunk."""

    name: str
    is_fixed_size = False

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        source = memoryview(chunk_data.as_numpy_array()).cast("B")
        out = codecs.expand(source, self.name, _limit(chunk_spec.shape))
        return chunk_spec.prototype.buffer.from_bytes(out)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._decode_sync(chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        raise NotImplementedError

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        raise NotImplementedError


def _bounded3(chain: Iterable[Codec]) -> tuple[Codec, ...]:
    return tuple(_exchange(codec) for codec in chain)


def _exchange(codec: Codec) -> Codec:
    if isinstance(codec, ShardingCodec):
        return ShardingCodec(
            chunk_shape=codec.chunk_shape,
            codecs=_bounded3(codec.codecs),
            index_codecs=codec.index_codecs,
            index_location=codec.index_location,
        )
    name = str(codec.to_dict().get("name", "")).removeprefix("numcodecs.")
    is_compressor = isinstance(codec, BytesBytesCodec) and name in codecs.DECODERS
    return _Bounded3(name) if is_compressor else codec
