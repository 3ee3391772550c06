"""What WEBKNOSSOS takes and gives: datasets of several layers, upload, download, addresses.

>>> import ngffkit as nk
>>> sorted(nk.webknossos.__all__)
['Upload', 'download', 'sidecar', 'upload', 'uris', 'write']
"""

import importlib
from typing import Any

#: Public names and where they live; each module is imported when it is first used.
_HOME = {
    "write": "layers",
    "sidecar": "existing",
    "uris": "addresses",
    "upload": "sending",
    "Upload": "sending",
    "download": "fetching",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
