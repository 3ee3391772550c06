"""Rewriting: files and times before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import alone
from harness import Case, Mode


@contextmanager
def section(mode: Mode, _: Path) -> Iterator[Sequence[Case]]:
    """Yield one case: an image of many small files, rewritten as advised."""
    words = ("--size", mode.size, "--rounds", 3 if mode.quick else 7)
    note = (
        f"{mode.size}^3, uint8, Zarr v2 in chunks of 32^3, rewritten as `nk.tune` advises; medians"
        f" of {words[-1]} boxes"
    )
    yield [alone.case("rewrite", "rewrite.py", *words, note=note)]
