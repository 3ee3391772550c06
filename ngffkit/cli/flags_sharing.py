"""The options of ``serve`` and ``app``."""

from __future__ import annotations

from dataclasses import replace

from ngffkit import typed as values
from ngffkit.cli.flag import Flag, flag, group, switch

_SERVE = ("serve",)
_APP = ("app",)


def _one(text: str) -> dict[str, None]:
    """Return what one of several options says, to be added to the others."""
    return dict.fromkeys(values.names(text))


_SERVING = group(
    "who may read, and where",
    flag("--port", "port", values.size, "N", "port to listen at; any free one by default", _SERVE),
    flag(
        "--host",
        "host",
        values.word,
        "ADDRESS",
        "address to listen at; 127.0.0.1, which only this machine reaches, by default",
        _SERVE,
    ),
    flag("--token", "token", str, "TOKEN", "what addresses begin with; a new secret", _SERVE),
    replace(
        flag(
            "--origin",
            "origins",
            _one,
            "URL",
            "a web site whose pages may read, beside those of known viewers; may be repeated",
            _SERVE,
        ),
        many=True,
    ),
    replace(
        flag(
            "--allow-host",
            "hosts",
            _one,
            "NAME",
            "a name that this machine is called by; may be repeated",
            _SERVE,
        ),
        many=True,
    ),
    flag("--name", "name", values.word, "NAME", "what addresses end with", _SERVE),
    flag(
        "--image",
        "image",
        values.word,
        "IMAGE",
        "which image where there are several",
        _SERVE,
    ),
    flag(
        "-o --option",
        "storage_options",
        values.option,
        "KEY=VALUE",
        "an option of the store of X, e.g. anon=true; may be repeated",
        _SERVE,
    ),
    switch("--json", "json", "print one line of JSON", _SERVE),
)

_PANELS = group(
    "where",
    flag("--port", "port", values.size, "N", "port to listen at; any free one by default", _APP),
    flag("--folder", "folder", values.word, "DIR", "where relative paths begin", _APP),
    switch("--browser --no-browser", "browser", "open a browser (the default), or not", _APP),
)

FLAGS: tuple[Flag, ...] = (*_SERVING, *_PANELS)
