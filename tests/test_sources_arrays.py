"""Arrays and raw files as sources, and what is said over what a source says."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from source_contract import check_source, read_all

import ngffkit as nk
from ngffkit.errors import NgffError, NotFoundError, SourceError
from ngffkit.sources import arrays
from ngffkit.sources.adjusting import adjust, unit_of
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions


def ramp(*shape: int, dtype: str = "u2") -> np.ndarray:
    return np.arange(math.prod(shape), dtype="f8").reshape(shape).astype(dtype)


def refused(x, *words: str, error=NgffError, **options) -> None:
    with pytest.raises(error) as caught:
        open_source(x, ReadOptions(**options))
    for word in words:
        assert word in str(caught.value)


# --- NumPy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["yx", "zyx", "czyx", "tczyx"])
def test_axes_by_their_number(axes):
    truth = ramp(*(2, 3, 4, 5, 6)[-len(axes) :])
    source = open_source(truth)
    check_source(source, truth, axes, reopen=lambda: open_source(truth.copy()))
    assert bool(source.info.notes) == (len(axes) > 2)


@pytest.mark.parametrize("order", ["C", "F", "strided", "turned"])
def test_one_pixel_of_a_large_array_changes_its_fingerprint(monkeypatch, order):
    monkeypatch.setattr(arrays, "_HASHED", 1000)
    monkeypatch.setattr(arrays, "_SAMPLES", 10)
    monkeypatch.setattr(arrays, "_PIECE", 100)
    array = np.array(ramp(6, 20, 30), order="F" if order == "F" else "C")
    array = {"strided": array[:, ::2, 1:], "turned": array.transpose(0, 2, 1)}.get(order, array)
    before = open_source(array).info.fingerprint
    assert open_source(array.copy()).info.fingerprint == before
    at = tuple(n // 2 + 1 for n in array.shape)
    array[at] += 1
    assert open_source(array).info.fingerprint != before
    array[at] -= 1
    assert open_source(array).info.fingerprint == before


def test_what_is_repeated_without_being_held_is_looked_at_once():
    array = np.broadcast_to(np.zeros((1, 8), "u1"), (2**40, 2**12, 8))
    assert arrays.digest_of(array) == arrays.digest_of(array)


def test_of_a_large_file_in_memory_a_sample_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_HASHED", 1000)
    monkeypatch.setattr(arrays, "_checksum", lambda *_: pytest.fail("all of it was read"))
    np.save(tmp_path / "a.npy", ramp(6, 20, 30))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")[:, ::2]
    assert arrays.digest_of(mapped) == arrays.digest_of(mapped[:])


@pytest.mark.parametrize("axes", ["yxc", "xyz", "zcyx", "cztyx", "ytx", "qyx", "xytq"])
def test_any_order_of_axes_is_brought_in_order(axes):
    array = ramp(*range(2, 2 + len(axes)))
    order = sorted(range(len(axes)), key=lambda i: "tqczyx".index(axes[i]))
    truth = array.transpose(order)
    check_source(open_source(array, ReadOptions(axes=axes)), truth, [axes[i] for i in order])


@pytest.mark.parametrize("dtype", [">u2", ">f4", "?", "i1", "u8", "f2", "<i4"])
def test_pixels_are_of_native_types(dtype):
    array = ramp(3, 5, 7, dtype=dtype)
    check_source(open_source(array), array.astype(np.dtype(dtype).newbyteorder("=")), "zyx")


def test_arrays_that_are_no_images():
    refused(np.zeros(5), "axes=")
    refused(np.zeros((1,) * 6), "6 dimensions", "axes=")
    refused(np.zeros((3, 4), "c8"), "complex64", "bool, int, uint or float")
    refused(np.zeros((3, 4), "O"), "object")
    refused(np.zeros((3, 4), "U3"), "<U3")
    refused(np.zeros((0, 4)), "holds no image")
    refused(np.ma.zeros((3, 4)), "masked")
    refused(np.zeros((3, 4)), "axes: 'zyx'", axes="zyx")
    refused(np.zeros((3, 4)), "axes: 'zt'", axes="zt")
    refused(3.0, "a float is no image", "NumPy")
    refused({"a": 1}, "a dict is no image")


def test_content_is_the_fingerprint():
    a = ramp(3, 4, 5)
    b = a.copy()
    b[1, 1, 1] += 1
    assert open_source(a).info.fingerprint != open_source(b).info.fingerprint
    assert (
        open_source(a).info.fingerprint != open_source(a, ReadOptions(axes="tyx")).info.fingerprint
    )


def test_colours_last_are_pointed_out():
    (note,) = open_source(ramp(4, 5, 3)).info.notes
    assert "axes='yxc'" in note.remedy


# --- files of arrays ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files(tmp_path, order):
    truth = ramp(4, 5, 6, dtype=">u2")
    np.save(tmp_path / "a.npy", np.asarray(truth, order=order))
    source = open_source(tmp_path / "a.npy")
    check_source(source, truth.astype("u2"), "zyx", reopen=lambda: open_source(tmp_path / "a.npy"))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-1])
    refused(tmp_path / "a.npy", f"has {len(data) - 1} bytes", f"make {len(data)}")
    (tmp_path / "a.npy").write_bytes(b"x" * 99)
    refused(tmp_path / "a.npy", "is no .npy file")
    np.save(tmp_path / "o.npy", np.array([[{}]], dtype=object))
    refused(tmp_path / "o.npy", "object")


def test_memory_maps_travel_as_their_file(tmp_path):
    truth = ramp(20, 30, 40)
    whole = np.memmap(tmp_path / "m.bin", "u2", "w+", shape=truth.shape)
    whole[:] = truth
    source = open_source(whole)
    check_source(source, truth, "zyx")
    assert len(pickle.dumps(source)) < 4000
    check_source(open_source(whole[3:9, ::2]), truth[3:9, ::2], "zyx")


def test_raw_files(tmp_path):
    truth = ramp(5, 6, 7, dtype="u2")
    path = tmp_path / "a.raw"
    path.write_bytes(b"h" * 11 + truth.astype(">u2").tobytes())
    how = ReadOptions(shape=(5, 6, 7), dtype=">u2", offset=11, axes="zyx")
    check_source(open_source(path, how), truth, "zyx", reopen=lambda: open_source(path, how))
    turned = ReadOptions(shape=(5, 6, 7), dtype=">u2", offset=11, axes="xyz")
    check_source(open_source(path, turned), truth.T, "zyx")
    refused(path, "shape and dtype missing")
    refused(path, "dtype missing", shape=(5, 6, 7))
    refused(path, "has 431 bytes", "make 420", shape=(5, 6, 7), dtype="u2")
    refused(path, "no type", shape=(5, 6, 7), dtype="nonsense")
    refused(path, "positive sizes", shape=(5, 0, 7), dtype="u2")
    refused(path, "offset", shape=(5, 6, 7), dtype="u2", offset=-1)
    source = open_source(path, how)
    path.write_bytes(b"short")
    with pytest.raises(SourceError, match=r"a\.raw"):
        read_all(source)
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.raw"):
        read_all(source)
    refused(path, "does not exist", error=NotFoundError)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    data=st.data(),
    short=st.sampled_from([1, 64, 2**14]),
)
def test_every_box_of_a_raw_file(tmp_path_factory, shape, data, short):
    from ngffkit.sources import raw

    truth = ramp(*shape, dtype="u4")
    path = tmp_path_factory.getbasetemp() / "any.raw"
    path.write_bytes(truth.tobytes())
    box = []
    for n in shape:
        start = data.draw(st.integers(0, n - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, n))))
    with pytest.MonkeyPatch.context() as patch, path.open("rb", buffering=0) as file:
        patch.setattr(raw, "_SHORT", short)
        patch.setattr(raw, "_SPAN", 40)
        got = raw.read_box(file, shape, truth.dtype, 0, tuple(box))
    np.testing.assert_array_equal(got, truth[tuple(box)])


# --- xarray and dask ------------------------------------------------------------------------------


def labelled(truth: np.ndarray) -> xr.DataArray:
    return xr.DataArray(
        truth,
        dims=("c", "z", "y", "x"),
        coords={
            "c": ["DAPI", "GFP"],
            "z": ("z", 5 + 2.5 * np.arange(truth.shape[1]), {"units": "micrometer"}),
            "x": ("x", 0.25 * np.arange(truth.shape[3]), {"units": "micrometer"}),
        },
        name="image",
    )


def test_coordinates_are_the_grid():
    truth = ramp(2, 3, 4, 5)
    da = labelled(truth)
    source = open_source(da)
    check_source(source, truth, "czyx", reopen=lambda: open_source(labelled(truth)))
    grid = source.info.grid
    assert grid.scale == (1.0, 2.5, 1.0, 0.25)
    assert grid.origin == (0.0, 5.0, 0.0, 0.0)
    assert [axis.unit for axis in grid.axes] == [None, "micrometer", None, "micrometer"]
    assert [axis.type for axis in grid.axes] == ["channel", "space", "space", "space"]
    assert [channel.label for channel in source.info.channels] == ["DAPI", "GFP"]
    check_source(open_source(da.to_dataset()), truth, "czyx")
    part = open_source(da.transpose("x", "c", "y", "z").isel(z=slice(1, None), c=1))
    check_source(part, truth[1, 1:], "zyx")
    assert part.info.grid.origin[0] == 7.5


def test_names_of_dimensions():
    truth = ramp(2, 3, 4, 5)
    upper = xr.DataArray(truth, dims=("T", "C", "Y", "X"))
    check_source(open_source(upper), truth, "tcyx")
    words = xr.DataArray(truth, dims=("time", "channel", "y", "x"))
    check_source(open_source(words), truth, "tcyx")
    nameless = xr.DataArray(truth)
    refused(nameless, "dim_0, dim_1, dim_2, dim_3", "axes=")
    check_source(open_source(nameless, ReadOptions(axes="tzyx")), truth, "tzyx")
    uneven = xr.DataArray(truth[0, 0], dims=("y", "x"), coords={"x": [0.0, 1, 5, 6, 7]})
    refused(uneven, "not evenly spaced")


def test_dask_arrays_are_read_by_chunks():
    import dask.array

    truth = ramp(6, 7, 8)
    lazy = dask.array.from_array(truth, chunks=(4, 3, 8)) + np.uint16(1)
    source = open_source(lazy)
    check_source(source, truth + 1, "zyx", reopen=lambda: open_source(lazy))
    assert source.info.block == (4, 3, 8)
    wrapped = open_source(xr.DataArray(lazy, dims=("z", "y", "x")))
    check_source(wrapped, truth + 1, "zyx")
    assert wrapped.info.block == (4, 3, 8)
    refused(lazy[lazy[:, 0, 0] > 5], "unknown sizes")


def test_what_fails_in_a_graph_is_a_source_error():
    import dask.array

    def explode(block):
        raise RuntimeError("disk on fire")

    lazy = dask.array.zeros((4, 4), chunks=2).map_blocks(explode, dtype="f8")
    with pytest.raises(SourceError, match="disk on fire"):
        open_source(lazy).read((slice(0, 1), slice(0, 1)))


def test_what_ngffkit_opened_is_read_by_chunks(tmp_path):
    path = nk.sample(tmp_path / "cells.zarr")
    truth = nk.open_dataset(path, mag="4-4-1").image.values
    lazy = nk.open_dataset(path, mag="4-4-1").image
    source = open_source(lazy)
    check_source(
        source,
        truth,
        "".join(lazy.dims),
        reopen=lambda: open_source(nk.open_dataset(path, mag="4-4-1")),
    )
    assert source.info.block == tuple(
        min(c, n)
        for c, n in zip(lazy.encoding["preferred_chunks"].values(), lazy.shape, strict=True)
    )
    assert source.info.grid.scale[-1] == float(lazy.x[1] - lazy.x[0])


# --- what is said over it -------------------------------------------------------------------------


def test_voxel_sizes_in_every_form():
    array = ramp(2, 3, 4, 5)
    x_y_z = open_source(array, ReadOptions(axes="tzyx", voxel_size=(4, 5, 40)))
    assert x_y_z.info.grid.scale == (1, 40, 5, 4)
    assert [a.unit for a in x_y_z.info.grid.axes] == [None, *["nanometer"] * 3]
    assert any(note.loc == "unit" for note in x_y_z.info.notes)
    by_name = open_source(
        array, ReadOptions(axes="tzyx", voxel_size={"t": 2.5, "z": 0.5}, unit="µm")
    )
    assert by_name.info.grid.scale == (2.5, 0.5, 1, 1)
    assert [a.unit for a in by_name.info.grid.axes] == ["second", *["micrometer"] * 3]
    timed = open_source(array, ReadOptions(axes="tzyx", voxel_size={"t": 20}, unit="ms"))
    assert timed.info.grid.axes[0].unit == "millisecond"
    flat = open_source(array[0, 0], ReadOptions(voxel_size=(4, 5, 40), unit="nm"))
    assert flat.info.grid.scale == (5, 4)


@pytest.mark.parametrize("spelled", ["nm", "nanometers", "Nanometre"])
def test_units_as_people_spell_them(spelled):
    assert unit_of(spelled) == "nanometer"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"voxel_size": (1, 2)}, ["voxel_size", "none for z"]),
        ({"voxel_size": (1, 2, 0)}, ["voxel_size: 0 along z", "positive"]),
        ({"voxel_size": (1, 2, float("nan"))}, ["voxel_size: nan along z"]),
        ({"voxel_size": (1, 2, 3, 4)}, ["voxel_size: (1, 2, 3, 4)"]),
        ({"voxel_size": 5}, ["voxel_size: 5", "x, y, z"]),
        ({"voxel_size": "1,2,3"}, ["voxel_size: '1,2,3'"]),
        ({"voxel_size": {"w": 1}}, ["voxel_size: no axis 'w'", "z, y, x"]),
        ({"unit": "furlong"}, ["unit: 'furlong'", "nanometer"]),
        ({"origin": {"w": 1}}, ["origin: no axis 'w'"]),
        ({"origin": {"z": float("inf")}}, ["origin: inf along z"]),
        ({"origin": (1, 2, 3)}, ["origin: (1, 2, 3)"]),
        ({"kind": "labels"}, ["kind: 'labels'", "'label'"]),
        ({"channels": ["a", "b"]}, ["channels: 2 names (a, b) for 1 channel"]),
        ({"crop": {"w": slice(1, 2)}}, ["crop: no axis 'w'"]),
        ({"crop": {"z": slice(0, 9)}}, ["crop: z=0:9", "4 pixels"]),
        ({"crop": {"z": slice(3, 3)}}, ["crop: z=3:3"]),
        ({"crop": {"z": slice(0, 4, 2)}}, ["crop: slice(0, 4, 2) along z"]),
        ({"crop": {"z": 3}}, ["crop: 3 along z"]),
    ],
)
def test_an_option_that_does_not_fit_is_named(options, words):
    refused(ramp(4, 5, 6), *words, **options)


def test_labels_are_whole_numbers():
    refused(ramp(4, 5, dtype="f4"), "kind: labels are whole numbers", "float32", kind="label")
    assert open_source(ramp(4, 5), ReadOptions(kind="label")).info.kind == "label"


def test_names_channels_and_origin():
    source = open_source(
        ramp(2, 3, 4, 5),
        ReadOptions(name="mine", channels=("a", "b"), origin={"z": 2.5, "x": -1}),
    )
    assert source.info.name == "mine"
    assert [channel.label for channel in source.info.channels] == ["a", "b"]
    assert source.info.grid.origin == (0, 2.5, 0, -1)
    cropped = adjust(source, ReadOptions(crop={"c": slice(1, 2), "x": slice(-3, None)}))
    assert [channel.label for channel in cropped.info.channels] == ["b"]
    assert cropped.info.grid.origin == (1, 2.5, 0, 1)


def test_nothing_said_is_nothing_changed():
    source = open_source(ramp(4, 5))
    assert adjust(source, ReadOptions()) is source
    assert open_source(source) is source


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_crops_of_crops(data):
    truth = ramp(5, 6, 7)
    source = open_source(truth, ReadOptions(voxel_size=(0.5, 2, 3), unit="um"))
    expected = source.info.grid
    for _ in range(2):
        crop = {}
        for name, n in zip("zyx", truth.shape, strict=True):
            start = data.draw(st.integers(0, n - 1))
            crop[name] = slice(start, data.draw(st.integers(start + 1, n)))
        source = adjust(source, ReadOptions(crop=crop))
        truth, expected = truth[tuple(crop.values())], expected.crop(crop)
    check_source(source, truth, "zyx")
    assert source.info.grid == expected
