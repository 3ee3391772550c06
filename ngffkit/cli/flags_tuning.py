"""The options of ``tune``, ``benchmark`` and ``rewrite``."""

from __future__ import annotations

from ngffkit.cli.flag import Flag

FLAGS: tuple[Flag, ...] = ()
