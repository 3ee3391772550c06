"""The viewer in JupyterLab: from a slider's step to new pixels, beside what notebooks do otherwise.

    python benchmarks/viewer.py [--steps 40] [--rounds 3] [--sizes 512,1024] [--only steps]

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
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE)]

import alone  # noqa: E402 - scripts beside this one, and of the tests
import chromium  # noqa: E402
from browser.pages import Lab  # noqa: E402
from browser.server import serve  # noqa: E402
from browser.views import View  # noqa: E402

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

#: The viewer once more, on planes that it can't have asked for ahead.
FAR = "ngffkit, far planes"

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


def compare(lab: Lab, size: int, count: int, rounds: int) -> dict[str, list[list[float]]]:
    """Return the milliseconds of each way to show planes, in each round.

    Each takes steps to the next plane, and the viewer to far ones, too.
    """
    near = [1 + k % (DEPTH - 1) for k in range(min(count, DEPTH - 6) + 5)]
    far = [(k * 17 + 9) % DEPTH for k in range(count + 5)]
    ways = [(name, name, near) for name in CELLS] + [(FAR, "ngffkit", far)]
    taken: dict[str, list[list[float]]] = {title: [] for title, *_ in ways}
    for i in range(rounds):
        turn = i % len(ways)
        for title, name, planes in [*ways[turn:], *ways[:turn]]:
            taken[title].append(steps(lab, name, size, planes))
    return taken


def told(taken: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Return what the harness keeps of each way: seconds by round, and the slower steps."""
    packages = {"ngffkit": "ngffkit", "matplotlib inline": "matplotlib", "ipympl": "ipympl"}
    out: dict[str, Any] = {}
    for name in CELLS:
        package = packages.get(name, "ipywidgets")
        out[name] = {
            "version": f"{package} {version(package)}",
            "runs": [{"wall": statistics.median(found) / 1e3} for found in taken[name]],
            "figures": {"95 % of steps within, ms": p95(taken[name])},
        }
    far = [one for found in taken[FAR] for one in found]
    out["ngffkit"]["figures"]["far planes, ms"] = statistics.median(far)
    return out


def p95(rounds: Sequence[Sequence[float]]) -> float:
    """Return what one step in twenty is slower than."""
    return statistics.quantiles([taken for found in rounds for taken in found], n=20)[-1]


MOVED = """
import ngffkit as nk, numpy as np
view = nk.browse(np.random.default_rng(0).integers(0, 255, (9, 600, 600), "u1"), zoom=1, height=600)
view
"""


def messages(lab: Lab) -> dict[str, dict[str, float]]:
    """Return how many messages gestures send: of which kind, and whether any asks for pixels."""
    out = {}
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
            out[what] = {"requests for tiles": len(asked), "updates of state": state}
    return out


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


def virtual(lab: Lab) -> dict[str, float]:
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


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="512,1024", help="sides of pictures, pixels")
    parser.add_argument("--only", choices=["steps", "alone"], help="steps, or ngffkit alone")
    parser.add_argument("--tell", action="store_true", help="a line for the harness, too")
    return parser.parse_args()


def main() -> None:
    """Print tables; to the harness, either steps at one size, or what ngffkit does alone."""
    args = arguments()
    with jupyterlab() as lab:
        for size in map(int, args.sizes.split(",") if args.only != "alone" else ()):
            taken = compare(lab, size, args.steps, args.rounds)
            for title, rounds in taken.items():
                median = statistics.median(one for found in rounds for one in found)
                slow = p95(rounds)
                print(f"{title:<24} {size:>5}²  median {median:>6.0f} ms  p95 {slow:>6.0f} ms")
            if args.tell:
                print("RESULT " + json.dumps({"together": told(taken)}), flush=True)
        if args.only != "steps":
            figures = {"gesture": messages(lab), "50 TB": {"a computed volume": virtual(lab)}}
            for table in figures.values():
                for name, line in table.items():
                    print(name, *(f"{what}: {value:.1f}" for what, value in line.items()), sep="  ")
            if args.tell:
                alone.tell(figures)


if __name__ == "__main__":
    main()
