"""JSON values that can be hashed and compared, for the frozen values that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ngffkit.errors import MetadataError

#: Nothing in the specification nests further than a few levels.
_MAX_DEPTH = 32


class Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object, as a tuple of its items in their order."""

    __slots__ = ()


def freeze(value: Any, loc: str, depth: int = 0) -> Any:
    """Return a JSON value as one that can be hashed.

    Raises
    ------
    MetadataError
        When it nests too deep.

    Examples
    --------
    >>> freeze({"type": "anatomical", "values": [1, 2]}, "")
    (('type', 'anatomical'), ('values', (1, 2)))
    """
    if depth > _MAX_DEPTH:
        raise MetadataError(f"nests more than {_MAX_DEPTH} deep", loc)
    if isinstance(value, Mapping):
        return Pairs((str(k), freeze(v, loc, depth + 1)) for k, v in value.items())
    if isinstance(value, list):
        return tuple(freeze(item, loc, depth + 1) for item in value)
    return value


def thaw(value: Any) -> Any:
    """Return the JSON value that `freeze` was given.

    Examples
    --------
    >>> thaw(freeze({"values": [["a", 1], ["b", 2]]}, ""))
    {'values': [['a', 1], ['b', 2]]}
    """
    if isinstance(value, Pairs):
        return {key: thaw(item) for key, item in value}
    return [thaw(item) for item in value] if isinstance(value, tuple) else value
