"""What came of every fault that the tests made: counts, for the table of docs/faults.md.

A test with the marker `faults` takes the fixture `ledger`, and enters what came of each case::

    @pytest.mark.faults
    def test_each_flipped_bit_is_noticed(ledger, image):
        for bit in bits(ledger.many(50, 1000)):
            ledger.enter("bit flips", "said" if noticed(image, bit) else "wrong")
        assert not ledger.wrong("bit flips")

``make test`` makes a few of each; ``make faults`` makes all (``NGFFKIT_FAULTS=full``), and
keeps the counts in ``tests/proof/faults.json`` (``NGFFKIT_LEDGER``), from which
``tests/proof/table.py`` makes the table.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

#: Whether all cases are made; for tests that choose their cases when they are collected.
FULL: Final = os.environ.get("NGFFKIT_FAULTS") == "full"

#: What may come of a fault. ``right``: the right pixels, or the bytes that would be there without
#: it. ``said``: an error of ours that names the place, or a refusal. ``wrong``: all else, e.g.
#: zeros, other pixels, a half-written image that looks whole, a crash, another package's error.
Outcome = Literal["right", "said", "wrong"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    title : str
        The fault, in a few words.
    what : str
        What is done, and to what; a sentence.
    least : int
        How many cases ``make faults`` makes at least.
    """

    title: str
    what: str
    least: int


#: Keys are what tests enter; the table has this order.
ROWS: Final[Mapping[str, Row]] = {
    "requests": Row(
        "faults of S3 and web servers",
        "503, 500, 429, 40x, resets, stalls, short, truncated and damaged answers, other "
        "ranges, login pages; at documents, chunks, shard indices and ranges, zip "
        "directories; Zarr v2, v3, sharded; by S3 and HTTP",
        500,
    ),
    "lost answers": Row(
        "answers to writes that are lost",
        "the object is stored, but the answer to PUT, to a part of an upload or to its "
        "completion never comes, or is 503",
        50,
    ),
    "bit flips": Row(
        "flipped bits",
        "one bit of one file of an image that ngffkit wrote, anywhere; `verify` and reading",
        1_000,
    ),
    "truncation": Row(
        "files cut at every length",
        "each file of an image that ngffkit wrote, at every length; `verify` and reading",
        1_000,
    ),
    "swapped": Row(
        "objects exchanged",
        "two chunks or shards of an image that ngffkit wrote, one in the other's place",
        50,
    ),
    "kills": Row(
        "kill -9",
        "a conversion is killed at a random moment, then resumed; the bytes of every file are "
        "compared with those of one that was left alone",
        200,
    ),
    "failing calls": Row(
        "system calls that fail",
        "each write, rename, sync and mkdir of a conversion, an edit and a rewrite fails with "
        "EIO or ENOSPC, then it is resumed",
        200,
    ),
    "full disk": Row(
        "a disk that is full",
        "a small file system fills up at a random moment; then there is room again",
        20,
    ),
    "two writers": Row(
        "two writers at once",
        "both begin to write to one place, or one resumes what the other is at",
        20,
    ),
    "torn reads": Row(
        "readers while it is written",
        "reads of planes and boxes while an image is appended to, rewritten in place and "
        "overwritten: old or new pixels, never both in one chunk, or an error",
        100_000,
    ),
    "hostile metadata": Row(
        "hostile metadata",
        "documents with wrong types, sizes, axes, transforms, codecs, depth, text",
        300,
    ),
    "escapes": Row(
        "paths that lead out",
        "`..`, absolute, encoded and linked paths in documents, keys, zip entries and served URLs",
        60,
    ),
    "bombs": Row(
        "decompression bombs",
        "chunks, indices, documents and zip entries that grow beyond what the array says",
        8,
    ),
    "pickle": Row(
        "code in metadata",
        "object arrays, pickle codecs and filters",
        6,
    ),
    "fuzz": Row(
        "fuzzing",
        "documents, keys, JSON, chunks of all codecs, shard indices, zip directories, headers of "
        "files, journals and options, changed at random (hypothesis, atheris)",
        1_000_000,
    ),
    "model": Row(
        "edits in any order",
        "add and remove labels, append, write a region, downsample, rewrite, overwrite in any "
        "order, against a model in memory",
        100,
    ),
    "workers": Row(
        "dask workers killed and added",
        "worker processes of a cluster on loopback are killed and added while it converts",
        5,
    ),
}


class Ledger:
    """Counts of outcomes; threads may enter at the same time."""

    def __init__(self) -> None:
        self.full = FULL
        self.counts: Counter[tuple[str, str]] = Counter()
        self.seconds: Counter[str] = Counter()
        self.remarks: Counter[tuple[str, str]] = Counter()
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def many(self, few: int, all_of_them: int) -> int:
        """Return how many cases are to be made: few in ``make test``."""
        return all_of_them if self.full else few

    def enter(self, row: str, outcome: Outcome, count: int = 1) -> None:
        """Count what came of cases."""
        assert row in ROWS, f"{row!r} is no row of the table: add it to tests/ledger.py"
        assert outcome in get_args(Outcome)
        with self._lock:
            self.counts[row, outcome] += count
            # what was done since the last case was done for this one
            now = time.monotonic()
            self.seconds[row] += now - self._last
            self._last = now

    def remark(self, row: str, text: str) -> None:
        """Count what must be said below the table of some cases, e.g. what reading can't see."""
        assert row in ROWS, f"{row!r} is no row of the table: add it to tests/ledger.py"
        with self._lock:
            self.remarks[row, text] += 1

    def wrong(self, row: str) -> int:
        """Return how many cases of a row came out wrong."""
        return self.counts[row, "wrong"]

    def save(self, path: Path, *, add: bool = False) -> None:
        """Write what was counted over what is known of these rows; other rows stay.

        With `add` it is counted on top: for a row that two programs fill, one after the other.
        """
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        for row in {row for row, _ in self.counts}:
            before = known.get(row, {}) if add else {}
            entry: dict[str, Any] = {
                kind: before.get(kind, 0) + self.counts[row, kind] for kind in get_args(Outcome)
            }
            entry["seconds"] = round(before.get("seconds", 0) + self.seconds[row])
            said = Counter(before.get("remarks", {}))
            said.update({text: n for (of, text), n in self.remarks.items() if of == row})
            entry["remarks"] = dict(sorted(said.items()))
            entry["machine"] = machine()
            known[row] = entry
        text = json.dumps({row: known[row] for row in ROWS if row in known}, indent=1)
        path.write_text(text + "\n", "utf-8")


def machine() -> str:
    """Name this machine: processor, cores, memory, system, Python."""
    name = platform.processor() or platform.machine()
    memory = ""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next(line for line in lines if line.startswith("model name")).split(": ", 1)[1]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nbytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = f", {nbytes / 2**30:.0f} GB"
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{' '.join(name.split())}, {os.cpu_count()} cores{memory}, {system}"
