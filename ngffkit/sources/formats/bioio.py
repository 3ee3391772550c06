"""Anything that bioio reads, as a source: the way for formats that have no module of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, SourceError
from ngffkit.image import Channel
from ngffkit.sources.arranged import by_name, library, positive
from ngffkit.sources.contract import Box
from ngffkit.sources.formats.handles import Facts, FileSource, Shared, file_source
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.rawbytes import local_file, reason


@dataclass(frozen=True, slots=True)
class BioioPixels:
    """Pixels of one scene, as a dask array of bioio's.

    Parameters
    ----------
    file : Shared
        The array.
    """

    file: Shared

    def read(self, cut: Box) -> npt.NDArray[Any]:
        """Return a box in the order of bioio's axes."""
        with self.file.use() as array:
            return np.asarray(array[cut].compute(scheduler="synchronous"))


def open_image(path: str, scene: str | None) -> Any:
    """Open an image by the plugin of bioio that knows it."""
    bioio = library("bioio", "bioio")
    try:
        image = bioio.BioImage(path)
        if scene is not None:
            image.set_scene(scene)
        return image
    except Exception as err:
        raise SourceError(
            path,
            f"bioio can't open it: {reason(err)} (each format needs a plugin: pip install "
            "bioio-lif, bioio-czi, bioio-bioformats, ...)",
        ) from err


def open_array(path: str, scene: str, order: str) -> Any:
    """Return the pixels of a scene as a dask array, with the axes of `order`."""
    return open_image(path, scene).get_image_dask_data(order)


def open_bioio(source: Any, options: ReadOptions) -> FileSource:
    """Open one scene of a file that a plugin of bioio reads.

    Parameters
    ----------
    source : str or Path
        The file.
    options : ReadOptions
        ``image`` is the name or number of a scene; needed only where there are several.

    Returns
    -------
    FileSource
        Axes t, c, z, y, x; samples of a colour are channels. Sizes are micrometres, as bioio
        gives them.

    Raises
    ------
    NgffError
        When there are several scenes and none was chosen, or bioio is not installed.
    SourceError
        When no plugin opens the file.
    """
    path = local_file(source)
    image = open_image(str(path), None)
    scene = _scene([str(s) for s in image.scenes], str(path), options.image)
    image = open_image(str(path), scene)
    try:
        order, sizes = str(image.dims.order), image.physical_pixel_sizes
        names = [str(name) for name in image.channel_names or ()]
        if "S" in order:
            if dict(image.dims.items()).get("C", 1) != 1:
                raise NgffError(f"{path} has channels and colour samples both; split it first")
            order, names = order.replace("C", ""), []
        array = image.get_image_dask_data(order)
    except NgffError:
        raise
    except Exception as err:
        raise SourceError(str(path), reason(err)) from err
    axes = tuple(order.lower().replace("s", "c"))
    spacing = by_name("zyx", [positive(v) for v in (sizes.Z, sizes.Y, sizes.X)])
    facts = Facts(
        path,
        path.stem,
        axes,
        tuple(int(n) for n in array.shape),
        np.dtype(array.dtype),
        f"scene {scene!r}",
        spacing,
        dict.fromkeys(spacing, "micrometer"),
        tuple(map(Channel, names)),
        block=array.chunksize,
        scratch=2 * int(np.prod(array.chunksize)) * array.dtype.itemsize,
    )
    return file_source(facts, BioioPixels(Shared(open_array, str(path), scene, order)))


def _scene(scenes: list[str], where: str, wanted: str | None) -> str:
    if wanted is None and len(scenes) == 1:
        return scenes[0]
    if wanted is not None and wanted in scenes:
        return wanted
    if wanted is not None and wanted.isdecimal() and int(wanted) < len(scenes):
        return scenes[int(wanted)]
    said = "several scenes" if wanted is None else f"no scene {wanted!r}"
    raise NgffError(f"{where} has {said}; choose one by image=: {', '.join(scenes[:20])}")
