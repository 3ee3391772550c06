"""All panels in one, in JupyterLab and under Voila: by clicks, with the right pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from browser import scenes
from browser.expected import assert_shows, pane_of, picture
from browser.pages import Lab, Page
from browser.views import View
from ngffkit.panels.voila import VoilaApp

pytestmark = pytest.mark.slow

#: An entry of the list.
ROW: Final = ".nk-list [role=option]"
STATE: Final = ("zoom", "plane", "center", "voxel")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    (root / "long").mkdir()
    for i in range(250):
        (root / "long" / f"z{i:03}.tif").touch()
    return scenes.write(root, "uint8")


def assert_right(view: View, image: Path) -> None:
    """Compare the canvas with what NumPy makes of the plane that the page says it shows."""
    found = view.pixels()
    state: dict[str, Any] = {key: view.state(key) for key in STATE}
    pane = pane_of(state, scenes.SPACING, (found.shape[1], found.shape[0]))
    level = scenes.levels(image)[view.data("mag") or ""]
    expected = picture(pane, [(level, view.state("channels")[0])], view.data("theme") or "light")
    assert_shows(found, *expected, 1.0)


def open_by_clicks(page: Page, image: Path) -> View:
    """Open an image from the list of its folder."""
    tab = page.tab
    tab.get_by_label("path or URL").first.fill(str(image.parent))
    tab.keyboard.press("Enter")
    row = tab.locator(f".nk-list [data-name='{image.name}']")
    row.click()
    tab.get_by_role("button", name=f"Open {image.name}").click()
    view = View(page)
    view.settled()
    assert not row.count() or not row.is_visible()
    return view


#: How bright a button's ground and its words are, 0 to 1.
BRIGHT = """button => {
  const { backgroundColor, color } = getComputedStyle(button);
  const paint = document.createElement("canvas").getContext("2d");
  return [backgroundColor, color].map((one) => {
    paint.fillStyle = one;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b] = paint.getImageData(0, 0, 1, 1).data;
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  });
}"""


def bare(view: View) -> View:
    """Take away what NumPy's picture lacks."""
    return view.set(scalebar=False, crosshair=False)


def test_an_image_is_opened_by_clicks_and_its_mag_chosen(lab: Lab, image: Path):
    with lab.notebook("import ngffkit as nk", "app = nk.app()\napp"):
        view = bare(open_by_clicks(lab, image))
        assert_right(view, image)
        mags = lab.tab.locator(".nk-field[data-field=mag] select")
        coarse = mags.locator("option").last.inner_text()
        mags.select_option(coarse)
        view.becomes(held_mag=coarse.split(":")[0])
        assert view.data("mag") == coarse.split(":")[0]
        assert_right(view, image)
        assert f"mag='{coarse.split(':')[0]}'" in lab.tab.locator(".nk-code code").inner_text()
        lab.tab.get_by_role("button", name="Validate").click()
        lab.tab.locator(".nk-card-body", has_text="valid").wait_for()
        assert not lab.asked_outside()


def test_tabs_are_turned_by_keys_and_what_they_show_stays(lab: Lab, image: Path):
    with lab.notebook("import ngffkit as nk", f"app = nk.app({str(image)!r})\napp"):
        view = bare(View(lab).settled())
        view.click(0.5, 0.5).press("f").settled()
        at = view.state("voxel")
        tab = lab.tab.get_by_role("tab", name="Browse", exact=True)
        tab.focus()
        for name in ("Convert", "Write", "Tune"):
            lab.tab.keyboard.press("ArrowRight")
            chosen = lab.tab.locator(".nk-tabs [aria-selected=true]", has_text=name)
            chosen.wait_for()
            lab.python_becomes("app.model.tabs['chosen']", name)
            assert lab.python("app.model.message") == {}
        assert not view.canvas.is_visible()
        lab.python_becomes("'Tune' in app.panels", expected=True)
        lab.python_becomes("app.panels['Tune'].model.fields.texts['source']", str(image))
        lab.tab.keyboard.press("Home")
        view.canvas.wait_for(state="visible")
        view.settled()
        assert view.state("voxel") == at
        assert_right(view, image)


def test_the_app_opens_while_a_cell_runs(lab: Lab, image: Path):
    with lab.notebook("import os, time\nimport ngffkit as nk", "app = nk.app()\napp"):
        # no file, no end: whatever asks the main thread would wait for it
        lab.append("for _ in range(600):\n    time.sleep(0.1 * (not os.path.exists('over')))")
        lab.until(lab.running, "a cell that runs")
        view = bare(open_by_clicks(lab, image))
        assert_right(view, image)
        assert lab.running()
        (lab.server.root / "over").touch()
        lab.until(lambda: not lab.running(), "its end")


def test_a_long_folder_is_leafed_through_by_keys(lab: Lab, image: Path):
    with lab.notebook("import ngffkit as nk", "app = nk.app()\napp"):
        tab = lab.tab
        tab.get_by_label("path or URL").first.fill(str(image.parent / "long"))
        tab.keyboard.press("Enter")
        tab.locator(".nk-choose .nk-far", has_text="1–100 of 250").wait_for()
        tab.get_by_role("button", name="next page").click()
        first = tab.locator(ROW).first
        tab.locator(".nk-choose .nk-far", has_text="101–200 of 250").wait_for()
        assert "z100.tif" in first.inner_text()
        first.focus()
        tab.keyboard.press("ArrowDown")
        tab.keyboard.press("Enter")
        lab.python_becomes("app.panels['Browse'].chooser.model.listing['marked']", "z101.tif")
        tab.get_by_label("show only names with").fill("77")
        tab.locator(".nk-choose .nk-far", has_text="2 of 250").wait_for()
        tab.locator(ROW).first.focus()
        tab.keyboard.press("Backspace")
        tab.locator(f".nk-list [data-name='{image.name}']").wait_for()
        tab.get_by_role("button", name="File dialog").click()
        tab.locator(".widget-select select, .jupyter-widget-select select").first.wait_for(
            state="attached"
        )
        tab.keyboard.press("Escape")


def test_wrong_input_is_said_beside_its_field(lab: Lab, image: Path):
    with lab.notebook("import ngffkit as nk", f"app = nk.app({str(image)!r})\napp"):
        view = bare(View(lab).settled())
        address = lab.tab.get_by_label("path or URL").first
        address.fill("/nowhere/at.all")
        address.press("Enter")
        lab.tab.locator(".nk-chooser .nk-problem", has_text="there is no /nowhere").wait_for()
        lab.tab.get_by_role("button", name="Open", exact=True).click()
        lab.tab.locator(".nk-message", has_text="does not exist").first.wait_for()
        # the button that the mouse is over can still be read
        bright = lab.tab.get_by_role("button", name="Open", exact=True).evaluate(BRIGHT)
        assert abs(bright[0] - bright[1]) > 0.3, bright
        # what was open is still shown
        assert_right(view, image)


def test_voila_serves_the_app(fresh_page: Page, image: Path):
    with VoilaApp(str(image), folder=str(image.parent)) as served:
        fresh_page.tab.goto(served.url)
        view = bare(View(fresh_page).settled())
        assert_right(view, image)
        view.click(0.5, 0.5).press("f").settled()
        assert_right(view, image)
        fresh_page.tab.get_by_role("tab", name="Convert", exact=True).click()
        fresh_page.tab.get_by_role("button", name="Convert", exact=True).wait_for()
        assert not fresh_page.asked_outside()
