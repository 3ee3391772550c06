"""Importing is cheap: what an import brings along, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: What may be imported only when it is used.
LATE = (
    "IPython aiohttp anywidget boto3 dask fsspec ipyfilechooser ipywidgets matplotlib numcodecs "
    "obstore requests scipy starlette uvicorn webknossos zarr"
).split()


def loaded(*statements: str) -> set[str]:
    """Run statements in a fresh process; return the top-level modules it has loaded then."""
    code = "\n".join([*statements, "import json, sys", "print(json.dumps(list(sys.modules)))"])
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_brings_along_nothing():
    new = loaded("import ngffkit") - loaded("pass")
    assert new - sys.stdlib_module_names == {"ngffkit"}


@pytest.mark.parametrize(
    "statements",
    [
        ("import ngffkit", "import xarray"),
        ("import xarray", "import ngffkit"),
        # to look for a module is not to load it
        ("import ngffkit", "import importlib.util as u; u.find_spec('xarray')", "import xarray"),
        ("import ngffkit", "import importlib; importlib.reload(ngffkit)", "import xarray"),
    ],
)
def test_the_accessor_is_there_whoever_comes_first(statements):
    check = "assert all(hasattr(getattr(xarray, k), 'ngff') for k in KINDS)"
    kinds = "KINDS = ('Dataset', 'DataArray', 'DataTree')"
    clean = "import sys; assert not [f for f in sys.meta_path if 'ngffkit' in repr(type(f))]"
    loaded(*statements, kinds, check, clean)


def test_names_are_imported_when_they_are_used():
    before = (
        "import sys, ngffkit; "
        "assert {m for m in sys.modules if m[:8] == 'ngffkit.'} == {'ngffkit.registration'}"
    )
    after = "assert 'ngffkit.errors' in sys.modules"
    assert "ngffkit" in loaded(before, "ngffkit.NgffError", after)


def test_every_public_name_is_there():
    import ngffkit as nk

    assert set(nk.__all__) <= set(dir(nk))
    for name in nk.__all__:
        assert getattr(nk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = nk.nonsense


def test_planning_a_stack_of_images_needs_no_xarray():
    # 40 MB, which would count against the memory that a conversion may take
    assert not {"xarray", "pandas"} & loaded("from ngffkit import writing")


def test_opening_needs_no_plots_no_widgets_no_dask(tmp_path):
    import ngffkit as nk

    path = nk.sample(tmp_path / "cells.ome.zarr")
    opened = ("import ngffkit as nk", f"dt = nk.open({path!r})", "dt['1'].ngff.voxel_size")
    assert loaded(*opened).isdisjoint({*LATE} - {"numcodecs"})
    # xarray itself imports dask, and that scipy, when it first looks at an array
    found = loaded(*opened, "dt['4-4-1']['image'].isel(z=3).values")
    assert found.isdisjoint({*LATE} - {"numcodecs", "dask", "scipy"})


def test_the_engine_is_registered_without_importing_it():
    code = "import sys, xarray as xr; assert 'ngff' in xr.backends.list_engines()"
    assert "xarray" in loaded(code)
