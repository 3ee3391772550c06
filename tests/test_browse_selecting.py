"""From what is drawn to data: boxes on every mag, points, lines, profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

import ngffkit as nk
from ngffkit import regions
from ngffkit.errors import NgffError
from ngffkit.widgets import browse, profiles, selecting
from ngffkit.widgets.browse import Viewer
from ngffkit.widgets.places import Places
from ngffkit.widgets.profiles import Line, values_along

SHAPE = {"z": 7, "y": 37, "x": 53}
STEP, ORIGIN = {"z": 2.5, "y": 0.3, "x": 0.3}, {"z": -4.0, "y": 11.0, "x": 0.0}


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without the page's code, which is built elsewhere."""
    monkeypatch.setattr(browse, "bundle", lambda: "export default { render() {} }")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a pyramid of odd sizes: c, z, y, x; mags 1, 2-2-1, 4-4-2."""
    target = tmp_path_factory.mktemp("selecting") / "odd.zarr"
    options: dict[str, Any] = {"mags": ["1", "2-2-1", "4-4-2"], "chunks": 16, "shards": None}
    nk.write(pixels(), target, **options)
    return str(target)


def pixels() -> xr.DataArray:
    random = np.random.default_rng(3)
    values = random.integers(0, 60000, (2, *SHAPE.values()), np.uint16)
    coords: dict[str, Any] = {
        n: (n, ORIGIN[n] + np.arange(size) * STEP[n], {"units": "micrometer"})
        for n, size in SHAPE.items()
    }
    return xr.DataArray(values, dims=list("czyx"), coords={"c": ["a", "b"], **coords})


@pytest.fixture
def view(path: str) -> Iterator[Viewer]:
    made = nk.browse(path, name="odd")
    yield made
    made.close()


def box(**parts: tuple[int, int]) -> dict[str, Any]:
    whole = {n: (0, size) for n, size in SHAPE.items()} | parts
    lo, hi = ({n: part[i] for n, part in whole.items()} for i in (0, 1))
    return {"kind": "box", "lo": lo, "hi": hi}


# --- boxes ----------------------------------------------------------------------------------------


def test_a_box_is_the_pixels_between_its_edges(view: Viewer, path: str) -> None:
    view.selection = box(z=(2, 4), y=(5, 36), x=(50, 53))
    ds = nk.open_dataset(path)
    want = ds.isel(z=slice(2, 4), y=slice(5, 36), x=slice(50, 53))
    assert view.selected.image.identical(want.image)
    assert ds.sel(view.box).identical(want)
    assert view.selected.attrs["mag"] == "1"


def test_a_box_in_coordinates_is_the_same_as_a_slice(view: Viewer, path: str) -> None:
    ds = nk.open_dataset(path)
    view.selection = {"box": {"x": (1.0, 9.05), "y": slice(None, 12.0), "z": (-4, 1.0)}}
    want = ds.sel(x=slice(1.0, 9.05), y=slice(None, 12.0), z=slice(-4, 1.0))
    assert view.selected.image.identical(want.image)
    again = view.selection
    view.selection = {"box": view.box}
    assert view.selection == again


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_box_at_other_mags_follows_the_rule_of_regions(path: str, data: st.DataObject) -> None:
    view = opened(path)
    parts = {}
    for name, size in SHAPE.items():
        start = data.draw(st.integers(0, size - 1))
        parts[name] = (start, stop := data.draw(st.integers(start + 1, size)))
        for factor in (2, 4):
            # halfway between two pixels both are the nearest, and rounding decides
            at = (start + stop) / (2 * factor)
            assume(stop - start >= factor or at != int(at))
    view.selection = box(**parts)
    region = nk.open_dataset(path).image.isel({n: slice(*part) for n, part in parts.items()})
    for mag in ("1", "2-2-1", "4-4-2"):
        want = regions.same_region(nk.open_dataset(path, mag=mag), region)
        assert view.select(mag).image.identical(want.image)


@cache
def opened(path: str) -> Viewer:
    return nk.browse(path)


def test_nothing_is_read_before_it_is_needed(view: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    from ngffkit.chunks.reader import ArrayReader

    read: list[Any] = []
    before = ArrayReader.read
    monkeypatch.setattr(ArrayReader, "read", lambda s, p: read.append(p) or before(s, p))
    for selection in (box(), {"points": [{"x": 1.0}]}, {"line": [{"x": 1.0}, {"x": 3.0}]}):
        view.selection = selection
        found = view.selected
        repr(found)
        assert not read
    view.scene.bricks.clear()
    found.load()
    assert read


def test_the_mag_shown(view: Viewer) -> None:
    view.selection = box(x=(0, 9))
    view.mag = "4-4-2"
    assert view.select("shown").sizes == {"c": 2, "z": 4, "y": 9, "x": 2}
    assert view.selected.sizes["x"] == 9
    with pytest.raises(NgffError, match="no mag '3'"):
        view.select("3")
    view.selection = {}
    with pytest.raises(NgffError, match="nothing is drawn"):
        view.select()


# --- labels ---------------------------------------------------------------------------------------


def labels(step: int, start: int = 0, stop: int | None = None) -> xr.DataArray:
    """Return ids of 64 bits on every `step`-th pixel of y and x, in a part of the image."""
    image = pixels().isel(c=0, y=slice(start, stop, step), x=slice(start, stop, step), drop=True)
    ids = np.arange(image.size, dtype=np.uint64).reshape(image.shape) + np.uint64(2**63)
    return image.copy(data=ids).rename("ids")


@pytest.mark.parametrize(
    ("step", "mag"), [(1, "1"), (2, "1"), (3, "1"), (2, "2-2-1"), (3, "2-2-1")]
)
def test_labels_lie_on_the_pixels_of_the_image(path: str, step: int, mag: str) -> None:
    ids = labels(step)
    view = nk.browse(path, labels=ids)
    view.selection = box(y=(4, 33), x=(6, 50))
    found = view.select(mag)
    near = ids.sel(y=found.y, x=found.x, z=found.z, method="nearest")
    (name,) = set(found) - {"image"}
    assert found[name].dtype == np.uint64
    # of two pixels equally near either may be taken
    own = {n: np.abs(ids[n].to_numpy()[:, None] - found[n].to_numpy()) for n in "yx"}
    ties = [np.sort(d, axis=0)[1] - d.min(axis=0) < 1e-9 for d in own.values()]
    clear = ~np.logical_or.outer(*ties)
    got, want = found[name].to_numpy(), near.to_numpy()
    assert clear.any()
    assert np.array_equal(got[:, clear], want[:, clear])
    assert np.array_equal(found[name][1:3, ::5].to_numpy(), got[1:3, ::5])
    view.close()


def test_labels_that_end_early_are_background_beyond(path: str) -> None:
    ids = labels(2, 8, 30)
    view = nk.browse(path, labels=ids)
    view.selection = box()
    (name,) = set(view.selected) - {"image"}
    got = view.selected[name].to_numpy()
    assert got.shape == tuple(SHAPE.values())
    assert not got[:, :7].any()
    assert not got[:, :, 31:].any()
    assert np.array_equal(got[:, 8:30:2, 8:30:2], ids.to_numpy())
    view.close()


# --- points and lines -----------------------------------------------------------------------------


def test_points_are_the_nearest_pixels(view: Viewer, path: str) -> None:
    at = [{"z": 1.1, "y": 12.0, "x": 3.1}, {"z": -4.0, "y": 21.8, "x": 15.7}]
    view.selection = {"points": at}
    ds = nk.open_dataset(path)
    found = view.selected
    names = {n: xr.DataArray([p[n] for p in at], dims="point") for n in "zyx"}
    want = ds.load().image.sel(names, method="nearest")
    assert found.image.transpose("c", "point").equals(want.transpose("c", "point"))
    assert found.image.isel(point=1, c=0).item() == want.isel(point=1, c=0).item()
    assert [point["z"] for point in view.points] == pytest.approx([1.1, -4.0])


def test_a_line_gives_the_pixels_that_it_passes(view: Viewer, path: str) -> None:
    a, b = {"z": 1.0, "y": 11.0, "x": 0.0}, {"z": 1.0, "y": 11.0, "x": 3.0}
    view.selection = {"line": (a, b)}
    assert view.line == (a, b)
    image = nk.open_dataset(path).image
    found = view.selected
    assert np.array_equal(found.image.to_numpy(), image[:, 2, 0, :11].to_numpy())
    assert found.distance.to_numpy() == pytest.approx(np.arange(11) * 0.3)
    assert found.distance.attrs["units"] == "µm"
    assert np.array_equal(found.x, image.x[:11])


def test_what_lies_outside_is_left_out_of_a_line(view: Viewer) -> None:
    view.selection = {"kind": "line", "points": [dict.fromkeys("zyx", -3), dict.fromkeys("zyx", 3)]}
    assert view.selected.sizes["distance"] < view.profile().sizes["distance"]
    assert view.selected.z.min() == ORIGIN["z"]


# --- profiles -------------------------------------------------------------------------------------


def test_a_profile_interpolates_between_pixels(view: Viewer) -> None:
    ends = [{"z": 0.7, "y": 2.25, "x": 1.5}, {"z": 5.2, "y": 30.0, "x": 50.0}]
    view.selection = {"kind": "line", "points": ends}
    found = view.profile()
    at = [np.linspace(ends[0][n], ends[1][n], found.sizes["distance"]) for n in "zyx"]
    for i, name in enumerate("ab"):
        want = ndimage.map_coordinates(pixels()[i].to_numpy().astype(float), at, order=1)
        assert found[name].to_numpy() == pytest.approx(want, abs=1e-6)
    length = np.sqrt(sum((float(at[i][-1] - at[i][0]) * STEP[n]) ** 2 for i, n in enumerate("zyx")))
    assert float(found.distance[-1]) == pytest.approx(length)
    assert float(found.z[0]) == pytest.approx(-4.0 + 0.7 * 2.5)


def test_a_profile_is_nan_outside_and_null_for_the_page(view: Viewer) -> None:
    a, b = {"z": 0.0, "y": 0.0, "x": -3.0}, {"z": 0.0, "y": 0.0, "x": 2.0}
    message = view._profile([a, b], 0)
    assert [channel["label"] for channel in message["channels"]] == ["a", "b"]
    values = message["channels"][0]["values"]
    assert values[:3] == [None] * 3
    assert values[3:] == pixels()[0, 0, 0, :3].to_numpy().tolist()
    assert message["channels"][0]["color"] == view.channels[0]["color"]
    assert message["distance"] == pytest.approx([0, 0.3, 0.6, 0.9, 1.2, 1.5])
    view.channels = [{"visible": False}, {}]
    assert [channel["label"] for channel in view._profile([a, b], 1)["channels"]] == ["b"]
    with pytest.raises(NgffError, match="no line is drawn"):
        view.profile()


def test_long_diagonals_are_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "_AT_ONCE", 2000)
    shape = {"z": 200, "y": 300, "x": 400}
    weights = np.array([1.0, 1000.0, 0.25])
    sizes: list[int] = []

    def read(part: Mapping[str, slice]) -> np.ndarray[Any, Any]:
        axes = [np.arange(part[n].start, part[n].stop, dtype=float) for n in shape]
        found = sum(w * a for w, a in zip(weights, np.meshgrid(*axes, indexing="ij"), strict=True))
        sizes.append(found.size)
        return np.asarray(found)

    where = {n: np.linspace(0, size - 1, 901) for n, size in shape.items()}
    got = values_along(read, where, shape)
    assert max(sizes) <= 2000
    want = sum(w * at for w, at in zip(weights, where.values(), strict=True))
    assert got == pytest.approx(want, rel=1e-12)


def test_pixels_that_do_not_count_do_not_spoil_a_value() -> None:
    row = np.array([1.0, 2.0, np.nan, 4.0])
    got = values_along(lambda part: row[part["x"]], {"x": np.array([0.0, 1.0, 1.5, 3.0])}, {"x": 4})
    assert got[[0, 1, 3]].tolist() == [1.0, 2.0, 4.0]
    assert np.isnan(got[2])


def test_distance_is_in_pixels_where_units_differ() -> None:
    axes = [
        {"name": n, "size": 9, "scale": 2.0, "origin": 0.0, "unit": unit, "values": None}
        for n, unit in (("angle", "°"), ("x", "µm"))
    ]
    places = Places({"axes": axes, "spatial": ["angle", "x"], "layers": []})
    line = Line.between([{"angle": 0, "x": 0}, {"angle": 3, "x": 4}], places, {})
    assert (line.unit, float(line.distance[-1]), len(line.distance)) == ("px", 5.0, 6)


def test_labels_alone_have_no_profile() -> None:
    view = nk.browse(labels(1).rename("labels"))
    view.selection = {"line": [{"x": 0.0}, {"x": 3.0}]}
    with pytest.raises(NgffError, match="can't be interpolated"):
        view.profile()
    assert set(view.selected) == {view.places.labels[0]}
    assert selecting.select(view.scene, view.selection)[view.places.labels[0]].dtype == np.uint64
    view.close()
