"""Files: those that appear when they are whole, and the code of the page."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ngffkit.errors import NgffError

BUNDLE = Path(__file__).parent / "static" / "browse.js"
PANELS = BUNDLE.with_name("panels.js")


def bundle(path: Path | None = None) -> str:
    """Return the code of the page: the viewer's, or that at `path`."""
    try:
        return (path or BUNDLE).read_text("utf-8")
    except OSError as err:
        raise NgffError(
            f"the viewer's JavaScript can't be read ({err}); in a clone of the repository run "
            "'make js', else install ngffkit again"
        ) from err


@contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it is renamed when the body is done.

    Whatever the body raises, nothing is left behind and what was at `path` stays.

    Raises
    ------
    NgffError
        When there is no such folder.
    """
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise NgffError(f"there is no folder {str(target.parent)!r} to write {target.name!r} to")
    if target.is_dir():
        raise NgffError(f"{str(target)!r} is a folder; give the name of a file in it")
    # the suffix stays, writers go by it
    partial = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def suffix_of(path: str | os.PathLike[str], known: tuple[str, ...], what: str) -> str:
    """Return the suffix of a path, which says what is written.

    Raises
    ------
    NgffError
        When it is none of those known.

    Examples
    --------
    >>> suffix_of("view.PNG", (".png", ".pdf"), "pictures")
    '.png'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise NgffError(f"{os.fspath(path)!r}: {what} end in {', '.join(known)}; choose one")
    return suffix
