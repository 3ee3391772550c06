"""What a conversion planned and what of it is safely done, beside the target.

``<target>.journal/journal.jsonl`` has a line for the plan, one for each finished task, and one for
the end. Every line carries its own CRC-32C. A line is appended when its data are on the disk and
is on the disk itself before `Journal.record` returns; the last line may be torn by a crash, and
then does not count. Object stores can't append: there, each line is an object of its own,
``journal/<number>-<task>.json``, until `Journal.finish` or the next `Journal.begin` puts them
together.
"""

from __future__ import annotations

import contextlib
import json
import threading
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ngffkit.errors import BusyError, NgffError, NgffWarning, NotFoundError, PlanError, Problem
from ngffkit.execute.locks import Lock, lock_of
from ngffkit.execute.logs import LOG, FileLog, ObjectLog
from ngffkit.execute.records import (
    FORMAT,
    Contents,
    Parsed,
    Record,
    Records,
    is_there,
    parse,
    plain,
    seal,
)
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Target, beside

__all__ = ["Contents", "Journal", "Record", "read_journal"]

#: The task of an edit whose pixels are done and whose documents are being replaced.
COMMIT = "commit"

_REMEDY = "overwrite=True starts over; resume=True goes on, with the settings it was begun with"


class Journal:
    """The journal of a conversion that is under way, and the right to write to its target.

    A context manager: at its end the lock is given back; the journal stays. Made by `begin`.

    Attributes
    ----------
    done : Mapping of str to Record
        Finished tasks by name, of this run and of those before.
    """

    def __init__(self, target: Target, lock: Lock) -> None:
        self._target, self._lock = target, lock
        self._place = beside(target, ".journal")
        self._log = (FileLog if isinstance(target, LocalTarget) else ObjectLog)(self._place)
        self._records, self._finished = Records(), False
        self._writing = threading.Lock()

    @classmethod
    def begin(
        cls,
        target: Target,
        fingerprint: str,
        facts: Mapping[str, Any],
        *,
        resume: bool,
        overwrite: bool = False,
        onto: bool = False,
    ) -> Self:
        """Take the lock of a target, and begin its journal or go on with it.

        Parameters
        ----------
        target : Target
            Where pixels will be written.
        fingerprint : str
            Of everything that decides what is written.
        facts : Mapping
            Of the plan, as JSON can say them; kept for messages and for `read_journal`.
        resume : bool
            Whether to go on with an unfinished journal of the same fingerprint.
        overwrite : bool
            Whether to forget an unfinished journal and to clear the target, under the lock and
            in an order that never leaves a journal which promises what is gone.
        onto : bool
            Whether this is an edit of what is there: a finished journal is kept, and gone on
            with. An edit that was begun before and can be given up is, unless `resume`.

        Raises
        ------
        PlanError
            When there is an unfinished journal that must not be gone on with, or of another
            fingerprint, or that can't be read.
        BusyError
            When another process writes to this target.
        WriteError
            When nothing can be written there.

        Examples
        --------
        >>> import tempfile
        >>> from ngffkit.stores.targets import open_target
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = open_target(folder + "/x.zarr")
        ...     with Journal.begin(target, "abc", {}, resume=True) as journal:
        ...         written = target.put("1/c/0", b"pixels")
        ...         target.sync()
        ...         journal.record(Record("1/0", (written,)))
        ...     with Journal.begin(target, "abc", {}, resume=True) as journal:
        ...         list(journal.done)
        ['1/0']
        """
        lock = lock_of(target)
        lock.__enter__()
        self = cls(target, lock)
        try:
            target.sweep()
            found = None
            if not overwrite and is_there(self._place):
                found = parse(self._place)
                if not onto and found.finished is not None:
                    found = None
            header = {"format": FORMAT, "fingerprint": fingerprint, "facts": dict(facts)}
            if overwrite:
                self._place.remove(LOG)
                self._log.forget()
                target.clear()
            if found is None:
                self._log.start(seal(header))
            elif found.finished is not None or (onto and _given_up(found, resume=resume)):
                self._log.go_beyond(found.lines, found.good, seal(header))
            else:
                self._check(found, fingerprint, facts, resume=resume)
                self._log.go_on(found.lines, found.good)
                self._records = found.records
            self._place.sync()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _check(
        self, found: Parsed, fingerprint: str, facts: Mapping[str, Any], *, resume: bool
    ) -> None:
        """Refuse to go on with an unfinished journal of something else."""
        cause, remedy = "", _REMEDY
        if found.header is None:
            cause = "an unfinished conversion is there, whose journal is damaged"
        elif not resume:
            cause = "an unfinished conversion is there"
        elif found.header.get("fingerprint") != fingerprint:
            changed = _changes(found.header.get("facts", {}), facts)
            cause = f"an unfinished conversion of another plan is there{changed}"
        if cause and _edit_of(found):
            cause = f"an unfinished edit is there ({_edit_of(found)})"
            remedy = (
                "make the same call again to finish it; resume=False gives it up, unless its "
                "documents are being replaced already"
            )
        if cause:
            where = f"{cause}: {self._place.url}"
            raise PlanError([Problem("resume", "error", where, remedy)])
        if found.damaged:
            warnings.warn(
                f"{self._place.url}/{LOG}: {len(found.damaged)} damaged lines; their tasks are "
                "done again",
                NgffWarning,
                stacklevel=4,
            )

    @property
    def done(self) -> Mapping[str, Record]:
        """Finished tasks by name."""
        return self._records

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self._finished

    def check(self) -> None:
        """Raise BusyError when the lock was lost to another writer."""
        self._lock.check()

    def record(self, record: Record) -> None:
        """Note a finished task, whose objects are on the disk (`Target.sync`).

        Raises
        ------
        WriteError
            When it can't be noted; the same call may be made again.
        BusyError
            When the lock was lost to another writer.
        """
        body = {
            "task": record.task,
            "written": [[item.key, item.size, item.crc] for item in record.written],
            "skipped": list(record.skipped),
            "facts": dict(record.facts),
        }
        line = seal(body)
        with self._writing:
            self._lock.check()
            self._log.append(line, record.task)
            self._records.add(record.task, line)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Note the end: everything is written, the root's documents too; give back the lock.

        Raises
        ------
        WriteError
            When it can't be noted; the same call may be made again.
        BusyError
            When the lock was lost to another writer.
        """
        with self._writing:
            self._lock.check()
            self._log.finish(seal({"finished": dict(facts)}))
        self._finished = True
        self._target.sweep()
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        """Return itself; the lock is held since `begin`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back the lock; the journal stays."""
        if kind is not None and not isinstance(err, BusyError):
            # an interrupt may come between a file and who would have removed it
            with contextlib.suppress(NgffError, OSError):
                self._target.sweep()
        self._log.close()
        self._lock.__exit__(kind, err, trace)


def read_journal(target: Target) -> Contents:
    """Return what the journal beside a target says, without its lock.

    Raises
    ------
    NotFoundError
        When there is none that can be read.
    """
    place = beside(target, ".journal")
    found = parse(place) if is_there(place) else None
    if found is None or found.header is None:
        raise NotFoundError(
            f"there is no journal at {place.url} that can be read; it is made when ngffkit writes "
            "an image, and may be removed afterwards"
        )
    return Contents(
        found.header["fingerprint"],
        found.header["facts"],
        found.records.after(found.past, ""),
        found.finished,
        tuple(found.damaged),
        tuple(found.ends),
    )


def _edit_of(found: Parsed) -> str:
    """Return what kind of edit an unfinished journal is of; empty for a conversion."""
    facts = (found.header or {}).get("facts", {}).get("edit")
    return str(facts.get("kind")) if isinstance(facts, Mapping) else ""


def _given_up(found: Parsed, *, resume: bool) -> bool:
    """Tell whether an unfinished edit can and shall be forgotten: no document was replaced yet."""
    if not _edit_of(found) or COMMIT in found.records:
        return False
    return not resume or not len(found.records)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say which facts of two plans differ."""
    new = json.loads(json.dumps(dict(new), default=plain))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    said = [f"{name} was {_short(old.get(name))}, is {_short(new.get(name))}" for name in names[:5]]
    return f" ({', '.join(said)})" if said else ""


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
