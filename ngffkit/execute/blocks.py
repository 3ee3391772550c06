"""What the next mag needs of each chunk, kept while the chunk is at hand.

A coarser mag is made from the level before, which lies encoded in the target. Decoding it again
costs up to a quarter of a conversion. So on one machine each chunk is reduced when it is written,
and the result is kept in a scratch file without a name, an eighth of the pixels. What is not there
(after a kill, on a full disk) is read back from the level before; the pixels are the same.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.execute.cutting import size_of
from ngffkit.execute.job import Job
from ngffkit.reduce import METHODS, reduce
from ngffkit.sources.contract import Box

#: Of the space that is free, a scratch file may take this part.
_SHARE = 4


class Blocks:
    """Reduced chunks of one level, for the level that is made from it.

    Parameters
    ----------
    job : Job
        With both levels.
    child : int
        The coarser level.
    folder : str
        Where the scratch file lies.

    Notes
    -----
    Used by many threads at once: each chunk has its own place.
    """

    def __init__(self, job: Job, child: int, folder: str) -> None:
        entry = job.levels[child]
        assert entry.parent is not None
        layout = job.levels[entry.parent].spec.layout
        self._method, self._step, self._dtype = job.method, entry.step, layout.dtype
        self._chunks, self._shape = layout.chunks, layout.shape
        self._grid = tuple(-(-n // c) for n, c in zip(layout.shape, layout.chunks, strict=True))
        self._block = tuple(-(-c // f) for c, f in zip(layout.chunks, entry.step, strict=True))
        self._nbytes = math.prod(self._block) * layout.dtype.itemsize
        self._there = np.zeros(self._grid, bool)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see close

    @classmethod
    def of(cls, job: Job, child: int, folder: str) -> Blocks | None:
        """Return the blocks of a level, None where they can't be kept."""
        entry = job.levels[child]
        if entry.parent is None or not entry.written or job.update:
            return None
        layout = job.levels[entry.parent].spec.layout
        # bins that span chunks, or look at their neighbours, need both
        apart = all(
            c % f == 0 or c >= n
            for c, f, n in zip(layout.chunks, entry.step, layout.shape, strict=True)
        )
        if not apart or any(METHODS[job.method].halo(f) for f in entry.step):
            return None
        with contextlib.suppress(OSError):
            needed = layout.nbytes // math.prod(entry.step)
            if needed < shutil.disk_usage(folder).free // _SHARE:
                return cls(job, child, folder)
        return None

    def put(self, box: Box, pixels: npt.NDArray[Any]) -> None:
        """Reduce a chunk and keep the result; a disk that is full only means that it isn't kept."""
        block = np.zeros(self._block, self._dtype)
        made = reduce(pixels, self._step, self._method)
        block[tuple(slice(0, n) for n in made.shape)] = made
        place = tuple(s.start // c for s, c in zip(box, self._chunks, strict=True))
        with contextlib.suppress(OSError):
            if os.pwrite(self._file.fileno(), block.data, self._offset(place)) == self._nbytes:
                self._there[place] = True

    def get(self, box: Box) -> npt.NDArray[Any] | None:
        """Return the pixels of a box of the coarser level, None when some are not there."""
        unit = [
            # along an axis of one chunk, that chunk has it all
            b if g > 1 else max(b, -(-n // f))
            for b, g, n, f in zip(self._block, self._grid, self._shape, self._step, strict=True)
        ]
        places = [range(s.start // u, -(-s.stop // u)) for s, u in zip(box, unit, strict=True)]
        if not self._there[np.ix_(*places)].all():
            return None
        out = np.empty(size_of(box), self._dtype)
        for place in itertools.product(*places):
            block = self._read(place)
            if block is None:
                return None
            source, target = [], []
            for s, p, u in zip(box, place, unit, strict=True):
                low, high = max(s.start, p * u), min(s.stop, (p + 1) * u)
                source.append(slice(low - p * u, high - p * u))
                target.append(slice(low - s.start, high - s.start))
            out[tuple(target)] = block[tuple(source)]
        return out

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _read(self, place: tuple[int, ...]) -> npt.NDArray[Any] | None:
        try:
            data = os.pread(self._file.fileno(), self._nbytes, self._offset(place))
        except OSError:
            return None
        if len(data) != self._nbytes:
            return None
        return np.frombuffer(data, self._dtype).reshape(self._block)

    def _offset(self, place: tuple[int, ...]) -> int:
        return int(np.ravel_multi_index(place, self._grid)) * self._nbytes
