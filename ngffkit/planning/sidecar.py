"""What lets WEBKNOSSOS open an OME-Zarr in place: the content of ``datasource-properties.json``.

After the specification of that file in the documentation of WEBKNOSSOS's Python library
(https://docs.webknossos.org, "datasource-properties.json Specification"), and what its reader does:
one layer per channel (``channelIndex``), voxels counted from the first pixel of the image, mags as
whole multiples of its pixels. What can't be said in these words has no layer; `doubts` says so
before anything is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ngffkit.errors import Problem
from ngffkit.execute.job import ImageJob
from ngffkit.grid import Grid
from ngffkit.image import Channel, Image
from ngffkit.layout import Layout

if TYPE_CHECKING:
    from ngffkit.planning.plan import Plan

#: Lengths that WEBKNOSSOS knows, which are those that OME-Zarr names, in meters.
_PREFIXES = (
    *zip("yocto zepto atto femto pico nano micro milli".split(), range(-24, 0, 3), strict=True),
    *zip("centi deci".split(), (-2, -1), strict=True),
    *zip(("", "hecto", "kilo"), (0, 2, 3), strict=True),
    *zip("mega giga tera peta exa zetta yotta".split(), range(6, 25, 3), strict=True),
)
_METERS = {f"{prefix}meter": float(f"1e{power}") for prefix, power in _PREFIXES} | {
    "angstrom": 1e-10,
    "inch": 0.0254,
    "foot": 0.3048,
    "yard": 0.9144,
    "mile": 1609.344,
    "parsec": 3.0856775814913673e16,
}

#: Types of pixels by their names there; the others have none.
_CLASSES = {f"{sign}int{8 * n}": f"{sign}int{8 * n}" for sign in ("", "u") for n in (1, 2, 4, 8)}
_CLASSES |= {"float32": "float", "float64": "double"}

#: Characters that the name of a layer must not have.
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_$@.-]")

#: Its servers keep the largest id in 64 bits with a sign, and read no properties that exceed them.
_MOST = 2**63

_XYZ = "xyz"


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a dataset, with where its arrays are.

    Parameters
    ----------
    name : str
        What its layer is called; WEBKNOSSOS may need it spelled otherwise.
    image : Image
        What it is.
    layouts : tuple of Layout
        Of its arrays, finest first.
    paths : tuple of str
        Of its arrays, below the properties.
    loc : str
        What messages call it.
    largest : int, optional
        The largest id of a segmentation, where somebody counted.
    """

    name: str
    image: Image
    layouts: tuple[Layout, ...]
    paths: tuple[str, ...]
    loc: str = ""
    largest: int | None = None

    @classmethod
    def of(cls, item: ImageJob, name: str, below: str = "", *, windows: bool = False) -> Member:
        """Return what a job writes.

        Parameters
        ----------
        item : ImageJob
            The image or one of its labels.
        name : str
            What its layer is called.
        below : str
            Where the target is, below the properties.
        windows : bool
            Whether channels without a window get one, chosen from the pixels that are there.
        """
        image = item.image
        if windows and image.kind != "label":
            from ngffkit.execute.commit import with_windows

            image = with_windows(item)
        layouts = tuple(level.spec.layout for level in item.job.levels)
        paths = tuple("/".join(filter(None, (below, level.path))) for level in item.job.levels)
        return cls(name, image, layouts, paths, item.path)


def datasource(plan: Plan) -> dict[str, Any]:
    """Return the properties by which WEBKNOSSOS opens what a plan writes.

    Parameters
    ----------
    plan : Plan
        Carried out up to its pixels: where channels have no window, one is chosen from them.

    Returns
    -------
    dict
        JSON values. Paths are relative, so that image and properties may be moved together. The
        voxel size is in the unit of x; nanometers when the image has none.

    Examples
    --------
    >>> import numpy as np, ngffkit.writing as w
    >>> plan = w.plan(
    ...     np.ones((8, 64, 64), "u1"),
    ...     "memory://a.zarr",
    ...     voxel_size=(4, 4, 40),
    ...     unit="nm",
    ...     layer="em",
    ... )
    >>> found = datasource(plan)
    >>> found["scale"], [layer["name"] for layer in found["dataLayers"]]
    ({'factor': [4.0, 4.0, 40.0], 'unit': 'nanometer'}, ['em'])
    """
    name = plan.image.name or plan.target.url.rstrip("/").rpartition("/")[2]
    members = [Member.of(i, _base_name(i, plan, name), windows=True) for i in plan.images]
    return properties(name, members)


def properties(name: str, members: Sequence[Member], base: Grid | None = None) -> dict[str, Any]:
    """Return the properties of a dataset.

    Parameters
    ----------
    name : str
        What it is called.
    members : sequence of Member
        Its images. Those that WEBKNOSSOS can't show (see `obstacle`) get no layer.
    base : Grid, optional
        Voxels that all are counted in; those of the first member when left out.

    Returns
    -------
    dict
        JSON values, with one layer per channel.
    """
    base = base or members[0].image.base
    taken: set[str] = set()
    layers = [layer for member in members for layer in _layers(member, base, taken)]
    return {
        "version": 1,
        "id": {"name": layer_name(name, set()), "team": ""},
        "scale": _scale(base),
        "dataLayers": layers,
    }


def doubts(images: Sequence[ImageJob]) -> list[Problem]:
    """Say what of these images WEBKNOSSOS can't open in place; for the problems of a plan.

    Parameters
    ----------
    images : sequence of ImageJob
        The image and its labels.
    """
    return doubts_of([Member.of(item, "") for item in images])


def doubts_of(members: Sequence[Member], base: Grid | None = None) -> list[Problem]:
    """Say what of these images WEBKNOSSOS can't open, and which of their mags.

    Parameters
    ----------
    members, base
        As for `properties`.
    """
    base, out = base or members[0].image.base, []
    for member in members:
        loc, cause = member.loc or "sidecar", obstacle(member, base)
        if cause:
            remedy = "other programs open it; WEBKNOSSOS will not show it"
            out.append(Problem(loc, "advice", f"has no layer in WEBKNOSSOS: {cause}", remedy))
            continue
        left = len(member.paths) - len(_mags(member, base))
        if left:
            some = "1 mag is" if left == 1 else f"{left} mags are"
            message = f"{some} left out: WEBKNOSSOS wants powers of two, whose largest differ"
            out.append(Problem(loc, "advice", message, "see mags="))
    if not any(axis.unit in _METERS for axis in base.axes if axis.name == "x"):
        message = "the voxel size has no unit of length; WEBKNOSSOS takes it for nanometers"
        out.append(Problem("unit", "advice", message, "pass unit="))
    return out


def finest(members: Sequence[Member]) -> Grid:
    """Return the grid with the smallest voxels, in which the others are counted."""
    return min((member.image.base for member in members), key=_volume)


def _volume(grid: Grid) -> float:
    """Return the volume of a voxel in cubic meters."""
    axes = zip(grid.axes, grid.scale, strict=True)
    return math.prod(size * _METERS.get(a.unit or "", 1e-9) for a, size in axes if a.name in _XYZ)


def layer_name(text: str, taken: set[str]) -> str:
    """Return a name that WEBKNOSSOS accepts, and that is not taken yet.

    Examples
    --------
    >>> layer_name("nuclei (DAPI)", {"color"}), layer_name(".x", set()), layer_name("a", {"a"})
    ('nuclei_DAPI', 'x', 'a_2')
    """
    plain = re.sub(r"_{2,}", "_", _FORBIDDEN.sub("_", text)).strip("_").lstrip(".") or "layer"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _base_name(item: ImageJob, plan: Plan, name: str) -> str:
    if item.path:
        return item.path.rpartition("/")[2]
    return plan.options.write.layer or name


def _layers(item: Member, base: Grid, taken: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the layers of an image: one, or one per channel."""
    if obstacle(item, base):
        return
    channels = () if item.image.kind == "label" else item.image.channels
    axis = next((i for i, a in enumerate(item.image.base.axes) if a.is_channel), None)
    count = 1 if axis is None else item.image.base.shape[axis]
    for i in range(count):
        channel = channels[i] if i < len(channels) else None
        several = f"{item.name}_{(channel and channel.label) or i}" if count > 1 else item.name
        layer = _layer(item, base, channel, i if count > 1 else None)
        layer["name"] = layer_name(several, taken)
        taken.add(layer["name"])
        yield layer


def _layer(item: Member, root: Grid, channel: Channel | None, index: int | None) -> dict[str, Any]:
    base, mags = item.image.base, _mags(item, root)
    layout = item.layouts[0]
    path, first = mags[0]
    # finer ones that are left out do not count
    shape = item.image.levels[item.paths.index(path)].grid.shape
    size = {
        name: shape[base.axis(name)] * f
        for name, f in zip(_XYZ, first, strict=True)
        if name in base.dims
    }
    order = {a.name if a.name in _XYZ else "c": i for i, a in enumerate(base.axes) if _is_cxyz(a)}
    which = {} if index is None else {"channelIndex": index}
    layer: dict[str, Any] = {
        "name": "",
        "category": "segmentation" if item.image.kind == "label" else "color",
        "dataFormat": "zarr3" if layout.zarr_format == 3 else "zarr",
        "elementClass": _CLASSES[layout.dtype.name],
        "numChannels": 1,
        "boundingBox": {
            "topLeft": [0, 0, 0],
            "width": size["x"],
            "height": size["y"],
            "depth": size.get("z", 1),
        },
        "mags": [
            {"mag": list(mag), "path": f"./{path}", "axisOrder": order, **which}
            for path, mag in mags
        ],
    }
    extra = [
        {"name": a.name, "bounds": [0, n], "index": i}
        for i, (a, n) in enumerate(zip(base.axes, base.shape, strict=True))
        if not _is_cxyz(a)
    ]
    if extra:
        layer["additionalAxes"] = extra
    if item.largest is not None and 0 <= item.largest < _MOST:
        layer["largestSegmentId"] = item.largest
    view = _view(channel)
    return layer | ({"defaultViewConfiguration": view} if view else {})


def _is_cxyz(axis: Any) -> bool:
    return axis.name in _XYZ or axis.is_channel


def _view(channel: Channel | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if channel is None:
        return out
    if channel.color and re.fullmatch(r"[0-9A-Fa-f]{6}", channel.color):
        out["color"] = list(bytes.fromhex(channel.color))
    window = channel.window
    if window is not None and all(map(math.isfinite, (window.start, window.end))):
        out["intensityRange"] = [window.start, window.end]
        if math.isfinite(window.min) and math.isfinite(window.max):
            out |= {"min": window.min, "max": window.max}
    if not channel.active:
        out["isDisabled"] = True
    return out


def _mags(item: Member, root: Grid) -> list[tuple[str, tuple[int, ...]]]:
    """Return path and factors, in x-y-z order, of the mags that WEBKNOSSOS can tell apart."""
    out: dict[int, tuple[str, tuple[int, ...]]] = {}
    for entry, path in zip(item.image.levels, item.paths, strict=True):
        found = _factors(entry.grid, root)
        mag = tuple(max(1, round(f)) for f in found)
        exact = all(math.isclose(f, m, rel_tol=1e-6) for f, m in zip(found, mag, strict=True))
        if exact and all(m & (m - 1) == 0 for m in mag):
            # it asks for a mag by its largest factor, so there can be one for each
            out.setdefault(max(mag), (path, mag))
    return list(out.values())


def _factors(grid: Grid, base: Grid) -> list[float]:
    known = grid.factors(base)
    return [known.get(name, 1.0) * _between(grid, base, name) for name in _XYZ]


def _between(grid: Grid, base: Grid, name: str) -> float:
    """Return how many of the base's units along an axis one unit of a grid is."""
    if name not in grid.dims or name not in base.dims:
        return 1.0
    own, other = (g.axes[g.axis(name)].unit for g in (grid, base))
    return _ratio(own, other)


def obstacle(item: Member, reference: Grid) -> str:
    """Say why an image can't be a layer; nothing when it can.

    Parameters
    ----------
    item : Member
        The image.
    reference : Grid
        Voxels that all layers are counted in.
    """
    base, dtype = item.image.base, item.layouts[0].dtype
    if dtype.name not in _CLASSES:
        return f"it knows no pixels of type {dtype}"
    if item.image.kind == "label" and dtype.kind not in "iu":
        return f"ids are whole numbers, the pixels are {dtype}"
    if not {"x", "y"} <= set(base.dims):
        return f"it wants axes x and y; here they are {', '.join(base.dims)}"
    if not _mags(item, reference):
        return "its pixels are no whole multiples of those of the image"
    for name in (n for n in _XYZ if n in base.dims and n in reference.dims):
        first, other = (
            g.origin[g.axis(name)] - g.scale[g.axis(name)] / 2 for g in (base, reference)
        )
        if (
            abs(first * _between(base, reference, name) - other)
            > reference.scale[reference.axis(name)] / 2
        ):
            return f"it does not begin where the image does, along {name}"
    return ""


def _scale(grid: Grid) -> dict[str, Any]:
    """Return the voxel size in the unit of x."""
    unit = grid.axes[grid.axis("x")].unit if "x" in grid.dims else None
    factor = []
    for name in _XYZ:
        if name not in grid.dims:
            factor.append(1.0)
            continue
        i = grid.axis(name)
        factor.append(grid.scale[i] * _ratio(grid.axes[i].unit, unit))
    return {"factor": factor, "unit": unit if unit in _METERS else "nanometer"}


def _ratio(unit: str | None, other: str | None) -> float:
    """Return how many of `other` one `unit` is; 1 where one of them is no length."""
    if unit == other or unit not in _METERS or other not in _METERS:
        return 1.0
    return float(f"{_METERS[unit] / _METERS[other]:.12g}")
