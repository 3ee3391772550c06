"""Folders of numbered images: each file is a plane, or a small stack of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ngffkit.errors import NgffError, NotFoundError, Problem, SourceError
from ngffkit.sources.adjusting import unit_of
from ngffkit.sources.contract import Source, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rasters.probes import Probe, scratch_of
from ngffkit.sources.rasters.reading import probe
from ngffkit.sources.stacks.guessing import guess
from ngffkit.sources.stacks.nested import stack_sources
from ngffkit.sources.stacks.patterns import Places, compile_pattern, natural, place, shown
from ngffkit.sources.stacks.planes import Planes, probe_all
from ngffkit.sources.stacks.stacks import Stack, channels_of, sizes_of

#: Endings of pictures whose headers are read here.
PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


def open_stack(
    folder: str,
    names: Sequence[str],
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
) -> Source:
    """Open files of one folder, or below it, as one image.

    Parameters
    ----------
    folder : str
        The folder.
    names : sequence of str
        Files below it, with ``/``.
    options : ReadOptions
        Its ``pattern``, ``axes``, ``gaps`` and ``kind`` are taken.

    Returns
    -------
    Source
        With the axes in the order t, others, c, z, y, x.

    Raises
    ------
    NgffError
        When the files are not of one kind, size or type, or one is missing; the message names it.
    """
    if not names:
        raise NotFoundError(f"{folder} holds no images")
    places = None
    if options.pattern is not None:
        places = place(names, compile_pattern(options.pattern), options.gaps)
    ordered = places.names if places else tuple(sorted(names, key=natural))
    _check_one_kind(ordered)
    ids, first = options.kind == "label", str(Path(folder, ordered[0]))
    head = probe(first, ids=ids) if first.lower().endswith(PICTURES) else None
    if head is None or head.more:
        return _open_nested(folder, ordered, places, options)
    if places is None:
        places = _guessed(ordered, options, "c" if head.samples > 1 else "")
    probes = probe_all(folder, places.names, ids=ids)
    several = [n for n, p in zip(places.names, probes, strict=True) if p.more]
    if several:
        raise NgffError(
            f"{shown(several)} hold several pages, but {ordered[0]} holds one; all files of a "
            "stack must be alike"
        )
    return _stack_planes(folder, places, probes, ids=ids)


def _guessed(names: Sequence[str], options: ReadOptions, taken: str) -> Places:
    text = guess(names, options.axes, taken)
    places = place(names, compile_pattern(text), options.gaps)
    if len(names) == 1:
        return places
    said = f"{len(names)} files are read as {text!r}: {places.summary()}"
    note = Problem("pattern", "advice", said, "pass pattern= to say otherwise")
    return replace(places, notes=(note, *places.notes))


def _open_nested(
    folder: str, names: Sequence[str], places: Places | None, options: ReadOptions
) -> Source:
    from ngffkit.sources.opening import open_file

    own = ReadOptions(kind=options.kind, image=options.image, labels=False)
    items = [open_file(str(Path(folder, name)), own) for name in names]
    if places is None:
        grid = items[0].info.grid
        inside = zip(grid.dims, grid.shape, strict=True)
        taken = "".join(a for a, n in inside if a not in "yx" and n > 1)
        places = _guessed(names, options, taken)
    return stack_sources(folder, places, items)


def _check_one_kind(names: Sequence[str]) -> None:
    same = {"tiff": "tif", "jpeg": "jpg"}
    kinds: dict[str, list[str]] = {}
    for name in names:
        ending = name.rpartition(".")[2].lower()
        kinds.setdefault(same.get(ending, ending), []).append(name)
    if len(kinds) > 1:
        few = min(kinds.values(), key=len)
        said = ", ".join(f"{len(own)} .{kind}" for kind, own in sorted(kinds.items()))
        raise NgffError(
            f"the files are of several kinds, {said}: {shown(few)}; say which by pattern=, e.g. "
            f"'*{{z}}.{max(kinds, key=lambda k: len(kinds[k]))}', or give a list of files"
        )


def _stack_planes(
    folder: str,
    places: Places,
    probes: Sequence[Probe],
    *,
    ids: bool,
) -> Source:
    first = probes[0]
    tiles = [axis for axis in places.axes if axis in "yx"]
    whole = _check_sizes(places, probes, tiles)
    if first.samples > 1 and "c" in places.axes:
        raise NgffError(
            f"pattern: the names tell of channels, but {places.names[0]} has {first.samples} of "
            "its own (colours); name another axis by pattern="
        )
    inner = ("c", "y", "x") if first.samples > 1 else ("y", "x")
    sizes = sizes_of(places, {"c": first.samples} if first.samples > 1 else {}, whole)
    scale, units, said = _calibration(places, probes)
    grid = make_grid(sizes, scale, units)
    members = Planes(
        folder,
        places.names,
        tuple(p.start if p.start is not None else -1 for p in probes),
        first.dtype,
        ids=ids,
        orders="".join(p.order for p in probes),
        sizes=tuple(p.size for p in probes),
        shapes=tuple((*((p.samples,) if p.samples > 1 else ()), *p.shape) for p in probes),
    )
    by_rows = all(p.start is not None for p in probes)
    block = {
        "y": 1 if by_rows else min(first.shape[0], sizes["y"]),
        "x": min(first.shape[1], sizes["x"]),
        "c": first.samples,
    }
    facts = [[p.size, p.mtime] for p in probes]
    info = SourceInfo(
        grid,
        first.dtype,
        name=_name_of(folder, places),
        kind="label" if ids and first.dtype.kind in "biu" else "intensity",
        channels=channels_of(places, first.samples),
        block=tuple(block.get(name, 1) for name in grid.dims),
        scratch=2**20 if by_rows else max(map(scratch_of, probes)),
        fingerprint=fingerprint_of([places.names, places.table.tolist(), facts, str(first.dtype)]),
        notes=(*places.notes, *said, *_colour_notes(places, probes, members)),
    )
    return Stack(info, members, inner, places.axes, places.table, first.shape)


def _name_of(folder: str, places: Places) -> str:
    if len(places.names) == 1:
        return Path(places.names[0]).name.rpartition(".")[0]
    return Path(folder).resolve().name


def _check_sizes(places: Places, probes: Sequence[Probe], tiles: Sequence[str]) -> tuple[int, int]:
    """Refuse files that differ; return the size of the whole plane."""
    first = probes[0]
    for name, p in zip(places.names, probes, strict=True):
        if (p.samples, p.dtype) != (first.samples, first.dtype):
            raise NgffError(
                f"{name} holds {_kind(p)}, but {places.names[0]} holds {_kind(first)}; all files "
                "of a stack must be of one type"
            )
    sides = []
    for i, axis in enumerate("yx"):
        own = [p.shape[i] for p in probes]
        if axis not in tiles:
            _same_sides(places, probes, own, first.shape[i])
            sides.append(first.shape[i])
            continue
        at = np.moveaxis(places.table, places.axes.index(axis), 0)
        last = {own[k] for k in at[-1].ravel() if k >= 0}
        rest = {own[k] for row in at[:-1] for k in row.ravel() if k >= 0} or {first.shape[i]}
        uneven = len(at) > 1 and rest != {first.shape[i]}
        if uneven or len(last) > 1 or max(last) > first.shape[i]:
            odd = [n for n, side in zip(places.names, own, strict=True) if side != first.shape[i]]
            raise NgffError(
                f"tiles differ along {axis}: {shown(odd)} are not {first.shape[i]} pixels long; "
                "only the last ones may be shorter"
            )
        sides.append((len(at) - 1) * first.shape[i] + max(last))
    return sides[0], sides[1]


def _same_sides(places: Places, probes: Sequence[Probe], own: Sequence[int], side: int) -> None:
    odd = [i for i, n in enumerate(own) if n != side]
    if len(odd) * 2 > len(own):
        # the first one is the odd one
        usual = own[odd[0]]
        odd = [i for i, n in enumerate(own) if n != usual] or [0]
    if odd:
        other = next(i for i in range(len(own)) if i not in odd)
        rows, columns = probes[odd[0]].shape
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise NgffError(
            f"{places.names[odd[0]]}{more} has {columns} x {rows} pixels, but "
            f"{places.names[other]} has {probes[other].shape[1]} x {probes[other].shape[0]}; all "
            "files of a stack must be of one size: leave it out by pattern=, or place tiles by "
            "{y} and {x}"
        )


def _kind(p: Probe) -> str:
    return f"{p.dtype} in {'grey' if p.samples == 1 else f'{p.samples} channels'}"


def _calibration(
    places: Places, probes: Sequence[Probe]
) -> tuple[dict[str, float], dict[str, str | None], list[Problem]]:
    """Return pixel sizes and units that the files give."""
    first = probes[0]
    if first.print_size is not None:
        said = f"the files say {first.print_size:g} dots per inch, which is for printing; left out"
        return {}, {}, [Problem("voxel_size", "advice", said, "pass voxel_size=")]
    if first.pixel_size is None or first.unit is None:
        return {}, {}, []
    if len({(p.pixel_size, p.unit) for p in probes}) > 1:
        said = "the files differ in pixel size; left out"
        return {}, {}, [Problem("voxel_size", "advice", said, "pass voxel_size=")]
    try:
        unit = unit_of(first.unit)
    except NgffError:
        said = f"the files give pixel sizes in {first.unit!r}, which is no known unit; left out"
        return {}, {}, [Problem("voxel_size", "advice", said, "pass voxel_size=")]
    scale = dict(zip("xy", first.pixel_size, strict=True))
    units: dict[str, str | None] = {"x": unit, "y": unit}
    notes = []
    if "z" in places.axes:
        units["z"] = unit
        if first.spacing is not None:
            scale["z"] = first.spacing
        else:
            said = f"the distance of slices is not known; 1 {unit} is taken"
            notes.append(Problem("voxel_size", "advice", said, "pass voxel_size=(x, y, z)"))
    return scale, units, notes


def _colour_notes(places: Places, probes: Sequence[Probe], members: Planes) -> list[Problem]:
    first, notes = probes[0], []
    if any(p.alpha for p in probes):
        notes.append(Problem("pattern", "advice", "opacity (alpha) is left out"))
    if first.samples == 3 and first.format != "jpeg":
        try:
            pixels = members.read(0, tuple(slice(0, n) for n in (3, *first.shape)))
        except SourceError:
            return notes
        if (pixels == pixels[:1]).all():
            said = f"{places.names[0]} is grey but stored as RGB; it is read as three channels"
            remedy = "pass crop={'c': slice(0, 1)} to keep one"
            notes.append(Problem("crop", "advice", said, remedy))
    return notes
