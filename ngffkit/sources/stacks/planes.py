"""Many pictures of one plane each: their headers at once, their pixels one by one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import SourceError
from ngffkit.sources.contract import Box, check_pixels
from ngffkit.sources.rasters.probes import Probe
from ngffkit.sources.rasters.reading import probe, read_plane
from ngffkit.sources.raw import read_box

#: Headers come one after the other from a disk, a few at a time from a network.
_THREADS = 4

#: Headers per task of a thread.
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Planes:
    """The planes of a stack, one per file.

    Parameters
    ----------
    folder : str
        Where they are.
    names : tuple of str
        Files below it.
    starts : tuple of int
        Byte of the first pixel where a file is one uncompressed run, -1 elsewhere.
    dtype : numpy.dtype
        Of the pixels, native.
    ids : bool
        Whether pixels are ids: see `ngffkit.sources.rasters.reading.probe`.
    orders : str
        Byte order of each file, ``<`` or ``>``.
    shapes : tuple of tuple of int
        (y, x) or (c, y, x) of each file.
    sizes : tuple of int
        Bytes of each file.
    """

    folder: str
    names: tuple[str, ...]
    starts: tuple[int, ...]
    dtype: np.dtype
    ids: bool
    orders: str
    shapes: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]

    def read(self, index: int, box: Box) -> npt.NDArray[Any]:
        """Return a box of one file, of the native type.

        Raises
        ------
        SourceError
            When it is gone, damaged, or no longer of its size and type; it names the file.
        """
        name, shape = self.names[index], self.shapes[index]
        if self.starts[index] >= 0:
            return self._read_run(index, box)
        try:
            pixels = read_plane(str(Path(self.folder, name)), ids=self.ids)
        except SourceError as err:
            raise SourceError(name, err.cause) from err
        check_pixels(pixels, tuple(slice(0, n) for n in shape), self.dtype, name)
        return pixels[box]

    def _read_run(self, index: int, box: Box) -> npt.NDArray[Any]:
        name = self.names[index]
        stored = self.dtype.newbyteorder(">" if self.orders[index] == ">" else "<")
        try:
            with Path(self.folder, name).open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size != self.sizes[index]:
                    raise SourceError(
                        name, f"it has {size} bytes now, {self.sizes[index]} when it was opened"
                    )
                pixels = read_box(file, self.shapes[index], stored, self.starts[index], box)
        except SourceError:
            raise
        except EOFError as err:
            raise SourceError(name, str(err)) from None
        except OSError as err:
            raise SourceError(name, err.strerror or str(err)) from err
        return pixels.astype(self.dtype, copy=False)


def probe_all(folder: str, names: Sequence[str], *, ids: bool) -> list[Probe]:
    """Read the headers of many pictures.

    Parameters
    ----------
    folder : str
        Where they are.
    names : sequence of str
        Files below it.
    ids : bool
        As for `ngffkit.sources.rasters.reading.probe`.

    Raises
    ------
    SourceError
        When one is damaged; the message names it.
    """
    base = str(Path(folder))
    paths = [f"{base}/{name}" for name in names]
    if len(paths) < 8:
        return [probe(path, ids=ids) for path in paths]
    batches = [paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda batch: [probe(path, ids=ids) for path in batch], batches)
        return [head for batch in found for head in batch]
