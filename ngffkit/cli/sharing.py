"""What shows data to others: ``ngffkit serve``, ``cache``, ``upload``, ``download``."""

from __future__ import annotations

from ngffkit.cli.parsing import Typed


def serve(typed: Typed) -> int:
    """Serve over HTTP."""
    raise NotImplementedError(typed)


def cache(typed: Typed) -> int:
    """Show or empty the cache."""
    raise NotImplementedError(typed)


def upload(typed: Typed) -> int:
    """Send to WEBKNOSSOS."""
    raise NotImplementedError(typed)


def download(typed: Typed) -> int:
    """Fetch from WEBKNOSSOS."""
    raise NotImplementedError(typed)
