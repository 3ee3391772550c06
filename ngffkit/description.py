"""What an image is, in a card for people: axes, mags, chunks, sizes, channels, labels, problems."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ngffkit import api
from ngffkit.cards import Table, card, html_table, text_table, without_empty
from ngffkit.errors import NgffError, Problem, tally
from ngffkit.opened import Opened
from ngffkit.stores.base import LocalStore
from ngffkit.tree import images_of

#: Beyond this many files, counting them takes longer than a card should.
_MAX_FILES = 50_000


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of an image; shows itself as a card or as text.

    Parameters
    ----------
    title : str
        Name of the image.
    facts : tuple of (str, str)
        One line each.
    tables : tuple of Table
        Axes, mags, channels, labels, images.
    problems : tuple of Problem
        What is wrong with its metadata.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    def __repr__(self) -> str:
        """Return the text."""
        width = max((len(name) for name, _ in self.facts), default=0)
        lines = [self.title, "=" * len(self.title)]
        lines += [f"{name:<{width}}  {value}" for name, value in self.facts]
        for table in self.tables:
            lines += ["", *text_table(table)]
        if self.problems:
            lines += ["", tally(self.problems)]
            lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the card that notebooks show."""
        facts = "".join(
            f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in self.facts
        )
        tables = "".join(html_table(table) for table in self.tables)
        problems = ""
        if self.problems:
            items = "".join(f"<li>{html.escape(str(p))}</li>" for p in self.problems)
            problems = (
                f"<details><summary>{tally(self.problems)}</summary><ul>{items}</ul></details>"
            )
        return card(self.title, f"<table>{facts}</table>{tables}{problems}")

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "title": self.title,
            **dict(self.facts),
            **{
                table.title: [dict(zip(table.head, row, strict=True)) for row in table.rows]
                for table in self.tables
            },
            "problems": [problem.to_json() for problem in self.problems],
        }


def describe(source: Any, *, storage_options: Any = None) -> Description:
    """Describe whatever is at a place.

    Parameters
    ----------
    source : str, Path, zarr.Group, store, or an xarray object that ngffkit opened
        As for `ngffkit.open`.
    storage_options : Mapping, optional
        For the remote store.

    Returns
    -------
    Description
        An HTML card in notebooks, text elsewhere.

    Examples
    --------
    >>> describe("image.ome.zarr")  # doctest: +SKIP
    """
    from ngffkit.validation import validate

    opened = api.as_opened(source, storage_options)
    problems = tuple(validate(opened))
    images = dict(images_of(opened.store, opened.node, opened.missing))
    own = {path: one for path, one in images.items() if "labels" not in path.split("/")}
    if opened.node.image is not None or len(own) == 1:
        one = opened if opened.node.image is not None else next(iter(own.values()))
        return _describe_image(one, problems)
    return _describe_group(opened, own, problems)


def _describe_image(opened: Opened, problems: Sequence[Problem]) -> Description:
    image, layout = opened.image, opened.spec(0).layout
    facts = [
        ("source", opened.url),
        ("format", f"{_version(image.version)}, Zarr v{layout.zarr_format}"),
        ("kind", f"{image.kind} image, {layout.dtype}"),
        ("size", _sizes(opened)),
        ("codecs", ", ".join(layout.codecs) or "none"),
    ]
    if image.method:
        facts.append(("downsampled by", image.method))
    if image.transformations:
        kinds = sorted({str(t.get("type")) for t in image.transformations if hasattr(t, "get")})
        facts.append(("kept, not applied", ", ".join(kinds)))
    tables = [_axes_table(opened), _mags_table(opened)]
    if image.channels:
        shown = tuple(_channel_row(channel) for channel in image.channels)
        tables.append(Table("channels", ("label", "color", "window"), shown))
    labels = api.labels_of(opened)
    if labels:
        rows = tuple(
            (
                name,
                "×".join(map(str, one.image.base.shape)),
                str(one.spec(0).layout.dtype),
                ", ".join(one.image.mags),
            )
            for name, one in labels.items()
        )
        tables.append(Table("labels", ("name", "shape", "dtype", "mags"), rows))
    return Description(
        image.name or _basename(opened.url), tuple(facts), tuple(tables), tuple(problems)
    )


def _version(version: str) -> str:
    named = {"zarr": "plain Zarr", "webknossos": "WEBKNOSSOS dataset"}
    return named.get(version, f"OME-Zarr {version}")


def _describe_group(
    opened: Opened, images: dict[str, Opened], problems: Sequence[Problem]
) -> Description:
    facts = [("source", opened.url), ("kind", opened.node.kind)]
    tables = []
    plate = opened.node.plate
    if plate is not None:
        facts += [
            ("format", _version(plate.version)),
            ("plate", f"{len(plate.rows)} rows × {len(plate.columns)} columns"),
            ("wells", f"{len(plate.wells)}: {_some(well.path for well in plate.wells)}"),
        ]
        if plate.field_count is not None:
            facts.append(("fields per well", str(plate.field_count)))
    if images:
        rows = tuple(
            (path, "×".join(map(str, one.image.base.shape)), ", ".join(one.image.mags))
            for path, one in list(images.items())[:100]
        )
        tables.append(Table("images", ("path", "shape", "mags"), rows))
    title = plate.name if plate is not None and plate.name else _basename(opened.url)
    return Description(title, tuple(facts), tuple(tables), tuple(problems))


def _some(names: Iterable[str], most: int = 12) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _basename(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]


def _axes_table(opened: Opened) -> Table:
    grid = opened.image.base
    rows = []
    for axis, n, scale, origin in zip(grid.axes, grid.shape, grid.scale, grid.origin, strict=True):
        unit = axis.unit or ""
        placed = not axis.is_channel
        rows.append(
            (
                axis.name,
                axis.type or "",
                str(n),
                f"{scale:.6g} {unit}".strip() if placed else "",
                f"{origin:.6g} {unit}".strip() if placed else "",
                f"{n * scale:.6g} {unit}".strip() if placed else "",
            )
        )
    return Table("axes", ("name", "type", "pixels", "spacing", "origin", "extent"), tuple(rows))


def _mags_table(opened: Opened) -> Table:
    image = opened.image
    rows = []
    for i, mag in enumerate(image.mags):
        level, layout = image.levels[i], opened.spec(i).layout
        files, stored = _on_disk(opened, level.path)
        rows.append(
            (
                mag,
                level.path,
                "×".join(map(str, level.grid.shape)),
                "×".join(map(str, layout.chunks)),
                "×".join(map(str, layout.shards)) if layout.shards else "",
                f"{layout.objects:,}" if files is None else f"{files} of {layout.objects:,}",
                nbytes(layout.nbytes),
                "" if stored is None else nbytes(stored),
            )
        )
    head = ("mag", "path", "shape", "chunks", "shards", "objects", "in memory", "on disk")
    return without_empty(Table("mags", head, tuple(rows)))


def _channel_row(channel: Any) -> tuple[str, str, str]:
    window = channel.window
    return (
        channel.label,
        f"#{channel.color}" if channel.color else "",
        "" if window is None else f"{window.start:g} – {window.end:g}",
    )


def _sizes(opened: Opened) -> str:
    total = sum(opened.spec(i).layout.nbytes for i in range(len(opened.image.levels)))
    stored = [_on_disk(opened, level.path)[1] for level in opened.image.levels]
    known = [n for n in stored if n is not None]
    if len(known) < len(stored) or not known:
        return f"{nbytes(total)} in memory"
    ratio = f", {total / sum(known):.2g}:1" if sum(known) else ""
    return f"{nbytes(total)} in memory, {nbytes(sum(known))} on disk{ratio}"


def _on_disk(opened: Opened, path: str) -> tuple[str | None, int | None]:
    """Return number and size of the stored objects of an array; None where they can't be listed."""
    if not isinstance(opened.store, LocalStore):
        return None, None
    files = size = 0
    stack = [Path(opened.store.root, opened.node.path, path)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(Path(entry.path))
                    elif not entry.name.startswith(".z") and entry.name != "zarr.json":
                        files += 1
                        size += entry.stat().st_size
        except OSError:
            return None, None
        if files > _MAX_FILES:
            return f"> {files:,}", None
    return f"{files:,}", size


def nbytes(count: float) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> nbytes(0), nbytes(1536), nbytes(5 * 2**30)
    ('0 B', '1.5 KiB', '5 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if count < 1024 or unit == "PiB":
            return f"{count:.3g} {unit}" if unit != "B" else f"{int(count)} B"
        count /= 1024
    raise NgffError("unreachable")
