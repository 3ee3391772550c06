"""Predictions: requests and bytes must be those that are counted; times within a factor of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import alone
from harness import Case, Mode


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield one case: layouts by patterns."""
    if mode.quick:
        words: tuple[object, ...] = ("--side", 128, "--rounds", 2, "--layouts", "v2-64,v3-sharded")
        said = "two layouts of 128^3"
    else:
        words, said = ("--side", 192, "--rounds", 5), "five layouts of 192^3"
    yield [
        alone.case(
            *("costs", "predict.py", *words),
            note=f"{said} by six patterns, from a folder and over HTTP with 30 ms",
        )
    ]
