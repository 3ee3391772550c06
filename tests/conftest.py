"""What the tests share: the corpus of real data, where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CORPUS = Path(
    os.environ.get("NGFFKIT_CORPUS", Path(__file__).parents[1] / ".." / "shared" / "corpus")
).resolve()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the corpus of real data sets; skip where there is none."""
    if not (CORPUS / "truth_zarr.json").exists():
        pytest.skip("no corpus here: set NGFFKIT_CORPUS to run on real data")
    return CORPUS
