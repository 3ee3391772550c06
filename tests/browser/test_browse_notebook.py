"""The viewer as a guest of a notebook: keys, wheel, other viewers, and what is saved of it."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from browser import scenes
from browser.pages import Lab
from browser.views import View

pytestmark = pytest.mark.slow

CELLS: Final = "() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.type)"
SCROLLED: Final = """() => {
  const notebook = jupyterapp.shell.currentWidget.content;
  return (notebook.outerNode ?? notebook.node).scrollTop;
}"""
TALL: Final = "from IPython.display import HTML\nHTML('<div style=\"height: 1500px\">tall</div>')"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.write(tmp_path_factory.mktemp("images"), "uint8")


def test_keys_of_a_focused_viewer_are_no_shortcuts(lab: Lab, image: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=300), "2"):
        view = View(lab)
        before = lab.tab.evaluate(CELLS)
        view.click(0.5, 0.5).press(*"adxbymz", "1", "2", "d", "d", "Enter", "Escape")
        lab.pause()
        assert lab.tab.evaluate(CELLS) == before
        assert view.canvas.evaluate("(canvas) => document.activeElement === canvas")

        lab.command("notebook:enter-command-mode")
        lab.tab.locator(".jp-Cell .jp-InputPrompt").last.click()
        voxel = view.state("voxel")
        view.press("a")
        lab.until(lambda: len(lab.tab.evaluate(CELLS)) == len(before) + 1, "a new cell")
        view.press("d", "d")
        lab.until(lambda: lab.tab.evaluate(CELLS) == before, "one cell less")
        assert view.state("voxel") == voxel


def test_the_wheel_scrolls_the_notebook_until_the_viewer_has_the_focus(lab: Lab, image: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=300), TALL):
        view = View(lab)
        lab.tab.evaluate("() => document.activeElement?.blur()")
        view.canvas.scroll_into_view_if_needed()
        start, voxel = lab.tab.evaluate(SCROLLED), view.state("voxel")
        view.wheel(60)
        lab.until(lambda: lab.tab.evaluate(SCROLLED) > start, "a notebook that scrolls")
        assert view.state("voxel") == voxel

        view.click(0.5, 0.5)
        lab.pause()
        there = lab.tab.evaluate(SCROLLED)
        view.wheel(100)
        lab.until(lambda: view.state("voxel") != voxel, "a viewer that steps")
        assert lab.tab.evaluate(SCROLLED) == there


def test_linked_views_move_together(lab: Lab, image: Path):
    one, two = (scenes.cell(repr(str(image)), name, height=200, zoom=2.0) for name in ("a", "b"))
    with lab.notebook(one, two, "link = a.link(b, 'position', 'center', 'zoom')"):
        first, second = View(lab, 0), View(lab, 1)
        first.click(0.5, 0.5).press("f", "f").press("Shift+ArrowRight")
        second.becomes(voxel=first.state("voxel"), center=first.state("center"))
        second.click(0.5, 0.5).press("i")
        first.becomes(zoom=second.state("zoom"))
        for name in ("a", "b"):
            lab.python_becomes(f"{name}.zoom", second.state("zoom"))
            lab.python_becomes(f"{name}.voxel", first.state("voxel"))
        lab.do("link.unlink()")
        lab.pause()
        held = second.state("voxel")
        first.click(0.5, 0.5).press("f")
        lab.python_becomes("a.voxel['z']", held["z"] + 1)
        lab.pause()
        assert second.state("voxel") == held


def test_two_views_of_one_widget_show_the_same(lab: Lab, image: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=200, zoom=2.0), "view"):
        first, second = View(lab, 0), View(lab, 1)
        first.click(0.5, 0.5).press("f")
        second.becomes(voxel=first.state("voxel"))
        assert (first.pixels() == second.pixels()).all()


def test_a_cell_that_runs_again_replaces_its_viewer(lab: Lab, image: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=200, zoom=2.0)):
        start = View(lab).state("voxel")
        View(lab).click(0.5, 0.5).press("f", "f")
        lab.python_becomes("view.voxel['z']", start["z"] + 2)
        lab.run_all()
        again = View(lab).becomes(voxel=start)
        assert lab.tab.locator(".nk-viewer").count() == 1
        again.click(0.5, 0.5).press("f")
        lab.python_becomes("view.voxel['z']", start["z"] + 1)


def test_a_saved_notebook_shows_a_picture(lab: Lab, image: Path, tmp_path: Path):
    with lab.notebook(scenes.cell(repr(str(image)), height=300)):
        View(lab)
        lab.command("docmanager:save")
        saved = lab.server.root / lab.name
        command = (sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", tmp_path)
        done = subprocess.run([*command, saved], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / saved.with_suffix(".html").name).read_text("utf-8")
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", page)
    assert found, "no picture in the page"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[0]))).convert("L"))
    assert picture.std() > 10
