"""The metadata checker against the official test suites and the official schemas.

A case of a plain suite is right when we report something of severity ``schema`` exactly if the
suite calls it invalid; of a strict suite, when `is_strict` holds of a problem exactly then.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ngffkit.errors import Problem
from ngffkit.spec.check import check, check_transformations, is_strict

CORPUS: Final = Path(
    os.environ.get("NGFFKIT_CORPUS", Path(__file__).parents[2] / "shared" / "corpus")
)
SUITES: Final = CORPUS / "suites"
VERSIONS: Final = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6.dev4", "0.6rc0")
NEEDS_CORPUS: Final = pytest.mark.skipif(
    not SUITES.is_dir(), reason=f"no suites at {SUITES}; set NGFFKIT_CORPUS"
)

# Where a suite's flag is not the verdict of the official schema, and ours is the schema's.
TEXT_ONLY: Final = "valid by the official schema; by the text it is not, and so we report it"
EXCEPTIONS: Final = {
    ("0.3", "image/invalid/invalid_axes_order"): TEXT_ONLY,
    ("0.6rc0", "transformations/byDimensionInvalid1"): TEXT_ONLY,
    ("0.6rc0", "transformations/byDimensionInvalid2"): TEXT_ONLY,
    ("0.6rc0", "transformations/byDimension2"): "four axes of space, the axes schema allows three",
    ("0.6rc0", "transformations/byDimensionXarray"): "in the spelling of an early draft",
    ("0.6rc0", "transformations/mapAxis1"): "an input is a string, as in drafts up to dev3",
    ("0.6rc0", "transformations/projectAxis"): "axes without type, which the axes schema rejects",
    ("0.6rc0", "transformations/projectAxis2"): "axes without type, as above",
    ("0.6rc0", "displacements/multiscales"): "its 'ome' is the version",
    ("0.6rc0", "multiscales_strict/multiscales_example_relative"): "has no 'ome'",
    ("0.6rc0", "multiscales_strict/multiscales_reference_to_label"): (
        "called strict, and has neither 'metadata' nor 'type'"
    ),
}

# Cases without a schema of their own: loose coordinate systems and transformations.
BARE: Final = "coordinate_systems_and_transforms"


@dataclass(frozen=True)
class Case:
    """A document of a suite with the verdict the suite gives it."""

    version: str
    name: str
    schema: str
    valid: bool
    doc: Any

    @property
    def strict(self) -> bool:
        """Whether the verdict is the strict schema's."""
        return self.schema.startswith("strict_")

    @property
    def kind(self) -> str:
        """The kind of group the schema is about."""
        return self.schema.removeprefix("strict_")

    def problems(self) -> list[Problem]:
        """Check the document."""
        if self.kind == BARE:
            return check_transformations(self.doc, self.version)
        return check(self.doc, self.version, self.kind)

    def breaks(self, problem: Problem) -> bool:
        """Whether the schema of this case objects to `problem`."""
        return is_strict(problem) if self.strict else problem.severity == "schema"


def load(path: Path) -> Any:
    """Read JSON that may have comments, as the examples of the specification do."""
    text = path.read_text("utf-8")
    return json.loads(re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', r"\1", text))


def stem(identifier: str) -> str:
    """Return the name of a schema from its path."""
    return Path(identifier).name.removesuffix(".schema")


def old_cases(version: str) -> Iterator[Case]:
    """Yield the cases of 0.1 to 0.3: a file each, in a folder that gives the verdict."""
    for path in sorted((SUITES / version / "examples").glob("*/*valid/*.json")):
        kind, verdict = path.parts[-3:-1]
        yield Case(version, f"{kind}/{verdict}/{path.stem}", kind, verdict == "valid", load(path))


def suite_cases(version: str) -> Iterator[Case]:
    """Yield the cases of 0.4 and 0.5: a file per schema."""
    for path in sorted((SUITES / version / "tests").glob("*_suite.json")):
        suite = load(path)
        schema = stem(suite["schema"]["id"])
        for number, test in enumerate(suite["tests"]):
            name = f"{schema}/{test['formerly']}#{number}"
            yield Case(version, name, schema, test["valid"], test["data"])


def conformance_cases(version: str) -> Iterator[Case]:
    """Yield the cases of 0.6: a file each, that says which schema it is about."""
    for path in sorted((SUITES / version / "tests").rglob("*.json")):
        doc = load(path)
        about = doc.pop("_conformance", {})
        schema = stem(about.get("schema", {}).get("id", path.parent.name))
        name = "/".join(path.with_suffix("").parts[-4:])
        yield Case(version, name, schema, about.get("valid", True), doc)


def example_cases(version: str) -> Iterator[Case]:
    """Yield the examples of the specification, which count as valid unless they say otherwise."""
    for config in sorted((SUITES / version / "examples").rglob(".config.json")):
        schema = stem(load(config)["schema"])
        for path in sorted(config.parent.glob("*.json")):
            if path != config:
                doc = load(path)
                doc = doc.get("attributes", doc)
                name = f"{path.parent.name}/{path.stem}"
                yield Case(version, name, schema, "Invalid" not in path.stem, doc)


@cache
def cases(version: str) -> tuple[Case, ...]:
    """Return all cases of a version."""
    if version < "0.4":
        return tuple(old_cases(version))
    sources = suite_cases if version < "0.6" else conformance_cases
    return (*sources(version), *example_cases(version))


# --- the suites -------------------------------------------------------------------------------


@NEEDS_CORPUS
def test_every_case_of_every_suite(capsys: pytest.CaptureFixture[str]) -> None:
    """Our verdict is the suite's, but for the exceptions, which are these and no others."""
    wrong, lines = {}, []
    for version in VERSIONS:
        count: Counter[str] = Counter()
        for case in cases(version):
            problems = case.problems()
            agrees = any(map(case.breaks, problems)) != case.valid
            clean = not any(problem.severity == "schema" for problem in problems)
            count["cases"] += 1
            count["agree"] += agrees
            count["text"] += clean and any(p.severity == "meaning" for p in problems)
            if not agrees:
                wrong[version, case.name] = (case.valid, problems)
        lines.append(f"{version:10}{count['cases']:8}{count['agree']:10}{count['text']:16}")
    with capsys.disabled():
        head = "\n\nversion      cases     agree   breaks text only"
        print(head, *lines, sep="\n")
    assert wrong.keys() == EXCEPTIONS.keys(), {
        key: found for key, found in wrong.items() if key not in EXCEPTIONS
    }
    for key, reason in EXCEPTIONS.items():
        valid, problems = wrong[key]
        assert valid == (reason != TEXT_ONLY)
        assert valid or any(problem.severity == "meaning" for problem in problems)


@NEEDS_CORPUS
@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6.dev4", "0.6rc0"])
def test_a_label_that_is_no_image_breaks_the_text(version: str) -> None:
    """The suites' minimal labels pass the schema, and are no images."""
    minimal = [c for c in cases(version) if c.kind == "label" and c.name.count("/minimal")]
    assert len(minimal) == 2
    for case in minimal:
        severities = {p.severity for p in case.problems() if p.loc.endswith("multiscales")}
        assert severities == {"meaning"}


# --- the schemas ------------------------------------------------------------------------------

BASE: Final = "https://ngff.openmicroscopy.org"
# No version has a schema for these.
BARE_SCHEMA: Final = {
    "type": "object",
    "if": {"required": ["type"], "not": {"required": ["coordinateTransformations"]}},
    "then": {"$ref": "coordinate_transformations.schema#/$defs/coordinateTransformation"},
    "else": {
        "properties": {
            "coordinateSystems": {"$ref": "coordinate_systems.schema"},
            "coordinateTransformations": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {
                    "$ref": "coordinate_transformations.schema#/$defs/coordinateTransformation",
                    "required": ["input", "output"],
                    "properties": {
                        "input": {"$ref": "coordinate_transformations.schema#/$defs/inputOutput"},
                        "output": {"$ref": "coordinate_transformations.schema#/$defs/inputOutput"},
                    },
                },
            },
        },
        "required": ["coordinateTransformations"],
    },
}

# What documents are mutated with: every word the schemas know, and values at their limits.
WORDS: Final = (
    *("space", "time", "channel", "array", "custom", "x", "physical", "linear", "3"),
    *("identity", "mapAxis", "projectAxis", "scale", "translation", "affine", "rotation"),
    *("bijection", "sequence", "byDimension", "displacements", "coordinates"),
    *("", "0", "A/1", "a/b", "../a", "/a", ".", "..", "__a", "a_b", "a b", "path/to/0"),
    *VERSIONS,
)
KEYS: Final = (
    *("name", "type", "unit", "discrete", "longName", "path", "input", "output", "axes", "version"),
    *("scale", "translation", "affine", "rotation", "mapAxis", "droppedInputs", "createdOutputs"),
    *("forward", "inverse", "transformations", "transformation", "inputAxes", "output_axes"),
    *("interpolation", "coordinateTransformations", "coordinateSystems", "arrayCoordinateSystem"),
    *("omero", "channels", "window", "color", "metadata", "method", "label-value", "rgba"),
    *("source", "image", "acquisitions", "acquisition", "id", "maximumfieldcount", "starttime"),
    *("field_count", "rowIndex", "series", "properties", "colors", "description", "other"),
)
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 3, 3.0, 4, 5, 0.5, 1.0, 255, 256, 1e300, 10**30),
    *([], {}, [1, 1], [1.0, 2, 3], [0, 1], [1, 0, 2], [5], [[1, 0], [0, 1]], [[1, 0, 0]], [[]]),
    *({"name": "physical"}, {"path": "0"}, {"name": "a", "path": "b"}, {"name": "a", "b": 1}),
    *({"type": "identity"}, {"type": "scale", "scale": [1, 1]}, {"scale": [1, 1]}),
    {"type": "translation", "translation": [1, 1]},
    {"type": "sequence", "transformations": [{"scale": [1, 1]}, {"translation": [1, 1]}]},
    {"transformation": {"type": "identity"}, "inputAxes": [0], "outputAxes": [0]},
    {"transformation": {"type": "identity"}, "input_axes": [0], "output_axes": [0]},
)


@cache
def validators() -> dict[tuple[str, str], Any]:
    """Return the official schemas as validators, by version and name."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    schemas = {}
    for path in SUITES.glob("*/schemas/*.schema"):
        version = path.parts[-3]
        # some call themselves "latest" or localhost
        schemas[version, path.stem] = load(path) | {"$id": f"{BASE}/{version}/schemas/{path.name}"}
    for version in ("0.6.dev4", "0.6rc0"):
        schemas[version, BARE] = BARE_SCHEMA | {"$id": f"{BASE}/{version}/schemas/{BARE}.schema"}
    draft = referencing.jsonschema.DRAFT202012
    registry = referencing.Registry().with_resources(
        (schema["$id"], draft.create_resource(schema)) for schema in schemas.values()
    )
    return {
        key: jsonschema.Draft202012Validator(schema, registry=registry)
        for key, schema in schemas.items()
    }


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key or index of a document."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(entries):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from nodes(item)


def mutate(doc: Any, others: Any, random: Random) -> None:
    """Change one place of `doc`, perhaps with a piece of `others`."""
    holder, key = random.choice(list(nodes(doc)) or [(doc, "other")])
    pool = WORDS if random.random() < 0.4 else VALUES
    value = copy.deepcopy(random.choice(pool))
    item = holder.get(key) if isinstance(holder, dict) else holder[key]
    match random.choice(("set", "set", "drop", "add", "rename", "twin", "graft", "retype", "wrap")):
        case "set":
            holder[key] = value
        case "drop":
            holder.pop(key, None) if isinstance(holder, dict) else holder.pop(key)
        case "add" if isinstance(item, dict):
            item[random.choice(KEYS)] = value
        case "add" if isinstance(item, list):
            item.insert(random.randrange(len(item) + 1), value)
        case "rename" if isinstance(holder, dict) and key in holder:
            holder[random.choice(KEYS)] = holder.pop(key)
        case "twin" if isinstance(holder, list):
            holder.extend(copy.deepcopy([item] * random.randrange(1, 4)))
        case "graft":
            source, place = random.choice(list(nodes(others)))
            holder[key] = copy.deepcopy(source[place])
        case "retype" if isinstance(item, (int, float)):
            holder[key] = random.choice((float(item), bool(item), -item, str(item), item + 0.5))
        case "wrap":
            holder[key] = [item] if random.random() < 0.5 else {random.choice(KEYS): item}


@cache
def seeds(version: str) -> tuple[Case, ...]:
    """Return documents to start from, for every schema of a version; valid ones twice as often."""
    found = []
    for (of, schema), validator in validators().items():
        if of == version and not schema.startswith(("_", "ome_zarr", "strict_ome_zarr")):
            plain = schema.removeprefix("strict_")
            own = any(case.kind == plain for case in cases(version))
            # some versions have schemas and no cases for them: borrow those of others
            for case in itertools.chain(*map(cases, [version] if own else VERSIONS)):
                if case.kind == plain and not (plain == BARE and "ome" in case.doc):
                    text = json.dumps(case.doc).replace(f'"{case.version}"', f'"{version}"')
                    seed = replace(case, version=version, schema=schema, doc=json.loads(text))
                    found += [seed] * (own + 2 * validator.is_valid(seed.doc))
    return tuple(found)


def disagreement(version: str, random: Random) -> str | None:
    """Mutate a case; return what we and the official schema make of it if that differs."""
    case, other = random.choice(seeds(version)), random.choice(seeds(version))
    doc = copy.deepcopy(case.doc)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        mutate(doc, other.doc, random)
    mutant = replace(case, doc=doc)
    wanted = validators()[version, case.schema].is_valid(doc)
    broken = [problem for problem in mutant.problems() if mutant.breaks(problem)]
    if wanted == (not broken):
        return None
    return f"{version} {case.schema} valid={wanted} ours={list(map(str, broken))}: {doc}"


@NEEDS_CORPUS
@pytest.mark.parametrize("version", VERSIONS)
def test_mutants_are_judged_as_by_the_official_schema(version: str) -> None:
    """However a document is broken, our verdict is that of the schema."""

    # true randomness reaches more of a document; hypothesis still gives, and prints, the seed
    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=True))
    def compare(random: Random) -> None:
        assert disagreement(version, random) is None

    compare()


@NEEDS_CORPUS
@pytest.mark.parametrize("version", VERSIONS)
def test_every_problem_has_an_address_and_a_remedy(version: str) -> None:
    """Each problem says where, what and what to do; the address leads to the place."""
    random = Random(version)
    for _ in range(300):
        case = random.choice(seeds(version))
        doc = copy.deepcopy(case.doc)
        mutate(doc, case.doc, random)
        for problem in replace(case, doc=doc).problems():
            assert problem.message
            assert problem.remedy, problem
            assert resolves(doc, problem), problem


def resolves(doc: Any, problem: Problem) -> bool:
    """Return whether the address of a problem is that of a value, or of a missing key."""
    here = doc
    parts = re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', problem.loc)
    for position, (quoted, index, name) in enumerate(parts):
        if index:
            here = here[int(index)]
        elif isinstance(here, dict) and (quoted or name) in here:
            here = here[quoted or name]
        else:
            return isinstance(here, dict) and position == len(parts) - 1
    return True
