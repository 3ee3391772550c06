"""Pictures of results: SVG that can be read upon light and dark, and is the same each time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from keeping import Results, Row, key, reference
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

#: Greys and colours that stand out from white and from near-black alike.
INK, FAINT, OURS = "#7f858c", "#7f858c40", "#2f8fe0"

#: A colour and a mark for each contender, the same in all pictures; others have the last.
MARKS = {
    "ngffkit": (OURS, "D"),
    "limit": (INK, "|"),
    "xarray": (INK, "|"),
    "obstore": ("#b58900", "P"),
    "tensorstore": ("#e0662f", "o"),
    "webknossos": ("#c060c0", "s"),
    "ngff-zarr": ("#2aa17a", "^"),
    "ome-zarr-py": ("#d64a5f", "v"),
    "bioio-ome-zarr": ("#8f7be0", "X"),
    "zarr-python": ("#5fa83c", "p"),
    "matplotlib inline": ("#e0662f", "o"),
    "ipympl": ("#c060c0", "s"),
    "ipywidgets.Image, PNG": ("#2aa17a", "^"),
    "ipywidgets.Image, JPEG": ("#d64a5f", "v"),
}
OTHER = ("#9a8c5a", "h")

_STYLE = {
    "svg.hashsalt": "ngffkit",
    "svg.fonttype": "path",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 9,
    "axes.facecolor": "none",
}

#: Inches: of a row, of what stands above and below the rows, of the width.
ROW, RIM, WIDTH = 0.3, 1.15, 8.6


def save(draw: Callable[[], Figure], path: Path) -> None:
    """Draw a picture into a file; the same figures give the same bytes."""
    with mpl.rc_context(_STYLE):
        draw().savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def ratios(rows: Sequence[Row]) -> Figure:
    """Draw ngffkit by each of the others: a row for each case, left of 1 where ngffkit is ahead."""
    some = [row for row in rows if row["ratio"]]
    cases = list(dict.fromkeys(row["case"] for row in some))
    names = {"wall": "wall time", "cpu": "CPU", "requests": "requests"}
    kinds = [k for k in names if any(k in row["ratio"] for row in some)][:2]
    figure, grid = _figure(cases, len(kinds))
    for what, axes in zip(kinds, grid, strict=True):
        _ahead(axes, [row["ratio"][what] for row in some if what in row["ratio"]])
        for row in some:
            if what in row["ratio"]:
                _dot(axes, row, cases.index(row["case"]), what)
        axes.set_title(f"{names[what]}: ngffkit / other")
    _legend(figure, some)
    return figure


def _dot(axes: Axes, row: Row, y: float, what: str) -> None:
    colour, mark = MARKS.get(row["who"], OTHER)
    if what in row["ranges"]:
        axes.plot(row["ranges"][what], [y, y], color=colour, alpha=0.45, lw=2, zorder=2)
    size = 11 if mark == "|" else 6
    axes.plot(
        *(row["ratio"][what], y, mark),
        color=colour,
        ms=size,
        mew=2 if mark == "|" else 0,
        zorder=3,
        alpha=0.9,
    )


def _ahead(axes: Axes, values: Sequence[float]) -> None:
    """Set the range, and shade the side of it where ngffkit takes less."""
    low, high = min(*values, 0.8), max(*values, 1.25)
    axes.set_xlim(low / 1.25, high * 1.25)
    axes.axvspan(low / 1.25, 1, color=OURS, alpha=0.09, lw=0)
    axes.axvline(1, color=INK, lw=1)
    _logarithmic(axes, lambda value: f"{value:g}")


def memory(parts: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw the most memory that each of them held, by section and case."""
    some = [
        row for rows in parts.values() for row in rows if "peak" in row["median"] and _peers(rows)
    ]
    cases = list(dict.fromkeys(key(row) for row in some))
    figure, (axes,) = _figure([f"{section}: {case}" for section, case in cases], 1)
    for row in some:
        colour, mark = MARKS.get(row["who"], OTHER)
        size, edge = (11, 2) if mark == "|" else (7 if row["kind"] == "ours" else 6, 0)
        place = row["median"]["peak"] / 1e6, cases.index(key(row))
        axes.plot(*place, mark, color=colour, ms=size, mew=edge, alpha=0.9)
    axes.set_title("most memory held, MB")
    values = [row["median"]["peak"] / 1e6 for row in some]
    axes.set_xlim(min(values) / 1.25, max(values) * 1.25)
    _logarithmic(axes, lambda value: f"{value:,g}")
    _legend(figure, some)
    return figure


def _peers(rows: Sequence[Row]) -> bool:
    return any(row["ratio"] for row in rows)


# --- over commits ---------------------------------------------------------------------------------


def lines(found: Sequence[Results], mode: str) -> dict[str, list[tuple[str, float]]]:
    """Return, by section, the mean ratio of wall time to the reference at each kept result.

    Only cases that all of a section's results have count: others would move the mean.
    """
    seen: dict[str, list[tuple[str, dict[tuple[str, str], float]]]] = {}
    for results in found:
        if results["mode"] != mode:
            continue
        by_section: dict[str, dict[tuple[str, str], float]] = {}
        for (section, case), rows in _cases(results["rows"]).items():
            name = reference(set(rows), rows)
            if name and "wall" in rows[name]["ratio"]:
                by_section.setdefault(section, {})[case, name] = rows[name]["ratio"]["wall"]
        when = f"{results['date'][:10]}\n{results['commit'][:7]}{'+' * results['dirty']}"
        for section, cases in by_section.items():
            seen.setdefault(section, []).append((when, cases))
    out = {}
    for section, points in seen.items():
        common = set.intersection(*(set(cases) for _, cases in points))
        if common and len(points) > 1:
            out[section] = [(when, _mean(cases, common)) for when, cases in points]
    return out


def _cases(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    out: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        out.setdefault(key(row), {})[row["who"]] = row
    return out


def _mean(cases: Mapping[Any, float], common: set[Any]) -> float:
    return statistics.geometric_mean(cases[it] for it in sorted(common))


def commits(series: Mapping[str, Sequence[tuple[str, float]]]) -> Figure:
    """Draw a line for each section over commits; below 1 ngffkit takes less than the reference."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    whens = list(dict.fromkeys(when for points in series.values() for when, _ in points))
    colours = [colour for colour, mark in MARKS.values() if mark != "|"]
    ends = []
    for i, (name, points) in enumerate(series.items()):
        colour = colours[i % len(colours)]
        at = [whens.index(when) for when, _ in points]
        axes.plot(at, [value for _, value in points], "o-", color=colour, ms=5, lw=1.6)
        ends.append((math.log(points[-1][1]), name, colour))
    _bare(axes)
    axes.set_yscale("log")
    axes.axhline(1, color=INK, lw=1)
    axes.set_xticks(range(len(whens)), whens)
    axes.set_xlim(-0.2, len(whens) - 1 + 0.25 * len(whens))
    values = [value for points in series.values() for _, value in points]
    low, high = min(*values, 0.8) / 1.15, max(*values, 1.25) * 1.15
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y", color=FAINT, lw=0.6)
    step = (math.log(high) - math.log(low)) / 15  # a line of text
    for y, name, colour in _apart(sorted(ends), step):
        axes.annotate(
            name, (len(whens) - 1, math.exp(y)), (8, 0), textcoords="offset points",
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_title("wall time: ngffkit / reference, mean over cases")
    return figure


def _apart(ends: Sequence[tuple[float, str, str]], step: float) -> list[tuple[float, str, str]]:
    """Move labels up until they don't lie upon each other."""
    out: list[tuple[float, str, str]] = []
    for y, name, colour in ends:
        out.append((max(y, out[-1][0] + step) if out else y, name, colour))
    return out


# --- what they share ------------------------------------------------------------------------------


def _figure(labels: Sequence[str], columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, ROW * len(labels) + RIM), layout="constrained")
    grid = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for i, axes in enumerate(grid):
        _bare(axes)
        axes.set_yticks(range(len(labels)), labels if i == 0 else [""] * len(labels))
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=FAINT, lw=0.6)
    return figure, grid


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)


def _logarithmic(axes: Axes, text: Callable[[float], str]) -> None:
    """Make the axis logarithmic, with as many numbers as have room."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0, 3.0) if decades < 3 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.grid(axis="x", color=FAINT, lw=0.4)


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(row["who"] for row in rows))
    order = [*(name for name in MARKS if name in names), *(n for n in names if n not in MARKS)]
    from matplotlib.lines import Line2D

    marks = []
    for name in order:
        colour, mark = MARKS.get(name, OTHER)
        edge = 2 if mark == "|" else 0
        marks.append(Line2D([], [], ls="", marker=mark, color=colour, ms=7, mew=edge, label=name))
    figure.legend(
        handles=marks, loc="outside upper left", ncols=min(len(marks), 6), frameon=False,
        handletextpad=0.1, columnspacing=1.4,
    )  # fmt: skip
