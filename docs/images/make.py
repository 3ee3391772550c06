"""Take the pictures of the viewer that README and docs show: python docs/images/make.py.

In JupyterLab in a real browser, of the sample that `ngffkit.sample` computes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import chromium
from browser.pages import Lab
from browser.server import serve
from browser.views import View

HERE = Path(__file__).parent

OPEN = "import ngffkit as nk\ndt = nk.open(nk.sample('cells.ome.zarr'))\n"

#: For each picture the cell, and what is done to the viewer before it is taken.
SCENES = {
    "ortho": (
        OPEN + "view = dt.ngff.browse(layout='ortho', theme='dark', height=520)\nview",
        "(view) => view.state.set({zoom: view.state.get('zoom') * 1.1})",
    ),
    "profile": (
        OPEN + "view = dt.ngff.browse(theme='light', height=420, z=14.0)\n"
        "view.selection = {'line': ({'z': 14.0, 'y': 34.0, 'x': 8.0},"
        " {'z': 14.0, 'y': 24.0, 'x': 58.0})}\nview",
        "(view) => view.act('tool-line')",
    ),
    "volume": (
        OPEN + "view = dt.ngff.browse(layout='volume', theme='dark', height=420)\nview",
        "(view) => view.state.set({turn: [35, 25]})",
    ),
}


def main() -> None:
    """Write one PNG for each scene."""
    size = {"width": 1400, "height": 1100}
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium.browser() as browser,
        serve(Path(folder, "jupyter")) as server,
        browser.new_context(viewport=size) as context,
    ):
        lab = Lab(context, server)
        for name, (cell, change) in SCENES.items():
            with lab.notebook(cell):
                view = View(lab)
                view.root.evaluate(f"(root) => ({change})(root.nkViewer)")
                lab.pause(1500)
                view.settled()
                view.root.screenshot(path=HERE / f"browse-{name}.png")


if __name__ == "__main__":
    main()
