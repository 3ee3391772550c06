"""What folders are asked for, one system call at a time: walk, sync, discard."""

# paths are str, for speed per chunk; tests replace functions of `os`
# ruff: noqa: PTH108, PTH110, PTH120

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator


def discard(path: str) -> None:
    """Remove a file if it is there and may be removed."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def sync_file(path: str) -> OSError | None:
    """Force a file to the disk; return what the disk said when it refused."""
    try:
        fd = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as err:
        return err
    return None


def sync_folder(path: str) -> None:
    """Force the names in a folder to the disk."""
    if os.name == "nt":  # there, names are on the disk when the call returns
        return
    try:
        fd = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written, not listed
        return
    try:
        os.fsync(fd)
    except OSError as err:
        # network file systems know no such thing for folders
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def missing_folders(folder: str) -> set[str]:
    """Return the folders in which a name appears when `folder` is made."""
    found: set[str] = set()
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
        found.add(folder)
    return found


def entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; nothing when there is no folder."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def walk(top: str, work: str = "") -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield a folder and those below it with their entries, breadth first, without `work`.

    Links are entries; they are not followed.
    """
    level = [top]
    while level:
        below: list[str] = []
        for folder in level:
            try:
                found = [entry for entry in entries(folder) if entry.path != work]
            except NotADirectoryError:
                continue
            below += [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
            yield folder, found
        level = below
