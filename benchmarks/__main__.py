"""Measure: ``python -m benchmarks [SECTION ...] [--full] [--keep]``, or ``make bench``.

Each section of ``benchmarks/sections`` is a module with ``section(mode, folder)``, see `harness`.
Results go to ``.bench/results.json``; ``--keep`` puts them among those of other commits, into
``benchmarks/results``, and makes ``docs/results.md`` anew.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402
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
)


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
        module = importlib.import_module(f"sections.{name}")
        folder = harness.BENCH / "data"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{name}-") as place:
            with module.section(mode, Path(place)) as cases:
                for case in cases:
                    harness.run_case(case, mode.rounds)
                    rows += harness.rows_of(name, case)
    return {
        "format": 1,
        "commit": sha,
        "dirty": dirty,
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"),
        "mode": mode.name,
        "machine": harness.machine(),
        "rows": rows,
    }


def main() -> int:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n", 1)[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all")
    parser.add_argument("--full", action="store_true", help="larger volumes, more rounds")
    parser.add_argument("--keep", action="store_true", help="among those of other commits")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    args = parser.parse_args()
    names = args.sections or list(SECTIONS)
    if unknown := [name for name in names if name not in SECTIONS]:
        sys.exit(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    # so that what was begun is ended and removed, also when a shell started this in its background
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    mode = harness.MODES["full" if args.full else "quick"]
    if args.rounds:
        mode = harness.Mode(mode.name, args.rounds, mode.size)
    results = run(names, mode)
    harness.BENCH.mkdir(exist_ok=True)
    (harness.BENCH / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page.show(results)
    if args.keep:
        page.keep(results)
    return 1 if any(row["wrong"] for row in results["rows"] if row["kind"] == "ours") else 0


if __name__ == "__main__":
    sys.exit(main())
