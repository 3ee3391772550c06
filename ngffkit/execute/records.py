"""What a journal holds: lines that are checked one by one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import google_crc32c

from ngffkit.errors import PlanError, Problem
from ngffkit.execute.logs import LOG, PIECES
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Target, Written

#: Of the journal; another one is not understood.
FORMAT = 1

_CRC = b',"crc":"'
_TAIL = len(_CRC) + 8 + len(b'"}')


@dataclass(frozen=True, slots=True)
class Record:
    """One finished task.

    Parameters
    ----------
    task : str
        Its name, unique in the plan.
    written : sequence of Written
        The objects it left.
    skipped : sequence
        What it left as fill, as JSON can say it.
    facts : Mapping
        What else is worth knowing, as JSON can say it.
    """

    task: str
    written: tuple[Written, ...] = ()
    skipped: tuple[Any, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal says.

    Parameters
    ----------
    fingerprint : str
        Of the plan.
    facts : Mapping
        Of the plan.
    records : Mapping of str to Record
        Finished tasks by name.
    finished : Mapping, optional
        The facts of the end; None while it is not there.
    damaged : tuple of int
        Numbers of lines, from 1, whose checksum is wrong.
    ends : tuple of Mapping
        The facts of the ends of all that was done there, one after another: of the conversion,
        of each edit; the last is `finished`.

    Notes
    -----
    Of an image that was edited, fingerprint, facts and end are those of the last edit; the tasks
    of what was done before are there too, under other names, in their order.
    """

    fingerprint: str
    facts: Mapping[str, Any]
    records: Mapping[str, Record]
    finished: Mapping[str, Any] | None
    damaged: tuple[int, ...] = ()
    ends: tuple[Mapping[str, Any], ...] = ()

    def objects(self) -> dict[str, Written]:
        """Return what should be there, by key: of each object what was last written of it."""
        out: dict[str, Written] = {}
        for record in self.records.values():
            gone = record.facts.get("removed")
            if gone:
                out = {key: item for key, item in out.items() if not key.startswith(gone)}
            out |= {item.key: item for item in record.written}
        for end in self.ends:
            out |= {item[0]: Written(*item) for item in end.get("documents", ())}
        return out


class Records(Mapping[str, Record]):
    """Finished tasks by name, kept as lines: about 50 bytes per object."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}

    def __getitem__(self, task: str) -> Record:
        """Return the record of a task."""
        body = unseal(self._lines[task])
        assert body is not None  # it was, when it came in
        return Record(
            task,
            tuple(Written(*item) for item in body["written"]),
            tuple(body["skipped"]),
            body["facts"],
        )

    def __contains__(self, task: object) -> bool:
        return task in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, task: str, line: bytes) -> None:
        """Keep the line of a task; a later one replaces it."""
        self._lines[task] = line

    def after(self, others: Records, name: str) -> Records:
        """Return the records of `others`, then these with `name` before theirs."""
        out = Records()
        out._lines = {**others._lines, **{f"{name}{k}": v for k, v in self._lines.items()}}
        return out


@dataclass(slots=True)
class Parsed:
    """A journal as it lies there: what it says, and what of it is sound.

    Attributes
    ----------
    header, finished : dict, optional
        What the first and the last line say.
    records : Records
        Finished tasks.
    past : Records
        Those of what was finished, or given up, before the last header.
    ends : list of dict
        What the last lines said, of all that was finished.
    damaged : list of int
        Numbers of lines, from 1, whose checksum is wrong; a torn end is not among them.
    lines : list of bytes
        Sound lines, the header first.
    good : int
        Length of the file up to the end of its last sound line.
    """

    header: dict[str, Any] | None = None
    records: Records = field(default_factory=Records)
    past: Records = field(default_factory=Records)
    ends: list[dict[str, Any]] = field(default_factory=list)
    finished: dict[str, Any] | None = None
    damaged: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    good: int = 0


def is_there(place: Target) -> bool:
    """Tell whether there is a journal at the place beside a target."""
    return place.store.get(LOG, 0, 1) is not None


def parse(place: Target) -> Parsed:
    """Read the journal at the place beside a target, and tell what of it is sound.

    Raises
    ------
    PlanError
        When it is of another format.
    """
    found, number = Parsed(), 0
    pieces = () if isinstance(place, LocalTarget) else _pieces(place)
    for number, (line, stop) in enumerate(_lines(place.store.get(LOG) or b""), 1):
        body = unseal(line)
        if body is None:
            found.damaged.append(number)
            continue
        found.good = stop
        _take(found, body, line)
    # what a crash has torn is no damage: it was never promised
    if found.damaged[-1:] == [number]:
        found.damaged.pop()
    if found.finished is None:
        for line in pieces:
            if (body := unseal(line)) is not None:
                _take(found, body, line)
    return found


def _take(found: Parsed, body: dict[str, Any], line: bytes) -> None:
    if "fingerprint" in body:
        if body.get("format") != FORMAT:
            raise PlanError(
                [
                    Problem(
                        "resume",
                        "error",
                        f"a journal of format {body.get('format')!r} is there, {FORMAT} was "
                        "expected: another version of ngffkit has written it",
                        "go on with that version; overwrite=True starts over",
                    )
                ]
            )
        if found.header is not None:  # an edit, of which nothing is done yet
            found.past = found.records.after(found.past, f"{len(found.lines)}|")
            found.records, found.finished = Records(), None
        found.header = body
    elif "finished" in body:
        found.finished = body["finished"]
        found.ends.append(body["finished"])
    elif "task" in body:
        found.records.add(body["task"], line)
        if gone := body["facts"].get("removed"):
            found.ends = [_without(end, gone) for end in found.ends]
    found.lines.append(line)


def _without(end: Mapping[str, Any], gone: str) -> dict[str, Any]:
    """Return what an end said, without the documents of a folder that was removed since."""
    kept = [item for item in end.get("documents", ()) if not item[0].startswith(gone)]
    return {**end, "documents": kept}


def _lines(data: Any) -> Iterator[tuple[bytes, int]]:
    """Yield each line that has an end, with the offset where the next one begins."""
    data, start = bytes(data), 0
    while stop := data.find(b"\n", start) + 1:
        yield data[start : stop - 1], stop
        start = stop


def _pieces(place: Target) -> Iterable[bytes]:
    """Return the lines that are objects of their own, in their order."""
    from concurrent.futures import ThreadPoolExecutor

    keys = sorted(place.keys(PIECES))
    with ThreadPoolExecutor(place.concurrency) as pool:
        found = list(pool.map(place.store.get, keys))
    return [bytes(data).rstrip(b"\n") for data in found if data is not None]


def seal(body: Mapping[str, Any]) -> bytes:
    """Return a line without its end, whose last member is the CRC-32C of the object before."""
    text = json.dumps(body, separators=(",", ":"), default=plain).encode()
    return text[:-1] + _CRC + b'%08x"}' % google_crc32c.value(text)


def unseal(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, None when it is not what was written."""
    text = line[:-_TAIL] + b"}"
    if line[-_TAIL:] != _CRC + b'%08x"}' % google_crc32c.value(text):
        return None
    with contextlib.suppress(ValueError):
        body = json.loads(text)
        return body if isinstance(body, dict) and _is_told(body) else None
    return None


def _is_told(body: dict[str, Any]) -> bool:
    """Tell whether a line has what its kind has: a checksum doesn't say who has written it."""
    if "fingerprint" in body:
        return isinstance(body["fingerprint"], str) and isinstance(body.get("facts"), dict)
    if "finished" in body:
        done = body["finished"]
        return isinstance(done, dict) and _are_written(done.get("documents", []))
    return "task" not in body or (
        isinstance(body["task"], str)
        and _are_written(body.get("written"))
        and isinstance(body.get("skipped"), list)
        and isinstance(body.get("facts"), dict)
        and isinstance(body["facts"].get("removed", ""), str)
    )


def _are_written(items: Any) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, list)
        and [type(value) for value in item] == [str, int, int]
        and min(item[1:]) >= 0
        for item in items
    )


def plain(value: Any) -> Any:
    """Say numbers of NumPy as JSON can, anything else in words."""
    return value.item() if hasattr(value, "item") else str(value)
