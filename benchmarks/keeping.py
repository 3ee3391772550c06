"""What is kept of measurements, per commit, and how two of them are compared."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"

#: One set of measurements, and one line of it; see `compact`.
Results = dict[str, Any]
Row = dict[str, Any]

#: What is compared, in this order.
KINDS = ("wall", "cpu", "peak", "requests")

#: Whom ngffkit is compared with over commits: who changes least comes first.
REFERENCES = ("xarray", "limit", "tensorstore")

#: A ratio may grow by this much before it is called worse, or by as much as rounds lay apart.
SLACK = 0.2

DIRTY = (
    "nothing is kept: files of ngffkit differ from the commit, so nobody could measure this again;"
    " commit them, or pass --dirty"
)


def compact(results: Results) -> Results:
    """Return what is kept: medians, spreads and ratios; of single runs the wall time only."""
    rows = results["rows"]
    ours = {key(row): row for row in rows if row["kind"] == "ours"}
    return {**results, "rows": [_compact(row, ours.get(key(row))) for row in rows]}


def key(row: Row) -> tuple[str, str]:
    """Return which case a row belongs to."""
    return row["section"], row["case"]


def _compact(row: Row, ours: Row | None) -> Row:
    if "ranges" in row:  # it is
        return row
    out = {k: v for k, v in row.items() if v not in ("", {}, None) and k not in ("runs", "spread")}
    for name in ("median", "ratio"):
        out[name] = {k: _short(v) for k, v in row[name].items()}
    out["spread"] = {k: s for k in KINDS if (s := _spread(_values(row, k))) is not None}
    out["ranges"] = {}
    if ours is not None and ours is not row:
        ratios = {k: _ratios(ours, row, k) for k in out["ratio"]}
        out["ranges"] = {k: [_short(min(r)), _short(max(r))] for k, r in ratios.items() if r}
    if "others" in out:
        out["others"] = round(out["others"], 2)
    out["runs"] = [_short(value) for value in _values(row, "wall")]
    return out


def _values(row: Row, what: str) -> list[float]:
    return [run[what] for run in row["runs"] if what in run]


def _ratios(ours: Row, other: Row, what: str) -> list[float]:
    pairs = zip(ours["runs"], other["runs"], strict=False)
    return [a[what] / b[what] for a, b in pairs if what in a and b.get(what)]


def _spread(values: Sequence[float]) -> float | None:
    middle = statistics.median(values) if values else 0
    return _short((max(values) - min(values)) / middle) if middle else None


def _short(value: float) -> float:
    """Return a number with four digits that count; more of them are noise."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


# --- files ----------------------------------------------------------------------------------------


def keep(results: Results, *, folder: Path = RESULTS, dirty: bool = False) -> Path:
    """Write results among those of other commits; return the file.

    Parameters
    ----------
    results : dict
        What was measured.
    folder : path, optional
        Where results are kept.
    dirty : bool
        Whether those of files that no commit has are kept, too; they are named so.
    """
    if results["dirty"] and not dirty:
        raise ValueError(DIRTY)
    day = results["date"].split()[0]
    name = f"{day}-{results['commit']}-{results['mode']}{'-dirty' * results['dirty']}.json"
    path, number = folder / name, 2
    while path.exists():  # another run of the same day, e.g. of other sections
        path, number = folder / name.replace(".json", f".{number}.json"), number + 1
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(dumped(compact(results)))
    return path


def dumped(results: Results) -> str:
    """Return results as JSON, a line for each row, so that a diff says something."""
    head = {k: v for k, v in results.items() if k != "rows"}
    rows = ",\n  ".join(json.dumps(row) for row in results["rows"])
    return json.dumps(head, indent=1)[:-2] + f',\n "rows": [\n  {rows}\n ]\n}}\n'


def kept(folder: Path = RESULTS) -> list[Results]:
    """Return all that is kept, the oldest first."""
    found = []
    for path in sorted(folder.glob("????-??-??-*.json")):  # others may keep theirs beside
        results = json.loads(path.read_text())
        found.append({**results, "file": path.name})
    return sorted(found, key=lambda r: (r["date"], r["file"]))


def newest(found: Sequence[Results], mode: str) -> Results | None:
    """Return the newest rows of each section that were measured in a mode, and where they are from.

    Sections can be measured on different days; each of the rows has the newest there is.
    """
    of_mode = [results for results in found if results["mode"] == mode]
    latest: dict[str, Results] = {}
    for results in of_mode:
        latest |= {row["section"]: results for row in results["rows"]}
    rows = [
        row
        for results in reversed(of_mode)
        for row in results["rows"]
        if latest[row["section"]] is results
    ]
    parts = [results for results in reversed(of_mode) if results in latest.values()]
    return {"mode": mode, "rows": rows, "parts": parts} if rows else None


# --- where somebody else is ahead -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Behind:
    """A peer that takes less than ngffkit.

    Parameters
    ----------
    section, case, who, what : str
        Of which measurement.
    ratio : float
        How many times as much ngffkit takes.
    low, high : float
        The same, of the rounds that were kindest and least kind.
    """

    section: str
    case: str
    who: str
    what: str
    ratio: float
    low: float
    high: float

    @property
    def settled(self) -> bool:
        """Whether the peer was ahead in every round."""
        return self.low > 1


def behind(rows: Sequence[Row]) -> list[Behind]:
    """Return where peers take less than ngffkit, the worst first; limits are no peers."""
    found = [
        Behind(*key(row), row["who"], what, ratio, *row["ranges"].get(what, (ratio, ratio)))
        for row in rows
        if row["kind"] == "peer"
        for what, ratio in row["ratio"].items()
        if what in KINDS and ratio > 1
    ]
    return sorted(found, key=lambda it: -it.ratio)


# --- two commits ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """How a ratio to the reference, or a count of requests, went from one result to another."""

    section: str
    case: str
    what: str
    reference: str
    before: float
    after: float
    allowed: float

    @property
    def grown(self) -> float:
        """By which part it grew."""
        return self.after / self.before - 1

    @property
    def worse(self) -> bool:
        """Whether that is more than chance explains."""
        return self.grown > self.allowed


def changes(old: Results, new: Results) -> Iterator[Change]:
    """Yield how each ratio to the reference changed, for cases that both have.

    Seconds of two days say little, since machines have moods: ratios of one round do. Requests are
    counted, not measured, and need no reference.
    """
    before, after = _cases(old), _cases(new)
    for it in before.keys() & after.keys():
        one, two = before[it], after[it]
        name = reference(one.keys() & two.keys(), one)
        for what in ("wall", "cpu", "peak") if name else ():
            a, b = (case[name]["ratio"].get(what) for case in (one, two))
            if a and b:
                slack = max(SLACK, *(_width(case[name], what) for case in (one, two)))
                yield Change(*it, what, name, a, b, slack)
        a, b = (_ours(case).get("median", {}).get("requests") for case in (one, two))
        if a and b:
            yield Change(*it, "requests", "itself", a, b, 0.0)


def reference(names: set[str] | Any, rows: dict[str, Row]) -> str:
    """Return whom ngffkit is compared with, of those that have a ratio; ``""`` if there is none."""
    able = [name for name in rows if name in names and rows[name]["ratio"]]
    peers = [name for name in able if rows[name]["kind"] == "peer"]
    return next((name for name in REFERENCES if name in able), peers[0] if peers else "")


def fallen(old: Results, new: Results) -> list[str]:
    """Return the cases in which ngffkit had a time once and has none now."""
    before, after = _cases(old), _cases(new)
    return [
        f"{it[0]}, {it[1]}: {why}"
        for it in before.keys() & after.keys()
        if not _ours(before[it]).get("wrong") and (why := _ours(after[it]).get("wrong"))
    ]


def _cases(results: Results) -> dict[tuple[str, str], dict[str, Row]]:
    out: dict[tuple[str, str], dict[str, Row]] = {}
    for row in results["rows"]:
        out.setdefault(key(row), {})[row["who"]] = row
    return out


def _ours(case: dict[str, Row]) -> Row:
    return next((row for row in case.values() if row["kind"] == "ours"), {})


def _width(row: Row, what: str) -> float:
    """Return how far the ratios of rounds lay apart, as a fraction of their median."""
    low, high = row["ranges"].get(what, (0.0, 0.0))
    return float((high - low) / row["ratio"][what])


def compare(words: Sequence[str], *, folder: Path = RESULTS) -> int:
    """Print how ratios changed between two kept results; return 1 if any is worse.

    Parameters
    ----------
    words : sequence of str
        The old and the new one: parts of their files' names. By default the two newest of one mode;
        with one word, that one and the newest.
    folder : path, optional
        Where results are kept.
    """
    old, new = _chosen(words, kept(folder))
    print(f"{old['file']} -> {new['file']}")
    for what in ("mode", "machine"):
        if old[what] != new[what]:
            print(f"they differ in {what}: {old[what]} and {new[what]}")
    found = sorted(changes(old, new), key=lambda change: -change.grown)
    lost = fallen(old, new)
    if not found and not lost:
        raise ValueError("they have no case in common that could be compared")
    for change in found:
        if change.worse or change.grown < -change.allowed:
            print(
                f"{'WORSE' if change.worse else 'better'}: {change.section}, {change.case}: "
                f"{change.what} by {change.reference} {change.before:.4g} -> {change.after:.4g} "
                f"({change.grown:+.0%}; {change.allowed:.0%} may be chance)"
            )
    for line in lost:
        print(f"WORSE: {line}")
    worse = sum(change.worse for change in found) + len(lost)
    print(f"{len(found)} compared, {worse} worse")
    return int(worse > 0)


def _chosen(words: Sequence[str], found: list[Results]) -> tuple[Results, Results]:
    def one(word: str) -> Results:
        some = [results for results in found if Path(word).name in results["file"]]
        if len(some) != 1:
            names = ", ".join(results["file"] for results in some or found) or "nothing"
            raise ValueError(f"{word!r} names {len(some)} of the kept results: {names}")
        return some[0]

    if len(words) > 1:
        return one(words[0]), one(words[1])
    if words:
        old = one(words[0])
        later = [r for r in found if r["mode"] == old["mode"] and r is not old]
    else:
        # the newest, and the newest before it that has a section of it
        new = found[-1] if found else None
        later = [new] if new else []
        some = [r for r in found[:-1] if new and r["mode"] == new["mode"] and _share(r, new)]
        old = some[-1] if some else {}
    if not later or not old:
        raise ValueError(f"{len(found)} results are kept, which is too few to compare; pass --keep")
    return old, later[-1]


def _share(one: Results, other: Results) -> bool:
    return bool(_cases(one).keys() & _cases(other).keys())
