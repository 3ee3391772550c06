"""The viewer on a page: its state, its pixels, keys and mouse, by the names in its DOM alone."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from browser.pages import Page

SETTLED: Final = "(root) => root.dataset.ready === 'true' && root.dataset.settled === 'true'"

READ: Final = """(root) => {
  const { width, height, pixels } = root.nkViewer.renderer.read();
  let text = "";
  for (let i = 0; i < pixels.length; i += 32768) {
    text += String.fromCharCode(...pixels.subarray(i, i + 32768));
  }
  return [width, height, btoa(text)];
}"""

#: Numbers that went through JSON and back are equal to the last digit, but 1 and 1.0 are one.
HOLDS: Final = """([root, wanted]) => Object.entries(wanted).every(([key, value]) => {
  const order = (x) => Array.isArray(x) ? x.map(order) : x && typeof x === "object"
    ? Object.fromEntries(Object.keys(x).sort().map((k) => [k, order(x[k])])) : x;
  return JSON.stringify(order(root.nkViewer.state.get(key))) === JSON.stringify(order(value));
})"""


class View:
    """One viewer of a page, the `index`-th."""

    def __init__(self, page: Page, index: int = 0) -> None:
        self.page = page
        self.root = page.tab.locator(".nk-viewer").nth(index)
        self.canvas = self.root.locator("canvas.nk-canvas")
        self.settled()

    def settled(self) -> View:
        """Wait until all visible tiles are there and drawn, twice in a row."""
        self.root.wait_for(state="attached")
        handle = self.root.element_handle()
        for _ in range(2):
            self.page.tab.wait_for_function(SETTLED, arg=handle)
            self.page.pause(20)
        return self

    def state(self, key: str) -> Any:
        """Return a value of the state as the page has it."""
        return self.root.evaluate("(root, key) => root.nkViewer.state.get(key)", key)

    def data(self, name: str) -> str | None:
        """Return what the root says: ready, settled, loading, mag, status or frame."""
        return self.root.get_attribute(f"data-{name}")

    def becomes(self, **wanted: Any) -> View:
        """Wait until the page's state holds these values and shows them."""
        handle = self.root.element_handle()
        try:
            self.page.tab.wait_for_function(HOLDS, arg=[handle, wanted])
        except Exception as error:
            found = {key: self.state(key) for key in wanted}
            raise AssertionError(f"{json.dumps(found)} is not {json.dumps(wanted)}") from error
        return self.settled()

    def set(self, **values: Any) -> View:
        """Change the page's state, as its controls do."""
        self.root.evaluate("(root, values) => root.nkViewer.state.set(values)", values)
        self.page.pause(20)
        return self.settled()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return what the canvas shows, (height, width, rgb)."""
        width, height, text = self.root.evaluate(READ)
        flat = np.frombuffer(base64.b64decode(text), np.uint8)
        return flat.reshape(height, width, 4)[..., :3]

    def focus(self) -> View:
        """Give the canvas the focus without a click, which would do something."""
        self.canvas.focus()
        return self

    def press(self, *keys: str) -> View:
        """Press keys where the focus is."""
        for key in keys:
            self.page.tab.keyboard.press(key)
        return self

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the canvas, 0 to 1, is on the page."""
        self.canvas.scroll_into_view_if_needed()
        # on a busy machine a page may still be moving when all pixels are there
        self.canvas.element_handle().wait_for_element_state("stable")
        box = self.canvas.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def move(self, x: float, y: float) -> View:
        """Move the mouse to a point of the canvas, 0 to 1."""
        self.page.tab.mouse.move(*self.place(x, y))
        return self

    def click(self, x: float, y: float, **how: Any) -> View:
        """Click at a point of the canvas, 0 to 1."""
        self.page.tab.mouse.click(*self.place(x, y), **how)
        return self

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> View:
        """Drag with the left button from one point of the canvas, 0 to 1, to another."""
        mouse = self.page.tab.mouse
        mouse.move(*self.place(*start))
        mouse.down()
        mouse.move(*self.place(*((a + b) / 2 for a, b in zip(start, stop, strict=True))))
        mouse.move(*self.place(*stop))
        mouse.up()
        return self

    def wheel(self, steps: float, *, ctrl: bool = False) -> View:
        """Turn the wheel over the middle of the canvas."""
        self.move(0.5, 0.5)
        if ctrl:
            self.page.tab.keyboard.down("Control")
        self.page.tab.mouse.wheel(0, steps)
        if ctrl:
            self.page.tab.keyboard.up("Control")
        return self
