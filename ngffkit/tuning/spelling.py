"""Advice as it is typed: a line of Python, a line of the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ngffkit import typed


def spelled(url: str, options: Mapping[str, Any], *, in_place: bool) -> tuple[str, str]:
    """Return the lines of Python and of the command line that carry advice out.

    Parameters
    ----------
    url : str
        Where the image is.
    options : Mapping
        As for `Advice.options`.
    in_place : bool
        Whether it can be replaced where it is; else it is written beside.

    Examples
    --------
    >>> for line in spelled(
    ...     "a.zarr", {"chunks": {"y": 64, "x": 64}, "shards": None}, in_place=True
    ... ):
    ...     print(line)
    ngffkit.rewrite('a.zarr', chunks={'y': 64, 'x': 64}, shards=None)
    ngffkit rewrite --chunks y=64,x=64 --shards none a.zarr
    >>> spelled("a.zarr", {"mags": ["1", "2"]}, in_place=True)[1]
    'ngffkit downsample --mags 1,2 a.zarr'
    """
    name = "downsample" if set(options) == {"mags"} and in_place else "rewrite"
    given = dict(options)
    words = [f"{key}={value!r}" for key, value in given.items()]
    flags = [f"--{key} {typed.spelled(value)}" for key, value in given.items()]
    if not in_place:
        words.insert(0, "'copy.zarr'" if name == "downsample" else "target='copy.zarr'")
        flags.append("--to copy.zarr")
    python = f"ngffkit.{name}({', '.join([repr(url), *words])})"
    return python, " ".join(["ngffkit", name, *flags, shlex.quote(url)])
