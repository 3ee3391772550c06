"""The viewer's renderer, alone in a browser: its pixels are those that NumPy works out."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import chromium
import numpy as np
import pytest

from ngffkit.plots import compose

JS: Final = Path(__file__).parents[1] / "js"
ADDRESS: Final = "http://viewer.test"
BACKGROUND: Final = (0.07, 0.07, 0.08)
SEED_FACTOR: Final = 0xD1342543DE82EF95
WHITE: Final = {"visible": True, "color": "#ffffff", "window": [0, 255], "gamma": 1}
LABELS: Final = {"visible": True, "opacity": 1, "outline": 0, "seed": 0, "selected": []}


class Renderer:
    """A page with nothing but the renderer."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self._hear(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.route(f"{ADDRESS}/**", self._answer)
        page.goto(f"{ADDRESS}/test/pages/gl.html")
        page.wait_for_function("window.ready")

    def _hear(self, text: str) -> None:
        if chromium.READING not in text:
            self.said.append(text)

    @staticmethod
    def _answer(route: Any) -> None:
        route.fulfill(path=JS / route.request.url.removeprefix(f"{ADDRESS}/"))

    def show(self, scene: Scene) -> np.ndarray:
        """Draw a scene in a new renderer; return its pixels, (y, x, RGB)."""
        self.page.evaluate("([m, t]) => start(m, t)", [scene.manifest(), scene.tiles])
        return self.draw(scene.frame())

    def draw(self, frame: Mapping[str, Any], how: str = "read") -> np.ndarray:
        self.page.evaluate("f => draw(f)", json.loads(json.dumps(frame)))
        return self.pixels(frame, how)

    def pixels(self, frame: Mapping[str, Any], how: str = "read") -> np.ndarray:
        sent = base64.b64decode(self.page.evaluate(f"{how}()"))
        return np.frombuffer(sent, np.uint8).reshape(frame["height"], frame["width"], 4)[..., :3]


@pytest.fixture(scope="module")
def page_of_renderer() -> Iterator[Renderer]:
    with chromium.browser() as found, found.new_context() as context:
        yield Renderer(context.new_page())


@pytest.fixture
def gl(page_of_renderer: Renderer) -> Iterator[Renderer]:
    """Give the renderer; afterwards, the browser may not have complained."""
    page_of_renderer.said.clear()
    yield page_of_renderer
    assert not page_of_renderer.said


@dataclass
class Scene:
    """A frame in the making: layers, tiles, and what one pane shows of them."""

    width: int
    height: int
    layers: list[dict[str, Any]] = field(default_factory=list)
    tiles: list[dict[str, Any]] = field(default_factory=list)
    covers: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    hovered: list[str | None] = field(default_factory=list)
    rects: list[tuple[int, int, int, int]] = field(default_factory=list)
    volume: dict[str, Any] | None = None
    size: Mapping[str, int] = field(default_factory=lambda: {"z": 1, "y": 1, "x": 1})
    display: Mapping[str, float] = field(default_factory=lambda: {"z": 1.0, "y": 1.0, "x": 1.0})
    dpr: float = 1

    def tile(self, pixels: np.ndarray, constant: str | None = None) -> int:
        """Send pixels, (y, x) or (z, y, x); as one constant if there is one."""
        order = list("zyx")[-pixels.ndim :]
        dtype = pixels.dtype.name
        kept = pixels.astype(np.float32) if dtype == "float16" else pixels
        data = (
            None if constant is not None else base64.b64encode(np.ascontiguousarray(kept)).decode()
        )
        box = {name: [0, n] for name, n in zip(order, pixels.shape, strict=True)}
        request = {"layer": 0, "level": 0, "channel": 0, "box": box, "order": order}
        self.tiles.append(
            {
                "key": str(len(self.tiles)),
                "request": request,
                "shape": pixels.shape,
                "dtype": dtype,
                "data": data,
                "constant": constant,
            }
        )
        return len(self.tiles) - 1

    def layer(self, kind: str, states: Sequence[Mapping[str, Any]], colors: Any = ()) -> int:
        """Add a layer with a state for each of its channels."""
        ones = dict.fromkeys(self.size, 1)
        level = {
            "mag": "1",
            "shape": dict(self.size),
            "factor": ones,
            "chunk": ones,
            "tile": ones,
            "offset": dict.fromkeys(ones, 0),
        }
        named = [{"label": str(i), "range": [0, 1]} for i in range(len(states))]
        self.layers.append(
            {
                "name": kind,
                "kind": kind,
                "dtype": "uint8",
                "axes": list(self.size),
                "channels": named,
                "levels": [level],
                "colors": colors,
            }
        )
        (self.labels if kind == "label" else self.channels).extend(map(dict, states))
        self.hovered += [None] * (kind == "label")
        return len(self.layers) - 1

    def cover(self, layer: int, channel: int, quads: Sequence[Any], **more: Any) -> None:
        """Show quads of (tile, screen, texels) of a channel."""
        made = [dict(zip(("tile", "screen", "texels"), quad, strict=True)) for quad in quads]
        cover = {"layer": layer, "channel": channel, "quads": made, "holes": [], "failed": []}
        self.covers.append(cover | more)

    def whole(
        self, layer: int, channel: int, pixels: np.ndarray, zoom: int = 1, **more: Any
    ) -> None:
        """Show all of some pixels from the upper left corner."""
        h, w = pixels.shape
        tile = self.tile(pixels, more.pop("constant", None))
        self.cover(layer, channel, [(tile, (0, 0, w * zoom, h * zoom), (0, 0, w, h))], **more)

    def manifest(self) -> dict[str, Any]:
        axes = [
            {
                "name": name,
                "type": "space",
                "unit": "",
                "size": n,
                "scale": 1,
                "origin": 0,
                "values": None,
                "display": self.display[name],
            }
            for name, n in self.size.items()
        ]
        return {
            "name": "test",
            "axes": axes,
            "spatial": list(self.size),
            "reference": "x",
            "planes": [["x", "y"]],
            "layers": self.layers,
        }

    def frame(self) -> dict[str, Any]:
        panes = [
            {
                "pane": {
                    "index": i,
                    "plane": ["x", "y"],
                    "normal": "z",
                    "scale": [1, 1],
                    "rect": dict(zip("xywh", rect, strict=True)),
                    "corner": [0, 0],
                },
                "covers": self.covers,
            }
            for i, rect in enumerate(self.rects or [(0, 0, self.width, self.height)])
        ]
        return {
            "width": self.width,
            "height": self.height,
            "dpr": self.dpr,
            "panes": panes,
            "background": BACKGROUND,
            "channels": self.channels,
            "labels": self.labels,
            "hovered": self.hovered,
            "volume": self.volume,
        }


def near(found: np.ndarray, expected: np.ndarray, by: int = 1) -> bool:
    """Tell whether two pictures agree within a step of a screen's brightness."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected.astype(int))
    if difference.max() > by:
        worst = np.argwhere(difference > by)
        print(
            f"{len(worst)} differ, first at {worst[0]}: {found[tuple(worst[0][:2])]}, "
            f"expected {expected[tuple(worst[0][:2])]}"
        )
    return bool(difference.max() <= by)


def bytes_of(color: Sequence[float]) -> np.ndarray:
    return np.rint(np.asarray(color) * 255).astype(np.uint8)


def one_channel(gl: Renderer, pixels: np.ndarray, **state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels as the renderer shows them, and as NumPy does."""
    style = {**WHITE, "color": "#ff8040", **state}
    h, w = pixels.shape
    scene = Scene(w * 2, h * 2)
    scene.whole(scene.layer("intensity", [style]), 0, pixels, zoom=2)
    return gl.show(scene), expected_of(pixels[None], [style]).repeat(2, 0).repeat(2, 1)


def expected_of(planes: np.ndarray, states: Sequence[Mapping[str, Any]]) -> np.ndarray:
    colors = [compose.parse_color(state["color"]) for state in states]
    windows = [state["window"] for state in states]
    gammas = [state["gamma"] for state in states]
    return compose.composite(planes, colors, windows, gammas)


def noise(dtype: str, low: float, high: float, shape: tuple[int, ...] = (37, 53)) -> np.ndarray:
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(low, high, shape).astype(dtype)
    return rng.integers(int(low), int(high), shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "window"),
    [
        ("uint8", 0, 255, (0, 255)),
        ("uint8", 0, 255, (30.5, 99.25)),
        ("uint8", 0, 255, (-100, 400)),
        ("int8", -128, 127, (-100, 90)),
        ("uint16", 0, 65535, (1000, 60000)),
        ("int16", -32768, 32767, (-20000, 25000)),
        ("uint32", 3_999_999_900, 4_000_000_200, (4_000_000_000, 4_000_000_100)),
        ("uint32", 0, 2**32 - 1, (0, 2**32 - 1)),
        ("uint32", 0, 2**32 - 1, (5e9, 1e10)),
        ("int32", -(2**31), 2**31 - 1, (-2e9, 2e9)),
        ("int32", -(2**31), -(2**31) + 300, (-(2**31) + 50, -(2**31) + 250)),
        ("uint64", 2**63, 2**63 + 2**20, (2**63, 2**63 + 2**20)),
        ("int64", -(2**62) - 2**20, -(2**62) + 2**20, (-(2**62) - 2**20, -(2**62) + 2**20)),
        ("int64", -500, 500, (-300, 300.5)),
        ("float16", -3, 3, (-2, 2.5)),
        ("float32", -1, 1, (-0.5, 0.75)),
        ("float32", 3e6, 3e6 + 30, (3e6 + 3.4, 3e6 + 24.7)),
        ("float32", 3e7, 3e7 + 300, (3e7 + 30.9, 3e7 + 240.7)),
        ("float64", -1e-3, 1e-3, (-5e-4, 5e-4)),
    ],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_every_type_is_shown_as_numpy_shows_it(gl, dtype, low, high, window, inverted):
    found, expected = one_channel(
        gl, noise(dtype, low, high), window=window[::-1] if inverted else window
    )
    assert near(found, expected)
    if low < window[1] and high > window[0]:
        assert len(np.unique(expected)) > 50


def test_what_is_no_number_is_black_and_infinity_is_beyond_the_window(gl):
    pixels = noise("float32", 0, 1)
    pixels[::3, ::4], pixels[1::3, ::4], pixels[2::3, ::4] = np.nan, np.inf, -np.inf
    for window in [(0.2, 0.9), (0.9, 0.2), (0.5, 0.5)]:
        found, expected = one_channel(gl, pixels, window=window)
        assert near(found, expected)


@pytest.mark.parametrize(
    ("dtype", "window"),
    [
        ("uint8", (100, 100)),
        ("uint8", (99.5, 99.5)),
        ("float32", (100.25, 100.25)),
        ("int64", (7, 7)),
    ],
)
def test_a_window_of_no_width_is_a_threshold(gl, dtype, window):
    pixels = noise(dtype, 0, 200)
    pixels[0, :2] = window[0], np.asarray(window[0] + 1, dtype)
    found, expected = one_channel(gl, pixels, window=window)
    assert near(found, expected)
    assert {0, 255} == set(np.unique(found[..., 0]))


@pytest.mark.parametrize("gamma", [0.3, 1, 2.2])
def test_gamma(gl, gamma):
    found, expected = one_channel(
        gl, noise("uint16", 0, 4000), window=(100, 3900), gamma=gamma, color="#ffffff"
    )
    assert near(found, expected)


def test_channels_add_up_and_clip_at_white(gl):
    colors = ["#00ffff", "#ff00ff", "#ffff00", "#e69f00", "#009e73", "#0072b2"]
    states = [
        {**WHITE, "color": color, "window": [10 * i, 700 + 30 * i], "gamma": 1 + i / 10}
        for i, color in enumerate(colors)
    ]
    planes = np.stack([noise("uint16", 0, 300 + 60 * i) for i in range(6)])
    planes = np.stack([np.roll(plane, 5 * i, axis=1) for i, plane in enumerate(planes)])
    states[4]["visible"] = False
    scene = Scene(53, 37)
    first = scene.layer("intensity", states[:2])
    second = scene.layer("intensity", states[2:])
    for i, plane in enumerate(planes):
        scene.whole(*((first, i) if i < 2 else (second, i - 2)), plane)
    shown = [i for i in range(6) if i != 4]
    assert near(gl.show(scene), expected_of(planes[shown], [states[i] for i in shown]))


@pytest.mark.parametrize("held", ["half floats", "bytes"])
def test_channels_that_differ_in_type_or_tiles_add_up_too(gl, held):
    colors = ["#00ffff", "#ff00ff", "#ffff00", "#e69f00", "#009e73", "#0072b2"] * 2
    states = [{**WHITE, "color": c, "window": [5 * i, 1300]} for i, c in enumerate(colors)]
    planes = [noise("uint16", 0, 150, (48, 64)) + np.uint16(i) for i in range(10)]
    planes += [noise("float32", -50, 150, (48, 64)), noise("uint8", 0, 150, (48, 64))]
    scene = Scene(64, 48)
    layer = scene.layer("intensity", states)
    for i, plane in enumerate(planes):
        quads = [(scene.tile(part), *edges) for part, *edges in cut(plane, 1, (0, 0), 24)]
        if i % 3:
            scene.cover(layer, i, quads)
        else:
            scene.whole(layer, i, plane)
    gl.page.evaluate("([m, t]) => start(m, t)", [scene.manifest(), scene.tiles])
    if held == "bytes":  # a card that can't draw to floats
        gl.page.evaluate("renderer.stage.halves = null")
    found = gl.draw(scene.frame())
    assert gl.page.evaluate("renderer.stage.targets.has('sum')")
    expected = expected_of(np.stack([plane.astype(np.float64) for plane in planes]), states)
    assert near(found, expected, by=1 if held == "half floats" else 4)


@pytest.mark.parametrize(
    ("dtype", "constant", "window"),
    [
        ("uint8", "77", (0, 255)),
        ("int16", "-77", (-100, 0)),
        ("uint64", str(2**63 + 77), (2**63, 2**63 + 2**20)),
        ("int64", "-5", (-10, 0)),
        ("float32", "0.25", (0, 1)),
        ("float32", "nan", (0, 1)),
        ("float64", "-inf", (1, 0)),
    ],
)
def test_constant_tiles_need_no_pixels(gl, dtype, constant, window):
    value = int(constant) if np.dtype(dtype).kind in "iu" else float(constant)
    pixels = np.full((8, 8), value, dtype)
    style = {**WHITE, "window": window}
    scene = Scene(8, 8)
    scene.whole(scene.layer("intensity", [style]), 0, pixels, constant=constant)
    assert near(gl.show(scene), expected_of(pixels[None], [style]))


def cut(
    pixels: np.ndarray, scale: float, shift: tuple[float, float], tile: int
) -> Iterator[tuple[np.ndarray, list[float], list[float]]]:
    """Cut pixels to tiles that are `scale` times as large on the screen, moved by `shift`."""
    for top, left in itertools.product(*(range(0, n, tile) for n in pixels.shape)):
        part = pixels[top : top + tile, left : left + tile]
        h, w = part.shape
        edges = (left, top, left + w, top + h)
        screen = [shift[i % 2] + edge * scale for i, edge in enumerate(edges)]
        yield part, screen, [0, 0, w, h]


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(0.37, (-3.3, 5.7)), (1.0, (0.25, -0.75)), (1.7, (-20.45, -11.1)), (33.3, (-5000.2, -900.7))],
)
def test_each_pixel_shows_the_texel_under_its_centre_once(gl, scale, shift):
    pixels = noise("uint8", 1, 100, (200, 300))
    scene = Scene(120, 90)
    layer = scene.layer("intensity", [WHITE, WHITE])
    quads = [(scene.tile(part), *edges) for part, *edges in cut(pixels, scale, shift, 16)]
    scene.cover(layer, 0, quads)
    # another channel, black and with other tiles, so that both are summed up
    all_of_it = (shift[0], shift[1], shift[0] + 300 * scale, shift[1] + 200 * scale)
    scene.cover(layer, 1, [(scene.tile(pixels, "0"), all_of_it, (0, 0, 300, 200))])
    found = gl.show(scene)
    row, column = (
        np.floor((np.arange(n) + 0.5 - by) / scale).astype(int)
        for n, by in ((90, shift[1]), (120, shift[0]))
    )
    inside = np.logical_and.outer((row >= 0) & (row < 200), (column >= 0) & (column < 300))
    shown = pixels[np.ix_(row.clip(0, 199), column.clip(0, 299))]
    expected = np.where(inside[..., None], shown[..., None], bytes_of(BACKGROUND))
    # twice drawn, a pixel would be twice as bright; left out, it would be background
    assert near(found, expected.astype(np.uint8), by=0)


def test_a_texel_at_the_far_end_of_a_wide_screen_is_the_right_one(gl):
    pixels = noise("uint16", 0, 65535, (1, 2048))
    for scale in (0.7331, 1.9371):
        width = min(int(2048 * scale), 3000)
        scene = Scene(width, 2)
        layer = scene.layer("intensity", [{**WHITE, "window": [0, 65535]}])
        edges = (0.1234567, 0, 0.1234567 + 2048 * scale, 2)
        scene.cover(layer, 0, [(scene.tile(pixels), edges, (0, 0, 2048, 1))])
        column = np.floor((np.arange(1, width) + 0.5 - 0.1234567) / scale).astype(int).clip(0, 2047)
        found = gl.show(scene)[:, 1:]
        expected = expected_of(pixels[None, :, column], [{**WHITE, "window": [0, 65535]}])
        assert near(found, expected.repeat(2, 0))


@pytest.mark.parametrize("zoom", [1, 3, 10, 25])
def test_a_texel_whose_edge_is_under_a_pixels_centre_is_shown(gl, zoom):
    pixels = noise("uint8", 0, 255, (40, 40))
    side = 39 * zoom
    scene = Scene(side, side)
    # on the edge but for rounding; as in Python, and under the cursor
    edges = (-0.5 + 1e-10, -0.5 + 1e-10, 40 * zoom - 0.5, 40 * zoom - 0.5)
    scene.cover(scene.layer("intensity", [WHITE]), 0, [(scene.tile(pixels), edges, (0, 0, 40, 40))])
    at = (np.arange(side) + 1) // zoom
    assert near(gl.show(scene)[..., 0], pixels[np.ix_(at, at)], by=0)


def test_panes_show_their_part_and_gaps_between_them(gl):
    pixels = noise("uint8", 0, 255, (30, 30))
    scene = Scene(
        50, 40, rects=[(0, 0, 24, 19), (26, 0, 24, 19), (0, 21, 24, 19), (26, 21, 24, 19)]
    )
    scene.whole(scene.layer("intensity", [WHITE]), 0, pixels)
    found = gl.show(scene)
    for x, y, w, h in scene.rects:
        assert near(found[y : y + h, x : x + w, 1], pixels[:h, :w], by=0)
    gap = bytes_of(np.add(BACKGROUND, 0.08))
    assert near(found[19:21], np.broadcast_to(gap, (2, 50, 3)))
    assert near(found[:, 24:26], np.broadcast_to(gap, (40, 2, 3)))
    assert np.array_equal(gl.pixels(scene.frame(), "seen"), found)


def test_what_has_not_arrived_is_grey_and_what_failed_is_hatched(gl):
    pixels = noise("uint8", 0, 255, (32, 16))
    states = [WHITE, {**WHITE, "color": "#ff0000"}]
    scene = Scene(80, 32)
    layer = scene.layer("intensity", states)
    failed = [{"screen": (32, 0, 48, 32), "cause": "no such chunk", "key": "k"}]
    scene.whole(layer, 0, pixels, holes=[(16, 0, 64, 32)], failed=failed)
    scene.cover(layer, 1, [], holes=[(0, 0, 64, 32)])
    found = gl.show(scene).astype(int)
    # one channel is there, the other isn't: what is there is shown
    assert near(found[:, :16], np.repeat(pixels[..., None], 3, 2), by=0)
    waiting = bytes_of((np.asarray(BACKGROUND) + 0.35) / 2)
    for part in (found[:, 16:32], found[:, 48:64]):
        assert np.abs(part - waiting).max() <= 4
    lines = np.add.outer(np.arange(32), np.arange(32, 48)) % 8 < 3
    amber = bytes_of(np.asarray((0.9, 0.6, 0.0)) * 0.6 + (np.asarray(BACKGROUND) + 0.35) / 2 * 0.4)
    assert np.abs(found[:, 32:48][lines] - amber).max() <= 3
    assert np.abs(found[:, 32:48][~lines] - waiting).max() <= 4
    assert near(found[:, 64:], np.broadcast_to(bytes_of(BACKGROUND), (32, 16, 3)))


def test_a_failed_tile_is_hatched_over_the_coarser_one(gl):
    scene = Scene(16, 16)
    failed = [{"screen": (0, 0, 16, 16), "cause": "gone", "key": "k"}]
    pixels = np.full((16, 16), 200, np.uint8)
    scene.whole(scene.layer("intensity", [WHITE]), 0, pixels, failed=failed)
    found = gl.show(scene)
    lines = np.add.outer(np.arange(16), np.arange(16)) % 8 < 3
    assert np.all(found[~lines] == 200)
    assert near(
        found[lines], np.tile(bytes_of((0.9 * 0.6 + 0.3137, 0.36 + 0.3137, 0.3137)), (96, 1))
    )


# --- labels -------------------------------------------------------------------------------------

IDS: Final = {
    "uint8": (0, 255),
    "int16": (-200, 200),
    "uint16": (0, 65535),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


def shown_labels(gl: Renderer, ids: np.ndarray, **more: Any) -> np.ndarray:
    """Return labels on black, without pixels of images under them."""
    h, w = ids.shape
    scene = Scene(w, h, dpr=more.pop("dpr", 1))
    black = scene.layer("intensity", [WHITE])
    layer = scene.layer("label", [LABELS | more.pop("state", {})], more.pop("colors", ()))
    scene.hovered = [more.pop("hovered", None)]
    scene.whole(black, 0, np.zeros(ids.shape, np.uint8), constant="0")
    scene.whole(layer, 0, ids, **more)
    return gl.show(scene)


def blocks(dtype: str, side: int = 5) -> np.ndarray:
    """Return ids in squares, background among them."""
    low, high = IDS[dtype]
    ids = np.random.default_rng(3).integers(low, high, (9, 11), dtype, endpoint=True)
    ids[::3, ::2] = 0
    return ids.repeat(side, 0).repeat(side, 1)


@pytest.mark.parametrize("dtype", IDS)
def test_ids_have_the_colours_that_python_gives_them(gl, dtype):
    low, high = IDS[dtype]
    ids = np.random.default_rng(1).integers(low, high, (100, 120), dtype, endpoint=True)
    ids[0] = np.arange(120)
    ids[1, :4] = 0, high, low, high - 1
    assert near(shown_labels(gl, ids), compose.label_colors(ids)[..., :3])


def test_ids_beyond_what_a_float64_counts_are_told_apart(gl):
    ids = (np.uint64(2**53) + np.arange(64, dtype=np.uint64)).reshape(8, 8)
    found = shown_labels(gl, ids)
    assert near(found, compose.label_colors(ids)[..., :3])
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 64


def test_another_seed_gives_other_colours(gl):
    ids = blocks("uint64")
    seeded = ids ^ np.uint64(3 * SEED_FACTOR % 2**64)
    expected = compose.label_colors(seeded)[..., :3] * (ids != 0)[..., None]
    found = shown_labels(gl, ids, state={"seed": 3})
    assert near(found, expected)
    assert not near(found, compose.label_colors(ids)[..., :3])


def test_given_colours_win_and_keep_their_opacity(gl):
    ids = np.random.default_rng(5).integers(-3000, 3000, (60, 80), np.int32)
    rng = np.random.default_rng(6)
    given = {i: tuple(rng.integers(0, 256, 4).tolist()) for i in range(-2000, 2000, 2)}
    rgba = compose.label_colors(ids, given).astype(float)
    expected = np.rint(rgba[..., :3] * rgba[..., 3:] / 255).astype(np.uint8)
    colors = [[str(i), color] for i, color in given.items()]
    assert near(shown_labels(gl, ids, colors=colors), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint64"])
def test_labels_lie_over_the_image_as_their_opacity_says(gl, dtype):
    image, ids = noise("uint8", 0, 255, (45, 55)), blocks(dtype)
    scene = Scene(55, 45)
    states = [{**WHITE, "color": "#80ff20"}]
    scene.whole(scene.layer("intensity", states), 0, image)
    scene.whole(scene.layer("label", [{**LABELS, "opacity": 0.4}]), 0, ids)
    scene.whole(scene.layer("label", [{**LABELS, "visible": False}]), 0, ids)
    below = expected_of(image[None], states).astype(float)
    colors = compose.label_colors(ids)
    alpha = 0.4 * (colors[..., 3:] > 0)
    assert near(gl.show(scene), np.rint(below * (1 - alpha) + colors[..., :3] * alpha))


@pytest.mark.parametrize(
    ("outline", "dpr", "width"), [(1, 1, 1), (2, 1, 2), (1, 2, 2), (0.3, 1, 1)]
)
def test_outlines_are_those_of_python(gl, outline, dpr, width):
    ids = blocks("uint64", side=7)
    expected = compose.draw_labels(ids, outline_width=width)
    found = shown_labels(gl, ids, state={"outline": outline}, dpr=dpr)
    assert near(found, expected[..., :3])
    assert np.any(found[ids != 0] == 0)


def test_the_edge_of_the_image_is_no_edge_of_a_label(gl):
    scene = Scene(20, 20)
    layer = scene.layer("label", [{**LABELS, "outline": 1}])
    ids = np.full((8, 8), 9, np.uint16)
    scene.cover(layer, 0, [(scene.tile(ids), (6, 6, 14, 14), (0, 0, 8, 8))])
    assert near(gl.show(scene), np.broadcast_to(bytes_of(BACKGROUND), (20, 20, 3)), by=0)


def test_tiles_of_one_label_have_no_outline_between_them(gl):
    scene = Scene(16, 16)
    layer = scene.layer("label", [{**LABELS, "outline": 2}])
    ids = np.full((8, 8), 9, np.uint64)
    quads = [(scene.tile(part), *edges) for part, *edges in cut(ids, 2, (0, 0), 4)]
    quads[1] = (scene.tile(ids[:4, :4], "9"), *quads[1][1:])
    scene.cover(layer, 0, quads)
    assert near(gl.show(scene), np.broadcast_to(bytes_of(BACKGROUND), (16, 16, 3)), by=0)


def test_selected_ids_stand_out(gl):
    ids = blocks("uint64", side=7)
    chosen = [int(i) for i in np.unique(ids)[[2, 5, 6]]]
    assert max(chosen) > 2**53
    mine = np.isin(ids, np.array(chosen, np.uint64))
    colors = compose.label_colors(ids)[..., :3].astype(float)
    expected = np.where(mine[..., None], colors, colors * 0.35)
    expected[mine & compose.outline(ids)] = 255
    found = shown_labels(gl, ids, state={"selected": [str(i) for i in chosen]})
    assert near(found, np.rint(expected))


def test_a_selection_replaced_is_drawn_anew(gl):
    ids = blocks("uint16", side=7)
    first, second = (str(i) for i in np.unique(ids)[[3, 4]])
    shown_labels(gl, ids, state={"selected": [first]})
    scene = Scene(ids.shape[1], ids.shape[0])
    scene.whole(scene.layer("label", [LABELS]), 0, ids)
    gl.show(scene)
    for chosen in ([first], [second], []):
        scene.labels[0]["selected"] = chosen
        found = gl.draw(scene.frame())
        white = np.all(found == 255, axis=2)
        expected = np.isin(ids, np.array([int(i) for i in chosen], ids.dtype)) & compose.outline(
            ids
        )
        assert np.array_equal(white, expected)


def test_the_id_under_the_cursor_is_a_little_brighter(gl):
    ids = blocks("int64")
    hovered = int(np.unique(ids)[1])
    assert hovered < 0
    colors = compose.label_colors(ids)[..., :3].astype(float)
    mine = (ids == hovered)[..., None]
    found = shown_labels(gl, ids, hovered=str(hovered))
    assert near(found, np.rint(np.where(mine, colors * 0.75 + 255 * 0.25, colors)))


# --- the volume ---------------------------------------------------------------------------------

SIDES: Final = {"z": 18, "y": 24, "x": 30}


def volume_scene(bricks: Sequence[np.ndarray], turn: tuple[float, float], zoom: float = 2) -> Scene:
    """Return a canvas that has nothing but bricks."""
    states = [
        {**WHITE, "color": color, "window": [0, 200]}
        for color in ("#ff6000", "#0060ff")[: len(bricks)]
    ]
    scene = Scene(100, 90, size=SIDES, display={"z": 1.5, "y": 1.0, "x": 1.0})
    layer = scene.layer("intensity", states)
    scene.rects = [(0, 0, 1, 1)]
    made = [
        {"layer": layer, "channel": i, "tile": scene.tile(brick)} for i, brick in enumerate(bricks)
    ]
    scene.volume = {
        "rect": {"x": 10, "y": 4, "w": 80, "h": 80},
        "bricks": made,
        "turn": turn,
        "extent": [30, 24, 27],
        "zoom": zoom,
    }
    return scene


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "uint64"])
@pytest.mark.parametrize(
    ("turn", "axis", "arranged"),
    [
        ((0, 0), 0, lambda plane: plane),
        ((90, 0), 2, lambda plane: plane.T[:, ::-1]),
        ((0, -90), 1, lambda plane: plane[::-1]),
    ],
)
def test_the_volume_along_an_axis_is_the_maximum_along_it(gl, dtype, turn, axis, arranged):
    bricks = [noise(dtype, 0, 150, tuple(SIDES.values())) for _ in range(2)]
    bricks[1] = bricks[1][::-1, ::-1].copy()
    if dtype == "float32":
        bricks[0][:, 3:9, 4:9], bricks[0][2, 5, 6] = np.nan, 70
        bricks[0][5, 3:9, 4] = 50
    scene = volume_scene(bricks, turn)
    found = gl.show(scene)
    with np.errstate(invalid="ignore"):
        highest = np.stack([np.nan_to_num(np.fmax.reduce(b.astype(float), axis)) for b in bricks])
    plane = expected_of(np.stack([arranged(p) for p in highest]), scene.channels)
    tall, wide = (3 if turn[1] else 2), (3 if turn[0] else 2)
    plane = plane.repeat(tall, 0).repeat(wide, 1)
    h, w = plane.shape[:2]
    top, left = 4 + (80 - h) // 2, 10 + (80 - w) // 2
    # the outermost pixels carry the edges of the scene's box
    inner = found[top + 1 : top + h - 1, left + 1 : left + w - 1]
    assert near(inner, plane[1:-1, 1:-1])
    assert near(
        found[5:top, 11:89], np.broadcast_to(bytes_of(BACKGROUND), (top - 5, 78, 3)), by=120
    )
    assert near(found[6:8, 12:88], np.broadcast_to(bytes_of(BACKGROUND), (2, 76, 3)))


def test_the_volume_turned_agrees_with_the_picture_that_python_draws(gl):
    from ngffkit.widgets import volumes

    brick = noise("uint8", 0, 150, tuple(SIDES.values()))
    scene = volume_scene([brick], (33, 21), zoom=1.7)
    found = gl.show(scene)[4:84, 10:90]
    state = {
        "turn": [33, 21],
        "zoom": 1.7 / 0.7,  # of the planes; a volume is drawn smaller
        "voxel": {"z": 0, "y": 0, "x": 0},
        "channels": scene.channels,
        "labels": [],
        "layout": "volume",
        "slab": 1,
    }
    expected = np.broadcast_to(bytes_of(BACKGROUND), (80, 80, 3)).copy()
    assert volumes.draw_volume(expected, scene.manifest(), state, 1, lambda _: brick)
    # lines of sight that pass near to a voxel's edge may see its neighbour; the box is ours alone
    differs = np.abs(found.astype(int) - expected).max(axis=2) > 1
    assert differs.mean() < 0.08
    assert np.mean(expected.max(axis=2) > 60) > 0.3


def test_a_constant_brick_and_a_window_that_falls(gl):
    scene = volume_scene([np.full(tuple(SIDES.values()), 150, np.uint8)], (20, 10))
    scene.tiles[0] |= {"data": None, "constant": "150"}
    scene.channels[0]["window"] = [200, 0]
    middle = gl.show(scene)[30:50, 40:60]
    expected = bytes_of(np.asarray(compose.parse_color("#ff6000")) * 0.25)
    assert np.median(np.abs(middle.astype(int) - expected)) <= 1


def test_the_volume_is_drawn_anew_when_something_changed(gl):
    brick = noise("uint8", 0, 150, tuple(SIDES.values()))
    scene = volume_scene([brick], (0, 0))
    first = gl.show(scene)
    # not the same objects, but equal: the page makes new ones of every frame
    assert np.array_equal(gl.draw(scene.frame()), first)
    scene.channels[0]["window"] = [0, 100]
    brighter = gl.draw(scene.frame())
    assert brighter.mean() > first.mean() + 5
    scene.volume["turn"] = (90, 0)
    assert not np.array_equal(gl.draw(scene.frame()), brighter)
    scene.channels[0]["visible"] = False
    hidden = gl.draw(scene.frame())
    assert np.all(np.median(hidden[10:80, 15:85], axis=(0, 1)) == bytes_of(BACKGROUND))


def test_a_large_volume_is_coarse_while_it_turns_and_sharp_when_it_rests(gl):
    brick = noise("uint8", 0, 150, tuple(SIDES.values()))
    scene = volume_scene([brick], (0, 0))
    scene.width = scene.height = 900
    scene.volume |= {"rect": {"x": 0, "y": 0, "w": 900, "h": 900}, "zoom": 30}
    gl.show(scene)
    turned = """() => {
      const { last, volume } = window.renderer;
      window.renderer.draw({ ...last, volume: { ...last.volume, turn: [25, 10] } });
      return volume.step;
    }"""
    assert gl.page.evaluate(turned) == 2
    gl.page.wait_for_function("renderer.volume.step === 1")
    rested = gl.pixels(scene.frame())
    scene.volume["turn"] = (25, 10)
    assert np.array_equal(rested, gl.show(scene))


# --- the context --------------------------------------------------------------------------------


def test_a_lost_context_comes_back_with_the_picture(gl):
    scene = Scene(55, 45)
    scene.whole(scene.layer("intensity", [WHITE]), 0, noise("uint8", 0, 255, (45, 55)))
    state = {**LABELS, "opacity": 0.5, "selected": ["7"]}
    colors = [["7", [1, 2, 3, 255]]]
    scene.whole(scene.layer("label", [state], colors), 0, blocks("uint16"))
    before = gl.show(scene)
    for _ in range(2):
        gl.page.evaluate("loseContext()")
        assert np.array_equal(gl.pixels(scene.frame(), "seen"), before)
    gl.said[:] = [text for text in gl.said if "CONTEXT_LOST_WEBGL" not in text]


def test_textures_are_given_back_when_there_are_too_many(gl):
    scene = Scene(16, 16)
    layer = scene.layer("intensity", [WHITE])
    parts = [noise("uint16", 0, 255, (16, 16)) + i for i in range(8)]
    tiles = [scene.tile(part) for part in parts]
    gl.page.evaluate("([m, t]) => start(m, t)", [scene.manifest(), scene.tiles])
    gl.page.evaluate("renderer.stage.textures.budget = 3 * 512")
    for i in [*range(8), 0, 7, 3]:
        scene.covers.clear()
        scene.cover(layer, 0, [(tiles[i], (0, 0, 16, 16), (0, 0, 16, 16))])
        assert near(gl.draw(scene.frame()), expected_of(parts[i][None], [WHITE]))
        assert gl.page.evaluate("renderer.stage.textures.bytes") <= 4 * 512


def test_without_webgl_there_is_no_renderer(gl):
    made = """async () => {
      const { createRenderer } = await import("/src/gl/renderer.js");
      return createRenderer({ getContext: () => null }, { layers: [] });
    }"""
    assert gl.page.evaluate(made) is None
