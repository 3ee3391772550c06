"""Who may read and write what was rewritten: those who might before."""

# paths are str, for speed per file
# ruff: noqa: PTH101, PTH103, PTH116

from __future__ import annotations

import contextlib
import os
import shutil
import stat

from ngffkit.rewriting.baggage import Baggage
from ngffkit.stores.targets import DOCUMENTS, write_error


def dress(old: str, new: str, baggage: Baggage) -> None:
    """Give folders and files the owner, group, mode and extended attributes that they had.

    Folders that there were not are like the one they lie in, chunks and documents like a document
    of the image. Times are kept of files that come along. An owner or group that this process may
    not give stays its own.

    Parameters
    ----------
    old, new : str
        The folder of the image as it was, and as it will be.
    baggage : Baggage
        What comes along.

    Raises
    ------
    WriteError
        When the system refuses; nothing was replaced.
    """
    try:
        for path in baggage.empty:
            os.makedirs(f"{new}/{path}", exist_ok=True)
        like = {new: os.stat(old)}
        model = _model(old)
        for folder, inner, names in os.walk(new):
            there = f"{old}{folder[len(new) :]}"
            for name in inner:
                path = f"{there}/{name}"
                had = os.path.isdir(path)  # noqa: PTH112
                like[f"{folder}/{name}"] = os.stat(path) if had else like[folder]
            for name in names:
                _give(f"{folder}/{name}", model)
            # the last: it may be closed to us afterwards
            _give(folder, like.pop(folder), there)
        for key in baggage.files:
            _give(f"{new}/{key}", os.stat(f"{baggage.root}/{key}"), f"{baggage.root}/{key}")
    except OSError as err:
        raise write_error("", new, err) from err


def _model(folder: str) -> os.stat_result | None:
    """Return what a document of the image is like."""
    for name in sorted(DOCUMENTS):
        with contextlib.suppress(FileNotFoundError):
            return os.stat(f"{folder}/{name}")
    return None


def _give(path: str, like: os.stat_result | None, source: str = "") -> None:
    if like is None:
        return
    found = os.stat(path)
    if hasattr(os, "chown") and (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.chown(path, like.st_uid, like.st_gid)
        except PermissionError:
            with contextlib.suppress(PermissionError):
                os.chown(path, -1, like.st_gid)
    if stat.S_ISREG(found.st_mode) and source:
        shutil.copystat(source, path)
    elif source and os.path.isdir(source):  # noqa: PTH112
        shutil.copystat(source, path)
        # a folder's time says when names in it changed, which is now
        os.utime(path)
    if stat.S_IMODE(os.stat(path).st_mode) != stat.S_IMODE(like.st_mode):
        os.chmod(path, stat.S_IMODE(like.st_mode))
