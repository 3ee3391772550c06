"""Every way of laying out an array or a hierarchy that writers use, generated and read back."""

from __future__ import annotations

import itertools
import json
import lzma
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numcodecs
import numpy as np
import pytest
import tensorstore
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs import numcodecs as plugins

import ngffkit as nk

DTYPES: Final = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


def pixels(shape: Sequence[int], dtype: str = "uint16") -> np.ndarray:
    """Return values that differ from one place to the next."""
    ramp = np.arange(int(np.prod(shape))).reshape(shape)
    if dtype == "bool":
        return ramp % 3 == 0
    if dtype.startswith("complex"):
        return (ramp + 1j * (ramp + 0.5)).astype(dtype)
    return (ramp % 251).astype(dtype)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what zarr-python says while it writes (of codecs that no specification has) aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read(path: Path) -> np.ndarray:
    (variable,) = nk.open(path).ds.data_vars.values()
    return variable.values


def check(path: Path, expected: np.ndarray) -> None:
    """Read a plain array whole, as planes and with strides, and compare type and values."""
    (da,) = nk.open(path).ds.data_vars.values()
    assert da.dtype == expected.dtype
    assert da.dtype.isnative
    np.testing.assert_array_equal(da.values, expected)
    for axis in range(expected.ndim):
        key: list[Any] = [slice(None)] * expected.ndim
        for cut in (expected.shape[axis] // 2, slice(None, None, 2), slice(None, None, -1)):
            key[axis] = cut
            np.testing.assert_array_equal(da[tuple(key)].values, expected[tuple(key)])


def write2(path: Path, data: np.ndarray, chunks: Sequence[int], **more: Any) -> None:
    options: dict[str, Any] = {"compressors": None, "filters": None} | more
    dtype = data.dtype.newbyteorder(options.pop("endian", "<"))
    separator = options.pop("separator", ".")
    with quiet():
        array = zarr.create_array(
            path,
            shape=data.shape,
            chunks=tuple(chunks),
            dtype=dtype,
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": separator},
            **options,
        )
        array[...] = data


def write3(path: Path, data: np.ndarray, chunks: Sequence[int], **more: Any) -> None:
    options: dict[str, Any] = {"compressors": (), "filters": ()} | more
    with quiet():
        array = zarr.create_array(
            path, shape=data.shape, chunks=tuple(chunks), dtype=data.dtype, **options
        )
        array[...] = data


# --- arrays: Zarr v2 ----------------------------------------------------------------------------

COMPRESSORS2: Final = {
    "none": None,
    "blosc lz4": numcodecs.Blosc("lz4", shuffle=numcodecs.Blosc.SHUFFLE),
    "blosc zstd": numcodecs.Blosc("zstd", shuffle=numcodecs.Blosc.NOSHUFFLE),
    "blosc bitshuffle": numcodecs.Blosc("lz4", shuffle=numcodecs.Blosc.BITSHUFFLE),
    "blosc stored": numcodecs.Blosc("lz4", clevel=0),
    "zstd": numcodecs.Zstd(1),
    "zstd checked": numcodecs.Zstd(1, checksum=True),
    "gzip": numcodecs.GZip(1),
    "zlib": numcodecs.Zlib(1),
    "lz4": numcodecs.LZ4(),
    "bz2": numcodecs.BZ2(1),
    "lzma": numcodecs.LZMA(preset=0),
    "lzma alone": numcodecs.LZMA(format=lzma.FORMAT_ALONE, preset=0),
}


@pytest.mark.parametrize("name", COMPRESSORS2)
def test_v2_compressors(tmp_path: Path, name: str) -> None:
    for i, (dtype, endian, order, separator) in enumerate(
        (dtype, *rest)
        for dtype, rest in zip(
            DTYPES, itertools.cycle(itertools.product("<>", "CF", "./")), strict=False
        )
    ):
        data = pixels((7, 9), dtype)
        path = tmp_path / str(i)
        write2(
            path,
            data,
            (3, 4),
            compressors=COMPRESSORS2[name],
            order=order,
            endian=endian,
            separator=separator,
        )
        check(path, data)


@pytest.mark.parametrize(("endian", "order", "separator"), [*itertools.product("<>", "CF", "./")])
def test_v2_types(tmp_path: Path, endian: str, order: str, separator: str) -> None:
    for dtype in DTYPES:
        data = pixels((5, 6, 7), dtype)
        path = tmp_path / dtype
        write2(path, data, (2, 4, 3), endian=endian, order=order, separator=separator)
        check(path, data)


FILTERS2: Final = {
    "delta": [numcodecs.Delta(dtype="<u2")],
    "shuffle": [numcodecs.Shuffle(elementsize=2)],
    "delta, shuffle": [numcodecs.Delta(dtype="<u2"), numcodecs.Shuffle(elementsize=2)],
    "fixed scale": [numcodecs.FixedScaleOffset(offset=0, scale=1, dtype="<u2", astype="<i4")],
    "checksum": [numcodecs.CRC32()],
    "a compressor": [numcodecs.Zstd()],
}


@pytest.mark.parametrize("name", FILTERS2)
@pytest.mark.parametrize("compressor", ["none", "blosc lz4", "zstd", "gzip"])
def test_v2_filters_are_left_to_zarr_python(tmp_path: Path, name: str, compressor: str) -> None:
    data = pixels((7, 9))
    write2(
        tmp_path / "a", data, (3, 4), filters=FILTERS2[name], compressors=COMPRESSORS2[compressor]
    )
    check(tmp_path / "a", data)


def test_v2_raw_lzma_is_left_to_zarr_python(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_DELTA, "dist": 2}, {"id": lzma.FILTER_LZMA2, "preset": 0}]
    data = pixels((7, 9))
    raw = numcodecs.LZMA(format=lzma.FORMAT_RAW, filters=filters)
    write2(tmp_path / "a", data, (3, 4), compressors=raw)
    check(tmp_path / "a", data)


# --- arrays: Zarr v3 ----------------------------------------------------------------------------

with quiet():
    COMPRESSORS3: Final[dict[str, tuple[Any, ...]]] = {
        "none": (),
        "zstd": (ZstdCodec(level=1),),
        "zstd checked": (ZstdCodec(level=1, checksum=True),),
        "gzip": (GzipCodec(level=1),),
        "blosc lz4": (BloscCodec(cname="lz4", shuffle="shuffle"),),
        "blosc zstd": (BloscCodec(cname="zstd", shuffle="noshuffle"),),
        "blosc bitshuffle": (BloscCodec(cname="lz4", shuffle="bitshuffle"),),
        "numcodecs.zlib": (plugins.Zlib(level=1),),
        "numcodecs.lz4": (plugins.LZ4(),),
        "numcodecs.bz2": (plugins.BZ2(level=1),),
        "numcodecs.lzma": (plugins.LZMA(preset=0),),
        "numcodecs.zstd": (plugins.Zstd(level=1),),
        "numcodecs.blosc": (plugins.Blosc(cname="lz4"),),
        "crc32c": (Crc32cCodec(),),
        "zstd, crc32c": (ZstdCodec(level=1), Crc32cCodec()),
        "crc32c, zstd": (Crc32cCodec(), ZstdCodec(level=1)),
        "crc32c, gzip, crc32c": (Crc32cCodec(), GzipCodec(level=1), Crc32cCodec()),
        # left to zarr-python
        "zstd, gzip": (ZstdCodec(level=1), GzipCodec(level=1)),
        "numcodecs.shuffle, zstd": (plugins.Shuffle(elementsize=2), ZstdCodec(level=1)),
    }
    FILTERS3: Final[dict[str, tuple[Any, ...]]] = {
        "none": (),
        "transpose": (TransposeCodec(order=(1, 0)),),
        "transpose twice": (TransposeCodec(order=(1, 0)), TransposeCodec(order=(1, 0))),
        "numcodecs.delta": (plugins.Delta(dtype="<u2"),),
    }


@pytest.mark.parametrize("name", COMPRESSORS3)
@pytest.mark.parametrize("filters", ["none", "transpose"])
def test_v3_compressors(tmp_path: Path, name: str, filters: str) -> None:
    data = pixels((7, 9))
    for endian in ("little", "big"):
        path = tmp_path / endian
        write3(
            path,
            data,
            (3, 4),
            compressors=COMPRESSORS3[name],
            filters=FILTERS3[filters],
            serializer=BytesCodec(endian=endian),
        )
        with quiet():
            check(path, data)


@pytest.mark.parametrize("name", FILTERS3)
def test_v3_filters(tmp_path: Path, name: str) -> None:
    data = pixels((7, 9))
    write3(tmp_path / "a", data, (3, 4), filters=FILTERS3[name], compressors=(ZstdCodec(),))
    with quiet():
        check(tmp_path / "a", data)


@pytest.mark.parametrize("dtype", DTYPES)
def test_v3_types(tmp_path: Path, dtype: str) -> None:
    data = pixels((5, 6, 7), dtype)
    for i, (endian, encoding) in enumerate(
        itertools.product(
            ("little", "big"),
            [{"name": n, "separator": s} for n in ("default", "v2") for s in "./"],
        )
    ):
        path = tmp_path / str(i)
        write3(
            path, data, (2, 4, 3), serializer=BytesCodec(endian=endian), chunk_key_encoding=encoding
        )
        check(path, data)


SHARDS: Final = [
    {"index_location": where, "index_codecs": codecs}
    for where in ("start", "end")
    for codecs in ([BytesCodec()], [BytesCodec(), Crc32cCodec()], [BytesCodec(endian="big")])
]


@pytest.mark.parametrize(
    "shard", SHARDS, ids=lambda s: f"{s['index_location']}-{len(s['index_codecs'])}"
)
@pytest.mark.parametrize(
    "inner",
    [
        [BytesCodec()],
        [BytesCodec(endian="big"), ZstdCodec(level=1)],
        [TransposeCodec(order=(2, 0, 1)), BytesCodec(), GzipCodec(level=1), Crc32cCodec()],
        [BytesCodec(), BloscCodec(typesize=2)],
        # nested: left to zarr-python
        [ShardingCodec(chunk_shape=(1, 4, 3), codecs=[BytesCodec(), ZstdCodec(level=1)])],
    ],
    ids=["raw", "big zstd", "transposed", "blosc", "nested"],
)
def test_v3_shards(tmp_path: Path, shard: Mapping[str, Any], inner: list[Any]) -> None:
    data = pixels((5, 17, 7))
    codec = ShardingCodec(chunk_shape=(2, 4, 3), codecs=inner, **shard)
    write3(tmp_path / "a", data, (4, 8, 6), serializer=codec)
    check(tmp_path / "a", data)


def test_v3_shards_below_other_codecs_are_left_to_zarr_python(tmp_path: Path) -> None:
    data = pixels((5, 17))
    codec = ShardingCodec(chunk_shape=(4, 2), codecs=[BytesCodec(), ZstdCodec(level=1)])
    transposed = (TransposeCodec(order=(1, 0)),)
    write3(tmp_path / "a", data, (4, 8), serializer=codec, filters=transposed)
    with quiet():  # zarr-python warns that this is slow
        check(tmp_path / "a", data)


def test_v3_shards_leave_out_what_is_empty(tmp_path: Path) -> None:
    data = np.zeros((16, 16), "uint16")
    data[5, 5] = 7
    codec = ShardingCodec(chunk_shape=(4, 4), codecs=[BytesCodec(), ZstdCodec(level=1)])
    write3(tmp_path / "a", data + 3, (8, 8), serializer=codec, fill_value=3)
    assert [p.name for p in sorted((tmp_path / "a/c").rglob("*")) if p.is_file()] == ["0"]
    check(tmp_path / "a", data + 3)


# --- arrays: shapes -----------------------------------------------------------------------------

SHAPES: Final = [
    ((), ()),
    ((1,), (1,)),
    ((10,), (3,)),
    ((3,), (10,)),
    ((7, 5), (7, 5)),
    ((7, 5), (64, 64)),
    ((1, 13), (2, 4)),
    ((3, 4, 5), (1, 1, 5)),
    ((2, 3, 4, 5), (2, 2, 3, 3)),
    ((2, 1, 3, 4, 5), (1, 1, 2, 3, 4)),
    ((2, 2, 1, 3, 4, 5), (1, 2, 1, 2, 2, 3)),
    ((0, 5), (1, 5)),
]


@pytest.mark.parametrize(("shape", "chunks"), SHAPES, ids=str)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_shapes(
    tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], zarr_format: int
) -> None:
    data = pixels(shape)
    path = tmp_path / "a"
    (write2 if zarr_format == 2 else write3)(path, data, chunks)
    np.testing.assert_array_equal(read(path), data)
    if data.size and shape:
        check(path, data)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        *(("uint16", 7), ("int8", -3), ("bool", True), ("complex64", 1 + 2j)),
        *(("float32", np.nan), ("float32", -np.inf), ("float64", 1.5)),
    ],
)
def test_absent_chunks_are_fill(tmp_path: Path, zarr_format: int, dtype: str, fill: Any) -> None:
    with quiet():
        zarr.create_array(
            tmp_path / "a",
            shape=(4, 6),
            chunks=(2, 3),
            dtype=dtype,
            fill_value=fill,
            zarr_format=zarr_format,
        )
    np.testing.assert_array_equal(read(tmp_path / "a"), np.full((4, 6), fill, dtype))


def test_a_fill_value_that_is_undefined_is_read_as_zero_with_a_warning(tmp_path: Path) -> None:
    write2(tmp_path / "a", pixels((4, 6)), (2, 3), fill_value=None)
    document = json.loads((tmp_path / "a/.zarray").read_text())
    (tmp_path / "a/.zarray").write_text(json.dumps(document | {"fill_value": None}))
    (tmp_path / "a/0.1").unlink()
    tree = nk.open(tmp_path / "a")
    with pytest.warns(nk.NgffWarning, match="0.1"):
        got = tree["a"].values
    assert (got[:2, 3:] == 0).all()


def test_a_codec_that_is_not_installed_is_named(tmp_path: Path) -> None:
    write3(tmp_path / "three", pixels((4, 6)), (2, 3))
    document = json.loads((tmp_path / "three/zarr.json").read_text())
    document["codecs"].append({"name": "imagecodecs_jpegxl", "configuration": {}})
    (tmp_path / "three/zarr.json").write_text(json.dumps(document))
    with pytest.raises(nk.MetadataError, match="imagecodecs_jpegxl"):
        read(tmp_path / "three")
    write2(tmp_path / "two", pixels((4, 6)), (2, 3))
    document = json.loads((tmp_path / "two/.zarray").read_text())
    (tmp_path / "two/.zarray").write_text(json.dumps(document | {"compressor": {"id": "jpeg"}}))
    with pytest.raises(nk.MetadataError, match="jpeg"):
        read(tmp_path / "two")


# --- arrays: what tensorstore writes ------------------------------------------------------------

TENSORSTORE: Final = {
    "v2 blosc": ("zarr", {"compressor": {"id": "blosc", "cname": "zstd", "shuffle": 2}}),
    "v2 nested F": ("zarr", {"order": "F", "dimension_separator": "/", "compressor": None}),
    "v2 big-endian zlib": ("zarr", {"dtype": ">u2", "compressor": {"id": "zlib", "level": 1}}),
    "v3 zstd": ("zarr3", {"codecs": ["bytes", {"name": "zstd", "configuration": {"level": 1}}]}),
    "v3 gzip, transposed, crc": (
        "zarr3",
        {
            "codecs": [
                {"name": "transpose", "configuration": {"order": [2, 1, 0]}},
                {"name": "bytes", "configuration": {"endian": "big"}},
                {"name": "gzip", "configuration": {"level": 1}},
                "crc32c",
            ]
        },
    ),
    **{
        f"v3 sharded, index at {where}": (
            "zarr3",
            {
                "codecs": [
                    {
                        "name": "sharding_indexed",
                        "configuration": {
                            "chunk_shape": [2, 2, 4],
                            "codecs": ["bytes", {"name": "blosc", "configuration": {}}],
                            "index_codecs": ["bytes", "crc32c"],
                            "index_location": where,
                        },
                    }
                ]
            },
        )
        for where in ("start", "end")
    },
}


@pytest.mark.parametrize("name", TENSORSTORE)
def test_what_tensorstore_writes(tmp_path: Path, name: str) -> None:
    driver, metadata = TENSORSTORE[name]
    data = pixels((5, 9, 13))
    kvstore = {"driver": "file", "path": str(tmp_path / "a")}
    grid = (
        {"chunks": [4, 4, 8], "dtype": "<u2"}
        if driver == "zarr"
        else {
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4, 8]}},
            "data_type": "uint16",
        }
    )
    spec = {
        "driver": driver,
        "kvstore": kvstore,
        "metadata": {"shape": list(data.shape), **grid, **metadata},
    }
    store = tensorstore.open(spec, create=True).result()
    store.write(data).result()
    check(tmp_path / "a", data)
    np.testing.assert_array_equal(store[1:4, ::2, 3].read().result(), data[1:4, ::2, 3])


# --- any indexing -------------------------------------------------------------------------------

SHAPE: Final = (11, 13, 7)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.DataArray]:
    """One image in several layouts, lazily."""
    root, data = tmp_path_factory.mktemp("indexing"), pixels(SHAPE)
    codec = ShardingCodec(chunk_shape=(2, 3, 4), codecs=[BytesCodec(), ZstdCodec(level=1)])
    write2(root / "v2", data, (4, 5, 3), order="F")
    write3(root / "v3", data, (4, 5, 3), filters=(TransposeCodec(order=(2, 0, 1)),))
    write3(root / "sharded", data, (4, 6, 8), serializer=codec)
    write2(root / "filtered", data, (4, 5, 3), filters=[numcodecs.Delta(dtype="<u2")])
    write3(root / "one", data, SHAPE)
    return {path.name: next(iter(nk.open(path).ds.data_vars.values())) for path in root.iterdir()}


EXPECTED: Final = xr.DataArray(pixels(SHAPE), dims=("dim_0", "dim_1", "dim_2"))


def cuts(*sizes: int) -> st.SearchStrategy[slice]:
    """Slices with any step, also those that run backwards over nothing."""
    return st.slices(min(sizes))


@st.composite
def indexers(draw: st.DrawFn) -> dict[str, Any]:
    """A number, a slice with any step, or a list with repeats, for each of some dimensions."""
    out: dict[str, Any] = {}
    for dim, n in zip(EXPECTED.dims, SHAPE, strict=True):
        kind = draw(st.sampled_from(["all", "number", "slice", "list", "mask"]))
        if kind == "number":
            out[str(dim)] = draw(st.integers(-n, n - 1))
        elif kind == "slice":
            out[str(dim)] = draw(cuts(n))
        elif kind == "list":
            out[str(dim)] = draw(st.lists(st.integers(-n, n - 1), max_size=6))
        elif kind == "mask":
            out[str(dim)] = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    return out


ANY: Final = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LAYOUTS: Final = ("v2", "v3", "sharded", "filtered", "one")


@ANY
@given(key=indexers(), then=indexers(), name=st.sampled_from(LAYOUTS))
def test_outer_indexing(
    layouts: dict[str, xr.DataArray], key: dict[str, Any], then: dict[str, Any], name: str
) -> None:
    made, expected = layouts[name].isel(key), EXPECTED.isel(key)
    # lazily once more, where that still makes sense
    left = {
        d: v
        for d, v in then.items()
        if isinstance(v, slice) and d in made.dims and expected.isel({d: v}).sizes[d]
    }
    np.testing.assert_array_equal(made.isel(left).values, expected.isel(left).values)


@ANY
@given(
    points=st.lists(st.tuples(*(st.integers(-n, n - 1) for n in SHAPE)), max_size=8),
    dims=st.sets(st.integers(0, 2), min_size=1),
    cut=cuts(*SHAPE),
    name=st.sampled_from(LAYOUTS),
)
def test_vectorised_indexing(
    layouts: dict[str, xr.DataArray],
    points: list[tuple[int, ...]],
    dims: set[int],
    cut: slice,
    name: str,
) -> None:
    key: dict[Any, Any] = {
        EXPECTED.dims[i]: xr.DataArray([p[i] for p in points], dims="p").astype(int) for i in dims
    }
    key |= {dim: cut for i, dim in enumerate(EXPECTED.dims) if i not in dims}
    np.testing.assert_array_equal(layouts[name].isel(key).values, EXPECTED.isel(key).values)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_slice_that_runs_backwards_over_nothing(
    layouts: dict[str, xr.DataArray], name: str
) -> None:
    for cut in (slice(0, 0, -1), slice(1, 5, -2)):
        assert layouts[name].isel(dim_1=cut).values.shape == (11, 0, 7)
        at = xr.DataArray([1, 2], dims="p")
        assert layouts[name].isel(dim_0=at, dim_1=cut).values.shape == (2, 0, 7)


# --- hierarchies --------------------------------------------------------------------------------


def put(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def axes(names: str) -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    return [{"name": name, "type": kinds.get(name, "space")} for name in names]


def dataset(path: str, *steps: tuple[str, Sequence[float]]) -> dict[str, Any]:
    made = [{"type": kind, kind: list(values)} for kind, values in steps]
    return {"path": path, "coordinateTransformations": made}


def multiscale(names: str, shapes: Mapping[str, Sequence[int]], **more: Any) -> dict[str, Any]:
    """Return an entry whose levels are scaled by their shapes, pixels centred."""
    first = next(iter(shapes.values()))
    levels = []
    for path, shape in shapes.items():
        factors = [max(1, round(a / b)) for a, b in zip(first, shape, strict=True)]
        moved = [(f - 1) / 2 for f in factors]
        levels.append(dataset(path, ("scale", factors), ("translation", moved)))
    return {"axes": axes(names), "datasets": levels} | more


def group(path: Path, version: str, body: dict[str, Any]) -> None:
    """Write the attributes of a group where the version has them."""
    if version in ("0.4", "0.3", "0.2", "0.1"):
        put(path / ".zgroup", {"zarr_format": 2})
        for entry in body.get("multiscales", []):
            entry.setdefault("version", version)
        put(path / ".zattrs", body)
    else:
        ome = {"ome": {"version": version, **body}}
        put(path / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": ome})


def image(
    path: Path,
    version: str,
    names: str = "yx",
    shapes: Mapping[str, Sequence[int]] | None = None,
    body: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, np.ndarray]:
    """Write an image, and return its pixels by level."""
    shapes = {"0": (8, 6)} if shapes is None else shapes
    group(path, version, {"multiscales": [multiscale(names, shapes, **more)], **(body or {})})
    return arrays(path, version, shapes)


def arrays(path: Path, version: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    made = {}
    for i, (name, shape) in enumerate(shapes.items()):
        made[name] = pixels(shape) + i
        chunks = [max(1, n // 2) for n in shape]
        if version in ("0.4", "0.3", "0.2", "0.1"):
            write2(path / name, made[name], chunks, separator="/")
        else:
            write3(path / name, made[name], chunks)
    return made


BOTH: Final = pytest.mark.parametrize("version", ["0.4", "0.5"])


@BOTH
@pytest.mark.parametrize("names", ["xyzc", "zyx", "ctzyx", "tczyx", "cyx", "tyx", "yxc"])
def test_axes_in_any_order(tmp_path: Path, version: str, names: str) -> None:
    sizes = {"t": 2, "c": 3, "z": 4, "y": 8, "x": 6}
    coarse = {"t": 2, "c": 3, "z": 2, "y": 4, "x": 3}
    shapes = {"a/0": [sizes[n] for n in names], "a/1": [coarse[n] for n in names]}
    made = image(tmp_path / "i", version, names, shapes)
    tree = nk.open(tmp_path / "i")
    assert list(tree.children) == ["1", "2"]
    for mag, path in (("1", "a/0"), ("2", "a/1")):
        da = tree[mag].image
        assert da.dims == tuple(names)
        np.testing.assert_array_equal(da.values, made[path])
        first = 0.0 if mag == "1" else 0.5
        assert {float(da[d][0]) for d in "yx"} == {first}


@BOTH
def test_seven_axes_of_any_kind(tmp_path: Path, version: str) -> None:
    names = ["phi", "q", "t", "c", "z", "y", "x"]
    shape = (2, 1, 2, 3, 2, 4, 4)
    kinds = {"phi": "angle", "q": "frequency", "t": "time", "c": "channel"}
    entry = {
        "axes": [
            {"name": n, "type": kinds.get(n, "space")} | ({"unit": "degree"} if n == "phi" else {})
            for n in names
        ],
        "datasets": [dataset("0", ("scale", [30, 1, 2, 1, 4, 0.5, 0.5]))],
    }
    group(tmp_path / "i", version, {"multiscales": [entry]})
    made = arrays(tmp_path / "i", version, {"0": shape})
    da = nk.open(tmp_path / "i")["1"].image
    assert da.dims == tuple(names)
    assert da["phi"].values.tolist() == [0.0, 30.0]
    assert da["phi"].attrs == {"units": "degree", "type": "angle"}
    np.testing.assert_array_equal(da.values, made["0"])


CHANNELS: Final = [
    (["DAPI", "GFP", "RFP"], ["DAPI", "GFP", "RFP"]),
    ([1, 2, 3], ["1", "2", "3"]),
    (["DAPI", "DAPI", "GFP"], ["DAPI", "DAPI (1)", "GFP"]),
    (["DAPI"], ["DAPI", "1", "2"]),
    (["a", "b", "c", "d", "e"], ["a", "b", "c"]),
    ([None, "GFP", {}], ["0", "GFP", "2"]),
    ([], [0, 1, 2]),
]


@BOTH
@pytest.mark.parametrize(("labels", "expected"), CHANNELS, ids=str)
def test_channel_labels(tmp_path: Path, version: str, labels: list[Any], expected: Any) -> None:
    omero = {"channels": [{"label": label, "color": "00FF00"} for label in labels]}
    image(tmp_path / "i", version, "cyx", {"0": (3, 8, 6)}, {"omero": omero})
    assert nk.open(tmp_path / "i")["1"]["c"].values.tolist() == expected


@BOTH
def test_a_transformation_of_the_multiscales_comes_after(tmp_path: Path, version: str) -> None:
    after = [
        {"type": "scale", "scale": [0.5, 0.25]},
        {"type": "translation", "translation": [100, 200]},
    ]
    shapes = {"0": (8, 6), "1": (4, 3)}
    image(tmp_path / "i", version, "yx", shapes, coordinateTransformations=after)
    tree = nk.open(tmp_path / "i")
    np.testing.assert_allclose(tree["1"]["y"], 100 + 0.5 * np.arange(8))
    np.testing.assert_allclose(tree["1"]["x"], 200 + 0.25 * np.arange(6))
    # (0.5 + 2 i) * 0.5 + 100
    np.testing.assert_allclose(tree["2"]["y"], 100.25 + np.arange(4))
    np.testing.assert_allclose(tree["2"]["x"], 200.125 + 0.5 * np.arange(3))


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_old_versions_are_placed_by_shape(tmp_path: Path, version: str) -> None:
    shapes = {"0": (1, 1, 5, 9, 8), "1": (1, 1, 5, 5, 4), "2": (1, 1, 5, 2, 2)}
    entry: dict[str, Any] = {"datasets": [{"path": p} for p in shapes]}
    if version == "0.3":
        entry["axes"] = ["t", "c", "z", "y", "x"]
    group(tmp_path / "i", version, {"multiscales": [entry]})
    arrays(tmp_path / "i", version, shapes)
    tree = nk.open(tmp_path / "i")
    assert list(tree.children) == ["1", "2-2-1", "4-4-1"]
    assert tree["1"].image.dims == ("t", "c", "z", "y", "x")
    # 9 pixels become 5 by a factor of 2, rounded up
    assert tree["2-2-1"]["y"].values.tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert tree["4-4-1"]["x"].values.tolist() == [1.5, 5.5]
    assert tree["4-4-1"]["z"].values.tolist() == [0, 1, 2, 3, 4]


@BOTH
def test_levels_without_transformations_follow_those_that_have_one(
    tmp_path: Path, version: str
) -> None:
    levels = [dataset("0", ("scale", [0.5, 0.5]), ("translation", [10, 20])), {"path": "1"}]
    group(tmp_path / "i", version, {"multiscales": [{"axes": axes("yx"), "datasets": levels}]})
    arrays(tmp_path / "i", version, {"0": (8, 6), "1": (4, 3)})
    with pytest.warns(nk.NgffWarning, match="placed by shape"):
        tree = nk.open(tmp_path / "i")
    np.testing.assert_allclose(tree["2"]["y"], [10.25, 11.25, 12.25, 13.25])
    np.testing.assert_allclose(tree["2"]["x"], [20.25, 21.25, 22.25])


# --- labels -------------------------------------------------------------------------------------


def label_list(path: Path, version: str, names: list[str]) -> None:
    group(path / "labels", version, {"labels": names})


@BOTH
def test_labels_finer_than_the_image_and_elsewhere(tmp_path: Path, version: str) -> None:
    root = tmp_path / "i"
    image(root, version)
    label_list(root, version, ["fine", "original/0"])
    fine = multiscale("yx", {"0": (16, 12)})
    fine["datasets"][0] = dataset("0", ("scale", [0.5, 0.5]), ("translation", [-0.25, 3.75]))
    body = {"image-label": {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]}}
    group(root / "labels/fine", version, {"multiscales": [fine], **body})
    made = arrays(root / "labels/fine", version, {"0": (16, 12)})
    image(root / "labels/original/0", version)
    tree = nk.open(root)
    labels = tree["labels/fine/1"].labels
    np.testing.assert_array_equal(labels.values, made["0"])
    np.testing.assert_allclose(labels["x"], 3.75 + 0.5 * np.arange(12))
    np.testing.assert_allclose(labels["y"], -0.25 + 0.5 * np.arange(16))
    assert tree["labels/original/0/1"].labels.shape == (8, 6)
    info = tree["labels/fine"].attrs["ngff_source"].opened.image.label
    assert info.colors == ((1, (255, 0, 0, 255)),)
    assert "labels" not in nk.open(root, labels=False).children


@BOTH
def test_labels_on_their_own(tmp_path: Path, version: str) -> None:
    body = {"image-label": {"source": {"image": "../../"}}}
    image(tmp_path / "i/labels/cells", version, body=body)
    label_list(tmp_path / "i", version, ["cells"])
    assert nk.open(tmp_path / "i/labels/cells")["1"].labels.shape == (8, 6)
    assert nk.open(tmp_path / "i/labels")["cells/1"].labels.shape == (8, 6)


@BOTH
def test_labels_that_are_not_there_are_warned_of(tmp_path: Path, version: str) -> None:
    image(tmp_path / "i", version)
    label_list(tmp_path / "i", version, ["absent"])
    with pytest.warns(nk.NgffWarning, match="absent"):
        tree = nk.open(tmp_path / "i")
    assert list(tree.children) == ["1"]


# --- several images -----------------------------------------------------------------------------


@BOTH
def test_several_multiscales(tmp_path: Path, version: str) -> None:
    entries = [
        multiscale("yx", {"0": (8, 6)}, name="mean"),
        multiscale("yx", {"1": (4, 3)}, name="max/projection"),
        multiscale("yx", {"2": (4, 3)}),
        multiscale("yx", {"3": (4, 3)}, name="mean"),
    ]
    group(tmp_path / "i", version, {"multiscales": entries})
    made = arrays(tmp_path / "i", version, {"0": (8, 6), "1": (4, 3), "2": (4, 3), "3": (4, 3)})
    tree = nk.open(tmp_path / "i")
    assert list(tree.children) == ["mean", "max_projection", "2", "mean_3"]
    for name, path in zip(tree.children, "0123", strict=True):
        np.testing.assert_array_equal(tree[f"{name}/1"].image.values, made[path])


@BOTH
@pytest.mark.parametrize("listed", [True, False])
def test_bioformats2raw(tmp_path: Path, version: str, listed: bool) -> None:
    root = tmp_path / "i"
    group(root, version, {"bioformats2raw.layout": 3})
    names = ["1", "0"] if listed else ["0", "1"]
    if listed:
        group(root / "OME", version, {"series": names})
    made = {name: image(root / name, version)["0"] for name in names}
    tree = nk.open(root)
    assert list(tree.children) == names
    for name, expected in made.items():
        np.testing.assert_array_equal(tree[f"{name}/1"].image.values, expected)


@BOTH
def test_a_plate_opens_wells_when_asked(tmp_path: Path, version: str) -> None:
    root = tmp_path / "p"
    wells = [
        {"path": f"{r}/{c}", "rowIndex": i, "columnIndex": j}
        for i, r in enumerate("AB")
        for j, c in enumerate(["01", "02"])
    ]
    plate = {
        "name": "screen",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "01"}, {"name": "02"}],
        "wells": wells,
        "field_count": 2,
        "acquisitions": [{"id": 0}],
    }
    group(root, version, {"plate": plate})
    # only one well is there at all: the others must not be looked at
    images = [{"path": "0", "acquisition": 0}, {"path": "1", "acquisition": 0}]
    group(root / "B/02", version, {"well": {"images": images}})
    made = [image(root / f"B/02/{field}", version)["0"] for field in "01"]
    tree = nk.open(root)
    assert [f"{r}/{c}" for r in tree.children for c in tree[r].children] == [
        w["path"] for w in wells
    ]
    assert not tree["B/02"].children
    assert tree.attrs["long_name"] == "screen"
    for asked in ("B/02", "B02", "B2"):
        fields = nk.open(root, wells=[asked])["B/02"]
        assert list(fields.children) == ["0", "1"]
        np.testing.assert_array_equal(fields["1/1"].image.values, made[1])
    assert list(nk.open(root / "B/02").children) == ["0", "1"]
    ds = xr.open_dataset(root, engine="ngff", image="B/02/1")
    np.testing.assert_array_equal(ds["image"].values, made[1])
    with pytest.raises(nk.NgffError, match="no well 'C1'"):
        nk.open(root, wells=["C1"])


def test_a_plate_of_384_wells_reads_one_document(tmp_path: Path) -> None:
    names = [chr(ord("A") + i) for i in range(16)], [f"{i + 1:02}" for i in range(24)]
    plate = {
        "rows": [{"name": n} for n in names[0]],
        "columns": [{"name": n} for n in names[1]],
        "wells": [{"path": f"{r}/{c}"} for r in names[0] for c in names[1]],
    }
    group(tmp_path / "p", "0.5", {"plate": plate})
    tree = nk.open(tmp_path / "p")
    assert sum(len(tree[row].children) for row in tree.children) == 384


def test_a_folder_of_images(tmp_path: Path) -> None:
    made = {
        "a.zarr": image(tmp_path / "a.zarr", "0.4")["0"],
        "b.zarr": image(tmp_path / "b.zarr", "0.5")["0"],
    }
    (tmp_path / "notes.txt").write_text("not an image")
    tree = nk.open(tmp_path)
    assert sorted(tree.children) == ["a.zarr", "b.zarr"]
    for name, expected in made.items():
        np.testing.assert_array_equal(tree[f"{name}/1"].image.values, expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_group_of_images_that_says_nothing(tmp_path: Path, zarr_format: int) -> None:
    zarr.create_group(tmp_path / "g", zarr_format=zarr_format)
    version = "0.4" if zarr_format == 2 else "0.5"
    made = {n: image(tmp_path / "g" / n, version)["0"] for n in ("first", "second")}
    tree = nk.open(tmp_path / "g")
    assert sorted(tree.children) == ["first", "second"]
    for name, expected in made.items():
        np.testing.assert_array_equal(tree[f"{name}/1"].image.values, expected)


# --- plain arrays -------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("below", [True, False])
def test_arrays_that_name_their_dimensions(tmp_path: Path, zarr_format: int, below: bool) -> None:
    path = tmp_path / "g" / "a" if below else tmp_path / "a"
    if below:
        zarr.create_group(tmp_path / "g", zarr_format=zarr_format)
    data = pixels((4, 6))
    if zarr_format == 2:
        write2(path, data, (2, 3), attributes={"_ARRAY_DIMENSIONS": ["y", "x"], "note": "n"})
    else:
        write3(path, data, (2, 3), dimension_names=["y", "x"], attributes={"note": "n"})
    da = nk.open(path.parent if below else path).ds["a"]
    assert (da.dims, da.attrs["note"]) == (("y", "x"), "n")
    np.testing.assert_array_equal(da.values, data)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_what_xarray_writes(tmp_path: Path, zarr_format: int, consolidated: bool) -> None:
    ds = xr.Dataset(
        {"a": (("c", "t", "x"), pixels((2, 3, 4), "float32"))},
        coords={
            "c": ["DAPI", "GFP"],
            "t": np.array(["2020-01-01", "2020-01-02", "2020-01-04"], "datetime64[ns]"),
            "x": 0.5 + np.arange(4.0),
        },
        attrs={"title": "made"},
    )
    ds["scaled"] = ("x", np.array([0.5, 1.0, 3.5, 2.0]))
    ds["scaled"].encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -1}
    with quiet():
        ds.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=consolidated)
    with warnings.catch_warnings():
        # v2 leaves out chunks of zeros (the first of t, in days) with no fill value to go by
        warnings.simplefilter("ignore", nk.NgffWarning)
        tree = nk.open(tmp_path / "a.zarr")
        made = tree.to_dataset().load()
    for name, expected in ds.variables.items():
        np.testing.assert_array_equal(made[name].values, expected.values)
        assert made[name].dims == expected.dims
    assert set(made.coords) == {"c", "t", "x"}
    assert made.attrs["title"] == "made"


@pytest.mark.parametrize(
    "zarr_format",
    [
        2,
        3,
    ],
)
def test_packed_values_that_are_missing_are_nan(tmp_path: Path, zarr_format: int) -> None:
    ds = xr.Dataset({"scaled": ("x", np.array([0.5, 1.0, np.nan, 2.0]))})
    ds["scaled"].encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -1}
    with quiet():
        ds.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format)
    made = nk.open(tmp_path / "a.zarr")["scaled"]
    np.testing.assert_array_equal(made.values, ds["scaled"].values)


@BOTH
@pytest.mark.parametrize("consolidated", [True, False])
def test_consolidated_or_not(tmp_path: Path, version: str, consolidated: bool) -> None:
    root = tmp_path / "i"
    made = image(root, version, "yx", {"0": (8, 6), "1": (4, 3)})
    label_list(root, version, ["cells"])
    image(root / "labels/cells", version)
    if consolidated:
        with quiet():
            zarr.consolidate_metadata(root)
    tree = nk.open(root)
    assert list(tree.children) == ["1", "2", "labels"]
    np.testing.assert_array_equal(tree["2"].image.values, made["1"])
    assert tree["labels/cells/1"].labels.shape == (8, 6)


# --- 0.6 and later ------------------------------------------------------------------------------


def physical(*kinds: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "physical",
        "axes": [dict(a, unit="micrometer") | more for a in axes("".join(kinds))],
    }


@pytest.mark.parametrize(
    ("version", "ends"),
    [
        ("0.6.dev1", {"input": "0", "output": "physical"}),
        ("0.6.dev3", {"input": "0", "output": "physical"}),
        ("0.6rc0", {"input": {"path": "0"}, "output": {"name": "physical"}}),
        ("0.6", {"input": {"path": "0"}, "output": {"name": "physical"}}),
    ],
)
@pytest.mark.parametrize(
    ("step", "y", "x"),
    [
        ({"type": "identity"}, (0, 1), (0, 1)),
        ({"type": "scale", "scale": [2, 3]}, (0, 2), (0, 3)),
        ({"type": "translation", "translation": [5, 7]}, (5, 6), (7, 8)),
        (
            {
                "type": "sequence",
                "transformations": [
                    {"type": "scale", "scale": [2, 3]},
                    {"type": "translation", "translation": [5, 7]},
                ],
            },
            (5, 7),
            (7, 10),
        ),
        ({"type": "affine", "affine": [[2, 0, 5], [0, 3, 7]]}, (5, 7), (7, 10)),
        ({"type": "affine", "affine": [[0, 2, 5], [3, 0, 7]]}, (5, 7), (7, 10)),
        ({"type": "rotation", "rotation": [[6e-17, 1], [1, 6e-17]]}, (0, 1), (0, 1)),
        ({"type": "mapAxis", "mapAxis": [1, 0]}, (0, 1), (0, 1)),
        (
            {
                "type": "byDimension",
                "transformations": [
                    {
                        "transformation": {"type": "scale", "scale": [2]},
                        "inputAxes": [0],
                        "outputAxes": [0],
                    },
                    {
                        "transformation": {"type": "translation", "translation": [7]},
                        "input_axes": [1],
                        "output_axes": [1],
                    },
                ],
            },
            (0, 2),
            (7, 8),
        ),
    ],
    ids=lambda v: v["type"] if isinstance(v, dict) else "",
)
def test_0_6_transformations(
    tmp_path: Path, version: str, ends: Any, step: dict[str, Any], y: Any, x: Any
) -> None:
    entry = {
        "coordinateSystems": [physical("y", "x")],
        "datasets": [{"path": "0", "coordinateTransformations": [step | ends]}],
    }
    group(tmp_path / "i", version, {"multiscales": [entry]})
    made = arrays(tmp_path / "i", version, {"0": (8, 6)})
    da = nk.open(tmp_path / "i")["1"].image
    assert set(da.dims) == {"y", "x"}
    np.testing.assert_allclose(da["y"][:2], y)
    np.testing.assert_allclose(da["x"][:2], x)
    assert da["x"].attrs["units"] == "micrometer"
    np.testing.assert_array_equal(da.values, made["0"])
    swapped = step["type"] in ("mapAxis", "rotation") or step.get("affine") == [
        [0, 2, 5],
        [3, 0, 7],
    ]
    assert da.dims == (("x", "y") if swapped else ("y", "x"))


@pytest.mark.parametrize(
    "step",
    [
        {"type": "rotation", "rotation": [[0.8, -0.6], [0.6, 0.8]]},
        {"type": "affine", "affine": [[-1, 0, 0], [0, 1, 0]]},
        {"type": "displacements", "path": "field"},
        {"type": "affine", "path": "matrix"},
        {"type": "somethingNew"},
    ],
    ids=lambda s: s["type"],
)
def test_0_6_what_cannot_be_laid_on_axes_is_kept_with_a_warning(
    tmp_path: Path, step: dict[str, Any]
) -> None:
    step = step | {"input": {"path": "0"}, "output": {"name": "physical"}}
    entry = {
        "coordinateSystems": [physical("y", "x")],
        "datasets": [{"path": "0", "coordinateTransformations": [step]}],
    }
    group(tmp_path / "i", "0.6rc0", {"multiscales": [entry]})
    arrays(tmp_path / "i", "0.6rc0", {"0": (8, 6)})
    with pytest.warns(nk.NgffWarning, match="can't be laid on axes"):
        tree = nk.open(tmp_path / "i")
    assert tree["1"]["x"].values.tolist() == [0, 1, 2, 3, 4, 5]
    assert tree.attrs["ngff_source"].opened.image.transformations == (step,)


def test_a_newer_draft_opens_with_a_warning(tmp_path: Path) -> None:
    system = physical("z", "y", "x")
    for axis in system["axes"]:
        axis["orientation"] = {"type": "anatomical", "value": "left-to-right"}
    step = {
        "type": "scale",
        "scale": [4, 2, 2],
        "input": {"path": "0"},
        "output": {"name": "physical"},
    }
    entry = {
        "coordinateSystems": [system],
        "datasets": [{"path": "0", "coordinateTransformations": [step]}],
    }
    group(tmp_path / "i", "0.9.dev1", {"multiscales": [entry]})
    made = arrays(tmp_path / "i", "0.9.dev1", {"0": (2, 8, 6)})
    with pytest.warns(nk.NgffWarning, match="0.9.dev1 is newer"):
        tree = nk.open(tmp_path / "i")
    np.testing.assert_array_equal(tree["1"].image.values, made["0"])
    assert tree["1"]["z"].values.tolist() == [0.0, 4.0]
    axis = tree.attrs["ngff_source"].opened.image.base.axes[0]
    assert dict(axis.extra)["orientation"] == (("type", "anatomical"), ("value", "left-to-right"))


def test_scenes(tmp_path: Path) -> None:
    root = tmp_path / "s"
    ends = [{"input": {"path": n, "name": "physical"}, "output": {"name": "world"}} for n in "ab"]
    steps = [
        {"type": "translation", "translation": [0, 0], **ends[0]},
        {"type": "translation", "translation": [0, 6], **ends[1]},
    ]
    scene = {
        "coordinateSystems": [{"name": "world", "axes": axes("yx")}],
        "coordinateTransformations": steps,
    }
    group(root, "0.6rc0", {"scene": scene})
    for name in "ab":
        step = {"type": "identity", "input": {"path": "0"}, "output": {"name": "physical"}}
        entry = {
            "coordinateSystems": [physical("y", "x")],
            "datasets": [{"path": "0", "coordinateTransformations": [step]}],
        }
        group(root / name, "0.6rc0", {"multiscales": [entry]})
        arrays(root / name, "0.6rc0", {"0": (8, 6)})
    tree = nk.open(root)
    assert list(tree.children) == ["a", "b"]
    assert tree["b/1"].image.shape == (8, 6)


def test_levels_that_map_to_different_systems_are_refused(tmp_path: Path) -> None:
    systems = [physical("y", "x"), {"name": "other", "axes": axes("yx")}]
    levels = [
        {
            "path": str(i),
            "coordinateTransformations": [
                {"type": "identity", "input": {"path": str(i)}, "output": {"name": name}}
            ],
        }
        for i, name in enumerate(["physical", "other"])
    ]
    entry = {"coordinateSystems": systems, "datasets": levels}
    group(tmp_path / "i", "0.6rc0", {"multiscales": [entry]})
    arrays(tmp_path / "i", "0.6rc0", {"0": (8, 6), "1": (4, 3)})
    with pytest.raises(nk.MetadataError) as caught:
        nk.open(tmp_path / "i")
    assert caught.value.loc.endswith("datasets[1].coordinateTransformations[0].output")


# --- what is known to be missing ------------------------------------------------------------------


def test_a_lost_separator_is_no_black_image(tmp_path: Path) -> None:
    image(tmp_path / "i", "0.4", "yx", {"0": (8, 6), "1": (4, 3)})
    for level in "01":
        document = json.loads((tmp_path / "i" / level / ".zarray").read_text())
        del document["dimension_separator"]
        put(tmp_path / "i" / level / ".zarray", document)
    lost = nk.open(tmp_path / "i")["1"].image
    for _ in range(2):  # not only the first time
        with pytest.raises(nk.ChunkError, match="dimension_separator"):
            _ = lost.values


@pytest.mark.parametrize("name", [".", ".."])
def test_names_of_dots(tmp_path: Path, name: str) -> None:
    entries = [multiscale("yx", {"0": (8, 6)}, name=name), multiscale("yx", {"1": (4, 3)})]
    group(tmp_path / "i", "0.5", {"multiscales": entries})
    arrays(tmp_path / "i", "0.5", {"0": (8, 6), "1": (4, 3)})
    assert len(nk.open(tmp_path / "i").children) == 2


def test_an_array_of_texts_does_not_hide_the_others(tmp_path: Path) -> None:
    names = np.array(["a", "bb"], dtype=object)
    ds = xr.Dataset({"a": ("c", np.arange(2.0))}, coords={"c": names})
    with quiet():
        ds.to_zarr(tmp_path / "a.zarr")
    with pytest.warns(nk.NgffWarning, match="c"):
        made = nk.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(made["a"].values, [0.0, 1.0])


@pytest.mark.parametrize("axis", ["image", "labels"])
def test_an_axis_may_be_called_as_the_variable(tmp_path: Path, axis: str) -> None:
    entry = multiscale("yx", {"0": (8, 6)})
    entry["axes"][0]["name"] = axis
    group(tmp_path / "i", "0.5", {"multiscales": [entry]})
    arrays(tmp_path / "i", "0.5", {"0": (8, 6)})
    ds = nk.open(tmp_path / "i")["1"].to_dataset()
    assert ds.ngff.grid.dims == (axis, "x")


def test_an_axis_is_no_path(tmp_path: Path) -> None:
    entry = multiscale("yx", {"0": (8, 6)})
    entry["axes"][0]["name"] = "a/b"
    group(tmp_path / "i", "0.5", {"multiscales": [entry]})
    with pytest.raises(nk.MetadataError, match=r"axes\[0\].name: is 'a/b'; a name without slashes"):
        nk.open(tmp_path / "i")
