"""The cache of remote data: time of a hit, of a miss, and of the same read without it.

    python benchmarks/caching.py [--repeats 200]

The server is on this machine, without latency, so that only the cache's own work shows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ngffkit as nk
from ngffkit.stores.opening import open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from httpd import serve

SIZES = (4_096, 65_536, 262_144, 1_048_576)


def median(read: Callable[[str], Any], keys: list[str]) -> tuple[float, float]:
    """Return the median time of a call and the distance of the quartiles, in microseconds."""
    times = []
    for key in keys:
        start = time.perf_counter()
        read(key)
        times.append((time.perf_counter() - start) * 1e6)
    first, middle, third = statistics.quantiles(times, n=4)
    return middle, third - first


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    print("microseconds per object, median (distance of quartiles)")
    print(f"{'bytes':>9}  {'local file':>16}  {'hit':>16}  {'miss':>16}  {'no cache':>16}")
    with tempfile.TemporaryDirectory() as name:
        www = Path(name, "www")
        www.mkdir()
        for size in SIZES:
            for i in range(repeats):
                (www / f"{size}-{i}").write_bytes(os.urandom(size))
        with serve(www) as server:
            local, far = open_store(www), open_store(server.url)
            cache = nk.cache(server.url, folder=Path(name, "cache"), size="20 GB")
            for size in SIZES:
                keys = [f"{size}-{i}" for i in range(repeats)]
                found = {"no": median(far.get, keys), "miss": median(cache.get, keys)}
                found |= {"hit": median(cache.get, keys), "local": median(local.get, keys)}
                cells = (found[column] for column in ("local", "hit", "miss", "no"))
                print(f"{size:>9}", *(f"{m:9.1f} ({d:5.1f})" for m, d in cells), sep="  ")


if __name__ == "__main__":
    main()
