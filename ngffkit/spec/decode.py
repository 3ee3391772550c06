"""From a document of any version to values. What is harmful is refused, what is odd is noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ngffkit.errors import MetadataError
from ngffkit.grid import Axis
from ngffkit.image import Image
from ngffkit.shown import shown
from ngffkit.spec.detect import Found, number
from ngffkit.spec.display import decode_channels, decode_label
from ngffkit.spec.frozen import freeze
from ngffkit.spec.members import (
    at_most,
    decode_plate,
    decode_well,
    names_of,
    safe_path,
    text_of,
)
from ngffkit.spec.pyramid import TYPES, Pyramid
from ngffkit.spec.transforms import AxisMap, axis_map

__all__ = [
    "Pyramid",
    "decode_plate",
    "decode_pyramids",
    "decode_well",
    "names_of",
    "safe_path",
]

#: Since this version every level must say where it lies.
_MUST_TRANSFORM = (0, 4)

#: Longer lists than these are an attack, not an image.
_MAX_IMAGES, _MAX_LEVELS, _MAX_AXES, _MAX_SYSTEMS = 256, 64, 16, 64


def decode_pyramids(found: Found) -> tuple[Pyramid, ...]:
    """Decode all entries of ``multiscales``.

    Raises
    ------
    MetadataError
        With the JSON path of what can't be read or must not be.
    """
    loc = f"{found.prefix}multiscales"
    entries = found.body.get("multiscales")
    if not isinstance(entries, list):
        raise MetadataError(f"is {shown(entries)}; a list was expected", loc)
    if not entries:
        raise MetadataError("is empty; it should describe one image at least", loc)
    at_most(_MAX_IMAGES, "images", entries, loc)
    return tuple(_pyramid(found, item, f"{loc}[{i}]") for i, item in enumerate(entries))


def _pyramid(found: Found, item: Any, loc: str) -> Pyramid:
    if not isinstance(item, Mapping):
        raise MetadataError(f"is {shown(item)}; an object was expected", loc)
    notes: list[str] = []
    if found.newer:
        notes.append(
            f"version {found.version} is newer than this ngffkit knows; it was read as far as "
            "it is understood"
        )
    datasets = _datasets(item.get("datasets"), f"{loc}.datasets")
    kept: list[Any] = []
    systems, axes = _spaces(item, datasets, loc)
    maps = tuple(
        _level_map(entry, axes, f"{loc}.datasets[{i}]", kept, notes)
        for i, entry in enumerate(datasets)
    )
    if axes is not None and None in maps and not kept and number(found.version) >= _MUST_TRANSFORM:
        notes.append(f"{loc}.datasets leave levels without a transformation: placed by shape")
    after, globals_ = None, item.get("coordinateTransformations")
    if systems:
        kept += globals_ if isinstance(globals_, list) else []
    else:
        after = _global_map(globals_, axes, f"{loc}.coordinateTransformations", kept, notes)
    label = decode_label(found.body.get("image-label"), f"{found.prefix}image-label")
    image = Image(
        name=text_of(item.get("name")),
        levels=(),
        channels=decode_channels(found.body.get("omero"), f"{found.prefix}omero"),
        kind="intensity" if label is None else "label",
        version=found.version,
        label=label,
        method=text_of(item.get("type")) or None,
        transformations=tuple(kept),
        # one alone is what the axes say already
        coordinate_systems=systems if kept or len(systems) > 1 else (),
    )
    paths = tuple(entry["path"] for entry in datasets)
    return Pyramid(image, paths, axes, maps, after, tuple(notes), loc)


def _datasets(value: Any, loc: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise MetadataError(f"is {shown(value)}; a list of levels was expected", loc)
    at_most(_MAX_LEVELS, "levels", value, loc)
    seen: dict[str, int] = {}
    for i, entry in enumerate(value):
        if not isinstance(entry, Mapping):
            raise MetadataError(f"is {shown(entry)}; an object was expected", f"{loc}[{i}]")
        path = safe_path(entry.get("path"), f"{loc}[{i}].path")
        if path in seen:
            raise MetadataError(
                f"is {path!r}, as datasets[{seen[path]}] is; each level needs its own array",
                f"{loc}[{i}].path",
            )
        seen[path] = i
    return value


def axes_of(value: Any, loc: str) -> tuple[Axis, ...]:
    """Decode a list of axes."""
    if not isinstance(value, list) or not value:
        raise MetadataError(f"is {shown(value)}; a list of axes was expected", loc)
    at_most(_MAX_AXES, "axes", value, loc)
    axes = tuple(_axis(item, f"{loc}[{i}]") for i, item in enumerate(value))
    names = [axis.name for axis in axes]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise MetadataError(f"is {name!r} once more; names must differ", f"{loc}[{i}].name")
    return axes


def _axis(item: Any, loc: str) -> Axis:
    if isinstance(item, str):
        item = {"name": item, "type": TYPES.get(item)}
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
        raise MetadataError(f"is {shown(item)}; an object with a name was expected", loc)
    if "/" in item["name"]:  # a path, to a tree
        raise MetadataError(
            f"is {shown(item['name'])}; a name without slashes was expected", f"{loc}.name"
        )
    kind, unit = item.get("type"), item.get("unit")
    extra = {k: v for k, v in item.items() if k not in ("name", "type", "unit")}
    return Axis(
        item["name"],
        kind if isinstance(kind, str) else None,
        unit if isinstance(unit, str) else None,
        freeze(extra, loc),
    )


def _spaces(
    item: Mapping[str, Any], datasets: list[Mapping[str, Any]], loc: str
) -> tuple[tuple[Any, ...], tuple[Axis, ...] | None]:
    """Return the coordinate systems (0.6) and the axes, None where the version names none."""
    systems = item.get("coordinateSystems")
    if isinstance(systems, list):
        at_most(_MAX_SYSTEMS, "systems", systems, f"{loc}.coordinateSystems")
        return tuple(systems), _axes_of_system(systems, datasets, loc)
    return (), axes_of(item.get("axes"), f"{loc}.axes") if "axes" in item else None


def _axes_of_system(
    systems: list[Any], datasets: list[Mapping[str, Any]], loc: str
) -> tuple[Axis, ...]:
    """Return the axes of the system that all levels map to (0.6: the intrinsic one)."""
    named = {
        item["name"]: i
        for i, item in enumerate(systems)
        if isinstance(item, Mapping) and isinstance(item.get("name"), str)
    }
    if not named:
        raise MetadataError("names no coordinate system", f"{loc}.coordinateSystems")
    intrinsic: str | None = None
    for i, entry in enumerate(datasets):
        name = _output(entry)
        if name is None and len(named) == 1:
            name = next(iter(named))
        if not isinstance(name, str) or name not in named:
            expected = f"one of the coordinate systems {shown(sorted(named))}"
        elif intrinsic is not None and name != intrinsic:
            expected = f"{shown(intrinsic)}, which the other levels map to,"
        else:
            intrinsic = name
            continue
        raise MetadataError(
            f"is {shown(name)}; {expected} was expected",
            f"{loc}.datasets[{i}].coordinateTransformations[0].output",
        )
    i = named[str(intrinsic)]
    return axes_of(systems[i].get("axes"), f"{loc}.coordinateSystems[{i}].axes")


def _output(entry: Mapping[str, Any]) -> Any:
    """Return the name of the system a level maps to: a string in drafts, later an object."""
    steps = entry.get("coordinateTransformations")
    last = steps[-1] if isinstance(steps, list) and steps else None
    output = last.get("output") if isinstance(last, Mapping) else None
    return output.get("name") if isinstance(output, Mapping) else output


def _level_map(
    entry: Mapping[str, Any],
    axes: tuple[Axis, ...] | None,
    loc: str,
    kept: list[Any],
    notes: list[str],
) -> AxisMap | None:
    transforms = entry.get("coordinateTransformations")
    if axes is None or transforms is None:
        return None
    loc += ".coordinateTransformations"
    if not isinstance(transforms, list):
        raise MetadataError(f"is {shown(transforms)}; a list was expected", loc)
    if not transforms:
        return None
    made = axis_map(transforms, len(axes), loc)
    if made is None:
        kept += transforms
        notes.append(
            f"{loc} can't be laid on axes (it mixes or mirrors them, or needs data of its own); "
            "the level was placed by its shape, the transformation is kept in "
            ".ngff.transformations"
        )
    return made


def _global_map(
    transforms: Any,
    axes: tuple[Axis, ...] | None,
    loc: str,
    kept: list[Any],
    notes: list[str],
) -> AxisMap | None:
    if transforms is None or axes is None:
        return None
    if transforms == []:
        notes.append(f"{loc} is empty (Fiji writes it so); it was read as no transformation")
        return None
    if not isinstance(transforms, list):
        raise MetadataError(f"is {shown(transforms)}; a list was expected", loc)
    made = axis_map(transforms, len(axes), loc)
    if made is None or made.order != tuple(range(len(axes))):
        kept += transforms
        notes.append(f"{loc} can't be laid on axes; it is kept in .ngff.transformations")
        return None
    return made
