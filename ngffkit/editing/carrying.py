"""Carry out an edit: lock, journal, pixels, documents; the order that makes it safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
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
from ngffkit.stores.targets import Written


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
        earlier = _documents(edit.place)
        if not journal.done:
            _remove(edit, journal)
        run_images([edit.work], journal, run.executor, run.workers, progress or (lambda _: None))
        if COMMIT not in journal.done:
            journal.record(Record(COMMIT))
        edit.patch()
        documents = edit.papers.write()
        written = [w for record in journal.done.values() for w in record.written] + documents
        every = earlier | {w.key: w for w in documents}
        journal.finish({"documents": [[w.key, w.size, w.crc] for w in every.values()]})
    return Result(
        edit.place.url,
        len(written),
        sum(w.size for w in written),
        (),
        time.monotonic() - began,
    )


def _documents(place: Place) -> dict[str, Written]:
    """Return the documents that the journal knows."""
    try:
        ends: Iterable[Mapping[str, Any]] = read_journal(place.target).ends
    except NotFoundError:
        return {}
    return {item[0]: Written(*item) for end in ends for item in end.get("documents", ())}


def _remove(edit: Edit, journal: Journal) -> None:
    """Remove what is replaced, or what an edit that was given up has left."""
    target = edit.place.target
    for folder in edit.remove:
        keys = list(target.keys(folder))
        for key in sorted(keys, key=lambda key: key.count("/")):
            target.remove(key)
        target.sync()
        if keys:
            journal.record(Record(f"remove {folder}", facts={"removed": f"{folder}/"}))
