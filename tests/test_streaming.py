"""What is asked of a server, how often, and what is kept."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpd
import makers
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ngffkit as nk
from ngffkit.chunks import codecs, reader, shardindexes
from ngffkit.chunks.batches import cut_spans
from ngffkit.chunks.shardindexes import ShardIndexes
from ngffkit.stores.base import NEAR
from ngffkit.stores.patience import REPEATS
from ngffkit.stores.remote import ObjectStore, open_object_store

BODY = np.random.default_rng(2).bytes(50_000)
QUICK: dict[str, Any] = {
    "retry_config": {
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=1),
            "max_backoff": dt.timedelta(milliseconds=4),
            "base": 2,
        }
    }
}
SIDE, CHUNK = 256, 64
RAW = makers.How(dims="zyx", chunks=(CHUNK,) * 3, shards=(SIDE,) * 3, factors=[], compressor=None)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return np.random.default_rng(3).integers(1, 255, (SIDE,) * 3, np.uint8)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, volume: np.ndarray) -> Iterator[httpd.Server]:
    root: Path = tmp_path_factory.mktemp("streaming")
    (root / "object").write_bytes(BODY)
    makers.write(root / "sharded", [volume], RAW)
    small = makers.How(dims="zyx", chunks=(4, 8, 8), shards=(4, 16, 16), factors=[])
    makers.write(root / "many", [np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)], small)
    with httpd.serve(root) as server:
        yield server


@pytest.fixture
def server(served: httpd.Server) -> httpd.Server:
    served.clear()
    return served


@pytest.fixture
def store(server: httpd.Server) -> ObjectStore:
    return open_object_store(server.url, QUICK)


# --- shards -------------------------------------------------------------------------------------


def test_a_plane_of_a_shard_takes_an_index_and_little_more_than_its_chunks(server, volume):
    image = nk.open(f"{server.url}/sharded")["1"].image
    server.clear()
    np.testing.assert_array_equal(image[100].values, volume[100])
    ranges = [hit for hit in server.hits if not hit.range.startswith("-")]
    assert len(server.hits) == len(ranges) + 1
    chunks = (SIDE // CHUNK) ** 2
    # chunks of 256 KiB are farther apart than what is read for nothing
    assert sum(hit.sent for hit in ranges) == chunks * CHUNK**3
    assert len(ranges) <= chunks


def test_ranges_of_a_shard_travel_at_the_same_time(server, volume):
    image = nk.open(f"{server.url}/sharded")["1"].image
    image[0].values  # noqa: B018 - reads the index
    server.latency = 0.05
    try:
        rounds = []
        for _ in range(3):  # a busy machine may tear a round apart
            server.clear()
            np.testing.assert_array_equal(image[100].values, volume[100])
            rounds.append(server.rounds())
    finally:
        server.latency = 0.0
    assert min(rounds) == 1


def test_no_more_chunks_are_decoded_at_a_time_than_there_are_processors(server, monkeypatch):
    now, most = list[int](), list[int]()
    decode = codecs.decode

    def slow(*args: Any) -> None:
        now.append(1)
        most.append(len(now))
        time.sleep(0.002)
        decode(*args)
        now.pop()

    image = nk.open(f"{server.url}/many")["1"].image
    monkeypatch.setattr(codecs, "decode", slow)
    expected = np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)
    np.testing.assert_array_equal(image.values, expected)
    assert len(most) == 64
    assert max(most) <= (os.cpu_count() or 1)


@pytest.mark.parametrize("behind", [0, 1, 64])
def test_all_that_came_is_decoded_however_much_may_wait(server, monkeypatch, behind):
    monkeypatch.setattr(reader, "_MOST_BEHIND", behind)
    expected = np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)
    for _ in range(5):
        image = nk.open(f"{server.url}/many")["1"].image
        np.testing.assert_array_equal(image.values, expected)


def test_a_damaged_chunk_is_named_whichever_thread_decodes_it(tmp_path):
    how = makers.How(dims="zyx", chunks=(4, 8, 8), factors=[])
    makers.write(tmp_path / "a", [np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)], how)
    level = next(path for path in (tmp_path / "a").iterdir() if path.is_dir())
    damaged = next(
        p for p in sorted(level.rglob("*")) if p.is_file() and p.parts[-2:] == ("3", "5")
    )
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with httpd.serve(tmp_path) as server:
        server.latency = 0.02  # so that all come at the same time
        with pytest.raises(nk.ChunkError, match="3/5"):
            nk.open(f"{server.url}/a")["1"].image.values  # noqa: B018 - reads
        server.latency = 0.0


@pytest.mark.parametrize("box", [np.s_[3:5, 60:70, 100:101], np.s_[:, 17], np.s_[::50, ::3, 250:]])
def test_boxes_of_a_shard_are_its_pixels(server, volume, box):
    image = nk.open(f"{server.url}/sharded")["1"].image
    np.testing.assert_array_equal(image[box].values, volume[box])


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 3 * NEAR)), max_size=30))
def test_spans_hold_a_batch_in_its_order(ranges):
    batch = [(start, length, i) for i, (start, length) in enumerate(sorted(ranges))]
    spans = cut_spans(batch)
    assert [entry for span in spans for entry in span] == batch
    assert all(spans)


def test_the_index_that_was_not_used_for_longest_goes_first():
    one = np.zeros((100, 2), np.uint64)
    kept = ShardIndexes(3 * (one.nbytes + 256))
    for i in range(3):
        kept.add((i,), one)
    assert kept.get((0,)) is one
    kept.add((3,), one)
    assert [(i,) in kept for i in range(4)] == [True, False, True, True]
    assert kept.nbytes <= kept.limit


def test_absent_shards_are_remembered_within_the_bound():
    kept = ShardIndexes(256 * 10)
    for i in range(100):
        kept.add((i,), None)
    assert sum((i,) in kept for i in range(100)) == 10
    assert kept.get((99,)) is None


def test_an_index_larger_than_the_bound_is_kept_alone():
    kept, large = ShardIndexes(10), np.zeros((100, 2), np.uint64)
    for i in range(2):
        kept.add((i,), large)
    assert [(0,) in kept, (1,) in kept] == [False, True]


def test_kept_indexes_stay_here_when_a_reader_travels():
    kept = ShardIndexes(999)
    kept.add((0,), None)
    again = pickle.loads(pickle.dumps(kept))
    assert again.limit == 999
    assert (0,) not in again


def test_indexes_are_asked_for_again_beyond_the_bound(server, monkeypatch):
    monkeypatch.setattr(shardindexes.ShardIndexes.__init__, "__defaults__", (1,))
    image = nk.open(f"{server.url}/many")["1"].image
    for _ in range(2):
        server.clear()
        pixels = image[1].values
        assert sum(hit.range.startswith("-") for hit in server.hits) >= 15
        np.testing.assert_array_equal(pixels.ravel(), np.arange(64 * 64, 2 * 64 * 64))


# --- retries ------------------------------------------------------------------------------------


def other_range(answer: httpd.Answer) -> httpd.Answer:
    """Say that what is sent is from elsewhere."""
    return httpd.Answer(206, answer.body, {**answer.headers, "Content-Range": "bytes 7-16/50000"})


@pytest.mark.parametrize("fault", [httpd.short, other_range])
@pytest.mark.parametrize("span", [(100, 1000), (-1000, 1000), (49_000, None)])
def test_an_answer_that_does_not_fit_is_asked_for_again(server, store, fault, span):
    server.fault("object", fault, times=2)
    start, length = span
    stop = None if length is None or start < 0 else start + length
    assert bytes(store.get("object", start, length)) == BODY[start:stop]
    assert 2 < len(server.hits) <= 4


@pytest.mark.parametrize("fault", [httpd.short, other_range])
def test_an_answer_that_never_fits_is_an_error(server, store, fault):
    server.fault("object", fault)
    with pytest.raises(nk.StoreError, match=f"{server.url}/object"):
        store.get("object", 100, 1000)
    assert REPEATS < len(server.hits) <= 2 * (REPEATS + 1)


def test_no_retries_when_none_are_wanted(server):
    store = open_object_store(server.url, {"retry_config": {"max_retries": 0}})
    for fault, asked in ((other_range, 1), (httpd.status(503), 1), (httpd.short, 2)):
        server.clear()
        server.fault("object", fault)
        with pytest.raises(nk.StoreError):
            store.get("object", 100, 1000)
        assert len(server.hits) == asked


def test_of_a_range_beyond_the_end_comes_what_there_is(server, store):
    assert bytes(store.get("object", 49_990, 100)) == BODY[49_990:]
    assert len(server.hits) == 2  # the second one tells that this is the end
    assert bytes(store.get("object", -60_000, 60_000)) == BODY


@pytest.mark.parametrize("code", [401, 403, 404])
def test_what_cannot_get_better_is_asked_once(server, store, code):
    server.fault("object", httpd.status(code))
    if code == 404:
        assert store.get("object", 100, 10) is None
    else:
        with pytest.raises(nk.StoreError) as caught:
            store.get("object", 100, 10)
        assert caught.value.denied
    assert len(server.hits) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_busy_servers_are_asked_as_often_as_the_options_say(server, code):
    store = open_object_store(
        server.url, {"retry_config": {**QUICK["retry_config"], "max_retries": 2}}
    )
    server.fault("object", httpd.status(code))
    with pytest.raises(nk.StoreError, match=str(code)):
        store.get("object", 100, 10)
    assert len(server.hits) == 3
