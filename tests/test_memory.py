"""Memory is a number one sets: what is measured stays below what the plan says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ngffkit import writing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process had")

MIB = 2**20

#: By name: what is read, and how.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("png", {}),
    "tif": ("tif", {}),
    "png, two threads": ("png", {"workers": 2}),
    "wide planes are staged": ("wide", {"memory": "least"}),
    "labels by mode": ("labels", {"method": "mode", "kind": "label"}),
    "gaussian": ("png", {"method": "gaussian"}),
    "median of floats": ("floats", {"method": "median"}),
    "array file": ("npy", {}),
    "zarr": ("zarr", {"chunks": 32}),
    "unsharded": ("png", {"shards": None}),
}

#: Those that the usual suite runs; ``-m slow`` runs the others.
FEW = ("png", "wide planes are staged", "median of floats")


def planes(folder: Path, count: int, height: int, width: int, ending: str, dtype: str) -> Path:
    folder.mkdir()
    x = np.arange(width)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 40, (height, width))
    for i in range(count):
        plane = (100 + 60 * np.sin(x / 50 + i / 9) + np.roll(noise, i)).astype(dtype)
        if ending == "tif":
            Image.fromarray(plane).save(folder / f"{i:04}.tif", compression="tiff_lzw")
        else:
            Image.fromarray(plane).save(folder / f"{i:04}.{ending}", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root, made = tmp_path_factory.mktemp("memory"), dict[str, Path]()

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = make(root, kind)
        return made[kind]

    return get


#: Stacks: number, height and width of planes, ending, type.
STACKS = {
    "png": (160, 512, 512, "png", "u1"),
    "tif": (80, 512, 512, "tif", "u2"),
    "wide": (12, 1600, 2400, "png", "u1"),
    "floats": (64, 512, 400, "tif", "f4"),
}


def make(root: Path, kind: str) -> Path:
    where = root / kind
    if kind in STACKS:
        return planes(where, *STACKS[kind])
    if kind == "labels":
        where.mkdir()
        y, x = np.indices((512, 512))
        for i in range(96):
            ids = (x // 40 + 20 * (y // 40) + i // 10).astype("u2")
            Image.fromarray(ids).save(where / f"{i:04}.png")
        return where
    volume = np.asarray(np.indices((96, 400, 512)).sum(0) * 7 % 251).astype("u2")
    if kind == "npy":
        np.save(root / "volume.npy", volume)
        return root / "volume.npy"
    writing.convert(volume, where.with_suffix(".zarr"), voxel_size=(1, 1, 1), mags=["1"])
    return where.with_suffix(".zarr")


def measure(source: Path, target: Path, options: dict[str, Any]) -> dict[str, int]:
    order = {"source": str(source), "target": str(target), "options": options}
    child = [sys.executable, str(Path(__file__).with_name("memory_child.py")), json.dumps(order)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FEW else [pytest.mark.slow]) for n in RUNS]
)
def test_the_peak_stays_below_what_the_plan_says(sources, tmp_path, name):
    kind, options = RUNS[name]
    given = {"voxel_size": (1, 1, 1), "unit": "nm", "chunks": 64, "workers": 1} | options
    if given.get("memory") == "least":
        # as little as a process can do with, or a scratch file would not be needed
        given["memory"] = 110 * MIB
    found = measure(sources(kind), tmp_path / "a.zarr", given)
    said = ", ".join(f"{key} {value / MIB:.0f} MiB" for key, value in found.items())
    print(f"\n{name}: {said}")
    assert found["peak"] <= found["planned"], said
    if kind == "wide":
        assert found["staged"], said
    # a figure that is far too high is no help either
    assert found["planned"] < 2.5 * found["peak"], said


@pytest.mark.slow
def test_the_peak_does_not_grow_with_the_number_of_slices(sources, tmp_path):
    few, many = sources("png"), tmp_path / "many"
    many.mkdir()
    for i in range(1280):
        (many / f"{i:04}.png").hardlink_to(few / f"{i % 160:04}.png")
    options = {"voxel_size": (1, 1, 1), "workers": 1}
    small = measure(few, tmp_path / "few.zarr", options)
    large = measure(many, tmp_path / "many.zarr", options)
    assert large["nbytes"] > 7.9 * small["nbytes"]
    assert large["peak"] < 1.1 * small["peak"]
