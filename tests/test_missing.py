"""Never silent zeros: failed reads are errors, lost chunks are found, sparse data are read."""

from __future__ import annotations

import datetime as dt
import pickle
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpd
import makers
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from makers import How
from numcodecs import Blosc, Delta

import ngffkit as nk
from ngffkit import writing
from ngffkit.grid import Axis, Grid
from ngffkit.missing import coarse_box

POLICIES = ("error", "warn", "fill")

#: Back-off as short as it gets: what is tested is that there is one.
RETRY = {
    "retry_config": {
        "max_retries": 2,
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=1),
            "max_backoff": dt.timedelta(milliseconds=2),
        },
    }
}

PLAIN = How(chunks=16, compressor=None)
ZSTD = How(chunks=16)
SHARDED = How(chunks=(8, 8, 8), shards=(16, 16, 16))


#: In codecs that only zarr-python decodes.
DELTA = How(
    chunks=16, version="0.4", filters=[Delta("<u2")], compressor=Blosc("lz4", shuffle=Blosc.SHUFFLE)
)

STORES = {
    "raw": PLAIN,
    "zstd": ZSTD,
    "sharded": SHARDED,
    "v2": How(chunks=16, version="0.4"),
    "by zarr": DELTA,
}


def chunk_key(name: str, level: int, coords: str) -> str:
    middle = "" if STORES[name].version == "0.4" else "c/"
    return f"{name}/{level}/{middle}{coords}"


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 999, (32, 32, 32), np.uint16)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, volume: np.ndarray) -> Iterator[httpd.Server]:
    root = tmp_path_factory.mktemp("missing")
    for name, how in STORES.items():
        makers.write(root / name, makers.pyramid(volume, how), how)
    with httpd.serve(root) as server:
        yield server


@pytest.fixture
def server(served: httpd.Server) -> httpd.Server:
    served.clear()
    return served


def open_image(place: Any, missing: str = "error", mag: str = "1", **options: Any) -> Any:
    return nk.open(str(place), missing=missing, **options)[mag].image


# --- reads that fail ----------------------------------------------------------------------------

FAILURES = {
    "401": (httpd.status(401), "401"),
    "403": (httpd.status(403), "403"),
    "500": (httpd.status(500), "500"),
    "503": (httpd.status(503), "503"),
    "429": (httpd.status(429), "429"),
    "truncated": (httpd.truncated, "closed before all"),
    "short": (httpd.short, "bytes|truncated|damaged|incomplete"),
    "damaged": (httpd.damaged, "damaged|truncated|holds|index|corrupt"),
    "reset": (httpd.reset, "reset|closed"),
    "login": (httpd.login, "web page"),
    "html": (httpd.html, "web page"),
}


@pytest.mark.parametrize("missing", POLICIES)
@pytest.mark.parametrize(
    ("store", "fault"),
    [
        (store, fault)
        for store in STORES
        for fault in FAILURES
        # nobody can see that raw bytes are others; what is denied goes by the policy
        if (store, fault) != ("raw", "damaged")
        and fault not in ("401", "403")
        # Blosc has no checksum
        and (store, fault) != ("by zarr", "damaged")
    ],
)
def test_a_failed_read_is_an_error_under_every_policy(server, store, fault, missing):
    misbehave, cause = FAILURES[fault]
    image = open_image(f"{server.url}/{store}", missing, storage_options=RETRY)
    key = chunk_key(store, 0, "0/1/0")
    server.fault(key, misbehave)
    with pytest.raises(nk.ChunkError, match=cause) as caught:
        image.values  # noqa: B018 - reads
    assert caught.value.key == key.partition("/")[2]
    assert caught.value.url == f"{server.url}/{key}"
    assert caught.value.url in str(caught.value)
    assert caught.value.cause


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_denied_chunk_goes_by_the_policy(server, volume, store, fault):
    misbehave, cause = FAILURES[fault]
    key = chunk_key(store, 0, "0/1/0")
    server.fault(key, misbehave)
    url = f"{server.url}/{store}"
    with pytest.raises(nk.ChunkError, match=cause) as caught:
        open_image(url).values  # noqa: B018 - reads
    assert caught.value.denied
    assert caught.value.url == f"{server.url}/{key}"
    expected = volume.copy()
    expected[:16, 16:, :16] = 0
    with pytest.warns(nk.NgffWarning, match="denies access") as said:
        np.testing.assert_array_equal(open_image(url, "warn").values, expected)
    assert len(said) == 1
    assert key in str(said[0].message)
    np.testing.assert_array_equal(open_image(url, "fill").values, expected)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    "fault", [httpd.status(500), httpd.status(503), httpd.status(429), httpd.reset, httpd.truncated]
)
def test_a_passing_failure_is_tried_again(server, volume, store, fault):
    image = open_image(f"{server.url}/{store}", storage_options=RETRY)
    server.fault(f"{store}/0/*", fault, times=2)
    np.testing.assert_array_equal(image.values, volume)


def test_a_silent_server_is_given_up(server):
    options = RETRY | {
        "client_options": {"read_timeout": "100ms"},
        "retry_config": {"max_retries": 0},
    }
    image = open_image(f"{server.url}/zstd", storage_options=options)
    server.fault("zstd/0/*", httpd.stall(20))
    with pytest.raises(nk.ChunkError, match="too long"):
        image.isel(z=0).values  # noqa: B018 - reads


def test_metadata_that_fail_are_errors(server):
    for fault, kind in [
        (httpd.status(503), nk.StoreError),
        (httpd.html, nk.StoreError),
        (httpd.login, nk.StoreError),
        (httpd.status(403), nk.StoreError),
        (httpd.short, nk.MetadataError),
    ]:
        server.clear()
        server.fault("zstd/1/zarr.json", fault)
        with pytest.raises(kind) as caught:
            nk.open(f"{server.url}/zstd", storage_options=RETRY)
        assert "1/zarr.json" in str(caught.value)


def test_an_error_survives_the_way_from_another_process(server):
    image = open_image(f"{server.url}/zstd", storage_options=RETRY)
    server.fault("zstd/0/*", httpd.status(403))
    with pytest.raises(nk.ChunkError) as caught:
        image.values  # noqa: B018 - reads
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.key, again.url, again.cause, again.denied) == (
        caught.value.key,
        caught.value.url,
        caught.value.cause,
        True,
    )


# --- sparse data --------------------------------------------------------------------------------


def blobs(shape: tuple[int, ...], dtype: Any, fill: Any, count: int = 3) -> np.ndarray:
    """Return a volume that is empty but for a few small blocks."""
    rng = np.random.default_rng(7)
    out = np.full(shape, fill, dtype)
    for _ in range(count):
        corner = [int(rng.integers(0, max(1, n - 8))) for n in shape]
        block = tuple(slice(c, c + 8) for c in corner)
        out[block] = rng.integers(1, 99, out[block].shape)
    return out


SPARSE = {
    "labels": (np.uint32, 0),
    "int": (np.int16, -5),
    "uint": (np.uint8, 0),
    "white": (np.uint8, 255),
    "float": (np.float32, 0.0),
    "odd fill": (np.float32, 0.1),
    "NaN": (np.float32, np.nan),
}


@pytest.mark.parametrize("method", ["mean", "nearest", "max"])
@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("store", ["zstd", "sharded", "v2"])
def test_sparse_data_read_without_a_word(tmp_path, store, kind, method):
    dtype, fill = SPARSE[kind]
    how = How(
        chunks=STORES[store].chunks,
        shards=STORES[store].shards,
        version=STORES[store].version,
        fill=fill,
        factors=[dict.fromkeys("zyx", 2), dict.fromkeys("zyx", 3)],
    )
    data = blobs((61, 75, 83), dtype, fill)
    levels = makers.pyramid(data, how, method)
    makers.write(tmp_path / "it", levels, how, stride=method == "nearest")
    objects = len(makers.chunk_files(tmp_path / "it" / "0"))
    assert objects < 4 * 5 * 6 / 2
    tree = nk.open(tmp_path / "it")
    for mag, level in zip(("1", "2", "6"), levels, strict=True):
        np.testing.assert_array_equal(tree[mag].image.values, level)


def test_sparse_planes_cost_few_requests_more(tmp_path):
    how = How(chunks=16, factors=[dict.fromkeys("zyx", 2)] * 3)
    data = blobs((64, 256, 256), np.uint16, 0, count=1)
    makers.write(tmp_path / "it", makers.pyramid(data, how), how)
    with httpd.serve(tmp_path) as server:
        image = open_image(f"{server.url}/it")
        seen = {}
        for z in (0, 1, 15, 16, 63):
            server.clear()
            image.isel(z=z).compute()
            asked = len(server.asked())
            seen[z] = asked - 256
            assert len(set(server.asked())) == asked
        # 256 chunks of a plane lie below 64 of the next mag, 16 of the one after and 4 of the last;
        # what was looked up once is known
        assert seen[0] <= 64 + 16 + 4
        assert seen[1] == seen[15] == 0
        assert seen[16] == 0
        server.clear()
        image.compute()
    assert len(server.asked()) <= 4 * 256 + 64 + 16 + 4


def test_nothing_is_asked_where_nothing_is_absent(server):
    image = open_image(f"{server.url}/zstd")
    server.clear()
    image.values  # noqa: B018 - reads
    assert len(server.asked()) == 8
    assert all(key.startswith("zstd/0/") for key in server.asked())


def test_explicit_empties_of_a_shard_are_fill(tmp_path):
    how = How(chunks=(16, 16, 16), shards=(64, 64, 64))
    data = np.zeros((64, 64, 64), np.uint8)
    data[:8, :8, :8] = 7
    levels = makers.pyramid(data, how)
    # the coarser mag claims data all over, but the index says that chunks are empty by design
    levels[1][:] = 9
    makers.write(tmp_path / "it", levels, how)
    np.testing.assert_array_equal(open_image(tmp_path / "it").values, data)


def test_the_coarsest_mag_has_no_witness(tmp_path, volume):
    makers.write(tmp_path / "it", makers.pyramid(volume, ZSTD), ZSTD)
    (tmp_path / "it" / "1" / "c" / "0" / "0" / "0").unlink()
    assert not open_image(tmp_path / "it", mag="2").values.any()


def test_an_undefined_fill_value_is_told(tmp_path, volume):
    how = How(chunks=16, version="0.4")
    makers.write(tmp_path / "it", [np.zeros_like(volume)], how)
    doc = tmp_path / "it" / "0" / ".zarray"
    doc.write_text(doc.read_text().replace('"fill_value": 0', '"fill_value": null'))
    image = open_image(tmp_path / "it")
    with pytest.warns(nk.NgffWarning, match="fill value undefined") as said:
        assert not image.values.any()
    assert len(said) == 1


# --- lost chunks --------------------------------------------------------------------------------

LOSSES = {
    "mag 1": ("zstd", 0, "1/1/0"),
    "the middle": ("zstd", 1, "0/1/1"),
    "v2": ("v2", 0, "1/0/1"),
    "by zarr": ("by zarr", 0, "1/0/1"),
    "a shard": ("sharded", 0, "0/1/1"),
    "a shard in the middle": ("sharded", 1, "1/0/0"),
}


def three_mags(root: Path, store: str, data: np.ndarray) -> tuple[Path, How]:
    base = STORES[store]
    how = How(
        chunks=base.chunks,
        shards=base.shards,
        version=base.version,
        filters=base.filters,
        compressor=base.compressor,
        factors=[dict.fromkeys("zyx", 2)] * 2,
    )
    return makers.write(root, makers.pyramid(data, how), how), how


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_chunk_goes_by_the_policy(tmp_path, loss):
    store, level, coords = LOSSES[loss]
    data = np.random.default_rng(0).integers(1, 99, (64, 64, 64), np.uint16)
    root, how = three_mags(tmp_path / "it", store, data)
    key = chunk_key(store, level, coords).removeprefix(f"{store}/")
    (root / key).unlink()
    mag = ("1", "2")[level]
    with pytest.raises(nk.ChunkError, match=r"was lost.*missing='warn' or 'fill'") as caught:
        open_image(root, mag=mag).values  # noqa: B018 - reads
    assert caught.value.key == key
    assert caught.value.url == f"{root}/{key}"
    size = 16
    expected = makers.pyramid(data, how)[level]
    gone = tuple(slice(int(c) * size, (int(c) + 1) * size) for c in coords.split("/"))
    expected[gone] = 0
    with pytest.warns(nk.NgffWarning, match="was read as fill.*was lost") as said:
        np.testing.assert_array_equal(open_image(root, "warn", mag).values, expected)
    assert len(said) == 1
    assert key in str(said[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(open_image(root, "fill", mag).values, expected)


def test_what_lies_beside_a_lost_chunk_is_read(tmp_path):
    data = np.ones((64, 64, 64), np.uint16)
    root, _ = three_mags(tmp_path / "it", "zstd", data)
    (root / "0/c/1/1/1").unlink()
    image = open_image(root)
    assert image.isel(z=slice(32, 64)).values.all()
    with pytest.raises(nk.ChunkError):
        image.isel(z=20).values  # noqa: B018 - reads


def test_many_lost_chunks_make_one_warning(tmp_path):
    root, _ = three_mags(tmp_path / "it", "zstd", np.ones((64, 64, 64), np.uint16))
    shutil.rmtree(root / "0/c/1")
    with pytest.warns(nk.NgffWarning, match=r"0/c/1/0/0 \(and 15 more\)") as said:
        open_image(root, "warn").values  # noqa: B018 - reads
    assert len(said) == 1


def test_what_vanished_on_two_mags_is_found_by_the_third(tmp_path):
    root, _ = three_mags(tmp_path / "it", "zstd", np.ones((128, 128, 128), np.uint8))
    shutil.rmtree(root / "0/c")
    shutil.rmtree(root / "1/c")
    with pytest.raises(nk.ChunkError, match=r"coarser mag 2 has data"):
        open_image(root).isel(z=slice(0, 64)).values  # noqa: B018 - reads


def test_a_mag_opened_alone_finds_its_witness(tmp_path):
    import xarray as xr

    root, _ = three_mags(tmp_path / "it", "zstd", np.ones((64, 64, 64), np.uint16))
    (root / "0/c/0/0/0").unlink()
    made = xr.open_dataset(root, engine="ngff", mag="1")
    with pytest.raises(nk.ChunkError, match="was lost"):
        made.image.values  # noqa: B018 - reads


def test_a_witness_that_fails_is_told(server, tmp_path, volume):
    image = open_image(f"{server.url}/zstd", storage_options=RETRY)
    server.fault("zstd/0/c/0/0/0", httpd.status(404))
    server.fault("zstd/1/c/*", httpd.status(503))
    with pytest.raises(nk.ChunkError, match=r"can't be read.*503") as caught:
        image.values  # noqa: B018 - reads
    assert caught.value.key == "0/c/0/0/0"
    image = open_image(f"{server.url}/zstd", "warn", storage_options=RETRY)
    with pytest.warns(nk.NgffWarning, match="can't be read") as said:
        image.values  # noqa: B018 - reads
    assert len(said) == 1


@pytest.mark.parametrize("translate", [True, False])
@pytest.mark.parametrize("method", ["mean", "nearest", "max"])
def test_an_anisotropic_pyramid_is_a_witness(tmp_path, method, translate):
    how = How(
        dims="czyx",
        chunks=(1, 4, 16, 16),
        translate=translate,
        factors=[{"y": 2, "x": 2}, {"z": 2, "y": 2, "x": 2}],
    )
    data = np.zeros((2, 9, 61, 50), np.uint8)
    data[1, 2:7, 10:60, 10:45] = np.random.default_rng(0).integers(1, 99, (5, 50, 35))
    levels = makers.pyramid(data, how, method)
    root = makers.write(tmp_path / "it", levels, how, stride=method == "nearest")
    np.testing.assert_array_equal(open_image(root).values, data)
    (root / "0/c/1/0/1/1").unlink()
    image = open_image(root)
    assert not image.isel(c=0).values.any()
    with pytest.raises(nk.ChunkError, match="0/c/1/0/1/1"):
        image.isel(c=1, z=3).values  # noqa: B018 - reads


def test_labels_are_checked_as_well(tmp_path):
    how = How(chunks=16)
    data = np.zeros((48, 48, 48), np.uint32)
    data[4:44, 4:44, 4:44] = 12
    levels = makers.pyramid(data, how, "nearest")
    root = makers.write(tmp_path / "it", levels, how, stride=True, labels={"cells": levels})
    (root / "labels/cells/0/c/1/1/1").unlink()
    tree = nk.open(root)
    assert tree["1"].image.values.any()
    with pytest.raises(nk.ChunkError, match="labels/cells/0/c/1/1/1"):
        tree["labels/cells/1"].labels.values  # noqa: B018 - reads


def test_policies_travel_with_the_data(tmp_path):
    pytest.importorskip("dask")
    root, _ = three_mags(tmp_path / "it", "zstd", np.ones((64, 64, 64), np.uint16))
    (root / "0/c/0/0/0").unlink()
    image = pickle.loads(pickle.dumps(nk.open(root, chunks={})["1"].image))
    with pytest.raises(nk.ChunkError, match="was lost"):
        image.compute()
    assert image.isel(z=slice(16, 32)).values.all()
    lazy = nk.open(root)["1"].image
    with pytest.raises(nk.ChunkError):
        lazy.isel(z=0).values  # noqa: B018 - what was found out travels too
    with pytest.raises(nk.ChunkError):
        pickle.loads(pickle.dumps(lazy)).values  # noqa: B018 - reads


def test_an_unknown_policy_is_refused(tmp_path):
    with pytest.raises(nk.NgffError, match="'error', 'warn' or 'fill'"):
        nk.open(tmp_path, missing="ignore")


# --- where a coarser mag can tell ---------------------------------------------------------------


def line(n: int, scale: float = 1.0, origin: float = 0.0) -> Grid:
    return Grid((Axis("x", "space"),), (n,), (scale,), (origin,))


@pytest.mark.parametrize(
    ("chunk", "outer", "expected"),
    [
        (0, 0, slice(0, 14)),  # nothing bleeds in from beyond the start
        (0, 2, slice(2, 14)),
        (1, 0, slice(18, 30)),
        (3, 0, slice(50, 64)),
    ],
)
def test_the_inside_of_a_chunk(chunk, outer, expected):
    fine = line(128)
    coarse = fine.coarsen({"x": 2})
    assert coarse_box(fine, (32,), (chunk,), coarse, outer) == (expected,)


def test_the_same_resolution_needs_no_margin():
    assert coarse_box(line(10), (1,), (4,), line(10), 0) == (slice(4, 5),)


def test_a_chunk_that_is_too_small_has_no_inside():
    fine = line(128)
    assert coarse_box(fine, (8,), (3,), fine.coarsen({"x": 2}), 0) is None


# --- any sparse volume --------------------------------------------------------------------------

sparse = st.builds(
    lambda shape, blocks, value: (shape, blocks, value),
    st.tuples(*[st.integers(20, 70)] * 3),
    st.lists(st.tuples(*[st.tuples(st.floats(0, 1), st.integers(1, 60))] * 3), max_size=3),
    st.integers(1, 255),
)


def build(drawn: Any, dtype: Any = np.uint8) -> np.ndarray:
    shape, blocks, value = drawn
    out = np.zeros(shape, dtype)
    for block in blocks:
        box = [
            slice(int(at * (n - 1)), int(at * (n - 1)) + size)
            for (at, size), n in zip(block, shape, strict=True)
        ]
        out[tuple(box)] = value
    return out


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn=sparse,
    method=st.sampled_from(["mean", "nearest", "max"]),
    translate=st.booleans(),
    sharded=st.booleans(),
    factor=st.sampled_from(
        [{"z": 1, "y": 2, "x": 2}, {"z": 2, "y": 2, "x": 2}, {"z": 2, "y": 3, "x": 4}]
    ),
)
def test_no_false_alarm_and_no_loss_unseen(
    tmp_path_factory, drawn, method, translate, sharded, factor
):
    how = How(
        chunks=(8, 8, 8) if sharded else 16,
        shards=(16, 16, 16) if sharded else None,
        translate=translate,
        compressor=None,
        factors=[factor] * 2,
    )
    data = build(drawn)
    levels = makers.pyramid(data, how, method)
    root = makers.write(
        tmp_path_factory.mktemp("any") / "it", levels, how, stride=method == "nearest"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = open_image(root)
        np.testing.assert_array_equal(image.values, data)
    for key in makers.chunk_files(root / "0")[:2]:
        coords = [int(part) for part in key.split("/")[1:]]
        inside = _inside(levels[1], coords, data.shape, factor)
        event(f"a chunk was taken away that can be missed: {bool(inside.any())}")
        if not inside.any():
            continue
        kept = (root / "0" / key).read_bytes()
        (root / "0" / key).unlink()
        with pytest.raises(nk.ChunkError) as caught:
            open_image(root).values  # noqa: B018 - reads
        assert caught.value.key == f"0/{key}"
        (root / "0" / key).write_bytes(kept)
    shutil.rmtree(root)


def _inside(coarse: np.ndarray, coords: list[int], shape: Any, factor: Any) -> np.ndarray:
    """Return what the coarser mag shows at least three of its pixels inside a chunk of 16."""
    box = []
    for at, size, step in zip(coords, shape, factor.values(), strict=True):
        low, high = at * 16, min((at + 1) * 16, size)
        margin = 3 if step > 1 else 0
        start = -(-low // step) + (margin if low else 0)
        stop = high // step - (margin if high < size else 1 if step > 1 else 0)
        box.append(slice(start, max(start, stop)))
    return coarse[tuple(box)]


# --- arrays that say of themselves that nothing was left out --------------------------------------


@pytest.mark.parametrize(
    "options", [{"version": "0.4", "shards": None}, {"shards": None}, {"shards": 16}], ids=str
)
@pytest.mark.parametrize("mag", ["1", "2"])
def test_what_we_wrote_left_out_nothing_so_absence_is_loss(tmp_path, options, mag):
    """No witness is needed: the coarsest mag has none, and these pixels are fill anyway."""
    pixels = np.zeros((16, 32, 32), np.uint8)
    root = tmp_path / "a.zarr"
    writing.convert(pixels, root, voxel_size=(1, 1, 1), mags=["1", "2"], chunks=8, **options)
    assert not nk.open_dataset(root, mag=mag).image.values.any()
    level = root / ("0" if mag == "1" else "1")
    files = (path for path in sorted(level.rglob("*")) if path.is_file())
    objects = [path for path in files if path.name.isdecimal()]
    objects[-1].unlink()
    with pytest.raises(nk.ChunkError, match="absent, but its writer left out none") as caught:
        nk.open_dataset(root, mag=mag).image.load()
    assert caught.value.key == objects[-1].relative_to(root).as_posix()
    with pytest.warns(nk.NgffWarning, match="its writer left out none"):
        nk.open_dataset(root, mag=mag, missing="warn").image.load()
    assert not nk.open_dataset(root, mag=mag, missing="fill").image.values.any()
