"""Live progress: a bar on terminals and in notebooks, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ngffkit.execute.running import Progress, Watch
from ngffkit.planning.card import lasting
from ngffkit.planning.options import about

#: Updates per second of a bar: what an eye follows. Ticks come thousands of times a second.
_PER_SECOND = 10

#: Seconds between lines in a log.
_LINES = 10.0


@contextmanager
def live(
    *, quiet: bool = False, console: Any = None, every: float | None = None
) -> Iterator[Watch]:
    """Show progress while the body runs.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    console : rich.console.Console, optional
        Where; stderr when left out, the output of the cell in a notebook.
    every : float, optional
        Seconds between updates; a tenth for a bar, ten for lines in a log.

    Yields
    ------
    Watch
        To be told of progress; cheap, and safe to call from any thread.

    Examples
    --------
    >>> with live(quiet=True) as watch:
    ...     watch(Progress(1, 2, 0, 1, "0", 0, 1.0, 0))
    """
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console

    console = console or Console(stderr=True)
    if (console.is_terminal and not console.is_dumb_terminal) or console.is_jupyter:
        with _bar(console) as show:
            yield _throttled(show, 1 / _PER_SECOND if every is None else every, first=True)
    else:
        yield _throttled(_line, _LINES if every is None else every, first=False)


@contextmanager
def watching(
    progress: Watch | bool | None,  # noqa: FBT001 - the value of a keyword, passed on
) -> Iterator[Watch]:
    """Yield what is told of progress: a bar for True, nothing for False or None, or a function."""
    if callable(progress):
        yield progress
        return
    with live(quiet=not progress) as watch:
        yield watch


def warm_up(*, quiet: bool = False) -> None:
    """Import what a bar needs, so that a plan which is made after it counts that memory."""
    if not quiet:
        import rich.console
        import rich.progress  # noqa: F401 - a side effect is what is wanted


def describe(progress: Progress) -> str:
    """Say how far the work is.

    Examples
    --------
    >>> describe(Progress(1_300_000, 2_600_000, 2, 5, "1", 1, 2.0, 260_000))
    '1.3 of 2.6 MB, 520 kB/s, 2 s left, array 1, resumed at 10%, 1 skipped'
    """
    done, total = about(progress.done), about(progress.total)
    # one unit is enough where both have the same
    if done.split()[-1] == total.split()[-1]:
        done = done.split()[0]
    parts = [f"{done} of {total}"]
    if progress.rate > 0:
        parts.append(f"{about(progress.rate)}/s")
    if progress.left is not None and progress.done < progress.total:
        parts.append(f"{lasting(progress.left)} left")
    if progress.what:
        parts.append(f"array {progress.what}")
    if progress.resumed:
        parts.append(f"resumed at {share(progress.resumed, progress.total)}")
    if progress.skipped:
        parts.append(f"{progress.skipped} skipped")
    return ", ".join(parts)


def share(done: int, total: int) -> str:
    """Return whole percents; 100 % only when all is done.

    Examples
    --------
    >>> share(999, 1000), share(10, 10), share(0, 0)
    ('99%', '100%', '100%')
    """
    return f"{100 * done // total if total else 100}%"


def _throttled(show: Callable[[Progress], None], every: float, *, first: bool) -> Watch:
    """Pass on what is worth showing: now and then, and the last."""
    due = 0.0 if first else time.monotonic() + every

    def watch(progress: Progress) -> None:
        nonlocal due
        now = time.monotonic()
        # several threads may get here at once; then one line is shown twice, which harms nobody
        if now < due and not (first and _finished(progress)):
            return
        due = now + every
        show(progress)

    return watch


def _finished(progress: Progress) -> bool:
    return progress.tasks_done >= progress.tasks


def _line(progress: Progress) -> None:
    sys.stderr.write(f"{share(progress.done, progress.total)}, {describe(progress)}\n")
    sys.stderr.flush()


@contextmanager
def _bar(console: Any) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        BarColumn(bar_width=24),
        TextColumn("{task.fields[share]:>4}"),
        # names of arrays are no markup
        TextColumn("{task.fields[text]}", markup=False),
        console=console,
        auto_refresh=False,
        transient=True,
    )
    with bars:
        task = bars.add_task("", total=None, share="", text="beginning")

        def show(progress: Progress) -> None:
            bars.update(
                task,
                total=max(1, progress.total),
                completed=progress.done if progress.total else 1,
                share=share(progress.done, progress.total),
                text=describe(progress),
                refresh=True,
            )

        yield show
