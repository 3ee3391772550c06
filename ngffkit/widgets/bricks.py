"""Decoded chunks that are kept for the next look at them, within a bound of bytes.

A brick is what one chunk contributes to a level: it is decoded once, however many tiles and
threads ask for it at the same time.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import numpy as np

from ngffkit.chunks.threads import Task, Threads
from ngffkit.errors import NgffError
from ngffkit.widgets.pixels import Array, Box, Pixels

if TYPE_CHECKING:
    from ngffkit.widgets.layers import Layer

#: A chunk beyond this part of the budget is not kept: a few would push out everything else.
_SHARE = 8

#: Threads that read for all views: a notebook has one after the other, and none says it is over.
_THREADS = Threads()

#: All that keep something, for the same reason: see `_share_room`.
_ALL: weakref.WeakSet[Bricks] = weakref.WeakSet()
_ALL_LOCK = threading.Lock()

#: What is read, by its place in a level.
_Key = tuple[Pixels, tuple[tuple[int, int], ...]]


class Bricks:
    """Reads boxes of layers, and keeps what it decoded.

    Parameters
    ----------
    budget : int
        Bytes that may be kept, what is being decoded included. All there are together keep no
        more than the largest budget: those that were not read for longest forget first.

    Attributes
    ----------
    nbytes : int
        Bytes of what is kept.
    hits, misses : int
        Bricks that were there when they were asked for, and that weren't.
    """

    def __init__(self, budget: int = 256 * 2**20) -> None:
        self.budget = budget
        self.nbytes = self.hits = self.misses = 0
        self._kept: OrderedDict[_Key, Array] = OrderedDict()
        self._coming: dict[_Key, Future[Array]] = {}
        self._coming_bytes = 0
        self._changed = threading.Condition()
        # several chunks that are too large to keep would not fit into memory side by side either
        self._large = threading.Lock()
        self._used = time.monotonic()
        with _ALL_LOCK:
            _ALL.add(self)

    def clear(self) -> None:
        """Forget everything that is kept."""
        with self._changed:
            self._kept.clear()
            self.nbytes = 0

    def forget(self, nbytes: int) -> int:
        """Forget at least so many bytes, the oldest first; return how many that were."""
        with self._changed:
            before = self.nbytes
            while self._kept and before - self.nbytes < nbytes:
                self._forget_oldest()
            return before - self.nbytes

    def read(self, layer: Layer, level: int, channel: int, box: Mapping[str, slice]) -> Array:
        """Read a box of one channel.

        Parameters
        ----------
        layer : Layer
            What to read of.
        level, channel : int
            Their positions in the layer.
        box : Mapping of str to slice
            The level's pixels along each of the layer's axes; axes that are absent are whole.

        Returns
        -------
        ndarray
            Axes as `layer.axes`, type as `layer.dtype`. It is the caller's own, unless the pixels
            are in memory already: then it may be a view.

        Raises
        ------
        NgffError
            Whatever reading raises, such as `ChunkError`; a failure is not kept.
        """
        self._used = time.monotonic()
        at = layer.levels[level]
        pixels = at.pixels
        cuts = tuple(
            slice(*box.get(name, slice(None)).indices(at.shape[name])[:2]) for name in layer.axes
        )
        whole = (slice(channel, channel + 1), *cuts)
        if pixels.direct:
            direct: Array = pixels.read(whole)[0]
            return direct
        brick = math.prod(cut.chunk for cut in pixels.cuts) * pixels.dtype.itemsize
        if brick > self.budget // _SHARE:
            with self._large:
                return np.array(pixels.read(whole)[0])
        try:
            out = np.empty([max(0, cut.stop - cut.start) for cut in whole], pixels.dtype)
        except (MemoryError, ValueError):
            raise NgffError(
                f"a box of {[cut.stop - cut.start for cut in cuts]} pixels of {layer.name!r} does "
                "not fit into memory; ask for less, or for a coarser mag"
            ) from None
        if out.size:
            self._fill(out, pixels, whole)
        result: Array = out[0]
        return result

    def _fill(self, out: Array, pixels: Pixels, box: Box) -> None:
        edges = [
            cut.meeting(part.start, part.stop) for cut, part in zip(pixels.cuts, box, strict=True)
        ]
        corner = [part.start for part in box]
        missing: list[tuple[_Key, Box, Box]] = []
        for place in itertools.product(*edges):
            target, source = _overlap(place, box, corner)
            with self._changed:
                kept = self._kept.get((pixels, place))
                if kept is not None:
                    self._kept.move_to_end((pixels, place))
                    self.hits += 1
            if kept is None:
                missing.append(((pixels, place), target, source))
            else:
                out[target] = kept[source]

        def task(key: _Key, target: Box, source: Box) -> Task:
            def run() -> None:
                out[target] = self._brick(key)[source]

            return run

        _THREADS.run((task(*entry) for entry in missing), pixels.workers)

    def _brick(self, key: _Key) -> Array:
        """Return a brick: kept, from the thread that is decoding it, or decoded here."""
        pixels, place = key
        size = math.prod(stop - start for start, stop in place) * pixels.dtype.itemsize
        with self._changed:
            while True:
                kept = self._kept.get(key)
                if kept is not None:
                    self.hits += 1
                    return kept
                coming = self._coming.get(key)
                if coming is not None:
                    self.hits += 1
                    break
                # half is left for what is kept, or the next tile finds nothing
                if not self._coming_bytes or self._coming_bytes + size <= self.budget // 2:
                    self.misses += 1
                    mine = self._coming[key] = Future[Array]()
                    self._coming_bytes += size
                    self._make_room()
                    break
                self._changed.wait()
        if coming is not None:
            try:
                # whoever is decoding it is running, not queued, so this ends
                return coming.result()
            except CancelledError:
                return self._brick(key)
        return self._decode(key, size, mine)

    def _decode(self, key: _Key, size: int, mine: Future[Array]) -> Array:
        pixels, place = key
        try:
            found = pixels.read(tuple(slice(*part) for part in place))
            if found.base is not None and _held(found) > found.nbytes:
                found = found.copy()
        except BaseException as err:
            with self._changed:
                self._leave(key, size)
            if isinstance(err, Exception):
                mine.set_exception(err)
            else:
                # an interrupted cell is no reason that others go without
                mine.cancel()
            raise
        with self._changed:
            self._leave(key, size)
            self._kept[key] = found
            self.nbytes += found.nbytes
            self._make_room()
        mine.set_result(found)
        _share_room(self)
        return found

    def _leave(self, key: _Key, size: int) -> None:
        del self._coming[key]
        self._coming_bytes -= size
        self._changed.notify_all()

    def _make_room(self) -> None:
        while self._kept and self.nbytes + self._coming_bytes > self.budget:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self._kept.popitem(last=False)
        self.nbytes -= oldest.nbytes


def _share_room(used: Bricks) -> None:
    """Let others forget what they keep, those not read for longest first, to stay in bounds.

    Widgets live until they are closed, and running a cell again closes none.
    """
    with _ALL_LOCK:
        known = list(_ALL)
    over = sum(each.nbytes for each in known) - max(each.budget for each in known)
    for each in sorted(known, key=lambda each: each._used):  # noqa: SLF001 - one of these
        if over <= 0:
            return
        if each is not used:
            over -= each.forget(over)


def _overlap(place: tuple[tuple[int, int], ...], box: Box, corner: list[int]) -> tuple[Box, Box]:
    """Return what a brick contributes to a box: where in the result, and where in the brick."""
    target, source = [], []
    for (start, stop), part, first in zip(place, box, corner, strict=True):
        low, high = max(start, part.start), min(stop, part.stop)
        target.append(slice(low - first, high - first))
        source.append(slice(low - start, high - start))
    return tuple(target), tuple(source)


def _held(array: Array) -> int:
    """Return the bytes that an array keeps alive."""
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return int(base.nbytes)
