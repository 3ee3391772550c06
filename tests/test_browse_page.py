"""Pages without a kernel: what is in them, how large they are, and that they work by themselves."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import chromium
import numpy as np
import pytest

from ngffkit.errors import NgffError
from ngffkit.widgets import files, frames, page, panes
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers


def state_of(layers, **changes):
    manifest = layers.manifest()
    sizes = {axis["name"]: axis["size"] for axis in manifest["axes"]}
    kinds = [layer["kind"] for layer in manifest["layers"] for _ in layer["channels"]]
    channel = {"visible": True, "color": "#ffffff", "window": [0, 255], "gamma": 1}
    label = {"visible": True, "opacity": 0.5, "outline": 0, "seed": 0, "selected": []}
    return {
        "voxel": {name: size // 2 for name, size in sizes.items()},
        "center": {name: (sizes[name] - 1) / 2 for name in manifest["spatial"]},
        "zoom": 0.0,
        "layout": "plane",
        "plane": list(manifest["planes"][0]),
        "slab": 1,
        "channels": [channel] * kinds.count("intensity"),
        "labels": [label] * kinds.count("label"),
        "held_mag": "",
        "shown_mag": "",
        "selection": {},
        "tool": "pan",
        "scalebar": True,
        "crosshair": False,
        "turn": [30, 20],
        "theme": "dark",
        "height": 300,
        **changes,
    }


class Found(HTMLParser):
    """Elements with their attributes, and texts by the id of the script they stand in."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id", "") if tag == "script" else None

    def handle_data(self, data):
        if self._open is not None:
            self.scripts[self._open] = self.scripts.get(self._open, "") + data

    def handle_endtag(self, _tag):
        self._open = None


def pixels_of(tile):
    dtype = np.dtype(tile["dtype"])
    if "constant" in tile:
        return np.full(tile["shape"], dtype.type(tile["constant"]))
    raw = zlib.decompress(base64.b64decode(tile["data"]), wbits=-15)
    return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(tile["shape"])


def read(path):
    found = Found(path.read_text("utf-8"))
    return found, json.loads(found.scripts["nk-data"])


@pytest.fixture(autouse=True)
def bundle(tmp_path_factory, monkeypatch):
    """Stand in for a bundle that nobody has built."""
    if not files.BUNDLE.exists():
        stub = tmp_path_factory.mktemp("static") / "browse.js"
        stub.write_text("export const mountPage = () => {};", "utf-8")
        monkeypatch.setattr(files, "BUNDLE", stub)


@pytest.fixture
def volume():
    pixels = np.random.default_rng(0).integers(0, 999, (3, 9, 40, 50), np.uint16)
    pixels[0, 3] = 7
    return pixels, Layers.of(pixels, name="a </script><b>&")


def test_the_tiles_are_the_pixels(volume, tmp_path):
    pixels, layers = volume
    path = page.write_page(layers, Bricks(), state_of(layers), tmp_path / "a.html")
    _, data = read(path)
    assert data["manifest"] == json.loads(json.dumps(layers.manifest()))
    assert data["state"]["voxel"] == {"z": 4, "y": 20, "x": 25}
    assert data["tiles"]
    planes = set()
    for tile in data["tiles"]:
        request = tile["request"]
        cut = tuple(slice(*request["box"][name]) for name in "zyx")
        expected = pixels[request["channel"]][cut].squeeze()
        if request["order"] == ["y", "z"]:
            expected = expected.T
        assert (pixels_of(tile) == expected).all()
        planes.add((request["channel"], tuple(request["order"]), tuple(request["box"]["z"])))
    # every plane there is, and the two others at the crosshair
    assert {p for p in planes if p[1] == ("y", "x")} == {
        (c, ("y", "x"), (z, z + 1)) for c in range(3) for z in range(9)
    }
    assert {p[1] for p in planes} == {("y", "x"), ("z", "x"), ("y", "z")}
    assert len({panes.key_of(tile["request"]) for tile in data["tiles"]}) == len(data["tiles"])
    assert [t["constant"] for t in data["tiles"] if "constant" in t] == ["7"]
    assert "no room" not in data["note"]


def test_the_page_asks_for_nothing(volume, tmp_path):
    _, layers = volume
    path = page.write_page(layers, Bricks(), state_of(layers), tmp_path / "a.html")
    text = path.read_text("utf-8")
    found, _ = read(path)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    assert not re.findall(r"\b(?:fetch|import)\(\s*[\"'`]https?:", text)
    (policy,) = [a["content"] for t, a in found.elements if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'unsafe-inline' blob:")
    assert [a["src"][:22] for t, a in found.elements if t == "img"] == ["data:image/png;base64,"]
    assert ("html", {"lang": "en", "class": "dark"}) in found.elements
    assert any(a.get("name") == "viewport" for _, a in found.elements)
    assert "noscript" in [tag for tag, _ in found.elements]
    # the name of the image ends no element
    assert [tag for tag, _ in found.elements].count("script") == 3
    assert "<title>a &lt;/script&gt;&lt;b&gt;&amp;</title>" in text
    assert json.loads(found.scripts["nk-code"]) == files.BUNDLE.read_text("utf-8")


def test_the_budget_is_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 2**16, (40, 300, 400), np.uint16)
    layers = Layers.of(pixels)
    fixed = (
        page.write_page(
            Layers.of(pixels[:1, :2, :2]), Bricks(), state_of(layers), tmp_path / "a.html"
        )
        .stat()
        .st_size
    )
    sizes, counts = [], []
    for extra in (400_000, 1_500_000, 3_000_000):
        path = tmp_path / f"{extra}.html"
        most = fixed + extra
        page.write_page(layers, Bricks(), state_of(layers), path, max_bytes=most)
        _, data = read(path)
        assert path.stat().st_size <= most
        sizes.append(path.stat().st_size)
        requests = [tile["request"] for tile in data["tiles"]]
        flat = {r["box"]["z"][0] for r in requests if r["order"] == ["y", "x"]}
        # nearest first
        assert max((abs(z - 20) for z in flat), default=0) <= len(flat)
        counts.append(len(data["tiles"]))
        assert "in part" in data["note"]
    assert sizes == sorted(sizes)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_volume_is_there_as_a_whole_or_not(volume, tmp_path):
    _, layers = volume
    state = state_of(layers, layout="ortho")
    whole = page.write_page(layers, Bricks(), state, tmp_path / "a.html")
    found = [len(tile["request"]["order"]) for tile in read(whole)[1]["tiles"]]
    assert found.count(3) == 3
    less = whole.stat().st_size
    while True:
        less -= 20_000
        path = page.write_page(layers, Bricks(), state, tmp_path / "b.html", max_bytes=less)
        _, data = read(path)
        count = [len(tile["request"]["order"]) for tile in data["tiles"]].count(3)
        assert count in (0, 3)
        if not count:
            break
    assert "no room for the volume" in data["note"]


def test_tiles_that_cannot_be_read_are_counted(volume, tmp_path, monkeypatch):
    _, layers = volume
    read_ = frames.Painter.read

    def broken(self, request):
        if request["box"]["z"][0] == 5 and request["order"] == ["y", "x"]:
            raise OSError("gone")
        return read_(self, request)

    monkeypatch.setattr(frames.Painter, "read", broken)
    path = page.write_page(layers, Bricks(), state_of(layers), tmp_path / "a.html")
    assert "3 tiles could not be read" in read(path)[1]["note"]


def test_pages_that_cannot_be(volume, tmp_path, monkeypatch):
    _, layers = volume
    state = state_of(layers)
    with pytest.raises(NgffError, match=r"viewer and its picture alone take .*; allow some more"):
        page.write_page(layers, Bricks(), state, tmp_path / "a.html", max_bytes="2 kB")
    with pytest.raises(NgffError, match="is no size"):
        page.write_page(layers, Bricks(), state, tmp_path / "a.html", max_bytes="much")
    with pytest.raises(NgffError, match=r"pages end in \.html"):
        page.write_page(layers, Bricks(), state, tmp_path / "a.png")
    monkeypatch.setattr(files, "BUNDLE", tmp_path / "none.js")
    with pytest.raises(NgffError, match="make js"):
        page.write_page(layers, Bricks(), state, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


# --- in a browser --------------------------------------------------------------------------------

READ = """() => {
  const viewer = document.querySelector(".nk-viewer").nkViewer;
  const { width, height, pixels } = viewer.renderer.read();
  const text = Array.from(pixels, (part) => String.fromCharCode(part)).join("");
  return { width, height, dpr: viewer.dpr, state: viewer.state.values, pixels: btoa(text) };
}"""


@pytest.fixture(scope="module")
def browser():
    if not files.BUNDLE.exists():
        chromium.missing("the viewer's bundle", "make js")
    with chromium.browser() as found:
        yield found


def visit(browser, path):
    """Open a page of the disk; collect what it says, and what it asks for."""
    tab = browser.new_context(viewport={"width": 900, "height": 700}).new_page()
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url))
    tab.goto(path.as_uri())
    return tab, said


def shown(tab):
    tab.wait_for_selector(".nk-viewer[data-settled=true]")
    found = tab.evaluate(READ)
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
    return pixels.reshape(found["height"], found["width"], 4)[..., :3].astype(int), found


def test_in_a_browser_the_page_shows_the_pixels(browser, volume, tmp_path):
    _, layers = volume
    channels = [
        {"visible": True, "color": c, "window": [0, 999], "gamma": 1}
        for c in ("#ff0000", "#00ff00", "#0000ff")
    ]
    state = state_of(layers, channels=channels)
    path = page.write_page(layers, Bricks(), state, tmp_path / "a.html")
    tab, said = visit(browser, path)
    changes = [{}, {"zoom": 9.3}, {"voxel": {"z": 1, "y": 20, "x": 25}}, {"plane": ["z", "y"]}]
    for change in changes:
        tab.wait_for_selector(".nk-viewer[data-settled=true]")
        tab.evaluate(
            "change => document.querySelector('.nk-viewer').nkViewer.state.set(change)", change
        )
        tab.wait_for_timeout(100)
        pixels, found = shown(tab)
        size = (found["width"], found["height"], found["dpr"])
        expected = frames.compose_view(layers, Bricks(), found["state"], *size)
        assert np.abs(pixels - expected).max() <= 1
        assert len(np.unique(pixels)) > 100
    ours = (text for text in said if chromium.READING not in text)
    assert [text for text in ours if not text.startswith(("file:", "blob:"))] == []
    assert tab.locator("#nk-picture").is_hidden()
    tab.context.close()


def test_without_webgl_or_scripts_there_is_a_picture(browser, volume, tmp_path):
    _, layers = volume
    path = page.write_page(layers, Bricks(), state_of(layers), tmp_path / "a.html")
    quiet = browser.new_context(java_script_enabled=False).new_page()
    quiet.goto(path.as_uri())
    assert quiet.locator("#nk-picture").is_visible()
    quiet.context.close()
    context = browser.new_context()
    context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_selector("#nk-why:not([hidden])")
    assert "no WebGL2" in tab.inner_text("#nk-why")
    assert tab.locator("#nk-picture").is_visible()
    assert tab.locator("#nk-view").is_hidden()
    context.close()
