"""Options of remote stores: read as they are typed, and shown without what is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ngffkit import typed
from ngffkit.panels.spelling import Name

#: Options that nobody else should read.
_SECRET = re.compile(
    r"secret|token|passw|credential|key|sas|auth|signature|connection_string|cookie|^sig$",
    re.IGNORECASE,
)

#: A user and a password in a URL.
_LOGIN = re.compile(r"//[^/\s]*@")

_MASK = "***"


def read_options(text: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` between spaces; a value that `masked` hid stays as it was `before`.

    Raises
    ------
    ValueError
        With what was expected.

    Examples
    --------
    >>> read_options("anon=true secret=***", {"secret": "hush"})
    {'anon': True, 'secret': 'hush'}
    """
    found: dict[str, Any] = {}
    for part in text.split():
        try:
            ((name, value),) = typed.option(part).items()
        except ValueError:
            # what was typed isn't said again: it may be half a secret
            raise ValueError(
                "KEY=VALUE between spaces was expected, e.g. anon=true "
                "endpoint=http://localhost:9000"
            ) from None
        found[name] = before[name] if value == _MASK and name in before else value
    return found


def spelled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return storage options for a line of Python: each secret as a variable of its name.

    Whoever copies the line sets the variable; the secret itself stands nowhere.

    Examples
    --------
    >>> spelled({"anon": False, "key": "AKIA", "secret": "hush"})
    {'anon': False, 'key': key, 'secret': secret}
    """
    out: dict[str, Any] = {}
    for name, value in options.items():
        if _is_secret(name, value):
            out[name] = Name(re.sub(r"\W", "_", name))
        else:
            out[name] = spelled(value) if isinstance(value, Mapping) else value
    return out


def masked(options: Mapping[str, Any]) -> str:
    """Return storage options as text, without secrets, and without what can't be typed.

    Examples
    --------
    >>> masked({"anon": False, "secret": "hush"})
    'anon=false secret=***'
    """
    return " ".join(
        f"{name}={_MASK if _is_secret(name, value) else _typed(value)}"
        for name, value in options.items()
    )


def _is_secret(name: str, value: Any) -> bool:
    return bool(_SECRET.search(name) or (isinstance(value, str) and _LOGIN.search(value)))


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # options stand between spaces, and what is no text would come back as one
    typed = isinstance(value, str) and len(value.split()) == 1
    return value if typed and value.lower() not in ("true", "false") else _MASK
