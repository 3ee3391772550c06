"""Keys, mouse and controls end in the state that Python sees; tests begin from one state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from browser import scenes
from browser.pages import Lab
from browser.views import View

pytestmark = pytest.mark.slow

#: What page and Python share, but `shown_mag`, which follows.
SHARED: Final = (
    *("voxel", "center", "zoom", "layout", "plane", "slab", "channels", "labels", "held_mag"),
    *("selection", "tool", "scalebar", "crosshair", "turn", "theme", "height"),
)
START: Final = {
    "voxel": {"z": 12, "y": 40, "x": 60},
    "center": {"z": 11.5, "y": 47.5, "x": 63.5},
    "zoom": 3.0,
    "layout": "plane",
    "plane": ["x", "y"],
    "selection": {},
    "tool": "pan",
    "held_mag": "",
    "scalebar": True,
}
LOCAL: Final = {"hover": None, "playing": None, "help": False, "maximised": -1, "pane": 0}

PLAYED: Final = """
import numpy as np, xarray as xr
pixels = np.random.default_rng(1).integers(0, 255, (9, 4, 32, 48), "u1")
film = nk.browse(xr.DataArray(pixels, dims=tuple("tzyx")), height=200)
film
"""
SNAPSHOT: Final = "{key: getattr(view, key) for key in " + repr(SHARED) + "}"


@pytest.fixture(scope="module")
def stage(lab_tab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    image = scenes.write(tmp_path_factory.mktemp("images"), "uint8", labelled=True)
    shown = scenes.cell(repr(str(image)), height=300, theme="dark")
    with lab_tab.notebook(shown, PLAYED) as lab:
        view = View(lab)
        start = {key: view.state(key) for key in SHARED} | START
        start["labels"] = [{**start["labels"][0], "visible": True, "opacity": 0.5}]
        start["channels"] = [{**start["channels"][0], "visible": True, "window": [20, 230]}]
        view.root.evaluate("(root, start) => { root.nkStart = start; }", {**start, **LOCAL})
        yield view


@pytest.fixture
def view(stage: View, lab: Lab) -> View:
    """Give the viewer in its first state, known to Python, without the focus."""
    # what was typed counts when its field loses the focus
    lab.tab.evaluate("() => document.activeElement?.blur()")
    stage.root.evaluate("(root) => root.nkViewer.state.set(root.nkStart)")
    told(stage, lab)
    stage.settled().focus()
    lab.sent.clear()
    return stage


def told(view: View, lab: Lab) -> dict[str, Any]:
    """Wait until Python has the page's state; return it."""
    lab.pause(50)
    lab.python_becomes(SNAPSHOT, {key: view.state(key) for key in SHARED})
    return dict(lab.python(SNAPSHOT))


def changed(after: Mapping[str, Any], start: Mapping[str, Any] = START) -> dict[str, Any]:
    return {key: after[key] for key, value in start.items() if after[key] != value}


def at(**voxel: int) -> dict[str, Any]:
    return {"voxel": START["voxel"] | voxel}


#: Keys, and what they change.
KEYS: Final[Mapping[str, tuple[list[str], dict[str, Any]]]] = {
    "F steps forward": (["f"], at(z=13)),
    "D steps back": (["d"], at(z=11)),
    "a full stop steps forward": (["."], at(z=13)),
    "a comma steps back": ([","], at(z=11)),
    "Shift+F steps ten": (["Shift+F"], at(z=22)),
    "Shift+D steps ten back": (["Shift+D"], at(z=2)),
    "steps end at the image's end": (["Shift+F", "Shift+F"], at(z=23)),
    "several steps add up": (["f", "f", "f", "d"], at(z=14)),
    "B hides the scale bar": (["b"], {"scalebar": False}),
    "B twice shows it again": (["b", "b"], {}),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys(view: View, lab: Lab, name: str):
    keys, expected = KEYS[name]
    view.press(*keys)
    assert changed(told(view, lab)) == expected


def test_a_step_in_a_coarse_mag_is_one_of_its_pixels(view: View, lab: Lab):
    view.set(zoom=0.2).press("f")
    assert view.data("mag") == "4-4-2"
    assert told(view, lab)["voxel"]["z"] == 14


@pytest.mark.parametrize(("nearer", "farther"), [("i", "o"), ("+", "-")])
def test_keys_zoom_in_and_out_again(view: View, lab: Lab, nearer: str, farther: str):
    view.press(nearer)
    zoom = told(view, lab)["zoom"]
    assert zoom > 3
    view.press(farther)
    assert told(view, lab)["zoom"] == pytest.approx(3)
    view.press(farther)
    assert told(view, lab)["zoom"] == pytest.approx(9 / zoom)


def test_shift_and_arrows_pan(view: View, lab: Lab):
    view.press("Shift+ArrowRight")
    center = told(view, lab)["center"]
    assert center["x"] > 63.5
    assert (center["y"], center["z"]) == (47.5, 11.5)
    view.press("Shift+ArrowLeft", "Shift+ArrowDown")
    center = told(view, lab)["center"]
    assert center["x"] == pytest.approx(63.5)
    assert center["y"] > 47.5


def test_alt_and_arrows_move_the_crosshair(view: View, lab: Lab):
    view.press("Alt+ArrowRight", "Alt+ArrowRight", "Alt+ArrowDown")
    assert changed(told(view, lab)) == at(x=62, y=41)


def test_digits_switch_channels(view: View, lab: Lab):
    view.press("1")
    assert [channel["visible"] for channel in told(view, lab)["channels"]] == [False]
    view.press("1")
    assert [channel["visible"] for channel in told(view, lab)["channels"]] == [True]


def test_l_switches_labels_and_shift_l_recolours_them(view: View, lab: Lab):
    seed = view.state("labels")[0]["seed"]
    view.press("l")
    assert told(view, lab)["labels"][0]["visible"] is False
    view.press("l", "Shift+L")
    (labels,) = told(view, lab)["labels"]
    assert labels["visible"] is True
    assert labels["seed"] != seed


def test_dragging_pans_by_what_the_mouse_moved(view: View, lab: Lab):
    box = view.canvas.bounding_box()
    view.drag((0.5, 0.5), (0.6, 0.4))
    assert changed(told(view, lab)) == {
        "center": {
            "z": 11.5,
            "y": pytest.approx(47.5 + 0.1 * box["height"] / 3, abs=0.5),
            "x": pytest.approx(63.5 - 0.1 * box["width"] / 3, abs=0.5),
        }
    }


def test_wheel_steps_once_the_viewer_has_the_focus(view: View, lab: Lab):
    view.wheel(100)
    there = told(view, lab)["voxel"]["z"]
    assert there != 12
    view.wheel(-100)
    assert changed(told(view, lab)) == {}


def test_ctrl_and_wheel_zoom_at_the_cursor(view: View, lab: Lab):
    view.move(0.7, 0.3).page.pause(60)
    where = view.root.evaluate(
        "(root) => root.nkViewer.at(0.7 * root.nkViewer.canvas.width, "
        "0.3 * root.nkViewer.canvas.height).voxel"
    )
    lab.tab.keyboard.down("Control")
    lab.tab.mouse.wheel(0, -120)
    lab.tab.keyboard.up("Control")
    after = told(view, lab)
    assert after["zoom"] > 3
    box = view.canvas.bounding_box()
    for axis, off in (("x", 0.2 * box["width"]), ("y", -0.2 * box["height"])):
        assert after["center"][axis] + off / after["zoom"] == pytest.approx(where[axis], abs=0.4)


@pytest.mark.parametrize("how", [{"button": "right"}, {"click_count": 2}], ids=["right", "double"])
def test_clicks_set_the_crosshair(view: View, lab: Lab, how: dict[str, Any]):
    box = view.canvas.bounding_box()
    view.click(0.55, 0.4, **how)
    voxel = told(view, lab)["voxel"]
    assert voxel["z"] == 12
    assert voxel["x"] == pytest.approx(63.5 + 0.05 * box["width"] / 3, abs=1)
    assert voxel["y"] == pytest.approx(47.5 - 0.1 * box["height"] / 3, abs=1)


def test_space_maximises_a_pane_and_gives_it_back(view: View, lab: Lab):
    view.set(layout="ortho", pane=1).focus().press(" ")
    assert view.state("maximised") == 1
    view.settled().press(" ")
    assert view.state("maximised") == -1


def test_r_resets_what_is_seen(view: View, lab: Lab):
    view.set(zoom=11.0, center={"z": 3.0, "y": 5.0, "x": 7.0}).press("r")
    after = told(view, lab)
    assert after["center"] == {"z": 11.5, "y": 47.5, "x": 63.5}
    assert after["zoom"] < 11


def test_q_saves_a_picture(view: View, lab: Lab):
    with lab.tab.expect_download() as download:
        view.press("q")
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("key", ["h", "?"])
def test_h_shows_help_and_escape_closes_it(view: View, lab: Lab, key: str):
    view.press(key)
    view.root.locator(".nk-help").wait_for(state="visible")
    assert "pan" in view.root.locator(".nk-help").inner_text().lower()
    view.press("Escape")
    view.root.locator(".nk-help").wait_for(state="hidden")
    assert view.canvas.evaluate("(canvas) => document.activeElement === canvas")


def test_a_click_selects_the_label(view: View, lab: Lab):
    def visible(x: int, y: int) -> tuple[float, float]:
        box = view.canvas.bounding_box()
        return (
            0.5 + (x - 63.5) * 3 / box["width"],
            0.5 + (y - 47.5) * 3 / box["height"],
        )

    ids = scenes.labels()[12]
    small, big = int(ids[41, 60]), int(ids[25, 60])
    assert {small > 2**63, big > 2**63} == {True, False}
    view.click(*visible(60, 41))
    assert told(view, lab)["labels"][0]["selected"] == [str(small)]
    lab.tab.keyboard.down("Shift")
    view.click(*visible(60, 25))
    lab.tab.keyboard.up("Shift")
    lab.python_becomes(f"sorted(view.selected_ids[{scenes.LABELS!r}])", sorted([small, big]))


def test_a_drag_cuts_a_box_out(view: View, lab: Lab):
    view.set(tool="box").focus().drag((0.45, 0.45), (0.55, 0.6))
    told(view, lab)
    box = lab.python("view.selection")
    assert box["kind"] == "box"
    sizes = {axis: box["hi"][axis] - box["lo"][axis] for axis in "zyx"}
    place = view.canvas.bounding_box()
    assert sizes["x"] == pytest.approx(0.1 * place["width"] / 3, abs=2)
    assert sizes["y"] == pytest.approx(0.15 * place["height"] / 3, abs=2)
    assert lab.python("dict(view.selected.sizes)") == sizes
    assert lab.python("int(view.selected['image'].sum())") == int(
        scenes.volume("uint8")[
            tuple(slice(box["lo"][axis], box["hi"][axis]) for axis in "zyx")
        ].sum()
    )
    view.focus().press("Escape")
    assert told(view, lab)["selection"] == {}


def test_clicks_place_points(view: View, lab: Lab):
    view.set(tool="points").focus().click(0.45, 0.5).click(0.55, 0.5)
    told(view, lab)
    found = lab.python("view.selection")
    assert found["kind"] == "points"
    assert [point["z"] for point in found["points"]] == [12, 12]
    assert found["points"][0]["x"] < found["points"][1]["x"]


def test_a_drag_draws_a_line_and_its_profile(view: View, lab: Lab):
    view.set(tool="line").focus().drag((0.45, 0.5), (0.55, 0.6))
    told(view, lab)
    found = lab.python("view.selection")
    assert found["kind"] == "line"
    assert len(found["points"]) == 2
    lab.python_becomes("view.profile().sizes['distance'] > 5", expected=True)
    view.root.locator(".nk-profile").wait_for(state="visible")


def test_sliders_move_along_their_axis(view: View, lab: Lab):
    slider = view.root.locator("input.nk-axis[data-axis=z]")
    slider.fill("5")
    assert changed(told(view, lab)) == at(z=5)
    slider.focus()
    view.press("ArrowRight")
    assert changed(told(view, lab)) == at(z=6)


def control(kind: str, name: str, value: str) -> Callable[[View], None]:
    """Type into a control of the first channel or label layer."""

    def act(view: View) -> None:
        found = view.root.locator(f".nk-{kind}[data-index='0'] .nk-{name}")
        found.fill(value)
        found.dispatch_event("change")

    return act


def tick(kind: str) -> Callable[[View], None]:
    return lambda view: view.root.locator(f".nk-{kind}[data-index='0'] .nk-visible").uncheck()


#: Controls of the panel: what is done, and what it makes of the first channel or label layer.
CONTROLS: Final[Mapping[str, tuple[Callable[[View], None], str, str, Any]]] = {
    "low": (control("channel", "low", "33"), "channels", "window", [33, 230]),
    "high": (control("channel", "high", "199"), "channels", "window", [20, 199]),
    "colour": (control("channel", "color", "#12ab34"), "channels", "color", "#12ab34"),
    "channel": (tick("channel"), "channels", "visible", False),
    "labels": (tick("labels"), "labels", "visible", False),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_of_the_panel(view: View, lab: Lab, name: str):
    act, key, field, expected = CONTROLS[name]
    act(view)
    assert told(view, lab)[key][0][field] == expected


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("channel", "gamma", "channels"),
        ("labels", "opacity", "labels"),
        ("labels", "outline", "labels"),
    ],
)
def test_sliders_of_the_panel(view: View, lab: Lab, kind: str, name: str, key: str):
    slider = view.root.locator(f".nk-{kind}[data-index='0'] .nk-{name}")
    before = view.state(key)[0][name]
    slider.focus()
    view.press("ArrowRight", "ArrowRight")
    assert told(view, lab)[key][0][name] > before


def test_auto_contrast_takes_the_percentiles_of_what_is_seen(view: View, lab: Lab):
    import numpy as np

    view.root.locator(".nk-channel[data-index='0'] .nk-auto").click()
    low, high = told(view, lab)["channels"][0]["window"]
    expected = np.percentile(scenes.volume("uint8")[12], (0.5, 99.5))
    assert (low, high) == pytest.approx(tuple(expected), abs=1)


def test_python_moves_the_page(view: View, lab: Lab):
    lab.do("view.position = {'z': 10.0 + 2.5 * 4}")
    view.becomes(voxel={"z": 4, "y": 40, "x": 60})
    assert view.root.locator("input.nk-axis[data-axis=z]").input_value() == "4"
    assert lab.python("view.position['z']") == 20.0
    lab.do("view.mag = '2-2-1'")
    view.becomes(held_mag="2-2-1")
    assert view.data("mag") == "2-2-1"


def test_status_tells_position_value_and_mag(view: View, lab: Lab):
    box = view.canvas.bounding_box()
    view.move(0.5 + (60 - 63.5) * 3 / box["width"], 0.5 + (41 - 47.5) * 3 / box["height"])
    lab.tab.wait_for_function(
        "(root) => root.nkViewer.state.get('hover')?.voxel.x === 60", arg=view.root.element_handle()
    )
    hover = view.state("hover")
    assert (hover["voxel"]["z"], hover["voxel"]["y"]) == (12, 41)
    texts = [value["text"] for value in hover["values"]]
    assert texts == [str(scenes.volume("uint8")[12, 41, 60]), str(scenes.labels()[12, 41, 60])]
    status = view.root.locator(".nk-status")
    assert status.get_attribute("role") == "status"
    lab.pause(60)
    assert texts[0] in status.locator(".nk-values").inner_text()
    assert "60" in status.locator(".nk-position").inner_text()
    assert "1" in status.locator(".nk-mag").inner_text()


# --- an axis of time ------------------------------------------------------------------------------


@pytest.fixture
def film(stage: View, lab: Lab) -> View:
    film = View(lab, 1)
    film.set(voxel={"t": 3, "z": 1, "y": 16, "x": 24}, playing=None)
    lab.python_becomes("film.voxel['t']", 3)
    return film.focus()


def test_brackets_step_in_time(film: View, lab: Lab):
    film.press("]", "]")
    lab.python_becomes("film.voxel", {"t": 5, "z": 1, "y": 16, "x": 24})
    film.press("[")
    lab.python_becomes("film.voxel['t']", 4)


@pytest.mark.parametrize("by", ["key", "button"])
def test_an_axis_plays_and_stops(film: View, lab: Lab, by: str):
    def press() -> None:
        if by == "key":
            film.focus().press("p")
        else:
            film.root.locator("button.nk-play[data-axis=t]").click()

    press()
    seen = set()
    lab.until(lambda: seen.add(film.state("voxel")["t"]) or len(seen) >= 4, "four planes")
    press()
    assert film.state("playing") is None
    stopped = film.state("voxel")["t"]
    lab.pause()
    assert film.state("voxel")["t"] == stopped
    lab.python_becomes("film.voxel['t']", stopped)
