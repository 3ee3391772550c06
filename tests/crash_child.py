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


# --- other things that are done to an image -------------------------------------------------------

#: Of the image that is edited: c, z, y, x.
EDITED = (2, 16, 32, 32)


def pixels(seed: int, shape: tuple[int, ...] = EDITED[1:]) -> Any:
    import numpy as np

    return np.random.default_rng(seed).integers(1, 2000, shape).astype("u2")


def make_edited(target: str, **more: Any) -> None:
    """Write the image that is edited."""
    from ngffkit.writing import convert

    options = {"axes": "czyx", "voxel_size": (1, 1, 1), "chunks": 8, "shards": 16, "mags": [1, 2]}
    convert(pixels(1, EDITED), target, name="it", **options | more)


def do(what: str, target: str, **more: Any) -> None:
    """Do something to an image that is there; the same call again goes on with it."""
    from ngffkit.editing import doors
    from ngffkit.rewriting.doors import rewrite

    if what == "append":
        doors.append(target, pixels(2), "c", channels=["new"], **more)
    elif what == "labels":
        doors.add_labels(target, pixels(3), "ids", **more)
    elif what == "region":
        doors.write_region(target, pixels(4, (2, 6, 20, 20)), at={"z": 3, "y": 5, "x": 7}, **more)
    elif what == "downsample":
        doors.downsample(target, mags=[1, 2, 4], **more)
    elif what == "rewrite":
        rewrite(target, chunks=16, shards=16, **more)
    else:
        rewrite(target, None, f"{target}.copy.zarr", chunks=16, shards=16, **more)


def hasty_leases() -> None:
    """Let locks of object stores become stale within seconds; their clocks count whole ones."""
    from ngffkit.execute.locks import LeaseLock

    LeaseLock.__init__.__defaults__ = (0.3, 2.5)  # type: ignore[misc]


# --- the server -----------------------------------------------------------------------------------

#: Exit codes: somebody else writes there; another error of ours.
BUSY, REFUSED = 75, 76


def _child(order: dict[str, Any]) -> int:
    import faults

    from ngffkit.errors import BusyError, NgffError

    doomed = faults.killing(order["kill_at"]) if "kill_at" in order else contextlib.nullcontext()
    more = order.get("more", {})
    hasty_leases()
    try:
        with doomed:
            if "do" in order:
                rng = random.Random(order["seed"])
                with (
                    small_tasks(),
                    faults.replacing(
                        faults.CALLS,
                        lambda *_: time.sleep(rng.random() * 0.001 * bool(order["seed"])),
                    ),
                ):
                    do(order["do"], order["target"], **more)
            else:
                convert(order["source"], order["target"], order["seed"], **more)
    except KeyboardInterrupt:
        return 130
    except BusyError:
        return BUSY
    except NgffError as err:
        if order.get("quiet"):
            return REFUSED
        traceback.print_exception(err)
        return 1
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


def _pair(orders: list[dict[str, Any]]) -> dict[str, Any]:
    """Begin several at the same moment; return how each ended."""
    gate, opener = os.pipe()
    pids = []
    for order in orders:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(opener)
                os.read(gate, 1)  # until nobody can write to it any more
                time.sleep(order.get("later", 0))
                code = _child(order)
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(gate)
    os.close(opener)
    return {"codes": [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]}


def _serve() -> None:
    # all that a conversion imports on its way, so that children spend no time on it
    for name in "folders slices".split():
        importlib.import_module(f"ngffkit.sources.stacks.{name}")
    for name in "chunks.reader execute.commit sources.rasters.png".split():
        importlib.import_module(f"ngffkit.{name}")
    for name in "planning.carrying planning.sidecar stores.folders writing verifying".split():
        importlib.import_module(f"ngffkit.{name}")
    for name in "editing.doors rewriting.doors rewriting.carrying stores.uploads".split():
        importlib.import_module(f"ngffkit.{name}")
    importlib.import_module("faults")

    for line in sys.stdin:
        order = json.loads(line)
        done = _pair(order["pair"]) if "pair" in order else _experiment(order)
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        convert(*sys.argv[1:3], executor="processes", workers=2)
    else:
        _serve()
