"""Check OME-Zarr metadata: everything wrong with a document, at once, each with its address.

Three severities: ``schema`` breaks the official JSON schema of the version; ``meaning`` passes it
and breaks the text of the specification, or contradicts itself; ``advice`` is allowed, and falls
short of what the specification recommends. What the official strict schemas want beyond the plain
ones is advice that `is_strict` tells from the rest.

Examples
--------
>>> for problem in check({"multiscales": [{"datasets": [{"path": "0"}]}]}, "0.3", "image"):
...     print(problem)  # doctest: +ELLIPSIS
schema   multiscales[0].axes: is missing; list the axes, e.g. ["z", "y", "x"]
advice   multiscales[0].name: is missing; the strict schema wants it; name the image
...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ngffkit.errors import Problem
from ngffkit.spec import rules_graph, rules_image, rules_plate, rules_transforms
from ngffkit.spec.report import STRICT_PHRASE, Report, Spot, members, show
from ngffkit.spec.rules import Anything, Both, Fields, Graded, Member, Rule
from ngffkit.spec.rules_editions import Edition, edition

Check = Callable[[Mapping[str, Any], Spot, Edition], None]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a group can be.

    Parameters
    ----------
    key : str
        The attribute that makes it so.
    rule : callable
        Returns the schema of an edition.
    text : callable
        Reports what the text asks beyond it.
    """

    key: str
    rule: Callable[[Edition], Rule]
    text: Check


def _nothing(_attributes: Mapping[str, Any], _at: Spot, _edition: Edition) -> None:
    """Report nothing: the text asks no more than the schema."""


def _scene(found: Edition) -> Rule:
    draft = found.draft
    if draft is None or draft.scenes == "none":
        return Anything()
    member = Member(rules_transforms.scene(draft), "must", "a scene says so with 'scene'")
    # only the release candidate's schema looks at the version
    rule = found.document({"scene": member}, versioned=draft.settled)
    if draft.settled:
        return rule
    version = Fields({"ome": Member(Fields({"version": found.version_member("must")}))})
    return Both((rule, Graded("meaning", version)))


def _check_scene(attributes: Mapping[str, Any], at: Spot, found: Edition) -> None:
    draft = found.draft
    if draft is None or draft.scenes == "none":
        at.key("scene").problem(
            f"there are no scenes in {found.version}", "readers ignore it; scenes came with 0.6"
        )
        return
    _check_space(members(attributes.get("scene")), at.key("scene"), found)


def _check_space(value: Mapping[str, Any], at: Spot, found: Edition) -> None:
    key = "coordinateTransformations"
    systems = value.get("coordinateSystems")
    sizes = rules_graph.check_systems(systems, at.key("coordinateSystems"), image=False)
    if found.draft is not None:
        rules_graph.check_edges(value.get(key), sizes, at.key(key), found.draft)


_KINDS: Final[Mapping[str, _Kind]] = {
    "image": _Kind("multiscales", rules_image.image, rules_image.check_image),
    "label": _Kind("image-label", rules_image.label, rules_image.check_label),
    "plate": _Kind("plate", rules_plate.plate, rules_plate.check_plate),
    "well": _Kind("well", rules_plate.well, rules_plate.check_well),
    "labels": _Kind("labels", rules_plate.labels, rules_plate.check_labels),
    "bf2raw": _Kind("bioformats2raw.layout", rules_plate.bf2raw, _nothing),
    "ome": _Kind("series", rules_plate.ome, rules_plate.check_ome),
    "scene": _Kind("scene", _scene, _check_scene),
}

KINDS: Final = tuple(_KINDS)


@lru_cache(maxsize=256)
def _rule(kind: str, found: Edition) -> Rule:
    return _KINDS[kind].rule(found)


def check(doc: Mapping[str, Any], version: str, kind: str) -> list[Problem]:
    """Return everything that is wrong with the OME-Zarr attributes of a group, worst first.

    Parameters
    ----------
    doc : Mapping
        The attributes: the content of ``.zattrs`` up to 0.4, that of ``attributes`` in
        ``zarr.json`` from 0.5 on. Any JSON value is borne.
    version : str
        The version of the specification to check against, as found. Suffixes of known versions
        are ignored, unknown ones are checked as the newest.
    kind : str
        One of `KINDS`; see `kinds_of`. ``label`` is about ``image-label`` only: check a label
        image as ``image``, too.

    Returns
    -------
    list of Problem
        At most 200, by severity: ``schema``, ``meaning``, ``advice``.

    Raises
    ------
    ValueError
        When `kind` is none of `KINDS`.
    """
    if kind not in _KINDS:
        message = f"no kind {kind!r}; there are {', '.join(KINDS)}"
        raise ValueError(message)
    found = edition(version)
    at = Spot(Report())
    _check_known(found, at)
    _rule(kind, found).check(doc, at)
    attributes, spot = members(doc), at
    if found.nested:
        attributes, spot = members(attributes.get("ome")), at.key("ome")
    if attributes:
        _KINDS[kind].text(attributes, spot.grade("meaning"), found)
    return at.report.result()


def _check_known(found: Edition, at: Spot) -> None:
    if not found.known:
        at.problem(
            f"version {show(found.version)} is not known; checked as the newest that is",
            "look for a newer ngffkit",
            severity="advice",
        )


def kinds_of(doc: Mapping[str, Any]) -> list[str]:
    """Return which of `KINDS` a document claims to be, whatever its version.

    Examples
    --------
    >>> kinds_of({"ome": {"multiscales": [], "image-label": {}}}), kinds_of({"plate": {}})
    (['image', 'label'], ['plate'])
    """
    root = members(doc)
    attributes = members(root["ome"]) if "ome" in root else root
    return [kind for kind, about in _KINDS.items() if about.key in attributes]


def is_strict(problem: Problem) -> bool:
    """Return whether the official strict schema objects to `problem`.

    A document passes the strict schema of its version if this holds for none of its problems.
    """
    return problem.severity == "schema" or (
        problem.severity == "advice" and STRICT_PHRASE in problem.message
    )


def check_transformations(doc: Mapping[str, Any], version: str) -> list[Problem]:
    """Return everything that is wrong with coordinate systems and transformations on their own.

    Parameters
    ----------
    doc : Mapping
        One of: ``coordinateSystems`` and ``coordinateTransformations`` side by side; a single
        transformation; the attributes of a group, or a whole ``zarr.json``, whose image or scene
        is checked.
    version : str
        The version, 0.6 or a draft of it.

    Returns
    -------
    list of Problem
        As `check` does.
    """
    root = members(doc)
    root = members(root["attributes"]) if "attributes" in root else root
    inside = [kind for kind in kinds_of(root) if kind in ("image", "scene")]
    if "ome" in root:
        return [problem for kind in inside or ["image"] for problem in check(root, version, kind)]
    found = edition(version)
    at = Spot(Report())
    _check_known(found, at)
    if found.draft is None:
        at.problem(f"{show(version)} has no transformations on their own", "they came with 0.6")
        return at.report.result()
    if "type" in root and "coordinateTransformations" not in root:
        rules_transforms.transformation(found.draft).check(root, at)
        rules_graph.fit(root, None, None, at.grade("meaning"))
    else:
        rules_transforms.bare(found.draft).check(doc, at)
        _check_space(root, at.grade("meaning"), found)
    return at.report.result()
