"""What `scale.py` measures, each in a process of its own: volumes, tasks, plans."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ngffkit import writing
from ngffkit.execute import cutting
from ngffkit.execute.cutting import pieces, size_of, within
from ngffkit.execute.job import Done
from ngffkit.execute.journal import Journal
from ngffkit.execute.running import run_images
from ngffkit.planning.memory import resident
from ngffkit.sources.contract import Box, SourceInfo, make_grid
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Written, crc_of, view_of

#: What the generated source has at hand: reading one is cutting a window out of memory.
BLOCK = (64, 512, 512)

#: By how many voxels the windows are shifted against one another, at most.
_SHIFT = 64

#: Levels whose pixels are thrown away; the rest is small, and is read for contrast.
_DROPPED = ("0/", "1/", "2/")


# --- a source that is nowhere ---------------------------------------------------------------------


@lru_cache(maxsize=1)
def _stuff(kind: str) -> Any:
    """Return the pixels that windows are cut out of."""
    rng = np.random.default_rng(0)
    shape = tuple(n + _SHIFT for n in BLOCK)
    if kind == "noise":
        # so much of it that Zstandard leaves 0.71, as of electron microscopes
        out = np.empty(shape, "u1")
        for plane in out:  # all at once would be what the peak is made of
            plane[:] = rng.normal(128, 12.5, plane.shape).clip(0, 255)
        return out
    small = rng.integers(0, 255, [-(-n // 32) for n in shape], "u1")
    return np.kron(small, np.ones((32, 32, 32), "u1"))[tuple(map(slice, shape))]


@dataclass(frozen=True)
class Generated:
    """A volume of any size whose pixels cost next to nothing.

    Parameters
    ----------
    info : SourceInfo
        With its shape.
    kind : {"noise", "smooth"}
        How well it compresses.
    """

    info: SourceInfo
    kind: str = "noise"

    def read(self, box: Box) -> Any:
        """Return the pixels of a box: of each block, another window of the same stuff."""
        out = None
        for part in pieces(box, BLOCK):
            place = tuple(s.start // n for s, n in zip(part, BLOCK, strict=True))
            shift = [(p * (7, 13, 29)[i] + sum(place)) % _SHIFT for i, p in enumerate(place)]
            window = tuple(
                slice(s.start % n + d, s.start % n + d + s.stop - s.start)
                for s, n, d in zip(part, BLOCK, shift, strict=True)
            )
            if part == box:
                return _stuff(self.kind)[window]
            out = np.empty(size_of(box), "u1") if out is None else out
            out[within(part, box)] = _stuff(self.kind)[window]
        return out


def generated(shape: tuple[int, ...], kind: str = "noise", block: tuple[int, ...] = BLOCK) -> Any:
    """Return a source of this shape; `block` is what it claims to decode at once."""
    axes = dict(zip("zyx", shape, strict=True))
    grid = make_grid(axes, dict.fromkeys("zyx", 4.0), dict.fromkeys("zyx", "nanometer"))
    return Generated(SourceInfo(grid, np.dtype("u1"), "generated", block=block), kind)


def shape_of(gigabytes: float) -> tuple[int, int, int]:
    """Return the shape of a volume of this size: planes of 2048 x 2048, more and more of them."""
    return max(64, round(gigabytes * 1e9 / 2048**2)), 2048, 2048


# --- a target that keeps nothing ------------------------------------------------------------------


@dataclass
class _Nothing:
    """A shard that is counted and summed up, and then forgotten."""

    key: str
    size: int = 0
    crc: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def append(self, data: Any) -> int:
        return self.reserve(data)[0]

    def reserve(self, data: Any) -> tuple[int, Callable[[], None]]:
        view = view_of(data)
        with self.lock:
            begin, self.crc = self.size, crc_of(view, self.crc)
            self.size += len(view)
        return begin, lambda: None

    def commit(self) -> Written:
        return Written(self.key, self.size, self.crc)

    def abort(self) -> None:
        return


class Discard(LocalTarget):
    """A folder that only small levels and documents come to."""

    def begin(self, key: str) -> Any:
        """Begin a shard."""
        return _Nothing(key) if key.startswith(_DROPPED) else super().begin(key)

    def put(self, key: str, data: Any) -> Written:
        """Take a whole object."""
        if not key.startswith(_DROPPED) or key.endswith(".json"):
            return super().put(key, data)
        view = view_of(data)
        return Written(key, len(view), crc_of(view))


# --- jobs -----------------------------------------------------------------------------------------


def volume(place: str, gigabytes: float, target: str, **options: Any) -> dict[str, Any]:
    """Convert a generated volume, mags included; return what it took."""
    noisy = options.pop("kind", "noise" if target == "discard" else "smooth")
    source, root = generated(shape_of(gigabytes), noisy), Path(place, "a.zarr")
    to = Discard(root) if target == "discard" else root
    _stuff(noisy)  # so that the plan counts it with what is there already
    plan = writing.plan(source, to, **options)
    plan.check()
    cpu, began = _cpu(), time.perf_counter()
    result = plan.run()
    wall, cpu = time.perf_counter() - began, _cpu() - cpu
    checked = 0 if target == "discard" else _check(source, root)
    first = plan.images[0].job.levels[0].spec.layout.nbytes
    return {
        "bytes": first,
        "pixels": plan.nbytes,
        "wall": wall,
        "cpu": cpu,
        "stored": result.nbytes,
        "files": result.files,
        "tasks": plan.tasks,
        "planned": plan.peak_memory,
        "checked": checked,
    }


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _check(source: Any, root: Path, count: int = 20) -> int:
    """Compare boxes of mag 1 with the source; return how many voxels."""
    import ngffkit as nk

    pixels, rng, seen = nk.open_dataset(root)["image"], random.Random(0), 0  # noqa: S311 - no secret
    for _ in range(count):
        start = [rng.randrange(max(1, n - 96)) for n in source.info.grid.shape]
        box = tuple(
            slice(a, min(a + 96, n)) for a, n in zip(start, source.info.grid.shape, strict=True)
        )
        if not np.array_equal(pixels[box].values, source.read(box)):
            raise SystemExit('RESULT {"wrong": "other pixels"}')
        seen += int(np.prod(size_of(box)))
    return seen


class Unemployed(Executor):
    """Says of each task that it is done, one after another, in any order: no pixel moves.

    Parameters
    ----------
    count : int
        As how many workers it counts.
    """

    def __init__(self, count: int) -> None:
        self._max_workers, self._rng = count, random.Random(0)  # noqa: S311
        self._held: list[tuple[Future[Done], Done]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._end, daemon=True).start()

    def submit(self, _fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        """Take a task."""
        task, future = args[1], Future[Any]()
        written = Written("0/c/" + "/".join(map(str, task.coords)), 700_000_000, 3_735_928_559)
        with self._more:
            self._held.append((future, Done(task, (written,), (), 2**30)))
            self._more.notify()
        return future

    def _end(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._held)
                i = self._rng.randrange(len(self._held))
                self._held[i], self._held[-1] = self._held[-1], self._held[i]
                future, done = self._held.pop()
            future.set_result(done)


@contextlib.contextmanager
def _syncing(*, really: bool) -> Iterator[None]:
    """Leave out what waits for the disk, which is not the program's time."""
    before = os.fsync
    if not really:
        os.fsync = lambda _: None
    try:
        yield
    finally:
        os.fsync = before


def leading(place: str, tasks: int, workers: int, *, sync: bool) -> dict[str, Any]:
    """Hand out tasks that nobody does, journal them, and resume when all are done."""
    n = max(1, round(tasks ** (1 / 3)))
    grid = (-(-tasks // (n * n)), n, n)
    began = time.perf_counter()
    source = generated(tuple(1024 * g for g in grid), block=(64, 64, 64))
    plan = writing.plan(source, Path(place, "a.zarr"), mags=["1"], shards=1024)
    planning = time.perf_counter() - began
    out: dict[str, Any] = {"tasks": plan.tasks, "planning": planning}
    with _syncing(really=sync):
        for what in ("first", "resumed"):
            before, cpu, began = resident(), _cpu(), time.perf_counter()
            with Journal.begin(plan.target, plan.fingerprint, plan.facts, resume=True) as journal:
                run_images(plan.images, journal, Unemployed(workers))
                assert len(journal.done) == plan.tasks
            out[what] = time.perf_counter() - began
            out[f"{what}_cpu"] = _cpu() - cpu
            out[f"{what}_memory"] = resident() - before
            del journal
    out["journal"] = Path(place, "a.zarr.journal", "journal.jsonl").stat().st_size
    return out


def tiny(place: str, tasks: int, executor: str) -> dict[str, Any]:
    """Carry out tasks of one small chunk each, by two workers."""
    cutting.TASK_BYTES = cutting.SLAB_BYTES = 1
    n = max(1, round(tasks ** (1 / 3)))
    source = generated((8 * -(-tasks // (n * n)), 8 * n, 8 * n), block=(8, 8, 8))
    how: dict[str, Any] = {"mags": ["1"], "chunks": 8, "shards": 8, "voxel_size": (1, 1, 1)}
    target = Discard(Path(place, "a.zarr"))
    with _syncing(really=False), _executor(executor) as who:
        plan = writing.plan(source, target, executor=who, **how)
        with Journal.begin(target, plan.fingerprint, plan.facts, resume=True) as journal:
            # what starts processes is no task's
            first = list(itertools.islice(plan.images[0].job.tasks(0), 1))
            assert len(first) == 1
            starts: list[float] = []

            def watch(progress: Any) -> None:
                if progress.tasks_done == min(20, tasks // 10):
                    starts.append(time.perf_counter())

            run_images(plan.images, journal, who, 2, watch)
            ended = time.perf_counter()
            assert len(journal.done) == plan.tasks
    counted = plan.tasks - min(20, tasks // 10)
    return {"tasks": plan.tasks, "each": (ended - starts[0]) / counted}


@contextlib.contextmanager
def _executor(name: str) -> Iterator[Any]:
    if name != "dask":
        yield name
        return
    import logging

    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.daemon": True})
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def plans(place: str, shape: list[int], block: list[int], **options: Any) -> dict[str, Any]:
    """Plan, and return how long that took and what it grew by."""
    source = generated(tuple(shape), block=tuple(block))
    for _ in range(2):  # the first one imports
        before, began = resident(), time.perf_counter()
        writing.plan(source, Path(place, "a.zarr"), **options)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "memory": resident() - before}


JOBS = {"volume": volume, "leading": leading, "tiny": tiny, "plans": plans}
