"""What a source was recognised as: opened once, and said in a few lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ngffkit.errors import NgffError, PlanError, Problem
from ngffkit.planning.card import voxel_of
from ngffkit.planning.options import about
from ngffkit.sources.contract import Source, SourceInfo
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions

#: Options that say how a source is read, by name.
READING = frozenset(field.name for field in fields(ReadOptions))

#: Those that decide what is opened; the others are said over it, which costs nothing.
OPENING = frozenset("pattern axes gaps shape dtype offset image mag kind storage_options".split())

#: Files that are counted in a folder at most.
_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Recognised:
    """A source that was opened.

    Parameters
    ----------
    given : str or list of str
        How it was named.
    plain : Source
        As it describes itself.
    source : Source
        With what was said over that: voxel size, names, labels, a crop.
    """

    given: str | list[str]
    plain: Source
    source: Source


class Sources:
    """Opens sources, and keeps the last one: a plan that follows one's typing lists no folder anew.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = tempfile.mkdtemp() + "/a.npy"
    >>> np.save(path, np.zeros((4, 8, 8), "u1"))
    >>> sources = Sources()
    >>> one = sources.open(path, {})
    >>> two = sources.open(path, {"voxel_size": (1, 1, 5)})
    >>> one.plain is two.plain, two.source.info.grid.scale
    (True, (5.0, 1.0, 1.0))
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stale = False
        self._plain: tuple[str, Source] | None = None
        self._last: tuple[str, Recognised] | None = None

    def open(self, given: str | list[str], options: Mapping[str, Any]) -> Recognised:
        """Open a source, or return the one that was opened with the same options.

        Parameters
        ----------
        given : str or list of str
            A path, folder, pattern or URL, or several files.
        options : Mapping
            Fields of `ReadOptions`; others are not looked at.

        Raises
        ------
        NgffError
            As `ngffkit.sources.opening.open_source`.
        """
        asked = {name: value for name, value in options.items() if name in READING}
        opening = {name: asked[name] for name in OPENING if name in asked}
        # labels that are named elsewhere replace those that stand beside the image
        opening["labels"] = asked.get("labels", True) is True
        key, opened = repr((given, sorted(asked.items()))), repr((given, sorted(opening.items())))
        with self._lock:
            if self._stale:
                self._stale, self._plain, self._last = False, None, None
            if self._last is not None and self._last[0] == key:
                return self._last[1]
            if self._plain is None or self._plain[0] != opened:
                self._plain = opened, open_source(given, ReadOptions(**opening))
            plain = self._plain[1]
            found = Recognised(given, plain, _told(plain, ReadOptions(**asked)))
            self._last = key, found
            return found

    def forget(self) -> None:
        """Open anew next time: files may have come or gone. This waits for nothing."""
        self._stale = True


def _told(plain: Source, options: ReadOptions) -> Source:
    """Return a source with what is said over it; what can't be opened then are its labels."""
    try:
        return open_source(plain, options)
    except PlanError:
        raise
    except NgffError as err:
        raise PlanError([Problem("labels", "error", str(err))]) from err


def facts_of(found: Recognised) -> list[tuple[str, str]]:
    """Say in a few lines what a source is, for people.

    Parameters
    ----------
    found : Recognised
        What was opened.

    Returns
    -------
    list of (str, str)
        A word, and what is to be said of it.

    Examples
    --------
    >>> import numpy as np
    >>> source = open_source(np.zeros((3, 8, 8), "u1"))
    >>> facts_of(Recognised("a.npy", source, source))[1]
    ('axes', 'z 3, y 8, x 8')
    """
    info, grid = found.source.info, found.source.info.grid
    sizes = dict(zip(grid.dims, grid.shape, strict=True))
    pixels = info.dtype.itemsize
    for size in grid.shape:
        pixels *= size
    out = [
        ("image", f"{info.name} ({info.kind})"),
        ("axes", ", ".join(f"{name} {size}" for name, size in sizes.items())),
        ("pixels", f"{info.dtype}, {about(pixels)}"),
        ("on disk", _files(found)),
        ("voxel size", _voxel(found)),
        ("origin", _origin(info)),
        ("time step", _step(info)),
        ("channels", ", ".join(channel.label or "(no name)" for channel in info.channels)),
        ("labels", ", ".join(_label(name, one.info) for name, one in info.labels.items())),
    ]
    return [(word, text) for word, text in out if text]


def hints_of(found: Recognised) -> dict[str, str]:
    """Return what stands in the fields that correct a source while they are empty."""
    info, grid = found.plain.info, found.plain.info.grid
    space = [grid.axis(name) for name in reversed(grid.space)]
    known = _known(info)
    sizes = ", ".join(f"{grid.scale[i]:.6g}" for i in space)
    units = sorted({str(grid.axes[i].unit) for i in space if grid.axes[i].unit})
    return {
        "voxel_size": f"{sizes} ({'from the file' if known else 'not known'})",
        "unit": (" and ".join(units) + " (from the file)") if units else "nanometer",
        "origin": ", ".join(f"{grid.origin[i]:.6g}" for i in space),
        "name": info.name,
        "axes": "".join(grid.dims),
        "channels": ", ".join(channel.label for channel in info.channels if channel.label),
        "crop": ",".join(
            f"{n}=0:{size}" for n, size in zip(grid.dims, grid.shape, strict=True) if size > 1
        ),
    }


def _known(info: SourceInfo) -> bool:
    """Tell whether a source says how large its voxels are."""
    return any(axis.is_space and axis.unit for axis in info.grid.axes)


def _voxel(found: Recognised) -> str:
    info = found.source.info
    if info.grid.scale != found.plain.info.grid.scale:
        return f"{voxel_of(info.grid)}, as you say"
    if _known(found.plain.info):
        return f"{voxel_of(info.grid)}, from the file"
    if _known(info):
        return f"{voxel_of(info.grid)}, as you say"
    return "not known; 1 per pixel is taken"


def _origin(info: SourceInfo) -> str:
    grid = info.grid
    if not any(grid.origin):
        return ""
    return ", ".join(f"{name} {grid.origin[grid.axis(name)]:.6g}" for name in reversed(grid.space))


def _step(info: SourceInfo) -> str:
    for axis, scale, size in zip(info.grid.axes, info.grid.scale, info.grid.shape, strict=True):
        if axis.is_time and size > 1:
            return f"{scale:.6g} {axis.unit}" if axis.unit else "not known; 1 is taken"
    return ""


def _label(name: str, info: SourceInfo) -> str:
    return f"{name} ({info.dtype})"


# --- files ----------------------------------------------------------------------------------------


def _files(found: Recognised) -> str:
    """Say how many files there are, and how large they are."""
    source: Any = found.plain
    while hasattr(source, "source"):
        source = source.source
    members = getattr(source, "members", None)
    names, sizes = getattr(members, "names", None), getattr(members, "sizes", None)
    if names and sizes:
        return _said(len(names), sum(sizes))
    items: Sequence[Any] = getattr(members, "items", ())
    if items and not callable(items):
        return f"{len(items)} files"
    if not isinstance(found.given, str) or "://" in found.given:
        return ""
    return _walked(Path(found.given).expanduser())


def _said(count: int, nbytes: int, more: str = "") -> str:
    return f"{more}{count:,} file{'s'[: count != 1]}, {about(nbytes)}"


def _walked(path: Path) -> str:
    """Count what lies in a folder, up to a bound: a Zarr may have millions of files."""
    if path.is_file():
        return _said(1, path.stat().st_size)
    count = nbytes = 0
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                nbytes += os.stat(f"{parent}/{name}", follow_symlinks=False).st_size  # noqa: PTH116
            except OSError:
                continue
            count += 1
            if count >= _COUNTED:
                return _said(count, nbytes, "more than ")
    return _said(count, nbytes) if count else ""
