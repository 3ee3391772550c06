"""Take the pictures of the panels that README and docs show: python docs/images/make_panels.py.

In JupyterLab in a real browser, in a folder of a short name, which must not be there. With names,
only these: python docs/images/make_panels.py convert tune. Where the environment variable
NGFFKIT_SHOTS names a folder, they go there, also dark and narrow, to be looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import chromium
from browser.pages import Lab
from browser.server import serve
from browser.views import View

import ngffkit as nk

SHOTS = os.environ.get("NGFFKIT_SHOTS")
FOLDER = Path(SHOTS or Path(__file__).parent).absolute()

#: The app, below a cell that is no part of the picture.
CELL = """
import os
os.chdir({data!r})
import numpy as np
import ngffkit as nk
image = nk.open_dataset("cells.ome.zarr")["image"]
nuclei = (image.sel(c="nuclei") > 400).astype("uint16")
app = nk.app({x})
app
"""

#: Bytes that a picture may have.
MOST = 150_000

#: The output alone, without what JupyterLab draws around it.
PLAIN = """
.jp-Cell-inputWrapper, .jp-OutputPrompt, .jp-OutputCollapser, .jp-Cell-footer,
.jp-OutputArea-promptOverlay { display: none }
"""


class Studio:
    """The app in JupyterLab, and what is done to it before a picture is taken."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.tab = lab, lab.tab
        self.panel = lab.tab.locator(".nk-app > .nk-panel:visible")

    def turn(self, name: str, begins: str) -> None:
        """Show a panel."""
        self.tab.get_by_role("tab", name=name, exact=True).click()
        self.button(begins).wait_for()

    def button(self, name: str) -> Any:
        """Return a button of the panel that is shown."""
        return self.panel.get_by_role("button", name=name, exact=True).first

    def press(self, name: str) -> None:
        """Click on a button as soon as it can be pressed."""
        self.panel.get_by_role("button", name=name, exact=True).and_(
            self.tab.locator(":enabled")
        ).first.click()

    def fill(self, **texts: str) -> None:
        """Type into fields, or choose."""
        for name, text in texts.items():
            control = self.panel.locator(f".nk-form [data-field='{name}']").last.locator(
                "input, select"
            )
            if control.evaluate("(control) => control.tagName") == "SELECT":
                control.select_option(text)
            else:
                control.fill(text)

    def unfold(self, name: str) -> None:
        """Open a group of fields."""
        self.panel.locator("summary", has_text=re.compile(f"^{name}$")).first.click()

    def planned(self) -> None:
        """Wait for the plan."""
        self.panel.locator(".nk-card:not(.nk-busy):not(.nk-stale) .ngffkit-plan").first.wait_for()


def browse(studio: Studio) -> None:
    """Show the sample, and its list of mags."""
    View(studio.lab).settled()


def convert(studio: Studio) -> None:
    """Convert a stack, up to the middle."""
    studio.turn("Convert", "Convert")
    studio.fill(source="slices", voxel_size="11.24,11.24,25", unit="nanometer")
    studio.panel.locator(".nk-found img").nth(2).wait_for()
    studio.unfold("layout")
    studio.fill(chunks="32", compression="zstd:19")
    studio.planned()
    studio.press("Convert")
    bar = studio.panel.locator(".nk-run progress")
    studio.lab.until(lambda: bar.evaluate("(bar) => bar.value") > 0.3, "the middle")


def write(studio: Studio) -> None:
    """Plan to write an image of the notebook with its labels."""
    studio.turn("Write", "Write")
    studio.panel.locator(".nk-thing input[value=image]").check()
    studio.fill(target="copy.ome.zarr", labels="cells=nuclei")
    studio.planned()


def tune(studio: Studio) -> None:
    """Diagnose an image of many small files, and take the advice."""
    studio.turn("Tune", "Diagnose")
    studio.fill(source="small-chunks.ome.zarr", line="S3")
    studio.press("Diagnose")
    studio.panel.locator(".nk-advice button").first.click()
    studio.fill(chunks="32")
    studio.lab.until(studio.button("Rewrite").is_enabled, "a plan")


def doctor(studio: Studio) -> None:
    """Measure the line to the kernel."""
    studio.turn("Tune", "Diagnose")
    part = studio.panel.locator(".nk-doctor")
    part.locator("summary").first.click()
    part.get_by_role("button", name="Measure", exact=True).click()
    part.locator(".nk-finding").first.wait_for()


#: For each picture what the app is given, what is done, and the part that is seen, if not all.
SCENES: dict[str, tuple[str, Callable[[Studio], None], str]] = {
    "browse": ("'cells.ome.zarr'", browse, ""),
    "convert": ("", convert, ""),
    "write": ("", write, ""),
    "tune": ("", tune, ""),
    "doctor": ("", doctor, ".nk-doctor"),
}


@contextmanager
def tidy(folder: Path) -> Iterator[Path]:
    """Make a folder of a short name for as long as the block lasts: panels show where things go."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def bubbles(shape: tuple[int, ...], count: int) -> npt.NDArray[np.uint8]:
    """Make cells with walls and nuclei, in the grey of an electron microscope."""
    rng = np.random.default_rng(1)
    out = np.full(shape, 190.0, np.float32)
    for _ in range(count):
        at, r = rng.integers(0, shape), rng.uniform(16, 60)
        box = tuple(slice(max(0, i - 60), i + 60) for i in at)
        z, y, x = np.ogrid[box]
        far = np.sqrt(((z - at[0]) * 2.2) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2)
        far = far[tuple(map(slice, out[box].shape))]
        part = out[box]
        part[np.abs(far - r) < 2.5] = 60
        part[far < r - 2.5] = rng.uniform(140, 215)
        part[far < r * 0.35] = rng.uniform(90, 120)
    return np.clip(out + rng.normal(0, 9, shape), 0, 255).astype(np.uint8)


def furnish(data: Path) -> None:
    """Write what the pictures show: the sample, slices, an image of many small files."""
    os.chdir(data)
    nk.convert(nk.sample(), "cells.ome.zarr")
    volume = bubbles((128, 640, 768), 300)
    Path("slices").mkdir()
    for i, plane in enumerate(volume):
        Image.fromarray(plane).save(f"slices/slice_{i:04}.png")
    nk.convert(
        volume[:64, :256, :256],
        "small-chunks.ome.zarr",
        voxel_size=(4, 4, 4),
        chunks=16,
        shards=None,
    )


def shrink(file: Path) -> None:
    """Keep a picture with 256 colours."""
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


def dress(lab: Lab, theme: str, width: int) -> None:
    """Set theme and width of the page."""
    lab.command("apputils:change-theme", {"theme": theme})
    lab.tab.set_viewport_size({"width": width, "height": 4000})
    lab.pause(1200)


def take(lab: Lab, name: str, looks: list[tuple[str, str, int]], data: Path) -> None:
    """Take one picture, in each theme and width that is asked for."""
    given, act, part = SCENES[name]
    dress(lab, *looks[0][1:])
    with lab.notebook(CELL.format(x=given, data=str(data))):
        lab.tab.add_style_tag(content=PLAIN)
        studio = Studio(lab)
        act(studio)
        for i, (ending, theme, width) in enumerate(looks):
            if i:
                dress(lab, theme, width)
            seen = lab.tab.locator(f".nk-app {part}").first
            file = FOLDER / f"panel-{name}{ending}.png"
            seen.screenshot(path=file)
            shrink(file)
            if file.stat().st_size > MOST:
                raise SystemExit(f"{file} is larger than {MOST} bytes")


def main() -> None:
    """Write one PNG for each scene."""
    names = sys.argv[1:] or list(SCENES)
    looks = [("", "JupyterLab Light", 1300)]
    if SHOTS:
        looks += [("-dark", "JupyterLab Dark", 1300), ("-narrow", "JupyterLab Light", 600)]
    with (
        tempfile.TemporaryDirectory() as home,
        tidy(Path(tempfile.gettempdir(), "data")) as data,
        chromium.browser() as browser,
    ):
        furnish(data)
        with (
            serve(Path(home, "jupyter")) as server,
            browser.new_context(viewport={"width": 1300, "height": 4000}) as context,
        ):
            lab = Lab(context, server)
            lab.command("application:toggle-left-area")
            for name in names:
                take(lab, name, looks, data)


if __name__ == "__main__":
    main()
