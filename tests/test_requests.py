"""How many requests things cost, and how many of them one after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpd
import makers
import numpy as np
import pytest
import xarray as xr

import ngffkit as nk

LATENCY = 0.03

HOW = {"dims": "tczyx", "chunks": (1, 1, 4, 16, 16), "factors": [{"y": 2, "x": 2}] * 2}

STORES = {
    "0.5 consolidated": makers.How(**HOW, consolidated=True),
    "0.5 plain": makers.How(**HOW),
    "0.4": makers.How(**HOW, version="0.4"),
}

#: What may be asked for to open the whole tree.
BUDGET = {"0.5 consolidated": 2, "0.5 plain": 10, "0.4": 12}

ROUNDS, ROUNDS_WITHOUT_LABELS, ROUNDS_OF_A_MAG = 4, 3, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("requests")
    pixels = np.random.default_rng(0).integers(1, 999, (2, 2, 8, 64, 64), np.uint16)
    for name, how in STORES.items():
        levels = makers.pyramid(pixels, how)
        makers.write(root / name, levels, how, labels={"cells": levels})
    sharded = makers.How(
        dims="zyx",
        chunks=(4, 16, 16),
        shards=(16, 64, 64),
        factors=[{"y": 2, "x": 2, "z": 2}],
        compressor=None,
    )
    volume = np.random.default_rng(1).integers(1, 999, (32, 128, 128), np.uint16)
    makers.write(root / "sharded", makers.pyramid(volume, sharded), sharded)
    makers.plate(root / "plate")
    small = makers.How(dims="yx", chunks=16, factors=[{"y": 2, "x": 2}])
    field = makers.pyramid(np.ones((32, 32), np.uint8), small)
    makers.well(root / "plate" / "B" / "03", {"0": field, "1": field}, small)
    return root


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[httpd.Server]:
    with httpd.serve(folder, latency=LATENCY) as server:
        yield server


@pytest.fixture
def server(served: httpd.Server) -> httpd.Server:
    served.clear()
    return served


def measure(server: httpd.Server, run: Callable[[], object]) -> tuple[int, int]:
    """Return requests and rounds; a busy machine may tear a round apart, never join two."""
    best = (10**9, 10**9)
    for _ in range(3):
        server.hits.clear()
        run()
        best = min(best, (len(server.hits), server.rounds()), key=lambda pair: pair[1])
    return best


@pytest.mark.parametrize("name", STORES)
def test_opening_keeps_to_the_budget(server, name, capsys):
    url = f"{server.url}/{name}"
    rows = {
        "whole tree": measure(server, lambda: nk.open(url)),
        "labels=False": measure(server, lambda: nk.open(url, labels=False)),
        "mag='2'": measure(server, lambda: xr.open_dataset(url, engine="ngff", mag="2-2-1")),
    }
    with capsys.disabled():
        print("\n" + httpd.table(rows, f"opening {name} over HTTP"))
    whole, plain, mag = rows.values()
    assert whole[0] <= BUDGET[name]
    assert whole[1] <= ROUNDS
    assert plain[1] <= ROUNDS_WITHOUT_LABELS
    assert mag[1] <= ROUNDS_OF_A_MAG
    if whole[0] > 2:  # with consolidated metadata there is nothing left to save
        assert plain[0] < whole[0]
        assert mag[0] < plain[0]


@pytest.mark.parametrize("name", STORES)
def test_opening_reads_no_chunk(server, name):
    tree = nk.open(f"{server.url}/{name}")
    repr(tree)
    assert tree["1"].image.shape == (2, 2, 8, 64, 64)
    assert tree["labels/cells/4-4-1"].labels.shape == (2, 2, 8, 16, 16)
    last = {key.rsplit("/", 1)[-1] for key in server.asked()}
    assert last <= {"zarr.json", ".zattrs", ".zarray", ".zgroup"}


@pytest.mark.parametrize("name", STORES)
def test_a_plane_asks_for_its_chunks_alone(server, name):
    image = nk.open(f"{server.url}/{name}")["1"].image
    server.clear()
    plane = image.isel(t=1, c=0, z=5).compute()
    head = "0" if name == "0.4" else "0/c"
    expected = {f"{name}/{head}/1/0/1/{y}/{x}" for y in range(4) for x in range(4)}
    assert sorted(server.asked()) == sorted(expected)
    assert plane.shape == (64, 64)


def test_a_cutout_asks_for_its_chunks_alone(server):
    image = nk.open(f"{server.url}/0.5 plain")["1"].image
    server.clear()
    image.isel(t=0, c=1, z=slice(3, 5), y=slice(15, 17), x=40).compute()
    expected = {f"0.5 plain/0/c/0/1/{z}/{y}/2" for z in (0, 1) for y in (0, 1)}
    assert sorted(server.asked()) == sorted(expected)


def test_chunks_come_at_the_same_time(server):
    image = nk.open(f"{server.url}/0.5 plain")["1"].image
    requests, rounds = measure(server, lambda: image.isel(t=1, c=0, z=5).values)
    assert requests == 16
    assert rounds <= 3


def test_a_plane_of_shards_takes_indexes_and_ranges(server):
    image = nk.open(f"{server.url}/sharded")["1"].image
    server.clear()
    image.isel(z=3).compute()
    shards = {f"sharded/0/c/0/{y}/{x}" for y in (0, 1) for x in (0, 1)}
    assert set(server.asked()) == shards
    assert all(hit.status == 206 and hit.range for hit in server.hits)
    entries = 4 * 4 * 4
    suffixes = [hit for hit in server.hits if re.fullmatch(r"-\d+", hit.range)]
    assert [hit.sent for hit in suffixes] == [entries * 16 + 4] * 4
    # a layer of chunks is a quarter of a shard; gaps are read where that saves a request, but never
    # more than what is wanted
    whole, index = 16 * 64 * 64 * 2, entries * 16 + 4
    for key in shards:
        sent = sum(hit.sent for hit in server.hits if hit.key == key)
        assert whole / 4 <= sent - index <= whole / 2


def test_a_plane_of_shards_takes_few_rounds(server):
    def read() -> None:
        image = nk.open(f"{server.url}/sharded")["1"].image
        server.hits.clear()
        image.isel(z=3).compute()

    assert measure(server, read)[1] <= 3


def test_an_index_is_read_once(server):
    image = nk.open(f"{server.url}/sharded")["1"].image
    image.isel(z=3).compute()
    server.clear()
    image.isel(z=9).compute()
    assert server.asked()
    assert not any(hit.range.startswith("-") for hit in server.hits)


def test_a_plate_opens_without_its_wells(server):
    requests, rounds = measure(server, lambda: nk.open(f"{server.url}/plate"))
    assert requests <= 2
    assert rounds == 1
    assert not any("/B" in key for key in server.asked())
    tree = nk.open(f"{server.url}/plate")
    assert len([path for path in tree.groups if path.count("/") == 2]) == 16 * 24


def test_a_well_opens_without_the_others(server):
    tree = nk.open(f"{server.url}/plate", wells=["B03"])
    assert tree["B/03/0/1"].image.shape == (32, 32)
    assert {"B/03/0", "B/03/1"} <= {path.strip("/") for path in tree.groups}
    inside = {key for key in server.asked() if key.count("/") > 1}
    assert inside
    assert all(key.startswith("plate/B/03/") for key in inside)
    assert measure(server, lambda: nk.open(f"{server.url}/plate", wells=["B03"]))[1] <= 4


def test_one_field_of_a_plate_is_looked_up_alone(server):
    def look() -> xr.Dataset:
        return xr.open_dataset(f"{server.url}/plate", engine="ngff", image="B/03/1", mag="2")

    assert look().image.shape == (16, 16)
    assert measure(server, look)[1] <= 4
