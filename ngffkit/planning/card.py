"""What a plan says of itself: lines of text, and a card for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ngffkit.cards import (
    WIDTH,
    Table,
    card,
    html_table,
    plain,
    text_table,
    times,
    without_empty,
    wrapped,
)
from ngffkit.errors import Problem, tally
from ngffkit.execute.job import ImageJob, LevelJob
from ngffkit.grid import Grid
from ngffkit.planning.facts import by_weight, codec_of

if TYPE_CHECKING:
    from ngffkit.planning.options import RunOptions
    from ngffkit.planning.plan import Cost, Plan


#: What problems are called on a card, and how they look there.
_LOOKS = {
    "error": ("can't run", "#d9363e"),
    "schema": ("schema", "#b97a00"),
    "meaning": ("meaning", "#b97a00"),
    "advice": ("note", "#75838f"),
}

_STYLE = """
.ngffkit-plan ol{list-style:none;margin:8px 0;padding:0}
.ngffkit-plan li{margin:3px 0;padding-left:8px;border-left:3px solid #75838f;
overflow-wrap:anywhere}
.ngffkit-plan li b{font-weight:600}
.ngffkit-plan code{font-size:.95em;background:rgba(128,128,128,.15);padding:0 .3em;
border-radius:3px}
.ngffkit-plan .meter{display:inline-block;width:7em;height:.6em;border-radius:3px;
background:rgba(128,128,128,.25);margin-left:.7em;overflow:hidden;vertical-align:middle}
.ngffkit-plan .meter span{display:block;height:100%;background:#2e7d32}
.ngffkit-plan .meter .over{background:#d9363e}
.ngffkit-plan table:first-of-type th{padding-right:18px}
"""


@dataclass(frozen=True, slots=True)
class Content:
    """What text and card both show.

    Parameters
    ----------
    title : str
        What goes where.
    facts : tuple of (str, str)
        Names and values.
    tables : tuple of Table
        The rest.
    problems : tuple of Problem
        In the order in which they are worth reading.
    share : float, optional
        How much of the memory that is allowed is taken; a meter shows it.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    problems: tuple[Problem, ...]
    share: float | None = None

    def text(self) -> str:
        """Return it as lines of text, at most `WIDTH` columns wide."""
        width = max(len(name) for name, _ in self.facts) + 2
        lines = wrapped(f"plan: {self.title}", "", "      ")
        for name, value in self.facts:
            lines += wrapped(value, name.ljust(width), " " * width)
        for table in self.tables:
            lines += ["", *text_table(_fitting(table, WIDTH - 2))]
        if self.problems:
            lines += ["", tally(self.problems)]
            for problem in self.problems:
                lines += wrapped(plain(str(problem)), "  ", " " * 11)
        return "\n".join(line.rstrip() for line in lines)

    def html(self) -> str:
        """Return it as a card for notebooks: HTML without scripts, all text escaped."""
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}"
            f"{_meter(self.share) if name == 'memory' and self.share is not None else ''}</td></tr>"
            for name, value in self.facts
        )
        tables = "".join(html_table(table) for table in self.tables)
        items = "".join(_item(problem) for problem in self.problems)
        problems = f"<ol>{items}</ol>" if items else ""
        wrong = any(problem.severity == "error" for problem in self.problems)
        # errors come first on the whole card: nothing below them matters until they are gone
        first, last = (problems, "") if wrong else ("", problems)
        body = f"<style>{_STYLE}</style>{first}<table>{rows}</table>{tables}{last}"
        return card(
            plain(self.title.replace(" -> ", " → ")), f"<div class='ngffkit-plan'>{body}</div>"
        )


def text_of(plan: Plan) -> str:
    """Return a plan as lines of text, at most `WIDTH` columns wide.

    Parameters
    ----------
    plan : Plan
        Any plan, also one that can't be run.

    Returns
    -------
    str
        What is read and written, what it takes, axes, mags, layouts, labels, problems.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk
    >>> plan = nk.plan(np.zeros((8, 64, 64), "u1"), "memory://a.zarr", voxel_size=(4, 4, 40))
    >>> print(text_of(plan).splitlines()[0])
    plan: array -> memory://a.zarr
    """
    return _content(plan).text()


def html_of(plan: Plan) -> str:
    """Return a plan as a card for notebooks: HTML without scripts, all text escaped.

    Parameters
    ----------
    plan : Plan
        Any plan, also one that can't be run.
    """
    return _content(plan).html()


# --- what is shown ------------------------------------------------------------------------------


def _content(plan: Plan) -> Content:
    info, first = plan.source.info, plan.images[0].job.levels[0]
    layout = first.spec.layout
    source = info.name or "image"
    read = f"{times(info.grid.shape)} ({', '.join(info.grid.dims)}) {info.dtype}, {_kind(info)}"
    block = f"in blocks of {times(info.block)}" if max(info.block) > 1 else ""
    facts = [
        ("read", ", ".join(part for part in (read, block) if part)),
        ("write", f"OME-Zarr {plan.image.version}, Zarr v{layout.zarr_format}"),
        ("voxel", voxel_of(plan.image.base)),
        ("pixels", f"{_about(plan.nbytes)} in {_count(len(plan.layouts), 'array')}"),
        ("stored", f"about {_about(plan.cost.stored)} in {_count(plan.files, 'file')}"),
        ("memory", memory_of(plan.cost)),
        ("work", work_of(plan.tasks, plan.cost, plan.options.run)),
    ]
    if plan.cost.scratch:
        facts.append(("scratch", f"{_about(plan.cost.scratch)} on disk while it runs"))
    tables = [_axes(plan.image.base), _levels("mags", plan.images[0]), _layouts(plan)]
    labels = [item for item in plan.images if item.path]
    if labels:
        tables.append(_labels(labels))
    title, share = f"{source} -> {plan.target.url}", plan.peak_memory / plan.cost.budget
    return Content(title, tuple(facts), tuple(tables), by_weight(plan.problems), share)


def _kind(info: Any) -> str:
    return "labels" if info.kind == "label" else "intensities"


def voxel_of(grid: Grid) -> str:
    """Return the size of a voxel as people say it, in x, y, z order.

    Examples
    --------
    >>> from ngffkit.sources.contract import make_grid
    >>> nm = dict.fromkeys("zyx", "nanometer")
    >>> voxel_of(make_grid({"z": 9, "y": 9, "x": 9}, {"z": 25, "y": 11.24, "x": 11.24}, nm))
    '11.24 × 11.24 × 25 nanometer (x, y, z)'
    """
    space = {name: grid.axis(name) for name in reversed(grid.space)}
    units = {grid.axes[i].unit or "" for i in space.values()}
    if len(units) == 1:
        sizes = " × ".join(f"{grid.scale[i]:.6g}" for i in space.values())
        unit = units.pop() or "(no unit)"
        return f"{sizes} {unit} ({', '.join(space)})"
    return ", ".join(f"{n} {grid.scale[i]:.6g} {grid.axes[i].unit or ''}" for n, i in space.items())


def memory_of(cost: Cost) -> str:
    """Say what memory is taken."""
    return f"at most {_about(cost.peak_memory)} of the {_about(cost.budget)} allowed"


def work_of(tasks: int, cost: Cost, run: RunOptions) -> str:
    """Say how much work it is, and who does it."""
    who = run.executor if isinstance(run.executor, str) else type(run.executor).__name__
    many = "" if run.workers is None else f"{run.workers} "
    parts = [f"{_count(tasks, 'task')} on {many}{who}"]
    if cost.seconds is not None:
        parts.append(f"about {lasting(cost.seconds)}")
    return ", ".join(parts)


def lasting(seconds: float) -> str:
    """Spell a time for people, rounded as an estimate deserves.

    Examples
    --------
    >>> lasting(0.2), lasting(42.4), lasting(400), lasting(20_000), lasting(400_000)
    ('a second', '42 s', '7 min', '5.6 h', '4.6 days')
    """
    for limit, unit, word, digits in ((90, 1, "s", 0), (5400, 60, "min", 0), (1.7e5, 3600, "h", 1)):
        if seconds < limit:
            return "a second" if seconds < 1.5 else f"{seconds / unit:.{digits}f} {word}"
    return f"{seconds / 86400:.1f} days"


def _axes(grid: Grid) -> Table:
    rows = []
    for axis, n, scale, origin in zip(grid.axes, grid.shape, grid.scale, grid.origin, strict=True):
        unit = axis.unit or ""
        values = [f"{v:.6g} {unit}".strip() for v in (scale, origin, n * scale)]
        if axis.is_channel:
            values = ["", "", ""]
        elif not origin:
            values[1] = ""
        rows.append((axis.name, str(n), *values))
    return without_empty(
        Table("axes", ("name", "pixels", "spacing", "origin", "extent"), tuple(rows))
    )


def _levels(title: str, item: ImageJob) -> Table:
    rows = tuple(
        (
            spelled,
            level.path,
            times(level.spec.layout.shape),
            _spacing(entry.grid),
            f"{level.spec.layout.objects:,}",
            _about(level.spec.layout.nbytes),
        )
        for spelled, entry, level in zip(
            item.image.mags, item.image.levels, item.job.levels, strict=True
        )
    )
    how = f" by {item.job.method}" if len(rows) > 1 else ""
    return Table(f"{title}{how}", ("mag", "path", "shape", "voxel", "files", "pixels"), rows)


def _spacing(grid: Grid) -> str:
    return " × ".join(f"{grid.scale[grid.axis(name)]:.5g}" for name in reversed(grid.space))


def _layouts(plan: Plan) -> Table:
    """Return one row for each way in which arrays are cut and encoded."""
    found: dict[tuple[str, str, str], list[LevelJob]] = {}
    for item in plan.images:
        for level in item.job.levels:
            layout = level.spec.layout
            shards = times(layout.shards) if layout.shards else ""
            key = (times(layout.chunks), shards, codec_of(level))
            found.setdefault(key, []).append(level)
    rows = tuple((_paths([lv.path for lv in levels]), *key) for key, levels in found.items())
    return without_empty(Table("layout", ("arrays", "chunks", "shards", "codec"), rows))


def _paths(paths: Sequence[str]) -> str:
    """Name arrays shortly: 0, 1, 2; labels/a/0 to labels/a/4.

    They come in order, so that the first and the last name a group of them.
    """
    groups: dict[str, list[str]] = {}
    for path in paths:
        head, _, last = path.rpartition("/")
        groups.setdefault(head, []).append(last)
    words = []
    for head, names in groups.items():
        few = names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}"
        words.append(f"{head}/{few}" if head else few)
    return ", ".join(words)


def _labels(items: Sequence[ImageJob]) -> Table:
    rows = tuple(
        (
            item.path.rpartition("/")[2],
            str(item.job.levels[0].spec.layout.dtype),
            times(item.image.base.shape),
            ", ".join(item.image.mags),
            item.job.method,
            _about(sum(level.spec.layout.nbytes for level in item.job.levels)),
        )
        for item in items
    )
    return Table("labels", ("name", "type", "shape", "mags", "by", "pixels"), rows)


# --- how it is shown ----------------------------------------------------------------------------


def _about(nbytes: float) -> str:
    from ngffkit.planning.options import about

    return about(nbytes)


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'s'[: n != 1]}"


def _fitting(table: Table, width: int) -> Table:
    """Shorten the widest cells in their middle until the table fits, heads included."""
    rows = [tuple(plain(cell) for cell in row) for row in (table.head, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    room = width - 2 * (len(widths) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    head, *cut = [tuple(map(_elided, row, widths)) for row in rows]
    return Table(table.title, head, tuple(cut))


def _elided(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return f"{text[:left]}…{text[len(text) - (width - 1 - left) :]}"


def _meter(share: float) -> str:
    over = " class='over'" if share > 1 else ""
    percent = f"{min(1.0, share):.0%}"
    return f"<span class='meter'><span{over} style='width:{percent}'></span></span>"


def _item(problem: Problem) -> str:
    word, color = _LOOKS[problem.severity]
    where = f"<code>{html.escape(problem.loc)}</code> " if problem.loc else ""
    remedy = f"; {html.escape(problem.remedy)}" if problem.remedy else ""
    text = f"{where}{html.escape(problem.message)}{remedy}"
    return f"<li style='border-color:{color}'><b style='color:{color}'>{word}</b> {text}</li>"


__all__ = [
    "Content",
    "html_of",
    "lasting",
    "memory_of",
    "text_of",
    "voxel_of",
    "work_of",
]
