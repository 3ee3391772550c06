"""Importing, and importing and opening: each contender in its own environment."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import Case, Contender, Mode, command, contenders
from sections import open as opening

#: Of the section that opens: the case that counts imports.
OPENED = "v3, folder, with imports"


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[Sequence[Case]]:
    """Yield both cases."""
    who = contenders("imports", {})
    xarray = Contender("xarray", command("ngffkit", "xarray_alone", {}), "limit")
    for one in who:  # byte code, and the system's cache of files
        subprocess.run(one.command, check=False, capture_output=True)
    imports = Case(
        "import",
        [*who[:1], xarray, *who[1:]],
        note="in a new process, its start not counted; ngffkit imports some of what it needs when"
        " that is first used, so see the other case, too; a limit is xarray alone",
    )
    full = dataclasses.replace(mode, name="full")  # a quick run does not open with imports there
    with opening.section(full, folder) as cases:
        opened = (case for case in cases if case.name == OPENED)
        yield [imports, *(dataclasses.replace(case, name="import and open") for case in opened)]
