"""Who may ask, and for what: hosts, origins, the token, and paths to keys. Values, no I/O."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

#: Pages of viewers that may read what is served; any other page is refused by the browser.
VIEWERS = (
    "https://neuroglancer-demo.appspot.com",
    "https://hms-dbmi.github.io",  # vizarr
    "https://avivator.gehlenborglab.org",
    "https://volumeviewer.allencell.org",
    "https://vole.allencell.org",
    "https://ome.github.io",  # the validator
    "https://biongff.github.io",
    "https://kitware.github.io",  # itk-vtk-viewer
    "https://webknossos.org",
)

#: Names of this machine to itself. A page can make its own name lead here (DNS rebinding), but
#: the browser then says that name.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

#: Longer paths are nobody's.
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask.

    Parameters
    ----------
    token : str
        The first part of every path.
    name : str
        The second one.
    hosts : tuple of str
        Names that the Host header may have, without ports; ``*`` is any.
    origins : tuple of str
        Origins of pages that may read; ``*`` is any.
    """

    token: str
    name: str
    hosts: tuple[str, ...] = LOOPBACK
    origins: tuple[str, ...] = VIEWERS

    def host_status(self, given: Sequence[str]) -> int:
        """Return 0 when the Host headers of a request are right, else the status that says so.

        Examples
        --------
        >>> rules = Rules("t", "a.zarr")
        >>> rules.host_status(["localhost:80"]), rules.host_status(["evil.example"])
        (0, 421)
        >>> rules.host_status([]), rules.host_status(["localhost", "localhost"])
        (400, 400)
        """
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is None:
            return 400
        return 0 if "*" in self.hosts or found[1].lower() in self.hosts else 421

    def allows(self, origin: str) -> bool:
        """Tell whether a page of an origin may read."""
        return "*" in self.origins or origin in self.origins

    def key_of(self, raw: bytes) -> str | None:
        """Return the key that a path stands for, None when it is not one of this image's paths.

        Each segment is decoded once. Whatever could mean another place to somebody is refused:
        ``.`` and ``..``, empty segments, encoded slashes, backslashes and control characters.

        Parameters
        ----------
        raw : bytes
            The path as it was sent, percent-encoded, without a query.

        Examples
        --------
        >>> rules = Rules("t", "a.zarr")
        >>> rules.key_of(b"/t/a.zarr/0/c/0"), rules.key_of(b"/t/a.zarr/%30/c/0")
        ('0/c/0', '0/c/0')
        >>> rules.key_of(b"/t/a.zarr/0/%2e%2e/x"), rules.key_of(b"/other/a.zarr/zarr.json")
        (None, None)
        """
        first, *rest = raw.removeprefix(b"/").split(b"/")
        known = hmac.compare_digest(first, self.token.encode())
        if not known or not raw.startswith(b"/") or len(raw) > _LONGEST or _ESCAPE.search(raw):
            return None
        parts = [_segment(part) for part in rest]
        if len(parts) < 2 or None in parts or parts[0] != self.name:
            return None
        return "/".join(part for part in parts[1:] if part is not None)


def _segment(raw: bytes) -> str | None:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return None
    wrong = text in ("", ".", "..") or "/" in text or "\\" in text or not text.isprintable()
    return None if wrong else text
