"""Absent chunks: told apart by evidence into empty by design and lost.

Zarr lets a writer leave out chunks that hold nothing but the fill value, so absence alone proves
nothing. What proves loss is a coarser mag: it was made from these very pixels, and where it shows
something, there was something. So sparse data are read without a word, and a chunk that was lost
is an error.

What this can't tell: the coarsest mag has no witness; nor has a chunk that spans less than a few
pixels of the coarser mag, since those may show its neighbours; nor what vanished on all mags.
Arrays that we write say that no object was left out, so there absence alone proves loss.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.encoding import COMPLETE
from ngffkit.chunks.reader import ArrayReader
from ngffkit.discover.documents import Metadata
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.grid import Grid
from ngffkit.stores.base import Store
from ngffkit.stores.pinning import is_removed

Missing = Literal["error", "warn", "fill"]

#: Where an object lies in the grid of objects of its array.
Coords = tuple[int, ...]

Box = tuple[slice, ...]

#: Pixels of the coarser mag at the border of a chunk that its neighbours may have bled into: the
#: widest filters in use (Gaussian cut off at four sigma) reach 1.7 pixels far.
_MARGIN = 2

#: Coarse pixels that are looked at in one go.
_MAX_PIXELS = 2**24

#: Objects that are remembered, so that they are looked up once.
_MAX_KEPT = 10**6

#: How far a mean of equal floats may be from them, as a part of their value.
_ROUNDING = 1e-5


def check_policy(missing: str) -> Missing:
    """Return `missing` when it is a policy."""
    if missing not in ("error", "warn", "fill"):
        raise NgffError(f"missing={missing!r}; choose 'error', 'warn' or 'fill'")
    return missing  # type: ignore[return-value]


@dataclass(slots=True)
class Witness:
    """A coarser mag, looked up when it is first asked.

    Parameters
    ----------
    store : Store
        Where it is.
    path : str
        Path of the array.
    grid : Grid
        Its grid.
    spec : ArraySpec, optional
        What its metadata say, when that is known already.
    zarr_format : int
        2 or 3.
    """

    store: Store
    path: str
    grid: Grid
    spec: ArraySpec | None
    zarr_format: int
    _absent: set[Coords] = field(default_factory=set, repr=False)
    _empty: set[Coords] = field(default_factory=set, repr=False)
    _reader: ArrayReader | None = field(default=None, repr=False)

    def reader(self) -> ArrayReader | None:
        """Return its reader, which takes absent objects as fill; None when it is not there."""
        if self._reader is not None:
            return self._reader
        if self.spec is None:
            found = Metadata(self.store, self.zarr_format).arrays([self.path])[0]
            if found is None:
                return None
            self.spec = found.spec()
        self._reader = ArrayReader(
            self.store, self.path, self.spec, self._note, denied_is_absent=True
        )
        return self._reader

    def _note(self, _: ArrayReader, coords: list[Coords]) -> None:
        self._absent.update(coords)

    def knows(self, coords: Coords) -> bool:
        """Tell whether it has an object, so that what it doesn't show was not there."""
        return coords not in self._absent

    def shows(self, coords: Coords, boxes: Mapping[Coords, Box], fill: Any) -> set[Coords]:
        """Tell in which boxes one of its objects shows something.

        Parameters
        ----------
        coords : tuple of int
            The object.
        boxes : Mapping of Coords to Box
            The boxes that overlap it, in its pixels, by whom they belong to.
        fill : object
            What the finer array is filled with.

        Returns
        -------
        set of Coords
            The owners of boxes in which something is neither that nor its own fill.
        """
        if coords in self._empty:
            return set()
        reader = self.reader()
        assert reader is not None
        layout = reader.spec.layout
        region = tuple(
            slice(c * n, min((c + 1) * n, size))
            for c, n, size in zip(coords, layout.object_shape, layout.shape, strict=True)
        )
        if layout.shards is not None:
            region = _overlap(region, _hull(boxes.values()))
        seen, found = False, set[Coords]()
        for part in _parts(region):
            evidence = _evidence(reader.read(part), fill, reader.spec.fill)
            if not evidence.any():
                continue
            seen = True
            found |= {
                owner
                for owner, box in boxes.items()
                if owner not in found and evidence[_within(_overlap(box, part), part)].any()
            }
        if not seen and layout.shards is None and len(self._empty) < _MAX_KEPT:
            self._empty.add(coords)
        return found


@dataclass(slots=True)
class AbsentPolicy:
    """Decides about objects that a store does not have, or does not show.

    Parameters
    ----------
    missing : {"error", "warn"}
        What to do about objects that should be there.
    grid : Grid
        Of the array.
    witnesses : tuple of Witness
        The coarser mags, the next one first. Those after it are asked only where it has no object
        itself.
    """

    missing: Missing
    grid: Grid
    witnesses: tuple[Witness, ...] = ()
    _cleared: set[Coords] = field(default_factory=set, repr=False)
    _warned: bool = field(default=False, repr=False)
    _complete: bool | None = field(default=None, repr=False)

    def __call__(self, reader: ArrayReader, coords: list[Coords]) -> None:
        """Look at the objects at these grid coordinates, none of which could be had.

        Raises
        ------
        ChunkError
            When one was lost, and the policy is "error".
        """
        self._warn_of_undefined(reader, coords[0])
        suspects = {c: "the store denies access to it" for c in coords if c in reader.denied}
        unknown = [c for c in coords if c not in suspects and c not in self._cleared]
        suspects |= self._suspects(reader, unknown)
        if not suspects:
            return
        first = min(suspects)
        if self.missing == "error":
            raise reader.error(
                first, f"{suspects[first]}; pass missing='warn' or 'fill' to read it as fill"
            )
        others = f" (and {len(suspects) - 1} more)" if len(suspects) > 1 else ""
        warnings.warn(
            f"{reader.url(first)}{others} was read as fill: {suspects[first]}",
            NgffWarning,
            stacklevel=2,
        )

    def _warn_of_undefined(self, reader: ArrayReader, first: Coords) -> None:
        if reader.spec.fill is not None or self._warned:
            return
        self._warned = True
        warnings.warn(
            f"{reader.key(first)} is absent and {reader.path or 'the array'} leaves its "
            "fill value undefined; it was read as 0",
            NgffWarning,
            stacklevel=3,
        )

    def _is_complete(self, reader: ArrayReader) -> bool:
        """Tell whether the writer says that it left out no object."""
        if self._complete is None:
            attrs = reader.spec.attrs
            if not attrs and reader.spec.layout.zarr_format == 2:
                # a document of its own, which nobody needed so far
                with contextlib.suppress(NgffError):
                    attrs = Metadata(reader.store, 2).v2_attrs([reader.path])[0]
            self._complete = attrs.get(COMPLETE) is True
            if is_removed(reader.store, reader.path, reader.spec.layout.zarr_format):
                self._complete = None  # nor are its attributes to be trusted
        return self._complete is True

    def _suspects(self, reader: ArrayReader, chunks: list[Coords]) -> dict[Coords, str]:
        """Return which of these objects were lost, or may have been, with the reason."""
        if chunks and self._is_complete(reader):
            return dict.fromkeys(chunks, "absent, but its writer left out none, so it was lost")
        if chunks and is_removed(reader.store, reader.path, reader.spec.layout.zarr_format):
            return dict.fromkeys(chunks, "absent, like its array, which was removed meanwhile")
        out: dict[Coords, str] = {}
        pending = chunks
        for witness in self.witnesses:
            if not pending:
                break
            try:
                if witness.reader() is None:
                    continue
                inquiry = _Inquiry(self.grid, reader, witness, pending)
                out |= inquiry.ask(stop=self.missing == "error")
            except NgffError as err:
                why = f"absent, and what could tell whether it was lost can't be read ({err})"
                return out | dict.fromkeys(pending, why)
            if out and self.missing == "error":
                return out
            pending = inquiry.open_cases()
        if len(self._cleared) < _MAX_KEPT:
            self._cleared.update(c for c in chunks if c not in out)
        return out


class _Inquiry:
    """Asks one witness about absent objects; each object of the witness is read once."""

    def __init__(
        self, grid: Grid, reader: ArrayReader, witness: Witness, chunks: Iterable[Coords]
    ) -> None:
        coarser = witness.reader()
        assert coarser is not None
        coarser.threads = reader.threads
        self.witness = witness
        self.fill = 0 if reader.spec.fill is None else reader.spec.fill
        shape = reader.spec.layout.object_shape
        # a writer that pads with zeros makes the last pixels differ from any other fill
        outer = 0 if self.fill == 0 else _MARGIN
        found = {c: coarse_box(grid, shape, c, witness.grid, outer) for c in chunks}
        self.boxes = {c: box for c, box in found.items() if box is not None}
        self.objects: dict[Coords, list[Coords]] = {}
        for chunk, box in self.boxes.items():
            for coords in _objects(box, coarser.spec.layout.object_shape):
                self.objects.setdefault(coords, []).append(chunk)
        self._workers = coarser.store.concurrency

    def ask(self, *, stop: bool) -> dict[Coords, str]:
        """Return the objects that were lost, with the reason; the first ones when `stop`."""
        lost: set[Coords] = set()
        for batch in itertools.batched(self.objects.items(), self._workers):
            if len(batch) == 1:
                lost |= self._look(batch[0])
            else:
                with ThreadPoolExecutor(len(batch)) as pool:
                    lost = lost.union(*pool.map(self._look, batch))
            if lost and stop:
                break
        why = f"absent, but the coarser mag {self.witness.path} has data there, so it was lost"
        return dict.fromkeys(lost, why)

    def _look(self, item: tuple[Coords, list[Coords]]) -> set[Coords]:
        coords, chunks = item
        return self.witness.shows(coords, {c: self.boxes[c] for c in chunks}, self.fill)

    def open_cases(self) -> list[Coords]:
        """Return what this witness could not tell of, for want of an object of its own."""
        gone = (c for c in self.objects if not self.witness.knows(c))
        return sorted({chunk for coords in gone for chunk in self.objects[coords]})


def coarse_box(
    grid: Grid, object_shape: Sequence[int], chunk: Sequence[int], coarse: Grid, outer: int
) -> Box | None:
    """Return the pixels of a coarser grid well inside one object of the finer array.

    Parameters
    ----------
    grid, coarse : Grid
        Of the finer and the coarser array.
    object_shape : sequence of int
        Pixels of an object of the finer array.
    chunk : sequence of int
        Which object.
    outer : int
        Pixels to stay away from the ends of the array, where there are no neighbours.

    Returns
    -------
    tuple of slice or None
        None when the object is too small to have an inside there.
    """
    if coarse.dims != grid.dims:
        return None
    out = []
    for i in range(len(grid.shape)):
        low = chunk[i] * object_shape[i]
        high = min(low + object_shape[i], grid.shape[i])
        ratio = grid.scale[i] / coarse.scale[i]
        shift = (grid.origin[i] - coarse.origin[i]) / coarse.scale[i]
        first, last = low * ratio + shift, (high - 1) * ratio + shift
        margin = 0 if math.isclose(ratio, 1.0) else _MARGIN
        before = margin if low else min(margin, outer)
        after = margin if high < grid.shape[i] else min(margin, outer)
        start = max(0, math.ceil(first - 1e-6) + before)
        stop = min(coarse.shape[i], math.floor(last + 1e-6) + 1 - after)
        if start >= stop:
            return None
        out.append(slice(start, stop))
    return tuple(out)


def _evidence(pixels: npt.NDArray[Any], *fills: Any) -> npt.NDArray[np.bool_]:
    """Return where pixels are none of the fill values."""
    out = np.ones(pixels.shape, np.bool_)
    for fill in fills:
        value = 0 if fill is None else fill
        if value != value:  # noqa: PLR0124 - NaN
            out &= ~np.isnan(pixels)
        elif pixels.dtype.kind in "fc":
            with np.errstate(invalid="ignore"):
                near = np.abs(pixels - value) <= _ROUNDING * abs(value)
            out &= (pixels != value) & ~near
        else:
            out &= pixels != value
    return out


# --- boxes --------------------------------------------------------------------------------------


def _objects(box: Box, shape: Sequence[int]) -> itertools.product[Coords]:
    """Iterate over the objects of this shape that a box overlaps."""
    return itertools.product(
        *(range(s.start // n, (s.stop - 1) // n + 1) for s, n in zip(box, shape, strict=True))
    )


def _overlap(one: Box, other: Box) -> Box:
    return tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )


def _hull(boxes: Iterable[Box]) -> Box:
    return tuple(
        slice(min(s.start for s in axis), max(s.stop for s in axis))
        for axis in zip(*boxes, strict=True)
    )


def _within(box: Box, outer: Box) -> Box:
    """Return a box as counted from the start of another; empty where they don't overlap."""
    return tuple(
        slice(s.start - o.start, max(s.start, s.stop) - o.start)
        for s, o in zip(box, outer, strict=True)
    )


def _parts(box: Box) -> list[Box]:
    """Cut a box along its longest axis, so that no part takes much memory."""
    pixels = math.prod(s.stop - s.start for s in box)
    if pixels <= _MAX_PIXELS:
        return [box]
    i = max(range(len(box)), key=lambda j: box[j].stop - box[j].start)
    middle = (box[i].start + box[i].stop) // 2
    halves = (slice(box[i].start, middle), slice(middle, box[i].stop))
    return [part for half in halves for part in _parts((*box[:i], half, *box[i + 1 :]))]
