"""The line to a store, measured with what an array has.

Bounded in time and bytes, and read-only: only ranges of the array's own objects are asked for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ngffkit.access.lines import Line
from ngffkit.access.sizes import places_of
from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import StoreError
from ngffkit.stores.base import LocalStore, Store
from ngffkit.stores.substore import SubStore

#: Bounds of a probe.
SECONDS, NBYTES = 2.0, 32 * 2**20

#: Bytes of a read that measures nothing but the way, and of one that fills it.
_SMALL, _LARGE = 64, 4 * 2**20

#: Throughput has to grow by this factor for twice as many requests to be worth it.
_GROWS = 1.25

#: Places that are looked at for objects.
_PLACES = 48


@dataclass(frozen=True, slots=True)
class _Found:
    """Objects of an array that are there, by key, and a store to ask them of."""

    store: Store
    keys: tuple[str, ...]


def probe(
    reader: ArrayReader, *, cold: bool = False, limit: float = SECONDS, nbytes: int = NBYTES
) -> Line:
    """Measure the line to the store of an array.

    Parameters
    ----------
    reader : ArrayReader
        Of the array.
    cold : bool
        Drop what the system keeps of local files before each read (see `drop`). Otherwise local
        files are measured as they are read again: from memory.
    limit : float
        Seconds after which nothing new is begun.
    nbytes : int
        Bytes that are read at most, about.

    Returns
    -------
    Line
        Called ``here``. ``latency`` is the median of a few small reads, one after another, once
        a connection is open; ``concurrency`` the rate of small reads, many at a time, times the
        latency (Little's law), and no more than the store is asked for at a time; ``bandwidth``
        the best rate of larger reads.

    Raises
    ------
    StoreError
        When the store fails.

    Examples
    --------
    >>> import tempfile, ngffkit as nk
    >>> from ngffkit.api import as_opened
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = as_opened(nk.open(nk.sample(folder + "/cells.ome.zarr")))
    ...     line = probe(opened.reader(0))
    >>> line.name, 0 < line.latency < 1, line.bandwidth > 1e4, line.concurrency >= 1
    ('here', True, True, True)
    """
    end = time.perf_counter() + limit
    found = _found(reader, end - limit / 2)
    ready = _dropper(reader.store) if cold else _nothing
    latency = _latency(found, ready, end - limit / 2)
    rate = _rate(found, reader, ready, end)
    bandwidth = _bandwidth(found, ready, latency, (end, nbytes))
    together = min(max(1, round(rate * latency)), _workers(reader))
    return Line("here", latency, bandwidth, together)


def drop(reader: ArrayReader, keys: Sequence[str]) -> bool:
    """Ask the system to forget what it keeps of local files; tell whether it was asked.

    False for stores that are not folders, and on systems that know no ``posix_fadvise``
    (macOS, Windows). It is a request: other programs may keep a file in memory.
    """
    ready = _dropper(reader.store)
    for key in keys:
        ready(key)
    return ready is not _nothing


def _nothing(key: str) -> None:
    """Do nothing about a key."""


def _dropper(store: Store) -> Callable[[str], None]:
    prefix = ""
    while isinstance(store, SubStore):
        prefix = f"{store.prefix}/{prefix}"
        store = store.store
    if not isinstance(store, LocalStore) or not hasattr(os, "posix_fadvise"):
        return _nothing
    root = store.root

    def forget(key: str) -> None:
        with contextlib.suppress(OSError):
            fd = os.open(f"{root}/{prefix}{key}", os.O_RDONLY)
            try:
                os.fdatasync(fd)  # what is not on the disk yet can't be dropped
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)

    return forget


def _workers(reader: ArrayReader) -> int:
    return max(reader.store.concurrency, os.cpu_count() or 1)


def _found(reader: ArrayReader, end: float) -> _Found:
    """Return objects that are there, the documents of the array when there is none."""
    keys: list[str] = []
    places = [reader.key(coords) for coords in places_of(reader.spec.layout, _PLACES, 0)]
    workers = _workers(reader)
    for batch in itertools.batched(places, max(4, min(16, workers))):
        with ThreadPoolExecutor(len(batch)) as pool:
            answers = pool.map(lambda key: _is_there(reader, key), batch)
            keys += [key for key, there in zip(batch, answers, strict=True) if there]
        if time.perf_counter() > end:
            break
    if not keys:
        head = f"{reader.path}/" if reader.path else ""
        names = ("zarr.json", ".zarray")
        keys = [head + name for name in names if _is_there(reader, head + name)]
    if not keys:
        where = f"{reader.store.url}/{reader.path}".rstrip("/")
        cause = "there is nothing to measure the line with: no chunk was found; name another image"
        raise StoreError(reader.path, where, cause)
    return _Found(reader.store, tuple(keys))


def _is_there(reader: ArrayReader, key: str) -> bool:
    try:
        return reader.store.get(key, 0, _SMALL) is not None
    except StoreError as err:
        if err.denied and reader.denied_is_absent:
            return False
        raise


def _latency(found: _Found, ready: Callable[[str], None], end: float) -> float:
    times: list[float] = []
    for key in itertools.islice(itertools.cycle(found.keys), 8):
        ready(key)
        start = time.perf_counter()
        found.store.get(key, 0, _SMALL)
        times.append(time.perf_counter() - start)
        if len(times) >= 4 and time.perf_counter() > end:
            break
    # the first one may open a connection
    return statistics.median(times[1:])


def _rate(found: _Found, reader: ArrayReader, ready: Callable[[str], None], end: float) -> float:
    """Return how many small reads per second there may be, all at a time."""
    most = _workers(reader)
    best, idle, together = 0.0, 0, max(1, most // 4)
    # one step without gain may be chance
    while together <= most and idle < 2:
        keys = list(itertools.islice(itertools.cycle(found.keys), max(8, 3 * together)))
        for key in set(keys):
            ready(key)
        rate = len(keys) / _timed(found.store, keys, _SMALL, together)[0]
        idle = 0 if rate > best * _GROWS else idle + 1
        best, together = max(best, rate), together * 2
        if time.perf_counter() > end:
            break
    return best


def _bandwidth(
    found: _Found, ready: Callable[[str], None], latency: float, bounds: tuple[float, int]
) -> float:
    """Return the bytes per second of the best of a few larger reads."""
    end, left = bounds
    most = max(1, found.store.concurrency)
    best, idle, together = 0.0, 0, max(1, most // 4)
    while together <= most and idle < 2:
        keys = list(itertools.islice(itertools.cycle(found.keys), max(2, together)))
        for key in set(keys):
            ready(key)
        took, nbytes = _timed(found.store, keys, _LARGE, together)
        # first bytes come after the latency, one after another per thread; the rest is transfer
        waits = -(-len(keys) // together)
        rate = nbytes / max(took - waits * latency, took / 10)
        left -= nbytes
        idle = 0 if rate > best * _GROWS else idle + 1
        best, together = max(best, rate), together * 2
        if time.perf_counter() > end or nbytes * 2 > left:
            break
    return max(best, 1.0)


def _timed(store: Store, keys: Sequence[str], length: int, together: int) -> tuple[float, int]:
    """Read the heads of objects, so many at a time; return seconds and bytes."""

    def read(key: str) -> int:
        return len(store.get(key, 0, length) or b"")

    if together == 1:
        start = time.perf_counter()
        nbytes = sum(map(read, keys))
        return time.perf_counter() - start, nbytes
    with ThreadPoolExecutor(together) as pool:
        list(pool.map(int, range(together)))  # the threads are there before the clock starts
        start = time.perf_counter()
        nbytes = sum(pool.map(read, keys))
        return time.perf_counter() - start, nbytes
