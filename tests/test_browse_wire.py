"""The wire: answers to batches of tiles, in order, in time, and never an error in the kernel."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import makers
import numpy as np
import pytest
import virtual_store

import ngffkit as nk
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.wire import Wire

RANDOM = np.random.default_rng(5)

#: What a test waits for at most, in seconds; none asserts a time.
PATIENCE = 30.0


class Page:
    """What is at the other end: keeps messages, checks what holds for each, may block."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.changed = threading.Condition()
        self.inside = 0
        self.open = threading.Event()
        self.open.set()
        self.breaks = 0

    def send(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.inside += 1
        assert self.inside == 1, "two threads sent at a time"
        assert self.open.wait(PATIENCE)
        json.dumps(content, allow_nan=False)
        assert "id" not in content
        assert all(type(part) is bytes for part in buffers)
        self.inside -= 1
        if self.breaks:
            self.breaks -= 1
            raise ConnectionError("the page is gone")
        with self.changed:
            self.messages.append((content, buffers))
            self.changed.notify_all()

    def wait(self, until: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(until, PATIENCE), [m[0] for m in self.messages]

    def of(self, batch: int, on: str = "tiles", view: str = "v") -> list[dict[str, Any]]:
        return [
            content
            for content, _ in self.messages
            if (content["on"], content["view"], content.get("batch")) == (on, view, batch)
        ]

    def done(self, *batches: int) -> None:
        self.wait(lambda: all(any(m["done"] for m in self.of(b)) for b in batches))

    def tiles(self, batch: int) -> dict[int, Any]:
        """Return what came for each tile: its pixels, its constant as text, or its error."""
        out: dict[int, Any] = {}
        for content, buffers in self.messages:
            if content["on"] != "tiles" or content["batch"] != batch:
                continue
            for tile in content["tiles"]:
                assert tile["i"] not in out
                if "offset" in tile:
                    assert tile["offset"] % 8 == 0
                    data = buffers[0][tile["offset"] : tile["offset"] + tile["bytes"]]
                    kind = np.dtype(tile["dtype"]).newbyteorder("<")
                    out[tile["i"]] = np.frombuffer(data, kind).reshape(tile["shape"])
                else:
                    out[tile["i"]] = tile.get("constant", tile.get("error"))
        return out


def request(box: dict[str, Any], order: str = "yx", **more: int) -> dict[str, Any]:
    return {"layer": 0, "level": 0, "channel": 0, "box": box, "order": list(order), **more}


def planes(count: int, size: int = 32) -> list[dict[str, Any]]:
    return [request({"z": [i, i + 1], "y": [0, size], "x": [0, size]}) for i in range(count)]


def fetch(batch: int, tiles: Any, view: str = "v") -> dict[str, Any]:
    return {"do": "fetch", "view": view, "batch": batch, "tiles": tiles}


@pytest.fixture
def data() -> np.ndarray:
    return RANDOM.integers(0, 60000, (40, 32, 32)).astype("u2")


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def connect(page: Page) -> Iterator[Callable[..., Wire]]:
    made = []

    def make(source: Any, **options: Any) -> Wire:
        made.append(Wire(Layers.of(source), page.send, **options))
        return made[-1]

    yield make
    page.open.set()
    for wire in made:
        wire.close()


def own_threads() -> list[threading.Thread]:
    names = ("ngffkit-tiles", "ngffkit-pace")
    return [t for t in threading.enumerate() if t.name in names and t.is_alive()]


# --- tiles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_all_tiles_of_a_batch_come_once(connect, page: Page, data, workers: int):
    data[3] = 7
    wire = connect(data, workers=workers)
    wire.handle(fetch(1, planes(40)))
    page.done(1)
    got = page.tiles(1)
    assert sorted(got) == list(range(40))
    assert got[3] == "7"
    for i in set(range(40)) - {3}:
        np.testing.assert_array_equal(got[i], data[i])
    assert [m["done"] for m in page.of(1)] == [False] * (len(page.of(1)) - 1) + [True]
    assert wire.counts.tiles == 40
    assert wire.counts.messages == len(page.messages)
    assert wire.counts.bytes == sum(len(b) for _, part in page.messages for b in part)


def test_one_worker_answers_in_order(connect, page: Page, data):
    wire = connect(data, workers=1)
    for batch in range(3):
        wire.handle(fetch(batch, planes(12)))
    page.done(0, 1, 2)
    order = [(m["batch"], t["i"]) for m, _ in page.messages for t in m.get("tiles", ())]
    assert order == list(itertools.product(range(3), range(12)))


def test_large_tiles_do_not_wait_for_one_another(connect, page: Page):
    data = RANDOM.integers(0, 255, (6, 1024, 1024)).astype("u1")
    connect(data).handle(fetch(1, planes(6, 1024)))
    page.done(1)
    assert len(page.of(1)) == 6
    assert all(sum(map(len, buffers)) == 2**20 for _, buffers in page.messages if buffers)


def test_tiles_of_any_length_are_aligned(connect, page: Page):
    data = RANDOM.integers(0, 255, (5, 3, 7)).astype("u1")
    tiles = [request({"z": [i, i + 1], "y": [0, 3], "x": [0, 7]}) for i in range(5)]
    connect(data, workers=1).handle(fetch(1, tiles))
    page.done(1)
    for i, got in page.tiles(1).items():
        np.testing.assert_array_equal(got, data[i])


def test_an_error_is_its_own_tiles_alone(connect, page: Page, tmp_path: Path, data):
    path = makers.write(tmp_path / "it.zarr", [data], makers.How(chunks=8, factors=[]))
    (path / "0/c/1/2/3").write_bytes(b"damaged")
    wire = connect(path)
    tiles = [
        request({"z": [z, z + 1], "y": [0, 32], "x": [0, 32]}, order=order)
        for z, order in ((3, "yx"), (8, "yx"), (16, "yx"), (9, "xy"))
    ]
    wire.handle(fetch(1, [*tiles, {"layer": 9}, None, 7]))
    page.done(1)
    got = page.tiles(1)
    np.testing.assert_array_equal(got[0], data[3])
    np.testing.assert_array_equal(got[2], data[16])
    for i in (1, 3):
        assert "0/c/1/2/3" in got[i]
        assert "\n" not in got[i]
        assert len(got[i]) <= 400
    assert got[4].startswith("layer is 9; there are 1")
    assert got[5] == "a tile request is None; it must be an object"
    assert not wire.problems


def test_an_empty_batch_is_done(connect, page: Page, data):
    connect(data).handle(fetch(4, []))
    page.done(4)
    assert page.of(4) == [{"on": "tiles", "view": "v", "batch": 4, "done": True, "tiles": []}]


def test_views_do_not_mix(connect, page: Page, data):
    wire = connect(data)
    wire.handle(fetch(1, planes(3), "a"))
    wire.handle(fetch(1, planes(5), "b"))
    page.wait(lambda: sum(m.get("done", False) for m, _ in page.messages) == 2)
    for view, count in (("a", 3), ("b", 5)):
        tiles = [t["i"] for m in page.of(1, view=view) for t in m["tiles"]]
        assert sorted(tiles) == list(range(count))


class Slow:
    """A store of one volume whose chunks wait until they are let through."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.store = virtual_store.VirtualStore((640, 64, 64), smallest=1000)
        self.gate = threading.Event()
        inner = self.store._bytes

        def held(key: str) -> bytes | None:
            if "/c/" in key:
                assert self.gate.wait(PATIENCE)
            return inner(key)

        patch.setattr(self.store, "_bytes", held)

    def tiles(self, count: int) -> list[dict[str, Any]]:
        return [
            request({"z": [64 * i, 64 * i + 1], "y": [0, 64], "x": [0, 64]}) for i in range(count)
        ]


@pytest.fixture
def slow(monkeypatch) -> Iterator[Slow]:
    made = Slow(monkeypatch)
    yield made
    made.gate.set()


def test_a_slow_batch_is_said_to_be_alive(connect, page: Page, slow: Slow):
    connect(nk.open(slow.store)).handle(fetch(1, slow.tiles(1)))
    page.wait(lambda: len(page.of(1, "alive")) >= 2)
    assert page.of(1, "alive")[0] == {"on": "alive", "view": "v", "batch": 1}
    assert not page.of(1)
    slow.gate.set()
    page.done(1)
    (got,) = page.tiles(1).values()
    np.testing.assert_array_equal(got, slow.store.pixels(0, slice(0, 1), *[slice(64)] * 2)[0])


def test_what_is_ready_does_not_wait_for_what_is_slow(connect, page: Page, slow: Slow, data):
    wire = connect(nk.open(slow.store), workers=2)
    ready = request({"z": [0, 1], "y": [0, 64], "x": [0, 64]})
    slow.gate.set()
    wire.handle(fetch(0, [ready]))
    page.done(0)
    slow.gate.clear()
    wire.handle(fetch(1, [slow.tiles(2)[1], ready]))
    page.wait(lambda: page.of(1))
    assert [(m["done"], [t["i"] for t in m["tiles"]]) for m in page.of(1)] == [(False, [1])]
    slow.gate.set()
    page.done(1)


def test_dropped_batches_are_not_begun_and_say_nothing(connect, page: Page, slow: Slow):
    wire = connect(nk.open(slow.store), workers=1)
    tiles = slow.tiles(10)
    slow.store.forget()
    wire.handle(fetch(1, tiles[:4]))
    wire.handle(fetch(2, tiles[4:8]))
    wire.handle(fetch(3, tiles[8:]))
    wire.handle({"do": "drop", "view": "v", "batches": [1, 2, 99]})
    slow.gate.set()
    page.done(3)
    assert not page.of(1)
    assert not page.of(2)
    assert {int(key.split("/")[2]) for key in slow.store.reads} <= {0, 8, 9}


def test_dropping_is_for_one_view(connect, page: Page, data):
    wire = connect(data)
    wire.handle({"do": "drop", "view": "other", "batches": [1]})
    wire.handle(fetch(1, planes(3)))
    wire.handle({"do": "drop", "view": "other", "batches": [1]})
    page.done(1)


def test_what_waits_to_be_sent_can_still_be_dropped(connect, page: Page, data):
    wire = connect(data, workers=1)
    page.open.clear()
    wire.handle(fetch(1, planes(1)))
    deadline = time.monotonic() + PATIENCE
    while not page.inside and time.monotonic() < deadline:
        time.sleep(0.001)
    # the first message is on its way, the next ones wait behind it
    wire._post(*_posted(wire, 2))
    wire.handle({"do": "drop", "view": "v", "batches": [2]})
    page.open.set()
    wire.handle(fetch(3, planes(1)))
    page.done(1, 3)
    assert not page.of(2)


def _posted(wire: Wire, number: int) -> tuple[Any, dict[str, Any]]:
    from ngffkit.widgets.wire import _Batch

    batch = _Batch("v", number, [], 0.0)
    content = {"on": "tiles", "view": "v", "batch": number, "done": True, "tiles": []}
    return batch, content


# --- nonsense -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "fetch",
        {},
        {"do": "explode"},
        {"do": "fetch"},
        {"do": "fetch", "view": 3, "batch": 1, "tiles": []},
        {"do": "fetch", "view": "v", "batch": "1", "tiles": []},
        {"do": "fetch", "view": "v", "batch": 1, "tiles": None},
        {"do": "drop", "view": "v"},
        {"do": "drop", "view": "v", "batches": [[]]},
        {"do": "drop", "view": "v", "batches": 3},
        {"do": "frame"},
    ],
)
def test_nonsense_is_noted_and_harms_nobody(connect, page: Page, data, content):
    wire = connect(data)
    wire.handle(content, [b"binary"])
    assert len(wire.problems) == 1
    wire.handle(fetch(1, planes(2)))
    page.done(1)
    assert len(page.tiles(1)) == 2


def test_problems_are_not_kept_for_ever(connect, data):
    wire = connect(data)
    for i in range(500):
        wire.handle(i)
    assert len(wire.problems) == 100
    assert "499" in wire.problems[-1]


def test_a_page_that_is_gone_is_noted(connect, page: Page, data):
    wire = connect(data, workers=1)
    page.breaks = 1
    wire.handle(fetch(1, planes(1)))
    wire.handle(fetch(2, planes(1)))
    page.done(2)
    assert list(wire.problems) == ["can't send: the page is gone"]
    assert wire.counts.messages == len(page.messages)


# --- frames and profiles --------------------------------------------------------------------------


def test_frames_are_drawn_newest_first(connect, page: Page, data):
    begun, gate, drawn = threading.Event(), threading.Event(), []

    def draw(state: dict[str, Any], width: int, height: int, dpr: float) -> bytes:
        drawn.append((state["n"], width, height, dpr))
        begun.set()
        assert gate.wait(PATIENCE)
        return b"PNG%d" % state["n"]

    wire = connect(data, frame=draw)
    for i in range(5):
        if i == 1:
            assert begun.wait(PATIENCE)
        wire.handle(
            {
                "do": "frame",
                "view": "v",
                "frame": i,
                "state": {"n": i},
                "width": 30,
                "height": 20,
                "dpr": 1.5,
            }
        )
    gate.set()
    page.wait(lambda: len(page.messages) == 2)
    assert drawn == [(0, 30, 20, 1.5), (4, 30, 20, 1.5)]
    assert page.messages == [
        ({"on": "frame", "view": "v", "frame": 0}, [b"PNG0"]),
        ({"on": "frame", "view": "v", "frame": 4}, [b"PNG4"]),
    ]


@pytest.mark.parametrize("do", ["frame", "profile"])
def test_failures_of_frames_and_profiles_are_said(connect, page: Page, data, do: str):
    def fail(*args: Any) -> Any:
        raise RuntimeError("no\nway")

    message = {"do": do, "view": "v", do: 3, "state": {}, "width": 1, "height": 1, "dpr": 1}
    message |= {"points": [], "level": 0}
    connect(data, frame=fail, profile=fail).handle(message)
    connect(data).handle(message)
    page.wait(lambda: len(page.messages) == 2)
    errors = {m["error"] for m, _ in page.messages}
    assert "no way" in errors
    assert len(errors) == 2
    assert all((m["on"], m["view"], m[do]) == (do, "v", 3) for m, _ in page.messages)


def test_each_profile_is_answered(connect, page: Page, data):
    def measure(points: list[dict[str, float]], level: int) -> dict[str, Any]:
        return {"distance": [0.0, points[0]["x"]], "unit": "px", "channels": [], "level": level}

    wire = connect(data, profile=measure)
    for i in range(3):
        points = [{"x": float(i)}]
        wire.handle({"do": "profile", "view": "v", "profile": i, "points": points, "level": 0})
    page.wait(lambda: len(page.messages) == 3)
    answers = sorted((m for m, _ in page.messages), key=lambda m: m["profile"])
    assert answers[2] == {
        "on": "profile",
        "view": "v",
        "profile": 2,
        "distance": [0.0, 2.0],
        "unit": "px",
        "channels": [],
    }


# --- the end --------------------------------------------------------------------------------------


def test_closing_ends_threads_and_silence_follows(page: Page, data):
    before = len(own_threads())
    wire = Wire(Layers.of(data), page.send)
    assert len(own_threads()) == before, "threads start when they are needed"
    wire.handle(fetch(1, planes(40)))
    page.done(1)
    assert before < len(own_threads()) <= before + 5
    wire.close()
    assert len(own_threads()) == before
    count = len(page.messages)
    wire.handle(fetch(2, planes(40)))
    wire.close()
    assert len(own_threads()) == before
    assert len(page.messages) == count
    assert not wire.problems


def test_threads_that_have_nothing_to_do_end_and_come_back(page: Page, data, monkeypatch):
    from ngffkit.widgets import wire as module

    monkeypatch.setattr(module, "_IDLE", 0.02)
    wire = Wire(Layers.of(data), page.send)
    for batch in range(3):
        wire.handle(fetch(batch, planes(9)))
        page.done(batch)
        deadline = time.monotonic() + PATIENCE
        while (wire._threads or wire._pacer) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not wire._threads
        assert wire._idle == 0
    wire.close()
