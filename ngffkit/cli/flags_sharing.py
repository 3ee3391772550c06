"""The options of ``serve``, ``cache``, ``upload`` and ``download``."""

from __future__ import annotations

from ngffkit.cli.flag import Flag

FLAGS: tuple[Flag, ...] = ()
