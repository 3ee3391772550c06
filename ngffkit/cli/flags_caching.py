"""The options of the cache of remote data, for every command that reads."""

from __future__ import annotations

from ngffkit import typed as values
from ngffkit.cli.flag import BOTH, Flag, flag, group, switch

#: Commands that read what may be far away.
READ = ("info", "validate", "browse", "tune", "benchmark", "serve", "upload", *BOTH)

_OWN = ("cache",)

FLAGS: tuple[Flag, ...] = group(
    "keeping remote data on disk",
    flag("--cache", "cache", values.memory, "SIZE", "keep what is fetched, e.g. '2 GB'", READ),
    flag(
        "--cache-folder",
        "cache_folder",
        values.word,
        "FOLDER",
        "where it is kept; by default in this user's cache folder",
        READ,
    ),
    flag(
        "--cache-check",
        "cache_check",
        values.one_of("session", "always", "never"),
        "WHEN",
        "whether it is still right: asked once (session), always, or never (works offline)",
        READ,
    ),
    switch("--clear", "clear", "empty it", _OWN),
    flag("--folder", "folder", values.word, "FOLDER", "which one, if not this user's", _OWN),
    flag("--address", "address", values.word, "URL", "only what came from there", _OWN),
    switch("--json", "json", "print it as JSON", _OWN),
)
