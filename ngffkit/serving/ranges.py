"""Conditions and ranges of a request, by RFC 9110. Values, no I/O."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)

#: Digits of a position; with more it lies beyond the end of anything.
_DIGITS = 18


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return start and stop of what a Range header asks for; None for all.

    What is malformed is ignored, and so are several ranges: all of it is the answer to both, as
    RFC 9110, 14.2, allows. The range is empty when nothing satisfies it (14.1.2).

    Examples
    --------
    >>> range_of("bytes=2-3", 10), range_of("bytes=8-99", 10), range_of("bytes=-3", 10)
    ((2, 4), (8, 10), (7, 10))
    >>> range_of("bytes=10-", 10), range_of("bytes=-0", 10)
    ((0, 0), (0, 0))
    >>> range_of("bytes=3-2", 10), range_of("bytes=0-1,4-5", 10), range_of("lines=1-2", 10)
    (None, None, None)
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = min(_number(found[2]), size)
        return (size - count, size) if count else (0, 0)
    first = _number(found[1])
    stop = _number(found[2]) + 1 if found[2] else size
    if stop <= first and found[2]:
        return None
    return (first, min(stop, size)) if first < size else (0, 0)


def _number(digits: str) -> int:
    plain = digits.lstrip("0")
    return int(plain or "0") if len(plain) <= _DIGITS else 10**_DIGITS


def matches(header: str, etag: str, *, weak: bool) -> bool:
    """Tell whether a list of entity tags has this one (RFC 9110, 8.8.3.2).

    Parameters
    ----------
    header : str
        Of If-Match or If-None-Match.
    etag : str
        A strong tag.
    weak : bool
        Whether weak tags count, as they do for If-None-Match.

    Examples
    --------
    >>> matches('"a", W/"b"', '"b"', weak=True), matches('"a", W/"b"', '"b"', weak=False)
    (True, False)
    """
    if header.strip() == "*":
        return True
    given = re.findall(r'(W/)?("[^"]*")', header)
    return any(tag == etag and (weak or not mark) for mark, tag in given)
