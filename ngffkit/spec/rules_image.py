"""Images and label images: their schemas, and what the text asks beyond."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ngffkit.spec.report import (
    Need,
    Spot,
    is_integer,
    is_number,
    items,
    members,
    numbers,
    show,
    twins,
)
from ngffkit.spec.rules import (
    Both,
    ByTag,
    Fields,
    Flag,
    Graded,
    Holds,
    Items,
    Member,
    Number,
    Rule,
    Text,
)
from ngffkit.spec.rules_axes import TYPES, check_axes, check_letters, letters, objects
from ngffkit.spec.rules_editions import Edition
from ngffkit.spec.rules_graph import (
    Ref,
    check_edges,
    check_systems,
    fit,
)
from ngffkit.spec.rules_paths import check_path, check_repeats
from ngffkit.spec.rules_transforms import Draft, of_dataset, of_image, system

_COLOR: Final = re.compile("[0-9A-Fa-f]{6}")
# Pixel sizes are often computed from rounded shapes.
_FINER: Final = 1 - 1e-6

# --- schemas ----------------------------------------------------------------------------------


def image(edition: Edition) -> Rule:
    """Return the rule for the attributes of an image."""
    each = Fields(
        {
            "datasets": Member(
                Items(_dataset(edition), least=1), "must", "list the arrays, finest first"
            ),
            "name": Member(Text(), edition.strict, "name the image"),
            "type": Member(
                Graded("meaning", Text()), edition.strict, "say how it was downsampled, e.g. 'mean'"
            ),
            "metadata": Member(
                _metadata(edition), edition.strict, "say which function downsampled it, and how"
            ),
            **({} if edition.nested else {"version": edition.version_member(edition.strict)}),
            **_axes(edition),
        }
    )
    multiscales = Items(each, least=1, unique=True)
    return edition.document(
        {
            "multiscales": Member(multiscales, "must", "list at least one multiscale image"),
            "omero": Member(_omero(edition)),
        }
    )


def _dataset(edition: Edition) -> Rule:
    known = {"path": Member(Text(), "must", "the path of the array, e.g. '0'")}
    if edition.draft is not None:
        rule = of_dataset(edition.draft)
    elif edition.axes == "objects":
        rule = scaling()
    else:
        return Fields(known)
    remedy = "give the pixel size of this level as a scale"
    return Fields({**known, "coordinateTransformations": Member(rule, "must", remedy)})


def _axes(edition: Edition) -> Mapping[str, Member]:
    """Return the keys that say what an image's dimensions are."""
    if edition.draft is not None:
        systems = Items(system(edition.draft), least=1)
        return {
            "coordinateSystems": Member(systems, "must", "declare one, with a name and axes"),
            "coordinateTransformations": Member(of_image(edition.draft)),
        }
    if edition.axes == "objects":
        return {
            "axes": Member(objects(), "must", "list the axes, e.g. z, y and x"),
            "coordinateTransformations": Member(scaling()),
        }
    if edition.axes == "letters":
        return {"axes": Member(letters(), "must", 'list the axes, e.g. ["z", "y", "x"]')}
    return {}


def _metadata(edition: Edition) -> Rule:
    if edition.version != "0.1":
        return Graded("meaning", Fields())
    return Fields({"method": Member(Text()), "version": Member(Text())})


def scaling() -> Rule:
    """Return the rule for the transformations of 0.4 and 0.5: one scale, and translations."""
    vector = Items(Number(), least=2)
    options = {
        kind: Fields({kind: Member(vector, "must", "one number per axis")})
        for kind in ("scale", "translation")
    }
    return Both(
        (
            Items(ByTag(options), least=1),
            Holds(_one_scale, "does not hold exactly one scale"),
        )
    )


def _one_scale(value: object) -> bool:
    kinds = [members(one).get("type") for one in items(value)]
    # of an empty list its length is reported
    return not kinds or kinds.count("scale") == 1


def _omero(edition: Edition) -> Rule:
    remedy = "give min, max, start and end"
    limits = ("start", "min", "end", "max")
    window = Fields({key: Member(Number(), "must", remedy) for key in limits})
    channel = Fields(
        {
            "window": Member(window, edition.channel, remedy),
            "color": Member(Text(), edition.channel, "six hexadecimal digits, e.g. 'FF0000'"),
            "label": Member(Text()),
            "family": Member(Text()),
            "active": Member(Flag()),
        }
    )
    return Fields({"channels": Member(Items(channel), "must", "one for each channel")})


def label(edition: Edition) -> Rule:
    """Return the rule for ``image-label`` in the attributes of a label image."""
    byte = Number(whole=True, least=0, most=255)
    rgba = Items(byte, least=4, most=4)
    ids = "the integer that pixels of this label hold"
    color = Fields(
        {
            "label-value": Member(Number(), "must", ids),
            "rgba": Member(rgba, "may", "four integers from 0 to 255"),
        }
    )
    facts = Fields({"label-value": Member(Number(whole=True), "must", ids)})
    known = {
        "colors": Member(
            Items(color, least=1, unique=True), edition.strict, "give a colour for each label"
        ),
        "properties": Member(Items(facts, least=1, unique=True), "may", "or leave it out"),
        "source": Member(Fields({"image": Member(Text(), "may", "e.g. '../../'")})),
    }
    if not edition.nested:
        known["version"] = edition.version_member(edition.strict)
    need: Need = "must" if edition.nested else "text"
    rule = edition.document(
        {"image-label": Member(Fields(known), need, "a label image says so with 'image-label'")}
    )
    return rule if edition.others else Graded("meaning", rule)


# --- the text ---------------------------------------------------------------------------------


def check_image(attributes: Mapping[str, Any], at: Spot, edition: Edition) -> None:
    """Report what the text holds against an image."""
    spot = at.key("multiscales")
    for position, one in enumerate(map(members, items(attributes.get("multiscales")))):
        if at.report.full:
            return
        here = spot.index(position)
        datasets = [members(dataset) for dataset in items(one.get("datasets"))]
        paths = [dataset.get("path") for dataset in datasets]
        for level, path in enumerate(paths):
            check_path(path, here.key("datasets").index(level).key("path"))
        check_repeats(paths, here.key("datasets"), "path")
        if edition.draft is not None:
            _check_space(one, datasets, here, edition.draft)
        elif edition.axes == "objects":
            _check_scaled(one, datasets, here)
        elif edition.axes == "letters":
            check_letters(one.get("axes"), here.key("axes"))
        _check_order([_scale(dataset) for dataset in datasets], here.key("datasets"))
    _check_omero(members(attributes.get("omero")), at.key("omero"))


def _check_scaled(one: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], at: Spot) -> None:
    """Check axes and transformations of 0.4 and 0.5."""
    axes = one.get("axes")
    check_axes(axes, at.key("axes"), types=TYPES)
    count = len(axes) if isinstance(axes, (list, tuple)) else None
    key = "coordinateTransformations"
    check_scaling(one.get(key), count, at.key(key))
    for level, dataset in enumerate(datasets):
        check_scaling(dataset.get(key), count, at.key("datasets").index(level).key(key))


def check_scaling(value: object, count: int | None, at: Spot) -> None:
    """Report scales and translations that do not fit `count` axes, or stand in a wrong order."""
    kinds = [members(one).get("type") for one in items(value)]
    for position, one in enumerate(items(value)):
        fit(members(one), count, count, at.index(position))
    if kinds.count("translation") > 1:
        at.problem(
            f"holds {kinds.count('translation')} translations, one is allowed", "add them up"
        )
    elif "scale" in kinds and "translation" in kinds[: kinds.index("scale")]:
        at.problem(
            "the translation comes before the scale, it must come after it",
            "exchange them, and divide the translation by the scale if it was in pixels",
        )


def _scale(dataset: Mapping[str, Any]) -> list[float] | None:
    """Return the pixel size a dataset gives, if it does."""
    for one in items(dataset.get("coordinateTransformations")):
        steps = items(members(one).get("transformations")) or [one]
        for step in steps:
            if members(step).get("type", "scale") == "scale":
                found = numbers(members(step).get("scale"))
                if found is not None:
                    return found
    return None


def _check_order(scales: Sequence[list[float] | None], at: Spot) -> None:
    last: tuple[int, list[float]] | None = None
    for level, scale in enumerate(scales):
        if scale is None or not all(map(math.isfinite, scale)):
            continue
        if last is not None and len(last[1]) == len(scale):
            finer = any(here < before * _FINER for here, before in zip(scale, last[1], strict=True))
            if finer:
                at.index(level).problem(
                    f"with scale {show(scale)} it is finer than dataset {last[0]}"
                    f" with {show(last[1])}",
                    "list the datasets from the finest to the coarsest",
                )
        last = level, scale


def _check_space(
    one: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], at: Spot, draft: Draft
) -> None:
    """Check coordinate systems and transformations of 0.6."""
    sizes = check_systems(one.get("coordinateSystems"), at.key("coordinateSystems"), image=True)
    key = "coordinateTransformations"
    intrinsic: str | None = None
    for level, dataset in enumerate(datasets):
        spot = at.key("datasets").index(level).key(key)
        for position, found in enumerate(items(dataset.get(key))[:1]):
            step, here = members(found), spot.index(position)
            name = _check_dataset_ends(step, dataset.get("path"), sizes, here)
            count = sizes.get(name) if name is not None else None
            fit(step, count, count, here)
            _check_steps(step, here)
            if intrinsic is not None and name is not None and name != intrinsic:
                here.key("output").problem(
                    f"{show(name)} differs from {show(intrinsic)}, the output of earlier datasets",
                    "all datasets must lead to one coordinate system",
                )
            intrinsic = intrinsic or name
    check_edges(one.get(key), sizes, at.key(key), draft)
    for position, found in enumerate(items(one.get(key))):
        _check_image_edge(members(found), intrinsic, at.key(key).index(position))


def _check_dataset_ends(
    step: Mapping[str, Any], path: object, sizes: Mapping[str, int], at: Spot
) -> str | None:
    """Check input and output of a dataset's transformation; return the name of the output."""
    start, stop = step.get("input"), Ref.of(step.get("output"))
    source = start if isinstance(start, str) else Ref.of(start).path
    if source is not None and isinstance(path, str) and source != path:
        at.key("input").problem(
            f"{show(source)} is not the path of the dataset, {show(path)}", "write that path"
        )
    if isinstance(start, Mapping) and "name" in start:
        at.key("input").key("name").problem(
            "should be left out: a dataset is named by its path", "remove it", severity="advice"
        )
    if stop.path is not None:
        at.key("output").key("path").problem(
            "must be left out: the output is a coordinate system of this image", "remove it"
        )
    elif stop.name is not None and stop.name not in sizes:
        at.key("output").problem(
            f"{show(stop.name)} is not among the coordinate systems"
            f" {', '.join(map(show, list(sizes)[:8])) or '(there are none)'}",
            "declare it under coordinateSystems",
        )
    return stop.name


def _check_steps(step: Mapping[str, Any], at: Spot) -> None:
    kinds = [members(one).get("type") for one in items(step.get("transformations"))]
    if step.get("type") == "sequence" and kinds != ["scale", "translation"]:
        at.key("transformations").problem(
            f"holds {show(kinds)}, it must hold a scale, then a translation",
            "merge them into one scale and one translation",
        )


def _check_image_edge(one: Mapping[str, Any], intrinsic: str | None, at: Spot) -> None:
    ends = [Ref.of(one.get(key)) for key in ("input", "output")]
    if intrinsic is not None and Ref(intrinsic, None) not in ends:
        at.problem(
            f"neither its input nor its output is {show(intrinsic)}, the output of the datasets",
            "start or end at that coordinate system",
        )
    far = any(end.path is not None for end in ends)
    kind = one.get("type")
    if far and kind not in ("identity", "scale", "translation", "sequence"):
        at.key("type").problem(
            f"{show(kind)} can't lead to a label image; identity, scale and translation can",
            "use one of those, or a scene",
        )


def _check_omero(omero: Mapping[str, Any], at: Spot) -> None:
    spot = at.key("channels")
    for position, channel in enumerate(map(members, items(omero.get("channels")))):
        if at.report.full:
            return
        color, here = channel.get("color"), spot.index(position)
        if isinstance(color, str) and not _COLOR.fullmatch(color):
            here.key("color").problem(
                f"{show(color)} is not a colour", "write six hexadecimal digits, e.g. 'FF0000'"
            )
        window = members(channel.get("window"))
        for low, high in (("start", "end"), ("min", "max")):
            found = numbers([window.get(low), window.get(high)])
            if found is not None and not found[0] <= found[1]:
                here.key("window").problem(
                    f"its {low} {found[0]:g} is above its {high} {found[1]:g}", "exchange them"
                )


def check_label(attributes: Mapping[str, Any], at: Spot, _edition: Edition) -> None:
    """Report what the text holds against a label image, apart from its being an image."""
    if "multiscales" not in attributes:
        at.missing("multiscales", "must", "a label image is an image, too")
    info, spot = members(attributes.get("image-label")), at.key("image-label")
    for key in ("colors", "properties"):
        values = [members(one).get("label-value") for one in items(info.get(key))]
        for position, earlier in twins(v if is_number(v) else object() for v in values):
            spot.key(key).index(position).key("label-value").problem(
                f"{show(values[position])} has an entry before, at {earlier}",
                "keep one entry for each label",
            )
        for position, value in enumerate(values):
            if is_number(value) and not is_integer(value):
                spot.key(key).index(position).key("label-value").problem(
                    f"{show(value)} is not an integer", "labels are integers"
                )
    source = members(info.get("source")).get("image")
    check_path(source, spot.key("source").key("image"), climb=True)
