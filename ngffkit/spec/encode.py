"""From values to the document of a version: what is written, and what the round trip tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo

#: The name of 0.6's coordinate system that all levels map to.
_SYSTEM = "physical"


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What one version does differently."""

    namespaced: bool
    zarr_format: int
    levels: Callable[[Image], dict[str, Any]]


def encode(image: Image, version: str) -> dict[str, Any]:
    """Return the attributes of a group that describe `image`.

    Parameters
    ----------
    image : Image
        With its levels.
    version : str
        One of `WRITABLE`.

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
        raise NgffError(
            f"OME-Zarr {version!r} can't be written; choose one of {', '.join(WRITABLE)}"
        )
    multiscale: dict[str, Any] = {"name": image.name, **dialect.levels(image)}
    if image.method:
        multiscale["type"] = image.method
    body: dict[str, Any] = {"multiscales": [multiscale]}
    if image.channels:
        body["omero"] = {"channels": [_channel(channel) for channel in image.channels]}
    if image.label is not None:
        body["image-label"] = _label(image.label)
    if dialect.namespaced:
        return {"ome": {"version": version, **body}}
    multiscale["version"] = version
    if image.label is not None:
        body["image-label"]["version"] = version
    return body


def zarr_format(version: str) -> int:
    """Return the Zarr format that a version of OME-Zarr is stored in."""
    return _DIALECTS[version].zarr_format


def _axis(axis: Axis) -> dict[str, Any]:
    out: dict[str, Any] = {"name": axis.name}
    if axis.type is not None:
        out["type"] = axis.type
    if axis.unit is not None:
        out["unit"] = axis.unit
    return out | {key: _thaw(value) for key, value in axis.extra}


def _thaw(value: Any) -> Any:
    if isinstance(value, tuple):
        pairs = value and all(
            isinstance(v, tuple) and len(v) == 2 and isinstance(v[0], str) for v in value
        )
        return {k: _thaw(v) for k, v in value} if pairs else [_thaw(v) for v in value]
    return value


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
    datasets = []
    for level in image.levels:
        steps = _steps(level.grid)
        step = steps[0] if len(steps) == 1 else {"type": "sequence", "transformations": steps}
        step = step | {"input": {"path": level.path}, "output": {"name": _SYSTEM}}
        datasets.append({"path": level.path, "coordinateTransformations": [step]})
    axes = [_axis(axis) for axis in image.base.axes]
    return {"coordinateSystems": [{"name": _SYSTEM, "axes": axes}], "datasets": datasets}


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

#: Versions that can be written.
WRITABLE = tuple(_DIALECTS)
