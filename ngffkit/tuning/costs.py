"""What reading costs by pattern and line, for a layout that is there or one that might be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.access.lines import Line, Machine, seconds
from ngffkit.access.patterns import Box, Pattern
from ngffkit.access.traffic import Sizes, Traffic, mean, traffic_of
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.boxes import pieces_of
from ngffkit.errors import NgffError
from ngffkit.shown import shown

#: How much each pattern counts where nobody says: people look at planes and step through them
#: far more often than they read all. The views of all mags share theirs.
WEIGHTS: Mapping[str, float] = {
    "xy plane": 3,
    "xz plane": 1,
    "yz plane": 1,
    "cutout 64": 2,
    "cutout 256": 1,
    "time series": 1,
    "full scan": 1,
    "view": 3,
}


#: Patterns that come many in a row: readers keep the indexes of shards, so of so many reads in
#: the same shards one asks for them.
IN_A_ROW, KEPT = ("xy plane", "xz plane", "yz plane", "view"), 10


@dataclass(frozen=True, slots=True)
class Lying:
    """How one level lies, or would lie, in a store.

    Parameters
    ----------
    spec : ArraySpec
        How its array is cut up and encoded.
    sizes : Sizes
        How large its objects are.
    origin : tuple of int
        Where the image begins in its array, in pixels; WEBKNOSSOS pads arrays.
    packed : bool
        Whether sizes are those of whole chunks, and chunks at the edge of the array have fewer
        bytes: what lies beyond it compresses to next to nothing.
    """

    spec: ArraySpec
    sizes: Sizes
    origin: tuple[int, ...]
    packed: bool = False

    def traffic(self, box: Box, *, merges: bool, cpus: int) -> tuple[Traffic, Traffic]:
        """Return what reading a box costs, and what it costs when shard indexes are known.

        Parameters
        ----------
        box : Box
            In pixels of the array.
        merges : bool
            Whether near ranges travel together.
        cpus : int
            Processors of the machine that reads.
        """
        cold = traffic_of(self.spec, box, self.sizes, merges=merges, cpus=cpus)
        warm = cold
        if self.spec.sharding is not None:
            warm = traffic_of(self.spec, box, self.sizes, merges=merges, cpus=cpus, warm=True)
        if not self.packed:
            return cold, warm
        beyond = warm.nbytes * (1 - self._own(box))
        return (
            replace(cold, nbytes=cold.nbytes - beyond),
            replace(warm, nbytes=warm.nbytes - beyond),
        )

    def _own(self, box: Box) -> float:
        """Return which part of the voxels in the chunks of a box lies within the array."""
        out, layout = 1.0, self.spec.layout
        for cut, n, c in zip(box, layout.shape, layout.chunks, strict=True):
            chunks = [piece.chunk for piece in pieces_of(cut, n, c)]
            out *= sum(min(c, n - i * c) for i in chunks) / max(1, c * len(chunks))
        return out


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and over what.

    Parameters
    ----------
    lines : tuple of Line
        All that are reported.
    line : str
        The name of the one that counts.
    machine : Machine
        What decodes.
    merges : bool
        Whether the line ``here`` leads to a remote store, where near ranges travel together.
    """

    lines: tuple[Line, ...]
    line: str
    machine: Machine
    merges: bool

    def merging(self, line: str) -> bool:
        """Tell whether near ranges travel together over a line."""
        return self.merges if line == "here" else line != "SSD"

    @property
    def chosen(self) -> Line:
        """The line that counts."""
        return next(line for line in self.lines if line.name == self.line)


@dataclass(frozen=True, slots=True)
class Row:
    """What one pattern costs.

    Parameters
    ----------
    pattern : str
        Its name, as `ngffkit.access.patterns.Pattern` has it.
    mag : str
        Of the level that is read.
    traffic : Traffic
        Mean over the examples, over the line that counts, nothing cached.
    seconds : Mapping of str to float
        Predicted time by line, nothing cached.
    known : Mapping of str to float
        The same when the indexes of the shards are known from a read before.
    """

    pattern: str
    mag: str
    traffic: Traffic
    seconds: Mapping[str, float]
    known: Mapping[str, float]

    @property
    def name(self) -> str:
        """What it is called in tables: ``view 2-2-1`` for views, the pattern for others."""
        return f"{self.pattern} {self.mag}" if self.pattern == "view" else self.pattern

    def counted(self, line: str) -> float:
        """Return the seconds that advice goes by.

        Planes and views are read many in a row, so that the indexes of their shards are asked
        for once per `KEPT` reads; any other pattern is a read for itself.
        """
        if self.pattern not in IN_A_ROW:
            return self.seconds[line]
        return (self.seconds[line] + (KEPT - 1) * self.known[line]) / KEPT

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values: bytes and seconds."""
        traffic = self.traffic
        return {
            "pattern": self.pattern,
            "mag": self.mag,
            "requests": traffic.requests,
            "nbytes": traffic.nbytes,
            "rounds": traffic.rounds,
            "decoded": traffic.decoded,
            "amplification": traffic.amplification,
            "seconds": dict(self.seconds),
            "index_known": dict(self.known),
        }


def rows_of(
    levels: Sequence[Lying], mags: Sequence[str], patterns: Sequence[Pattern], reading: Reading
) -> tuple[Row, ...]:
    """Return what each pattern costs.

    Parameters
    ----------
    levels : sequence of Lying
        Of the image, finest first.
    mags : sequence of str
        Their names.
    patterns : sequence of Pattern
        What is read.
    reading : Reading
        Who reads, over which lines.
    """
    return tuple(_row(levels[p.level], mags[p.level], p, reading) for p in patterns)


def _row(level: Lying, mag: str, pattern: Pattern, reading: Reading) -> Row:
    boxes = [_moved(box, level.origin) for box in pattern.boxes]
    cpus = reading.machine.cpus
    costs: dict[bool, tuple[Traffic, Traffic]] = {}
    for merges in {reading.merging(line.name) for line in reading.lines}:
        found = [level.traffic(box, merges=merges, cpus=cpus) for box in boxes]
        costs[merges] = mean([cold for cold, _ in found]), mean([warm for _, warm in found])
    times, known = (
        {
            line.name: seconds(costs[reading.merging(line.name)][i], line, reading.machine)
            for line in reading.lines
        }
        for i in (0, 1)
    )
    return Row(pattern.name, mag, costs[reading.merging(reading.line)][0], times, known)


def _moved(box: Box, origin: tuple[int, ...]) -> Box:
    return tuple(slice(s.start + o, s.stop + o, s.step) for s, o in zip(box, origin, strict=True))


def gains(before: Sequence[Row], after: Sequence[Row], line: str) -> dict[str, float]:
    """Return how many times faster each pattern gets over a line, by its name in tables.

    Times are those that `Row.counted` has.
    """
    return {
        a.name: a.counted(line) / max(b.counted(line), 1e-12)
        for a, b in zip(before, after, strict=True)
    }


def mean_gain(before: Sequence[Row], after: Sequence[Row], line: str, use: Use) -> float:
    """Return the geometric mean of the gains, weighted.

    Parameters
    ----------
    before, after : sequence of Row
        The same patterns.
    line : str
        Which line counts.
    use : Use
        How much each pattern counts.

    Notes
    -----
    The geometric mean is the only one by which "twice as fast here, half as fast there" is no
    gain, whichever of the two layouts is called the first (Fleming and Wallace, CACM 29, 1986).
    """
    found = gains(before, after, line)
    weights = [use.of(row, before) for row in before]
    total = sum(weights)
    if not total:
        return 1.0
    logs = (w * math.log(max(g, 1e-12)) for w, g in zip(weights, found.values(), strict=True))
    return math.exp(sum(logs) / total)


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody does with images.

    Parameters
    ----------
    weights : Mapping of str to float
        How much each pattern counts; those that aren't named don't.
    """

    weights: Mapping[str, float]

    def of(self, row: Row, rows: Sequence[Row]) -> float:
        """Return the weight of a row; views of all mags share theirs."""
        own = self.weights.get(row.name)
        if own is not None:
            return own
        same = sum(1 for other in rows if other.pattern == row.pattern)
        return self.weights.get(row.pattern, 0.0) / same

    @classmethod
    def given(cls, use: Any, rows: Sequence[Row]) -> Use:
        """Check what was asked for against the patterns of an image.

        Parameters
        ----------
        use : Mapping of str to float, optional
            Weights by the name of a pattern; `WEIGHTS` when left out.
        rows : sequence of Row
            Those of the image.

        Raises
        ------
        NgffError
            When there is no such pattern, or a weight is no number of 0 or more.
        """
        if use is None:
            return cls(WEIGHTS)
        names = [*dict.fromkeys([*(r.pattern for r in rows), *(r.name for r in rows)])]
        if not isinstance(use, Mapping) or not use:
            raise NgffError(f"use: {shown(use)} is no mapping; pass e.g. {{'xy plane': 1}}")
        for name, weight in use.items():
            if name not in names:
                known = ", ".join(map(repr, names))
                raise NgffError(f"use: this image has no pattern {shown(name)}; it has {known}")
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not number or not 0 <= weight < math.inf:
                raise NgffError(f"use: {shown(weight)} for {name!r} is no weight; pass 0 or more")
        if not sum(use.values()):
            raise NgffError("use: all weights are 0; give one pattern a weight, e.g. 1")
        return cls(dict(use))


def over(line: str) -> str:
    """Return what a line is called in a sentence.

    Examples
    --------
    >>> over("S3"), over("here")
    ('S3', 'the line here')
    """
    return "the line here" if line == "here" else line
