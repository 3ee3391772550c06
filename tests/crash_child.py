"""One small conversion in a process that may be killed at any moment.

Run as a script it is a server: imports once, then forks a child per line of its standard input and
kills it when told to, so that a hundred kills take seconds. It has no threads when it forks. With a
source and a target as arguments it converts once, by worker processes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHAPE = (40, 64, 96)

OPTIONS: dict[str, Any] = {
    "voxel_size": (4, 4, 40),
    "unit": "nm",
    "chunks": 16,
    "shards": 32,
    "mags": ["1", "2-2-1", "4-4-1"],
    "sidecar": True,
    "workers": 2,
}


def make_source(folder: Path) -> None:
    """Write 40 slices and the 40 slices of a segmentation of them."""
    import numpy as np
    from PIL import Image

    z, y, x = np.indices(SHAPE)
    rng = np.random.default_rng(7)
    image = (64 + 48 * np.sin(x / 9) + 40 * np.cos(y / 7 + z / 5)).astype("u1")
    image += rng.integers(0, 32, SHAPE, dtype="u1")
    labels = (1 + x // 20 + 10 * (y // 24) + 50 * (z // 10)).astype("u2")
    labels[:, :16] = 0
    for name, stack in {"slices": image, "cells": labels}.items():
        (folder / name).mkdir(parents=True)
        for i, plane in enumerate(stack):
            Image.fromarray(plane).save(folder / name / f"{i:03}.png")


@contextlib.contextmanager
def small_tasks(nbytes: int = 2**15) -> Iterator[None]:
    """Cut the work into many tasks, as if it were a hundred thousand times larger."""
    from ngffkit.execute import cutting

    before = cutting.TASK_BYTES, cutting.SLAB_BYTES
    cutting.TASK_BYTES = cutting.SLAB_BYTES = nbytes
    try:
        yield
    finally:
        cutting.TASK_BYTES, cutting.SLAB_BYTES = before


def convert(source: str, target: str, seed: int | None = None, **more: Any) -> Any:
    """Carry out the conversion; with a seed, system calls take a random time."""
    import faults

    from ngffkit import writing

    rng = random.Random(seed)
    labels = {"cells": f"{source}/cells"}
    slow = faults.replacing(faults.CALLS, lambda *_: time.sleep(rng.random() * 0.001))
    with small_tasks(), slow if seed is not None else contextlib.nullcontext():
        return writing.convert(f"{source}/slices", target, labels=labels, **OPTIONS | more)


# --- the server -----------------------------------------------------------------------------------


def _child(order: dict[str, Any]) -> int:
    import faults

    doomed = faults.killing(order["kill_at"]) if "kill_at" in order else contextlib.nullcontext()
    try:
        with doomed:
            convert(order["source"], order["target"], order["seed"], **order.get("more", {}))
    except KeyboardInterrupt:
        return 130
    except BaseException:  # noqa: BLE001 - the exit code tells
        traceback.print_exc()
        return 1
    return 0


def _experiment(order: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _child(order)
        finally:
            os._exit(code)
    after = order.get("kill_after")
    if after is not None:
        time.sleep(after)
        # it is a child that nobody has waited for, so the number is still its own
        os.kill(pid, order.get("signal", signal.SIGKILL))
    _, status = os.waitpid(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
    }


def _serve() -> None:
    # all that a conversion imports on its way, so that children spend no time on it
    for name in "folders slices".split():
        importlib.import_module(f"ngffkit.sources.stacks.{name}")
    for name in "chunks.reader execute.commit sources.rasters.png".split():
        importlib.import_module(f"ngffkit.{name}")
    for name in "planning.carrying planning.sidecar stores.folders writing".split():
        importlib.import_module(f"ngffkit.{name}")
    importlib.import_module("faults")

    for line in sys.stdin:
        print(json.dumps(_experiment(json.loads(line))), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        convert(*sys.argv[1:3], executor="processes", workers=2)
    else:
        _serve()
