"""Nothing is lost: killed, starved and interrupted conversions resume to the very same bytes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import crash_child
import faults
import numpy as np
import pytest

import ngffkit as nk
from ngffkit import writing
from ngffkit.errors import BusyError, NgffError, SourceError, WriteError
from ngffkit.execute.journal import read_journal
from ngffkit.execute.running import Progress
from ngffkit.planning.options import nbytes_of
from ngffkit.stores.targets import open_target
from ngffkit.verifying import verify

#: Kills of one conversion, at most.
ATTEMPTS = 4

pytestmark = [
    pytest.mark.in_memory,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed"),
]


def tree(root: Path) -> dict[str, bytes]:
    """Return all files of a folder, with their contents."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def assert_same(root: Path, reference: Mapping[str, bytes]) -> None:
    found = tree(root)
    assert sorted(found) == sorted(reference)
    changed = [key for key in reference if found[key] != reference[key]]
    assert not changed, f"other bytes in {changed}"


def assert_finished(root: Path, reference: Mapping[str, bytes], *, ended: bool = True) -> None:
    """Check that a conversion is complete, bit for bit, and left nothing behind.

    One that was killed after its last line could not remove its lock file any more.
    """
    assert_same(root, reference)
    left = {path.name for path in Path(f"{root}.journal").rglob("*") if path.is_file()}
    assert left - (set() if ended else {"lock"}) == {"journal.jsonl"}
    found = verify(root)
    assert found.ok, str(found)


def pixels_of(root: Path) -> dict[tuple[str, tuple[int, ...]], bytes]:
    """Return the pixels of all that opens below a place, by kind and shape."""
    found = nk.open(root)
    return {
        (str(name), data.shape): data.values.tobytes()
        for node in found.subtree
        for name, data in node.data_vars.items()
    }


def assert_no_image(root: Path, whole: Mapping[Any, bytes]) -> None:
    """Check that nobody takes an unfinished conversion for an image.

    Between the documents of the labels and that of the root, label images may open, which are
    whole; so may layers of the sidecar.
    """
    import zarr

    if root.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                attrs = dict(zarr.open_group(root, mode="r").attrs)
            except (FileNotFoundError, zarr.errors.GroupNotFoundError):
                attrs = {}
        assert "multiscales" not in attrs
        assert "multiscales" not in attrs.get("ome", {})
    try:
        found = nk.open(root)
    except NgffError:
        return
    assert "1" not in found.children  # no image at the root
    assert pixels_of(root).items() <= whole.items()


def is_finished(root: Path) -> bool:
    begun = Path(f"{root}.journal/journal.jsonl").exists()
    return begun and read_journal(open_target(root)).finished is not None


def is_committed(root: Path) -> bool:
    return (root / "zarr.json").exists()


class Server:
    """Forks conversions, and kills them."""

    def __init__(self, source: Path) -> None:
        self.source = source
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, str(here / "crash_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )
        self.seconds = 1.0

    def run(self, target: Path, seed: int | None = None, **order: Any) -> int:
        """Convert in a child; return its exit code, negative when a signal ended it."""
        order |= {"source": str(self.source), "target": str(target), "seed": seed}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        self.seconds = found["seconds"]
        return int(found["code"])

    def run_at_once(self, *orders: dict[str, Any]) -> list[int]:
        """Do several things at the same moment; return their exit codes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pair = [{"source": str(self.source), "seed": 1, "quiet": True} | order for order in orders]
        self.process.stdin.write(json.dumps({"pair": pair}) + "\n")
        self.process.stdin.flush()
        codes: list[int] = json.loads(self.process.stdout.readline())["codes"]
        return codes

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    crash_child.make_source(root)
    return root


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed") / "a.zarr"
    crash_child.convert(str(source), str(root))
    return root


@pytest.fixture(scope="module")
def reference(undisturbed: Path) -> dict[str, bytes]:
    """Return what an undisturbed conversion writes."""
    return tree(undisturbed)


@pytest.fixture(scope="module")
def whole(undisturbed: Path) -> dict[Any, bytes]:
    return pixels_of(undisturbed)


@pytest.fixture(scope="module")
def server(source: Path) -> Iterator[Server]:
    made = Server(source)
    yield made
    made.close()


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.faults
def test_killed_at_random_moments_it_resumes_to_the_same_bytes(
    ledger, server, reference, whole, tmp_path
):
    kills = ledger.many(6, 150)
    assert server.run(tmp_path / "first.zarr", seed=0) == 0
    duration = server.seconds
    rng = random.Random(f"kills {kills}")
    killed = committed = resumed = 0
    for i in range(kills):
        root, before = tmp_path / f"{i}.zarr", killed
        for attempt in range(ATTEMPTS):
            # what is left takes less and less time
            moment = rng.uniform(0, duration / (attempt + 1))
            code = server.run(root, seed=rng.randrange(2**31), kill_after=moment)
            assert code in (0, -signal.SIGKILL)
            if code == 0:
                break
            killed += 1
            if is_committed(root):
                committed += 1
                assert_same(root, reference)
            else:
                assert_no_image(root, whole)
            if Path(f"{root}.journal/journal.jsonl").exists():
                journal = read_journal(open_target(root))
                assert not journal.damaged
                resumed += attempt > 0 and bool(journal.records)
                if journal.finished is not None:
                    break  # it was killed when all was done
        ended = code == 0
        if not ended and not is_finished(root):
            ended = server.run(root) == 0
            assert ended
        assert_finished(root, reference, ended=ended)
        ledger.enter("kills", "right", killed - before)
        shutil.rmtree(root)
        shutil.rmtree(f"{root}.journal")
    print(
        f"\n{kills} conversions, {killed} kills, {resumed} of what had been resumed, "
        f"{committed} after the commit"
    )
    assert killed >= kills // 2  # else the moments are wrong, and nothing was tested


def test_killed_before_each_step_of_the_commit_it_is_no_image_before_the_last(
    server, source, reference, whole, tmp_path
):
    with faults.failing(0) as seen:
        crash_child.convert(str(source), str(tmp_path / "count.zarr"), workers=1)
    root, states = tmp_path / "a.zarr", []
    # all pixels are there, then every run gets a call further in what is left
    assert server.run(root, kill_at=seen.count - 45) == -signal.SIGKILL
    for call in range(1, 400, 2):
        code = server.run(root, kill_at=call)
        states.append(is_committed(root))
        if code == 0 or is_finished(root):
            break
        assert code == -signal.SIGKILL
        if states[-1]:
            assert_same(root, reference)
        else:
            assert_no_image(root, whole)
    assert_finished(root, reference, ended=code == 0)
    # there was a commit, once, and nobody took it back
    assert states == sorted(states)
    assert 10 < states.index(True) < len(states) - 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_what_is_done_and_no_lock(server, reference, whole, tmp_path, signum):
    root = tmp_path / "a.zarr"
    assert server.run(tmp_path / "first.zarr", seed=1) == 0
    code = server.run(root, seed=1, kill_after=server.seconds / 2, signal=int(signum))
    assert code == (130 if signum == signal.SIGINT else -signal.SIGTERM)
    assert_no_image(root, whole)
    if signum == signal.SIGINT:
        left = {path.name for path in Path(f"{root}.journal").rglob("*") if path.is_file()}
        assert left == {"journal.jsonl"}
    assert read_journal(open_target(root)).finished is None
    assert server.run(root) == 0
    assert_finished(root, reference)


# --- failing disks --------------------------------------------------------------------------------


def tiny(target: Path, **more: Any) -> Any:
    """Convert a few thousand voxels: two mags, a label image, shards, a sidecar."""
    z, y, x = np.indices((8, 32, 32))
    options = {"voxel_size": (1, 1, 1), "unit": "nm", "chunks": 8, "shards": 16, "workers": 1}
    options |= {"mags": ["1", "2"], "sidecar": True}
    with crash_child.small_tasks(2**13):
        volume = (z + 2 * y + 3 * x).astype("u1")
        return writing.convert(volume, target, **options | more)


@pytest.mark.parametrize(("code", "version"), [(errno.EIO, "0.5"), (errno.ENOSPC, "0.4")])
def test_whichever_call_fails_it_says_so_and_resumes_to_the_same_bytes(tmp_path, code, version):
    options = {"version": version} | ({"shards": None, "chunks": 16} if version == "0.4" else {})
    with faults.failing(0) as seen:
        tiny(tmp_path / "a.zarr", **options)
    reference = tree(tmp_path / "a.zarr")
    root = tmp_path / "b.zarr"
    said: list[str] = []
    for k in range(1, seen.count + 1):
        with faults.failing(k, code) as calls:
            try:
                tiny(root, **options)
            except WriteError as err:
                said.append(str(err))
            else:
                # the folder was there already, or what the next mag would have liked to find is
                # read back instead: nothing was lost
                assert calls.names[k - 1] in ("mkdir", "pwrite")
        if not is_finished(root):
            tiny(root, **options)
        assert_finished(root, reference)
        shutil.rmtree(root)
        shutil.rmtree(f"{root}.journal")
    assert len(said) > 60
    # where it happened, in our words
    assert all(str(tmp_path) in text and "injected" not in text for text in said)


def test_a_disk_that_stays_full_leaves_what_was_done(source, reference, whole, tmp_path):
    root = tmp_path / "a.zarr"
    with faults.failing(0) as seen:
        crash_child.convert(str(source), str(tmp_path / "count.zarr"))
    before = 0
    for k in (seen.count // 4, seen.count // 4, seen.count // 4):
        with faults.failing(k, errno.ENOSPC, lasting=True), pytest.raises(WriteError, match="full"):
            crash_child.convert(str(source), str(root))
        assert_no_image(root, whole)
        done = len(read_journal(open_target(root)).records)
        assert done > before
        before = done
    crash_child.convert(str(source), str(root))
    assert_finished(root, reference)


def test_two_writers_on_one_target_the_second_is_refused(source, reference, tmp_path):
    root, refusals = tmp_path / "a.zarr", []

    def meanwhile(progress: Progress) -> None:
        if not refusals and progress.tasks_done:
            with pytest.raises(BusyError) as caught:
                crash_child.convert(str(source), str(root), overwrite=len(refusals) > 0)
            refusals.append(str(caught.value))

    crash_child.convert(str(source), str(root), progress=meanwhile)
    assert refusals
    assert f"process {os.getpid()}" in refusals[0]
    assert_finished(root, reference)


# --- failing sources ------------------------------------------------------------------------------


@pytest.fixture
def copied(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "source"))


@pytest.fixture
def truth(copied: Path, tmp_path: Path) -> dict[str, bytes]:
    """Return what the copy becomes; the names of sources are in the metadata."""
    crash_child.convert(str(copied), str(tmp_path / "truth.zarr"))
    return tree(tmp_path / "truth.zarr")


def test_a_slice_that_vanishes_is_named_and_back_again_it_resumes(copied, truth, whole, tmp_path):
    root, lost = tmp_path / "a.zarr", copied / "slices/037.png"

    def vanish(progress: Progress) -> None:
        if lost.exists() and progress.tasks_done:
            lost.rename(tmp_path / "elsewhere.png")

    with pytest.raises(SourceError) as caught:
        crash_child.convert(str(copied), str(root), progress=vanish)
    assert "037.png" in str(caught.value)
    assert_no_image(root, whole)
    assert read_journal(open_target(root)).records
    (tmp_path / "elsewhere.png").rename(lost)
    crash_child.convert(str(copied), str(root))
    assert_finished(root, truth)


def corrupt(path: Path) -> bytes:
    """Overwrite the middle of a file as a failing disk does: size and times stay."""
    before, times = path.read_bytes(), path.stat()
    middle = len(before) // 2
    path.write_bytes(before[:middle] + bytes(64) + before[middle + 64 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return before


def mend(path: Path, before: bytes) -> None:
    times = path.stat()
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_slice_that_is_corrupt_is_named_and_mended_it_resumes(copied, truth, whole, tmp_path):
    root, bad = tmp_path / "a.zarr", copied / "slices/033.png"
    before = corrupt(bad)
    with pytest.raises(SourceError) as caught:
        crash_child.convert(str(copied), str(root))
    assert "033.png" in str(caught.value)
    assert_no_image(root, whole)
    mend(bad, before)
    crash_child.convert(str(copied), str(root))
    assert_finished(root, truth)


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_skipped_is_fill_and_written_down(copied, truth, tmp_path, interrupted):
    root, bad = tmp_path / "a.zarr", copied / "slices/013.png"
    corrupt(bad)

    def stop(progress: Progress) -> None:
        if interrupted and progress.tasks_done == 8:
            raise KeyboardInterrupt

    try:
        result = crash_child.convert(str(copied), str(root), on_error="skip", progress=stop)
    except KeyboardInterrupt:
        assert interrupted
        result = crash_child.convert(str(copied), str(root), on_error="skip")
    assert [entry.name.rpartition("/")[2] for entry in result.skipped] == ["013.png"]
    assert all(entry.box[0] == (13, 14) for entry in result.skipped)
    records = read_journal(open_target(root)).records.values()
    noted = [entry for record in records for entry in record.skipped]
    assert [entry["box"][0] for entry in noted] == [[13, 14]]
    attrs = json.loads((root / "zarr.json").read_text())["attributes"]["ngffkit_skipped"]
    assert attrs["count"] == 1
    assert attrs["parts"][0]["box"][0] == [13, 14]
    found = nk.open_dataset(root).image.values
    expected = nk.open_dataset(tmp_path / "truth.zarr").image.values.copy()
    expected[13] = 0
    np.testing.assert_array_equal(found, expected)
    report = verify(root)
    assert report.ok
    assert "1 parts of the source" in str(report)


# --- many ways, the same bytes --------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1},
        {"workers": 4},
        {"memory": "least"},
        {"executor": "pool"},
        {"executor": "processes"},
    ],
    ids=str,
)
def test_memory_workers_and_executors_change_no_byte(source, reference, tmp_path, options):
    root = tmp_path / "a.zarr"
    if options.get("executor") == "pool":
        with ThreadPoolExecutor(3) as pool:
            crash_child.convert(str(source), str(root), executor=pool, workers=3)
    elif "memory" in options:
        # what the plan says would do, and a little, since this process grows meanwhile
        plan = writing.plan(source / "slices", root, memory="1 MB", **crash_child.OPTIONS)
        enough = next(p.remedy for p in plan.problems if p.loc == "memory").split("'")[1]
        crash_child.convert(str(source), str(root), memory=nbytes_of(enough, "memory") + 4 * 10**6)
    else:
        crash_child.convert(str(source), str(root), **options)
    assert_finished(root, reference)


# --- a cluster ------------------------------------------------------------------------------------


class Dying:
    """A source in whose worker the process dies, once, while it reads."""

    def __init__(self, inner: Any, mark: str) -> None:
        self.inner, self.mark = inner, mark

    @property
    def info(self) -> Any:
        return self.inner.info

    def read(self, box: Any) -> Any:
        import multiprocessing

        if multiprocessing.parent_process() is not None and box[0].start >= 16:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.read(box)


def dying(source: Path, tmp_path: Path) -> Dying:
    from ngffkit.sources.opening import open_source
    from ngffkit.sources.options import ReadOptions

    options = ReadOptions(voxel_size=(4, 4, 40), unit="nm", labels={"cells": f"{source}/cells"})
    return Dying(open_source(source / "slices", options), str(tmp_path / "died"))


def convert_dying(source: Path, root: Path, tmp_path: Path, **options: Any) -> None:
    with crash_child.small_tasks():
        given = crash_child.OPTIONS | {"voxel_size": None, "unit": None} | options
        writing.convert(dying(source, tmp_path), root, **given)


def test_a_worker_process_that_dies_is_an_error_and_it_resumes(source, reference, whole, tmp_path):
    root = tmp_path / "a.zarr"
    with pytest.raises(NgffError, match=r"worker died over task .* run the same again"):
        convert_dying(source, root, tmp_path, executor="processes", workers=2)
    assert_no_image(root, whole)
    convert_dying(source, root, tmp_path, executor="processes", workers=2)
    assert_finished(root, reference)


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may wait for ever to be asked how."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc tells whose child is whose")
def test_workers_of_a_process_that_is_killed_end_with_it(source, reference, tmp_path):
    """Or they would write on while, or after, somebody else writes there."""
    root = tmp_path / "a.zarr"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("crash_child.py"), source, root],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    journal, workers = Path(f"{root}.journal/journal.jsonl"), list[int]()
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 2:
            found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            workers = [int(pid) for pid in found]
            process.kill()
            break
        time.sleep(0.01)
    process.wait()
    try:
        assert len(workers) >= 2
        until = time.monotonic() + 5
        while any(map(lives, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(lives, workers))
        crash_child.convert(str(source), str(root))
        assert_finished(root, reference)
    finally:
        for pid in filter(lives, workers):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_of_a_dask_cluster_that_dies_half_way_is_replaced(source, reference, tmp_path):
    distributed = pytest.importorskip("distributed")
    root = tmp_path / "a.zarr"
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        warnings.simplefilter("ignore")
        convert_dying(source, root, tmp_path, executor=client)
    assert (tmp_path / "died").exists()
    assert_finished(root, reference)
