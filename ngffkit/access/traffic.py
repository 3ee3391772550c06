"""What reading a box asks of a store: requests, bytes, rounds, and what is decoded. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ngffkit.access.patterns import Box
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.layout import Layout


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one read costs; a mean of several may have fractions.

    Parameters
    ----------
    requests : float
        Objects and ranges that are asked for, shard indexes included.
    nbytes : float
        Encoded bytes that come, gaps between near ranges included.
    rounds : float
        Requests that must wait for one another: 1 for chunks, 2 where an index comes first.
    chunks : float
        Chunks that are decoded.
    decoded : float
        Their size in bytes, decoded.
    wanted : float
        Bytes of pixels that were asked for.

    Examples
    --------
    >>> Traffic(8, 8e5, 1, 8, 2_097_152, 262_144).amplification
    8.0
    """

    requests: float
    nbytes: float
    rounds: float
    chunks: float
    decoded: float
    wanted: float

    @property
    def amplification(self) -> float:
        """Bytes that are decoded for each byte that was asked for."""
        return self.decoded / self.wanted if self.wanted else 0.0


class Sizes(Protocol):
    """How large the objects of an array are."""

    def object(self, coords: tuple[int, ...]) -> int | None:
        """Return the bytes of an object; None when it is absent."""

    def index(self, coords: tuple[int, ...]) -> npt.NDArray[np.uint64] | None:
        """Return offset and length of the chunks of a shard, shape (..., 2); None when absent."""


@dataclass(frozen=True, slots=True)
class Typical:
    """Sizes where only the mean is known, or where nothing is written yet.

    Parameters
    ----------
    layout : Layout
        Of the array.
    chunk : float
        Encoded bytes of a chunk.
    """

    layout: Layout
    chunk: float

    def object(self, coords: tuple[int, ...]) -> int | None:
        """Return the mean, whichever object it is."""
        raise NotImplementedError

    def index(self, coords: tuple[int, ...]) -> npt.NDArray[np.uint64] | None:
        """Return the index of a shard whose chunks lie in C order, without gaps."""
        raise NotImplementedError


def traffic_of(spec: ArraySpec, box: Box, sizes: Sizes, *, merges: bool, cpus: int) -> Traffic:
    """Return what reading a box of an array costs, as `ngffkit.chunks.reader` would read it.

    Parameters
    ----------
    spec : ArraySpec
        How the array lies in its store.
    box : Box
        What is read, in pixels of the array.
    sizes : Sizes
        How large its objects are.
    merges : bool
        Whether near ranges travel together, as they do from remote stores.
    cpus : int
        Processors of the machine that reads.
    """
    raise NotImplementedError


def mean(parts: Sequence[Traffic]) -> Traffic:
    """Return the mean of several."""
    fields: Any = zip(
        *((t.requests, t.nbytes, t.rounds, t.chunks, t.decoded, t.wanted) for t in parts),
        strict=True,
    )
    return Traffic(*(sum(values) / len(parts) for values in fields))
