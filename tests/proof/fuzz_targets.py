"""What is fuzzed: functions of bytes, each with inputs to begin from.

A function returns when what came is right, raises `NgffError` when the input was refused, and
anything else is a finding: another exception, or an `AssertionError` about a result that can't be.
Stores are in memory. `test_fuzz.py` runs the functions with hypothesis, `fuzz.py` with atheris.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import logging
import math
import os
import shutil
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

import google_crc32c
import hostile
import numpy as np
from memory_store import Memory

import ngffkit as nk
from ngffkit import api
from ngffkit.chunks.arrays import parse_array
from ngffkit.chunks.reader import ArrayReader
from ngffkit.cli import parsing
from ngffkit.execute import journal, records
from ngffkit.planning.options import Options, nbytes_of
from ngffkit.serving.guard import Rules
from ngffkit.serving.keys import coords_of
from ngffkit.serving.ranges import matches, range_of
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions
from ngffkit.spec.members import safe_path
from ngffkit.stores.targets import check_key
from ngffkit.stores.zips import ZipStore

#: Images larger than this are opened, but not read.
FEW_PIXELS: Final = 100_000


@dataclass(frozen=True)
class Target:
    """One function that is fuzzed.

    Parameters
    ----------
    run : callable
        Takes bytes; see the module.
    seeds : callable
        Returns inputs to begin from; the first is right.
    share : int
        How many of a million runs are its.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    share: int


TARGETS: Final[dict[str, Target]] = {}


def target(share: int, seeds: Callable[[], list[bytes]]) -> Callable[..., Any]:
    """Enter a function into `TARGETS`."""

    def enter(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[run.__name__] = Target(run, cache(seeds), share)
        return run

    return enter


def attempt(name: str, data: bytes) -> str:
    """Run a target once: ``right`` or ``said``; what else it raises is a finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TARGETS[name].run(data)
        except nk.NgffError as err:
            said = str(err).strip()
        else:
            return "right"
    assert said, "an error that says nothing"
    return "said"


def _chosen(data: bytes, most: int) -> tuple[int, bytes]:
    """Return a number below `most` that the first byte says, and the other bytes."""
    return (data[0] % most if data else 0), data[1:]


def _kept(build: hostile.Build) -> dict[str, bytes]:
    """Return the files of a store by key."""
    top = Path(tempfile.mkdtemp(prefix="seed"))
    try:
        build(top / "s")
        files = [p for p in sorted((top / "s").rglob("*")) if p.is_file()]
        return {p.relative_to(top / "s").as_posix(): p.read_bytes() for p in files}
    finally:
        shutil.rmtree(top)


# --- documents ------------------------------------------------------------------------------------


@cache
def _stores() -> list[dict[str, bytes]]:
    """Return small stores of every kind."""
    multiscales = {"multiscales": [hostile.multiscale()]}

    def labelled(root: Path) -> None:
        hostile._labels("a")(root)
        hostile.image2(multiscales | {"image-label": {"colors": [{"label-value": 1}]}})(
            root / "labels/a"
        )

    def plate(root: Path) -> None:
        hostile._plate("A/1")(root)
        hostile.put(root / "A/1/.zattrs", {"well": {"images": [{"path": "0"}]}})
        hostile.image2()(root / "A/1/0")

    def series(root: Path) -> None:
        hostile._series("0")(root)
        hostile.image3()(root / "0")

    def scene(root: Path) -> None:
        hostile._scene("0")(root)
        hostile.image3()(root / "0")

    def knossos(root: Path) -> None:
        hostile._webknossos({})(root)
        array = hostile.zarray(shape=[2, 3, 4], chunks=[2, 3, 4])
        hostile.put(root / "color/1/.zarray", array)
        hostile.put(root / "color/1/0/0/0", hostile.RAW)

    def consolidated(root: Path) -> None:
        hostile.image2()(root)
        metadata = {
            ".zgroup": {"zarr_format": 2},
            ".zattrs": multiscales,
            "0/.zarray": hostile.zarray(),
        }
        hostile.put(root / ".zmetadata", {"metadata": metadata, "zarr_consolidated_format": 1})

    def consolidated3(root: Path) -> None:
        hostile.image3()(root)
        group = hostile.group3({"ome": {"version": "0.5", **multiscales}})
        held = {"kind": "inline", "must_understand": False, "metadata": {"0": hostile.array3()}}
        hostile.put(root / "zarr.json", group | {"consolidated_metadata": held})

    sharded = hostile.array3(codecs=hostile.sharded())
    builds = (
        *(labelled, hostile.image3(), hostile._datasets06("0"), plate, series, scene, knossos),
        *(consolidated, consolidated3, hostile.image3(array=sharded, chunk=hostile.shard())),
    )
    return [_kept(build) for build in builds]


@cache
def _documents() -> list[tuple[int, str]]:
    """Return which store and key a document of `documents` replaces."""
    return [
        (i, key)
        for i, files in enumerate(_stores())
        for key in files
        if key.endswith((".json", ".zattrs", ".zarray", ".zmetadata"))
    ]


def _document_seeds() -> list[bytes]:
    return [bytes([n]) + _stores()[i][key] for n, (i, key) in enumerate(_documents())]


def _opened(files: Mapping[str, bytes]) -> None:
    """Open a store; read what is small; nothing outside may be asked for."""
    store = Memory(files)
    try:
        tree = api.read_groups(store, wells="all")
        for dataset in tree.values():
            for var in dataset.data_vars.values():
                if var.size < FEW_PIXELS:
                    assert var.values.shape == var.shape
    finally:
        for key in store.asked:
            assert ".." not in key.split("/"), key
            assert not key.startswith("/"), key


@target(60_000, _document_seeds)
def documents(data: bytes) -> None:
    """Open a store of which one document is what came."""
    n, rest = _chosen(data, len(_documents()))
    i, key = _documents()[n]
    _opened({**_stores()[i], key: rest})


@target(20_000, _document_seeds)
def checked(data: bytes) -> None:
    """Check such a store against the rules; whatever is wrong must be in the report."""
    n, rest = _chosen(data, len(_documents()))
    i, key = _documents()[n]
    report = nk.validate(Memory({**_stores()[i], key: rest}))
    assert str(report)


def _array_seeds() -> list[bytes]:
    codec = hostile.codec
    chain = [codec("transpose", order=[1, 0]), codec("bytes", endian="big"), codec("crc32c")]
    return [
        json.dumps(doc).encode()
        for doc in (
            *(hostile.array3(), hostile.zarray(), hostile.array3(codecs=hostile.sharded())),
            hostile.array3(codecs=chain, data_type="float32", fill_value="0x7fc00000"),
            hostile.array3(codecs=hostile.sharded(hostile.sharded(chunk_shape=[1, 3]))),
            hostile.zarray(compressor={"id": "blosc"}, filters=[{"id": "delta", "dtype": "<u2"}]),
            hostile.zarray(dtype=">f8", fill_value="NaN", order="F", dimension_separator="."),
        )
    ]


@target(150_000, _array_seeds)
def arrays(data: bytes) -> None:
    """Parse the document of an array; its keys must be understood as they are spelled."""
    try:
        doc = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(doc, dict):
        return
    attrs = doc.get("attributes")
    spec = parse_array(doc, attrs if isinstance(attrs, dict) else {}, "0")
    layout = spec.layout
    assert len(layout.shape) == len(layout.chunks)
    assert all(0 <= n <= 10**7 for n in layout.shape), layout.shape
    if all(layout.shape):
        last = tuple(
            -(-n // step) - 1 for n, step in zip(layout.shape, layout.object_shape, strict=True)
        )
        assert coords_of(spec, spec.key(last)) == last


# --- chunks ---------------------------------------------------------------------------------------


@cache
def _readers() -> list[tuple[str, Any, bytes]]:
    """Return codec pipelines as the document of an array, with a sound chunk each."""
    bytes_, codec = hostile.codec("bytes", endian="little"), hostile.codec
    out: list[tuple[str, Any, bytes]] = []
    for name, (compressor, good) in hostile.ENCODERS.items():
        doc = hostile.zarray(shape=hostile.WIDE, chunks=hostile.WIDE, compressor=compressor)
        out.append((name, doc, good))
    raw = np.tile(hostile.PIXELS, 8)
    wide = {
        "shape": hostile.WIDE,
        "chunk_grid": codec("regular", chunk_shape=hostile.WIDE),
    }
    for name in ("zstd", "gzip", "blosc"):
        made = hostile.ENCODERS["blosc lz4" if name == "blosc" else name][1]
        checked = made + struct.pack("<I", google_crc32c.value(made))
        chain = [codec("transpose", order=[1, 0]), bytes_, codec(name), codec("crc32c")]
        out.append((f"v3 {name}", hostile.array3(**wide, codecs=chain), checked))
    bools = hostile.zarray(shape=hostile.WIDE, chunks=hostile.WIDE, dtype="|b1")
    out.append(("bools", bools, (raw % 2).astype("?").tobytes()))
    return out


def _read_all(doc: Any, key: str, chunk: bytes) -> Any:
    spec = parse_array(doc, {}, "0")
    # zarr-python, where it is asked, reads the document itself
    name = "zarr.json" if doc["zarr_format"] == 3 else ".zarray"
    store = Memory({f"0/{key}": chunk, f"0/{name}": json.dumps(doc).encode()})
    reader = ArrayReader(store, "0", spec, workers=1)
    shape = spec.layout.shape
    pixels = reader.read(tuple(slice(0, n) for n in shape))
    assert pixels.shape == tuple(shape)
    assert pixels.dtype == spec.layout.dtype
    return pixels


def _pipelines(count: Callable[[], list[Any]]) -> Callable[[], list[bytes]]:
    return lambda: [bytes([i]) + good for i, (_, _, good) in enumerate(count())]


@target(300_000, _pipelines(_readers))
def chunks(data: bytes) -> None:
    """Read a chunk through one of the pipelines that are ours."""
    i, chunk = _chosen(data, len(_readers()))
    _, doc, _ = _readers()[i]
    _read_all(doc, "c/0/0" if doc["zarr_format"] == 3 else "0/0", chunk)


@cache
def _filters() -> list[tuple[str, Any, bytes]]:
    """Return pipelines that zarr-python decodes, bounded by us."""
    delta = [{"id": "delta", "dtype": "<u2"}]
    out = []
    for name in ("zstd", "blosc lz4", "gzip", "lz4", "bz2", "lzma"):
        compressor, good = hostile.ENCODERS[name]
        doc = hostile.zarray(
            shape=hostile.WIDE, chunks=hostile.WIDE, compressor=compressor, filters=delta
        )
        out.append((name, doc, good))
    nested = hostile.array3(codecs=hostile.sharded(hostile.sharded(chunk_shape=[1, 3])))
    out.append(("nested", nested, bytes(200)))
    return out


@target(5_000, _pipelines(_filters))
def filters(data: bytes) -> None:
    """Read a chunk through a pipeline that is left to zarr-python."""
    i, chunk = _chosen(data, len(_filters()))
    _, doc, _ = _filters()[i]
    _read_all(doc, "c/0/0" if doc["zarr_format"] == 3 else "0/0", chunk)


def _shard_seeds() -> list[bytes]:
    return [bytes([i]) + hostile.shard(end=i % 2 == 0, crc=i < 2) for i in range(4)]


@cache
def _shard_docs() -> list[Any]:
    index = [[hostile.codec("bytes", endian="little"), hostile.codec("crc32c")]] * 2
    index += [index[0][:1]] * 2  # without its checksum, so that its numbers are looked at
    return [
        hostile.array3(
            codecs=hostile.sharded(
                index_location="end" if i % 2 == 0 else "start", index_codecs=index[i]
            )
        )
        for i in range(4)
    ]


@target(100_000, _shard_seeds)
def shards(data: bytes) -> None:
    """Read a shard whose index and chunks are what came."""
    i, shard = _chosen(data, 4)
    _read_all(_shard_docs()[i], "c/0/0", shard)


# --- zip files ------------------------------------------------------------------------------------


def _zip_seeds() -> list[bytes]:
    out = []
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", how) as file:
            for name in ("zarr.json", "0/zarr.json", "0/c/0/0"):
                file.writestr(name, b"some bytes " * 5)
            file.comment = b"a comment"
        out.append(held.getvalue())
    return out


@target(80_000, _zip_seeds)
def zips(data: bytes) -> None:
    """Read the directory and all members of a zip file."""
    store = ZipStore(Memory({"a.zip": data}), "a.zip")
    for name in store.children():
        store.children(name)
    for key in list(store._members)[:20]:
        found = store._members[key]
        with contextlib.suppress(nk.NgffError):
            store.get_ranges(key, [(0, 4), (10, 4)])
        with contextlib.suppress(nk.NgffError):
            store.get(key, -3)
        if found.file_size > 2**24:
            continue  # of what can be inflated, a bomb of the table is one
        whole = store.get(key)
        assert len(whole) == found.file_size


# --- journals -------------------------------------------------------------------------------------


class Beside(Memory):
    """A target that has a journal beside it, and nothing else."""

    @property
    def store(self) -> Beside:
        return self

    def beside(self, _suffix: str) -> Beside:
        return self

    def keys(self, prefix: str = "") -> Iterator[str]:
        return (key for key in self.files if key.startswith(prefix))


def _journal_seeds() -> list[bytes]:
    header = {"format": records.FORMAT, "fingerprint": "abc", "facts": {"edit": {"kind": "append"}}}
    task = {"task": "1/0", "written": [["0/c/0", 5, 7]], "skipped": [[0, 1]], "facts": {"s": 1}}
    done = {"finished": {"documents": [["zarr.json", 5, 7]], "seconds": 1}}
    text = [json.dumps(body).encode() for body in (header, task, done)]
    sealed = b"\n".join(records.seal(body) for body in (header, task, done)) + b"\n"
    return [b"\0" + b"\n".join(text), b"\1" + sealed, b"\0" + b"\n".join([*text, *text[:2]])]


@target(120_000, _journal_seeds)
def journals(data: bytes) -> None:
    """Read a journal: its lines as they come, or with the checksums that they should have."""
    kind, text = _chosen(data, 2)
    if kind == 0:
        lines = []
        for line in text.split(b"\n"):
            tail = b',"crc":"%08x"}' % google_crc32c.value(line)
            lines.append(line[:-1] + tail)
        text = b"\n".join(lines) + b"\n"
    found = journal.read_journal(Beside({"journal.jsonl": text}))
    for name, record in found.records.items():
        assert isinstance(name, str)
        assert all(isinstance(item.key, str) for item in record.written)
    assert all(item.size >= 0 for item in found.objects().values())
    journal._edit_of(records.parse(Beside({"journal.jsonl": text})))


# --- keys, paths, requests ------------------------------------------------------------------------


def _key_seeds() -> list[bytes]:
    shown = [p for p in hostile.PATHS.values() if isinstance(p, str) and len(p) < 100]
    paths = [p.encode("utf-8", "surrogatepass") for p in shown]
    return [b"0/c/0/1", *paths, b"/t/a.zarr/0/c/0", b"/t/a.zarr/%2e%2e/x", b"bytes=2-3", b'"a"']


def _stays_inside(path: str) -> bool:
    plain = os.path.normpath("/root/" + path)
    return plain.startswith("/root/") and not {"..", "."} & set(PurePosixPath(path).parts)


@target(110_000, _key_seeds)
def keys(data: bytes) -> None:
    """Take paths of documents, keys of targets, addresses and headers of requests."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(nk.NgffError):
        assert _stays_inside(safe_path(text, "here")), text
    if (key := Rules("t", "a.zarr").key_of(b"/t/a.zarr/" + data)) is not None:
        assert _stays_inside(key), key
    span = range_of(text, 1000)
    assert span is None or 0 <= span[0] <= span[1] <= 1000, span
    matches(text, '"a"', weak=True)
    Rules("t", "a.zarr").host_status([text])
    check_key(text, "x")
    assert _stays_inside(text), text


def _option_seeds() -> list[bytes]:
    lines = (
        "convert\0--voxel-size\x004,4,40\0--chunks\x0064\0in\0out.zarr",
        "convert\0--crop\0z=0:100\0--unit\0nm\0--axes\0tzyx\0--memory\x001GB\0a\0b.zarr",
        "rewrite\0--chunks\0z=1,y=64\0--shards\x00512\0--compression\0zstd:3\0x.zarr",
        "browse\0--html\0a.html\0--position\0z=3\0x.zarr",
        "tune\0--line\0S3\0x.zarr",
        "serve\0--port\x008000\0x.zarr",
        "downsample\0--until\x0064\0--sampling\0isotropic\0--mags\x001,2-2-1\0v.zarr",
    )
    return [line.encode() for line in lines]


_PARSERS: Final = cache(parsing._parsers)


@target(20_000, _option_seeds)
def options(data: bytes) -> None:
    """Read a command line, and take its options together as `convert` would."""
    argv = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")]
    before, parsing._parsers = parsing._parsers, _PARSERS
    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            typed = parsing.parse(argv)
    except SystemExit as err:
        assert err.code in (0, 2), err.code  # noqa: PT017 - that it says goodbye is the contract
        return
    finally:
        parsing._parsers = before
    assert typed.command
    for problem in typed.wrong:
        assert str(problem)
    if typed.command == "convert" and not typed.wrong:
        found = Options.of({k: v for k, v in typed.given.items() if k in _OPTIONS})
        if isinstance(found.run.memory, str):
            nbytes_of(found.run.memory, "memory")


#: Of those of `convert`, what is not of the command line alone.
_OPTIONS: Final = ("voxel_size", "unit", "axes", "crop", "chunks", "shards", "mags", "memory")


def _plan_seeds() -> list[bytes]:
    given = (
        {"voxel_size": [4, 4, 40], "unit": "nm", "chunks": 16, "shards": 32},
        {"axes": "zyx", "mags": [1, 2, [4, 4, 2]], "version": "0.4", "method": "median"},
        {"crop": {"z": [0, 4]}, "origin": {"x": 1.5}, "name": "a", "kind": "label"},
        {"compression": "zstd:3", "memory": "1 GB", "workers": 1, "coarsest": 8, "until": 4},
    )
    return [json.dumps(one).encode() for one in given]


@target(5_000, _plan_seeds)
def plans(data: bytes) -> None:
    """Plan a conversion with the options that came: a plan, or which option is wrong."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return
    given = given if isinstance(given, dict) else {}
    # these name places and machines, and are no options of a plan on paper
    for name in ("labels", "storage_options", "target_options", "executor", "pattern", "image"):
        given.pop(name, None)
    crop = given.get("crop")
    if isinstance(crop, dict):
        ok = [k for k, v in crop.items() if isinstance(v, list) and len(v) == 2]
        given["crop"] = {k: slice(*crop[k]) for k in ok}
    plan = nk.plan(np.zeros((4, 8, 8), "u1"), "memory://fuzz/a.zarr", **given)
    assert str(plan)
    assert plan.files >= 0


# --- headers of files -----------------------------------------------------------------------------


def _folder() -> Path:
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="fuzz", dir=shared if shared.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


_FOLDER: Final = cache(_folder)


def _png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    table = chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
    size = chunk(b"pHYs", struct.pack(">IIB", 10**6, 10**6, 1))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + size + table + body + chunk(b"IEND", b"")


def _mrc(mode: int = 1) -> bytes:
    head = bytearray(1024)
    struct.pack_into("<4i", head, 0, 4, 3, 2, mode)
    struct.pack_into("<3i3f", head, 28, 4, 3, 2, 4.0, 3.0, 2.0)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    head[208:214] = b"MAP DD"
    return bytes(head) + bytes(2 * 24)


def _npy() -> bytes:
    held = io.BytesIO()
    np.save(held, np.arange(24, dtype="<u2").reshape(2, 3, 4))
    return held.getvalue()


def _tiff(**how: Any) -> bytes:
    import tifffile

    held = io.BytesIO()
    pixels = np.arange(2 * 4 * 6, dtype="u2").reshape(2, 4, 6)
    tifffile.imwrite(held, pixels, **how)
    return held.getvalue()


_ENDINGS: Final = ("png", "mrc", "npy", "bmp", "jpg")


def _raster_seeds() -> list[bytes]:
    import imagecodecs

    rows = b"".join(b"\0" + bytes(4) for _ in range(3))
    bmp = imagecodecs.bmp_encode(np.zeros((3, 4), "u1"))
    jpeg = imagecodecs.jpeg_encode(np.zeros((8, 8), "u1"))
    return [
        b"\0" + _png(4, 3, 8, 0, rows),
        b"\0" + _png(4, 3, 8, 3, rows),
        b"\1" + _mrc(),
        b"\1" + _mrc(0),
        b"\2" + _npy(),
        b"\3" + bmp,
        b"\4" + jpeg,
    ]


def _source(path: Path, data: bytes) -> None:
    """Open a file, and read it when it is small."""
    path.write_bytes(data)
    source = open_source(str(path), ReadOptions(voxel_size={"x": 1, "y": 1}))
    shape = source.info.grid.shape
    if 0 < math.prod(shape) < FEW_PIXELS:
        pixels = source.read(tuple(slice(0, n) for n in shape))
        assert pixels.shape == tuple(shape)


@target(20_000, _raster_seeds)
def files(data: bytes) -> None:
    """Open PNG, MRC, NPY, BMP and JPEG files."""
    i, rest = _chosen(data, len(_ENDINGS))
    _source(_FOLDER() / f"a.{_ENDINGS[i]}", rest)


def _tiff_seeds() -> list[bytes]:
    hows = (
        *({"photometric": "minisblack"}, {"compression": "zlib"}, {"imagej": True}),
        *({"ome": True, "metadata": {"axes": "ZYX"}}, {"bigtiff": True}, {"tile": (16, 16)}),
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
    )
    return [_tiff(**how) for how in hows]


@target(10_000, _tiff_seeds)
def tiffs(data: bytes) -> None:
    """Open TIFF files: tags, OME-XML, ImageJ's text."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    _source(_FOLDER() / "a.tif", data)


#: Inputs that once were findings, by target: they stay inputs to begin from, for good.
FOUND: Final[Mapping[str, tuple[bytes, ...]]] = {
    # lines with a right checksum that lack what their kind has
    "journals": (
        b'\0{"format":1,"fingerprint":"a","fakts":{}}',
        b'\0{"format":1,"fingerprint":"a","facts":{}}\n{"task":"1","skipped":[],"facts":{}}',
        b'\0{"format":1,"fingerprint":"a","facts":{}}\n{"task":{},"written":[],"facts":{}}',
        b'\0{"format":1,"fingerprint":"a","facts":{}}\n{"finished":{"documents":[["a",5]]}}',
        b'\0{"format":1,"fingerprint":"a","facts":{}}\n{"finished":"done"}',
        b'\0{"format":1,"fingerprint":"a","facts":{}}\n{"finished":{"documents":[["a",-5,7]]}}',
    ),
    # a header that is no Python at all
    "files": (b"\2\x93NUMPY\x01\x00\x08\x00{'a'\n\x1a\n",),
    # more digits than a float has room for
    "options": (b"tune\0--chunk-shape\0" + b"9" * 400 + b"\0x.zarr",),
    # two pages, each the next one of the other
    "tiffs": (b"II*\0\x08\0\0\0" + bytes(2) + b"\x0e\0\0\0" + bytes(2) + b"\x08\0\0\0",),
    # options of other types than they have, and more workers than there are
    "plans": (
        b'{"voxel_size":[1,1,1],"compression":{"z":1}}',
        b'{"voxel_size":[1,1,1],"crop":"z"}',
        b'{"voxel_size":[1,1,1],"channels":1}',
        b'{"voxel_size":[1,1,1],"axes":0}',
        b'{"voxel_size":[1,1,1],"workers":100000000000000000000}',
    ),
}


def seeds_of(name: str) -> list[bytes]:
    """Return what to begin from: sound inputs, and what was found before."""
    return [*TARGETS[name].seeds(), *FOUND.get(name, ())]
