"""Carry out an edit: lock, journal, pixels, documents; the order that makes it safe."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ngffkit import __version__
from ngffkit.editing.papers import Papers
from ngffkit.editing.place import Place
from ngffkit.errors import NotFoundError, Problem
from ngffkit.execute.job import ImageJob
from ngffkit.execute.journal import COMMIT, Journal, read_journal
from ngffkit.execute.records import Record
from ngffkit.execute.running import Watch, run_images
from ngffkit.planning.options import RunOptions
from ngffkit.planning.plan import Result
from ngffkit.sources.contract import fingerprint_of
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import DOCUMENTS, Target, Written

#: Objects that are removed before the lock is looked at again.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be done to an image that is there.

    Parameters
    ----------
    kind : str
        What it is called.
    place : Place
        The image.
    work : ImageJob
        Its pixels.
    papers : Papers
        What changes of its documents when the pixels are there.
    facts : Mapping
        What must be equal for it to be resumed, as JSON values.
    before : Mapping
        What the image was like, as far as it can't be told when this was half done.
    patch : callable
        Changes the papers, once the pixels are there.
    remove : tuple of str
        Folders whose objects go first.
    last : tuple of str
        Folders whose objects go last, when no document names them any more.
    holder : str
        Group in which they lie, if its documents go with them: it has nothing else.
    taken : int
        Bytes of memory that a task takes.
    notes : tuple of Problem
        What is worth reading before it is done.
    """

    kind: str
    place: Place
    work: ImageJob
    papers: Papers
    facts: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    patch: Callable[[], None] = lambda: None
    remove: tuple[str, ...] = ()
    taken: int = 0
    notes: tuple[Problem, ...] = ()
    last: tuple[str, ...] = ()
    holder: str = ""

    @property
    def gone(self) -> tuple[str, ...]:
        """How keys begin that there are no more."""
        holder = (self.holder,) if self.holder else ()
        return tuple(f"{folder}/" for folder in (*self.last, *holder))

    @property
    def described(self) -> dict[str, Any]:
        """What the journal says of it."""
        return {"kind": self.kind, "image": self.place.path, "before": dict(self.before)}

    @property
    def fingerprint(self) -> str:
        """Of everything that decides what is written: an edit is only resumed by the same."""
        edition = __version__.rpartition(".")[0]
        return fingerprint_of([edition, self.described, self.facts, self.remove])


def begun(place: Place, kind: str) -> Mapping[str, Any]:
    """Return what an unfinished edit of this kind says the image was like, before it began.

    An edit that was killed while it replaced documents has left some of the old and some of the
    new; resumed, it must not take those for what it starts from.
    """
    try:
        found = read_journal(place.target)
    except NotFoundError:
        return {}
    edit = found.facts.get("edit")
    if found.finished is not None or not isinstance(edit, Mapping):
        return {}
    same = edit.get("kind") == kind and edit.get("image") == place.path
    return dict(edit.get("before") or {}) if same else {}


def carry_out(edit: Edit, run: RunOptions, progress: Watch | None = None) -> Result:
    """Do an edit, or go on with it.

    Parameters
    ----------
    edit : Edit
        What.
    run : RunOptions
        ``executor``, ``workers`` and ``resume``.
    progress : callable, optional
        Told how far it is.

    Raises
    ------
    PlanError
        When something else is unfinished there.
    BusyError
        When another process writes to the image.
    SourceError, ChunkError, WriteError
        Naming the slice or object; the same call resumes.
    """
    began = time.monotonic()
    target = edit.place.target
    facts = {"edit": edit.described}
    with Journal.begin(target, edit.fingerprint, facts, resume=run.resume, onto=True) as journal:
        # the lock is ours since now: what was planned on must still be so
        edit.papers.check()
        earlier = _documents(edit)
        if not journal.done:
            _remove(edit, journal)
        run_images([edit.work], journal, run.executor, run.workers, progress or (lambda _: None))
        if COMMIT not in journal.done:
            journal.record(Record(COMMIT))
        edit.patch()
        documents = edit.papers.write()
        _remove_last(edit, journal)
        written = [w for record in journal.done.values() for w in record.written] + documents
        documents = [w for w in documents if not w.key.startswith(edit.gone)]
        every = earlier | {w.key: w for w in documents}
        journal.finish({"documents": [[w.key, w.size, w.crc] for w in every.values()]})
    return Result(
        edit.place.url,
        len(written),
        sum(w.size for w in written),
        (),
        time.monotonic() - began,
    )


def _documents(edit: Edit) -> dict[str, Written]:
    """Return the documents that the journal knows, but for those that go."""
    try:
        ends: Iterable[Mapping[str, Any]] = read_journal(edit.place.target).ends
    except NotFoundError:
        return {}
    gone = (*edit.gone, *(f"{folder}/" for folder in edit.remove))
    every = (item for end in ends for item in end.get("documents", ()))
    return {item[0]: Written(*item) for item in every if not item[0].startswith(gone)}


def _remove(edit: Edit, journal: Journal) -> None:
    """Remove what is replaced, or what an edit that was given up has left."""
    target = edit.place.target
    for folder in edit.remove:
        if _delete(target, folder, journal):
            journal.record(_removed(folder))


def _remove_last(edit: Edit, journal: Journal) -> None:
    """Remove what no document names any more."""
    target = edit.place.target
    for folder in edit.last:
        # noted before it is so: from now on, nobody misses them
        journal.record(_removed(folder))
        _delete(target, folder, journal)
        _tidy(target, folder)
    if edit.holder:
        journal.record(_removed(edit.holder))
        for name in sorted(DOCUMENTS):
            target.remove(f"{edit.holder}/{name}")
        target.sync()
        _tidy(target, edit.holder)


def _removed(folder: str) -> Record:
    return Record(f"remove {folder}", facts={"removed": f"{folder}/"})


def _delete(target: Target, folder: str, journal: Journal) -> int:
    """Remove the objects below a folder; return how many there were.

    Documents go first, from the top: what is half removed opens nowhere, and an array is gone
    before the attributes that tell whether an absent chunk was lost.
    """

    def order(key: str) -> tuple[int, bool]:
        return key.count("/"), key.endswith(".zattrs")

    papers = (key for key in target.keys(folder) if key.rpartition("/")[2] in DOCUMENTS)
    first = sorted(papers, key=order)
    for key in first:
        target.remove(key)
    target.sync()
    count = len(first)
    # one after another, a million of them would take a day far from the store
    with ThreadPoolExecutor(max(1, target.concurrency)) as pool:
        for keys in itertools.batched(target.keys(folder), _BATCH):
            journal.check()
            count += sum(1 for _ in pool.map(target.remove, keys))
    target.sync()
    return count


def _tidy(target: Target, folder: str) -> None:
    """Remove the folders that are empty now, where there are folders."""
    if isinstance(target, LocalTarget):
        for path, _, _ in os.walk(f"{target.root}/{folder}", topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)  # noqa: PTH106 - a str
