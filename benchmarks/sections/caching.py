"""The cache of remote data: what a hit and a miss cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import alone
from harness import Case, Mode


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield one case: objects of four sizes."""
    repeats = 50 if mode.quick else 200
    note = f"{repeats} objects of each size, from a server on this machine without latency; medians"
    yield [alone.case("objects", "caching.py", "--repeats", repeats, note=note)]
