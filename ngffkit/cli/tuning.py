"""What measures and mends layouts: ``ngffkit tune``, ``benchmark``, ``rewrite``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ngffkit.cli.console import in_words, say, tell, tell_problems
from ngffkit.cli.making import options_of, run
from ngffkit.cli.parsing import Typed
from ngffkit.errors import NgffError, WriteError

#: Options of the functions, as they are typed.
_TUNE = ("image", "line", "use", "probe", "storage_options")
_BENCHMARK = ("image", "patterns", "rounds", "seconds", "storage_options")

#: Endings of pictures.
_PICTURES = (".png", ".svg", ".pdf")


def tune(typed: Typed) -> int:
    """Report a layout; see `ngffkit.tune`.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0
    """
    from ngffkit.tuning.doors import tune as ask

    _check_picture(typed.given)
    found = ask(typed.places[0], **_some(typed.given, _TUNE))
    return _show(found, typed.given)


def benchmark(typed: Typed) -> int:
    """Measure patterns of access; see `ngffkit.benchmark`.

    Parameters
    ----------
    typed, returns
        As for `tune`.
    """
    from ngffkit.tuning.measuring import benchmark as measure

    _check_picture(typed.given)
    found = measure(typed.places[0], **_some(typed.given, _BENCHMARK))
    return _show(found, typed.given)


def rewrite(typed: Typed) -> int:
    """Store in another layout; see `ngffkit.rewrite`.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0, 2 when the plan has errors.
    """
    from ngffkit.rewriting.doors import plan_rewrite

    quiet = bool(typed.given.get("quiet"))
    with options_of(typed) as options:
        layout, target = options.pop("advised", None), options.pop("target", None)
        planned = plan_rewrite(typed.places[0], layout, target, **options)
        said = tuple(in_words(problem, typed.spelled) for problem in planned.problems)
        if typed.given.get("dry_run"):
            facts = {
                "ok": planned.ok,
                "files": planned.files,
                "nbytes": planned.nbytes,
                "peak_memory": planned.peak_memory,
                "problems": [problem.to_json() for problem in said],
            }
            say(json.dumps(facts, indent=2) if typed.given.get("json") else str(planned))
            return 0 if planned.ok else 2
        planned.check()
        if not quiet:
            tell_problems(said, typed.spelled)
        return run(planned.run, typed)


def _some(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _check_picture(given: Mapping[str, Any]) -> None:
    """Refuse a picture that can't be written before minutes are spent on it."""
    if "plot" not in given:
        return
    path = Path(given["plot"])
    if path.suffix.lower() not in _PICTURES:
        raise NgffError(f"plot: {path.name!r} is no picture; end it in {', '.join(_PICTURES)}")
    if not path.absolute().parent.is_dir():
        raise NgffError(f"plot: {str(path.parent)!r} is no folder; make it first")


def _show(found: Any, given: Mapping[str, Any]) -> int:
    say(json.dumps(found.to_json(), indent=2) if given.get("json") else str(found))
    if "plot" in given:
        try:
            found.plot().savefig(given["plot"], dpi=150)
        except OSError as err:
            raise WriteError(given["plot"], given["plot"], err.strerror or str(err)) from err
        tell(f"wrote {given['plot']}")
    return 0
