"""What the tests share: the corpus of real data, where it is."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import Ledger

CORPUS = Path(
    os.environ.get("NGFFKIT_CORPUS", Path(__file__).parents[1] / ".." / "shared" / "corpus")
).resolve()

# who runs the tests in the background of a script has Ctrl-C ignored, and programs that tests begin
# and interrupt would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the corpus of real data sets; skip where there is none."""
    if not (CORPUS / "truth_zarr.json").exists():
        pytest.skip("no corpus here: set NGFFKIT_CORPUS to run on real data")
    return CORPUS


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    """Count what comes of faults; the counts are kept where `NGFFKIT_LEDGER` says."""
    book = Ledger()
    yield book
    if "NGFFKIT_LEDGER" in os.environ:
        book.save(Path(os.environ["NGFFKIT_LEDGER"]))


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a folder; in memory for who is marked so, where there is one.

    To force what is written to the disk is most of the time of tests that are killed and resumed.
    """
    memory = Path("/dev/shm")
    wanted = request.node.get_closest_marker("in_memory") is not None
    there = wanted and memory.is_dir() and os.access(memory, os.W_OK)
    # containers often have 64 MB of it
    if not (there and shutil.disk_usage(memory).free > 2**30):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="ngffkit-", dir=memory) as folder:
        yield Path(folder)
