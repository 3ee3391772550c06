"""The whole way by clicks: a stack becomes an image, is looked at, tuned, rewritten, seen again."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import ngffkit as nk
from browser.expected import Level, assert_shows, pane_of, picture, read_level
from browser.pages import Lab, Page
from browser.views import View

pytestmark = pytest.mark.slow

SPACING: Final = {"z": 40.0, "y": 4.0, "x": 4.0}
STATE: Final = ("zoom", "plane", "center", "voxel")

#: By what one sees that a panel is there.
BEGINS: Final = {"Convert": "Convert", "Tune": "Diagnose"}

#: What is typed and chosen in the panel, and the same for the command line. Slow on purpose, by a
#: thorough codec, medians and one worker: the work must last until somebody has clicked on Pause.
TYPED: Final = {"chunks": "16", "shards": "256,256,32", "compression": "zstd:19"}

#: Slices, and their size. Shards of 32 slices are written at a time: two parts of the first mag, of
#: which the first is three eighths of all the work.
SHAPE: Final = (64, 768, 768)
PART: Final = 3 / 8
COMMAND: Final = (
    *("--voxel-size", "4,4,40", "--unit", "nanometer", "--method", "median"),
    *(word for name, text in TYPED.items() for word in (f"--{name}", text)),
)


def stack(folder: Path, count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Write slices; return their pixels, waves under a little noise."""
    z, y, x = (np.arange(n) for n in (count, height, width))
    waves = np.sin(z[:, None, None] / 5) + np.cos(y[:, None] / 9) + np.sin(x / 11)
    noise = np.random.default_rng(3).integers(0, 16, (count, height, width))
    volume = ((waves + 3) * 39 + noise).astype(np.uint8)
    folder.mkdir(parents=True)
    for i, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / f"slice_{i:03}.png", compress_level=1)
    return volume


def hashes(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def levels(image: Path) -> dict[str, Level]:
    """Read the levels of an image by the names that the viewer has for mags."""
    found = {}
    for name, node in nk.open(image).children.items():
        mag = [int(n) for n in name.split("-")]
        x, y, z = mag if len(mag) > 1 else mag * 3
        found[name] = read_level(image, str(len(found)), {"z": z, "y": y, "x": x})
        assert found[name].pixels.shape == node["image"].shape
    return found


def assert_right(view: View, image: Path) -> None:
    """Compare the canvas with what NumPy makes of the plane that the page says it shows."""
    found = view.pixels()
    state: dict[str, Any] = {key: view.state(key) for key in STATE}
    pane = pane_of(state, SPACING, (found.shape[1], found.shape[0]))
    level = levels(image)[view.data("mag") or ""]
    expected = picture(pane, [(level, view.state("channels")[0])], view.data("theme") or "light")
    assert_shows(found, *expected, 1.0)


class Hands:
    """What a person does to the app on a page: turns tabs, clicks, types, reads."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = page.tab.locator(".nk-app > .nk-panel:visible")

    def turn(self, name: str) -> None:
        """Click on a tab."""
        tab = self.page.tab.get_by_role("tab", name=name, exact=True)
        tab.click()
        self.page.tab.locator(".nk-tabs [aria-selected=true]", has_text=name).wait_for()
        self.button(BEGINS[name]).wait_for()

    def button(self, name: str) -> Any:
        """Return a button of the panel that is shown, by what it says."""
        return self.panel.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Any:
        """Return a field of the panel that is shown."""
        return self.panel.locator(f".nk-form [data-field='{name}']").last

    def type(self, name: str, text: str) -> None:
        """Type over what a field holds."""
        box = self.field(name).locator("input")
        box.click()
        self.page.tab.keyboard.press("Control+a")
        self.page.tab.keyboard.type(text)

    def mistype(self, name: str, text: str, said: str) -> None:
        """Type what can't be meant; it is said beside the field at once."""
        self.type(name, text)
        self.field(name).locator(".nk-problem[data-severity=error]", has_text=said).wait_for()
        assert self.field(name).locator("input").get_attribute("aria-invalid") == "true"

    def unfold(self, *groups: str) -> None:
        """Open groups of fields."""
        for name in groups:
            self.panel.locator("summary", has_text=re.compile(f"^{name}$")).first.click()

    def doing(self, state: str) -> Any:
        """Wait until the work of the panel is so; return the part that says it."""
        run = self.panel.locator(f".nk-run[data-doing={state}]").first
        run.wait_for()
        return run

    def choose_folder(self, *names: str) -> None:
        """Choose a folder below the one the kernel is in, from the list of the source."""
        self.button("Browse…").first.click()
        for name in names:
            self.panel.locator(f".nk-list:visible [data-name='{name}']").click()
        self.panel.locator(".nk-crumbs:visible", has_text=names[-1]).wait_for()
        self.button("Choose this folder").click()

    def convert(self) -> None:
        """Click on Convert as soon as the plan allows it."""
        self.button("Convert").and_(self.page.tab.locator(":enabled")).click()

    def recognised(self, axes: str) -> None:
        """Wait until the source is recognised, with pictures of three slices."""
        pictures = self.panel.locator(".nk-found img")
        pictures.nth(2).wait_for()
        assert pictures.count() == 3
        for i in range(3):
            assert pictures.nth(i).evaluate("(img) => img.decode().then(() => img.naturalWidth)")
        assert axes in self.panel.locator(".nk-facts").inner_text()

    def look(self, name: str) -> View:
        """Click on what opens the result in Browse, and zoom; return what shows it.

        Pixels of the screen and of the image then have no edges in common, where either may be
        shown. What NumPy's picture lacks is taken away.
        """
        self.page.tab.get_by_role("button", name=f"Open {name} in Browse").click()
        self.page.tab.locator(".nk-tabs [aria-selected=true]", has_text="Browse").wait_for()
        self.panel.locator(".nk-viewer canvas").first.wait_for()
        # the first panel of the page
        view = View(self.page, 0).set(scalebar=False, crosshair=False)
        fit = view.state("zoom")
        view.click(0.5, 0.5).wheel(-120, ctrl=True)
        self.page.until(lambda: view.state("zoom") != fit, "a zoom")
        return view.settled()


def convert_by_clicks(hands: Hands, names: tuple[str, ...]) -> None:
    """Fill in the Convert panel, with slips on the way, up to a plan that can be run."""
    hands.choose_folder(*names)
    hands.recognised("z 64, y 768, x 768")
    assert hands.button("Convert").is_visible()
    hands.mistype("voxel_size", "4,4,x", "positive numbers")
    hands.type("voxel_size", "4,4,40")
    hands.type("unit", "nanometer")
    hands.unfold("layout", "mags", "how the work is done")
    for name, text in TYPED.items():
        hands.type(name, text)
    hands.mistype("workers", "two", "whole number")
    assert hands.button("Convert").is_disabled()
    hands.type("workers", "1")
    hands.field("method").locator("select").select_option("median")
    card = hands.panel.locator(".nk-card:not(.nk-stale) .nk-card-body", has_text="768")
    card.wait_for()


def stop_half_way(hands: Hands, target: Path) -> None:
    """Convert, pause, look that it holds, and cancel."""
    hands.convert()
    page = hands.page
    bar = hands.panel.locator(".nk-run progress")
    page.until(lambda: bar.evaluate("(bar) => bar.value") > PART, "the first part")
    hands.button("Pause").click()
    assert "paused" in hands.doing("paused").inner_text()
    # what was on its way when it was paused has been told by then
    page.pause()
    fraction = bar.evaluate("(bar) => bar.value")
    assert PART < fraction < 1
    page.pause()
    assert bar.evaluate("(bar) => bar.value") == fraction
    hands.button("Cancel").click()
    assert "what was done stays" in hands.doing("stopped").inner_text()
    assert not (target / "zarr.json").exists()


def rewrite_by_clicks(hands: Hands, image: Path) -> None:
    """Diagnose what Browse shows, take the advice, and rewrite it."""
    hands.turn("Tune")
    source = hands.field("source").locator("input")
    hands.page.until(lambda: source.input_value() == str(image), "what Browse shows")
    hands.button("Diagnose").click()
    hands.doing("done")
    hands.panel.locator(".nk-advice").get_by_role("button").first.click()
    shards = hands.field("shards").locator("input")
    hands.page.until(lambda: shards.input_value() == "auto", "the advice in the editor")
    hands.mistype("chunks", "6x", "whole numbers")
    hands.type("chunks", "64")
    hands.button("Rewrite").and_(hands.page.tab.locator(":enabled")).click()
    hands.panel.get_by_text("files became").wait_for()


def test_from_slices_to_a_tuned_image_by_clicks_alone(lab: Lab):
    folder = lab.server.root / "journey"
    volume = stack(folder / "slices", *SHAPE)
    target = folder / "slices.ome.zarr"
    with lab.notebook("import ngffkit as nk", "app = nk.app()\napp"):
        hands = Hands(lab)
        hands.turn("Convert")
        convert_by_clicks(hands, ("journey", "slices"))
        stop_half_way(hands, target)
        hands.button("Resume").click()
        assert "was there" in hands.doing("done").inner_text()
        assert_as_by_command(folder, target)
        np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, volume)

        view = hands.look(target.name)
        assert_right(view, target)
        z = view.state("voxel")["z"]
        view.click(0.5, 0.5).press("f", "f").settled()
        assert view.state("voxel")["z"] == z + 2
        assert_right(view, target)
        mags = hands.field("mag").locator("select")
        mags.select_option(mags.locator("option", has_text="4-4-1").inner_text())
        view.becomes(held_mag="4-4-1")
        assert view.data("mag") == "4-4-1"
        assert_right(view, target)

        rewrite_by_clicks(hands, target)
        after = nk.open_dataset(target)["image"]
        assert after.encoding["chunks"] == (64, 64, 64)
        np.testing.assert_array_equal(after.values, volume)
        assert_right(hands.look(target.name), target)
        assert not lab.asked_outside()


def assert_as_by_command(folder: Path, target: Path) -> None:
    """Convert the same by the command line; every file must be the same, and no other be there."""
    other = folder / "by-command" / target.name
    other.parent.mkdir()
    command = [sys.executable, "-m", "ngffkit.cli", "convert", *COMMAND, "slices", str(other)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    expected = hashes(other)
    assert len(expected) > 20
    assert hashes(target) == expected
    beside = {file.name for file in other.parent.iterdir()}
    assert {file.name for file in folder.iterdir()} == {"slices", "by-command", *beside}


def test_themes_change_while_the_app_is_open(lab: Lab):
    with lab.notebook("import ngffkit as nk", "app = nk.app(nk.sample())\napp"):
        hands = Hands(lab)
        for theme in ("Dark", "Light"):
            lab.command("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
            # JupyterLab hides the page meanwhile, and errs when asked again before it is done
            lab.tab.locator("#jupyterlab-splash").wait_for(state="detached")
            for name in BEGINS:
                hands.turn(name)
                parts = hands.panel.locator(".nk-part[data-theme]")
                assert parts.count() > 5
                found = parts.evaluate_all("(parts) => parts.map((part) => part.dataset.theme)")
                assert set(found) == {theme.lower()}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run `ngffkit app` in a folder as one does in a terminal; end it by Ctrl-C."""
    command = [sys.executable, "-m", "ngffkit.cli", "app", "--no-browser", "--folder", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        with process:
            process.wait(60)
    assert process.returncode == 0


def test_a_stack_is_converted_in_the_app_outside_of_notebooks(fresh_page: Page, tmp_path: Path):
    volume = stack(tmp_path / "slices", 12, 96, 128)
    with served(tmp_path) as url:
        fresh_page.tab.goto(url)
        hands = Hands(fresh_page)
        hands.turn("Convert")
        hands.choose_folder("slices")
        hands.recognised("z 12, y 96, x 128")
        hands.mistype("voxel_size", "4,4,-40", "positive numbers")
        hands.type("voxel_size", "4,4,40")
        hands.convert()
        hands.doing("done")
        target = tmp_path / "slices.ome.zarr"
        assert_right(hands.look(target.name), target)
        assert not fresh_page.asked_outside()
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, volume)
