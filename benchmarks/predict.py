"""Predicted and measured: requests, bytes and seconds of five layouts by six patterns.

    python benchmarks/predict.py [--side 256] [--rounds 3] [--latency 0.03] [--layouts v2-32,v3-64]

Each layout is read from a folder and over HTTP with latency, by a server in a process of its own,
which shares the processors with the reader. Requests and bytes must be equal; the ratio of
predicted to measured seconds is printed, and the share that lies within a factor of two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ngffkit as nk

HERE = Path(__file__).parent
TESTS = str(HERE.parent / "tests")
sys.path[:0] = [TESTS, str(HERE)]

import alone  # noqa: E402 - scripts beside this one, and of the tests
from makers import How, write  # noqa: E402

#: What is written, by name; all of one level.
LAYOUTS = {
    "v2-32": How(version="0.4", chunks=32, factors=()),
    "v2-64": How(version="0.4", chunks=64, factors=()),
    "v3-64": How(chunks=64, factors=()),
    "v3-sharded": How(chunks=32, shards=(128, 128, 128), factors=()),
    "v3-tczyx": How(
        dims="tczyx", chunks=(1, 1, 16, 64, 64), shards=(2, 1, 32, 128, 128), factors=()
    ),
}

PATTERNS = ("xy plane", "xz plane", "yz plane", "cutout 64", "full scan", "view")
#: Of the image with time, which stands in for the cutout.
IN_TIME = ("xy plane", "xz plane", "yz plane", "time series", "full scan", "view")

_SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from httpd import serve
with serve(Path(sys.argv[2]), latency=float(sys.argv[3])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """One pattern of one layout over one line, cold or warm."""

    way: str
    layout: str
    pattern: str
    state: str
    exact: bool
    requests: float
    nbytes: float
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """Predicted by measured seconds."""
        return self.predicted / self.measured


def pixels(side: int, dims: str) -> np.ndarray:
    """Return noise upon waves, which compresses about as microscopy does; a corner is empty."""
    shape = (6, 2, side // 4, side, side) if "t" in dims else (side,) * 3
    chance = np.random.default_rng(0)
    waves = sum(np.ix_(*(np.sin(np.arange(n) / 20) * 400 for n in shape)), start=np.zeros(shape))
    noise = chance.integers(0, 64, shape)
    data: np.ndarray = (waves - waves.min() + noise).astype(np.uint16)
    data[..., : side // 2, : side // 2] = 0
    return data


@contextmanager
def server(root: Path, latency: float) -> Iterator[str]:
    """Serve a folder from a process of its own."""
    command = [sys.executable, "-c", _SERVER, TESTS, str(root), str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def compare(way: str, layout: str, place: str, rounds: int) -> list[Compared]:
    """Measure one layout."""
    names = IN_TIME if "t" in LAYOUTS[layout].dims else PATTERNS
    found = nk.benchmark(place, patterns=names, rounds=rounds, seconds=600)
    out = []
    for row in found.rows:
        counts = row.requests, row.nbytes
        exact = counts == (row.predicted.requests, row.predicted.nbytes)
        assert row.cold is not None
        assert row.warm is not None
        for state, predicted, timed in (
            ("cold", row.predicted_cold, row.cold),
            ("warm", row.predicted_warm, row.warm),
        ):
            out.append(
                Compared(way, layout, row.pattern, state, exact, *counts, predicted, timed.median)
            )
    return out


def _word(row: Compared) -> str:
    if row.state == "warm":  # requests are counted for the cold read
        return ""
    return "yes" if row.exact else "NO"


def show(rows: list[Compared]) -> None:
    """Print a table, and what it comes to."""
    print(
        f"{'line':<6} {'layout':<11} {'pattern':<12} {'state':<5} {'requests':>8} {'MB':>8} "
        f"{'exact':>5} {'predicted':>11} {'measured':>11} {'ratio':>6}"
    )
    for row in rows:
        print(
            f"{row.way:<6} {row.layout:<11} {row.pattern:<12} {row.state:<5} {row.requests:>8.0f} "
            f"{row.nbytes / 1e6:>8.2f} {_word(row):>5} "
            f"{row.predicted * 1e3:>8.2f} ms {row.measured * 1e3:>8.2f} ms {row.ratio:>6.2f}"
        )
    for what, found in figures(rows)["predicted / measured"].items():
        print(
            f"{what}: {found['within a factor of two']} of {found['patterns']} within 2x "
            f"(ratios {found['least']:.2f} to {found['most']:.2f}), "
            f"{found['requests and bytes exact']} exact"
        )


def figures(rows: list[Compared]) -> dict[str, Any]:
    """Return what it comes to: by line, cold and warm."""
    out = {}
    for way in sorted({row.way for row in rows}):
        for state in ("cold", "warm"):
            some = [row for row in rows if (row.way, row.state) == (way, state)]
            out[f"{way}, {state}"] = {
                "patterns": len(some),
                "requests and bytes exact": sum(row.exact for row in some),
                "within a factor of two": sum(0.5 <= row.ratio <= 2 for row in some),
                "least": min(row.ratio for row in some),
                "most": max(row.ratio for row in some),
            }
    return {"predicted / measured": out}


def main() -> None:
    """Measure all, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="some of them")
    parser.add_argument("--tell", action="store_true", help="a line for the harness, too")
    args = parser.parse_args()
    rows: list[Compared] = []
    layouts = args.layouts.split(",")
    with tempfile.TemporaryDirectory() as folder:
        for name in layouts:
            how = LAYOUTS[name]
            write(Path(folder, name), [pixels(args.side, how.dims)], how)
        os.sync()
        for name in layouts:
            rows += compare("folder", name, f"{folder}/{name}", args.rounds)
        with server(Path(folder), args.latency) as url:
            for name in layouts:
                rows += compare("http", name, f"{url}/{name}", args.rounds)
    show(rows)
    if args.tell:
        alone.tell(figures(rows))


if __name__ == "__main__":
    main()
