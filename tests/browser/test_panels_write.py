"""The Write panel in JupyterLab: an array of the notebook is written, and labelled, by clicks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ngffkit as nk
from browser.pages import Lab

pytestmark = pytest.mark.slow

ARRAYS = """
import numpy as np, xarray as xr
at = {d: (d, np.arange(n) * s, {"units": "micrometer"})
      for d, n, s in (("z", 8, 2.0), ("y", 48, 0.5), ("x", 64, 0.5))}
pixels = np.arange(8 * 48 * 64, dtype="u2").reshape(8, 48, 64)
ds = xr.Dataset({"image": xr.DataArray(pixels, dims=list("zyx"), coords=at)})
cells = (pixels // 4096).astype("u4")
"""

CELL = """
from ngffkit.panels.write_view import WritePanel
panel = WritePanel()
panel
"""


def shoot(lab: Lab, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("NGFFKIT_SHOTS"):
        lab.tab.screenshot(path=f"{folder}/{name}.png")


def field(lab: Lab, name: str) -> Any:
    return lab.tab.locator(f".nk-form [data-field='{name}']")


def run(lab: Lab) -> None:
    assert not lab.tab.locator(".nk-run[data-doing=done]").count()
    lab.tab.wait_for_function("() => !document.querySelector('button[data-do=run]').disabled")
    lab.tab.locator("button[data-do=run]").click()
    lab.tab.locator(".nk-run[data-doing=done]").wait_for()


def test_an_array_is_written_and_labelled_by_clicks(lab: Lab, tmp_path: Path):
    url = str(tmp_path / "a.ome.zarr")
    with lab.notebook(ARRAYS, CELL):
        rows = lab.tab.locator(".nk-thing code")
        rows.first.wait_for()
        # what begins with an underscore, and what is no image, is not there
        assert rows.all_inner_texts() == ["pixels", "ds", "cells"]
        shoot(lab, "write-empty")

        lab.tab.locator(".nk-thing input[value=ds]").check()
        field(lab, "target").locator("input").fill(url)
        lab.tab.locator(".nk-card .ngffkit-plan").wait_for()
        assert "0.5 × 0.5 × 2 micrometer" in lab.tab.locator(".ngffkit-plan").inner_text()
        assert not field(lab, "label_name").is_visible()
        run(lab)
        np.testing.assert_array_equal(
            nk.open_dataset(url)["image"].values,
            np.arange(8 * 48 * 64, dtype="u2").reshape(8, 48, 64),
        )
        shoot(lab, "write-done")

        # a variable that a cell makes later is there after a click
        lab.do("ids = cells + 1")
        lab.tab.locator(".nk-part button", has_text="Refresh").click()
        lab.tab.locator(".nk-thing input[value=ids]").check()
        field(lab, "task").locator("select").select_option("add labels")
        name = field(lab, "label_name").locator("input")
        name.fill("../up")
        field(lab, "label_name").locator(".nk-problem[data-severity=error]").wait_for()
        shoot(lab, "write-wrong")
        name.fill("nuclei")
        run(lab)
        shoot(lab, "write-labels")
        found = nk.open_dataset(url, image="labels/nuclei")["labels"].values
        assert (found.min(), found.max()) == (1, 6)
        code = " ".join(lab.tab.locator(".nk-code code").inner_text().split())
        assert "nk.add_labels(" in code
        assert "ids, 'nuclei'" in code
        assert not lab.asked_outside()
