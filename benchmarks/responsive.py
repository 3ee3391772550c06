"""How quickly a notebook answers while a panel converts: ``responsive.py [SECONDS] [--tell]``.

A real kernel, as JupyterLab starts it, holds the Convert panel. One stack after the other is
converted from it, and all the while a cell is run every half second. What counts is the time from
sending that cell to having its answer; the slowest must stay below a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import alone
from jupyter_client.manager import start_new_kernel

#: What the kernel does: a stack in a folder, a panel, and a conversion that begins when one ends.
SETUP = """
import itertools, shutil, threading, time
from pathlib import Path
import numpy as np
from PIL import Image
import ngffkit as nk

folder = Path({folder!r})
(folder / "slices").mkdir()
rng = np.random.default_rng(0)
base = (rng.random((1024, 1024)) * 60 + 100).astype("u1")
for i in range(192):
    Image.fromarray(np.roll(base, i, 0)).save(folder / "slices" / f"{{i:04}}.tif")

from ngffkit.panels.convert_view import ConvertPanel
panel = ConvertPanel()
model = panel.model
done = []

def work(until):
    for n in itertools.count():
        for name, text in (("source", folder / "slices"), ("target", folder / f"{{n}}.ome.zarr"),
                           ("voxel_size", "1,1,1"), ("unit", "um")):
            model.do("set", name=name, text=str(text))
        model.settle()
        model.do("run")
        while not model.work.wait(0.5):
            if time.monotonic() > until:
                model.do("cancel")
        done.append(model.work.doing)
        shutil.rmtree(folder / f"{{n}}.ome.zarr", ignore_errors=True)
        if time.monotonic() > until:
            return

thread = threading.Thread(target=work, args=(time.monotonic() + {seconds},), daemon=True)
thread.start()
"""


def ask(client: Any, code: str, patience: float) -> float:
    """Run a cell; return the seconds until it had its answer."""
    began = time.perf_counter()
    reply = client.execute_interactive(code, timeout=patience, output_hook=lambda _: None)
    took = time.perf_counter() - began
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"].get("traceback", []))
    return took


def value(client: Any, expression: str) -> Any:
    """Evaluate an expression in the kernel."""
    reply = client.execute_interactive(
        "", user_expressions={"it": f"__import__('json').dumps({expression})"}, timeout=60
    )
    return json.loads(eval(reply["content"]["user_expressions"]["it"]["data"]["text/plain"]))  # noqa: S307 - what we asked for


def measure(seconds: float) -> dict[str, float]:
    """Convert for some time, ask all the while; return how long answers took."""
    manager, client = start_new_kernel()
    try:
        with tempfile.TemporaryDirectory() as folder:
            idle = [ask(client, "1 + 1", 60) for _ in range(20)]
            ask(client, SETUP.format(folder=folder, seconds=seconds), 120)
            busy = []
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                busy.append(ask(client, "sum(range(1000))", 60))
                time.sleep(0.5)
            ask(client, "thread.join(60)", 120)
            ended = value(client, "done")
            left = len(list(Path(folder).glob("*.zarr")))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    busy.sort()
    return {
        "idle, median ms": 1000 * statistics.median(idle),
        "converting, median ms": 1000 * statistics.median(busy),
        "99 %, ms": 1000 * busy[int(0.99 * len(busy))],
        "slowest, ms": 1000 * busy[-1],
        "cells": len(busy),
        "conversions": len(ended),
        "of them whole": ended.count("done"),
        "left behind": left,
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("seconds", nargs="?", type=float, default=600.0)
    parser.add_argument("--tell", action="store_true", help="a line for the harness, too")
    args = parser.parse_args()
    found = measure(args.seconds)
    for what, figure in found.items():
        print(f"{what:<22} {figure:8,.0f}")
    if args.tell:
        alone.tell(found)
    if found["slowest, ms"] >= 1000:
        raise SystemExit("a cell took a second or longer")
    if found["left behind"]:
        raise SystemExit("a conversion that was cancelled left its target behind")


if __name__ == "__main__":
    main()
