"""The fields of the panel that writes arrays, and which of them each task has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ngffkit import typed
from ngffkit.panels import options
from ngffkit.panels.fields import Field, group
from ngffkit.panels.options import LAYOUT, MAGS, RUNNING, chosen

NEW, LABELS, REGION, APPEND = "new image", "add labels", "write a region", "append"

#: What may be done, and what it is called in Python.
TASKS: Mapping[str, str] = {
    NEW: "nk.write",
    LABELS: "nk.add_labels",
    REGION: "nk.write_region",
    APPEND: "nk.append",
}

#: An array of the notebook, or a variable of a Dataset there.
_NAMED = re.compile(r"(?:([^=;,\s]+)\s*=\s*)?([A-Za-z_]\w*)(?:\.(\w+))?")


def first_pixel(text: str) -> dict[str, int]:
    """Return the pixel at which data begin, by axis: x,y,z or by name.

    Examples
    --------
    >>> first_pixel("64,0,10"), first_pixel("t=3")
    ({'x': 64, 'y': 0, 'z': 10}, {'t': 3})
    """
    expected = "whole numbers x,y,z were expected, e.g. 64,0,10, or by axis: z=10,y=0,x=64"
    try:
        found = typed.places(text)
    except ValueError:
        raise ValueError(expected) from None
    if not all(value.is_integer() and value >= 0 for value in found.values()):
        raise ValueError(expected)
    return {name: int(value) for name, value in found.items()}


def label_arrays(text: str) -> dict[str, tuple[str, str]]:
    """Return label arrays of the notebook by what they shall be called.

    Examples
    --------
    >>> label_arrays("cells=seg, ds.nuclei")
    {'cells': ('seg', ''), 'nuclei': ('ds', 'nuclei')}
    """
    expected = "arrays of the notebook were expected, e.g. cells=seg, nuclei=ds.nuclei"
    out: dict[str, tuple[str, str]] = {}
    for part in (word.strip() for line in options.texts_of(text) for word in line.split(",")):
        match = _NAMED.fullmatch(part)
        if match is None:
            raise ValueError(expected)
        name = match[1] or match[3] or match[2]
        if name in out:
            raise ValueError(f"{expected}; {name} stands there twice")
        out[name] = (match[2], match[3] or "")
    if not out:
        raise ValueError(expected)
    return out


_WHAT = (
    chosen("task", "what to do", "make an image, or change one that is there", tuple(TASKS), NEW),
    Field("data", "array", "an array of the notebook", read=typed.word),
    chosen("variable", "variable", "which variable of the Dataset is written", ("auto",)),
    Field("target", "target", "a folder, a file *.ozx, or s3://...", read=options.place),
    Field("label_name", "name of labels", "they go to labels/<name>", options.line, "nuclei"),
    Field(
        *("axis", "along", "t: time points, c: channels; the image must have that axis"),
        read=options.line,
        choices=("c", "t"),
    ),
    Field(
        *("at", "first pixel", "where the first pixel goes: x,y,z, or by axis z=10,y=0,x=64"),
        read=first_pixel,
        hint="where its coordinates say",
    ),
    Field(
        *("voxel_size", "voxel size", "x,y,z, or by axis: z=25; overrides the coordinates"),
        read=typed.voxel_size,
    ),
    Field(
        *("unit", "unit", "of the voxel size: nanometer, um, s"),
        read=options.unit,
        choices=("nanometer", "micrometer", "millimeter"),
    ),
    Field(
        *("labels", "labels", "label arrays that go along: name=array, as cells=seg, ds.nuclei"),
        read=label_arrays,
        hint="none",
    ),
)

_READ = group(
    "what is read",
    Field(
        *("axes", "axes", "what the dimensions are, one letter each, as tczyx"),
        read=options.axes,
        hint="their names, or by their number",
    ),
    Field(
        *("crop", "part", "pixels by axis: z=0:10,y=100:,x=:512"),
        read=typed.crop,
        hint="all of it",
    ),
    Field(
        *("origin", "origin", "centre of the first pixel: x,y,z, or by axis: z=3"),
        read=typed.places,
        hint="as its coordinates say",
    ),
    chosen(
        "kind", "pixels are", "measurements or ids", ("auto", "intensity", "label"), default="auto"
    ),
    Field("channels", "channels", "their names, between commas", typed.names, "as they are"),
    Field("name", "name", "what the image is called", options.line, "the name of the array"),
    Field(
        *("image", "which image", "one of several, or labels of it: labels/nuclei"),
        read=options.line,
        hint="the only one",
    ),
)

#: All fields, in the order in which they are shown.
FIELDS: tuple[Field, ...] = (*_WHAT, *_READ, *LAYOUT, *MAGS, *RUNNING)

_RUN = frozenset(
    "task data variable target axes crop memory workers executor resume target_options".split()
)
_OF_EDITS = frozenset(["label_name", "axis", "at", "image"])

#: Which fields each task has.
SHOWN: Mapping[str, frozenset[str]] = {
    NEW: frozenset(field.name for field in FIELDS) - _OF_EDITS,
    LABELS: _RUN
    | {"label_name", "image", "overwrite", "chunks", "shards", "compression"}
    | {field.name for field in MAGS},
    REGION: _RUN | {"image", "at", "method"},
    APPEND: _RUN | {"image", "axis", "channels", "method"},
}


def target_of(task: str) -> Field:
    """Return the field of the target, in the words of a task."""
    (found,) = [field for field in FIELDS if field.name == "target"]
    if task == NEW:
        return replace(found, hint="cells.ome.zarr, or s3://bucket/cells.zarr")
    return replace(
        found,
        label="image",
        help="the OME-Zarr image that is changed",
        hint="an OME-Zarr that is there",
    )
