"""Zarr format 3: the ``zarr.json`` of an array, with its chain of codecs down to the shards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ngffkit.chunks.arrayspec import (
    MAX_CODECS,
    ArraySpec,
    Sharding,
    check_chunk,
    check_codec,
    choice,
    fill_value,
    geometry,
    names_of_dims,
    whole_numbers,
)
from ngffkit.chunks.codecs import DECODERS
from ngffkit.errors import MetadataError
from ngffkit.layout import Layout
from ngffkit.shown import shown

_TYPES = {
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
    "complex64",
    "complex128",
}

#: Texts of fixed length, which names along an axis are stored as: numpy's letter, bytes per letter.
_TEXTS = {"fixed_length_utf32": ("U", 4), "null_terminated_bytes": ("S", 1)}

#: The index of a shard is read whole: 16 bytes for each of its chunks.
_MAX_PER_SHARD = 2**22

#: Shards in shards in shards are an attack.
_MAX_DEPTH = 4

_Codec = tuple[str, Mapping[str, Any]]


def parse(doc: Mapping[str, Any]) -> ArraySpec:
    """Understand the ``zarr.json`` of an array.

    Raises
    ------
    MetadataError
        With the JSON path of what is wrong.
    """
    choice(doc.get("node_type"), ("array",), "node_type")
    name, grid = _named(doc.get("chunk_grid"), "chunk_grid")
    choice(name, ("regular",), "chunk_grid.name")
    loc = "chunk_grid.configuration.chunk_shape"
    shape, outer = geometry(doc.get("shape"), grid.get("chunk_shape"), loc)
    native = _dtype(doc.get("data_type"))
    if doc.get("storage_transformers"):
        raise MetadataError(
            f"is {shown(doc['storage_transformers'])}; none is understood", "storage_transformers"
        )
    chain = _Chain.parse(doc.get("codecs"), outer, native)
    check_chunk(chain.chunks, native, loc)
    prefix, separator = _keys(doc.get("chunk_key_encoding"))
    attrs = doc.get("attributes")
    if not isinstance(attrs, (Mapping, type(None))):
        raise MetadataError(f"is {shown(attrs)}; an object was expected", "attributes")
    attrs = attrs or {}
    ndim, shards = len(shape), outer if chain.sharding else None
    return ArraySpec(
        layout=Layout(shape, native, chain.chunks, shards, chain.names, 3),
        stored=native.newbyteorder(">") if chain.big else native,
        codecs=chain.codecs if chain.simple else None,
        order=chain.order,
        sharding=chain.sharding,
        fill=fill_value(doc.get("fill_value"), native),
        prefix=prefix,
        separator=separator,
        dims=names_of_dims(doc.get("dimension_names"), ndim)
        or names_of_dims(attrs.get("_ARRAY_DIMENSIONS"), ndim),
        attrs=attrs,
    )


def _named(value: Any, loc: str) -> _Codec:
    """Return name and configuration of an extension point."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        configuration = value.get("configuration")
        if configuration is None or isinstance(configuration, Mapping):
            return value["name"], configuration or {}
    raise MetadataError(f"is {shown(value)}; an object with a name was expected", loc)


def _dtype(value: Any) -> np.dtype:
    if isinstance(value, str) and value in _TYPES:
        return np.dtype(value)
    if isinstance(value, Mapping):
        name, config = _named(value, "data_type")
        letter, width = _TEXTS.get(name, ("", 1))
        nbytes = config.get("length_bytes")
        if letter and isinstance(nbytes, int) and 0 < nbytes < 2**20 and nbytes % width == 0:
            return np.dtype(f"{letter}{nbytes // width}")
    text = value.get("name") if isinstance(value, Mapping) else value
    raise MetadataError(
        f"is {shown(text)}; images are made of booleans, integers, floats or complex numbers",
        "data_type",
    )


def _keys(value: Any) -> tuple[str, str]:
    """Return the prefix and the separator of chunk keys."""
    loc = "chunk_key_encoding"
    name, config = _named(value, loc)
    choice(name, ("default", "v2"), f"{loc}.name")
    prefix, usual = ("c", "/") if name == "default" else ("", ".")
    given = config.get("separator", usual)
    return prefix, choice(given, (".", "/"), f"{loc}.configuration.separator")


def _codec_list(value: Any, loc: str, depth: int = 0) -> list[_Codec]:
    """Check a list of codecs, and those in their configurations, for what is refused."""
    if not isinstance(value, list) or not value:
        raise MetadataError(f"is {shown(value)}; a list of codecs was expected", loc)
    if len(value) > MAX_CODECS:
        raise MetadataError(f"has {len(value)} codecs; at most {MAX_CODECS} are understood", loc)
    if depth > _MAX_DEPTH:
        raise MetadataError(f"are nested more than {_MAX_DEPTH} deep", loc)
    parsed = [_named(item, f"{loc}[{i}]") for i, item in enumerate(value)]
    for i, (name, config) in enumerate(parsed):
        check_codec(name, f"{loc}[{i}].name")
        for key in ("codecs", "index_codecs"):
            if config.get(key) is not None:
                _codec_list(config[key], f"{loc}[{i}].configuration.{key}", depth + 1)
    return parsed


@dataclass(frozen=True, slots=True)
class _Chain:
    """The codecs of an array, down to those inside its shards."""

    names: tuple[str, ...]
    codecs: tuple[str, ...]
    chunks: tuple[int, ...]
    simple: bool
    big: bool = False
    order: tuple[int, ...] | None = None
    sharding: Sharding | None = None

    @classmethod
    def parse(
        cls, codecs: Any, chunks: tuple[int, ...], dtype: np.dtype, loc: str = "codecs"
    ) -> _Chain:
        parsed = _codec_list(codecs, loc)
        names = tuple(name for name, _ in parsed)
        if names == ("sharding_indexed",):
            return cls._sharded(parsed[0][1], chunks, dtype, f"{loc}[0].configuration")
        order, rest = None, parsed
        if names[0] == "transpose":
            order = _permutation(parsed[0][1].get("order"), len(chunks), f"{loc}[0]")
            rest = parsed[1:]
        known = bool(rest) and rest[0][0] == "bytes"
        big = known and _is_big(rest[0][1], f"{loc}[{len(parsed) - len(rest)}]", dtype)
        tail = [_plain(codec) for codec in rest[1:]]
        compressors = [name for name in tail if name != "crc32c"]
        simple = known and len(compressors) <= 1 and all(n in DECODERS for n in compressors)
        shown_names = tuple(name for name in names if name != "bytes")
        return cls(shown_names, tuple(tail), chunks, simple, big, order)

    @classmethod
    def _sharded(
        cls, config: Mapping[str, Any], outer: tuple[int, ...], dtype: np.dtype, loc: str
    ) -> _Chain:
        chunks = whole_numbers(config.get("chunk_shape"), f"{loc}.chunk_shape", low=1)
        if len(chunks) != len(outer) or any(o % c for o, c in zip(outer, chunks, strict=True)):
            raise MetadataError(
                f"is {shown(list(chunks))}; it must divide the shard {shown(list(outer))}",
                f"{loc}.chunk_shape",
            )
        per_shard = math.prod(o // c for o, c in zip(outer, chunks, strict=True))
        if per_shard > _MAX_PER_SHARD:
            raise MetadataError(
                f"is {shown(list(chunks))}: {per_shard} chunks per shard, more than can be indexed",
                f"{loc}.chunk_shape",
            )
        inner = cls.parse(config.get("codecs"), chunks, dtype, f"{loc}.codecs")
        given = config.get("index_codecs")
        index = _codec_list(["bytes", "crc32c"] if given is None else given, f"{loc}.index_codecs")
        where = choice(
            config.get("index_location", "end"), ("start", "end"), f"{loc}.index_location"
        )
        names = [name for name, _ in index]
        plain = names in (["bytes"], ["bytes", "crc32c"]) and index[0][1].get("endian") != "big"
        return cls(
            names=inner.names,
            codecs=inner.codecs,
            chunks=chunks,
            simple=inner.simple and plain and inner.sharding is None,
            big=inner.big,
            order=inner.order,
            sharding=Sharding(where == "end", "crc32c" in names),
        )


def _is_big(config: Mapping[str, Any], loc: str, dtype: np.dtype) -> bool:
    endian = config.get("endian")
    if endian is None:
        return False
    allowed = ("little", "big")
    return choice(endian, allowed, f"{loc}.configuration.endian") == "big" and dtype.itemsize > 1


def _plain(codec: _Codec) -> str:
    """Return the name that `DECODERS` has for a codec: numcodecs' are the same under its prefix."""
    name, config = codec
    plain = name.removeprefix("numcodecs.")
    if name == plain or plain not in DECODERS:
        return name
    # a raw LZMA stream doesn't say how it is to be decoded
    return name if plain == "lzma" and config.get("format", 1) not in (0, 1, 2) else plain


def _permutation(value: Any, ndim: int, loc: str) -> tuple[int, ...]:
    loc += ".configuration.order"
    if value in ("C", "F"):
        return tuple(range(ndim)) if value == "C" else tuple(reversed(range(ndim)))
    order = whole_numbers(value, loc, low=0)
    if sorted(order) != list(range(ndim)):
        raise MetadataError(
            f"is {shown(list(order))}; a permutation of {ndim} axes was expected", loc
        )
    return order
