"""The picture of a benchmark: bars for what was measured, marks for what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import ticker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ngffkit.tuning.speeds import Benchmark, Measured, Timed

#: Of a colour-blind safe palette (Okabe and Ito, 2008).
_COLD, _WARM, _MARK = "#0072B2", "#E69F00", "#222222"

#: Height of a bar and of a row, in rows and inches.
_BAR, _ROW = 0.36, 0.46


def draw(found: Benchmark, width: float) -> Figure:
    """Draw horizontal bars on a logarithmic axis: cold above warm, with their quartiles.

    Parameters
    ----------
    found : Benchmark
        What was measured.
    width : float
        Of the figure, in inches.
    """
    rows = found.rows
    # a figure of pyplot's would stay open, a plain one shows nothing at the end of a cell
    from ngffkit.plots.drawing import Picture

    figure = Picture(figsize=(width, 1.5 + _ROW * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for i, row in enumerate(rows):
        _bar(axes, i - _BAR / 2, row.cold, row.predicted_cold, _COLD)
        _bar(axes, i + _BAR / 2, row.warm, row.predicted_warm, _WARM)
    axes.set_xscale("log")
    low, high = _limits(rows)
    axes.set_xlim(low, high)
    # within a decade or two, powers of ten alone would leave the axis nearly bare
    steps = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
    axes.xaxis.set_major_locator(ticker.LogLocator(base=10, subs=steps))
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("time of one read, median and quartiles")
    title = found.title if len(found.title) <= 70 else f"...{found.title[-67:]}"
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
    _legend(figure)
    return figure


def _bar(axes: Axes, y: float, timed: Timed | None, predicted: float, color: str) -> None:
    if timed is not None:
        spread = [[timed.median - timed.low], [timed.high - timed.median]]
        style = {"ecolor": "black", "elinewidth": 1.2, "capsize": 2}
        axes.barh(y, timed.median, _BAR * 0.92, color=color, xerr=spread, error_kw=style)
    axes.plot(
        [predicted], [y], marker="D", markersize=5, color="white", markeredgecolor=_MARK, zorder=4
    )


def _limits(rows: tuple[Measured, ...]) -> tuple[float, float]:
    """Return the ends of the axis: room beyond the shortest and the longest."""
    values = [t.low for row in rows for t in (row.cold, row.warm) if t is not None]
    values += [t.high for row in rows for t in (row.cold, row.warm) if t is not None]
    values += [v for row in rows for v in (row.predicted_cold, row.predicted_warm)]
    values = [value for value in values if value > 0] or [1e-3]
    return min(values) / 3, max(values) * 2


def _label(row: Measured) -> str:
    return row.name if row.cold is not None else f"{row.name}\n(left out)"


def _short(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:g} {unit}"
    return f"{value * 1e9:g} ns"


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    mark = Line2D(
        [], [], marker="D", markersize=5, color="white", markeredgecolor=_MARK, linestyle=""
    )
    figure.legend(
        [Patch(color=_COLD), Patch(color=_WARM), mark],
        ["cold", "warm", "predicted"],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize="medium",
    )
