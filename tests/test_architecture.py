"""The house rules that a tool can check: who imports whom, where versions are known, sizes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "ngffkit"

#: A module imports from rows above its own, not from its own row or below. A folder is one module.
ROWS: Final[tuple[tuple[str, ...], ...]] = (
    # values and arithmetic
    ("cards", "cells", "errors", "grid", "layout", "mag", "registration", "shown"),
    ("image", "index"),
    ("pyramids", "reduce"),  # mags, and pixels made of pixels
    ("spec", "stores"),  # dialects; keys and bytes
    ("chunks", "samples"),  # bytes to pixels
    ("access", "discover"),  # what reading costs; documents to nodes
    ("lazy", "missing"),
    ("opened",),
    ("resolve", "tree"),  # nodes to xarray and back
    ("regions",),
    ("api",),
    ("plots", "sources", "validation"),  # sources: anything convertible
    ("description", "execute"),  # execute: tasks, and who carries them out
    ("planning",),  # what will be done
    ("progress", "typed", "verifying"),
    ("writing",),
    ("editing",),
    ("rewriting", "serving", "webknossos"),  # the same pixels elsewhere
    ("tuning",),  # what a layout costs, and what would be better
    ("widgets",),  # what notebooks show: the viewer
    ("panels",),  # and forms over all of the above
    ("demo",),
    ("accessor", "backend", "cli"),  # doors
)

#: Imports against the order, inside functions or for the type checker, each with its reason.
LAZY: Final[dict[tuple[str, str], str]] = {
    ("api", "backend"): "`open` goes through xarray, whose engine is a door to `api`",
    ("regions", "api"): "a well of a plate is opened as a tree of its own",
    ("registration", "accessor"): "`.ngff` is made when it is first used",
    ("rewriting", "tuning"): "a layout may be asked for as `advised`",
    ("resolve", "api"): "an address that outlived its process is opened again",
}

#: Modules of values: they neither open nor fetch.
VALUES: Final = (
    *("cells", "errors", "grid", "image", "layout", "mag", "pyramids", "reduce", "shown", "spec"),
)
DOING: Final = frozenset(
    "aiohttp asyncio fsspec http io obstore os pathlib requests shutil socket subprocess tempfile "
    "threading urllib zarr zipfile".split()
)

VERSION: Final = re.compile(r"0\.[1-6](\.?(dev|rc)\d*)?")

#: Version literals outside `spec`, each with its reason.
LITERALS: Final[dict[tuple[str, str], str]] = {
    ("samples", "0.5"): "the default, where help() shows it",
}

MAX_LINES, MAX_FUNCTION, MAX_PARAMETERS = 400, 60, 8
HOUSE_FUNCTION, HOUSE_PARAMETERS = 50, 6

#: Modules that are longer, with what they may grow to.
LONG: Final[dict[str, int]] = {}


@dataclass(frozen=True)
class Module:
    """One file: its name below the package, and what it says."""

    name: str
    tree: ast.Module
    lines: int

    @property
    def head(self) -> str:
        """The name that stands in `ROWS`."""
        return self.name.split("/", 1)[0]


def parse(name: str, text: str) -> Module:
    return Module(name, ast.parse(text), text.count("\n"))


@cache
def modules() -> tuple[Module, ...]:
    found = sorted(PACKAGE.rglob("*.py"))
    return tuple(
        parse(path.relative_to(PACKAGE).with_suffix("").as_posix(), path.read_text("utf-8"))
        for path in found
    )


def imports(module: Module) -> Iterator[tuple[str, bool]]:
    """Yield the modules of the package that a module imports, and whether inside a function."""

    def walk(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.module == "ngffkit":
                yield from ((alias.name, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and (child.module or "").startswith("ngffkit."):
                yield str(child.module).split(".")[1], lazy
            elif isinstance(child, ast.Import):
                names = [alias.name.split(".") for alias in child.names]
                yield from ((n[1], lazy) for n in names if n[0] == "ngffkit" and len(n) > 1)
            inside = lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            # what only the type checker sees is as good as lazy
            checked = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from walk(child, inside or checked)

    yield from walk(module.tree, lazy=False)


def rank(name: str) -> int | None:
    return next((i for i, row in enumerate(ROWS) if name in row), None)


def wrong_imports(module: Module) -> list[str]:
    """Say which imports of a module go against the order."""
    out = []
    for target, lazy in imports(module):
        own, its = rank(module.head), rank(target)
        if target == module.head or target.startswith("__") or own is None or its is None:
            continue
        if its < own or (lazy and (module.head, target) in LAZY):
            continue
        how = "lazily" if lazy else "at its top"
        out.append(f"{module.name} (row {own}) imports {target} (row {its}) {how}")
    return out


def strings(module: Module) -> Iterator[ast.Constant]:
    """Yield the string constants of a module that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def functions(module: Module) -> Iterator[tuple[str, int, int]]:
    """Yield each function with its lines of code, docstring aside, and its parameters."""
    for node in ast.walk(module.tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        lines = (node.end_lineno or 0) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bound = bool(args) and args[0].arg in ("self", "cls")
        yield f"{module.name}.{node.name}", lines, len(args) - bound


def test_every_module_has_a_place():
    homeless = {m.head for m in modules() if rank(m.head) is None} - {"__init__", "__main__"}
    assert not homeless, f"give {sorted(homeless)} a row in ROWS"


def test_rows_name_each_module_once_and_no_other():
    names = [name for row in ROWS for name in row]
    assert len(names) == len(set(names))
    assert not set(names) - {m.head for m in modules()}, "ROWS has names of modules that are gone"


def test_imports_go_up_the_list():
    wrong = [line for module in modules() for line in wrong_imports(module)]
    assert not wrong, "\n".join(wrong)


def test_exceptions_are_needed():
    used = {(m.head, target) for m in modules() for target, lazy in imports(m) if lazy}
    assert not set(LAZY) - used, "these lazy imports are gone; take them out of LAZY"


def test_version_literals_stand_in_spec_alone():
    found = [
        (module.head, str(node.value), f"{module.name}:{node.lineno}: {node.value!r}")
        for module in modules()
        for node in strings(module)
        if VERSION.fullmatch(str(node.value)) and module.head != "spec"
    ]
    wrong = [where for head, value, where in found if (head, value) not in LITERALS]
    assert not wrong, "versions belong in ngffkit/spec:\n" + "\n".join(wrong)
    assert set(LITERALS) <= {(head, value) for head, value, _ in found}, (
        "LITERALS has stale entries"
    )


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.name)
def test_values_do_no_io(module: Module):
    if module.head not in VALUES:
        return
    wrong = []
    for node in ast.walk(module.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print", "input"):
            wrong.append(f"{module.name}:{node.lineno} calls {ast.unparse(node.func)}()")
        wrong += [f"{module.name} imports {n}" for n in names if n.split(".")[0] in DOING]
    assert not wrong, "\n".join(wrong)


def test_modules_are_short():
    long = {m.name: m.lines for m in modules() if m.lines > LONG.get(m.name, MAX_LINES)}
    assert not long, f"longer than {MAX_LINES} lines: {long}"


def test_functions_are_short_and_take_few_parameters():
    found = [entry for module in modules() for entry in functions(module)]
    house = [
        f"{name}: {lines} lines, {parameters} parameters"
        for name, lines, parameters in found
        if lines > HOUSE_FUNCTION or parameters > HOUSE_PARAMETERS
    ]
    print(f"\nbeyond {HOUSE_FUNCTION} lines or {HOUSE_PARAMETERS} parameters:", *house, sep="\n  ")
    wrong = [
        f"{name}: {lines} lines, {parameters} parameters"
        for name, lines, parameters in found
        if lines > MAX_FUNCTION or parameters > MAX_PARAMETERS
    ]
    assert not wrong, "\n".join(wrong)


# --- the checks check -----------------------------------------------------------------------------


def test_an_import_against_the_order_is_found():
    assert wrong_imports(parse("grid", "from ngffkit.discover.walk import Node")) == [
        f"grid (row 0) imports discover (row {rank('discover')}) at its top"
    ]
    assert wrong_imports(parse("stores/base", "def f():\n    from ngffkit import api"))
    assert wrong_imports(parse("spec/decode", "import ngffkit.stores.opening"))


def test_an_import_with_a_reason_passes_only_inside_a_function():
    assert not wrong_imports(parse("regions", "def f():\n    from ngffkit import api"))
    assert wrong_imports(parse("regions", "from ngffkit import api"))


def test_strings_are_told_from_docstrings():
    module = parse("x", '"""0.4"""\nA = "0.5"\ndef f():\n    "0.6"\n    return f"{A} 0.1"')
    assert [node.value for node in strings(module)] == ["0.5", " 0.1"]
