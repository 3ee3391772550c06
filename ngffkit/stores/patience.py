"""Ask once more where obstore gives up at once: answers that are not what was asked for."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

#: Repeats of a request whose answer was wrong; obstore has its own for errors and lost lines.
REPEATS = 3

#: What obstore's errors say of an answer to another question: a range other than the one that was
#: asked for, or the whole; and of a body that was cut and has no ETag by which to ask for the rest.
_WRONG = ("UnexpectedRange", "NotPartial", "response body error")


class ShortError(Exception):
    """A body ended before the range that its header promised."""


def patiently[Answer](ask: Callable[[], Answer], inner: Any) -> Answer:
    """Ask until the answer fits the question, a few times at most, with exponential back-off.

    Parameters
    ----------
    ask : callable
        Raises `ShortError`, or what obstore raises; only what may get better is repeated.
    inner : obstore store
        By its ``retry_config`` times are chosen, and no more repeats made than it has.

    Returns
    -------
    object
        What `ask` returned.

    Examples
    --------
    >>> answers = iter([ShortError("short"), b"all of it"])
    >>> def ask() -> bytes:
    ...     answer = next(answers)
    ...     if isinstance(answer, ShortError):
    ...         raise answer
    ...     return answer
    >>> patiently(ask, None)
    b'all of it'
    """
    attempt = 0
    while True:
        try:
            return ask()
        except Exception as err:
            config = getattr(inner, "retry_config", None) or {}
            if attempt >= min(REPEATS, config.get("max_retries", REPEATS)) or not _is_wrong(err):
                raise
            time.sleep(_pause(config.get("backoff") or {}, attempt))
            attempt += 1


def _is_wrong(err: Exception) -> bool:
    return isinstance(err, ShortError) or any(name in str(err) for name in _WRONG)


def _pause(backoff: Mapping[str, Any], attempt: int) -> float:
    """Return the seconds to wait; who failed together shall not ask together again."""
    first = backoff.get("init_backoff", dt.timedelta(milliseconds=100))
    most = backoff.get("max_backoff", dt.timedelta(seconds=5))
    pause = min(most, first * float(backoff.get("base", 2)) ** attempt)
    return float(pause.total_seconds()) * random.uniform(0.5, 1)  # noqa: S311 - nothing secret
