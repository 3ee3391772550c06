"""Between page and kernel: no more than is needed, also while a cell runs, and errors too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import ngffkit as nk
from browser import scenes
from browser.expected import assert_shows, pane_of, picture
from browser.pages import Lab
from browser.views import View

pytestmark = pytest.mark.slow

STATE: Final = ("zoom", "plane", "center", "voxel")

#: A cell that runs until the test lets it end.
LONG: Final = """
import pathlib, time
while not pathlib.Path("go.on").exists():
    time.sleep(0.05)
"""


def quiet(lab: Lab, view: View) -> None:
    """Wait until nothing more is sent: what may be wanted next has been fetched."""
    view.settled()
    count = -1
    while count != len(lab.comm_messages()):
        count = len(lab.comm_messages())
        lab.pause()
    lab.sent.clear()


def assert_only_state(lab: Lab, keys: set[str]) -> None:
    """Nothing but changes of these parts of the state may have been told since the last look."""
    lab.pause()
    assert not lab.tile_requests()
    messages = lab.comm_messages()
    assert all(message.update and set(message.update) <= keys for message in messages), messages
    lab.sent.clear()


def test_pan_zoom_and_contrast_ask_for_nothing(lab: Lab, tmp_path: Path):
    image = scenes.write(tmp_path, "uint16", labelled=True)
    with lab.notebook(scenes.cell(repr(str(image)), height=300, zoom=3.0)):
        view = View(lab)
        quiet(lab, view)
        first = view.pixels()

        for start, stop in (((0.5, 0.5), (0.55, 0.5)), ((0.5, 0.5), (0.45, 0.55))):
            view.drag(start, stop)
        assert_only_state(lab, {"center"})
        view.settled()
        assert (view.pixels() != first).any()

        before = view.state("zoom")
        view.focus().press("i", "i", "o", "i")
        assert view.state("zoom") > before
        assert_only_state(lab, {"center", "zoom"})

        seen = view.settled().pixels()
        low = view.root.locator(".nk-channel[data-index='0'] .nk-low")
        for value in range(500, 20_000, 1500):
            low.fill(str(value))
        low.dispatch_event("change")
        assert_only_state(lab, {"channels"})
        assert (view.settled().pixels() != seen).any()

        view.focus().press("l", "Shift+L", "b")
        assert_only_state(lab, {"labels", "scalebar"})


def test_no_tile_is_asked_for_twice(lab: Lab, tmp_path: Path):
    image = scenes.write(tmp_path, "uint8")
    with lab.notebook(scenes.cell(repr(str(image)), height=300, zoom=3.0)):
        view = View(lab).focus()
        for key in "ffffddddffff":
            view.press(key).settled()
        lab.pause()
        asked = [
            json.dumps(tile, sort_keys=True)
            for request in lab.tile_requests()
            for tile in request["tiles"]
        ]
        assert len(asked) > 5
        assert len(set(asked)) == len(asked)


def test_tiles_come_while_a_cell_runs(lab: Lab, tmp_path: Path):
    image = scenes.write(tmp_path, "uint8")
    fine = scenes.levels(image)["1"]
    with lab.notebook(scenes.cell(repr(str(image)), height=300, zoom=3.0, theme="dark")):
        view = View(lab).focus()
        quiet(lab, view)
        lab.append(LONG)
        view.set(voxel={"z": 21, "y": 40, "x": 60})
        assert lab.tile_requests()
        state: dict[str, Any] = {key: view.state(key) for key in STATE}
        height, width, _ = view.pixels().shape
        pane = pane_of(state, scenes.SPACING, (width, height))
        assert_shows(view.pixels(), *picture(pane, [(fine, view.state("channels")[0])], "dark"))
        assert view.data("status") == "ok"
        assert lab.running()
        (lab.server.root / "go.on").touch()
        lab.python_becomes("view.voxel['z']", 21)
    (lab.server.root / "go.on").unlink()


def test_a_viewer_in_a_long_cell_shows_something_at_once(lab: Lab, tmp_path: Path):
    image = scenes.write(tmp_path, "uint8")
    shown = scenes.cell(repr(str(image)), height=300, zoom=3.0).removesuffix("\nview")
    with lab.notebook("1"):
        lab.append(f"{shown}\ndisplay(view)\n{LONG}")
        view = View(lab)
        assert lab.running()
        assert view.pixels().std() > 10
        (lab.server.root / "go.on").touch()
        lab.until(lambda: not lab.running(), "the end of the cell")
    (lab.server.root / "go.on").unlink()


def test_a_damaged_chunk_is_hatched_with_its_cause(lab: Lab, tmp_path: Path):
    pixels = np.random.default_rng(3).integers(60, 255, (2, 320, 512), "u1")
    image = tmp_path / "damaged.ome.zarr"
    chunks = {"z": 2, "y": 160, "x": 256}
    nk.write(pixels, image, axes="zyx", mags=["1"], chunks=chunks, shards=None)
    chunk = image / scenes.paths(image)[0] / "c" / "0" / "0" / "1"
    chunk.write_bytes(bytes(reversed(chunk.read_bytes())))
    with lab.notebook(scenes.cell(repr(str(image)), height=400, zoom=1.0, theme="dark", z=1)):
        lab.do("view.channels = [{**view.channels[0], 'window': [0, 255], 'color': '#ffffff'}]")
        view = View(lab).becomes(zoom=1.0, center={"z": 1, "y": 159.5, "x": 255.5})
        found = view.pixels().astype(int)
        height, width, _ = found.shape
        top, left = height // 2 - 160, width // 2 - 256
        shown = found[top : top + 320, left : left + 512]
        damaged = shown[2:158, 258:510]
        red, green, blue = damaged[..., 0], damaged[..., 1], damaged[..., 2]
        amber = (red > green + 20) & (green > blue + 20)
        assert 0.1 < amber.mean() < 0.9
        assert damaged.max(-1).min() > 20, "black says that there is nothing"
        expected = np.repeat(pixels[1, ..., None].astype(int), 3, -1)
        shown[:160, 256:] = expected[:160, 256:]  # all around it is as it should be
        assert np.abs(shown - expected).max() <= 1
        view.move((left + 400) / width, (top + 80) / height)
        handle = view.root.element_handle()
        lab.tab.wait_for_function("(root) => root.nkViewer.state.get('hover')?.error", arg=handle)
        assert "c/0/0/1" in view.state("hover")["error"]
