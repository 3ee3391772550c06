"""What shows an image to viewers: ``ngffkit serve``."""

from __future__ import annotations

from ngffkit.cli.parsing import Typed


def serve(typed: Typed) -> int:
    """Serve over HTTP."""
    raise NotImplementedError(typed)
