"""``ngffkit.tune``: what the report says is what is on disk, and its advice holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from httpd import serve
from makers import How, chunk_files, plate, pyramid, well, write

import ngffkit as nk
from ngffkit.access.counting import Tally, counted
from ngffkit.access.lines import S3, SSD, Line, Machine
from ngffkit.access.patterns import patterns_of
from ngffkit.api import as_opened
from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Image, Level
from ngffkit.tuning.advice import MANY, WORTH, Adviser
from ngffkit.tuning.candidates import Candidate, Guess, chunks_of
from ngffkit.tuning.costs import WEIGHTS, Reading, Use, rows_of
from ngffkit.tuning.pyramid import findings_of
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.sampling import Look, look_at

NAMED: Any = {"dimension_names": ["z", "y", "x"]}
S3_READING = Reading((S3,), "S3", Machine(2, 1e-5, 1e-5, 1e-9), merges=True)
HALF = [dict.fromkeys("zyx", 2)]


def volume(side: int, *, dtype: str = "u1") -> np.ndarray:
    """Return pixels that compress by half or so."""
    rng = np.random.default_rng(0)
    at = np.arange(side)
    return (np.add.outer(np.add.outer(at, at), at) % 199 + rng.integers(0, 8, (side,) * 3)).astype(
        dtype
    )


def made(root: Path, data: np.ndarray, **how: Any) -> Path:
    how = {"factors": [], **how}
    chosen = How(**how)
    return write(root, pyramid(data, chosen), chosen)


def keys(tuning: Tuning) -> set[str]:
    return {item.key for item in tuning.advice}


def tune(path: Any, **options: Any) -> Tuning:
    return nk.tune(path, **{"line": "S3", "probe": False, **options})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image in far too small chunks."""
    root = tmp_path_factory.mktemp("tune") / "small.zarr"
    return made(root, volume(128), version="0.4", chunks=16, factors=HALF)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that ngffkit lays out."""
    root = tmp_path_factory.mktemp("tune") / "good.zarr"
    return Path(nk.convert(volume(128), root, voxel_size=(1, 1, 1)).url)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"version": "0.4", "chunks": 16},
        {"version": "0.5", "chunks": 20},
        {"version": "0.5", "chunks": 8, "shards": (32, 32, 32)},
    ],
    ids=["v2", "v3", "sharded"],
)
def test_objects_and_bytes_are_those_on_disk(how: Mapping[str, Any], tmp_path: Path):
    data = volume(48)
    data[:16] = 0
    path = made(tmp_path / "a.zarr", data, factors=HALF, **how)
    found = tune(path)
    for mag in found.survey.mags:
        files = [path / mag.path / name for name in chunk_files(path / mag.path)]
        sizes = [file.stat().st_size for file in files]
        facts = mag.to_json()
        assert (facts["objects"], facts["nbytes"]) == (len(files), sum(sizes))
        assert (facts["smallest"], facts["largest"]) == (min(sizes), max(sizes))
        assert facts["median"] == int(np.median(sizes))
        assert facts["exact"]
    assert found.survey.objects == len(chunk_files(path))


def test_empty_chunks_are_counted(tmp_path: Path):
    data = volume(64)
    data[:32] = 0
    data[:, :16] = 0
    for i, shards in enumerate((None, (32, 32, 32))):
        path = made(tmp_path / f"{i}.zarr", data, chunks=16, shards=shards)
        chunks = data.reshape(4, 16, 4, 16, 4, 16).any((1, 3, 5))
        (mag,) = tune(path).survey.mags
        assert mag.empty == int((~chunks).sum())
        assert mag.census.ratio > 1


def test_padding_is_the_share_beyond_the_edge(tmp_path: Path):
    path = made(tmp_path / "a.zarr", volume(40), chunks=32)
    (mag,) = tune(path).survey.mags
    assert mag.padding == pytest.approx(1 - 40**3 / 64**3)
    assert "76%" in str(tune(path))


def test_requests_and_bytes_are_what_a_read_costs(small: Path):
    found = nk.tune(small, line="SSD", probe=False)
    row = next(row for row in found.rows if row.name == "full scan")
    opened = as_opened(small)
    tally = Tally()
    store = counted(opened.store, tally)
    replace(opened, store=store).reader(0).read((slice(None),) * 3)
    assert row.traffic.requests == tally.requests == 8**3
    assert row.traffic.nbytes == tally.nbytes


def test_consolidated_metadata_are_found(small: Path, good: Path, tmp_path: Path):
    assert not tune(small).survey.consolidated
    assert tune(good).survey.consolidated
    path = made(tmp_path / "a.zarr", volume(32), version="0.4", chunks=16, consolidated=True)
    assert tune(path).survey.consolidated


# --- advice ---------------------------------------------------------------------------------------


def test_nothing_to_do_for_a_good_layout(good: Path):
    for line in ("SSD", "LAN", "S3"):
        found = tune(good, line=line)
        assert found.advice == ()
        assert dict(found.layout) == {}
        assert found.gain == 1
        assert (found.python, found.command) == ("", "")
        assert "nothing to do" in str(found)


def test_small_chunks(small: Path, good: Path):
    found = tune(small)
    advice = next(item for item in found.advice if item.key == "chunks")
    assert advice.gain >= WORTH
    assert "16×16×16 are small" in advice.reason
    assert "32 to 128" in advice.rule
    assert all(32 <= n <= 128 for n in advice.options["chunks"].values())
    assert advice.objects[0] == found.survey.objects > 4 * advice.objects[1]
    assert "chunks" not in keys(tune(good))


def test_flat_chunks(tmp_path: Path):
    data = np.tile(volume(96), (4, 1, 1))
    path = made(tmp_path / "a.zarr", data, chunks=(1, 96, 96))
    found = tune(path)
    advice = next(item for item in found.advice if item.key == "chunks")
    assert "flat" in advice.reason
    assert advice.gains["xz plane"] > 1.5
    # whoever looks at planes alone has what is best for that
    assert "chunks" not in keys(tune(path, use={"xy plane": 1}))


def test_large_chunks_that_do_not_fit_into_memory(tmp_path: Path):
    path = tmp_path / "a.zarr"
    zarr.create_array(
        str(path / "0"),
        shape=(512, 512, 512),
        chunks=(512, 512, 512),
        dtype="u1",
        fill_value=0,
        **NAMED,
    )
    found = tune(path / "0")
    advice = next(item for item in found.advice if item.key == "chunks")
    assert "large" in advice.reason
    assert max(found.layout["chunks"].values()) <= 128


def test_time_points_that_come_together(tmp_path: Path):
    data = np.stack([volume(64)] * 8)
    path = made(tmp_path / "a.zarr", data, dims="tzyx", chunks=(8, 64, 64, 64))
    found = tune(path, line=Line("slow", 1e-3, 5e6, 8))
    advice = next(item for item in found.advice if item.key == "chunks")
    assert "8 time points" in advice.reason
    assert advice.options["chunks"]["t"] == 1
    # along time nothing is better than all of it in one object
    series = tune(path, use={"time series": 1})
    layout = dict(series.layout).get("chunks", {"t": 8})
    assert layout["t"] >= 8


def test_many_files_become_shards(tmp_path: Path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        str(path), shape=(640, 640, 640), chunks=(64, 64, 64), dtype="u1", fill_value=0, **NAMED
    )
    # a thousand objects, of which each is small
    for coords in np.ndindex(10, 10, 10):
        name = path / "c" / "/".join(map(str, coords))
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(_encoded(array, int(coords[0]) + 1))
    found = tune(path)
    advice = next(item for item in found.advice if item.key == "shards")
    assert advice.objects == (1000, 8)
    assert "shards" in advice.rule
    assert advice.options["shards"] == "auto"
    assert found.layout["shards"] == "auto"
    assert found.objects == 8
    # what gets slower is said, with one word for each pattern
    assert set(advice.slower) <= set(advice.gains)


def _encoded(array: Any, value: int) -> bytes:
    del array
    from numcodecs.zstd import compress

    return compress(np.full(64**3, value, "u1"), 0)


def test_shards_that_are_too_large(tmp_path: Path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        str(path),
        shape=(2048, 2048, 2048),
        chunks=(64, 64, 64),
        shards=(2048, 2048, 2048),
        dtype="u1",
        fill_value=0,
        **NAMED,
    )
    array[:64, :64, :64] = 1
    found = tune(path)
    advice = next(item for item in found.advice if item.key == "shards")
    assert "8.6 GB" in advice.reason


def test_pixels_that_are_not_compressed(tmp_path: Path):
    data = np.zeros((128,) * 3, "u2")
    data[::3] = volume(128)[::3]
    path = made(tmp_path / "a.zarr", data, version="0.4", chunks=64, compressor=None)
    line = Line("slow", 1e-3, 5e6, 8)
    found = nk.tune(path, line=line)
    advice = next(item for item in found.advice if item.key == "compression")
    assert advice.options["compression"] == "zstd:1"
    assert "not compressed" in advice.reason
    packed = made(tmp_path / "b.zarr", data, version="0.4", chunks=64)
    assert "compression" not in keys(nk.tune(packed, line=line))


def test_mags_that_are_missing(tmp_path: Path):
    data = np.resize(volume(64).reshape(-1), (32, 640, 640))
    path = made(tmp_path / "a.zarr", data, chunks=(32, 64, 64))
    slow = Line("slow", 1e-3, 2e6, 8)
    found = nk.tune(path, line=slow, probe=False)
    advice = next(item for item in found.advice if item.key == "mags")
    assert advice.options["mags"] == ["1", "2", "4", "8"]
    assert "640 pixels wide" in advice.reason
    assert found.layout["mags"] == advice.options["mags"]
    assert advice.command.startswith("ngffkit downsample --mags 1,2,4,8 ")
    nk.downsample(path, mags=advice.options["mags"])
    after = nk.tune(path, line=slow, probe=False)
    assert "mags" not in keys(after)
    assert after.survey.objects == advice.objects[1]


def cube(*factors: tuple[int, int, int], scale: float = 1.0) -> Image:
    axes = tuple(Axis(name, "space", "nanometer") for name in "zyx")
    base = Grid(axes, (256, 256, 256), (scale, 1.0, 1.0), (0.0,) * 3)
    grids = [base.coarsen(dict(zip("zyx", f, strict=True))) for f in factors]
    return Image("a", tuple(Level(str(i), grid) for i, grid in enumerate(grids)))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (cube((1, 1, 1), (2, 2, 2), (4, 4, 4)), set()),
        (cube((1, 1, 1), (1, 2, 2), (2, 4, 4), scale=2.0), set()),
        (cube((1, 1, 1), (1, 2, 2), (1, 4, 4)), {"flat", "anisotropic"}),
        (cube((1, 1, 1), (4, 4, 4)), {"steep"}),
        (cube((1, 1, 1), (2, 1, 1), (4, 2, 2), scale=4.0), {"anisotropic"}),
    ],
    ids=["cubes", "towards cubes", "planes only", "a jump", "away from cubes"],
)
def test_what_is_odd_about_a_pyramid(image: Image, expected: set[str]):
    assert {finding.key for finding in findings_of(image)} == expected


def test_metadata_that_are_not_consolidated_cost_a_round_over_http(small: Path, good: Path):
    with serve(small) as server:
        found = tune(server.url)
        assert "metadata" in keys(found)
        assert found.advice[-1].key == "metadata"
        assert "target='copy.zarr'" in found.python
        assert found.command.endswith(f"--to copy.zarr {server.url}")
    with serve(good) as server:
        assert keys(tune(server.url)) == set()
    assert "metadata" not in keys(tune(small))


def test_advice_is_ranked_by_what_it_gains(small: Path):
    found = tune(small)
    gains = [item.gain for item in found.advice]
    assert gains == sorted(gains, reverse=True)
    weights = {row.name: found.use.of(row, found.rows) for row in found.rows}
    views = [weight for name, weight in weights.items() if name.startswith("view")]
    assert sum(views) == pytest.approx(WEIGHTS["view"])
    for item in found.advice:
        logs = [weights[name] * math.log(gain) for name, gain in item.gains.items()]
        assert item.gain == pytest.approx(math.exp(sum(logs) / sum(weights.values())))


# --- carried out ----------------------------------------------------------------------------------


def test_advice_gives_the_requests_and_objects_that_it_promises(small: Path, tmp_path: Path):
    before = tune(small)
    options = {k: v for k, v in before.layout.items() if k != "version"}
    version = before.layout.get("version", before.survey.image.version)
    target = tmp_path / "b.zarr"
    mags = list(before.survey.image.mags)
    nk.convert(small, target, version=version, mags=mags, **options)
    after = tune(target)
    assert after.survey.objects == before.objects < before.survey.objects
    for promised, found in zip(before.best, after.rows, strict=True):
        assert found.name == promised.name
        assert found.traffic.requests == pytest.approx(promised.traffic.requests, rel=0.01)
        assert found.traffic.decoded == promised.traffic.decoded
        assert found.traffic.nbytes == pytest.approx(promised.traffic.nbytes, rel=0.25)
    assert after.advice == ()


def test_compression_of_other_chunks_is_estimated_by_a_look(tmp_path: Path):
    path = made(tmp_path / "a.zarr", volume(96), version="0.4", chunks=8)
    before = nk.tune(path, line=S3)
    target = tmp_path / "b.zarr"
    nk.convert(path, target, mags=["1"], version="0.4", **dict(before.layout))
    after = tune(target)
    promised = {row.name: row.traffic.nbytes for row in before.best}
    for row in after.rows:
        assert row.traffic.nbytes == pytest.approx(promised[row.name], rel=0.1)


@pytest.mark.parametrize("chunks", [32, 64])
def test_edges_that_are_mostly_padding_are_not_promised_as_whole_chunks(
    chunks: int, tmp_path: Path
):
    # 136 = 2 * 64 + 8: of the chunks at the edge an eighth is pixels
    path = made(tmp_path / "a.zarr", volume(136), version="0.4", chunks=16)
    before = nk.tune(path, line=S3)
    target = tmp_path / "b.zarr"
    nk.convert(path, target, mags=["1"], version="0.5", chunks=chunks, shards="auto")
    found = tune(target)
    chosen = Candidate(tuple(dict.fromkeys("zyx", chunks).items()), sharded=True, packed=True)
    look = look_at(as_opened(path).reader(0), (0, 0, 0), (136,) * 3)
    guess = Guess(before.survey, look, before.reading.machine)
    promised = rows_of(guess.levels(chosen), ("1",), patterns_of(before.survey.image), S3_READING)
    for row, made_ in zip(promised, found.rows, strict=True):
        assert row.traffic.decoded == made_.traffic.decoded
        assert row.traffic.nbytes == pytest.approx(made_.traffic.nbytes, rel=0.25)


def test_chunks_of_a_padded_array_are_those_of_its_image(tmp_path: Path):
    # as WEBKNOSSOS pads: the box of the image begins at 40 in chunks of 32, and ends at 104
    source, root = made(tmp_path / "a.zarr", volume(64), chunks=32), tmp_path / "d"
    nk.webknossos.write({"em": source}, root, mags=["1"])
    document = json.loads((root / "datasource-properties.json").read_text())
    layer = document["dataLayers"][0]
    layer["boundingBox"]["topLeft"] = [40, 40, 40]
    (root / "datasource-properties.json").write_text(json.dumps(document))
    place = root / layer["mags"][0]["path"]
    array = zarr.create_array(
        str(place),
        shape=(128,) * 3,
        chunks=(32,) * 3,
        dtype="u1",
        fill_value=0,
        overwrite=True,
        **NAMED,
    )
    array[40:104, 40:104, 40:104] = volume(64)
    found = tune(root)
    (mag,) = found.survey.mags
    assert mag.origin == (40, 40, 40)
    assert mag.grid.shape == (64, 64, 64)
    assert mag.touched((32, 32, 32)) == 3**3
    assert mag.filled == 1
    check(found)
    # written for itself it has eight whole chunks, and about as many bytes as the source
    guess = Guess(found.survey, Look(), found.reading.machine)
    (level,) = guess.levels(Candidate(chunks_of(mag), sharded=False, packed=True))
    assert guess.objects([level]) == 8
    read, _ = level.traffic((slice(0, 64),) * 3, merges=False, cpus=1)
    assert read.nbytes == pytest.approx(tune(source).survey.nbytes, rel=0.25)


def test_one_field_of_a_plate(tmp_path: Path):
    plate(tmp_path, rows="A", columns=1, fields=1)
    how = How(version="0.5", chunks=8, factors=[])
    well(tmp_path / "A" / "01", {"0": [volume(48)]}, how)
    found = tune(tmp_path, image="A/01/0")
    check(found)
    assert found.survey.url.endswith("A/01/0")
    assert found.survey.objects == 6**3


# --- how quick it would be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        (numcodecs.GZip(9), "gzip"),
        (numcodecs.Blosc("zlib", 9, numcodecs.Blosc.NOSHUFFLE), "zlib in blosc"),
    ],
    ids=["gzip", "blosc"],
)
def test_codecs_that_are_slow_to_decode(codec: Any, name: str, tmp_path: Path):
    path = made(tmp_path / "a.zarr", volume(128), version="0.4", chunks=64, compressor=codec)
    # decoding is all that counts on a line like this
    found = nk.tune(path, line=Line("quick", 1e-6, 1e12, 64), use={"full scan": 1})
    advice = next(item for item in found.advice if item.key == "compression")
    assert f"{name} takes" in advice.reason
    assert advice.gain >= WORTH
    assert advice.options["compression"] == "zstd:1"


def guessing(tuning: Tuning, pace: Mapping[int, float], machine: Machine) -> Guess:
    """Return a guess by a look that found these seconds per byte, by the side of a chunk."""
    seen = {(side,) * 3: (0.5, took) for side, took in pace.items()}
    return Guess(tuning.survey, Look(np.zeros((64,) * 3, "u1"), _seen=seen), machine)


def cubes(side: int) -> Candidate:
    return Candidate(tuple(dict.fromkeys("zyx", side).items()), sharded=False, packed=True)


def test_what_each_chunk_costs_is_paid_less_often_in_larger_ones(small: Path):
    machine = Machine(2, 0.0, 1e-6, 4e-9, 1.5)
    guess = guessing(tune(small), {16: 2e-9, 32: 1e-9, 64: 0.5e-9}, machine)
    same, larger, largest = (guess.decoder(cubes(side)) for side in (16, 32, 64))
    assert (same.per_byte, larger.per_byte, largest.per_byte) == pytest.approx((4e-9, 2e-9, 1e-9))
    assert same.speedup == pytest.approx(1.5)
    assert largest.speedup is not None
    assert larger.speedup is not None
    assert 1.5 < larger.speedup < largest.speedup < 2
    # a chunk of 16 takes 17.4 us, of which threads take turns for a third
    turns = 17.384e-6 / 3
    part = turns / (1e-6 + 64**3 * 1e-9)
    assert largest.speedup == pytest.approx(1 / (part + (1 - part) / 2), rel=1e-3)


def test_chunks_that_go_into_shards_are_chosen_anew(tmp_path: Path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        str(path), shape=(256,) * 3, chunks=(32,) * 3, dtype="u1", fill_value=0, **NAMED
    )
    array[:] = np.random.default_rng(0).integers(0, 9, (256,) * 3, np.uint8)
    survey = tune(path).survey
    assert survey.objects == 512 > MANY
    machine = Machine(2, 1e-6, 1e-6, 2e-9)
    guess = guessing(tune(path), {32: 2e-9, 64: 1e-9}, machine)
    patterns = patterns_of(survey.image)
    reading = Reading((SSD,), "SSD", machine, merges=False)
    rows = rows_of([mag.lying for mag in survey.mags], survey.image.mags, patterns, reading)
    adviser = Adviser(guess, patterns, reading, rows, Use(WEIGHTS))
    # too little to write all anew for it; but it is written anew for the sake of the files
    best = adviser.best()
    assert 1 < adviser.outcome(replace(best.candidate, sharded=False)).gain < adviser.worth == 2
    assert best.candidate.sharded
    assert set(dict(best.candidate.chunks).values()) == {64}
    assert {"chunks", "shards"} <= {item.key for item in adviser.advice()}


def test_indexes_of_shards_count_once_in_ten_planes(tmp_path: Path):
    path = made(tmp_path / "a.zarr", volume(128), chunks=32, shards=(128,) * 3)
    rows = {row.name: row for row in tune(path).rows}
    plane, cutout = rows["xy plane"], rows["cutout 64"]
    assert plane.seconds["S3"] - plane.known["S3"] == pytest.approx(S3.latency, rel=0.2)
    saved = plane.seconds["S3"] - plane.known["S3"]
    assert plane.counted("S3") == pytest.approx(plane.known["S3"] + saved / 10)
    assert cutout.counted("S3") == cutout.seconds["S3"] > cutout.known["S3"]
    plain = made(tmp_path / "b.zarr", volume(128), chunks=32)
    for row in tune(plain).rows:
        assert row.known == row.seconds


def test_a_look_is_none_where_nothing_was_read():
    assert Look().density((4, 4)) is None
    assert Look().pace((4, 4)) is None


# --- whatever there is ----------------------------------------------------------------------------


def check(found: Tuning) -> None:
    """Check that every form of a report can be had."""
    facts = json.loads(json.dumps(found.to_json()))
    assert facts["objects"] == found.survey.objects
    assert len(facts["patterns"]) == len(found.rows) > 0
    assert all(math.isfinite(t) for row in found.rows for t in row.seconds.values())
    assert "<script" not in found._repr_html_()
    assert all(line.isprintable() for line in str(found).splitlines())
    assert len(found.plot().axes[0].get_yticks()) == len(found.rows)


def test_plain_arrays_and_flat_images(tmp_path: Path):
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(300, 200), chunks=(10, 10), dtype="f4"
    )
    array[:] = np.random.default_rng(0).random((300, 200), np.float32)
    check(nk.tune(tmp_path / "a.zarr"))
    data = np.arange(96 * 96, dtype="u2").reshape(96, 96)
    path = made(tmp_path / "b.zarr", data, dims="yx", chunks=16, factors=[{"y": 2, "x": 2}])
    found = nk.tune(path)
    check(found)
    assert [row.name for row in found.rows if "plane" in row.name] == ["xy plane"]


def test_five_dimensions(tmp_path: Path):
    data = np.random.default_rng(0).integers(0, 9, (2, 2, 8, 40, 40), np.uint8)
    path = made(
        tmp_path / "a.zarr",
        data,
        dims="tczyx",
        chunks=(2, 2, 8, 16, 16),
        factors=[{"y": 2, "x": 2}],
    )
    found = nk.tune(path)
    check(found)
    assert "time series" in [row.name for row in found.rows]


def test_labels_have_a_section_and_can_be_chosen(tmp_path: Path):
    path = nk.sample(tmp_path / "cells.ome.zarr")
    found = nk.tune(path, probe=False)
    check(found)
    assert list(found.labels) == ["labels/nuclei"]
    assert "labels/nuclei" in str(found)
    assert "labels/nuclei" in found._repr_html_()
    one = nk.tune(path, image="labels/nuclei", probe=False)
    assert one.survey.url.endswith("labels/nuclei")
    assert one.rows == found.labels["labels/nuclei"].rows
    with pytest.raises(NgffError, match="labels/nuclei"):
        nk.tune(path, image="labels/none")


def test_zip_files_and_objects_that_are_open(tmp_path: Path):
    path = nk.sample(tmp_path / "cells.ome.zarr")
    nk.copy(path, tmp_path / "cells.ozx")
    found = tune(tmp_path / "cells.ozx")
    check(found)
    assert found.survey.exact
    assert "--to copy.zarr" in found.command or not found.layout
    tree = nk.open(path)
    for obj in (tree, tree["1"].to_dataset(), tree["1"]["image"], tree["2-2-1"]["image"][:, :4]):
        assert obj.ngff.tune(probe=False).rows == tune(path, line="SSD").rows


def test_webknossos_datasets(tmp_path: Path):
    path = tmp_path / "a.zarr"
    nk.convert(volume(40), path, voxel_size=(1, 1, 1), sidecar=True, layer="em")
    found = tune(path)
    check(found)


def test_names_that_are_hostile(tmp_path: Path):
    path = made(tmp_path / "<script>\x1b[31m.zarr", volume(16), chunks=8)
    check(tune(path))


def test_over_http_the_line_is_measured(small: Path):
    with serve(small) as server:
        found = nk.tune(server.url)
    check(found)
    assert found.reading.line == "here"
    assert found.line.latency > 0
    assert found.survey.remote


def test_without_probing_no_pixel_is_read(good: Path):
    opened = as_opened(good)
    tally = Tally()
    store = counted(opened.store, tally)
    tune(replace(opened, store=store))
    assert tally.nbytes < 100_000


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"line": "carrier pigeon"}, "here, SSD, LAN, S3"),
        ({"line": 3}, "is no line"),
        ({"use": {"yx plane": 1}}, "'xy plane'"),
        ({"use": {"xy plane": -1}}, "0 or more"),
        ({"use": {"xy plane": 0}}, "all weights are 0"),
        ({"use": {}}, "is no mapping"),
        ({"image": "nothing"}, "nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(options: Mapping[str, Any], expected: str, good: Path):
    with pytest.raises(NgffError, match=expected):
        nk.tune(good, **{"probe": False, **options})


def test_images_without_pixels_are_refused(tmp_path: Path):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(0, 8), chunks=(1, 8), dtype="u1")
    with pytest.raises(NgffError, match="no pixels"):
        nk.tune(tmp_path / "a.zarr")


def test_candidates_are_values(good: Path):
    survey = tune(good).survey
    one = Candidate((("z", 32), ("y", 32), ("x", 32)), sharded=True, packed=True)
    assert one.options(survey) == {
        "chunks": {"z": 32, "y": 32, "x": 32},
        "shards": "auto",
        "compression": "zstd:1",
    }
