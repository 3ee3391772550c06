"""What is asked for when something is rewritten, in any of the forms that it may be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ngffkit.editing.place import refuse
from ngffkit.grid import Grid
from ngffkit.layout import Layout
from ngffkit.opened import Opened
from ngffkit.planning.options import Options, WriteOptions
from ngffkit.spec.encode import DEFAULT, zarr_format

_LEVELS: Final = "version chunks shards compression mags sampling coarsest until method".split()
_RUN: Final = "memory executor workers overwrite resume target_options storage_options".split()

#: Options that ask for mags.
MAGS: Final = ("mags", "coarsest", "until", "sampling")

#: How compression is called where a layout says it.
_COMPRESSIONS: Final = ("zstd", "gzip")


def options_of(
    opened: Opened, layout: Any, given: Mapping[str, Any]
) -> tuple[Options, frozenset[str]]:
    """Return the options of a rewriting, and the names of those that were asked for.

    Parameters
    ----------
    opened : Opened
        The image, for advice on it.
    layout : None, "advised", Mapping or Layout
        As for `ngffkit.rewriting.doors.rewrite`.
    given : Mapping
        Keywords.

    Raises
    ------
    PlanError
        When a layout or an option can't be understood, or one is given twice.
    """
    told = _told(opened, layout)
    twice = [name for name in told if name in given]
    if twice:
        refuse(twice[0], "is in layout= and is given as well", "give it once")
    asked = {**told, **given}
    odd = [name for name in asked if name not in (*_LEVELS, *_RUN)]
    found = Options.of(asked)
    if odd:
        refuse(odd[0], "is no option of rewrite", f"it takes {', '.join((*_LEVELS, *_RUN))}")
    write = replace(found.write, version=_version(opened, asked))
    return replace(found, write=write), frozenset(asked)


def _told(opened: Opened, layout: Any) -> dict[str, Any]:
    """Return a layout as options."""
    if layout is None:
        return {}
    if isinstance(layout, str) and layout == "advised":
        from ngffkit.tuning.doors import tune

        advised = tune(opened).layout
        if not advised:
            message = f"nothing is advised for {opened.url}: no layout is known to be better"
            refuse("layout", message, "say what it shall be, e.g. chunks=64")
        return dict(advised)
    if isinstance(layout, Mapping):
        return {str(name): value for name, value in layout.items()}
    if isinstance(layout, Layout):
        return _of_layout(opened, layout)
    message = f"{layout!r:.80} is no layout"
    return refuse("layout", message, "pass 'advised', options such as {'chunks': 64}, or a Layout")


def _of_layout(opened: Opened, layout: Layout) -> dict[str, Any]:
    dims = opened.image.base.dims
    if len(layout.chunks) != len(dims):
        message = f"has {len(layout.chunks)} axes, the image has {len(dims)}"
        refuse("layout", message, f"give one of {', '.join(dims)}")
    names = [name for name in layout.codecs if name in _COMPRESSIONS]
    out: dict[str, Any] = {
        "chunks": dict(zip(dims, layout.chunks, strict=True)),
        "shards": dict(zip(dims, layout.shards, strict=True)) if layout.shards else None,
        "compression": names[0] if names else "none" if not layout.codecs else "zstd",
    }
    version = opened.image.version
    if not is_writable(version) or zarr_format(version) < layout.zarr_format:
        out["version"] = DEFAULT
    return out


def is_writable(version: str) -> bool:
    """Tell whether a version can be written."""
    from ngffkit.spec.encode import WRITABLE

    return version in WRITABLE


def _version(opened: Opened, asked: Mapping[str, Any]) -> str:
    """Return the version that is written: as asked, or as it is."""
    version = opened.image.version
    if "version" in asked:
        return str(asked["version"])
    if not is_writable(version):
        return DEFAULT
    if zarr_format(version) == 2 and asked.get("shards", "auto") not in ("auto", None):
        message = f"{asked['shards']!r} asked for; OME-Zarr {version} is Zarr v2, which has none"
        refuse("shards", message, f"pass version={DEFAULT!r} too")
    return version


def fitting(write: WriteOptions, grid: Grid) -> WriteOptions:
    """Return what is asked for without what it says of axes that an image lacks.

    Labels have fewer axes than their image.
    """
    return replace(
        write,
        chunks=_without(write.chunks, grid.dims),
        shards=_without(write.shards, grid.dims),
        mags=None if write.mags is None else [_without(mag, grid.dims) for mag in write.mags],
    )


def _without(value: Any, dims: Sequence[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    left = {name: n for name, n in value.items() if name in dims}
    return left or "auto"
