"""Who reads what is being written sees old or new chunks, each whole, or an error; never a mixture.

What is promised: a chunk is of one version. A box of several chunks may show old ones beside new
ones while a region is written (docs/editing.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torn_child

import ngffkit as nk
from ngffkit.chunks import reader
from ngffkit.editing.doors import write_region
from ngffkit.errors import ChunkError, NgffError
from ngffkit.rewriting.doors import rewrite
from ngffkit.serving.files import Files
from ngffkit.stores.base import LocalStore
from ngffkit.stores.folders import LocalTarget
from ngffkit.writing import convert

pytestmark = [pytest.mark.faults, pytest.mark.in_memory]

EVERYTHING = ["overwrite", "region", "append", "region", "labels", "rewrite", "region"]
ROW = "torn reads"


class Child:
    """A process that writes or reads, as it is told."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), str(here.parents[1])])
        self.process = subprocess.Popen(
            [sys.executable, str(here / "torn_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def begin(self, **order: Any) -> None:
        assert self.process.stdin is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)

    def end(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert "failed" not in found, found["failed"]
        return found

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def writer() -> Iterator[Child]:
    made = Child()
    yield made
    made.close()


@pytest.fixture(scope="module")
def other_reader() -> Iterator[Child]:
    made = Child()
    yield made
    made.close()


def watch(
    writer: Child, other: Child, order: dict[str, Any], places: list[str], count: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Read by threads and by a process while another one writes; return what was done and seen."""
    state = torn_child.State(f"{order['root']}.state")
    writer.begin(do="write", **order)
    until = time.monotonic() + 60
    while not state["done"] and time.monotonic() < until:
        time.sleep(0.01)
    how = {"places": places, "state": f"{order['root']}.state", "count": count // 2, "threads": 4}
    other.begin(do="read", seed=2, **how)
    try:
        seen = [torn_child.read(seed=1, **how), other.end()]
        while state["done"] < len(order["names"]) and time.monotonic() < until:
            seen.append(torn_child.read(seed=len(seen) + 2, **how))
    finally:
        state["stop"] = 1
    return writer.end(), seen


def enter(ledger: Any, seen: list[dict[str, Any]]) -> list[str]:
    for found in seen:
        for outcome, count in found["counts"].items():
            ledger.enter(ROW, outcome, count)
    return [text for found in seen for text in found["wrong"]]


@pytest.mark.parametrize("layout", torn_child.LAYOUTS)
def test_no_chunk_is_torn_whatever_is_done_to_the_image(
    ledger, writer, other_reader, tmp_path, layout
):
    root = str(tmp_path / "a.zarr")
    order = {"root": root, "layout": layout, "seed": 1, "names": EVERYTHING}
    count = ledger.many(240, 20_000)
    done, seen = watch(writer, other_reader, order, [root], count)
    wrong = enter(ledger, seen)
    print(f"\n{layout}: {done}, {[found['counts'] for found in seen]}")
    assert not wrong, "\n".join(wrong)
    assert sum(found["counts"].get("right", 0) for found in seen) > count // 4
    assert set(done) == set(EVERYTHING)


@pytest.mark.parametrize("layout", ["v2", "sharded", "plain shards"])
def test_no_chunk_is_torn_that_a_server_hands_out(ledger, writer, other_reader, tmp_path, layout):
    """Its layout stays, else it is another image: a server has the keys that it began with."""
    root = str(tmp_path / "a.zarr")
    first = torn_child.Writer(root, layout, 0)
    first.overwrite()
    first.state["done"] = 0
    first.state["high"] = 10**6  # the other writer begins at 1 again
    server = nk.serve(root)
    try:
        first.state["high"] = 1
        order = {"root": root, "layout": layout, "seed": 1, "names": ["region"]}
        count = ledger.many(120, 8_000)
        done, seen = watch(writer, other_reader, order, [server.url], count)
    finally:
        server.close()
    wrong = enter(ledger, seen)
    print(f"\n{layout}: {done}, {[found['counts'] for found in seen]}")
    assert not wrong, "\n".join(wrong)
    assert sum(found["counts"].get("right", 0) for found in seen) > count // 4


# --- what was wrong once --------------------------------------------------------------------------


def quarters(root: Path, compression: str, third: int = 0) -> str:
    """Write a shard of eight chunks, of which two are there: of ones, and of twos."""
    pixels = np.zeros((32, 32, 32), "u1")
    pixels[:16, :16, :16], pixels[:16, 16:, 16:], pixels[:16, :16, 16:] = 1, 2, third
    options = {"voxel_size": (1, 1, 1), "chunks": 16, "shards": 32, "mags": [1]}
    return convert(pixels, root, compression=compression, **options).url


@pytest.mark.parametrize("compression", ["zstd:1", "none"])
@pytest.mark.parametrize("served", [False, True])
def test_a_shard_that_is_replaced_is_not_read_by_its_old_index(tmp_path, compression, served):
    """A third chunk takes the place of the second one, which is as long."""
    root = quarters(tmp_path / "a.zarr", compression)
    server = nk.serve(root) if served else None
    try:
        image = nk.open_dataset(server.url if server else root).image
        assert image[0, 20, 20] == 2
        write_region(root, np.full((16, 16, 16), 9, "u1"), at={"z": 0, "y": 0, "x": 16})
        assert image[0, 20, 20] == 2
        assert image[0, 4, 20] == 9
        assert image[0, 4, 4] == 1
    finally:
        if server:
            server.close()


def test_a_shard_that_is_replaced_all_the_time_is_an_error(tmp_path, monkeypatch):
    root = quarters(tmp_path / "a.zarr", "zstd:1")
    image = nk.open_dataset(root).image
    stamps = iter(range(10**6))
    monkeypatch.setattr(LocalStore, "stamp", lambda *_: (next(stamps),))
    # as long as its index stays, it is only named otherwise each time
    assert image[0, 20, 20] == 2
    load, seen = reader.ArrayReader.load_index, []

    def other(self: Any, shard: tuple[int, ...]) -> Any:
        seen.append(shard)
        index = load(self, shard).copy()
        index[0, 0, 0, 0] += 1  # of another chunk than the one that is wanted
        return index

    monkeypatch.setattr(reader.ArrayReader, "load_index", other)
    with pytest.raises(ChunkError, match="replaced again and again"):
        _ = image[0, 20, 20].values
    assert seen == [(0, 0, 0)]


def test_a_single_file_that_is_replaced_is_named(tmp_path):
    quarters(tmp_path / "a.ozx", "none")
    image = nk.open_dataset(tmp_path / "a.ozx").image
    assert image[0, 20, 20] == 2
    os.utime(tmp_path / "a.ozx")
    assert image[0, 4, 4] == 1  # it holds what it held
    (tmp_path / "a.ozx").unlink()
    quarters(tmp_path / "a.ozx", "none", third=3)
    with pytest.raises(ChunkError, match="replaced since it was opened; open it again"):
        _ = image[0, 20, 20].values


def test_an_array_that_was_removed_is_not_empty(tmp_path):
    """Its attributes, by which an absent chunk is a lost one, are gone with it."""
    pixels = np.ones((4, 16, 16), "u1")
    options = {"voxel_size": (1, 1, 1), "version": "0.4", "shards": None, "mags": [1]}
    root = Path(convert(pixels, tmp_path / "a.zarr", **options).url)
    image = nk.open_dataset(root).image
    LocalTarget(root).clear()
    with pytest.raises(ChunkError, match="removed meanwhile"):
        _ = image.values


@pytest.mark.parametrize("compression", ["zstd:1", "none"])
def test_who_has_it_open_while_chunks_get_another_shape_is_told(tmp_path, compression):
    """They have the same size, and would be taken for those that were there."""
    pixels = np.random.default_rng(0).integers(1, 250, (32, 32, 32)).astype("u1")
    how = {"shards": None, "compression": compression}
    options = {"voxel_size": (1, 1, 1), "chunks": {"z": 8, "y": 16, "x": 32}, "mags": [1], **how}
    root = convert(pixels, tmp_path / "a.zarr", **options).url
    image, other = nk.open_dataset(root).image, nk.open_dataset(root).image
    np.testing.assert_array_equal(image[:8], pixels[:8])
    rewrite(root, chunks={"z": 32, "y": 16, "x": 8}, **how)
    for opened in (image, other):  # one that was read from, and one that was not
        with pytest.raises(ChunkError, match="another layout since it was opened"):
            _ = opened[:8, :16].values
    np.testing.assert_array_equal(nk.open_dataset(root).image, pixels)


def test_labels_among_plain_arrays_are_asked_for_in_vain(tmp_path):
    """As while an image is being removed, its root's document first."""
    root = Path(quarters(tmp_path / "a.zarr", "zstd:1"))
    (root / "zarr.json").unlink()
    with pytest.raises(NgffError, match="has no image 'labels/cells'"):
        nk.open_dataset(root, image="labels/cells")


def test_a_server_does_not_send_a_file_by_the_tag_of_the_one_before(tmp_path, monkeypatch):
    root = Path(quarters(tmp_path / "a.zarr", "none"))
    other = Path(quarters(tmp_path / "b.zarr", "none")) / "0/c/0/0/0"
    data = other.read_bytes()
    other.write_bytes(data[::-1])
    read = Files.read

    def late(files: Files, key: str, start: int, stop: int) -> bytes:
        if other.exists():
            other.replace(root / "0/c/0/0/0")
        return read(files, key, start, stop)

    with nk.serve(root) as server:
        monkeypatch.setattr(Files, "read", late)
        with urllib.request.urlopen(f"{server.url}/0/c/0/0/0") as answer:
            assert answer.read() == data[::-1]
            assert answer.headers["ETag"] == Files(str(root)).head("0/c/0/0/0").etag
