"""What a read costs is known beforehand: requests and bytes, to the last one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from httpd import Server, serve
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import How, write

from ngffkit.access.counting import Tally, counted, merges
from ngffkit.access.lines import LINES, S3, SSD, Line, Machine, seconds
from ngffkit.access.patterns import Box, Pattern, patterns_of
from ngffkit.access.sizes import Known, census_of
from ngffkit.access.traffic import Traffic, Typical, mean, traffic_of
from ngffkit.api import as_opened
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.arrayspec import Sharding
from ngffkit.chunks.reader import _CPUS, ArrayReader
from ngffkit.errors import ChunkError
from ngffkit.layout import Layout
from ngffkit.opened import Opened
from ngffkit.stores.base import LocalStore, Store, cut_range, merge_ranges
from ngffkit.stores.opening import open_store
from ngffkit.stores.substore import SubStore

#: How the five images are written, and which part of their pixels is empty.
LAYOUTS: Final[Mapping[str, How]] = {
    "v2 small chunks": How(version="0.4", chunks=16, factors=()),
    "v2 64^3": How(version="0.4", chunks=64, factors=()),
    "v3 64^3": How(chunks=64, factors=()),
    "v3 sharded": How(chunks=16, shards=(64, 64, 64), factors=()),
    "v3 sharded, tczyx, gaps": How(
        dims="tczyx", chunks=(1, 1, 16, 32, 32), shards=(2, 1, 32, 64, 64), factors=()
    ),
}


def pixels(how: How) -> np.ndarray:
    """Return noise of several strengths, so that no two chunks are of one size; a half is empty."""
    chance = np.random.default_rng(0)
    shape = (4, 2, 40, 80, 112) if "t" in how.dims else (100, 112, 136)
    data = chance.integers(0, 256, shape).astype(np.uint16)
    data >>= np.arange(shape[-1], dtype=np.uint16) // 16 % 8
    if how.shards or how.chunks == 16:
        data[..., : shape[-2] // 2, :40] = 0
    return data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("access")
    for name, how in LAYOUTS.items():
        write(folder / name, [pixels(how)], how)
    with serve(folder) as running:
        yield running


def cost(opened: Opened, pattern: Pattern, sizes: Any, *, warm: bool = False) -> list[Traffic]:
    spec, joins = opened.spec(pattern.level), merges(opened.store)
    return [
        traffic_of(spec, box, sizes, merges=joins, cpus=_CPUS, warm=warm) for box in pattern.boxes
    ]


def fresh(opened: Opened, level: int = 0) -> ArrayReader:
    reader = opened.reader(level)
    return ArrayReader(reader.store, reader.path, reader.spec, None)


# --- the server's log -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_requests_and_bytes_are_those_of_the_servers_log(server: Server, name: str):
    here = as_opened(server.root / name)
    there = as_opened(f"{server.url}/{name.replace(' ', '%20').replace('^', '%5E')}")
    sizes = census_of(here.reader(0)).sizes
    patterns = patterns_of(here.image, examples=2)
    assert len(patterns) >= 6
    for pattern in patterns:
        predicted = cost(there, pattern, sizes)
        warm = cost(there, pattern, sizes, warm=True)
        for box, cold_cost, warm_cost in zip(pattern.boxes, predicted, warm, strict=True):
            reader = fresh(there, pattern.level)
            for expected in (cold_cost, warm_cost):
                server.clear()
                reader.read(box)
                sent = sum(hit.sent for hit in server.hits if hit.status != 404)
                assert (len(server.hits), sent) == (expected.requests, expected.nbytes), pattern


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_xarray_reads_is_no_more(server: Server, name: str):
    opened = as_opened(server.root / name)
    sizes = census_of(opened.reader(0)).sizes
    tally = Tally()
    image = replace(opened, store=counted(opened.store, tally), missing="fill").dataset(0).image
    for pattern in patterns_of(opened.image, examples=1):
        (expected,) = cost(opened, pattern, sizes, warm=True)
        image[pattern.boxes[0]].compute()  # the indexes are known from here on
        tally.clear()
        image[pattern.boxes[0]].compute()
        assert (tally.requests, tally.nbytes) == (expected.requests, expected.nbytes), pattern


# --- any shape ------------------------------------------------------------------------------------


class Merging:
    """A store of a dictionary that lets near ranges travel together."""

    url, concurrency = "memory://", 4

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = objects

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        data = self.objects.get(key)
        if data is None:
            return None
        start = max(0, len(data) + start) if start < 0 else start
        return data[start : None if length is None else start + length]

    def get_ranges(self, key: str, ranges: Any) -> list[Any]:
        spans = merge_ranges(ranges)
        parts = [self.get(key, start, stop - start) for start, stop in spans]
        return [cut_range(spans, parts, start, length) for start, length in ranges]

    def children(self, prefix: str = "") -> None:
        """Say that there is no listing."""


class Plain(Merging):
    """The same, one range at a time."""

    def get_ranges(self, key: str, ranges: Any) -> list[Any]:
        return [self.get(key, *each) for each in ranges]


@dataclass(frozen=True)
class Case:
    """An array of random shape, its objects, and a box of it."""

    spec: ArraySpec
    objects: Mapping[str, bytes]
    sizes: Known
    box: Box


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Make arrays whose chunks lie in any order, with gaps, and some of them not at all."""
    ndim = draw(st.integers(1, 4))
    chunks = tuple(draw(st.integers(1, 5)) for _ in range(ndim))
    ratio = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    shape = tuple(draw(st.integers(1, 12)) for _ in range(ndim))
    sharded = draw(st.booleans())
    shards = tuple(c * r for c, r in zip(chunks, ratio, strict=True)) if sharded else None
    sharding = Sharding(draw(st.booleans()), checked=False) if sharded else None
    layout = Layout(shape, np.dtype("u1"), chunks, shards, (), 3)
    spec = ArraySpec(layout, layout.dtype, (), None, sharding, 7, "c", "/")
    chance = np.random.default_rng(draw(st.integers(0, 2**20)))
    lost, wide = draw(st.sampled_from((0.0, 0.3))), draw(st.sampled_from((0, 50, 400_000)))
    objects: dict[str, bytes] = {}
    indexes: dict[tuple[int, ...], Any] = {}
    pairs = zip(shape, layout.object_shape, strict=True)
    for coords in itertools.product(*(range(-(-n // c)) for n, c in pairs)):
        if chance.random() < lost:
            continue
        body = bytes(layout.chunk_nbytes)
        if sharding is not None:
            body, indexes[coords] = shard(ratio, layout.chunk_nbytes, sharding, chance, lost, wide)
        objects[spec.key(coords)] = body
    starts = [draw(st.integers(0, n)) for n in shape]
    stops = [draw(st.integers(s, n)) for s, n in zip(starts, shape, strict=True)]
    step = draw(st.integers(1, 3))
    box = tuple(slice(a, b, step) for a, b in zip(starts, stops, strict=True))
    found = {tuple(map(int, key.split("/")[1:])): len(body) for key, body in objects.items()}
    return Case(spec, objects, Known(found, indexes), box)


def shard(
    ratio: tuple[int, ...],
    nbytes: int,
    sharding: Sharding,
    chance: np.random.Generator,
    lost: float,
    wide: int,
) -> tuple[bytes, np.ndarray]:
    """Write a shard with its chunks in any order, and gaps of up to `wide` bytes."""
    count = math.prod(ratio)
    index = np.full((count, 2), 2**64 - 1, np.uint64)
    body = b"" if sharding.at_end else bytes(16 * count)
    for i in chance.permutation(count):
        if chance.random() >= lost:
            body += bytes(int(chance.integers(0, wide + 1)))
            index[i] = len(body), nbytes
            body += bytes(nbytes)
    raw = index.astype("<u8").tobytes()
    body = body + raw if sharding.at_end else raw + body[len(raw) :]
    return body, index.reshape(*ratio, 2)


@given(cases(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_traffic_is_what_a_store_counts_for_any_array_and_box(case: Case, merging: bool):
    inner: Store = Merging(case.objects) if merging else Plain(case.objects)
    tally = Tally()
    reader = ArrayReader(counted(inner, tally), "", case.spec)
    for warm in (False, True):
        expected = traffic_of(
            case.spec, case.box, case.sizes, merges=merging, cpus=_CPUS, warm=warm
        )
        tally.clear()
        out = reader.read(case.box)
        assert (tally.requests, tally.nbytes) == (expected.requests, expected.nbytes)
        assert expected.wanted == out.nbytes
        assert expected.decoded == expected.chunks * case.spec.layout.chunk_nbytes


@given(cases(), st.booleans(), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_arithmetic_of_kinds_agrees_with_counting_one_by_one(
    case: Case, merging: bool, length: int
):
    layout = case.spec.layout
    sizes = Typical(layout, length)
    pairs = zip(layout.shape, layout.object_shape, strict=True)
    places = list(itertools.product(*(range(-(-n // c)) for n, c in pairs)))
    listed = Known(
        dict.fromkeys(places, length), {coords: sizes.index(coords) for coords in places}
    )
    costs = [
        traffic_of(case.spec, case.box, each, merges=merging, cpus=3) for each in (sizes, listed)
    ]
    assert costs[0] == costs[1]


@pytest.mark.parametrize("shards", [None, (512, 512, 512)])
def test_a_full_scan_of_a_volume_too_large_to_count_is_counted(shards: tuple[int, ...] | None):
    layout = Layout((5000, 100_000, 100_000), np.dtype("u1"), (64,) * 3, shards, (), 3)
    sharding = None if shards is None else Sharding(at_end=True, checked=True)
    spec = ArraySpec(layout, layout.dtype, (), None, sharding, 0, "c", "/")
    whole = tuple(slice(0, n) for n in layout.shape)
    found = traffic_of(spec, whole, Typical(layout, 1000), merges=False, cpus=2)
    chunks = 79 * 1563 * 1563
    shard_count = 10 * 196 * 196 if shards else 0
    assert found.chunks == chunks
    assert found.requests == chunks + shard_count
    assert found.nbytes == chunks * 1000 + shard_count * (512 * 16 + 4)


def test_a_box_of_nothing_costs_nothing():
    layout = Layout((8, 8), np.dtype("u1"), (4, 4), None, (), 3)
    spec = ArraySpec(layout, layout.dtype, (), None, None, 0, "c", "/")
    nothing = traffic_of(spec, (slice(2, 2), slice(0, 8)), Typical(layout, 1), merges=True, cpus=1)
    assert nothing == Traffic(0, 0, 0, 0, 0, 0)
    assert nothing.amplification == 0
    assert seconds(nothing, S3, Machine(1, 1, 1, 1)) == 0


# --- the census -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_census_of_a_folder_is_what_lies_in_it(server: Server, name: str):
    opened = as_opened(server.root / name)
    found = census_of(opened.reader(0))
    files = [
        path.stat().st_size
        for path in (server.root / name / "0").rglob("*")
        if path.is_file() and not path.name.startswith(".z") and path.name != "zarr.json"
    ]
    assert found.exact
    assert (found.objects, found.nbytes) == (len(files), sum(files))
    assert (found.smallest, found.largest) == (min(files), max(files))
    assert found.absent == found.layout.objects - len(files)
    assert (found.present < 1) == ("64^3" not in name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_kind_of_store_gives_the_same_census(server: Server, name: str):
    from obstore.store import LocalStore as Listed

    here = census_of(as_opened(server.root / name).reader(0))
    listed = as_opened(server.root / name)
    bucket = replace(listed, store=SubStore(_object_store(Listed(str(server.root))), name))
    web = as_opened(f"{server.url}/{name.replace(' ', '%20').replace('^', '%5E')}")
    for opened in (bucket, web):
        assert replace(census_of(opened.reader(0)), sizes=here.sizes) == here


def _object_store(inner: Any) -> Store:
    from ngffkit.stores.remote import ObjectStore

    return ObjectStore(inner, "file://bucket")


def test_too_many_objects_are_sampled(server: Server):
    reader = as_opened(server.root / "v2 small chunks").reader(0)
    whole, part = census_of(reader), census_of(reader, most=100)
    assert (whole.exact, part.exact, part.looked) == (True, False, 100)
    assert part.objects == pytest.approx(whole.objects, rel=0.2)
    assert part.nbytes == pytest.approx(whole.nbytes, rel=0.3)
    assert census_of(reader, most=100) == part, "the same sample for the same seed"


def test_a_damaged_index_is_named(server: Server, tmp_path: Path):
    how = LAYOUTS["v3 sharded"]
    write(tmp_path / "x", [pixels(how)], how)
    victim = tmp_path / "x/0/c/1/1/1"
    victim.write_bytes(victim.read_bytes()[:-9])
    with pytest.raises(ChunkError, match="0/c/1/1/1"):
        census_of(as_opened(tmp_path / "x").reader(0))


# --- counting -------------------------------------------------------------------------------------


def test_a_store_that_counts_is_otherwise_the_same(server: Server):
    for plain in (
        open_store(server.root),
        open_store(server.url),
        SubStore(open_store(server.root), "v3 64^3"),
    ):
        store = counted(plain, Tally())
        assert isinstance(store, type(plain))
        assert (store.url, store.concurrency) == (plain.url, plain.concurrency)
        assert merges(store) == merges(plain) == (not plain.url.startswith("/"))


def test_what_is_absent_counts_as_a_request_of_no_bytes(tmp_path: Path):
    tally = Tally()
    assert counted(LocalStore(tmp_path), tally).get("nothing") is None
    assert (tally.requests, tally.nbytes) == (1, 0)


# --- time -----------------------------------------------------------------------------------------


@given(
    st.tuples(*[st.integers(0, 10**6)] * 4),
    st.tuples(*[st.floats(1e-6, 1)] * 3),
)
def test_a_better_line_or_machine_is_never_slower(
    counts: tuple[int, ...], costs: tuple[float, ...]
):
    requests, nbytes, chunks, decoded = counts
    traffic = Traffic(requests, nbytes, 1, chunks, decoded, 1)
    line, machine = Line("x", costs[0], 1e6, 8), Machine(2, costs[1], costs[2], 1e-9)
    took = seconds(traffic, line, machine)
    assert took >= 0
    for better in (
        replace(line, latency=line.latency / 2),
        replace(line, bandwidth=2e6),
        replace(line, concurrency=16),
    ):
        assert seconds(traffic, better, machine) <= took
    assert seconds(traffic, line, replace(machine, cpus=4)) <= took
    assert seconds(replace(traffic, nbytes=nbytes + 1), line, machine) >= took


def test_lines_are_ordered_by_what_a_plane_takes():
    plane, machine = Traffic(64, 6.4e6, 1, 64, 2**24, 2**18), Machine(4, 1e-4, 1e-4, 1e-9)
    took = [seconds(plane, line, machine) for line in LINES]
    assert took == sorted(took)
    assert took[0] == seconds(plane, SSD, machine) < 0.02


def test_a_mean_has_the_mean_of_every_count():
    assert mean([Traffic(1, 2, 1, 4, 5, 6), Traffic(3, 4, 2, 6, 7, 8)]) == Traffic(
        2, 3, 1.5, 5, 6, 7
    )
