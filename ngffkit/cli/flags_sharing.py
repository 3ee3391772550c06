"""The options of ``serve``."""

from __future__ import annotations

from ngffkit.cli.flag import Flag

FLAGS: tuple[Flag, ...] = ()
