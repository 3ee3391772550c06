"""dask.distributed for real: processes on loopback, killed and added while they convert."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import crash_child
import numpy as np
import pytest

from ngffkit import writing
from ngffkit.errors import BusyError, NgffError
from ngffkit.execute.journal import read_journal
from ngffkit.execute.running import Progress
from ngffkit.planning.memory import SLACK
from ngffkit.sources.contract import SourceInfo, make_grid
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions
from ngffkit.stores.targets import open_target
from ngffkit.verifying import verify

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are killed, /proc tells memory"),
    # what a cluster says of processes that vanish, and when it is collected
    pytest.mark.filterwarnings("ignore"),
]

HERE = Path(__file__).parent

#: Seconds that reading takes: there has to be a middle in which to kill.
DELAY = 0.02


class Slow:
    """A source that takes its time."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @property
    def info(self) -> Any:
        return self.inner.info

    def read(self, box: Any) -> Any:
        time.sleep(DELAY)
        return self.inner.read(box)


class Large:
    """A source that is computed: nobody has to hold it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        grid = make_grid(dict(zip("zyx", shape, strict=True)))
        self.info = SourceInfo(grid, np.dtype("u1"), "large", block=(32, 256, 256))

    def read(self, box: Any) -> Any:
        z, y, x = (np.arange(s.start, s.stop) for s in box)
        return (z[:, None, None] * 7 + y[:, None] * 3 + x % 11).astype("u1")


# --- a cluster ------------------------------------------------------------------------------------


def peak_of_worker() -> int:
    """Return the most memory that this process has had, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


class Cluster:
    """A scheduler and workers, each a process of its own that nobody starts again."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.folder, self.settings, self.killed = folder, settings or {}, 0
        folder.mkdir()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.others: list[subprocess.Popen[bytes]] = []
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        every = [*self.workers, *self.others, *([self.scheduler] if self.scheduler else [])]
        for process in every:
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
        command = [sys.executable, "-m", "dask", *words]
        env = os.environ | {"PYTHONPATH": path} | self.settings
        with (self.folder / "said.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=env)

    def begin(self) -> None:
        """Start a scheduler, and wait until it says where it is."""
        place = self.folder / f"scheduler-{time.monotonic_ns()}.json"
        words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        self.scheduler = self._start("scheduler", *words, "--scheduler-file", str(place))
        until = time.monotonic() + 60
        while not self.address and time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.address = json.loads(place.read_text())["address"]
            time.sleep(0.05)
        assert self.address, (self.folder / "said.txt").read_text()[-2000:]

    def add(self) -> None:
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        place = ("--local-directory", str(self.folder), "--memory-limit", "0")
        self.workers.append(self._start("worker", self.address, *words, *place))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the worker that is there the longest, which counts as none then."""
        worker = self.workers.pop(0)
        worker.send_signal(number)
        self.killed += 1
        if number == signal.SIGKILL:
            worker.wait()
        else:
            self.others.append(worker)


@contextlib.contextmanager
def client_of(cluster: Cluster, count: int) -> Iterator[Any]:
    # a default one that is closed within its block stays asked for by whoever comes next
    with distributed.Client(cluster.address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
        yield client


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster") / "a") as found:
        yield found


# --- what is converted ----------------------------------------------------------------------------


#: By name: the source, and how it is written.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "slices, sharded": ("slices", {}),
    "array, sharded": ("array", {"shards": 16, "chunks": 8}),
    "array, a file for each chunk": ("array", {"shards": None}),
    "slices, v2": ("slices", {"version": "0.4", "shards": None}),
    "slices, in folders of rows": ("slices", {"shards": (96, 16, 16)}),
    "ids by mode": ("array", {"method": "mode", "kind": "label", "shards": 32}),
}


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    crash_child.make_source(folder)
    return folder


def source_of(kind: str, slices: Path) -> Slow:
    how: dict[str, Any] = {"voxel_size": (4, 4, 40), "unit": "nm"}
    if kind == "slices":
        labels = {"cells": f"{slices}/cells"}
        return Slow(open_source(slices / "slices", ReadOptions(**how, labels=labels)))
    z, y, x = np.indices(crash_child.SHAPE)
    volume = (x // 5 + 7 * (y // 5) + 31 * (z // 5)).astype("u1")
    return Slow(open_source(volume, ReadOptions(**how)))


def convert(source: Any, root: Path, how: dict[str, Any], **more: Any) -> Any:
    given = crash_child.OPTIONS | {"voxel_size": None, "unit": None, "workers": None} | how | more
    with crash_child.small_tasks(2**13):
        return writing.convert(source, root, **given)


def tree(root: Path) -> dict[str, bytes]:
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def finished(root: Path, reference: dict[str, bytes]) -> bool:
    """Tell whether it is all there, to the bit, and nothing else is."""
    left = {path.name for path in Path(f"{root}.journal").rglob("*") if path.is_file()}
    return tree(root) == reference and left == {"journal.jsonl"} and bool(verify(root).ok)


# --- what happens meanwhile -----------------------------------------------------------------------


def at_random(cluster: Cluster, rng: random.Random, tasks: int) -> Callable[[Progress], None]:
    """Return what kills a worker three times, and adds one each time, before or after."""
    moments = sorted(rng.sample(range(1, max(5, tasks * 3 // 4)), 3))

    def watch(progress: Progress) -> None:
        if moments and progress.tasks_done >= moments[0]:
            del moments[0]
            order = [cluster.add, cluster.kill]
            rng.shuffle(order)
            # anywhere within a task, not only where one ends
            threading.Timer(rng.random() * 3 * DELAY, order[0]).start()
            time.sleep(rng.random() * 3 * DELAY + 3 * DELAY)
            order[1]()

    return watch


def all_at_once(cluster: Cluster, rng: random.Random, tasks: int) -> Callable[[Progress], None]:
    """Return what kills all workers, and adds others after a while in which there is none."""
    at, begun = rng.randrange(1, max(2, tasks // 2)), []

    def later() -> None:
        time.sleep(1 + rng.random())
        cluster.add()
        cluster.add()

    def watch(progress: Progress) -> None:
        if progress.tasks_done >= at and not begun:
            begun.append(at)
            while cluster.workers:
                cluster.kill()
            threading.Thread(target=later).start()

    return watch


def stopped(cluster: Cluster, rng: random.Random, tasks: int) -> Callable[[Progress], None]:
    """Return what lets a worker fall silent as if the network were gone, to go on much later."""
    at, begun = rng.randrange(1, max(2, tasks // 2)), list[subprocess.Popen[bytes]]()

    def watch(progress: Progress) -> None:
        if progress.tasks_done >= at and not begun:
            begun.append(cluster.workers[0])
            cluster.add()
            cluster.kill(signal.SIGSTOP)
            # by then others are at its tasks, or it is killed for good
            end = signal.SIGCONT if rng.random() < 0.5 else signal.SIGKILL
            threading.Timer(2 + rng.random() * 4, begun[0].send_signal, (end,)).start()

    return watch


class Run:
    """One conversion that is disturbed, and what it has to become."""

    def __init__(self, name: str, slices: Path, folder: Path) -> None:
        kind, self.how = CASES[name]
        folder.mkdir()
        self.source, self.root = source_of(kind, slices), folder / "a.zarr"
        convert(self.source, folder / "truth.zarr", self.how, workers=2)
        self.reference = tree(folder / "truth.zarr")
        self.tasks = len(read_journal(open_target(folder / "truth.zarr")).records)

    def run(self, cluster: Cluster, watch: Any, count: int = 2) -> str:
        """Convert; return what was said when it failed."""
        while len(cluster.workers) < count:
            cluster.add()
        with client_of(cluster, count) as client:
            try:
                convert(self.source, self.root, self.how, executor=client, progress=watch)
            except NgffError as err:
                return str(err)
        return ""

    def disturbed(self, cluster: Cluster, watch: Any) -> bool:
        """Convert while workers come and go; tell whether every byte is right in the end."""
        before = cluster.killed
        said = self.run(cluster, watch)
        assert cluster.killed > before, "nothing happened"
        for _ in range(3):
            if not said:
                break
            # dask gives up a task that was on four workers which died
            print(f"said: {said}")
            assert "run the same again" in said
            said = self.run(cluster, lambda _: None)
        return not said and finished(self.root, self.reference)


def only_in_full(ledger: Any) -> None:
    if not ledger.full:
        pytest.skip("takes its time: make faults")


@pytest.mark.faults
def test_workers_that_are_killed_and_added_change_no_byte(ledger, cluster, slices, tmp_path):
    names = list(CASES)
    for i in range(ledger.many(1, 12)):
        case = Run(names[i % len(names)], slices, tmp_path / str(i))
        right = case.disturbed(cluster, at_random(cluster, random.Random(i), case.tasks))
        ledger.enter("workers", "right" if right else "wrong")
    assert not ledger.wrong("workers")


@pytest.mark.slow
@pytest.mark.faults
def test_all_workers_are_lost_and_others_come(ledger, cluster, slices, tmp_path):
    only_in_full(ledger)
    for i, name in enumerate(CASES):
        case = Run(name, slices, tmp_path / str(i))
        right = case.disturbed(cluster, all_at_once(cluster, random.Random(i), case.tasks))
        ledger.enter("workers", "right" if right else "wrong")
    assert not ledger.wrong("workers")


@pytest.mark.slow
@pytest.mark.faults
def test_a_worker_that_was_given_up_and_goes_on_changes_no_byte(ledger, slices, tmp_path):
    only_in_full(ledger)
    with Cluster(tmp_path / "impatient", {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1s"}) as own:
        for i, name in enumerate(CASES):
            case = Run(name, slices, tmp_path / str(i))
            right = case.disturbed(own, stopped(own, random.Random(i), case.tasks))
            time.sleep(1)
            right = right and finished(case.root, case.reference)
            ledger.enter("workers", "right" if right else "wrong")
    assert not ledger.wrong("workers")


@pytest.mark.slow
@pytest.mark.faults
def test_a_scheduler_that_dies_is_said_and_another_one_goes_on(ledger, slices, tmp_path):
    for i, name in enumerate(list(CASES)[: ledger.many(1, 3)]):
        case = Run(name, slices, tmp_path / str(i))
        with Cluster(tmp_path / f"first-{i}") as first:
            at = random.Random(i).randrange(1, case.tasks // 2)

            def watch(progress: Progress, at: int = at, first: Cluster = first) -> None:
                if progress.tasks_done == at and first.scheduler:
                    first.scheduler.kill()

            said = case.run(first, watch)
        assert not (case.root / "zarr.json").exists()
        done = len(read_journal(open_target(case.root)).records)
        with Cluster(tmp_path / f"second-{i}") as second:
            again = case.run(second, lambda _: None)
        right = "run the same again" in said and done and not again
        right = right and finished(case.root, case.reference)
        ledger.enter("workers", "said" if right else "wrong")
    assert not ledger.wrong("workers")


@pytest.mark.faults
def test_a_scheduler_may_die_at_any_moment(ledger, slices, tmp_path):
    # not at the end of a task, as above: when answers are under way, or nothing was sent yet
    for i in range(ledger.many(1, 24)):
        rng = random.Random(i)
        case = Run("array, a file for each chunk", slices, tmp_path / str(i))
        began = threading.Event()

        def kill(first: Cluster, began: threading.Event = began, rng: Any = rng) -> None:
            began.wait(60)
            time.sleep(rng.random() * 0.3)
            if first.scheduler:
                first.scheduler.kill()

        with Cluster(tmp_path / f"first-{i}") as first:
            killer = threading.Thread(target=kill, args=(first,))
            killer.start()
            said = case.run(first, lambda _, began=began: began.set())
            killer.join()
        assert not said or "run the same again" in said
        with Cluster(tmp_path / f"second-{i}") as second:
            again = case.run(second, lambda _: None)
        right = not again and finished(case.root, case.reference)
        ledger.enter("workers", ("said" if said else "right") if right else "wrong")
    assert not ledger.wrong("workers")


def test_an_answer_that_is_lost_on_its_way_is_said(cluster, slices, tmp_path, monkeypatch):
    case = Run("array, sharded", slices, tmp_path / "0")
    while len(cluster.workers) < 2:
        cluster.add()
    with client_of(cluster, 2) as client:
        gather, asked = client._gather_remote, list[int]()

        async def lost(*args: Any) -> Any:
            asked.append(1)
            if len(asked) > 3:
                client._gather_keys = client._gather_future = None
                raise OSError("the scheduler is gone")
            return await gather(*args)

        monkeypatch.setattr(client, "_gather_remote", lost)
        with pytest.raises(NgffError, match=r"workers were lost over .*run the same again"):
            convert(case.source, case.root, case.how, executor=client)
    assert not case.run(cluster, lambda _: None)
    assert finished(case.root, case.reference)


def test_a_client_that_is_closed_meanwhile_is_said(cluster, slices, tmp_path):
    case = Run("array, sharded", slices, tmp_path / "0")
    while len(cluster.workers) < 2:
        cluster.add()
    with client_of(cluster, 2) as client:

        def close(progress: Progress) -> None:
            if progress.tasks_done == 2:
                client.close()

        with pytest.raises(NgffError, match=r"workers were lost over .*run the same again"):
            convert(case.source, case.root, case.how, executor=client, progress=close)
    assert not case.run(cluster, lambda _: None)
    assert finished(case.root, case.reference)


@pytest.mark.parametrize("workers", [None, 1])
def test_an_asynchronous_client_is_refused(cluster, slices, tmp_path, workers):
    async def ask() -> None:
        async with distributed.Client(cluster.address, asynchronous=True) as client:
            convert(source, tmp_path / "a.zarr", {}, executor=client, workers=workers)

    source = source_of("array", slices)
    with pytest.raises(NgffError, match="without asynchronous=True"):
        asyncio.run(ask())
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.slow
def test_nobody_writes_when_a_stopped_conversion_has_returned(cluster, slices, tmp_path):
    case = Run("array, sharded", slices, tmp_path / "0")

    def stop(progress: Progress) -> None:
        if progress.tasks_done == 3:
            raise KeyboardInterrupt

    while len(cluster.workers) < 2:
        cluster.add()
    with client_of(cluster, 2) as client:
        with pytest.raises(KeyboardInterrupt):
            convert(case.source, case.root, case.how, executor=client, progress=stop)
        before = tree(case.root)
        time.sleep(100 * DELAY)
        assert tree(case.root) == before
        assert not any(client.processing().values())
        # the same client goes on
        convert(case.source, case.root, case.how, executor=client)
    assert finished(case.root, case.reference)


# --- lock and memory ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_leader_holds_the_lock_while_workers_write(cluster, slices, tmp_path):
    case, refused = Run("array, sharded", slices, tmp_path / "0"), list[str]()

    def meanwhile(progress: Progress) -> None:
        if progress.tasks_done == 2 and not refused:
            with pytest.raises(BusyError) as caught:
                convert(case.source, case.root, case.how)
            refused.append(str(caught.value))

    assert not case.run(cluster, meanwhile)
    assert f"process {os.getpid()}" in refused[0]
    assert finished(case.root, case.reference)


@pytest.mark.slow
def test_a_worker_takes_no_more_memory_than_the_plan_says_of_a_task(cluster, tmp_path):
    source = Large((512, 512, 512))
    how = {"voxel_size": (1, 1, 1), "shards": 128, "chunks": 32, "mags": ["1", "2", "4"]}
    while len(cluster.workers) < 2:
        cluster.add()
    with client_of(cluster, 2) as client:
        plan = writing.plan(source, tmp_path / "a.zarr", executor=client, **how)
        before = client.run(peak_of_worker)
        plan.run()
        after = client.run(peak_of_worker)
    grown = max(after[name] - before[name] for name in after)
    task = plan.peak_memory - plan.cost.base
    assert task < source.info.grid.shape[0] * 512 * 512 / 2  # or it would show nothing
    assert grown <= task + SLACK, (grown, task)
