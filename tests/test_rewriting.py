"""Rewritten images: the same pixels, nothing lost, the old or the new one at all times."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import faults
import httpd
import makers
import numpy as np
import pytest
import zarr

import ngffkit as nk
from ngffkit.errors import BusyError, NgffError, PlanError, SourceError, WriteError
from ngffkit.execute.locks import locked
from ngffkit.layout import Layout
from ngffkit.rewriting import comparing, swapping
from ngffkit.rewriting.doors import plan_rewrite, rewrite
from ngffkit.stores.folders import LocalTarget
from ngffkit.verifying import verify
from ngffkit.writing import convert

pytestmark = pytest.mark.in_memory

V2, V3 = "0.4", "0.5"

#: Everything that changes a disk: what `faults` knows, and what removes.
CALLS = (*faults.CALLS, "unlink", "rmdir")


def volume(shape: tuple[int, ...] = (24, 20, 22), dtype: str = "u1") -> np.ndarray:
    """Return noise, of which any bit may be set."""
    made = np.random.default_rng(7).integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    if dtype == "?":
        return made[..., 0] > 127
    return made.view(dtype).reshape(shape)


def image(root: Path, data: np.ndarray | None = None, **how: Any) -> Path:
    """Write an image of 8^3 chunks with a label and two mags, the second unlike a mean."""
    pixels = volume() if data is None else data
    chosen = makers.How(**{"version": V2, "chunks": 8, "compressor": None, "filters": None} | how)
    labels = volume(dtype="u2") % 9
    levels = makers.pyramid(pixels, chosen, "nearest")
    # no method gives these: they can only have been copied
    levels[1] = levels[1][::-1].copy()
    if data is not None:
        return makers.write(root, levels, chosen)
    return makers.write(
        root, levels, chosen, labels={"cells": makers.pyramid(labels, chosen, "nearest")}
    )


def bits_of(root: Path | str) -> dict[str, bytes]:
    """Return shape, type and bytes of every level of every image, by its path in the tree."""
    tree, out = nk.open(root), {}
    for node in tree.subtree:
        for name in set(node.data_vars) & {"image", "labels"}:
            found = node[name].values
            out[node.path] = f"{found.shape} {found.dtype.str}".encode() + found.tobytes()
    return out


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def attributes(root: Path) -> dict[str, Any]:
    if (root / "zarr.json").exists():
        return dict(json.loads((root / "zarr.json").read_text())["attributes"])
    return dict(json.loads((root / ".zattrs").read_text()))


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "options"),
    [
        (V2, {"version": V3, "chunks": 16, "shards": 32}),
        (V2, {"version": V3, "chunks": 16, "shards": None, "compression": "gzip"}),
        (V2, {"chunks": 4, "compression": "none"}),
        (V3, {"version": V2, "chunks": 16}),
        (V3, {"version": "0.6", "chunks": 8, "shards": {"z": 8, "y": 16, "x": 24}}),
        (V3, {}),
    ],
)
def test_every_level_and_label_keeps_its_bits(tmp_path, version, options):
    root = image(tmp_path / "a.zarr", version=version, compressor="auto", filters="auto")
    before = bits_of(root)
    result = rewrite(root, **options)
    assert bits_of(root) == before
    assert result.url == str(root)
    assert nk.open(root).attrs["ngff_version"] == options.get("version", version)
    assert verify(root).ok
    assert names(tmp_path) == {"a.zarr", "a.zarr.journal"}


@pytest.mark.parametrize("dtype", ["?", "i1", ">i2", "u4", "i8", "u8", "f2", ">f4", "f8"])
def test_every_type_keeps_its_bits_nan_payloads_too(tmp_path, dtype):
    data = volume(dtype=dtype)
    root = tmp_path / "a.zarr"
    how = makers.How(version=V2, chunks=8, compressor=None, filters=None, factors=())
    makers.write(root, [data], how)
    rewrite(root, version=V3, chunks=16, shards=32)
    found = nk.open(root)["1"].image.values
    # the same bits in native order
    assert found.tobytes() == data.astype(data.dtype.newbyteorder("=")).tobytes()
    if np.dtype(dtype).kind == "f":
        assert np.isnan(found).any()


def test_complex_pixels_keep_their_bits(tmp_path):
    data = volume(dtype="u1") * np.complex64(1 - 2j)
    makers.write(tmp_path / "a.zarr", [data], makers.How(factors=()))
    rewrite(tmp_path / "a.zarr", chunks=4, shards=8)
    array = zarr.open_array(str(tmp_path / "a.zarr/0"), mode="r")
    assert array[:].tobytes() == data.tobytes()


def test_five_axes_with_other_readers(tmp_path):
    data = volume((2, 3, 9, 10, 11), "u2")
    how = makers.How("tczyx", V2, (1, 1, 4, 4, 4), compressor=None, filters=None)
    root = makers.write(tmp_path / "a.zarr", makers.pyramid(data, how), how)
    rewrite(root, version=V3, chunks={"c": 3, "z": 8, "y": 8, "x": 8}, shards=None)
    array = zarr.open_array(str(root / "0"), mode="r")
    assert np.array_equal(array[:], data)
    assert array.chunks == (1, 3, 8, 8, 8)
    assert array.metadata.dimension_names == tuple("tczyx")


def test_axes_in_another_order_stay_as_they_are(tmp_path):
    data = volume()
    root = makers.write(tmp_path / "a.zarr", [data], makers.How("xyz", factors=()))
    rewrite(root, chunks=16, shards=None)
    assert [a["name"] for a in attributes(root)["ome"]["multiscales"][0]["axes"]] == list("xyz")
    assert np.array_equal(zarr.open_array(str(root / "0"), mode="r")[:], data)


@pytest.mark.parametrize("fill", [0, 7])
def test_sparse_data_keep_their_fill_and_lost_objects_are_noticed_afterwards(tmp_path, fill):
    data = np.full((32, 32, 32), fill, "u1")
    data[:8, :8, :8] = 200
    how = makers.How(version=V2, chunks=8, fill=fill, compressor=None, filters=None)
    root = makers.write(tmp_path / "a.zarr", makers.pyramid(data, how), how)
    assert len(makers.chunk_files(root / "0")) < 64
    rewrite(root, version=V3, chunks=8, shards=16)
    array = zarr.open_array(str(root / "0"), mode="r")
    assert array.fill_value == fill
    assert np.array_equal(array[:], data)
    # now every object is there, and the array says so, truly
    assert array.attrs["ngffkit_complete"] is True
    assert len([f for f in makers.chunk_files(root / "0") if f.startswith("c/")]) == 8
    (root / "0/c/1/1/1").unlink()
    with pytest.raises(NgffError, match="lost"):
        nk.open(root)["1"].image.load()


def test_a_lost_chunk_is_named_and_nothing_is_replaced(tmp_path):
    root = tmp_path / "a.zarr"
    convert(volume(), root, voxel_size=(1, 1, 1), version=V2, chunks=8, mags=["1"])
    (root / "0/1/1/1").unlink()
    files = sorted(root.rglob("*"))
    with pytest.raises(SourceError, match=r"1/1/1"):
        rewrite(root, version=V3)
    assert sorted(root.rglob("*")) == files


# --- mags -----------------------------------------------------------------------------------------


def test_only_missing_mags_are_made_and_of_the_finest_that_divides(tmp_path):
    root = image(tmp_path / "a.zarr")
    before = bits_of(root)
    plan = plan_rewrite(root, mags=["1", "2", "4"], chunks=8, method="max")
    assert plan.mags == ("1", "2", "4")
    plan.run()
    after = bits_of(root)
    assert {k: after[k] for k in before} == before
    # labels by mode, whatever the image's method
    assert set(after) - set(before) == {"/4", "/labels/cells/4"}
    second = nk.open(root)["2"].image.values
    assert np.array_equal(nk.open(root)["4"].image.values, makers.reduce(second, (2, 2, 2), "max"))
    assert [d["path"] for d in attributes(root)["multiscales"][0]["datasets"]] == ["0", "1", "2"]
    assert nk.open(root)["4"].z.values[0] == 1.5


def test_a_mag_is_made_along_with_a_change_of_version(tmp_path):
    root = image(tmp_path / "a.zarr")
    before = nk.open(root)["2"].z.values
    rewrite(root, version=V3, mags=["1", "2", "2-2-4"])
    tree = nk.open(root)
    assert list(tree["1"].sizes.values()) == [24, 20, 22]
    assert np.array_equal(tree["2"].z.values, before)
    assert tree["2-2-4"].image.shape == (6, 10, 11)
    assert nk.validate(root).valid


# --- what is said of pixels -----------------------------------------------------------------------


def dressed(root: Path) -> Path:
    """Write an image whose attributes hold more than ngffkit understands."""
    image(root)
    found = attributes(root)
    found["_creator"] = {"name": "omero-zarr", "version": "7"}
    found["custom"] = [1, {"a": None}]
    found["multiscales"][0] |= {"type": "gaussian", "metadata": {"args": [1]}, "mine": "kept"}
    found["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 0.1, 3]}]
    window = {"start": 1, "end": 9, "min": 0, "max": 255}
    found["omero"] = {
        "id": 3,
        "version": V2,
        "rdefs": {"model": "greyscale", "defaultZ": 2},
        "channels": [{"label": "EM", "color": "00ff00", "window": window, "coefficient": 2}],
    }
    (root / ".zattrs").write_text(json.dumps(found))
    label = attributes(root / "labels/cells")
    label["image-label"] |= {"colors": [{"label-value": 3, "rgba": [1, 2, 3, 4]}], "odd": True}
    (root / "labels/cells/.zattrs").write_text(json.dumps(label))
    (root / "0/.zattrs").write_text(json.dumps({"of the array": 5}))
    return root


def test_attributes_stay_word_for_word_where_the_version_does(tmp_path):
    root = dressed(tmp_path / "a.zarr")
    before = [attributes(root), attributes(root / "labels"), attributes(root / "labels/cells")]
    rewrite(root, chunks=16)
    after = [attributes(root), attributes(root / "labels"), attributes(root / "labels/cells")]
    assert after == before
    assert attributes(root / "0")["of the array"] == 5


def test_attributes_come_along_to_another_version_and_back(tmp_path):
    root = dressed(tmp_path / "a.zarr")
    before, axes = attributes(root), nk.open(root)["2"].image.coords
    rewrite(root, version=V3)
    found = attributes(root)
    assert set(found) == {"_creator", "custom", "ome"}
    entry = {k: v for k, v in before["multiscales"][0].items() if k != "version"}
    assert found["ome"]["multiscales"] == [entry]
    assert found["ome"]["omero"] == before["omero"] | {"version": V3}
    label = attributes(root / "labels/cells")["ome"]["image-label"]
    assert label == {"colors": [{"label-value": 3, "rgba": [1, 2, 3, 4]}], "odd": True}
    assert attributes(root / "0")["of the array"] == 5
    for name in "zyx":
        assert np.array_equal(nk.open(root)["2"].image.coords[name], axes[name])
    rewrite(root, version=V2)
    assert attributes(root) == before


def test_an_image_without_a_name_gets_none(tmp_path):
    root = image(tmp_path / "a.zarr")
    before = attributes(root)
    before["multiscales"][0].pop("name", None)
    (root / ".zattrs").write_text(json.dumps(before))
    rewrite(root, version=V3)
    rewrite(root, version=V2)
    assert attributes(root) == before


def test_consolidated_metadata_speak_of_all(tmp_path):
    root = image(tmp_path / "a.zarr")
    rewrite(root, version=V3, chunks=16)
    group = zarr.open_group(str(root), mode="r")
    assert sorted(group.metadata.consolidated_metadata.flattened_metadata) == [
        *("0", "1", "labels", "labels/cells", "labels/cells/0", "labels/cells/1"),
    ]


# --- what lies beside -----------------------------------------------------------------------------


def test_other_files_come_along_byte_for_byte(tmp_path):
    root = image(tmp_path / "a.zarr")
    texts = {"README.txt": b"\x00read me", "OME/METADATA.ome.xml": b"<OME/>", "0/notes": b"x"}
    for key, data in texts.items():
        (root / key).parent.mkdir(exist_ok=True)
        (root / key).write_bytes(data)
    plan = plan_rewrite(root, version=V3)
    assert set(plan.baggage.files) == set(texts)
    assert "3 other files come along" in str(plan)
    plan.run()
    assert {key: (root / key).read_bytes() for key in texts} == texts
    assert not list(root.rglob(".z*"))


def test_foreign_groups_come_along_in_the_same_format_and_are_consolidated(tmp_path):
    root = image(tmp_path / "a.zarr", version=V3, compressor="auto", filters="auto")
    table = zarr.create_array(str(root / "tables/t"), shape=4, dtype="i4", zarr_format=3)
    table[:] = 5
    zarr.open_group(str(root / "tables"), mode="a", zarr_format=3)
    rewrite(root, chunks=16)
    assert np.array_equal(zarr.open_group(str(root), mode="r")["tables/t"][:], [5] * 4)


def test_foreign_groups_forbid_a_change_of_format_in_place_and_are_named_elsewhere(tmp_path):
    root = image(tmp_path / "a.zarr")
    zarr.create_group(str(root / "tables"), zarr_format=2)
    plan = plan_rewrite(root, version=V3)
    assert [p.loc for p in plan.problems if p.severity == "error"] == ["tables"]
    with pytest.raises(PlanError, match="tables"):
        plan.run()
    assert names(tmp_path) == {"a.zarr"}
    elsewhere = plan_rewrite(root, target=tmp_path / "b.zarr", version=V3)
    assert elsewhere.ok
    assert [p.loc for p in elsewhere.problems] == ["tables"]


def test_links_to_folders_forbid_to_replace_what_they_lie_in(tmp_path):
    root = image(tmp_path / "a.zarr")
    (tmp_path / "far").mkdir()
    (root / "near").symlink_to(tmp_path / "far")
    with pytest.raises(PlanError, match="near: is a link"):
        rewrite(root)


def test_the_sidecar_is_told_the_new_format(tmp_path):
    root = tmp_path / "a.zarr"
    convert(volume(), root, voxel_size=(1, 1, 1), version=V2, sidecar=True, mags=["1"])
    rewrite(root, version=V3, chunks=16)
    found = json.loads((root / "datasource-properties.json").read_text())
    assert found["dataLayers"][0]["dataFormat"] == "zarr3"
    assert found["dataLayers"][0]["mags"][0]["path"] == "./0"


def test_all_series_of_a_container_are_rewritten(tmp_path):
    root = tmp_path / "a.zarr"
    for i in range(2):
        image(root / str(i), volume() + np.uint8(i))
    (root / "OME").mkdir()
    (root / "OME/METADATA.ome.xml").write_text("<OME/>")
    (root / "OME/.zgroup").write_text('{"zarr_format": 2}')
    (root / ".zgroup").write_text('{"zarr_format": 2}')
    (root / ".zattrs").write_text('{"bioformats2raw.layout": 3}')
    before = bits_of(root)
    plan = plan_rewrite(root, version=V3)
    assert [p.loc for p in plan.problems if p.severity == "error"] == ["OME"]
    rewrite(root, chunks=16)
    assert bits_of(root) == before
    assert attributes(root) == {"bioformats2raw.layout": 3}
    assert (root / "OME/METADATA.ome.xml").read_text() == "<OME/>"
    rewrite(root, None, tmp_path / "b.zarr", version=V3)
    assert attributes(tmp_path / "b.zarr") == {"ome": {"version": V3, "bioformats2raw.layout": 3}}
    assert bits_of(tmp_path / "b.zarr") == before


def test_what_only_looks_like_a_chunk_comes_along_and_empty_folders_do(tmp_path):
    root = image(tmp_path / "a.zarr")
    for name in ("2023", "1.5", "c"):
        (root / "0" / name).write_text(name)
    (root / "empty/inner").mkdir(parents=True)
    (root / "0/c").rename(root / "0/see")
    rewrite(root, version=V3, chunks=16)
    assert {name: (root / "0" / name).read_text() for name in ("2023", "1.5")} == {
        "2023": "2023",
        "1.5": "1.5",
    }
    assert (root / "0/see").read_text() == "c"
    assert (root / "empty/inner").is_dir()


def test_a_new_mag_takes_no_name_that_something_else_has(tmp_path):
    root = image(tmp_path / "a.zarr")
    zarr.create_array(str(root / "2"), shape=4, dtype="i4", zarr_format=2)[:] = 5
    rewrite(root, mags=["1", "2", "4"])
    assert np.array_equal(zarr.open_array(str(root / "2"), mode="r")[:], [5] * 4)
    assert [d["path"] for d in attributes(root)["multiscales"][0]["datasets"]] == ["0", "1", "3"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_what_can_not_be_copied_forbids_to_replace_the_image(tmp_path):
    root = image(tmp_path / "a.zarr")
    os.mkfifo(root / "pipe")
    (root / "0/nowhere").symlink_to("gone")
    found = plan_rewrite(root, version=V3).problems
    assert [p.loc for p in found if p.severity == "error"] == ["pipe", "0/nowhere"]


def test_a_folder_that_can_not_be_listed_does_not_count_as_empty(tmp_path, monkeypatch):
    root = image(tmp_path / "a.zarr")
    (root / "notes").mkdir()
    (root / "notes/a.txt").write_text("mine")
    original = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("/notes"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SourceError, match="notes"):
        rewrite(root, version=V3)
    monkeypatch.undo()
    assert (root / "notes/a.txt").read_text() == "mine"


@pytest.mark.parametrize("where", ["a.zarr", "a.zarr/labels/cells", "."])
def test_what_may_not_be_written_to_is_not_replaced(tmp_path, monkeypatch, where):
    root = image(tmp_path / "a.zarr")
    closed, original = tmp_path / where, os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != closed and original(path, mode)
    )
    plan = plan_rewrite(root, version=V3)
    assert [p.severity for p in plan.problems] == ["error"]


def test_owner_mode_times_and_extended_attributes_stay(tmp_path):
    root = image(tmp_path / "a.zarr")
    (root / "run.sh").write_text("x")
    (root / "run.sh").chmod(0o750)
    os.utime(root / "run.sh", (5, 5))
    (root / "0").chmod(0o2770)
    (root / ".zattrs").chmod(0o640)
    root.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(root / ".zattrs", 1234, 1235)
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(root, "user.mine", b"1")
        os.setxattr(root / "run.sh", "user.mine", b"2")
    seen, document = set(), (root / ".zattrs").stat()
    listed = [getattr(os, "listxattr", lambda _: 0)(p) for p in (root, root / "run.sh")]

    def watch(_: Any) -> None:
        seen.add(oct(Path(f"{root}.rewriting").stat().st_mode & 0o777))

    rewrite(root, version=V3, chunks=8, progress=watch)
    assert seen == {"0o700"}
    modes = {"": 0o700, "0": 0o2770, "run.sh": 0o750, "zarr.json": 0o640, "0/c/0/0/0": 0o640}
    assert {key: (root / key).stat().st_mode & 0o7777 for key in modes} == modes
    chunk = (root / "0/c/0/0/0").stat()
    assert (chunk.st_uid, chunk.st_gid) == (document.st_uid, document.st_gid)
    assert (root / "run.sh").stat().st_mtime == 5
    assert [getattr(os, "listxattr", lambda _: 0)(p) for p in (root, root / "run.sh")] == listed


def come(root: Path) -> None:
    (root / "labels/late.txt").write_text("hi")


def go(root: Path) -> None:
    shutil.rmtree(root / "0/1")


def change(root: Path) -> None:
    path = root / "1/0/0/0"
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("happen", [come, go, change])
@pytest.mark.parametrize("beside", [False, True])
def test_files_that_come_go_or_change_meanwhile_stop_it(tmp_path, happen, beside):
    root = image(tmp_path / "a.zarr")
    target = tmp_path / "b.zarr" if beside else None
    once = [happen]

    def watch(_: Any) -> None:
        if once:
            once.pop()(root)

    with pytest.raises(NgffError, match="nothing was replaced"):
        rewrite(root, None, target, version=V3, progress=watch)
    assert (root / ".zattrs").exists()
    assert not (tmp_path / "b.zarr/zarr.json").exists()
    before = bits_of(root)
    rewrite(root, None, target, version=V3)
    assert bits_of(target or root) == before
    assert ((target or root) / "labels/late.txt").exists() == (happen is come)


# --- where it goes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.zarr", "b.ozx"])
def test_beside_it_leaves_the_image_alone(tmp_path, name):
    root = image(tmp_path / "a.zarr")
    before, files = bits_of(root), {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    result = rewrite(root, {"chunks": 16}, tmp_path / name, version=V3)
    assert bits_of(result.url) == before
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == files
    with pytest.raises(PlanError, match="exists"):
        rewrite(root, {"chunks": 16}, tmp_path / name, version=V3)


def test_to_and_from_memory(tmp_path):
    root = image(tmp_path / "a.zarr")
    rewrite(root, None, "memory://rewritten.zarr", version=V3)
    assert bits_of("memory://rewritten.zarr") == bits_of(root)
    rewrite(nk.open("memory://rewritten.zarr"), None, tmp_path / "c.zarr", version=V2)
    assert bits_of(tmp_path / "c.zarr") == bits_of(root)
    with pytest.raises(PlanError, match="pass target="):
        rewrite("memory://rewritten.zarr", chunks=16)


def test_the_old_image_is_kept_when_asked_for(tmp_path):
    root = image(tmp_path / "a.zarr")
    before = bits_of(root)
    rewrite(root, version=V3, keep=True)
    assert bits_of(tmp_path / "a.zarr.before") == before
    assert (tmp_path / "a.zarr.before/.zattrs").exists()
    with pytest.raises(PlanError, match=r"before exists"):
        rewrite(root, chunks=8, keep=True)


def test_through_a_link_the_folder_itself_is_replaced(tmp_path):
    root = image(tmp_path / "a.zarr")
    (tmp_path / "link").symlink_to(root)
    before = bits_of(root)
    rewrite(tmp_path / "link", version=V3)
    assert (tmp_path / "link").is_symlink()
    assert bits_of(root) == before
    assert (root / "zarr.json").exists()


@pytest.mark.parametrize("where", ["..", ".", "0", "copy/b.zarr"])
def test_a_target_around_or_in_the_image_is_refused(tmp_path, where):
    (tmp_path / "c.zarr").mkdir()
    root = image(tmp_path / "c.zarr/a")
    before = bits_of(root)
    (tmp_path / "link").symlink_to(tmp_path / "c.zarr")
    with pytest.raises(PlanError, match="image"):
        rewrite(root, None, tmp_path / "link/a" / where, overwrite=True)
    with pytest.raises(PlanError, match="holds the image"):
        rewrite(root, None, tmp_path / "link", overwrite=True)
    assert bits_of(root) == before


@pytest.mark.parametrize("document", ["zarr.json", ".zgroup", "datasource-properties.json"])
def test_what_a_group_further_up_or_behind_a_link_speaks_of_is_not_replaced(tmp_path, document):
    root = image(tmp_path / "g/labels/a")
    (tmp_path / "g" / document).write_text("{}")
    assert "is a part of" in str(plan_rewrite(root, chunks=16).problems)
    far = image(tmp_path / "far.zarr")
    (tmp_path / "g/b").symlink_to(far)
    assert "is a part of" in str(plan_rewrite(tmp_path / "g/b", chunks=16).problems)
    assert plan_rewrite(far, chunks=16).ok


def test_a_folder_of_others_where_the_new_image_would_be_written_stays(tmp_path):
    root = image(tmp_path / "a.zarr")
    plan = plan_rewrite(root, version=V3)
    (tmp_path / "a.zarr.rewriting").mkdir()
    (tmp_path / "a.zarr.rewriting/thesis.txt").write_text("mine")
    with pytest.raises(WriteError, match="move it elsewhere"):
        plan.run()
    with pytest.raises(PlanError, match="move it elsewhere"):
        rewrite(root, version=V3)
    assert (tmp_path / "a.zarr.rewriting/thesis.txt").read_text() == "mine"


# --- what is asked for ----------------------------------------------------------------------------


def test_a_layout_may_be_a_layout(tmp_path):
    root = image(tmp_path / "a.zarr")
    layout = Layout((1, 1, 1), np.dtype("u1"), (8, 8, 16), (8, 16, 16), ("zstd",), 3)
    rewrite(root, layout)
    found = nk.open(root)["1"].image.encoding
    assert (found["chunks"], found["shards"]) == ((8, 8, 16), (8, 16, 16))


def test_what_is_not_asked_for_stays(tmp_path):
    root = image(tmp_path / "a.zarr", version=V3, compressor="auto", filters="auto")
    rewrite(root, chunks=4, shards=8)
    rewrite(root, mags=["1", "2", "4"])
    for mag in ("1", "2", "4"):
        found = nk.open(root)[mag].image.encoding
        assert (found["chunks"], found["shards"]) == ((4, 4, 4), (8, 8, 8))


def test_advice_is_followed_and_no_advice_changes_nothing(tmp_path, monkeypatch):
    root = image(tmp_path / "a.zarr")
    advice: dict[str, Any] = {}
    fake = types.ModuleType("ngffkit.tuning.doors")
    fake.__dict__["tune"] = lambda _: types.SimpleNamespace(layout=advice)
    monkeypatch.setitem(sys.modules, "ngffkit.tuning.doors", fake)
    with pytest.raises(PlanError, match="nothing is advised"):
        rewrite(root, "advised")
    advice.update(version=V3, chunks=16, shards=32)
    rewrite(root, "advised")
    assert nk.open(root)["1"].image.encoding["shards"] == (32, 32, 32)


def test_old_versions_become_one_that_is_written(tmp_path):
    root = image(tmp_path / "a.zarr")
    found = attributes(root)
    found["multiscales"][0]["version"] = "0.3"
    found["multiscales"][0]["axes"] = list("zyx")
    for item in found["multiscales"][0]["datasets"]:
        del item["coordinateTransformations"]
    (root / ".zattrs").write_text(json.dumps(found | {"mine": 1}))
    before = bits_of(root)
    plan = plan_rewrite(root)
    assert [p.loc for p in plan.problems] == ["version"]
    plan.run()
    assert bits_of(root) == before
    assert attributes(root)["mine"] == 1
    assert nk.validate(root).valid


def test_what_was_interrupted_goes_on_and_another_layout_begins_anew(tmp_path):
    root = image(tmp_path / "a.zarr")
    before = bits_of(root)

    def stop(progress: Any) -> None:
        if progress.tasks_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(root, version=V3, progress=stop)
    assert bits_of(root) == before
    seen: list[int] = []
    rewrite(root, version=V3, progress=lambda p: seen.append(p.resumed))
    assert max(seen) > 0
    with pytest.raises(KeyboardInterrupt):
        rewrite(root, version=V2, progress=stop)
    seen.clear()
    rewrite(root, chunks=4, progress=lambda p: seen.append(p.resumed))
    assert max(seen) == 0
    assert bits_of(root) == before
    assert names(tmp_path) == {"a.zarr", "a.zarr.journal"}


def test_from_a_web_server_to_a_folder(tmp_path):
    root = image(tmp_path / "a.zarr")
    with httpd.serve(tmp_path) as server:
        with pytest.raises(PlanError, match="pass target="):
            rewrite(f"{server.url}/a.zarr", version=V3)
        rewrite(f"{server.url}/a.zarr", None, tmp_path / "b.zarr", version=V3)
    assert bits_of(tmp_path / "b.zarr") == bits_of(root)


def test_the_plan_counts_before_and_after(tmp_path):
    root = image(tmp_path / "a.zarr")
    plan = plan_rewrite(root, version=V3, chunks=16, shards=32)
    assert plan.files_before == 2 * (27 + 8)
    assert plan.files == 4
    assert names(tmp_path) == {"a.zarr"}
    assert "70 objects become 4" in plan._repr_html_()
    plan.run()
    assert len([f for f in makers.chunk_files(root) if "/c/" in f]) == 4


def refused(root: Path) -> list[tuple[dict[str, Any], str]]:
    return [
        ({"shards": 16}, "pass version"),
        ({"layout": 5}, "no layout"),
        ({"layout": {"chunks": 8}, "chunks": 8}, "twice|once"),
        ({"crop": {"z": slice(2)}}, "no option of rewrite"),
        ({"chonks": 8}, "did you mean chunks"),
        ({"target": root}, "is the image itself"),
        ({"overwrite": True}, "is for a target"),
        ({"version": "0.1"}, "no choice"),
        ({"chunks": {"q": 8}}, "does not fit"),
        ({"mags": ["2", "1"]}, "finest first|begin with 1"),
        ({"memory": "1 MB"}, "too little"),
        ({"image": "labels/cells"}, "one of the images"),
    ]


@pytest.mark.parametrize("i", range(12))
def test_what_makes_no_sense_is_refused_and_nothing_changes(tmp_path, i):
    root = image(tmp_path / "a.zarr")
    options, words = refused(root)[i]
    with pytest.raises(PlanError, match=words):
        rewrite(root, **options)
    assert names(tmp_path) == {"a.zarr"}


def test_plain_arrays_and_parts_of_others_are_rewritten_elsewhere_only(tmp_path):
    data = volume()
    zarr.create_array(str(tmp_path / "p.zarr"), data=data, chunks=(8, 8, 8), dimension_names="zyx")
    with pytest.raises(PlanError, match="no OME-Zarr"):
        rewrite(tmp_path / "p.zarr")
    rewrite(tmp_path / "p.zarr", None, tmp_path / "q.zarr")
    assert np.array_equal(nk.open(tmp_path / "q.zarr")["1"].image.values, data)
    well = makers.well(tmp_path / "w.zarr", {"0": [data]}, makers.How(factors=()))
    with pytest.raises(PlanError, match="is a part of"):
        rewrite(well / "0")
    plate = makers.plate(tmp_path / "plate.zarr", "A", 1, 1)
    with pytest.raises(PlanError, match="is a plate"):
        rewrite(plate)


def test_an_image_that_is_being_written_is_not_rewritten(tmp_path):
    root = image(tmp_path / "a.zarr")
    plan = plan_rewrite(root, version=V3)
    with locked(LocalTarget(root)), pytest.raises(BusyError, match="being written"):
        plan.run()
    assert "a.zarr.rewriting" not in names(tmp_path)


def test_a_plan_of_what_was_changed_since_is_not_run(tmp_path):
    root = image(tmp_path / "a.zarr")
    plan = plan_rewrite(root, chunks=16)
    rewrite(root, version=V3)
    with pytest.raises(PlanError, match="changed since"):
        plan.run()


def test_what_was_changed_after_a_kill_is_not_mixed_with_what_was_written(tmp_path):
    root = image(tmp_path / "a.zarr")

    def stop(progress: Any) -> None:
        if progress.tasks_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(root, version=V3, verify=False, progress=stop)
    array = zarr.open_array(str(root / "0"), mode="a")
    array[:8, :8, :8] = 99
    before = bits_of(root)
    rewrite(root, version=V3, verify=False)
    assert bits_of(root) == before


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["pixels", "object"])
def test_a_flipped_byte_is_noticed_and_nothing_is_replaced(tmp_path, monkeypatch, what):
    root = image(tmp_path / "a.zarr")
    before = bits_of(root)
    original = comparing.compare

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[17] ^= 1
        path.write_bytes(data)

    def tampered(*args: Any) -> int:
        chunk = Path(f"{root}.rewriting/0/c/0/0/0")
        if what == "pixels":  # without compression every byte is a pixel
            flip(chunk)
        found = original(*args)
        if what == "object":
            flip(chunk)
        return found

    monkeypatch.setattr("ngffkit.rewriting.carrying.compare", tampered)
    with pytest.raises(WriteError, match="nothing was replaced"):
        rewrite(root, version=V3, chunks=8, shards=None, compression="none")
    assert bits_of(root) == before
    assert (root / ".zattrs").exists()
    monkeypatch.undo()
    rewrite(root, version=V3, chunks=8, shards=None, compression="none")
    assert bits_of(root) == before
    assert names(tmp_path) == {"a.zarr", "a.zarr.journal"}


def test_every_call_of_the_system_may_fail_once(tmp_path):
    pristine = image(tmp_path / "pristine.zarr", volume((9, 8, 8)))
    before, root = bits_of(pristine), tmp_path / "a.zarr"
    shutil.copytree(pristine, root)
    with faults.failing(0, names=CALLS) as seen:
        rewrite(root, version=V3, workers=1)
    assert seen.count > 60
    failed = 0
    for k in range(1, seen.count + 1, 3):
        shutil.rmtree(root)
        shutil.rmtree(f"{root}.journal", ignore_errors=True)
        shutil.copytree(pristine, root)
        try:
            with faults.failing(k, errno.EIO, CALLS):
                rewrite(root, version=V3, workers=1)
        except NgffError:
            failed += 1
        assert bits_of(root) == before
        rewrite(root, version=V3, workers=1)
        assert bits_of(root) == before
        assert names(tmp_path) == {"pristine.zarr", "a.zarr", "a.zarr.journal"}
    assert failed > 15


def test_where_the_second_renaming_fails_the_old_image_gets_its_name_back(tmp_path, monkeypatch):
    root = image(tmp_path / "a.zarr")
    before, original = bits_of(root), os.replace

    def replace(one: Any, other: Any) -> None:
        if str(one).endswith(".rewriting"):
            raise OSError(errno.EIO, "Input/output error")
        original(one, other)

    monkeypatch.setattr(swapping, "_exchanged", lambda *_: False)
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(WriteError):
        rewrite(root, version=V3)
    monkeypatch.undo()
    assert state_of(root) == "old"
    assert bits_of(root) == before
    rewrite(root, version=V3)
    assert bits_of(root) == before


def test_an_old_image_that_can_not_be_removed_is_named_and_removed_later(tmp_path, monkeypatch):
    root = image(tmp_path / "a.zarr")
    before = bits_of(root)

    clear = LocalTarget.clear

    def refuse(target: LocalTarget) -> None:
        if Path(target.root, ".zattrs").exists():
            raise OSError(errno.EBUSY, "Device or resource busy")
        clear(target)

    monkeypatch.setattr(LocalTarget, "clear", refuse)
    with pytest.raises(WriteError, match="the new image is in its place"):
        rewrite(root, version=V3)
    monkeypatch.undo()
    assert state_of(root) == "new"
    assert bits_of(root) == before
    rewrite(root, chunks=4)
    assert bits_of(root) == before
    assert names(tmp_path) == {"a.zarr", "a.zarr.journal"}


CHILD = """
import os, shutil, sys, importlib
import faults
from ngffkit.rewriting import swapping
from ngffkit.rewriting.doors import rewrite
for name in "chunks.reader verifying stores.folders execute.commit rewriting.carrying".split():
    importlib.import_module(f"ngffkit.{name}")
calls = (*faults.CALLS, "unlink", "rmdir")
slow = sys.argv[1] == "renames"
if slow:
    swapping._exchanged = lambda one, other: False
for line in sys.stdin:
    root, keep, k = line.split()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with faults.killing(int(k), calls) as seen:
                rewrite(root, version=sys.argv[2], keep=keep == "keep", workers=1)
            code = 0
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are exchanged on Linux")
@pytest.mark.parametrize(
    ("way", "keep"), [("exchange", "remove"), ("exchange", "keep"), ("renames", "remove")]
)
def test_killed_at_any_call_the_old_or_the_new_image_is_there(tmp_path, way, keep):
    pristine = image(tmp_path / "pristine.zarr", volume((9, 8, 8)))
    before, root = bits_of(pristine), tmp_path / "a.zarr"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command, seen = [sys.executable, "-c", CHILD, way, V3], []
    # the first calls write pixels, one like the other
    moments = [*range(2, 60, 14), *range(60, 400, 1 + (keep == "keep"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for moment in moments:
            shutil.copytree(pristine, root)
            print(root, keep, moment, file=child.stdin, flush=True)
            code = int(child.stdout.readline())
            assert code in (0, -9)
            seen.append(state_of(root))
            if seen[-1] != "neither":
                assert bits_of(root) == before
            # the next call goes on, ends it, or does the same again
            if seen[-1] == "new" and keep == "keep":
                swapping.recover(LocalTarget(root))
            else:
                rewrite(root, version=V3, keep=keep == "keep", workers=1)
            assert state_of(root) == "new"
            assert bits_of(root) == before
            assert verify(root).ok
            kept = {"a.zarr.before", "a.zarr.before.journal"} if keep == "keep" else set()
            assert names(tmp_path) - kept == {"pristine.zarr", "a.zarr", "a.zarr.journal"}
            if keep == "keep":
                assert bits_of(tmp_path / "a.zarr.before") == before
            for name in names(tmp_path) - {"pristine.zarr"}:
                shutil.rmtree(tmp_path / name)
            if code == 0:
                break
    order = [state for i, state in enumerate(seen) if not i or seen[i - 1] != state]
    assert [state for state in order if state != "neither"] == ["old", "new"]
    assert ("neither" in order) == (way == "renames")
    assert min(seen.count("old"), seen.count("new")) > 3


def state_of(root: Path) -> str:
    """Tell whether the old image has the name, or the new one, whole."""
    if not root.exists():
        return "neither"
    return "new" if (root / "zarr.json").exists() else "old"
