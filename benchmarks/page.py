"""The results as tables: on the terminal, and as ``docs/results.md``, from what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keeping
import pictures
from keeping import Behind, Results, Row

DOCS = Path(__file__).parents[1] / "docs"

#: What a section measures, as its heading.
TITLES = {
    "convert": "Converting stacks of slices",
    "pyramid": "Writing an array and its mags",
    "read": "Reading from a folder",
    "open": "Opening",
    "plane": "Planes from afar",
    "imports": "Importing",
    "viewer": "The next plane in JupyterLab",
    "predict": "Predicting what reading costs",
    "rewrite": "Rewriting",
    "caching": "The cache of remote data",
    "responsive": "A notebook that answers while a panel converts",
}
NAMES = {"wall": "wall", "cpu": "CPU", "peak": "memory", "requests": "requests"}

_HEAD = """# Results

Made by `make bench` and `make bench-full` from what is kept, by `python -m benchmarks page`; not to
be edited. [Benchmarks](benchmarks.md) says how each of them is measured.

**Ratios** are ngffkit's figure by the other's, the median over rounds: below 1 ngffkit takes less.
The range after a ratio is that of the rounds. *wall* is time; *CPU* that of all processors,
children included; *memory* the most that all processes held at one moment. A *limit* is code
written by hand for one job and nothing else, and is no peer.
"""

#: Pictures of all sections: file, heading, what is to be said.
_WHOLE = (
    ("bench-memory.svg", "Memory", ""),
    (
        "bench-commits.svg",
        "Over commits",
        """
The reference of a case is the limit, else tensorstore, else the first peer.
`python -m benchmarks compare` tells what got worse.
""",
    ),
)
_NOTHING = "\nNothing is kept yet: `python -m benchmarks --full --keep` measures and keeps.\n"


# --- tables ---------------------------------------------------------------------------------------


def table(head: Sequence[str], lines: Sequence[Sequence[str]], words: int = 2) -> str:
    """Return a table in Markdown that can be read as it stands; the first columns are words."""
    rows = [[cell.replace("|", "/") for cell in line] for line in (head, *lines)]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(head))]
    rule = ["-" * n if i < words else "-" * (n - 1) + ":" for i, n in enumerate(widths)]

    def padded(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(n) if i < words else cell.rjust(n)
            for i, (cell, n) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    return "\n".join(padded(row) for row in (rows[0], rule, *rows[1:])) + "\n"


def seconds(value: float) -> str:
    """Return a time as people say it."""
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def times(ratio: float) -> str:
    """Return a ratio with two digits after the point, or two that count."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def between(low: float, high: float) -> str:
    """Return the range of a ratio over rounds."""
    return f"{times(low)}–{times(high)}"


def size(value: float) -> str:
    """Return a number of bytes as people say it."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            digits = 0 if value >= 100 * scale else 1
            return f"{value / scale:.{digits}f} {unit}"
    return f"{value:.0f} B"


def number(value: Any) -> str:
    """Return a figure: words as they are, numbers with three digits that count."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


_SHOWN: dict[str, Callable[[float], str]] = {
    "wall": seconds,
    "cpu": seconds,
    "peak": size,
    "requests": number,
    "nbytes": size,
}


def ratios(rows: Sequence[Row]) -> str:
    """Return the table of ratios of a section; ``""`` where nobody else takes part."""
    some = [row for row in rows if row["ratio"]]
    kinds = [k for k in NAMES if any(k in row["ratio"] for row in some)]
    lines = []
    for row in some:
        cells = [times(row["ratio"][k]) if k in row["ratio"] else "" for k in kinds]
        if "wall" in row["ranges"]:
            cells[kinds.index("wall")] += f" ({between(*row['ranges']['wall'])})"
        lines.append([row["case"], _who(row), *cells])
    head = ["case", "ngffkit by", *(NAMES[k] for k in kinds)]
    return table(head, lines) if lines else ""


def medians(rows: Sequence[Row]) -> str:
    """Return the table of medians of a section; ``""`` where nothing has one."""
    some = [row for row in rows if row["median"]]
    kinds = [k for k in _SHOWN if any(k in row["median"] for row in some)]
    lines = [
        [
            row["case"],
            _who(row),
            *(_SHOWN[k](row["median"][k]) if k in row["median"] else "" for k in kinds),
            f"{row['spread']['wall']:.0%}" if "wall" in row["spread"] else "",
            str(len(row["runs"])),
            f"{row.get('others', 0):.2f}",
        ]
        for row in some
    ]
    names = NAMES | {"nbytes": "bytes"}
    head = ["case", "who", *(names[k] for k in kinds), "spread", "rounds", "others"]
    return table(head, lines) if lines else ""


def figures(rows: Sequence[Row]) -> Iterator[str]:
    """Yield tables of what scripts tell beside: a table for each that is one, one for the rest."""
    plain: dict[str, list[list[str]]] = {}
    for row in rows:
        found = row.get("figures", {})
        single = {k: v for k, v in found.items() if not isinstance(v, dict)}
        if single:
            plain.setdefault("\0".join(single), []).append(
                [row["case"], row["who"], *(number(value) for value in single.values())]
            )
    for names, lines in plain.items():
        yield table(["case", "who", *names.split("\0")], lines)
    for row in rows:
        for title, found in row.get("figures", {}).items():
            if isinstance(found, dict) and found:
                head = list(dict.fromkeys(name for line in found.values() for name in line))
                lines = [
                    [name, *(number(line.get(column, "")) for column in head)]
                    for name, line in found.items()
                ]
                yield table([title, *head], lines, words=1)


def failures(rows: Sequence[Row]) -> list[str]:
    """Return a line for each who has no figure: what failed, or that its pixels are others."""
    return [
        f"{row['case']}, {row['who']}: {' '.join(row['wrong'].split())}"
        for row in rows
        if row.get("wrong")
    ]


def not_ahead(found: Sequence[Behind]) -> str:
    """Return the table of what peers do with less."""
    lines = [
        [
            *(it.section, it.case, it.who, NAMES[it.what], times(it.ratio)),
            between(it.low, it.high),
        ]
        for it in found
    ]
    return table(["section", "case", "peer", "of", "ratio", "rounds"], lines, words=4)


def _who(row: Row) -> str:
    return f"{row['who']} (limit)" if row["kind"] == "limit" else str(row["who"])


def sections(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each section, in the order of the page."""
    names = [*TITLES, *(row["section"] for row in rows)]
    found = {name: [row for row in rows if row["section"] == name] for name in names}
    return {name: some for name, some in found.items() if some}


# --- the terminal ---------------------------------------------------------------------------------


def show(results: Results) -> None:
    """Print all tables, ratios first, and at the end where somebody else is ahead."""
    rows = keeping.compact(results)["rows"]
    for name, some in sections(rows).items():
        print(f"\n== {name}: {TITLES.get(name, name)} ==")
        for text in (ratios(some), medians(some), *figures(some)):
            if text:
                print(f"\n{text}", end="")
        for line in failures(some):
            print(f"no time: {line}")
    found = keeping.behind(rows)
    print()
    for it in found:
        print(
            f"not ahead of {it.who}{'' if it.settled else ' (within the spread)'}: {it.section}, "
            f"{it.case}, {NAMES[it.what]} {times(it.ratio)} ({between(it.low, it.high)})"
        )
    if not found:
        compared = any(row["kind"] == "peer" and row["ratio"] for row in rows)
        print("no peer takes less in any case" if compared else "no peer took part")


# --- the page -------------------------------------------------------------------------------------


def keep(results: Results, *, dirty: bool = False) -> Path:
    """Keep results, and make the page and its pictures anew; return the file.

    Parameters
    ----------
    results : dict
        What was measured.
    dirty : bool
        Also of files that no commit has.
    """
    path = keeping.keep(results, dirty=dirty)
    render()
    return path


def render(folder: Path = keeping.RESULTS, docs: Path = DOCS) -> None:
    """Write ``results.md`` and its pictures from what is kept."""
    found = keeping.kept(folder)
    for path in (docs / "images").glob("bench-*.svg"):
        path.unlink()
    for name, picture in _pictures(found).items():
        pictures.save(picture, docs / "images" / name)
    (docs / "results.md").write_text(markdown(found))


def markdown(found: Sequence[Results]) -> str:
    """Return the page of all results that are kept."""
    modes = [some for mode in ("full", "quick") if (some := keeping.newest(found, mode))]
    if not modes:
        return _HEAD + _NOTHING
    names = set(_pictures(found))
    text = [_HEAD, *_ahead(modes)]
    for name, title, words in _WHOLE:
        if name in names:
            text.append(f"\n## {title}\n\n![{title}](images/{name})\n{words}")
    text += _mode(modes[0], names)
    for some in modes[1:]:
        text += _mode(some, set())
    return "".join(text)


def _pictures(found: Sequence[Results]) -> dict[str, Callable[[], Any]]:
    """Return how each picture of the page is drawn, by its file's name."""
    newest = keeping.newest(found, "full") or keeping.newest(found, "quick")
    if newest is None:
        return {}
    out: dict[str, Callable[[], Any]] = {}
    for name, rows in sections(newest["rows"]).items():
        if any(row["ratio"] for row in rows):
            out[f"bench-{name}.svg"] = lambda rows=rows: pictures.ratios(rows)
    if any("peak" in row["median"] and row["ratio"] for row in newest["rows"]):
        parts = sections(newest["rows"])
        out["bench-memory.svg"] = lambda: pictures.memory(parts)
    lines = pictures.lines(found, newest["mode"])
    if lines:
        out["bench-commits.svg"] = lambda: pictures.commits(lines)
    return out


def _ahead(modes: Sequence[Results]) -> Iterator[str]:
    yield "\n## Where we are not ahead\n"
    for some in modes:
        found = keeping.behind(some["rows"])
        clear = [it for it in found if it.settled]
        near = [it for it in found if not it.settled]
        peers = sum(bool(row["ratio"]) and row["kind"] == "peer" for row in some["rows"])
        yield f"\n`{some['mode']}`: of {peers} pairs of a case and a peer, compared by time, CPU, "
        yield "memory and requests, "
        yield (
            f"these {len(clear)} figures were the peer's in every round.\n\n" + not_ahead(clear)
            if clear
            else "no figure was the peer's in every round.\n"
        )
        if near:
            yield f"\nAhead by the median, but not in every round ({len(near)}):\n"
            yield "\n" + not_ahead(near)


def _mode(some: Results, names: set[str]) -> Iterator[str]:
    yield f"\n## Mode {some['mode']}\n"
    for part in some["parts"]:
        machine = part["machine"]
        dirty = ", with files that no commit has" * part["dirty"]
        yield (
            f"\n{part['date']} UTC, commit `{part['commit']}`{dirty}, `{part['command']}`: "
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} GB, "
            f"{machine['system']}, Python {machine['python']}.\n"
        )
    for name, rows in sections(some["rows"]).items():
        yield f"\n### {TITLES.get(name, name)}, {some['mode']}\n"
        yield _listed(f"{row['case']}: {row['note']}" for row in rows if row.get("note"))
        if f"bench-{name}.svg" in names:
            yield f"\n![ngffkit by each of the others: {name}](images/bench-{name}.svg)\n"
        for text in (ratios(rows), medians(rows), *figures(rows)):
            if text:
                yield f"\n{text}"
        yield _listed(f"no time: {line}" for line in failures(rows))
        versions = sorted({row["version"] for row in rows if row.get("version")})
        if versions:
            yield f"\nVersions: {', '.join(versions)}.\n"


def _listed(lines: Iterable[str]) -> str:
    """Return a list, each line once; ``""`` if there are none."""
    text = "\n".join(f"- {line}" for line in dict.fromkeys(lines))
    return f"\n{text}\n" if text else ""
