"""What only looks: ``ngffkit info``, ``validate``, ``verify``, ``browse``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ngffkit.cli.console import say
from ngffkit.planning.options import about


def info(place: str, given: Mapping[str, Any]) -> int:
    """Say what is at a place.

    Parameters
    ----------
    place : str
        A path or URL.
    given : Mapping
        Options as they were typed.

    Returns
    -------
    int
        0
    """
    from ngffkit.description import describe

    described = describe(place, storage_options=given.get("storage_options", {}))
    say(json.dumps(described.to_json(), indent=2) if given.get("json") else str(described))
    return 0


def validate(place: str, given: Mapping[str, Any]) -> int:
    """List every problem of an image; return 1 when there are any that count.

    Parameters
    ----------
    place, given
        As for `info`.
    """
    from ngffkit.validation import validate as check

    report = check(place, storage_options=given.get("storage_options", {}))
    if given.get("json"):
        problems = [problem.to_json() for problem in report]
        say(json.dumps({"valid": report.valid, "problems": problems}, indent=2))
    else:
        say(f"{place}: {report}")
    return 0 if report.valid else 1


def verify(place: str, given: Mapping[str, Any]) -> int:
    """Read what a conversion wrote again and compare it with its journal; 1 when it differs.

    Parameters
    ----------
    place, given
        As for `info`.
    """
    from ngffkit.verifying import verify as check

    found = check(place, given.get("storage_options", {}))
    if given.get("json"):
        facts = {
            "ok": found.ok,
            "files": found.files,
            "nbytes": found.nbytes,
            "problems": [problem.to_json() for problem in found.problems],
        }
        say(json.dumps(facts, indent=2))
    else:
        say(f"{place}: {found}")
    return 0 if found.ok else 1


def browse(place: str, given: Mapping[str, Any]) -> int:
    """Write a page to look at an image with.

    Parameters
    ----------
    place, given
        As for `info`.
    """
    from ngffkit.api import open as open_
    from ngffkit.widgets.page import write_page
    from ngffkit.widgets.preparing import prepare

    name = re.split(r"[/\\]", place.rstrip("/\\"))[-1]
    target = Path(given.get("html") or f"{name.split('.')[0] or 'image'}.html")
    options = {key: given[key] for key in ("position", "layout", "plane") if key in given}
    scene = prepare(open_(place, storage_options=given.get("storage_options")), options)
    size = {"max_bytes": given["max_bytes"]} if "max_bytes" in given else {}
    write_page(scene.layers, scene.bricks, scene.state, target, **size)
    nbytes = target.stat().st_size
    facts = {"page": str(target), "nbytes": nbytes}
    say(json.dumps(facts, indent=2) if given.get("json") else f"{target}: {about(nbytes)}")
    return 0
