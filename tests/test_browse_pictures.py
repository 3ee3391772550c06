"""Pictures of a view: what Python draws equals what NumPy says the canvas shows."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

import ngffkit as nk
from ngffkit.errors import NgffError
from ngffkit.plots import compose
from ngffkit.plots.drawing import Picture
from ngffkit.widgets import frames, marks, movies, panes, snapshots, volumes
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers

CASES = Path(__file__).parents[1] / "js" / "test" / "geometry_cases.json"
DARK = [18, 18, 20]
LIGHT = [237, 237, 240]


def state_of(layers, **changes):
    """Return ``SharedState``: all of the image in the middle, one CSS pixel per voxel."""
    manifest = layers.manifest()
    sizes = {axis["name"]: axis["size"] for axis in manifest["axes"]}
    count = sum(len(la["channels"]) for la in manifest["layers"] if la["kind"] == "intensity")
    channel = {"visible": True, "color": "#ffffff", "window": [0, 255], "gamma": 1}
    label = {"visible": True, "opacity": 0.5, "outline": 0, "seed": 0, "selected": []}
    kinds = [layer["kind"] for layer in manifest["layers"]]
    return {
        "voxel": {name: size // 2 for name, size in sizes.items()},
        "center": {name: (sizes[name] - 1) / 2 for name in manifest["spatial"]},
        "zoom": 1.0,
        "layout": "plane",
        "plane": list(manifest["planes"][0]),
        "slab": 1,
        "channels": [channel] * count,
        "labels": [label] * kinds.count("label"),
        "held_mag": "",
        "shown_mag": "",
        "selection": {},
        "tool": "pan",
        "scalebar": False,
        "crosshair": False,
        "turn": [0, 0],
        "theme": "auto",
        "height": 120,
        **changes,
    }


def sampled(plane, size, scale, center):
    """Look up a plane (v, u) of mag 1 at each device pixel; where that is, and where it isn't."""
    found = []
    for count, factor, middle in zip(size, scale, center, strict=True):
        voxel = middle + (np.arange(count) + 0.5 - count / 2) / factor
        found.append(np.floor(voxel + 0.5 + 1e-6).astype(int))
    across, down = found
    inside = np.ix_(
        (down >= 0) & (down < plane.shape[0]), (across >= 0) & (across < plane.shape[1])
    )
    out = np.zeros((size[1], size[0]), plane.dtype)
    there = np.zeros(out.shape, bool)
    there[inside] = True
    out[inside] = plane[np.ix_(down[inside[0][:, 0]], across[inside[1][0]])]
    return out, there


def shade(values, window, gamma=1.0):
    low, high = map(float, window)
    scaled = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    return np.nan_to_num(scaled) ** gamma


# --- panes and levels ----------------------------------------------------------------------------


def cases():
    if not CASES.exists():
        return []
    found = json.loads(CASES.read_text("utf-8"))
    return [(found, case) for case in found["cases"]]


@pytest.mark.parametrize("number", range(len(cases())))
def test_geometry_is_the_page_s(number):
    found, case = cases()[number]
    manifest = found["manifests"][case["manifest"]]
    state = found["states"][case["manifest"]] | case["state"]
    canvas = (case["width"], case["height"], case["dpr"])
    made = panes.panes_of(manifest, state, *canvas)
    rect = panes.volume_rect(manifest, state, *canvas)
    assert (rect and vars_of(rect)) == case["volume"]
    assert [pane.index for pane in made] == [pane["index"] for pane in case["panes"]]
    for pane, expected in zip(made, case["panes"], strict=True):
        assert vars_of(pane.rect) == expected["rect"]
        assert list(pane.plane) == expected["plane"]
        assert pane.normal == expected["normal"]
        assert pane.scale == pytest.approx(expected["scale"], rel=1e-15)
        assert pane.corner == pytest.approx(expected["corner"], rel=1e-14)
        shown = [shown_as(manifest, state, pane, one) for one in panes.shown_in(manifest, state)]
        assert shown == expected["shown"]


def vars_of(rect):
    return {"x": rect.x, "y": rect.y, "w": rect.w, "h": rect.h}


def shown_as(manifest, state, pane, shown):
    layer = manifest["layers"][shown.layer]
    number = panes.level_for(layer, pane, state["held_mag"])
    place = panes.place_of(layer, number, pane, state)
    keys = []
    if place is not None:
        (u, v), level = pane.plane, layer["levels"][number]
        for box in panes.tiles_of(level, pane.plane, pane.window):
            request = panes.request_of(shown.layer, number, shown.channel, place | box, (v, u))
            keys.append(panes.key_of(request))
    return {
        "layer": shown.layer,
        "channel": shown.channel,
        "level": number,
        "keys": sorted(keys),
    }


def test_a_level_reaches_one_pixel_further():
    level = {"shape": {"z": 3}, "factor": {"z": 4.0}, "offset": {"z": 1.5}}
    voxels = (-4.6, -4.5, 0, 3.4, 3.5, 11, 15.4, 15.5)
    found = [panes.level_index(level, "z", voxel) for voxel in voxels]
    assert found == [None, 0, 0, 0, 1, 2, 2, None]
    assert panes.slab_range(level, "z", 5, 9) == (0, 2)
    assert panes.slab_range(level, "z", 4, 2) == (1, 2)
    # only a part of the slab lies in the level
    assert panes.slab_range(level, "z", 16, 15) == (2, 3)
    assert panes.slab_range(level, "z", 40, 9) is None


# --- the canvas ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.3])
@pytest.mark.parametrize("plane", [("x", "y"), ("x", "z"), ("z", "y")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_the_canvas_is_the_composite(dtype, plane, zoom):
    pixels = np.random.default_rng(3).normal(0, 900, (2, 20, 47, 65))
    pixels[:, 5, 5, 5:9] = 0 if dtype.startswith(("u", "i")) else np.nan
    pixels = np.clip(pixels, 0, 250).astype(dtype) if dtype == "uint8" else pixels.astype(dtype)
    layers = Layers.of(pixels)
    windows, gammas = [(-300, 800), (900, 0)], [1.0, 0.6]
    colors = ["#ff8000", "#0040ff"]
    styles = [
        {"visible": True, "color": c, "window": list(w), "gamma": g}
        for c, w, g in zip(colors, windows, gammas, strict=True)
    ]
    voxel = {"z": 5, "y": 5, "x": 6}
    state = state_of(layers, zoom=zoom, plane=list(plane), channels=styles, voxel=voxel)
    made = frames.compose_view(layers, Bricks(), state, 101, 90, 1.5)
    total, there = np.zeros((90, 101, 3)), None
    for channel, window, gamma, color in zip(pixels, windows, gammas, colors, strict=True):
        (normal,) = {"z", "y", "x"} - set(plane)
        flat = np.moveaxis(channel, "zyx".index(normal), 0)[voxel[normal]]
        rest = [name for name in "zyx" if name != normal]
        flat = flat if rest == [plane[1], plane[0]] else flat.T
        center = [state["center"][name] for name in plane]
        seen, there = sampled(flat, (101, 90), (1.5 * zoom,) * 2, center)
        total += shade(seen, window, gamma)[..., None] * compose.parse_color(color)
    expected = np.rint(np.clip(total, 0, 1) * 255)
    expected[~there] = DARK
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert (made[~there] == DARK).all()
    assert there.any()


def test_zoomed_out_a_coarser_mag_is_drawn(tmp_path):
    levels = [np.full((1, 64, 96), 10, np.uint8), np.full((1, 32, 48), 200, np.uint8)]
    layers = Layers.of(pyramid(tmp_path, levels))
    state = state_of(layers)
    seen = {
        zoom: frames.compose_view(layers, Bricks(), state | {"zoom": zoom}, 20, 20)[10, 10, 0]
        for zoom in (4.0, 1.0, 0.6, 0.5, 0.1)
    }
    assert seen == {4.0: 10, 1.0: 10, 0.6: 10, 0.5: 200, 0.1: 200}
    held = frames.compose_view(layers, Bricks(), state | {"held_mag": "2-2-1"}, 20, 20)
    assert held[10, 10, 0] == 200


def pyramid(path, levels, chunks=(1, 32, 32)):
    """Write mags of z, y, x, factors 2 in y and x."""
    import zarr

    group = zarr.open_group(str(path / "image.zarr"), mode="w", zarr_format=2)
    datasets = []
    for i, array in enumerate(levels):
        made = group.create_array(
            str(i), shape=array.shape, dtype=array.dtype, chunks=chunks, overwrite=True
        )
        made[...] = array
        scale, origin = [1.0, 2.0**i, 2.0**i], [0.0, (2.0**i - 1) / 2, (2.0**i - 1) / 2]
        datasets.append(
            {
                "path": str(i),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": origin},
                ],
            }
        )
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    group.attrs["multiscales"] = [
        {"version": "0.4", "name": "test", "axes": axes, "datasets": datasets}
    ]
    return nk.open(path / "image.zarr")


def test_ortho_panes_lie_side_by_side():
    pixels = np.random.default_rng(0).integers(1, 255, (30, 40, 50), np.uint8)
    layers = Layers.of(pixels)
    state = state_of(layers, layout="ortho", zoom=0.8, theme="light")
    made = frames.compose_view(layers, Bricks(), state, 161, 122, 2)
    left, top, gap = (161 - 4) // 2, (122 - 4) // 2, 4
    # panes are drawn as they are alone, where they lie
    places = {0: (0, 0), 1: (0, top + gap), 2: (left + gap, 0)}
    for index, (x, y) in places.items():
        pane = panes.panes_of(layers.manifest(), state, 161, 122, 2)[index]
        assert (pane.rect.x, pane.rect.y) == (x, y)
        alone = state | {"layout": "plane", "plane": list(pane.plane)}
        drawn = frames.compose_view(layers, Bricks(), alone, pane.rect.w, pane.rect.h, 2)
        assert (made[pane.rect.rows, pane.rect.columns] == drawn).all()
    # gaps are a shade apart from the background
    assert (made[:, left : left + gap] == [217, 217, 219]).all()
    assert (made[top : top + gap] == [217, 217, 219]).all()
    assert (made[0, -1] == LIGHT).all()
    alone = frames.compose_view(layers, Bricks(), state | {"maximised": 2}, 161, 122, 2)
    plane = state | {"layout": "plane", "plane": ["z", "y"]}
    assert (alone == frames.compose_view(layers, Bricks(), plane, 161, 122, 2)).all()


def test_slabs_are_the_maximum_of_what_they_cover():
    pixels = np.random.default_rng(0).integers(0, 255, (12, 30, 30), np.uint8)
    layers = Layers.of(pixels)
    for slab, (start, stop) in {1: (6, 7), 3: (5, 8), 4: (5, 8), 5: (4, 9), 99: (0, 12)}.items():
        state = state_of(layers, slab=slab)
        made = frames.compose_view(layers, Bricks(), state, 30, 30)
        assert (made[..., 0] == pixels[start:stop].max(0)).all()


def test_layers_that_cover_different_places_are_added():
    # an image without z, y lies under one that has half of its pixels
    layers = Layers.of(np.full((8, 8), 100, np.uint8))
    painter = frames.Painter(layers, Bricks())
    made = painter.draw(state_of(layers, channels=[]), 10, 10)
    assert (made == DARK).all()


# --- labels --------------------------------------------------------------------------------------


def with_labels(ids, value=50):
    import xarray as xr

    dims = ("z", "y", "x")[-ids.ndim :]
    image = xr.DataArray(np.full(ids.shape, value, np.uint8), dims=dims, name="image")
    return Layers.of(image, labels=[xr.DataArray(ids, dims=dims, name="cells")])


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("seed", [0, 5])
def test_labels_lie_over_the_image(dtype, seed):
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 9, (12, 15)).astype(dtype)
    if dtype == "uint64":
        ids[ids == 3] = 2**64 - 1
    layers = with_labels(ids)
    label = {"visible": True, "opacity": 0.3, "outline": 0, "seed": seed, "selected": []}
    made = frames.compose_view(layers, Bricks(), state_of(layers, labels=[label]), 15, 12)
    keys = ids.astype(np.int64).astype(np.uint64) if dtype == "int64" else ids.astype(np.uint64)
    mixed = keys ^ np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    colors = compose.label_colors(mixed)[..., :3].astype(float)
    expected = np.where(ids[..., None] > 0, 50 * 0.7 + colors * 0.3, 50)
    assert np.abs(made - expected).max() <= 1


def test_selected_labels_stand_out():
    ids = np.zeros((20, 30), np.uint64)
    ids[2:18, 2:14] = 2**63 + 7
    ids[2:18, 14:28] = 12
    layers = with_labels(ids, 0)
    label = {"visible": True, "opacity": 0.8, "outline": 0, "seed": 0}
    state = state_of(layers, labels=[label | {"selected": [str(2**63 + 7)]}])
    made = frames.compose_view(layers, Bricks(), state, 30, 20)
    colors = compose.label_colors(np.array([2**63 + 7, 12], np.uint64))[:, :3].astype(float)
    assert np.abs(made[10, 7] - colors[0] * 0.8).max() <= 1
    assert np.abs(made[10, 20] - colors[1] * 0.8 * 0.35).max() <= 1
    assert (made[2:18, 2] == 255).all()
    assert (made[2:18, 13] == 255).all()
    assert (made[3:17, 3:13] < 255).any(axis=-1).all()


def test_outlines_are_screen_pixels_wide():
    ids = np.zeros((10, 10), np.uint8)
    ids[2:8, 2:8] = 4
    layers = with_labels(ids, 0)
    label = {"visible": True, "opacity": 1, "outline": 1.5, "seed": 0, "selected": []}
    state = state_of(layers, labels=[label], zoom=5)
    made = frames.compose_view(layers, Bricks(), state, 100, 100, 2)
    # 10 device pixels per voxel, 3 of outline, inwards
    inside = np.zeros((100, 100), bool)
    inside[20:80, 20:80] = True
    inside[23:77, 23:77] = False
    color = compose.label_colors(np.array([4], np.uint8))[0, :3]
    assert (made[inside] == color).all()
    assert (made[~inside] == 0).all()


# --- what can't be read --------------------------------------------------------------------------


def test_unreadable_tiles_are_hatched_over_the_coarser_mag(tmp_path):
    levels = [np.full((1, 512, 512), 90, np.uint8), np.full((1, 256, 256), 90, np.uint8)]
    layers = Layers.of(pyramid(tmp_path, levels, chunks=(1, 256, 256)))
    damage(tmp_path / "image.zarr/0", "0.0.1")
    made = frames.compose_view(layers, Bricks(), state_of(layers), 512, 512)
    y, x = np.ogrid[:512, :512]
    hatched = ((x + y) % 8 < 3) & (x >= 256) & (y < 256)
    line = np.rint(0.4 * 90 + 0.6 * 255 * np.array([0.9, 0.6, 0]))
    assert np.abs(made[hatched] - line).max() <= 1
    assert (made[~hatched] == 90).all()


def test_without_a_coarser_mag_the_ground_is_grey_not_black(tmp_path):
    layers = Layers.of(pyramid(tmp_path, [np.full((1, 512, 256), 90, np.uint8)], (1, 256, 256)))
    damage(tmp_path / "image.zarr/0", "0.0.0")
    made = frames.compose_view(layers, Bricks(), state_of(layers), 256, 512)
    assert (made[256:] == 90).all()
    assert made[:256].reshape(-1, 3).max(-1).min() >= 50
    assert {tuple(color) for color in made[:256].reshape(-1, 3)} == {(54, 54, 55), (159, 113, 22)}


def damage(folder, key):
    for name in (key, key.replace(".", "/")):
        if (folder / name).exists():
            (folder / name).write_bytes(b"no chunk")
            return
    raise AssertionError(key)


# --- the volume ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "axis", "turned"),
    [
        ((0, 0), 0, lambda a: a),
        ((180, 0), 0, lambda a: a[:, ::-1]),
        ((0, 180), 0, lambda a: a[::-1]),
        ((90, 0), 2, lambda a: a.T[:, ::-1]),
        ((0, 90), 1, lambda a: a),
        ((0, -90), 1, lambda a: a[::-1]),
    ],
)
def test_the_volume_along_its_axes_is_the_maximum(turn, axis, turned):
    pixels = np.random.default_rng(2).integers(0, 250, (16, 20, 24), np.uint8)
    layers = Layers.of(pixels)
    # a volume is drawn smaller than planes are
    state = state_of(layers, layout="volume", turn=list(turn), zoom=1 / 0.7)
    made = frames.compose_view(layers, Bricks(), state, 48, 40)
    expected = turned(pixels.max(axis))
    h, w = expected.shape
    top, left = (40 - h) // 2, (48 - w) // 2
    # less the edges of the scene, which are drawn along its rim
    inner = made[top + 1 : top + h - 1, left + 1 : left + w - 1, 0]
    assert (inner == expected[1:-1, 1:-1]).all()
    outside = np.ones(made.shape[:2], bool)
    outside[top - 1 : top + h + 1, left - 1 : left + w + 1] = False
    assert (made[outside] == DARK).all()


def test_the_volume_takes_the_finest_level_that_fits(tmp_path):
    levels = [np.zeros((4, 2048, 1024), np.uint8), np.zeros((4, 1024, 512), np.uint8)]
    manifest = Layers.of(pyramid(tmp_path, levels, (4, 512, 512))).manifest()
    state = state_of(Layers.of(nk.open(tmp_path / "image.zarr")))
    ((_, request),) = volumes.volume_requests(manifest, state)
    assert request == {
        "layer": 0,
        "level": 1,
        "channel": 0,
        "box": {"z": [0, 4], "y": [0, 1024], "x": [0, 512]},
        "order": ["z", "y", "x"],
    }


def test_directions_are_a_rotation():
    for turn in ((30, 20), (-75, 140)):
        found = volumes.rotation(*turn)
        assert found @ found.T == pytest.approx(np.eye(3))
        assert np.linalg.det(found) == pytest.approx(1)


# --- marks ---------------------------------------------------------------------------------------


def test_crosshair_and_scale_bar():
    layers = Layers.of(np.zeros((100, 200), np.uint8))
    state = state_of(layers, crosshair=True, scalebar=True, voxel={"y": 20, "x": 50}, zoom=2.0)
    picture = Image.open(io.BytesIO(frames.frame_png(layers, Bricks(), state, 400, 200)))
    plain = np.asarray(picture)
    assert plain.shape == (200, 400, 3)
    assert (plain == 0).all()
    png = frames.frame_png(layers, Bricks(), state, 400, 200, marks=True)
    made = np.asarray(Image.open(io.BytesIO(png))).astype(int)
    # voxel 50 has its centre at device pixel 101, voxel 20 at 41
    assert made[41, 10].tolist() == [0xE8, 0x74, 0x3B]
    assert made[190, 101].tolist() in ([0x3F, 0xB5, 0x6F], [0, 0, 0])
    assert (made[:, 101] == [0x3F, 0xB5, 0x6F]).all(-1).sum() > 100
    assert (made[41, 96:107] == 0).all()
    pane = panes.panes_of(layers.manifest(), state, 400, 200)[0]
    assert marks.bar_of(layers.manifest(), pane) == (50.0, "50 px")
    white = (made == 255).all(-1)
    row = int(np.flatnonzero(white.sum(1) >= 100)[0])
    assert white[row].sum() == 100


def test_the_selection_is_drawn():
    layers = Layers.of(np.zeros((10, 100, 100), np.uint8))
    box = {"kind": "box", "lo": {"z": 2, "y": 10, "x": 20}, "hi": {"z": 6, "y": 50, "x": 70}}
    state = state_of(layers, selection=box, voxel={"z": 3, "y": 0, "x": 0})
    painter = frames.Painter(layers, Bricks())
    yellow = (255, 214, 10)
    inside = painter.draw_marked(state, 100, 100)
    assert {tuple(inside[10, 30]), tuple(inside[30, 20]), tuple(inside[50, 40])} == {yellow}
    assert inside[30, 40].max() > 0
    behind = painter.draw_marked(state | {"voxel": {"z": 8, "y": 0, "x": 0}}, 100, 100)
    assert behind[30, 40].max() == 0
    row = (behind[10, 20:70] == yellow).all(-1)
    assert 0 < row.sum() < 50
    ends = [{"z": 3.0, "y": 5.0, "x": 5.0}, {"z": 3.0, "y": 5.0, "x": 95.0}]
    for kind in ("line", "points"):
        made = painter.draw_marked(state | {"selection": {"kind": kind, "points": ends}}, 100, 100)
        assert tuple(made[5, 5]) == yellow
        assert ((made[5, 50] > 0).any()) == (kind == "line")


# --- snapshots -----------------------------------------------------------------------------------


@pytest.fixture
def cells():
    """Return two channels of 3-D and labels, with a state."""
    pixels = np.random.default_rng(0).integers(0, 255, (2, 12, 60, 80), np.uint8)
    layers = Layers.of(pixels, name="cells")
    colors = ["#00ff00", "#ff00ff"]
    styles = [{"visible": True, "color": c, "window": [0, 255], "gamma": 1} for c in colors]
    return layers, state_of(layers, channels=styles, scalebar=True, crosshair=True, height=60)


@pytest.mark.parametrize("size", [(1200, 800), (333, 250), (120, 60)])
@pytest.mark.parametrize("layout", ["plane", "ortho", "volume"])
def test_snapshots_have_the_size_asked_for(cells, layout, size, tmp_path):
    layers, state = cells
    state = state | {"layout": layout, "zoom": 0.7}
    path = snapshots.snapshot(layers, Bricks(), state, tmp_path / "a.png", size=size)
    assert path == tmp_path / "a.png"
    with Image.open(path) as picture:
        assert picture.size == size
        assert len(picture.convert("RGB").getcolors(2**24)) > 50
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_snapshot_shows_the_pixels_of_the_view(cells):
    layers, state = cells
    state = state | {"crosshair": False, "scalebar": False, "channels": state["channels"]}
    figure = snapshots.snapshot(layers, Bricks(), state, size=(900, 600))
    assert isinstance(figure, Picture)
    ground = figure.axes[0].get_window_extent()
    width, height = round(ground.width), round(ground.height)
    drawn = np.asarray(Image.open(io.BytesIO(figure._repr_png_())))[..., :3]
    assert drawn.shape == (600, 900, 3)
    left, top = round(ground.x0), 600 - round(ground.y1)
    expected = frames.compose_view(layers, Bricks(), state, width, height, height / 60)
    part = drawn[top : top + height, left : left + width].astype(int)
    # the legend lies over the upper left corner
    part, expected = part[:, width // 2 :], expected[:, width // 2 :]
    assert np.abs(part - expected).max() <= 1


def test_a_snapshot_says_what_it_shows(cells):
    layers, state = cells
    figure = snapshots.snapshot(layers, Bricks(), state)
    (text,) = [text.get_text() for text in figure.texts]
    assert text == "cells\nmag 1 · z = 6"
    ax = figure.axes[1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (px)", "y (px)")
    assert [entry.get_text() for entry in ax.get_legend().get_texts()] == ["0", "1"]
    low, high = ax.get_ylim()
    # as in the viewer, 60 CSS pixels of height are 60 voxels around the centre
    assert (low, high) == pytest.approx((59.5, -0.5))
    volume = snapshots.snapshot(layers, Bricks(), state | {"layout": "volume"})
    assert [text.get_text() for text in volume.texts] == ["cells"]
    ortho = snapshots.snapshot(layers, Bricks(), state | {"layout": "ortho"})
    assert [ax.get_xlabel() for ax in ortho.axes[1:]] == ["", "x (px)", "z (px)"]
    assert [ax.get_ylabel() for ax in ortho.axes[1:]] == ["y (px)", "z (px)", ""]


def test_larger_snapshots_show_finer_mags(tmp_path):
    levels = [np.full((1, 512 >> i, 512 >> i), 40 * (i + 1), np.uint8) for i in range(3)]
    layers = Layers.of(pyramid(tmp_path, levels))
    state = state_of(layers, zoom=0.15, height=128)
    texts = [
        snapshots.snapshot(layers, Bricks(), state, size=size).texts[0].get_text().splitlines()[1]
        for size in ((300, 200), (600, 400), (1200, 800))
    ]
    assert texts == ["mag 4-4-1", "mag 2-2-1", "mag 1"]


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml"), (".JPG", b"\xff\xd8\xff")],
)
def test_snapshots_of_all_kinds(cells, suffix, start, tmp_path):
    layers, state = cells
    path = snapshots.snapshot(layers, Bricks(), state, tmp_path / f"a{suffix}", size=(300, 200))
    assert path.read_bytes().startswith(start)


def test_snapshots_that_cannot_be(cells, tmp_path):
    layers, state = cells
    with pytest.raises(NgffError, match=r"a\.bmp': pictures end in \.png, \.pdf, \.svg"):
        snapshots.snapshot(layers, Bricks(), state, tmp_path / "a.bmp")
    for size in ((0, 100), (100,), (100.5, 100), (2**20, 100)):
        with pytest.raises(NgffError, match="give width and height in pixels"):
            snapshots.snapshot(layers, Bricks(), state, size=size)
    with pytest.raises(NgffError, match="there is no folder"):
        snapshots.snapshot(layers, Bricks(), state, tmp_path / "none/a.png")
    assert not list(tmp_path.iterdir())


# --- movies --------------------------------------------------------------------------------------


@pytest.fixture
def stack():
    """Return a stack whose planes are told apart by their grey, with a state."""
    pixels = np.full((7, 40, 60), 30, np.uint8) * np.arange(1, 8, dtype=np.uint8)[:, None, None]
    layers = Layers.of(pixels)
    return layers, state_of(layers, height=40)


def test_a_gif_has_the_planes(stack, tmp_path):
    layers, state = stack
    path = tmp_path / "a.gif"
    options = {"fps": 30, "size": (60, 40), "caption": False}
    assert movies.movie(layers, Bricks(), state, "z", path, **options) == path
    with Image.open(path) as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (7, (60, 40), 0)
        seen, pauses = [], []
        for frame in ImageSequence.Iterator(film):
            pauses.append(frame.info["duration"])
            seen.append(np.asarray(frame.convert("RGB")))
    assert [np.unique(frame).tolist() for frame in seen] == [[30 * i] for i in range(1, 8)]
    # 7 frames of 1/30 s, in hundredths, and none is off by more than one
    assert sum(pauses) == 230
    assert set(pauses) == {30, 40}


def test_an_mp4_has_the_planes(stack, tmp_path):
    av = pytest.importorskip("av")
    layers, state = stack
    path = tmp_path / "a.mp4"
    options = {"fps": 12.5, "size": (61, 41), "start": 1, "step": 2, "caption": False}
    movies.movie(layers, Bricks(), state, "z", path, **options)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (60, 40)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 12.5
        frames_ = list(film.decode(stream))
    times = [float(frame.pts * frame.time_base) for frame in frames_]
    assert times == pytest.approx([0, 0.08, 0.16])
    for frame, expected in zip(frames_, (60, 120, 180), strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - expected).max() <= 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_colours_of_an_mp4_are_those_of_the_view(tmp_path):
    av = pytest.importorskip("av")
    layers = Layers.of(np.full((2, 32, 32), 255, np.uint8))
    style = {"visible": True, "color": "#d03060", "window": [0, 255], "gamma": 1}
    state = state_of(layers, channels=[style], height=32)
    options = {"size": (32, 32), "caption": False}
    movies.movie(layers, Bricks(), state, "z", tmp_path / "a.mp4", **options)
    with av.open(str(tmp_path / "a.mp4")) as film:
        frame = next(film.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        rgb = frame.to_ndarray(format="rgb24", src_colorspace="ITU709")[16, 16]
    assert np.abs(rgb.astype(int) - [0xD0, 0x30, 0x60]).max() <= 4


def test_movies_say_where_they_are(stack, tmp_path):
    layers, state = stack[0], stack[1] | {"height": 200}
    for suffix, caption in (("a", True), ("b", False)):
        path = tmp_path / f"{suffix}.gif"
        movies.movie(layers, Bricks(), state, "z", path, size=(300, 200), caption=caption, stop=1)
    with Image.open(tmp_path / "a.gif") as a, Image.open(tmp_path / "b.gif") as b:
        differ = (np.asarray(a.convert("RGB")) != np.asarray(b.convert("RGB"))).any(-1)
    assert differ.any()
    assert not differ[:, 200:].any()


def test_a_movie_that_breaks_leaves_nothing(stack, tmp_path, monkeypatch):
    layers, state = stack
    path = tmp_path / "a.gif"
    path.write_bytes(b"before")
    draw = frames.Painter.draw

    def broken(self, state, *args):
        if state["voxel"]["z"] == 3:
            raise KeyboardInterrupt
        return draw(self, state, *args)

    monkeypatch.setattr(frames.Painter, "draw", broken)
    with pytest.raises(KeyboardInterrupt):
        movies.movie(layers, Bricks(), state, "z", path, size=(60, 40))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.gif", b"before")]


def test_movies_that_cannot_be(stack, tmp_path, monkeypatch):
    layers, state = stack

    def film(axis="z", path="a.gif", **options):
        movies.movie(layers, Bricks(), state, axis, tmp_path / path, **options)

    wrong = [
        ({"axis": "t"}, "there is no axis 't'; the axes are z, y, x"),
        ({"axis": "x"}, "'x' lies in the plane"),
        ({"path": "a.avi"}, r"movies end in \.gif, \.mp4"),
        ({"start": 5, "stop": 2}, "no frames: start=5, stop=2"),
        ({"step": 0}, "never end"),
        ({"fps": 0}, "frames per second"),
        ({"fps": 100}, r"at most 50 frames per second; write \.mp4"),
        ({"size": (3, 3)}, "width and height"),
        ({"speed": 3}, "'speed' is no option .* fps"),
    ]
    for options, message in wrong:
        with pytest.raises(NgffError, match=message):
            film(**options)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NgffError, match=r"pip install 'ngffkit\[movie\]'"):
        film(path="a.mp4")
    assert not list(tmp_path.iterdir())


def test_backwards_along_another_axis(stack, tmp_path):
    layers, state = stack
    path = tmp_path / "a.gif"
    state = state | {"plane": ["z", "y"]}
    movies.movie(layers, Bricks(), state, "x", path, start=9, stop=4, step=-2, size=(16, 16))
    with Image.open(path) as made:
        assert made.n_frames == math.ceil(5 / 2)
