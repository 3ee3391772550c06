"""One field of a form, as a value: what it is called, and how what is typed is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["text", "choice", "switch"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Parameters
    ----------
    name : str
        The option that it sets.
    label : str
        What stands beside it.
    help : str
        What it is for, in a sentence.
    read : callable
        Reads what was typed; raises ValueError with what was expected. See `ngffkit.typed`.
    hint : str
        What stands in it while it is empty: what will be done then.
    default : str
        The text of what is done anyway; a field with this text sets nothing.
    choices : tuple of str
        What may be chosen, if anything.
    kind : {"text", "choice", "switch"}
        How it looks. A switch has the texts ``yes`` and ``no``.
    group : str
        The heading it stands under; fields without one are always in view.
    """

    name: str
    label: str
    help: str
    read: Callable[[str], Any] = str
    hint: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    kind: Kind = "text"
    group: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what the page must know of it."""
        names = ("name", "label", "help", "hint", "default", "kind", "group")
        return {name: getattr(self, name) for name in names} | {"choices": list(self.choices)}


def choice(name: str, label: str, text: str, choices: tuple[str, ...], default: str) -> Field:
    """Return a field with a few choices."""
    return Field(name, label, text, str, "", default, choices, "choice")


def switch(name: str, label: str, text: str, *, default: bool = False) -> Field:
    """Return a field that is on or off."""
    return Field(name, label, text, is_yes, "", "yes" if default else "no", (), "switch")


def group(title: str, *fields: Field) -> tuple[Field, ...]:
    """Put fields under a heading."""
    return tuple(replace(field, group=title) for field in fields)


def is_yes(text: str) -> bool:
    """Return whether a switch is on.

    Examples
    --------
    >>> is_yes("yes"), is_yes("no")
    (True, False)
    """
    if text not in ("yes", "no"):
        raise ValueError("yes or no was expected")
    return text == "yes"
