"""``main``: parse, run, and say what went wrong in lines and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from ngffkit.cli.caching import keep
from ngffkit.cli.console import tell, tell_error, tell_problems, warnings_told
from ngffkit.cli.parsing import Typed, parse, places_of
from ngffkit.errors import NgffError

#: Exit codes; 0 is all is well.
INVALID, REFUSED, SKIPPED, STOPPED = 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process when left out.

    Returns
    -------
    int
        0 when all is well; 1 when something is not valid; 2 when it can't be done; 3 when it was
        done, but parts of the source could not be read; 130 when it was stopped by Ctrl-C.
    """
    typed = parse(sys.argv[1:] if argv is None else list(argv))
    if typed.wrong:
        tell_problems(typed.wrong, typed.spelled)
        return REFUSED
    with warnings_told():
        try:
            keep(typed)
            return _commands()[typed.command](typed)
        except NgffError as err:
            tell_error(err, typed.spelled)
            return REFUSED
        except KeyboardInterrupt:
            tell(_stopped(typed))
            return STOPPED
        except BrokenPipeError:
            # what is still buffered has nobody to read it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _stopped(typed: Typed) -> str:
    if "DST" not in places_of(typed.command) and typed.command != "downsample":
        return "stopped"
    # which would remove what is done
    over = typed.spelled["overwrite"] if typed.given.get("overwrite") else ""
    without = f" without {over}" if over else ""
    return f"stopped; what is done stays; run the same command again{without} to go on"


def _commands() -> Mapping[str, Callable[[Typed], int]]:
    from ngffkit.cli import app, caching, datasets, looking, making, sharing, tuning

    return {
        "info": lambda typed: looking.info(typed.places[0], typed.given),
        "validate": lambda typed: looking.validate(typed.places[0], typed.given),
        "browse": lambda typed: looking.browse(typed.places[0], typed.given),
        "verify": lambda typed: looking.verify(typed.places[0], typed.given),
        "convert": making.convert,
        "copy": making.convert,
        "downsample": making.downsample,
        "tune": tuning.tune,
        "benchmark": tuning.benchmark,
        "rewrite": tuning.rewrite,
        "serve": sharing.serve,
        "app": app.app,
        "cache": caching.cache,
        "upload": datasets.upload,
        "download": datasets.download,
        "demo": _demo,
    }


def _demo(typed: Typed) -> int:
    from ngffkit.demo import demo

    demo(*typed.places)
    return 0
