"""One option of the command line, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

#: Commands that convert; most options are theirs.
BOTH = ("convert", "copy")


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of the command line.

    Parameters
    ----------
    names : tuple of str
        Its spellings, the best one first; ``--no-...`` switches off.
    option : str
        What it sets: an option of `ngffkit.convert`, or a word that `webknossos` translates.
    help : str
        What it does, in one line.
    group : str
        The heading it stands under.
    commands : tuple of str
        Which commands take it.
    read : callable, optional
        Reads its value; None for a switch.
    metavar : str
        What stands for the value in the help.
    many : bool
        Whether it may be given more than once, each time adding to a mapping.
    """

    names: tuple[str, ...]
    option: str
    help: str
    group: str
    commands: tuple[str, ...] = BOTH
    read: Callable[[str], Any] | None = None
    metavar: str = ""
    many: bool = False

    @property
    def switch(self) -> bool:
        """Whether it has no value."""
        return self.read is None


#: Options that are mappings: given again, they add to it.
_MANY = ("storage_options", "target_options", "labels")


def flag(
    names: str,
    option: str,
    read: Callable[[str], Any] | None,
    metavar: str,
    text: str,
    commands: tuple[str, ...] = BOTH,
) -> Flag:
    """Return an option with a value; `names` has its spellings, the best one first."""
    many = option in _MANY and read is not None
    return Flag(tuple(names.split()), option, text, "", commands, read, metavar, many)


def switch(names: str, option: str, text: str, commands: tuple[str, ...] = BOTH) -> Flag:
    """Return an option without a value."""
    return flag(names, option, None, "", text, commands)


def group(title: str, *flags: Flag) -> tuple[Flag, ...]:
    """Put flags under a heading."""
    return tuple(replace(item, group=title) for item in flags)
