"""A small disk that fills up while it is written to: said, nothing lost, and then it goes on."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import crash_child
import httpd
import numpy as np
import places
import pytest
import test_crash
from places import disk  # noqa: F401 - a fixture

import ngffkit as nk
from ngffkit.errors import NgffError, NgffWarning, PlanError, WriteError

pytestmark = pytest.mark.faults
ROW = "full disk"

JOBS = {
    "v2": partial(places.tiny, version="0.4", shards=None),
    "sharded": places.tiny,
    "append": lambda root: crash_child.do("append", str(root)),
    "labels": lambda root: crash_child.do("labels", str(root)),
    "rewrite": lambda root: crash_child.do("rewrite", str(root)),
}


@pytest.fixture
def folder(disk: Path) -> Iterator[Path]:  # noqa: F811
    """Give a folder of the small disk, which is empty afterwards."""
    made = disk / "x"
    made.mkdir()
    yield made
    shutil.rmtree(made)
    (disk / "filler").unlink(missing_ok=True)


def fill(disk: Path, left: int) -> None:  # noqa: F811
    """Take all of the disk but so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(max(0, free - left)))


def du(root: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("what", JOBS)
def test_what_does_not_fit_is_said_and_with_room_it_goes_on(ledger, folder, tmp_path, what):
    job, edits = JOBS[what], what not in ("v2", "sharded")
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    if edits:
        crash_child.make_edited(str(pristine / "a.zarr"))
    twin = shutil.copytree(pristine, tmp_path / "twin")
    job(twin / "a.zarr")
    reference, need = (
        test_crash.tree(twin / "a.zarr"),
        du(twin) - (0 if what == "rewrite" else du(pristine)),
    )
    rng, said = random.Random(what), 0
    for i in range(ledger.many(2, 12)):
        case = shutil.copytree(pristine, folder / str(i))
        root = case / "a.zarr"
        fill(folder.parent, rng.randrange(need))
        try:
            said += is_said(job, root)
            if edits:
                found = nk.open_dataset(root).image.values[: crash_child.EDITED[0]]
                np.testing.assert_array_equal(found, crash_child.pixels(1, crash_child.EDITED))
            (folder.parent / "filler").unlink()
            if test_crash.tree(root) != reference or not test_crash.is_finished(root):
                job(root)
            assert test_crash.tree(root) == reference
        except BaseException:
            ledger.enter(ROW, "wrong")
            raise
        ledger.enter(ROW, "said")
        shutil.rmtree(case)
    assert said


def is_said(job, root: Path) -> bool:
    """Do something; tell whether it was said, before or on the way, that there is no room."""
    text = ""
    try:
        job(root)
    except (WriteError, PlanError) as err:
        text = str(err)
    if text:
        assert "free" in text
    return bool(text)


def test_a_cache_that_is_full_costs_a_warning_and_no_pixel(ledger, folder, tmp_path):
    crash_child.make_edited(str(tmp_path / "www/a.zarr"))
    expected = nk.open_dataset(tmp_path / "www/a.zarr").image.values
    rng = random.Random(0)
    with httpd.serve(tmp_path / "www") as server:
        for i in range(ledger.many(2, 10)):
            fill(folder.parent, rng.randrange(du(tmp_path / "www")))
            cache = folder / f"cache{i}"
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                try:
                    place = nk.cache(f"{server.url}/a.zarr", folder=cache, size="4 MB")
                    found = nk.open_dataset(place).image.values
                except NgffError as err:  # there is no room for the cache's own folder
                    assert str(cache) in str(err)  # noqa: PT017 - or none at all
                    ledger.enter(ROW, "said")
                    found = expected
            assert all(issubclass(w.category, NgffWarning) for w in seen)
            (folder.parent / "filler").unlink()
            again = nk.cache(f"{server.url}/a.zarr", folder=cache, size="4 MB")
            same = np.array_equal(found, expected) and np.array_equal(
                nk.open_dataset(again).image.values, expected
            )
            ledger.enter(ROW, "right" if same else "wrong")
            assert same
            shutil.rmtree(cache, ignore_errors=True)
