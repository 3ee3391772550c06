"""The harness: each measurement is a process; contenders take turns; ratios are those of one round.

A section (``benchmarks/sections``) yields cases; a case has contenders; a contender is a command.
The command's last line may be ``RESULT {...}`` with

- ``wall``, ``cpu``: seconds, of the part that counts; else those of the whole process count;
- ``requests``, ``nbytes``: what it asked of a server;
- ``pixels``: a digest of the pixels it got, which must be the case's `pixels`;
- ``wrong``: why it doesn't count;
- ``version``: of what it measures;
- ``figures``: other numbers by name, kept as they are.

Nothing counts before its pixels were verified: by the digest, or by the case's `verify`, which
looks at what the first round left behind.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from _processes import Measured, measure

HERE = Path(__file__).parent
BENCH = HERE.parent / ".bench"
VENVS = BENCH / "venvs"

#: ``ours`` is ngffkit; a ``limit`` is code by hand that does one job and nothing else, and counts
#: as no peer.
Kind = Literal["ours", "limit", "peer"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How much is measured.

    Parameters
    ----------
    name : {"quick", "full"}
        Quick: all of it in ten minutes, on small volumes.
    rounds : int
        How often each contender has its turn.
    size : int
        Side of the volume, voxels.
    """

    name: str
    rounds: int
    size: int

    @property
    def quick(self) -> bool:
        """Whether it shall be over in ten minutes."""
        return self.name == "quick"


MODES = {"quick": Mode("quick", 2, 256), "full": Mode("full", 5, 512)}


@dataclass(slots=True)
class Contender:
    """One way to do a job, and what it took so far.

    Parameters
    ----------
    name : str
        Who it is, e.g. ``tensorstore``.
    command : sequence of str
        Program and arguments.
    kind : {"ours", "limit", "peer"}
        What it is compared as.
    """

    name: str
    command: Sequence[str | Path]
    kind: Kind = "peer"
    runs: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    wrong: str = ""

    def median(self, what: str) -> float | None:
        """Return the median of a field of its runs; None where it was not measured."""
        values = [run[what] for run in self.runs if what in run]
        return statistics.median(values) if values else None


@dataclass(slots=True)
class Case:
    """One job for all contenders.

    Parameters
    ----------
    name : str
        What is done, e.g. ``v3 sharded, plane``.
    contenders : sequence of Contender
        Who does it.
    pixels : str
        Digest that the contenders' results must have; ``""`` where `verify` looks.
    before : callable, optional
        Called before each run: removes what the run before left.
    verify : callable, optional
        Called after a contender's first run, with the contender; returns what is wrong, or ``""``.
    note : str
        What the page says of the case: sizes, layout, what is counted.
    together : sequence of str, optional
        One command that measures all contenders, with their turns inside, e.g. in one browser. It
        tells ``together``: by contender, ``runs``, ``version``, ``wrong`` and ``figures``.
    """

    name: str
    contenders: Sequence[Contender]
    pixels: str = ""
    before: Callable[[], None] | None = None
    verify: Callable[[Contender], str] | None = None
    note: str = ""
    together: Sequence[str | Path] = ()


#: A section: a context in which its cases can run, i.e. data and servers are there.
Section = Callable[[Mode, Path], AbstractContextManager[Sequence[Case]]]


def python_of(name: str) -> Path:
    """Return the interpreter of a contender: its own venv's, or this one's where it has none."""
    own = VENVS / name / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def command(name: str, job: str, asked: dict[str, Any]) -> list[str | Path]:
    """Return the command by which a contender does a job; what scripts share can be imported."""
    shared = HERE / "contenders"
    script = shared / name / f"{job}.py"
    # env becomes the interpreter: no process more, and only this one has the path
    return ["env", f"PYTHONPATH={shared}", python_of(name), script, json.dumps(asked)]


def contenders(job: str, asked: dict[str, Any], names: Sequence[str] = ()) -> list[Contender]:
    """Return those who can do a job: who has ``contenders/<name>/<job>.py``.

    Who is not installed gets a line that says so, ngffkit above all: a table that lacks somebody
    would look complete.

    Parameters
    ----------
    job : str
        Name of the script, e.g. ``read``.
    asked : dict
        What each script is told, as one argument of JSON.
    names : sequence of str, optional
        Only these.
    """
    out = []
    for script in sorted((HERE / "contenders").glob(f"*/{job}.py")):
        name = script.parent.name
        if names and name not in names:
            continue
        kind: Kind = {"ngffkit": "ours", "limit": "limit", "obstore": "limit"}.get(name, "peer")  # type: ignore[assignment]
        who = Contender(name.replace("_", "-"), command(name, job, asked), kind)
        if not (VENVS / name / "bin" / "python").exists():
            who.wrong = "not installed: make bench-peers"
        out.append(who)
    return sorted(out, key=lambda who: ("ours", "limit", "peer").index(who.kind))


def run_case(case: Case, rounds: int, timeout: float = 1800) -> None:
    """Let all contenders do a job, in turns, each round in another order."""
    if case.together:
        _run_together(case, timeout)
        return
    for i in range(rounds):
        turn = i % max(len(case.contenders), 1)
        for who in [*case.contenders[turn:], *case.contenders[:turn]]:
            if not who.wrong:
                _run_once(case, who, timeout)
                said = who.wrong or f"{who.runs[-1]['wall']:.3f} s"
                print(f"  {case.name} {i + 1}/{rounds} {who.name}: {said}", file=sys.stderr)


def _run_once(case: Case, who: Contender, timeout: float) -> None:
    if case.before:
        case.before()
    run = measure(who.command, timeout)
    told = result_of(run.said)
    who.wrong = _wrong(case, run, told)
    if not who.wrong and not who.runs and case.verify:
        who.wrong = case.verify(who)
    if who.wrong:
        who.runs.clear()
        return
    taken = {"wall": run.wall, "cpu": run.cpu, "others": run.others}
    if run.peak:  # else it had ended before anybody looked
        taken["peak"] = run.peak
    who.runs.append(
        taken | {k: told[k] for k in ("wall", "cpu", "requests", "nbytes") if k in told}
    )
    who.version = told.get("version", who.version)
    who.figures |= told.get("figures", {})


def _run_together(case: Case, timeout: float) -> None:
    """Let one process measure all of them; only what it tells counts, since memory is shared."""
    run = measure(case.together, timeout)
    told = result_of(run.said)
    wrong = _wrong(case, run, told)
    for who in case.contenders:
        found = told.get("together", {}).get(who.name, {"wrong": "nothing was said of it"})
        who.wrong = wrong or found.get("wrong", "")
        runs = [] if who.wrong else found.get("runs", [])
        who.runs = [{**one, "others": run.others} for one in runs]
        who.version, who.figures = found.get("version", ""), found.get("figures", {})
        print(f"  {case.name} {who.name}: {who.wrong or 'measured'}", file=sys.stderr)


def result_of(said: str) -> dict[str, Any]:
    """Return what a command says of itself."""
    lines = [line for line in said.splitlines() if line.startswith("RESULT ")]
    try:
        return dict(json.loads(lines[-1].removeprefix("RESULT "))) if lines else {}
    except ValueError:
        return {"wrong": "its RESULT is no JSON"}


def _wrong(case: Case, run: Measured, told: dict[str, Any]) -> str:
    if run.code == -signal.SIGKILL:
        return "took too long, or too much memory"
    if run.code:
        last = (run.said.strip().splitlines() or ["nothing was said"])[-1]
        return f"failed: {last[:200]}"
    if told.get("wrong"):
        return str(told["wrong"])
    return "other pixels" if case.pixels and told.get("pixels") != case.pixels else ""


# --- what is compared -----------------------------------------------------------------------------


def ratio(ours: Contender, other: Contender, what: str) -> float | None:
    """Return how many times as much ngffkit takes, median over rounds; below 1 it is ahead."""
    pairs = [
        a[what] / b[what]
        for a, b in zip(ours.runs, other.runs, strict=False)
        if b.get(what) and what in a
    ]
    return statistics.median(pairs) if pairs else None


def spread(who: Contender, what: str = "wall") -> float | None:
    """Return how far runs lie apart, as a fraction of their median."""
    values = [run[what] for run in who.runs if what in run]
    middle = statistics.median(values) if values else 0
    return (max(values) - min(values)) / middle if middle else None


def rows_of(section: str, case: Case) -> Iterator[dict[str, Any]]:
    """Yield what is kept of a case: a line for each contender."""
    ours = next((who for who in case.contenders if who.kind == "ours"), None)
    for who in case.contenders:
        kinds = ("wall", "cpu", "peak", "requests", "nbytes")
        compared = ours if ours is not None and who is not ours and who.runs else None
        yield {
            "section": section,
            "case": case.name,
            "note": case.note,
            "who": who.name,
            "kind": who.kind,
            "version": who.version,
            "wrong": who.wrong,
            "median": {k: v for k in kinds if (v := who.median(k)) is not None},
            "spread": spread(who),
            "others": who.median("others"),
            "ratio": {
                k: r for k in kinds if compared and (r := ratio(compared, who, k)) is not None
            },
            "figures": who.figures,
            "runs": who.runs,
        }


def machine() -> dict[str, Any]:
    """Return what the figures were measured on; nothing that names the machine itself."""
    import platform

    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }
