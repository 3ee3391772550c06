"""What a benchmark found: measurements by pattern, as text, as a card, as JSON, as a picture."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ngffkit.access.lines import Line, Machine
from ngffkit.access.traffic import Traffic
from ngffkit.cards import Table, card, html_table, text_table
from ngffkit.planning.options import about

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEAD = ("pattern", "mag", "requests", "bytes", "cold", "predicted", "warm", "predicted", "rounds")


@dataclass(frozen=True, slots=True)
class Timed:
    """Several measurements of one thing, in seconds.

    Parameters
    ----------
    median : float
        Of all of them.
    low, high : float
        Their quartiles; half of them lie between.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Timed:
        """Sum up measurements.

        Examples
        --------
        >>> Timed.of([3.0, 1.0, 2.0])
        Timed(median=2.0, low=1.5, high=2.5)
        """
        if len(times) == 1:
            return cls(times[0], times[0], times[0])
        low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
        return cls(middle, low, high)

    def __str__(self) -> str:
        """Return the median, and half of the spread."""
        return f"{brief(self.median)} ± {brief((self.high - self.low) / 2)}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One pattern of access, measured and predicted.

    Parameters
    ----------
    pattern, mag : str
        What was read, and of which mag.
    requests, nbytes : float
        Counted at the store while nothing was known: mean over the reads; 0 when left out.
    predicted : Traffic
        Mean over the boxes that were read.
    cold, warm : Timed, optional
        Seconds with no shard index known and local files dropped from memory, and seconds of
        the same read right after; None when left out.
    predicted_cold, predicted_warm : float
        Seconds.
    rounds : int
        How often it was measured.
    note : str
        Why it was left out, or measured less often than asked.
    """

    pattern: str
    mag: str
    requests: float
    nbytes: float
    predicted: Traffic
    cold: Timed | None
    warm: Timed | None
    predicted_cold: float
    predicted_warm: float
    rounds: int
    note: str = ""

    @property
    def name(self) -> str:
        """What it is called: ``view 2-2-1`` for views, the pattern for others."""
        return f"{self.pattern} {self.mag}" if self.pattern == "view" else self.pattern


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How quickly an image is read; a table as text and in notebooks.

    Parameters
    ----------
    title : str
        Where the image is.
    rows : tuple of Measured
        By pattern.
    line, warm_line : Line
        The line for which times are predicted, for a first read and for one that was just made.
    machine : Machine
        What decodes.
    notes : tuple of str
        What has to be known to read the numbers.
    """

    title: str
    rows: tuple[Measured, ...]
    line: Line
    warm_line: Line
    machine: Machine
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a table and notes."""
        lines = text_table(self._table())
        lines += [f"  {row.name}: {row.note}" for row in self.rows if row.note]
        return "\n".join([*lines, *(f"  {note}" for note in self._facts())])

    def __repr__(self) -> str:
        """Return the same as for people."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return a card for notebooks."""
        notes = [f"{row.name}: {row.note}" for row in self.rows if row.note]
        items = "".join(f"<li>{html.escape(each)}</li>" for each in [*notes, *self._facts()])
        table = self._table()
        body = html_table(replace(table, title="medians ± half the interquartile range"))
        return card(table.title, f"{body}<ul>{items}</ul>")

    def _table(self) -> Table:
        return Table(f"benchmark of {self.title}", _HEAD, tuple(map(_cells, self.rows)))

    def _facts(self) -> list[str]:
        line, decoded = self.line, 1 / max(self.machine.per_byte, 1e-12)
        return [
            (
                f"line: {brief(line.latency)} latency, {about(line.bandwidth)}/s, "
                f"{line.concurrency} at a time; "
                f"{self.machine.cpus} cpus decode {about(decoded)}/s each"
            ),
            *self.notes,
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values: bytes and seconds."""
        return {
            "title": self.title,
            "line": asdict(self.line),
            "warm_line": asdict(self.warm_line),
            "machine": asdict(self.machine),
            "rows": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }

    def plot(self, *, width: float = 8.0) -> Figure:
        """Draw what was measured beside what was predicted; returns a matplotlib figure.

        Parameters
        ----------
        width : float
            In inches.
        """
        from ngffkit.tuning.speedplot import draw

        return draw(self, width)


# --- words ----------------------------------------------------------------------------------------


def brief(seconds: float) -> str:
    """Spell a short time for people, with three digits.

    Examples
    --------
    >>> brief(0.0000123), brief(0.0456), brief(7.891), brief(0)
    ('12.3 µs', '45.6 ms', '7.89 s', '0 s')
    """
    if seconds <= 0:
        return "0 s"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            value = seconds * factor
            break
    digits = max(0, 2 - math.floor(math.log10(max(value, 0.01))))
    return f"{value:.{min(digits, 2)}f} {unit}"


def _cells(row: Measured) -> tuple[str, ...]:
    if row.cold is None or row.warm is None:
        counts = f"{row.predicted.requests:.0f}", about(row.predicted.nbytes)
        times = "", brief(row.predicted_cold), "", brief(row.predicted_warm)
        return (row.pattern, row.mag, *counts, *times, "0")
    return (
        row.pattern,
        row.mag,
        f"{row.requests:.0f}",
        about(row.nbytes),
        str(row.cold),
        brief(row.predicted_cold),
        str(row.warm),
        brief(row.predicted_warm),
        str(row.rounds),
    )
