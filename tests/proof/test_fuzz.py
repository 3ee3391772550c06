"""Random input gives a result or an `NgffError`, whatever it is put into (see fuzz_targets.py)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import fuzz_targets

#: What is put into documents, journals and paths, and what numbers in them become.
WORDS = (
    *(b"null", b"-1", b"[]", b"{}", b"1e999", b"NaN", b"true", b'""', b"..", b"/", b"\0", b"%2e"),
    *(b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"18446744073709551615", b"9" * 400, b"[" * 300),
)

#: What a target of a million runs has of hypothesis: a tenth, and in ``make test`` a few.
FEW, ALL = 400, 100_000


def changed(seeds: list[bytes], dice: random.Random) -> bytes:
    """Change an input at a few places: bits, bytes, cuts, words, pieces of other inputs."""
    made = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at = dice.randrange(len(made) + 1)
        how = dice.randrange(5)
        if how == 0 and at < len(made):
            made[at] ^= 1 << dice.randrange(8)
        elif how == 1 and at < len(made):
            made[at] = dice.randrange(256)
        elif how == 2:
            del made[at : at + dice.randrange(1, 12)]
        elif how == 3:
            made[at:at] = dice.choice(WORDS)
        else:
            other = dice.choice(seeds)
            begin = dice.randrange(len(other) + 1)
            made[at : at + dice.randrange(20)] = other[begin : begin + dice.randrange(30)]
    return bytes(made)


@pytest.mark.faults
@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_whatever_comes_is_a_result_or_our_error(ledger, name):
    share = fuzz_targets.TARGETS[name].share / 1_000_000
    runs = ledger.many(max(20, round(FEW * share)), max(500, round(ALL * share)))
    seeds = fuzz_targets.seeds_of(name)
    # the inputs are cheap to make and the runs quick: hypothesis chooses many changes at a time
    each = 20

    @settings(
        max_examples=-(-runs // each),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False), st.binary(max_size=200))
    def run(dice: random.Random, noise: bytes) -> None:
        for i in range(each):
            data = noise if i == 0 else changed(seeds, dice)
            try:
                came = fuzz_targets.attempt(name, data)
            except Exception:
                ledger.enter("fuzz", "wrong")
                raise
            ledger.enter("fuzz", came)  # type: ignore[arg-type]

    run()
    assert not ledger.wrong("fuzz")


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_sound_inputs_are_right(name):
    """Where the first input is refused, changes of it show nothing."""
    assert fuzz_targets.attempt(name, fuzz_targets.TARGETS[name].seeds()[0]) == "right"


FOUND = [(name, i) for name, inputs in fuzz_targets.FOUND.items() for i in range(len(inputs))]


@pytest.mark.parametrize(("name", "i"), FOUND)
def test_what_was_found_once_stays_harmless(name, i):
    # of a journal, lines that are damaged are left out, and its header may be sound; a command line
    # is always read, into what was typed or into problems
    allowed = {"right", "said"} if name in ("journals", "options") else {"said"}
    assert fuzz_targets.attempt(name, fuzz_targets.FOUND[name][i]) in allowed


def test_a_finding_is_counted_and_kept(tmp_path):
    """The script itself: counts that survive their process, findings in a folder."""
    import fuzz

    counts = fuzz.Counts(tmp_path / "x.counts")
    counts.add("said")
    counts.add("wrong")
    assert fuzz.Counts(tmp_path / "x.counts").read() == {"right": 0, "said": 1, "wrong": 1}
    seen: set[str] = set()
    for _ in range(2):
        fuzz._keep(tmp_path, "x", b"\1", ValueError("boom"), seen)
    assert (tmp_path / "x-1").read_bytes() == b"\1"
    assert "boom" in (tmp_path / "x-1.txt").read_text()
    assert not (tmp_path / "x-2").exists()
    ran = subprocess.run(
        [sys.executable, fuzz.__file__, "--help"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0
    assert "--ledger" in ran.stdout
