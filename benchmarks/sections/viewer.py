"""The viewer in JupyterLab: from a slider's step to new pixels, beside what notebooks do otherwise.

One browser measures all contenders, which take turns inside.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import alone
from harness import Case, Contender, Mode

SCRIPT = Path(__file__).parents[1] / "viewer.py"

#: As the script calls them.
PEERS = ("matplotlib inline", "ipympl", "ipywidgets.Image, PNG", "ipywidgets.Image, JPEG")

#: Where the tests look for it, too.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield a case for each size of pictures, and what the viewer does that others don't."""
    found = os.environ.get("NGFFKIT_CHROMIUM") or any(map(shutil.which, CHROMIUM))
    packages = ("playwright", "jupyterlab", "ipympl")
    if not found or not all(map(find_spec, packages)):
        print("  skipped: this needs Chromium, playwright, JupyterLab and ipympl", file=sys.stderr)
        yield []
    elif mode.quick:
        yield [_steps(512, steps=5, rounds=mode.rounds)]
    else:
        cases = [_steps(size, steps=40, rounds=mode.rounds) for size in (512, 1024)]
        lone = alone.case(
            *("gestures, and a volume of 50 TB", "viewer.py", "--only", "alone"),
            note="messages at the websocket, 20 gestures each; a volume of 100,000 × 100,000 ×"
            " 5,000 whose chunks are computed, at once or after 30 ms each",
        )
        yield [*cases, lone]


def _steps(size: int, *, steps: int, rounds: int) -> Case:
    words = ("--steps", steps, "--rounds", rounds, "--sizes", size, "--only", "steps", "--tell")
    who = [Contender("ngffkit", [], "ours"), *(Contender(name, []) for name in PEERS)]
    return Case(
        f"next plane, {size}²",
        who,
        note=f"medians of {steps} steps, from the step to pixels that are seen; software WebGL",
        together=[sys.executable, SCRIPT, *map(str, words)],
    )
