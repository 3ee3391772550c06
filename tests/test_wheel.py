"""The wheel holds what it should, is the same each time, and does the main job when installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

SMOKE: Final = """
import json, sys
import numpy as np, xarray as xr
import ngffkit as nk

assert "ngff" in xr.backends.list_engines()
path = nk.sample("cells.ome.zarr")
dt = nk.open(path)
fine, coarse = dt["1"]["image"], dt["2-2-1"]["image"]
np.testing.assert_allclose(coarse, fine.coarsen(y=2, x=2).mean(), atol=0.5)
again = xr.open_dataset(path, engine="ngff", mag="2-2-1")["image"]
xr.testing.assert_equal(again, coarse)
assert nk.validate(path).valid
dt.ngff.plot().savefig("plane.png")
assert nk.tune(path, line="S3", probe=False).layout == {}
nk.rewrite(path, target="other.zarr", chunks=32, shards=None)
xr.testing.assert_equal(nk.open("other.zarr")["1"]["image"], fine)
assert "sidecar" in nk.webknossos.__all__
try:
    nk.serve(path)
except nk.NgffError as err:
    assert "pip install 'ngffkit[serve]'" in str(err)
else:
    raise AssertionError("served without the extra")
files = [str(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)]
print(json.dumps({"files": files, "path": sys.path}))
"""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """Run a command in an environment that says nothing of the checkout; return what it prints."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | {"PYTHONNOUSERSITE": "1", "MPLBACKEND": "agg"} | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("ngffkit-*.whl")
    return found


def test_wheel_holds_the_package_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = next(n for n in names if n.endswith("METADATA"))
        metadata = archive.read(record).decode()
    package = {n for n in names if n.startswith("ngffkit/")}
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ngffkit").rglob("*.py")}
    bundles = {f"ngffkit/widgets/static/{name}.js" for name in ("browse", "panels")}
    assert package == sources | {"ngffkit/py.typed", *bundles}
    assert sorted(names) == sorted(set(names))
    about = {n.split("/", 1)[1] for n in set(names) - package if ".dist-info/" in n}
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert len(names) == len(package) + len(about)
    assert "License-Expression: BSD-3-Clause" in metadata
    assert wheel.stat().st_size < 1_100_000


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what builds ngffkit, as pyproject.toml names it."""
    folder = tmp_path_factory.mktemp("backend")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--target", folder, *wanted, cwd=folder)
    return folder


def build(kind: str, source: Path, folder: Path, backend: Path, **more: str) -> Path:
    """Build a wheel or an sdist of a folder into another one; return it."""
    folder.mkdir()
    command = (sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder)
    run(*command, cwd=source, PYTHONPATH=str(backend), **more)
    (found,) = (path for path in folder.iterdir() if path.name.startswith("ngffkit-"))
    return found


def test_the_same_sources_give_the_same_bytes(backend: Path, tmp_path: Path):
    # in the second build every file is younger, and has other permissions' umask
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist", backend)) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    for path in unpacked.rglob("*.py"):
        os.utime(path)
        path.chmod(0o600)
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    first = build("wheel", ROOT, tmp_path / "first", backend, **epoch)
    second = build("wheel", ROOT, tmp_path / "second", backend, **epoch)
    assert first.read_bytes() == second.read_bytes()
    assert build("wheel", unpacked, tmp_path / "third", backend, **epoch).read_bytes() == (
        first.read_bytes()
    )
    # the date stands in it, so the comparison would see another one
    other = build("wheel", ROOT, tmp_path / "other", backend, SOURCE_DATE_EPOCH="1600000000")
    assert other.read_bytes() != first.read_bytes()


def test_sdist_holds_what_tests_need_and_no_leftovers(backend: Path, tmp_path: Path):
    archive = build("sdist", ROOT, tmp_path / "sdist", backend)
    with tarfile.open(archive) as opened:
        names = {name.split("/", 1)[1] for name in opened.getnames() if "/" in name}
    heads = {name.split("/")[0] for name in names}
    wanted = {"ngffkit", "js", "tests", "docs", "notebooks", "benchmarks", "binder", "compat"}
    assert wanted <= heads
    said = {"Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"}
    made = {"PKG-INFO", "pyproject.toml", ".gitignore", ".ci"}
    assert heads <= wanted | said | made
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {"node_modules", "__pycache__", ".venv", ".bench", "_build", "dist"}
    assert {".ci/nightly", "tests/conftest.py", "js/src/types.js", "docs/index.md"} <= names
    assert archive.stat().st_size < 5_000_000


def test_installed_wheel_does_the_main_job(wheel: Path, tmp_path: Path):
    run(sys.executable, "-m", "venv", "--without-pip", "env", cwd=tmp_path)
    binaries = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "--python", python, "install", "--no-compile", wheel, cwd=tmp_path)

    found = json.loads(run(python, "-W", "error", "-c", SMOKE, cwd=tmp_path).splitlines()[-1])
    ours = [name for name in found["files"] if "ngffkit" in Path(name).parts]
    assert ours
    assert all(Path(name).is_relative_to(tmp_path) for name in ours)
    assert not [p for p in found["files"] + found["path"] if Path(p).is_relative_to(ROOT)]

    program = binaries / "ngffkit"
    assert "2-2-1" in run(program, "info", "cells.ome.zarr", cwd=tmp_path)
    report = json.loads(run(program, "validate", "--json", "cells.ome.zarr", cwd=tmp_path))
    assert report["valid"]
