"""Zeiss CZI files as a source, through Zeiss's own reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, Problem, SourceError
from ngffkit.image import Channel
from ngffkit.sources.arranged import library, positive
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import Facts, FileSource, Shared, file_source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file, reason

#: Types of pixels that are read: dtype and samples.
_TYPES = {
    "Gray8": ("u1", 1),
    "Gray16": ("u2", 1),
    "Gray32Float": ("f4", 1),
    "Bgr24": ("u1", 3),
    "Bgr48": ("u2", 3),
}

#: The axes of a file, each as its reader calls it.
_LEAD = "TCZ"


@dataclass(frozen=True, slots=True)
class CziPixels:
    """Pixels of one scene.

    Parameters
    ----------
    file : Shared
        The document.
    where : str
        Its path.
    scene : int, optional
        Which scene; None where there are none.
    corner : tuple of int
        Where the image begins, x and y.
    starts : tuple of int
        The first index along T, C and Z.
    samples : int
        Samples of a pixel, which are channels.
    """

    file: Shared
    where: str
    scene: int | None
    corner: tuple[int, int]
    starts: tuple[int, int, int]
    samples: int

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box; axes t, c, z, y, x."""
        times, channels, planes, rows, columns = cut
        size = [s.stop - s.start for s in cut]
        region = (
            self.corner[0] + columns.start,
            self.corner[1] + rows.start,
            size[4],
            size[3],
        )
        parts = []
        groups = range(channels.start // self.samples, -(-channels.stop // self.samples))
        with self.file.use() as document:
            for t in range(times.start, times.stop):
                for z in range(planes.start, planes.stop):
                    found = [self._plane(document, (t, c, z), region) for c in groups]
                    parts.append(np.concatenate(found, axis=-1))
        whole = np.stack(parts).reshape(size[0], size[2], size[3], size[4], -1)
        first = groups.start * self.samples
        kept = whole[..., channels.start - first : channels.stop - first]
        return np.moveaxis(kept, -1, 1)

    def _plane(
        self, document: Any, index: tuple[int, int, int], region: tuple[int, int, int, int]
    ) -> npt.NDArray[Any]:
        plane = {a: s + i for a, s, i in zip(_LEAD, self.starts, index, strict=True)}
        name = f"{self.where}, plane " + " ".join(f"{a}={n}" for a, n in plane.items())
        try:
            if not _covered(document, plane, region):
                raise SourceError(name, f"nothing is stored at x, y, width, height {region}")
            pixels = np.asarray(document.read(roi=region, plane=plane, scene=self.scene))
        except SourceError:
            raise
        except Exception as err:
            raise SourceError(name, reason(err)) from err
        # the samples of a colour are blue, green, red
        return pixels[..., ::-1] if self.samples == 3 else pixels


def _covered(document: Any, plane: Mapping[str, int], region: tuple[int, int, int, int]) -> bool:
    """Tell whether anything is stored there: the reader gives black for what isn't."""
    known = document.total_bounding_box
    found: list[int] = []

    def look(number: int, _: Any) -> bool:
        found.append(number)
        return False  # one is enough

    wanted = {a: n for a, n in plane.items() if a in known}
    document.enumerate_subblocks_subset(look, plane=wanted, roi=region, only_layer0=True)
    return bool(found)


def open_document(path: str) -> Any:
    """Open a CZI document for reading; it is closed when it is forgotten."""
    czi = library("pylibCZIrw.czi", "czi")
    library("_pylibCZIrw", "czi")
    try:
        return czi.CziReader(path)
    except Exception as err:
        raise SourceError(path, f"it is no CZI file that can be opened: {reason(err)}") from err


def open_czi(source: Any, options: ReadOptions) -> FileSource:
    """Open one scene of a CZI file, at its finest.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``image`` is the number of a scene; needed only where there are several.

    Returns
    -------
    FileSource
        Axes t, c, z, y, x; tiles of a mosaic are put together. A plane of which nothing is stored
        is an error; what no tile of a mosaic covers is 0, as the format has it.

    Raises
    ------
    NgffError
        When there are several scenes and none was chosen, or channels differ in type.
    SourceError
        When it is no such file.
    """
    path = local_file(source)
    shared = Shared(open_document, str(path))
    with shared.use() as document:
        try:
            box = document.total_bounding_box
            scene, frame = _scene(document, str(path), options.image)
            types = set(document.pixel_types.values())
            metadata = document.metadata.get("ImageDocument", {}).get("Metadata", {})
        except NgffError:
            raise
        except Exception as err:
            raise SourceError(str(path), reason(err)) from err
    if len(types) != 1 or not types <= set(_TYPES):
        raise NgffError(
            f"{path} has channels of types {sorted(types)}; one type for all of them, of "
            f"{', '.join(_TYPES)}, is read"
        )
    code, samples = _TYPES[types.pop()]
    ranges = [box.get(axis, (0, 1)) for axis in _LEAD]
    starts = (ranges[0][0], ranges[1][0], ranges[2][0])
    counts = [stop - start for start, stop in ranges]
    shape = (counts[0], counts[1] * samples, counts[2], frame.h, frame.w)
    spacing = _spacing(metadata)
    others = sorted(set(box) - set("TCZXYSM"))
    facts = Facts(
        path,
        path.stem,
        ("t", "c", "z", "y", "x"),
        shape,
        np.dtype(code),
        f"scene {scene}" if scene is not None else "",
        spacing,
        dict.fromkeys(spacing, "micrometer"),
        _channels(metadata, counts[1], samples),
        block=(1, samples, 1, min(frame.h, 1024), min(frame.w, 1024)),
        scratch=4 * 2048 * 2048 * samples * np.dtype(code).itemsize,
        notes=[Problem("image", "advice", f"axis {a} is read at 0") for a in others],
    )
    pixels = CziPixels(shared, str(path), scene, (frame.x, frame.y), starts, samples)
    return file_source(facts, pixels)


def _scene(document: Any, where: str, wanted: str | None) -> tuple[int | None, Any]:
    scenes = document.scenes_bounding_rectangle_no_pyramid
    if not scenes:
        if wanted is not None:
            raise NgffError(f"{where} has no scenes; leave out image=")
        return None, document.total_bounding_rectangle_no_pyramid
    if wanted is None and len(scenes) == 1:
        (only,) = scenes.items()
        return int(only[0]), only[1]
    if wanted is not None and wanted.isdecimal() and int(wanted) in scenes:
        return int(wanted), scenes[int(wanted)]
    shown = ", ".join(f"'{n}' {r.w} x {r.h}" for n, r in scenes.items())
    said = "several scenes" if wanted is None else f"no scene {wanted!r}"
    raise NgffError(f"{where} has {said}; choose one by image=: {shown}")


def _spacing(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the sizes, which are metres there, in micrometres."""
    items = ((metadata.get("Scaling") or {}).get("Items") or {}).get("Distance") or []
    out = {}
    for item in items if isinstance(items, list) else [items]:
        size = positive(item.get("Value"))
        name = str(item.get("@Id", "")).lower()
        if size is not None and name in ("x", "y", "z"):
            out[name] = size * 1e6
    return out


def _channels(metadata: Mapping[str, Any], count: int, samples: int) -> tuple[Channel, ...]:
    if samples == 3:
        colors = ("FF0000", "00FF00", "0000FF")
        named = zip(("red", "green", "blue"), colors, strict=True)
        return tuple(Channel(n, c) for n, c in named) if count == 1 else ()
    shown = ((metadata.get("DisplaySetting") or {}).get("Channels") or {}).get("Channel") or []
    image = (metadata.get("Information") or {}).get("Image") or {}
    channels = ((image.get("Dimensions") or {}).get("Channels") or {}).get("Channel") or []
    shown, channels = (v if isinstance(v, list) else [v] for v in (shown, channels))
    if len(channels) != count:
        return ()
    colors_by = {c.get("@Id"): c.get("Color") for c in shown}
    out = []
    for i, channel in enumerate(channels):
        color = channel.get("Color") or colors_by.get(channel.get("@Id"))
        hexes = str(color).lstrip("#")[-6:].upper() if color else None
        out.append(Channel(channel.get("@Name") or f"Channel {i}", hexes))
    return tuple(out)
