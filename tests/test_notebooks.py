"""Every notebook runs from top to bottom, shows pictures, and is stored without outputs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest

NOTEBOOKS: Final = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

#: Pictures and cards that a notebook shows, at least.
SHOWN: Final = {
    "00_start.ipynb": {"image/png": 1, "text/html": 1},
    "01_open.ipynb": {"image/png": 6, "text/html": 6},
    "02_convert.ipynb": {"image/png": 3, "text/html": 2},
    "03_browse.ipynb": {"application/vnd.jupyter.widget-view+json": 3, "image/png": 4},
    "04_time_and_nd.ipynb": {
        "application/vnd.jupyter.widget-view+json": 1,
        "image/png": 8,
        "text/html": 7,
    },
    "05_labels_and_measurement.ipynb": {
        "application/vnd.jupyter.widget-view+json": 1,
        "image/png": 5,
        "text/html": 5,
    },
    "06_tune.ipynb": {"image/png": 1, "text/html": 3},
    "07_cluster.ipynb": {"image/png": 3, "text/html": 1},
    "08_webknossos_and_viewers.ipynb": {"image/png": 1, "text/html": 4},
}

#: The page that the others are listed on, and where Binder begins.
START: Final = "00_start.ipynb"


#: The kernel is that of the environment the tests run in, whatever else is installed.
ENVIRONMENT: Final = {
    **{name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
    "PYTHONWARNINGS": "",
}

RUNNER: Final = """
import sys, nbformat
from nbclient import NotebookClient
source, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
try:
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, target)
"""


def run(path: Path, folder: Path) -> Any:
    """Execute a notebook in a process of its own, in an empty folder; return it with outputs."""
    done = folder / path.name
    command = [sys.executable, "-c", RUNNER, str(path), str(done)]
    kept = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert kept.returncode == 0, kept.stderr
    return nbformat.read(done, as_version=4)


#: Links to other files of the project.
LINK: Final = re.compile(r"\]\((?!https?:)([^)#]+)\)")

#: What the package itself brings along.
OF_NGFFKIT: Final = frozenset(
    {"ngffkit", "matplotlib", "numpy", "obstore", "pandas", "PIL", "xarray", "zarr"}
)

#: Packages that are asked for by another name.
COMES_WITH: Final = {"dask": "distributed", "skimage": "scikit-image"}


def prose(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs(path: Path, tmp_path: Path):
    notebook = run(path, tmp_path)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    complaints = [out.text for out in outputs if out.get("name") == "stderr"]
    assert not complaints, "\n".join(complaints)
    kinds = Counter(kind for out in outputs for kind in out.get("data", ()))
    assert all(kinds[kind] >= n for kind, n in SHOWN[path.name].items()), kinds


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stored_without_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_fetches_nothing(path: Path):
    # a server of its own may be read by its address, which nobody can write down
    assert "://" not in code(path)
    assert "pip install" not in code(path)


def test_every_number_has_a_notebook_and_the_start_page_lists_them():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i:02d}" for i in range(len(NOTEBOOKS))]
    listed = LINK.findall(prose(NOTEBOOKS[0]))
    assert listed == [path.name for path in NOTEBOOKS[1:]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_links_of_a_notebook_lead_somewhere(path: Path):
    links = LINK.findall(prose(path))
    assert all((path.parent / link).is_file() for link in links), links
    if path.name != START:
        # to the next notebook, and to the page that has it all
        last = nbformat.read(path, as_version=4).cells[-1]
        assert "Next" in last.source
        assert any(link.endswith(".ipynb") for link in LINK.findall(last.source))
        assert any(link.startswith("../docs/") for link in LINK.findall(last.source))


def test_what_notebooks_import_is_installed_on_binder():
    wanted = (NOTEBOOKS[0].parents[1] / "binder" / "requirements.txt").read_text()
    imported = set()
    for path in NOTEBOOKS:
        for node in ast.walk(ast.parse(code(path))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    others = imported - set(sys.stdlib_module_names) - OF_NGFFKIT
    missing = [name for name in others if COMES_WITH.get(name, name) not in wanted]
    assert not missing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_leaves_only_what_git_ignores(path: Path):
    """Folders and files that notebooks write are ignored by name."""
    ignored = (NOTEBOOKS[0].parents[1] / ".gitignore").read_text().split()
    written = re.findall(r'"([\w.]+\.(?:zarr|ozx|html|gif)|slices\w*|dataset)"', code(path))
    patterns = [line.removeprefix("/notebooks/").rstrip("/") for line in ignored]
    left = [*written, *(f"{name}.journal" for name in written if name.endswith(".zarr"))]
    assert not [name for name in left if not any(fnmatch(name, p) for p in patterns)]
