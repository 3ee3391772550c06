"""Writers that die and calls that fail: what is there stays whole, and the same call goes on."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import crash_child
import faults
import numpy as np
import places
import pytest
import test_crash
from places import bucket, server, source  # noqa: F401 - fixtures

import ngffkit as nk
from ngffkit.errors import NgffError
from ngffkit.stores.targets import open_target

pytestmark = [
    pytest.mark.in_memory,
    pytest.mark.faults,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]

#: Whatever asks the system for something on the way to an image.
CALLS = (*faults.CALLS, "open", "ftruncate", "rename", "link", "unlink", "rmdir")

CONVERSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "v2": ("a.zarr", {"version": "0.4", "shards": None}),
    "v3": ("a.zarr", {"version": "0.5", "shards": None}),
    "sharded": ("a.zarr", {"version": "0.5"}),
    "zip": ("a.ozx", {"version": "0.5", "sidecar": False}),
}
EDITS = ("append", "labels", "region", "downsample", "rewrite", "copy")


def content(root: Path) -> dict[str, bytes]:
    """Return all files of what was written, a single file under the name of nothing."""
    return {"": root.read_bytes()} if root.is_file() else test_crash.tree(root)


def all_of(root: Path) -> dict[str, bytes]:
    """Return the files of an image, and of what an edit has written beside it."""
    beside = Path(f"{root}.copy.zarr")
    return content(root) | {f"copy/{key}": data for key, data in content(beside).items()}


def no_image_yet(root: Path, reference: dict[str, bytes]) -> None:
    """Assert that what was not finished is no image; but when its root is there, all is."""
    if (root / "zarr.json").exists() or (root / ".zattrs").exists() or root.is_file():
        assert content(root) == reference
        return
    try:
        found = nk.open(root)
    except NgffError:
        return
    # the commit has begun: arrays that are whole, of which nothing says yet what they are
    assert "1" not in found.children
    assert content(root).items() <= reference.items()


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v2", "zip"])
def test_a_killed_conversion_of_another_kind_resumes(ledger, server, tmp_path, kind):  # noqa: F811
    name, more = CONVERSIONS[kind]
    first = tmp_path / "first"
    first.mkdir()
    assert server.run(first / name, more=more) == 0
    reference, rng = content(first / name), random.Random(kind)
    assert server.run(first / f"slow-{name}", seed=1, more=more) == 0
    duration = server.seconds
    for i in range(ledger.many(2, 30)):
        root = tmp_path / str(i) / name
        root.parent.mkdir()
        code = server.run(root, seed=i + 1, kill_after=rng.uniform(0, duration), more=more)
        assert code in (0, -signal.SIGKILL)
        try:
            no_image_yet(root, reference)
            if not root.is_file() and not test_crash.is_finished(root):
                assert server.run(root, more=more) == 0
            assert content(root) == reference
        except BaseException:
            ledger.enter("kills", "wrong")
            raise
        ledger.enter("kills", "right")
        shutil.rmtree(root.parent)


def test_a_killed_conversion_to_s3_resumes(ledger, server, bucket, tmp_path):  # noqa: F811
    more = {"target_options": bucket.options}
    assert server.run(f"{bucket.url}/first.zarr", seed=1, more=more) == 0
    duration, reference = server.seconds, bucket.objects("first.zarr")
    assert "zarr.json" in reference
    rng = random.Random(0)
    for i in range(ledger.many(1, 12)):
        url = f"{bucket.url}/{i}.zarr"
        moment = rng.uniform(0.3, 0.9) * duration
        assert server.run(url, seed=i + 1, kill_after=moment, more=more) in (0, -signal.SIGKILL)
        try:
            if "zarr.json" not in bucket.objects(f"{i}.zarr"):
                with pytest.raises(NgffError):
                    nk.open_dataset(url, storage_options=bucket.options)
                # a lock without its owner is taken over when nobody has refreshed it for a while
                assert places.patiently(partial(server.run, url, more=more)) == 0
            assert bucket.objects(f"{i}.zarr") == reference
        except BaseException:
            ledger.enter("kills", "wrong")
            raise
        ledger.enter("kills", "right")


@pytest.mark.parametrize("what", ["append", "labels", "region", "rewrite"])
def test_a_killed_edit_leaves_the_image_and_resumes(ledger, server, tmp_path, what):  # noqa: F811
    pristine, twin = tmp_path / "p/a.zarr", tmp_path / "t/a.zarr"
    crash_child.make_edited(str(pristine))
    shutil.copytree(pristine.parent, twin.parent)
    assert server.run(twin, seed=1, do=what) == 0
    duration, reference, rng = server.seconds, content(twin), random.Random(what)
    for i in range(ledger.many(1, 12)):
        root = tmp_path / str(i) / "a.zarr"
        shutil.copytree(pristine.parent, root.parent)
        code = server.run(root, seed=i + 1, do=what, kill_after=rng.uniform(0, duration))
        assert code in (0, -signal.SIGKILL)
        try:
            undamaged(root, what)
            if content(root) != reference or not test_crash.is_finished(root):
                assert server.run(root, do=what) == 0
            assert content(root) == reference
        except BaseException:
            ledger.enter("kills", "wrong")
            raise
        ledger.enter("kills", "right")
        shutil.rmtree(root.parent)


def undamaged(root: Path, what: str) -> None:
    """Assert that the pixels that were there are, or, of a region, those that replace them."""
    found, old = nk.open_dataset(root).image.values, crash_child.pixels(1, crash_child.EDITED)
    fits = found[: len(old)] == old
    if what == "region":
        new = old.copy()
        new[:, 3:9, 5:25, 7:27] = crash_child.pixels(4, (2, 6, 20, 20))
        fits |= found == new
    assert fits.all()


# --- failing calls --------------------------------------------------------------------------------


@pytest.fixture
def jobs(tmp_path) -> Iterator[dict[str, tuple[str, Callable[[Path], Any]]]]:
    """Return what is done, each with the name of the place."""
    made: dict[str, tuple[str, Callable[[Path], Any]]] = {}
    for kind, (name, more) in CONVERSIONS.items():
        made[kind] = name, partial(places.tiny, **more)
    for what in EDITS:
        made[what] = "a.zarr", partial(doing, what=what)
    return made


def doing(root: Path, what: str) -> None:
    with crash_child.small_tasks(2**13):
        crash_child.do(what, str(root), workers=1)


@pytest.mark.parametrize("what", [*CONVERSIONS, *EDITS])
def test_whatever_call_fails_it_is_said_and_the_same_call_goes_on(ledger, tmp_path, jobs, what):
    name, job = jobs[what]
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    if what in EDITS:
        crash_child.make_edited(str(pristine / name))
    twin = shutil.copytree(pristine, tmp_path / "twin")
    with faults.failing(0, names=CALLS) as seen:
        job(twin / name)
    reference = all_of(twin / name)
    said, rng = 0, random.Random(what)
    ways = [(code, lasting) for code in (errno.EIO, errno.ENOSPC) for lasting in (False, True)]
    for code, lasting in ways if ledger.full else [rng.choice(ways)]:
        every = range(1, seen.count + 1)
        for k in rng.sample(every, min(ledger.many(4, 10**6), len(every))):
            place = shutil.copytree(pristine, tmp_path / "case")
            try:
                failed = fails(place / name, job, what, (k, code, lasting))
                resumed(place / name, job, reference)
            except BaseException as err:
                ledger.enter("failing calls", "wrong")
                err.add_note(f"call {k} of {seen.count}, {seen.names[k - 1]}, {code}, {lasting}")
                raise
            ledger.enter("failing calls", "said" if failed else "right")
            said += failed
            shutil.rmtree(place)
    assert said


def fails(root: Path, job: Callable[[Path], Any], what: str, how: tuple[int, int, bool]) -> bool:
    """Do something while a call fails; tell whether that was said."""
    k, code, lasting = how
    text = ""
    try:
        with faults.failing(k, code, CALLS, lasting=lasting):
            job(root)
    except NgffError as err:
        text = str(err)
    assert not text or str(root.parent) in text
    if what in EDITS:
        undamaged(root, what)
    return bool(text)


def resumed(root: Path, job: Callable[[Path], Any], reference: dict[str, bytes]) -> None:
    """Make the same call again, unless all is done, and compare every byte."""
    done = all_of(root) == reference
    if not done or not (root.is_file() or test_crash.is_finished(root)):
        job(root)
    found = all_of(root)
    assert sorted(found) == sorted(reference)
    assert not [key for key in reference if found[key] != reference[key]]


def test_a_single_file_is_whole_when_it_is_there(tmp_path):
    places.tiny(tmp_path / "a.ozx", sidecar=False)
    with zipfile.ZipFile(tmp_path / "a.ozx") as file:
        assert file.testzip() is None
    assert {path.name for path in tmp_path.iterdir()} == {"a.ozx"}
    assert open_target(tmp_path / "a.ozx").exists()
    assert np.any(nk.open_dataset(tmp_path / "a.ozx").image.values)
