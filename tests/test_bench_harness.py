"""Measurements are in turns and verified, kept per commit, shown with ratios, and compared."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).parents[1]
BENCHMARKS: Final = str(ROOT / "benchmarks")
MODULES: Final = ("alone", "harness", "keeping", "page", "pictures", "_processes")

SAYS: Final = """
import json, sys
open({log!r}, "a").write({name!r} + "\\n")
print("something else")
print("RESULT " + json.dumps({told}))
"""


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """Let scripts of benchmarks/ be imported by name, and be forgotten afterwards."""
    sys.path.insert(0, BENCHMARKS)
    yield
    sys.path.remove(BENCHMARKS)
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait for what other programs write; here nothing is measured."""
    monkeypatch.setattr("os.sync", lambda: None)


def of(name: str) -> Any:
    return importlib.import_module(name)


def contender(log: Path, name: str, kind: str = "peer", **told: Any) -> Any:
    code = SAYS.format(log=str(log), name=name, told=told)
    return of("harness").Contender(name, [sys.executable, "-I", "-S", "-c", code], kind)


def results(*cases: Any, section: str = "read", **head: Any) -> dict[str, Any]:
    rows = [row for case in cases for row in of("harness").rows_of(section, case)]
    machine = {"cpu": "a cpu", "cores": 2, "memory": 8.0, "system": "Linux 6", "python": "3.13.0"}
    return {
        "format": 1,
        "commit": "0123456789",
        "dirty": False,
        "date": "2030-01-02 03:04",
        "mode": "quick",
        "command": "python -m benchmarks",
        "machine": machine,
        "rows": rows,
    } | head


def made(runs: dict[str, list[float]], kinds: dict[str, str] | None = None, **other: Any) -> Any:
    """Return a case whose contenders have these wall times; CPU is twice, memory constant."""
    known = {"ngffkit": "ours", "limit": "limit"} | (kinds or {})
    who = []
    for name, times in runs.items():
        one = of("harness").Contender(name, [], known.get(name, "peer"), version=f"{name} 1.0")
        one.runs = [{"wall": t, "cpu": 2 * t, "peak": 100e6, "others": 0.1, **other} for t in times]
        who.append(one)
    return of("harness").Case("a plane", who, note="64 of them")


# --- the harness ----------------------------------------------------------------------------------


def test_contenders_take_turns_and_each_round_begins_with_another(tmp_path: Path):
    log = tmp_path / "log"
    before = []
    who = [contender(log, name, wall=1.0, cpu=2.0) for name in "abc"]
    case = of("harness").Case("turns", who, before=lambda: before.append(1))
    of("harness").run_case(case, 3)
    assert "".join(log.read_text().split()) == "abcbcacab"
    assert len(before) == 9
    for one in who:
        assert [run["wall"] for run in one.runs] == [1.0] * 3
        assert [run["cpu"] for run in one.runs] == [2.0] * 3


def test_memory_is_that_of_all_processes_together():
    holds = "import time; held = bytearray(b'1') * 40_000_000; time.sleep(1.5)"
    child = f"p = subprocess.Popen([sys.executable, '-c', {holds!r}])"
    code = f"import subprocess, sys; {child}; {holds}; p.wait()"
    who = of("harness").Contender("two", [sys.executable, "-c", code])
    of("harness").run_case(of("harness").Case("memory", [who]), 1)
    assert who.wrong == ""
    assert 80e6 < who.runs[0]["peak"] < 160e6


def test_who_has_other_pixels_or_fails_has_no_time_and_no_second_turn(tmp_path: Path):
    log = tmp_path / "log"
    ours = contender(log, "ngffkit", "ours", wall=2.0, pixels="right")
    others = contender(log, "others", wall=0.1, pixels="left")
    silent = contender(log, "silent", wall=0.1)
    refuses = contender(log, "refuses", wall=0.1, pixels="right", wrong="reads no shards")
    crash = of("harness").Contender("crash", [sys.executable, "-c", "1 / 0"])
    garbled = of("harness").Contender("garbled", [sys.executable, "-c", "print('RESULT {')"])
    case = of("harness").Case(
        "pixels", [ours, others, silent, refuses, crash, garbled], pixels="right"
    )
    of("harness").run_case(case, 2)
    assert log.read_text().split() == ["ngffkit", "others", "silent", "refuses", "ngffkit"]
    assert [one.wrong for one in case.contenders] == [
        "",
        "other pixels",
        "other pixels",
        "reads no shards",
        "failed: ZeroDivisionError: division by zero",
        "its RESULT is no JSON",
    ]
    rows = list(of("harness").rows_of("read", case))
    assert [bool(row["runs"]) for row in rows] == [True] + [False] * 5
    assert not any(row["median"] or row["ratio"] for row in rows[1:])
    text = of("page").markdown([of("keeping").compact(results(case))])
    assert "- no time: pixels, others: other pixels\n" in text
    assert "- no time: pixels, crash: failed: ZeroDivisionError: division by zero\n" in text


def test_what_the_first_run_left_is_verified_before_it_counts(tmp_path: Path):
    seen: list[str] = []

    def verify(who: Any) -> str:
        seen.append(who.name)
        return "voxel 3 differs" if who.name == "b" else ""

    who = [contender(tmp_path / "log", name, wall=1.0) for name in "ab"]
    of("harness").run_case(of("harness").Case("left", who, verify=verify), 2)
    assert seen == ["a", "b"]
    assert [(len(one.runs), one.wrong) for one in who] == [(2, ""), (0, "voxel 3 differs")]


def test_a_process_that_takes_too_long_is_ended_with_its_children(tmp_path: Path):
    log = tmp_path / "log"
    child = f"import time; time.sleep(4); open({str(log)!r}, 'w')"
    # as servers are started: not in the group of the one that is ended
    run = f"subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    code = f"import subprocess, sys; {run}"
    slow = of("harness").Contender("slow", [sys.executable, "-c", code])
    of("harness").run_case(of("harness").Case("slow", [slow]), 1, timeout=2)
    assert slow.wrong == "took too long, or too much memory"
    time.sleep(3)
    assert not log.exists()


def test_who_is_interrupted_leaves_no_process_and_no_timer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(pid: int, _: int) -> None:
        seen.append(pid)
        raise KeyboardInterrupt

    seen: list[int] = []
    monkeypatch.setattr("os.wait4", interrupted)
    with pytest.raises(KeyboardInterrupt):
        of("_processes").measure([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not Path(f"/proc/{seen[0]}").exists()
    # a timer that goes on keeps Python from ending, and kills whoever has this number then
    timers = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    for timer in timers:
        timer.join(1)
    assert not any(timer.is_alive() for timer in timers)


def test_one_process_can_measure_all_of_them(tmp_path: Path):
    told = {
        "ngffkit": {"runs": [{"wall": 1.0}, {"wall": 2.0}], "version": "ngffkit 1"},
        "b": {"runs": [{"wall": 4.0}, {"wall": 4.0}], "figures": {"p95": 9.0}},
        "c": {"wrong": "no picture"},
    }
    together = contender(tmp_path / "log", "all", together=told).command
    who = [of("harness").Contender(name, []) for name in ("ngffkit", "b", "c", "d")]
    who[0].kind = "ours"
    of("harness").run_case(of("harness").Case("steps", who, together=together), 5)
    assert (tmp_path / "log").read_text() == "all\n"
    rows = list(of("harness").rows_of("viewer", of("harness").Case("steps", who)))
    assert rows[1]["ratio"] == {"wall": 0.375}
    assert rows[1]["figures"] == {"p95": 9.0}
    assert [row["wrong"] for row in rows] == ["", "", "no picture", "nothing was said of it"]


def test_what_is_measured_alone_has_figures_and_no_times(tmp_path: Path):
    figures = {"exact": "60 of 60", "ms": {"xy plane": {"before": 8.0, "after": 6.0}}}
    case = of("alone").case("costs", "predict.py", "--side", 64)
    assert [str(word) for word in case.together[1:]][1:] == ["--tell", "--side", "64"]
    assert Path(case.together[1]).exists()
    code = f"import alone; alone.tell({figures})"
    case.together = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {BENCHMARKS!r}); {code}",
    ]
    of("harness").run_case(case, 5)
    (row,) = of("keeping").compact(results(case, section="predict"))["rows"]
    assert (row["figures"], row["median"], row["runs"]) == (figures, {}, [])
    text = of("page").markdown([of("keeping").compact(results(case))])
    assert "60 of 60" in text
    assert "| xy plane |      8 |     6 |" in text
    assert "| spread |" not in text


def test_a_ratio_is_that_of_one_round_not_of_two_medians():
    # the machine was ten times slower in the second round, for both of them
    case = made({"ngffkit": [1.0, 20.0, 3.0], "b": [2.0, 10.0, 6.0]})
    (_, row) = of("harness").rows_of("read", case)
    assert row["ratio"]["wall"] == 0.5
    assert row["median"]["wall"] == 6.0


# --- what is kept ---------------------------------------------------------------------------------


def test_kept_is_what_ratios_need_and_no_more(tmp_path: Path):
    case = made({"ngffkit": [1.0, 1.2], "b": [2.0, 2.0]}, requests=3)
    path = of("keeping").keep(results(case), folder=tmp_path)
    assert path.name == "2030-01-02-0123456789-quick.json"
    (found,) = of("keeping").kept(tmp_path)
    ours, other = found["rows"]
    assert ours["runs"] == [1.0, 1.2]
    assert ours["spread"] == {"wall": 0.1818, "cpu": 0.1818, "peak": 0.0, "requests": 0.0}
    assert other["ratio"] == {"wall": 0.55, "cpu": 0.55, "peak": 1.0, "requests": 1.0}
    assert other["ranges"]["wall"] == [0.5, 0.6]
    assert found["machine"]["cpu"] == "a cpu"
    # what is kept is not compacted a second time, and a second run of a day has a file of its own
    assert of("keeping").compact(found) == found
    assert of("keeping").keep(results(case), folder=tmp_path).name.endswith("-quick.2.json")
    assert sum("section" in line for line in path.read_text().splitlines()) == len(found["rows"])


def test_what_no_commit_has_is_kept_only_when_told_and_is_named(tmp_path: Path):
    case = made({"ngffkit": [1.0], "b": [2.0]})
    with pytest.raises(ValueError, match="pass --dirty"):
        of("keeping").keep(results(case, dirty=True), folder=tmp_path)
    assert not list(tmp_path.iterdir())
    path = of("keeping").keep(results(case, dirty=True), folder=tmp_path, dirty=True)
    assert path.name.endswith("-quick-dirty.json")
    assert "files that no commit has" in of("page").markdown(of("keeping").kept(tmp_path))


def test_each_section_is_shown_as_it_was_measured_last(tmp_path: Path):
    keep, head = of("keeping").keep, {"commit": "aaaaaaaaaa"}
    keep(results(made({"ngffkit": [1.0], "b": [2.0]})), folder=tmp_path)
    keep(
        results(made({"ngffkit": [1.0], "b": [4.0]}), section="plane", date="2030-01-03 00:00"),
        folder=tmp_path,
    )
    keep(
        results(made({"ngffkit": [1.0], "b": [5.0]}), date="2030-01-04 00:00", **head),
        folder=tmp_path,
    )
    found = of("keeping").newest(of("keeping").kept(tmp_path), "quick")
    ratios = {row["section"]: row["ratio"]["wall"] for row in found["rows"] if row["ratio"]}
    assert ratios == {"read": 0.2, "plane": 0.25}
    assert [part["commit"] for part in found["parts"]] == ["aaaaaaaaaa", "0123456789"]
    assert of("keeping").newest(of("keeping").kept(tmp_path), "full") is None


# --- the page -------------------------------------------------------------------------------------


def test_the_page_says_first_where_a_peer_is_ahead(tmp_path: Path):
    case = made(
        {"ngffkit": [2.0, 2.2], "limit": [1.0, 1.0], "b": [1.0, 1.0], "c": [1.5, 4.0], "d": [8, 8]}
    )
    of("keeping").keep(results(case), folder=tmp_path)
    text = of("page").markdown(of("keeping").kept(tmp_path))
    first, _, rest = text.partition("\n## Mode quick\n")
    lines = [line for line in first.splitlines() if line.startswith("| read")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    # the limit is no peer, d is behind, c was ahead in one of two rounds and not by the median
    assert cells == [
        ["read", "a plane", "b", "wall", "2.10", "2.00–2.20"],
        ["read", "a plane", "b", "CPU", "2.10", "2.00–2.20"],
    ]
    assert "a cpu, 2 cores, 8.0 GB, Linux 6, Python 3.13.0" in rest
    assert "`0123456789`" in rest
    assert rest.index("ngffkit by") < rest.index("who")  # ratios stand before medians
    assert "limit (limit)" in rest
    assert "- a plane: 64 of them" in rest
    assert "Versions: b 1.0, c 1.0, d 1.0, limit 1.0, ngffkit 1.0." in rest


def test_what_is_ahead_in_some_rounds_only_is_told_apart():
    case = made({"ngffkit": [1.1, 1.1, 0.9], "b": [1.0, 1.0, 1.0]})
    rows = of("keeping").compact(results(case))["rows"]
    found = of("keeping").behind(rows)
    assert [(it.what, it.ratio, it.settled) for it in found] == [
        ("wall", 1.1, False),
        ("cpu", 1.1, False),
    ]
    text = of("page").markdown([of("keeping").compact(results(case))])
    assert "no figure was the peer's in every round" in text
    assert "but not in every round (2)" in text


def test_the_terminal_shows_ratios_then_medians_then_who_is_ahead(
    capsys: pytest.CaptureFixture[str],
):
    case = made({"ngffkit": [2.0, 2.2], "b": [1.0, 1.0]})
    case.contenders[1].figures = {"mag 2": 0.25, "µs": {"4 kB": {"hit": 12.5, "miss": 90.0}}}
    of("page").show(results(case))
    said = capsys.readouterr().out
    assert said.index("ngffkit by") < said.index("spread") < said.index("not ahead of b: read")
    assert "2.10 (2.00–2.20)" in said
    assert "mag 2" in said
    assert "12.5" in said
    of("page").show(results(made({"ngffkit": [1.0], "b": [9.0]})))
    assert "no peer takes less in any case" in capsys.readouterr().out


def test_pages_and_pictures_are_the_same_each_time(tmp_path: Path):
    times = {"ngffkit": [1.0, 1.1], "limit": [0.8, 0.9], "tensorstore": [1.2, 1.3], "new": [3, 3]}
    for day in (2, 3):
        of("keeping").keep(results(made(times), date=f"2030-01-0{day} 03:04"), folder=tmp_path)
    seen = []
    for name in ("one", "two"):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "bench-gone.svg").touch()
        of("page").render(tmp_path, tmp_path / name)
        files = (p for p in (tmp_path / name).rglob("*") if p.is_file())
        seen.append({p.name: p.read_bytes() for p in files})
    assert seen[0] == seen[1]
    names = {"results.md", "bench-read.svg", "bench-memory.svg", "bench-commits.svg"}
    assert set(seen[0]) == names
    text = seen[0]["results.md"].decode()
    assert all(f"(images/{name})" in text for name in names - {"results.md"})
    assert not any(b"<dc:date>" in data for data in seen[0].values())


def test_the_committed_page_is_what_is_kept():
    found = of("keeping").kept()
    text = (ROOT / "docs/results.md").read_text("utf-8")
    assert text == of("page").markdown(found), "run python -m benchmarks page"
    there = {path.name for path in (ROOT / "docs/images").glob("bench-*.svg")}
    assert there == {name for name in there if f"(images/{name})" in text}
    assert there == set(of("page")._pictures(found))


# --- two commits ----------------------------------------------------------------------------------


def two(folder: Path, old: Any, new: Any) -> None:
    of("keeping").keep(results(old, date="2030-01-01 00:00", commit="old0"), folder=folder)
    of("keeping").keep(results(new, date="2030-01-02 00:00", commit="new0"), folder=folder)


def test_a_ratio_that_grew_is_flagged_however_fast_the_machine_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # on the second day all is twice as fast, but ngffkit is so by less
    old = made({"ngffkit": [1.0, 1.0], "tensorstore": [1.0, 1.0], "b": [9.0, 9.0]})
    new = made({"ngffkit": [0.7, 0.7], "tensorstore": [0.5, 0.5], "b": [9.0, 9.0]})
    two(tmp_path, old, new)
    assert of("keeping").compare([], folder=tmp_path) == 1
    said = capsys.readouterr().out
    assert "WORSE: read, a plane: wall by tensorstore 1 -> 1.4 (+40%; 20% may be chance)" in said
    assert "3 compared, 2 worse" in said  # wall and CPU; memory is as it was
    # the other way round it is better, and that is said, too
    assert of("keeping").compare(["new0", "old0"], folder=tmp_path) == 0
    assert "better: read, a plane: wall by tensorstore 1.4 -> 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rounds", "code"), [([1.15, 1.15], 0), ([1.1, 1.7], 0), ([1.7, 1.7], 1)], ids=str
)
def test_what_chance_explains_is_not_flagged(tmp_path: Path, rounds: list[float], code: int):
    old = made({"ngffkit": [1.0, 1.0], "limit": [1.0, 1.0]})
    two(tmp_path, old, made({"ngffkit": rounds, "limit": [1.0, 1.0]}))
    assert of("keeping").compare([], folder=tmp_path) == code


def test_one_request_more_is_flagged_and_so_is_what_fails_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    times = {"ngffkit": [1.0], "limit": [1.0]}
    two(tmp_path, made(times, requests=64), made(times, requests=65))
    assert of("keeping").compare([], folder=tmp_path) == 1
    assert "requests by itself 64 -> 65" in capsys.readouterr().out
    broken = made(times)
    broken.contenders[0].runs, broken.contenders[0].wrong = [], "other pixels"
    two(tmp_path / "b", made(times), broken)
    assert of("keeping").compare([], folder=tmp_path / "b") == 1
    assert "WORSE: read, a plane: other pixels" in capsys.readouterr().out


def test_what_cannot_be_compared_says_so(tmp_path: Path):
    with pytest.raises(ValueError, match="0 results are kept"):
        of("keeping").compare([], folder=tmp_path)
    case = made({"ngffkit": [1.0], "limit": [1.0]})
    of("keeping").keep(results(case), folder=tmp_path)
    other = results(case, section="plane", date="2030-01-05 00:00")
    of("keeping").keep(other, folder=tmp_path)
    with pytest.raises(ValueError, match="too few"):  # they share no case
        of("keeping").compare([], folder=tmp_path)
    with pytest.raises(ValueError, match="no case in common"):
        of("keeping").compare(["2030-01-02", "2030-01-05"], folder=tmp_path)
    with pytest.raises(ValueError, match="names 2 of the kept results"):
        of("keeping").compare(["2030"], folder=tmp_path)


# --- what scripts share ---------------------------------------------------------------------------


def test_digests_tell_shapes_kinds_and_values_apart():
    sys.path.insert(0, str(ROOT / "benchmarks" / "contenders"))
    try:
        digest = importlib.import_module("_asked").digest
    finally:
        sys.path.pop(0)
        sys.modules.pop("_asked", None)
    data = np.arange(6, dtype="u1")
    same = {digest(data.reshape(2, 3)), digest(np.asfortranarray(data.reshape(2, 3)))}
    assert len(same) == 1
    others = [data, data.reshape(3, 2), data.reshape(2, 3).astype("i1"), data.reshape(2, 3) + 1]
    assert not same & {digest(other) for other in others}


def test_every_section_is_a_module_with_a_context():
    names = {path.stem for path in (ROOT / "benchmarks" / "sections").glob("*.py")}
    text = (ROOT / "benchmarks" / "__main__.py").read_text()
    for name in ("imports", "viewer", "predict", "rewrite", "caching", "responsive"):
        assert name in names
        assert f'"{name}"' in text


def test_a_result_that_a_script_tells_may_be_long():
    told = {"figures": {f"figure {i}": i for i in range(2000)}}
    code = f"import json; print('RESULT ' + json.dumps({told}))"
    who = of("harness").Contender("ngffkit", [sys.executable, "-c", code], "ours")
    of("harness").run_case(of("harness").Case("long", [who]), 1)
    assert json.dumps(who.figures) == json.dumps(told["figures"])
