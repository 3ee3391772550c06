"""Scripts that measure ngffkit alone, with rounds inside: what they tell is figures, not ratios."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import Case, Contender

HERE = Path(__file__).parent

#: A figure, or a table of them: rows by name, of columns by name.
Figures = Mapping[str, Any]


def case(name: str, script: str, *words: object, note: str = "") -> Case:
    """Return a case of a script of this folder; it is told ``--tell`` and the words."""
    command = [sys.executable, HERE / script, "--tell", *map(str, words)]
    return Case(name, [Contender("ngffkit", command, "ours")], note=note, together=command)


def tell(figures: Figures) -> None:
    """Print what the harness is to keep."""
    found = {"version": f"ngffkit {version('ngffkit')}", "figures": figures}
    print("RESULT " + json.dumps({"together": {"ngffkit": found}}), flush=True)
