"""Measure how quickly an image is read, by pattern of access, and compare with the prediction."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ngffkit.access import lines as _lines
from ngffkit.access.counting import Tally, counted, merges
from ngffkit.access.decoding import machine
from ngffkit.access.lines import Line, Machine
from ngffkit.access.patterns import Box, Pattern, patterns_of
from ngffkit.access.probing import drop, probe
from ngffkit.access.sizes import Census, census_of
from ngffkit.access.traffic import Traffic, mean, traffic_of
from ngffkit.api import as_opened, choose
from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NgffError
from ngffkit.execute.running import Progress, Watch
from ngffkit.opened import Opened
from ngffkit.planning.options import about
from ngffkit.shown import shown
from ngffkit.tree import as_image, images_of
from ngffkit.tuning.speeds import Benchmark, Measured, Timed, brief

#: Pixels that one read may bring, in bytes; a benchmark must not fill the memory.
MOST = 2**30


def benchmark(
    x: Any,
    *,
    image: str | None = None,
    patterns: str | Iterable[str] | None = None,
    rounds: int = 3,
    seconds: float = 20,
    line: Line | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Watch | bool = False,
) -> Benchmark:
    """Measure how quickly an image is read, cold and warm, and compare with the prediction.

    Parameters
    ----------
    x : path, URL, DataTree, Dataset, DataArray or store
        What `ngffkit.open` opens or has opened.
    image : str, optional
        Path of the image below `x`, where there are several.
    patterns : str or iterable of str, optional
        Which ones, as ``"xy plane"`` or ``"view 2-2-1"``; all of them when left out.
    rounds : int
        How often each is measured, each time at another place as far as there are any.
    seconds : float
        No measurement is begun that is not predicted to end within so many seconds, all together.
    line : Line, optional
        For the prediction; measured when left out.
    storage_options : Mapping, optional
        For the remote store.
    progress : bool or callable
        True says on stderr what is being measured; a callable is told before each read, as
        `Progress` whose ``done`` and ``total`` count reads, and stops it by raising.

    Returns
    -------
    Benchmark
        With a row per pattern; ``plot()`` draws it.

    Raises
    ------
    NgffError
        For a pattern that the image does not have, and when the image can't be read.

    Examples
    --------
    >>> import tempfile, ngffkit as nk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = nk.sample(folder + "/cells.ome.zarr")
    ...     found = nk.benchmark(path, patterns="xy plane", rounds=1)
    >>> row = found.rows[0]
    >>> row.pattern, row.requests == row.predicted.requests, row.nbytes == row.predicted.nbytes
    ('xy plane', True, True)
    """
    _check(rounds, seconds)
    end = time.perf_counter() + seconds
    opened = _image(x, image, storage_options)
    chosen = _chosen(opened, patterns)
    tally = Tally()
    first = _reader(opened, 0)
    limit = min(2.0, seconds / 8)
    censuses = {level: census_of(_reader(opened, level)) for level in {p.level for p in chosen}}
    watched = replace(opened, store=counted(opened.store, tally))
    setting = _Setting(watched, tally, censuses)
    setting.look(first, line, limit)
    runs = [_Run(setting, pattern) for pattern in chosen]
    watch = progress if callable(progress) else _say if progress else None
    began = time.perf_counter()
    for i in range(rounds):
        if i:  # other programs come and go, so line and machine are measured as often as the reads
            setting.look(first, line, limit)
        for j, run in enumerate(runs):
            if watch is not None:
                watch(_far(i * len(runs) + j, rounds * len(runs), run.name, began))
            run.measure(i, end - time.perf_counter())
    rows = tuple(run.row(rounds, seconds) for run in runs)
    notes = _notes(opened, censuses, dropped=drop(first, ()))
    return Benchmark(opened.url, rows, *setting.lines, setting.machine, notes)


def _check(rounds: object, seconds: object) -> None:
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise NgffError(f"rounds={shown(rounds)}; a whole number of at least 1 was expected")
    if not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise NgffError(f"seconds={shown(seconds)}; a number above 0 was expected")


def _image(x: Any, image: str | None, options: Mapping[str, Any] | None) -> Opened:
    """Return the image that is meant, whatever names it."""
    opened = as_opened(x, options)
    if opened.node.image is not None and image is None:
        return opened
    if opened.node.kind == "array":
        return as_image(opened.store, opened.node, opened.missing, "image")
    images = dict(images_of(opened.store, opened.node, opened.missing))
    return choose(images, image, opened.store.url)


def _chosen(opened: Opened, patterns: str | Iterable[str] | None) -> list[Pattern]:
    found = patterns_of(opened.image)
    if patterns is None:
        return list(found)
    names = [patterns] if isinstance(patterns, str) else list(patterns)
    mags = opened.image.mags
    known = {p.name: [q for q in found if q.name == p.name] for p in found}
    known |= {f"view {mags[p.level]}": [p] for p in found if p.name == "view"}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = shown(unknown[0]) if unknown else "no pattern"
        raise NgffError(f"patterns: {what} was asked for; this image has {', '.join(known)}")
    return list(itertools.chain.from_iterable(known[name] for name in names))


def _reader(opened: Opened, level: int) -> ArrayReader:
    """Return what reads a level, with nothing known; absent chunks are fill, without an inquiry."""
    made = opened.reader(level)
    return ArrayReader(
        made.store,
        made.path,
        made.spec,
        denied_is_absent=made.denied_is_absent,
        threads=made.threads,
    )


def _say(progress: Progress) -> None:
    import sys

    sys.stderr.write(f"{progress.done + 1}/{progress.total} {progress.what}\n")


def _far(done: int, total: int, name: str, began: float) -> Progress:
    """Return how far the reads are, and what is read next."""
    return Progress(done, total, done, total, name, 0, time.perf_counter() - began, 0)


def _notes(opened: Opened, censuses: Mapping[int, Census], *, dropped: bool) -> tuple[str, ...]:
    out = []
    if "://" not in opened.store.url:
        out.append(
            "cold: files were dropped from memory before each read, as far as the system does it"
            if dropped
            else "cold: this system can't drop files from memory, so cold reads are warm ones "
            "without shard indexes"
        )
    else:
        out.append("cold: no shard index known; the server may have kept what it sent before")
    if not all(census.exact for census in censuses.values()):
        out.append("predicted bytes go by the mean of a sample, since not all sizes are known")
    return tuple(out)


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Setting:
    """What all patterns are measured with: the image, over a store that counts, and its costs."""

    opened: Opened
    tally: Tally
    censuses: Mapping[int, Census]
    cold: list[Line] = field(default_factory=list)
    warm: list[Line] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)

    def look(self, reader: ArrayReader, line: Line | None, limit: float) -> None:
        """Measure line and machine as they are now."""
        self.machines.append(machine(reader, limit=limit / 4))
        self.cold.append(line or probe(reader, cold=True, limit=limit))
        # where nothing can be dropped, there is but one line
        two = line is None and drop(reader, ())
        self.warm.append(probe(reader, limit=limit) if two else self.cold[-1])

    @property
    def lines(self) -> tuple[Line, Line]:
        """The lines of first and of later reads, as they were most of the time."""
        return _middle(self.cold), _middle(self.warm)

    @property
    def machine(self) -> Machine:
        """The machine as it was most of the time."""
        found = self.machines
        return Machine(
            found[0].cpus,
            statistics.median(each.per_request for each in found),
            statistics.median(each.per_chunk for each in found),
            statistics.median(each.per_byte for each in found),
            statistics.median(each.speedup or each.cpus for each in found),
        )

    def traffic(self, level: int, box: Box, *, warm: bool) -> Traffic:
        return traffic_of(
            self.opened.spec(level),
            box,
            self.censuses[level].sizes,
            merges=merges(self.opened.store),
            cpus=self.machines[0].cpus,
            warm=warm,
        )


def _middle(found: Sequence[Line]) -> Line:
    return Line(
        found[0].name,
        statistics.median(each.latency for each in found),
        statistics.median(each.bandwidth for each in found),
        round(statistics.median(each.concurrency for each in found)),
    )


@dataclass(slots=True)
class _Run:
    """One pattern while it is measured."""

    setting: _Setting
    pattern: Pattern
    boxes: list[Box] = field(init=False)
    costs: list[tuple[Traffic, Traffic]] = field(init=False)
    times: list[tuple[float, float]] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)
    note: str = ""

    def __post_init__(self) -> None:
        """Shift boxes from the image into its array, and predict."""
        opened, level = self.setting.opened, self.pattern.level
        dims = opened.image.levels[level].grid.dims
        crops = opened.node.crops[level] if opened.node.crops else {}
        starts = [crops[name].start or 0 if name in crops else 0 for name in dims]
        self.boxes = [
            tuple(slice(s.start + n, s.stop + n) for s, n in zip(box, starts, strict=True))
            for box in self.pattern.boxes
        ]
        self.costs = [
            (
                self.setting.traffic(level, box, warm=False),
                self.setting.traffic(level, box, warm=True),
            )
            for box in self.boxes
        ]

    @property
    def name(self) -> str:
        mag = self.setting.opened.image.mags[self.pattern.level]
        return f"{self.pattern.name} {mag}" if self.pattern.name == "view" else self.pattern.name

    def expected(self, i: int) -> tuple[float, float]:
        """Return the predicted seconds of a box, cold and warm."""
        parts = zip(self.costs[i], self.setting.lines, strict=True)
        cold, warm = (_lines.seconds(t, each, self.setting.machine) for t, each in parts)
        return cold, warm

    def measure(self, turn: int, left: float) -> None:
        """Read a box twice, unless that takes too long or too much memory."""
        i = turn % len(self.boxes)
        box, wanted = self.boxes[i], self.costs[i][0].wanted
        needed = sum(self.times[-1]) if self.times else sum(self.expected(i))
        if wanted > MOST:
            self.note = f"left out: it brings {about(wanted)} of pixels at once"
        elif needed > left:
            self.note = f"left out: it needs about {brief(needed)}"
        else:
            reader = _reader(self.setting.opened, self.pattern.level)
            drop(reader, _keys(reader, box))
            tally = self.setting.tally
            tally.clear()
            cold = _clock(reader, box)
            self.counts.append((tally.requests, tally.nbytes))
            self.times.append((cold, _clock(reader, box)))

    def row(self, rounds: int, limit: float) -> Measured:
        """Sum up."""
        count = len(self.times)
        used = [i % len(self.boxes) for i in range(count)] or list(range(len(self.boxes)))
        expected = [self.expected(i) for i in used]
        cold, warm = (list(times) for times in zip(*self.times, strict=True)) if count else ([], [])
        note = self.note
        if count and count < rounds:
            note = f"measured {count} of {rounds} times within {limit:g} s"
        elif note.startswith("left out: it needs"):
            note += f" of the {limit:g} s that all may take; pass more seconds"
        return Measured(
            self.pattern.name,
            self.setting.opened.image.mags[self.pattern.level],
            statistics.fmean(n for n, _ in self.counts) if count else 0,
            statistics.fmean(n for _, n in self.counts) if count else 0,
            mean([self.costs[i][0] for i in used]),
            Timed.of(cold) if count else None,
            Timed.of(warm) if count else None,
            statistics.median(a for a, _ in expected),
            statistics.median(b for _, b in expected),
            count,
            note,
        )


def _clock(reader: ArrayReader, box: Box) -> float:
    start = time.perf_counter()
    reader.read(box)
    return time.perf_counter() - start


def _keys(reader: ArrayReader, box: Box) -> list[str]:
    """Return the keys of the objects that a box touches."""
    shape = reader.spec.layout.object_shape
    spans = [range(cut.start // n, -(-cut.stop // n)) for cut, n in zip(box, shape, strict=True)]
    return [reader.key(coords) for coords in itertools.product(*spans)]
