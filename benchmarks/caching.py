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

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE)]

import alone  # noqa: E402 - scripts beside this one, and of the tests
from httpd import serve  # noqa: E402

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


def measure(folder: Path, repeats: int) -> dict[int, dict[str, tuple[float, float]]]:
    """Return the time of each way to have an object, by its size."""
    www, out = folder / "www", {}
    www.mkdir()
    for size in SIZES:
        for i in range(repeats):
            (www / f"{size}-{i}").write_bytes(os.urandom(size))
    with serve(www) as server:
        local, far = open_store(www), open_store(server.url)
        cache = nk.cache(server.url, folder=folder / "cache", size="20 GB")
        for size in SIZES:
            keys = [f"{size}-{i}" for i in range(repeats)]
            found = {"no cache": median(far.get, keys), "miss": median(cache.get, keys)}
            found |= {"hit": median(cache.get, keys), "local file": median(local.get, keys)}
            out[size] = {name: found[name] for name in ("local file", "hit", "miss", "no cache")}
    return out


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--tell", action="store_true", help="a line for the harness, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), args.repeats)
    print("microseconds per object, median (distance of quartiles)")
    print(f"{'bytes':>9}", *(f"{name:>16}" for name in found[SIZES[0]]), sep="  ")
    for size, times in found.items():
        print(f"{size:>9}", *(f"{m:9.1f} ({d:5.1f})" for m, d in times.values()), sep="  ")
    if args.tell:
        table = {
            f"{size:,}": {name: middle for name, (middle, _) in times.items()}
            for size, times in found.items()
        }
        alone.tell({"bytes; µs per object": table})


if __name__ == "__main__":
    main()
