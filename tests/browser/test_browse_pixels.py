"""The pixels on the canvas are those of the image, in the colours that NumPy works out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from browser import scenes
from browser.expected import Level, Pane, assert_shows, overlay, pane_of, picture
from browser.pages import Lab
from browser.views import View
from ngffkit.plots.compose import label_colors

pytestmark = pytest.mark.slow

#: Zooms, and the mag that each plane is shown in: the coarsest whose pixels are no larger than the
#: screen's. Voxels are 2.5 times as deep as wide, so planes with z stay finer at the last one.
ZOOMS: Final[Mapping[float, Mapping[tuple[str, str], str]]] = {
    2.7: {("x", "y"): "1", ("x", "z"): "1", ("z", "y"): "1"},
    0.45: {("x", "y"): "2-2-1", ("x", "z"): "2-2-1", ("z", "y"): "2-2-1"},
    0.21: {("x", "y"): "4-4-2", ("x", "z"): "2-2-1", ("z", "y"): "2-2-1"},
}
VOXEL: Final = {"z": 7, "y": 41, "x": 72}
CENTER: Final = {"z": 11.3, "y": 45.7, "x": 61.9}
STATE: Final = ("zoom", "plane", "center", "voxel", "channels", "labels", "slab")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def state(view: View) -> dict[str, Any]:
    return {key: view.state(key) for key in STATE}


def panes(lab: Lab, view: View) -> Iterator[tuple[Pane, str]]:
    """Go to each plane at each zoom, told by Python; give the pane and the mag it is shown in."""
    for zoom, mags in ZOOMS.items():
        for plane, mag in mags.items():
            told = {"zoom": zoom, "plane": list(plane), "center": CENTER, "voxel": VOXEL}
            lab.do("\n".join(f"view.{key} = {value!r}" for key, value in told.items()))
            view.becomes(**told)
            assert view.data("mag") == mag, (zoom, plane)
            height, width, _ = view.pixels().shape
            yield pane_of(state(view), scenes.SPACING, (width, height)), mag


def show(lab: Lab, channel: Mapping[str, Any]) -> None:
    """Show the first channel so, told by Python."""
    lab.do(f"view.channels = [{{**view.channels[0], **{channel!r}}}, *view.channels[1:]]")


@pytest.mark.parametrize("dtype", scenes.WINDOWS)
def test_canvas_shows_the_composite_of_the_plane(lab: Lab, folder: Path, dtype: str):
    image = scenes.write(folder, dtype)
    levels = scenes.levels(image)
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="dark")):
        view = View(lab)
        show(lab, {"window": list(scenes.WINDOWS[dtype]), "color": "#ff9d33", "gamma": 0.7})
        compared = 0
        for pane, mag in panes(lab, view):
            channel = view.state("channels")[0]
            assert channel["window"] == list(scenes.WINDOWS[dtype])
            assert_shows(view.pixels(), *picture(pane, [(levels[mag], channel)], "dark"))
            compared += 1
        assert compared == 9


def test_canvas_shows_labels_over_the_image(lab: Lab, folder: Path):
    image = scenes.write(folder, "uint8", labelled=True, overwrite=True)
    parts = image / "labels" / scenes.LABELS
    under, over, given = scenes.levels(image), scenes.levels(parts), scenes.colors(parts)
    assert given
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="light")):
        view = View(lab)
        show(lab, {"window": [20, 230], "color": "#ffffff"})
        lab.do("view.labels = [{**view.labels[0], 'opacity': 0.6, 'outline': 0}]")
        big = small = 0
        for pane, mag in panes(lab, view):
            (channel,), (style,) = view.state("channels"), view.state("labels")
            assert style["opacity"] == 0.6
            expected, sure = picture(pane, [(under[mag], channel)], "light")
            ids, inside, certain = pane.sample(over[mag])
            big += int((ids[inside] > 2**63).sum())
            small += int(np.isin(ids[inside], list(given)).sum())
            colors = label_colors(np.where(inside, ids, 0), given)
            assert_shows(view.pixels(), overlay(expected, colors, 0.6), sure & certain)
        assert min(big, small) > 1000


CHANNELS: Final = """
import numpy as np, xarray as xr, ngffkit as nk
from browser import scenes
stack = np.stack([np.roll(scenes.volume("uint16"), 9 * i, 2) for i in range(4)])
view = nk.browse(xr.DataArray(stack, dims=("c", "z", "y", "x")), height=280, theme="dark")
view
"""
COLORS: Final = ("#ff0000", "#00ff80", "#2040ff", "#c8c8c8")


def test_canvas_blends_visible_channels(lab: Lab):
    one = {"z": 1, "y": 1, "x": 1}
    none = {"z": 0.0, "y": 0.0, "x": 0.0}
    stack = [np.roll(scenes.volume("uint16"), 9 * i, 2) for i in range(4)]
    spacing = {"z": 1.0, "y": 1.0, "x": 1.0}
    with lab.notebook(CHANNELS):
        view = View(lab)
        told = [
            {"color": color, "window": [2000 * i, 40_000], "gamma": 1 + i / 4, "visible": i != 2}
            for i, color in enumerate(COLORS)
        ]
        lab.do(f"view.channels = {told!r}; view.zoom = 2.3; view.center = {CENTER!r}")
        view.becomes(zoom=2.3, center=CENTER)
        height, width, _ = view.pixels().shape
        pane = pane_of(state(view), spacing, (width, height))
        shown = [
            (Level(pixels, one, none), channel)
            for pixels, channel in zip(stack, view.state("channels"), strict=True)
            if channel["visible"]
        ]
        assert len(shown) == 3
        assert_shows(view.pixels(), *picture(pane, shown, "dark"))


def test_slab_shows_the_maximum_across(lab: Lab, folder: Path):
    image = scenes.write(folder, "uint16", overwrite=True)
    fine = scenes.levels(image)["1"]
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="dark")):
        view = View(lab)
        lab.do(f"view.slab = 5; view.zoom = 2.7; view.voxel = {VOXEL!r}")
        view.becomes(slab=5, zoom=2.7, voxel=VOXEL)
        deepest = fine.pixels.copy()
        deepest[7] = fine.pixels[5:10].max(0)
        height, width, _ = view.pixels().shape
        pane = pane_of(state(view), scenes.SPACING, (width, height))
        level = Level(deepest, fine.factor, fine.offset)
        assert_shows(view.pixels(), *picture(pane, [(level, view.state("channels")[0])], "dark"))


@pytest.mark.parametrize("ratio", [1, 2])
def test_ortho_shows_three_planes(browser: Any, server: Any, folder: Path, ratio: int):
    image = scenes.write(folder, "uint8", overwrite=True)
    levels = scenes.levels(image)
    size = {"width": 1000, "height": 900}
    with browser.new_context(viewport=size, device_scale_factor=ratio) as context:
        lab = Lab(context, server)
        with lab.notebook(scenes.cell(repr(str(image)), height=420, layout="ortho", theme="dark")):
            view = View(lab)
            told = {"zoom": 0.9, "center": CENTER, "voxel": VOXEL}
            lab.do("\n".join(f"view.{key} = {value!r}" for key, value in told.items()))
            view.becomes(**told)
            found, (channel,) = view.pixels(), view.state("channels")
            for pane, mag, left, top in _ortho(found.shape, ratio, view.state("zoom")):
                right, bottom = left + pane.size[0], top + pane.size[1]
                expected, sure = picture(pane, [(levels[mag], channel)], "dark")
                assert_shows(found[top:bottom, left:right], expected, sure)
        assert not lab.errors


def _ortho(shape: tuple[int, ...], ratio: int, zoom: float) -> Iterator[tuple[Pane, str, int, int]]:
    """Yield the panes of the layout, the mag of each, and where they begin."""
    height, width, gap = shape[0], shape[1], 2 * ratio
    left, top = (width - gap) // 2, (height - gap) // 2
    right, bottom = width - gap - left, height - gap - top
    scale = {name: ratio * zoom * extent for name, extent in scenes.SPACING.items()}
    for plane, size, x, y in (
        (("x", "y"), (left, top), 0, 0),
        (("z", "y"), (right, top), left + gap, 0),
        (("x", "z"), (left, bottom), 0, top + gap),
    ):
        yield Pane(plane, size, scale, CENTER, VOXEL), "1", x, y
