"""The accessor: right after every ordinary xarray operation, since coordinates tell."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import ngffkit as nk


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a sample: c, z, y, x; voxels 1.0 x 0.25 x 0.25; mags 1, 2-2-1, 4-4-1."""
    return nk.sample(tmp_path_factory.mktemp("accessor") / "cells.ome.zarr")


@pytest.fixture(scope="module")
def dt(path: str) -> xr.DataTree:
    """Return the sample, opened."""
    return nk.open(path)


def test_what_it_says_of_a_tree(dt: xr.DataTree, path: str) -> None:
    ngff = dt.ngff
    assert ngff.mags == ["1", "2-2-1", "4-4-1"]
    assert ngff.voxel_size == {"z": 1.0, "y": 0.25, "x": 0.25}
    assert ngff.units == dict.fromkeys("zyx", "micrometer")
    assert [axis.name for axis in ngff.axes] == ["c", "z", "y", "x"]
    assert [(c.label, c.color) for c in ngff.channels] == [
        ("nuclei", "2FA8FF"),
        ("membranes", "FF8A2F"),
    ]
    assert ngff.channels[0].window.end == 2600.0
    assert ngff.version == "0.5"
    assert ngff.source == path
    assert list(ngff.labels) == ["nuclei"]
    assert ngff.layout.chunks == (1, 16, 64, 64)
    assert ngff.layout.shards == (1, 32, 256, 256)
    assert "ngff" in repr(ngff)


def test_mags_and_their_pixel_sizes(dt: xr.DataTree) -> None:
    assert dt.ngff.mag_for(pixel_size=0.5) == "2-2-1"
    assert dt.ngff.mag_for(pixel_size=0.999) == "2-2-1"
    assert dt.ngff.mag_for(pixel_size=1000.0) == "4-4-1"
    assert dt.ngff.mag_for(pixel_size=0.01) == "1"
    assert dt.ngff.mag_for({"z": 1.0, "x": 1.0}) == "4-4-1"
    for mag, x in (("1", 0.25), ("2-2-1", 0.5), ("4-4-1", 1.0)):
        ds = dt.ngff.at(mag)
        assert ds.ngff.mag == mag
        assert ds.ngff.voxel_size["x"] == x
        assert float(ds.x[0]) == (x - 0.25) / 2
        assert ds.ngff.layout.shape == ds.image.shape
    for spelled in ("2,2,1", (2, 2, 1), "s1"):
        assert dt.ngff.at(spelled).sizes["x"] == 128
    with pytest.raises(nk.NgffError, match=r"no mag '8'.*1, 2-2-1, 4-4-1"):
        dt.ngff.at("8")


OPERATIONS: dict[str, Any] = {
    "isel": lambda da: da.isel(x=slice(10, 30)),
    "stride": lambda da: da.isel(x=slice(3, None, 3)),
    "sel": lambda da: da.sel(x=slice(5.0, 20.0)),
    "one pixel": lambda da: da.isel(x=slice(7, 8)),
    "arithmetic": lambda da: (da * 2.0 + 1) - da.mean(),
    "crop arithmetic": lambda da: da.isel(x=slice(0, 40)) + da.isel(x=slice(20, 60)),
    "chunk": lambda da: da.chunk({"x": 32}),
    "astype": lambda da: da.astype("float32"),
    "to_dataset": lambda da: da.to_dataset(name="other").other,
    "channels apart": lambda da: da.to_dataset("c")["nuclei"],
    "mean over z": lambda da: da.mean("z"),
    "transpose": lambda da: da.transpose("x", "y", "z", "c"),
    "where": lambda da: da.where(da > 300),
    "rename": lambda da: da.rename("signal"),
    "load": lambda da: da.isel(z=slice(0, 2)).load(),
    "pickle": lambda da: pickle.loads(pickle.dumps(da.isel(z=0))),
    "coarsen": lambda da: da.coarsen(x=2).mean(),
    "concat": lambda da: xr.concat([da.isel(x=slice(0, 9)), da.isel(x=slice(9, 20))], "x"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_grid_follows_operations(dt: xr.DataTree, name: str) -> None:
    da = dt["2-2-1"].image
    made = OPERATIONS[name](da)
    grid = made.ngff.grid
    step, first = grid.scale[grid.axis("x")], grid.origin[grid.axis("x")]
    # the claimed place of every pixel is where its coordinate says, whatever was done
    expected = first + np.arange(made.sizes["x"]) * step
    np.testing.assert_allclose(made.x.values, expected, atol=1e-12)
    factor = {"stride": 3, "coarsen": 2}.get(name, 1)
    assert step == pytest.approx(0.5 * factor, rel=1e-12)
    assert made.ngff.units["x"] == "micrometer"
    assert made.ngff.mags == ["1", "2-2-1", "4-4-1"]


def test_a_crop_at_another_mag_is_the_same_place(dt: xr.DataTree) -> None:
    crop = dt["4-4-1"].to_dataset().sel(x=slice(10.0, 20.0), z=3.2, c="nuclei", method="nearest")
    fine = crop.ngff.at("1")
    assert fine.image.dims == ("y", "x")
    assert float(fine.z) == 3.0
    assert str(fine.c.values) == "nuclei"
    low, high = float(crop.x[0]) - 0.5, float(crop.x[-1]) + 0.5
    assert fine.x.values.min() >= low
    assert fine.x.values.max() <= high
    assert fine.sizes["x"] == 4 * crop.sizes["x"]
    # the mean of the finer pixels is the coarse pixel, which proves the place
    mean = fine.image.coarsen(x=4, y=4).mean()
    assert abs(mean.values - crop.image.values).max() <= 1.0
    np.testing.assert_allclose(mean.x.values, crop.x.values)
    tiny = dt["1"].image.isel(x=slice(100, 101)).ngff.at("4-4-1")
    assert tiny.sizes["x"] == 1
    assert abs(float(tiny.x[0]) - 0.25 * 100) <= 0.5


def test_labels_come_in_the_same_region(dt: xr.DataTree) -> None:
    crop = dt["2-2-1"].to_dataset().isel(x=slice(20, 60), z=slice(4, 6))
    labels = crop.ngff.labels["nuclei"].labels
    assert labels.dims == ("z", "y", "x")
    np.testing.assert_array_equal(labels.x.values, crop.x.values)
    np.testing.assert_array_equal(labels.z.values, crop.z.values)
    np.testing.assert_array_equal(
        labels.values, dt["labels/nuclei/2-2-1"].labels.isel(x=slice(20, 60), z=slice(4, 6)).values
    )
    assert labels.ngff.image.kind == "label"
    assert dict(labels.ngff.image.label.colors)[1][3] == 255


def test_labels_are_found_when_they_were_left_out(path: str) -> None:
    ds = xr.open_dataset(path, engine="ngff", mag="4-4-1")
    assert list(ds.ngff.labels) == ["nuclei"]
    assert list(nk.open(path, labels=False).ngff.labels) == ["nuclei"]
    assert ds.ngff.at("1").sizes["x"] == 256


def test_strides_lie_between_mags(dt: xr.DataTree) -> None:
    strided = dt["1"].image.isel(x=slice(None, None, 2), y=slice(None, None, 2))
    assert strided.ngff.mag == "2-2-1"
    assert strided.ngff.voxel_size == {"z": 1.0, "y": 0.5, "x": 0.5}
    assert float(strided.x[0]) == 0.0
    assert dt["1"].image.isel(x=slice(None, None, 3)).ngff.mag == "3-1-1"


def test_arrays_of_ones_own() -> None:
    da = xr.DataArray(
        np.zeros((4, 5)),
        dims=("y", "x"),
        coords={"y": ("y", np.arange(4) * 2.0 + 1, {"units": "nanometer"})},
    )
    assert da.ngff.voxel_size == {"y": 2.0, "x": 1.0}
    assert da.ngff.grid.origin == (1.0, 0.0)
    assert da.ngff.units == {"y": "nanometer", "x": None}
    with pytest.raises(nk.NgffError, match="not opened by ngffkit"):
        _ = da.ngff.mags
    uneven = da.assign_coords(y=[0.0, 1.0, 5.0, 6.0])
    with pytest.raises(nk.NgffError, match=r"'y' is not evenly spaced.*assign_coords"):
        _ = uneven.ngff.grid


def test_the_address_alone_is_enough(dt: xr.DataTree) -> None:
    """What went through netCDF or JSON keeps the source as a plain string."""
    da = dt["2-2-1"].image.isel(z=0)
    plain = da.copy()
    plain = plain.assign_coords({name: da[name].values for name in da.dims})
    plain.attrs = {key: str(value) for key, value in da.attrs.items()}
    assert type(plain.attrs["ngff_source"]) is str
    assert plain.ngff.mags == ["1", "2-2-1", "4-4-1"]
    assert plain.ngff.mag == "2-2-1"


def test_many_images_must_be_told_apart(tmp_path: Path) -> None:
    nk.sample(tmp_path / "a.zarr")
    nk.sample(tmp_path / "b.zarr", version="0.4")
    both = nk.open(tmp_path)
    assert sorted(both.children) == ["a.zarr", "b.zarr"]
    with pytest.raises(nk.NgffError, match=r"2 images \('a.zarr', 'b.zarr'\); choose one"):
        _ = both.ngff.mags
    assert both["b.zarr"].ngff.version == "0.4"
    np.testing.assert_array_equal(
        both["a.zarr/4-4-1"].image.values, both["b.zarr/4-4-1"].image.values
    )
    assert list(both["b.zarr"].ngff.labels) == ["nuclei"]
    ds = xr.open_dataset(tmp_path, engine="ngff", image="b.zarr", mag="2-2-1")
    assert ds.sizes["x"] == 128
    with pytest.raises(nk.NgffError, match="several images; choose one by image="):
        xr.open_dataset(tmp_path, engine="ngff")


def test_what_is_served_is_what_the_accessor_is_of(dt: xr.DataTree) -> None:
    crop = dt["2-2-1"].to_dataset().isel(x=slice(10, 74), z=slice(3, 9))
    with crop.ngff.serve() as server:
        served = nk.open_dataset(server.url)
    assert server.closed
    assert served.image.shape == crop.image.shape
    np.testing.assert_allclose(served.x.values, crop.x.values)


def test_a_result_is_served_as_it_was_computed(dt: xr.DataTree) -> None:
    doubled = dt["4-4-1"].image.isel(c=0, z=slice(0, 4)) * 2
    with doubled.ngff.serve(name="doubled") as server:
        assert server.url.endswith("/doubled.zarr")
        pixels = nk.open_dataset(server.url).image.values
    np.testing.assert_array_equal(pixels.squeeze(), doubled.values)


def test_it_is_rewritten_beside_and_tuned_as_a_whole(dt: xr.DataTree, tmp_path: Path) -> None:
    small = str(tmp_path / "small.zarr")
    dt.ngff.rewrite({"chunks": 16, "shards": None}, small)
    beside = nk.open(small)
    assert beside.ngff.layout.chunks == (1, 16, 16, 16)
    assert beside.ngff.layout.shards is None
    np.testing.assert_array_equal(beside["1"].image.values, dt["1"].image.values)
    # of a crop, the image's layout is judged
    crop = beside["2-2-1"].to_dataset().isel(x=slice(0, 8))
    advised = crop.ngff.tune(line="S3", probe=False).layout
    assert advised["chunks"]
    assert advised == nk.tune(small, line="S3", probe=False).layout
    measured = crop.ngff.benchmark(patterns=["cutout 64"], rounds=1)
    assert {row.pattern for row in measured.rows} == {"cutout 64"}
