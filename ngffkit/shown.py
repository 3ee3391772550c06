"""How any value is shown in an error message: on one short line, whatever a document holds."""

from __future__ import annotations

from collections.abc import Mapping

#: Longer texts are cut: a message is for people.
_LONGEST = 80

#: Lists of up to so many numbers or names are spelled out.
_FEW = 8


def shown(value: object) -> str:
    """Return a short text for a value of a JSON document.

    Nested values are named by their type and length alone, since documents nest as deep as their
    writer likes.

    Examples
    --------
    >>> shown("a"), shown([1, 2]), shown([[1], [2]]), shown({"a": 1}), shown(None)
    ("'a'", '[1, 2]', 'a list of 2', 'an object of 1', 'null')
    """
    if isinstance(value, Mapping):
        return f"an object of {len(value)}"
    if isinstance(value, (list, tuple)):
        flat = len(value) <= _FEW and not any(
            isinstance(item, (list, tuple, Mapping)) for item in value
        )
        if not flat:
            return f"a list of {len(value)}"
        return _cut("[" + ", ".join(shown(item) for item in value) + "]")
    if value is None:
        return "null"
    if isinstance(value, str):
        return _cut(repr(value[: _LONGEST + 1]))
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
