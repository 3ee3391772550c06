"""Several layouts side by side, by pattern of access: places on logarithmic axes, as plain data.

The page draws what stands here and works nothing out, so that what it shows can be tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ngffkit.planning.card import lasting
from ngffkit.planning.options import about
from ngffkit.tuning.costs import Row
from ngffkit.tuning.speeds import Timed, brief

#: Room at both ends of an axis, as a part of it.
_ROOM = 0.06

#: Parts of an axis at its ends without ticks.
_EDGE = 0.04

#: Decades over which an axis has ticks at 1, 2 and 5.
_FEW = 1.5


@dataclass(frozen=True, slots=True)
class Series:
    """The costs of one layout.

    Parameters
    ----------
    key : str
        ``now``, ``advised``, ``edited`` or ``measured``; says how it looks.
    label : str
        What it is called.
    values : Mapping of str to Mapping of str to float
        By pattern, then by measure: ``requests``, ``nbytes``, ``seconds``.
    spreads : Mapping of str to Timed
        Quartiles of the seconds, by pattern, where they were measured.
    """

    key: str
    label: str
    values: Mapping[str, Mapping[str, float]]
    spreads: Mapping[str, Timed] = field(default_factory=dict)


#: What is drawn, with its heading and how numbers are spelled.
MEASURES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "requests": ("requests", lambda n: f"{n:,.0f}" if n >= 10 else f"{n:.3g}"),
    "nbytes": ("bytes", about),
    "seconds": ("time", lambda n: brief(n) if n < 90 else lasting(n)),
}


def values_of(rows: Iterable[Row], line: str) -> dict[str, dict[str, float]]:
    """Return what rows cost, by pattern and measure; seconds as advice goes by them.

    Parameters
    ----------
    rows : iterable of Row
        Of one layout.
    line : str
        Over which line.
    """
    return {
        row.name: {
            "requests": row.traffic.requests,
            "nbytes": row.traffic.nbytes,
            "seconds": row.counted(line),
        }
        for row in rows
    }


def chart(series: Sequence[Series], line: str) -> dict[str, Any]:
    """Return what the page draws.

    Parameters
    ----------
    series : sequence of Series
        The first one says which patterns there are.
    line : str
        What the line is called, for the heading of the times.

    Returns
    -------
    dict
        ``legend``: keys and labels; ``axes``: for each measure its title and ticks, as a place
        between 0 and 1 and a label; ``rows``: for each pattern its points by measure, each with
        its series' key, place, text, and for measured times the places of the quartiles.

    Examples
    --------
    >>> now = Series("now", "now", {"xy plane": {"requests": 16, "nbytes": 2e6, "seconds": 0.1}})
    >>> found = chart([now], "S3")
    >>> [axis["title"] for axis in found["axes"]], found["rows"][0]["points"]["requests"][0]["text"]
    (['requests', 'bytes', 'time over S3'], '16')
    """
    patterns = list(dict.fromkeys(name for one in series for name in one.values))
    axes = {name: _Axis.of(name, series) for name in MEASURES}
    heads = [
        {
            "measure": name,
            "title": f"{MEASURES[name][0]} over {line}" if name == "seconds" else MEASURES[name][0],
            "ticks": axes[name].ticks,
        }
        for name in MEASURES
    ]
    rows = [
        {
            "name": pattern,
            "points": {name: _points(pattern, name, series, axes[name]) for name in MEASURES},
        }
        for pattern in patterns
    ]
    legend = [{"key": one.key, "label": one.label} for one in series]
    return {"legend": legend, "axes": heads, "rows": rows}


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis."""

    low: float
    high: float
    measure: str

    @classmethod
    def of(cls, measure: str, series: Sequence[Series]) -> _Axis:
        found = [row[measure] for one in series for row in one.values.values() if measure in row]
        if measure == "seconds":
            found += [v for one in series for t in one.spreads.values() for v in (t.low, t.high)]
        logs = [math.log10(value) for value in found if 0 < value < math.inf] or [0.0]
        low, high = min(logs), max(logs)
        # a span that is tiny would show chance as a difference
        wider = max(0.0, 1.0 - (high - low)) / 2
        room = _ROOM * (high - low + 2 * wider)
        return cls(low - wider - room, high + wider + room, measure)

    def place(self, value: float) -> float:
        """Return where a value stands, 0 to 1; nothing stands at the left end."""
        if not 0 < value < math.inf:
            return 0.0
        at = (math.log10(value) - self.low) / (self.high - self.low)
        return round(min(1.0, max(0.0, at)), 4)

    @property
    def ticks(self) -> list[list[Any]]:
        """Places and labels: powers of ten, or 1, 2, 5 where the span is short."""
        steps = (1, 2, 5) if self.high - self.low < _FEW else (1,)
        words = MEASURES[self.measure][1]
        span = range(math.floor(self.low), math.ceil(self.high) + 1)
        values = [step * 10.0**power for power in span for step in steps]
        if self.measure == "requests":
            values = [value for value in values if value >= 1]
        # a label at the very end would be cut off
        found = [v for v in values if _EDGE < self.place(v) < 1 - _EDGE]
        every = math.ceil(len(found) / 4)
        return [[self.place(v), _short(words(v))] for v in found[::every]]


def _points(
    pattern: str, measure: str, series: Sequence[Series], axis: _Axis
) -> list[dict[str, Any]]:
    out = []
    for one in series:
        row = one.values.get(pattern, {})
        if measure not in row:
            continue
        point = {
            "key": one.key,
            "at": axis.place(row[measure]),
            "text": MEASURES[measure][1](row[measure]),
        }
        spread = one.spreads.get(pattern)
        if measure == "seconds" and spread is not None:
            point |= {
                "low": axis.place(spread.low),
                "high": axis.place(spread.high),
                "text": str(spread),
            }
        out.append(point)
    return out


def _short(text: str) -> str:
    """Leave the zeros after the point out of a label.

    Examples
    --------
    >>> _short("20.0 ms"), _short("1.5 MB"), _short("100")
    ('20 ms', '1.5 MB', '100')
    """
    number, space, unit = text.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + space + unit
