"""Faults of the system, made to order: the k-th call fails, writes come short, the process dies.

Whatever writes looks its system calls up in `os` when it calls them, so that they can be replaced
here::

    with failing(0) as seen:  # counts
        write()
    for k in range(1, seen.count + 1):
        with failing(k, errno.EIO), pytest.raises(WriteError):
            write()
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

#: Calls without which nothing is written; `os.makedirs` calls `os.mkdir`.
CALLS = ("write", "pwrite", "fsync", "replace", "mkdir")


class Calls:
    """What was called so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        return len(self.names)

    def next(self, name: str) -> int:
        with self._lock:
            self.names.append(name)
            return len(self.names)


@contextlib.contextmanager
def replacing(names: tuple[str, ...], before: Callable[[int, str], None]) -> Iterator[Calls]:
    """Call `before` with number (from 1) and name of each call of `os`, before it is made."""
    seen, originals = Calls(), {name: getattr(os, name) for name in names if hasattr(os, name)}

    def wrap(name: str, original: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            before(seen.next(name), name)
            return original(*args, **more)

        return call

    for name, original in originals.items():
        setattr(os, name, wrap(name, original))
    try:
        yield seen
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


@contextlib.contextmanager
def failing(
    k: int, code: int = errno.EIO, names: tuple[str, ...] = CALLS, *, lasting: bool = False
) -> Iterator[Calls]:
    """Let the k-th call fail, `lasting` all calls after it too; 0 only counts."""

    def before(number: int, name: str) -> None:
        if k and (number == k or (lasting and number > k)):
            raise OSError(code, f"{os.strerror(code)} (injected into os.{name})")

    with replacing(names, before) as seen:
        yield seen


@contextlib.contextmanager
def killing(k: int, names: tuple[str, ...] = CALLS) -> Iterator[Calls]:
    """Let the process die by SIGKILL before the k-th call is made."""

    def before(number: int, name: str) -> None:
        if number == k:
            os.kill(os.getpid(), signal.SIGKILL)

    with replacing(names, before) as seen:
        yield seen


@contextlib.contextmanager
def short_writes(most: int) -> Iterator[None]:
    """Let the system take `most` bytes at a time."""
    write, pwrite = os.write, getattr(os, "pwrite", None)

    def short(fd: int, data: Any) -> int:
        return write(fd, memoryview(data)[:most])

    def short_at(fd: int, data: Any, offset: int) -> int:
        assert pwrite is not None
        return int(pwrite(fd, memoryview(data)[:most], offset))

    os.write = short
    if pwrite is not None:
        os.pwrite = short_at
    try:
        yield
    finally:
        os.write = write
        if pwrite is not None:
            os.pwrite = pwrite
