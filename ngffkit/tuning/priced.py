"""What a layout that somebody asks for would cost: the arithmetic of `tune`, for any layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.access.patterns import Box, Pattern, patterns_of
from ngffkit.chunks.encoding import Compression
from ngffkit.errors import NgffError, PlanError, Problem
from ngffkit.grid import Grid
from ngffkit.image import Level
from ngffkit.layout import Layout
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.options import WriteOptions
from ngffkit.planning.planner import compression_of
from ngffkit.pyramids import grids, ladder
from ngffkit.spec.encode import DEFAULT, WRITABLE, zarr_format
from ngffkit.tuning.candidates import Guess
from ngffkit.tuning.costs import Lying, Row, mean_gain, rows_of
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.sampling import MAX_BYTES
from ngffkit.tuning.survey import Mag

#: Bytes of pixels by which a codec is judged that encodes slowly; the answer must come at once.
_SLOW_BYTES = 2**19

#: Levels of Zstandard from which on it encodes slowly.
_SLOW_LEVEL = 6

#: Options that lay pixels out; the others of `ngffkit.rewrite` cost reading nothing.
LAYING = ("version", "chunks", "shards", "compression", "mags")


@dataclass(frozen=True, slots=True)
class Priced:
    """What a layout would cost.

    Parameters
    ----------
    rows : tuple of Row
        By pattern, in the order of `Tuning.rows`; then a view of each mag that is added.
    before : tuple of Row
        The same today; views of mags that are added are made of the next finer one.
    gain : float
        How many times faster reading gets: as `Tuning.gain`, mags that are added aside.
    objects : int
        How many there would be.
    nbytes : int
        About how many bytes they would have.
    layout : Layout
        Of mag 1.
    """

    rows: tuple[Row, ...]
    before: tuple[Row, ...]
    gain: float
    objects: int
    nbytes: int
    layout: Layout


def price(tuning: Tuning, options: Mapping[str, Any]) -> Priced:
    """Return what a layout would cost, without reading anything.

    Parameters
    ----------
    tuning : Tuning
        Of the image.
    options : Mapping
        As for `ngffkit.rewrite`: ``version``, ``chunks``, ``shards``, ``compression``, ``mags``.
        What is left out stays as `ngffkit.rewrite` would leave it; when all are, today's numbers
        come back. Others are passed over.

    Returns
    -------
    Priced
        Of the image alone, its labels aside. For the options in `Tuning.layout` the rows are those
        of `Tuning.best`.

    Raises
    ------
    PlanError
        When the layout can't be; its problems name the options.

    Notes
    -----
    Another codec than Zstandard is judged by the pixels that `ngffkit.tune` has looked at. Without
    a look (``probe=False``) its chunks are taken to be as large as those there are.

    Examples
    --------
    >>> import ngffkit as nk
    >>> tuning = nk.tune(nk.sample(), line="S3", probe=False)
    >>> priced = price(tuning, {"chunks": 32})
    >>> priced.layout.chunks, priced.rows[0].traffic.chunks > tuning.rows[0].traffic.chunks
    ((1, 32, 32, 32), True)
    >>> price(tuning, {}).rows == tuning.rows
    True
    """
    asked = {name: value for name, value in options.items() if name in LAYING}
    survey = tuning.survey
    version, codec = _version(tuning, asked), _codec(asked)
    layouts = [_layout(mag, mag.grid, version, codec, asked) for mag in survey.mags]
    fresh = _fresh(tuning, asked.get("mags"))
    guess = Guess(survey, tuning.look, tuning.reading.machine, _look(tuning, codec))
    usual = codec == tuning.look.codec or "compression" not in asked
    same = not asked or (usual and all(map(_same, survey.mags, layouts)))
    if same:
        rows, objects, nbytes = tuning.rows, survey.objects, survey.nbytes
    else:
        packed = bool(codec.codecs)
        levels = tuple(
            guess.lies(mag, mag.grid, layout, packed=packed)
            for mag, layout in zip(survey.mags, layouts, strict=True)
        )
        anew = packed or bool(survey.mags[0].layout.codecs)
        machine = guess.decodes(layouts[0], packed=anew)
        reading = replace(tuning.reading, machine=machine)
        rows = rows_of(levels, survey.image.mags, patterns_of(survey.image), reading)
        objects = guess.objects(levels)
        nbytes = sum(map(_nbytes, levels, survey.mags))
    gain = mean_gain(tuning.rows, rows, tuning.reading.line, tuning.use)
    before = tuning.rows
    for name, level in fresh:
        layout = _layout(survey.mags[-1], level.grid, version, codec, asked)
        lying = guess.lies(survey.mags[-1], level.grid, layout, packed=bool(codec.codecs))
        now, then = _views(tuning, guess, name, level.grid, lying)
        before, rows = (*before, now), (*rows, then)
        objects += lying.spec.layout.objects
        nbytes += _nbytes(lying, replace(survey.mags[-1], grid=level.grid))
    return Priced(rows, before, gain, objects, nbytes, layouts[0])


# --- what is asked for ----------------------------------------------------------------------------


def _version(tuning: Tuning, asked: Mapping[str, Any]) -> str:
    """Return the version that `ngffkit.rewrite` would write."""
    now = tuning.survey.image.version
    version = str(asked.get("version", now if now in WRITABLE else DEFAULT))
    WriteOptions(version=version)  # refuses others
    return version


def _codec(asked: Mapping[str, Any]) -> Compression:
    return compression_of(str(asked.get("compression", "zstd")))


def _look(tuning: Tuning, codec: Compression) -> Any:
    """Return the look by a codec; None for the one that it was taken by."""
    if codec == tuning.look.codec:
        return None
    slow = codec.name == "gzip" or codec.level >= _SLOW_LEVEL
    return tuning.look.by(codec, _SLOW_BYTES if slow else MAX_BYTES)


def _layout(
    mag: Mag, grid: Grid, version: str, codec: Compression, asked: Mapping[str, Any]
) -> Layout:
    """Return how a level is laid out: as asked for, otherwise as `mag` is."""
    number, dims, now = zarr_format(version), mag.grid.dims, mag.layout
    chunks = asked.get("chunks") or dict(zip(dims, now.chunks, strict=True))
    shards: Any = asked.get("shards", "auto")
    if "shards" not in asked and "chunks" not in asked and now.zarr_format == number:
        shards = now.shards and dict(zip(dims, now.shards, strict=True))
    if number == 2 and shards == "auto":
        shards = None
    options = WriteOptions(version=version, chunks=chunks, shards=shards)
    return layout_of(grid, now.dtype, number, options, codec.codecs)


def _same(mag: Mag, layout: Layout) -> bool:
    """Tell whether that is how a level lies today."""
    now = mag.layout
    return (now.chunks, now.shards, now.codecs) == (layout.chunks, layout.shards, layout.codecs)


def _fresh(tuning: Tuning, mags: Any) -> list[tuple[str, Level]]:
    """Return the mags that are asked for and are not there."""
    if not mags:
        return []
    image = tuning.survey.image
    try:
        rungs = ladder(image.base, mags=list(mags))
    except PlanError:
        raise
    except NgffError as err:
        raise PlanError([Problem("mags", "error", str(err))]) from err
    made = grids(image.base, rungs, stride=False)
    named = replace(image, levels=tuple(Level(str(i), grid) for i, grid in enumerate(made)))
    pairs = zip(named.mags, named.levels, strict=True)
    return [(name, level) for name, level in pairs if name not in image.mags]


# --- what comes of it -----------------------------------------------------------------------------


def _nbytes(level: Lying, mag: Mag) -> int:
    """Return about how many bytes the objects of a level have, as sparse as they are now."""
    layout = level.spec.layout
    pairs = list(zip(mag.grid.shape, layout.chunks, strict=True))
    chunks = math.prod(-(-n // c) for n, c in pairs)
    own = math.prod(n / (-(-n // c) * c) for n, c in pairs) if level.packed else 1.0
    one = tuple(slice(0, 1) for _ in layout.chunks)
    # the mean chunk, as it is counted for a read of one pixel, then whole
    chunk = level.sizes.object((0,) * len(one)) or 0
    if layout.shards is None:
        return round(chunks * chunk * own * mag.filled)
    inner = math.prod(s // c for s, c in zip(layout.shards, layout.chunks, strict=True))
    index = 16 * inner + 4
    return round(chunks * (chunk - index) / inner * own * mag.filled + layout.objects * index)


def _views(tuning: Tuning, guess: Guess, name: str, grid: Grid, lying: Lying) -> tuple[Row, Row]:
    """Return what a view of a mag that is added costs today, and would cost."""
    image = tuning.survey.image
    added = replace(image, levels=(*image.levels, Level(name, grid)))
    boxes = patterns_of(added)[-1].boxes
    finer = _finer(tuning.survey.mags, grid)
    scaled = tuple(_scaled(box, grid, finer.grid) for box in boxes)
    now = rows_of([finer.lying], [name], [Pattern("view", 0, scaled)], tuning.reading)[0]
    machine = guess.decodes(lying.spec.layout, packed=lying.packed)
    reading = replace(tuning.reading, machine=machine)
    return now, rows_of([lying], [name], [Pattern("view", 0, boxes)], reading)[0]


def _finer(mags: Sequence[Mag], grid: Grid) -> Mag:
    """Return the coarsest mag that is nowhere coarser than a grid."""
    fitting = [mag for mag in mags if all(f > 0.99 for f in grid.factors(mag.grid).values())]
    return fitting[-1] if fitting else mags[0]


def _scaled(box: Box, grid: Grid, finer: Grid) -> Box:
    """Return the same place in the pixels of a finer mag."""
    factors = grid.factors(finer)
    out = []
    for part, name, n in zip(box, grid.dims, finer.shape, strict=True):
        factor = factors.get(name, 1.0)
        start = min(n - 1, int(part.start * factor))
        out.append(slice(start, min(n, max(start + 1, math.ceil(part.stop * factor)))))
    return tuple(out)
