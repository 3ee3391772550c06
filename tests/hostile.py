"""Hostile stores, as a table; run as a script, it tries them and reports one line of JSON for each.

Each case is written to a folder of its own and opened or read. What must come is an `NgffError`
that names where the trouble is. The cases run in a process of their own, since what this is about
is crashes, memory and time.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numcodecs
import numpy as np

Build = Callable[[Path], None]


SHAPE: Final = [4, 6]
PIXELS: Final = np.arange(24, dtype="<u2").reshape(SHAPE)
RAW: Final = PIXELS.tobytes()
AXES: Final = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
DEEP: Final = 100_000
MANY: Final = 1_000_000


@dataclass(frozen=True)
class Case:
    """A hostile store."""

    name: str
    build: Build
    #: What the message must contain: a JSON path or a key.
    where: str = ""
    #: ``open`` it, or ``read`` its pixels too.
    act: str = "open"
    #: What comes must be an error; else it may also open or read, whatever it reads.
    must: bool = True


# --- well-made stores to start from -------------------------------------------------------------


def put(path: Path, value: Any) -> None:
    """Write bytes, JSON, or what a function makes of either: large ones are made when needed."""
    value = value() if callable(value) else value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def zarray(**changes: Any) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": SHAPE,
        "chunks": SHAPE,
        "dtype": "<u2",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "order": "C",
        "dimension_separator": "/",
    } | changes


def array3(**changes: Any) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": SHAPE,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": SHAPE}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    } | changes


def group3(attributes: Any) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def scale(value: Any = (1.0, 1.0)) -> dict[str, Any]:
    return {"type": "scale", "scale": list(value) if isinstance(value, tuple) else value}


def multiscale(**changes: Any) -> dict[str, Any]:
    datasets = [{"path": "0", "coordinateTransformations": [scale()]}]
    return {"version": "0.4", "axes": AXES, "datasets": datasets} | changes


def image2(attrs: Any = None, array: Any = None, chunk: Any = RAW, key: str = "0/0/0") -> Build:
    def build(root: Path) -> None:
        put(root / ".zgroup", {"zarr_format": 2})
        put(root / ".zattrs", {"multiscales": [multiscale()]} if attrs is None else attrs)
        put(root / "0/.zarray", zarray() if array is None else array)
        put(root / key, chunk)

    return build


def image3(ome: Any = None, array: Any = None, chunk: Any = RAW, key: str = "0/c/0/0") -> Build:
    def build(root: Path) -> None:
        body = {"version": "0.5", "multiscales": [multiscale()]} if ome is None else ome
        put(root / "zarr.json", group3({"ome": body}))
        put(root / "0/zarr.json", array3() if array is None else array)
        put(root / key, chunk)

    return build


def document(name: str, content: Any) -> Build:
    def build(root: Path) -> None:
        put(root / name, content)

    return build


# --- paths --------------------------------------------------------------------------------------

PATHS: Final[dict[str, Any]] = {
    "up": "..",
    "up and down": "../x",
    "through": "a/../../x",
    "absolute": "/etc/passwd",
    "drive": "C:\\x",
    "drive with slash": "c:/x",
    "http": "http://host/x",
    "s3": "s3://bucket/x",
    "file": "file:///etc/passwd",
    "backslash": "a\\..\\b",
    "NUL": "a\0b",
    "newline": "a\nb",
    "empty": "",
    "dot": ".",
    "empty part": "a//b",
    "home": "~/x",
    "very long": "x" * 5000,
    "percent": "%2e%2e/x",
    "surrogate": "\ud800",
    "null": None,
    "number": 5,
    "list": ["a"],
    "object": {"a": "b"},
}


def _labels(path: Any) -> Build:
    def build(root: Path) -> None:
        image2()(root)
        put(root / "labels/.zattrs", {"labels": [path]})

    return build


def _well(path: Any) -> Build:
    def build(root: Path) -> None:
        put(root / ".zgroup", {"zarr_format": 2})
        plate = {"rows": [], "columns": [], "wells": [{"path": "A/1"}], "version": "0.4"}
        put(root / ".zattrs", {"plate": plate})
        put(root / "A/1/.zattrs", {"well": {"images": [{"path": path}], "version": "0.4"}})

    return build


def _plate(path: Any) -> Build:
    wells = [{"path": path, "rowIndex": 0, "columnIndex": 0}]
    plate = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": wells}
    return document("zarr.json", group3({"ome": {"version": "0.5", "plate": plate}}))


def _series(path: Any) -> Build:
    def build(root: Path) -> None:
        put(root / "zarr.json", group3({"ome": {"version": "0.5", "bioformats2raw.layout": 3}}))
        put(root / "OME/zarr.json", group3({"ome": {"version": "0.5", "series": [path]}}))

    return build


def _scene(path: Any) -> Build:
    step = {"type": "identity", "input": {"path": path, "name": "a"}, "output": {"name": "w"}}
    scene = {"coordinateTransformations": [step]}
    return document("zarr.json", group3({"ome": {"version": "0.6rc0", "scene": scene}}))


def _datasets06(path: Any) -> Build:
    step = scale() | {"input": {"path": path}, "output": {"name": "p"}}
    entry = {
        "coordinateSystems": [{"name": "p", "axes": AXES}],
        "datasets": [{"path": path, "coordinateTransformations": [step]}],
    }
    return image3({"version": "0.6rc0", "multiscales": [entry]})


def _webknossos(layer: dict[str, Any]) -> Build:
    box = {"topLeft": [0, 0, 0], "width": 4, "height": 4, "depth": 4}
    made = {
        "name": "color",
        "category": "color",
        "boundingBox": box,
        "dataFormat": "zarr",
        "mags": [{"mag": [1, 1, 1], "path": "color/1"}],
    } | layer
    return document("datasource-properties.json", {"dataLayers": [made], "scale": [1, 1, 1]})


def path_cases() -> Iterator[Case]:
    def dataset(path: Any) -> dict[str, Any]:
        return multiscale(datasets=[{"path": path, "coordinateTransformations": [scale()]}])

    places: dict[str, tuple[Callable[[Any], Build], str]] = {
        "dataset 0.4": (
            lambda p: image2({"multiscales": [dataset(p)]}),
            "multiscales[0].datasets[0].path",
        ),
        "dataset 0.5": (
            lambda p: image3({"version": "0.5", "multiscales": [dataset(p)]}),
            "ome.multiscales[0].datasets[0].path",
        ),
        "dataset 0.6": (_datasets06, "ome.multiscales[0].datasets[0].path"),
        "label": (_labels, "labels[0]"),
        "well": (_plate, "ome.plate.wells[0].path"),
        "field": (_well, "well.images[0].path"),
        "series": (_series, "ome.series[0]"),
        "scene": (_scene, "ome.scene.coordinateTransformations[0].input.path"),
        "layer": (lambda p: _webknossos({"name": p}), "dataLayers[0].name"),
        "mag": (
            lambda p: _webknossos({"mags": [{"mag": [1, 1, 1], "path": p}]}),
            "dataLayers[0].mags[0].path",
        ),
    }
    for place, (make, where) in places.items():
        for kind, path in PATHS.items():
            # a scene's system without a path is its own, a mag without one has a usual place
            if path is None and place in ("scene", "mag"):
                continue
            yield Case(f"path of a {place}: {kind}", make(path), where)
    twice = [{"path": "0", "coordinateTransformations": [scale()]}] * 2
    yield Case(
        "duplicate paths",
        image2({"multiscales": [multiscale(datasets=twice)]}),
        "multiscales[0].datasets[1].path",
    )


# --- numbers and transformations ----------------------------------------------------------------

NUMBERS: Final[dict[str, Any]] = {
    "NaN": float("nan"),
    "infinite": float("inf"),
    "minus infinite": float("-inf"),
    "huge": 10**400,
    "text": "1",
    "null": None,
    "true": True,
    "list": [1],
}


def transform_cases() -> Iterator[Case]:
    at = "multiscales[0].datasets[0].coordinateTransformations[0]"
    for kind, bad in (NUMBERS | {"zero": 0, "negative": -1.5}).items():
        for place, attrs, where in (
            ("dataset", _with([scale((bad, 1.0))]), f"{at}.scale[0]"),
            (
                "multiscales",
                {"multiscales": [multiscale(coordinateTransformations=[scale((1.0, bad))])]},
                "multiscales[0].coordinateTransformations[0].scale[1]",
            ),
            (
                "sequence",
                _with([{"type": "sequence", "transformations": [scale((bad, 1.0))]}]),
                f"{at}.transformations[0].scale[0]",
            ),
        ):
            yield Case(f"scale of a {place}: {kind}", image2(attrs), where)
    for kind, bad in NUMBERS.items():
        steps = [scale(), {"type": "translation", "translation": [bad, 0]}]
        where = at.replace("[0].", "[0].")[:-3] + "[1].translation[0]"
        yield Case(f"translation: {kind}", image2(_with(steps)), where)
        matrix = {"type": "affine", "affine": [[bad, 0, 0], [0, 1, 0]]}
        yield Case(f"affine: {kind}", image2(_with([matrix])), f"{at}.affine[0][0]")
        turn = {"type": "rotation", "rotation": [[1, bad], [0, 1]]}
        yield Case(f"rotation: {kind}", image2(_with([turn])), f"{at}.rotation[0][1]")
    for kind, value in {"short": [1], "long": [1] * 9, "object": {}, "null": None}.items():
        yield Case(f"scale: {kind}", image2(_with([scale(value)])), f"{at}.scale")
    nested: Any = scale()
    for _ in range(500):
        nested = {"type": "sequence", "transformations": [nested]}
    overflow = [scale((1e300, 1.0)), scale((1e300, 1.0))]
    far = [scale((1e308, 1.0)), {"type": "translation", "translation": [1.7e308, 0]}]
    yield Case("scales beyond numbers", image2(_with(overflow)), at[:-3])
    yield Case("a scale that vanishes", image2(_with([scale((1e-300, 1.0))] * 2)), at[:-12])
    yield Case("coordinates beyond numbers", image2(_with(far)), "multiscales[0].datasets[0]")
    yield Case("sequences 500 deep", image2(_with([nested])), at)
    yield Case("a million steps", image2(_with([scale()] * 200_000)), at[:-3])
    yield Case("a step that is none", image2(_with(["scale"])), at)
    yield Case("steps that are no list", image2(_with({"type": "scale"})), at[:-3])


def _with(steps: Any) -> dict[str, Any]:
    entry = {"path": "0", "coordinateTransformations": steps}
    return {"multiscales": [multiscale(datasets=[entry])]}


# --- documents ----------------------------------------------------------------------------------


def sparse(name: str, size: int) -> Build:
    def build(root: Path) -> None:
        put(root / name, b"{")
        with (root / name).open("r+b") as file:
            file.truncate(size)

    return build


def document_cases() -> Iterator[Case]:
    opened, closed = b'{"a":' * DEEP, b"}" * DEEP
    for kind, text in {
        "nothing": b"",
        "no JSON": b"{",
        "a list": b"[]",
        "a number": b"5",
        "null": b"null",
        "lists in lists": b"[" * DEEP + b"]" * DEEP,
        "objects in objects": opened + b"1" + closed,
        "open ends": opened,
        "bytes": bytes(range(256)),
        "5000 digits": b'{"multiscales": ' + b"9" * 5000 + b"}",
        "a login page": b"<!DOCTYPE html><html>log in</html>",
    }.items():
        for name in (".zattrs", "zarr.json", "datasource-properties.json"):
            yield Case(f"{name}: {kind}", document(name, text), name)
        yield Case(f"0/.zarray: {kind}", image2(array=text), "0/.zarray")
    yield Case("a document of 10 GB", sparse("zarr.json", 10 * 2**30), "zarr.json")
    for kind, value in {
        "no list": 5,
        "null": None,
        "empty": [],
        "of texts": ["a"],
        "of nothing": [{}],
        "deep": None,
    }.items():
        if kind != "deep":
            yield Case(f"multiscales: {kind}", image2({"multiscales": value}), "multiscales")
    for kind, change, where in (
        ("axes that are no list", {"axes": 5}, "axes"),
        ("axes without names", {"axes": [{"type": "space"}, {"name": "x"}]}, "axes[0]"),
        ("axes of numbers", {"axes": [1, 2]}, "axes[0]"),
        ("an axis twice", {"axes": [AXES[0], AXES[0]]}, "axes[1].name"),
        ("another number of axes", {"axes": AXES[:1]}, "datasets[0]"),
        ("20 axes", {"axes": [{"name": f"a{i}"} for i in range(20)]}, "axes"),
        ("an axis that nests", {"axes": [AXES[0], {"name": "x", "o": _nest(500)}]}, "axes[1]"),
        ("datasets that are no list", {"datasets": {}}, "datasets"),
        ("no datasets", {"datasets": []}, "datasets"),
        ("datasets of texts", {"datasets": ["0"]}, "datasets[0]"),
        ("an absent array", {"datasets": [{"path": "absent"}]}, "datasets[0].path"),
    ):
        attrs = {"multiscales": [multiscale(**change)]}
        yield Case(kind, image2(attrs), f"multiscales[0].{where}")


def _nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _text(head: str, item: str, tail: str, count: int = MANY) -> Callable[[], bytes]:
    def make() -> bytes:
        return (head + ",".join([item] * count) + tail).encode()

    return make


def many_cases() -> Iterator[Case]:
    """Lists of a million; the documents are written as text, so as to cost little here."""
    single = '{"path":"0"}'
    for kind, name, text, where in (
        ("datasets", ".zattrs", _text('{"multiscales":[{"datasets":[', single, "]}]}"), "datasets"),
        ("images", ".zattrs", _text('{"multiscales":[', "{}", "]}"), "multiscales"),
        (
            "axes",
            ".zattrs",
            _text('{"multiscales":[{"datasets":[{"path":"0"}],"axes":[', '"x"', "]}]}"),
            "axes",
        ),
        (
            "wells",
            ".zattrs",
            _text('{"plate":{"rows":[],"columns":[],"wells":[', single, "]}}"),
            "plate.wells",
        ),
        (
            "rows",
            ".zattrs",
            _text('{"plate":{"wells":[],"columns":[],"rows":[', '"A"', "]}}"),
            "plate.rows",
        ),
        ("fields", ".zattrs", _text('{"well":{"images":[', single, "]}}"), "well.images"),
        (
            "layers",
            "datasource-properties.json",
            _text('{"dataLayers":[', "{}", "]}"),
            "dataLayers",
        ),
        ("series", ".zattrs", _text('{"series":[', '"0"', "]}"), "series"),
        ("labels in a row", ".zattrs", _text('{"labels":[', '"0"', "]}"), "labels"),
        ("empty lists", ".zattrs", _text('{"multiscales":[', "[]", "]}"), "multiscales"),
    ):
        yield Case(f"a million {kind}", document(name, text), f"{where}|{name}")

    def labels(root: Path) -> None:
        image2()(root)
        put(root / "labels/.zattrs", _text('{"labels":[', '"n"', "]}"))

    yield Case("a million labels", labels, "labels")
    yield Case("many mags", _webknossos({"mags": [{}] * 100_000}), "mags")
    codecs = [{"name": "bytes"}] * 100_000
    yield Case("many codecs", image3(array=array3(codecs=codecs)), "codecs")
    filters = [{"id": "delta"}] * 100_000
    yield Case("many filters", image2(array=zarray(filters=filters)), "filters")


# --- arrays -------------------------------------------------------------------------------------

OBJECTS: Final = ("pickle", "json2", "msgpack2", "vlen-utf8", "vlen-bytes", "vlen-array")


def codec(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "configuration": config}


def sharded(codecs: Any = None, **config: Any) -> list[dict[str, Any]]:
    inner = [codec("bytes", endian="little")] if codecs is None else codecs
    index = [codec("bytes", endian="little"), codec("crc32c")]
    given = {"chunk_shape": [2, 3], "codecs": inner, "index_codecs": index} | config
    return [codec("sharding_indexed", **given)]


def array2_cases() -> Iterator[Case]:
    for bad in OBJECTS:
        yield Case(
            f"v2 compressor {bad}", image2(array=zarray(compressor={"id": bad})), "compressor"
        )
        yield Case(f"v2 filter {bad}", image2(array=zarray(filters=[{"id": bad}])), "filters[0]")
    for value in (
        *("|O", "O", "<M8[ns]", "V8", "", "foo", "<u3", "|V1000000000000", "u1,u1", "<f16", "U0"),
        *([["a", "<u2"]], None, 5, {"a": 1}, True),
    ):
        yield Case(f"v2 dtype {value!r}", image2(array=zarray(dtype=value)), "dtype")
    for value in (
        *([2**60, 2**60], [2**62, 4], [-1, 4], [1.5, 4], [True, 4], [10**300, 4], [None, 4]),
        *("4", None, {}, 5, [10**7 + 1, 4], _nest(500)),
    ):
        yield Case(f"v2 shape {value!r:.40}", image2(array=zarray(shape=value)), "shape")
    for value in (
        *([0, 4], [-4, 6], [2**50, 6], [4], [4, 6, 1], None, "x", [1.0, 6], [2**31, 2**31]),
        *({}, [10**300, 1]),
    ):
        yield Case(f"v2 chunks {value!r:.40}", image2(array=zarray(chunks=value)), "chunks")
    for dims in (33, 100_000):
        big = zarray(shape=[1] * dims, chunks=[1] * dims)
        yield Case(f"v2 {dims} dimensions", image2(array=big), "shape")
    for value in ("x", [1, 2], {}, 70_000, -1, 1.5, float("nan"), 10**300, "NaN", _nest(500), [1]):
        yield Case(f"v2 fill {value!r:.40}", image2(array=zarray(fill_value=value)), "fill_value")
    for value in (1e60, "x", {}, [1.0, 2.0], 10**400):
        made = zarray(dtype="<f4", fill_value=value)
        yield Case(f"v2 float fill {value!r:.40}", image2(array=made), "fill_value")
    for key, values in {
        "order": ("X", 5, None, []),
        "dimension_separator": ("x", "..", 5, "//"),
        "filters": ("x", {"a": 1}, [5], [{}], [{"id": 5}], 5),
        "compressor": ("x", 5, {}, {"id": None}, [], {"id": "no such codec"}),
        "zarr_format": (1, "2", None, 2.5, [2], {}),
    }.items():
        for value in values:
            act = "read" if "such" in str(value) else "open"
            where = "no such codec" if "such" in str(value) else key
            yield Case(f"v2 {key} {value!r}", image2(array=zarray(**{key: value})), where, act)


def array3_cases() -> Iterator[Case]:
    plain = codec("bytes", endian="little")
    for bad in (*OBJECTS, *(f"numcodecs.{name}" for name in OBJECTS)):
        for place, codecs in {
            "codecs[0]": [codec(bad)],
            "codecs[1]": [plain, codec(bad)],
            "codecs[0].configuration.codecs[0]": sharded([codec(bad)]),
            "codecs[0].configuration.index_codecs[0]": sharded(index_codecs=[codec(bad)]),
            "codecs[1].configuration.codecs[0]": [codec("transpose"), *sharded([codec(bad)])],
        }.items():
            yield Case(f"v3 {bad} at {place}", image3(array=array3(codecs=codecs)), place)
    for value in (
        *("object", "string", "variable_length_utf8", "r8", "uint3", None, 5, {}, []),
        *(codec("struct"), codec("fixed_length_utf32", length_bytes=2**62)),
        *(codec("fixed_length_utf32", length_bytes=0), codec("numpy.datetime64"), {"name": 5}),
    ):
        made = array3(data_type=value)
        yield Case(f"v3 data type {value!r:.90}", image3(array=made), "data_type")
    for value in (
        *(None, 5, "rectangular", {}, codec("regular"), codec("regular", chunk_shape=[0, 6])),
        *(codec("regular", chunk_shape=[-4, 6]), codec("regular", chunk_shape=[2**50, 6])),
        *(codec("regular", chunk_shape=[4]), codec("regular", chunk_shape="x")),
        {"name": "regular", "configuration": 5},
    ):
        yield Case(f"v3 grid {value!r:.60}", image3(array=array3(chunk_grid=value)), "chunk_grid")
    for value in ([2**60, 2**60], [-1, 6], [True, 6], "x", None, [10**300, 6]):
        yield Case(f"v3 shape {value!r:.40}", image3(array=array3(shape=value)), "shape")
    for kind, value in {
        "none": [],
        "null": None,
        "object": {},
        "number": [5],
        "endian": [codec("bytes", endian="middle")],
        "transpose twice the same": [codec("transpose", order=[0, 0]), plain],
        "transpose too far": [codec("transpose", order=[0, 5]), plain],
        "transpose a word": [codec("transpose", order="x"), plain],
        "chunk does not divide": sharded(chunk_shape=[3, 5]),
        "chunk of nothing": sharded(chunk_shape=[0, 3]),
        "chunk of less": sharded(chunk_shape=[-2, 3]),
        "chunk of other dimensions": sharded(chunk_shape=[2]),
        "index in the middle": sharded(index_location="middle"),
        "index of nothing": sharded(index_codecs=[]),
        "index of a word": sharded(index_codecs="bytes"),
        "shards 100 deep": _deep_shards(100),
        "shard without codecs": sharded(codecs=[]),
    }.items():
        yield Case(f"v3 codecs: {kind}", image3(array=array3(codecs=value)), "codecs")
    wide = {
        "chunk_grid": codec("regular", chunk_shape=[2**20, 2**20]),
        "codecs": sharded(chunk_shape=[1, 1]),
    }
    yield Case("v3 2^40 chunks in a shard", image3(array=array3(**wide)), "chunk_shape")
    for key, values in {
        "chunk_key_encoding": (
            None,
            "x",
            codec("default", separator="x"),
            codec("v2", separator=5),
        ),
        "storage_transformers": ([{"name": "x"}],),
        "attributes": ([1], "x"),
        "fill_value": ("x", [1, 2], {}, 70_000, 1.5, "NaN", "0xzz"),
        "node_type": ("file", 5, None),
        "zarr_format": (4, None, "3"),
    }.items():
        for value in values:
            made = array3(**{key: value})
            where = "0" if key == "node_type" else key
            yield Case(f"v3 {key} {value!r:.50}", image3(array=made), where)
    absent = [plain, codec("no such codec")]
    yield Case("v3 unknown codec", image3(array=array3(codecs=absent)), "no such codec", "read")


def _deep_shards(depth: int) -> list[dict[str, Any]]:
    codecs: Any = [codec("bytes", endian="little")]
    for _ in range(depth):
        codecs = sharded(codecs, chunk_shape=SHAPE)
    return codecs


# --- chunks -------------------------------------------------------------------------------------


def _unsized(data: bytes) -> bytes:
    """Return a Zstandard frame that doesn't say how large its content is (RFC 8878)."""
    out = struct.pack("<IBB", 0xFD2FB528, 0, 0x58)
    blocks = [data[i : i + 2**17] for i in range(0, len(data), 2**17)] or [b""]
    for i, block in enumerate(blocks):
        out += struct.pack("<I", (i == len(blocks) - 1) | len(block) << 3)[:3] + block
    return out


def _run_length(blocks: int) -> bytes:
    """Return a Zstandard frame of 4 bytes per block that each decode to 128 KB."""
    block = struct.pack("<I", 1 << 1 | 2**17 << 3)[:3] + b"\0"
    last = struct.pack("<I", 1 | 1 << 1 | 2**17 << 3)[:3] + b"\0"
    return struct.pack("<IBB", 0xFD2FB528, 0, 0x58) + block * (blocks - 1) + last


def _blosc(cname: str, shuffle: int = 1) -> bytes:
    return bytes(numcodecs.Blosc(cname=cname, shuffle=shuffle).encode(np.tile(PIXELS, 8)))


ENCODERS: Final[dict[str, tuple[Any, bytes]]] = {
    "raw": (None, RAW * 8),
    **{
        f"blosc {name}": ({"id": "blosc"}, _blosc(name))
        for name in ("lz4", "lz4hc", "blosclz", "zlib", "zstd")
    },
    "blosc bitshuffle": ({"id": "blosc"}, _blosc("lz4", 2)),
    "blosc stored": ({"id": "blosc"}, bytes(numcodecs.Blosc(clevel=0).encode(np.tile(PIXELS, 8)))),
    "zstd": ({"id": "zstd"}, bytes(numcodecs.Zstd().encode(np.tile(PIXELS, 8)))),
    "zstd checked": (
        {"id": "zstd"},
        bytes(numcodecs.Zstd(checksum=True).encode(np.tile(PIXELS, 8))),
    ),
    "zstd unsized": ({"id": "zstd"}, _unsized(np.tile(PIXELS, 8).tobytes())),
    "lz4": ({"id": "lz4"}, bytes(numcodecs.LZ4().encode(np.tile(PIXELS, 8)))),
    "gzip": ({"id": "gzip"}, gzip.compress(np.tile(PIXELS, 8).tobytes())),
    "zlib": ({"id": "zlib"}, zlib.compress(np.tile(PIXELS, 8).tobytes())),
    "bz2": ({"id": "bz2"}, bz2.compress(np.tile(PIXELS, 8).tobytes())),
    "lzma": ({"id": "lzma"}, lzma.compress(np.tile(PIXELS, 8).tobytes())),
}
WIDE: Final = [4, 48]


def chunk2(compressor: Any, chunk: Any, **changes: Any) -> Build:
    made = zarray(shape=WIDE, chunks=WIDE, compressor=compressor) | changes
    return image2(array=made, chunk=chunk)


def wide_dictionary() -> bytes:
    """Return xz data whose header asks for a dictionary of 4 GB."""
    data = bytearray(lzma.compress(np.tile(PIXELS, 8).tobytes()))
    size = (data[12] + 1) * 4
    at = data.index(b"\x21\x01", 12) + 2
    data[at] = 40
    data[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(bytes(data[12 : 12 + size - 4])))
    return bytes(data)


def chunk_cases() -> Iterator[Case]:
    key = "0/0/0"
    for name, (compressor, good) in ENCODERS.items():
        for kind, chunk in {
            "empty": b"",
            "one byte": good[:1],
            "half": good[: len(good) // 2],
            "all but one byte": good[:-1],
            "a byte more": good + b"\0",
            "twice": good + good,
            "zeros": bytes(len(good)),
            "a login page": b"<!DOCTYPE html><html>log in</html>",
        }.items():
            if name == "raw" and kind == "zeros":
                continue
            yield Case(f"chunk {name}: {kind}", chunk2(compressor, chunk), key, "read")
        yield Case(f"chunk {name}: cut anywhere", chunk2(compressor, good), key, "cut")
        yield Case(f"chunk {name}: bits flipped", chunk2(compressor, good), key, "flip", must=False)
    promise = 2**31 - 1
    head = _blosc("lz4")
    for n in (promise, 2**32 - 1, 2**31, 0, 4096):
        lie = head[:4] + struct.pack("<I", n) + head[8:]
        yield Case(f"blosc promises {n}", chunk2({"id": "blosc"}, lie), key, "read")
        block = head[:8] + struct.pack("<I", n) + head[12:]
        yield Case(f"blosc block {n}", chunk2({"id": "blosc"}, block), key, "read")
    for position, value in ((0, 9), (1, 77), (2, 255), (3, 0)):
        lie = head[:position] + bytes([value]) + head[position + 1 :]
        must = position in (0, 3)
        made = chunk2({"id": "blosc"}, lie)
        yield Case(f"blosc header {position}", made, key, "read", must)
    for n in (2**62, 2**40, 2**32, 10**9):
        frame = struct.pack("<IBQ", 0xFD2FB528, 0xE0, n) + b"\x01\0\0"
        yield Case(f"zstd promises {n}", chunk2({"id": "zstd"}, frame), key, "read")
    for n in (2**32 - 1, 2**31 - 1, 10**9):
        lie = struct.pack("<I", n) + ENCODERS["lz4"][1][4:]
        yield Case(f"lz4 promises {n}", chunk2({"id": "lz4"}, lie), key, "read")
    yield from bomb_cases(key)


def bomb_cases(key: str) -> Iterator[Case]:
    bombs: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzip.compress(bytes(2**26), 1),
        "zlib": lambda: zlib.compress(bytes(2**26), 1),
        "bz2": lambda: bz2.compress(bytes(2**26)) * 16,
        "lzma": lambda: lzma.compress(bytes(2**26), preset=0) * 16,
        "zstd": lambda: _run_length(200_000),
    }
    for name, bomb in bombs.items():
        yield Case(f"bomb {name}", chunk2({"id": name}, bomb), key, "read")
        filters = [{"id": "delta", "dtype": "<u2"}]
        long = chunk2({"id": name}, bomb, filters=filters)
        yield Case(f"bomb {name} below a filter", long, "0", "read")
        v3 = array3(
            codecs=[codec("bytes", endian="little"), codec(name), codec("numcodecs.shuffle")]
        )
        if name in ("gzip", "zstd"):
            yield Case(
                f"bomb {name} in a long chain",
                image3(array=v3, chunk=bomb, key="0/c/0/0"),
                "0",
                "read",
            )
    tiny = gzip.compress(b"")
    yield Case("gzip of empty members", chunk2({"id": "gzip"}, tiny * 50_000), key, "read")
    frame = _unsized(b"")
    yield Case("zstd of empty frames", chunk2({"id": "zstd"}, frame * 50_000), key, "read")
    skip = struct.pack("<II", 0x184D2A50, 0)
    yield Case("zstd of skipped frames", chunk2({"id": "zstd"}, skip * 200_000), key, "read")
    yield Case("zstd skips 4 GB", chunk2({"id": "zstd"}, skip[:4] + b"\xff" * 4), key, "read")
    yield Case("xz dictionary of 4 GB", chunk2({"id": "lzma"}, wide_dictionary()), key, "read")
    filters = [{"id": "delta", "dtype": "<u2"}]
    for kind, chunk in {"empty": b"", "short": b"\2\1\1\2", "cut": _blosc("lz4")[:-5]}.items():
        made = chunk2({"id": "blosc"}, chunk, filters=filters)
        yield Case(f"blosc below a filter: {kind}", made, "0", "read")
    big = zarray(shape=SHAPE, chunks=[65536, 32768])
    yield Case("a chunk of 4 GB, empty", image2(array=big, chunk=b""), key, "read")
    packed = big | {"compressor": {"id": "zstd"}}
    yield Case("a chunk of 4 GB, cut", image2(array=packed, chunk=ENCODERS["zstd"][1]), key, "read")
    bools = zarray(dtype="|b1", shape=SHAPE, chunks=SHAPE)
    yield Case("booleans cut short", image2(array=bools, chunk=RAW[:7]), key, "read")


# --- shards -------------------------------------------------------------------------------------


def shard(
    entries: list[tuple[int, int]] | None = None, *, crc: bool = True, end: bool = True
) -> bytes:
    """Return a shard of four raw chunks of 12 bytes, with the index given or a right one."""
    start = 0 if end else 16 * 4 + (4 if crc else 0)
    given = [(start + 12 * i, 12) for i in range(4)] if entries is None else entries
    index = b"".join(struct.pack("<QQ", offset, length) for offset, length in given)
    if crc:
        index += struct.pack("<I", google_crc32c.value(index))
    body = bytes(range(48))
    return body + index if end else index + body


def shard_cases() -> Iterator[Case]:
    key, absent = "0/c/0/0", 2**64 - 1
    good = [(12 * i, 12) for i in range(4)]
    for end in (True, False):
        where = "end" if end else "start"
        array = array3(codecs=sharded(index_location=where))
        base = 0 if end else 68
        right = [(base + offset, length) for offset, length in good]
        for kind, entry in {
            "beyond the file": (2**40, 12),
            "at 2^63": (2**63, 12),
            "at 2^64 - 2": (2**64 - 2, 12),
            "over the end": (base + 40, 2**40),
            "of 2^63 bytes": (base, 2**63),
            "of 2^64 - 2 bytes": (base, 2**64 - 2),
            "of no bytes": (base, 0),
            "of one byte": (base, 1),
            "half absent": (absent, 12),
            "half absent, the other half": (base, absent),
            "overlapping": (base + 6, 12),
            **({} if end else {"inside the index": (0, 12)}),
        }.items():
            made = shard([right[0], entry, *right[2:]], end=end)
            store = image3(array=array, chunk=made, key=key)
            yield Case(f"index at {where}: {kind}", store, key, "read")
        whole = shard(end=end)
        for kind, chunk in {
            "empty": b"",
            "one byte": whole[:1],
            "a login page": b"<!DOCTYPE html><html>log in, please</html>" * 4,
            "index changed": whole[:-10] + b"\1" + whole[-9:] if end else b"\1" + whole[1:],
            "checksum changed": whole[:-1] + b"\0" if end else whole[:67] + b"\0" + whole[68:],
            "zeros": bytes(len(whole)),
            "index alone, cut": whole[-60:] if end else whole[:60],
        }.items():
            yield Case(
                f"shard {where}: {kind}", image3(array=array, chunk=chunk, key=key), key, "read"
            )
        yield Case(
            f"shard {where}: cut anywhere", image3(array=array, chunk=whole, key=key), key, "cut"
        )
        yield Case(
            f"shard {where}: bits flipped",
            image3(array=array, chunk=whole, key=key),
            key,
            "flip",
            must=False,
        )
    nested = array3(codecs=sharded(sharded(chunk_shape=[1, 3])))
    for kind, chunk in {"empty": b"", "zeros": bytes(200), "short": b"\1\2\3"}.items():
        yield Case(f"nested shard: {kind}", image3(array=nested, chunk=chunk, key=key), "0", "read")
    wide = array3(
        chunk_grid=codec("regular", chunk_shape=[2**11, 3 * 2**11]),
        codecs=sharded(chunk_shape=[1, 3]),
    )
    large = image3(array=wide, chunk=b"\0" * 1000, key=key)
    yield Case("an index of 64 MB that is not there", large, key, "read")


# --- zip files ----------------------------------------------------------------------------------


def zipped(
    write: Callable[[zipfile.ZipFile], None], edit: Callable[[bytes], bytes] = bytes
) -> Build:
    def build(root: Path) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root, "w", zipfile.ZIP_DEFLATED) as file:
            write(file)
        root.write_bytes(edit(root.read_bytes()))

    return build


def zip_cases() -> Iterator[Case]:
    small = json.dumps(group3({"ome": {"version": "0.5", "multiscales": [multiscale()]}}))

    def image(chunk: bytes) -> Callable[[zipfile.ZipFile], None]:
        def write(file: zipfile.ZipFile) -> None:
            file.writestr("zarr.json", small)
            file.writestr("0/zarr.json", json.dumps(array3()))
            file.writestr("0/c/0/0", chunk)

        return write

    def bomb(file: zipfile.ZipFile) -> None:
        with file.open("zarr.json", "w", force_zip64=True) as member:
            for _ in range(256):
                member.write(b" " * 2**22)

    def understate(data: bytes) -> bytes:
        at = data.rindex(b"PK\1\2")  # the size of the last member in the directory
        return data[: at + 24] + struct.pack("<I", 48) + data[at + 28 :]

    def locked(data: bytes) -> bytes:
        at = data.index(b"PK\1\2")
        return data[: at + 8] + b"\1" + data[at + 9 :]

    def climbing(file: zipfile.ZipFile) -> None:
        file.writestr("../../etc/zarr.json", small)

    yield Case("zip: document of 1 GB", zipped(bomb), "zarr.json")
    big = image(bytes(2**26))
    yield Case("zip: chunk of 64 MB for 48 bytes", zipped(big), "0/c/0/0", "read")
    yield Case("zip: chunk larger than said", zipped(big, understate), "0/c/0/0", "read")
    yield Case("zip: encrypted", zipped(image(RAW), locked), "zarr.json")
    yield Case("zip: cut short", zipped(image(RAW), lambda data: data[: len(data) // 2]), ".zip")
    yield Case("zip: no directory", zipped(image(RAW), lambda data: data[:-10]), ".zip")
    yield Case("zip: names that climb", zipped(climbing), "holds no")
    yield Case("zip: nothing", zipped(lambda _: None), "holds no")
    yield Case("zip: no zip", lambda root: put(root, b"PK" + bytes(100)), ".zip")
    yield Case("zip: empty file", lambda root: put(root, b""), ".zip")
    yield Case("zip: bits flipped", zipped(image(RAW)), "", "flip", must=False)


@cache
def cases() -> tuple[Case, ...]:
    """Return all of them, in an order that doesn't change, each with a name of its own."""
    makers = (
        *(path_cases, transform_cases, document_cases, many_cases),
        *(array2_cases, array3_cases, chunk_cases, shard_cases, zip_cases),
    )
    return tuple(case for make in makers for case in make())


def row_of(case: Case) -> str:
    """Return the row of tests/ledger.py that a case belongs to."""
    name = case.name
    if any(f" {word} at " in name or name.endswith(f" {word}") for word in OBJECTS):
        return "pickle"
    if name in ("v2 dtype '|O'", "v2 dtype 'O'", "v3 data type 'object'"):
        return "pickle"
    if name.startswith("bomb") or "promises" in name or "larger than said" in name:
        return "bombs"
    if name.startswith(("zip: document of", "zip: chunk of", "a document of 10 GB", "xz dict")):
        return "bombs"
    if name.startswith("path of") or name == "zip: names that climb":
        return "escapes"
    # what lies in files and not in documents was damaged without an aim
    return "fuzz" if case.act in ("cut", "flip") or name.startswith("chunk") else "hostile metadata"


# --- what is opened outside of a store ------------------------------------------------------------

#: Events of the interpreter that reach for files or hosts.
_REACHING: Final = ("open", "os.listdir", "os.scandir", "socket.connect", "socket.getaddrinfo")


class Watcher:
    """Notes what this process reaches for outside of a folder, Python itself aside."""

    def __init__(self) -> None:
        self.inside, self.outside = "", list[str]()
        own = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), "/proc/", "/dev/")
        self._own = tuple(own) + tuple(p for p in sys.path if p)
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.inside or event not in _REACHING:
            return
        what = args[0] if event in ("open", "os.listdir", "os.scandir") else args
        if isinstance(what, int):
            return
        path = os.path.abspath(os.fsdecode(what)) if isinstance(what, (str, bytes)) else None  # noqa: PTH100 - hooks are called for everything
        if path is None or not path.startswith((self.inside, *self._own)):
            self.outside.append(f"{event} {what!r}")

    def watch(self, inside: Path) -> None:
        """Begin with a folder; what lies below it and beside it with its name may be opened."""
        self.inside, self.outside = str(inside), []

    def stop(self) -> list[str]:
        """Return what was reached for since."""
        self.inside = ""
        return self.outside


# --- running them -------------------------------------------------------------------------------


def _memory(name: str) -> int:
    """Return a figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _pixels(root: Path) -> list[np.ndarray]:
    import ngffkit as nk

    tree = nk.open(root, wells="all")
    return [var.values for node in tree.subtree for var in node.ds.data_vars.values()]


def _try(case: Case, root: Path) -> dict[str, Any]:
    """Open or read once; say what came."""
    import ngffkit as nk

    try:
        if case.act == "open":
            nk.open(root, wells="all")
            return {"outcome": "opened"}
        read = _pixels(root)
    except nk.NgffError as err:
        text = str(err).encode("utf-8", "backslashreplace").decode()
        return {"outcome": "error", "type": type(err).__name__, "text": text[:600]}
    except BaseException as err:  # noqa: BLE001 - whatever it is, it is the finding
        return {"outcome": "other", "type": type(err).__name__, "text": str(err)[:600]}
    return {"outcome": "read", "zeros": not any(pixels.any() for pixels in read)}


def _damaged(case: Case, root: Path) -> Iterator[None]:
    """Damage the only chunk in one way after another, in the same place."""
    path = root if root.is_file() else root / case.where
    good = path.read_bytes()
    if case.act == "cut":
        for length in range(len(good)):
            path.write_bytes(good[:length])
            yield
        return
    dice = random.Random(0)
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(dice.choice((1, 1, 1, 2, 8))):
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        path.write_bytes(bad)
        yield


def run(case: Case, root: Path, watcher: Watcher) -> dict[str, Any]:
    """Try one case; return what came, what it took, and what was opened elsewhere."""
    case.build(root)
    watcher.watch(root)
    Path("/proc/self/clear_refs").write_text("5")
    before, start, tries = _memory("VmRSS"), time.monotonic(), 1
    if case.act in ("cut", "flip"):
        tries = 0
        for _ in _damaged(case, root):
            tries += 1
            came = _try(case, root)
            if came["outcome"] == "other" or (case.must and came["outcome"] != "error"):
                break
    else:
        came = _try(case, root)
    return came | {
        "name": case.name,
        "outside": watcher.stop(),
        "seconds": (time.monotonic() - start) / tries,
        "growth": _memory("VmHWM") - before,
        "tries": tries,
    }


def main(first: int) -> None:
    """Run the cases from `first` on."""
    warnings.simplefilter("ignore")
    limit = 8 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    folder = Path(tempfile.mkdtemp(prefix="hostile")).resolve()
    watcher = Watcher()
    try:
        image2()(folder / "warm")
        _pixels(folder / "warm")
        for i, case in enumerate(cases()[first:], first):
            print(json.dumps({"start": i, "name": case.name}), flush=True)
            root = folder / (f"{i}.zip" if case.name.startswith("zip") else str(i))
            print(json.dumps(run(case, root, watcher)), flush=True)
            shutil.rmtree(root, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
