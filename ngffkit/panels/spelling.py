"""What a panel does, as lines of Python that do the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Characters of a line before each argument gets one of its own.
_WIDTH = 88


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the notebook, which stands for itself."""

    name: str

    def __repr__(self) -> str:
        """Return the bare name."""
        return self.name


def call(function: str, given: Sequence[Any], options: Mapping[str, Any], *, to: str = "") -> str:
    """Return a call as Python.

    Parameters
    ----------
    function : str
        Its name, as ``"nk.convert"``.
    given : sequence
        Arguments without names; a `Name` stands for a variable.
    options : Mapping
        Those with names.
    to : str
        The name that the result gets, if any.

    Examples
    --------
    >>> print(call("nk.convert", ["slices", "a.zarr"], {"chunks": 64}))
    import ngffkit as nk
    <BLANKLINE>
    nk.convert('slices', 'a.zarr', chunks=64)
    """
    words = [*map(repr, given), *(f"{name}={value!r}" for name, value in options.items())]
    head = (f"{to} = " if to else "") + function
    line = f"{head}({', '.join(words)})"
    if len(line) > _WIDTH:
        line = f"{head}(\n" + "".join(f"    {word},\n" for word in words) + ")"
    return f"import ngffkit as nk\n\n{line}"
