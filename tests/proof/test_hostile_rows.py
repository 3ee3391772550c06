"""Ways out that are no document of a store: keys, names, zip entries, files that name files."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest

import ngffkit as nk
from ngffkit.sources.opening import open_source
from ngffkit.stores.targets import open_target
from ngffkit.writing import convert

#: What must never be read: pixels of a file beside the folder that was given.
SECRET = np.full(24, 0x5EC2, "<u2").tobytes()

#: Paths that are text, and lead out of a folder or could do so somewhere.
PATHS = {
    kind: path
    for kind, path in hostile.PATHS.items()
    if isinstance(path, str) and kind not in ("percent", "very long", "newline", "surrogate")
}

#: Of those, what is a name like any other for a file system: keys may have it.
NAMES = ("home", "http", "s3", "file")


@pytest.fixture(scope="module")
def watcher() -> hostile.Watcher:
    return hostile.Watcher()


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    """Return a folder with a secret beside it."""
    (tmp_path / "secret").mkdir()
    for name in ("secret.bin", "secret/0", "x"):
        (tmp_path / name).write_bytes(SECRET)
    made = tmp_path / "inner"
    made.mkdir()
    return made.resolve()


def outcome(ledger: Any, said: bool, *, row: str = "escapes") -> None:
    ledger.enter(row, "said" if said else "wrong")


# --- keys and names -------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind not in NAMES])
def test_no_key_is_written_outside(inner, ledger, kind):
    key = PATHS[kind]
    before = sorted(inner.parent.rglob("*"))
    try:
        open_target(inner / "a.zarr").put(key, b"x")
        said = False
    except nk.NgffError:
        said = True
    outside = [p for p in inner.parent.rglob("*") if p not in before and inner not in p.parents]
    outcome(ledger, said and not outside)
    assert said
    assert not outside


@pytest.mark.faults
@pytest.mark.parametrize("kind", PATHS)
def test_no_labels_get_a_name_that_leads_out(inner, ledger, kind):
    path = str(inner / "a.zarr")
    convert(np.ones((4, 8, 8), "u1"), path, voxel_size=(1, 1, 1), mags=[1])
    before = {p: p.stat().st_mtime_ns for p in inner.parent.rglob("*") if p.is_file()}
    try:
        nk.add_labels(path, np.ones((4, 8, 8), "u4"), PATHS[kind])
        said = False
    except nk.NgffError:
        said = True
    after = {p: p.stat().st_mtime_ns for p in inner.parent.rglob("*") if p.is_file()}
    outcome(ledger, said and before == after)
    assert said
    assert before == after


@pytest.mark.faults
@pytest.mark.parametrize("place", ["folder", "array", "labels"])
def test_nothing_is_written_through_a_link_that_leads_out(inner, ledger, place):
    path = inner / "a.zarr"
    convert(np.ones((4, 8, 8), "u1"), str(path), voxel_size=(1, 1, 1), mags=[1], shards=None)
    linked = {"folder": path / "0/c", "array": path / "0", "labels": path / "labels"}[place]
    if linked.exists():
        linked.rename(inner.parent / f"moved-{place}")
        linked.symlink_to(inner.parent / f"moved-{place}")
    else:
        linked.symlink_to(inner.parent / "secret")
    before = {p: p.read_bytes() for p in inner.parent.rglob("*") if p.is_file()}
    try:
        if place == "labels":
            nk.add_labels(str(path), np.ones((4, 8, 8), "u4"), "a")
        else:
            nk.write_region(str(path), np.full((4, 8, 8), 9, "u1"), at={"z": 0, "y": 0, "x": 0})
        said = False
    except nk.NgffError:
        said = True
    same = {
        p: p.read_bytes()
        for p in inner.parent.rglob("*")
        if p.is_file() and inner not in p.resolve().parents
    }
    kept = all(before[p] == data for p, data in same.items())
    outcome(ledger, said and kept)
    assert said
    assert kept


# --- zip files ------------------------------------------------------------------------------------

ENTRIES = {
    "climbing": "../../secret.bin",
    "absolute": "/etc/passwd",
    "drive": "C:\\secret.bin",
    "backslash": "..\\secret.bin",
    "a pipe's name": "/dev/stdin",
    "through": "0/../../secret.bin",
}


def zipped(path: Path, entry: str, wanted: str) -> None:
    """Write an image whose only array is at `wanted`, beside an entry with a bad name."""
    ome = {"version": "0.5", "multiscales": [hostile.multiscale()]}
    ome["multiscales"][0]["datasets"][0]["path"] = wanted
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("zarr.json", json.dumps(hostile.group3({"ome": ome})))
        file.writestr("0/zarr.json", json.dumps(hostile.array3()))
        file.writestr("0/c/0/0", hostile.RAW)
        file.writestr(entry, SECRET)
        file.writestr(f"{entry}/zarr.json", json.dumps(hostile.array3()))


@pytest.mark.faults
@pytest.mark.parametrize("kind", ENTRIES)
def test_entries_with_bad_names_are_data_and_no_places(inner, ledger, watcher, kind):
    zipped(inner / "a.ozx", ENTRIES[kind], "0")
    names = sorted(inner.parent.rglob("*"))
    watcher.watch(inner)
    try:
        pixels = nk.open(inner / "a.ozx")["1"]["image"].values
    finally:
        outside = watcher.stop()
    fine = np.array_equal(pixels, hostile.PIXELS) and not outside
    fine = fine and sorted(inner.parent.rglob("*")) == names
    ledger.enter("escapes", "right" if fine else "wrong")
    assert fine, outside


@pytest.mark.faults
@pytest.mark.parametrize("kind", ENTRIES)
def test_documents_in_zip_files_name_no_such_entries(inner, ledger, watcher, kind):
    zipped(inner / "a.ozx", ENTRIES[kind], ENTRIES[kind])
    watcher.watch(inner)
    try:
        nk.open(inner / "a.ozx")
        said = False
    except nk.MetadataError as err:
        said = "datasets[0].path" in str(err)
    outside = watcher.stop()
    outcome(ledger, said and not outside)
    assert said
    assert not outside


# --- files that name files ------------------------------------------------------------------------


def ome_tiff(path: Path, name: str) -> None:
    import tifffile

    held = io.BytesIO()
    tifffile.imwrite(held, np.zeros((4, 6), "u2"), description="placeholder", metadata=None)
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="6" '
        'SizeY="4" SizeZ="1" SizeC="1" SizeT="1"><TiffData IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:0</UUID></TiffData></Pixels></Image></OME>'
    )
    path.write_bytes(b"")
    tifffile.imwrite(path, np.zeros((4, 6), "u2"), description=xml, metadata=None)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["../other.tif", "/{}", "a/../../other.tif", "..//other.tif"])
def test_ome_tiffs_name_no_files_elsewhere(inner, ledger, watcher, name):
    import tifffile

    other = inner.parent / "other.tif"
    tifffile.imwrite(other, np.frombuffer(SECRET, "<u2").reshape(4, 6))
    ome_tiff(inner / "a.ome.tif", name.format(str(other)[1:]))
    watcher.watch(inner)
    try:
        pixels = open_source(str(inner / "a.ome.tif")).read((slice(0, 4), slice(0, 6)))
        said = False
    except nk.NgffError:
        said, pixels = True, np.zeros(1)
    outside = [what for what in watcher.stop() if "other" in what]
    outcome(ledger, said and not outside)
    assert not (pixels == 0x5EC2).any()
    assert said
    assert not outside


def _external(file: Any, secret: Path) -> None:
    file.create_dataset("a", (4, 6), "<u2", external=[(str(secret), 0, 48)])


def _virtual(file: Any, secret: Path) -> None:
    import h5py

    with h5py.File(secret.parent / "other.h5", "w") as other:
        other["a"] = np.frombuffer(SECRET, "<u2").reshape(4, 6)
    layout = h5py.VirtualLayout((4, 6), "<u2")
    layout[:] = h5py.VirtualSource(str(secret.parent / "other.h5"), "a", (4, 6))
    file.create_virtual_dataset("a", layout)


def _linked(file: Any, secret: Path) -> None:
    import h5py

    with h5py.File(secret.parent / "other.h5", "w") as other:
        other["a"] = np.frombuffer(SECRET, "<u2").reshape(4, 6)
    file["a"] = h5py.ExternalLink(str(secret.parent / "other.h5"), "a")


@pytest.mark.faults
@pytest.mark.parametrize("how", [_external, _virtual, _linked])
def test_hdf5_takes_no_pixels_from_files_elsewhere(inner, ledger, how):
    h5py = pytest.importorskip("h5py")
    with h5py.File(inner / "a.h5", "w") as file:
        how(file, inner.parent / "secret.bin")
    try:
        pixels = open_source(str(inner / "a.h5")).read((slice(0, 4), slice(0, 6)))
        said = False
    except nk.NgffError:
        said, pixels = True, np.zeros(1)
    outcome(ledger, said and not (pixels == 0x5EC2).any())
    assert not (pixels == 0x5EC2).any()
    assert said


def test_hdf5_may_keep_its_pixels_in_files_beside_it(inner):
    h5py = pytest.importorskip("h5py")
    (inner / "part.raw").write_bytes(hostile.RAW)
    with h5py.File(inner / "a.h5", "w") as file:
        file.create_dataset("a", (4, 6), "<u2", external=[(str(inner / "part.raw"), 0, 48)])
    pixels = open_source(str(inner / "a.h5")).read((slice(0, 4), slice(0, 6)))
    assert np.array_equal(pixels, hostile.PIXELS)


@pytest.mark.faults
def test_imaris_takes_no_pixels_from_files_elsewhere(inner, ledger):
    h5py = pytest.importorskip("h5py")
    with h5py.File(inner.parent / "other.h5", "w") as other:
        other["Data"] = np.full((1, 4, 6), 0x5EC2, "<u2")
    with h5py.File(inner / "a.ims", "w") as file:
        channel = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        for name, size in zip("XYZ", (6, 4, 1), strict=True):
            channel.attrs[f"ImageSize{name}"] = np.frombuffer(str(size).encode(), "S1")
        channel["Data"] = h5py.ExternalLink(str(inner.parent / "other.h5"), "Data")
    try:
        open_source(str(inner / "a.ims"))
        said = False
    except nk.NgffError as err:
        said = "not beside it" in str(err)
    outcome(ledger, said)
    assert said


class Bad:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.faults
@pytest.mark.parametrize("dtype", ["O", [("a", "O")]])
def test_npy_files_run_no_code(inner, ledger, dtype):
    bad = Bad(inner / "ran")
    pixels = np.empty((4, 6), dtype)
    pixels[...] = (bad,) if isinstance(dtype, list) else bad
    np.save(inner / "a.npy", pixels, allow_pickle=True)
    try:
        open_source(str(inner / "a.npy"))
        said = False
    except nk.NgffError:
        said = True
    fine = said and not bad.path.exists()
    outcome(ledger, fine, row="pickle")
    assert fine


def test_the_watcher_sees_what_is_opened_elsewhere(inner, watcher):
    """What looks at every case must be able to see something."""
    watcher.watch(inner)
    (inner / "fine").write_bytes(b"")
    (inner.parent / "secret.bin").read_bytes()
    assert len(watcher.stop()) == 1
