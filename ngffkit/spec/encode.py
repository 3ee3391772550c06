"""From values to the document of a version: what is written, and what the round trip tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from ngffkit.errors import MetadataError, NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo
from ngffkit.spec.decode import axes_of
from ngffkit.spec.frozen import thaw

#: The name of 0.6's coordinate system that all levels map to.
_SYSTEM = "physical"


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What one version does differently."""

    namespaced: bool
    zarr_format: int
    levels: Callable[[Image], dict[str, Any]]


def encode(image: Image, version: str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the attributes of a group that describe `image`.

    Parameters
    ----------
    image : Image
        With its levels.
    version : str
        One of `WRITABLE`.
    metadata : Mapping, optional
        How the pyramid was made, in the words of its writer: name and version of the program,
        arguments.

    Returns
    -------
    dict
        The content of ``.zattrs`` for 0.4, of ``attributes`` in ``zarr.json`` since 0.5.

    Raises
    ------
    NgffError
        When the version can't be written.

    Examples
    --------
    >>> from ngffkit.image import Level
    >>> g = Grid((Axis("y", "space"), Axis("x", "space")), (8, 8), (1.0, 1.0), (0.0, 0.0))
    >>> sorted(encode(Image("a", (Level("0", g),)), "0.5")["ome"])
    ['multiscales', 'version']
    """
    dialect = _DIALECTS.get(version)
    if dialect is None:
        raise NgffError(_unwritable(version))
    multiscale: dict[str, Any] = {"name": image.name, **dialect.levels(image)}
    if image.method:
        multiscale["type"] = image.method
    if metadata:
        multiscale["metadata"] = dict(metadata)
    body: dict[str, Any] = {"multiscales": [multiscale]}
    if image.channels:
        body["omero"] = {"channels": [_channel(channel) for channel in image.channels]}
    label = image.label or (LabelInfo() if image.kind == "label" else None)
    if label is not None:
        body["image-label"] = _label(label)
    if dialect.namespaced:
        return {"ome": {"version": version, **body}}
    multiscale["version"] = version
    if label is not None:
        body["image-label"]["version"] = version
    return body


def encode_labels(names: Sequence[str], version: str) -> dict[str, Any]:
    """Return the attributes of the group ``labels``, which lists the label images.

    Examples
    --------
    >>> encode_labels(["nuclei"], DEFAULT)["ome"]["labels"]
    ['nuclei']
    """
    body: dict[str, Any] = {"labels": list(names)}
    if _DIALECTS[version].namespaced:
        return {"ome": {"version": version, **body}}
    return body


def zarr_format(version: str) -> int:
    """Return the Zarr format that a version of OME-Zarr is stored in.

    Raises
    ------
    NgffError
        When the version can't be written.
    """
    dialect = _DIALECTS.get(version)
    if dialect is None:
        raise NgffError(_unwritable(version))
    return dialect.zarr_format


def _unwritable(version: str) -> str:
    return f"OME-Zarr {version!r} can't be written; choose one of {', '.join(WRITABLE)}"


def _axis(axis: Axis) -> dict[str, Any]:
    out: dict[str, Any] = {"name": axis.name}
    if axis.type is not None:
        out["type"] = axis.type
    if axis.unit is not None:
        out["unit"] = axis.unit
    return out | {key: thaw(value) for key, value in axis.extra}


def _steps(grid: Grid) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = [{"type": "scale", "scale": list(grid.scale)}]
    if any(grid.origin):
        out.append({"type": "translation", "translation": list(grid.origin)})
    return out


def _with_axes(image: Image) -> dict[str, Any]:
    return {
        "axes": [_axis(axis) for axis in image.base.axes],
        "datasets": [
            {"path": level.path, "coordinateTransformations": _steps(level.grid)}
            for level in image.levels
        ],
    }


def _with_systems(image: Image) -> dict[str, Any]:
    axes = [_axis(axis) for axis in image.base.axes]
    systems = [item for item in image.coordinate_systems if _name_of(item)]
    names = {_name_of(item) for item in systems}
    # what was kept of a level that can't be laid on axes has no place here
    kept = [_between(item) for item in image.transformations if _ends(item) <= names]
    name = _intrinsic(systems, kept, image.base)
    if name is None:
        others = (f"{_SYSTEM}_{i}" for i in count())
        name = next(n for n in chain([_SYSTEM], others) if n not in names)
        systems.insert(0, {"name": name, "axes": axes})
    datasets = []
    for level in image.levels:
        steps = _steps(level.grid)
        step = steps[0] if len(steps) == 1 else {"type": "sequence", "transformations": steps}
        step = step | {"input": {"path": level.path}, "output": {"name": name}}
        datasets.append({"path": level.path, "coordinateTransformations": [step]})
    out: dict[str, Any] = {"coordinateSystems": systems, "datasets": datasets}
    return out | ({"coordinateTransformations": kept} if kept else {})


def _name_of(place: Any) -> str | None:
    """Return the name of a system, or of the end of a transformation in any spelling."""
    name = place.get("name") if isinstance(place, Mapping) else place
    return name if isinstance(name, str) and name else None


def _ends(step: Any) -> set[str | None]:
    ends = ("input", "output")
    return {_name_of(step.get(end)) if isinstance(step, Mapping) else None for end in ends}


def _between(step: Mapping[str, Any]) -> dict[str, Any]:
    # drafts named the ends by strings
    ends = {end: step[end] for end in ("input", "output")}
    return dict(step) | {k: {"name": v} if isinstance(v, str) else v for k, v in ends.items()}


def _intrinsic(systems: Sequence[Any], kept: Sequence[Mapping[str, Any]], base: Grid) -> str | None:
    """Return the name of the system that levels map to: the one nothing else leads to."""
    reached = {_name_of(step["output"]) for step in kept}
    fitting = [_name_of(item) for item in systems if _fits(item, base)]
    return next((n for n in fitting if n not in reached), fitting[0] if fitting else None)


def _fits(system: Mapping[str, Any], base: Grid) -> bool:
    try:
        return axes_of(system.get("axes"), "") == base.axes
    except MetadataError:
        return False


def _channel(channel: Channel) -> dict[str, Any]:
    out: dict[str, Any] = {"label": channel.label, "active": channel.active}
    if channel.color is not None:
        out["color"] = channel.color
    if channel.window is not None:
        window = channel.window
        out["window"] = {
            "start": window.start,
            "end": window.end,
            "min": window.min,
            "max": window.max,
        }
    return out


def _label(label: LabelInfo) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if label.colors:
        out["colors"] = [{"label-value": i, "rgba": list(rgba)} for i, rgba in label.colors]
    if label.properties:
        out["properties"] = [{"label-value": i, **facts} for i, facts in label.properties]
    if label.source is not None:
        out["source"] = {"image": label.source}
    return out


_DIALECTS: Mapping[str, _Dialect] = {
    "0.4": _Dialect(namespaced=False, zarr_format=2, levels=_with_axes),
    "0.5": _Dialect(namespaced=True, zarr_format=3, levels=_with_axes),
    "0.6": _Dialect(namespaced=True, zarr_format=3, levels=_with_systems),
    "0.6rc0": _Dialect(namespaced=True, zarr_format=3, levels=_with_systems),
}

#: The version that is written where nobody says otherwise.
DEFAULT = "0.5"

#: Versions that can be written.
WRITABLE = tuple(_DIALECTS)
