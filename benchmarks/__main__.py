"""Measure, keep and compare; ``make bench`` is the first of them.

    python -m benchmarks [SECTION ...] [--full] [--keep [--dirty]]
    python -m benchmarks compare [OLD] [NEW]
    python -m benchmarks page

Each section of ``benchmarks/sections`` is a module with ``section(mode, folder)``, see `harness`.
Results go to ``.bench/results.json``; ``--keep`` puts them among those of other commits, into
``benchmarks/results``, and makes ``docs/results.md`` anew; ``page`` makes it from what is there.
``compare`` tells by which part ratios to a reference grew between two kept results, by default the
two newest, and exits with 1 if any grew by more than chance explains.
"""

from __future__ import annotations

import argparse
import compileall
import datetime as dt
import importlib
import json
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402
import keeping  # noqa: E402
import page  # noqa: E402

#: In this order.
SECTIONS = (
    "convert",
    "pyramid",
    "read",
    "open",
    "plane",
    "imports",
    "viewer",
    "predict",
    "rewrite",
    "caching",
    "responsive",
    "scale",
)

#: Others, which run only by name.
MODULES = (*SECTIONS, *sorted({p.stem for p in (HERE / "sections").glob("*.py")} - {*SECTIONS}))


def commit() -> tuple[str, bool]:
    """Return the commit that is measured, and whether files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words],  # noqa: S607
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    return git("rev-parse", "--short=10", "HEAD"), bool(git("status", "--porcelain", "../ngffkit"))


def run(names: list[str], mode: harness.Mode) -> dict[str, Any]:
    """Run sections one after the other; return what is kept."""
    sha, dirty = commit()
    rows: list[dict[str, Any]] = []
    for name in names:
        print(f"\n== {name} ==", file=sys.stderr, flush=True)
        try:
            rows += run_section(name, mode)
        except Exception as error:  # noqa: BLE001 - what others measured in an hour is not lost
            traceback.print_exc()
            ours = harness.Contender("ngffkit", [], "ours", wrong=f"{error!r:.200}")
            rows += harness.rows_of(name, harness.Case("all of it", [ours]))
    return {
        "format": 1,
        "commit": sha,
        "dirty": dirty,
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"),
        "mode": mode.name,
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "machine": harness.machine(),
        "rows": rows,
    }


def run_section(name: str, mode: harness.Mode) -> list[dict[str, Any]]:
    """Run the cases of a section; return their rows."""
    module = importlib.import_module(f"sections.{name}")
    data = harness.BENCH / "data"
    data.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=data, prefix=f"{name}-") as place,
        module.section(mode, Path(place)) as cases,
    ):
        for case in cases:
            harness.run_case(case, mode.rounds)
            rows += harness.rows_of(name, case)
    return rows


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all")
    parser.add_argument("--full", action="store_true", help="larger volumes, more rounds")
    parser.add_argument("--keep", action="store_true", help="among those of other commits")
    parser.add_argument("--dirty", action="store_true", help="keep also what no commit has")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    return parser.parse_args()


def measure(args: argparse.Namespace) -> int:
    """Measure, print, and keep."""
    names = args.sections or list(SECTIONS)
    if unknown := [name for name in names if name not in MODULES]:
        raise ValueError(f"no section {unknown[0]!r}; there are {', '.join(MODULES)}")
    if args.keep and commit()[1] and not args.dirty:
        # told before hours are spent
        raise ValueError(keeping.DIRTY)
    mode = harness.MODES["full" if args.full else "quick"]
    if args.rounds:
        mode = harness.Mode(mode.name, args.rounds, mode.size)
    # as an installer does; else the first round would pay for what has changed
    compileall.compile_dir(HERE.parent / "ngffkit", quiet=1)
    results = run(names, mode)
    harness.BENCH.mkdir(exist_ok=True)
    (harness.BENCH / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page.show(results)
    if args.keep:
        print(f"kept as {page.keep(results, dirty=args.dirty).name}")
    return 1 if any(row["wrong"] for row in results["rows"] if row["kind"] == "ours") else 0


def main() -> int:
    """Do what was asked for."""
    args = arguments()
    # so that what was begun is ended and removed, also when a shell started this in its background
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    first, *words = args.sections or [""]
    try:
        if first == "compare":
            return keeping.compare(words)
        if first == "page":
            page.render()
            return 0
        return measure(args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
