"""All measurements, one after another: ``python -m benchmarks [NAME ...]``, or ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run each script in a process of its own; return how many failed."""
    scripts = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("_"))
    chosen = sys.argv[1:] or [path.stem for path in scripts]
    failed = 0
    for path in scripts:
        if path.stem in chosen:
            print(f"\n== {path.stem} ==", flush=True)
            failed += subprocess.run([sys.executable, str(path)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
