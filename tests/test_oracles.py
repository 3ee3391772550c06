"""Independent eyes: other people's readers read what we write, without a complaint, to the pixel.

They live in venvs of their own, which ``make oracles`` builds: their pins are not ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ngffkit as nk
from ngffkit import writing

ROOT = Path(__file__).parents[1]
ORACLES = Path(os.environ.get("NGFFKIT_ORACLES", ROOT / ".venv-oracles"))
WEBKNOSSOS = Path(os.environ.get("NGFFKIT_WEBKNOSSOS", ROOT / ".venv-webknossos"))

#: The rules of WEBKNOSSOS's importer; kept by the project, not in the repository.
RULES = ROOT.parent / "shared/tools/webknossos_accepts.py"

ZARR, PIXELS = ("zarr-python", "tensorstore"), ("ome-zarr-py", "ngff-zarr")
MODELS = ("ome-zarr-models", "yaozarrs")

#: Which reader knows which version.
KNOWS: Mapping[str, tuple[str, ...]] = {
    "0.4": (*ZARR, *PIXELS, *MODELS),
    "0.5": (*ZARR, *PIXELS, *MODELS),
    "0.6": (*ZARR, *PIXELS, "ome-zarr-models"),  # yaozarrs: not implemented
}

#: Which reader opens a single file.
KNOWS_OZX = ("zarr-python", "ngff-zarr", "ome-zarr-models")

#: Versions that the rules of WEBKNOSSOS's importer know; the sidecar works for all.
KNOWS_RULES = ("0.4", "0.5")

#: Complaints that are no fault of the image.
EXCUSED = (
    # its importer looks for labels of Zarr v2 only; the sidecar has them as layers
    "labels/zarr.json is not looked at: add every label image as its own URI",
)


@dataclass(frozen=True)
class Case:
    """One conversion: what of, and how."""

    dims: str
    shape: tuple[int, ...]
    dtype: str
    version: str = "0.5"
    options: Mapping[str, Any] = field(default_factory=dict)
    ending: str = "zarr"
    files: str = ""


def _cases() -> dict[str, Case]:
    out: dict[str, Case] = {}
    for version in KNOWS:
        flat = {"shards": None} if version == "0.4" else {"shards": 64}
        png, tif = {"files": "png"}, {"files": "tif"}
        many = {
            "png stack with labels": Case("zyx", (24, 70, 90), "u1", version, flat, **png),
            "channels": Case("czyx", (3, 20, 65, 70), "u2", version, flat, **tif),
            "time": Case("tczyx", (2, 2, 9, 40, 50), "u1", version, flat),
            "plane": Case("yx", (333, 257), "u2", version, flat),
            "planes in time": Case("tyx", (5, 64, 63), "u1", version, flat),
            "labels": Case("zyx", (17, 33, 65), "u4", version, flat | {"kind": "label"}),
            "floats": Case("zyx", (16, 31, 47), "f4", version, flat | {"method": "gaussian"}),
            "doubles": Case("zyx", (8, 31, 33), "f8", version, flat | {"compression": "gzip:3"}),
            "signed": Case("zyx", (9, 33, 31), "i2", version, flat | {"compression": "none"}),
            "thin": Case("zyx", (1, 100, 1), "u1", version, flat),
            "wide ids": Case("zyx", (8, 40, 40), "u8", version, flat | {"kind": "label"}),
        }
        out |= {f"{version} {name}": case for name, case in many.items()}
    out["0.5 unsharded"] = Case("zyx", (40, 50, 60), "u2", options={"shards": None})
    out["0.5 file"] = Case("zyx", (40, 50, 60), "u2", ending="ozx", options={"shards": 64})
    return out


CASES = _cases()
FOLDERS = [name for name, case in CASES.items() if case.ending == "zarr"]


def pixels(case: Case) -> np.ndarray:
    rng, where = np.random.default_rng(len(case.shape)), np.indices(case.shape)
    if case.options.get("kind") == "label":
        ids = sum(axis // 9 * 10**i for i, axis in enumerate(where))
        return np.asarray(ids).astype(case.dtype) << np.uint8(2 if case.dtype == "u8" else 0)
    smooth = sum(np.sin(axis / 5) for axis in where) + rng.random(case.shape)
    return np.asarray(smooth * 20 + 100).astype(case.dtype)


def slices(folder: Path, volume: np.ndarray, ending: str) -> str:
    """Write a stack of planes, a folder per channel, as instruments do."""
    from PIL import Image

    stacks = (
        {f"c{c}": stack for c, stack in enumerate(volume)} if volume.ndim == 4 else {"": volume}
    )
    for name, stack in stacks.items():
        (folder / name).mkdir(parents=True)
        for i, plane in enumerate(stack):
            Image.fromarray(plane).save(folder / name / f"s{i:03}.{ending}")
    return str(folder)


def convert(case: Case, target: Path) -> None:
    volume, more = pixels(case), dict(case.options)
    source: Any = volume
    spacing = {"t": 2.5, "z": 40.0, "y": 4.0, "x": 4.0}
    more["voxel_size"] = {name: spacing[name] for name in case.dims if name != "c"}
    if case.files:
        source = slices(target.with_suffix(".source"), volume, case.files)
        if "c" in case.dims:
            more["pattern"] = f"c{{c}}/s{{z}}.{case.files}"
        else:
            cells = (np.indices(case.shape).sum(0) // 16).astype("u2")
            more["labels"] = {"cells": slices(target.with_suffix(".cells"), cells, "png")}
    else:
        more["axes"] = case.dims
    if case.ending == "zarr":
        more["sidecar"] = case.dtype != "u8" or case.options.get("kind") == "label"
    writing.convert(
        source, target, unit="nm", chunks=32, version=case.version, mags=None, until=16, **more
    )


def ours(root: Path) -> dict[str, str]:
    """Return the sha256 of every level of an image and its labels, by path."""
    out = {}
    for node in nk.open(root).subtree:
        for data in node.data_vars.values():
            path = str(data.encoding["source"]).removeprefix(str(root)).strip("/")
            values = data.values
            values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            out[path] = hashlib.sha256(values.tobytes()).hexdigest()
    return out


def ask(venv: Path, script: str, order: Any) -> Any:
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        pytest.skip(f"{venv} is not there: make oracles")
    done = subprocess.run(
        [python, ROOT / "tests/oracles" / script],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("oracles")
    made = {}
    for i, (name, case) in enumerate(CASES.items()):
        made[name] = folder / f"case-{i}.{case.ending}"
        convert(case, made[name])
    return made


def readers_of(name: str) -> tuple[str, ...]:
    return KNOWS_OZX if CASES[name].ending == "ozx" else KNOWS[CASES[name].version]


@pytest.fixture(scope="module")
def read(outputs: dict[str, Path]) -> Any:
    orders = [
        {"name": name, "path": str(path), "readers": readers_of(name)}
        for name, path in outputs.items()
    ]
    return ask(ORACLES, "readers.py", orders)


@pytest.fixture(scope="module")
def shown(outputs: dict[str, Path]) -> Any:
    rules = str(RULES) if RULES.exists() else None
    orders = [
        {"name": name, "path": str(path), "rules": CASES[name].version in KNOWS_RULES}
        for name, path in outputs.items()
        if (path / "datasource-properties.json").is_file()
    ]
    return ask(WEBKNOSSOS, "in_webknossos.py", {"rules": rules, "orders": orders})


@pytest.mark.parametrize("name", CASES)
def test_no_reader_complains_and_all_see_the_same_pixels(read, outputs, name):
    truth = ours(outputs[name])
    assert set(read[name]) == set(readers_of(name))
    for reader, found in read[name].items():
        assert found["complaints"] == [], reader
        if reader not in MODELS:
            assert found["levels"] == truth, reader


@pytest.mark.parametrize("name", FOLDERS)
def test_mag_1_is_the_source(outputs, name):
    np.testing.assert_array_equal(
        next(iter(nk.open_dataset(outputs[name]).data_vars.values())).values, pixels(CASES[name])
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_webknossos_opens_it_in_place_and_sees_the_same_pixels(shown, outputs, name):
    found, case = shown[name], CASES[name]
    assert [c for c in found["complaints"] if c not in EXCUSED] == []
    factor = [4.0, 4.0, 40.0 if "z" in case.dims else 1.0, "nanometer"]
    assert found["scale"] == factor
    expected = {}
    for node in nk.open(outputs[name]).subtree:
        for kind, data in node.data_vars.items():
            image = node.path.strip("/").rpartition("/")[0] if kind == "labels" else ""
            channels = range(data.sizes.get("c", 1))
            for i in channels:
                part = data.isel(c=[i]) if "c" in data.dims else data
                values = part.values
                values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
                digest = hashlib.sha256(values.tobytes()).hexdigest()
                expected.setdefault((image.removeprefix("labels/"), i), []).append(digest)
    seen = [sorted(m["sha"] for m in layer["mags"].values()) for layer in found["layers"].values()]
    assert sorted(seen) == sorted(sorted(digests) for digests in expected.values())
    kinds = [layer["category"] for layer in found["layers"].values()]
    labelled = case.options.get("kind") == "label"
    extra = ["segmentation"] if case.files and "c" not in case.dims else []
    own = ["segmentation" if labelled else "color"] * (
        3 if case.shape[0] == 3 and "c" in case.dims else 1
    )
    if case.dims == "tczyx":
        own = ["color"] * case.shape[1]
    assert kinds == own + extra


def test_readers_would_complain(outputs, tmp_path):
    """Eyes that see nothing wrong anywhere are no eyes: show them what is."""
    name = "0.5 png stack with labels"
    wrong = Path(shutil.copytree(outputs[name], tmp_path / "wrong.zarr"))
    document = json.loads((wrong / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["axes"].pop()
    (wrong / "zarr.json").write_text(json.dumps(document))
    order = [{"name": "wrong", "path": str(wrong), "readers": ["ngff-zarr", *MODELS]}]
    for reader, found in ask(ORACLES, "readers.py", order)["wrong"].items():
        assert found["complaints"], reader
