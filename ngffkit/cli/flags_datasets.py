"""The options of ``upload`` and ``download``."""

from __future__ import annotations

from ngffkit import typed as values
from ngffkit.cli.flag import Flag, flag, group

_UP, _DOWN = ("upload",), ("download",)
_BOTH = (*_UP, *_DOWN)


def _box(text: str) -> tuple[int, ...]:
    """Read six whole numbers."""
    try:
        numbers = tuple(map(int, text.split(",")))
    except ValueError:
        numbers = ()
    if len(numbers) != 6:
        raise ValueError("x,y,z,width,height,depth in voxels of mag 1 expected")
    return numbers


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise ValueError("1 to 64 expected")
    return int(text)


FLAGS: tuple[Flag, ...] = group(
    "the server",
    flag(
        "--token",
        "token",
        str,
        "TOKEN",
        "of your account there; safer in the environment variable WK_TOKEN",
        _BOTH,
    ),
    flag("--url --webknossos-url", "url", str, "URL", "the server: https://webknossos.org", _BOTH),
    flag("--name --dataset-name", "name", values.word, "NAME", "what it is called there", _UP),
    flag("--folder", "folder", str, "FOLDER", "folder of the dashboard: Datasets/mine", _UP),
    flag("--layers", "layers", values.names, "A,B,...", "only these layers", _BOTH),
    flag("--jobs", "jobs", _count, "N", "requests at the same time", _UP),
    flag("--mag", "mag", values.word, "MAG", "which mag to fetch; the finest", _DOWN),
    flag("--bbox", "bbox", _box, "X,Y,Z,W,H,D", "which part, in voxels of mag 1", _DOWN),
)
