"""The table of docs/faults.md says what was counted, and nothing came out wrong."""

from __future__ import annotations

import json

import pytest
import table
from ledger import ROWS, Ledger


@pytest.fixture
def counts() -> dict:
    return json.loads(table.COUNTS.read_text("utf-8"))


def test_the_page_is_what_was_counted(counts):
    page = table.PAGE.read_text("utf-8")
    assert table.placed(page, table.render(counts)) == page, "run python tests/proof/table.py"


def test_nothing_came_out_wrong(counts):
    assert {key: entry["wrong"] for key, entry in counts.items() if entry["wrong"]} == {}


def test_what_was_counted_are_rows_of_the_table(counts):
    assert set(counts) <= set(ROWS)
    for entry in counts.values():
        assert entry["right"] + entry["said"] > 0
        assert entry["machine"]


def test_what_is_wrong_and_what_is_missing_stands_out():
    counts = {
        "pickle": {"right": 0, "said": 6, "wrong": 0, "seconds": 3, "machine": "A", "remarks": {}},
        "bombs": {"right": 0, "said": 4, "wrong": 1, "seconds": 90, "machine": "A"},
        "swapped": {"right": 0, "said": 50, "wrong": 0, "remarks": {"seen by one": 7}},
    }
    lines = table.render(counts).splitlines()
    (bombs,) = (line for line in lines if line.startswith("| decompression bombs"))
    assert bombs.endswith("| 5 of 8 \\* | 0 | 4 | **1** |")
    (code,) = (line for line in lines if line.startswith("| code in metadata"))
    assert code.endswith("| 6 | 0 | 6 | 0 |")
    (never,) = (line for line in lines if line.startswith("| kill -9"))
    assert never.endswith("| 0 of 200 \\* | 0 | 0 | 0 |")
    assert "| **all** | | 61 | 0 | 60 | **1** |" in lines
    assert "- objects exchanged: 7 seen by one" in lines
    assert "Counted in 93 s on: A." in lines


def test_a_ledger_keeps_other_rows_and_can_add(tmp_path):
    path = tmp_path / "faults.json"
    first, second, third = Ledger(), Ledger(), Ledger()
    first.enter("pickle", "said", 6)
    first.enter("fuzz", "right", 10)
    first.remark("fuzz", "odd")
    first.save(path)
    second.enter("fuzz", "right", 5)
    second.enter("fuzz", "wrong")
    second.remark("fuzz", "odd")
    second.save(path, add=True)
    found = json.loads(path.read_text())
    assert [found["fuzz"][kind] for kind in ("right", "said", "wrong")] == [15, 0, 1]
    assert found["fuzz"]["remarks"] == {"odd": 2}
    assert found["pickle"]["said"] == 6
    third.enter("fuzz", "said")
    third.save(path)
    found = json.loads(path.read_text())
    assert [found["fuzz"][kind] for kind in ("right", "said", "wrong")] == [0, 1, 0]


def test_a_page_without_a_place_is_refused():
    with pytest.raises(ValueError, match="no place"):
        table.placed("# Faults", "")
