"""Benchmarks count exactly, say what they left out, and never change what they measure."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from httpd import Server, serve
from makers import How, pyramid, write

import ngffkit as nk
from ngffkit.access.decoding import machine
from ngffkit.access.lines import S3, SSD
from ngffkit.access.probing import drop, probe
from ngffkit.api import as_opened
from ngffkit.errors import NgffError, StoreError
from ngffkit.tuning import measuring
from ngffkit.tuning.speeds import Timed, brief

HOW: Final = How(chunks=16, shards=(32, 64, 64))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = np.random.default_rng(0).integers(0, 99, (70, 80, 90)).astype(np.uint8)
    data[:32, :64, :64] = 0
    return write(tmp_path_factory.mktemp("speed") / "x.zarr", pyramid(data, HOW), HOW)


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    with serve(place.parent, latency=0.002) as running:
        yield running


def test_every_pattern_is_counted_and_equals_the_prediction(place: Path, server: Server):
    for source in (place, f"{server.url}/x.zarr"):
        found = nk.benchmark(source, rounds=2)
        names = [row.name for row in found.rows]
        assert names == [
            *("xy plane", "xz plane", "yz plane", "cutout 64", "full scan", "view 1"),
            "view 2",
        ]
        for row in found.rows:
            assert (row.requests, row.nbytes) == (row.predicted.requests, row.predicted.nbytes)
            assert row.rounds == 2
            assert row.cold is not None
            assert row.cold.low <= row.cold.median <= row.cold.high
            assert row.predicted_cold >= row.predicted_warm > 0


def test_what_is_counted_is_what_the_server_saw(server: Server):
    source = as_opened(f"{server.url}/x.zarr")
    server.clear()
    found = nk.benchmark(source, patterns="xz plane", rounds=1, line=S3)
    (row,) = found.rows
    # the last reads are cold, then warm: indexes come once
    indexes = [hit for hit in server.hits if hit.range.startswith("-")]
    assert row.requests > row.predicted.rounds == 2
    cold = server.hits[-int(2 * row.requests - 6) :]
    sent = [hit.sent for hit in cold[: int(row.requests)] if hit.status != 404]
    assert sum(sent) == row.nbytes
    assert len([hit for hit in cold if hit in indexes]) == 6


def test_what_takes_too_long_is_left_out_and_named(place: Path):
    slow = nk.benchmark(place, patterns=["full scan"], seconds=1, line=S3, rounds=1)
    assert slow.rows[0].rounds == 1, "a tenth of a second fits"
    none = nk.benchmark(place, patterns="full scan", seconds=1e-9)
    (row,) = none.rows
    assert (row.cold, row.warm, row.rounds, row.requests) == (None, None, 0, 0)
    assert row.predicted.requests > 0
    assert "left out: it needs about" in str(none)
    assert "pass more seconds" in none._repr_html_()
    assert len(none.plot().axes) == 1


def test_what_does_not_fit_into_memory_is_left_out(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measuring, "MOST", 100_000)
    found = nk.benchmark(place, patterns=["full scan", "xy plane"], rounds=1)
    assert [row.rounds for row in found.rows] == [0, 1]
    assert found.rows[0].note == "left out: it brings 504 kB of pixels at once"


def test_text_card_and_json_say_the_same(place: Path):
    found = nk.benchmark(place, patterns=["xy plane", "view 2"], rounds=1, line=SSD)
    row = found.rows[1]
    said = json.loads(json.dumps(found.to_json()))
    assert said["rows"][1]["pattern"] == "view"
    assert said["rows"][1]["mag"] == "2"
    assert said["rows"][1]["cold"]["median"] == row.cold.median
    assert said["line"]["name"] == "SSD"
    for text in (str(found), found._repr_html_()):
        assert "xy plane" in text
        assert str(row.warm) in text
        assert "cold: " in text
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_picture_has_a_bar_for_each_measurement_and_a_mark_for_each_prediction(place: Path):
    found = nk.benchmark(place, rounds=1)
    figure = found.plot(width=6)
    (axes,) = figure.axes
    assert len(axes.patches) == 2 * len(found.rows)
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    shown = sorted(float(line.get_xdata()[0]) for line in marks)
    expected = [(row.predicted_cold, row.predicted_warm) for row in found.rows]
    assert shown == sorted(value for pair in expected for value in pair)
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    widths = [bar.get_width() for bar in axes.patches]
    assert low < min(widths)
    assert max(widths) < high


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patterns": "zz plane"}, "'zz plane' was asked for; this image has xy plane, xz plane"),
        ({"patterns": []}, "no pattern was asked for"),
        ({"rounds": 0}, "rounds=0; a whole number of at least 1"),
        ({"rounds": 1.5}, "rounds=1.5"),
        ({"seconds": float("nan")}, "a number above 0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"image": "nothing"}, "has no image 'nothing'"),
    ],
)
def test_mistakes_are_named(place: Path, options: dict, words: str):
    with pytest.raises(NgffError, match=words):
        nk.benchmark(place, **options)


def test_reading_goes_on_where_chunks_were_lost(place: Path, tmp_path: Path):
    how = How(chunks=16, factors=())
    data = np.ones((32, 32, 32), np.uint8)
    write(tmp_path / "y.zarr", [data], how)
    (tmp_path / "y.zarr/0/c/0/0/0").unlink()
    (row,) = nk.benchmark(tmp_path / "y.zarr", patterns="full scan", rounds=1).rows
    assert (row.requests, row.predicted.chunks) == (8, 7)


def test_a_plain_array_and_a_dataset_are_measured_too(place: Path):
    assert nk.benchmark(place / "0", patterns="full scan", rounds=1).rows[0].rounds == 1
    opened = nk.open(place)["1"].ds
    assert nk.benchmark(opened, patterns="full scan", rounds=1).rows[0].rounds == 1


# --- the line and the machine ---------------------------------------------------------------------


def test_a_probe_asks_for_no_more_than_it_may(server: Server):
    reader = as_opened(f"{server.url}/x.zarr").reader(0)
    server.clear()
    line = probe(reader, nbytes=500_000)
    assert line.latency >= 0.002
    assert 1 <= line.concurrency <= reader.store.concurrency
    assert line.bandwidth > 1000
    assert sum(hit.sent for hit in server.hits) < 2_500_000
    assert {hit.key for hit in server.hits} <= {
        f"x.zarr/0/c/{z}/{y}/{x}" for z in range(3) for y in range(2) for x in range(2)
    }


def test_an_array_without_a_chunk_is_probed_by_its_document(tmp_path: Path):
    write(tmp_path / "e.zarr", [np.zeros((32, 32), np.uint8)], How(dims="yx", factors=()))
    reader = as_opened(tmp_path / "e.zarr").reader(0)
    assert probe(reader).latency > 0
    assert machine(reader).per_byte > 0
    (tmp_path / "e.zarr/0/zarr.json").unlink()
    with pytest.raises(StoreError, match="nothing to measure the line with"):
        probe(reader)


def test_files_are_dropped_and_still_there(place: Path, server: Server):
    local, web = as_opened(place).reader(0), as_opened(f"{server.url}/x.zarr").reader(0)
    before = np.asarray(local.read((slice(0, 70), slice(0, 80), slice(0, 90))))
    assert drop(local, [local.key((0, 0, 0)), "no/such/key"])
    assert not drop(web, [web.key((0, 0, 0))])
    after = as_opened(place).reader(0).read((slice(0, 70), slice(0, 80), slice(0, 90)))
    np.testing.assert_array_equal(before, after)


def test_one_measurement_has_no_spread():
    assert Timed.of([2.0]) == Timed(2.0, 2.0, 2.0)
    assert str(Timed.of([0.001, 0.002, 0.004])) == "2.00 ms ± 750 µs"
    assert [brief(n) for n in (0, 3e-9, 1.0, 59.96)] == ["0 s", "0.00 µs", "1.00 s", "60.0 s"]
