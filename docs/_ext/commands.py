"""The directive ``commands``: every command of ngffkit with its options, from the parser's tables.

It stands on a page as ``.. commands::``, and makes a section of each command.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ngffkit.cli.flag import Flag
from ngffkit.cli.flags import FLAGS
from ngffkit.cli.parsing import COMMANDS, Command


class Commands(SphinxDirective):
    """Write a section for each command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        text = "\n".join(line for command in COMMANDS for line in lines_of(command))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def lines_of(command: Command) -> Iterator[str]:
    """Yield what is said of a command, as reStructuredText."""
    title = f"ngffkit {command.name}"
    places = " ".join(command.places)
    yield from (title, "-" * len(title), "")
    yield from (f".. program:: {title}", "")
    yield from (f"{command.help[0].upper()}{command.help[1:]}.", "")
    yield from (".. code-block:: sh", "", f"   {title} [OPTIONS] {places}".rstrip(), "")
    if command.example:
        yield from ("For example:", "", ".. code-block:: sh", "", f"   {command.example}", "")
    flags = [flag for flag in FLAGS if command.name in flag.commands]
    for group, members in groupby(flags, key=lambda flag: flag.group):
        yield from (f".. rubric:: {group[0].upper()}{group[1:]}", "")
        for flag in members:
            yield from option(flag)


def option(flag: Flag) -> Iterator[str]:
    """Yield the entry of one option, with all its spellings."""
    value = f" {flag.metavar}" if flag.metavar else ""
    yield f".. option:: {', '.join(name + value for name in flag.names)}"
    yield ""
    yield from textwrap.indent(_plain(flag.help), "   ").splitlines()
    yield ""


def _plain(text: str) -> str:
    """Return a help text so that it reads the same as reStructuredText."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "``")


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
