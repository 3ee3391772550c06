"""Tiles: what may be asked for, the pixels that come, bricks that are kept within their bound."""

from __future__ import annotations

import threading
import time
import weakref
from pathlib import Path
from typing import Any

import dask.array
import makers
import numpy as np
import pytest
import virtual_store
import xarray as xr

import ngffkit as nk
from ngffkit.errors import ChunkError, NgffError
from ngffkit.widgets import tiles
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.tiles import DroppedError, TileRequest, encode, render

RANDOM = np.random.default_rng(11)


def ask(layers: Layers, box: dict[str, Any], order: str = "yx", **more: int) -> TileRequest:
    given = {"layer": 0, "level": 0, "channel": 0, "box": box, "order": list(order), **more}
    return TileRequest.parse(given, layers)


# --- what may be asked for ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Layers:
    return Layers.of(np.arange(2 * 4 * 5 * 6, dtype="u2").reshape(2, 4, 5, 6))


GOOD = {
    "layer": 0,
    "level": 0,
    "channel": 1,
    "box": {"z": [1, 2], "y": [0, 5], "x": [2, 6]},
    "order": ["y", "x"],
}


def test_a_request_round_trips(small: Layers):
    request = TileRequest.parse(GOOD, small)
    assert request.to_json() == GOOD
    assert (request.shape, request.nbytes) == ((5, 4), 40)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 1}, "layer is 1; there are 1"),
        ({"layer": -1}, "layer is -1"),
        ({"layer": True}, "layer is True"),
        ({"level": "0"}, "level is '0'"),
        ({"channel": 2}, "channel is 2; there are 2"),
        ({"box": None}, "a range for each of z, y, x"),
        ({"box": {"z": [0, 1], "y": [0, 1]}}, "a range for each of z, y, x"),
        ({"box": GOOD["box"] | {"t": [0, 1]}}, "a range for each of z, y, x"),
        ({"box": GOOD["box"] | {"x": [0, 7]}}, "within 0 to 6"),
        ({"box": GOOD["box"] | {"x": [3, 3]}}, "within 0 to 6"),
        ({"box": GOOD["box"] | {"x": [-1, 3]}}, "within 0 to 6"),
        ({"box": GOOD["box"] | {"x": [0.0, 3]}}, "within 0 to 6"),
        ({"box": GOOD["box"] | {"x": 3}}, "within 0 to 6"),
        ({"order": ["y", "y"]}, "each once"),
        ({"order": ["y", "t"]}, "order is"),
        ({"order": []}, "order is"),
        ({"order": "yx"}, "order is"),
    ],
)
def test_wrong_requests_are_refused(small: Layers, change, message):
    with pytest.raises(NgffError, match=message):
        TileRequest.parse(GOOD | change, small)


@pytest.mark.parametrize("given", [None, [], "tile", 3])
def test_what_is_no_request_is_refused(small: Layers, given):
    with pytest.raises(NgffError, match="must be an object"):
        TileRequest.parse(given, small)


def test_a_tile_is_bounded():
    layers = Layers.of(dask.array.zeros((9000, 9000), dtype="u1", chunks=1000))
    with pytest.raises(NgffError, match="coarser level"):
        ask(layers, {"y": [0, 9000], "x": [0, 9000]})
    assert ask(layers, {"y": [0, 8000], "x": [0, 8000]}).nbytes == 64 * 10**6


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["yx", "xy", "zx", "xz", "zy", "zyx", "xyz", "x"])
@pytest.mark.parametrize("kind", ["numpy", "stored", "dask"])
def test_any_order_and_the_maximum_across(tmp_path: Path, monkeypatch, kind: str, order: str):
    monkeypatch.setattr(tiles, "_PIECE", 300)  # many pieces
    data = RANDOM.integers(0, 60000, (11, 23, 19)).astype("u2")
    source: Any = data
    if kind == "dask":
        source = dask.array.from_array(data, chunks=((4, 1, 6), (10, 13), (19,)))
    elif kind == "stored":
        how = makers.How(chunks=(4, 8, 5), factors=[])
        source = makers.write(tmp_path / "it.zarr", [data], how)
    layers = Layers.of(source)
    box = {"z": [2, 9], "y": [1, 22], "x": [3, 17]}
    got = render(ask(layers, box, order), Bricks())
    cut = data[2:9, 1:22, 3:17]
    expected = cut.max(tuple(i for i, name in enumerate("zyx") if name not in order))
    kept = [name for name in "zyx" if name in order]
    np.testing.assert_array_equal(got, expected.transpose([kept.index(n) for n in order]))


def test_each_chunk_of_a_projection_is_read_once(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tiles, "_PIECE", 20_000)
    store = virtual_store.VirtualStore((300, 200, 130), chunk=16, smallest=64)
    layers = Layers.of(nk.open(store))
    bricks = Bricks(200_000)  # far less than there is
    box = {"z": [10, 290], "y": [0, 200], "x": [0, 130]}
    request = ask(layers, box)
    store.forget()
    got = render(request, bricks)
    expected = store.pixels(0, slice(10, 290), slice(None), slice(None)).max(0)
    np.testing.assert_array_equal(got, expected)
    assert len(store.reads) == len(set(store.reads)) == 19 * 13 * 9
    assert bricks.nbytes <= bricks.budget


def test_nan_does_not_hide_numbers():
    data = np.full((3, 2, 2), np.nan, "f4")
    data[1, 0, 0], data[2, 0, 1] = -5.0, -np.inf
    got = render(ask(Layers.of(data), {"z": [0, 3], "y": [0, 2], "x": [0, 2]}), Bricks())
    np.testing.assert_array_equal(got, [[-5.0, -np.inf], [np.nan, np.nan]])


def test_a_projection_ends_when_nobody_wants_it(monkeypatch):
    monkeypatch.setattr(tiles, "_PIECE", 64**3)
    store = virtual_store.VirtualStore((640, 64, 64), smallest=64)
    layers = Layers.of(nk.open(store))
    request = ask(layers, {"z": [0, 640], "y": [0, 64], "x": [0, 64]})
    answers = iter([True, False])
    store.forget()
    with pytest.raises(DroppedError):
        render(request, Bricks(), lambda: next(answers))
    assert len(store.reads) == 1


def test_time_channels_and_crops(tmp_path: Path):
    data = RANDOM.integers(0, 255, (3, 2, 5, 37, 41)).astype("u1")
    how = makers.How(dims="tczyx", chunks=(2, 1, 2, 16, 9), factors=[{"y": 2, "x": 2}])
    path = makers.write(tmp_path / "it.zarr", makers.pyramid(data, how), how)
    da = nk.open(path)["2-2-1"].image
    layers = Layers.of(nk.open(path)["1"].image.isel(y=slice(4, 31), x=slice(7, None)))
    level = layers.layers[0].levels[1]
    box = {"t": [2, 3], "z": [4, 5], "y": [3, 9], "x": [1, 15]}
    got = render(ask(layers, box, level=1, channel=1), Bricks())
    cut = level.array.isel(t=2, z=4, c=1, y=slice(3, 9), x=slice(1, 15))
    np.testing.assert_array_equal(got, cut.values)
    np.testing.assert_array_equal(got, da.sel(cut.coords).values)


# --- what is kept ---------------------------------------------------------------------------------


def test_a_volume_beyond_all_memory():
    store = virtual_store.VirtualStore()
    layers = Layers.of(nk.open(store))
    levels = layers.layers[0].levels
    assert levels[0].shape == {"z": 5000, "y": 100_000, "x": 100_000}
    assert levels[-1].mag == "512"
    bricks = Bricks(4 * 2**20)
    for i in range(30):
        at = int(RANDOM.integers(len(levels)))
        level = levels[at]
        box = {}
        for name, size in level.shape.items():
            length = 1 if name == "z" else min(size, level.tile[name])
            start = int(RANDOM.integers(-(-size // length))) * length
            box[name] = [start, min(size, start + length)]
        request = ask(layers, box, level=at)
        got = render(request, bricks)
        expected = store.pixels(at, *(slice(*box[name]) for name in "zyx"))[0]
        np.testing.assert_array_equal(got, expected)
        assert 0 < bricks.nbytes <= bricks.budget, i


@pytest.mark.parametrize("level", [0, 3])
def test_the_first_tile_reads_the_chunks_it_covers_and_the_next_plane_none(level: int):
    store = virtual_store.VirtualStore()
    layers = Layers.of(nk.open(store))
    store.forget()
    bricks = Bricks()
    box = {"z": [100, 101], "y": [2560, 2816], "x": [512, 768]}
    render(ask(layers, box, level=level), bricks)
    assert len(store.reads) == len(set(store.reads)) == 16
    assert (bricks.hits, bricks.misses) == (0, 16)
    render(ask(layers, box | {"z": [101, 102]}, level=level), bricks)
    assert len(store.reads) == 16
    assert (bricks.hits, bricks.misses, bricks.nbytes) == (16, 16, 16 * 64**3)
    bricks.clear()
    assert bricks.nbytes == 0
    render(ask(layers, box, level=level), bricks)
    assert len(store.reads) == 32


class Counted:
    """Wraps what reads pixels: counts, waits, and fails when told to."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.boxes, self.fails = inner, [], 0
        self.gate = threading.Event()
        self.gate.set()
        self.cuts, self.dtype, self.direct = inner.cuts, inner.dtype, inner.direct
        self.workers = inner.workers

    def read(self, box):
        self.boxes.append(box)
        assert self.gate.wait(30)
        if self.fails:
            self.fails -= 1
            raise ChunkError("0/c/0", "memory://0/c/0", "damaged")
        return self.inner.read(box)


def counted(layers: Layers) -> Counted:
    level = layers.layers[0].levels[0]
    made = Counted(level.pixels)
    object.__setattr__(level, "pixels", made)
    return made


def test_threads_that_want_one_chunk_share_its_reading():
    layers = Layers.of(dask.array.ones((64, 64), dtype="u1", chunks=64))
    pixels, bricks, got = counted(layers), Bricks(), []
    pixels.gate.clear()
    box = {"y": slice(0, 9), "x": slice(5, 64)}
    threads = [
        threading.Thread(target=lambda: got.append(bricks.read(layers.layers[0], 0, 0, box)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while bricks.hits < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    pixels.gate.set()
    for thread in threads:
        thread.join()
    assert (len(pixels.boxes), len(got)) == (1, 5)
    assert all(part.shape == (9, 59) and part.all() for part in got)


def test_a_failure_reaches_all_and_is_not_kept():
    layers = Layers.of(dask.array.ones((64, 64), dtype="u1", chunks=64))
    pixels, bricks, errors = counted(layers), Bricks(), []
    pixels.gate.clear()
    pixels.fails = 1

    def read() -> None:
        try:
            bricks.read(layers.layers[0], 0, 0, {})
        except ChunkError as err:
            errors.append(str(err))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while bricks.hits < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    pixels.gate.set()
    for thread in threads:
        thread.join()
    assert errors == ["can't read '0/c/0' at memory://0/c/0: damaged"] * 3
    assert bricks.read(layers.layers[0], 0, 0, {}).all()
    assert len(pixels.boxes) == 2


def test_an_interrupted_reader_fails_nobody_else():
    layers = Layers.of(dask.array.ones((64, 64), dtype="u1", chunks=64))
    pixels, bricks, got = counted(layers), Bricks(), []
    pixels.gate.clear()
    inner, interrupts = pixels.read, [KeyboardInterrupt()]

    def read(box):
        part = inner(box)
        if interrupts:
            raise interrupts.pop()
        return part

    pixels.read = read  # type: ignore[method-assign]

    def look() -> None:
        try:
            got.append(bool(bricks.read(layers.layers[0], 0, 0, {}).all()))
        except KeyboardInterrupt:
            got.append("interrupted")

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while bricks.hits < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    pixels.gate.set()
    for thread in threads:
        thread.join()
    assert sorted(got, key=str) == [True, True, "interrupted"]


def test_all_caches_together_keep_what_one_may(monkeypatch: pytest.MonkeyPatch):
    """Cells are run again and again, and each run makes a view that nobody closes."""
    monkeypatch.setattr("ngffkit.widgets.bricks._ALL", weakref.WeakSet())
    made = []
    for _ in range(5):
        layers = Layers.of(dask.array.ones((1, 200), dtype="u1", chunks=(1, 10)))
        made.append((layers, Bricks(120)))
        made[-1][1].read(layers.layers[0], 0, 0, {"x": slice(0, 80)})
    assert [bricks.nbytes for _, bricks in made] == [0, 0, 0, 40, 80]
    layers, first = made[0]
    first.read(layers.layers[0], 0, 0, {"x": slice(0, 50)})
    assert [bricks.nbytes for _, bricks in made] == [50, 0, 0, 0, 70]


def test_all_caches_together_have_the_threads_of_one():
    def count() -> int:
        return sum(thread.name.startswith("ngffkit-read") for thread in threading.enumerate())

    before, kept = count(), []
    for _ in range(6):
        layers = Layers.of(dask.array.ones((1, 200), dtype="u1", chunks=(1, 10)))
        counted(layers).workers = 8
        kept.append(Bricks())
        kept[-1].read(layers.layers[0], 0, 0, {})
    assert count() - before <= 8


def test_the_bound_holds_while_many_threads_read():
    layers = Layers.of(dask.array.ones((40, 40, 400), dtype="u1", chunks=10))
    bricks = Bricks(20_000)
    pixels, most = counted(layers), [0]
    inner = pixels.read

    def read(box):
        most[0] = max(most[0], bricks.nbytes + bricks._coming_bytes)
        return inner(box)

    pixels.read = read  # type: ignore[method-assign]
    assert bricks.read(layers.layers[0], 0, 0, {}).all()
    assert 1000 < most[0] <= bricks.budget


def test_the_least_recently_used_goes_first():
    layers = Layers.of(dask.array.ones((1, 200), dtype="u1", chunks=(1, 10)))
    pixels, bricks = counted(layers), Bricks(100)

    def look(i: int) -> int:
        before = len(pixels.boxes)
        bricks.read(layers.layers[0], 0, 0, {"x": slice(10 * i, 10 * i + 10)})
        return len(pixels.boxes) - before

    assert [look(i) for i in (*range(10), 0, 10, 0, 1)] == [1] * 10 + [0, 1, 0, 1]


def test_chunks_too_large_to_keep_are_read_and_not_kept():
    data = RANDOM.integers(0, 255, (100, 90)).astype("u1")
    layers = Layers.of(dask.array.from_array(data, chunks=-1))
    bricks = Bricks(8 * 9000 - 1)
    got = bricks.read(layers.layers[0], 0, 0, {"y": slice(7, 60)})
    np.testing.assert_array_equal(got, data[7:60])
    assert bricks.nbytes == bricks.misses == 0


def test_pixels_in_memory_are_not_kept_twice():
    data = RANDOM.integers(0, 255, (100, 90)).astype("u1")
    layers, bricks = Layers.of(data), Bricks()
    got = bricks.read(layers.layers[0], 0, 0, {"x": slice(3, 5)})
    assert np.shares_memory(got, data)
    assert bricks.nbytes == 0


def test_what_is_kept_does_not_hold_on_to_more():
    """A brick that is a view would keep all that it was cut from alive."""
    large = dask.array.from_array(np.ones((64, 64), "u1"), chunks=-1, asarray=False)
    da = xr.DataArray(large.rechunk(8), dims=("y", "x"))
    layers, bricks = Layers.of(da), Bricks()
    assert bricks.read(layers.layers[0], 0, 0, {"x": slice(0, 5), "y": slice(0, 5)}).all()
    (kept,) = bricks._kept.values()
    assert (bricks.nbytes, kept.base is None or kept.base.nbytes) in ((64, True), (64, 64))


def test_a_corrupt_chunk_is_named(tmp_path: Path):
    data = RANDOM.integers(0, 255, (8, 32, 32)).astype("u1")
    path = makers.write(tmp_path / "it.zarr", [data], makers.How(chunks=8, factors=[]))
    (path / "0/c/0/1/2").write_bytes(b"damaged")
    layers, bricks = Layers.of(path), Bricks()
    with pytest.raises(ChunkError, match="0/c/0/1/2"):
        render(ask(layers, {"z": [3, 4], "y": [0, 32], "x": [0, 32]}), bricks)
    got = render(ask(layers, {"z": [3, 4], "y": [16, 32], "x": [0, 32]}), bricks)
    np.testing.assert_array_equal(got, data[3, 16:])


# --- bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">i2", "u4", "i8", "u8", "f2", ">f4", "f8"])
def test_bytes_are_little_endian_rows(dtype: str):
    data = np.arange(12).reshape(3, 4).astype(dtype).T
    encoded = encode(data)
    assert encoded.meta["shape"] == [4, 3]
    assert encoded.meta["bytes"] == len(encoded.data)
    plain = np.dtype(dtype).newbyteorder("<")
    assert encoded.meta["dtype"] == plain.name
    got = np.frombuffer(encoded.data, plain).reshape(4, 3)
    np.testing.assert_array_equal(got, data)


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (2**64 - 1, "u8", "18446744073709551615"),
        (-(2**63), "i8", "-9223372036854775808"),
        (0, "u1", "0"),
        (np.nan, "f4", "nan"),
        (np.inf, "f8", "inf"),
        (-np.inf, "f2", "-inf"),
        (0.1, "f4", "0.10000000149011612"),
    ],
)
def test_equal_pixels_are_one_number(value, dtype, text):
    encoded = encode(np.full((5, 6), value, dtype))
    assert encoded.data is None
    assert encoded.meta == {"shape": [5, 6], "dtype": np.dtype(dtype).name, "constant": text}
    assert np.array_equal(np.array(text).astype(dtype), np.array(value, dtype), equal_nan=True)


def test_one_other_pixel_makes_it_no_constant():
    data = np.zeros((50, 60), "f4")
    data[-1, -1] = np.nan
    assert encode(data).data is not None
