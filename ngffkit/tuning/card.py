"""What a tuning says: lines of text, and a card for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator

from ngffkit.access.lines import Line
from ngffkit.cards import (
    Table,
    card,
    html_table,
    plain,
    text_table,
    times,
    without_empty,
    wrapped,
)
from ngffkit.planning.card import lasting
from ngffkit.planning.options import about
from ngffkit.tuning.advice import Advice
from ngffkit.tuning.costs import Row, over
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.survey import Mag

_STYLE = """
.ngffkit-tune ol{margin:4px 0 8px;padding-left:1.6em}
.ngffkit-tune li{margin:5px 0;overflow-wrap:anywhere}
.ngffkit-tune li b{font-weight:600}
.ngffkit-tune small{display:block;opacity:.75;font-size:12px}
.ngffkit-tune code{font-size:.95em;background:rgba(128,128,128,.15);padding:0 .3em;
border-radius:3px}
.ngffkit-tune td+td,.ngffkit-tune th+th{padding-right:16px}
"""

_VERSIONS = {"zarr": "plain Zarr", "webknossos": "WEBKNOSSOS dataset"}


def text_of(tuning: Tuning) -> str:
    """Return a tuning as lines of text.

    Parameters
    ----------
    tuning : Tuning
        Of any image.

    Returns
    -------
    str
        Facts, a table of mags, one of patterns, the advice; then the same for labels.
    """
    lines = wrapped(f"tune: {tuning.url}", "", "      ")
    facts = list(_facts(tuning))
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        lines += wrapped(value, name.ljust(width), " " * width)
    for table in (_mags(tuning), _patterns(tuning)):
        lines += ["", *text_table(table)]
    lines += ["", _heading(tuning)]
    for i, item in enumerate(tuning.advice, 1):
        lines += wrapped(f"{item.title}: {_gain(item.gain)}", f"  {i}. ", "     ")
        for part in (item.reason, f"rule: {item.rule}", *_tail(item), item.command):
            lines += wrapped(part, "     ", "       ")
    if len(tuning.advice) > 1:
        lines += wrapped(f"all together: {_together(tuning)}", "  ", "     ")
        lines += wrapped(tuning.command, "     ", "       ")
    for problem in _left(tuning):
        lines += wrapped(f"note: {problem}", "  ", "     ")
    for name, label in tuning.labels.items():
        lines += ["", f"{name}", *(f"  {line}" for line in text_of(label).splitlines()[1:])]
    return "\n".join(line.rstrip() for line in lines)


def html_of(tuning: Tuning) -> str:
    """Return a tuning as a card for notebooks: HTML without scripts, all text escaped.

    Parameters
    ----------
    tuning : Tuning
        Of any image.
    """
    return card(f"tune: {plain(_name(tuning))}", _body(tuning))


def _body(tuning: Tuning) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(plain(value))}</td></tr>"
        for name, value in _facts(tuning)
    )
    items = "".join(_item(item) for item in tuning.advice)
    advice = f"<h5>{html.escape(_heading(tuning))}</h5>" + (f"<ol>{items}</ol>" if items else "")
    if len(tuning.advice) > 1:
        advice += (
            f"<div>all together: {html.escape(_together(tuning))}<br>"
            f"<code>{html.escape(tuning.python)}</code></div>"
        )
    notes = "".join(f"<div>note: {html.escape(text)}</div>" for text in _left(tuning))
    tables = html_table(_mags(tuning)) + html_table(_patterns(tuning))
    labels = "".join(
        f"<details><summary>{html.escape(plain(name))}: {html.escape(_heading(label))}</summary>"
        f"{_body(label)}</details>"
        for name, label in tuning.labels.items()
    )
    return (
        f"<div class='ngffkit-tune'><style>{_STYLE}</style><table>{rows}</table>"
        f"{advice}{notes}{tables}{labels}</div>"
    )


def _item(item: Advice) -> str:
    small = "".join(
        f"<small>{html.escape(plain(text))}</small>"
        for text in (f"rule: {item.rule}", *_tail(item))
    )
    return (
        f"<li><b>{html.escape(item.title)}</b>: {html.escape(_gain(item.gain))}<br>"
        f"{html.escape(item.reason)}{small}<code>{html.escape(item.python)}</code></li>"
    )


# --- what is shown --------------------------------------------------------------------------------


def _name(tuning: Tuning) -> str:
    return tuning.survey.image.name or tuning.url.rstrip("/").rsplit("/", 1)[-1]


def _facts(tuning: Tuning) -> Iterator[tuple[str, str]]:
    survey, reading = tuning.survey, tuning.reading
    version = survey.image.version
    kind = _VERSIONS.get(version, f"OME-Zarr {version}")
    together = "" if survey.consolidated else "not "
    yield "source", survey.url
    yield "format", f"{kind}, Zarr v{survey.zarr_format}, metadata {together}consolidated"
    least = "" if survey.exact else "about "
    stored = f"{least}{about(survey.nbytes)} in {least}{survey.objects:,} files"
    yield "stored", f"{stored}, {about(survey.pixels)} of pixels"
    for line in reading.lines:
        if line.name in ("here", reading.line):
            yield f"line {line.name}", _line(line)
    machine = reading.machine
    rate = f"{about(1 / machine.per_byte)}/s" if machine.per_byte > 0 else "quick"
    yield "decoding", f"{rate} on each of {machine.cpus} processors"


def _line(line: Line) -> str:
    return (
        f"{_time(line.latency)} to the first byte, {about(line.bandwidth)}/s, "
        f"{line.concurrency} request{'s'[: line.concurrency != 1]} at a time"
    )


def _mags(tuning: Tuning) -> Table:
    rows = tuple(_mag_row(mag) for mag in tuning.survey.mags)
    head = (
        "mag",
        "shape",
        "chunk",
        "decoded",
        "shard",
        "codec",
        "ratio",
        "objects",
        "median",
        "empty",
        "padding",
    )
    return without_empty(Table("layout", head, rows))


def _mag_row(mag: Mag) -> tuple[str, ...]:
    layout, census = mag.layout, mag.census
    tilde = "" if census.exact else "~"
    objects = f"{tilde}{round(census.objects):,}"
    if round(census.objects) != layout.objects:
        objects += f" of {layout.objects:,}"
    return (
        mag.name,
        times(mag.grid.shape),
        times(layout.chunks),
        about(layout.chunk_nbytes),
        times(layout.shards) if layout.shards else "",
        ", ".join(layout.codecs) or "none",
        _ratio(census.ratio) if census.ratio else "",
        objects,
        about(census.median),
        f"{tilde}{mag.empty:,}" if mag.empty else "",
        f"{mag.padding:.0%}" if mag.padding >= 0.005 else "",
    )


def _patterns(tuning: Tuning) -> Table:
    names = [line.name for line in tuning.reading.lines]
    chosen = tuning.reading.line
    rows = tuple(
        (
            row.name,
            _number(row.traffic.requests),
            about(row.traffic.nbytes),
            about(row.traffic.decoded),
            f"{row.traffic.amplification:.3g}",
            *(_time(row.seconds[name]) for name in names),
            *_afterwards(row, then, chosen, changed=bool(tuning.layout)),
        )
        for row, then in zip(tuning.rows, tuning.best, strict=True)
    )
    head = ("read", "requests", "bytes", "decoded", "× wanted", *names)
    title = f"what reading costs, cold; predicted time, now and over {over(chosen)} afterwards"
    if not tuning.layout:
        title = "what reading costs, cold; predicted time"
    return without_empty(
        Table(title, (*head, "index known", "afterwards", "then, index known"), rows)
    )


def _afterwards(now: Row, then: Row, line: str, *, changed: bool) -> tuple[str, str, str]:
    """Return times with the indexes of shards known, as it is; cold, and known, afterwards."""
    known, later = (
        _time(row.known[line]) if row.known[line] != row.seconds[line] else ""
        for row in (now, then)
    )
    return known, *((_time(then.seconds[line]), later) if changed else ("", ""))


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f}:1" if ratio < 9.95 else f"{ratio:,.0f}:1"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _time(seconds: float) -> str:
    """Spell a time of any length.

    Examples
    --------
    >>> _time(0.0000042), _time(0.00042), _time(0.0421), _time(2.34), _time(400)
    ('4.2 µs', '0.42 ms', '42 ms', '2.3 s', '7 min')
    """
    if seconds < 1e-4:
        return f"{seconds * 1e6:.2g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.2g} ms" if seconds < 0.0995 else f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.2g} s" if seconds < 90 else lasting(seconds)


def _heading(tuning: Tuning) -> str:
    if not tuning.advice:
        return f"nothing to do: no other layout is much quicker over {over(tuning.reading.line)}"
    return f"advice, by what it gains over {over(tuning.reading.line)}"


def _gain(gain: float) -> str:
    """Spell a factor.

    Examples
    --------
    >>> _gain(3.21), _gain(1.02), _gain(0.5), _gain(140.2)
    ('3.2 times as fast', 'as fast as now', '2 times as slow', '140 times as fast')
    """
    if 0.95 <= gain < 1.05:
        return "as fast as now"
    factor, word = (gain, "fast") if gain >= 1 else (1 / gain, "slow")
    return f"{factor:.2g} times as {word}" if factor < 99.5 else f"{factor:,.0f} times as {word}"


def _tail(item: Advice) -> Iterator[str]:
    """Yield what gets slower, the files, and what it takes."""
    if item.slower:
        names = (f"{name} ({_gain(gain)})" for name, gain in item.slower.items())
        yield f"but slower: {', '.join(names)}"
    before, after = item.objects
    parts = [f"{before:,} files become {after:,}"] if before != after else []
    if item.nbytes:
        parts.append(f"takes writing {about(item.nbytes)} of pixels")
    if item.seconds is not None:
        parts.append(f"about {lasting(item.seconds)}")
    yield ", ".join(parts)


def _together(tuning: Tuning) -> str:
    before, after = tuning.survey.objects, tuning.objects
    return f"{_gain(tuning.gain)}, {before:,} files become {after:,}"


def _left(tuning: Tuning) -> list[str]:
    """Return the problems that no advice says already."""
    said = {item.reason for item in tuning.advice}
    return [plain(p.message) for p in tuning.problems if p.message not in said]


# --- how it is shown ------------------------------------------------------------------------------
