"""The benchmarks of reading: equal pixels in each layout, requests counted, digests that tell."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from contenders import _reading  # noqa: E402
from sections.read import boxes, told  # noqa: E402
from served import BUCKET, served  # noqa: E402
from volumes import CHUNK, LAYOUTS, MAGS, mags, volume, write  # noqa: E402

import ngffkit as nk  # noqa: E402

SIZE = 128


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return volume(SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: np.ndarray) -> Path:
    root = tmp_path_factory.mktemp("volumes")
    write(root, data)
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with served(folder, 0.01) as url:
        yield url


def run(job: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Let ngffkit's script do a job, as the harness does."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "contenders" / "ngffkit" / f"{job}.py", json.dumps(asked)],
        env={"PYTHONPATH": str(BENCHMARKS / "contenders")},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.removeprefix("RESULT ")))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_each_layout_has_the_same_pixels_and_is_what_it_is_called(layout, folder, data):
    path = folder / layout.folder
    tree = nk.open(path)
    assert len(tree.children) == MAGS
    for level, mag in zip(mags(data), tree.children.values(), strict=True):
        assert np.array_equal(mag["image"].values, level)
    meta = tree["1"].image.ngff.layout
    assert (meta.zarr_format, meta.chunks) == (layout.zarr, (CHUNK,) * 3)
    assert (meta.shards is not None) == layout.sharded
    assert float(tree["2"].image.z[0]) == float(tree["1"].image.z[:2].mean())
    assert dict(tree["1"].image.sizes) == {"z": SIZE, "y": SIZE, "x": SIZE}
    document = json.loads((folder / layout.name / "datasource-properties.json").read_text())
    for mag in document["dataLayers"][0]["mags"]:
        assert (folder / layout.name / mag["path"]).is_dir()


def test_boxes_lie_within_the_volume_and_cutouts_off_the_grid():
    for name, every in boxes(256, 8).items():
        for box in every:
            assert all(0 <= s.start < s.stop <= 256 for s in box)
            if name == "cutout":
                assert _reading.shape_of(box) == (CHUNK,) * 3
                assert all(s.start % CHUNK for s in box)


def test_a_digest_tells_one_pixel_the_place_and_the_type(data):
    every = boxes(SIZE, 2)["xy plane"]
    right = _reading.digest_of(data, every)
    other = data.copy()
    other[every[1][0].start, 5, 7] += 1
    assert _reading.digest_of(other, every) != right
    assert _reading.digest_of(data, every[::-1]) != right
    assert _reading.digest_of(data.astype(np.int8), every) != right
    assert _reading.digest_of(data.transpose(0, 2, 1), every) != right
    # memory in another order, or an axis more, are the same pixels
    assert _reading.digest_of(np.asfortranarray(data), every) == right
    seen = _reading.Pixels()
    for box in every:
        seen.add(data[box][None], _reading.shape_of(box))
    assert str(seen) == right


def test_rounds_are_the_longest_chain():
    assert _reading.rounds_of([]) == 0
    assert _reading.rounds_of([(0, 3, 1), (1, 2, 1), (1.5, 4, 1)]) == 1
    assert _reading.rounds_of([(2, 3, 1), (0, 1, 1), (0, 2, 1), (3.5, 4, 1)]) == 3


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    wanted = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(wanted) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, b""


def test_the_server_answers_ranges_and_logs_each_request_once(server, folder):
    name = "v3.ome.zarr/0/c/0/0/0"
    whole = (folder / name).read_bytes()
    url = f"{server}/{BUCKET}/{name}"
    _reading.logged({"server": server})
    assert ask(url) == (200, whole)
    assert ask(url, Range="bytes=5-9") == (206, whole[5:10])
    assert ask(url, Range="bytes=7-") == (206, whole[7:])
    assert ask(url, Range="bytes=-11") == (206, whole[-11:])
    assert ask(url, "HEAD") == (200, b"")
    assert ask(f"{url}1") == (404, b"")
    found = _reading.logged({"server": server}, 2)
    assert found["requests"] == 3
    assert found["nbytes"] == (len(whole) + 5 + len(whole) - 7 + 11) / 2
    assert found["figures"] == {"rounds": 3}
    assert _reading.logged({"server": server})["requests"] == 0
    assert _reading.logged({}) == {}


def test_a_script_reads_what_it_is_asked_for(folder, data):
    every = boxes(SIZE, 3)["cutout"]
    asked = told(LAYOUTS[0], str(folder / LAYOUTS[0].folder), "", SIZE)
    found = run("read", asked | {"boxes": _reading.as_text(every)})
    assert found["pixels"] == _reading.digest_of(data, every)
    assert "requests" not in found


def test_a_script_counts_the_requests_of_what_it_times_and_no_others(server, data):
    every = boxes(SIZE, 3)["xy plane"]
    asked = told(LAYOUTS[1], f"{server}/{BUCKET}/{LAYOUTS[1].folder}", "", SIZE)
    found = run("plane", asked | {"boxes": _reading.as_text(every), "server": server})
    assert found["pixels"] == _reading.digest_of(data, every)
    assert found["requests"] == (SIZE // CHUNK) ** 2


def test_the_first_read_is_one_that_knows_nothing_of_the_server(server, folder, data):
    layout = LAYOUTS[-1]
    every = boxes(SIZE, 3)["xy plane"]
    asked = told(layout, f"{server}/{BUCKET}/{layout.folder}", "", SIZE)
    asked |= {"boxes": _reading.as_text(every), "server": server}
    asked["before"] = told(layout, str(folder / layout.folder), "", SIZE)
    first = run("plane", asked)
    assert first["pixels"] == _reading.digest_of(data, every[:1])
    later = run("plane", {key: asked[key] for key in asked if key != "before"})
    # the index, and what there is to read of that plane
    assert first["figures"]["rounds"] > later["figures"]["rounds"] / len(every)
    assert first["requests"] >= 2


def test_opening_tells_its_mags_and_the_requests_of_the_image_that_counts(server, folder, data):
    layout = LAYOUTS[1]
    seen, last = _reading.Pixels(), mags(data)[-1]
    seen.add(last, last.shape)
    asked = told(layout, f"{server}/{BUCKET}/{layout.folder}", "", SIZE)
    asked |= {"server": server, "imports": False, "before": {"place": str(folder / layout.folder)}}
    found = run("open", asked)
    assert found["pixels"] == f"{MAGS} mags, {seen}"
    # the group and its arrays, and whether there are labels
    assert MAGS + 1 <= found["requests"] <= MAGS + 4
