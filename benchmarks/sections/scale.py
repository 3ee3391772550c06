"""Memory and time against size, tasks, and a petabyte; only with ``--full``, it takes long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import alone
from harness import Case, Mode


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield one case; ``python benchmarks/scale.py`` goes further, and makes ``docs/scale.md``."""
    words = ("--sizes", "0.5,2,5", "--tasks", "1000,10000,100000")
    note = "volumes of 0.5 to 5 GB and up to 100,000 tasks, ngffkit alone; see docs/scale.md"
    yield [] if mode.quick else [alone.case("volumes and tasks", "scale.py", *words, note=note)]
