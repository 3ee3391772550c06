"""The options of ``tune``, ``benchmark`` and ``rewrite``."""

from __future__ import annotations

import math

from ngffkit import typed as values
from ngffkit.cli.flag import Flag, flag, group, switch

_TUNE, _BENCHMARK, _REWRITE = ("tune",), ("benchmark",), ("rewrite",)


def _line(text: str) -> str:
    names = {name.lower(): name for name in ("here", "SSD", "LAN", "S3")}
    if text.lower() not in names:
        raise ValueError(f"one of {', '.join(names.values())} was expected")
    return names[text.lower()]


def _use(text: str) -> dict[str, float]:
    """Return weights by pattern.

    Examples
    --------
    >>> _use("xy plane=1,time series=5")
    {'xy plane': 1.0, 'time series': 5.0}
    """
    expected = "patterns with weights were expected, e.g. 'xy plane=1,time series=5'"
    out = {}
    for part in text.split(","):
        name, equals, weight = part.rpartition("=")
        try:
            number = float(weight)
        except ValueError:
            number = math.nan
        if not equals or not name.strip() or not 0 <= number < math.inf:
            raise ValueError(expected)
        out[name.strip()] = number
    return out


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError("a positive number was expected, e.g. 20")
    return number


def _patterns(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError("names of patterns were expected, e.g. 'xy plane,cutout 64'")
    return names


FLAGS: tuple[Flag, ...] = group(
    "how reading is judged",
    flag(
        "--line",
        "line",
        _line,
        "LINE",
        "the line that counts: here (measured), SSD, LAN or S3",
        _TUNE,
    ),
    flag(
        "--use",
        "use",
        _use,
        "PATTERN=N,...",
        "what you do, and how much: 'xy plane=1,time series=5'",
        _TUNE,
    ),
    switch("--probe --no-probe", "probe", "measure the line and the decoder, or don't", _TUNE),
    flag(
        "--patterns",
        "patterns",
        _patterns,
        "PATTERN,...",
        "which to measure: 'xy plane,cutout 64'; all when left out",
        _BENCHMARK,
    ),
    flag("--rounds", "rounds", values.count, "N", "how often each is measured", _BENCHMARK),
    flag("--seconds", "seconds", _seconds, "SECONDS", "time that it may take in all", _BENCHMARK),
    flag(
        "--plot",
        "plot",
        values.word,
        "FILE",
        "a picture of it: *.png, *.svg or *.pdf",
        (*_TUNE, *_BENCHMARK),
    ),
) + group(
    "what is rewritten",
    flag(
        "--layout",
        "advised",
        values.one_of("advised"),
        "LAYOUT",
        "advised: as `ngffkit tune` advises",
        _REWRITE,
    ),
    flag(
        "--to",
        "target",
        values.word,
        "DST",
        "where it goes; in the place of X when left out",
        _REWRITE,
    ),
    switch("--keep", "keep", "keep what is replaced, as X.before", _REWRITE),
    switch("--verify --no-verify", "verify", "read all of it back (the default), or not", _REWRITE),
)
