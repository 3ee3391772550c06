"""The metadata checker on documents written by hand, and on hostile ones; needs no corpus."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngffkit.spec.check import KINDS, check, check_transformations, kinds_of
from ngffkit.spec.report import LIMITS
from ngffkit.spec.rules_editions import EDITIONS

YX: Final = [
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def scaled(path: str, *scale: float, **more: Any) -> dict[str, Any]:
    """Return a dataset of 0.4 or 0.5."""
    transformations: list[Any] = [{"type": "scale", "scale": list(scale)}]
    transformations += [{"type": key, key: value} for key, value in more.items()]
    return {"path": path, "coordinateTransformations": transformations}


def image5(*datasets: Any, axes: Any = YX, **more: Any) -> dict[str, Any]:
    """Return an image of 0.5 that lacks nothing."""
    about = {"name": "a", "type": "mean", "metadata": {}}
    multiscale = {"axes": axes, "datasets": list(datasets), **about}
    return {"ome": {"version": "0.5", "multiscales": [multiscale], **more}}


def image6(
    *datasets: Any, edges: Any = None, systems: Any = None, version: str = "0.6rc0"
) -> dict[str, Any]:
    """Return an image of 0.6 that lacks nothing."""
    about: dict[str, Any] = {"name": "a", "type": "mean", "metadata": {}}
    about |= {"coordinateTransformations": edges} if edges else {}
    systems = systems or [{"name": "physical", "axes": YX}]
    multiscale = {"coordinateSystems": systems, "datasets": list(datasets), **about}
    return {"ome": {"version": version, "multiscales": [multiscale]}}


def level6(path: str, *scale: float, **more: Any) -> dict[str, Any]:
    """Return a dataset of 0.6."""
    step = {
        "type": "scale",
        "scale": list(scale),
        "input": {"path": path},
        "output": {"name": "physical"},
        **more,
    }
    return {"path": path, "coordinateTransformations": [step]}


def edge(kind: str, parameter: Any, start: Any = None, stop: Any = None) -> dict[str, Any]:
    """Return a transformation of 0.6 between coordinate systems."""
    ends = {"input": start or {"name": "physical"}, "output": stop or {"name": "other"}}
    return {"type": kind, kind: parameter, **ends}


OTHER: Final = [{"name": "physical", "axes": YX}, {"name": "other", "axes": YX}]


def plate(wells: Any, **more: Any) -> dict[str, Any]:
    """Return a plate of 0.5 with rows A and B and columns 1 and 2."""
    lines = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}]}
    found = {**lines, "wells": wells, "name": "p", "field_count": 1, **more}
    return {"ome": {"version": "0.5", "plate": found}}


def well(path: str, row: int, column: int) -> dict[str, Any]:
    """Return a well of a plate."""
    return {"path": path, "rowIndex": row, "columnIndex": column}


M: Final = "ome.multiscales[0]"
D: Final = f"{M}.datasets"
T: Final = "coordinateTransformations"
TIME: Final = {"name": "t", "type": "time", "unit": "second"}

# Documents with exactly the problems they have, apart from advice unless there is nothing else.
HAND: Final[dict[str, tuple[Any, str, str, set[tuple[str, str]]]]] = {
    "good": (image5(scaled("0", 1, 1), scaled("1", 2, 2)), "0.5", "image", set()),
    "good 0.6": (image6(level6("0", 1, 1), level6("1", 2, 2)), "0.6rc0", "image", set()),
    "final 0.6": (image6(level6("0", 1, 1), version="0.6"), "0.6", "image", set()),
    "good plate": (plate([well("A/2", 0, 1)]), "0.5", "plate", set()),
    "nothing": ({}, "0.5", "image", {("schema", "ome")}),
    "not an object": ([], "0.4", "image", {("schema", "")}),
    "wrong version": (
        image5(scaled("0", 1, 1)),
        "0.6rc0",
        "image",
        {
            ("schema", "ome.version"),
            ("schema", f"{M}.coordinateSystems"),
            ("schema", f"{D}[0].{T}[0].input"),
            ("schema", f"{D}[0].{T}[0].output"),
        },
    ),
    "lengths": (
        image5(scaled("0", 1, 1, 1), scaled("1", 2, 2, translation=[0.5])),
        "0.5",
        "image",
        {
            ("meaning", f"{D}[0].{T}[0].scale"),
            ("schema", f"{D}[1].{T}[1].translation"),
            ("meaning", f"{D}[1].{T}[1].translation"),
        },
    ),
    "numbers": (
        image5(
            scaled("0", 0, 1),
            scaled("1", -1, 1),
            scaled("2", float("nan"), 1),
            scaled("3", 10**400, 1),
            scaled("4", 1, 1, translation=[float("inf"), 0]),
        ),
        "0.5",
        "image",
        {
            ("meaning", f"{D}[0].{T}[0].scale"),
            ("meaning", f"{D}[1].{T}[0].scale"),
            ("meaning", f"{D}[1]"),
            ("meaning", f"{D}[2].{T}[0].scale"),
            ("meaning", f"{D}[3].{T}[0].scale"),
            ("meaning", f"{D}[4].{T}[1].translation"),
        },
    ),
    "coarsest first": (
        image5(scaled("1", 2, 2), scaled("0", 1, 1)),
        "0.5",
        "image",
        {("meaning", f"{D}[1]")},
    ),
    "translation first": (
        image5(
            {
                "path": "0",
                T: [
                    {"type": "translation", "translation": [1, 1]},
                    {"type": "scale", "scale": [1, 1]},
                ],
            }
        ),
        "0.5",
        "image",
        {("meaning", f"{D}[0].{T}")},
    ),
    "paths": (
        image5(*(scaled(p, 1, 1) for p in ("0", "0", "../0", "/0", "s3://a/b", "a\\b", "a//b"))),
        "0.5",
        "image",
        {("meaning", f"{D}[{n}].path") for n in range(1, 7)},
    ),
    "axes": (
        image5(scaled("0", 1, 1, 1), axes=[*YX, TIME | {"name": "x"}]),
        "0.5",
        "image",
        {("meaning", f"{M}.axes[2].name"), ("meaning", f"{M}.axes[2]")},
    ),
    "units": (
        image5(
            scaled("0", 1, 1, 1),
            axes=[{"name": "t", "type": "time", "unit": "micrometer"}, YX[0] | {"unit": 3}, YX[1]],
        ),
        "0.5",
        "image",
        {
            ("schema", f"{M}.axes"),
            ("meaning", f"{M}.axes[0].unit"),
            ("meaning", f"{M}.axes[1].unit"),
        },
    ),
    "units advised": (
        image5(
            scaled("0", 1, 1, 1),
            axes=[
                TIME | {"unit": "seconds"},
                YX[0] | {"unit": "pixel"},
                {"name": "x", "type": "space"},
            ],
        ),
        "0.5",
        "image",
        {("advice", f"{M}.axes[{n}].unit") for n in range(3)},
    ),
    "omero": (
        image5(
            scaled("0", 1, 1),
            omero={
                "channels": [
                    {"color": "red", "window": {"start": 9, "end": 1, "min": 0, "max": -1}},
                    {"color": "FF0000"},
                ]
            },
        ),
        "0.5",
        "image",
        {
            ("meaning", "ome.omero.channels[0].color"),
            ("meaning", "ome.omero.channels[0].window"),
            ("meaning", "ome.omero.channels[1].window"),
        },
    ),
    "letters": (
        {"multiscales": [{"axes": ["x", "x"], "datasets": [{"path": ""}]}]},
        "0.3",
        "image",
        {("meaning", "multiscales[0].axes[1]"), ("meaning", "multiscales[0].datasets[0].path")},
    ),
    "column before row": (
        plate([well("1/A", 0, 0)]),
        "0.5",
        "plate",
        {("meaning", "ome.plate.wells[0].path")},
    ),
    "indices": (
        plate([well("A/1", 0, 0), well("A/1", 1, 0), well("B/9", 1, 7)]),
        "0.5",
        "plate",
        {
            ("meaning", "ome.plate.wells[1].path"),
            ("meaning", "ome.plate.wells[2].path"),
            ("meaning", "ome.plate.wells[2].columnIndex"),
        },
    ),
    "acquisitions": (
        plate(
            [well("A/1", 0, 0)],
            acquisitions=[
                {"id": 1, "name": "a", "maximumfieldcount": 1, "starttime": 9, "endtime": 3},
                {"id": 1, "name": "b", "maximumfieldcount": 0},
            ],
        ),
        "0.5",
        "plate",
        {
            ("schema", "ome.plate.acquisitions[1].maximumfieldcount"),
            ("meaning", "ome.plate.acquisitions[1].id"),
            ("meaning", "ome.plate.acquisitions[0].endtime"),
        },
    ),
    "well": (
        {"well": {"images": [{"path": "0"}, {"path": "0", "acquisition": 1}], "version": "0.4"}},
        "0.4",
        "well",
        {("meaning", "well.images[1].path")},
    ),
    "no well": ({"x": 1}, "0.4", "well", {("meaning", "well")}),
    "label": (
        {
            "image-label": {
                "colors": [
                    {"label-value": 1},
                    {"label-value": 1.0, "rgba": [0, 0, 0, 256]},
                    {"label-value": 1.5},
                ],
                "source": {"image": "/data/image.zarr"},
            }
        },
        "0.4",
        "label",
        {
            ("meaning", "multiscales"),
            ("meaning", "image-label.colors[1].label-value"),
            ("schema", "image-label.colors[1].rgba[3]"),
            ("meaning", "image-label.colors[2].label-value"),
            ("meaning", "image-label.source.image"),
        },
    ),
    "labels": (
        {"labels": ["a", "a", "../b", 3]},
        "0.4",
        "labels",
        {("meaning", "labels[1]"), ("meaning", "labels[2]"), ("meaning", "labels[3]")},
    ),
    "bf2raw": (
        {"bioformats2raw.layout": 2},
        "0.4",
        "bf2raw",
        {("schema", '["bioformats2raw.layout"]')},
    ),
    "series": (
        {"series": ["0", "0", ".."]},
        "0.4",
        "ome",
        {("meaning", "series[1]"), ("meaning", "series[2]")},
    ),
    "scene too early": ({"scene": {}}, "0.4", "scene", {("meaning", "scene")}),
    "outputs": (
        image6(
            level6("0", 1, 1, input={"path": "1"}),
            level6("1", 2, 2, output={"name": "nowhere"}),
        ),
        "0.6rc0",
        "image",
        {("meaning", f"{D}[0].{T}[0].input"), ("meaning", f"{D}[1].{T}[0].output")},
    ),
    "systems": (
        image6(level6("0", 1, 1), systems=[*OTHER[:1], *OTHER[:1]]),
        "0.6rc0",
        "image",
        {("meaning", f"{M}.coordinateSystems[1].name")},
    ),
    "unconnected": (
        image6(level6("0", 1, 1), systems=OTHER),
        "0.6rc0",
        "image",
        {("meaning", f"{M}.{T}")},
    ),
    "sequence": (
        image6(
            {
                "path": "0",
                T: [
                    {
                        "type": "sequence",
                        "input": {"path": "0"},
                        "output": {"name": "physical"},
                        "transformations": [
                            {"type": "translation", "translation": [1]},
                            {"type": "scale", "scale": [1, 1]},
                        ],
                    }
                ],
            }
        ),
        "0.6rc0",
        "image",
        {
            ("meaning", f"{D}[0].{T}[0].transformations"),
            ("meaning", f"{D}[0].{T}[0].transformations[0].translation"),
            ("meaning", f"{D}[0].{T}[0].transformations[1].scale"),
        },
    ),
    "edges": (
        image6(
            level6("0", 1, 1),
            systems=OTHER,
            edges=[
                edge("scale", [1, 1, 1]),
                edge("affine", [[1, 0, 0], [0, 1]]),
                edge("rotation", [[1, 0], [0, -1]]),
                edge("rotation", [[2, 0], [0, 2]]),
                edge("mapAxis", [0, 3]),
                edge("translation", [0, 0], stop={"name": "missing"}),
                edge("rotation", [[1, 0], [0, 1]], stop={"name": "a", "path": "labels/a"}),
                edge("scale", [1, 1], {"name": "other"}, {"name": "other"}),
            ],
        ),
        "0.6rc0",
        "image",
        {
            ("meaning", f"{M}.{T}[0].scale"),
            ("meaning", f"{M}.{T}[1].affine"),
            ("meaning", f"{M}.{T}[2].rotation"),
            ("meaning", f"{M}.{T}[3].rotation"),
            ("meaning", f"{M}.{T}[4].mapAxis"),
            ("meaning", f"{M}.{T}[5].output"),
            ("meaning", f"{M}.{T}[6].type"),
            ("meaning", f"{M}.{T}[7]"),
        },
    ),
    "drafts": (
        {
            "ome": {
                "version": "0.6.dev3",
                "multiscales": [
                    {
                        "coordinateSystems": OTHER[:1],
                        "datasets": [
                            {
                                "path": "0",
                                T: [
                                    {"type": "scale", "scale": [1, 1], "input": "1", "output": "x"}
                                ],
                            }
                        ],
                    }
                ],
            }
        },
        "0.6.dev3",
        "image",
        {("meaning", f"{D}[0].{T}[0].input"), ("meaning", f"{D}[0].{T}[0].output")},
    ),
}


@pytest.mark.parametrize("name", HAND)
def test_documents_written_by_hand(name: str) -> None:
    """Exactly these problems, at exactly these addresses."""
    doc, version, kind, expected = HAND[name]
    problems = check(doc, version, kind)
    graver = [problem for problem in problems if problem.severity != "advice"]
    found = {(problem.severity, problem.loc) for problem in graver or problems}
    assert found == expected, list(map(str, problems))


def test_what_a_document_is() -> None:
    """The kinds, whatever the version; nothing of what is none."""
    assert kinds_of({"multiscales": [], "image-label": {}}) == ["image", "label"]
    assert kinds_of({"ome": {"plate": {}, "bioformats2raw.layout": 3}}) == ["plate", "bf2raw"]
    assert kinds_of({"ome": 3, "plate": {}}) == []
    assert kinds_of({"series": []}) == ["ome"]
    with pytest.raises(ValueError, match="no kind 'picture'; there are image, label"):
        check({}, "0.4", "picture")


@pytest.mark.parametrize(
    ("version", "same"),
    [
        ("0.4-dev-spatialdata", "0.4"),
        ("0.5.2", "0.5"),
        ("0.6dev1", "0.6.dev1"),
        ("0.6-rc0", "0.6rc0"),
        ("0.6.dev4+local", "0.6.dev4"),
    ],
)
def test_versions_are_read_by_their_base(version: str, same: str) -> None:
    """Suffixes of known versions change nothing."""
    doc = {"multiscales": [{"datasets": 3}], "ome": {"multiscales": [{"datasets": 3}]}}
    assert check(doc, version, "image") == check(doc, same, "image")


@pytest.mark.parametrize(
    "version", ["0.9.dev1", "0.6rc7", "1.0", "", "latest", "0.6\x00", "9" * 99]
)
def test_unknown_versions_are_checked_as_the_newest(version: str) -> None:
    """They are told apart by one piece of advice."""
    doc = image6(level6("0", 1, 1), version=version)
    known = version.startswith("0.6\x00")
    problems = [p for p in check(doc, version, "image") if p.loc != "ome.version"]
    assert [problem.severity for problem in problems] == ["advice"] * (not known)


@pytest.mark.parametrize("wrap", [dict, lambda ome: {"attributes": ome, "zarr_format": 3}])
def test_transformations_on_their_own(wrap: Any) -> None:
    """Bare ones, those within an image, those of a whole zarr.json, and a single one."""
    key = f"{T}[0].scale"
    bare = {"coordinateSystems": OTHER, T: [edge("scale", [1, 1, 1])]}
    assert [p.loc for p in check_transformations(wrap(bare), "0.6") if p.loc == key]
    whole = wrap(image6(level6("0", 1, 1, 1)))
    assert [p.loc for p in check_transformations(whole, "0.6rc0")] == [f"{D}[0].{key}"]
    one = wrap({"type": "rotation", "rotation": [[1, 0]]})
    assert {p.severity for p in check_transformations(one, "0.6")} == {"schema"}
    assert check_transformations(wrap(bare), "0.4")[0].severity == "schema"


# --- hostility --------------------------------------------------------------------------------

NAMES: Final = (
    *("ome", "multiscales", "datasets", "axes", "omero", "channels", "window", "coordinateSystems"),
    *("plate", "rows", "columns", "wells", "acquisitions", "well", "images", "labels", "series"),
    *("image-label", "colors", "properties", "label-value", "rgba", "source", "scene", "version"),
    *("coordinateTransformations", "transformations", "transformation", "forward", "inverse"),
    *("type", "name", "path", "unit", "scale", "translation", "affine", "rotation", "mapAxis"),
    *("input", "output", "inputAxes", "outputAxes", "droppedInputs", "createdOutputs"),
    *("rowIndex", "columnIndex", "id", "starttime", "endtime", "bioformats2raw.layout"),
)
WORDS: Final = (
    *("space", "time", "identity", "scale", "translation", "sequence", "byDimension", "affine"),
    *("rotation", "mapAxis", "projectAxis", "bijection", "coordinates", "A/1", "../..", "0.6rc0"),
)
JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.booleans().map(lambda _: 10**5000)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
    ),
    max_leaves=40,
)


@settings(max_examples=400, deadline=None)
@given(JSON, st.sampled_from((*EDITIONS, "7.0")))
def test_nothing_raises(doc: Any, version: str) -> None:
    """Whatever stands where, it is reported, or let be."""
    kinds_of(doc)
    wrapped = {"ome": dict.fromkeys(NAMES, doc) | {"multiscales": [doc]}}
    for kind in KINDS:
        for value in (doc, wrapped, wrapped["ome"]):
            assert len(check(value, version, kind)) <= sum(LIMITS.values()) + 1
    check_transformations(doc, version)
    check_transformations({"coordinateSystems": doc, T: [doc]}, version)


def test_depth_does_no_harm() -> None:
    """Nesting that would exhaust the stack is reported or passed over."""
    deep: Any = {"type": "identity"}
    for _ in range(20_000):
        deep = {"type": "sequence", "transformations": [deep]}
    doc = image6(level6("0", 1, 1), edges=[{**deep, **edge("scale", [1, 1])}, deep])
    assert any("nested too deeply" in p.message for p in check(doc, "0.6rc0", "image"))
    nest: Any = []
    for _ in range(20_000):
        nest = [nest]
    check({"multiscales": [nest, nest, {"x": nest}]}, "0.4", "image")
    while isinstance(nest, list):
        nest = nest[0] if nest else None
    while "transformations" in deep:
        deep = deep["transformations"][0]


def test_floods_are_capped_and_hide_nothing() -> None:
    """Much advice leaves room for what is worse, and time is linear."""
    wells = [well("A/1", 0, 0) for _ in range(20_000)]
    doc = plate(wells, acquisitions=[{"id": n} for n in range(20_000)], name=3)
    problems = check(doc, "0.5", "plate")
    counts = Counter(problem.severity for problem in problems)
    assert counts["schema"] == LIMITS["schema"]
    assert len(problems) <= sum(LIMITS.values()) + 1
    assert problems[0].severity == "schema"
    assert "ome.plate.name" in {p.loc for p in check(plate([], name=3), "0.5", "plate")}
