"""All measurements, one after another: ``python -m benchmarks [NAME ...]``, or ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

#: In this order, with options that keep each to minutes; the other scripts are what these work
#: with. A script by itself, without options, measures as docs/benchmarks.md says.
MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "import_time": (),
    "open_time": (),
    "read": (),
    "convert": (),
    "viewer": (),
    "stream": ("--rounds", "3"),
    "caching": ("--repeats", "50"),
    "predict": ("--side", "192", "--rounds", "2"),
    "rewrite": ("--size", "256", "--rounds", "3"),
    "soak": ("50000",),
    "responsive": ("60",),
}


def main() -> int:
    """Run each script in a process of its own; return how many failed."""
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"no measurement {unknown[0]!r}; there are {', '.join(MEASUREMENTS)}")
    failed = 0
    for name in chosen:
        print(f"\n== {' '.join([name, *MEASUREMENTS[name]])} ==", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), *MEASUREMENTS[name]]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
