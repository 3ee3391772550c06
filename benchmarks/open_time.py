"""Opening: milliseconds for a local image, requests and rounds over HTTP with 30 ms latency.

    python benchmarks/open_time.py [--repeats 15]

Imports are done before the clock starts. A round is a set of requests that are under way together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

import ngffkit as nk
from ngffkit.spec import WRITABLE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from httpd import serve

LATENCY = 0.03

Open = Callable[[str], Any]

#: Ways to open, by what is asked for.
WAYS: dict[str, Open] = {
    "nk.open": nk.open,
    "nk.open(labels=False)": lambda path: nk.open(path, labels=False),
    "xr.open_dataset(mag='2-2-1')": lambda path: xr.open_dataset(path, engine="ngff", mag="2-2-1"),
}


def local(path: str, way: Open, repeats: int) -> float:
    """Return the median of opening a folder, in milliseconds."""
    way(path)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        way(path)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def remote(path: str, way: Open) -> dict[str, float]:
    """Return requests, rounds and milliseconds of opening over HTTP."""
    folder, name = Path(path).parent, Path(path).name
    with serve(folder, latency=LATENCY) as server:
        start = time.perf_counter()
        way(f"{server.url}/{name}")
        took = time.perf_counter() - start
        return {"requests": len(server.asked()), "rounds": server.rounds(), "http_ms": took * 1e3}


def main() -> None:
    """Print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for version in WRITABLE:
            path = nk.sample(f"{folder}/{version}/cells.ome.zarr", version=version)
            for name, way in WAYS.items():
                row = {"version": version, "way": name, "local_ms": local(path, way, repeats)}
                rows.append(row | remote(path, way))
    print(
        f"{'version':<8} {'way':<30} {'local':>9} {'requests':>9} {'rounds':>7} {'30 ms http':>11}"
    )
    for row in rows:
        print(
            f"{row['version']:<8} {row['way']:<30} {row['local_ms']:>6.1f} ms "
            f"{row['requests']:>9} {row['rounds']:>7} {row['http_ms']:>8.0f} ms"
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
