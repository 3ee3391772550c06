"""What is done stays done: the journal beside a target, and its lock."""

# ruff: noqa: F811 - a fixture of another module is an argument

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import failing
from hypothesis import given, settings
from hypothesis import strategies as st
from test_targets import s3, tree  # noqa: F401 - a fixture

from ngffkit.errors import BusyError, NgffError, NgffWarning, NotFoundError, PlanError, WriteError
from ngffkit.execute import locks
from ngffkit.execute.journal import Journal, Record, read_journal
from ngffkit.execute.locks import FileLock, LeaseLock, lock_of, locked
from ngffkit.stores.targets import Target, Written, beside, open_target

Make = Callable[[], Target]


@pytest.fixture(params=["local", "s3", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what opens one and the same target, empty at first."""
    name = f"{uuid.uuid4().hex}.zarr"
    if request.param == "local":
        return lambda: open_target(tmp_path / name)
    if request.param == "s3":
        options = request.getfixturevalue("s3")
        return lambda: open_target(f"s3://bucket/{name}", options)
    return lambda: open_target(f"memory://some/{name}")


def record(name: str, *sizes: int, **facts: Any) -> Record:
    written = tuple(Written(f"{name}/c/{i}", n, 2**32 - 1 - i) for i, n in enumerate(sizes))
    return Record(name, written, facts=facts)


def begin(target: Target, fingerprint: str = "abc", *, resume: bool = True, **facts: Any) -> Any:
    return Journal.begin(target, fingerprint, facts, resume=resume)


ONE, TWO = record("1/0", 10, 20), record("labels/ü/1", 5, seconds=0.5)


# --- a conversion, killed and resumed -------------------------------------------------------------


def test_what_was_recorded_is_done_after_a_crash(make):
    with begin(make(), chunks=64) as journal:
        assert dict(journal.done) == {}
        journal.record(ONE)
        assert dict(journal.done) == {"1/0": ONE}
        assert not journal.finished
    contents = read_journal(make())
    assert (contents.fingerprint, contents.facts) == ("abc", {"chunks": 64})
    assert (contents.finished, contents.damaged) == (None, ())
    with begin(make(), chunks=64) as journal:
        assert dict(journal.done) == {"1/0": ONE}
        journal.record(TWO)
        assert list(journal.done) == ["1/0", "labels/ü/1"]
        journal.finish({"seconds": 2})
        assert journal.finished
    contents = read_journal(make())
    assert dict(contents.records) == {"1/0": ONE, "labels/ü/1": TWO}
    assert contents.finished == {"seconds": 2}


def test_the_journal_is_one_object_in_the_end(make):
    with begin(make()) as journal:
        journal.record(ONE)
        journal.finish({})
    place = beside(make(), ".journal")
    assert list(place.keys()) == ["journal.jsonl"]
    lines = [json.loads(line) for line in bytes(place.store.get("journal.jsonl")).splitlines()]
    assert lines[0]["format"] == 1
    assert lines[1]["written"] == [["1/0/c/0", 10, 2**32 - 1], ["1/0/c/1", 20, 2**32 - 2]]
    assert lines[2]["finished"] == {}
    assert not make().exists()


def test_a_finished_journal_gives_way_to_a_new_one(make):
    with begin(make()) as journal:
        journal.record(ONE)
        journal.finish({})
    with begin(make(), "another", resume=False) as journal:
        assert not journal.done
        journal.record(TWO)
    assert list(read_journal(make()).records) == ["labels/ü/1"]
    assert read_journal(make()).finished is None


def test_an_unfinished_journal_is_not_gone_on_with_unasked(make):
    with begin(make(), chunks=64) as journal:
        journal.record(ONE)
    with pytest.raises(PlanError, match=r"an unfinished conversion is there.*overwrite=True"):
        begin(make(), resume=False)
    with pytest.raises(PlanError, match=r"of another plan is there \(chunks was 64, is 32\)"):
        begin(make(), "other", chunks=np.int64(32))
    # who was refused has given back the lock, and changed nothing
    with begin(make(), chunks=64) as journal:
        assert dict(journal.done) == {"1/0": ONE}


def test_overwriting_starts_over(make):
    make().put("1/c/0", b"old")
    with begin(make()) as journal:
        journal.record(ONE)
    with Journal.begin(make(), "abc", {}, resume=False, overwrite=True) as journal:
        assert not journal.done
        assert not make().exists()
    with begin(make()) as journal:
        assert not journal.done


def test_overwriting_forgets_before_it_removes(tmp_path, monkeypatch):
    """Killed while it removes, no journal promises what is gone."""
    target = open_target(tmp_path / "x")
    with begin(target) as journal:
        target.put("1/c/0", b"x")
        journal.record(ONE)

    def refuse(*_: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.EIO, "not now")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(WriteError):
            Journal.begin(target, "abc", {}, resume=False, overwrite=True)
    with begin(target) as journal:
        assert not journal.done


def test_no_journal_is_not_found(make):
    with pytest.raises(NotFoundError, match=r"there is no journal at .*\.journal"):
        read_journal(make())


def test_threads_record(make):
    with begin(make()) as journal:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: journal.record(record(f"1/{i}", i)), range(24)))
        assert len(journal.done) == 24
    assert {name: read_journal(make()).records[name].written[0].size for name in journal.done} == {
        f"1/{i}": i for i in range(24)
    }


def test_partial_files_of_the_dead_are_swept(tmp_path):
    target = open_target(tmp_path / "x")
    target.put("a", b"x")
    for _ in range(2):
        Path(target.work).mkdir(parents=True, exist_ok=True)
        Path(target.work, "left").write_bytes(b"x")
        with begin(target):
            assert sorted(tree(tmp_path)) == ["x.journal/journal.jsonl", "x.journal/lock", "x/a"]
    with begin(target) as journal:
        Path(target.work).mkdir()
        Path(target.work, "left").write_bytes(b"x")
        journal.finish({})
    assert sorted(tree(tmp_path)) == ["x.journal/journal.jsonl", "x/a"]


def test_records_are_small_in_memory(tmp_path):
    import tracemalloc

    with begin(open_target(tmp_path / "x")) as journal:
        for i in range(20):
            written = tuple(Written(f"1/c/{i}/{j}/7", 262144, 2**31) for j in range(1000))
            journal.record(Record(str(i), written))
    tracemalloc.start()
    try:
        with begin(open_target(tmp_path / "x")) as journal:
            del written
            assert tracemalloc.get_traced_memory()[0] < 20_000 * 100
            assert len(journal.done["19"].written) == 1000
    finally:
        tracemalloc.stop()


@settings(max_examples=40, deadline=None)
@given(
    task=st.text(),
    written=st.lists(
        st.builds(Written, st.text(), st.integers(0, 2**63), st.integers(0, 2**32 - 1)), max_size=4
    ),
    skipped=st.lists(st.text(), max_size=2),
    facts=st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.booleans()),
)
def test_any_record_comes_back(tmp_path_factory, task, written, skipped, facts):
    target = open_target(tmp_path_factory.mktemp("any") / "x")
    given = Record(task, tuple(written), tuple(skipped), facts)
    with begin(target) as journal:
        journal.record(given)
    with begin(target) as journal:
        assert journal.done[task] == given


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a journal of three records."""
    with begin(open_target(tmp_path / "x")) as journal:
        for name in "abc":
            journal.record(record(name, 1))
    return tmp_path / "x.journal" / "journal.jsonl"


@pytest.mark.parametrize("filler", [b"", b"\0" * 7], ids=["torn", "zeros"])
def test_a_journal_torn_at_any_byte(tmp_path, log, filler):
    whole = log.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    target = open_target(tmp_path / "x")
    for length in range(len(whole) + 1):
        log.write_bytes(whole[:length] + filler)
        sound = sum(end <= length for end in ends)
        if not sound:
            with pytest.raises(NotFoundError):
                read_journal(target)
            if length % 9 == 1:
                with pytest.raises(PlanError, match="whose journal is damaged"):
                    begin(target)
            continue
        names = list("abc"[: sound - 1])
        assert list(read_journal(target).records) == names, length
        if length % 9 == 1:
            with begin(target) as journal:
                assert list(journal.done) == names
                assert log.read_bytes() == whole[: ends[sound - 1]]
                journal.record(record("later", 1))
            assert list(read_journal(target).records) == [*names, "later"]


def test_a_bit_that_flipped_anywhere_is_found(tmp_path, log):
    target, whole = open_target(tmp_path / "x"), log.read_bytes()
    lines = whole.splitlines(keepends=True)
    good = read_journal(target).records
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        log.write_bytes(data)
        hit = next(i for i in range(4) if at < sum(map(len, lines[: i + 1])))
        if hit == 0:
            with pytest.raises(NotFoundError):
                read_journal(target)
            continue
        found = read_journal(target).records
        # an end of a line that is hit takes the next line along
        assert set("abc") - set(found) in ({"abc"[hit - 1]}, set("abc"[hit - 1 : hit + 1]))
        assert all(found[name] == good[name] for name in found)


def test_a_damaged_line_is_said_and_its_task_done_again(tmp_path, log):
    log.write_bytes(log.read_bytes().replace(b'"b"', b'"x"'))
    target = open_target(tmp_path / "x")
    assert read_journal(target).damaged == (3,)
    with pytest.warns(NgffWarning, match="1 damaged lines; their tasks are done again"):
        journal = begin(target)
    with journal:
        assert list(journal.done) == ["a", "c"]
        journal.record(record("b", 1))
    with pytest.warns(NgffWarning, match="damaged"):
        journal = begin(target)
    with journal:
        assert sorted(journal.done) == ["a", "b", "c"]


def test_a_journal_of_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ngffkit.execute.journal.FORMAT", 99)
    with begin(open_target(tmp_path / "x")):
        pass
    with pytest.raises(PlanError, match="format 99 is there, 1 was expected"):
        begin(open_target(tmp_path / "x"))


def convert(target: Target, *, resume: bool) -> None:
    """Write two tasks and the end as a conversion does."""
    with Journal.begin(target, "abc", {}, resume=resume) as journal:
        for name in ("1/c/0", "1/c/1"):
            if name in journal.done:
                assert target.store.get(name) == name.encode()
                continue
            done = target.put(name, name.encode())
            target.sync()
            journal.record(Record(name, (done,)))
        target.put("zarr.json", b"{}")
        target.sync()
        journal.finish({})


@pytest.mark.parametrize(("code", "lasting"), [(errno.EIO, False), (errno.ENOSPC, True)])
def test_every_call_may_fail(tmp_path, code, lasting):
    names = ("write", "pwrite", "fsync", "replace")
    with failing(0, names=names) as seen:
        convert(open_target(tmp_path / "0" / "x"), resume=False)
    good = tree(tmp_path / "0")
    assert set(good) == {
        "x.journal/journal.jsonl",
        *(f"x/{k}" for k in ("1/c/0", "1/c/1", "zarr.json")),
    }
    for k in range(1, seen.count + 1):
        root = tmp_path / str(k)
        with (
            failing(k, code, names, lasting=lasting),
            pytest.raises(WriteError, match=r"the disk failed|the disk is full"),
        ):
            convert(open_target(root / "x"), resume=False)
        for name, data in tree(root).items():
            if name.startswith("x/"):
                assert data == good[name], k
        convert(open_target(root / "x"), resume=True)
        assert tree(root) == good, k


def test_a_record_that_failed_is_repeated(tmp_path):
    target = open_target(tmp_path / "x")
    with begin(target) as journal:
        for name in ("pwrite", "fsync"):
            with failing(1, names=(name,)), pytest.raises(WriteError, match=r"journal\.jsonl"):
                journal.record(record("a much longer name of a task", 1))
            assert not read_journal(target).records
        journal.record(ONE)
        with failing(1), pytest.raises(WriteError):
            journal.finish({})
        assert not journal.finished
        journal.finish({})
    assert list(read_journal(target).records) == ["1/0"]


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
def test_killed_at_any_call_it_resumes(tmp_path):
    """In forked children, for speed: each dies by SIGKILL before its k-th call."""
    with failing(0) as seen:
        convert(open_target(tmp_path / "0" / "x"), resume=True)
    good = tree(tmp_path / "0")
    for k in range(1, seen.count + 1):
        root = tmp_path / str(k)
        pid = _forked(lambda root=root, k=k: _die(root, k))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        left = tree(root)
        assert "x/zarr.json" not in left or {"x/1/c/0", "x/1/c/1"} <= left.keys(), k
        convert(open_target(root / "x"), resume=True)
        assert tree(root) == good, k


def _die(root: Path, k: int) -> None:
    from faults import killing

    with killing(k):
        convert(open_target(root / "x"), resume=True)


def _forked(act: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    return pid


# --- the lock -------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_by_name(make):
    with begin(make()):
        said = rf"is being written by process {os.getpid()} on .+ since 20\d\d-.*T.*\+00:00; wait"
        for again in (begin, lambda target: lock_of(target).__enter__()):
            with pytest.raises(BusyError, match=said):
                again(make())
    with begin(make()):
        pass


def test_a_lock_leaves_nothing(make):
    with locked(make()) as lock:
        lock.check()
        assert list(beside(make(), ".journal").keys()) == ["lock"]
    assert not beside(make(), ".journal").exists()
    with pytest.raises(BusyError):
        lock.check()
    lock.__exit__(None, None, None)


def test_a_lock_leaves_no_folder(tmp_path):
    with locked(open_target(tmp_path / "x")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_away_is_noticed(make):
    with begin(make()) as journal:
        journal.record(ONE)
        beside(make(), ".journal").remove("lock")
        if isinstance(journal._lock, LeaseLock):
            journal._lock._beat()
        with pytest.raises(BusyError, match="was removed"):
            journal.record(TWO)
        assert list(journal.done) == ["1/0"]


HOLDER = """
import sys, time
from ngffkit.execute.locks import lock_of
from ngffkit.stores.targets import open_target
lock_of(open_target(sys.argv[1])).__enter__()
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
def test_a_killed_holder_frees_the_lock(tmp_path):
    target = open_target(tmp_path / "x")
    command = [sys.executable, "-c", HOLDER, target.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid} on"):
            begin(target)
        holder.kill()
        holder.wait()
        with begin(target) as journal:
            journal.record(ONE)


def test_of_many_that_race_one_wins_at_a_time(tmp_path):
    """A lock file is removed by its holder, so a racer may hold one that has no name any more."""
    inside: list[int] = []

    def race(_: int) -> int:
        won = 0
        for _ in range(40):
            try:
                with locked(open_target(tmp_path / "x")) as lock:
                    inside.append(1)
                    assert len(inside) == 1
                    lock.check()
                    inside.pop()
                    won += 1
            except BusyError:
                continue
        return won

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, range(8))) > 8
    assert list(tmp_path.iterdir()) == []


def test_two_processes_race(tmp_path):
    script = HOLDER.replace("lock_of(", "try:\n    lock_of(", 1).replace(
        'print("held", flush=True)\ntime.sleep(60)',
        "except Exception as err:\n    print(type(err).__name__, flush=True)\n"
        'else:\n    print("held", flush=True)\nsys.stdin.read()',
    )
    command = [sys.executable, "-c", script, str(tmp_path / "x")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        said = sorted([one.stdout.readline(), other.stdout.readline()])
        one.communicate()
        other.communicate()
    assert said == ["BusyError\n", "held\n"]


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(fd: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks, "_lock", refuse)
    with pytest.warns(NgffWarning, match="knows no locks"), locked(open_target(tmp_path / "x")):
        pass


def test_a_file_lock_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "x.journal").write_bytes(b"in the way")
    with pytest.raises(WriteError, match=r"can't write 'lock' at .*x\.journal/lock"):
        FileLock(open_target(tmp_path / "x")).__enter__()


# --- leases ---------------------------------------------------------------------------------------


@pytest.fixture(params=["s3", "memory"])
def far(request: pytest.FixtureRequest) -> Target:
    name = uuid.uuid4().hex
    if request.param == "s3":
        return open_target(f"s3://bucket/{name}", request.getfixturevalue("s3"))
    return open_target(f"memory://some/{name}")


def dead(lock: LeaseLock) -> None:
    """Let the holder of a lock be gone without a word."""
    lock._stop.set()
    assert lock._thread is not None
    lock._thread.join()


def test_a_lease_of_the_dead_is_taken_over(far):
    lost = LeaseLock(far)
    lost.__enter__()
    dead(lost)
    with pytest.raises(BusyError, match="if it died, try again in 75 seconds"):
        LeaseLock(far).__enter__()
    with LeaseLock(far, stale=0) as lock:
        lock.check()
        # back from the dead, it learns that it is too late, and leaves the lock alone
        lost._beat()
        with pytest.raises(BusyError, match="another process has taken it over"):
            lost.check()
        lost.__exit__(None, None, None)
        lock._beat()
        lock.check()
    assert not beside(far, ".journal").exists()


def test_a_lease_that_is_refreshed_is_alive(far):
    with LeaseLock(far, refresh=0.05, stale=1.5):
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            with pytest.raises(BusyError):
                LeaseLock(far, stale=1.5).__enter__()
            time.sleep(0.1)


def test_of_many_that_take_over_one_wins(s3):
    far = open_target(f"s3://bucket/{uuid.uuid4().hex}", s3)
    lost = LeaseLock(far)
    lost.__enter__()
    dead(lost)

    def race(_: int) -> LeaseLock | None:
        try:
            return LeaseLock(far, stale=0.9).__enter__()
        except BusyError:
            return None

    time.sleep(2)
    with ThreadPoolExecutor(6) as pool:
        won = [lock for lock in pool.map(race, range(6)) if lock]
    assert len(won) == 1
    won[0].check()
    won[0].__exit__(None, None, None)


def test_a_refresh_that_was_answered_twice_is_no_loss(far):
    """The first attempt arrived, its answer was lost, the second is refused."""
    with LeaseLock(far) as lock:
        lock._place.claim("lock", lock._words(), lock._tag)
        lock._beat()
        lock._beat()
        lock.check()


def test_a_lease_that_cannot_be_refreshed_is_lost_in_time(far, monkeypatch):
    with LeaseLock(far, refresh=0.01, stale=0.3) as lock:

        def down(*_: Any) -> None:
            raise WriteError("lock", "far", "the line is down")

        monkeypatch.setattr(lock._place, "claim", down)
        time.sleep(0.05)
        lock.check()
        assert lock._thread is not None
        lock._thread.join(10)
        with pytest.raises(BusyError, match=r"could not be refreshed.*the line is down"):
            lock.check()


def test_a_store_that_ignores_conditions_lets_one_in(far, monkeypatch):
    with LeaseLock(far):
        place = type(beside(far, ".journal"))

        def overwrite(self: Any, key: str, data: bytes, tag: Any = None) -> Any:
            return "a tag"  # as if it had been written, and then by the other one

        monkeypatch.setattr(place, "claim", overwrite)
        with pytest.raises(BusyError, match="is being written by process"):
            LeaseLock(far).__enter__()
        monkeypatch.undo()


def test_what_cannot_be_locked_is_said(tmp_path):
    class Odd:
        url = "odd://x"

        def beside(self, _: str) -> Any:
            return self

    with pytest.raises(NgffError, match="can't be locked"):
        lock_of(Odd())


def test_remote_records_are_put_together_on_resuming(s3):
    target = open_target(f"s3://bucket/{uuid.uuid4().hex}", s3)
    with begin(target) as journal:
        journal.record(ONE)
        journal.record(TWO)
        place = beside(target, ".journal")
        assert sorted(place.keys("journal")) == [
            "journal/000000-1_0.json",
            "journal/000001-labels_1.json",
        ]
    with begin(target) as journal:
        assert list(journal.done) == ["1/0", "labels/ü/1"]
        assert sorted(place.keys()) == ["journal.jsonl", "lock"]
        journal.record(record("3", 3))
    assert list(read_journal(target).records) == ["1/0", "labels/ü/1", "3"]


def test_remote_records_left_by_a_crash_after_the_end_do_not_count(s3):
    target = open_target(f"s3://bucket/{uuid.uuid4().hex}", s3)
    with begin(target) as journal:
        journal.record(ONE)
        stale = {k: bytes(journal._place.store.get(k)) for k in journal._place.keys("journal")}
        journal.finish({})
    for key, data in stale.items():
        beside(target, ".journal").put(key, data)
    with begin(target, "new", resume=False) as journal:
        assert not journal.done
    with begin(target, "new") as journal:
        assert not journal.done
