"""Encode, then decode: the same image, in every version; and the official schemas agree."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from ngffkit import spec
from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo, Level, Window
from ngffkit.spec import frozen

COMMON = settings(max_examples=250, deadline=None)

# --- images -------------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=6).filter(lambda name: "/" not in name)  # no paths
scales = st.floats(1e-6, 1e6, allow_subnormal=False)
origins = st.one_of(st.just(0.0), st.floats(-1e6, 1e6, allow_subnormal=False))
jsons = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
paths = st.lists(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,5}(/[a-z0-9]{1,3})?", fullmatch=True),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def axes(draw: st.DrawFn) -> tuple[Axis, ...]:
    """Up to five axes of any kind in any order."""
    count = draw(st.integers(1, 5))
    out = []
    for name in draw(st.lists(names, min_size=count, max_size=count, unique=True)):
        kind = draw(st.sampled_from(["space", "time", "channel", "angle", "array", None]))
        unit = draw(st.sampled_from([None, "micrometer", "second", "parsec"]))
        extra = draw(st.dictionaries(st.sampled_from(["longName", "o", "q"]), jsons, max_size=2))
        out.append(Axis(name, kind, unit, frozen.freeze(extra, "")))
    return tuple(out)


@st.composite
def legal_axes(draw: st.DrawFn) -> tuple[Axis, ...]:
    """Axes that the schemas allow: two or three of space, with others before, between or after."""
    space = [Axis(n, "space", draw(st.sampled_from([None, "nanometer"]))) for n in "zyx"]
    space = space[draw(st.integers(0, 1)) :]
    others = [Axis("t", "time", "second"), Axis("c", "channel"), Axis("phi", "angle", "degree")]
    chosen = draw(st.lists(st.sampled_from(others), max_size=5 - len(space), unique=True))
    return tuple(draw(st.permutations(space + chosen)))


@st.composite
def levels(draw: st.DrawFn, given_axes: tuple[Axis, ...]) -> tuple[Level, ...]:
    """Levels with any shapes, scales and origins, the finest first."""
    n = len(given_axes)
    made = []
    for path in draw(paths):
        shape = tuple(draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)))
        scale = tuple(draw(st.lists(scales, min_size=n, max_size=n)))
        origin = tuple(draw(st.lists(origins, min_size=n, max_size=n)))
        made.append(Level(path, Grid(given_axes, shape, scale, origin)))
    return tuple(sorted(made, key=lambda level: math.prod(level.grid.scale)))


colors = st.from_regex(r"[0-9A-F]{6}", fullmatch=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
windows = st.builds(Window, finite, finite, finite, finite)


def channels(*, complete: bool) -> st.SearchStrategy[tuple[Channel, ...]]:
    missing = st.nothing() if complete else st.none()
    one = st.builds(
        Channel, st.text(max_size=9), missing | colors, missing | windows, st.booleans()
    )
    return st.lists(one, max_size=3).map(tuple)


values = st.integers(-(2**63), 2**64)
bytes_ = st.integers(0, 255)
labels = st.builds(
    LabelInfo,
    st.dictionaries(values, st.tuples(bytes_, bytes_, bytes_, bytes_), max_size=3).map(
        lambda found: tuple(found.items())
    ),
    st.dictionaries(
        values, st.dictionaries(st.sampled_from(["class", "area"]), jsons, max_size=2), max_size=3
    ).map(lambda found: tuple(found.items())),
    st.none() | st.text(max_size=9),
)


@st.composite
def images(draw: st.DrawFn, *, legal: bool = False) -> Image:
    """Anything an `Image` can hold of what every version can say."""
    made = draw(legal_axes() if legal else axes())
    label = draw(st.none() | labels)
    return Image(
        name=draw(st.text(max_size=9)),
        levels=draw(levels(made)),
        channels=draw(channels(complete=legal)),
        kind="intensity" if label is None else "label",
        label=label,
        method=draw(st.none() | st.text(min_size=1, max_size=9)),
    )


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def decode(document: Any, image: Image) -> Image:
    """Decode a document of one image, with the shapes that its arrays would have."""
    found = spec.detect(document)
    assert found is not None
    assert (found.kind, found.newer) == ("image", False)
    (pyramid,) = spec.decode_pyramids(found)
    assert pyramid.notes == ()
    shapes = {level.path: level.grid.shape for level in image.levels}
    return pyramid.with_shapes([shapes[path] for path in pyramid.paths])


def versioned(image: Image, version: str, **changes: Any) -> Image:
    return dataclasses.replace(image, version=version, **changes)


@COMMON
@given(images(), st.sampled_from(spec.WRITABLE))
def test_encode_then_decode_gives_the_same_image(image: Image, version: str) -> None:
    document = through_json(spec.encode(image, version))
    assert decode(document, image) == versioned(image, version)


@COMMON
@given(images(), st.sampled_from(spec.WRITABLE), st.sampled_from(spec.WRITABLE))
def test_one_version_after_another_loses_nothing(image: Image, first: str, then: str) -> None:
    once = decode(through_json(spec.encode(image, first)), image)
    again = decode(through_json(spec.encode(once, then)), image)
    assert again == versioned(image, then)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Image, tuple[Any, ...], tuple[Any, ...]]:
    """An image with further coordinate systems and transformations that lead to them."""
    image = draw(images(legal=True))
    own = spec.encode(image, "0.6")["ome"]["multiscales"][0]["coordinateSystems"]
    count = draw(st.integers(1, 3))
    systems = own + [{"name": f"world {i}", "axes": own[0]["axes"]} for i in range(count)]
    n = len(own[0]["axes"])
    matrix = [[float(i == j) for j in range(n + 1)] for i in range(n)]
    steps = [
        {
            "type": "affine",
            "affine": matrix,
            "input": {"name": own[0]["name"]},
            "output": {"name": f"world {i}"},
        }
        for i in range(draw(st.integers(0, count)))
    ]
    systems = list(draw(st.permutations(systems))) if len(steps) == count else systems
    return image, tuple(systems), tuple(steps)


@COMMON
@given(worlds(), st.sampled_from([v for v in spec.WRITABLE if v.startswith("0.6")]))
def test_further_coordinate_systems_are_kept(world: Any, version: str) -> None:
    image, systems, steps = world
    full = versioned(image, version, coordinate_systems=systems, transformations=steps)
    document = through_json(spec.encode(full, version))
    assert decode(document, image) == full
    assert problems(document, version) == []


def test_what_only_frozen_values_look_alike_is_told_apart() -> None:
    for extra in ({"o": {"a": 1}}, {"o": [["a", 1]]}, {"o": {}}, {"o": []}, {"o": [[]]}):
        axis = Axis("x", "space", None, frozen.freeze(extra, ""))
        grid = Grid((axis,), (4,), (1.0,), (0.0,))
        document = through_json(spec.encode(Image("", (Level("0", grid),)), "0.6"))
        system = document["ome"]["multiscales"][0]["coordinateSystems"][0]
        assert system["axes"] == [{"name": "x", "type": "space"} | extra]


def test_labels_without_a_word_about_them_stay_labels() -> None:
    grid = Grid((Axis("y", "space"), Axis("x", "space")), (4, 4), (1.0, 1.0), (0.0, 0.0))
    image = Image("", (Level("0", grid),), kind="label")
    for version in spec.WRITABLE:
        assert decode(through_json(spec.encode(image, version)), image).kind == "label"


def test_a_version_that_cannot_be_written_is_refused() -> None:
    grid = Grid((Axis("x", "space"),), (4,), (1.0,), (0.0,))
    with pytest.raises(NgffError, match=r"'0\.2' can't be written; choose one of 0\.4"):
        spec.encode(Image("", (Level("0", grid),)), "0.2")


# --- the official schemas -----------------------------------------------------------------------


@cache
def validators(folder: Path) -> dict[str, Draft202012Validator]:
    """Return the validators of a version by the names of their files."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.schema")}
    registry: Registry = Registry()
    for schema in found.values():
        if "$id" in schema:
            registry = registry.with_resource(schema["$id"], DRAFT202012.create_resource(schema))
    return {name: Draft202012Validator(s, registry=registry) for name, s in found.items()}


SUITES: dict[str, Path] = {}


@pytest.fixture(autouse=True, scope="module")
def _suites(corpus: Path) -> None:
    # the schemas of 0.6 itself are not out; its release candidate has the same
    for version in spec.WRITABLE:
        SUITES[version] = (
            corpus / "suites" / ("0.6rc0" if version == "0.6" else version) / "schemas"
        )


def problems(document: Any, version: str) -> list[str]:
    """Return what the official schemas find wrong with a document."""
    folder = SUITES[version]
    if version == "0.6":
        document = {"ome": document["ome"] | {"version": "0.6rc0"}}
    kinds = ["image"] + (["label"] if "image-label" in document.get("ome", document) else [])
    return [
        f"{kind}: {error.json_path}: {error.message}"
        for kind in kinds
        for error in validators(folder)[kind].iter_errors(document)
    ]


@COMMON
@given(images(legal=True), st.sampled_from(spec.WRITABLE))
def test_every_document_passes_the_schema_of_its_version(image: Image, version: str) -> None:
    document = through_json(spec.encode(image, version))
    assert problems(document, version) == []


@COMMON
@given(images(legal=True), channels(complete=False))
def test_since_0_5_channels_may_be_names_alone(image: Image, some: tuple[Channel, ...]) -> None:
    for version in spec.WRITABLE[1:]:
        document = through_json(spec.encode(versioned(image, version, channels=some), version))
        assert problems(document, version) == []


def test_the_schemas_do_find_what_is_wrong() -> None:
    grid = Grid((Axis("y", "space"), Axis("x", "space")), (4, 4), (1.0, 1.0), (0.0, 0.0))
    for version in spec.WRITABLE:
        document = spec.encode(Image("", (Level("0", grid),)), version)
        entry = document.get("ome", document)["multiscales"][0]
        del entry["datasets"]
        assert problems(document, version)


# --- the algebra of grids -----------------------------------------------------------------------


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    n = draw(st.integers(1, 4))

    def some(one: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(one, min_size=n, max_size=n)))

    made = tuple(Axis(name, "space") for name in "zyxw"[:n])
    return Grid(
        made, some(st.integers(0, 200)), some(st.floats(1e-3, 1e3)), some(st.floats(-1e3, 1e3))
    )


factors = st.integers(1, 7)


def near(a: Grid, b: Grid) -> None:
    assert (a.axes, a.shape) == (b.axes, b.shape)
    np.testing.assert_allclose(a.scale, b.scale, rtol=1e-12)
    np.testing.assert_allclose(a.origin, b.origin, rtol=1e-9, atol=1e-9 * max(a.scale))


@COMMON
@given(grids(), st.data())
def test_coarsening_twice_is_coarsening_by_the_product(grid: Grid, data: Any) -> None:
    first, then = ({d: data.draw(factors) for d in grid.dims} for _ in range(2))
    product = {d: first[d] * then[d] for d in grid.dims}
    for stride in (False, True):
        twice = grid.coarsen(first, stride=stride).coarsen(then, stride=stride)
        near(twice, grid.coarsen(product, stride=stride))


@COMMON
@given(grids(), st.data())
def test_a_coarse_pixel_lies_in_the_middle_of_its_pixels(grid: Grid, data: Any) -> None:
    by = {d: data.draw(factors) for d in grid.dims}
    coarse = grid.coarsen(by)
    for d in grid.dims:
        whole = grid.shape[grid.axis(d)] // by[d]
        pixels = grid.coords(d)[: whole * by[d]].reshape(whole, by[d])
        atol = 1e-9 * grid.scale[grid.axis(d)]
        np.testing.assert_allclose(
            coarse.coords(d)[:whole], pixels.mean(1), rtol=1e-9, atol=atol + 1e-9
        )


@COMMON
@given(grids(), st.data())
def test_a_crop_has_the_coordinates_of_what_is_left(grid: Grid, data: Any) -> None:
    forward = {
        d: data.draw(st.slices(n).filter(lambda s: s.step is None or s.step > 0))
        for d, n in zip(grid.dims, grid.shape, strict=True)
    }
    cropped = grid.crop(forward)
    for d in grid.dims:
        left = grid.coords(d)[forward[d]]
        assert len(left) == cropped.shape[cropped.axis(d)]
        np.testing.assert_allclose(cropped.coords(d), left, rtol=1e-9, atol=1e-9)


@COMMON
@given(grids(), st.data())
def test_crops_of_crops_are_crops(grid: Grid, data: Any) -> None:
    d, n = grid.dims[0], grid.shape[0]
    a, b = sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))
    c, e = sorted(data.draw(st.tuples(st.integers(0, b - a), st.integers(0, b - a))))
    near(grid.crop({d: slice(a, b)}).crop({d: slice(c, e)}), grid.crop({d: slice(a + c, a + e)}))


@COMMON
@given(grids(), st.data())
def test_cropping_whole_blocks_and_coarsening_change_places(grid: Grid, data: Any) -> None:
    d, by = grid.dims[0], data.draw(factors)
    blocks = grid.shape[0] // by
    a, b = sorted(data.draw(st.tuples(st.integers(0, blocks), st.integers(0, blocks))))
    cut = grid.crop({d: slice(a * by, b * by)}).coarsen({d: by})
    near(cut, grid.coarsen({d: by}).crop({d: slice(a, b)}))


@COMMON
@given(grids(), st.data())
def test_transformations_compose(grid: Grid, data: Any) -> None:
    n = len(grid.shape)
    sizes = st.lists(st.floats(0.01, 100), min_size=n, max_size=n)
    shifts = st.lists(st.floats(-100, 100), min_size=n, max_size=n)
    s1, s2, t1, t2 = (data.draw(x) for x in (sizes, sizes, shifts, shifts))
    both = [b * t + u for b, t, u in zip(s2, t1, t2, strict=True)]
    once = grid.transform([a * b for a, b in zip(s1, s2, strict=True)], both)
    twice = grid.transform(s1, t1).transform(s2, t2)
    np.testing.assert_allclose(twice.scale, once.scale, rtol=1e-12)
    np.testing.assert_allclose(twice.origin, once.origin, rtol=1e-9, atol=1e-6)


@COMMON
@given(grids(), st.data())
def test_places_and_indices_invert(grid: Grid, data: Any) -> None:
    index = {d: data.draw(st.floats(-1e3, 1e3)) for d in grid.dims}
    there = grid.to_index(grid.to_world(index))
    for d in grid.dims:
        assert there[d] == pytest.approx(index[d], abs=1e-6)
    whole = dict.fromkeys(grid.dims, 0)
    assert grid.to_world(whole) == dict(zip(grid.dims, grid.origin, strict=True))


@COMMON
@given(grids(), st.data())
def test_factors_undo_coarsening(grid: Grid, data: Any) -> None:
    by = {d: data.draw(factors) for d in grid.dims}
    assert grid.coarsen(by).factors(grid) == pytest.approx(by)


@pytest.mark.parametrize(
    ("shape", "scale", "origin"),
    [
        ((4,), (0.0,), (0.0,)),
        ((4,), (-1.0,), (0.0,)),
        ((4,), (math.nan,), (0.0,)),
        ((4,), (math.inf,), (0.0,)),
        ((4,), (1.0,), (math.nan,)),
        ((4,), (1e308,), (1.7e308,)),
        ((-1,), (1.0,), (0.0,)),
        ((10**8,), (1.0,), (0.0,)),
        ((4, 4), (1.0,), (0.0,)),
    ],
)
def test_what_is_no_grid_is_refused(shape: Any, scale: Any, origin: Any) -> None:
    with pytest.raises(ValueError, match=r"x|length"):
        Grid((Axis("x"),), shape, scale, origin)


def test_axes_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="differ"):
        Grid((Axis("x"), Axis("x")), (1, 1), (1.0, 1.0), (0.0, 0.0))
