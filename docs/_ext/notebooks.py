"""Puts the notebooks below the pages, where Sphinx finds them, with their links set right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1]
ORIGINALS = PAGES.parent / "notebooks"
COPIES = PAGES / "notebooks"

#: Links as they are in a notebook, and what they are on the site.
_LINKS = (
    ("](../docs/", "](../"),
    ("](../README.md", "](../index.md"),
    ("](00_start.ipynb", "](../tutorial.md"),
)


def copy(app: Any, config: Any) -> None:
    """Copy the notebooks; one that has not changed keeps its time, so that it isn't built again."""
    del app, config
    COPIES.mkdir(exist_ok=True)
    # the first one is Binder's list of the others, which the site has anyhow
    originals = {path.name: path for path in sorted(ORIGINALS.glob("0[1-9]_*.ipynb"))}
    for stale in set(COPIES.iterdir()) - {COPIES / name for name in originals}:
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    for name, path in originals.items():
        text = path.read_text("utf-8")
        for before, after in _LINKS:
            text = text.replace(before, after)
        copied = COPIES / name
        if not copied.exists() or copied.read_text("utf-8") != text:
            copied.write_text(text, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Copy before Sphinx looks for pages."""
    app.connect("config-inited", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
