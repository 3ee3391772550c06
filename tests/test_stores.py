"""Every store keeps the same contract, and whatever names a place is opened."""

from __future__ import annotations

import io
import os
import pickle
import re
import socket
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import httpd
import makers
import numpy as np
import obstore.store
import pytest
import xarray as xr
import zarr
import zarr.storage
from hypothesis import given
from hypothesis import strategies as st
from makers import How

import ngffkit as nk
from ngffkit.stores.adapters import FsspecStore, ZarrStore
from ngffkit.stores.base import LocalStore, Store, cut_range, merge_ranges
from ngffkit.stores.opening import open_store
from ngffkit.stores.remote import ObjectStore
from ngffkit.stores.substore import SubStore
from ngffkit.stores.zips import ZipStore

BODY = bytes(range(256)) * 40  # 10,240 bytes
FAR = bytes(2**18) + BODY  # longer than what is read through for the sake of a request

CONTENT = {
    "zarr.json": b'{"zarr_format": 3}',
    "a/zarr.json": b"{}",
    "a/c/0/0": BODY,
    "a/c/0/1": FAR,
    "a b/ü": b"spaces and letters",
    "empty": b"",
}


def fill(root: Path) -> Path:
    for key, body in CONTENT.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def pack(target: Any, compression: int = zipfile.ZIP_STORED, top: str = "", **more: Any) -> Any:
    with zipfile.ZipFile(target, "w", compression, **more) as file:
        for key, body in CONTENT.items():
            file.writestr(top + key, body)
    return target


# --- the stores ---------------------------------------------------------------------------------


def in_memory(root: Path) -> ObjectStore:
    inner = obstore.store.MemoryStore()
    for key, body in CONTENT.items():
        obstore.put(inner, key, body or b"")
    return ObjectStore(inner, "memory://")


def in_fsspec_memory(root: Path) -> FsspecStore:
    fs = fsspec.filesystem("memory")
    for key, body in CONTENT.items():
        fs.pipe_file(f"{root}/{key}", body)
    return FsspecStore(fs, str(root), f"memory://{root}")


def in_zarr_memory(root: Path) -> ZarrStore:
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    return ZarrStore(
        zarr.storage.MemoryStore({k: buffer.from_bytes(v) for k, v in CONTENT.items()})
    )


def in_zarr_zip(root: Path) -> ZarrStore:
    inner = zarr.storage.ZipStore(pack(root.with_suffix(".zip")), mode="r")
    return ZarrStore(inner)


def below(root: Path) -> SubStore:
    return SubStore(open_store(fsspec.get_mapper(f"file://{root.parent}")), root.name)


MAKE: dict[str, Callable[[Path], Store]] = {
    "local": LocalStore,
    "zip": lambda root: open_store(pack(root.with_suffix(".zip"))),
    "zip, deflated": lambda root: open_store(pack(root.with_suffix(".zip"), zipfile.ZIP_DEFLATED)),
    "zip, bzip2": lambda root: open_store(pack(root.with_suffix(".zip"), zipfile.ZIP_BZIP2)),
    "zip by fsspec": lambda root: open_store(f"local://{pack(root.with_suffix('.zip'))}"),
    "obstore local": lambda root: open_store(obstore.store.LocalStore(root)),
    "obstore memory": in_memory,
    "fsspec local": lambda root: FsspecStore(fsspec.filesystem("file"), str(root), str(root)),
    "fsspec memory": in_fsspec_memory,
    "zarr memory": in_zarr_memory,
    "zarr local": lambda root: ZarrStore(zarr.storage.LocalStore(root)),
    "zarr zip": in_zarr_zip,
    "zarr fsspec": lambda root: ZarrStore(
        zarr.storage.FsspecStore.from_url(f"local://{root}", read_only=True)
    ),
    "below": below,
}

#: These live in the memory of one process and say so.
UNPICKLABLE = {"obstore memory"}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("stores") / "content")


@pytest.fixture(scope="module")
def web(content: Path) -> Iterator[httpd.Server]:
    with httpd.serve(content.parent) as server:
        yield server


@pytest.fixture(scope="module")
def poor_web(content: Path) -> Iterator[httpd.Server]:
    with httpd.serve(content.parent, ranges=False) as server:
        yield server


@pytest.fixture(params=[*MAKE, "http", "http without ranges", "zip by http"])
def store(request: pytest.FixtureRequest, content: Path) -> Any:
    if request.param == "http":
        return open_store(f"{request.getfixturevalue('web').url}/content")
    if request.param == "http without ranges":
        return open_store(f"{request.getfixturevalue('poor_web').url}/content")
    if request.param == "zip by http":
        pack(content.with_suffix(".ozx"), top="inside/")
        return open_store(f"{request.getfixturevalue('web').url}/content.ozx")
    return MAKE[request.param](content)


def short(read: Callable[[], Any]) -> bytes:
    """Read what may be refused because it is not there."""
    try:
        return bytes(read())
    except nk.StoreError as err:
        assert err.cause  # noqa: PT017 - either is right
        return b""


def test_a_key_is_got_whole(store):
    assert isinstance(store, Store)
    assert store.concurrency >= 1
    assert not store.url.endswith("/")
    for key, body in CONTENT.items():
        assert bytes(store.get(key)) == body


def test_what_is_absent_is_none(store):
    assert store.get("a/c/1/1") is None
    assert store.get("nothing/here/at/all") is None
    assert store.get("a/c/1/1", 5, 5) is None
    assert store.get("a/c/1/1", -5, 5) is None
    assert store.get("a/c/0") is None, "a folder is no key"
    assert store.get("zarr.json/below") is None, "nothing is below a file"


@pytest.mark.parametrize("start", [0, 1, 5_000, 10_000])
@pytest.mark.parametrize("length", [1, 100, 10_240, 2**20, 2**25])
def test_a_range_comes_as_far_as_there_is(store, start, length):
    assert bytes(store.get("a/c/0/0", start, length)) == BODY[start : start + length]


def test_a_range_without_end(store):
    assert bytes(store.get("a/c/0/0", 9_000)) == BODY[9_000:]


@pytest.mark.parametrize("count", [1, 100, 10_240])
def test_the_end_of_a_key(store, count):
    assert bytes(store.get("a/c/0/0", -count, count)) == BODY[-count:]
    assert bytes(store.get("a/c/0/0", -count)) == BODY[-count:]


def test_more_from_the_end_than_there_is(store):
    assert bytes(store.get("a b/ü", -1000)) == CONTENT["a b/ü"]


def test_a_range_beyond_the_end_is_empty_or_refused(store):
    assert short(lambda: store.get("a/c/0/0", 20_000, 10)) == b""


def test_an_empty_range(store):
    assert bytes(store.get("a/c/0/0", 10, 0)) == b""


def test_several_ranges(store):
    ranges = [(250_000, 20_000), (0, 10), (5, 10), (2**18, 300), (1_000, 0)]
    found = store.get_ranges("a/c/0/1", ranges)
    assert [bytes(part) for part in found] == [FAR[a : a + n] for a, n in ranges]
    assert store.get_ranges("a/c/0/1", []) == []


def test_several_ranges_beyond_the_end(store):
    def read() -> bytes:
        found = store.get_ranges("a/c/0/0", [(0, 10), (10_230, 100), (50_000, 5), (2**40, 5)])
        assert [bytes(part) for part in found] == [BODY[:10], BODY[10_230:], b"", b""]
        return b""

    assert short(read) == b""


def test_ranges_of_what_is_absent_are_an_error(store):
    with pytest.raises(nk.StoreError, match="a/c/1/1"):
        store.get_ranges("a/c/1/1", [(0, 10), (9_000, 10)])


def test_absurd_ranges_are_errors_or_empty(store):
    assert short(lambda: store.get_ranges("a/c/0/0", [(2**64 - 2, 2**64 - 2)])[0]) == b""
    assert short(lambda: store.get("a/c/0/0", 2**63, 10)) == b""


def test_children(store):
    found = store.children()
    if found is None:
        assert store.url.startswith("http://")
        assert store.children("a") is None
        return
    assert {name for name in found if not name.startswith(".")} >= {"a", "a b", "zarr.json"}
    assert store.children("a") == ["c", "zarr.json"]
    assert store.children("a/c") == ["0"]
    assert store.children("nothing/here") == []


def test_a_store_travels_to_another_process(store, request):
    if request.node.callspec.params["store"] in UNPICKLABLE:
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(store)
        return
    again = pickle.loads(pickle.dumps(store))
    assert again.url == store.url
    assert bytes(again.get("a/c/0/0")) == BODY
    assert again.concurrency == store.concurrency


def test_many_threads_read_at_once(store):
    def read(i: int) -> bool:
        whole = bytes(store.get("a/c/0/1")) == FAR
        part = bytes(store.get("a/c/0/0", i, 50)) == BODY[i : i + 50]
        return whole and part and store.get(f"no/{i}") is None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(64)))


@pytest.mark.parametrize(
    ("ranges", "spans"),
    [
        ([], []),
        ([(100, 50), (0, 60), (10**6, 1)], [(0, 150), (10**6, 10**6 + 1)]),
        ([(0, 100), (20, 10), (50, 100)], [(0, 150)]),  # one in another, and one over another
        ([(0, 10), (100, 10)], [(0, 10), (100, 110)]),  # ten bytes don't pay for ninety
        ([(0, 10**7), (10**7 + 2**18 + 1, 10**7)], [(0, 10**7), (10262145, 20262145)]),  # far
    ],
)
def test_near_ranges_are_merged_and_far_ones_not(ranges, spans):
    assert merge_ranges(ranges) == spans


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), max_size=30))
def test_merged_ranges_hold_what_is_wanted_and_little_else(ranges):
    spans = merge_ranges(ranges)
    parts = [range(low, high) for low, high in spans]
    for start, length in ranges:
        assert cut_range(spans, parts, start, length) == range(start, start + length)
    merged = np.zeros(12 * 10**5, np.bool_)
    for start, length in ranges:
        merged[start : start + length] = True
    assert sum(high - low for low, high in spans) <= 2 * int(merged.sum())


def test_ranges_that_a_server_does_not_know_are_cut_from_the_whole(poor_web):
    poor_web.clear()
    store = open_store(f"{poor_web.url}/content")
    assert bytes(store.get("a/c/0/0", -16, 16)) == BODY[-16:]
    poor_web.fault("*", httpd.html)
    with pytest.raises(nk.StoreError, match="web page"):
        store.get("a/c/0/0", -16, 16)


def test_the_end_is_found_where_only_starts_count(content, monkeypatch):
    from obstore.exceptions import NotSupportedError

    inner = obstore.get

    def azure(store: Any, path: str, options: Any = None) -> Any:
        if options and "suffix" in options.get("range", {}):
            raise NotSupportedError("Azure does not support suffix range requests")
        return inner(store, path, options=options)

    monkeypatch.setattr(obstore, "get", azure)
    store = in_memory(content)
    assert bytes(store.get("a/c/0/0", -16, 16)) == BODY[-16:]
    assert bytes(store.get("a/c/0/0", -16)) == BODY[-16:]
    assert store.get("no", -16) is None


@pytest.mark.parametrize(
    ("url", "options", "config"),
    [
        ("s3://bucket/x", {}, {"skip_signature": "true"}),
        ("s3://bucket/x", {"anon": False}, {"skip_signature": "false"}),
        ("s3://bucket/x", {"key": "a", "secret": "b"}, {"skip_signature": "false"}),
        ("gs://bucket/x", {}, {"skip_signature": "true"}),
        ("gs://bucket/x", {"token": "anon"}, {"skip_signature": "true"}),
        ("az://box/x", {"account_name": "acc"}, {"account_name": "acc"}),
        ("abfss://box@acc.dfs.core.windows.net/x", {}, {"account_name": "acc"}),
    ],
)
def test_who_asks_an_object_store(url, options, config, monkeypatch):
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    store = open_store(url, options)
    assert config.items() <= dict(store.inner.config).items()
    assert store.url == url


# --- whatever names a place ---------------------------------------------------------------------

HOW = How(dims="yx", chunks=8, factors=[{"y": 2, "x": 2}])
PIXELS = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    levels = makers.pyramid(PIXELS, HOW)
    root = tmp_path_factory.mktemp("places") / "it.zarr"
    return makers.write(root, levels, HOW, labels={"cells": levels})


def check(source: Any, **more: Any) -> Any:
    tree = nk.open(source, **more)
    np.testing.assert_array_equal(tree["1"].image.values, PIXELS)
    np.testing.assert_array_equal(tree["labels/cells/1"].labels.values, PIXELS)
    return tree


PLACES: dict[str, Callable[[Path], Any]] = {
    "str": str,
    "Path": lambda root: root,
    "trailing slash": lambda root: f"{root}/",
    "relative": os.path.relpath,
    "file URL": lambda root: root.as_uri(),
    "fsspec URL": lambda root: f"local://{root}",
    "group": lambda root: zarr.open_group(root, mode="r"),
    "zarr LocalStore": zarr.storage.LocalStore,
    "zarr store path": lambda root: zarr.open_group(root, mode="r").store_path,
    "zarr ObjectStore": lambda root: zarr.storage.ObjectStore(obstore.store.LocalStore(root)),
    "zarr FsspecStore": lambda root: zarr.storage.FsspecStore.from_url(f"local://{root}"),
    "obstore": obstore.store.LocalStore,
    "fsspec mapper": lambda root: fsspec.get_mapper(str(root)),
    "a store of ours": LocalStore,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_opened(image, place):
    check(PLACES[place](image))


def test_a_group_below_another_is_opened(image):
    group = zarr.open_group(image.parent, path=image.name, mode="r")
    check(group)
    inner = zarr.storage.ObjectStore(obstore.store.LocalStore(image.parent))
    check(zarr.open_group(inner, path=image.name, mode="r"))


def test_an_array_is_opened(image):
    tree = nk.open(zarr.open_array(image / "0", mode="r"))
    np.testing.assert_array_equal(next(iter(tree.data_vars.values())).values, PIXELS)


def test_a_memory_store_is_opened(image):
    memory = zarr.storage.MemoryStore()
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    for path in image.rglob("*"):
        if path.is_file():
            key = path.relative_to(image).as_posix()
            memory._store_dict[key] = buffer.from_bytes(path.read_bytes())
    check(memory)
    fs = fsspec.filesystem("memory")
    fs.put(str(image), "/places/it.zarr", recursive=True)
    check("memory://places/it.zarr")


@pytest.mark.parametrize("name", ["with space.zarr", "größe µm.zarr", "a#b?c%20d.zarr", "[x].zarr"])
def test_any_name_will_do(image, tmp_path, name):
    path = tmp_path / name
    path.symlink_to(image)
    check(path)
    check(f"{path}/")
    check(path.as_uri())


@pytest.mark.parametrize("name", ["with space.zarr", "größe µm.zarr"])
def test_any_name_will_do_on_the_web(image, tmp_path, name):
    makers.write(tmp_path / name, makers.pyramid(PIXELS, HOW), HOW, labels={"cells": [PIXELS]})
    with httpd.serve(tmp_path) as server:
        check(f"{server.url}/{name}")
        check(f"{server.url}/{name}/")
        tree = check(f"{server.url}/{name.replace(' ', '%20')}")
    assert tree.ngff.source.startswith(server.url)


def test_dask_workers_read_by_a_store_of_their_own(image):
    dask = pytest.importorskip("dask")
    with httpd.serve(image.parent) as server:
        tree = nk.open(f"{server.url}/it.zarr", chunks={})
        with dask.config.set(scheduler="processes", num_workers=1):
            assert int(tree["1"].image.max().compute()) == PIXELS.max()


def test_a_folder_of_images_is_opened(image, tmp_path):
    for name in ("a.zarr", "b.zarr"):
        makers.write(tmp_path / name, makers.pyramid(PIXELS, HOW), HOW)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty").mkdir()
    tree = nk.open(tmp_path)
    assert set(tree.children) == {"a.zarr", "b.zarr"}
    np.testing.assert_array_equal(tree["b.zarr/1"].image.values, PIXELS)
    (tmp_path / "b.zarr" / "zarr.json").write_text("{")
    with pytest.warns(nk.NgffWarning, match=r"left out: b\.zarr.*not JSON"):
        assert set(nk.open(tmp_path).children) == {"a.zarr"}


def test_labels_added_after_consolidation_are_found(tmp_path):
    how = How(dims="yx", chunks=8, factors=HOW.factors, consolidated=True)
    levels = makers.pyramid(PIXELS, how)
    root = makers.write(tmp_path / "it", levels, how)
    late = makers.write(tmp_path / "late", levels, HOW, labels={"cells": levels})
    (late / "labels").rename(root / "labels")
    check(root)


# --- zip files ----------------------------------------------------------------------------------


def zipped(image: Path, target: Path, top: str = "", compression: int = 0) -> Path:
    with zipfile.ZipFile(target, "w", compression) as file:
        for path in sorted(image.rglob("*")):
            if path.is_file():
                file.write(path, top + path.relative_to(image).as_posix())
    return target


@pytest.mark.parametrize("top", ["", "it.zarr/", "größe/"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("suffix", [".ozx", ".zip", ".zarr.zip", ".dat"])
def test_a_zip_file_is_opened(image, tmp_path, top, compression, suffix):
    check(zipped(image, tmp_path / f"it{suffix}", top, compression))


def test_what_macos_adds_is_left_alone(image, tmp_path):
    path = zipped(image, tmp_path / "it.zip", "it.zarr/")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("__MACOSX/it.zarr/._zarr.json", b"resource fork")
    check(path)


def test_a_zip64_file_is_opened(image, tmp_path):
    path = tmp_path / "it.ozx"
    with zipfile.ZipFile(path, "w") as file:
        for part in sorted(image.rglob("*")):
            if part.is_file():
                info = zipfile.ZipInfo(part.relative_to(image).as_posix())
                # sizes in the extra field, which is where ZIP64 has them
                with file.open(info, "w", force_zip64=True) as member:
                    member.write(part.read_bytes())
    check(path)


def test_a_zip_file_with_more_members_than_16_bits_count(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(2**16 + 10):
            file.writestr(f"c/{i}", b"")
        file.writestr("zarr.json", b"{}")
    store = open_store(path)
    assert store.get("zarr.json") == b"{}"
    assert store.get(f"c/{2**16 + 9}") == b""


def test_a_zip_file_after_other_bytes_is_opened(image, tmp_path):
    path = zipped(image, tmp_path / "it.zip")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    check(path)


def flags(path: Path, name: str, **fields: int) -> None:
    """Overwrite fields of a member's entry in the directory of a zip file."""
    offsets = {"flag_bits": (8, 2), "CRC": (16, 4), "compress_size": (20, 4), "file_size": (24, 4)}
    data = bytearray(path.read_bytes())
    entry = next(
        match.start()
        for match in re.finditer(rb"PK\x01\x02", data)
        if data[match.start() + 46 :].startswith(name.encode())
    )
    for field, value in fields.items():
        start, size = offsets[field]
        data[entry + start : entry + start + size] = value.to_bytes(size, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"flag_bits": 1}, "encrypted"),
        ({"CRC": 12345}, "checksum"),
        ({"file_size": 7}, "directory says 7|damaged"),
        ({"compress_size": 10**8}, "truncated"),
    ],
)
def test_a_damaged_member_is_an_error(image, tmp_path, fields, cause):
    path = zipped(image, tmp_path / "it.zip", compression=zipfile.ZIP_DEFLATED)
    flags(path, "0/c/0/0", **fields)
    pixels = nk.open(path)["1"].image
    with pytest.raises(nk.ChunkError, match=cause) as caught:
        pixels.values  # noqa: B018 - reads
    assert caught.value.key == "0/c/0/0"
    assert caught.value.url == f"{path}/0/c/0/0"


def test_encrypted_metadata_are_an_error(image, tmp_path):
    path = zipped(image, tmp_path / "it.zip")
    flags(path, "zarr.json", flag_bits=1)
    with pytest.raises(nk.StoreError, match="encrypted; unpack the file"):
        nk.open(path)


def test_a_member_without_its_header_is_an_error(image, tmp_path):
    path = zipped(image, tmp_path / "it.zip")
    data = path.read_bytes()
    at = data.index(b"0/c/0/0") - 30
    path.write_bytes(data[:at] + b"XX" + data[at + 2 :])
    with pytest.raises(nk.ChunkError, match="no header"):
        nk.open(path)["1"].image.values  # noqa: B018 - reads


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zarr.json", bytes(65 * 2**20))
    with pytest.raises(nk.MetadataError, match="more than"):
        nk.open(path)


@pytest.mark.parametrize("keep", [0, 10, 1000, -1, -30])
def test_a_cut_zip_file_is_an_error(image, tmp_path, keep):
    path = zipped(image, tmp_path / "it.zip")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(nk.NgffError, match="neither a Zarr folder nor a zip file"):
        nk.open(path)


def test_random_damage_is_a_typed_error(image, tmp_path):
    path = zipped(image, tmp_path / "it.zip")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 8):
            data[at] = int(rng.integers(0, 256))
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nk.NgffWarning)
            try:
                for node in nk.open(path).subtree:
                    node.to_dataset().load()
            except nk.NgffError:
                continue


def test_a_zip_far_away_is_read_by_ranges(image, tmp_path):
    how = How(dims="yx", chunks=64, compressor=None)
    big = np.random.default_rng(0).integers(0, 2**16, (1024, 1024), np.uint16)
    makers.write(tmp_path / "big", [big], how)
    zipped(tmp_path / "big", tmp_path / "big.ozx", "big/")
    size = (tmp_path / "big.ozx").stat().st_size
    with httpd.serve(tmp_path) as server:
        tree = nk.open(f"{server.url}/big.ozx")
        opened = [hit for hit in server.hits if hit.method == "GET"]
        assert sum(hit.sent for hit in opened) < size / 4
        assert all(hit.status == 206 for hit in opened)
        assert len(server.hits) <= 8
        server.clear()
        plane = tree["1"].image.isel(y=slice(100, 110))
        np.testing.assert_array_equal(plane.values, big[100:110])
        # sixteen chunks of 8 KiB, each in one request with the header before it
        assert len(server.hits) == 16
        assert sum(hit.sent for hit in server.hits) < 16 * (8192 + 256)


def test_a_sharded_zip_far_away_is_read_by_ranges(tmp_path):
    how = How(dims="yx", chunks=(32, 32), shards=(512, 512), compressor=None)
    big = np.random.default_rng(0).integers(0, 2**16, (512, 512), np.uint16)
    makers.write(tmp_path / "big", [big], how)
    zipped(tmp_path / "big", tmp_path / "big.ozx")
    with httpd.serve(tmp_path) as server:
        tree = nk.open(f"{server.url}/big.ozx")
        server.clear()
        np.testing.assert_array_equal(tree["1"].image[:10, :10].values, big[:10, :10])
        assert sum(hit.sent for hit in server.hits) < 20_000


# --- where there is nothing ---------------------------------------------------------------------


def test_nothing_there(tmp_path):
    with pytest.raises(nk.NotFoundError, match="does not exist; a folder, a zip file or a URL"):
        nk.open(tmp_path / "nothing.zarr")
    with pytest.raises(FileNotFoundError):
        xr.open_dataset(tmp_path / "nothing.zarr", engine="ngff")


def test_a_plain_file(tmp_path):
    (tmp_path / "it.txt").write_text("hello")
    with pytest.raises(nk.NgffError, match="neither a Zarr folder nor a zip file"):
        nk.open(tmp_path / "it.txt")


def test_an_empty_folder(tmp_path):
    with pytest.raises(nk.NotFoundError, match="holds no OME-Zarr"):
        nk.open(tmp_path)


def test_not_a_path():
    for bad in ("a\0b", b"bytes", 7, None, ["a"]):
        with pytest.raises(nk.NgffError):
            nk.open(bad)


def test_a_pipe_among_the_files_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "zarr.json")
    with pytest.raises(nk.NgffError):
        nk.open(tmp_path)


def test_a_file_that_may_not_be_read(image, monkeypatch):
    inner = os.open

    def refuse(path: Any, *args: Any) -> int:
        if str(path).endswith("0/c/0/0"):
            raise PermissionError(13, "Permission denied", path)
        return inner(path, *args)

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(nk.ChunkError, match="Permission denied") as caught:
        nk.open(image)["1"].image.values  # noqa: B018 - reads
    assert caught.value.denied


def test_nothing_on_the_web(tmp_path):
    with httpd.serve(tmp_path) as server:
        url = f"{server.url}/nothing.zarr"
        with pytest.raises(nk.NotFoundError, match=f"{url} holds no .*can't be listed"):
            nk.open(url)
        with pytest.raises(nk.NotFoundError, match="does not exist"):
            nk.open(f"{url}.zip")


def test_a_server_that_is_down_is_given_up():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}/it.zarr"
    start = time.monotonic()
    with pytest.raises(nk.StoreError, match=f"{url}.*connection refused"):
        nk.open(url)
    # the retries of a minute would be a hang to whoever waits
    assert time.monotonic() - start < 20
    with pytest.raises(nk.StoreError, match="connection refused"):
        nk.open(f"{url}.zip")


def test_a_login_page_at_the_root(image):
    with httpd.serve(image.parent) as server:
        server.fault("it.zarr/*", httpd.login)
        with pytest.raises(nk.StoreError, match=rf"{server.url}/it\.zarr/zarr\.json.*login page"):
            nk.open(f"{server.url}/it.zarr")


def test_a_token_in_the_address_is_refused():
    with pytest.raises(nk.NgffError, match="pass tokens by storage_options"):
        nk.open("https://host/it.zarr?token=1")


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(nk.NgffError, match=r"'nonsense'.*mean nothing to http"):
        nk.open("http://127.0.0.1:1/it.zarr", storage_options={"nonsense": 1})
    with pytest.raises(nk.NgffError, match="storage_options"):
        nk.open("s3://bucket/it.zarr", storage_options={"nonsense": 1})
    with pytest.raises(nk.NgffError, match="nosuch"):
        nk.open("nosuch://host/it.zarr")


def test_headers_reach_the_server(image):
    seen: list[str | None] = []

    class Watching(httpd._Handler):
        def do_GET(self) -> None:  # noqa: N802 - named by http.server
            seen.append(self.headers.get("Authorization"))
            super().do_GET()

    with httpd.serve(image.parent) as server:
        server.RequestHandlerClass = Watching
        check(
            f"{server.url}/it.zarr", storage_options={"headers": {"Authorization": "Bearer secret"}}
        )
    assert set(seen) == {"Bearer secret"}


def test_a_zip_store_reads_any_sized_store():
    fs = fsspec.filesystem("memory")
    body = io.BytesIO()
    pack(body)
    fs.pipe_file("/zips/it.zip", body.getvalue())
    store = ZipStore(FsspecStore(fs, "/zips", "memory://zips"), "it.zip")
    assert bytes(store.get("a/c/0/0")) == BODY
