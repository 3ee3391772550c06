"""The panels in a browser, without a notebook: ``ngffkit app``."""

from __future__ import annotations

import signal
from typing import Any

from ngffkit.cli.console import say, tell
from ngffkit.cli.parsing import Typed


def app(typed: Typed) -> int:
    """Serve `nk.app` until Ctrl-C; prints the address.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0
    """
    from ngffkit.panels.voila import VoilaApp

    given = typed.given
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options: dict[str, Any] = {key: given[key] for key in ("folder", "port") if key in given}
        with VoilaApp(typed.places[0] if typed.places else None, **options) as served:
            say(served.url)
            if given.get("browser", True) and not served.open_browser():
                tell("no browser was found here; open the address in one")
            tell("on until Ctrl-C, which also ends what runs; a page may be closed meanwhile")
            served.wait()
    except KeyboardInterrupt:
        tell("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0
