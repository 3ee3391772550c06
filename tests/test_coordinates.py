"""Physical coordinates through ordinary xarray: values stay right, and so does the pixel size."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from ngffkit.grid import Axis, Grid
from ngffkit.index import AxisIndex, axis_coords, spacing

GRID = Grid(
    (
        Axis("c", "channel"),
        Axis("z", "space", "micrometer"),
        Axis("y", "space", "micrometer"),
        Axis("x", "space", "micrometer"),
    ),
    (2, 6, 8, 10),
    (1.0, 2.0, 0.5, 0.1),
    (0.0, 0.0, 1.0, 0.3),
)
X = 0.3 + 0.1 * np.arange(10)


def make() -> xr.DataArray:
    pixels = np.arange(2 * 6 * 8 * 10).reshape(GRID.shape)
    return xr.DataArray(
        pixels, dims=GRID.dims, coords=axis_coords(GRID, ["DAPI", "GFP"]), name="image"
    )


@pytest.fixture
def da() -> xr.DataArray:
    return make()


def step(obj: Any, dim: str) -> float | None:
    """Return the pixel size that an object still knows along a dimension."""
    index = obj.xindexes[dim]
    return index.step if isinstance(index, AxisIndex) else spacing(index.index.to_numpy())


def test_coordinates_are_pixel_centres_with_units(da: xr.DataArray) -> None:
    np.testing.assert_allclose(da["x"].values, X, rtol=1e-15)
    assert da["x"].attrs == {"units": "micrometer", "type": "space"}
    assert da["z"].values.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert da["c"].values.tolist() == ["DAPI", "GFP"]
    assert (step(da, "z"), step(da, "y"), step(da, "x")) == (2.0, 0.5, 0.1)


# --- selection ----------------------------------------------------------------------------------


def test_slices_and_a_method_in_one_call(da: xr.DataArray) -> None:
    cut = da.sel(x=slice(0.5, 0.8), z=3.2, method="nearest")
    assert float(cut["z"]) == 4.0
    np.testing.assert_allclose(cut["x"], [0.5, 0.6, 0.7, 0.8])
    np.testing.assert_array_equal(cut.values, da.values[:, 2, :, 2:6])


def test_a_slice_takes_in_both_ends_whatever_the_rounding(da: xr.DataArray) -> None:
    # 0.1 * 3 + 0.3 is a little more than the 0.6 that a person writes
    assert da["x"].values[3] != 0.6
    np.testing.assert_allclose(da.sel(x=slice(0.6, 0.6))["x"], [0.6])
    np.testing.assert_allclose(da.sel(x=slice(0.3, 0.6))["x"], [0.3, 0.4, 0.5, 0.6])
    np.testing.assert_allclose(da.sel(x=slice(0.6, None))["x"], X[3:])
    np.testing.assert_allclose(da.sel(x=slice(None, 0.6))["x"], X[:4])
    assert da.loc[{"x": slice(0.61, 0.69)}].sizes["x"] == 0


def test_exact_labels_are_found_whatever_the_rounding(da: xr.DataArray) -> None:
    assert float(da.sel(x=0.6)["x"]) == pytest.approx(0.6)
    np.testing.assert_array_equal(da.sel(x=[0.6, 0.9]).values, da.values[..., [3, 6]])
    np.testing.assert_array_equal(da.sel(x=np.array([0.9, 0.6])).values, da.values[..., [6, 3]])
    assert int(da.sel(c="GFP", z=2, y=1.5, x=0.6)) == da.values[1, 1, 1, 3]


@pytest.mark.parametrize("label", [0.65, 99.0, [0.6, 0.65]])
def test_what_is_between_pixels_is_no_label(da: xr.DataArray, label: Any) -> None:
    with pytest.raises(KeyError):
        da.sel(x=label)


def test_a_tolerance_is_kept(da: xr.DataArray) -> None:
    assert float(da.sel(x=0.62, method="nearest", tolerance=0.03)["x"]) == pytest.approx(0.6)
    with pytest.raises(KeyError):
        da.sel(x=0.65, method="nearest", tolerance=0.03)
    assert float(da.sel(x=0.68, method="ffill")["x"]) == pytest.approx(0.6)


def test_points_along_a_line(da: xr.DataArray) -> None:
    at = da.sel(
        x=xr.DataArray([0.6, 0.9], dims="p"), y=xr.DataArray([1.0, 2.5], dims="p"), z=4, c="DAPI"
    )
    np.testing.assert_array_equal(at.values, da.values[0, 2, [0, 3], [3, 6]])


def test_a_mask_selects(da: xr.DataArray) -> None:
    np.testing.assert_array_equal(da.sel(x=da["x"] > 0.55)["x"], da["x"].values[3:])


def test_integers_select_on_whole_coordinates(da: xr.DataArray) -> None:
    assert float(da.sel(z=4)["z"]) == 4.0
    np.testing.assert_array_equal(da.sel(z=[2, 4])["z"], [2.0, 4.0])
    assert da.sel(z=slice(2, 6)).sizes["z"] == 3


# --- the pixel size -----------------------------------------------------------------------------

STEPS: list[tuple[str, Callable[[xr.DataArray], Any], str, float | None]] = [
    ("one pixel", lambda da: da.isel(z=slice(3, 4)), "z", 2.0),
    ("one pixel of a list", lambda da: da.isel(z=[3]), "z", 2.0),
    ("no pixel", lambda da: da.isel(z=slice(3, 3)), "z", 2.0),
    ("one by label", lambda da: da.sel(z=[4.0]), "z", 2.0),
    ("stride", lambda da: da.isel(x=slice(1, None, 3)), "x", 3 * 0.1),
    ("stride to one", lambda da: da.isel(x=slice(0, 2, 3)), "x", 3 * 0.1),
    ("getitem", lambda da: da[:, :, ::2], "y", 1.0),
    ("list", lambda da: da.isel(y=[0, 2, 4]), "y", 1.0),
    ("uneven list", lambda da: da.isel(y=[0, 2, 3]), "y", None),
    ("backwards", lambda da: da.isel(x=slice(None, None, -1)), "x", -0.1),
    ("twice backwards", lambda da: da[..., ::-1][..., ::-2], "x", 2 * 0.1),
    ("sorted down", lambda da: da.sortby("x", ascending=False), "x", -0.1),
    ("sorted up again", lambda da: da[..., ::-1].sortby("x"), "x", 0.1),
    ("mean over another axis", lambda da: da.mean("y"), "x", 0.1),
    ("rolling", lambda da: da.rolling(x=3).mean(), "x", 0.1),
    ("coarsen", lambda da: da.coarsen(x=2).mean(), "x", 0.2),
    ("concat", lambda da: xr.concat([da[..., :4], da[..., 4:]], "x"), "x", 0.1),
    ("concat with a gap", lambda da: xr.concat([da[..., :4], da[..., 5:]], "x"), "x", None),
    ("arithmetic", lambda da: da[..., 2:8] + da[..., 4:], "x", 0.1),
    ("to_dataset", lambda da: da.to_dataset("c"), "x", 0.1),
    ("chunk", lambda da: da.chunk({"x": 3}), "x", 0.1),
    ("shift", lambda da: da.shift(x=1), "x", 0.1),
    ("roll", lambda da: da.roll(x=1, roll_coords=True), "x", None),
    ("where drop", lambda da: da.where(da["x"] > 0.55, drop=True), "x", 0.1),
    ("rename", lambda da: da.rename(z="depth"), "depth", 2.0),
    ("transpose", lambda da: da.transpose("x", "y", "z", "c"), "x", 0.1),
    ("pickle", lambda da: pickle.loads(pickle.dumps(da)), "x", 0.1),
    ("copy", lambda da: da.copy(deep=True), "x", 0.1),
    ("moved", lambda da: da.assign_coords(x=da["x"] + 5), "x", 0.1),
    ("scaled", lambda da: da.assign_coords(x=da["x"] * 2), "x", 0.2),
    ("apply_ufunc", lambda da: xr.apply_ufunc(np.sqrt, da), "x", 0.1),
    ("astype", lambda da: da.astype("f4"), "x", 0.1),
    ("drop_isel", lambda da: da.drop_isel(x=[0, 1]), "x", 0.1),
    ("head", lambda da: da.head(x=3), "x", 0.1),
    ("thin", lambda da: da.thin(x=4), "x", 0.4),
    ("squeeze", lambda da: da.isel(z=[0]).squeeze("z"), "x", 0.1),
    ("diff", lambda da: da.diff("x"), "x", 0.1),
    ("swap back", lambda da: da.drop_indexes("x").set_xindex("x", AxisIndex), "x", 0.1),
]


@pytest.mark.parametrize(
    ("operate", "dim", "expected"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS]
)
def test_the_pixel_size_survives(
    da: xr.DataArray, operate: Callable[[xr.DataArray], Any], dim: str, expected: float | None
) -> None:
    left = step(operate(da), dim)
    assert left == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_values_after_operations(da: xr.DataArray) -> None:
    np.testing.assert_allclose(da.isel(x=slice(1, None, 3))["x"], X[1::3])
    np.testing.assert_allclose(da.coarsen(x=2).mean()["x"], X.reshape(5, 2).mean(1))
    summed = da[..., 2:8] + da[..., 4:]
    np.testing.assert_allclose(summed["x"], X[4:8])
    np.testing.assert_array_equal(summed.values, 2 * da.values[..., 4:8])
    np.testing.assert_allclose(da.diff("x", label="lower")["x"], X[:-1])
    np.testing.assert_allclose(da.roll(x=1, roll_coords=True)["x"], np.roll(X, 1))
    np.testing.assert_array_equal(da.differentiate("x").isel(c=0, z=0, y=0).values.round(6), 10)
    assert da.idxmax("x").isel(c=0, z=0, y=0) == pytest.approx(X[-1])
    grouped = da.groupby_bins("x", [0.0, 0.55, 2.0]).mean(...)
    np.testing.assert_allclose(grouped, [da.values[..., :3].mean(), da.values[..., 3:].mean()])
    assert da.stack(p=("y", "x")).sizes["p"] == 80
    assert da.to_dataframe().shape == (960, 1)
    assert da.pad(x=1).sizes["x"] == 12


def test_interpolation_uses_the_places(da: xr.DataArray) -> None:
    pytest.importorskip("scipy")
    line = da.isel(c=0, z=0, y=0).interp(x=[0.35, 0.4])
    np.testing.assert_allclose(line, [0.5, 1.0])


# --- alignment ----------------------------------------------------------------------------------


def test_places_within_a_millionth_of_a_pixel_are_the_same(da: xr.DataArray) -> None:
    other = da.assign_coords(x=da["x"].values + 1e-9)
    assert (da + other).sizes == da.sizes
    again = Grid(GRID.axes, GRID.shape, GRID.scale, (0.0, 0.0, 1.0, 0.3 + 1e-9))
    near = xr.DataArray(da.values, dims=GRID.dims, coords=axis_coords(again, ["DAPI", "GFP"]))
    assert (da + near).sizes == da.sizes
    assert (near + da).sizes == da.sizes
    xr.align(da, near, join="exact")


def test_places_apart_are_not_the_same(da: xr.DataArray) -> None:
    moved = Grid(GRID.axes, GRID.shape, GRID.scale, (0.0, 0.0, 1.0, 0.34))
    far = xr.DataArray(da.values, dims=GRID.dims, coords=axis_coords(moved, ["DAPI", "GFP"]))
    assert (da + far).sizes["x"] == 0
    with pytest.raises(xr.AlignmentError):
        xr.align(da, far, join="exact")


def test_joins(da: xr.DataArray) -> None:
    left, right = da[..., :4], da[..., 2:9]
    outer, other = xr.align(left, right, join="outer")
    np.testing.assert_allclose(outer["x"], X[:9])
    assert (step(outer, "x"), step(other, "x")) == (0.1, 0.1)
    assert np.isnan(outer.values[..., 4:]).all()
    inner, _ = xr.align(left, right, join="inner")
    np.testing.assert_array_equal(inner.values, da.values[..., 2:4])
    np.testing.assert_array_equal(da.combine_first(da[..., 2:5]).values, da.values)


def test_plain_coordinates_align_with_physical_ones(da: xr.DataArray) -> None:
    plain = xr.DataArray(np.ones(4), dims="x", coords={"x": X[3:7]})
    for summed in (da + plain, plain + da):
        np.testing.assert_allclose(summed["x"], X[3:7])
    np.testing.assert_array_equal((da * plain).transpose(*da.dims), da.values[..., 3:7])
    assert (da + xr.DataArray(np.ones(10), dims="x", coords={"x": X})).sizes == da.sizes


def test_reindex(da: xr.DataArray) -> None:
    made = da.reindex(x=[0.3, 0.6, 99.0])
    np.testing.assert_array_equal(made.values[..., :2], da.values[..., [0, 3]])
    assert np.isnan(made.values[..., 2]).all()
    near = da.reindex(x=[0.34], method="nearest")
    np.testing.assert_array_equal(near.values, da.values[..., :1])
    like = da.reindex_like(da[..., 2:5])
    np.testing.assert_array_equal(like.values, da.values[..., 2:5])
    assert step(like, "x") == 0.1


def test_identical_and_equal(da: xr.DataArray) -> None:
    assert da.identical(make())
    assert da.equals(da.copy())
    assert not da.equals(da.assign_coords(x=da["x"] + 1))
    assert not da[..., :5].equals(da[..., 5:])


def test_trees_and_datasets(da: xr.DataArray) -> None:
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/a": da.to_dataset()})
    cut = tree.sel(x=slice(0.5, 0.8))
    assert cut["a"].sizes["x"] == 4
    assert step(cut["a"].to_dataset(), "x") == 0.1
    assert da.to_dataset().drop_attrs()["x"].attrs == {}
    assert da.to_dataset().to_dict()["coords"]["x"]["attrs"]["units"] == "micrometer"


def test_dask_keeps_the_places(da: xr.DataArray) -> None:
    pytest.importorskip("dask.array")
    made = da.chunk({"x": 5}).map_blocks(lambda block: block * 2)
    assert step(made, "x") == 0.1
    np.testing.assert_array_equal(made.compute().values, da.values * 2)


def test_channels_are_told_apart() -> None:
    grid = Grid((Axis("c", "channel"),), (4,), (1.0,), (0.0,))
    names = axis_coords(grid, ["DAPI", "DAPI", "GFP"])["c"].values.tolist()
    assert names == ["DAPI", "DAPI (1)", "GFP", "3"]
    assert axis_coords(grid, ["x", "x (2)", "x"])["c"].values.tolist()[:3] == [
        "x",
        "x (2)",
        "x (3)",
    ]
    assert axis_coords(grid, [])["c"].values.tolist() == [0, 1, 2, 3]
    assert axis_coords(grid, list("abcdef"))["c"].values.tolist() == list("abcd")


# --- properties ---------------------------------------------------------------------------------

sizes = st.integers(1, 40)
scales = st.floats(1e-6, 1e6)


@settings(max_examples=200, deadline=None)
@given(sizes, scales, st.floats(-1e6, 1e6), st.data())
def test_any_crop_knows_where_it_is(n: int, scale: float, origin: float, data: Any) -> None:
    if abs(origin) > scale * 1e6:
        origin = scale  # a place that far away can't be told from its neighbour
    grid = Grid((Axis("x", "space"),), (n,), (scale,), (origin,))
    da = xr.DataArray(np.arange(n), dims="x", coords=axis_coords(grid))
    cut = data.draw(st.slices(n).filter(lambda s: s.step is None or s.step > 0))
    left = da.isel(x=cut)
    expected = grid.crop({"x": cut})
    np.testing.assert_array_equal(left["x"].values, grid.coords("x")[cut])
    assert step(left, "x") == pytest.approx(expected.scale[0], rel=1e-6)
    for at in left["x"].values:
        assert float(da.sel(x=at)["x"]) == at


@settings(max_examples=100, deadline=None)
@given(sizes, scales, st.data())
def test_halves_come_together_again(n: int, scale: float, data: Any) -> None:
    grid = Grid((Axis("x", "space"),), (n,), (scale,), (3 * scale,))
    da = xr.DataArray(np.arange(n), dims="x", coords=axis_coords(grid))
    middle = data.draw(st.integers(0, n))
    whole = xr.concat([da[:middle], da[middle:]], "x")
    assert whole.identical(da)
    assert step(whole, "x") == pytest.approx(scale)
    outer, _ = xr.align(da[:middle], da[middle:], join="outer")
    np.testing.assert_array_equal(outer["x"], da["x"])
