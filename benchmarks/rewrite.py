"""Rewriting: files, and times of planes and cutouts before and after, here and over HTTP.

    python benchmarks/rewrite.py [--size 512] [--rounds 5] [--default] [--line S3] [--tell]

One EM-like volume (uint8) lies as Zarr v2 in chunks of 32^3, one file each. A copy of it is
rewritten as `nk.tune` advises, or, with --default, in chunks of 64^3 and shards of 512^3. Then the
same boxes are read from both, in turn, so that the machine's moods hit them alike: from the folder,
and from a web server that answers each request after 30 ms; each by an image that was just opened
(cold: no index of a shard is known) and by one that has read this pattern before (warm). Pixels are
compared before anything counts. Printed are medians.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ngffkit as nk
from ngffkit.rewriting.doors import plan_rewrite
from ngffkit.spec.encode import DEFAULT, WRITABLE
from ngffkit.writing import convert

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import alone  # noqa: E402 - scripts beside this one, and of the tests
from httpd import serve  # noqa: E402
from volumes import volume  # noqa: E402

Box = tuple[slice, slice, slice]

LATENCY, CHUNK = 0.03, 32

#: What is written where nothing is advised.
LAYOUT = {"version": DEFAULT, "chunks": 64, "shards": 512}

#: The oldest version that is written: Zarr v2.
OLD = WRITABLE[0]


def boxes(size: int, rounds: int) -> dict[str, list[Box]]:
    """Return the boxes of each access pattern, one per round."""
    rng = np.random.default_rng(0)
    whole = slice(0, size)

    def plane(axis: int, i: int) -> Box:
        box = [whole] * 3
        box[axis] = slice(i, i + 1)
        return tuple(box)  # type: ignore[return-value]

    def cut(side: int) -> list[Box]:
        corners = rng.integers(0, size - min(side, size) + 1, (rounds, 3))
        side = min(side, size)
        return [tuple(slice(int(o), int(o) + side) for o in c) for c in corners]  # type: ignore[misc]

    at = [int(i) for i in rng.integers(0, size, rounds)]
    return {
        "xy plane": [plane(0, i) for i in at],
        "xz plane": [plane(1, i) for i in at],
        "yz plane": [plane(2, i) for i in at],
        "64^3": cut(64),
        "256^3": cut(256),
    }


def timed(image: Any, box: Box) -> tuple[float, np.ndarray]:
    """Return the seconds that a read takes, and the pixels."""
    began = time.perf_counter()
    found = image[box].values
    return time.perf_counter() - began, found


def measure(
    places: dict[str, str], data: np.ndarray, rounds: int, *, warm: bool
) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of each pattern at each place."""
    out: dict[str, dict[str, float]] = {}
    for pattern, every in boxes(data.shape[0], rounds).items():
        runs: dict[str, list[float]] = {name: [] for name in places}
        known = {name: nk.open_dataset(url)["image"] for name, url in places.items()}
        for i, box in enumerate([*every[:1], *every] if warm else every):
            for name, url in places.items():
                image = known[name] if warm else nk.open_dataset(url)["image"]
                seconds, found = timed(image, box)
                if not np.array_equal(found, data[box]):
                    sys.exit(f"{name}: other pixels at {box}")
                if i or not warm:
                    runs[name].append(seconds * 1e3)
        out[pattern] = {name: statistics.median(times) for name, times in runs.items()}
    return out


def sizes(root: Path) -> tuple[int, int]:
    """Return how many files a folder has, and their bytes."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def run(folder: Path, size: int, rounds: int, layout: Any, line: str | None) -> dict[str, Any]:
    """Write, rewrite, measure."""
    data = volume(size)
    before, after = folder / "before.zarr", folder / "after.zarr"
    convert(data, before, voxel_size=(4, 4, 4), unit="nm", version=OLD, chunks=CHUNK)
    shutil.copytree(before, after)
    if layout is None:
        # small volumes have few files, and nothing is advised for them
        layout = nk.tune(str(after), line=line).layout or LAYOUT
    plan = plan_rewrite(after, layout)
    print(plan, flush=True)
    began = time.perf_counter()
    plan.run()
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {
        "seconds": seconds,
        "sizes": {p.stem: sizes(p) for p in (before, after)},
    }
    places = {"before": str(before), "after": str(after)}
    with serve(folder, latency=LATENCY) as server:
        urls = {name: f"{server.url}/{name}.zarr" for name in places}
        for warm in (False, True):
            how = "warm" if warm else "cold"
            found[f"folder, {how}"] = measure(places, data, rounds, warm=warm)
            found[f"http 30 ms, {how}"] = measure(urls, data, rounds, warm=warm)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--default", action="store_true", help="don't ask for advice")
    parser.add_argument("--line", help="advice for SSD, LAN or S3 instead of what is here")
    parser.add_argument("--tell", action="store_true", help="a line for the harness, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layout = LAYOUT if args.default else None
        found = run(Path(folder), args.size, args.rounds, layout, args.line)
    print(f"\nrewritten, compared and swapped in {found['seconds']:.1f} s")
    for name, (files, nbytes) in found["sizes"].items():
        print(f"{name:8} {files:8,} files  {nbytes / 1e6:10.1f} MB")
    for where in (key for key in found if "cold" in key or "warm" in key):
        for pattern, times in found[where].items():
            ratio = times["before"] / times["after"]
            print(
                f"{where:16} {pattern:9} {times['before']:9.1f} ms -> {times['after']:8.1f} ms"
                f"  {ratio:5.1f} times as fast"
            )
    if args.tell:
        alone.tell(figures(found))


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept: files, seconds, and milliseconds before and after."""
    times = {
        f"{where}: {pattern}": {
            "before, ms": taken["before"],
            "after, ms": taken["after"],
            "after / before": taken["after"] / taken["before"],
        }
        for where in found
        if "cold" in where or "warm" in where
        for pattern, taken in found[where].items()
    }
    stored = {name: {"files": n, "MB": size / 1e6} for name, (n, size) in found["sizes"].items()}
    return {"rewritten, compared and swapped in, s": found["seconds"]} | {
        "image": stored,
        "read": times,
    }


if __name__ == "__main__":
    main()
