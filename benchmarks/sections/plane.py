"""Planes from afar: the first one of a new process, and any after it, over 30 ms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from contenders._reading import Box, as_text, digest_of
from harness import Case, Mode, contenders
from sections.read import told
from served import BUCKET, served
from volumes import CHUNK, LAYOUTS, Layout, volume, write

LATENCY = 0.03

#: What a quick run reads.
QUICK = {("v3", "http", "next"), ("sharded", "http", "first"), ("v2", "s3", "next")}


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[Sequence[Case]]:
    """Write the volume, serve it; yield a case for each layout, protocol, and kind of plane."""
    data = volume(mode.size)
    write(folder, data)
    whole = slice(0, mode.size)
    at = np.random.default_rng(3).integers(0, mode.size, 8).tolist()
    every: list[Box] = [(slice(z, z + 1), whole, whole) for z in at]
    with served(folder, LATENCY) as server, served(folder, LATENCY) as another:
        yield [
            _case((layout, line, which), (server, another), every, data)
            for layout in LAYOUTS
            for line in ("http", "s3")
            for which in ("first", "next")
            if not mode.quick or (layout.name, line, which) in QUICK
        ]


def _at(layout: Layout, line: str, server: str, size: int) -> dict[str, Any]:
    """Return what a contender is told of an image at a server."""
    root = f"{server}/{BUCKET}" if line == "http" else f"s3://{BUCKET}"
    asked = told(layout, f"{root}/{layout.folder}", f"{root}/{layout.name}", size)
    return asked if line == "http" else asked | {"endpoint": server}


def _case(
    what: tuple[Layout, str, str], servers: Sequence[str], every: Sequence[Box], data: np.ndarray
) -> Case:
    layout, line, which = what
    here, before = (_at(layout, line, server, data.shape[0]) for server in servers)
    asked = here | {"server": servers[0], "boxes": as_text(every)}
    how = f"the median of {len(every)} reads after a first one"
    if which == "first":
        asked["before"] = before
        how = (
            "the first read of an image that was just opened: nothing is connected that opening "
            "did not connect, no index is known, and imports were done by reading from elsewhere"
        )
    return Case(
        f"{layout.name}, {line}, {which} plane",
        contenders("plane", asked),
        pixels=digest_of(data, every[:1] if which == "first" else every),
        note=f"{data.shape[1]} × {data.shape[2]} of {data.shape[0]}³, uint8, chunks of {CHUNK}³; "
        f"{how}; {LATENCY * 1e3:.0f} ms before each answer; requests and bytes are of one plane, "
        "by the server's log",
    )
