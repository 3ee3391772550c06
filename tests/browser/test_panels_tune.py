"""The tune panel in JupyterLab, by clicks alone: diagnosed, edited, rewritten, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import How, pyramid, write

import ngffkit as nk
from browser.pages import Lab

CELL = """
from ngffkit.panels.tune_view import TunePanel
panel = TunePanel()
model = panel.model
panel
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    at = np.arange(128)
    data = (np.add.outer(np.add.outer(at, at), at) % 199 + rng.integers(0, 8, (128,) * 3)).astype(
        "u1"
    )
    how = How(version="0.4", chunks=16, factors=[dict.fromkeys("zyx", 2)])
    return write(tmp_path / "small.zarr", pyramid(data, how), how)


def part(lab: Lab, kind: str, of: int = 0) -> Any:
    return lab.tab.locator(f".jp-OutputArea .nk-part.nk-{kind}").nth(of)


def button(lab: Lab, name: str) -> Any:
    return lab.tab.locator(".nk-panel").get_by_role("button", name=name, exact=True)


def test_an_image_is_tuned_by_clicks_alone(lab: Lab, image: Path):
    before = nk.open_dataset(image)["image"].values
    with lab.notebook(CELL):
        source = part(lab, "form").locator("[data-field=source] input")
        source.fill(str(image))
        part(lab, "form").locator("[data-field=line] select").select_option("S3")
        button(lab, "Diagnose").click()
        plot = part(lab, "plot")
        plot.wait_for()
        lab.python_becomes("model.work.doing", "done")
        assert plot.locator(".nk-track").count() == 3 * len(
            lab.python("model.layout.chart['rows']")
        )
        part(lab, "advice").get_by_role("button").first.click()
        lab.python_becomes("model.layout.fields.values.get('shards')", "auto")
        editor = part(lab, "form", 1)
        chunks = editor.locator("[data-field=chunks] input")
        lab.until(lambda: chunks.input_value() != "", "the advice in the editor")
        chunks.fill("6x")
        problem = editor.locator("[data-field=chunks] .nk-problem")
        problem.wait_for()
        assert "whole numbers" in problem.inner_text()
        chunks.fill("32")
        problem.wait_for(state="hidden")
        lab.python_becomes("model.layout.settle()", expected=True)
        rewrite = button(lab, "Rewrite")
        lab.until(rewrite.is_enabled, "a plan")
        rewrite.click()
        lab.python_becomes("bool(model.outcome)", expected=True)
        part(lab, "plot", 1).get_by_text("files became").wait_for()
        assert not lab.asked_outside()
    after = nk.open_dataset(image)["image"]
    assert after.encoding["chunks"] == (32, 32, 32)
    np.testing.assert_array_equal(after.values, before)


def test_the_doctor_measures_the_line_to_the_kernel(lab: Lab):
    with lab.notebook(CELL):
        doctor = part(lab, "doctor")
        doctor.locator("summary").click()
        doctor.get_by_role("button", name="Measure", exact=True).click()
        doctor.locator(".nk-finding").first.wait_for()
        samples = lab.python(
            "[len(model.doctor.samples.replies), [n for n, _ in model.doctor.samples.buffers],"
            " model.doctor.samples.lost, model.doctor.samples.subshell]"
        )
        assert samples == [20, [2**20, 3 * 2**20], 0, True]
        assert "kernel to page" in doctor.locator("table").inner_text()
