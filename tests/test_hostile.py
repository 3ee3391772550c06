"""Hostile stores are harmless: an `NgffError` that says where, in little time and memory."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import ROWS, Ledger, Outcome
from memory_store import Memory

import ngffkit as nk

#: Of seconds and bytes per case. The promise is a second; machines are busy.
MAX_SECONDS: Final = 5.0
MAX_GROWTH: Final = 200_000_000


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Try all hostile stores in a process of their own; begin anew after one that crashes it."""
    script = Path(hostile.__file__)
    found: dict[str, dict[str, Any]] = {}
    first = 0
    while True:
        ran = subprocess.run(
            [sys.executable, str(script), str(first)],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        started: dict[str, Any] = {}
        for line in map(json.loads, ran.stdout.splitlines()):
            if "start" in line:
                started = line
            else:
                found[line["name"]] = line
        if ran.returncode == 0:
            return found
        assert started, f"it didn't even start: {ran.stderr[-2000:]}"
        found[started["name"]] = {
            "outcome": f"crash {ran.returncode}",
            "text": ran.stderr[-500:],
            "seconds": 0.0,
            "growth": 0,
        }
        first = started["start"] + 1


def _wrong(case: hostile.Case, came: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the outcome of a case."""
    outcome, text = came["outcome"], came.get("text", "")
    if outcome not in ("error", "opened", "read"):
        return f"{outcome}: {came.get('type')} {text}"
    if case.must and outcome != "error":
        return f"{outcome}, where an error should be"
    if outcome == "error" and not any(where in text for where in case.where.split("|")):
        return f"the error doesn't name {case.where}: {text}"
    if came.get("outside"):
        return f"it reached for {came['outside'][:3]}"
    if came["seconds"] > MAX_SECONDS or came["growth"] > MAX_GROWTH:
        return f"{came['seconds']:.1f} s and {came['growth'] / 1e6:.0f} MB"
    return None


@pytest.mark.faults
def test_every_hostile_store_gives_an_error_that_says_where(
    outcomes: dict[str, dict[str, Any]], ledger: Ledger
) -> None:
    cases = hostile.cases()
    wrong = {case.name: why for case in cases if (why := _wrong(case, outcomes[case.name]))}
    for case in cases:
        came = outcomes[case.name]
        fine: Outcome = "said" if came["outcome"] == "error" else "right"
        outcome = "wrong" if case.name in wrong else fine
        ledger.enter(hostile.row_of(case), outcome, came.get("tries", 1))
    kinds = Counter(came.get("type", came["outcome"]) for came in outcomes.values())
    tries = sum(came.get("tries", 1) for came in outcomes.values())
    slowest = max(outcomes.values(), key=lambda came: came["seconds"])
    largest = max(outcomes.values(), key=lambda came: came["growth"])
    sys.stdout.write(
        f"\n{len(cases)} hostile stores, {tries} attempts: {dict(kinds)}\n"
        f"slowest: {slowest['name']}, {slowest['seconds']:.2f} s; "
        f"largest: {largest['name']}, {largest['growth'] / 1e6:.0f} MB\n"
    )
    assert not wrong, json.dumps(wrong, indent=1)
    assert len(cases) == len(outcomes) >= 800


def test_there_are_as_many_cases_as_the_table_says() -> None:
    rows = Counter(hostile.row_of(case) for case in hostile.cases())
    assert {row for row in rows if rows[row] < ROWS[row].least} <= {"fuzz"}, rows


def test_cases_have_names_of_their_own() -> None:
    names = Counter(case.name for case in hostile.cases())
    assert [name for name, count in names.items() if count > 1] == []


# --- documents with something changed -----------------------------------------------------------


def folder(tmp: Path, build: hostile.Build) -> dict[str, bytes]:
    build(tmp)
    return {
        path.relative_to(tmp).as_posix(): path.read_bytes()
        for path in tmp.rglob("*")
        if path.is_file()
    }


def _image04(root: Path) -> None:
    channel = {
        "label": "DAPI",
        "color": "FF0000",
        "window": dict(zip(("start", "end", "min", "max"), range(4), strict=True)),
    }
    axes = [{"name": "c", "type": "channel"}, *({**a, "unit": "micrometer"} for a in hostile.AXES)]
    steps = [hostile.scale((1.0, 0.5, 0.5)), {"type": "translation", "translation": [0, 1, 2.5]}]
    entry = {
        "name": "a",
        "type": "mean",
        "version": "0.4",
        "axes": axes,
        "datasets": [{"path": p, "coordinateTransformations": steps} for p in "01"],
        "coordinateTransformations": [hostile.scale((1.0, 2.0, 2.0))],
    }
    array = hostile.zarray(shape=[1, 4, 6], chunks=[1, 4, 6])
    hostile.image2(
        {"multiscales": [entry], "omero": {"channels": [channel]}}, array, key="0/0/0/0"
    )(root)
    hostile.put(root / "1/.zarray", array)
    hostile.put(root / "1/0/0/0", hostile.RAW)
    hostile.put(root / "labels/.zattrs", {"labels": ["cells"]})
    label = {
        "colors": [{"label-value": 1, "rgba": [1, 2, 3, 4]}],
        "properties": [{"label-value": 1, "class": "x"}],
        "source": {"image": "../../"},
    }
    attrs = {"multiscales": [hostile.multiscale()], "image-label": label}
    hostile.image2(attrs)(root / "labels/cells")


def _image06(root: Path) -> None:
    world = {"name": "world", "axes": hostile.AXES}
    physical = {"name": "p", "axes": [{**a, "discrete": False} for a in hostile.AXES]}
    steps = {
        "type": "sequence",
        "input": {"path": "0"},
        "output": {"name": "p"},
        "transformations": [
            hostile.scale((2.0, 3.0)),
            {"type": "translation", "translation": [1, 2]},
        ],
    }
    turn = {
        "type": "rotation",
        "rotation": [[0, 1], [1, 0]],
        "input": {"name": "p"},
        "output": {"name": "world"},
    }
    entry = {
        "name": "a",
        "coordinateSystems": [physical, world],
        "datasets": [{"path": "0", "coordinateTransformations": [steps]}],
        "coordinateTransformations": [turn],
    }
    codecs = hostile.sharded(None)
    hostile.image3(
        {"version": "0.6rc0", "multiscales": [entry]},
        hostile.array3(codecs=codecs, dimension_names=["y", "x"]),
        chunk=hostile.shard(),
    )(root)


def _plate(root: Path) -> None:
    plate = {
        "name": "p",
        "version": "0.4",
        "field_count": 1,
        "acquisitions": [{"id": 0}],
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}],
        "wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}],
    }
    hostile.put(root / ".zgroup", {"zarr_format": 2})
    hostile.put(root / ".zattrs", {"plate": plate})
    hostile.put(root / "A/1/.zattrs", {"well": {"images": [{"path": "0", "acquisition": 0}]}})
    hostile.image2()(root / "A/1/0")


def _series(root: Path) -> None:
    hostile._series("0")(root)
    hostile.image3()(root / "0")


def _scene(root: Path) -> None:
    hostile._scene("0")(root)
    hostile.image3()(root / "0")


def _webknossos(root: Path) -> None:
    mags = [
        {"mag": [1, 1, 1], "path": "color/1", "axisOrder": dict(zip("xyz", range(3), strict=True))}
    ]
    view = {"color": [1, 2, 3], "intensityRange": [0, 1]}
    hostile._webknossos({"mags": mags, "defaultViewConfiguration": view})(root)
    hostile.put(root / "color/1/.zarray", hostile.zarray(shape=[2, 3, 4], chunks=[2, 3, 4]))
    hostile.put(root / "color/1/0/0/0", hostile.RAW)


BUILDS: Final = {
    "0.4 with labels": _image04,
    "0.5": hostile.image3(),
    "0.6 sharded": _image06,
    "plate": _plate,
    "bioformats2raw": _series,
    "scene": _scene,
    "WEBKNOSSOS": _webknossos,
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    made = {}
    for name, build in BUILDS.items():
        made[name] = folder(tmp_path_factory.mktemp("fuzz") / "store", build)
        read(made[name])  # unchanged, it opens
    return made


def read(files: Mapping[str, bytes]) -> None:
    """Open a store and read everything in it; no warnings but ours."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tree = nk.open(Memory(files), wells="all")
        for node in tree.subtree:
            for var in node.ds.data_vars.values():
                if var.size < 10**6:
                    _ = var.values
        repr(tree)
    strange = [w for w in caught if not issubclass(w.category, nk.NgffWarning)]
    assert not strange, [str(w.message) for w in strange]


JUNK: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**400]),
    st.floats(),
    st.sampled_from(["", "..", "/", "0", "x", "scale", "\0", "NaN", "0.6", "bytes", "<u2", "|O"]),
    st.text(max_size=5),
    st.lists(st.integers(-1, 4), max_size=4),
    st.dictionaries(
        st.sampled_from(["name", "path", "type", "id"]), st.text(max_size=3), max_size=2
    ),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*path, key))


def _mutate(document: Any, data: st.DataObject) -> Any:
    """Drop, replace or repeat a value anywhere in a document."""
    made = copy.deepcopy(document)
    places = list(_places(made))
    if not places:
        return made
    path = data.draw(st.sampled_from(places), label="place")
    parent = made
    for key in path[:-1]:
        parent = parent[key]
    how = data.draw(st.sampled_from(["drop", "replace", "replace", "repeat", "swap"]), label="how")
    if how == "drop":
        del parent[path[-1]]
    elif how == "replace":
        parent[path[-1]] = data.draw(JUNK, label="junk")
    elif how == "repeat" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[path[-1]]))
    else:
        other = made
        for key in data.draw(st.sampled_from(places), label="other"):
            other = other[key]
        parent[path[-1]] = copy.deepcopy(other)
    return made


@pytest.mark.faults
@settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_a_changed_document_gives_a_tree_or_our_error(
    stores: dict[str, dict[str, bytes]], ledger: Ledger, data: st.DataObject
) -> None:
    files = dict(stores[data.draw(st.sampled_from(sorted(stores)), label="store")])
    documents = sorted(key for key in files if key.endswith((".json", ".zattrs", ".zarray")))
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        key = data.draw(st.sampled_from(documents), label="document")
        files[key] = json.dumps(_mutate(json.loads(files[key]), data)).encode()
    outcome: Outcome = "wrong"
    try:
        read(files)
        outcome = "right"
    except nk.NgffError:
        outcome = "said"
    finally:
        ledger.enter("fuzz", outcome)


def test_nothing_outside_is_asked_for(stores: dict[str, dict[str, bytes]]) -> None:
    for name, files in stores.items():
        store = Memory(files)
        nk.open(store, wells="all")
        assert not [key for key in store.asked if ".." in key or key.startswith("/")], name
