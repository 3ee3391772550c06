"""The Convert panel in JupyterLab: a stack is converted by clicks, and browsed beside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ngffkit as nk
from browser.pages import Lab
from browser.views import View

pytestmark = pytest.mark.slow

CELL = """
from ngffkit.panels.convert_view import ConvertPanel
panel = ConvertPanel()
panel
"""

#: Holds the work after some tasks until it is let go.
GATE = """
import threading
gate, held, work = threading.Event(), threading.Event(), panel.model.work
def watch(progress, watch=work._watch):
    if progress.tasks_done >= 3:
        held.set()
        gate.wait(60)
    watch(progress)
work._watch = watch
"""


@pytest.fixture
def stack(tmp_path: Path) -> np.ndarray:
    volume = np.random.default_rng(0).integers(0, 200, (24, 120, 160)).astype("u1")
    (tmp_path / "slices").mkdir()
    for i, plane in enumerate(volume):
        Image.fromarray(plane).save(tmp_path / "slices" / f"s_{i:03}.png")
    return volume


def field(lab: Lab, name: str) -> Any:
    return lab.tab.locator(f".nk-form [data-field='{name}']")


def shoot(lab: Lab, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("NGFFKIT_SHOTS"):
        lab.tab.screenshot(path=f"{folder}/{name}.png")


def test_a_stack_is_converted_by_clicks(lab: Lab, tmp_path: Path, stack: np.ndarray):
    with lab.notebook(CELL, GATE):
        convert = lab.tab.locator("button[data-do=run]")
        convert.wait_for()
        assert convert.is_disabled()
        shoot(lab, "convert-empty")

        source = field(lab, "source").locator("input")
        source.click()
        lab.tab.keyboard.type(str(tmp_path / "slices"), delay=5)
        pictures = lab.tab.locator(".nk-found img")
        pictures.nth(2).wait_for()
        facts = lab.tab.locator(".nk-facts").inner_text()
        assert "z 24, y 120, x 160" in facts
        # hints came in while one typed, and the caret stayed
        assert source.input_value() == str(tmp_path / "slices")
        assert source.evaluate(
            "(input) => document.activeElement === input || "
            "input.getRootNode().activeElement === input"
        )
        hint = field(lab, "target").locator("input").get_attribute("placeholder")
        assert hint == str(tmp_path / "slices.ome.zarr")

        size = field(lab, "voxel_size")
        size.locator("input").fill("4,4,x")
        size.locator(".nk-problem[data-severity=error]").wait_for()
        assert "positive numbers" in size.locator(".nk-problem").inner_text()
        assert size.locator("input").get_attribute("aria-invalid") == "true"
        assert convert.is_disabled()
        shoot(lab, "convert-wrong")
        size.locator("input").fill("4,4,40")
        lab.tab.locator("summary", has_text="layout").click()
        field(lab, "chunks").locator("input").fill("16")
        field(lab, "shards").locator("input").fill("none")
        lab.tab.wait_for_function("() => !document.querySelector('button[data-do=run]').disabled")
        shoot(lab, "convert-ready")

        convert.click()
        # who cancels before anything is done has nothing to go on with
        lab.do("held.wait(30)")
        lab.tab.locator("button[data-do=cancel]").click()
        lab.do("gate.set()")
        lab.tab.locator(".nk-run[data-doing=stopped]").wait_for()
        assert convert.inner_text() == "Resume"
        assert source.is_enabled()
        assert not (tmp_path / "slices.ome.zarr" / "zarr.json").exists()
        shoot(lab, "convert-stopped")
        convert.click()
        lab.tab.locator(".nk-run[data-doing=done]").wait_for()
        assert "was there" in lab.tab.locator(".nk-run .nk-far").inner_text()
        view = View(lab).settled()
        assert view.pixels().max() > 0
        shoot(lab, "convert-done")
        url = str(tmp_path / "slices.ome.zarr")
        assert url in " ".join(lab.tab.locator(".nk-message").all_inner_texts())
        assert f"'{url}', voxel_size=(4.0, 4.0, 40.0), chunks=16" in " ".join(
            lab.tab.locator(".nk-code code").inner_text().split()
        )
        np.testing.assert_array_equal(nk.open_dataset(url)["image"].values, stack)
        assert not lab.asked_outside()
