"""From a document of any version to values. What is harmful is refused, what is odd is noted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.errors import MetadataError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Image, Level, Plate, Well
from ngffkit.spec.detect import Found
from ngffkit.spec.display import decode_channels, decode_label
from ngffkit.spec.transforms import AxisMap, axis_map

#: 0.1 and 0.2 name no axes: images are 5-D, in this order.
_IMPLICIT = "tczyx"

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}

#: Longer lists than these are an attack, not an image.
_MAX_LEVELS, _MAX_AXES = 64, 16


@dataclass(frozen=True, slots=True)
class Pyramid:
    """One entry of ``multiscales``, before the shapes of its arrays are known.

    Parameters
    ----------
    image : Image
        Everything but levels.
    paths : tuple of str
        Paths of the arrays, finest first as written.
    axes : tuple of Axis, optional
        None for 0.1 and 0.2, where the arrays' dimensions tell.
    maps : tuple of (AxisMap or None)
        The transformation of each level; None where the version has none or it can't be applied.
    after : AxisMap, optional
        What applies to all levels after their own transformations.
    notes : tuple of str
        What was read liberally.
    loc : str
        JSON path of this entry.
    """

    image: Image
    paths: tuple[str, ...]
    axes: tuple[Axis, ...] | None
    maps: tuple[AxisMap | None, ...]
    after: AxisMap | None
    notes: tuple[str, ...] = ()
    loc: str = ""

    def with_shapes(self, shapes: Sequence[tuple[int, ...]]) -> Image:
        """Make the image, now that the shapes of its arrays are known.

        Parameters
        ----------
        shapes : sequence of tuple of int
            One per path.

        Raises
        ------
        MetadataError
            When shapes and axes don't agree.
        """
        axes = self.axes or _implicit_axes(len(shapes[0]))
        grids = []
        for i, shape in enumerate(shapes):
            loc = f"{self.loc}.datasets[{i}]"
            if len(shape) != len(axes):
                raise MetadataError(
                    f"the array {self.paths[i]!r} has {len(shape)} dimensions, the axes are "
                    f"{', '.join(a.name for a in axes)}; they must agree",
                    loc,
                )
            try:
                grids.append(self._grid(i, axes, shape, shapes[0]))
            except ValueError as err:
                raise MetadataError(str(err), loc) from None
        levels = [Level(p, g) for p, g in zip(self.paths, grids, strict=True)]
        # every version wants the finest first; where a writer did otherwise, its scales tell
        levels.sort(key=lambda level: math.prod(level.grid.scale))
        return replace(self.image, levels=tuple(levels))

    def _grid(
        self, i: int, axes: tuple[Axis, ...], shape: tuple[int, ...], first: tuple[int, ...]
    ) -> Grid:
        step = self.maps[i]
        n = len(axes)
        if step is None:
            grid = _by_shape(axes, shape, first)
        else:
            # the transformation names its output axes; dimension `j` of the array may be another
            place = [step.order.index(j) for j in range(n)]
            grid = Grid(
                tuple(axes[k] for k in place),
                shape,
                tuple(step.scale[k] for k in place),
                tuple(step.translation[k] for k in place),
            )
        after = self.after
        if after is None or after.order != tuple(range(n)):
            return grid
        place = [axes.index(axis) for axis in grid.axes]
        return grid.transform(
            [after.scale[k] for k in place], [after.translation[k] for k in place]
        )


def _implicit_axes(ndim: int) -> tuple[Axis, ...]:
    if ndim > len(_IMPLICIT):
        raise MetadataError(f"the array has {ndim} dimensions, this version allows 5", "axes")
    return tuple(Axis(name, _TYPES[name]) for name in _IMPLICIT[len(_IMPLICIT) - ndim :])


def _by_shape(axes: tuple[Axis, ...], shape: tuple[int, ...], first: tuple[int, ...]) -> Grid:
    """Place a level by its shape alone, as versions before 0.4 leave no other way.

    Levels are taken to cover the same extent, whole factors wherever rounding explains the shape.
    """
    scale = []
    for axis, n, n0 in zip(axes, shape, first, strict=True):
        ratio = n0 / n if n else 1.0
        whole = max(1, round(ratio))
        exact = n in (n0 // whole, -(-n0 // whole))
        scale.append(float(whole if exact else ratio) if axis.is_space or axis.type is None else 1.0)
    origin = tuple((s - 1) / 2 for s in scale)
    return Grid(axes, shape, tuple(scale), origin)


# --- images -------------------------------------------------------------------------------------


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
        raise MetadataError(f"is {_short(entries)}; a list was expected", loc)
    if not entries:
        raise MetadataError("is empty; it should describe one image at least", loc)
    return tuple(_pyramid(found, item, f"{loc}[{i}]") for i, item in enumerate(entries))


def _pyramid(found: Found, item: Any, loc: str) -> Pyramid:
    if not isinstance(item, Mapping):
        raise MetadataError(f"is {_short(item)}; an object was expected", loc)
    notes: list[str] = []
    if found.newer:
        notes.append(
            f"version {found.version} is newer than this ngffkit knows; it was read as far as "
            "it is understood"
        )
    datasets = _datasets(item.get("datasets"), f"{loc}.datasets")
    systems = item.get("coordinateSystems")
    if isinstance(systems, list):
        axes: tuple[Axis, ...] | None = _axes_of_system(systems, datasets, loc)
    else:
        axes = _axes(item.get("axes"), f"{loc}.axes") if "axes" in item else None
    kept: list[Any] = []
    maps = tuple(
        _level_map(entry, axes, f"{loc}.datasets[{i}]", kept, notes)
        for i, entry in enumerate(datasets)
    )
    after = None
    globals_ = item.get("coordinateTransformations")
    if isinstance(systems, list):
        kept += globals_ if isinstance(globals_, list) else []
    else:
        after = _global_map(globals_, axes, f"{loc}.coordinateTransformations", kept, notes)
    label = decode_label(found.body.get("image-label"), f"{found.prefix}image-label")
    image = Image(
        name=_text(item.get("name")),
        levels=(),
        channels=decode_channels(found.body.get("omero"), f"{found.prefix}omero"),
        kind="intensity" if label is None else "label",
        version=found.version,
        label=label,
        method=_text(item.get("type")) or None,
        transformations=tuple(kept),
        coordinate_systems=tuple(systems) if isinstance(systems, list) else (),
    )
    paths = tuple(entry["path"] for entry in datasets)
    return Pyramid(image, paths, axes, maps, after, tuple(notes), loc)


def _datasets(value: Any, loc: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise MetadataError(f"is {_short(value)}; a list of levels was expected", loc)
    if len(value) > _MAX_LEVELS:
        raise MetadataError(f"has {len(value)} levels; at most {_MAX_LEVELS} are understood", loc)
    seen: dict[str, int] = {}
    for i, entry in enumerate(value):
        if not isinstance(entry, Mapping):
            raise MetadataError(f"is {_short(entry)}; an object was expected", f"{loc}[{i}]")
        path = safe_path(entry.get("path"), f"{loc}[{i}].path")
        if path in seen:
            raise MetadataError(
                f"is {path!r}, as datasets[{seen[path]}] is; each level needs its own array",
                f"{loc}[{i}].path",
            )
        seen[path] = i
    return value


def _axes(value: Any, loc: str) -> tuple[Axis, ...]:
    if not isinstance(value, list) or not value:
        raise MetadataError(f"is {_short(value)}; a list of axes was expected", loc)
    if len(value) > _MAX_AXES:
        raise MetadataError(f"has {len(value)} axes; at most {_MAX_AXES} are understood", loc)
    axes = tuple(_axis(item, f"{loc}[{i}]") for i, item in enumerate(value))
    names = [axis.name for axis in axes]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise MetadataError(f"is {name!r} once more; names must differ", f"{loc}[{i}].name")
    return axes


def _axis(item: Any, loc: str) -> Axis:
    if isinstance(item, str):
        item = {"name": item, "type": _TYPES.get(item)}
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
        raise MetadataError(f"is {_short(item)}; an object with a name was expected", loc)
    kind, unit = item.get("type"), item.get("unit")
    extra = tuple(
        (str(k), _freeze(v)) for k, v in item.items() if k not in ("name", "type", "unit")
    )
    return Axis(
        item["name"],
        kind if isinstance(kind, str) else None,
        unit if isinstance(unit, str) else None,
        extra,
    )


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((str(k), _freeze(v)) for k, v in value.items())
    return tuple(_freeze(v) for v in value) if isinstance(value, list) else value


def _axes_of_system(
    systems: list[Any], datasets: list[Mapping[str, Any]], loc: str
) -> tuple[Axis, ...]:
    """Return the axes of the system that all levels map to (0.6: the intrinsic one)."""
    named = {
        item["name"]: (i, item)
        for i, item in enumerate(systems)
        if isinstance(item, Mapping) and isinstance(item.get("name"), str)
    }
    if not named:
        raise MetadataError("names no coordinate system", f"{loc}.coordinateSystems")
    transforms = datasets[0].get("coordinateTransformations")
    first = transforms[0] if isinstance(transforms, list) and transforms else {}
    output = first.get("output") if isinstance(first, Mapping) else None
    name = output.get("name") if isinstance(output, Mapping) else output
    if name is None and len(named) == 1:
        name = next(iter(named))
    if not isinstance(name, str) or name not in named:
        raise MetadataError(
            f"is {_short(output)}; one of the coordinate systems {sorted(named)} was expected",
            f"{loc}.datasets[0].coordinateTransformations[0].output",
        )
    i, system = named[name]
    return _axes(system.get("axes"), f"{loc}.coordinateSystems[{i}].axes")


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
        raise MetadataError(f"is {_short(transforms)}; a list was expected", loc)
    if not transforms:
        notes.append(f"{loc} is empty; the level was placed by its shape")
        return None
    made = axis_map(transforms, len(axes), loc)
    if made is None:
        kept += transforms
        notes.append(
            f"{loc} can't be laid on axes (it mixes or mirrors them, or needs data of its own); "
            "coordinates are pixels of the finest level, the transformation is kept in "
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
        raise MetadataError(f"is {_short(transforms)}; a list was expected", loc)
    made = axis_map(transforms, len(axes), loc)
    if made is None:
        kept += transforms
        notes.append(f"{loc} can't be laid on axes; it is kept in .ngff.transformations")
    return made


# --- everything that is not an image ---------------------------------------------------------


def safe_path(value: Any, loc: str) -> str:
    """Return `value` when it is a path that stays below the group that names it.

    Raises
    ------
    MetadataError
        When it is not a string, is absolute, climbs, or is a URL.

    Examples
    --------
    >>> safe_path("labels/original/0", "")
    'labels/original/0'
    """
    if not isinstance(value, str):
        raise MetadataError(f"is {_short(value)}; a path was expected", loc)
    parts = value.split("/")
    bad = (
        not value
        or len(value) > 1024
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in value
        or re.match(r"[A-Za-z]:|[a-z][a-z0-9+.-]*:", value)
        or any(ord(char) < 32 for char in value)
        or value.startswith("~")
    )
    if bad:
        raise MetadataError(
            f"is {_short(value)}; a relative path that stays inside the image was expected", loc
        )
    return value


def names_of(found: Found, key: str) -> tuple[str, ...]:
    """Return a list of paths, such as ``labels`` or ``series``, each of them checked."""
    loc = f"{found.prefix}{key}"
    value = found.body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MetadataError(f"is {_short(value)}; a list of names was expected", loc)
    return tuple(safe_path(item, f"{loc}[{i}]") for i, item in enumerate(value))


def decode_plate(found: Found) -> Plate:
    """Decode ``plate``."""
    loc = f"{found.prefix}plate"
    plate = found.body["plate"]
    if not isinstance(plate, Mapping):
        raise MetadataError(f"is {_short(plate)}; an object was expected", loc)
    rows, columns = (_names(plate.get(key), f"{loc}.{key}") for key in ("rows", "columns"))
    wells = []
    for i, item in enumerate(_list(plate.get("wells"), f"{loc}.wells")):
        path = item.get("path") if isinstance(item, Mapping) else item
        path = safe_path(path, f"{loc}.wells[{i}].path")
        row, _, column = path.partition("/")
        wells.append(Well(path, row, column))
    acquisitions = plate.get("acquisitions")
    count = plate.get("field_count")
    return Plate(
        name=_text(plate.get("name")),
        rows=rows,
        columns=columns,
        wells=tuple(dict.fromkeys(wells)),
        acquisitions=tuple(a for a in acquisitions if isinstance(a, Mapping))
        if isinstance(acquisitions, list)
        else (),
        field_count=count if isinstance(count, int) else None,
        version=found.version,
    )


def decode_well(found: Found) -> tuple[tuple[str, int | None], ...]:
    """Decode ``well``: path and acquisition of each of its fields."""
    loc = f"{found.prefix}well"
    well = found.body["well"]
    if not isinstance(well, Mapping):
        raise MetadataError(f"is {_short(well)}; an object was expected", loc)
    out = []
    for i, item in enumerate(_list(well.get("images"), f"{loc}.images")):
        path = item.get("path") if isinstance(item, Mapping) else None
        acquisition = item.get("acquisition") if isinstance(item, Mapping) else None
        out.append(
            (
                safe_path(path, f"{loc}.images[{i}].path"),
                acquisition if isinstance(acquisition, int) else None,
            )
        )
    return tuple(dict.fromkeys(out))


def _names(value: Any, loc: str) -> tuple[str, ...]:
    return tuple(
        _text(item.get("name")) if isinstance(item, Mapping) else _text(item)
        for item in _list(value, loc)
    )


def _list(value: Any, loc: str) -> list[Any]:
    if not isinstance(value, list):
        raise MetadataError(f"is {_short(value)}; a list was expected", loc)
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ("" if value is None else str(value)[:80])


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
