"""A scratch file for planes that are too wide for memory.

A compressed plane can only be decoded whole. When as many planes as a chunk is deep don't fit into
memory, each is decoded once into a scratch file, from which bands of rows are read back.
"""

from __future__ import annotations

import math
import os
import tempfile
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ngffkit.errors import WriteError
from ngffkit.execute.cutting import pieces, size_of, within
from ngffkit.sources.contract import Box
from ngffkit.stores.targets import view_of, write_at


class Stage:
    """Pixels of a box of the source, in a file without a name.

    Parameters
    ----------
    box : Box
        Which part of the source it holds.
    dtype : numpy.dtype
        Type of the pixels.
    folder : str or None
        Where the file lies; the system's folder for temporary files when None.
    """

    def __init__(self, box: Box, dtype: np.dtype, folder: str | None) -> None:
        self._box, self._dtype = box, dtype
        self._folder = folder or tempfile.gettempdir()
        self._shape = size_of(box)
        strides = [math.prod(self._shape[i + 1 :]) for i in range(len(box))]
        self._strides = [n * dtype.itemsize for n in strides]
        try:
            # a plain file: pages of a mapping would count as memory of the process
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as err:
            raise self._error(err) from err

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()

    def write(self, box: Box, pixels: npt.NDArray[Any]) -> None:
        """Keep the pixels of a box of the source; called by several threads."""
        try:
            for part, offset in self._runs(box):
                data = np.ascontiguousarray(pixels[within(part, box)])
                write_at(self._file.fileno(), view_of(data), offset)
        except OSError as err:
            raise self._error(err) from err

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box of the source; zeros where none were kept."""
        out = np.zeros(size_of(box), self._dtype)
        try:
            for part, offset in self._runs(box):
                view = out[within(part, box)]
                data = os.pread(self._file.fileno(), view.nbytes, offset)
                flat = np.frombuffer(data, self._dtype)
                view.reshape(-1)[: flat.size] = flat
        except OSError as err:
            raise self._error(err) from err
        return out

    def _runs(self, box: Box) -> Any:
        """Yield the parts of a box that lie in one piece in the file, each with its offset."""
        # rows join as long as those behind them are whole
        last = len(box) - 1
        while last > 0 and size_of(box)[last] == self._shape[last]:
            last -= 1
        step = (1,) * last + self._shape[last:]
        origin = tuple(
            slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, self._box, strict=True)
        )
        for run in pieces(origin, step):
            offset = sum(s.start * n for s, n in zip(run, self._strides, strict=True))
            yield (
                tuple(
                    slice(s.start + o.start, s.stop + o.start)
                    for s, o in zip(run, self._box, strict=True)
                ),
                offset,
            )

    def _error(self, err: OSError) -> WriteError:
        return WriteError(
            "scratch file",
            self._folder,
            f"{err.strerror or err}; planes that are wider "
            "than memory are staged there: free some space, or pass a larger memory=",
        )
