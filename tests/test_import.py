"""Importing is cheap: what an import brings along, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: What may be imported only when it is used.
LATE = (
    "IPython aiohttp anywidget boto3 dask fsspec ipyfilechooser ipywidgets matplotlib numcodecs "
    "obstore requests scipy zarr"
).split()


def loaded(*statements: str) -> set[str]:
    """Run statements in a fresh process; return the top-level modules it has loaded then."""
    code = "\n".join([*statements, "import json, sys", "print(json.dumps(list(sys.modules)))"])
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_brings_along_xarray_and_nothing_else():
    assert loaded("import ngffkit").isdisjoint(LATE)
    new = loaded("import ngffkit") - loaded("import xarray")
    assert new == {"ngffkit"}


def test_names_are_imported_when_they_are_used():
    before = "import sys, ngffkit; assert not [m for m in sys.modules if m.startswith('ngffkit.')]"
    after = "assert 'ngffkit.errors' in sys.modules"
    assert "ngffkit" in loaded(before, "ngffkit.NgffError", after)


def test_every_public_name_is_there():
    import ngffkit as nk

    assert set(nk.__all__) <= set(dir(nk))
    for name in nk.__all__:
        assert getattr(nk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = nk.nonsense


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
