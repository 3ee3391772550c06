"""What would make an image quicker to read, by how much, and what that takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ngffkit.access.patterns import Pattern
from ngffkit.planning.options import about
from ngffkit.spec.encode import DEFAULT
from ngffkit.tuning import zooming
from ngffkit.tuning.candidates import SIDES, SLOW, Candidate, Guess, chunkings, chunks_of
from ngffkit.tuning.costs import WEIGHTS, Lying, Reading, Row, Use, gains, mean_gain, rows_of
from ngffkit.tuning.pyramid import findings_of
from ngffkit.tuning.spelling import spelled

#: A smaller gain is within what is predicted wrongly: there is nothing to do.
WORTH = 1.2

#: Chunks within the rule suit most uses; others must be so much better to be worth a rewrite,
#: unless somebody says what they do.
_WORTH_WITHIN = 2.0

#: More objects than this are slow to copy, to upload, to delete and to back up.
MANY = 500

#: Shards are worth a rewrite for the sake of files when there are so many times fewer.
_FEWER = 8

#: A chunk is decoded whole by each thread; larger ones are refused by browsers, too.
_LARGE_CHUNK = 64 * 2**20

#: A chunk of fewer bytes of pixels costs more by being asked for than by being read.
_TINY = 2**14

#: A shard is written, uploaded and sent again as a whole; decoded bytes.
_LARGE_SHARD = 2**32

#: Making a mag costs about as much again as reading its pixels back and reducing them.
_REDUCING = 1.3

CHUNK_RULE = "chunks of 32 to 128 voxels along each axis (WEBKNOSSOS, neuroglancer)"
SHARD_RULE = "shards, so that there are few files (WEBKNOSSOS)"
MAG_RULE = "downsample in 3-D, until a mag is small (WEBKNOSSOS)"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do.

    Parameters
    ----------
    key : str
        ``chunks``, ``shards``, ``compression``, ``mags`` or ``metadata``.
    title : str
        What to do.
    reason : str
        Why, with the numbers of this image.
    rule : str
        The rule that it follows.
    gain : float
        How many times faster reading gets, as the weighted geometric mean of all patterns; for
        mags, that of the views that are missing; for metadata, of opening.
    gains : Mapping of str to float
        The same for each pattern; below 1 it gets slower.
    objects : tuple of (int, int)
        How many there are, and would be.
    nbytes : int
        Bytes of pixels that are read and written to do it.
    seconds : float or None
        About how long that takes on this machine; None when nothing was measured.
    options : Mapping
        The keywords for `ngffkit.rewrite`, or for `ngffkit.downsample` when they are mags alone.
    python, command : str
        The line of Python, and of the command line, that does it.
    """

    key: str
    title: str
    reason: str
    rule: str
    gain: float
    gains: Mapping[str, float]
    objects: tuple[int, int]
    nbytes: int
    seconds: float | None
    options: Mapping[str, Any]
    python: str = ""
    command: str = ""

    @property
    def slower(self) -> dict[str, float]:
        """The patterns that get slower by more than a tenth, with their gain."""
        return {name: gain for name, gain in self.gains.items() if gain < 0.9}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "key": self.key,
            "title": self.title,
            "reason": self.reason,
            "rule": self.rule,
            "gain": self.gain,
            "gains": dict(self.gains),
            "objects": list(self.objects),
            "nbytes": self.nbytes,
            "seconds": self.seconds,
            "options": dict(self.options),
            "python": self.python,
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a layout would give.

    Parameters
    ----------
    candidate : Candidate
        The layout.
    rows : tuple of Row
        What each pattern would cost.
    gain : float
        Weighted geometric mean.
    objects : int
        How many there would be.
    """

    candidate: Candidate
    rows: tuple[Row, ...]
    gain: float
    objects: int


@dataclass(frozen=True, slots=True)
class Adviser:
    """Compares layouts of one image.

    Parameters
    ----------
    guess : Guess
        How it lies, and would lie.
    patterns : tuple of Pattern
        What is read.
    reading : Reading
        Who reads, over which line.
    rows : tuple of Row
        What it costs now.
    use : Use
        How much each pattern counts.
    """

    guess: Guess
    patterns: tuple[Pattern, ...]
    reading: Reading
    rows: tuple[Row, ...]
    use: Use
    _tried: dict[Candidate, Outcome] = field(default_factory=dict, repr=False)

    @property
    def now(self) -> Candidate:
        """The layout there is."""
        mag = self.guess.survey.mags[0]
        return Candidate(chunks_of(mag), mag.layout.shards is not None, packed=False)

    def outcome(self, candidate: Candidate) -> Outcome:
        """Return what a layout would give."""
        if candidate not in self._tried:
            levels = self.guess.levels(candidate)
            rows = self.rows_of(levels, candidate)
            gain = mean_gain(self.rows, rows, self.reading.line, self.use)
            count = self.guess.objects(levels)
            self._tried[candidate] = Outcome(candidate, rows, gain, count)
        return self._tried[candidate]

    def rows_of(self, levels: Sequence[Lying], candidate: Candidate) -> tuple[Row, ...]:
        """Return what each pattern costs if the levels lie so."""
        reading = replace(self.reading, machine=self.guess.decoder(candidate))
        return rows_of(levels, self.guess.survey.image.mags, self.patterns, reading)

    @property
    def chunkings(self) -> tuple[tuple[tuple[str, int], ...], ...]:
        """The chunks that are compared, those that there are first."""
        weights = {row.pattern: self.use.of(row, self.rows) for row in self.rows}
        times = weights.get("time series", 0) >= max(weights.values(), default=1)
        return tuple(chunkings(self.guess.survey, times=times))

    @property
    def worth(self) -> float:
        """The gain from which other chunks are advised."""
        mag = self.guess.survey.mags[0]
        within = self.use.weights is WEIGHTS and all(
            SIDES[0] <= c <= SIDES[-1] or c == n if name in mag.grid.space else c == 1
            for (name, c), n in zip(chunks_of(mag), mag.grid.shape, strict=True)
        )
        return _WORTH_WITHIN if within and mag.layout.chunk_nbytes > _TINY else WORTH

    def best(self) -> Outcome:
        """Return the best layout of all, with few files where there are many.

        Of layouts that are nearly as good, the one that changes less comes first.
        """
        now, found = self.now, []
        # a chunk that doesn't fit into memory is no choice, however quick
        for chunks in self.chunkings[1 if _too_large(self) else 0 :]:
            both = [
                self.outcome(Candidate(chunks, sharded, packed=True)) for sharded in (False, True)
            ]
            must = now.sharded or both[0].objects > MANY
            found += [both[1]] if must else both
        kept = found[0]
        # what goes into shards is written anew anyway, and other chunks then cost nothing more
        anew = kept.candidate.sharded and not now.sharded
        better = [
            outcome
            for outcome in found
            if outcome.gain
            > kept.gain * (1.0 if anew and outcome.candidate.sharded else self.worth)
        ]
        return max(better, key=lambda outcome: outcome.gain, default=kept)

    def advice(self) -> tuple[Advice, ...]:
        """Return everything worth doing, what gains most first."""
        made = [*self._chunks(), *self._shards(), *self._compression(), *self._metadata()]
        made += self._mags()
        # opening is done once: what it gains is no match for what reading gains
        return tuple(sorted(made, key=lambda item: (item.key == "metadata", -item.gain, item.key)))

    # --- one thing at a time --------------------------------------------------------------------

    def _chunks(self) -> Iterator[Advice]:
        now = self.now
        others = [self.outcome(replace(now, chunks=c)) for c in self.chunkings[1:]]
        top = max(others, key=lambda outcome: outcome.gain, default=None)
        if top is None:
            return
        if top.gain < self.worth and not _too_large(self):
            # not worth a rewrite; but where chunks are put into shards anyway, so can others be
            best = self.best().candidate
            if not best.sharded or now.sharded or best.chunks == now.chunks:
                return
            top = self.outcome(replace(now, chunks=best.chunks))
        layout = self.guess.survey.mags[0].layout
        size = "×".join(map(str, (n for _, n in top.candidate.chunks)))
        reason = f"{_why(self)} ({about(layout.chunk_nbytes)} decoded)"
        yield self._made("chunks", f"store chunks of {size}", (reason, CHUNK_RULE), top)

    def _shards(self) -> Iterator[Advice]:
        survey, now = self.guess.survey, self.now
        layout = survey.mags[0].layout
        if layout.shards is None:
            top = self.outcome(replace(now, sharded=True))
            fewer = survey.objects > MANY and top.objects * _FEWER <= survey.objects
            if top.gain >= WORTH or (fewer and self.best().candidate.sharded):
                reason = f"{survey.objects:,} files of {about(survey.mags[0].census.median)}"
                reason += f" would be {top.objects:,}"
                yield self._made("shards", "put chunks into shards", (reason, SHARD_RULE), top)
        elif math.prod(layout.shards) * layout.dtype.itemsize > _LARGE_SHARD:
            top = self.outcome(now)
            size = math.prod(layout.shards) * layout.dtype.itemsize
            reason = f"a shard holds {about(size)} of pixels, and is written and sent as a whole"
            yield self._made("shards", "make shards smaller", (reason, SHARD_RULE), top)

    def _compression(self) -> Iterator[Advice]:
        layout, look = self.guess.survey.mags[0].layout, self.guess.look
        top = self.outcome(replace(self.now, packed=True))
        if top.gain < WORTH or layout.codecs == ("zstd",):
            return
        if not layout.codecs:
            density = look.density(layout.chunks) or 1.0
            reason = f"pixels are not compressed; Zstandard leaves {density:.0%} of them"
        elif look.slower >= SLOW:
            name = " in ".join(part for part in (look.inside, layout.codecs[-1]) if part)
            reason = f"{name} takes {look.slower:.1f} times as long to decode as Zstandard"
        else:
            return
        rule = "a codec that decodes as fast as data come: Zstandard, level 1"
        yield self._made("compression", "compress by Zstandard", (reason, rule), top)

    def _metadata(self) -> Iterator[Advice]:
        survey = self.guess.survey
        if survey.consolidated or not survey.remote:
            return
        latency = self.reading.chosen.latency
        # the root, then the arrays, against the root alone
        reason = (
            f"opening asks for {1 + len(survey.mags)} documents, one after the root's; "
            f"consolidated ones come at once, {latency * 1e3:.0f} ms earlier"
        )
        options = Candidate(chunks_of(survey.mags[0]), sharded=self.now.sharded, packed=True)
        asked = options.options(survey) | {"version": DEFAULT}
        if survey.zarr_format == 3 and "version" not in options.options(survey):
            del asked["version"]
        rule = "one document for all metadata, where each request waits"
        top = Outcome(options, self.rows, 2.0, survey.objects)
        made = self._made("metadata", "consolidate metadata", (reason, rule), top)
        yield self._spelled(replace(made, options=asked, gains={"opening": 2.0}))

    def _mags(self) -> Iterator[Advice]:
        survey = self.guess.survey
        for finding in findings_of(survey.image):
            zoom = zooming.zoom(self.guess, finding, self.now, self.reading)
            if zoom is None or zoom.gain < WORTH:
                continue
            missing = ", ".join(zoom.gains)
            yield self._spelled(
                Advice(
                    "mags",
                    f"add {missing}",
                    finding.reason,
                    MAG_RULE,
                    zoom.gain,
                    zoom.gains,
                    (survey.objects, survey.objects + zoom.objects),
                    zoom.nbytes,
                    self._lasting(zoom.nbytes),
                    {"mags": list(finding.mags)},
                )
            )
            return

    # --- how it is said -------------------------------------------------------------------------

    def _made(self, key: str, title: str, why: tuple[str, str], top: Outcome) -> Advice:
        survey = self.guess.survey
        return self._spelled(
            Advice(
                key,
                title,
                *why,
                top.gain,
                gains(self.rows, top.rows, self.reading.line),
                (survey.objects, top.objects),
                survey.pixels,
                self._lasting(survey.pixels),
                top.candidate.options(survey),
            )
        )

    def _lasting(self, nbytes: int) -> float | None:
        encoding, machine = self.guess.look.encoding, self.guess.machine
        if not encoding:
            return None
        return nbytes * (encoding + machine.per_byte) * _REDUCING / machine.cpus

    def _spelled(self, advice: Advice) -> Advice:
        url = self.guess.survey.url
        in_place = self.guess.survey.local
        python, command = spelled(url, advice.options, in_place=in_place)
        return replace(advice, python=python, command=command)


def _too_large(adviser: Adviser) -> bool:
    return adviser.guess.survey.mags[0].layout.chunk_nbytes > _LARGE_CHUNK


def _why(adviser: Adviser) -> str:
    """Say what is odd about the chunks."""
    mag = adviser.guess.survey.mags[0]
    grid, chunk = mag.grid, dict(chunks_of(mag))
    named = "×".join(map(str, chunk.values()))
    together = [n for n, c in chunk.items() if n not in grid.space and c > 1]
    if together:
        what = {"t": "time points", "c": "channels"}
        words = ", ".join(f"{chunk[n]} {what.get(n, f'along {n}')}" for n in together)
        return f"chunks of {named} hold {words}, which come together even when one is wanted"
    sides = [c for n, c in chunk.items() if n in grid.space and grid.shape[grid.axis(n)] > c]
    space = [c for n, c in chunk.items() if n in grid.space]
    if math.prod(space) > 128**3:
        return f"chunks of {named} are large: little of what is decoded is wanted"
    if sides and min(space) * 8 <= max(space):
        return f"chunks of {named} are flat: other planes touch many of them"
    if math.prod(space) < 32**3:
        return f"chunks of {named} are small: each is a request, and there are many"
    return f"chunks of {named} don't suit what is read"
