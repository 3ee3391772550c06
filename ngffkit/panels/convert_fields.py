"""The fields of the Convert panel, and the target that it proposes."""

from __future__ import annotations

import re
from glob import has_magic
from pathlib import Path

from ngffkit import typed
from ngffkit.panels import options
from ngffkit.panels.fields import Field, group

#: What a proposed name is stripped of.
_ENDINGS = re.compile(
    r"(\.(ome\.)?(zarr|tiff?)|\.(ozx|zip|png|jpe?g|bmp|btf|tf[28]|lsm|stk|h5|hdf5|czi|nd2|ims|npy"
    r"|raw|bin|dat)|\.(mrc|rec|map|st|ali|nii|img|hdr)(\.gz)?)$",
    re.IGNORECASE,
)


def sources(text: str) -> str | list[str]:
    """Return what is to be converted: a path, folder, pattern or URL, or a list of files.

    Examples
    --------
    >>> sources("slices"), sources("1.tif; 2.tif")
    ('slices', ['1.tif', '2.tif'])
    """
    found = options.texts_of(text)
    if not found or any("\0" in part for part in found):
        raise ValueError("a file, a folder or a URL was expected, or files between semicolons")
    return found[0] if len(found) == 1 else found


FIELDS: tuple[Field, ...] = (
    Field(
        *("source", "source", "files, a folder of slices, a pattern such as a/*.tif, or a URL"),
        read=sources,
        hint="a file, a folder of slices, or a URL of a Zarr",
    ),
    Field(
        *("target", "target", "where the OME-Zarr goes: a folder, s3://, gs://, or a file *.ozx"),
        read=options.place,
        hint="beside the source",
    ),
    Field(
        *("voxel_size", "voxel size", "along x, y, z; or by axis, as z=25 or t=2.5"),
        read=typed.voxel_size,
        hint="x, y, z",
    ),
    Field(*("unit", "unit", "of the voxel size: nanometer, um, s"), read=options.unit),
    *group(
        "what is read",
        Field(
            *("pattern", "pattern", "names of the files of a stack: img_t{t}_c{c}_z{z}.tif"),
            read=options.pattern,
            hint="found by the numbers in the names",
        ),
        Field(
            *("axes", "axes", "what the dimensions are, a letter each, such as tzyx"),
            read=options.axes,
        ),
        Field(
            *("origin", "origin", "centre of the first voxel, x, y, z in the same unit"),
            read=typed.places,
        ),
        Field(*("name", "name", "what the image is called"), read=options.line),
        options.chosen(
            *("kind", "kind", "measured intensities, or labels, which are ids of objects"),
            ("auto", "intensity", "label"),
        ),
        Field(*("channels", "channels", "names between commas, as DAPI,GFP"), read=typed.names),
        options.chosen(
            *("gaps", "gaps", "missing numbers in a stack: error, close up, or fill with zeros"),
            ("error", "close", "fill"),
            "error",
        ),
        Field(
            *("image", "image", "which one where there are several: a path, a series, a layer"),
            read=options.line,
            hint="the only one",
        ),
        Field(
            *("mag", "mag", "which mag of a pyramid is read, as 2 or 4-4-2"),
            read=typed.mag,
            hint="the finest",
        ),
        Field(*("crop", "crop", "a part, in pixels by axis: z=0:10,y=100:"), read=typed.crop),
        Field(
            *("labels", "labels", "NAME=PATH of label images that come along; no: none"),
            read=options.labels,
            hint="those that lie beside the image",
            default="auto",
            choices=("auto", "no"),
        ),
        Field(
            *("storage_options", "source's store", "options of the store that is read, KEY=VALUE"),
            read=options.store_options,
            hint="anon=true endpoint=https://...",
        ),
    ),
    *group(
        "raw file",
        Field(
            *("shape", "shape", "its size, in the order of the axes"),
            read=options.shape,
            hint="512,1024,1024",
        ),
        Field(*("dtype", "type", "of its pixels: u1, <u2, f4"), read=options.dtype, hint="<u2"),
        Field(*("offset", "offset", "bytes before the pixels"), read=typed.size, default="0"),
    ),
    *options.LAYOUT,
    *options.MAGS,
    *options.RUNNING,
)


def proposed(given: str | list[str]) -> str:
    """Return where the result goes when nobody says: beside the source.

    Examples
    --------
    >>> proposed("data/slices/"), proposed("a.ome.tif"), proposed("scans/*.png")
    ('data/slices.ome.zarr', 'a.ome.zarr', 'scans.ome.zarr')
    >>> proposed("s3://bucket/em.zarr"), proposed("a.ome.zarr")
    ('em.ome.zarr', 'a-copy.ome.zarr')
    """
    first = given if isinstance(given, str) else str(Path(given[0]).parent)
    if "://" in first:
        # beside a URL nothing can be written, mostly
        rest = first.split("://", 1)[1].split("?", 1)[0].rstrip("/")
        first = rest.rsplit("/", 1)[-1] or "image"
    place = Path(first)
    while has_magic(str(place)):
        place = place.parent
    if place.name in ("", ".", ".."):
        place = place.resolve()
    stem = _ENDINGS.sub("", place.name) or "image"
    name = f"{stem}.ome.zarr"
    if name == place.name:
        name = f"{stem}-copy.ome.zarr"
    return str(place.with_name(name)) if place.name else name
