"""A picture of a tuning: how long each pattern takes now, and after the advice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ngffkit.tuning.costs import KEPT, over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ngffkit.tuning.report import Tuning

#: Of a colour-blind safe palette (Okabe and Ito, 2008).
_NOW, _AFTER, _QUIET = "#D55E00", "#0072B2", "#777777"

#: Ratios that differ by less are not drawn as a change.
_SAME = 1.05


def draw(tuning: Tuning, width: float) -> Figure:
    """Draw the times of all patterns on the line that counts.

    Parameters
    ----------
    tuning : Tuning
        Of an image.
    width : float
        Of the figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One row per pattern; time on a logarithmic axis.
    """
    from ngffkit.plots.drawing import Picture

    rows, after = tuning.rows, tuning.best
    line = tuning.reading.line
    figure = Picture(figsize=(width, 1.5 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(rows))
    now = [row.counted(line) for row in rows]
    then = [row.counted(line) for row in after]
    for y, a, b in zip(places, now, then, strict=True):
        faster = b * _SAME < a
        slower = a * _SAME < b
        color = _AFTER if faster else _NOW if slower else _QUIET
        axes.plot([a, b], [y, y], color=color, linewidth=2.5, alpha=0.45, zorder=1)
        if faster or slower:
            word = f"{a / b:.2g}× faster" if faster else f"{b / a:.2g}× slower"
            label: dict[str, Any] = {
                "textcoords": "offset points",
                "xytext": (9, 0),
                "va": "center",
            }
            axes.annotate(word, (max(a, b), y), fontsize=8.5, color=color, **label)
    axes.scatter(now, places, s=46, color=_NOW, label="now", zorder=3)
    if tuning.layout:
        look: dict[str, Any] = {"facecolor": "white", "edgecolor": _AFTER, "linewidth": 2}
        axes.scatter(then, places, s=46, label="after the advice", zorder=4, **look)
    axes.set_yticks(list(places), [row.name for row in rows])
    axes.invert_yaxis()
    _scale(axes, [*now, *then])
    sharded = any(row.known != row.seconds for row in (*rows, *after))
    how = f"shard indexes read once in {KEPT} planes or views" if sharded else "nothing cached"
    axes.set_xlabel(f"predicted time over {over(line)}, {how}")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return figure


def _scale(axes: Any, values: list[float]) -> None:
    """Span all values by a logarithmic axis, with room for words at the right."""
    from matplotlib import ticker

    seen = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(seen)), math.log10(max(seen))
    axes.set_xscale("log")
    ticks = ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high - low < 3 else (1.0,))
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    room = max(1.0, high - low)
    axes.set_xlim(10 ** (low - 0.06 * room), 10 ** (high + 0.22 * room))


def _short(seconds: float) -> str:
    """Spell a time of an axis.

    Examples
    --------
    >>> _short(0.02), _short(5e-5), _short(100.0)
    ('20 ms', '50 µs', '100 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 0.999:
            return f"{seconds * factor:g} {unit}"
    return f"{seconds * 1e6:g} µs"
