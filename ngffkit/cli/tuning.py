"""What measures and mends layouts: ``ngffkit tune``, ``benchmark``, ``rewrite``."""

from __future__ import annotations

from ngffkit.cli.parsing import Typed


def tune(typed: Typed) -> int:
    """Report a layout."""
    raise NotImplementedError(typed)


def benchmark(typed: Typed) -> int:
    """Measure patterns of access."""
    raise NotImplementedError(typed)


def rewrite(typed: Typed) -> int:
    """Store in another layout."""
    raise NotImplementedError(typed)
