"""The viewer in Notebook 7, in Voila, without WebGL, and on a page of its own without a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from browser import scenes
from browser.expected import assert_shows, pane_of, picture
from browser.pages import Lab, Page
from browser.server import Server
from browser.views import View

pytestmark = pytest.mark.slow

STATE: Final = ("zoom", "plane", "center", "voxel")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.write(tmp_path_factory.mktemp("images"), "uint8")


def assert_right(view: View, image: Path, tolerance: float = 1.0) -> None:
    """Compare the canvas with what NumPy makes of the plane that the page says it shows."""
    found = view.pixels()
    state: dict[str, Any] = {key: view.state(key) for key in STATE}
    pane = pane_of(state, scenes.SPACING, (found.shape[1], found.shape[0]))
    level = scenes.levels(image)[view.data("mag") or ""]
    expected = picture(pane, [(level, view.state("channels")[0])], "dark")
    assert_shows(found, *expected, tolerance)


def smoke(view: View, image: Path) -> None:
    """See the right pixels, step by a key, move a slider, and see the right pixels again."""
    assert_right(view, image)
    there = view.state("voxel")
    view.click(0.5, 0.5).press("f").settled()
    assert view.state("voxel") == there | {"z": there["z"] + 1}
    view.root.locator("input.nk-axis[data-axis=z]").fill("3")
    view.becomes(voxel=there | {"z": 3})
    assert_right(view, image)


def test_voila(fresh_page: Page, server: Server, image: Path):
    name = server.write("voila.ipynb", [scenes.cell(repr(str(image)), height=300, theme="dark")])
    fresh_page.tab.goto(f"{server.url}/voila/render/{name}?token={server.token}")
    smoke(View(fresh_page), image)
    assert fresh_page.tile_requests()
    assert not fresh_page.asked_outside()
    server.stop_kernels()


def run_all_cells(page: Page) -> None:
    """Click it in the menu, again when nothing came of it: Notebook 7 shows it before it works."""
    prompt = page.tab.locator(".jp-CodeCell .jp-InputPrompt").first

    def begun() -> bool:
        page.tab.get_by_role("menuitem", name="Run", exact=True).click()
        page.tab.get_by_text("Run All Cells", exact=True).click()
        for _ in range(20):
            if any(sign.isalnum() or sign == "*" for sign in prompt.inner_text()):
                return True
            page.pause(100)
        return False

    page.until(begun, "a cell that runs")


def test_notebook_7(fresh_page: Page, server: Server, image: Path):
    name = server.write("seven.ipynb", [scenes.cell(repr(str(image)), height=300, theme="dark")])
    fresh_page.tab.goto(f"{server.url}/notebooks/{name}?token={server.token}")
    run_all_cells(fresh_page)
    smoke(View(fresh_page), image)
    assert fresh_page.tile_requests()
    assert not fresh_page.asked_outside()
    server.stop_kernels()


def test_jupyterlab_asks_no_other_server(lab: Lab, image: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=300)):
        View(lab).click(0.5, 0.5).press("f").settled()
        assert not lab.asked_outside()


def test_without_webgl_python_draws(lab_without_gl: Lab, image: Path):
    lab = lab_without_gl
    assert not lab.tab.evaluate(
        "() => document.createElement('canvas').getContext('webgl2') !== null"
    )
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="dark")):
        view = View(lab)
        lab.do("view.crosshair = False; view.scalebar = False")  # Python would draw these, too
        view.becomes(crosshair=False, scalebar=False)
        assert_right(view, image)
        view.click(0.5, 0.5).press("f", "i").settled()
        assert_right(view, image)
        lab.python_becomes("view.voxel['z']", view.state("voxel")["z"])


#: A card that breaks while the view is open, or that the browser takes away for good.
BROKEN: Final = {
    "fails": "(root) => { root.nkViewer.renderer.draw = () => { throw new Error('no shader'); }; }",
    "lost": "(root) => root.nkViewer.renderer.gl.getExtension('WEBGL_lose_context').loseContext()",
}


@pytest.mark.parametrize("how", BROKEN)
def test_python_goes_on_where_the_graphics_card_stops(lab: Lab, image: Path, how: str):
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="dark")):
        view = View(lab)
        lab.do("view.crosshair = False; view.scalebar = False")
        view.becomes(crosshair=False, scalebar=False)
        view.root.evaluate(BROKEN[how])
        view.root.evaluate("(root) => root.nkViewer.invalidate()")
        lab.until(lambda: view.data("renderer") == "frames", "pictures by Python")
        view.settled()
        assert_right(view, image)
        there = view.state("voxel")["z"]
        view.click(0.5, 0.5).press("f", "i").settled()
        assert view.state("voxel")["z"] == there + 1, "keys once, and not twice"
        assert_right(view, image)


def test_a_page_of_its_own_needs_no_kernel(lab: Lab, browser: Any, image: Path, tmp_path: Path):
    target = tmp_path / "page.html"
    with lab.notebook(scenes.cell(repr(str(image)), height=300, theme="dark")):
        View(lab)
        lab.do(f"view.to_html({str(target)!r})")
    with browser.new_context(offline=True, viewport={"width": 1000, "height": 800}) as context:
        page = Page(context)
        page.tab.goto(target.as_uri())
        view = View(page)
        smoke(view, image)
        before = view.state("zoom")
        view.focus().press("i").settled()
        assert view.state("zoom") > before
        assert_right(view, image)
        center = view.state("center")
        view.drag((0.5, 0.5), (0.6, 0.55)).settled()
        assert view.state("center") != center
        assert_right(view, image)
        low = view.root.locator(".nk-channel[data-index='0'] .nk-low")
        low.fill("60")
        low.dispatch_event("change")
        view.settled()
        assert view.state("channels")[0]["window"][0] == 60
        assert_right(view, image)
        assert not page.errors
        assert all(asked.startswith(("file:", "data:", "blob:")) for asked in page.asked)
