"""All measurements, one after another: ``python -m benchmarks [NAME ...]``, or ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

#: In this order; the other scripts are what these work with.
MEASUREMENTS = ("import_time", "open_time", "read", "convert", "viewer")


def main() -> int:
    """Run each script in a process of its own; return how many failed."""
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"no measurement {unknown[0]!r}; there are {', '.join(MEASUREMENTS)}")
    failed = 0
    for name in chosen:
        print(f"\n== {name} ==", flush=True)
        script = HERE / f"{name}.py"
        failed += subprocess.run([sys.executable, str(script)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
