"""Render the table of docs/faults.md from what `make faults` has counted.

Run it as ``python tests/proof/table.py``; with ``--check`` it only says whether the page is up to
date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
COUNTS: Final = HERE / "faults.json"
PAGE: Final = HERE.parents[1] / "docs" / "faults.md"
BEGIN: Final = "<!-- made by tests/proof/table.py from tests/proof/faults.json -->"
END: Final = "<!-- up to here -->"

sys.path.insert(0, str(HERE.parent))

from ledger import ROWS  # noqa: E402 - tests are no package


def render(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table with what stands below it.

    Parameters
    ----------
    counts : Mapping
        Of each row ``right``, ``said``, ``wrong``, ``seconds``, ``remarks`` and ``machine``, as
        `ledger.Ledger.save` writes them.
    """
    lines = [
        "| fault | what is done | cases | right | said | wrong |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    kinds, sums = ("right", "said", "wrong"), [0, 0, 0]
    few = False
    for key, row in ROWS.items():
        found = [int(counts.get(key, {}).get(kind, 0)) for kind in kinds]
        sums = [a + b for a, b in zip(sums, found, strict=True)]
        cases = f"{sum(found):,}"
        if sum(found) < row.least:
            cases, few = f"{cases} of {row.least:,} \\*", True
        shown = " | ".join(_bold_if_wrong(kind, n) for kind, n in zip(kinds, found, strict=True))
        lines.append(f"| {row.title} | {row.what} | {cases} | {shown} |")
    shown = " | ".join(_bold_if_wrong(kind, n) for kind, n in zip(kinds, sums, strict=True))
    lines.append(f"| **all** | | {sum(sums):,} | {shown} |")
    if few:
        lines += ["", "\\* fewer than a full run makes: run `make faults`."]
    return "\n".join([*lines, *_remarks(counts), *_machines(counts)])


def _bold_if_wrong(kind: str, count: int) -> str:
    return f"**{count:,}**" if kind == "wrong" and count else f"{count:,}"


def _remarks(counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a list of what is to be said of some cases."""
    said = [
        f"- {row.title}: {count:,} {text}"
        for key, row in ROWS.items()
        for text, count in counts.get(key, {}).get("remarks", {}).items()
    ]
    return ["", "Of these cases:", "", *said] if said else []


def _machines(counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name each machine that has counted, and how long that took."""
    seconds: dict[str, int] = {}
    for entry in counts.values():
        name = str(entry.get("machine", "a machine that was not named"))
        seconds[name] = seconds.get(name, 0) + int(entry.get("seconds", 0))
    return [
        line
        for name, took in seconds.items()
        for line in ("", f"Counted in {_duration(took)} on: {name}.")
    ]


def _duration(seconds: int) -> str:
    """Say seconds as people do.

    >>> _duration(42), _duration(600), _duration(7300)
    ('42 s', '10 min', '2 h 2 min')
    """
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def placed(page: str, table: str) -> str:
    """Return a page with the table between its two marks."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        message = f"the page has no place for the table: {BEGIN} and {END}"
        raise ValueError(message)
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}"


def main() -> int:
    """Render, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=Path, default=COUNTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args()
    counts = json.loads(given.counts.read_text("utf-8")) if given.counts.exists() else {}
    before = given.page.read_text("utf-8")
    after = placed(before, render(counts))
    if not given.check:
        given.page.write_text(after, "utf-8")
    elif after != before:
        print(f"{given.page} is not what {given.counts} says: run python tests/proof/table.py")
        return 1
    wrong = [key for key, entry in counts.items() if entry.get("wrong")]
    if wrong:
        print(f"wrong: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
