"""Every notebook runs from top to bottom, shows pictures, and is stored without outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest

NOTEBOOKS: Final = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

#: Pictures and cards that a notebook shows, at least.
SHOWN: Final = {
    "01_open.ipynb": {"image/png": 6, "text/html": 6},
    "02_convert.ipynb": {"image/png": 3, "text/html": 2},
    "03_browse.ipynb": {"application/vnd.jupyter.widget-view+json": 3, "image/png": 4},
    "06_tune.ipynb": {"image/png": 1, "text/html": 3},
}


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
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "http" not in code
    assert "pip install" not in code
