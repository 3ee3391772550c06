"""``ngffkit convert`` and its kin: command lines of webknossos, refusals, Ctrl-C, progress."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ngffkit
import ngffkit.writing
from ngffkit.cli import main
from ngffkit.cli.console import in_flags, in_words
from ngffkit.cli.flags import FLAGS
from ngffkit.cli.making import summary
from ngffkit.cli.parsing import COMMANDS, parse
from ngffkit.cli.webknossos import Asked, translated
from ngffkit.errors import Problem
from ngffkit.execute.running import Progress
from ngffkit.planning.options import Options
from ngffkit.planning.plan import Result
from ngffkit.progress import describe, live
from ngffkit.spec.encode import DEFAULT, WRITABLE, zarr_format

RUN = [sys.executable, "-m", "ngffkit.cli"]
SHAPE = (6, 40, 48)


def pixels(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


def slices(folder: Path, volume: np.ndarray) -> Path:
    folder.mkdir()
    for z, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / f"test.{z:04}.png")
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slices(tmp_path_factory.mktemp("cli") / "images", pixels())


def asked(line: str) -> Asked:
    typed = parse(shlex.split(line))
    assert not typed.wrong
    return translated(typed.given)


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- what users of webknossos type ----------------------------------------------------------------

V2 = next(name for name in WRITABLE if zarr_format(name) == 2)
NM = {"unit": "nanometer"}

#: Command lines of the documentation and the tests of webknossos-libs; what they mean here.
THEIRS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--voxel-size 11.0,11.0,20.0 SRC DST", {"voxel_size": (11.0, 11.0, 20.0), **NM}),
    (
        "--voxel-size 11.0,11.0,20.0 --jobs 4 SRC DST",
        {"voxel_size": (11.0, 11.0, 20.0), **NM, "workers": 4},
    ),
    (
        "--jobs 2 --no-downsample --voxel-size 11.24,11.24,25 --data-format zarr3 SRC DST",
        {"voxel_size": (11.24, 11.24, 25.0), **NM, "workers": 2, "mags": ["1"], "version": DEFAULT},
    ),
    (
        "--jobs 2 --no-downsample --voxel-size 11.24,11.24,25 --data-format zarr SRC DST",
        {"voxel_size": (11.24, 11.24, 25.0), **NM, "workers": 2, "mags": ["1"], "version": V2},
    ),
    ("--voxel-size 11.0,11.0,11.0 SRC DST", {"voxel_size": (11.0, 11.0, 11.0), **NM}),
    (
        "--voxel-size 11.0,11.0,11.0 --name wk_from_tiff --compress SRC DST",
        {"voxel_size": (11.0, 11.0, 11.0), **NM, "name": "wk_from_tiff"},
    ),
    (
        "--voxel-size 11.0,11.0,20.0 --chunk-shape 32,32,32 --shard-shape 1024,1024,1024 SRC DST",
        {
            "voxel_size": (11.0, 11.0, 20.0),
            **NM,
            "chunks": (32, 32, 32),
            "shards": (1024, 1024, 1024),
        },
    ),
    (
        "--voxel-size 11.0,11.0,20.0 --chunk-shape 32 --shard-shape 1024 SRC DST",
        {"voxel_size": (11.0, 11.0, 20.0), **NM, "chunks": 32, "shards": 1024},
    ),
    (
        "--voxel-size 11.0,11.0,20.0 --chunks-per-shard 32,32,1 SRC DST",
        {"voxel_size": (11.0, 11.0, 20.0), **NM, "chunks": 32, "shards": (1024, 1024, 32)},
    ),
    (
        "--voxel-size 11.0,11.0,20.0 --max-mag 2-2-1 --sampling-mode isotropic SRC DST",
        {"voxel_size": (11.0, 11.0, 20.0), **NM, "coarsest": "2-2-1", "sampling": "isotropic"},
    ),
    (
        (
            "--voxel-size 11.0,11.0,20.0 --category segmentation --layer-name seg "
            "--interpolation-mode mode SRC DST"
        ),
        {
            "voxel_size": (11.0, 11.0, 20.0),
            **NM,
            "kind": "label",
            "layer": "seg",
            "name": "seg",
            "method": "mode",
        },
    ),
    (
        (
            "--voxel-size=0.011,0.011,2e-2 --unit micrometer --category color --max-mag 4 "
            "--interpolation-mode bilinear --no-compress SRC DST"
        ),
        {
            "voxel_size": (0.011, 0.011, 0.02),
            "unit": "micrometer",
            "kind": "intensity",
            "coarsest": 4,
            "method": "bilinear",
            "compression": "none",
        },
    ),
    (
        (
            "--voxel-size 11.0,11.0,20.0 --batch-size 32 --interpolation-mode default "
            "--distribution-strategy sequential SRC DST"
        ),
        {
            "voxel_size": (11.0, 11.0, 20.0),
            **NM,
            "method": "default",
            "executor": "threads",
            "workers": 1,
        },
    ),
    (
        "SRC DST --voxel-size 11.0,11.0,20.0 --topleft -5,0,16 --overwrite-existing",
        {
            "voxel_size": (11.0, 11.0, 20.0),
            **NM,
            "origin": {"x": -55.0, "y": 0.0, "z": 320.0},
            "overwrite": True,
        },
    ),
)


@pytest.mark.parametrize(("line", "expected"), THEIRS, ids=[line for line, _ in THEIRS])
def test_command_lines_of_webknossos_run(
    line: str, expected: dict[str, Any], stack: Path, tmp_path: Path
):
    found = asked(f"convert {line}")
    assert not found.problems
    assert found.options == expected
    Options.of(found.options)
    target = tmp_path / "out.zarr"
    words = [{"SRC": str(stack), "DST": str(target)}.get(w, w) for w in shlex.split(line)]
    assert main(["convert", "--quiet", *words]) == 0
    tree = ngffkit.open(target)
    first = next(iter(tree.children.values())).to_dataset()
    size = expected["voxel_size"]
    image = next(iter(first.data_vars.values()))
    assert np.array_equal(image.values, pixels())
    for axis, spacing in zip("xyz", size, strict=True):
        assert first[axis].values[1] - first[axis].values[0] == pytest.approx(spacing)
        assert first[axis].attrs["units"] == expected["unit"]
    if "mags" in expected:
        assert len(tree.children) == 1
    if "origin" in expected:
        assert float(first.x[0]) == -55.0


REFUSED: tuple[tuple[str, str], ...] = (
    (
        "--upload --token YOUR_TOKEN --voxel-size 11.0,11.0,20.0 SRC",
        "--upload: .*webknossos upload",
    ),
    (
        (
            "--upload --webknossos-url https://webknossos.example.com --token YOUR_TOKEN "
            '--name my_dataset --folder "Datasets/Experiments" --voxel-size 11.0,11.0,20.0 SRC'
        ),
        "--upload: ",
    ),
    (
        "--upload --token YOUR_TOKEN --no-downsample --voxel-size 11.0,11.0,20.0 SRC",
        "--upload: ",
    ),
    (
        (
            "--upload --voxel-size 11.24,11.24,25 --no-downsample --name test_remote_convert "
            "--transfer-mode copy SRC"
        ),
        "--upload: ",
    ),
    (
        "--voxel-size 11.0,11.0,11.0 --data-format wkw --name wk_from_tiff --compress SRC DST",
        "--data-format: 'wkw' is not written; take zarr3",
    ),
    ("--voxel-size 1,1,1 --data-format n5 SRC DST", "--data-format: 'n5'"),
    (
        "--distribution-strategy slurm --job-resources mem=10M SRC DST",
        "--distribution-strategy: .*--executor 'tcp://HOST:8786'",
    ),
    ("--distribution-strategy slurm+batching --jobs 100 SRC DST", "--distribution-strategy: "),
    ("--distribution-strategy kubernetes SRC DST", "--distribution-strategy: "),
    ("--distribution-strategy sequential --jobs 3 SRC DST", "--jobs 3; leave one out"),
    ("--distribution-strategy multiprocessing --executor threads SRC DST", "--executor threads"),
    ("--interpolation-mode bicubic SRC DST", "--interpolation-mode: .*overshoots"),
    ("--data-format zarr --version VERSION SRC DST", "--data-format: .*--version"),
    ("--category color --kind label SRC DST", "--category: "),
    ("--no-compress --compression zstd:3 SRC DST", "--no-compress: "),
    ("--no-downsample --mags 1,2 SRC DST", "--no-downsample: "),
    ("--topleft 1,2,3 SRC DST", "--topleft: .*pass --voxel-size X,Y,Z"),
    ("--topleft 1,2,3 --voxel-size 1,1,1 --origin 0,0,0 SRC DST", "--topleft: "),
    ("--chunks-per-shard 2 --shard-shape 64 SRC DST", "--chunks-per-shard: .*--shard-shape"),
    ("--chunks-per-shard z=2 --chunk-shape 32 SRC DST", "--chunks-per-shard: .*--chunk-shape"),
    ("--chunk-shape 32 --chunks 64 SRC DST", "--chunks: was given and --chunk-shape too"),
    ("--chunk-shape 32 --shard-shape 50 --data-format zarr SRC DST", "--shard-shape none"),
    ("--chunk-shape 32 --shard-shape 40 SRC DST", "--shard-shape: 40 voxels"),
)


@pytest.mark.parametrize(("line", "said"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_cannot_be_done_is_refused_with_the_remedy(
    line: str, said: str, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = tmp_path / "out.zarr"
    names = {"SRC": str(stack), "DST": str(target), "VERSION": DEFAULT}
    words = [names.get(w, w) for w in shlex.split(line)]
    assert main(["convert", *words]) == 2
    captured = capsys.readouterr()
    assert re.search(said, captured.err), captured.err
    assert "YOUR_TOKEN" not in captured.err
    assert not captured.out
    assert not target.exists()


def test_ignored_words_are_noted(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = ["--batch-size", "4", "--job-resources", "mem=10M", "--token", "SECRET"]
    assert main(["convert", *line, str(stack), str(tmp_path / "a.zarr")]) == 0
    said = capsys.readouterr().err
    assert "--batch-size: is ignored; --memory bounds" in said
    assert "--job-resources: is ignored" in said
    assert "SECRET" not in said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("downsample X", {}),
        (
            "downsample --layer-name gray --sampling-mode anisotropic X",
            {"layer": "gray", "name": "gray", "sampling": "anisotropic"},
        ),
        ("downsample --coarsest-mag 2 X", {"coarsest": 2}),
        (
            "downsample --jobs 2 --coarsest-mag 2-2-1 --transfer-mode copy X",
            {"coarsest": "2-2-1", "workers": 2},
        ),
    ],
)
def test_downsample_takes_the_words_of_webknossos(line: str, expected: dict[str, Any]):
    assert asked(line).options == expected


# --- our own words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--version VERSION", {"version": WRITABLE[0]}),
        (
            "--ome-zarr-version VERSION --mags 1,2-2-1",
            {"version": WRITABLE[0], "mags": ["1", "2-2-1"]},
        ),
        (
            "--chunks z=1,y=64,x=64 --shards none",
            {"chunks": {"z": 1, "y": 64, "x": 64}, "shards": None},
        ),
        ("--chunks 32 --shards 32", {"chunks": 32, "shards": None}),
        (
            "--crop z=0:10,y=5: --axes tyx",
            {"crop": {"z": slice(0, 10), "y": slice(5, None)}, "axes": "tyx"},
        ),
        (
            "--origin z=-1.5e3 --voxel-size z=40",
            {"origin": {"z": -1500.0}, "voxel_size": {"z": 40.0}},
        ),
        ("--origin -1,-2.5", {"origin": {"x": -1.0, "y": -2.5}}),
        ("--voxel-size 4,4 --unit um", {"voxel_size": (4.0, 4.0), "unit": "um"}),
        (
            "--channels DAPI,GFP --pattern {c}/{z}.png",
            {"channels": ["DAPI", "GFP"], "pattern": "{c}/{z}.png"},
        ),
        ("--labels a=x/ --labels b=y/", {"labels": {"a": "x/", "b": "y/"}}),
        ("--no-labels --no-resume --sidecar", {"labels": False, "resume": False, "sidecar": True}),
        ("-o anon=true --option region=eu", {"storage_options": {"anon": True, "region": "eu"}}),
        (
            "--target-option a=b --memory 2GiB --until 64",
            {"target_options": {"a": "b"}, "memory": "2GiB", "until": 64},
        ),
        (
            "--on-error skip --executor processes --method max",
            {"on_error": "skip", "executor": "processes", "method": "max"},
        ),
        (
            "--image s1 --mag 2-2-1 --gaps close --compression gzip:3",
            {"image": "s1", "mag": "2-2-1", "gaps": "close", "compression": "gzip:3"},
        ),
        ("--shape 5,6,7 --dtype <u2 --offset 0", {"shape": (5, 6, 7), "dtype": "<u2", "offset": 0}),
    ],
)
def test_our_own_options(line: str, expected: dict[str, Any]):
    typed = parse(["convert", *line.replace("VERSION", WRITABLE[0]).split(), "a", "b"])
    assert not typed.wrong
    found = translated(typed.given).options
    assert found == expected
    Options.of(found)


def test_every_option_of_the_functions_can_be_typed():
    known = {f.name for f in _fields()}
    typed = {flag.option for flag in FLAGS if "convert" in flag.commands}
    assert known <= typed, f"no flag for {known - typed}"


def _fields() -> list[Any]:
    from dataclasses import fields

    parts = Options()
    return [f for part in (parts.read, parts.write, parts.run) for f in fields(part)]


def test_every_version_that_can_be_written_is_written(stack: Path, tmp_path: Path):
    for version in WRITABLE:
        target = tmp_path / f"{version}.zarr"
        assert main(["convert", "-q", "--version", version, str(stack), str(target)]) == 0
        assert ngffkit.open(target).attrs or version in str(ngffkit.describe(str(target)))


def test_version_at_the_top_is_the_programs(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"ngffkit {ngffkit.__version__}\n"


def test_several_sources_may_stand_before_the_target(stack: Path, tmp_path: Path):
    files = [str(path) for path in sorted(stack.iterdir())]
    target = tmp_path / "a.zarr"
    assert main(["convert", *files[:2], "--quiet", *files[2:], str(target)]) == 0
    assert ngffkit.open_dataset(target)["image"].shape == SHAPE


# --- what is wrong --------------------------------------------------------------------------------

WRONG = ("", "?!", "-1", "1,,2", "1e999", "z=z", "\u2603\x1b[31m")


@pytest.mark.parametrize("flag", [f for f in FLAGS if f.read], ids=lambda f: f.names[0])
def test_wrong_values_never_give_a_traceback(
    flag: Any, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = "convert" if "convert" in flag.commands else flag.commands[0]
    target = tmp_path / "out.zarr"
    dry = ["--dry-run"] if command == "convert" else []
    places = [str(stack), str(target)] if command == "convert" else [str(target)]
    for name in flag.names:
        for value in WRONG:
            given = [f"{name}={value}"] if name.startswith("--") else [name, value]
            status = main([command, *dry, *given, *places])
            said = capsys.readouterr().err.splitlines()
            assert status in (0, 2)
            assert all(line.startswith("ngffkit: ") for line in said)
            assert all(line.isprintable() for line in said)
            if status == 2:
                assert said, (name, value)
    assert not target.exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--voxel-size 1,2,x", "--voxel-size: '1,2,x'; positive numbers x,y,z were expected"),
        ("--voxel-size 1,2,3,4", "--voxel-size"),
        ("--voxel-size 0,1,1", "--voxel-size"),
        ("--voxel-size nan,1,1", "--voxel-size"),
        ("--unit quark", "--unit: 'quark' is no unit"),
        ("--memory 5XB", "--memory: '5XB'; a size was expected, e.g. '500 MB'"),
        ("--memory 1kB", "--memory: .*is too little; pass --memory '.* MB' or more"),
        ("--version 7", "--version: '7'; one of "),
        ("--compression blosc", "--compression: 'blosc'; choose zstd"),
        ("--crop z=5", "--crop: 'z=5'; pixels by axis were expected"),
        ("--crop z=50:60", "--crop: "),
        ("--crop w=0:2", "--crop: no axis 'w'"),
        ("--channels a,b", "--channels: 2 names"),
        ("--mags 2,1", "--mags: "),
        ("--method fancy", "--method: is 'fancy'; choose one of"),
        ("--interpolation-mode fancy", "--interpolation-mode: is 'fancy'"),
        ("--jobs 0", "--jobs: '0'; a whole number of 1 or more"),
        ("--executor dask", "--executor: 'dask'"),
        ("--executor foo://here:1", "--executor: no dask scheduler at foo://here:1"),
        ("--kind label --method mean", "--method: 'mean' would make ids"),
        ("--pattern nothing_{z}.tif", "nothing_"),
        ("--voxelsize 4,4,4", "--voxelsize: there is no such option; did you mean --voxel-size"),
        ("--vox 4,4,4", "--vox: there is no such option"),
    ],
)
def test_messages_name_the_option_and_the_remedy(
    line: str, said: str, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["convert", *shlex.split(line), str(stack), str(tmp_path / "a.zarr")]) == 2
    captured = capsys.readouterr().err
    assert re.search(said, captured), captured
    assert not (tmp_path / "a.zarr").exists()


def test_all_that_is_wrong_is_said_at_once(stack: Path, capsys: pytest.CaptureFixture[str]):
    line = "convert --memory x --jobs y --crop z --nonsense".split()
    assert main([*line, str(stack), "a.zarr"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == [
        "--nonsense",
        "--memory",
        "--jobs",
        "--crop",
    ]


@pytest.mark.parametrize("line", ["convert", "convert a", "verify", "verify a b", "copy a", "info"])
def test_the_number_of_places_is_checked(line: str, capsys: pytest.CaptureFixture[str]):
    assert main(line.split()) == 2
    assert "expected, got" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "nonsense", "--nonsense", "convert --voxel-size"])
def test_no_command_is_an_error_in_a_line(line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
def test_help_has_every_option(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for flag in FLAGS:
        if command in flag.commands:
            assert all(name in said for name in flag.names)


def test_a_missing_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["convert", str(tmp_path / "no"), str(tmp_path / "a.zarr")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_options_are_spelled_as_they_were_typed():
    problem = Problem("shards", "error", "no", "pass shards=None or chunks=(1, 2, 3)")
    said = in_words(problem, {"shards": "--shard-shape"})
    assert (said.loc, said.remedy) == ("--shard-shape", "pass --shard-shape none or --chunks 1,2,3")
    assert in_flags("http://a/b?mag=3 and mymags=1", {}) == "http://a/b?mag=3 and mymags=1"
    assert in_flags("overwrite=True starts over; resume=True goes on", {}) == (
        "--overwrite-existing starts over; --resume goes on"
    )


# --- doing it -------------------------------------------------------------------------------------


def test_a_dry_run_says_everything_and_writes_nothing(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["convert", "--dry-run", "--voxel-size", "4,4,8", str(stack), str(tmp_path / "a.zarr")]
    assert main(line) == 0
    assert "6×40×48 (z, y, x) uint8" in capsys.readouterr().out
    assert main([*line, "--memory", "1MB"]) == 2
    assert re.search(r"--memory: .*pass --memory '\d+ MB'", capsys.readouterr().out)
    assert main([*line, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["ok"], facts["images"][0]["levels"][0]["shape"]) == (True, list(SHAPE))
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_exists_is_kept(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = tmp_path / "a.zarr"
    assert main(["convert", str(stack), str(target)]) == 0
    captured = capsys.readouterr()
    assert re.search(r"^wrote .*a\.zarr: .* in \d+ files, .*:1, .* s", captured.out)
    assert captured.out.endswith(f"look at it: ngffkit info {target}\n")
    before = everything(target)
    assert main(["convert", str(stack), str(target)]) == 2
    assert "--overwrite-existing" in capsys.readouterr().err
    assert everything(target) == before
    assert main(["convert", "--overwrite", "--mags", "1", "-q", str(stack), str(target)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert len(ngffkit.open(target).children) == 1


def test_the_result_as_json(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    target = tmp_path / "a.zarr"
    assert main(["convert", "--json", "--mags", "1", str(stack), str(target)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["url"] == str(target)
    assert facts["pixels"] == pixels().nbytes
    assert facts["skipped"] == []
    # what the result counts is what is there
    found = everything(target)
    assert (facts["files"], facts["nbytes"]) == (len(found), sum(map(len, found.values())))


def test_skipped_parts_are_listed_and_the_exit_code_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    stack = slices(tmp_path / "images", pixels())
    bad = stack / "test.0003.png"
    bad.write_bytes(bad.read_bytes()[:-400])
    line = ["convert", "--voxel-size", "4,4,8", str(stack)]
    assert main([*line, str(tmp_path / "a.zarr")]) == 2
    assert "test.0003.png" in capsys.readouterr().err
    assert main([*line, str(tmp_path / "b.zarr"), "--on-error", "skip"]) == 3
    said = capsys.readouterr().err
    assert re.search(r"skipped .*test\.0003\.png .*is fill", said)


def test_the_neighbours_of_a_skipped_slice_are_kept(tmp_path: Path):
    stack = slices(tmp_path / "images", pixels())
    bad = stack / "test.0003.png"
    bad.write_bytes(bad.read_bytes()[:-400])
    assert main(["convert", "-q", str(stack), str(tmp_path / "b.zarr"), "--on-error", "skip"]) == 3
    image = ngffkit.open_dataset(tmp_path / "b.zarr")["image"].values
    assert np.array_equal(np.delete(image, 3, 0), np.delete(pixels(), 3, 0))
    assert not image[3].any()


def test_copy_upgrades_crops_and_cuts_anew(stack: Path, tmp_path: Path):
    old, new = tmp_path / "old.zarr", tmp_path / "new.zarr"
    size = ["--voxel-size", "4,4,8", "--unit", "um"]
    assert main(["convert", "-q", *size, "--version", V2, str(stack), str(old)]) == 0
    crop = ["--crop", "z=2:5,x=8:", "--chunks", "16", "--mags", "1"]
    assert main(["copy", "-q", *crop, str(old), str(new)]) == 0
    ds = ngffkit.open_dataset(new)
    assert np.array_equal(ds["image"].values, pixels()[2:5, :, 8:])
    assert (float(ds.z[0]), float(ds.x[0])) == (16.0, 32.0)
    assert (new / "zarr.json").exists()


def test_verify_finds_what_changed(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("ngffkit.verifying")
    target = tmp_path / "a.zarr"
    assert main(["convert", "-q", "--mags", "1", str(stack), str(target)]) == 0
    assert main(["verify", "--json", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    chunk = max(target.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert main(["verify", str(target)]) == 1
    assert chunk.relative_to(target).as_posix() in capsys.readouterr().out


def test_downsample_adds_mags(stack: Path, tmp_path: Path):
    target = tmp_path / "a.zarr"
    line = ["convert", "-q", "--voxel-size", "4,4,8", "--mags", "1", str(stack), str(target)]
    assert main(line) == 0
    assert main(["downsample", "-q", "--max-mag", "2-2-1", str(target)]) == 0
    assert list(ngffkit.open(target).children) == ["1", "2-2-1"]


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_ctrl_c_leaves_what_the_same_command_goes_on_with(tmp_path: Path):
    stack = slices(tmp_path / "images", pixels((64, 256, 256)))
    line = ["convert", "--voxel-size", "4,4,8", "--compression", "zstd:19", "--chunks", "16"]
    line += ["--shards", "32", str(stack)]
    whole, target = tmp_path / "whole.zarr", tmp_path / "a.zarr"
    log = tmp_path / "a.zarr.journal" / "journal.jsonl"
    assert main([*line, str(whole), "-q"]) == 0
    process = subprocess.Popen(
        [*RUN, *line, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 30:
        # the plan, and the first finished task
        if log.exists() and log.read_bytes().count(b"\n") >= 2:
            process.send_signal(signal.SIGINT)
            break
        time.sleep(0.01)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert err.splitlines()[-1] == (
        "ngffkit: stopped; what is done stays; run the same command again to go on"
    )
    assert "Traceback" not in err
    assert not (target / "zarr.json").exists()
    kept = {key: (target / key).stat().st_mtime_ns for key in everything(target)}
    assert main([*line, str(target), "--resume", "-q"]) == 0
    assert everything(target) == everything(whole)
    now = {key: (target / key).stat().st_mtime_ns for key in everything(target)}
    assert any(now.get(key) == at for key, at in kept.items()), "everything was done again"


# --- progress -------------------------------------------------------------------------------------


def ticks(n: int = 10_000, **changes: Any) -> list[Progress]:
    facts: dict[str, Any] = {"skipped": 0, "resumed": 0, "what": "0"} | changes
    return [
        Progress(i * 1000, n * 1000, i // 1000, n // 1000, seconds=i / 1000, **facts)
        for i in range(n + 1)
    ]


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]):
    with live() as watch:
        for tick in ticks():
            watch(tick)
    assert capsys.readouterr().err == ""
    with live(every=0.0) as watch:
        for tick in ticks(4, skipped=2, resumed=1000):
            watch(tick)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("50%, 2.0 of 4.0 kB, ")
    assert lines[2].endswith("array 0, resumed at 25%, 2 skipped")


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]):
    with live(quiet=True, every=0.0) as watch:
        watch(ticks(2)[1])
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_bar_is_updated_ten_times_a_second_at_most():
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    began = time.monotonic()
    with live(console=console) as watch:
        for tick in ticks(20_000)[:-1]:
            watch(tick)
    frames = out.getvalue().count("\r")
    assert 1 <= frames <= 10 * (time.monotonic() - began) + 12
    with live(console=console) as watch:
        watch(ticks()[-1])
    assert "100%" in out.getvalue()


def test_names_of_arrays_are_no_markup():
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=150, color_system=None)
    with live(console=console) as watch:
        watch(ticks(2, what="labels/[bold]x[/red]/0")[1])
    assert "labels/[bold]x[/red]/0" in out.getvalue()


def test_progress_of_nothing_is_no_division():
    assert describe(Progress(0, 0, 0, 0, "", 0, 0.0, 0)) == "0 of 0 B"


def test_a_bar_on_a_terminal(stack: Path, tmp_path: Path):
    line = [*RUN, "convert", "--voxel-size", "4,4,8", str(stack), str(tmp_path / "a.zarr")]
    pytest.importorskip("pty")  # there is none on Windows
    master, slave = os.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(line, stdout=slave, stderr=slave, stdin=slave, env=env)
    os.close(slave)
    said = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break  # the other side has closed it
        if not data:
            break
        said += data
    os.close(master)
    assert process.wait() == 0
    text = said.decode()
    assert "\x1b[?25l" in text, "the cursor is hidden while the bar is there"
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
    assert "100%" in text
    assert "wrote " in text.split("\x1b[?25h")[-1]


def test_a_pipe_gets_plain_lines(stack: Path, tmp_path: Path):
    line = [*RUN, "convert", "--voxel-size", "4,4,8", str(stack), str(tmp_path / "a.zarr")]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith("wrote ")
    assert all(line.startswith("ngffkit: ") for line in done.stderr.splitlines())


def test_the_next_command_can_be_pasted():
    said = summary(Result("/a b/$c.zarr", 1, 100, seconds=0.0), 0, 0)
    assert said == (
        "wrote /a b/$c.zarr: 100 B in 1 file, 0.0 s\nlook at it: ngffkit info '/a b/$c.zarr'"
    )


# --- the page -------------------------------------------------------------------------------------


def test_the_page_has_every_option_once():
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text("utf-8")
    options = page.split("## Options", 1)[1].split("## ", 1)[0]
    rows = re.findall(r"^\| (`-[^|]*) \|", options, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(--?[a-z][a-z-]*)", row)]
    expected = [name for flag in FLAGS for name in flag.names]
    assert sorted(names) == sorted(expected)
