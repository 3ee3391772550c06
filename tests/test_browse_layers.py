"""What the viewer is told before a pixel is read: axes, levels, layers, how channels look."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import dask.array
import makers
import numpy as np
import pytest
import xarray as xr
from virtual_store import VirtualStore

import ngffkit as nk
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layer, Layers, ViewLevel
from ngffkit.widgets.pixels import Cuts, sent_dtype

RANDOM = np.random.default_rng(4)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> str:
    return nk.sample(tmp_path_factory.mktemp("sample") / "cells.zarr")


def noise(*shape: int, dtype: str = "u2", high: int = 60000) -> np.ndarray:
    return RANDOM.integers(1, high, shape).astype(dtype)


def whole(level: ViewLevel) -> dict[str, slice]:
    return {name: slice(0, size) for name, size in level.shape.items()}


def check_pixels(layers: Layers, budget: int = 2**28) -> None:
    """Compare every level, channel and some boxes with what xarray reads."""
    bricks = Bricks(budget)
    for layer in layers.layers:
        for i, level in enumerate(layer.levels):
            for c in range(len(layer.channels)):
                check_level(layer, i, c, bricks)
            place(layers, layer, level)


def check_level(layer: Layer, i: int, c: int, bricks: Bricks) -> None:
    level = layer.levels[i]
    own = level.array
    channel = [d for d in own.dims if d not in layer.axes]
    expected = own.isel(dict.fromkeys(channel, c)).transpose(*layer.axes).values
    if expected.dtype == bool:
        expected = expected.astype(np.uint8)
    boxes = [whole(level)]
    for _ in range(5):
        ends = {n: sorted(RANDOM.choice(s + 1, 2, replace=False)) for n, s in level.shape.items()}
        boxes.append({n: slice(int(a), int(b)) for n, (a, b) in ends.items()})
    for box in boxes:
        got = bricks.read(layer, i, c, box)
        assert got.dtype == layer.dtype
        np.testing.assert_array_equal(got, expected[tuple(box[n] for n in layer.axes)])


def place(layers: Layers, layer: Layer, level: ViewLevel) -> None:
    """Compare where a level lies with the coordinates of its array."""
    for name in layer.axes:
        axis, coord = layers.axis(name), level.array.coords.get(name)
        if coord is None or axis.values is not None:
            continue
        voxels = level.offset[name] + np.arange(level.shape[name]) * level.factor[name]
        np.testing.assert_allclose(
            axis.origin + voxels * axis.scale, coord.values, rtol=1e-12, atol=1e-9
        )


# --- trees and what is cut out of them ------------------------------------------------------------


def test_sample_as_the_page_sees_it(cells: str):
    manifest = Layers.of(cells).manifest()
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    assert manifest["name"] == "cells"
    assert [axis["name"] for axis in manifest["axes"]] == ["z", "y", "x"]
    assert manifest["axes"][1] == {
        "name": "y",
        "type": "space",
        "unit": "µm",
        "size": 256,
        "scale": 0.25,
        "origin": 0.0,
        "display": 0.25,
        "values": None,
    }
    assert manifest["spatial"] == ["z", "y", "x"]
    assert manifest["reference"] == "x"
    assert manifest["planes"] == [["x", "y"], ["x", "z"], ["z", "y"]]
    image, labels = manifest["layers"]
    assert (image["name"], image["kind"], image["dtype"]) == ("cells", "intensity", "uint16")
    assert [c["label"] for c in image["channels"]] == ["nuclei", "membranes"]
    assert image["channels"][0]["range"] == [0.0, 65535.0]
    assert image["levels"][1] == {
        "mag": "2-2-1",
        "shape": {"z": 32, "y": 128, "x": 128},
        "factor": {"z": 1.0, "y": 2.0, "x": 2.0},
        "offset": {"z": 0.0, "y": 0.5, "x": 0.5},
        "chunk": {"z": 16, "y": 64, "x": 64},
        "tile": {"z": 32, "y": 128, "x": 128},
    }
    assert (labels["name"], labels["kind"], len(labels["channels"])) == ("nuclei", "label", 1)
    assert labels["colors"][0] == ["1", [89, 138, 255, 255]]


def test_sample_pixels(cells: str):
    check_pixels(Layers.of(cells))
    check_pixels(Layers.of(nk.open(cells)), budget=10**6)


def test_a_cutout_that_is_not_computed_has_all_mags(cells: str):
    ds = nk.open(cells)["2-2-1"].to_dataset().isel(z=slice(3, 20), x=slice(11, 101))
    layers = Layers.of(ds.sel(c="membranes"))
    image = layers.layers[0]
    assert [level.mag for level in image.levels] == ["1", "2-2-1", "4-4-1"]
    assert [level.shape["x"] for level in image.levels] == [180, 90, 46]
    assert image.levels[1].shape["z"] == 17
    assert [channel.label for channel in image.channels] == ["membranes"]
    # the labels end where the image ends
    assert layers.layers[1].levels[0].shape == {"z": 17, "y": 256, "x": 180}
    check_pixels(layers)


def test_channels_of_a_cutout_keep_their_order(cells: str):
    ds = nk.open(cells)["1"].to_dataset()
    layers = Layers.of(ds.sel(c=["membranes", "nuclei"]))
    assert len(layers.layers[0].levels) == 3
    states = layers.channel_states(Bricks().read)
    assert [s["color"] for s in states] == ["#ff8a2f", "#2fa8ff"]
    assert [s["window"] for s in states] == [[100.0, 1600.0], [100.0, 2600.0]]
    check_pixels(layers)


@pytest.mark.parametrize(
    "change",
    [
        lambda da: da * 1,
        lambda da: da.isel(x=slice(None, None, 2)),
        lambda da: da.transpose("x", "y", "z", "c"),
        lambda da: da.isel(y=[3, 5, 7, 9], x=slice(0, 9)),
        lambda da: da.assign_coords(x=da.x + 5.0),
        lambda da: da.drop_vars("x").isel(x=slice(3, 90)),
        lambda da: da.isel(z=4).drop_vars("z"),
        lambda da: da.isel(c=0, z=4).load(),
        lambda da: da.rename(x="u", y="v"),
    ],
    ids="computed strided transposed listed moved nameless dropped loaded renamed".split(),
)
def test_what_was_changed_is_one_mag(cells: str, change):
    layers = Layers.of(change(nk.open(cells)["1"].image), labels=None)
    assert len(layers.layers[0].levels) == 1
    check_pixels(layers)


def test_a_flat_cutout_meets_the_labels_of_its_plane(cells: str):
    dt = nk.open(cells)
    layers = Layers.of(dt["1"].to_dataset().isel(z=7))
    assert layers.planes == (("x", "y"),)
    assert layers.layers[1].axes == ("y", "x")
    mags = [[level.mag for level in layer.levels] for layer in layers.layers]
    assert mags[0] == mags[1] == ["1", "2-2-1", "4-4-1"]
    got = Bricks().read(layers.layers[1], 0, 0, {})
    np.testing.assert_array_equal(got, dt["labels/nuclei/1"].labels.isel(z=7).values)


def test_labels_alone_are_a_label_layer(cells: str):
    (layer,) = Layers.of(nk.open(cells)["labels/nuclei"]).layers
    assert (layer.kind, layer.name, len(layer.levels)) == ("label", "nuclei", 3)
    assert layer.colors[1] == (2, (186, 255, 89, 255))
    assert Layers.of(nk.open(cells)["labels/nuclei"]).channel_states(Bricks().read) == []


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", [">u2", "i1", "f4", ">f8", "f2", "u8", "?"])
def test_types_odd_sizes_and_time(tmp_path: Path, version: str, dtype: str):
    data = noise(3, 2, 5, 37, 41, high=250 if "8" not in dtype else 60000)
    data = (data % 2).astype(dtype) if dtype == "?" else data.astype(dtype)
    how = makers.How(dims="tczyx", version=version, chunks=(1, 2, 4, 16, 10), factors=[{"y": 2}])
    stored = data.astype(data.dtype.newbyteorder("=")) if version == "0.5" else data
    path = makers.write(tmp_path / "it.zarr", makers.pyramid(stored, how), how)
    layers = Layers.of(path)
    layer = layers.layers[0]
    assert layer.dtype == sent_dtype(np.dtype(dtype))
    assert layer.axes == ("t", "z", "y", "x")
    assert layers.axis("t").type == "time"
    np.testing.assert_array_equal(Bricks().read(layer, 0, 1, {}), data[:, 1].astype(layer.dtype))
    check_pixels(layers)
    check_pixels(Layers.of(nk.open(path)["1"].image.isel(t=1, y=slice(5, 33))))


def test_labels_on_a_coarser_grid(tmp_path: Path):
    image, ids = noise(6, 40, 44), noise(6, 10, 11, dtype="u4")
    path = makers.write(tmp_path / "it.zarr", [image], makers.How(factors=[]))
    coarse = xr.DataArray(
        ids,
        dims=tuple("zyx"),
        coords={"z": np.arange(6.0), "y": np.arange(10) * 4 + 1.5, "x": np.arange(11) * 4 + 1.5},
        name="labels",
    )
    layers = Layers.of(path, labels={"coarse": coarse})
    (level,) = layers.layers[1].levels
    assert (layers.layers[1].name, level.mag) == ("coarse", "4-4-1")
    assert (level.factor, level.offset) == (
        {"z": 1.0, "y": 4.0, "x": 4.0},
        {"z": 0.0, "y": 1.5, "x": 1.5},
    )
    check_pixels(layers)
    # a crop of the image sees the pixels of the labels that it touches
    cut = nk.open(path)["1"].image.isel(x=slice(6, 14))
    (level,) = Layers.of(cut, labels=coarse).layers[1].levels
    assert (level.shape["x"], level.offset["x"]) == (3, -0.5)
    # and labels elsewhere are no layer
    assert len(Layers.of(cut, labels=coarse.assign_coords(z=coarse.z + 100)).layers) == 1


def test_dask_chunks_of_a_tree_are_read_as_they_are(cells: str):
    layers = Layers.of(nk.open(cells, chunks={}))
    assert [len(layer.levels) for layer in layers.layers] == [3, 3]
    check_pixels(layers, budget=3 * 10**7)


def test_labels_by_name_as_arrays_and_wrong_ones(cells: str):
    dt = nk.open(cells)
    ids = np.arange(32 * 256 * 256, dtype="i8").reshape(32, 256, 256)
    layers = Layers.of(dt, labels=["nuclei", ids, ids])
    assert [layer.name for layer in layers.layers] == ["cells", "nuclei", "labels", "labels (2)"]
    assert layers.layers[2].dtype == np.int64
    check_pixels(layers)
    for none in (None, False):
        assert len(Layers.of(dt, labels=none).layers) == 1
    with pytest.raises(NgffError, match="there are no labels 'blobs'"):
        Layers.of(dt, labels="blobs")
    with pytest.raises(NgffError, match="whole numbers"):
        Layers.of(dt, labels=ids.astype(float))


# --- arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dims", "channels"),
    [
        ((30, 40), "yx", 1),
        ((9, 30, 40), "zyx", 1),
        ((3, 9, 30, 40), "zyx", 3),
        ((12, 9, 30, 40), "tzyx", 1),
        ((12, 2, 9, 30, 40), "tzyx", 2),
    ],
)
def test_bare_arrays_get_axes(shape, dims, channels):
    data = noise(*shape)
    for array in (data, dask.array.from_array(data, chunks=7)):
        layers = Layers.of(array)
        assert "".join(axis.name for axis in layers.axes) == dims
        assert len(layers.layers[0].channels) == channels
        check_pixels(layers)


def test_many_axes_take_the_last_two_for_a_plane():
    layers = Layers.of(noise(2, 3, 2, 3, 8, 9))
    assert layers.planes == (("dim_5", "dim_4"),)
    assert layers.spatial == ("dim_4", "dim_5")
    check_pixels(layers)


def test_a_photograph_has_three_channels():
    photo = noise(30, 40, 3, dtype="u1", high=255)
    layers = Layers.of(photo)
    states = layers.channel_states(Bricks().read)
    assert [s["color"] for s in states] == ["#ff0000", "#00ff00", "#0000ff"]
    np.testing.assert_array_equal(Bricks().read(layers.layers[0], 0, 2, {}), photo[..., 2])


def test_axes_in_the_order_of_medical_images():
    da = xr.DataArray(noise(9, 8, 7), dims=("x", "y", "z"))
    assert Layers.of(da).planes == (("x", "y"), ("x", "z"), ("z", "y"))
    check_pixels(Layers.of(da))


def test_uneven_and_nameless_positions_are_texts():
    coords = {
        "time": np.array(["2024-01-01", "2024-01-05"], "M8[ns]"),
        "depth": [0.0, 1.5, 10.0],
        "y": np.arange(8)[::-1] * 2.0,
    }
    da = xr.DataArray(noise(2, 3, 8, 9), coords, ("time", "depth", "y", "x"))
    layers = Layers.of(da)
    assert layers.axis("time").values == ("2024-01-01", "2024-01-05")
    assert layers.axis("depth").values == ("0", "1.5", "10")
    y = layers.axis("y")
    assert (y.values[0], y.scale, y.origin, y.index[0]) == ("14", 1.0, 0.0, 14.0)
    assert layers.axis("x").values is None
    check_pixels(layers)


def test_units_are_compared_for_display():
    da = xr.DataArray(noise(4, 8, 9), dims=tuple("zyx"))
    da = da.assign_coords(z=np.arange(4) * 30.0, y=np.arange(8) * 0.004, x=np.arange(9) * 0.004)
    da.z.attrs["units"] = "nanometer"
    da.y.attrs["units"] = da.x.attrs["units"] = "micrometer"
    axes = Layers.of(da).axes
    assert [axis.unit for axis in axes] == ["nm", "µm", "µm"]
    assert [axis.display for axis in axes] == pytest.approx([0.03, 0.004, 0.004])
    assert axes[0].scale == 30.0


@pytest.mark.parametrize("kind", ["numpy", "dask", "stored"])
def test_a_large_array_gets_coarser_levels(tmp_path: Path, kind: str):
    data = noise(2, 2300, 1100)
    array = data
    if kind == "dask":
        array = dask.array.from_array(data, chunks=(1, 500, 301))
    elif kind == "stored":
        how = makers.How(chunks=(1, 100, 150), factors=[])
        array = makers.write(tmp_path / "it.zarr", [data], how)
    layers = Layers.of(array)
    levels = layers.layers[0].levels
    assert [level.mag for level in levels] == ["1", "2-2-1", "4-4-1"]
    assert [level.stride["x"] for level in levels] == [1, 2, 4]
    assert levels[2].offset == {"z": 0.0, "y": 0.0, "x": 0.0}
    got = Bricks().read(layers.layers[0], 2, 0, {})
    np.testing.assert_array_equal(got, data[:, ::4, ::4])
    check_pixels(layers)


def test_a_volume_in_memory_gets_a_level_that_can_be_projected():
    levels = Layers.of(np.zeros((200, 200, 200), np.uint8)).layers[0].levels
    assert [tuple(level.shape.values()) for level in levels] == [(200,) * 3, (100,) * 3]


def test_complex_pixels_come_as_magnitudes():
    data = np.array([[3 + 4j, 0], [1, 2j]])
    layers = Layers.of(data)
    assert layers.layers[0].dtype == np.float32
    np.testing.assert_array_equal(Bricks().read(layers.layers[0], 0, 0, {}), [[5, 0], [1, 2]])


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (np.zeros(5), "two axes"),
        (np.zeros((0, 4)), "no pixels"),
        (np.array([["a", "b"]]), "astype"),
        (np.zeros((3, 4), [("a", "u1")]), "astype"),
        (np.zeros((3, 4), "M8[ns]"), "astype"),
        ("/nowhere/at/all", "does not exist"),
        (object(), "can't open"),
    ],
)
def test_what_can_not_be_shown_is_refused(obj, message):
    with pytest.raises(NgffError, match=message):
        Layers.of(obj)


# --- how channels look ----------------------------------------------------------------------------


def test_windows_without_metadata_are_percentiles(tmp_path: Path):
    data = np.arange(4 * 50 * 60, dtype="u2").reshape(4, 50, 60)
    how = makers.How(factors=[])
    layers = Layers.of(makers.write(tmp_path / "it.zarr", [data], how))
    (state,) = layers.channel_states(Bricks().read)
    middle = data[1] if (4 - 1) // 2 == 1 else data[2]
    low, high = np.percentile(middle, (0.5, 99.5))
    assert state == {"visible": True, "color": "#ffffff", "window": [low, high], "gamma": 1.0}


def test_only_so_many_channels_are_shown_and_looked_at():
    data = noise(40, 6, 8, high=1000)
    layers = Layers.of(xr.DataArray(data, dims=("c", "y", "x")))
    reads = []
    bricks = Bricks()

    def read(*args):
        reads.append(args)
        return bricks.read(*args)

    states = layers.channel_states(read)
    assert [s["visible"] for s in states] == [True] * 6 + [False] * 34
    assert len(reads) == 16
    assert states[39]["window"][0] < states[39]["window"][1]


def test_pixels_that_can_not_be_read_are_reported(tmp_path: Path):
    how = makers.How(factors=[], compressor=None)
    path = makers.write(tmp_path / "it.zarr", [noise(8, 9, 10)], how)
    for name in makers.chunk_files(path):
        (path / name).write_bytes(b"no")
    layers, said = Layers.of(path), []
    (state,) = layers.channel_states(Bricks().read, said.append)
    assert state["window"] == [0.0, 65535.0]
    assert "0/c/0/0/0" in said[0]
    with pytest.warns(NgffWarning, match="no window could be chosen"):
        layers.channel_states(Bricks().read)


# --- chunks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "chunk", "start", "step"),
    [(10, 4, 0, 1), (13, 4, 6, 1), (20, 8, 3, 2), (9, 5, 7, 3), (30, 101, 5, 4), (50, 3, 1, 8)],
)
def test_cuts_cover_a_range_once(size, chunk, start, step):
    cuts = Cuts.of(size, chunk, start, step)
    for a in range(size):
        for b in range(a + 1, size + 1):
            found = cuts.meeting(a, b)
            assert found[0][0] <= a < found[0][1]
            assert found[-1][0] < b <= found[-1][1]
            assert all(x[1] == y[0] for x, y in pairwise(found))
    if step == 1:
        edges = {lo for lo, _ in cuts.meeting(0, size)} - {0}
        assert edges == {i for i in range(1, size) if (i + start) % chunk == 0}


def test_virtual_mags_of_a_bare_array_span_what_they_say():
    layers = Layers.of(np.zeros((40, 200, 300), "float32"))
    fine, coarse = layers.layers[0].levels
    assert coarse.mag == "2-2-1"
    assert coarse.factor == {"z": 1.0, "y": 2.0, "x": 2.0}
    assert fine.factor == {"z": 1.0, "y": 1.0, "x": 1.0}


def unknown_size() -> dask.array.Array:
    full = dask.array.ones((6, 8, 9), chunks=(2, 8, 9))
    return full[dask.array.from_array(np.arange(6) > 2, chunks=2)]


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        (unknown_size(), True, r"how many pixels the axis .* compute_chunk_sizes"),
        ([[1, 2], [3]], True, "some are longer than others"),
        (xr.DataArray(np.zeros((4, 5)), dims=(0, 1)), True, r"da.rename\(\{0: 'y'\}\)"),
        (np.zeros((3, 4, 5)), 5, "labels=5: give their names, or arrays"),
        (np.zeros((3, 4, 5)), np.zeros((0, 4, 5), int), "axis 'z' has no pixels"),
    ],
)
def test_what_can_not_be_shown_is_refused_in_our_words(given, labels, message):
    with pytest.raises(NgffError, match=message):
        Layers.of(given, labels=labels)


def test_a_hash_of_dask_is_no_name():
    array = dask.array.zeros((4, 5), chunks=2)
    for given in (array, xr.DataArray(array, dims=("y", "x"))):
        assert Layers.of(given).name == "image"
    assert Layers.of(xr.DataArray(array, dims=("y", "x"), name="cells")).name == "cells"
    assert Layers.of(array, name=3).manifest()["name"] == "3"  # type: ignore[arg-type]


def test_what_xarray_transposed_is_shown_when_small_and_refused_when_large(cells: str, monkeypatch):
    turned = nk.open(cells)["1"].to_dataset()["image"].transpose("x", "y", "z", ...)
    assert Layers.of(turned).planes[0] == ("x", "y")
    monkeypatch.setattr("ngffkit.widgets.pixels._SCATTERED", 100)
    with pytest.raises(NgffError, match="browse them as they were"):
        Layers.of(turned)


def test_a_plate_says_how_to_choose_a_well(tmp_path):
    makers.plate(tmp_path / "plate.zarr")
    with pytest.raises(NgffError, match=r"choose a well, e\.g\. dt\.ngff\.well\("):
        Layers.of(tmp_path / "plate.zarr")


def test_a_tree_that_was_opened_is_not_asked_for_again():
    store = VirtualStore(shape=(64, 256, 256))
    tree = nk.open(store)
    asked = []
    store._bytes = lambda key, known=store._bytes: asked.append(key) or known(key)
    Layers.of(tree)
    assert asked == []


def test_a_tree_of_labels_is_one_layer(tmp_path):
    path = nk.sample(tmp_path / "cells.ome.zarr")
    nuclei = nk.open(f"{path}/labels/nuclei")
    layers = Layers.of(nk.open(path, labels=False), labels=nuclei)
    assert [layer.name for layer in layers.layers][1:] == ["nuclei"]
    assert len(layers.layers[1].levels) > 1
