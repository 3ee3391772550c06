"""What can be written to: one contract over folders, S3 and fsspec; faults; single files."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import buckets
import google_crc32c
import makers
import numpy as np
import pytest
from faults import failing, short_writes
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import How

import ngffkit as nk
from ngffkit.errors import NgffError, SourceError, WriteError
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.packing import pack
from ngffkit.stores.targets import Target, Written, beside, open_target

Make = Callable[[], Target]

KEYS = {"access_key_id": "key", "secret_access_key": "secret", "region": "us-east-1"}


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Serve an empty bucket; return the storage options."""
    with buckets.running("bucket") as url:
        yield {"endpoint": url, **KEYS}


@pytest.fixture(params=["local", "s3", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what opens one and the same target, empty at first."""
    name = f"{uuid.uuid4().hex}.zarr"
    if request.param == "local":
        return lambda: open_target(tmp_path / name)
    if request.param == "s3":
        options = request.getfixturevalue("s3")
        return lambda: open_target(f"s3://bucket/some/{name}", options)
    return lambda: open_target(f"memory://some/{name}")


@pytest.fixture
def target(make: Make) -> Target:
    return make()


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, whatever they are."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def crc(data: bytes) -> int:
    return int(google_crc32c.value(data))


# --- the contract ---------------------------------------------------------------------------------


def test_nothing_is_there_at_first(target):
    assert not target.exists()
    assert list(target.keys()) == []
    target.remove("a/b")
    target.clear()
    target.sync()
    target.sweep()


def test_what_is_put_is_read_back(target):
    data = b"123456789"
    assert target.put("0/c/0/1", data) == Written("0/c/0/1", 9, 0xE3069283)  # RFC 3720, B.4
    target.sync()
    assert target.exists()
    assert bytes(target.store.get("0/c/0/1")) == data
    target.put("0/c/0/1", b"new")
    assert bytes(target.store.get("0/c/0/1")) == b"new"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytearray(b"abc"),
        memoryview(b"abcdef")[2:],
        np.arange(6, dtype=">u2").reshape(2, 3),
        np.zeros((0, 3)),
        bytes(range(256)) * 3000,
    ],
    ids=["empty", "bytearray", "memoryview", "array", "empty array", "beyond a piece"],
)
def test_any_buffer_is_taken(target, data):
    raw = data.tobytes() if hasattr(data, "tobytes") else bytes(data)
    expected = Written("x", len(raw), crc(raw))
    assert target.put("x", data) == expected
    assert bytes(target.store.get("x")) == raw
    part = target.begin("x")
    assert part.append(data) == 0
    assert part.commit() == expected
    assert bytes(target.store.get("x")) == raw


def test_a_large_object_appears_as_a_whole(target):
    part = target.begin("0/c/0")
    pieces = [b"abc", b"", b"defg", bytes(300_000)]
    assert [part.append(piece) for piece in pieces] == [0, 3, 3, 7]
    assert part.size == 300_007
    assert target.store.get("0/c/0") is None
    assert list(target.keys()) == []
    assert part.commit() == Written("0/c/0", 300_007, crc(b"".join(pieces)))
    assert bytes(target.store.get("0/c/0")) == b"".join(pieces)
    for late in (part.commit, lambda: part.append(b"more")):
        with pytest.raises(WriteError, match="begin it again"):
            late()
    part.abort()
    assert list(target.keys()) == ["0/c/0"]


def test_until_then_the_old_one_stays(target):
    target.put("x", b"old")
    part = target.begin("x")
    part.append(b"new")
    assert bytes(target.store.get("x")) == b"old"
    part.abort()
    part.abort()
    assert bytes(target.store.get("x")) == b"old"
    with pytest.raises(WriteError, match="aborted"):
        part.commit()


def test_two_attempts_never_share_a_file(target):
    one, other = target.begin("x"), target.begin("x")
    one.append(b"a")
    other.append(b"bb")
    one.append(b"a")
    one.commit()
    assert bytes(target.store.get("x")) == b"aa"
    other.commit()
    assert bytes(target.store.get("x")) == b"bb"


def test_threads_append_to_one(target):
    part, piece = target.begin("x"), [bytes([i]) * 1000 for i in range(64)]
    with ThreadPoolExecutor(8) as pool:
        offsets = list(pool.map(part.append, piece))
    done = part.commit()
    data = bytes(target.store.get("x"))
    assert sorted(offsets) == [1000 * i for i in range(64)]
    for begin, wanted in zip(offsets, piece, strict=True):
        assert data[begin : begin + 1000] == wanted
    assert done.crc == crc(data)


def test_keys_are_those_below_a_folder(target):
    names = ["zarr.json", "1/zarr.json", "1/c/0", "10/c/0", "a b#c%20/ü"]
    for name in names:
        target.put(name, b"x")
    assert sorted(target.keys()) == sorted(names)
    assert sorted(target.keys("1")) == ["1/c/0", "1/zarr.json"]
    assert list(target.keys("1/")) == list(target.keys("1"))
    assert list(target.keys("nothing")) == []
    assert list(target.keys("zarr.json")) == []
    target.remove("1/c/0")
    target.remove("1/c/0")
    assert sorted(target.keys("1")) == ["1/zarr.json"]


def test_clearing_leaves_nothing(target):
    for name in ("zarr.json", "1/c/0", "labels/a/1/.zarray"):
        target.put(name, b"x")
    target.clear()
    assert not target.exists()
    target.put("1/c/0", b"again")
    assert list(target.keys()) == ["1/c/0"]


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "a/", "../a", "a/../b", "a/..", ".", "./a", "a\\b", "C:/x", "a\0b"]
)
def test_keys_that_lead_elsewhere_are_refused(target, key):
    for act in (lambda: target.put(key, b"x"), lambda: target.begin(key)):
        with pytest.raises(WriteError, match="this is no key"):
            act()
    with pytest.raises(WriteError, match="this is no key"):
        target.remove(key)
    assert not target.exists()


def test_what_is_beside_is_apart(target):
    other = beside(target, ".journal")
    assert other.url == f"{target.url}.journal"
    other.put("log", b"x")
    assert not target.exists()
    assert list(other.keys()) == ["log"]
    target.put("zarr.json", b"x")
    target.clear()
    assert list(other.keys()) == ["log"]
    other.clear()
    assert not other.exists()


def test_a_pickled_target_writes_to_the_same_place(target):
    target.put("a", b"x")
    copy = pickle.loads(pickle.dumps(target))
    copy.put("b", b"y")
    copy.sync()
    part = copy.begin("c")
    part.append(b"z")
    part.commit()
    assert sorted(target.keys()) == ["a", "b", "c"]
    assert beside(copy, ".journal").url == beside(target, ".journal").url


@settings(max_examples=25, deadline=None)
@given(pieces=st.lists(st.binary(max_size=64), max_size=12), most=st.integers(1, 64))
def test_short_writes_are_completed(tmp_path_factory, pieces, most):
    target = open_target(tmp_path_factory.mktemp("short") / "x")
    data = b"".join(pieces)
    with short_writes(most):
        part = target.begin("a")
        for piece in pieces:
            part.append(piece)
        assert part.commit().crc == target.put("b", data).crc == crc(data)
    assert target.store.get("a") == target.store.get("b") == data


# --- places ---------------------------------------------------------------------------------------


def test_places_that_cannot_be_written_are_refused(tmp_path):
    for url, said in [
        ("https://host/x.zarr", "web servers are read-only"),
        ("simplecache::s3://bucket/x", "chain of file systems"),
        ("nosuchscheme://x/y", "nosuchscheme"),
        ("s3://bucket", "a whole bucket"),
        ("memory://", "a whole file system"),
        ("/", "name a folder below it"),
        ("  ", "no place to write to"),
        (3, "a path or a URL was expected"),
        ("a\0b", "is not a path"),
    ]:
        with pytest.raises(NgffError, match=said):
            open_target(url)
    with pytest.raises(WriteError, match="this is no key"):
        open_target("s3://bucket/a/../b", KEYS)


def test_a_file_url_is_a_folder(tmp_path):
    open_target((tmp_path / "a b").as_uri()).put("x", b"1")
    assert tree(tmp_path) == {"a b/x": b"1"}


def test_opening_makes_nothing(tmp_path):
    target = open_target(tmp_path / "a" / "b.zarr")
    assert not target.exists()
    assert (target.free() or 0) > 0
    beside(target, ".journal")
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_what_it_leads_to(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.zarr").symlink_to(tmp_path / "disk" / "real.zarr")
    target = open_target(tmp_path / "out.zarr")
    target.put("a", b"x")
    assert tree(tmp_path / "disk") == {"real.zarr/a": b"x"}
    assert target.work == str(tmp_path / "disk" / "real.zarr.journal" / "partial")
    target.clear()
    assert (tmp_path / "out.zarr").is_symlink()


def test_links_that_lead_out_are_refused(tmp_path):
    (tmp_path / "elsewhere" / "c").mkdir(parents=True)
    (tmp_path / "elsewhere" / "c" / "0").write_bytes(b"precious")
    root = tmp_path / "x.zarr"
    root.mkdir()
    (root / "1").symlink_to(tmp_path / "elsewhere")
    (root / "inside").mkdir()
    (root / "in").symlink_to(root / "inside")
    target = open_target(root)
    for act in (
        lambda: target.put("1/c/0", b"x"),
        lambda: target.put("1/new/0", b"x"),
        lambda: target.begin("1/c/0"),
        lambda: target.remove("1/c/0"),
    ):
        with pytest.raises(WriteError, match="a link that leads out"):
            act()
    target.put("in/x", b"x")
    assert (root / "inside" / "x").exists()
    assert list(target.keys()) == ["inside/x"]
    target.clear()
    assert not target.exists()
    assert tree(tmp_path / "elsewhere") == {"c/0": b"precious"}


def test_a_link_in_place_of_an_object_is_replaced_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").symlink_to(tmp_path / "precious")
    open_target(tmp_path / "x").put("a", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "x" / "a").is_symlink()


def test_what_is_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    target = open_target(tmp_path / "file")
    assert target.exists()
    with pytest.raises(WriteError, match="file"):
        target.put("a", b"x")
    target = open_target(tmp_path / "x")
    target.put("a/b", b"x")
    with pytest.raises(WriteError, match="a folder has this name"):
        target.put("a", b"x")
    with pytest.raises(WriteError, match="a file stands where a folder is needed"):
        target.put("a/b/c", b"x")
    with pytest.raises(WriteError, match="the name is too long"):
        target.put("n" * 300, b"x")
    assert tree(tmp_path) == {"file": b"x", "x/a/b": b"x"}
    open_target(tmp_path / "file").clear()
    assert not (tmp_path / "file").exists()


def test_documents_go_first_when_clearing(tmp_path, monkeypatch):
    target = open_target(tmp_path / "x")
    for name in ("0/c/0", "0/zarr.json", "zarr.json", "labels/zarr.json", ".zattrs"):
        target.put(name, b"x")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "not now")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(WriteError, match="disk failed"):
            target.clear()
    assert list(target.keys()) == ["0/c/0"]
    gone: list[str] = []
    for name in ("0/zarr.json", "zarr.json", ".zattrs"):
        target.put(name, b"x")
    unlink = os.unlink
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda p, **more: (gone.append(str(p)), unlink(p, **more)))
        target.clear()
    order = [Path(path).relative_to(target.root).as_posix() for path in gone[:3]]
    # attributes after what they belong to: they say that no chunk was left out
    assert order == ["zarr.json", ".zattrs", "0/zarr.json"]


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_documents_go_first_elsewhere_too(kind, request, monkeypatch):
    name, gone = uuid.uuid4().hex, []
    options = request.getfixturevalue("s3") if kind == "s3" else None
    target = open_target(f"{kind}://bucket/{name}", options)
    for key in ("0/c/0", "0/zarr.json", "a", "zarr.json", ".zattrs"):
        target.put(key, b"x")
    method = "_delete" if kind == "s3" else "remove"
    inner = getattr(type(target), method)

    def watch(self: Any, keys: Any) -> None:
        gone.extend(keys if isinstance(keys, list) else [keys])
        inner(self, keys)

    monkeypatch.setattr(type(target), method, watch)
    target.clear()
    assert gone == [".zattrs", "zarr.json", "0/zarr.json", "0/c/0", "a"]


def test_a_swept_folder_is_made_again(tmp_path):
    target, other = open_target(tmp_path / "x"), open_target(tmp_path / "x")
    target.put("a/b", b"1")
    Path(target.work, "left-by-an-attempt-that-died").write_bytes(b"x")
    assert len(tree(tmp_path)) == 2
    other.sweep()
    assert tree(tmp_path) == {"x/a/b": b"1"}
    target.put("a/c", b"2")
    other.clear()
    target.put("a/c", b"3")
    target.begin("a/d").commit()
    assert tree(tmp_path) == {"x/a/c": b"3", "x/a/d": b""}


def test_a_partial_file_that_is_forgotten_is_gone(tmp_path):
    target = open_target(tmp_path / "x")
    part = target.begin("a")
    part.append(b"x")
    assert len(tree(tmp_path)) == 1
    del part
    assert tree(tmp_path) == {}


def test_putting_takes_few_system_calls(tmp_path):
    target = open_target(tmp_path / "x")
    target.put("c/0/0/0", b"x")
    with failing(0, names=("open", "write", "close", "replace", "mkdir", "fsync", "stat")) as seen:
        target.put("c/0/0/1", b"x")
    assert seen.names == ["open", "write", "close", "replace"]
    with failing(0, names=("fsync",)) as seen:
        target.sync()
        assert seen.count >= 2 + 4  # files; folders with new names
        before = seen.count
        target.sync()
        assert seen.count == before


def test_a_remote_refusal_is_said(s3):
    target = open_target("s3://no-such-bucket/x.zarr", s3)
    for act in (lambda: target.put("a", b"x"), target.begin("a").commit):
        with pytest.raises(WriteError, match=r"can't write 'a' at s3://no-such-bucket/x.zarr/a"):
            act()
    down = open_target(
        "s3://bucket/x",
        {**s3, "endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 0}},
    )
    with pytest.raises(WriteError, match="is the server down"):
        down.put("a", b"x")


def test_an_upload_in_parts(s3, monkeypatch):
    from ngffkit.stores import uploads

    monkeypatch.setattr(uploads, "_ONE_REQUEST", 2**20)
    monkeypatch.setattr(uploads, "PART", 5 * 2**20)
    target = open_target(f"s3://bucket/{uuid.uuid4().hex}", s3)
    data = np.random.default_rng(0).integers(0, 256, 11 * 2**20, np.uint8)
    part = target.begin("big")
    for i in range(11):
        part.append(data[i * 2**20 : (i + 1) * 2**20])
    assert part.commit() == Written("big", data.size, crc(data.tobytes()))
    assert bytes(target.store.get("big")) == data.tobytes()
    assert target.put("big2", data).crc == crc(data.tobytes())
    assert bytes(target.store.get("big2")) == data.tobytes()


def test_an_upload_that_came_short_is_no_object(s3, monkeypatch):
    target = open_target(f"s3://bucket/{uuid.uuid4().hex}", s3)
    monkeypatch.setattr("ngffkit.stores.remote.ObjectStore.size", lambda *_: 1)
    part = target.begin("x")
    part.append(b"abc")
    with pytest.raises(WriteError, match="not all of its 3 bytes came"):
        part.commit()
    assert list(target.keys()) == []


# --- faults ---------------------------------------------------------------------------------------


def fill(target: Target) -> None:
    target.put("zarr.json", b"{}")
    target.put("1/c/0", b"chunk")
    part = target.begin("1/c/1")
    try:
        part.append(b"begin")
        part.append(b"end")
        part.commit()
    finally:
        part.abort()
    target.sync()


GOOD = {"x/zarr.json": b"{}", "x/1/c/0": b"chunk", "x/1/c/1": b"beginend"}


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_every_call_may_fail(tmp_path, code, lasting):
    with failing(0) as seen:
        fill(open_target(tmp_path / "0" / "x"))
    assert {"write", "fsync", "replace", "mkdir"} <= set(seen.names)
    for k in range(1, seen.count + 1):
        root = tmp_path / str(k)
        target = open_target(root / "x")
        with failing(k, code, lasting=lasting), pytest.raises(WriteError) as caught:
            fill(target)
        said = "the disk is full" if code == errno.ENOSPC else "the disk failed"
        assert said in str(caught.value)
        assert "can't write" in str(caught.value)
        left = {name: data for name, data in tree(root).items() if name.startswith("x/")}
        assert left.items() <= GOOD.items(), k
        assert not tree(root / "x.journal"), k
        fill(target)
        assert tree(root) == GOOD, k


def test_an_append_that_failed_is_repeated(tmp_path):
    target = open_target(tmp_path / "x")
    part = target.begin("a")
    part.append(b"0123")
    with short_writes(2), failing(2, errno.ENOSPC, ("pwrite",)), pytest.raises(WriteError):
        part.append(b"456789")
    assert part.size == 4
    assert part.append(b"x") == 4
    assert part.commit() == Written("a", 5, crc(b"0123x"))
    assert target.store.get("a") == b"0123x"


def test_what_the_disk_refused_once_is_written_again(tmp_path):
    target = open_target(tmp_path / "x")
    target.put("a", b"x")
    with failing(1, names=("fsync",)), pytest.raises(WriteError, match="'a'"):
        target.sync()
    with pytest.raises(WriteError, match="write it again"):
        target.sync()
    target.put("a", b"x")
    target.sync()


def test_syncing_waits_for_those_who_sync(tmp_path, monkeypatch):
    """Two threads share a target: neither goes on before its own files are on the disk."""
    target, fsync = open_target(tmp_path / "x"), os.fsync
    synced: set[int] = set()
    started, go = threading.Event(), threading.Event()

    def slow(fd: int) -> None:
        started.set()
        assert go.wait(10)
        synced.add(os.fstat(fd).st_ino)
        fsync(fd)

    target.put("a", b"x")
    target.put("b", b"x")
    inode = (tmp_path / "x" / "b").stat().st_ino
    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(target.sync)
        assert started.wait(10)
        second = pool.submit(lambda: (target.sync(), inode in synced)[1])
        go.set()
        first.result(10)
        assert second.result(10)


def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root mounts")
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted here")
    try:
        target = open_target(disk / "x")
        target.put("a", bytes(100_000))
        assert (target.free() or 0) < 200_000
        with pytest.raises(WriteError, match="the disk is full; free some space"):
            target.put("b", bytes(300_000))
        part = target.begin("c")
        with pytest.raises(WriteError, match="the disk is full"):
            part.append(bytes(300_000))
        part.append(b"small")
        part.commit()
        target.put("a", b"fits again")
        assert list(target.keys()) == ["a", "c"]
        with pytest.raises(WriteError, match="a mount point of its own"):
            open_target(disk).put("a", b"x")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_right_to_write_is_said(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o500)
    with pytest.raises(WriteError, match="ask for the right to write there") as caught:
        open_target(tmp_path / "mine" / "x").put("a", b"x")
    assert caught.value.denied


# --- single files ---------------------------------------------------------------------------------

PIXELS = np.random.default_rng(0).integers(1, 999, (8, 64, 64), np.uint16)
HOW = How(dims="zyx", chunks=(4, 16, 16), factors=[{"y": 2, "x": 2}])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    levels = makers.pyramid(PIXELS, HOW)
    root = tmp_path_factory.mktemp("pack") / "x.zarr"
    return makers.write(root, levels, HOW, labels={"cells": levels})


@pytest.fixture(scope="module")
def packed(folder: Path) -> Path:
    file = folder.parent / "x.ozx"
    done = pack(str(folder), str(file), "0.5")
    data = file.read_bytes()
    assert done == Written("x.ozx", len(data), crc(data))
    assert sorted(path.name for path in folder.parent.iterdir()) == ["x.ozx", "x.zarr"]
    return file


def test_a_single_file_is_opened_by_all(packed):
    import tensorstore as ts
    import zarr
    from zarr.storage import ZipStore

    np.testing.assert_array_equal(nk.open(packed)["1"].image.values, PIXELS)
    with ZipStore(packed, mode="r") as store:
        np.testing.assert_array_equal(zarr.open_group(store, mode="r")["0"][...], PIXELS)
    where = {"driver": "zip", "base": f"file://{packed}", "path": "0/"}
    found = ts.open({"driver": "zarr3", "kvstore": where}, read=True).result()
    np.testing.assert_array_equal(found.read().result(), PIXELS)


def test_a_single_file_holds_what_the_folder_holds(packed, folder):
    with zipfile.ZipFile(packed) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == tree(folder)
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        assert {info.extract_version for info in file.infolist()} == {45}
        assert file.comment == (
            b'{"ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": true}}}}'
        )


def test_documents_come_first_breadth_first(packed):
    with zipfile.ZipFile(packed) as file:
        names = [info.filename for info in sorted(file.infolist(), key=lambda i: i.header_offset)]
        assert names == file.namelist()
    documents = [name for name in names if name.endswith("zarr.json")]
    assert names[: len(documents)] == documents
    assert names[0] == "zarr.json"
    assert documents == sorted(documents, key=lambda name: (name.count("/"), name))
    assert len({name.count("/") for name in documents}) > 2


def test_chunks_are_in_order(tmp_path):
    root = tmp_path / "x"
    (root / "c").mkdir(parents=True)
    (root / "zarr.json").write_text("{}")
    for name in ("c/10", "c/9", "c/1", "c/x1", "c/ü", "c/2"):
        (root / name).write_text(name)
    pack(str(root), str(tmp_path / "x.ozx"), "0.5")
    with zipfile.ZipFile(tmp_path / "x.ozx") as file:
        assert file.namelist() == ["zarr.json", "c/1", "c/2", "c/9", "c/10", "c/x1", "c/ü"]
        assert file.read("c/ü") == "c/ü".encode()


def test_the_same_folder_gives_the_same_bytes(packed, folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy.zarr", copy_function=shutil.copyfile)
    os.utime(copy / "zarr.json", (0, 0))
    pack(f"{copy}/", str(tmp_path / "y.ozx"), "0.5")
    assert (tmp_path / "y.ozx").read_bytes() == packed.read_bytes()


def test_large_members_are_streamed(tmp_path, monkeypatch):
    from ngffkit.stores import packing

    root = tmp_path / "x"
    root.mkdir()
    (root / "zarr.json").write_text("{}")
    for size in (0, 99, 100, 101, 1000):
        (root / f"n{size}").write_bytes(os.urandom(size))
    pack(str(root), str(tmp_path / "a"), "0.5")
    monkeypatch.setattr(packing, "_AT_ONCE", 100)
    pack(str(root), str(tmp_path / "b"), "0.5")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_changes_while_it_is_packed_is_an_error(tmp_path, monkeypatch):
    from ngffkit.stores import packing

    root = tmp_path / "x"
    root.mkdir()
    (root / "zarr.json").write_text("{}")
    (root / "n").write_bytes(b"a" * 1000)
    monkeypatch.setattr(packing, "_AT_ONCE", 100)
    lseek = os.lseek

    def change(*args: int) -> int:
        (root / "n").write_bytes(b"b" * 1000)
        return lseek(*args)

    monkeypatch.setattr(os, "lseek", change)
    with pytest.raises(SourceError, match="it changed while it was packed"):
        pack(str(root), str(tmp_path / "x.ozx"), "0.5")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_cannot_be_packed_is_refused(tmp_path):
    root = tmp_path / "x"
    root.mkdir()
    with pytest.raises(NgffError, match=r"no zarr\.json at its root"):
        pack(str(root), str(tmp_path / "x.ozx"), "0.4")
    (root / "zarr.json").write_text("{}")
    with pytest.raises(NgffError, match="lies in the folder"):
        pack(str(root), str(root / "x.ozx"), "0.5")
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="it is a link"):
        pack(str(root), str(tmp_path / "x.ozx"), "0.5")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_packing_may_fail_at_every_call(tmp_path):
    root, file = tmp_path / "x", tmp_path / "x.ozx"
    root.mkdir()
    (root / "zarr.json").write_text("{}")
    (root / "a").write_text("pixels")
    with failing(0) as seen:
        pack(str(root), str(file), "0.5")
    good = file.read_bytes()
    for k in range(1, seen.count + 1):
        file.write_bytes(b"old")
        with failing(k, errno.ENOSPC), pytest.raises(WriteError, match="the disk is full"):
            pack(str(root), str(file), "0.5")
        assert file.read_bytes() in (b"old", good)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.ozx"]
        pack(str(root), str(file), "0.5")
        assert file.read_bytes() == good


def test_it_is_a_local_target_that_folders_are(tmp_path):
    assert isinstance(open_target(str(tmp_path / "x")), LocalTarget)
    target = open_target(tmp_path / "x")
    assert open_target(target) is target
