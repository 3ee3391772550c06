"""TIFF of any maker as a source: pages, tiles and strips read one by one, never a whole file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngffkit.errors import MetadataError, NgffError, SourceError
from ngffkit.image import Channel
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file, reason
from ngffkit.sources.tiff.chain import check_chain
from ngffkit.sources.tiff.meta import meaning_of, rgb_channels
from ngffkit.sources.tiff.ome import (
    THUMBNAILS,
    OmeImage,
    beside,
    ome_images,
    ome_meaning,
    planes_of,
)
from ngffkit.sources.tiff.pages import Collector, Form, form_of
from ngffkit.sources.tiff.planes import Found, TiffSource, in_order, kept, stem_of

#: Values of PhotometricInterpretation for pictures in colour: RGB, YCbCr (which is decoded to RGB).
_COLOR = (2, 6)


def open_tiff(source: Any, options: ReadOptions) -> TiffSource:
    """Open a TIFF, an OME-TIFF of one or many files, or the companion of one.

    Parameters
    ----------
    source : str or Path
        The file. Of a multi-file OME-TIFF, any of its files or its ``.companion.ome``.
    options : ReadOptions
        ``image`` chooses a series by number or name; ``axes`` overrides the meaning of the pages
        (``"tyx"``); ``mag`` must be 1.

    Returns
    -------
    TiffSource
        Axes t, c, z, y, x, those there are with more than one pixel; samples of a colour are
        channels.

    Raises
    ------
    SourceError
        When it is no TIFF, is truncated, or a file that belongs to it is missing.
    NgffError
        When it has several images and none was chosen; the message lists them.
    """
    path = local_file(source)
    if options.mag not in (None, 1, "1"):
        raise NgffError(f"mag={options.mag!r}: of a TIFF the finest mag is read; leave mag out")
    try:
        if path.name.lower().endswith(".ome"):
            return in_order(_ome(path, path.read_text("utf-8"), options), options)
        check_chain(path)
        import tifffile

        with tifffile.TiffFile(path) as tif:
            text = tif.ome_metadata if tif.is_ome else None
            if text is None:
                return in_order(_series(path, tif, options), options)
        return in_order(_ome(path, text, options), options)
    except NgffError:
        raise
    except OSError as err:
        raise SourceError(str(path), reason(err)) from err
    except Exception as err:
        raise SourceError(str(path), f"it is no TIFF that is understood: {reason(err)}") from err


# --- OME-TIFF -------------------------------------------------------------------------------------


def _ome(path: Path, text: str, options: ReadOptions) -> Found:
    images, home = ome_images(text, path)
    image = _choose_ome(images, path, options.image)
    collector = Collector([str(path)])
    reader = _OmeFiles(home, collector)
    try:
        # a companion has no pages itself, so the first file it names says what pages are like
        first = next((s.file for s in image.spans({a: image.size(a) for a in image.order})), "")
        form, page = reader.first(first)
        sizes, planes = planes_of(image, form.samples, reader.pages)
        samples = kept(page, form)
        meaning = ome_meaning(image, samples)
    except (ValueError, OverflowError) as err:
        if isinstance(err, NgffError):
            raise
        raise MetadataError(f"a value is no number: {reason(err)}", str(home)) from err
    finally:
        reader.close()
    if (planes < 0).any():
        meaning.note("image", f"{int((planes < 0).sum())} planes have no page; they can't be read")
    color = samples == 3 and page.photometric in _COLOR
    stem = image.name or stem_of(path)
    alpha = samples < form.samples
    return Found(path, stem, collector.done(), sizes, planes, meaning, color, alpha)


def _choose_ome(images: list[OmeImage], path: Path, wanted: str | None) -> OmeImage:
    own = [i for i in images if i.name.lower() not in THUMBNAILS]
    if wanted is None and len(own) > 1:
        # of many images in many files, the one that this file is a part of
        own = [i for i in own if path.name in i.files()] or own
    chosen = _pick(images, own, [i.name for i in images], wanted, path)
    return images[chosen]


@dataclass(slots=True)
class _OmeFiles:
    """Collects pages of the files that an OME-XML refers to."""

    home: Path
    collector: Collector
    current: tuple[Path, Any] | None = None

    def __post_init__(self) -> None:
        self.collector.files.clear()

    def path(self, name: str) -> Path:
        found = beside(self.home, name) if name else self.home
        if not found.is_file():
            raise SourceError(
                str(found), f"it is missing; {self.home.name} says that planes are there"
            )
        if found.suffix.lower() == ".ome":
            raise MetadataError("names no file that holds its pixels", str(found))
        return found

    def first(self, name: str) -> tuple[Form, Any]:
        import tifffile

        path = self.path(name)
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0]
            return form_of(page, 0, str(path)), page

    def pages(self, name: str, first: int, count: int) -> list[int]:
        path = self.path(name)
        files = self.collector.files
        if str(path) not in files:
            files.append(str(path))
        tif = self._tif(path)
        last = len(tif.pages) if count < 0 else first + count
        out = []
        for i in range(first, last):
            try:
                page = tif.pages[i]
            except IndexError:
                raise SourceError(
                    str(path), f"page {i} is missing, it has {len(tif.pages)} pages"
                ) from None
            out.append(self.collector.add(files.index(str(path)), page))
        return out

    def _tif(self, path: Path) -> Any:
        # an entry per plane is usual, so the file stays open until another one is named
        import tifffile

        if self.current is None or self.current[0] != path:
            self.close()
            self.current = path, tifffile.TiffFile(path)
        return self.current[1]

    def close(self) -> None:
        if self.current is not None:
            self.current[1].close()
            self.current = None


# --- series of other TIFFs ------------------------------------------------------------------------


def _series(path: Path, tif: Any, options: ReadOptions) -> Found:
    found = list(tif.series)
    own = [i for i, s in enumerate(found) if i == 0 or not _lesser(s, found[0])]
    names = [s.name or str(i) for i, s in enumerate(found)]
    chosen = _pick(found, [found[i] for i in own], names, options.image, path)
    series = found[chosen]
    page = series.keyframe
    _check_whole(path, tif, series)
    if getattr(series, "transform", None) is not None:
        raise NgffError(f"{path}: series of kind {series.kind!r} need a reader of their own")
    collector = Collector([str(path)])
    form = form_of(page, 0, str(path))
    sizes = _outer(series, form, path)
    numbers = _collect(collector, series, math.prod(sizes.values()))
    planes = np.asarray(numbers, np.int64).reshape(list(sizes.values()))
    samples = kept(page, form)
    count = samples * math.prod(n for key, n in sizes.items() if key[0] == "c")
    meaning = meaning_of(tif, series, count)
    color = samples == 3 and page.photometric in _COLOR
    if color and count == samples:
        windows: list[Any] = [c.window for c in meaning.channels] or [None] * 3
        meaning.channels = tuple(
            Channel(c.label, c.color, w) for c, w in zip(rgb_channels(), windows, strict=True)
        )
    name = series.name if len(own) > 1 and series.name else stem_of(path)
    alpha = samples < form.samples
    return Found(path, name, collector.done(), sizes, planes, meaning, color, alpha)


def _check_whole(path: Path, tif: Any, series: Any) -> None:
    """Refuse an ImageJ stack that was cut off: tifffile would take its first plane for all."""
    meta = tif.imagej_metadata if tif.is_imagej else None
    if not meta or series.kind == "imagej":
        return
    images = math.prod(int(meta.get(k, 1)) for k in ("channels", "slices", "frames"))
    samples = series.keyframe.samplesperpixel
    if images > max(len(tif.pages) * samples, len(series.pages)):
        raise SourceError(
            str(path),
            f"truncated: ImageJ wrote {images} planes, {path.stat().st_size} bytes are left of "
            "them; copy the file again",
        )


def _outer(series: Any, form: Form, path: Path) -> dict[str, int]:
    """Return the axes of a series before y and x, as tifffile names them, in lower case."""
    axes, shape = series.axes.lower(), series.shape
    at = axes.find("yx")
    if at < 0:
        raise NgffError(f"{path} has axes {series.axes}, not y and x together; it is not read")
    names, sizes = list(axes[:at]), list(shape[:at])
    if form.shape[0] > 1 and sizes and sizes[-1] == form.shape[0]:
        names, sizes = names[:-1], sizes[:-1]  # separate samples are part of the page
    # names may come twice; numbers tell them apart until they are given their meaning
    return {f"{n}{i}": int(s) for i, (n, s) in enumerate(zip(names, sizes, strict=True))}


def _collect(collector: Collector, series: Any, count: int) -> list[int]:
    path = collector.files[0]
    offset = series.dataoffset
    if offset is not None and not series.is_multifile:
        form = form_of(series.keyframe, 0, path)
        size, end = Path(path).stat().st_size, offset + count * form.nbytes
        if end > size:
            raise SourceError(path, f"truncated: its planes end at {end}, the file at {size}")
        collector.add_run(0, series.keyframe, offset, count)
        return list(range(count))
    out = []
    for page in series.pages:
        if page is None:
            out.append(-1)
            continue
        name = str(Path(page.parent.filehandle.path))
        if name not in collector.files:
            collector.files.append(name)
        out.append(collector.add(collector.files.index(name), page))
    if len(out) != count:
        raise SourceError(path, f"it has {len(out)} pages, its metadata promise {count}")
    return out


def _lesser(series: Any, first: Any) -> bool:
    """Tell whether a series is a thumbnail or a coarser copy of the first."""
    if series.name.lower() in THUMBNAILS or series.keyframe.is_reduced:
        return True
    if series.axes != first.axes or series.dtype != first.dtype:
        return False
    y = series.axes.index("Y") if "Y" in series.axes else 0
    if series.shape[:y] != first.shape[:y] or series.shape == first.shape:
        return False
    ratios = [a / b for a, b in zip(first.shape[y : y + 2], series.shape[y : y + 2], strict=True)]
    power = round(math.log2(max(ratios[0], 1e-9)))
    return power >= 1 and all(
        abs(a / 2**power - b) <= 1
        for a, b in zip(first.shape[y : y + 2], series.shape[y : y + 2], strict=True)
    )


def _pick(
    everything: list[Any], own: list[Any], names: list[str], wanted: str | None, path: Path
) -> int:
    """Return which image is meant, by name or number."""
    shown = ", ".join(f"{i}: {name!r}" for i, name in enumerate(names[:20]))
    if not everything:
        raise NgffError(f"{path} holds no image")
    if wanted is not None:
        if names.count(wanted) == 1:
            return names.index(wanted)
        if str(wanted).isdecimal() and int(wanted) < len(names):
            return int(wanted)
        raise NgffError(f"{path} has no image {wanted!r}; it has {shown}")
    if len(own) == 1 or len(everything) == 1:
        only = own[0] if own else everything[0]
        return next(i for i, item in enumerate(everything) if item is only)
    raise NgffError(f"{path} has several images; choose one by image=: {shown}")
