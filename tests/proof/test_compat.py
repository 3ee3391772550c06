"""The scripts of compat/: what they count, resolve and list; nothing is fetched here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).parents[2]

REPORT: Final = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="x">x</failure></testcase>
<testcase classname="tests.a" name="broken"><error message="x">x</error></testcase>
<testcase classname="tests.a" name="both"><failure/><error/></testcase>
<testcase classname="tests.a" name="left out"><skipped message="x"/></testcase>
</testsuite></testsuites>"""


#: Without the collector, whose hour would decide whether the client is still there.
NO_SCHEDULER: Final = """
import gc, sys
gc.disable()
import dask.array
from distributed.client import _global_clients
from ngffkit.cli import main
assert main(["convert", "--executor", sys.argv[1], "a.npy", "a.zarr"]) == 2
assert not dict(_global_clients), dict(_global_clients)
assert dask.config.get("scheduler", None) is None
assert int(dask.array.ones(9, chunks=3).sum().compute()) == 9
"""


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "compat"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location(name, ROOT / "compat" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check(monkeypatch):
    return script("check", monkeypatch)


@pytest.fixture
def sbom(monkeypatch):
    return script("sbom", monkeypatch)


@pytest.fixture
def install(monkeypatch):
    return script("install", monkeypatch)


@pytest.fixture
def venvs(monkeypatch):
    return script("_venvs", monkeypatch)


def test_counts_are_those_of_pytests_report(check, tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    found = check.counts(tmp_path / "report.xml")
    failures = [f"tests.a::{name}" for name in ("bad", "broken", "both")]
    assert found == {"passed": 1, "failed": 3, "skipped": 1, "failures": failures}


def test_core_modules_are_there_and_need_no_sources(check):
    for name in (*check.CORE, *check.OF_SOURCES):
        assert (ROOT / "tests" / f"test_{name}.py").exists(), name
    assert not {*check.CORE} & {*check.OF_SOURCES}


def test_every_direct_dependency_has_a_lower_bound(check):
    about = check.project()
    groups = about["optional-dependencies"].values()
    wanted = [*about["dependencies"], *(one for group in groups for one in group)]
    unbound = [one for one in wanted if ">=" not in one and not one.startswith("ngffkit[")]
    assert not unbound
    assert {"zarr", "numpy", "pylibczirw", "h5py"} <= check.direct()
    assert not {"ngffkit", "pytest", "sphinx", "jupyterlab"} & check.direct()


def test_tests_are_copied_without_the_package(check, tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    check.copy_tests(tmp_path)
    assert (tmp_path / "tests" / "conftest.py").exists()
    assert (tmp_path / "pyproject.toml").exists()
    assert not (tmp_path / "ngffkit").exists()


def test_a_row_replaces_that_of_the_same_python_and_resolution(check):
    def row(python: str, resolution: str, passed: int) -> dict[str, object]:
        return {"python": python, "resolution": resolution, "passed": passed}

    old_rows = [row("3.13.0", "newest", 1), row("3.12.1", "lowest", 2)]
    old = {"scope": "core", "machine": "m", "rows": old_rows}
    new = {"scope": "core", "machine": "m", "rows": [row("3.13.5", "newest", 3)]}
    assert [r["passed"] for r in check.merged(old, new)] == [2, 3]
    assert [r["passed"] for r in check.merged(old | {"scope": "all"}, new)] == [3]
    assert [r["passed"] for r in check.merged({}, new)] == [3]


def test_what_did_not_run_is_no_success(check):
    rows = [
        {"python": "3.14", "resolution": "newest", "wrong": "not found", "wheels": True},
        {"python": "3.13.0", "resolution": "lowest", "wrong": "a\nno solution"},
    ]
    said = check.table({"scope": "all", "machine": "m", "rows": rows})
    assert "not run: not found; all it needs has wheels" in said
    assert "not run: no solution" in said


def test_an_interpreter_is_what_it_says_of_itself(venvs, tmp_path, monkeypatch):
    # a program of that name which is another version, or fails as pyenv's do, is none
    for name, does in (("python3.98", f'exec {sys.executable} "$@"'), ("python3.99", "exit 127")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert venvs.interpreter("3.98") is None
    assert venvs.interpreter("3.99") is None
    minor = "{}.{}".format(*sys.version_info)
    (tmp_path / "python3.98").rename(tmp_path / f"python{minor}")
    assert venvs.interpreter(minor) == tmp_path / f"python{minor}"


def test_a_table_goes_between_its_markers_and_nowhere_else(venvs):
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb"
    once = venvs.between_markers(page, "x", "new")
    assert "old" not in once
    assert once.startswith("a\n")
    assert once.endswith("\nb")
    assert venvs.between_markers(once, "x", "new") == once
    with pytest.raises(ValueError, match="no <!-- y: begin -->"):
        venvs.between_markers(page, "y", "new")


def test_a_dependency_costs_what_nothing_else_needs(install):
    graph = {"us": {"a", "b", "both"}, "a": {"both", "only"}, "b": {"both"}}
    graph |= {"both": set(), "only": {"a"}}
    everything = install.reached(graph, "us")
    assert everything == {*graph}
    assert everything - install.reached(graph, "us", without="a") == {"a", "only"}
    assert everything - install.reached(graph, "us", without="b") == {"b"}
    # we ask for it, and so do others: it stays
    assert install.reached(graph, "us", without="both") == everything


def test_ratios_are_those_of_one_round(install):
    assert install.ratio({"seconds": [1, 20, 3]}, {"seconds": [2, 10, 3]}) == 1
    ours = {"name": "ngffkit", "seconds": [4.0], "megabytes": 10.0, "packages": 9, "version": "1"}
    other = {"name": "zarr", "seconds": [2.0], "megabytes": 5.0, "packages": 3, "version": "3"}
    gone = {"name": "gone", "seconds": [], "wrong": "no such package"}
    results = {"rows": [ours, other, gone], "python": "3", "rounds": 1, "machine": "m"}
    said = install.table(results)
    assert "Lighter than ngffkit: zarr. Quicker: zarr." in said
    assert "| zarr | 2.00 | 2.00 |" in said
    assert "failed: no such package" in said


def test_javascript_that_is_no_tool_of_developers_is_listed(sbom):
    lock = json.loads((ROOT / "js" / "package-lock.json").read_text("utf-8"))
    assert sbom.bundled(lock) == []
    lock["packages"]["node_modules/a/node_modules/@b/c"] = {"version": "1.2", "license": "MIT"}
    (found,) = sbom.bundled(lock)
    assert (found["name"], found["purl"]) == ("@b/c", "pkg:npm/%40b/c@1.2")


def test_the_bill_names_every_direct_dependency(sbom, tmp_path):
    program = Path(
        os.environ.get("NGFFKIT_CYCLONEDX", Path(sys.executable).with_name("cyclonedx-py"))
    )
    if not program.exists():
        pytest.skip("no cyclonedx-py here: pip install cyclonedx-bom, or NGFFKIT_CYCLONEDX=...")
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"wheel")
    bill = sbom.complete(sbom.generate(program, Path(sys.executable), tmp_path / "b.json"), wheel)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "ngffkit"
    assert not sbom.missing(bill)
    # and would say so if one were left out
    bill["components"] = [one for one in bill["components"] if one["name"] != "zarr"]
    assert sbom.missing(bill) == {"zarr"}


@pytest.mark.parametrize("address", ["foo://here:1", "tls://127.0.0.1:1"])
def test_a_scheduler_that_is_not_there_leaves_dask_as_it_was(address, tmp_path):
    # the next computation of the same process waited forever; core tests on Python 3.13 showed it
    pytest.importorskip("distributed")
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 8), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", NO_SCHEDULER, address],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"no dask scheduler at {address}" in done.stderr


def test_the_nightly_job_knows_its_parts():
    said = subprocess.run(
        ["bash", ROOT / ".ci" / "nightly", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert said.stderr.startswith("no part 'nonsense'; there are: pre bounds faults bench sbom")
