"""Fuzz everything that reads what others wrote, guided by coverage (atheris, libFuzzer).

    python tests/proof/fuzz.py --runs 1000000 --ledger tests/proof/faults.json

Every target of `fuzz_targets.py` runs in a process of its own, since a decoder may crash. What
isn't a result or an `NgffError` is written to a folder and counted as wrong; the run goes on.
Counts are added to those that the tests with hypothesis entered before (`NGFFKIT_LEDGER`).
"""

from __future__ import annotations

import argparse
import atexit
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from ledger import Ledger  # noqa: E402 - the path is set above

#: Seconds that one input may take.
SLOW: Final = 10
#: Seconds after which a process that counts nothing hangs; it begins slowly, instrumented.
HUNG: Final = 120
#: Bytes that a process may take.
MEMORY: Final = 8 * 2**30
#: Times that a target is begun anew after it crashed its process.
TRIES: Final = 20
KINDS: Final = ("right", "said", "wrong")
#: What JSON, journals and paths are made of, for libFuzzer to insert.
WORDS: Final = (
    *('"path"', '"scale"', '"type"', '"axes"', '"name"', '"codecs"', '"configuration"', '"shape"'),
    *('"version"', '"0.4"', '"0.5"', '"0.6"', '"ome"', '"multiscales"', '"datasets"', '"labels"'),
    *('"data_type"', '"chunk_grid"', '"fill_value"', '"NaN"', "null", "true", "[]", "{}", "1e999"),
    *('"sharding_indexed"', '"transpose"', '"zstd"', '"crc32c"', '"|O"', '"<u2"', '"task"'),
    *('"written"', '"finished"', '"facts"', "..", "../", "%2e", "file://", "18446744073709551615"),
)


class Counts:
    """Numbers that survive the process that counts: right, said, wrong."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)

    def read(self) -> dict[str, int]:
        return dict(zip(KINDS, struct.unpack("<3Q", self._map[:]), strict=True))

    def add(self, kind: str) -> None:
        at = 8 * KINDS.index(kind)
        number = struct.unpack_from("<Q", self._map, at)[0]
        struct.pack_into("<Q", self._map, at, number + 1)


class SlowError(Exception):
    """One input takes too long."""


def _too_slow(*_: object) -> None:
    raise SlowError(f"it takes more than {SLOW} seconds")


def child(name: str, runs: int, folder: Path) -> None:
    """Fuzz one target in this process until it ran so often."""
    import atheris

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stderr = (folder / f"{name}.log").open("a")  # libraries talk about each input
    with atheris.instrument_imports(include=["ngffkit"]):
        import fuzz_targets

        for seed in fuzz_targets.TARGETS[name].seeds():
            fuzz_targets.attempt(name, seed)  # what is imported late is instrumented, too
    counts, seen = Counts(folder / f"{name}.counts"), set[str]()
    left = runs - sum(counts.read().values())
    signal.signal(signal.SIGALRM, _too_slow)

    def one(data: bytes) -> None:
        nonlocal left
        try:
            signal.alarm(SLOW)
            counts.add(fuzz_targets.attempt(name, data))
        except Exception as err:  # noqa: BLE001 - whatever it is, it is the finding
            counts.add("wrong")
            _keep(folder, name, data, err, seen)
        finally:
            signal.alarm(0)
        left -= 1
        if left <= 0:
            atexit._run_exitfuncs()  # libFuzzer knows no end but that of the process
            os._exit(0)

    corpus = folder / f"{name}.corpus"
    corpus.mkdir(exist_ok=True)
    for i, seed in enumerate(fuzz_targets.seeds_of(name)):
        (corpus / f"seed{i}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f"{json.dumps(word)}\n" for word in WORDS))
    signal.alarm(0)
    # one input that is too slow is our finding; a decoder that hangs is libFuzzer's
    given = ["-max_len=4096", f"-dict={words}", f"-artifact_prefix={folder}/{name}-crash-"]
    given = [sys.argv[0], *given, "-rss_limit_mb=6000", "-verbosity=0", str(corpus)]
    atheris.Setup(given, one)
    atheris.Fuzz()


def _keep(folder: Path, name: str, data: bytes, err: Exception, seen: set[str]) -> None:
    """Write a finding down, once per place it comes from."""
    frames = traceback.extract_tb(err.__traceback__)
    own = [f for f in frames if "ngffkit" in f.filename or "fuzz_targets" in f.filename]
    where = f"{type(err).__name__} {own[-1].name}:{own[-1].lineno}" if own else type(err).__name__
    if where in seen:
        return
    seen.add(where)
    path = folder / f"{name}-{len(seen)}"
    path.write_bytes(data)
    text = "".join(traceback.format_exception(err))
    path.with_suffix(".txt").write_text(text[-8000:], errors="backslashreplace")


def _waited(ran: subprocess.Popen[bytes], counts: Counts) -> int:
    """Wait for a process; end it when it is at one input for too long, as in a decoder in C."""
    before, code = -1, None
    while code is None:
        try:
            code = ran.wait(HUNG)
        except subprocess.TimeoutExpired:
            now = sum(counts.read().values())
            if now == before:
                ran.kill()
            before = now
    return code


def fuzz(name: str, runs: int, folder: Path) -> dict[str, Any]:
    """Fuzz one target in processes of its own; return its counts."""
    start, crashes = time.monotonic(), 0
    counts = Counts(folder / f"{name}.counts")
    command = [sys.executable, __file__, "--child", name, "--runs", str(runs)]
    while sum(counts.read().values()) < runs and crashes < TRIES:
        with (folder / f"{name}.out").open("ab") as log:
            ran = subprocess.Popen([*command, "--folder", str(folder)], stdout=log, stderr=log)
            code = _waited(ran, counts)
        if code != 0:
            crashes += 1
            counts.add("wrong")
    return counts.read() | {"crashes": crashes, "seconds": round(time.monotonic() - start, 1)}


def main() -> int:
    """Fuzz all targets, or some; return 1 when there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="of all targets together")
    where = os.environ.get("NGFFKIT_LEDGER")
    parser.add_argument("--ledger", default=where, type=Path, help="where counts are added")
    parser.add_argument("--folder", type=Path, help="where findings go; a new one when left out")
    parser.add_argument("--only", nargs="*", help="targets")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.runs, given.folder)
        return 0
    import fuzz_targets

    folder = given.folder or Path(tempfile.mkdtemp(prefix="findings"))
    folder.mkdir(parents=True, exist_ok=True)
    shares = {name: target.share for name, target in fuzz_targets.TARGETS.items()}
    book = Ledger()
    for name in given.only or shares:
        # rounded up, so that all of them together are enough
        found = fuzz(name, -(-given.runs * shares[name] // sum(shares.values())), folder)
        print(json.dumps({"target": name, **found}), flush=True)
        for kind in KINDS:
            book.enter("fuzz", kind, found[kind])  # type: ignore[arg-type]
    if given.ledger:
        book.save(given.ledger, add=True)
    wrong = sorted(path.name for path in folder.glob("*.txt"))
    print(json.dumps({"counts": {k: book.counts["fuzz", k] for k in KINDS}, "findings": wrong}))
    return 1 if book.wrong("fuzz") else 0


if __name__ == "__main__":
    sys.exit(main())
