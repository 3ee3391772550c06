"""How large the objects of an array are: all of them where they can be listed, else a sample."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.access.traffic import Sizes, Typical
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.reader import ArrayReader
from ngffkit.layout import Layout
from ngffkit.stores.base import LocalStore, Store
from ngffkit.stores.disk import walk
from ngffkit.stores.remote import ObjectStore
from ngffkit.stores.substore import SubStore
from ngffkit.stores.zips import ZipStore

#: Objects that are listed; of more than these a sample is taken.
MOST_LISTED = 100_000

#: Objects that are asked one by one for their size, or for their index, from remote stores.
MOST_ASKED = 512

#: Entries of shard indexes that are kept, 16 bytes each.
_MOST_ENTRIES = 2**21

Coords = tuple[int, ...]

#: Of a shard: offset and length of each chunk, shape (..., 2); None when there is no shard.
Index = npt.NDArray[np.uint64] | None


@dataclass(frozen=True, slots=True)
class Known:
    """The real sizes of an array's objects.

    Parameters
    ----------
    objects : Mapping
        Bytes of each object that is there, by its grid coordinates.
    indexes : Mapping
        Of each shard that is there.
    """

    objects: Mapping[Coords, int]
    indexes: Mapping[Coords, Index] = field(default_factory=dict)

    def object(self, coords: Coords) -> int | None:
        """Return the bytes of an object; None when it is absent."""
        return self.objects.get(coords)

    def index(self, coords: Coords) -> Index:
        """Return offset and length of the chunks of a shard; None when it is absent."""
        return self.indexes.get(coords)


@dataclass(frozen=True, slots=True)
class Census:
    """What objects an array has.

    Parameters
    ----------
    layout : Layout
        Of the array.
    objects : float
        How many objects are there; an estimate unless `exact`.
    nbytes : float
        Their bytes, all together; an estimate unless `exact`.
    smallest, median, largest : int
        Bytes of single objects, of those that were looked at; 0 when there was none.
    chunk : float
        Mean of the encoded bytes of the chunks that are there.
    present : float
        Which part of the chunks is there, 0 to 1; the others are empty, or lost.
    exact : bool
        Whether all objects were looked at.
    looked : int
        At how many places was looked, absent objects included.
    sizes : Sizes
        For `traffic_of`: `Known` when exact, else `Typical`.
    """

    layout: Layout
    objects: float
    nbytes: float
    smallest: int
    median: int
    largest: int
    chunk: float
    present: float
    exact: bool
    looked: int
    sizes: Sizes

    @property
    def absent(self) -> float:
        """How many objects are not there."""
        return self.layout.objects - self.objects

    @property
    def ratio(self) -> float:
        """Decoded bytes per encoded byte of the chunks that are there; 0 when there is none."""
        return self.layout.chunk_nbytes / self.chunk if self.chunk else 0.0


def census_of(reader: ArrayReader, *, most: int = MOST_LISTED, seed: int = 0) -> Census:
    """Look at the objects of an array.

    Folders, object stores and zip files are listed. From web servers and file systems that can't
    list, and of arrays with more objects than `most`, a sample is asked for: the same one for the
    same `seed`.

    Parameters
    ----------
    reader : ArrayReader
        Of the array.
    most : int
        Objects that are listed at most; no more than `MOST_ASKED` are asked for one by one.
    seed : int
        For the sample.

    Raises
    ------
    StoreError
        When the store fails; ChunkError for a shard whose index is damaged.

    Examples
    --------
    >>> import tempfile, ngffkit as nk
    >>> from ngffkit.api import as_opened
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = as_opened(nk.open(nk.sample(folder + "/cells.ome.zarr")))
    ...     found = census_of(opened.reader(0))
    >>> found.exact, found.objects == found.layout.objects, found.median > 0
    (True, True, True)
    """
    spec = reader.spec
    listed = _listed(reader, most)
    if spec.sharding is not None:
        return _of_shards(reader, listed, min(most, MOST_ASKED), seed)
    if listed is not None:
        return _census(spec, listed, {}, listed.values(), looked=spec.layout.objects)
    places = places_of(spec.layout, min(most, MOST_ASKED), seed)
    found = _ask(reader, places, lambda coords: _size(reader, coords))
    there = {coords: size for coords, size in found.items() if size is not None}
    return _census(spec, there, {}, there.values(), looked=len(places))


def _of_shards(
    reader: ArrayReader, listed: dict[Coords, int] | None, asked: int, seed: int
) -> Census:
    layout = reader.spec.layout
    grid = Typical(layout, 0).grid
    limit = _MOST_ENTRIES // math.prod(grid) + 1
    if not isinstance(reader.store, LocalStore):
        limit = min(limit, asked)
    if listed is not None and len(listed) <= limit:
        # those that are not listed are absent, and need no question
        indexes = _ask(reader, list(listed), reader.load_index)
        looked = layout.objects
    else:
        places = places_of(layout, limit, seed)
        indexes = _ask(reader, places, reader.load_index)
        looked = len(places)
    there = {coords: index for coords, index in indexes.items() if index is not None}
    objects = {c: _end(reader.spec, index) for c, index in there.items()}
    if listed is not None:
        objects = {coords: listed.get(coords, size) for coords, size in objects.items()}
    lengths = [index[..., 1][_is_there(index)] for index in there.values()]
    chunks = np.concatenate(lengths) if lengths else np.empty(0, np.uint64)
    return _census(reader.spec, objects, there, chunks.tolist(), looked=looked)


def _is_there(index: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = (index != np.uint64(2**64 - 1)).any(axis=-1)
    return mask


def _end(spec: ArraySpec, index: npt.NDArray[np.uint64]) -> int:
    """Return the bytes of a shard as its index tells: up to its last chunk, and the index."""
    assert spec.sharding is not None
    own = index.nbytes + (4 if spec.sharding.checked else 0)
    ends = index.sum(axis=-1, dtype=np.uint64)[_is_there(index)]
    last = int(ends.max()) if ends.size else 0
    return last + own if spec.sharding.at_end else max(last, own)


def _census(
    spec: ArraySpec,
    objects: Mapping[Coords, int],
    indexes: Mapping[Coords, Index],
    chunks: Any,
    *,
    looked: int,
) -> Census:
    """Make a census of the objects that are there, and the lengths of the chunks in them."""
    layout = spec.layout
    sizes = np.fromiter(objects.values(), np.int64, len(objects))
    lengths = np.fromiter(chunks, np.float64)
    exact = looked >= layout.objects
    scale = 1.0 if exact else layout.objects / max(1, looked)
    chunk = float(lengths.mean()) if lengths.size else 0.0
    places = _chunks_in(layout, None if exact else looked)
    present = min(1.0, lengths.size / places) if places else 0.0
    known: Sizes = Known(objects, indexes) if exact else Typical(layout, chunk, present)
    return Census(
        layout,
        len(objects) * scale,
        float(sizes.sum()) * scale,
        int(sizes.min()) if sizes.size else 0,
        int(np.median(sizes)) if sizes.size else 0,
        int(sizes.max()) if sizes.size else 0,
        chunk,
        present,
        exact,
        looked,
        known,
    )


def _chunks_in(layout: Layout, objects: int | None) -> float:
    """Return how many chunks an array has; or, on average, so many of its objects."""
    pairs = zip(layout.shape, layout.chunks, strict=True)
    count = math.prod(-(-size // chunk) for size, chunk in pairs)
    return count if objects is None else count * objects / max(1, layout.objects)


# --- asking ---------------------------------------------------------------------------------------


def places_of(layout: Layout, most: int, seed: int) -> list[Coords]:
    """Return the grid coordinates of all objects of an array, or of so many that chance picks."""
    pairs = zip(layout.shape, layout.object_shape, strict=True)
    grid = tuple(-(-size // part) for size, part in pairs)
    if math.prod(grid) <= most:
        return list(itertools.product(*map(range, grid)))
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    out: set[Coords] = set()
    while len(out) < most:
        out.add(tuple(chance.randrange(n) for n in grid))
    return sorted(out)


def _ask[Answer](
    reader: ArrayReader, places: Sequence[Coords], ask: Callable[[Coords], Answer]
) -> dict[Coords, Answer]:
    """Ask about many objects, several at a time."""
    found: dict[Coords, Answer] = {}

    def task(coords: Coords) -> Callable[[], None]:
        return lambda: found.__setitem__(coords, ask(coords))

    reader.threads.run(map(task, places), reader.store.concurrency)
    return found


def _size(reader: ArrayReader, coords: Coords) -> int | None:
    """Ask for the size of an object; where a store can't tell, the object has to come."""
    store, key = _root(reader.store, reader.key(coords))
    ask: Callable[[str], int | None] | None = getattr(store, "size", None)
    if ask is not None:
        return ask(key)
    data = reader.fetch(coords)
    return None if data is None else len(data)


def _root(store: Store, key: str) -> tuple[Store, str]:
    """Return the store that a folder of it stands for, and the key there."""
    while isinstance(store, SubStore):
        key = f"{store.prefix}/{key}".strip("/")
        store = store.store
    return store, key


# --- listing --------------------------------------------------------------------------------------


def _listed(reader: ArrayReader, most: int) -> dict[Coords, int] | None:
    """Return the sizes of all objects; None when the store can't list, or they are too many."""
    pairs = _listing(reader.store, reader.path)
    if pairs is None:
        return None
    out: dict[Coords, int] = {}
    try:
        for name, size in pairs:
            coords = _coords(reader.spec, name)
            if coords is not None:
                out[coords] = size
            if len(out) > most:
                return None
    except Exception:  # noqa: BLE001 - whatever keeps it from listing, objects can be asked for
        return None
    return out


def _listing(store: Store, path: str) -> Iterator[tuple[str, int]] | None:
    """Return names below a path with their sizes; None for a store that can't list."""
    store, path = _root(store, path)
    if isinstance(store, LocalStore):
        return _of_folder(f"{store.root}/{path}".rstrip("/"))
    if isinstance(store, ZipStore):
        head = f"{path}/" if path else ""
        members = store._members  # noqa: SLF001 - its directory was read when it was opened
        found = ((name, info.file_size) for name, info in members.items())
        return ((name[len(head) :], size) for name, size in found if name.startswith(head))
    if isinstance(store, ObjectStore) and type(store.inner).__name__ != "HTTPStore":
        prefix = f"{store._prefix}{path}".strip("/")  # noqa: SLF001 - no public word for it
        return _of_bucket(store.inner, prefix)
    return None


def _of_folder(top: str) -> Iterator[tuple[str, int]]:
    for folder, entries in walk(top):
        below = folder[len(top) + 1 :].replace("\\", "/")
        for entry in entries:
            if entry.is_file():
                yield f"{below}/{entry.name}" if below else entry.name, entry.stat().st_size


def _of_bucket(inner: Any, prefix: str) -> Iterator[tuple[str, int]]:
    import obstore

    for batch in obstore.list(inner, prefix or None):
        for item in batch:
            yield item["path"][len(prefix) :].lstrip("/"), int(item["size"])


def _coords(spec: ArraySpec, name: str) -> Coords | None:
    """Return which object of an array a name below it is; None for documents and strangers."""
    layout = spec.layout
    if not layout.shape:
        return () if name == spec.key(()) else None
    if spec.prefix:
        head = f"{spec.prefix}{spec.separator}"
        if not name.startswith(head):
            return None
        name = name[len(head) :]
    parts = name.split(spec.separator)
    if len(parts) != len(layout.shape) or not all(part.isdecimal() for part in parts):
        return None
    coords = tuple(map(int, parts))
    pairs = zip(coords, layout.shape, layout.object_shape, strict=True)
    return coords if all(c * part < size for c, size, part in pairs) else None
