"""Planes of TIFF files as a source: their axes in order, and boxes of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, Problem, SourceError
from ngffkit.sources.arranged import Arrangement
from ngffkit.sources.contract import Box, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import BATCH, stamp
from ngffkit.sources.tiff.meta import Meaning
from ngffkit.sources.tiff.pages import Form, Pages

#: What tifffile calls axes that nobody named.
_UNNAMED = "qi"

#: Values of ExtraSamples for transparency.
_ALPHA = (1, 2)


@dataclass(frozen=True, slots=True)
class TiffSource:
    """Planes of TIFF files.

    Parameters
    ----------
    info : SourceInfo
        What is known of it.
    pages : Pages
        Where the bytes are.
    planes : ndarray of int64
        The number of the page of each plane, along all axes before y and x; along the channels
        there is one page per `samples` of them. -1 where there is no page.
    samples : int
        Channels that are samples of one page.
    channel : int
        Which axis of `planes` counts channels.
    """

    info: SourceInfo
    pages: Pages
    planes: npt.NDArray[np.int64]
    samples: int
    channel: int

    def read(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of a box; see `Source.read`."""
        info, k, samples = self.info, self.channel, self.samples
        out = np.empty([s.stop - s.start for s in box], info.dtype)
        lead, (rows, columns) = list(box[:-2]), box[-2:]
        pixels = out
        if "c" not in info.grid.dims:
            lead.insert(k, slice(0, 1))
            pixels = np.expand_dims(out, k)
        cut = lead.pop(k)
        pixels, planes = np.moveaxis(pixels, k, -3), np.moveaxis(self.planes, k, -1)
        groups = range(cut.start // samples, -(-cut.stop // samples))
        for index in itertools.product(*(range(s.start, s.stop) for s in lead)):
            target = pixels[tuple(i - s.start for i, s in zip(index, lead, strict=True))]
            for group in groups:
                page, first = int(planes[(*index, group)]), group * samples
                if page < 0:
                    raise SourceError(
                        self.pages.files[0], f"no page holds plane {index} of channel {first}"
                    )
                a, b = max(cut.start, first), min(cut.stop, first + samples)
                part = (slice(a - first, b - first), rows, columns)
                self.pages.read(page, part, target[a - cut.start : b - cut.start])
        return out


@dataclass(slots=True)
class Found:
    """What is known of an image before it is put in order.

    Parameters
    ----------
    path : Path
        What was opened.
    name : str
        What the image is called.
    pages : Pages
        Where the bytes are.
    sizes : dict of str to int
        Of the axes of planes, slowest first; the first letter of a key is what the file calls it.
    planes : ndarray of int64
        The number of the page of each plane, of the shape of `sizes`.
    meaning : Meaning
        Sizes, units and channels.
    color, alpha : bool
        Whether samples are red, green and blue; whether the last one is transparency.
    """

    path: Path
    name: str
    pages: Pages
    sizes: dict[str, int]
    planes: npt.NDArray[np.int64]
    meaning: Meaning
    color: bool
    alpha: bool


def kept(page: Any, form: Form) -> int:
    """Return how many samples of a pixel are channels: all but transparency."""
    extra = tuple(int(e) for e in page.extrasamples)
    alpha = len(extra) == 1 and extra[0] in _ALPHA and form.samples > 1
    return form.samples - alpha


def stem_of(path: Path) -> str:
    """Return the name of a file without what says that it is a TIFF."""
    name = path.name
    for suffix in (".companion.ome", ".ome.tiff", ".ome.tif", path.suffix):
        if suffix and name.lower().endswith(suffix):
            return name[: -len(suffix)] or name
    return name


def in_order(found: Found, options: ReadOptions) -> TiffSource:
    """Put the axes of an image in the order t, others, c, z, y, x, and say what is known of it."""
    form, meaning = found.pages.form, found.meaning
    names, notes = _meanings(found, options)
    planes = found.planes.reshape([n for _, n in names])
    samples = form.samples - found.alpha
    outer = [name for name, _ in names]
    if "c" not in outer:
        planes, outer = planes[..., None], [*outer, "c"]
    arrangement = Arrangement((*outer, "y", "x"))
    order = [i for i in arrangement.order if i < len(outer)]
    planes = planes.transpose(order)
    channel = [outer[i] for i in order].index("c")
    sizes = {outer[i]: n for i, n in zip(order, planes.shape, strict=True)}
    sizes["c"] *= samples
    sizes |= {"y": form.shape[1], "x": form.shape[2]}
    block = dict.fromkeys(sizes, 1)
    block["c"] = samples if form.shape[3] > 1 else 1
    if any(group.sizes is not None for group in found.pages.groups):
        block["y"] = min(form.shape[1], max(g.form.segment[0] for g in found.pages.groups))
        block["x"] = min(form.shape[2], max(g.form.segment[1] for g in found.pages.groups))
    if sizes["c"] == 1 and "c" not in [n for n, _ in names]:
        sizes.pop("c")
        block.pop("c")
    if found.alpha:
        notes.append(Problem("channels", "advice", "the transparency of its pixels is left out"))
    segment = math.prod(g for g in (*form.segment, form.shape[3], form.dtype.itemsize))
    encoded = max(group.encoded for group in found.pages.groups)
    stamps = [stamp(Path(file)) for file in found.pages.files]
    channels = meaning.channels if len(meaning.channels) == sizes.get("c", 1) else ()
    info = SourceInfo(
        make_grid(sizes, meaning.spacing, meaning.units, meaning.origin),
        form.dtype.newbyteorder("="),
        found.name,
        channels=channels,
        block=tuple(block.values()),
        scratch=encoded + 2 * segment if encoded else 2 * BATCH,
        fingerprint=fingerprint_of([stamps, found.name, sizes, options.image, options.axes]),
        notes=(*meaning.notes, *notes),
    )
    return TiffSource(info, found.pages, planes, samples, channel)


def _meanings(found: Found, options: ReadOptions) -> tuple[list[tuple[str, int]], list[Problem]]:
    """Return name and size of each axis of planes: as told, as known, or as guessed with a note."""
    given = [(key[0], size) for key, size in found.sizes.items()]
    several = [(name, size) for name, size in given if size > 1]
    if options.axes is not None:
        return _told(options.axes, given, several, found), []
    used = {n for n, _ in several if n not in _UNNAMED}
    notes, out = [], list(several)
    for i in reversed(range(len(out))):
        name = out[i][0]
        if name not in _UNNAMED and name != "s" and name not in [n for n, _ in out[:i]]:
            continue
        free = [a for a in "ztc" if a not in used]
        if not free:
            raise NgffError(f"{found.path} has more unnamed axes than can be guessed; give axes=")
        used.add(free[0])
        out[i] = (free[0], out[i][1])
        letters = "".join(n for n, _ in out) + "yx"
        message = f"{out[i][1]} pages have no meaning; taken as {free[0]}"
        remedy = f"say axes='{letters}' or what they are"
        notes.append(Problem("axes", "advice", message, remedy))
    return out, notes


def _told(
    axes: str, given: list[tuple[str, int]], several: list[tuple[str, int]], found: Found
) -> list[tuple[str, int]]:
    letters = axes.lower().removesuffix("s")
    if found.pages.form.samples > 1:
        letters = letters.removesuffix("c")
    lead, plane = letters[:-2], letters[-2:]
    if plane == "yx" and len(set(letters)) == len(letters):
        for sizes in (several, given):
            if len(lead) == len(sizes):
                return [(name, n) for name, (_, n) in zip(lead, sizes, strict=True)]
    shown = " x ".join(str(n) for _, n in several) or "one"
    raise NgffError(
        f"axes={axes!r} does not fit {found.path}, which has {shown} pages; give a letter for each "
        f"of these {len(several)} numbers, then yx"
    )
