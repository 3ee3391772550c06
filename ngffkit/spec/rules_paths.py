"""Paths in documents: they must stay below the group that names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ngffkit.spec.report import Spot, show, twins

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|\\)|[A-Za-z]:", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def flaw(path: str, *, climb: bool = False) -> str | None:
    r"""Return what makes `path` useless or harmful as a path below a group, or None.

    Parameters
    ----------
    path : str
        The path.
    climb : bool
        Whether it may lead up, as from a label image to its source.

    Examples
    --------
    >>> flaw("../secret"), flaw("/etc"), flaw("s3://bucket/x"), flaw("a\\b"), flaw("labels/0")
    ('leads out of the group', 'is absolute', 'is a URL', 'holds a backslash', None)
    """
    parts = path.removesuffix("/").split("/")
    flaws = (
        (not path, "is empty"),
        (path.startswith("/"), "is absolute"),
        (_URL.match(path) is not None, "is a URL"),
        ("\\" in path, "holds a backslash"),
        (_CONTROL.search(path) is not None, "holds a control character"),
        (".." in parts and not climb, "leads out of the group"),
        ("" in parts or ("." in parts and not climb), "has an empty part"),
    )
    return next((text for wrong, text in flaws if wrong), None)


def check_path(path: object, at: Spot, *, climb: bool = False) -> None:
    """Report a path that is useless or harmful; anything but a string is passed over."""
    if isinstance(path, str) and (text := flaw(path, climb=climb)) is not None:
        at.problem(
            f"{show(path)} {text}",
            "write a path relative to this group, with forward slashes, e.g. '0'",
        )


def check_repeats(paths: Sequence[object], at: Spot, key: str = "") -> None:
    """Report paths that stand in a list twice; `key` is where items keep them."""
    # what is not a string equals nothing else
    keys = [path if isinstance(path, str) else object() for path in paths]
    for position, earlier in twins(keys):
        spot = at.index(position)
        (spot.key(key) if key else spot).problem(
            f"{show(paths[position])} is listed before, at {earlier}", "list every path once"
        )
