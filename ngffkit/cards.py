"""Cards for notebooks: tables of escaped text in one quiet style."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

#: Columns of the text that stands for a card.
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Table:
    """A table of strings.

    Parameters
    ----------
    title : str
        What it shows.
    head : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        Its cells.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def card(title: str, body: str) -> str:
    """Return a card: `title` is text, `body` HTML that is safe already."""
    return (
        f"<div class='ngffkit-card'><style>{STYLE}</style><h4>{html.escape(title)}</h4>{body}</div>"
    )


#: Follows the notebook's theme; a card looks the same in JupyterLab, VS Code and on GitHub.
STYLE = """
.ngffkit-card{font-size:13px;line-height:1.45;border:1px solid var(--jp-border-color2,#ccc);
border-radius:6px;padding:10px 14px;display:inline-block;max-width:100%;overflow-x:auto}
.ngffkit-card h4{margin:0 0 6px;font-size:14px}
.ngffkit-card h5{margin:10px 0 3px;font-size:12px;opacity:.75;font-weight:600}
.ngffkit-card table{border-collapse:collapse;margin:0;font-size:inherit}
.ngffkit-card th,.ngffkit-card td{padding:1px 14px 1px 0;text-align:left;border:0;
background:none;vertical-align:top;white-space:nowrap}
.ngffkit-card td{font-variant-numeric:tabular-nums}
.ngffkit-card td{white-space:normal;overflow-wrap:anywhere}
.ngffkit-card th{font-weight:600;opacity:.75}
.ngffkit-card i{display:inline-block;width:.8em;height:.8em;border-radius:2px;
margin-right:.4em;vertical-align:-.05em;border:1px solid rgba(128,128,128,.5)}
.ngffkit-card ul{margin:4px 0 0 18px;padding:0}
.ngffkit-card details{margin-top:8px}
"""


def html_table(table: Table) -> str:
    """Return a table as HTML, with its cells escaped; ``#RRGGBB`` gets a swatch."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<h5>{html.escape(table.title)}</h5><table><tr>{head}</tr>{rows}</table>"


def _cell(text: str) -> str:
    safe = html.escape(text)
    digits = text.removeprefix("#")
    if len(text) == 7 and text[0] == "#" and all(c in "0123456789ABCDEFabcdef" for c in digits):
        return f"<i style='background:{safe}'></i>{safe}"
    return safe


def text_table(table: Table) -> list[str]:
    """Return a table as lines of text."""
    cells = [table.head, *table.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.head))]
    lines = [table.title]
    lines += [
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return lines


def without_empty(table: Table) -> Table:
    """Leave out columns that have nothing to say."""
    kept = [i for i in range(len(table.head)) if any(row[i] for row in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(table.title, tuple(table.head[i] for i in kept), rows)


def times(shape: Sequence[int]) -> str:
    """Spell a shape, e.g. 64×128×128."""
    return "×".join(map(str, shape))


def plain(text: str) -> str:
    """Keep control characters of names off the terminal and out of the lines."""
    return "".join(c if c.isprintable() else "�" for c in text)


def wrapped(text: str, head: str, rest: str) -> list[str]:
    """Return a text as lines of at most `WIDTH` columns, which begin with `head`, then `rest`."""
    import textwrap

    return textwrap.wrap(
        plain(text), WIDTH, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False
    ) or [head]
