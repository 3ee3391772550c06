"""OME-TIFF: which page of which file is which plane, by the XML that goes with it.

The XML stands in the first page of a file, or in a file of its own (``.companion.ome``) that pages
refer to. Reference: OME Data Model, "OME-TIFF specification", section "The TiffData element".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from ngffkit.errors import MetadataError, NgffError, SourceError
from ngffkit.image import Channel
from ngffkit.sources.arranged import positive, unit_name
from ngffkit.sources.rawbytes import reason
from ngffkit.sources.tiff.meta import Meaning, rgb_channels

#: Planes of one image beyond this are a mistake or an attack.
_MAX_PLANES = 10_000_000

#: Names of images that come along with a slide.
THUMBNAILS = frozenset({"thumbnail", "label", "macro", "overview", "label image", "macro image"})


@dataclass(frozen=True, slots=True)
class Span:
    """A run of planes that lie in consecutive pages of one file.

    Parameters
    ----------
    file : str
        Name below the folder; empty for the file that was opened.
    page : int
        The first page.
    plane : int
        The first plane, counted in the order of the planes.
    count : int
        How many; -1 for all there are.
    """

    file: str
    page: int
    plane: int
    count: int


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image of OME-XML.

    Parameters
    ----------
    name : str
        Its name.
    element : Element
        Its ``Pixels``.
    uuid : str
        Of the file that the XML stands in; empty when unknown.
    """

    name: str
    element: ET.Element
    uuid: str = ""

    def size(self, axis: str) -> int:
        """Return how many pixels, planes or times there are along ``X``, ``C``, ..."""
        text = self.element.get(f"Size{axis}", "1")
        if not text.isdecimal() or not int(text):
            raise MetadataError(f"is {text!r}; a number above 0 is needed", f"Pixels.Size{axis}")
        return int(text)

    @property
    def order(self) -> str:
        """The axes of the planes, slowest first: ``"TCZ"``."""
        text = self.element.get("DimensionOrder", "XYZCT")
        if sorted(text) != sorted("XYZCT") or not text.startswith("XY"):
            raise MetadataError(f"is {text!r}; e.g. XYZCT is understood", "Pixels.DimensionOrder")
        return text[:1:-1]

    @property
    def samples(self) -> int:
        """How many samples the pixels of a page have, as the XML says."""
        found = {int(c.get("SamplesPerPixel", "1")) for c in _children(self.element, "Channel")}
        if len(found) > 1:
            raise NgffError(f"channels of {self.name!r} differ in SamplesPerPixel ({found})")
        return next(iter(found), 1)

    def spans(self, sizes: dict[str, int]) -> Iterator[Span]:
        """Iterate over what the XML says of pages; `sizes` are those of `order`."""
        total = math.prod(sizes.values())
        entries = _children(self.element, "TiffData")
        if not entries:
            yield Span("", 0, 0, -1)
        for entry in entries:
            first = {axis: int(entry.get(f"First{axis}", "0")) for axis in sizes}
            if any(not 0 <= first[a] < sizes[a] for a in sizes):
                continue  # of channels that were merged into the samples of a page
            plane = int(np.ravel_multi_index(list(first.values()), list(sizes.values())))
            ifd, count = entry.get("IFD"), entry.get("PlaneCount")
            number = int(count) if count is not None else (1 if ifd is not None else -1)
            uuid = next(iter(_children(entry, "UUID")), None)
            name = "" if uuid is None else uuid.get("FileName", "")
            if uuid is not None and self.uuid and (uuid.text or "").strip() == self.uuid:
                name = ""  # the file itself, whatever it is called by now
            yield Span(name, int(ifd or 0), plane, min(number, total - plane))

    def files(self) -> set[str]:
        """Return the names of the files it refers to."""
        found = self.element.iter()
        return {e.get("FileName", "") for e in found if _tag(e) == "UUID"} - {""}


def ome_images(text: str, path: Path) -> tuple[list[OmeImage], Path]:
    """Return the images that an OME-XML describes, and the file that it stands in.

    Parameters
    ----------
    text : str
        The XML of the file `path`.
    path : Path
        Where it was found; a companion lies beside it.

    Raises
    ------
    MetadataError
        When it is no such XML.
    SourceError
        When a companion that it names isn't there.
    """
    root = _parse(text, path)
    only = next(iter(_children(root, "BinaryOnly")), None)
    if only is not None:
        companion = beside(path, only.get("MetadataFile", ""))
        if not companion.is_file():
            raise SourceError(
                str(companion),
                f"it is missing; {path.name} says that its metadata are there. Put it back, or "
                "read the files as a stack by their folder",
            )
        try:
            path, root = companion, _parse(companion.read_text("utf-8"), companion)
        except (OSError, UnicodeDecodeError) as err:
            raise SourceError(str(companion), reason(err)) from err
    out = []
    for i, image in enumerate(_children(root, "Image")):
        name = image.get("Name") or f"Image {i}"
        out += [OmeImage(name, p, root.get("UUID", "")) for p in _children(image, "Pixels")]
    return out, path


def beside(path: Path, name: str) -> Path:
    """Return a file that `path` refers to by its name; only such as lie beside or below it."""
    folder = path.parent.resolve()
    found = (folder / name).resolve()
    if not name or folder not in found.parents:
        raise NgffError(f"{path} refers to {name!r}, which is not beside it; move it there")
    return path.parent / name


def planes_of(
    image: OmeImage, samples: int, pages: Any
) -> tuple[dict[str, int], npt.NDArray[np.int64]]:
    """Return which page each plane is.

    Parameters
    ----------
    image : OmeImage
        What the XML says.
    samples : int
        Samples of a pixel in the first page.
    pages : callable
        ``pages(name, first, count)`` returns the numbers of pages of a file, ``count`` -1 for all.

    Returns
    -------
    sizes : dict of str to int
        Of the axes of the planes, by lower-case letter, slowest first.
    planes : ndarray of int64
        The number of the page of each, -1 where nothing is said.
    """
    said = image.samples
    if said == 1 and samples > 1 and image.size("C") % samples == 0:
        said = samples  # its writer left it out
    if image.size("C") % said:
        raise MetadataError(f"is {image.size('C')}, with {said} samples per pixel", "Pixels.SizeC")
    sizes = {a: image.size(a) // (said if a == "C" else 1) for a in image.order}
    total = math.prod(sizes.values())
    if total > _MAX_PLANES:
        raise MetadataError(f"{total} planes; at most {_MAX_PLANES} are understood", "Pixels")
    flat = np.full(total, -1, np.int64)
    for span in image.spans(sizes):
        if span.count == 0:
            continue
        found = pages(span.file, span.page, span.count)[: total - span.plane]
        flat[span.plane : span.plane + len(found)] = found
    lower = {axis.lower(): n for axis, n in sizes.items()}
    return lower, flat.reshape(list(sizes.values()))


def ome_meaning(image: OmeImage, samples: int) -> Meaning:
    """Return sizes, units and channels of an image; sizes are micrometres unless it says so."""
    out, pixels = Meaning(), image.element
    for axis in "XYZ":
        value = pixels.get(f"PhysicalSize{axis}")
        if value is None:
            continue
        size, text = positive(value), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        unit = unit_name(text)
        if size and unit:
            out.spacing[axis.lower()], out.units[axis.lower()] = size, unit
        else:
            out.note("voxel_size", f"the size along {axis} is {value} {text}; ignored", "give it")
    step = positive(pixels.get("TimeIncrement"))
    if step:
        out.spacing["t"] = step
        out.units["t"] = unit_name(pixels.get("TimeIncrementUnit", "s")) or "second"
    found = _children(pixels, "Channel")
    if samples == 3 and len(found) <= 1:
        out.channels = rgb_channels()
    elif any(c.get("Name") or c.get("Color") for c in found):
        labels = [c.get("Name") or f"Channel {i}" for i, c in enumerate(found)]
        colors = [_color(c.get("Color")) for c in found]
        out.channels = tuple(
            Channel(label if samples == 1 else f"{label} {s}", color)
            for label, color in zip(labels, colors, strict=True)
            for s in range(samples)
        )
    return out


def _color(text: str | None) -> str | None:
    """Return ``RRGGBB`` of a colour, which is RGBA in a signed number of 32 bits."""
    try:
        return None if text is None else f"{(int(text) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        return None


def _parse(text: str, path: Path) -> ET.Element:
    # an XML that declares entities is no OME-XML, and may be made to blow up
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MetadataError("declares a document type, which OME-XML never does", str(path))
    try:
        root = ET.fromstring(text)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError) as err:
        raise MetadataError(f"its OME-XML can't be parsed: {err}", str(path)) from err
    if _tag(root) != "OME":
        raise MetadataError(f"its root is {_tag(root)!r}; OME was expected", str(path))
    return root


def _tag(element: ET.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _children(element: ET.Element, tag: str) -> list[ET.Element]:
    return [child for child in element if _tag(child) == tag]
