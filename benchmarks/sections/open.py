"""Opening: until an image is there, all its mags, and no pixel: from a folder and from afar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from contenders._reading import Pixels
from harness import Case, Mode, contenders
from sections.read import told
from served import BUCKET, served
from volumes import LAYOUTS, MAGS, Layout, mags, volume, write

LATENCY = 0.03

#: What a quick run opens.
QUICK = {("v3", "folder"), ("v3", "http 30 ms")}


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[Sequence[Case]]:
    """Write the images, serve them; yield a case for each layout, line, and way to count."""
    data = volume(128)  # documents are as long for any size
    # each of them twice: one that is opened before, and one that counts
    for name in ("before", "counted"):
        (folder / name).mkdir()
        write(folder / name, data)
    last = mags(data)[-1]
    with served(folder, LATENCY) as server, served(folder, LATENCY) as another:
        cases = [
            _case(layout, where, (server, another) if "http" in where else (str(folder),) * 2, last)
            for layout in LAYOUTS
            for where in ("folder", "folder, with imports", "http 30 ms")
        ]
        yield [case for case in cases if not mode.quick or tuple(case.name.split(", ", 1)) in QUICK]


def _case(layout: Layout, where: str, roots: tuple[str, str], last: np.ndarray) -> Case:
    remote, side = "http" in where, last.shape[0] * 2 ** (MAGS - 1)
    root, another = (f"{r}/{BUCKET}" for r in roots) if remote else roots

    def at(root: str) -> dict[str, Any]:
        return told(layout, f"{root}/{layout.folder}", f"{root}/{layout.name}", side)

    asked = at(f"{root}/counted") | {"before": at(f"{another}/before")}
    asked["imports"] = "imports" in where
    if remote:
        asked["server"] = roots[0]
    seen = Pixels()
    seen.add(last, last.shape)
    return Case(
        f"{layout.name}, {where}",
        contenders("open", asked),
        pixels=f"{MAGS} mags, {seen}",
        note=f"{MAGS} mags, nothing consolidated; from the call to all of them, in a new process; "
        + ("imports count" if asked["imports"] else "imports are done by opening another one")
        + "; webknossos opens a dataset of the same files, which names all mags",
    )
