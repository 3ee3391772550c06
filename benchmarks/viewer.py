"""The viewer in JupyterLab: from a slider's step to new pixels, beside what notebooks do otherwise.

    python benchmarks/viewer.py [--steps 40] [--rounds 3] [--sizes 512,1024]

One server, one Chromium (software WebGL), one kernel at a time; candidates take turns, round by
round, on pictures of the same size. The page itself stamps a step, and the moment at which the
middle of the picture has the grey of the plane that was asked for, read back from the canvas. Then:
messages for pan, zoom and contrast, and a volume of 100,000 x 100,000 x 5,000 voxels whose chunks
are computed when they are asked for, at once or after 30 ms each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import chromium
from browser.pages import Lab
from browser.server import serve
from browser.views import View

SCREEN = {"width": 1900, "height": 1400}
DEPTH = 64

#: Noise, with a square in the middle whose grey tells the plane.
PIXELS = """
import io
import numpy as np, ipywidgets as W
size, depth = {size}, {depth}
volume = np.random.default_rng(0).integers(0, 255, (depth, size, size), "u1")
middle = slice(size // 2 - 48, size // 2 + 48)
for k in range(depth):
    volume[k, middle, middle] = 40 + k * 53 % 180
slider = W.IntSlider(0, 0, depth - 1)
"""

#: How each candidate shows a plane; the last line of a cell is what is seen.
CELLS = {
    "ngffkit": """
import ngffkit as nk
view = nk.browse(volume, z=0, height=size, zoom=1, windows=(0, 255), theme="dark")
view.crosshair = False
view
""",
    "matplotlib inline": """
%matplotlib inline
import matplotlib.pyplot as plt
def show(k):
    figure = plt.figure(figsize=(size / 100, size / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(volume[k], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    plt.show()
W.VBox([slider, W.interactive_output(show, {"k": slider})])
""",
    "ipympl": """
%matplotlib widget
import matplotlib.pyplot as plt
with plt.ioff():
    figure = plt.figure(figsize=(size / 100, size / 100), dpi=100)
axes = figure.add_axes((0, 0, 1, 1))
axes.set_axis_off()
shown = axes.imshow(volume[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
def show(change):
    shown.set_data(volume[change.new])
    figure.canvas.draw_idle()
slider.observe(show, "value")
W.VBox([slider, figure.canvas])
""",
    "ipywidgets.Image, PNG": """
from PIL import Image
def encoded(k):
    file = io.BytesIO()
    Image.fromarray(volume[k]).save(file, "png", compress_level=1)
    return file.getvalue()
picture = W.Image(value=encoded(0), format="png")
slider.observe(lambda change: setattr(picture, "value", encoded(change.new)), "value")
W.VBox([slider, picture])
""",
    "ipywidgets.Image, JPEG": """
from PIL import Image
def encoded(k):
    file = io.BytesIO()
    Image.fromarray(volume[k]).save(file, "jpeg", quality=90)
    return file.getvalue()
picture = W.Image(value=encoded(0), format="jpeg")
slider.observe(lambda change: setattr(picture, "value", encoded(change.new)), "value")
W.VBox([slider, picture])
""",
}

#: Where each candidate's picture is.
PICTURES = {
    "ngffkit": "canvas.nk-canvas",
    "matplotlib inline": ".jp-OutputArea img",
    "ipympl": ".jupyter-matplotlib-canvas-container canvas",
    "ipywidgets.Image, PNG": "img.widget-image",
    "ipywidgets.Image, JPEG": "img.widget-image",
}

#: Steps to a plane and tells the milliseconds until the middle of the picture has its grey. A WebGL
#: canvas is read in the task that drew it; pictures of others are looked at in every frame.
STEP = """([where, plane]) => new Promise((resolve, reject) => {
  const probe = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = probe.getContext("2d", { willReadFrequently: true });
  const grey = 40 + ((plane * 53) % 180);
  const root = document.querySelector(".nk-viewer");
  const shows = () => {
    const picture = document.querySelector(where);
    const width = picture?.naturalWidth ?? picture?.width;
    const height = picture?.naturalHeight ?? picture?.height;
    if (!width || picture.complete === false) return false;
    let seen = 0;
    if (root) {
      const gl = picture.getContext("webgl2");
      const pixel = new Uint8Array(4);
      gl.readPixels(width / 2 - 20, height / 2 - 20, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      seen = pixel[0];
    } else {
      context.drawImage(picture, width / 2 - 20, height / 2 - 20, 1, 1, 0, 0, 1, 1);
      seen = context.getImageData(0, 0, 1, 1).data[0];
    }
    return Math.abs(seen - grey) <= 4;
  };
  let observer = null;
  const late = setTimeout(() => reject(Error("no plane " + plane)), 20_000);
  const done = () => {
    clearTimeout(late);
    observer?.disconnect();
    resolve(performance.now() - began);
  };
  const look = () => (shows() ? done() : requestAnimationFrame(look));
  const slider = root?.querySelector("input.nk-axis[data-axis=z]");
  if (root) {
    observer = new MutationObserver(() => shows() && done());
    observer.observe(root, { attributeFilter: ["data-frame"] });
  }
  const began = performance.now();
  if (slider) {
    slider.value = plane;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  } else {
    const handle = document.querySelector(".noUi-handle");
    handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    requestAnimationFrame(look);
  }
})"""

#: Gives the viewer's canvas the size of the others' pictures.
FITTED = """(size) => {
  const root = document.querySelector(".nk-viewer");
  root.nkViewer.state.set({ panel: false });
  const rim = root.getBoundingClientRect().width - root.nkViewer.canvas.clientWidth;
  root.style.width = `${size + rim}px`;
}"""


def steps(lab: Lab, name: str, size: int, planes: Sequence[int]) -> list[float]:
    """Return the milliseconds of each step to one of the planes, in a fresh notebook."""
    with lab.notebook(PIXELS.format(size=size, depth=DEPTH), CELLS[name]):
        lab.tab.wait_for_selector(PICTURES[name])
        if name == "ngffkit":
            View(lab)
            lab.tab.evaluate(FITTED, size)
        lab.pause(1500)
        taken = []
        for plane in planes:
            taken.append(lab.tab.evaluate(STEP, [PICTURES[name], plane]))
            lab.pause(120)
        return taken[5:]  # the first ones warm caches


def compare(lab: Lab, sizes: Sequence[int], count: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each way to show planes: steps to the next, and for the viewer far ones."""
    near = [1 + k % (DEPTH - 1) for k in range(min(count, DEPTH - 6) + 5)]
    far = [(k * 17 + 9) % DEPTH for k in range(count + 5)]
    ways = [(name, name, near) for name in CELLS] + [("ngffkit, far planes", "ngffkit", far)]
    for size in sizes:
        taken: dict[str, list[float]] = {title: [] for title, *_ in ways}
        for _ in range(rounds):
            for title, name, planes in ways:
                taken[title] += steps(lab, name, size, planes)
        for title, found in taken.items():
            p95 = statistics.quantiles(found, n=20)[-1]
            median = statistics.median(found)
            yield {"what": title, "size": size, "median_ms": median, "p95_ms": p95}


MOVED = """
import ngffkit as nk, numpy as np
view = nk.browse(np.random.default_rng(0).integers(0, 255, (9, 600, 600), "u1"), zoom=1, height=600)
view
"""


def messages(lab: Lab) -> Iterator[dict[str, Any]]:
    """Yield how many messages gestures send: of which kind, and whether any asks for pixels."""
    with lab.notebook(MOVED):
        view = View(lab).focus()
        low = view.root.locator(".nk-channel[data-index='0'] .nk-low")
        lab.pause(2000)

        def contrast(value: int) -> None:
            low.fill(str(value))
            low.dispatch_event("change")

        gestures = {
            "pan, 20 drags": lambda i: view.drag((0.5, 0.5), (0.5 + 0.02 * (-1) ** i, 0.5)),
            "zoom, 20 notches": lambda i: view.wheel(100 * (-1) ** i, ctrl=True),
            "contrast, 20 windows": contrast,
        }
        for what, gesture in gestures.items():
            lab.sent.clear()
            for i in range(20):
                gesture(i)
            lab.pause(1500)
            sent, asked = lab.comm_messages(), lab.tile_requests()
            state = sum(bool(message.update) for message in sent)
            yield {"what": what, "requests for tiles": len(asked), "updates of state": state}


VIRTUAL = """
import resource, time
import ngffkit as nk
from virtual_store import VirtualStore
def timed(delay):
    # seconds for three chunks, one after the other, and for a viewer with its first pixels
    tree = nk.open(VirtualStore(delay=delay))
    array = tree["1"]["image"]
    began = time.perf_counter()
    for k in range(3):
        array[64 * k : 64 * k + 64, :64, :64].compute()
    chunks, began = time.perf_counter() - began, time.perf_counter()
    view = nk.browse(tree)
    found = time.perf_counter() - began
    assert view._first["tiles"]
    view.close()
    return chunks, found
timed(0)  # loads what it takes
near, far = timed(0), timed(0.03)
tree = nk.open(VirtualStore())
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
"""
SHOWN = "view = nk.browse(tree, height=600, cache='64 MB')\nview"

#: Milliseconds from running a cell to a viewer that shows pixels, and to one that is settled.
FIRST = """() => new Promise((resolve) => {
  const began = performance.now();
  let shown = null;
  const look = () => {
    const root = document.querySelector(".nk-viewer");
    const now = performance.now() - began;
    const drawn = root?.nkViewer?.frames?.().some((f) => f.covers.some((c) => c.quads.length));
    if (drawn) shown ??= now;
    if (shown !== null && root.dataset.settled === "true") resolve([shown, now]);
    else setTimeout(look, 2);
  };
  jupyterapp.commands.execute("notebook:run-cell");
  look();
})"""


def virtual(lab: Lab) -> dict[str, Any]:
    """Browse a volume of 50 terabytes: the time to its first pixels, and the kernel's memory."""
    with lab.notebook(VIRTUAL):
        lab.append("pass")  # JupyterLab has run a cell of its own before, as it has in use
        lab.until(lambda: not lab.running(), "an empty cell")
        lab.insert(SHOWN)
        shown, settled = lab.tab.evaluate(FIRST)
        view, (near, far) = View(lab), lab.python("(near, far)")
        for i in range(30):
            place = {"z": 150 * i + 7, "y": 3000 * i + 11, "x": 3100 * i + 13}
            view.set(voxel=place, center=place, zoom=[2.0, 0.1, 0.004][i % 3])
        grown = lab.python("resident() - before")
        held = lab.python("view.scene.bricks.nbytes")
    return {
        "three chunks, ms": near[0] * 1e3,
        "viewer with first pixels, ms": near[1] * 1e3,
        "three chunks at 30 ms, ms": far[0] * 1e3,
        "viewer at 30 ms, ms": far[1] * 1e3,
        "from running the cell to pixels in the page, ms": shown,
        "to all pixels, ms": settled,
        "kernel grown, MB": grown / 1e6,
        "cache, MB": held / 1e6,
        "cache allowed, MB": 64,
    }


@contextmanager
def jupyterlab() -> Iterator[Lab]:
    """Give a JupyterLab in a browser."""
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium.browser() as browser,
        serve(Path(folder, "jupyter")) as server,
        browser.new_context(viewport=SCREEN) as context,
    ):
        yield Lab(context, server)


def main() -> None:
    """Print three tables and lines of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")])
    args = parser.parse_args()
    with jupyterlab() as lab:
        rows = []
        for row in compare(lab, args.sizes or [512, 1024], args.steps, args.rounds):
            rows.append(row)
            print(
                f"{row['what']:<24} {row['size']:>5}²  median {row['median_ms']:>6.0f} ms  "
                f"p95 {row['p95_ms']:>6.0f} ms",
                flush=True,
            )
        sent = list(messages(lab))
        for line in sent:
            print("  ".join(f"{key}: {value}" for key, value in line.items()), flush=True)
        large = virtual(lab)
        print("  ".join(f"{key} {value:.1f}" for key, value in large.items()))
    print(json.dumps({"steps": rows, "messages": sent, "virtual": large}))


if __name__ == "__main__":
    main()
