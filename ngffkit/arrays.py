"""What an array's own metadata say (``.zarray`` or ``zarr.json``), checked and as a value."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ngffkit.codecs import DECODERS
from ngffkit.errors import MetadataError
from ngffkit.grid import MAX_AXIS_LENGTH
from ngffkit.layout import Layout

#: A chunk is decoded whole, in memory; no writer of images makes larger ones.
MAX_CHUNK_NBYTES = 2**32

#: These run code or make objects when they decode.
_FORBIDDEN = {"pickle", "json2", "msgpack2", "vlen-utf8", "vlen-bytes", "vlen-array"}

_V3_TYPES = {
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
    "complex64",
    "complex128",
}


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
            return "c" if self.prefix == "c" else self.prefix.rstrip("/") or "0"
        head = f"{self.prefix}{self.separator}" if self.prefix == "c" else self.prefix
        return head + self.separator.join(map(str, coords))


def parse_array(doc: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> ArraySpec:
    """Understand an array's metadata document.

    Parameters
    ----------
    doc : Mapping
        ``.zarray`` or ``zarr.json``, parsed.
    attrs : Mapping
        For Zarr v2, ``.zattrs``; ignored for v3, which holds its own.
    where : str
        Path of the document, for errors.

    Raises
    ------
    MetadataError
        With the JSON path of the value that is wrong, harmful or not understood.
    """
    try:
        if doc.get("zarr_format") == 2:
            return _parse_v2(doc, attrs)
        if doc.get("zarr_format") == 3:
            return _parse_v3(doc)
    except MetadataError as err:
        raise MetadataError(str(err), where) from None
    raise MetadataError(
        f"is {doc.get('zarr_format')!r}; 2 and 3 are understood", f"{where}: zarr_format"
    )


def _ints(value: Any, loc: str, *, positive: bool) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(
        isinstance(n, int) and not isinstance(n, bool) for n in value
    ):
        raise MetadataError(f"is {_short(value)}; a list of whole numbers was expected", loc)
    if len(value) > 32:
        raise MetadataError(f"has {len(value)} entries; at most 32 axes are understood", loc)
    low = 1 if positive else 0
    for i, n in enumerate(value):
        if not low <= n < 2**63:
            raise MetadataError(f"is {n}; {low} to 2^63 was expected", f"{loc}[{i}]")
    return tuple(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _geometry(shape: Any, chunks: Any, chunk_loc: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = _ints(shape, "shape", positive=False)
    cut = _ints(chunks, chunk_loc, positive=True)
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
        raise MetadataError(f"is {list(sizes)}: more pixels than can be counted", "shape")
    return sizes, cut


def _check_chunk(chunks: tuple[int, ...], dtype: np.dtype, loc: str) -> None:
    nbytes = math.prod(chunks) * dtype.itemsize
    if nbytes > MAX_CHUNK_NBYTES:
        raise MetadataError(
            f"is {list(chunks)}: a chunk of {nbytes} bytes, more than {MAX_CHUNK_NBYTES}", loc
        )


def _numeric(dtype: np.dtype, loc: str, text: object) -> np.dtype:
    if dtype.kind not in "biufc" or dtype.hasobject:
        raise MetadataError(
            f"is {_short(text)}; images are made of booleans, integers, floats or complex numbers",
            loc,
        )
    return dtype


# --- Zarr v2 ------------------------------------------------------------------------------------


def _parse_v2(doc: Mapping[str, Any], attrs: Mapping[str, Any]) -> ArraySpec:
    shape, chunks = _geometry(doc.get("shape"), doc.get("chunks"), "chunks")
    try:
        stored = np.dtype(doc["dtype"])
    except (KeyError, TypeError, ValueError, SyntaxError):
        raise MetadataError(
            f"is {_short(doc.get('dtype'))}; a type such as '<u2' was expected", "dtype"
        ) from None
    stored = _numeric(stored, "dtype", doc["dtype"])
    _check_chunk(chunks, stored, "chunks")
    filters, compressor = doc.get("filters") or [], doc.get("compressor")
    names = _v2_codecs(filters, compressor)
    order = tuple(reversed(range(len(shape)))) if doc.get("order") == "F" else None
    simple = not filters and all(name in DECODERS for name in names) and _plain_lzma(compressor)
    separator = doc.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise MetadataError(f"is {_short(separator)}; '.' or '/'", "dimension_separator")
    layout = Layout(shape, stored.newbyteorder("="), chunks, None, names, 2)
    return ArraySpec(
        layout=layout,
        stored=stored,
        codecs=names if simple else None,
        order=order,
        sharding=None,
        fill=_fill_value(doc.get("fill_value"), stored),
        prefix="",
        separator=separator,
        dims=_dims(attrs.get("_ARRAY_DIMENSIONS"), len(shape)),
        attrs=attrs,
    )


def _v2_codecs(filters: Any, compressor: Any) -> tuple[str, ...]:
    if not isinstance(filters, list):
        raise MetadataError(f"is {_short(filters)}; a list was expected", "filters")
    names = []
    entries = [(f"filters[{i}]", item) for i, item in enumerate(filters)]
    if compressor is not None:
        entries.append(("compressor", compressor))
    for loc, item in entries:
        if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
            raise MetadataError(f"is {_short(item)}; an object with an id was expected", loc)
        if item["id"] in _FORBIDDEN:
            raise MetadataError(
                f"is the codec {item['id']!r}, which makes Python objects; refused for safety", loc
            )
        names.append(item["id"])
    return tuple(names)


def _plain_lzma(compressor: Any) -> bool:
    # raw LZMA streams need their filter chain, which zarr-python passes on
    return not isinstance(compressor, Mapping) or compressor.get("format", 1) in (0, 1)


def _dims(value: Any, ndim: int) -> tuple[str | None, ...] | None:
    if (
        isinstance(value, list)
        and len(value) == ndim
        and all(v is None or isinstance(v, str) for v in value)
    ):
        return tuple(value)
    return None


def _fill_value(value: Any, dtype: np.dtype) -> Any:
    if value is None:
        return None
    try:
        if isinstance(value, str) and value.startswith("0x") and dtype.kind == "f":
            raw = int(value, 16).to_bytes(dtype.itemsize, "big")
            return np.frombuffer(raw, dtype.newbyteorder(">"))[0].astype(dtype.newbyteorder("="))
        if isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity"):
            raw = base64.b64decode(value, validate=True)
            return np.frombuffer(raw, dtype)[0].astype(dtype.newbyteorder("="))
        if isinstance(value, list) and dtype.kind == "c":
            value = complex(float(value[0]), float(value[1]))
        if dtype.kind in "iu" and (isinstance(value, bool) or value != int(value)):
            raise ValueError
        return np.array(value, dtype.newbyteorder("="))[()]
    except (ValueError, TypeError, OverflowError, IndexError):
        raise MetadataError(
            f"is {_short(value)}; a value of type {dtype} was expected", "fill_value"
        ) from None


# --- Zarr v3 ------------------------------------------------------------------------------------


def _parse_v3(doc: Mapping[str, Any]) -> ArraySpec:
    if doc.get("node_type") != "array":
        raise MetadataError(f"is {_short(doc.get('node_type'))}; 'array' was expected", "node_type")
    grid = _object(doc.get("chunk_grid"), "chunk_grid")
    if grid[0] != "regular":
        raise MetadataError(f"is {grid[0]!r}; only regular grids are understood", "chunk_grid")
    loc = "chunk_grid.configuration.chunk_shape"
    shape, outer = _geometry(doc.get("shape"), grid[1].get("chunk_shape"), loc)
    dtype = doc.get("data_type")
    if dtype not in _V3_TYPES:
        raise MetadataError(
            f"is {_short(dtype)}; images are made of booleans, integers, floats or complex numbers",
            "data_type",
        )
    native = np.dtype(dtype)
    chain = _Chain.parse(doc.get("codecs"), outer, native)
    _check_chunk(chain.chunks, native, loc)
    encoding = _object(doc.get("chunk_key_encoding"), "chunk_key_encoding")
    prefix, default = {"default": ("c", "/"), "v2": ("", ".")}.get(encoding[0], (None, None))
    if prefix is None:
        raise MetadataError(f"is {encoding[0]!r}; 'default' or 'v2'", "chunk_key_encoding.name")
    separator = encoding[1].get("separator", default)
    if separator not in (".", "/"):
        raise MetadataError(
            f"is {_short(separator)}; '.' or '/'", "chunk_key_encoding.configuration.separator"
        )
    attrs = doc.get("attributes") or {}
    if not isinstance(attrs, Mapping):
        raise MetadataError(f"is {_short(attrs)}; an object was expected", "attributes")
    names = _dims(doc.get("dimension_names"), len(shape))
    return ArraySpec(
        layout=Layout(
            shape, native, chain.chunks, outer if chain.sharding else None, chain.names, 3
        ),
        stored=native.newbyteorder(">") if chain.big else native,
        codecs=chain.codecs if chain.simple else None,
        order=chain.order,
        sharding=chain.sharding,
        fill=_fill_value(doc.get("fill_value"), native),
        prefix=prefix,
        separator=separator,
        dims=names or _dims(attrs.get("_ARRAY_DIMENSIONS"), len(shape)),
        attrs=attrs,
    )


def _object(value: Any, loc: str) -> tuple[str, Mapping[str, Any]]:
    """Return name and configuration of a Zarr v3 extension point."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        configuration = value.get("configuration") or {}
        if isinstance(configuration, Mapping):
            return value["name"], configuration
    raise MetadataError(f"is {_short(value)}; an object with a name was expected", loc)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The codecs of a Zarr v3 array, down to those inside its shards."""

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
        if not isinstance(codecs, list) or not codecs:
            raise MetadataError(f"is {_short(codecs)}; a list of codecs was expected", loc)
        if len(codecs) > 32:
            raise MetadataError(f"has {len(codecs)} codecs; at most 32 are understood", loc)
        parsed = [_object(item, f"{loc}[{i}]") for i, item in enumerate(codecs)]
        for i, (name, _) in enumerate(parsed):
            if name in _FORBIDDEN:
                raise MetadataError(
                    f"is {name!r}, which makes Python objects; refused for safety", f"{loc}[{i}]"
                )
        names = tuple(name for name, _ in parsed)
        if names == ("sharding_indexed",):
            return cls._sharded(parsed[0][1], chunks, dtype, f"{loc}[0].configuration")
        order, rest = None, parsed
        if names[0] == "transpose":
            order = _permutation(parsed[0][1].get("order"), len(chunks), f"{loc}[0]")
            rest = parsed[1:]
        simple = bool(rest) and rest[0][0] == "bytes"
        big = simple and rest[0][1].get("endian") == "big" and dtype.itemsize > 1
        tail = tuple(name for name, _ in rest[1:])
        compressors = [name for name in tail if name != "crc32c"]
        simple = simple and len(compressors) <= 1 and all(n in DECODERS for n in compressors)
        return cls(tuple(n for n in names if n != "bytes"), tail, chunks, simple, big, order)

    @classmethod
    def _sharded(
        cls, config: Mapping[str, Any], outer: tuple[int, ...], dtype: np.dtype, loc: str
    ) -> _Chain:
        chunks = _ints(config.get("chunk_shape"), f"{loc}.chunk_shape", positive=True)
        if len(chunks) != len(outer) or any(o % c for o, c in zip(outer, chunks, strict=True)):
            raise MetadataError(
                f"is {list(chunks)}; it must divide the shard {list(outer)}", f"{loc}.chunk_shape"
            )
        per_shard = math.prod(o // c for o, c in zip(outer, chunks, strict=True))
        if per_shard > 2**24:
            raise MetadataError(
                f"is {list(chunks)}: {per_shard} chunks per shard, more than can be indexed",
                f"{loc}.chunk_shape",
            )
        inner = cls.parse(config.get("codecs"), chunks, dtype, f"{loc}.codecs")
        index = [
            _object(item, f"{loc}.index_codecs[{i}]")
            for i, item in enumerate(config.get("index_codecs") or ["bytes", "crc32c"])
        ]
        location = config.get("index_location", "end")
        if location not in ("start", "end"):
            raise MetadataError(f"is {_short(location)}; 'start' or 'end'", f"{loc}.index_location")
        names = [name for name, _ in index]
        plain = names in (["bytes"], ["bytes", "crc32c"]) and index[0][1].get("endian") != "big"
        return cls(
            names=inner.names,
            codecs=inner.codecs,
            chunks=chunks,
            simple=inner.simple and plain and inner.sharding is None,
            big=inner.big,
            order=inner.order,
            sharding=Sharding(location == "end", "crc32c" in names),
        )


def _permutation(value: Any, ndim: int, loc: str) -> tuple[int, ...]:
    loc += ".configuration.order"
    if value in ("C", "F"):
        return tuple(range(ndim)) if value == "C" else tuple(reversed(range(ndim)))
    order = _ints(value, loc, positive=False)
    if sorted(order) != list(range(ndim)):
        raise MetadataError(f"is {list(order)}; a permutation of {ndim} axes was expected", loc)
    return order


def grid_coords(layout: Layout) -> itertools.product[tuple[int, ...]]:
    """Iterate over the grid coordinates of all objects of an array, in C order."""
    counts = [-(-n // c) for n, c in zip(layout.shape, layout.object_shape, strict=True)]
    return itertools.product(*(range(n) for n in counts))
