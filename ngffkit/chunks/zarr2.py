"""Zarr format 2: ``.zarray`` and ``.zattrs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ngffkit.chunks.arrayspec import (
    MAX_CODECS,
    ArraySpec,
    check_chunk,
    check_codec,
    choice,
    fill_value,
    geometry,
    names_of_dims,
)
from ngffkit.chunks.codecs import DECODERS
from ngffkit.errors import MetadataError
from ngffkit.layout import Layout
from ngffkit.shown import shown

#: What numpy has beyond these is objects, records, dates, and floats that differ by machine.
_TYPES = {
    "b1",
    *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)),
    *("f2", "f4", "f8", "c8", "c16"),
}

#: LZMA's formats that say of themselves how they are to be decoded; a raw stream doesn't.
_LZMA_CONTAINERS = (0, 1, 2)


def parse(doc: Mapping[str, Any], attrs: Mapping[str, Any]) -> ArraySpec:
    """Understand ``.zarray``.

    Parameters
    ----------
    doc : Mapping
        Its content.
    attrs : Mapping
        That of ``.zattrs``.

    Raises
    ------
    MetadataError
        With the JSON path of what is wrong.
    """
    shape, chunks = geometry(doc.get("shape"), doc.get("chunks"), "chunks")
    stored = _dtype(doc.get("dtype"))
    check_chunk(chunks, stored, "chunks")
    filters, compressor = doc.get("filters"), doc.get("compressor")
    names = _codecs(filters, compressor)
    transposed = choice(doc.get("order", "C"), ("C", "F"), "order") == "F"
    separator = doc.get("dimension_separator")
    simple = not filters and all(name in DECODERS for name in names) and _contained(compressor)
    return ArraySpec(
        layout=Layout(shape, stored.newbyteorder("="), chunks, None, names, 2),
        stored=stored,
        codecs=names if simple else None,
        order=tuple(reversed(range(len(shape)))) if transposed else None,
        sharding=None,
        fill=fill_value(doc.get("fill_value"), stored),
        prefix="",
        separator="."
        if separator is None
        else choice(separator, (".", "/"), "dimension_separator"),
        dims=names_of_dims(attrs.get("_ARRAY_DIMENSIONS"), len(shape)),
        attrs=attrs,
    )


def _dtype(text: Any) -> np.dtype:
    try:
        dtype = np.dtype(text) if isinstance(text, str) else None
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    # U and S are what names along an axis are stored as
    if (
        dtype is None
        or not dtype.itemsize
        or (dtype.kind not in "US" and dtype.str[1:] not in _TYPES)
    ):
        raise MetadataError(
            f"is {shown(text)}; images are made of booleans, integers, floats or complex numbers, "
            "e.g. '<u2'",
            "dtype",
        )
    return dtype


def _codecs(filters: Any, compressor: Any) -> tuple[str, ...]:
    if not isinstance(filters, (list, type(None))):
        raise MetadataError(f"is {shown(filters)}; a list was expected", "filters")
    filters = filters or []
    if len(filters) > MAX_CODECS:
        raise MetadataError(
            f"has {len(filters)} entries; at most {MAX_CODECS} are understood", "filters"
        )
    entries = [(f"filters[{i}]", item) for i, item in enumerate(filters)]
    if compressor is not None:
        entries.append(("compressor", compressor))
    names = []
    for loc, item in entries:
        if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
            raise MetadataError(f"is {shown(item)}; an object with an id was expected", loc)
        check_codec(item["id"], f"{loc}.id")
        names.append(item["id"])
    return tuple(names)


def _contained(compressor: Any) -> bool:
    return not isinstance(compressor, Mapping) or compressor.get("format", 1) in _LZMA_CONTAINERS
