"""The cache of remote data: ``ngffkit cache``, and ``--cache`` of the commands that read."""

from __future__ import annotations

import json

from ngffkit.cli.console import say, tell
from ngffkit.cli.parsing import Typed

#: Options of the command line, by what `ngffkit.cache` calls them.
_OPTIONS = {"size": "cache", "folder": "cache_folder", "check": "cache_check"}

_REFUSED = 2


def cache(typed: Typed) -> int:
    """Show or empty the cache.

    Parameters
    ----------
    typed : Typed
        What was typed.

    Returns
    -------
    int
        0, or 2 when an address is named but nothing is to be done with it.
    """
    from ngffkit.stores.caching import cached, clear

    given = typed.given
    folder, address = given.get("folder"), given.get("address")
    if address and not given.get("clear"):
        tell("--address: needs --clear; without, the list has all addresses")
        return _REFUSED
    found = clear(folder, address) if given.get("clear") else cached(folder)
    if given.get("json"):
        say(json.dumps(found.to_json(), indent=2))
    else:
        say(f"removed from {found}" if given.get("clear") else str(found))
    return 0


def keep(typed: Typed) -> None:
    """Turn ``--cache`` and its kin into an option of the store, which every command hands on.

    Parameters
    ----------
    typed : Typed
        What was typed; changed in place.
    """
    options = {
        ours: typed.given.pop(theirs) for ours, theirs in _OPTIONS.items() if theirs in typed.given
    }
    if options:
        given = typed.given.get("storage_options", {})
        typed.given["storage_options"] = {**given, "cache": options}
