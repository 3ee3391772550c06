"""Converting slices: ngffkit against the hand-written limit and the peers that are installed.

    python benchmarks/convert.py [--cases png8,tif16] [--rounds 3] [--quick] [--no-peers]

Each measurement is a process of its own, from the start of the interpreter to its end, children
included. All write chunks of 64, shards of 512 and Zstandard of the same level where they can be
told. Candidates take turns, round by round, so that the machine's moods hit all alike; ratios are
the medians of those of one round. Nothing counts before level 0 was compared with the slices, voxel
by voxel. ``make bench-peers`` installs the peers. Cases ``flatness`` and ``wide`` take tens of
gigabytes and minutes, and run only when they are named.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _processes import Measured, measure
from em_data import RECIPES

HERE = Path(__file__).parent
BENCH = HERE.parent / ".bench"
MEGA = 10**6


@dataclass(frozen=True, slots=True)
class Case:
    """One job for all candidates.

    Parameters
    ----------
    data : str
        Name of the slices, see `em_data.RECIPES`.
    levels : int
        Mags, each half as fine as the one before along all axes.
    memory : tuple of str
        Budgets that ngffkit is given, each a candidate; ``""`` is the default.
    labels : bool
        Whether voxels are ids.
    alone : bool
        Whether only ngffkit runs.
    """

    data: str
    levels: int
    memory: tuple[str, ...] = ("",)
    labels: bool = False
    alone: bool = False


CASES: dict[str, tuple[Case, ...]] = {
    "png8": (Case("png8", 4),),
    "tif8": (Case("tif8", 4),),
    "tif16": (Case("tif16", 5),),
    "png16": (Case("png16", 5, ("", "200 MB")),),
    "labels32": (Case("labels32", 4, labels=True),),
    "flatness": (Case("flat1", 5, alone=True), Case("flat8", 5, alone=True)),
    "wide": (
        Case("wide_png", 1, ("1 GB", "2 GB"), alone=True),
        Case("wide_tif", 1, ("1 GB", "2 GB"), alone=True),
    ),
}
NORMAL = ("png8", "tif8", "tif16", "png16", "labels32")
QUICK = {
    "tiny_png8": (Case("tiny_png8", 2),),
    "tiny_tif16": (Case("tiny_tif16", 2, ("", "200 MB")),),
    "tiny_labels32": (Case("tiny_labels32", 2, labels=True),),
}

Command = Callable[[Path, Path], Sequence[str | Path]]


@dataclass(slots=True)
class Candidate:
    """One way to do a job, and what it took so far.

    Parameters
    ----------
    name : str
        Who it is.
    kind : {"ours", "limit", "peer"}
        What it is compared as.
    codec_level : int
        Of Zstandard.
    command : callable
        The command line, given source and target.
    """

    name: str
    kind: str
    codec_level: int
    command: Command
    runs: list[Measured] = field(default_factory=list)
    stored: int = 0
    checked: dict[str, Any] = field(default_factory=dict)
    wrong: str = ""

    def median(self, what: str) -> float:
        """Return the median of one of the fields of `Measured`."""
        return statistics.median(getattr(run, what) for run in self.runs)

    def spread(self, what: str) -> float:
        """Return how far runs lie apart, as a fraction of their median."""
        values = [getattr(run, what) for run in self.runs]
        return (max(values) - min(values)) / statistics.median(values)


# --- who takes part -----------------------------------------------------------------------------


def candidates(case: Case, levels: Sequence[int], venvs: Path | None) -> list[Candidate]:
    """Return who does a job."""
    out = []
    for codec_level in levels[:1] if case.alone else levels:
        for memory in case.memory:
            name = f"ngffkit {memory}".strip()
            out.append(Candidate(name, "ours", codec_level, ours(case, codec_level, memory)))
        if not case.alone:
            out.append(Candidate("limit", "limit", codec_level, limit(case, codec_level)))
    if venvs is None or case.alone:
        return out
    for script in sorted((HERE / "peers").glob("case_*.py")):
        peer = script.stem.removeprefix("case_")
        python = venvs / peer / "bin" / "python"
        if not python.exists():
            continue
        # this one writes Blosc with Zstandard of level 5, whatever it is asked
        for codec_level in [5] if peer == "webknossos" else levels:
            command = by_script(python, script, case, codec_level)
            out.append(Candidate(peer, "peer", codec_level, command))
    return out


def ours(case: Case, codec_level: int, memory: str) -> Command:
    """Return the command line of ngffkit."""
    options = {
        "--voxel-size": "4,4,4",
        "--unit": "nanometer",
        "--chunk-shape": "64,64,64",
        "--shard-shape": "512,512,512",
        "--compression": f"zstd:{codec_level}",
        "--mags": ",".join(str(2**i) for i in range(case.levels)),
        "--category": "segmentation" if case.labels else "color",
    }
    options |= {"--memory": memory} if memory else {}
    words = [word for pair in options.items() for word in pair]
    return lambda source, target: [
        *(sys.executable, "-m", "ngffkit.cli", "convert", "--quiet"),
        *(str(source), str(target), *words),
    ]


def limit(case: Case, codec_level: int) -> Command:
    """Return the command line of the limit."""
    extra = ["--labels"] if case.labels else []
    return lambda source, target: [
        *(sys.executable, HERE / "slab_limit.py", source, target),
        *("--levels", str(case.levels), "--codec-level", str(codec_level), *extra),
    ]


def by_script(python: Path, script: Path, case: Case, codec_level: int) -> Command:
    """Return the command line of a peer."""
    extra = ["--labels"] if case.labels else []
    return lambda source, target: [
        *(python, script, source, target),
        *("--levels", str(case.levels), "--codec-level", str(codec_level), *extra),
    ]


# --- runs ---------------------------------------------------------------------------------------


def run_once(who: Candidate, case: Case, source: Path, folder: Path) -> None:
    """Let a candidate convert once; its time counts only if the pixels are right."""
    target = folder / "out.ome.zarr"
    try:
        run = measure(who.command(source, target))
        if run.code:
            who.wrong = f"failed: {run.said.strip().splitlines()[-1:]}"
            return
        stored = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
        if not who.checked or stored != who.stored:
            who.checked = check(case, source, target)
            who.stored = stored
        if not who.checked["exact"]:
            who.wrong = "other pixels than the slices"
            return
        who.runs.append(run)
    finally:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def compile_ours() -> None:
    """Compile ngffkit, as an installer does; a checkout may never have been."""
    found = importlib.util.find_spec("ngffkit")
    if found is None or found.origin is None:
        sys.exit("ngffkit is not installed here: pip install -e .")
    compileall.compile_dir(Path(found.origin).parent, quiet=1)


def check(case: Case, source: Path, target: Path) -> dict[str, Any]:
    """Compare what was written with the slices, in another process."""
    script: list[str | Path] = [sys.executable, HERE / "_checking.py", source, target]
    done = subprocess.run(
        script + (["--labels"] if case.labels else []), capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"exact": False, "said": done.stderr[-500:]}
    return dict(json.loads(done.stdout))


def run_case(case: Case, crew: list[Candidate], rounds: int, data: Path) -> None:
    """Let all candidates do a job, in turns."""
    subprocess.run([sys.executable, HERE / "em_data.py", data, case.data], check=True)
    compile_ours()
    with tempfile.TemporaryDirectory(dir=data, prefix="out-") as folder:
        for i in range(rounds):
            for who in crew:
                if not who.wrong:
                    run_once(who, case, data / case.data, Path(folder))
                    told = f"{who.name} z{who.codec_level}: {who.wrong or 'done'}"
                    print(f"  {case.data} round {i + 1}, {told}", file=sys.stderr, flush=True)


# --- results ------------------------------------------------------------------------------------


def ratio(one: Candidate, other: Candidate, what: str) -> float:
    """Return the median, over rounds, of how much more one took than another."""
    pairs = zip(one.runs, other.runs, strict=False)
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs)


def ratios(crew: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Compare each run of ngffkit with the limit and the quickest peer of the same level."""
    out = []
    for who in (c for c in crew if c.kind == "ours" and c.runs):
        same = [c for c in crew if c.runs and c.codec_level == who.codec_level]
        row: dict[str, Any] = {"name": who.name, "level": who.codec_level}
        row["peak_mb"] = max(run.peak for run in who.runs) / MEGA
        for yard in (c for c in same if c.kind == "limit"):
            row |= {f"{what}_to_limit": ratio(who, yard, what) for what in ("cpu", "wall")}
        peers = [c for c in same if c.kind == "peer"]
        if peers:
            best = min(peers, key=lambda c: c.median("wall"))
            row |= {"best_peer": best.name, "wall_to_peer": ratio(who, best, "wall")}
            row |= {"cpu_to_peer": ratio(who, best, "cpu")}
        out.append(row)
    return out


def show(case: Case, crew: Sequence[Candidate]) -> None:
    """Print a table of medians, and the ratios."""
    recipe = RECIPES[case.data]
    shape = " x ".join(map(str, recipe.shape))
    print(f"\n{case.data}: {shape} ({recipe.nbytes / MEGA:.0f} MB), {case.levels} mags")
    print(
        f"  {'':<20}{'zstd':>5}{'wall':>8}{'CPU':>8}{'system':>8}{'peak':>9}{'stored':>9}"
        f"{'spread':>8}{'others':>8}  mag 2"
    )
    for who in crew:
        if not who.runs:
            print(f"  {who.name:<20}{who.codec_level:>5}  {who.wrong}")
            continue
        wall, cpu, system = (who.median(w) for w in ("wall", "cpu", "system"))
        peak = max(run.peak for run in who.runs)
        print(
            f"  {who.name:<20}{who.codec_level:>5}{wall:>7.2f}s{cpu:>7.2f}s{system:>7.2f}s"
            f"{peak / MEGA:>6.0f} MB{who.stored / MEGA:>6.0f} MB{who.spread('cpu'):>8.0%}"
            f"{who.median('others'):>8.2f}  {mag2(case, who)}"
        )
    for row in ratios(crew):
        print("  " + told(row))


def mag2(case: Case, who: Candidate) -> str:
    """Say how the first coarser level compares."""
    off = who.checked.get("mag2")
    if off is None:
        return ""
    if case.labels:
        return "ids of their bins" if not off else "NEW IDS"
    return f"off by {off:.2g} at most" + (" (another method)" if off > 1 else "")


def told(row: dict[str, Any]) -> str:
    """Say what ratios there are."""
    words = [f"{row['name']} z{row['level']}:"]
    if "cpu_to_limit" in row:
        words.append(f"CPU x{row['cpu_to_limit']:.2f}, wall x{row['wall_to_limit']:.2f} of limit;")
    if "best_peer" in row:
        words.append(f"wall x{row['wall_to_peer']:.2f}, CPU x{row['cpu_to_peer']:.2f} of")
        words.append(f"{row['best_peer']};")
    return " ".join([*words, f"peak {row['peak_mb']:.0f} MB"])


def record(case: Case, crew: Sequence[Candidate]) -> dict[str, Any]:
    """Return the results of a job as JSON values."""
    rows = [
        {
            "name": who.name,
            "level": who.codec_level,
            "wrong": who.wrong,
            "stored": who.stored,
            "check": who.checked,
            "runs": [
                {n: getattr(r, n) for n in ("wall", "user", "system", "peak", "others")}
                for r in who.runs
            ],
        }
        for who in crew
    ]
    return {"data": case.data, "levels": case.levels, "rows": rows, "ratios": ratios(crew)}


def compare_peaks(crews: Sequence[tuple[Case, Sequence[Candidate]]]) -> None:
    """Say how the peak grows with the number of slices."""
    peaks = [max(run.peak for run in crew[0].runs) for _, crew in crews if crew[0].runs]
    if len(peaks) == 2:
        print(f"\nflatness: peak of 8 GB is x{peaks[1] / peaks[0]:.3f} of that of 1 GB")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", help=f"of {', '.join(CASES)}, with commas; or 'all'")
    parser.add_argument("--rounds", type=int, help="3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="small volumes, no peers")
    parser.add_argument("--levels", default="1,5", help="of Zstandard, with commas")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction)
    parser.add_argument("--only", help="these candidates, by the names in the table")
    parser.add_argument("--data", type=Path, default=BENCH / "data", help="where slices are kept")
    parser.add_argument("--venvs", type=Path, default=BENCH / "venvs", help="of the peers")
    parser.add_argument("--json", type=Path, help="where results go, too")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    # so that what was begun is ended and removed, also when a shell started this in its background
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    known = QUICK if args.quick else CASES
    names = list(known) if args.quick else list(NORMAL)
    if args.cases:
        names = list(known) if args.cases == "all" else args.cases.split(",")
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no case {unknown[0]!r}; there are {', '.join(known)}")
    args.data.mkdir(parents=True, exist_ok=True)
    venvs = args.venvs if (not args.quick if args.peers is None else args.peers) else None
    rounds, levels = (
        args.rounds or (1 if args.quick else 3),
        [int(n) for n in args.levels.split(",")],
    )
    print(f"{os.cpu_count()} processors; medians of {rounds}; spread: (max - min) / median of CPU")
    only, results = args.only.split(",") if args.only else [], []
    for name in names:
        crews = []
        for case in known[name]:
            crew = [c for c in candidates(case, levels, venvs) if not only or c.name in only]
            run_case(case, crew, 1 if case.alone else rounds, args.data)
            show(case, crew)
            crews.append((case, crew))
        if name == "flatness":
            compare_peaks(crews)
        results += [record(case, crew) for case, crew in crews]
    print(json.dumps(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
