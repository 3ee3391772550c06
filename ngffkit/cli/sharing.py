"""What shows an image to viewers: ``ngffkit serve``."""

from __future__ import annotations

import json
from typing import Any

from ngffkit.cli.console import say, tell, warnings_told
from ngffkit.cli.parsing import Typed

_OPTIONS = ("host", "port", "token", "name", "image")


def serve(typed: Typed) -> int:
    """Serve over HTTP until Ctrl-C; prints the address and links of viewers.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0
    """
    from ngffkit.serving import doors

    given: dict[str, Any] = {key: typed.given[key] for key in _OPTIONS if key in typed.given}
    given |= {key: list(typed.given[key]) for key in ("origins", "hosts") if key in typed.given}
    options = typed.given.get("storage_options", {})
    with warnings_told():
        server = doors.serve(typed.places[0], storage_options=options, **given)
    with server:
        links = server.links()
        if typed.given.get("json"):
            say(json.dumps({"url": server.url, "port": server.port, "links": links}))
        else:
            width = max(map(len, links), default=0)
            say(f"{server.url}\n" + "\n".join(f"  {n:{width}}  {url}" for n, url in links.items()))
            for note in server.notes():
                tell(note)
            tell("serving until Ctrl-C")
        try:
            server.wait()
        except KeyboardInterrupt:
            tell("stopped")
    return 0
