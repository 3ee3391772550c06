"""The fields of the options that converting, writing and rewriting share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ngffkit import typed
from ngffkit.errors import NgffError
from ngffkit.panels.fields import Field, choice, group, switch
from ngffkit.panels.storage import read_options
from ngffkit.spec.encode import DEFAULT, WRITABLE

#: What separates several texts in one field: a semicolon and a space, or the end of a line.
_BETWEEN = re.compile(r";(?=\s|$)|[\n\r]+")

#: Longer texts are no names.
_LONGEST = 200

_TYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])|bool|u?int(8|16|32|64)|float(16|32|64)")

_METHODS = ("mean", "median", "mode", "nearest", "gaussian", "min", "max")


def texts_of(text: str) -> list[str]:
    """Return several texts of one field, which stand between ``; `` or line ends.

    Examples
    --------
    >>> texts_of("a/1.tif; a/2.tif"), texts_of(" ; ")
    (['a/1.tif', 'a/2.tif'], [])
    """
    return [part.strip() for part in _BETWEEN.split(text) if part.strip()]


def store_options(text: str) -> dict[str, Any]:
    """Return the options of a store, ``KEY=VALUE`` between spaces.

    Examples
    --------
    >>> store_options("anon=true region=eu-west-1")
    {'anon': True, 'region': 'eu-west-1'}
    """
    return read_options(text, {})


def line(text: str) -> str:
    """Return a text that stands on one line."""
    if not text.isprintable() or len(text) > _LONGEST:
        raise ValueError(f"printable text of at most {_LONGEST} letters was expected")
    return text


def place(text: str) -> str:
    """Return a path or URL."""
    if not text.isprintable():
        raise ValueError("a path or a URL was expected, without control characters")
    return text


def labels(text: str) -> bool | dict[str, str]:
    """Return names and places of label images, or False for ``no``.

    Examples
    --------
    >>> labels("cells=masks/cells; nuclei=masks/nuclei"), labels("no")
    ({'cells': 'masks/cells', 'nuclei': 'masks/nuclei'}, False)
    """
    if text == "no":
        return False
    expected = "NAME=PATH was expected, several between semicolons, or no"
    out: dict[str, str] = {}
    for part in texts_of(text):
        try:
            ((name, where),) = typed.label(part).items()
        except ValueError:
            raise ValueError(expected) from None
        if not name.strip() or name.strip() in out:
            raise ValueError(expected)
        out[name.strip()] = where.strip()
    if not out:
        raise ValueError(expected)
    return out


def unit(text: str) -> str:
    """Return a unit of length or time, as it was typed."""
    from ngffkit.sources.adjusting import unit_of

    try:
        unit_of(text)
    except NgffError:
        raise ValueError("a unit of length or time was expected, e.g. nanometer, um or s") from None
    return text


def pattern(text: str) -> str:
    """Return names of the files of a stack, with places for numbers, checked."""
    from ngffkit.sources.stacks.patterns import compile_pattern

    try:
        compile_pattern(text)
    except NgffError as err:
        raise ValueError(str(err).removeprefix("pattern: ")) from None
    return text


def axes(text: str) -> str:
    """Return a letter for each dimension."""
    if not re.fullmatch(r"[A-Za-z]+", text) or len(set(text.lower())) < len(text):
        raise ValueError("a different letter for each dimension was expected, e.g. tzyx")
    return text


def shape(text: str) -> tuple[int, ...]:
    """Return the sizes of a raw file."""
    try:
        return typed.shape(text)
    except ValueError:
        expected = "whole numbers in the order of the axes were expected, e.g. 512,1024,1024"
        raise ValueError(expected) from None


def dtype(text: str) -> str:
    """Return the type of pixels, as it was typed.

    Examples
    --------
    >>> dtype("<u2"), dtype("float32")
    ('<u2', 'float32')
    """
    if not _TYPE.fullmatch(text):
        raise ValueError("a type of pixels was expected, e.g. u1, <u2, >i4, f4 or uint16")
    return text


def chosen(
    name: str, label: str, text: str, choices: Sequence[str], default: str = "auto"
) -> Field:
    """Return a field with a few choices, which refuses any other text."""
    field = choice(name, label, text, tuple(choices), default)
    return replace(field, read=typed.one_of(*choices))


VERSION = chosen("version", "OME-Zarr version", "version of OME-Zarr", WRITABLE, DEFAULT)

CHUNKS = Field(
    *(
        "chunks",
        "chunks",
        "voxels per chunk: 64, or x,y,z as 64,64,32, or by axis as z=1,y=512,x=512",
    ),
    read=typed.voxels,
    hint="auto",
    default="auto",
)

SHARDS = Field(
    *("shards", "shards", "voxels per shard (one file), multiples of the chunks; none: no shards"),
    read=typed.voxels,
    hint="auto",
    default="auto",
    choices=("auto", "none", "512"),
)

COMPRESSION = Field(
    *("compression", "compression", "zstd, gzip or none, with a level if wanted: zstd:3"),
    read=typed.compression,
    hint="zstd",
    default="zstd",
    choices=("zstd", "zstd:3", "zstd:9", "gzip", "none"),
)

TARGET_OPTIONS = Field(
    *("target_options", "target's store", "options of the store that is written, KEY=VALUE"),
    read=store_options,
    hint="region=eu-west-1 endpoint=https://...",
)

#: How pixels lie in the target, and what is written beside them.
LAYOUT = group(
    "layout",
    VERSION,
    CHUNKS,
    SHARDS,
    COMPRESSION,
    switch("sidecar", "WEBKNOSSOS file", "also write datasource-properties.json for WEBKNOSSOS"),
    Field(
        *("layer", "layer name", "name of the layer in that file"),
        read=line,
        hint="the name of the image",
    ),
    TARGET_OPTIONS,
)

MAG_LIST = Field(
    *("mags", "mags", "which mags, finest first, as 1, 2-2-1, 4-4-2; 1 alone makes no pyramid"),
    read=typed.mags,
    hint="chosen by the voxel size",
)

SAMPLING = chosen(
    *("sampling", "steps", "towards cubic voxels, all axes alike, or never along z"),
    ("anisotropic", "isotropic", "constant_z"),
    "anisotropic",
)

COARSEST = Field(
    *("coarsest", "coarsest mag", "the largest mag: 8 or 8-8-4"),
    read=typed.coarsest,
    hint="chosen by the size",
)

UNTIL = Field(
    *("until", "until", "go on until every axis has at most so many voxels"),
    read=typed.count,
    hint="chosen by the size",
)

METHOD = chosen(
    *("method", "method", "how voxels are joined; auto: mean, and mode for labels"),
    ("auto", *_METHODS),
)

#: Which coarser copies are made, and how.
MAGS = group("mags", MAG_LIST, SAMPLING, COARSEST, UNTIL, METHOD)

MEMORY = Field(
    *("memory", "memory", "what this process may take in all, e.g. 500 MB or 2 GiB"),
    read=typed.memory,
    hint="1 GB more than it has",
)

WORKERS = Field(
    *("workers", "workers", "threads, or processes, that work at once"),
    read=typed.count,
    hint="the processors",
)

EXECUTOR = chosen(
    *("executor", "works in", "threads of this process, or processes of their own"),
    ("threads", "processes"),
    "threads",
)

ON_ERROR = chosen(
    *("on_error", "unreadable parts", "raise: stop; skip: leave fill there, and list them"),
    ("raise", "skip"),
    "raise",
)

OVERWRITE = switch("overwrite", "overwrite", "remove what is at the target first")

RESUME = switch(
    "resume", "resume", "go on where the same work was interrupted before", default=True
)

#: How the work is done.
RUNNING = group("how the work is done", MEMORY, WORKERS, EXECUTOR, ON_ERROR, OVERWRITE, RESUME)
