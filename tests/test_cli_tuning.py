"""``ngffkit tune``, ``benchmark`` and ``rewrite``: every option, and what is refused."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from makers import How, pyramid, write

import ngffkit as nk
from ngffkit.cli import main
from ngffkit.cli.flags_tuning import FLAGS
from ngffkit.cli.parsing import parse

#: Of a side that is cheap to write: 512 chunks of 8^3.
PIXELS = np.random.default_rng(0).integers(0, 9, (64, 64, 64), np.uint8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = How(version="0.4", chunks=8, factors=[])
    return write(tmp_path_factory.mktemp("cli") / "a.zarr", pyramid(PIXELS, how), how)


@pytest.fixture
def image(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "a.zarr"))


def told(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


def test_tune_prints_the_report(image: Path, capsys: pytest.CaptureFixture[str]):
    out = told(capsys, "tune", "--line", "s3", "--no-probe", image)
    assert out.startswith(f"tune: {image}")
    assert "advice, by what it gains over S3" in out
    assert "ngffkit rewrite --chunks" in out


def test_tune_takes_all_options(image: Path, capsys: pytest.CaptureFixture[str]):
    picture = image.parent / "a.png"
    use = "xy plane=1,full scan=2"
    options = ["--use", use, "--image", "/", "--plot", str(picture), "-o", "a=b", "--json"]
    facts = json.loads(
        told(capsys, "tune", "--no-probe", *options[:2], *options[4:6], "--json", image)
    )
    assert facts["use"] == {"xy plane": 1.0, "full scan": 2.0} | {
        name: 0.0 for name in facts["use"] if name not in ("xy plane", "full scan")
    }
    assert picture.read_bytes().startswith(b"\x89PNG")
    typed = parse(["tune", *options, str(image)])
    assert not typed.wrong
    assert typed.given["storage_options"] == {"a": "b"}


def test_the_line_that_is_printed_can_be_typed(image: Path, capsys: pytest.CaptureFixture[str]):
    facts = json.loads(told(capsys, "tune", "--line", "S3", "--json", image))
    typed = parse(facts["command"].split()[1:])
    assert not typed.wrong
    assert typed.command == "rewrite"
    assert {k: typed.given[k] for k in facts["layout"]} == facts["layout"]


def test_benchmark(image: Path, capsys: pytest.CaptureFixture[str]):
    picture = image.parent / "a.svg"
    line = ["--patterns", "xy plane,full scan", "--rounds", "1", "--seconds", "5"]
    out = told(capsys, "benchmark", *line, "--plot", picture, image)
    assert "xy plane" in out
    assert "xz plane" not in out
    assert b"<svg" in picture.read_bytes()
    facts = json.loads(told(capsys, "benchmark", *line, "--json", image))
    assert facts


def test_rewrite_beside(image: Path, capsys: pytest.CaptureFixture[str]):
    target = image.parent / "b.zarr"
    line = ["--chunks", "16", "--shards", "none", "--compression", "zstd:2", "--memory", "2 GB"]
    shown = told(capsys, "rewrite", *line, "--to", target, "--dry-run", image)
    assert shown
    assert not target.exists()
    facts = json.loads(told(capsys, "rewrite", *line, "--to", target, "--dry-run", "--json", image))
    assert facts["ok"]
    done = json.loads(told(capsys, "rewrite", *line, "--to", target, "--json", "-q", image))
    assert done["url"] == str(target)
    assert nk.tune(target, probe=False).survey.mags[0].layout.chunks == (16, 16, 16)
    assert np.array_equal(nk.open_dataset(target)["image"].values, PIXELS)


def test_rewrite_in_place_as_advised(image: Path, capsys: pytest.CaptureFixture[str]):
    advised = nk.tune(image).layout
    told(capsys, "rewrite", "--layout", "advised", "--keep", "--workers", "2", "-q", image)
    found = nk.tune(image, probe=False).survey.mags[0].layout
    assert set(advised["chunks"].values()) <= {32, 64}
    assert dict(zip("zyx", found.chunks, strict=True)) == advised["chunks"]
    assert image.with_name("a.zarr.before").is_dir()
    assert np.array_equal(nk.open_dataset(image)["image"].values, PIXELS)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["tune", "--line", "pigeon"], "--line"),
        (["tune", "--use", "xy plane"], "--use"),
        (["tune", "--no-probe", "--use", "zz plane=1"], "zz plane"),
        (["tune", "--plot", "a.doc"], "is no picture"),
        (["tune", "--plot", "nowhere/a.png"], "is no folder"),
        (["benchmark", "--rounds", "0"], "--rounds"),
        (["benchmark", "--seconds", "nan"], "--seconds"),
        (["benchmark", "--patterns", ","], "--patterns"),
        (["rewrite", "--layout", "best"], "--layout"),
        (["rewrite", "--chunks", "0"], "--chunks"),
    ],
)
def test_what_makes_no_sense_is_refused(
    argv: list[str], expected: str, image: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*argv, str(image)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert all(line.startswith("ngffkit: ") for line in said.splitlines())


def test_every_flag_is_of_one_of_the_commands():
    assert {name for flag in FLAGS for name in flag.commands} == {"tune", "benchmark", "rewrite"}


def test_warnings_for_those_who_write_programs_stay_unsaid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(*_: object) -> int:
        warnings.warn("unclosed <socket>", ResourceWarning, stacklevel=1)
        warnings.warn("old spelling", DeprecationWarning, stacklevel=1)
        warnings.warn("a voxel size is missing", UserWarning, stacklevel=1)
        warnings.warn("a voxel size is missing", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("ngffkit.cli.program._commands", lambda: {"info": warn})
    assert main(["info", "x"]) == 0
    assert capsys.readouterr().err == "ngffkit: a voxel size is missing\n"
