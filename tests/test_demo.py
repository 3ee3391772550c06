"""The sample is what it says, and the demo does the main job."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import ngffkit as nk
from ngffkit import cells
from ngffkit.cli import main
from ngffkit.demo import demo
from ngffkit.spec import WRITABLE


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return nk.sample(tmp_path_factory.mktemp("sample") / "cells.ome.zarr")


@pytest.fixture(scope="module")
def pixels():
    return cells.pixels()


# --- the sample -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WRITABLE)
def test_sample_of_every_version_is_valid_and_the_same(version, pixels, tmp_path):
    made = nk.sample(tmp_path / "cells.ome.zarr", version=version)
    for place in (made, f"{made}/labels", f"{made}/labels/nuclei"):
        assert list(nk.validate(place)) == []
    dt = nk.open(made)
    assert dt.ngff.version == version
    np.testing.assert_array_equal(dt["1"]["image"].values, pixels[0])
    np.testing.assert_array_equal(dt["labels/nuclei/1"]["labels"].values, pixels[1])


def test_sample_is_small_and_quick(path):
    files = [file for file in Path(path).rglob("*") if file.is_file()]
    assert 5e6 < sum(file.stat().st_size for file in files) < 8e6
    start = time.process_time()
    cells.pixels()
    assert time.process_time() - start < 5  # half a second where nothing else runs


def test_pixels_are_always_the_same(pixels):
    image, labels = cells.pixels()
    np.testing.assert_array_equal(image, pixels[0])
    np.testing.assert_array_equal(labels, pixels[1])
    # on another machine a rounding may go the other way in a few of them
    assert image.astype(float).mean() == pytest.approx(285.0144, abs=0.05)
    assert np.unique(labels).tolist() == list(range(53))


def test_mags_are_means_at_the_centres_of_what_they_cover(path):
    dt = nk.open(path)
    fine = dt["1"]["image"]
    assert dt.ngff.mags == ["1", "2-2-1", "4-4-1"]
    for mag, factor in (("2-2-1", 2), ("4-4-1", 4)):
        coarse = dt[mag]["image"]
        expected = fine.coarsen(y=factor, x=factor).mean()
        for name in "zyx":
            np.testing.assert_array_equal(coarse[name], expected[name])
        # each mag is rounded once more
        assert abs(coarse - expected).max() <= (0.5 if factor == 2 else 1.0)


def test_a_nucleus_is_at_one_place_in_every_mag(path):
    nuclei = nk.open(path)["labels/nuclei"]

    def centre(mag: str) -> np.ndarray:
        labels = nuclei[mag]["labels"]
        points = np.argwhere((labels == 20).values).mean(axis=0)
        return np.array(
            [
                np.interp(p, range(len(labels[d])), labels[d])
                for p, d in zip(points, "zyx", strict=True)
            ]
        )

    for mag in ("2-2-1", "4-4-1"):
        assert np.abs(centre(mag) - centre("1")).max() < 0.125  # half a pixel of mag 1


def test_labels_have_colours_and_match_the_nuclei(path):
    ds = nk.open(path)["1"].to_dataset()
    ids = ds.ngff.labels["nuclei"]["labels"]
    bright = ds["image"].sel(c="nuclei").where(ids > 0).mean().item()
    dark = ds["image"].sel(c="nuclei").where(ids == 0).mean().item()
    assert bright > 8 * dark
    info = nk.open(path)["labels/nuclei"].ngff.image.label
    assert len({color for _, color in info.colors}) == int(ids.max())


def test_arrays_are_sharded_and_named(path):
    array = zarr.open_array(f"{path}/s0", mode="r")
    assert (array.chunks, array.shards) == ((1, 16, 64, 64), (1, 32, 256, 256))
    assert array.metadata.dimension_names == ("c", "z", "y", "x")


def test_a_sample_that_is_there_is_kept_anything_else_refused(path, tmp_path):
    before = Path(path, "zarr.json").stat()
    assert nk.sample(path) == path
    assert Path(path, "zarr.json").stat() == before
    with pytest.raises(nk.NgffError, match="exists and is no sample"):
        nk.sample(path, version="0.4")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(nk.NgffError, match="exists and is no sample"):
        nk.sample(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_what_fails_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("ngffkit.samples._write_group", fail)
    with pytest.raises(OSError, match="disk full"):
        nk.sample(tmp_path / "cells.ome.zarr")
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_it_is_gone_when_python_is():
    code = "import ngffkit; print(ngffkit.sample())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip().endswith("cells.ome.zarr")
    assert not Path(made.stdout.strip()).parent.exists()


def test_mode_takes_the_most_frequent_and_the_largest_of_a_tie():
    fine = np.array([[1, 1, 0, 5], [2, 3, 5, 0], [7, 7, 1, 2], [7, 0, 3, 4]], np.uint16)
    assert cells.mode(fine).tolist() == [[1, 5], [7, 4]]
    assert cells.mean(np.array([[0, 1], [0, 1]], np.uint16)).tolist() == [[0]]  # half to even


# --- the demo -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where the demo was run, and what it said."""
    folder, said = tmp_path_factory.mktemp("demo"), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        assert main(["demo"]) == 0
    return folder, said.getvalue()


def test_demo_does_the_main_job(shown):
    folder, said = shown
    assert [path.name for path in folder.iterdir()] == ["demo-data"]
    assert "has the same pixels: True" in said
    assert "at z = 16 micrometer" in said
    assert "52 nuclei" in said
    assert "valid (no problems)" in said
    assert "sound, 7 objects" in said
    assert "make lab" in said
    assert "\x1b" not in said  # colours are for terminals
    picture, page = folder / "demo-data" / "cells.png", folder / "demo-data" / "cells.html"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_the_lines_that_the_demo_shows_run(shown, monkeypatch):
    folder, said = shown
    monkeypatch.chdir(folder)
    names = {"nk": nk, "xr": xr}
    for line in re.findall(r"^  >>> (.*)$", said, re.MULTILINE):
        if "http://" not in line:  # its server is gone by now
            exec(line, names)
    assert names["cut"].sizes["x"] == 81


def test_demo_finds_its_own_data_and_runs_without_dask(shown, capsys, monkeypatch):
    folder, _ = shown
    sample = (folder / "demo-data" / "cells.ome.zarr" / "zarr.json").stat()
    monkeypatch.setattr("ngffkit.demo.find_spec", lambda _: None)
    demo(folder / "demo-data")
    said = capsys.readouterr().out
    assert (folder / "demo-data" / "cells.ome.zarr" / "zarr.json").stat() == sample
    assert "52 nuclei" in said
    assert "pip install 'ngffkit[dask]'" in said
    assert "chunks={}" not in said


@pytest.mark.parametrize("there", ["slices", "cells.png", "from_slices.zarr"])
def test_demo_touches_nothing_of_somebody_else(there, tmp_path, capsys):
    (tmp_path / there).mkdir()
    (tmp_path / there / "mine.txt").write_text("mine")
    assert main(["demo", str(tmp_path)]) == 2
    assert f"{there!r} is in it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == [there, "mine.txt"]


def test_demo_says_what_is_no_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["demo", str(tmp_path / "file")]) == 2
    assert "name another one" in capsys.readouterr().err
    assert main(["demo", "one", "two"]) == 2
    assert "[FOLDER] expected, got one two" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
