"""The viewer's Python side: state from both sides, its words, links, what notebooks get to see."""

from __future__ import annotations

import base64
import gc
import io
import json
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import ngffkit as nk
from ngffkit.cli import main
from ngffkit.errors import NgffError
from ngffkit.widgets import browse, files
from ngffkit.widgets.browse import Viewer

AXES = {"z": (0.5, 10.0), "y": (0.25, -3.0), "x": (0.1, 0.3)}


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without the page's code, which is built elsewhere."""
    monkeypatch.setattr(browse, "bundle", lambda: "export default { render() {} }")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return nk.sample(tmp_path_factory.mktemp("widget") / "cells.ome.zarr")


@pytest.fixture
def views() -> Iterator[list[Viewer]]:
    made: list[Viewer] = []
    yield made
    for view in made:
        view.close()


def image(
    shape: tuple[int, ...] = (6, 20, 30), scale: float = 1.0, unit: str = "micrometer"
) -> xr.DataArray:
    coords = {
        name: ("zyx"[i], origin * scale + np.arange(shape[i]) * step * scale, {"units": unit})
        for i, (name, (step, origin)) in enumerate(AXES.items())
    }
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return xr.DataArray(pixels, dims=list("zyx"), coords=coords)


def says(view: Viewer, **state: Any) -> None:
    """Send the state as a page does."""
    view._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


class Sent:
    """Catches what goes to the page."""

    def __init__(self, view: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: list[dict[str, Any]] = []

        def send(message: dict[str, Any], buffers: Any = None) -> None:
            if message["method"] == "update":
                json.dumps(message["state"])
                self.states.append(message["state"])

        monkeypatch.setattr(type(view), "_send", lambda _, *message, **more: send(*message, **more))

    def last(self, key: str) -> Any:
        return [state[key] for state in self.states if key in state][-1]


# --- what it starts with --------------------------------------------------------------------------


def test_the_state_is_the_contract(views):
    text = (Path(__file__).parents[1] / "js" / "src" / "types.js").read_text("utf-8")
    block = text.split("@typedef {object} SharedState")[1].split("*/")[0]
    keys = [line.split("}")[-1].split()[0] for line in block.splitlines() if "@property" in line]
    views.append(view := nk.browse(image()))
    assert list(view.state) == keys
    assert {"layout": "_layout"}.items() <= browse._SYNCED.items()
    assert {browse._SYNCED.get(key, key) for key in keys} <= set(view.keys)
    assert "layout" not in view.keys  # ipywidgets' pages take it for a model of CSS


def test_it_stands_in_the_middle_of_space(views):
    da = image().expand_dims(t=[5.0, 6.0]).assign_coords(t=("t", [5.0, 6.0]))
    views.append(view := nk.browse(da, x=0.75))
    assert view.voxel == {"t": 0, "z": 3, "y": 10, "x": 5}
    assert view.position["t"] == 5.0
    assert view.position["x"] == float(da.x[5])
    assert view.center == {"z": 2.5, "y": 9.5, "x": 5.0}
    assert (view.zoom, view.layout, view.plane) == (0.0, "plane", ["x", "y"])


def test_first_tiles_are_those_of_the_plane_in_view(path, views):
    views.append(view := nk.browse(path, z=7))
    tiles = view.get_state("_first")["_first"]["tiles"]
    assert [tile["request"]["layer"] for tile in tiles] == [0, 0, 1]
    ds = nk.open(path).ngff.at("1")
    for tile in tiles[:2]:
        request = tile["request"]
        box = {name: slice(*part) for name, part in request["box"].items()}
        want = ds.image.isel(c=request["channel"], **box).squeeze("z").to_numpy()
        got = np.frombuffer(tile["data"], tile["dtype"]).reshape(tile["shape"])
        assert request["order"] == ["y", "x"]
        assert np.array_equal(got, want)
    assert sum(len(tile.get("data", b"")) for tile in tiles) <= 512 * 1024


def test_options_that_are_none_are_refused_with_those_there_are(path):
    with pytest.raises(NgffError, match=r"'colour' is neither an axis .*did you mean 'colors'"):
        nk.browse(path, colour="FF0000")
    with pytest.raises(NgffError, match="no channel 'dapi'; the channels are 0: 'nuclei'"):
        nk.browse(path, channels="dapi")
    with pytest.raises(NgffError, match=r"outside the image, whose axis 'z' runs from 0.0 to 31"):
        nk.browse(path, z=99)
    with pytest.raises(NgffError, match="layout"):
        nk.browse(np.zeros((8, 8)), layout="ortho")
    for position in (3, "z"):
        with pytest.raises(NgffError, match="write it by axis"):
            nk.browse(path, position=position)  # type: ignore[arg-type]
    with pytest.raises(NgffError, match=r"no channel 1\.5"):
        nk.browse(path, channels=1.5)  # type: ignore[arg-type]


def test_how_channels_look_can_be_said(path, views):
    options: dict[str, Any] = {"colors": {"membranes": "00ff00"}, "windows": (1, 9)}
    views.append(view := nk.browse(path, channels=["membranes"], **options))
    assert [style["visible"] for style in view.channels] == [False, True]
    assert [style["color"] for style in view.channels] == ["#2fa8ff", "#00ff00"]
    assert view.window == {"nuclei": (1.0, 9.0), "membranes": (1.0, 9.0)}
    views.append(auto := nk.browse(path, windows="auto"))
    assert auto.window["nuclei"] != (100.0, 2600.0)


def test_windows_of_wide_types_can_be_chosen_from_around_the_data(views):
    views.append(view := nk.browse(image().astype("float32") / 100))
    (channel,) = view._manifest["layers"][0]["channels"]
    low, high = view.window[view.places.channels[0]]
    assert channel["range"][0] < low < high < channel["range"][1]


# --- both sides -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 5000),
    scale=st.floats(1e-6, 1e6),
    origin=st.floats(-1e6, 1e6),
    part=st.floats(0, 1),
)
def test_positions_are_the_coordinates_to_the_last_digit(size, scale, origin, part):
    from ngffkit.widgets.places import Places

    coords = origin + np.arange(size) * scale
    axis = {"name": "x", "size": size, "scale": scale, "origin": origin, "unit": "", "values": None}
    manifest = {"axes": [axis], "spatial": ["x"], "layers": []}
    i = round(part * (size - 1))
    for places in (Places(manifest), Places(manifest, {"x": pd.Index(coords)})):
        assert places.coordinate("x", i) == coords[i]
        if np.all(np.diff(coords) > 0.9 * scale):
            assert places.nearest("x", coords[i]) == i


def test_position_and_voxel_are_one(views):
    da = image()
    views.append(view := nk.browse(da))
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "position")
    says(view, voxel={"z": 4, "y": 1, "x": 29})
    assert view.position == {name: float(da[name][view.voxel[name]]) for name in "zyx"}
    view.position = {"z": 10.7}
    assert view.voxel == {"z": 1, "y": 1, "x": 29}
    assert view.position["z"] == 10.5
    assert view.center["z"] == 1.0
    assert [position["z"] for position in seen] == [12.0, 10.5]
    assert float(da.sel(view.position)) == float(da.isel(view.voxel))


def test_axes_without_numbers_have_their_own_positions(views):
    times = pd.date_range("2026-01-01", periods=3)
    da = image().expand_dims(t=times)
    views.append(view := nk.browse(da))
    view.position = {"t": "2026-01-03"}
    assert view.voxel["t"] == 2
    assert da.sel(t=view.position["t"]).sizes == image().sizes


@pytest.mark.parametrize(
    ("values", "wanted", "voxel"),
    [
        ([0.0, 9.0, 4.0, 5.0], 4.0, 2),  # in no order
        ([0.0, 9.0, 4.0, 5.0], 7.5, 1),
        ([1.0, 1.0, 2.0, 2.0], 2.0, 2),  # twice the same
        ([1.0, np.nan, 3.0, 7.0], 7.0, 3),
        ([7.0, 3.0, 2.0, 1.0], 3.0, 1),  # descending
        (["b", "a", "b", "c"], "b", 0),
    ],
)
def test_positions_need_no_order(values, wanted, voxel, views):
    da = xr.DataArray(np.zeros((4, 8, 8)), dims=("z", "y", "x"), coords={"z": values})
    views.append(view := nk.browse(da))
    view.position = {"z": wanted}
    assert view.voxel["z"] == voxel
    with pytest.raises(NgffError, match=r"z=nan"):
        view.position = {"z": float("nan")}


def test_a_plane_without_a_pyramid_is_not_read_to_the_end_before_it_is_shown(views):
    read = []

    def block(block_info: Any) -> np.ndarray:
        read.append(block_info[None]["chunk-location"])
        return np.ones((1024, 1024), np.uint8)

    array = dask.array.map_blocks(
        block, chunks=((1024,) * 64, (1024,) * 64), dtype=np.uint8, meta=np.zeros((0, 0), np.uint8)
    )
    views.append(view := nk.browse(array))
    assert len(read) <= 4
    assert view.window == {"image": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("position", {"z": 99.0}, "outside the image"),
        ("position", {"w": 1.0}, "no axis 'w'"),
        ("position", {"z": "middle"}, "finite number"),
        ("position", None, "by axis"),
        ("voxel", {"z": 6}, "0 to 5"),
        ("voxel", [1, 2, 3], "by axis"),
        ("center", {"x": float("nan")}, "finite"),
        ("zoom", -1, "pixels per voxel"),
        ("zoom", "much", "finite number"),
        ("layout", "four", "'plane', 'ortho', 'volume'"),
        ("plane", "xt", "'xy', 'xz', 'zy'"),
        ("mag", "7-7-7", "no mag"),
        ("slab", 0, "slab=0"),
        ("window", {"gfp": (0, 1)}, "no 'gfp'"),
        ("window", {"image": (0, "b")}, "finite number"),
        ("selected_ids", {"cells": [1]}, "no 'cells'"),
        ("channels", [], "list of 1"),
        ("selection", {"box": {"x": (100, 200)}}, "make it larger"),
        ("selection", {"points": [{"z": 1e6}]}, "outside"),
        ("selection", {"line": [{}]}, "two ends"),
        ("theme", None, "'auto'"),
        ("height", 1e9, "40 to 8000"),
    ],
)
def test_python_may_not_set_what_makes_no_sense(name, value, message, views):
    views.append(view := nk.browse(image(), name="image"))
    before = view.state
    with pytest.raises(NgffError, match=message):
        setattr(view, name, value)
    assert view.state == before


@pytest.mark.parametrize(
    "state",
    [
        {"voxel": {"z": -1, "y": 0, "x": 0}},
        {"voxel": "here"},
        {"center": {"z": None, "y": 1, "x": 1}},
        {"zoom": None},
        {"plane": ["x", "x"]},
        {"channels": [{"shown": True}]},
        {"channels": [{"visible": 1, "color": "red", "window": [0, 1], "gamma": 1}]},
        {"labels": [1]},
        {"held_mag": "3"},
        {"selection": {"kind": "box", "lo": {}, "hi": {}}},
        {"selection": {"kind": "points", "points": [{"x": 1}]}},
        {"tool": "axe"},
        {"_manifest": {}},
        {"_esm": "alert(1)"},
        {"nonsense": 3},
    ],
)
def test_what_a_page_says_wrongly_is_ignored_and_put_right(state, views, monkeypatch, capsys):
    views.append(view := nk.browse(image()))
    sent = Sent(view, monkeypatch)
    before, (key,) = {**view.get_state()}, state
    says(view, zoom=2.5, **({} if "zoom" in state else state))
    if "zoom" in state:
        says(view, **state)
    assert view.zoom == 2.5
    assert {**view.get_state(), "zoom": before["zoom"]} == before
    if key in before:
        assert sent.last(key) == view.get_state()[key]
    assert "Traceback" not in capsys.readouterr().err


def test_what_python_sets_goes_to_the_page(views, monkeypatch):
    views.append(view := nk.browse(image()))
    sent = Sent(view, monkeypatch)
    view.position = {"z": 12.0}
    assert sent.last("voxel") == {"z": 4, "y": 10, "x": 15}
    view.layout = "ortho"
    assert sent.last("_layout") == "ortho"
    view.plane = "yz"
    assert sent.last("plane") == ["z", "y"]
    view.window = {view.places.channels[0]: (3, 4)}
    assert sent.last("channels")[0]["window"] == [3.0, 4.0]


def test_layout_is_not_the_css_of_ipywidgets(views):
    views.append(view := nk.browse(image()))
    says(view, _layout="volume")
    assert view.layout == "volume" == view.state["layout"]


def test_mags_are_held_and_let_go(path, views):
    views.append(view := nk.browse(path))
    says(view, shown_mag="2-2-1")
    assert (view.mag, view.held_mag) == ("2-2-1", "")
    view.mag = (4, 4, 1)
    assert (view.mag, view.held_mag) == ("4-4-1", "4-4-1")
    view.mag = view.mag
    assert view.held_mag == "4-4-1"
    view.mag = "auto"
    assert (view.mag, view.held_mag) == ("2-2-1", "")
    view.mag = view.mag
    assert view.held_mag == "2-2-1"


def test_windows_go_both_ways(path, views):
    views.append(view := nk.browse(path))
    view.window = {"membranes": (5, 6)}
    assert view.channels[1]["window"] == [5.0, 6.0]
    assert view.window["nuclei"] == (100.0, 2600.0)
    style = {"visible": True, "color": "#ABCDEF", "window": [1, 2], "gamma": 0.5}
    says(view, channels=[style, style])
    assert view.window == {"nuclei": (1.0, 2.0), "membranes": (1.0, 2.0)}
    assert view.channels[0]["color"] == "#abcdef"


def test_ids_are_exact_to_64_bits(path, views):
    views.append(view := nk.browse(path))
    view.selected_ids = {"nuclei": [2**63, np.uint64(2**64 - 1), 7]}
    assert view.labels[0]["selected"] == ["9223372036854775808", "18446744073709551615", "7"]
    says(view, labels=[{**view.labels[0], "selected": ["9223372036854775809", "-3"]}])
    assert view.selected_ids == {"nuclei": [2**63 + 1, -3]}
    for wrong in ([1.0], ["a"], 5, "12"):
        with pytest.raises(NgffError, match=r"whole numbers|no id"):
            view.selected_ids = {"nuclei": wrong}


def test_observers_may_set_other_parts(views):
    views.append(view := nk.browse(image()))
    view.observe(lambda _: setattr(view, "position", {"x": 0.3}), "zoom")
    says(view, zoom=4.0)
    assert view.voxel["x"] == 0
    view.observe(lambda c: setattr(view, "position", {"y": c["new"]["y"]}), "position")
    view.position = {"z": 10.0}
    assert view.voxel == {"z": 0, "y": 10, "x": 0}


def test_both_sides_may_speak_at_once(views):
    views.append(view := nk.browse(image((50, 20, 30))))
    failed: list[BaseException] = []

    def run(speak: Any) -> None:
        try:
            for i in range(100):
                speak(i)
        except BaseException as err:  # noqa: BLE001 - reported below
            failed.append(err)

    speakers = [
        lambda i: says(view, voxel={"z": i % 50, "y": 1, "x": 1}, zoom=1.0 + i),
        lambda i: setattr(view, "position", {"y": -3.0 + 0.25 * (i % 20)}),
        lambda i: setattr(view, "window", {view.places.channels[0]: (i, i + 1)}),
        lambda i: says(view, tool="box" if i % 2 else "pan", _layout="ortho"),
    ]
    threads = [threading.Thread(target=run, args=(speak,)) for speak in speakers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert view.position == view.places.position(view.voxel)
    assert view.window[view.places.channels[0]] == tuple(view.channels[0]["window"])
    assert (view.zoom, view.layout) == (100.0, "ortho")


# --- links ----------------------------------------------------------------------------------------


def test_linked_views_stand_at_the_same_place_in_units(views):
    fine, coarse = image((6, 40, 60)), image((6, 20, 30)).coarsen(y=2, x=2).mean()
    coarse = coarse.assign_coords({n: coarse[n] * 1000 for n in "zyx"})
    for name in "zyx":
        coarse[name].attrs["units"] = "nanometer"
    views += [one := nk.browse(fine), other := nk.browse(coarse)]
    says(one, zoom=2.0)
    link = one.link(other, "position", "center", "zoom")
    one.position = {"z": 11.0, "y": -0.5, "x": 1.3}
    assert other.position["z"] == pytest.approx(11000)
    assert abs(other.position["y"] + 500) <= 250
    assert other.zoom == pytest.approx(4.0)
    other.position = {"x": 500.0}
    assert abs(one.position["x"] - other.position["x"] / 1000) <= 0.05 + 1e-9
    other.zoom = 1.0
    assert one.zoom == pytest.approx(0.5)
    # beyond the end of the other, it stays at its end
    one.position = {"x": 6.2}
    assert other.voxel["x"] == other.places.size("x") - 1
    link.unlink()
    one.position = {"z": 10.0}
    assert other.position["z"] == pytest.approx(11000)
    assert one._links == other._links == []
    assert "undone" in repr(link)


def test_linked_views_may_be_moved_from_both_sides_at_once(views):
    views += [one := nk.browse(image()), other := nk.browse(image())]
    one.link(other, "position", "center")

    def python() -> None:
        for i in range(100):
            one.position = {"x": 0.3 + 0.1 * (i % 30)}

    def page_says() -> None:
        for i in range(100):
            says(other, voxel={"z": i % 6, "y": 1, "x": i % 30}, center={"z": 1, "y": 1, "x": i})

    threads = [threading.Thread(target=side, daemon=True) for side in (python, page_says)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert one.voxel == other.voxel
    assert one.position == other.position


def test_pages_are_told_of_links_that_they_can_follow(path, views):
    views += [one := nk.browse(path), other := nk.browse(path), nm := nk.browse(image(unit="nm"))]
    one.link(other)
    assert one._links == other._links
    assert one._links[0]["what"] == ["position", "center", "zoom"]
    one.link(nm, "zoom", "window")
    assert nm._links[0]["what"] == ["window"]


def test_windows_and_selections_are_linked(views):
    fine = image((6, 40, 60))
    views += [one := nk.browse(fine), other := nk.browse(fine[:, ::2, ::2])]
    name = one.places.channels[0]
    one.link(other, "window", "selection")
    one.window = {name: (7, 8)}
    assert other.window[other.places.channels[0]] == (7.0, 8.0)
    one.selection = {"kind": "box", "lo": {"z": 0, "y": 0, "x": 0}, "hi": {"z": 6, "y": 9, "x": 9}}
    assert other.selection["hi"] == {"z": 6, "y": 5, "x": 5}
    one.selection = {}
    assert other.selection == {}
    with pytest.raises(NgffError, match=r"can.t link 'colour'"):
        one.link(other, "colour")
    with pytest.raises(NgffError, match="another view"):
        one.link(one)


# --- what notebooks get ---------------------------------------------------------------------------


def test_a_picture_comes_along_for_what_shows_no_widgets(path, views):
    views.append(view := nk.browse(path, labels=False))
    misses = view.scene.bricks.misses
    data, _ = view._repr_mimebundle_()
    assert set(data) >= {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(data["text/plain"]) < 110
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 150_000
    assert view.scene.bricks.misses == misses
    picture = np.asarray(Image.open(io.BytesIO(png)))
    assert picture.shape == (360, 360, 3)
    # its colours are those of now
    view.channels = [{"visible": False}, {"color": "ff0000"}]
    red = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(view._repr_mimebundle_()[0]["image/png"])))
    )
    assert red[..., 0].max() == 255
    assert not red[..., 1:].any()
    rows = ((np.arange(360) + 0.5) * 256 / 360).astype(int)
    plane = nk.open(path).ngff.at("1").image.isel(c=1, z=16).to_numpy()[np.ix_(rows, rows)]
    want = np.clip((plane.astype(float) - 100) / 1500, 0, 1) * 255
    assert np.abs(red[..., 0] - want).max() <= 1


def opened(path: Path) -> Any:
    return Image.open(io.BytesIO(path.read_bytes()))


def test_pictures_films_and_pages_are_of_the_view(path, views, tmp_path, monkeypatch):
    code = tmp_path / "browse.js"
    code.write_text("export const mountPage = () => {};")
    monkeypatch.setattr(files, "BUNDLE", code)
    views.append(view := nk.browse(path, labels=False))
    view.snapshot(tmp_path / "a.png", size=(300, 200))
    assert opened(tmp_path / "a.png").size == (300, 200)
    view.movie("z", tmp_path / "a.gif", stop=3, size=(64, 48))
    assert opened(tmp_path / "a.gif").n_frames == 3
    text = view.to_html(tmp_path / "a.html", max_bytes="1 MB").read_text("utf-8")
    assert "nk-data" in text
    png = view._frame(view.state, 80, 60, 1.0)
    assert Image.open(io.BytesIO(png)).size == (80, 60)


def test_a_broken_image_is_a_view_all_the_same(views):
    class Broken:
        shape, dtype, ndim = (4, 8, 8), np.dtype("uint8"), 3

        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise OSError("the disk is gone")

    dask = pytest.importorskip("dask.array")
    delayed = pytest.importorskip("dask").delayed

    def fail() -> Any:
        raise OSError("the disk is gone")

    array = dask.from_delayed(delayed(fail)(), (4, 8, 8), np.uint8)
    with pytest.warns(nk.NgffWarning, match="the disk is gone"):
        views.append(view := nk.browse(array))
    assert view._first["tiles"] == []
    assert "image/png" not in view._repr_mimebundle_()[0]
    assert view.window == {view.places.channels[0]: (0.0, 255.0)}


def test_closing_ends_its_threads_and_forgets_its_pixels(path):
    view = nk.browse(path)
    other = nk.browse(path)
    view.link(other)
    view._answer(view._line, {"do": "nonsense"}, [])
    view.close()
    assert view.scene.bricks.nbytes == 0
    assert other._links == []
    view.close()
    other.close()


@pytest.mark.parametrize("undo", [True, False])
def test_a_closed_view_is_not_held_by_what_it_was_linked_to(undo, views):
    views.append(here := nk.browse(image()))
    there = nk.browse(image())
    link = here.link(there)
    if undo:
        link.unlink()
    there.close()
    assert (here.links, here._links, repr(link)) == ([], [], "<link, undone>")
    gone = weakref.ref(there)
    del there, link
    gc.collect()
    assert gone() is None


def test_a_page_without_a_second_model_gets_tiles_on_the_first(views, monkeypatch):
    views.append(view := nk.browse(image()))
    got: list[Any] = []
    wire = view._wires[view]
    monkeypatch.setattr(wire, "_send", lambda content, _buffers: got.append(content))
    request = view._first["tiles"][0]["request"]
    content = {"do": "fetch", "view": "v", "batch": 1, "tiles": [request]}
    view._handle_custom_msg(content, [])
    wait_for(lambda: got)
    assert got[0]["done"]
    assert "error" not in got[0]["tiles"][0]


def wait_for(ready: Any) -> None:
    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_missing_bundle_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(files, "BUNDLE", tmp_path / "none.js")
    with pytest.raises(NgffError, match="make js"):
        nk.browse(np.zeros((4, 4)))


def test_the_accessor_opens_what_it_is_of(path, views):
    views.append(view := nk.open_dataset(path).isel(z=slice(3, 9)).ngff.browse(z=5.0))
    assert view.voxel["z"] == 2
    assert view._manifest["axes"][0]["size"] == 6


# --- the command line -----------------------------------------------------------------------------


def test_the_command_writes_a_page(path, tmp_path, monkeypatch, capsys):
    code = tmp_path / "browse.js"
    code.write_text("export const mountPage = () => {};")
    monkeypatch.setattr(files, "BUNDLE", code)
    out = tmp_path / "cells.html"
    line = ["browse", "--html", str(out), "--position", "z=3,x=10", "--layout", "ortho"]
    assert main([*line, "--max-size", "1 MB", path]) == 0
    assert str(out) in capsys.readouterr().out
    assert '"z": 3' in out.read_text("utf-8") or '"z":3' in out.read_text("utf-8")
    assert main(["browse", "--html", str(out), "--max-size", "1 MB", "--json", path]) == 0
    assert json.loads(capsys.readouterr().out)["nbytes"] <= 10**6
    assert main(["browse", "--html", str(out), "--position", "z=999", path]) == 2
    assert "outside the image" in capsys.readouterr().err


# --- a kernel -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_tiles_come_and_state_arrives_while_a_cell_runs(tmp_path):
    client = pytest.importorskip("jupyter_client")
    ipykernel = pytest.importorskip("ipykernel")
    if ipykernel.version_info[0] < 7:
        pytest.skip("kernels before ipykernel 7 have no subshells")
    manager = client.KernelManager()
    manager.start_kernel()
    kernel = manager.blocking_client()
    kernel.start_channels()
    try:
        kernel.wait_for_ready(timeout=60)
        Talk(kernel).run(tmp_path / "flag")
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


class Talk:
    """What a page and a user say to a kernel."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        asked = kernel.session.msg("create_subshell_request", {})
        kernel.control_channel.send(asked)
        self.subshell = kernel.get_control_msg(timeout=30)["content"]["subshell_id"]

    def run(self, flag: Path) -> None:
        self.kernel.execute(
            textwrap.dedent("""
            import pathlib, time
            import numpy as np, ngffkit as nk
            from ngffkit.widgets import browse
            browse.bundle = lambda: ""
            view = nk.browse(np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64))
            print(view._line.model_id, view.model_id)
            """)
        )
        line, model = self.heard("stream")["content"]["text"].split()
        # runs until it is told that the tiles came
        self.kernel.execute(
            textwrap.dedent(f"""
            flag, end = pathlib.Path({str(flag)!r}), time.monotonic() + 60
            while not flag.exists() and time.monotonic() < end:
                time.sleep(0.01)
            print(flag.exists(), view.zoom)
            """)
        )
        self.heard("execute_input")
        for z in (1, 2):
            box = {"z": [z, z + 1], "y": [0, 64], "x": [0, 64]}
            tile = {"layer": 0, "level": 0, "channel": 0, "box": box, "order": ["y", "x"]}
            content = {"do": "fetch", "view": "a", "batch": z, "tiles": [tile]}
            self.says(line, {"method": "custom", "content": content})
            answer = self.heard("comm_msg", line)
            got = np.frombuffer(answer["buffers"][0], np.uint16)
            assert got[0] == z * 64 * 64
        self.says(model, {"method": "update", "state": {"zoom": 3.5}})
        self.heard("comm_msg", model)
        flag.touch()
        assert self.heard("stream")["content"]["text"].split() == ["True", "3.5"]

    def says(self, comm: str, data: Any) -> None:
        message = self.kernel.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = self.subshell
        self.kernel.shell_channel.send(message)

    def heard(self, kind: str, comm: str | None = None) -> Any:
        """Wait for a message; an error of the kernel's is ours."""
        while True:
            message = self.kernel.get_iopub_msg(timeout=90)
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == kind:
                content = message["content"]
                if comm is None or content.get("comm_id") == comm:
                    return message
