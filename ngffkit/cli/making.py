"""What writes: ``ngffkit convert``, ``ngffkit copy``, ``ngffkit downsample``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ngffkit.cli.console import in_words, say, tell, tell_problems
from ngffkit.cli.parsing import Typed
from ngffkit.cli.webknossos import translated
from ngffkit.errors import NgffError, PlanError
from ngffkit.execute.running import Progress, Watch
from ngffkit.planning.options import about
from ngffkit.planning.plan import Plan, Result
from ngffkit.progress import live, warm_up

#: What says how the command line behaves, not what is written.
_OWN = ("dry_run", "json", "quiet")

#: Skipped parts that are listed; ``--json`` has them all.
_LISTED = 20

_SKIPPED = 3


def convert(typed: Typed) -> int:
    """Convert or copy; see `ngffkit.convert`.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0, 2 when the plan has errors, 3 when parts of the source were left out.
    """
    from ngffkit.writing import plan

    warm_up(quiet=bool(typed.given.get("quiet")))
    with options_of(typed) as options:
        *sources, target = typed.places
        planned = plan(sources[0] if len(sources) == 1 else sources, target, **options)
        said = tuple(in_words(problem, typed.spelled) for problem in planned.problems)
        if typed.given.get("dry_run"):
            return _show(replace(planned, problems=said), json_=typed.given.get("json", False))
        planned.check()
        if not typed.given.get("quiet"):
            tell_problems(said, typed.spelled)
        return run(planned.run, typed)


def downsample(typed: Typed) -> int:
    """Add missing mags to an image; see `ngffkit.editing.doors.downsample`.

    Parameters
    ----------
    typed, returns
        As for `convert`.
    """
    from ngffkit.editing.doors import downsample as add

    with options_of(typed) as options:
        if "storage_options" in options:  # what is read and written is the same place
            options["target_options"] = options["storage_options"]
        return run(lambda watch: add(typed.places[0], progress=watch, **options), typed)


@contextmanager
def options_of(typed: Typed) -> Iterator[dict[str, Any]]:
    """Yield the options for `ngffkit.plan`; a dask client lives as long as they do."""
    asked = translated({k: v for k, v in typed.given.items() if k not in _OWN})
    if asked.problems:
        raise PlanError(asked.problems)
    if not typed.given.get("quiet"):
        tell_problems(asked.notes, typed.spelled)
    executor = asked.options.get("executor")
    if not isinstance(executor, str) or "://" not in executor:
        yield asked.options
        return
    with _client(executor) as client:
        yield asked.options | {"executor": client}


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client as _Client
        from distributed import default_client as _default
    except ImportError:
        raise NgffError(
            f"executor: {address} is a dask scheduler; pip install distributed"
        ) from None
    make: Callable[..., Any] = _Client  # neither has annotations
    default: Callable[[], Any] = _default
    before = _or_none(default)
    try:
        client = make(address, timeout=10)
    except (OSError, TypeError, ValueError, ImportError, TimeoutError) as err:
        # the half-made client stands for dask in this process already, and whatever is computed
        # next would wait for it forever
        half = _or_none(default)
        if half is not None and half is not before:
            half.close()
        raise NgffError(f"executor: no dask scheduler at {address}: {err}") from None
    try:
        yield client
    finally:
        client.close()


def _or_none(default: Callable[[], Any]) -> Any:
    try:
        return default()
    except ValueError:  # there is none
        return None


def _show(planned: Plan, *, json_: bool) -> int:
    from ngffkit.planning.card import text_of
    from ngffkit.planning.facts import facts_of

    say(json.dumps(facts_of(planned), indent=2) if json_ else text_of(planned))
    return 0 if planned.ok else 2


def run(work: Callable[[Watch], Result], typed: Typed) -> int:
    """Do it under a progress bar, and say what came of it."""
    last: list[Progress] = []

    def keep(progress: Progress) -> None:
        last[:] = [progress]
        show(progress)

    with live(quiet=bool(typed.given.get("quiet"))) as show:
        result = work(keep)
    pixels = last[0].total if last else 0
    moved = pixels - (last[0].resumed if last else 0)
    if typed.given.get("json"):
        say(json.dumps(_facts(result, pixels), indent=2))
    elif not typed.given.get("quiet"):
        say(summary(result, pixels, moved))
    for part in result.skipped[:_LISTED]:
        where = ", ".join(f"{a}:{b}" for a, b in part.box)
        tell(f"skipped {part.name} ({part.cause}); [{where}] is fill")
    if len(result.skipped) > _LISTED:
        tell(f"skipped {len(result.skipped) - _LISTED} more parts; --json lists them all")
    return _SKIPPED if result.skipped else 0


def summary(result: Result, pixels: int, moved: int) -> str:
    """Say in two lines what was written, and how to look at it.

    Parameters
    ----------
    result : Result
        What was written.
    pixels, moved : int
        Bytes of pixels in all, and of this run.

    Examples
    --------
    >>> print(summary(Result("a.zarr", 9, 250_000, seconds=2.0), 10**6, 10**6))
    wrote a.zarr: 250 kB in 9 files, 4.0:1, 2.0 s, 500 kB/s
    look at it: ngffkit info a.zarr
    """
    parts = [f"{about(result.nbytes)} in {result.files:,} file{'s'[: result.files != 1]}"]
    if pixels and result.nbytes:
        parts.append(f"{pixels / result.nbytes:.1f}:1")
    parts.append(f"{result.seconds:.1f} s")
    if moved and result.seconds:
        parts.append(f"{about(moved / result.seconds)}/s")
    where = shlex.quote(result.url)
    return f"wrote {result.url}: {', '.join(parts)}\nlook at it: ngffkit info {where}"


def _facts(result: Result, pixels: int) -> Mapping[str, Any]:
    return {
        "url": result.url,
        "files": result.files,
        "nbytes": result.nbytes,
        "pixels": pixels,
        "seconds": result.seconds,
        "skipped": [part.to_json() for part in result.skipped],
    }
