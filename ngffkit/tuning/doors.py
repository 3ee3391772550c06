"""``ngffkit.tune``: what reading an image costs, and which layout would cost less."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ngffkit import api
from ngffkit.access.decoding import machine as measured
from ngffkit.access.lines import LINES, Line, Machine
from ngffkit.access.patterns import patterns_of
from ngffkit.access.probing import probe as probed
from ngffkit.chunks.reader import ArrayReader
from ngffkit.discover.walk import Wanted, walk
from ngffkit.errors import NgffError, Problem
from ngffkit.opened import Opened
from ngffkit.shown import shown
from ngffkit.tree import as_image, images_of
from ngffkit.tuning.advice import Advice, Adviser, Outcome
from ngffkit.tuning.candidates import Guess
from ngffkit.tuning.costs import Reading, Use, rows_of
from ngffkit.tuning.pyramid import findings_of
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.sampling import Look, look_at
from ngffkit.tuning.spelling import spelled
from ngffkit.tuning.survey import Survey, survey

#: A machine where none was measured: seconds per request, chunk and decoded byte.
_TYPICAL = (50e-6, 30e-6, 1e-9)


def tune(
    x: Any,
    /,
    *,
    image: str | None = None,
    line: str | Line | None = None,
    use: Mapping[str, float] | None = None,
    probe: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> Tuning:
    """Say how an image is laid out, what reading it costs, and what would cost less.

    Parameters
    ----------
    x : path, URL, DataTree, Dataset or DataArray that ngffkit opened, or Opened
        Anything with an image: OME-Zarr, plain Zarr, a WEBKNOSSOS dataset, a zip file.
    image : str, optional
        Path of the image where there are several: ``"labels/nuclei"``, ``"B/03/0"``.
    line : {"here", "SSD", "LAN", "S3"} or Line, optional
        Which line counts for the advice: the one to the store as it is measured now, or one that
        the data will be read over. Left out: ``here`` when it is measured; otherwise ``SSD`` for
        what is on this machine, and ``S3`` for what is remote.
    use : Mapping of str to float, optional
        How much each pattern counts, by its name: ``{"xy plane": 1, "time series": 5}``; those
        that are left out don't. See `ngffkit.tuning.costs.WEIGHTS` for what is usual.
    probe : bool
        Whether the line and the decoder are measured, and some pixels are looked at: a few
        seconds at most, and up to 40 MB from a remote store. Without, no pixel is read, and the
        compression of other chunks is taken to be that of those there are.
    storage_options : Mapping, optional
        For the remote store.

    Returns
    -------
    Tuning
        A card in notebooks, text elsewhere; ``layout`` holds the options of all advice, for
        ``ngffkit.rewrite(x, layout=...)``.

    Raises
    ------
    NgffError
        When there is no such image, line or pattern; the message lists them.
    StoreError
        When the store does not answer.

    Examples
    --------
    >>> import ngffkit as nk
    >>> tuning = nk.tune(nk.sample(), line="S3", probe=False)
    >>> tuning.survey.mags[0].layout.chunks, tuning.survey.mags[0].census.objects
    ((1, 16, 64, 64), 2.0)
    >>> tuning.rows[0].name, tuning.rows[0].traffic.chunks
    ('xy plane', 16.0)
    """
    _check_line(line)
    main, labels = image_of(x, image, storage_options)
    reader = main.reader(0)
    seen = survey(main)
    reading = _reading(reader, seen, line, probe=probe)
    found = _tuned(main, seen, reading, use, probe=probe)
    below = {
        name: _tuned(one, survey(one), reading, use, probe=probe)
        for name, one in labels.items()
        if image is None
    }
    return replace(found, labels=below)


def image_of(
    x: Any, image: str | None, storage_options: Mapping[str, Any] | None
) -> tuple[Opened, Mapping[str, Opened]]:
    """Return the image that is meant, and its labels by their paths.

    Parameters
    ----------
    x, image, storage_options
        As for `tune`.
    """
    opened = api.as_opened(x, storage_options)
    if opened.node.image is None and image is not None and "/" in image.strip("/"):
        wells = api._well_of(image)  # noqa: SLF001 - what a path below a plate means
        wanted = Wanted(wells=wells)
        opened = replace(opened, node=walk(opened.store, wanted))
    if opened.node.kind == "array":
        return as_image(opened.store, opened.node, opened.missing, "image"), {}
    images = dict(images_of(opened.store, opened.node, opened.missing))
    if opened.node.image is not None:
        images = {"": opened} | {
            f"labels/{name}": one for name, one in api.labels_of(opened).items()
        }
    if opened.node.kind == "arrays" and not images:
        images = {
            name: as_image(opened.store, child, opened.missing, name)
            for name, child in opened.node.children.items()
        }
    chosen = api.choose(images, image, opened.url)
    labels = {f"labels/{name}": one for name, one in api.labels_of(chosen).items()}
    return chosen, labels


def _check_line(line: Any) -> None:
    names = ["here", *(known.name for known in LINES)]
    if line is None or isinstance(line, Line):
        return
    if not isinstance(line, str) or line.lower() not in [name.lower() for name in names]:
        raise NgffError(
            f"line: {shown(line)} is no line; choose {', '.join(names)}, or pass a Line"
        )


def _reading(reader: ArrayReader, seen: Survey, line: str | Line | None, *, probe: bool) -> Reading:
    """Decide over which lines times are predicted, and measure the one at hand."""
    lines: tuple[Line, ...] = LINES
    if isinstance(line, Line):
        lines = (*(known for known in lines if known.name != line.name), line)
    wanted = line.name if isinstance(line, Line) else line
    asked = isinstance(line, str) and line.lower() == "here"
    if (probe or asked) and not (isinstance(line, Line) and line.name == "here"):
        lines = (*lines, replace(probed(reader), name="here"))
    machine = measured(reader) if probe else Machine(os.cpu_count() or 1, *_TYPICAL)
    if wanted is None:
        wanted = "here" if probe else "S3" if seen.remote else "SSD"
    name = next(known.name for known in lines if known.name.lower() == wanted.lower())
    return Reading(lines, name, machine, seen.remote)


def _tuned(
    opened: Opened, seen: Survey, reading: Reading, use: Mapping[str, float] | None, *, probe: bool
) -> Tuning:
    patterns = patterns_of(seen.image)
    rows = rows_of([mag.lying for mag in seen.mags], seen.image.mags, patterns, reading)
    first = seen.mags[0]
    look = look_at(opened.reader(0), first.origin, first.grid.shape) if probe else Look()
    weights = Use.given(use, rows)
    adviser = Adviser(Guess(seen, look, reading.machine), patterns, reading, rows, weights)
    advice = adviser.advice()
    best, layout = _together(adviser, advice)
    seen = replace(seen, problems=_problems(seen))
    python = command = ""
    if layout:
        python, command = spelled(seen.url, layout, in_place=seen.local)
    objects = seen.objects if best is None else best.objects
    after = rows if best is None else best.rows
    found = Tuning(seen, rows, advice, layout, after, objects, python, command, reading, weights)
    return replace(found, look=look)


def _together(
    adviser: Adviser, advice: tuple[Advice, ...]
) -> tuple[Outcome | None, dict[str, Any]]:
    """Return what all advice together comes to, and its options."""
    keys = {item.key for item in advice}
    layout: dict[str, Any] = {}
    best = None
    if keys - {"mags", "metadata"}:
        best = adviser.best()
        layout = best.candidate.options(adviser.guess.survey)
        for item in advice:
            if item.key == "metadata" and "version" in item.options:
                layout["version"] = item.options["version"]  # which has them consolidated
    for item in advice:
        if item.key == "mags":
            layout["mags"] = item.options["mags"]
    return best, layout


def _problems(seen: Survey) -> tuple[Problem, ...]:
    return tuple(
        Problem("mags", "advice", finding.reason, f"mags={list(finding.mags)} would do")
        for finding in findings_of(seen.image)
    )
