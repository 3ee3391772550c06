"""Absent chunks: told apart by evidence into empty by design and lost.

Zarr lets a writer leave out chunks that hold nothing but the fill value, so absence alone proves
nothing. What proves loss is the next coarser mag: it was made from these very pixels, and where it
shows something, there was something.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ngffkit.arrays import ArraySpec
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.grid import Grid
from ngffkit.reader import ArrayReader
from ngffkit.store import Store

Missing = Literal["error", "warn", "fill"]

#: Pixels of the coarser mag at the border of a chunk that its neighbours may have bled into.
_MARGIN = 2

#: Coarse pixels that are looked at in one go.
_MAX_PIXELS = 2**24

#: Objects that are remembered as empty by design, so that they are looked up once.
_MAX_CLEARED = 10**6


def check_policy(missing: str) -> Missing:
    """Return `missing` when it is a policy."""
    if missing not in ("error", "warn", "fill"):
        raise NgffError(f"missing={missing!r}; choose 'error', 'warn' or 'fill'")
    return missing  # type: ignore[return-value]


@dataclass(slots=True)
class Witness:
    """The next coarser mag, looked up when it is first asked.

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

    def reader(self) -> ArrayReader | None:
        """Return its reader, which takes absent objects as fill; None when it is not there."""
        if self.spec is None:
            from ngffkit.walk import Metadata

            meta = Metadata(self.store)
            meta.format = self.zarr_format
            found = meta.arrays([self.path])[0]
            if found is None:
                return None
            self.spec = found.spec()
        return ArrayReader(self.store, self.path, self.spec, denied_is_absent=True)


@dataclass(slots=True)
class AbsentPolicy:
    """Decides about objects that a store does not have.

    Parameters
    ----------
    missing : {"error", "warn"}
        What to do about objects that should be there.
    grid : Grid
        Of the array.
    witness : Witness, optional
        The next coarser mag.
    """

    missing: Missing
    grid: Grid
    witness: Witness | None = None
    _cleared: set[tuple[int, ...]] = field(default_factory=set, repr=False)
    _warned: bool = field(default=False, repr=False)

    def __call__(self, reader: ArrayReader, coords: list[tuple[int, ...]]) -> None:
        """Look at the objects at these grid coordinates, none of which exists."""
        if reader.spec.fill is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"{reader.key(coords[0])} is absent and {reader.path or 'the array'} leaves its "
                "fill value undefined; it was read as 0",
                NgffWarning,
                stacklevel=2,
            )
        unknown = [chunk for chunk in coords if chunk not in self._cleared]
        coarser = self.witness.reader() if self.witness is not None and unknown else None
        if coarser is None:
            return
        for chunk in unknown:
            if not self._witnessed(reader, coarser, chunk):
                if len(self._cleared) < _MAX_CLEARED:
                    self._cleared.add(chunk)
                continue
            error = reader.error(
                chunk,
                f"absent, but the next coarser mag ({coarser.path}) has data there, so it was "
                "lost; pass missing='fill' to read it as fill",
            )
            if self.missing == "error":
                raise error
            warnings.warn(str(error), NgffWarning, stacklevel=2)

    def _witnessed(
        self, reader: ArrayReader, coarser: ArrayReader, chunk: tuple[int, ...]
    ) -> bool:
        assert self.witness is not None
        box = coarse_box(self.grid, reader.spec.layout.object_shape, chunk, self.witness.grid)
        if box is None:
            return False
        fill = 0 if reader.spec.fill is None else reader.spec.fill
        return any(bool(np.any(_differs(coarser.read(part), fill))) for part in _parts(box))


def _differs(pixels: Any, fill: Any) -> Any:
    return ~np.isnan(pixels) if fill != fill else pixels != fill  # noqa: PLR0124 - NaN


def coarse_box(
    grid: Grid, object_shape: Sequence[int], chunk: Sequence[int], coarse: Grid
) -> tuple[slice, ...] | None:
    """Return the pixels of a coarser grid well inside one object of the finer array.

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
        start = max(0, math.ceil(first - 1e-6) + margin)
        stop = min(coarse.shape[i], math.floor(last + 1e-6) + 1 - margin)
        if start >= stop:
            return None
        out.append(slice(start, stop))
    return tuple(out)


def _parts(box: tuple[slice, ...]) -> list[tuple[slice, ...]]:
    """Cut a box along its first long axis, so that no part takes much memory."""
    pixels = math.prod(s.stop - s.start for s in box)
    if pixels <= _MAX_PIXELS:
        return [box]
    i = max(range(len(box)), key=lambda j: box[j].stop - box[j].start)
    middle = (box[i].start + box[i].stop) // 2
    halves = (slice(box[i].start, middle), slice(middle, box[i].stop))
    return [part for half in halves for part in _parts((*box[:i], half, *box[i + 1 :]))]
