"""To and from a WEBKNOSSOS server: ``ngffkit upload``, ``download``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ngffkit.cli.console import say
from ngffkit.cli.parsing import Typed
from ngffkit.errors import NgffError
from ngffkit.planning.options import about
from ngffkit.progress import warm_up

_OWN = ("json", "quiet")


def upload(typed: Typed) -> int:
    """Send to WEBKNOSSOS; see `ngffkit.webknossos.upload`.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0.
    """
    from ngffkit.webknossos.sending import upload as send

    sent = send(typed.places[0], progress=not typed.given.get("quiet"), **_options(typed))
    if typed.given.get("json"):
        say(json.dumps(asdict(sent), indent=2))
    elif not typed.given.get("quiet"):
        layers = ", ".join(sent.layers)
        say(f"sent {sent.name} ({layers}): {about(sent.nbytes)} in {sent.files:,} files")
        say(f"look at it: {sent.url}")
    return 0


def download(typed: Typed) -> int:
    """Fetch from WEBKNOSSOS; see `ngffkit.webknossos.download`.

    Parameters
    ----------
    typed, returns
        As for `upload`.
    """
    from ngffkit.cli.making import summary
    from ngffkit.webknossos.fetching import download as fetch

    quiet = bool(typed.given.get("quiet"))
    warm_up(quiet=quiet)
    *sources, target = typed.places
    if len(sources) != 1:
        raise NgffError(f"one dataset expected, got {' and '.join(sources)}")
    result = fetch(sources[0], target, progress=not quiet, **_options(typed))
    if typed.given.get("json"):
        facts = {"url": result.url, "files": result.files, "nbytes": result.nbytes}
        say(json.dumps(facts, indent=2))
    elif not quiet:
        say(summary(result, 0, 0))
    return 0


def _options(typed: Typed) -> Mapping[str, Any]:
    return {key: value for key, value in typed.given.items() if key not in _OWN}
