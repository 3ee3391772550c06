"""Panels: how quickly a notebook answers while one of them converts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import alone
from harness import Case, Mode


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield one case: a kernel that converts one stack after another."""
    seconds = 15 if mode.quick else 600
    note = f"{seconds} s, a cell every half second, stacks of 192 slices of 1024 × 1024"
    yield [alone.case("cells", "responsive.py", seconds, note=note)]
