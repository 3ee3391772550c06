"""Layouts that might be better, and how they would lie in a store. Arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.access.lines import Machine
from ngffkit.access.traffic import Typical
from ngffkit.chunks.encoding import array_spec
from ngffkit.grid import Grid
from ngffkit.layout import Layout
from ngffkit.planning.layouts import layout_of
from ngffkit.planning.options import WriteOptions
from ngffkit.spec.encode import DEFAULT, WRITABLE, zarr_format
from ngffkit.tuning.costs import Lying
from ngffkit.tuning.sampling import Look
from ngffkit.tuning.survey import Mag, Survey

#: Sides of cubic chunks: WEBKNOSSOS's rule, "chunks of 32 to 128 voxels along each axis".
SIDES = (32, 64, 128)

#: Sides of square chunks of images without depth.
_SQUARES = (256, 512, 1024)

#: Time points in a chunk, and the sides of its cube, for those who mostly read along time.
_TIMES, _SMALL = 16, 32

#: The codec that is offered, as it is asked for.
ZSTD = "zstd:1"

#: A codec that takes so many times as long as Zstandard is slow.
SLOW = 1.3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One layout for all mags of an image.

    Parameters
    ----------
    chunks : Mapping of str to int
        Voxels per chunk, by axis.
    sharded : bool
        Whether chunks lie in shards, of the size that ngffkit chooses.
    packed : bool
        Whether chunks are compressed by Zstandard; else the codec stays as it is.
    """

    chunks: tuple[tuple[str, int], ...]
    sharded: bool
    packed: bool

    def options(self, survey: Survey) -> dict[str, Any]:
        """Return the keywords for `ngffkit.rewrite` that carry it out."""
        out: dict[str, Any] = {
            "chunks": dict(self.chunks),
            "shards": "auto" if self.sharded else None,
            "compression": ZSTD,
        }
        version = survey.image.version
        wanted = version if version in WRITABLE else DEFAULT
        if self.sharded and zarr_format(wanted) == 2:
            wanted = DEFAULT
        return out if wanted == version else out | {"version": wanted}


def chunks_of(mag: Mag) -> tuple[tuple[str, int], ...]:
    """Return the chunks that a level has, by axis."""
    return tuple(zip(mag.grid.dims, mag.layout.chunks, strict=True))


def chunkings(survey: Survey, *, times: bool) -> Iterator[tuple[tuple[str, int], ...]]:
    """Yield chunks worth a try: what there is, then cubes, or squares of flat images.

    Parameters
    ----------
    survey : Survey
        With the image.
    times : bool
        Whether reading along time is what counts most.
    """
    grid = survey.mags[0].grid
    seen = {chunks_of(survey.mags[0])}
    yield chunks_of(survey.mags[0])
    if not grid.space:
        return  # nobody says which axes are places
    flat = sum(1 for n in grid.space if grid.shape[grid.axis(n)] > 1) < 3
    sides: list[Mapping[str, int]] = [
        dict.fromkeys(grid.space, side) for side in (_SQUARES if flat else SIDES)
    ]
    if times and "t" in grid.dims:
        sides.append(dict.fromkeys(grid.space, _SMALL) | {"t": _TIMES})
    choices = [WriteOptions(shards=None), *(WriteOptions(chunks=c, shards=None) for c in sides)]
    for options in choices:
        layout = layout_of(grid, survey.mags[0].layout.dtype, 2, options, ())
        found = tuple(zip(grid.dims, layout.chunks, strict=True))
        if found not in seen:
            seen.add(found)
            yield found


@dataclass(frozen=True, slots=True)
class Guess:
    """How an image would lie in its store.

    Parameters
    ----------
    survey : Survey
        How it lies now.
    look : Look
        How well its pixels compress.
    machine : Machine
        What decodes what there is now.
    after : Look, optional
        The same pixels by another codec than Zstandard, where one is asked for.
    """

    survey: Survey
    look: Look
    machine: Machine
    after: Look | None = None

    def levels(self, candidate: Candidate) -> tuple[Lying, ...]:
        """Return how each level would lie."""
        return tuple(self._level(mag, mag.grid, candidate) for mag in self.survey.mags)

    def level(self, grid: Grid, candidate: Candidate) -> Lying:
        """Return how a level would lie that isn't there yet."""
        return self._level(self.survey.mags[-1], grid, candidate)

    def objects(self, levels: Sequence[Lying]) -> int:
        """Return how many objects there would be, as sparse as they are now."""
        pairs = zip(levels, self.survey.mags, strict=True)
        return round(sum(lv.spec.layout.objects * self._filled(mag) for lv, mag in pairs))

    def decoder(self, candidate: Candidate) -> Machine:
        """Return the machine as quick as it would be with the chunks and codec of a candidate.

        Notes
        -----
        A byte takes longer in small chunks, since each begins with tables of its own, and in
        short rows, which are copied one by one; the look tells by how much. Threads have to
        take turns for a while with each chunk, whatever its size: how long, follows from
        `speedup` by Amdahl's law (AFIPS 30, 1967), and with larger chunks it matters less.
        """
        mag = self.survey.mags[0]
        layout = self._layout(mag, mag.grid, candidate)
        return self.decodes(layout, packed=candidate.packed)

    def decodes(self, layout: Layout, *, packed: bool) -> Machine:
        """Return the machine as quick as it would be with mag 1 laid out so; see `decoder`."""
        mag, machine, chunks = self.survey.mags[0], self.machine, layout.chunks
        now, then = self.look.pace(mag.layout.chunks), (self.after or self.look).pace(chunks)
        if now is None or then is None:
            return machine
        if mag.layout.codecs:
            # what isn't packed anew keeps its codec, and that is as slow in other chunks
            codec = 1 / self.look.slower if packed else 1.0
            per_byte = machine.per_byte * codec * then / now
        else:
            per_byte = machine.per_byte + then * packed
        nbytes = math.prod(chunks) * mag.layout.dtype.itemsize
        turns = _turns(machine, mag.layout.chunk_nbytes)
        part = min(1.0, turns / (machine.per_chunk + per_byte * nbytes))
        speedup = 1 / (part + (1 - part) / machine.cpus)
        return replace(machine, per_byte=per_byte, speedup=speedup)

    def _filled(self, mag: Mag) -> float:
        return min(1.0, mag.census.objects / mag.touched(mag.layout.object_shape))

    def _level(self, mag: Mag, grid: Grid, candidate: Candidate) -> Lying:
        return self.lies(mag, grid, self._layout(mag, grid, candidate), packed=candidate.packed)

    def lies(self, mag: Mag, grid: Grid, layout: Layout, *, packed: bool) -> Lying:
        """Return how a level would lie in a layout, compressing as `mag` does."""
        chunk = max(1.0, layout.chunk_nbytes * self._density(mag, layout, packed=packed))
        sizes = Typical(layout, chunk, mag.filled)
        tight = bool(layout.codecs) and (packed or bool(mag.layout.codecs))
        return Lying(array_spec(layout, grid.dims), sizes, (0,) * len(grid.dims), packed=tight)

    def _layout(self, mag: Mag, grid: Grid, candidate: Candidate) -> Layout:
        version = candidate.options(self.survey).get("version", self.survey.image.version)
        options = WriteOptions(
            chunks=dict(candidate.chunks), shards="auto" if candidate.sharded else None
        )
        number = zarr_format(version) if candidate.sharded else mag.layout.zarr_format
        return layout_of(grid, mag.layout.dtype, number, options, ("zstd",))

    def _density(self, mag: Mag, layout: Layout, *, packed: bool) -> float:
        """Return encoded bytes per byte of the image: as they are, times what the look says."""
        if not layout.codecs:
            return 1.0
        after = (self.after or self.look).density(layout.chunks)
        if after is None:
            return mag.density
        if not mag.layout.codecs:
            return min(1.0, after) if packed else 1.0
        before = self.look.density(mag.layout.chunks)
        return mag.density * after / before if before else mag.density


def _turns(machine: Machine, nbytes: int) -> float:
    """Return the seconds of a chunk of so many bytes during which other threads wait."""
    if machine.cpus == 1:
        return 0.0
    speedup = machine.speedup or machine.cpus
    serial = (1 / speedup - 1 / machine.cpus) / (1 - 1 / machine.cpus)
    return max(0.0, serial) * (machine.per_chunk + machine.per_byte * nbytes)
