"""From the pixels that a pane shows to its colours: channels, labels, what could not be read.

With the same results as the page's renderer, ``js/src/gl``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.plots.compose import composite, label_colors, outline, parse_color
from ngffkit.widgets.panes import Rect, Shown

Pixels = npt.NDArray[Any]
Picture = npt.NDArray[np.uint8]
Span = tuple[slice, slice]

#: What could not be read: lines over what a coarser mag has there, else over the background mixed
#: with grey. Period and width are device pixels.
_HATCH, _OPACITY, _PERIOD, _LINE, _WAITING = (0.9, 0.6, 0.0), 0.6, 8, 3, 0.35

#: Of labels that aren't selected, where others are.
_DIMMED = 0.35


@dataclass(frozen=True, slots=True)
class Sample:
    """What a channel shows in a pane: a value for each device pixel that its layer covers.

    Parameters
    ----------
    shown : Shown
        The channel.
    span : (slice, slice)
        Rows and columns of the pane that are covered.
    values : ndarray, shape (rows, columns)
        Pixels, zero where they could not be read.
    failed : sequence of (slice, slice)
        Where they could not, in rows and columns of the pane.
    holes : sequence of (slice, slice)
        Where no coarser level could be read either.
    """

    shown: Shown
    span: Span
    values: Pixels
    failed: Sequence[Span]
    holes: Sequence[Span]


def in_bytes(color: npt.ArrayLike) -> Picture:
    """Turn a colour, 0 to 1, into bytes."""
    return np.rint(np.multiply(color, 255)).astype(np.uint8)


def draw_intensities(out: Picture, samples: Sequence[Sample]) -> None:
    """Blend channels; those of layers that cover different places are added one by one."""
    waiting = in_bytes((out[:1, :1] / 255 + _WAITING) / 2) if out.size else out
    groups: dict[tuple[int, ...], list[Sample]] = {}
    empty = _empty(out.shape[:2], samples) if any(s.holes for s in samples) else None
    for i, sample in enumerate(samples):
        rows, columns = sample.span
        # one with holes is on its own, because it adds nothing there, whatever its window
        key = (rows.start, rows.stop, columns.start, columns.stop, i if sample.holes else -1)
        groups.setdefault(key, []).append(sample)
        out[sample.span] = 0
    if empty is not None:
        out[empty] = waiting
    for group in groups.values():
        styles = [sample.shown.style for sample in group]
        made = composite(
            np.stack([sample.values for sample in group]),
            [parse_color(style["color"]) for style in styles],
            [style["window"] for style in styles],
            [style["gamma"] for style in styles],
        )
        there = out[group[0].span]
        top, left = (part.start for part in group[0].span)
        for hole in group[0].holes:
            made[_moved(hole[0], -top), _moved(hole[1], -left)] = 0
        np.add(there, np.minimum(made, 255 - there), out=there)


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _empty(shape: tuple[int, ...], samples: Sequence[Sample]) -> npt.NDArray[np.bool_]:
    """Return where some channel has a hole and no other has anything."""
    hole, there = np.zeros((2, *shape), np.bool_)
    for sample in samples:
        own = np.zeros(shape, np.bool_)
        for span in sample.holes:
            own[span] = True
        hole |= own
        there[sample.span] |= ~own[sample.span]
    return np.asarray(hole & ~there)


def draw_labels(
    out: Picture, sample: Sample, given: Mapping[int, Sequence[int]], dpr: float
) -> None:
    """Lay labels over a picture: areas or outlines, those that are selected with a white rim.

    Parameters
    ----------
    out : ndarray of uint8, shape (h, w, 3)
        The pane.
    sample : Sample
        Its ids.
    given : Mapping of int to (r, g, b, a)
        Colours that were chosen for some.
    dpr : float
        Device pixels per CSS pixel, in which the outline's width is given.
    """
    style, ids = sample.shown.style, sample.values
    if not style["opacity"]:
        return
    unique, which = _runs(ids)
    table = label_colors(unique, given, seed=int(style["seed"])).astype(np.float32)
    table[:, 3] *= np.float32(style["opacity"]) / 255
    # two more colours: none, and that of the rim of what is selected
    none, rim = len(table), len(table) + 1
    table = np.vstack([table, [[0, 0, 0, 0], [255, 255, 255, 1]]]).astype(np.float32)
    selected = {int(i) for i in style["selected"]}
    chosen = np.array([i in selected for i in unique.tolist()])
    if selected:
        table[:none][~chosen, 3] *= np.float32(_DIMMED)
    shown = which
    if style["outline"] > 0:
        shown = np.where(outline(ids, max(1, _round(style["outline"] * dpr))), which, none)
    if chosen.any():
        shown = np.where(outline(ids, max(1, _round(dpr))) & chosen[which], rim, shown)
    there, alpha = out[sample.span], table[:, 3:]
    there[...] = np.rint(there * (1 - alpha)[shown] + (table[:, :3] * alpha)[shown])


def _round(value: float) -> int:
    """Round as the page does, half up."""
    return math.floor(value + 0.5)


def _runs(ids: Pixels) -> tuple[Pixels, npt.NDArray[np.intp]]:
    """Return the ids there are, and which of them each pixel has."""
    flat = ids.reshape(-1)
    # neighbours are mostly alike: looking at where they change is far quicker than sorting all
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    unique, inverse = np.unique(flat[starts], return_inverse=True)
    return unique, np.repeat(inverse, np.diff(starts, append=flat.size)).reshape(ids.shape)


def draw_hatch(out: Picture, spans: Sequence[Span], rect: Rect) -> None:
    """Draw diagonal lines over what could not be read."""
    for rows, columns in spans:
        y, x = np.ogrid[rows, columns]
        line = (x + rect.x + y + rect.y) % _PERIOD < _LINE
        part = out[rows, columns]
        part[line] = np.rint(part[line] * (1 - _OPACITY) + np.multiply(_HATCH, 255 * _OPACITY))
