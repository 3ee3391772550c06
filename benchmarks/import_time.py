"""What `import ngffkit` adds to `import xarray`: fresh processes, in pairs, medians.

python benchmarks/import_time.py [pairs]

Each pair runs both one after the other, in alternating order, so that a machine that grows slower
or faster weighs on both alike. The ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

BASE = "import xarray"
OURS = "import xarray; import ngffkit"

#: Measured inside the process, so that starting Python does not count.
TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def seconds(statement: str) -> float:
    """Run a statement in a fresh process and return how long it took."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def measure(pairs: int = 15) -> dict[str, float]:
    """Return the medians in milliseconds, and the median of the ratios."""
    for statement in (BASE, OURS):  # byte-compile, fill the disk cache
        seconds(statement)
    base, ours = [], []
    for i in range(pairs):
        order = ((BASE, base), (OURS, ours))
        for statement, times in order if i % 2 else order[::-1]:
            times.append(seconds(statement))
    return {
        "pairs": pairs,
        "xarray_ms": statistics.median(base) * 1e3,
        "xarray_and_ngffkit_ms": statistics.median(ours) * 1e3,
        "ratio": statistics.median(o / b for o, b in zip(ours, base, strict=True)),
    }


def main() -> None:
    """Print one line for people and one of JSON."""
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    print(
        f"import xarray {found['xarray_ms']:.0f} ms, with ngffkit "
        f"{found['xarray_and_ngffkit_ms']:.0f} ms: x{found['ratio']:.3f} "
        f"(median of {found['pairs']} pairs)"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
