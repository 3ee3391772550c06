"""Whether what was written is still there, bit for bit.

With the journal beside an image, every object is read again and its size and CRC-32C are compared
with what was noted when it was written: that proves that the bytes are those of the conversion.
Without one, every chunk is decoded: Zstandard and the indexes of shards carry checksums, so that
proves that pixels are those that were encoded, as far as the codecs can tell.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ngffkit.api import find
from ngffkit.chunks.reader import ArrayReader
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError, NotFoundError, Problem, StoreError
from ngffkit.execute.cutting import pieces, whole
from ngffkit.execute.journal import Contents, read_journal
from ngffkit.execute.records import is_there
from ngffkit.execute.running import Progress, Watch
from ngffkit.execute.verification import Verification
from ngffkit.execute.work import cpus
from ngffkit.layout import Layout
from ngffkit.opened import Opened
from ngffkit.planning.packed import open_place
from ngffkit.sources.contract import Box
from ngffkit.spec.encode import DEFAULT
from ngffkit.stores.base import Store
from ngffkit.stores.packing import unlike_packed
from ngffkit.stores.targets import Target, Written, beside, crc_of, view_of
from ngffkit.tree import as_image, images_of

#: Read at once of one object; and decoded at once of one shard.
_PIECE = 8 * 2**20

_AGAIN = "write it again: convert with overwrite=True, or take it from a copy"
_RESUME = "run the same conversion again: it goes on where it stopped"


def verify(
    target: Any,
    storage_options: Mapping[str, Any] | None = None,
    progress: Watch | None = None,
) -> Verification:
    """Read everything again and compare it with the journal; decode it where there is none.

    Parameters
    ----------
    target : path or URL
        An image, anywhere; any OME-Zarr, also of other writers, also ``.ozx``.
    storage_options : Mapping, optional
        For its store.
    progress : callable, optional
        Told how far it is, as `Progress`; what it raises stops the work.

    Returns
    -------
    Verification
        Its `ok` says whether all is well, its `problems` what isn't.

    Raises
    ------
    NotFoundError
        When nothing is there, neither an image nor a journal.

    Notes
    -----
    The journal tells every change of up to 32 neighbouring bits, and all but one in 4 billion of
    the others (CRC-32C, RFC 3720). Memory is a few pieces of 8 MiB per thread.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk, tempfile
    >>> from ngffkit.writing import convert
    >>> folder = tempfile.mkdtemp()
    >>> result = convert(np.ones((8, 64, 64), "u1"), f"{folder}/a.zarr", voxel_size=(1, 1, 1))
    >>> verify(result.url).ok
    True
    """
    check = _Check(progress or (lambda _: None), storage_options)
    place, journal = _journal_of(target, storage_options)
    if place is None or journal is None:
        if place is not None and is_there(beside(place, ".journal")):
            message = "can't be read, so only pixels were verified"
            check.error("journal", message, "remove it, or take it from a copy")
        check.all_pixels(target)
    else:
        check.journal(place, journal)
    check.members(target)
    url = place.url if place is not None else str(target)
    problems = tuple(check.problems.values())
    seconds = time.monotonic() - check.began
    return Verification(url, tuple(check.how), check.files, check.nbytes, problems, seconds)


def _journal_of(
    target: Any, options: Mapping[str, Any] | None
) -> tuple[Target | None, Contents | None]:
    """Return where the target is and what its journal says; None where there is none."""
    try:
        place, packed = open_place(target, options, DEFAULT)
    except NgffError:
        return None, None  # what can't be written to has no journal
    if packed is not None and os.path.exists(packed):  # noqa: PTH110 - a str
        return None, None  # it is whole, or it would not be there
    try:
        return place, read_journal(place)
    except NotFoundError:
        return place, None


@dataclass(slots=True)
class _Check:
    """Collects what is found, and tells the watch."""

    watch: Watch
    options: Mapping[str, Any] | None
    problems: dict[str, Problem] = field(default_factory=dict)
    how: list[str] = field(default_factory=list)
    files: int = 0
    nbytes: int = 0
    began: float = field(default_factory=time.monotonic)
    _total: int = 0
    _tasks: int = 0

    def error(self, loc: str, message: str, remedy: str = _AGAIN) -> None:
        """Note what is wrong with an object; its first fault is enough."""
        self.problems.setdefault(loc, Problem(loc, "error", message, remedy))

    def advise(self, loc: str, message: str, remedy: str) -> None:
        self.problems.setdefault(loc, Problem(loc, "advice", message, remedy))

    def tell(self, what: str, nbytes: int) -> None:
        self.files += 1
        self.nbytes += nbytes
        seconds = time.monotonic() - self.began
        done, total = self.nbytes, max(self.nbytes, self._total)
        self.watch(Progress(done, total, self.files, self._tasks, what, 0, seconds, 0))

    # --- with a journal -----------------------------------------------------------------------

    def journal(self, place: Target, journal: Contents) -> None:
        """Compare all that a journal knows, and decode what it doesn't."""
        self.how.append("size and CRC-32C of every object are those that were noted on writing")
        self._about_journal(journal)
        expected = journal.objects()
        self._total, self._tasks = sum(item.size for item in expected.values()), len(expected)
        store = place.store

        def look(item: Written) -> Callable[[], None]:
            cause = _compare(store, item)
            size = 0 if cause else item.size

            def note() -> None:
                if cause:
                    self.error(item.key, cause)
                self.tell(item.key, size)

            return note

        for note in _each(look, expected.values(), _threads(store)):
            note()
        unknown = [] if journal.finished is None else self._unknown(place, expected)
        if unknown:
            self._decode_unknown(place, unknown)

    def _about_journal(self, journal: Contents) -> None:
        for number in journal.damaged:
            where = f"journal, line {number}"
            message = "is damaged, so what it noted can't be compared"
            self.error(where, message, "remove the journal and verify again: pixels are decoded")
        if journal.finished is None:
            total = journal.facts.get("objects")
            many = sum(len(record.written) for record in journal.records.values())
            of = f" of {total}" if isinstance(total, int) else ""
            self.error("journal", f"the conversion was not finished: {many}{of} objects", _RESUME)
        skipped = sum(len(record.skipped) for record in journal.records.values())
        if skipped:
            message = f"{skipped} parts of the source could not be read and are fill"
            self.advise("source", message, "the journal lists them; mend them and convert again")

    def _unknown(self, place: Target, known: Mapping[str, Written]) -> list[str]:
        try:
            return sorted(key for key in place.keys() if key not in known)  # noqa: SIM118
        except StoreError as err:
            self.advise("", f"can't be listed ({err.cause})", "allow listing to see strangers")
            return []

    def _decode_unknown(self, place: Target, unknown: Sequence[str]) -> None:
        """Decode the arrays that the journal doesn't know, and name the other strangers."""
        strangers = set(unknown)
        try:
            found = list(_levels(find(place.store, Wanted(wells="all"))))
        except NgffError as err:
            self.error("", f"does not open ({err})")
            found = []
        for opened, level, reader in found:
            own = {key for key in strangers if key.startswith(f"{reader.path}/")}
            strangers -= own
            if any(not _is_document(key) for key in own):
                self.how.append(f"{reader.path}: not in the journal, so its chunks were decoded")
                self._array(opened, level, reader)
        for key in sorted(strangers):
            message = "is not in the journal: ngffkit did not write it here"
            self.advise(key, message, "remove it if it is not wanted")

    # --- without one --------------------------------------------------------------------------

    def all_pixels(self, target: Any) -> None:
        """Decode every chunk of every array of what is there."""
        self.how.append(
            "there is no journal: every chunk was decoded; checksums of Zstandard frames and shard "
            "indexes hold where the writer made them, metadata can be read"
        )
        found = list(_levels(find(target, Wanted(wells="all"), "error", self.options)))
        if not found:
            raise NotFoundError(f"{target} holds no image or array whose chunks could be decoded")
        self._total = sum(reader.spec.layout.nbytes for _, _, reader in found)
        self._tasks = sum(reader.spec.layout.objects for _, _, reader in found)
        for opened, level, reader in found:
            self._array(opened, level, reader)

    def _array(self, opened: Opened, level: int, reader: ArrayReader) -> None:
        layout = reader.spec.layout
        name = f"{opened.url}/{opened.image.levels[level].path}"

        def look(box: Box) -> Callable[[], None]:
            try:
                nbytes, fault = int(reader.read(box).nbytes), None
            except NgffError as err:
                nbytes, fault = 0, err

            def note() -> None:
                if fault is not None:
                    self.error(getattr(fault, "key", name), getattr(fault, "cause", str(fault)))
                self.tell(reader.path, nbytes)

            return note

        boxes = pieces(whole(layout.shape), _step(layout))
        for note in _each(look, boxes, _threads(reader.store)):
            note()

    # --- zip files ----------------------------------------------------------------------------

    def members(self, target: Any) -> None:
        """Compare the checksum of every member, where the target is a zip file on this machine."""
        if not isinstance(target, (str, os.PathLike)) or not os.path.isfile(target):  # noqa: PTH113
            return
        import zipfile
        import zlib

        self.how.append("the CRC-32 of every member of the zip file holds")
        try:
            with zipfile.ZipFile(target) as archive:
                for info in archive.infolist():
                    try:
                        with archive.open(info) as member:
                            while member.read(_PIECE):
                                pass
                    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as err:
                        self.error(info.filename, f"damaged zip member: {err}")
                if not self.problems and (name := unlike_packed(archive)):
                    self.error(name, "its entry in the zip file is not the one that was written")
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as err:
            self.error("", f"is no zip file that can be read: {err}")


def _compare(store: Store, item: Written) -> str:
    """Say how an object differs from what was noted; nothing when it doesn't."""
    crc = done = 0
    try:
        while True:
            # a byte more than is left tells an object that has grown, without asking beyond its end
            wanted = min(_PIECE, item.size - done + 1)
            data = store.get(item.key, done, wanted)
            if data is None:
                return f"is absent; {item.size} bytes were written"
            view = view_of(data)
            crc, done = crc_of(view, crc), done + len(view)
            if done > item.size:
                return f"is longer than the {item.size} bytes that were written"
            if len(view) < wanted:
                break
    except NgffError as err:
        return f"can't be read: {getattr(err, 'cause', err)}"
    if done < item.size:
        return f"is shorter: {done} bytes, {item.size} were written"
    if crc != item.crc:
        return f"has changed: its CRC-32C is {crc:08x}, that of what was written is {item.crc:08x}"
    return ""


def _levels(found: Opened) -> Iterator[tuple[Opened, int, ArrayReader]]:
    """Yield every array of what was found, with a reader of one thread."""
    node = found.node
    plain = {"": node} if node.kind == "array" else node.children if node.kind == "arrays" else {}
    images = [as_image(found.store, child, "error", name) for name, child in plain.items()]
    images += [opened for _, opened in images_of(found.store, node, "error")]
    for opened in images:
        for level in range(len(opened.image.levels)):
            reader = opened.reader(level)
            reader.workers = 1  # many boxes are read at the same time
            yield opened, level, reader


def _step(layout: Layout) -> tuple[int, ...]:
    """Return how much of an object is decoded at once, a multiple of a chunk."""
    out, nbytes = list(layout.chunks), layout.chunk_nbytes
    for i in reversed(range(len(out))):
        times = max(1, min(_PIECE // max(1, nbytes), layout.object_shape[i] // out[i]))
        while layout.object_shape[i] % (out[i] * times):
            times -= 1  # no step reaches into two shards
        out[i], nbytes = out[i] * times, nbytes * times
    return tuple(out)


def _is_document(key: str) -> bool:
    return key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def _threads(store: Store) -> int:
    return max(store.concurrency, min(4, cpus()))


def _each[T, R](work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield the results of work that is done on threads, in order, few items ahead."""
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ngffkit-verify") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


__all__ = ["Verification", "verify"]
