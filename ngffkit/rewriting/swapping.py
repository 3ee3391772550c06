"""Put a finished image in the place of another one: at once, or so that a later call ends it.

The new image lies in the folder ``<name>.rewriting``. Linux exchanges the names of two folders in
one step; elsewhere two renamings do, between which nothing has the name. A marker beside the new
image says which folder it is, so whoever comes after a kill can tell how far it got.
"""

# paths are str; tests replace functions of `os`
# ruff: noqa: PTH102, PTH105, PTH106, PTH108, PTH112, PTH113, PTH116, PTH120

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import sys
from typing import Any, Final

from ngffkit.errors import NotFoundError, WriteError
from ngffkit.execute.journal import read_journal
from ngffkit.execute.locks import NAME as LOCK
from ngffkit.execute.locks import locked
from ngffkit.stores.disk import entries, sync_folder
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import DOCUMENTS, Target, beside, write_error

#: What is appended to the name of an image: while it is rewritten; for the old one, if it is kept.
NEW, KEPT = ".rewriting", ".before"

#: The old image, between two renamings.
_ASIDE: Final = ".replaced"

_MARKER: Final = "swap.json"

#: Of Linux: relative to the working directory; exchange two names (renameat2(2)).
_CWD, _EXCHANGE = -100, 2

#: Errors by which a system or file system says that it knows no such call.
_UNKNOWN: Final = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def rewritten(home: LocalTarget) -> LocalTarget:
    """Return where the image is written that will replace another one."""
    return LocalTarget(f"{home.root}{NEW}")


def stamp_of(home: LocalTarget) -> tuple[int, ...]:
    """Return what changes when an image is replaced or its documents are."""
    out: list[int] = []
    for name in ("", *sorted(DOCUMENTS)):
        try:
            found = os.stat(f"{home.root}/{name}")
        except OSError:
            continue
        # a folder changes with what is put into it for a moment
        out += [found.st_ino] if not name else [found.st_ino, found.st_size, found.st_mtime_ns]
    return tuple(out)


def is_finished(new: Target, fingerprint: str) -> bool:
    """Tell whether an earlier call has written all of an image, and not swapped it in."""
    try:
        found = read_journal(new)
    except NotFoundError:
        return False
    return found.finished is not None and found.fingerprint == fingerprint


def is_begun(new: Target, fingerprint: str) -> bool:
    """Tell whether an earlier call has begun to write an image with the same settings."""
    try:
        return read_journal(new).fingerprint == fingerprint
    except NotFoundError:
        return False


def is_foreign(home: LocalTarget) -> bool:
    """Tell whether others have put something where the new image would be written."""
    new = rewritten(home)
    try:
        if not entries(new.root) or os.path.isfile(_marker(home)):
            return False
    except NotADirectoryError:
        return True
    try:
        read_journal(new)
    except NotFoundError:
        return True
    return False


def prepare(home: LocalTarget) -> None:
    """Make the folder of the new image, which is nobody else's to read until it is finished.

    Raises
    ------
    WriteError
        When it can't be made, or holds what no rewriting has made.
    """
    new = rewritten(home)
    if is_foreign(home):
        cause = "no rewriting has made it; move it elsewhere"
        raise WriteError("", new.root, cause)
    try:
        for folder in (new.root, f"{new.root}.journal"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        sync_folder(os.path.dirname(new.root))
    except OSError as err:
        raise write_error("", new.root, err) from err


def discard(target: Target) -> None:
    """Remove what was written, and its journal."""
    for place in (target, beside(target, ".journal")):
        place.clear()
        if isinstance(place, LocalTarget):
            with contextlib.suppress(OSError):
                shutil.rmtree(place.root)


def swap(home: LocalTarget, *, keep: bool) -> None:
    """Let the new image have the name of the old one, which is removed or kept.

    Parameters
    ----------
    home : LocalTarget
        The image, whose lock is held; beside it lies the new one, finished.
    keep : bool
        Whether the old one is kept as ``<name>.before``.

    Raises
    ------
    WriteError
        When the names can't be exchanged; the old image stays.
    """
    new = rewritten(home)
    try:
        found = os.stat(new.root)
        marker = {"device": found.st_dev, "folder": found.st_ino, "keep": keep}
        notes = beside(new, ".journal")
        notes.put(_MARKER, json.dumps(marker).encode())
        notes.sync()
        # it speaks of the old image, and must never lie beside the new one
        _move_notes(home, LocalTarget(f"{home.root}{KEPT}") if keep else None)
        _exchange(home.root, new.root)
    except OSError as err:
        raise write_error("", home.url, err) from err
    _put_away(home, keep=keep)


def recover(home: LocalTarget) -> bool:
    """End a swap that was killed; tell whether there was one.

    Raises
    ------
    BusyError
        When it goes on in another process.
    """
    if not os.path.isfile(_marker(home)):
        # a folder that is empty is all that is left of one that was ended
        rewritten(home).tidy()
        return False
    with locked(home):
        try:
            return _recover(home)
        except WriteError:
            raise
        except OSError as err:
            raise write_error("", home.url, err) from err


def _recover(home: LocalTarget) -> bool:
    try:
        with open(_marker(home), "rb") as file:  # noqa: PTH123 - a str
            marker = json.loads(file.read())
    except (FileNotFoundError, ValueError):
        return False
    new, aside = rewritten(home).root, f"{home.root}{_ASIDE}"
    if not os.path.lexists(home.root) and _is(new, marker):
        os.replace(new, home.root)
    if not _is(home.root, marker):
        return False  # the old image is there still; who comes next goes on from what is written
    if os.path.isdir(aside) and not os.path.lexists(new):
        os.replace(aside, new)
    _put_away(home, keep=bool(marker.get("keep")))
    return True


def _marker(home: LocalTarget) -> str:
    return f"{beside(rewritten(home), '.journal').root}/{_MARKER}"  # type: ignore[attr-defined]


def _is(folder: str, marker: dict[str, Any]) -> bool:
    """Tell whether a folder is the one that a marker means, whatever its name."""
    try:
        found = os.stat(folder)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (marker.get("device"), marker.get("folder"))


def _exchange(one: str, other: str) -> None:
    """Exchange the names of two folders of the same folder, in one step where that can be."""
    if not _exchanged(one, other):
        aside = f"{one}{_ASIDE}"
        os.replace(one, aside)
        try:
            os.replace(other, one)
        except OSError:
            os.replace(aside, one)
            raise
        os.replace(aside, other)
    sync_folder(os.path.dirname(one))


def _exchanged(one: str, other: str) -> bool:
    """Let the system exchange two names; False when it can't."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_CWD, os.fsencode(one), _CWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), one)


def _put_away(home: LocalTarget, *, keep: bool) -> None:
    """Do what is left once the new image has the name."""
    try:
        _settle(home, keep=keep)
    except OSError as err:
        cause = (
            f"the new image is in its place, but the old one, {rewritten(home).root}, can't be put "
            f"away: {err.strerror or err}; the next rewriting tries again"
        )
        raise WriteError("", home.url, cause) from err


def _settle(home: LocalTarget, *, keep: bool) -> None:
    """Give the new image its journal, and put the old one away; may be done again."""
    old = rewritten(home)
    notes = beside(old, ".journal")
    assert isinstance(notes, LocalTarget)
    if os.path.isdir(notes.root):
        _make(f"{home.root}.journal")
        for name in _notes(notes.root):
            if name != _MARKER:
                os.replace(f"{notes.root}/{name}", f"{home.root}.journal/{name}")
        sync_folder(f"{home.root}.journal")
    if keep and os.path.isdir(old.root):
        os.replace(old.root, f"{home.root}{KEPT}")
    elif os.path.isdir(old.root):
        old.clear()
        shutil.rmtree(old.root)
    sync_folder(os.path.dirname(home.root))
    # the last to go: until then the next call does all this again
    if os.path.isdir(notes.root):
        _clear(notes.root)


def _clear(folder: str) -> None:
    """Remove the folder of a journal, the marker last."""
    with os.scandir(folder) as found:
        others = [entry for entry in found if entry.name != _MARKER]
    for entry in others:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{folder}/{_MARKER}")
    os.rmdir(folder)


def _move_notes(home: LocalTarget, to: LocalTarget | None) -> None:
    """Move the journal of an image, or remove it; the lock stays."""
    folder = f"{home.root}.journal"
    for name in _notes(folder) if os.path.isdir(folder) else ():
        if to is None:
            os.unlink(f"{folder}/{name}")
        else:
            _make(f"{to.root}.journal")
            os.replace(f"{folder}/{name}", f"{to.root}.journal/{name}")


def _notes(folder: str) -> list[str]:
    """Return the files of a journal; neither its lock nor folders for what is not whole."""
    with os.scandir(folder) as found:
        return sorted(entry.name for entry in found if entry.is_file() and entry.name != LOCK)


def _make(folder: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
