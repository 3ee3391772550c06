"""A million tasks, a petabyte: what is planned, handed out and kept stays small."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ngffkit import writing
from ngffkit.execute.job import Done
from ngffkit.execute.journal import Journal, Record
from ngffkit.execute.logs import PIECES
from ngffkit.execute.running import run_images
from ngffkit.planning import planner
from ngffkit.planning.memory import journal_nbytes
from ngffkit.planning.sampling import Sample
from ngffkit.sources.contract import SourceInfo, make_grid
from ngffkit.stores.filesystems import FsspecTarget
from ngffkit.stores.targets import Written, open_target

PETABYTE = (65_536, 131_072, 131_072)


class Computed:
    """A source of any size; counts the pixels that are read."""

    def __init__(self, shape: tuple[int, ...], block: tuple[int, ...] = (64, 64, 64)) -> None:
        grid = make_grid(dict(zip("zyx", shape, strict=True)))
        self.info = SourceInfo(grid, np.dtype("u1"), "computed", block=block)
        self.read_so_far = 0

    def read(self, box: Any) -> Any:
        shape = [s.stop - s.start for s in box]
        self.read_so_far += math.prod(shape)
        return np.random.default_rng(0).integers(0, 255, shape, "u1")


class Unemployed(Executor):
    """Says of each task that it is done, one by one, when as many wait as ever will."""

    def __init__(self, plan: Any, count: int, future: type[Future[Any]] = Future) -> None:
        self._max_workers, self._future = count, future
        self._level, self._left = plan.images[0].job.levels[0], plan.tasks
        self._held: list[tuple[Future[Any], Done]] = []
        self._more = threading.Condition()
        self.sent = b""
        threading.Thread(target=self._end, daemon=True).start()

    def submit(self, _fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.sent, task = args
        future = self._future()
        with self._more:
            self._held.append((future, Done(task, tuple(self._objects(task)), (), 2**30)))
            self._more.notify()
        return future

    def _end(self) -> None:
        while self._left:
            with self._more:
                most = min(2 * self._max_workers, self._left)
                self._more.wait_for(lambda most=most: len(self._held) >= most)
                future, done = self._held.pop(0)
                self._left -= 1
            future.set_result(done)

    def _objects(self, task: Any) -> Iterator[Written]:
        cut = self._level.cut
        ranges = [
            range(s.start // o, -(-s.stop // o))
            for s, o in zip(cut.region_box(task.coords), cut.objects, strict=True)
        ]
        for coords in itertools.product(*ranges):
            key = f"{self._level.path}/{self._level.spec.key(coords)}"
            yield Written(key, 123_456_789, 3_735_928_559)


@pytest.fixture
def unsynced(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


def lead(plan: Any, executor: Executor) -> int:
    """Hand out the tasks that the journal doesn't have; return how many it has then."""
    with Journal.begin(plan.target, plan.fingerprint, plan.facts, resume=True) as journal:
        run_images(plan.images, journal, executor)
        return len(journal.done)


# --- planning -------------------------------------------------------------------------------------


def test_a_petabyte_is_planned_from_a_few_pixels_in_little_memory():
    writing.plan(Computed((64, 64, 64)), "memory://small.zarr")  # imports
    source = Computed(PETABYTE)
    tracemalloc.start()
    try:
        plan = writing.plan(source, "memory://petabyte.zarr", shards=1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.ok, str(plan)
    assert plan.nbytes > 1.28e15
    assert peak < 64e6
    assert source.read_so_far <= 2**22
    # by hand: halved until x and y have about a hundred pixels
    shapes = [tuple(-(-n // 2**i) for n in PETABYTE) for i in range(len(plan.mags))]
    files = [math.prod(-(-n // min(1024, -(-n // 64) * 64)) for n in shape) for shape in shapes]
    assert [lv.spec.layout.objects for lv in plan.images[0].job.levels] == files
    assert plan.files == plan.tasks == sum(files) == 1_198_377
    assert plan.files * 4096 > sum(math.prod(-(-n // 64) for n in shape) for shape in shapes)


def test_what_a_journal_would_take_is_planned_and_refused():
    plan = writing.plan(Computed(PETABYTE), "memory://a.zarr", version="0.4", shards=None)
    assert plan.files > 4.9e9
    assert not plan.ok
    assert [p.loc for p in plan.problems if p.severity == "error"] == ["memory"]
    assert plan.peak_memory > plan.files * 40  # a name, a size and a checksum of each


def test_time_is_that_of_as_many_workers_as_the_executor_has(monkeypatch):
    monkeypatch.setattr(planner, "sample_source", lambda *_: Sample(1.0, 1e8))
    with ThreadPoolExecutor(64) as pool:
        plan = writing.plan(Computed(PETABYTE), "memory://a.zarr", executor=pool, shards=1024)
    assert plan.cost.seconds == pytest.approx(plan.nbytes / 1e8 / 64)


# --- leading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options"),
    [((4096, 8192, 8192), {"shards": 512}), ((256, 4096, 8192), {"shards": None})],
    ids=["a shard each", "many files each"],
)
def test_the_journal_takes_no_more_memory_than_planned(shape, options, tmp_path, unsynced):
    plan = writing.plan(Computed(shape), tmp_path / "a.zarr", mags=["1"], **options)
    planned = journal_nbytes(plan.images[0].job.levels)
    lead(
        writing.plan(Computed((256, 256, 256)), tmp_path / "b.zarr", mags=["1"]),
        ThreadPoolExecutor(1),
    )
    assert planned < 0.1 * 2**30
    for _ in range(2):  # the second time it is read
        tracemalloc.start()
        try:
            assert lead(plan, Unemployed(plan, 2)) == plan.tasks
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        print(f"{plan.tasks} tasks, {plan.files} objects: {peak} of {planned} bytes")
        assert peak < planned + 2**18
    assert planned < 4 * peak  # a figure that is far too high is no help either


class Seen(Future):
    """A future that counts how often somebody looks how far it is."""

    looks = 0

    @property
    def _state(self) -> str:
        Seen.looks += 1
        return self.__dict__["state"]

    @_state.setter
    def _state(self, value: str) -> None:
        self.__dict__["state"] = value


def test_many_workers_make_a_task_no_dearer(tmp_path, unsynced):
    looks = {}
    for workers in (2, 200):
        plan = writing.plan(
            Computed((4096, 4096, 4096)), tmp_path / f"{workers}.zarr", shards=512, mags=["1"]
        )
        Seen.looks = 0
        assert lead(plan, Unemployed(plan, workers, Seen)) == plan.tasks == 512
        looks[workers] = Seen.looks / plan.tasks
    assert looks[200] < 1.5 * looks[2], looks


def test_names_of_many_slices_are_sent_small(tmp_path):
    folder = tmp_path / "slices"
    folder.mkdir()
    first = folder / "slice_00000.png"
    Image.new("L", (16, 16)).save(first)
    for i in range(1, 2000):
        (folder / f"slice_{i:05}.png").hardlink_to(first)
    plan = writing.plan(folder, tmp_path / "a.zarr", mags=["1"], chunks=16, shards=None)
    executor = Unemployed(plan, 1)
    lead(plan, executor)
    whole = len(pickle.dumps(plan.images[0].job))
    assert whole > 20 * 2000
    assert len(executor.sent) < whole / 3


class TwoAtOnce(FsspecTarget):
    """A place where nothing is removed unless two are at it."""

    both = threading.Barrier(2, timeout=20)

    def remove(self, key: str) -> None:
        if key.startswith(PIECES):
            TwoAtOnce.both.wait()
        super().remove(key)

    def beside(self, suffix: str) -> TwoAtOnce:
        return TwoAtOnce(self.fs, self.root + suffix, self.url + suffix)


def test_lines_of_a_journal_in_a_store_are_removed_many_at_a_time():
    plain = open_target("memory://scale-journal/a.zarr")
    target = TwoAtOnce(plain.fs, plain.root, plain.url)
    with Journal.begin(target, "f", {}, resume=True) as journal:
        for i in range(16):
            journal.record(Record(f"0/{i}"))
        journal.finish({})
    assert not list(target.beside(".journal").keys(PIECES))
