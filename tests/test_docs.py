"""Every example runs: the code of README and docs, and the examples of docstrings."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import ngffkit

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "reference").glob("*.md")),
)
FENCE: Final = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES: Final = tuple(
    info.name
    for info in pkgutil.walk_packages(ngffkit.__path__, "ngffkit.")
    if not info.name.endswith("__main__")
)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(ngffkit.sample(tmp_path_factory.mktemp("docs") / "cells.ome.zarr"))


@pytest.fixture
def place(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder that holds a sample; a page may damage it."""
    shutil.copytree(original, tmp_path / "cells.ome.zarr")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of the Python blocks of a page."""
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        if match.group(1) in ("python", "pycon", "py"):
            yield text.count("\n", 0, match.start(2)), match.group(2)


def run_plain(text: str, line: int, page: Path, names: dict[str, Any]) -> None:
    tree = ast.parse("\n" * line + text, str(page))
    exec(compile(tree, str(page), "exec"), names)


def run_session(text: str, line: int, page: Path, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), line)
    test.globs = names  # one namespace per page, not a copy per block
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    failed, _ = runner.run(test, out=said.append, clear_globs=False)
    assert not failed, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_of_a_page_runs_in_order(page: Path, place: Path):
    names: dict[str, Any] = {"__name__": page.stem, "path": str(place / "cells.ome.zarr")}
    for line, text in blocks(page):
        run = run_session if text.lstrip().startswith(">>>") else run_plain
        run(text, line, page, names)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str, place: Path):
    module = importlib.import_module(name)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text("utf-8"))
    dead = [target for target in targets if not (page.parent / target).exists()]
    assert not dead, f"{page.name} links to {dead}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_that_a_page_names_are_there(page: Path):
    named = set(
        re.findall(
            r"\b(?:tests|benchmarks|notebooks|binder|docs)/[\w./-]+\w", page.read_text("utf-8")
        )
    )
    assert not {name for name in named if not (ROOT / name).exists()}


def test_every_command_of_the_makefile_is_described():
    text = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    described = re.findall(r'@echo "make (\S+)', text)
    assert set(described) == set(phony.split()) - {"help"}


def test_every_module_stands_on_the_map():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    heads = {name.split(".")[1] for name in MODULES}
    missing = {head for head in heads if f"`{head}`" not in page and f"`{head}/`" not in page}
    assert not missing, f"docs/architecture.md says nothing of {sorted(missing)}"
