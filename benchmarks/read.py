"""Reading planes, cutouts and everything: ngffkit against tensorstore and zarr-python.

    python benchmarks/read.py [--size 512] [--rounds 5] [--json FILE]

One EM-like volume (uint8, chunks of 64^3) is written as Zarr v2 with Blosc, v3 with Zstandard, and
v3 sharded. Every reader reads the same boxes in turn, box by box, so that the machine's moods hit
all of them alike; pixels are compared before anything counts. Printed are medians and the median of
the ratios to tensorstore, wall and CPU. tensorstore runs with as many threads as there are cores
and without a cache, as ngffkit does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CHUNK = 64
LAYOUTS = ("v2 blosc", "v3 zstd", "v3 sharded")
Box = tuple[slice, slice, slice]
Reader = Callable[[Box], np.ndarray]


def volume(size: int) -> np.ndarray:
    """Return an EM-like volume: smooth structure, dark walls, shot noise."""
    rng = np.random.default_rng(7)
    out = np.empty((size,) * 3, np.uint8)
    ticks = np.linspace(0, 8 * np.pi, size, dtype=np.float32)
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    for z in range(size):
        s = ticks[z]
        wall = np.sin(x + np.sin(y + s)) * np.cos(y - np.cos(x - s / 2))
        plane = 150 - 60 * np.exp(-np.square(wall / 0.12)) + 8 * np.sin(3 * x + 5 * y + 7 * s)
        plane += 5 * rng.standard_normal(plane.shape, dtype=np.float32)
        out[z] = np.clip(60 + 0.62 * plane, 0, 255)
    return out


def write(root: Path, data: np.ndarray) -> dict[str, Path]:
    """Write the volume in each layout; return where."""
    import zarr
    from numcodecs import Blosc

    from ngffkit.grid import Axis, Grid
    from ngffkit.image import Image, Level
    from ngffkit.spec import encode

    axes = tuple(Axis(name, "space", "nanometer") for name in "zyx")
    image = Image("em", (Level("0", Grid(axes, data.shape, (4.0,) * 3, (0.0,) * 3)),))
    shard = min(512, data.shape[0])
    options: dict[str, dict[str, Any]] = {
        "v2 blosc": {"zarr_format": 2, "compressors": Blosc("zstd", 1, Blosc.SHUFFLE),
                     "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        "v3 zstd": {"zarr_format": 3, "compressors": zarr.codecs.ZstdCodec(level=1)},
        "v3 sharded": {"zarr_format": 3, "compressors": zarr.codecs.ZstdCodec(level=1),
                       "shards": (shard,) * 3},
    }  # fmt: skip
    out = {}
    for name, extra in options.items():
        path = out[name] = root / f"{name.replace(' ', '_')}.ome.zarr"
        version = "0.4" if extra["zarr_format"] == 2 else "0.5"
        group = zarr.open_group(
            path, mode="w", zarr_format=extra.pop("zarr_format"), attributes=encode(image, version)
        )
        if version == "0.5":
            extra["dimension_names"] = "zyx"
        array = group.create_array(
            "0", shape=data.shape, dtype=data.dtype, chunks=(CHUNK,) * 3, **extra
        )
        array[...] = data
    return out


def by_ngffkit(path: Path) -> Reader:
    """Read through xarray, as users do."""
    import ngffkit as nk

    image = nk.open(path)["1"].image
    return lambda box: image[box].values


def by_tensorstore(path: Path) -> Reader:
    """Read by tensorstore."""
    import tensorstore as ts

    context = ts.Context(
        {
            "data_copy_concurrency": {"limit": os.cpu_count()},
            "cache_pool": {"total_bytes_limit": 0},
        }
    )
    driver = "zarr3" if (path / "zarr.json").exists() else "zarr"
    store = ts.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/0/"}},
        context=context,
        open=True,
        read=True,
    ).result()
    return lambda box: store[box].read().result()


def by_zarr(path: Path) -> Reader:
    """Read by zarr-python as it comes."""
    import zarr

    array = zarr.open_array(path / "0", mode="r")
    return lambda box: np.asarray(array[box])


READERS = {"tensorstore": by_tensorstore, "ngffkit": by_ngffkit, "zarr": by_zarr}


def boxes(size: int) -> dict[str, list[Box]]:
    """Return the boxes of each access pattern."""
    rng = np.random.default_rng(0)
    whole, side = slice(0, size), size // 4
    at = [int(i) for i in rng.integers(0, size, 8)]
    corners = rng.integers(0, size - side, (8, 3))
    return {
        "xy plane": [(slice(i, i + 1), whole, whole) for i in at],
        "xz plane": [(whole, slice(i, i + 1), whole) for i in at],
        "yz plane": [(whole, whole, slice(i, i + 1)) for i in at],
        "cutout": [tuple(slice(int(o), int(o) + side) for o in c) for c in corners],  # type: ignore[misc]
        "all": [(whole, whole, whole)] * 2,
    }


def timed(read: Reader, box: Box) -> tuple[float, float]:
    """Return wall and CPU seconds of one read."""
    wall, cpu = time.perf_counter(), time.process_time()
    read(box)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(path: Path, data: np.ndarray, rounds: int) -> dict[str, Any]:
    """Read every box by every reader in turn; return medians and ratios."""
    readers = {name: make(path) for name, make in READERS.items()}
    out: dict[str, Any] = {}
    for pattern, places in boxes(data.shape[0]).items():
        for name, read in readers.items():
            if not np.array_equal(read(places[0]), data[places[0]]):
                sys.exit(f"{name} reads other pixels from {path.name}")
        runs = np.array(
            [
                [timed(read, box) for read in readers.values()]
                for _ in range(rounds)
                for box in places
            ]
        )
        ratios = runs / runs[:, :1]
        out[pattern] = {
            name: {
                "wall_ms": float(np.median(runs[:, i, 0]) * 1e3),
                "cpu_ms": float(np.median(runs[:, i, 1]) * 1e3),
                "wall_ratio": float(np.median(ratios[:, i, 0])),
                "cpu_ratio": float(np.median(ratios[:, i, 1])),
            }
            for i, name in enumerate(readers)
        }
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    data = volume(args.size)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for layout, path in write(Path(folder), data).items():
            results[layout] = measure(path, data, args.rounds)
            for pattern, found in results[layout].items():
                cells = "  ".join(
                    f"{name} {r['wall_ms']:8.2f}/{r['cpu_ms']:8.2f} ms"
                    f" ({r['wall_ratio']:.2f}/{r['cpu_ratio']:.2f})"
                    for name, r in found.items()
                )
                print(f"{layout:10} {pattern:8}  {cells}", flush=True)
    worst = {
        key: max(f["ngffkit"][key] for r in results.values() for f in r.values())
        for key in ("wall_ratio", "cpu_ratio")
    }
    print(
        f"ngffkit to tensorstore, worst of all: wall {worst['wall_ratio']:.2f}, "
        f"CPU {worst['cpu_ratio']:.2f}"
    )
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
