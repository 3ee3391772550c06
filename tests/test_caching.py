"""What came from afar is kept on disk: the same pixels, no more requests, never two versions."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import pickle
import random
import signal
import stat
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import buckets
import faults
import fsspec
import httpd
import makers
import numpy as np
import obstore.store
import pytest
import zarr.storage
from makers import How

import ngffkit as nk
from ngffkit.cli.program import main
from ngffkit.stores import bounded, kept
from ngffkit.stores.base import LocalStore, Store
from ngffkit.stores.cached import CachedStore
from ngffkit.stores.caching import cached, clear, default_folder
from ngffkit.stores.remote import ObjectStore
from ngffkit.stores.versions import ChangedError, VersionedFiles
from ngffkit.stores.zips import ZipStore

PIXELS = np.random.default_rng(0).integers(1, 999, (16, 64, 64), np.uint16)
V2 = How(dims="zyx", chunks=(8, 32, 32), version="0.4", factors=[])
V3 = How(dims="zyx", chunks=(8, 32, 32), factors=[])
SHARDED = How(dims="zyx", chunks=(4, 16, 16), shards=(16, 32, 32), compressor=None, factors=[])
NAMES = ("v2.zarr", "v3.zarr", "sharded.zarr", "packed.ozx")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("caching")
    for name, how in zip(NAMES[:3], (V2, V3, SHARDED), strict=True):
        makers.write(root / name, [PIXELS], how)
    with zipfile.ZipFile(root / NAMES[3], "w") as file:
        for path in sorted((root / "v3.zarr").rglob("*")):
            file.write(path, path.relative_to(root / "v3.zarr").as_posix())
    (root / "a").write_bytes(bytes(range(256)) * 40)
    return root


@pytest.fixture
def server(original: Path) -> Iterator[httpd.Server]:
    with httpd.serve(original) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def pixels(place: Any, **more: Any) -> np.ndarray:
    return nk.open(place, **more)["1"].image.values


def replaced(root: Path, tmp_path: Path, name: str, how: How) -> tuple[Path, np.ndarray]:
    """Make a folder with an image that can be replaced, and the pixels that will replace it."""
    makers.write(tmp_path / "www" / name, [PIXELS], how)
    other = PIXELS[::-1].copy()
    makers.write(tmp_path / "next" / name, [other], how)
    del root
    return tmp_path / "www", other


def swap(www: Path, pattern: str = "*") -> None:
    """Replace files of the image by those of the next one."""
    for path in (www.parent / "next").rglob(pattern):
        if path.is_file():
            path.replace(www / path.relative_to(www.parent / "next"))


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and p.name not in ("total", "address.txt")]


def bytes_taken(folder: Path) -> int:
    sizes = []
    for path in files(folder):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(bounded.taken(path.stat().st_size))
    return sum(sizes)


# --- pixels, requests, bytes --------------------------------------------------------------------


@pytest.mark.parametrize("check", ["session", "always"])
@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_equal_cold_and_warm(server, folder, name, check):
    for _ in range(3):
        place = nk.cache(f"{server.url}/{name}", folder=folder, check=check)
        tree = nk.open(place)
        np.testing.assert_array_equal(tree["1"].image.values, PIXELS)
        np.testing.assert_array_equal(tree["1"].image.isel(z=3, x=slice(5, 9)), PIXELS[3, :, 5:9])


def asked(server: httpd.Server) -> list[tuple[str, str, str]]:
    return sorted((hit.method, hit.key, hit.range) for hit in server.hits)


@pytest.mark.parametrize("name", NAMES)
def test_a_cold_cache_asks_what_is_asked_without_it(server, folder, name):
    pixels(f"{server.url}/{name}")
    without = asked(server)
    sent = sum(hit.sent for hit in server.hits)
    server.clear()
    pixels(nk.cache(f"{server.url}/{name}", folder=folder))
    assert asked(server) == without
    assert sum(hit.sent for hit in server.hits) == sent


@pytest.mark.parametrize("name", ["v3.zarr", "sharded.zarr"])
def test_a_cold_cache_needs_no_more_rounds(original, folder, name):
    with httpd.serve(original, latency=0.1) as slow:
        pixels(f"{slow.url}/{name}")
        without = slow.rounds()
        slow.clear()
        pixels(nk.cache(f"{slow.url}/{name}", folder=folder))
        assert slow.rounds() <= without


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_cache_asks_once_per_key_and_nothing_comes(server, folder, name):
    pixels(nk.cache(f"{server.url}/{name}", folder=folder))
    server.clear()
    place = nk.cache(f"{server.url}/{name}", folder=folder)
    for _ in range(2):
        np.testing.assert_array_equal(pixels(place), PIXELS)
    there = [hit for hit in server.hits if hit.status != 404]
    assert len({hit.key for hit in server.hits}) == len(server.hits)
    assert {hit.status for hit in there} == {304}
    assert not [hit for hit in there if hit.sent and hit.method != "HEAD"]


def test_a_warm_shard_costs_the_check_of_its_index(server, folder):
    pixels(nk.cache(f"{server.url}/sharded.zarr", folder=folder))
    server.clear()
    np.testing.assert_array_equal(
        pixels(nk.cache(f"{server.url}/sharded.zarr", folder=folder)), PIXELS
    )
    chunks = [hit for hit in server.hits if "/c/" in hit.key]
    assert len(chunks) == 4  # shards
    assert {hit.status for hit in chunks} == {304}


def test_only_what_is_missing_is_fetched(server, folder):
    url, body = f"{server.url}/", bytes(range(256)) * 40
    first = nk.cache(url, folder=folder)
    assert [bytes(x) for x in first.get_ranges("a", [(0, 5), (100, 7)])] == [
        body[:5],
        body[100:107],
    ]
    server.clear()
    wanted = [(100, 7), (9000, 900), (0, 5), (10_000, 500), (5, 0)]
    got = nk.cache(url, folder=folder).get_ranges("a", wanted)
    assert [bytes(x) for x in got] == [body[s : s + n] for s, n in wanted]
    # the answers say that the rest is still right
    assert [hit.range for hit in server.hits] == ["9000-10499"]


@pytest.mark.parametrize("check", ["session", "always"])
def test_each_use_is_checked_only_when_asked_for(server, folder, check):
    store = nk.cache(server.url, folder=folder, check=check)
    for _ in range(3):
        store.get("a")
        assert [bytes(x) for x in store.get_ranges("a", [(3, 2)])] == [b"\3\4"]
    counts = {"session": [200, 206], "always": [200, 206, 304, 304, 304, 304]}
    assert sorted(hit.status for hit in server.hits) == counts[check]


def test_what_is_absent_is_asked_for_once_in_a_session(server, folder):
    store = nk.cache(server.url, folder=folder)
    assert [store.get("nothing"), store.get("nothing"), store.size("nothing")] == [None] * 3
    assert len(server.hits) == 1
    assert nk.cache(server.url, folder=folder).get("nothing") is None
    assert len(server.hits) == 2


def test_sizes_and_odd_ranges_are_those_of_the_file(server, folder):
    body = bytes(range(256)) * 40
    for _ in range(2):
        store = nk.cache(server.url, folder=folder)
        assert store.size("a") == len(body)
        assert store.get("a", 5, 0) == b""
        for start, length in [(0, 9), (-9, None), (-9, 4), (9, None), (10_230, 99), (0, 2**25)]:
            stop = None if length is None else (len(body) + start if start < 0 else start) + length
            assert bytes(store.get("a", start, length)) == body[start:][:length], (start, stop)


# --- versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", ["etag", "weak", "modified"])
@pytest.mark.parametrize("how", [V2, V3, SHARDED], ids=["v2", "v3", "sharded"])
def test_an_image_that_was_replaced_is_read_anew(original, tmp_path, folder, how, versions):
    www, other = replaced(original, tmp_path, "x.zarr", how)
    for path in www.rglob("*"):
        os.utime(path, (10**9, 10**9))
    with httpd.serve(www) as server:
        server.versions = versions
        np.testing.assert_array_equal(
            pixels(nk.cache(f"{server.url}/x.zarr", folder=folder)), PIXELS
        )
        swap(www)
        for path in www.rglob("*"):
            os.utime(path, (10**9 + 5, 10**9 + 5))
        for _ in range(2):
            place = nk.cache(f"{server.url}/x.zarr", folder=folder)
            np.testing.assert_array_equal(pixels(place), other)
        server.clear()
        pixels(nk.cache(f"{server.url}/x.zarr", folder=folder))
        assert {hit.status for hit in server.hits} <= {304, 404}


@pytest.mark.parametrize("versions", ["etag", "weak", "modified"])
def test_a_shard_that_changes_after_its_index_is_an_error_never_a_mixture(
    original, tmp_path, folder, versions
):
    www, other = replaced(original, tmp_path, "x.zarr", SHARDED)
    for path in www.rglob("*"):
        os.utime(path, (10**9, 10**9))
    with httpd.serve(www) as server:
        server.versions = versions
        place = nk.cache(f"{server.url}/x.zarr", folder=folder)
        image = nk.open(place)["1"].image
        np.testing.assert_array_equal(image[:4, :16, :16], PIXELS[:4, :16, :16])
        swap(www, "[0-9]*")
        for _ in range(2):
            with pytest.raises(nk.ChunkError, match="it changed while it was read"):
                _ = image.values
        if versions != "weak":  # which never matches
            assert {hit.status for hit in server.hits if hit.sent == 0} == {412}
        # what was read of the version before is not kept any more
        image = nk.open(nk.cache(f"{server.url}/x.zarr", folder=folder))["1"].image
        np.testing.assert_array_equal(image, other)


def test_a_server_that_heeds_no_conditions_cant_mix_versions(
    original, tmp_path, folder, monkeypatch
):
    monkeypatch.setattr(httpd._Handler, "_is_known", lambda *_: False)
    monkeypatch.setattr(httpd._Handler, "_is_wanted", lambda *_: True)
    (tmp_path / "a").write_bytes(b"0" * 99)
    with httpd.serve(tmp_path) as server:
        store = nk.cache(server.url, folder=folder)
        assert bytes(store.get("a", -3, 3)) == b"000"
        (tmp_path / "a").write_bytes(b"1" * 98)
        with pytest.raises(ChangedError):
            store.get_ranges("a", [(0, 5)])
        with pytest.raises(ChangedError):
            store.get("a", 7, 5)
        store = nk.cache(server.url, folder=folder)
        assert bytes(store.get("a", -3, 3)) == b"111"


def test_ranges_nobody_has_parts_of_are_read_again_when_they_changed(tmp_path, folder):
    (tmp_path / "a").write_bytes(b"0" * 99)
    with httpd.serve(tmp_path) as server:
        nk.cache(server.url, folder=folder).get_ranges("a", [(0, 5)])
        (tmp_path / "a").write_bytes(b"1" * 98)
        for wanted in ([(0, 5)], [(0, 5), (50, 5)]):
            got = nk.cache(server.url, folder=folder).get_ranges("a", wanted)
            assert [bytes(part) for part in got] == [b"11111"] * len(wanted)


def test_a_document_may_change_in_a_session_that_always_asks(tmp_path, folder):
    (tmp_path / "a").write_bytes(b"old")
    with httpd.serve(tmp_path) as server:
        once = nk.cache(server.url, folder=folder)
        always = nk.cache(server.url, folder=folder, check="always")
        assert [bytes(s.get("a")) for s in (once, always)] == [b"old", b"old"]
        (tmp_path / "a").write_bytes(b"newer")
        assert [bytes(s.get("a")) for s in (once, always)] == [b"old", b"newer"]
        (tmp_path / "a").unlink()
        assert [always.get("a"), always.size("a")] == [None, None]


def test_what_has_no_version_is_not_kept(original, folder):
    with httpd.serve(original) as server:
        server.versions = "none"
        for _ in range(2):
            np.testing.assert_array_equal(
                pixels(nk.cache(f"{server.url}/sharded.zarr", folder=folder)), PIXELS
            )
        server.versions = "modified"
        nk.cache(server.url, folder=folder).get("a")  # has just been written
    assert not [path for path in files(folder) if path.stat().st_size]


def tagged_page(answer: httpd.Answer) -> httpd.Answer:
    """Answer with a web page that has the object's own tag."""
    return httpd.Answer(200, httpd.LOGIN, answer.headers)


@pytest.mark.parametrize("fault", [httpd.html, httpd.login, tagged_page])
def test_a_web_page_is_not_kept(server, folder, fault):
    server.fault("*/c/0/0/0", fault, times=1)
    place = nk.cache(f"{server.url}/v3.zarr", folder=folder)
    with pytest.raises(nk.ChunkError):
        pixels(place)
    np.testing.assert_array_equal(pixels(nk.cache(place, folder=folder)), PIXELS)


@pytest.mark.parametrize(
    "fault", [httpd.status(503), httpd.status(429), httpd.reset, httpd.truncated], ids=str
)
def test_faults_of_the_line_are_retried_as_without(server, folder, fault):
    for _ in range(2):
        server.fault("*zarr.json", fault, times=1)
        server.fault("*/c/*", fault, times=2)
        place = nk.cache(f"{server.url}/sharded.zarr", folder=folder)
        np.testing.assert_array_equal(pixels(place), PIXELS)


def test_a_server_without_ranges_serves_shards_and_zip_files(original, folder):
    with httpd.serve(original, ranges=False) as server:
        for name in NAMES[2:] * 2:
            place = nk.cache(f"{server.url}/{name}", folder=folder)
            np.testing.assert_array_equal(pixels(place), PIXELS)


# --- the folder ---------------------------------------------------------------------------------


def fill(store: Any, count: int, seed: int = 0) -> int:
    """Keep objects of many sizes from some threads; return how many bytes they are."""
    rng = random.Random(seed)
    sizes = [rng.choice([10, 5_000, 40_000, 90_000]) for _ in range(count)]

    def put(i: int) -> None:
        entry = kept.Entry(memoryview(bytes([i % 256]) * sizes[i]), '"t"', sizes[i])
        store.write(store.name(f"{seed}/{i}"), (0, None), entry)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(count)))
    return sum(sizes)


def fill_apart(root: str, seed: int, most: Any) -> None:
    folder = bounded.Folder(root, 10**6)
    fill(kept.Kept(folder, "http://x", b""), 150, seed)
    most.value = max(most.value, bytes_taken(Path(root)))


def test_the_bound_holds_for_threads_and_processes(folder):
    context = multiprocessing.get_context("spawn")
    most = context.Value("q", 0)
    workers = [
        context.Process(target=fill_apart, args=(str(folder), seed, most)) for seed in (1, 2)
    ]
    for worker in workers:
        worker.start()
    store = kept.Kept(bounded.Folder(str(folder), 10**6), "http://x", b"")
    seen = [0]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fill, store, 150)
        while not done.done() or any(worker.is_alive() for worker in workers):
            seen.append(bytes_taken(folder))
        assert done.result() > 3 * 10**6
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert max(*seen, most.value) <= 10**6
    assert bytes_taken(folder) > 500_000
    assert not [path for path in files(folder) if path.name.startswith(".part")]
    names = [(s, i) for s in range(3) for i in range(150)]
    left = [(i, store.read(store.name(f"{s}/{i}"), 0, None)) for s, i in names]
    assert sum(entry is not None for _, entry in left) == len(files(folder))
    assert all(set(bytes(e.data)) == {i % 256} for i, e in left if e is not None)


def test_the_least_recently_used_go_first(server, folder):
    store = kept.Kept(bounded.Folder(str(folder), 10**6), "http://x", b"")
    entry = kept.Entry(memoryview(bytes(90_000)), '"t"', 90_000)
    for i in range(10):
        store.write(store.name(str(i)), (0, None), entry)
    for i in range(10):
        (path,) = folder.rglob(f"{store.name(str(i))}.*")
        os.utime(path, (10**9 + i, 10**9 + i))
    assert store.read(store.name("0"), 0, None) is not None  # used just now
    for i in range(10, 13):
        store.write(store.name(str(i)), (0, None), entry)
    left = [i for i in range(13) if store.read(store.name(str(i)), 0, None) is not None]
    assert left[0] == 0
    assert 1 not in left
    assert left[-3:] == [10, 11, 12]


def test_an_object_larger_than_the_cache_is_read_without_it(tmp_path, folder):
    (tmp_path / "a").write_bytes(bytes(1_500_000))
    (tmp_path / "b").write_bytes(b"b")
    with httpd.serve(tmp_path) as server:
        store = nk.cache(server.url, folder=folder, size="1 MB")
        store.get("b")
        assert len(store.get("a")) == 1_500_000
    assert len(files(folder)) == 1


def test_unfinished_files_count_and_old_ones_go(folder):
    store = kept.Kept(bounded.Folder(str(folder), 10**6), "http://x", b"")
    store.write(store.name("0"), (0, None), kept.Entry(memoryview(b"x"), '"t"', 1))
    part = files(folder)[0].parent / f".part-{'0' * 32}"
    part.write_bytes(bytes(900_000))
    (folder / bounded.LAYOUT / "total").write_text("damaged")
    big = kept.Entry(memoryview(bytes(200_000)), '"t"', 200_000)
    store.write(store.name("1"), (0, None), big)
    assert store.read(store.name("1"), 0, None) is None
    os.utime(part, (10**9, 10**9))
    store.write(store.name("1"), (0, None), big)
    assert store.read(store.name("1"), 0, None) is not None
    assert not part.exists()


def fill_and_die(root: str, k: int) -> None:
    with faults.killing(k, ("write", "replace", "ftruncate", "unlink")):
        fill(kept.Kept(bounded.Folder(root, 10**6), "http://x", b""), 60)


def test_a_process_that_is_killed_leaves_no_lock_and_nothing_wrong(folder):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=fill_and_die, args=(str(folder), k)) for k in range(1, 60, 16)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {worker.exitcode for worker in workers} == {-signal.SIGKILL}
    store = kept.Kept(bounded.Folder(str(folder), 10**6), "http://x", b"")
    for i in range(60):
        entry = store.read(store.name(f"0/{i}"), 0, None)
        assert entry is None or set(bytes(entry.data)) == {i}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill(store, 60)
    assert 500_000 < bytes_taken(folder) <= 10**6


def test_a_lock_that_another_process_keeps_stops_keeping_not_reading(server, folder, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(bounded, "_PATIENCE", 0.05)
    nk.cache(server.url, folder=folder).get("a", 0, 1)
    with (folder / bounded.LAYOUT / "total").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.warns(nk.NgffWarning, match="another process keeps it locked") as told:
            pixels(nk.cache(f"{server.url}/sharded.zarr", folder=folder))
    assert len(told) == 1
    assert len(files(folder)) == 1


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "bit":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "zeros":
        path.write_bytes(bytes(len(data)))
    elif how == "longer":
        path.write_bytes(data + b"x")
    elif how == "foreign":
        path.write_bytes(b"not ours" * 99)
    elif how == "another":
        others = [p for p in path.parents[2].rglob("*.*") if p.stat().st_size and p != path]
        path.write_bytes(others[0].read_bytes())
    else:
        path.unlink()
        path.mkdir()


HOWS = ["truncated", "bit", "empty", "zeros", "longer", "foreign", "another", "folder"]


@pytest.mark.parametrize("how", HOWS)
def test_damaged_entries_are_fetched_again(server, folder, how):
    url = f"{server.url}/sharded.zarr"
    pixels(nk.cache(url, folder=folder))
    for path in [p for p in files(folder) if p.stat().st_size]:
        damage(path, how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.NgffWarning)  # a folder is in the way
        for _ in range(2):
            np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder)), PIXELS)
    if how != "folder":
        server.clear()
        pixels(nk.cache(url, folder=folder))
        assert {hit.status for hit in server.hits} == {304, 404}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["write", "replace", "mkdir", "open"])
def test_a_disk_that_fails_costs_one_warning(server, folder, call, code):
    place = nk.cache(f"{server.url}/sharded.zarr", folder=folder)
    real = os.open

    def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).startswith(str(folder)) and flags & os.O_CREAT:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *more, **named)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if call == "open":
            patch.setattr(os, "open", refuse)
            np.testing.assert_array_equal(pixels(place), PIXELS)
        else:
            with faults.failing(3 if call == "write" else 1, code, (call,), lasting=True):
                np.testing.assert_array_equal(pixels(place), PIXELS)
    told = [w for w in caught if "takes nothing more" in str(w.message)]
    assert len(told) == 1
    assert issubclass(told[0].category, nk.NgffWarning)
    assert os.strerror(code) in str(told[0].message)
    np.testing.assert_array_equal(
        pixels(nk.cache(f"{server.url}/sharded.zarr", folder=folder)), PIXELS
    )


@pytest.mark.parametrize("k", range(1, 12))
def test_each_write_may_fail_and_nothing_wrong_is_kept(server, folder, k):
    url = f"{server.url}/v2.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nk.NgffWarning)
        with faults.failing(k, errno.ENOSPC, ("write", "replace")):
            np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder)), PIXELS)
    np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder)), PIXELS)


def test_a_folder_of_another_user_is_not_used(server, folder, monkeypatch):
    nk.cache(server.url, folder=folder).get("a")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.warns(nk.NgffWarning, match="belongs to another user"):
        store = nk.cache(server.url, folder=folder)
    server.clear()
    for _ in range(2):
        assert bytes(store.get("a")) == bytes(range(256)) * 40
    assert {hit.status for hit in server.hits} == {200}


def test_a_cache_that_is_emptied_while_it_is_used_goes_on(server, folder):
    place = nk.cache(f"{server.url}/sharded.zarr", folder=folder)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(pixels, place) for _ in range(8)]
        while not all(read.done() for read in reads):
            clear(folder)
        for read in reads:
            np.testing.assert_array_equal(read.result(), PIXELS)
    np.testing.assert_array_equal(pixels(place), PIXELS)


# --- offline ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_was_read_is_there_without_a_network(original, folder, name):
    with httpd.serve(original) as server:
        url = f"{server.url}/{name}"
        pixels(nk.cache(url, folder=folder))
    np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder, check="never")), PIXELS)
    clear(folder, url)
    with pytest.raises(nk.StoreError, match="check='never' asks nobody"):
        pixels(nk.cache(url, folder=folder, check="never"))


def test_what_was_not_read_is_an_error_offline_and_never_zeros(original, folder):
    with httpd.serve(original) as server:
        for name in ("v3.zarr", "sharded.zarr"):
            url = f"{server.url}/{name}"
            nk.open(nk.cache(url, folder=folder))["1"].image[:8, :32, :32].load()
        server.clear()
        for name in ("v3.zarr", "sharded.zarr"):
            url = f"{server.url}/{name}"
            image = nk.open(nk.cache(url, folder=folder, check="never"))["1"].image
            np.testing.assert_array_equal(image[:8, :32, :32], PIXELS[:8, :32, :32])
            for missing in ("error", "warn", "fill"):
                place = nk.cache(url, folder=folder, check="never")
                with pytest.raises(nk.ChunkError, match="not in the cache"):
                    pixels(place, missing=missing)
        assert not server.hits


def test_chunks_that_were_absent_are_absent_offline(tmp_path, folder):
    sparse = PIXELS.copy()
    sparse[:, :, :32] = 0
    makers.write(tmp_path / "x.zarr", [sparse], V3)
    with httpd.serve(tmp_path) as server:
        url = f"{server.url}/x.zarr"
        np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder)), sparse)
        np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder, check="never")), sparse)
        # what appears is no longer absent, not even when it was removed for want of room
        makers.write(tmp_path / "y.zarr", [PIXELS], V3)
        for path in (tmp_path / "y.zarr").rglob("c/*/*/0"):
            target = tmp_path / "x.zarr" / path.relative_to(tmp_path / "y.zarr")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        np.testing.assert_array_equal(pixels(nk.cache(url, folder=folder)), PIXELS)
        for path in files(folder):
            if path.stat().st_size > 10_000:
                path.unlink()
        with pytest.raises(nk.ChunkError, match="not in the cache"):
            pixels(nk.cache(url, folder=folder, check="never"))


# --- secrets ------------------------------------------------------------------------------------


def test_no_secret_is_on_the_disk_and_nobody_sees_what_another_was_given(original, folder):
    secrets = {"alice": "Bearer s3cr3t-of-alice", "bob": "Bearer s3cr3t-of-bob"}
    with httpd.serve(original) as server:
        for name, secret in secrets.items():
            server.clear()
            host = server.url.replace("://", f"://{name}:pa55word@")
            options = {"headers": {"X-Token": secret}}
            place = nk.cache(f"{host}/v3.zarr", folder=folder, storage_options=options)
            np.testing.assert_array_equal(pixels(place), PIXELS)
            assert {hit.status for hit in server.hits} == {200, 404}
        for options in ({"headers": {"X-Token": "other"}}, None):
            place = nk.cache(
                f"{server.url}/v3.zarr", folder=folder, check="never", storage_options=options
            )
            with pytest.raises(nk.StoreError):
                pixels(place)
    found = [path for path in folder.rglob("*") if path.is_file()]
    everything = b"".join(str(path).encode() + path.read_bytes() for path in found)
    for word in (b"alice", b"bob", b"s3cr3t", b"pa55word", b"X-Token"):
        assert word not in everything
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert list(cached(folder).addresses) == [f"{server.url}/v3.zarr"]


def test_addresses_that_differ_in_what_is_left_out_are_kept_apart(bucket, folder):
    url, client = bucket
    options = {"endpoint": url, "skip_signature": True}
    for name in ("q?a", "q?b", "q#c"):
        body = name.encode()
        client.put_object(Bucket="bucket", Key=f"{name}/key", Body=body, ACL="public-read")
    for check in ("session", "never"):
        for name in ("q?a", "q?b", "q#c"):
            store = nk.cache(
                f"s3://bucket/{name}", folder=folder, check=check, storage_options=options
            )
            assert bytes(store.get("key")) == name.encode()


# --- kinds of stores ----------------------------------------------------------------------------


def test_local_places_are_returned_as_they_are(original, folder):
    assert isinstance(nk.cache(original / "v3.zarr", folder=folder), LocalStore)
    assert isinstance(nk.cache(f"file://{original}/v3.zarr", folder=folder), LocalStore)
    packed = nk.cache(original / "packed.ozx", folder=folder)
    assert isinstance(packed, ZipStore)
    assert isinstance(packed.parent, LocalStore)
    memory = obstore.store.MemoryStore()
    assert isinstance(nk.cache(memory, folder=folder), ObjectStore)
    assert not folder.exists()


def test_a_cache_of_a_cache_is_that_cache(server, folder):
    once = nk.cache(f"{server.url}/v3.zarr", folder=folder)
    assert nk.cache(once, folder=folder) is once
    packed = nk.cache(f"{server.url}/packed.ozx", folder=folder)
    assert nk.cache(packed, folder=folder) is packed
    assert isinstance(packed.parent, CachedStore)


def test_what_is_open_already_is_cached(server, folder):
    inner = obstore.store.HTTPStore.from_url(
        f"{server.url}/sharded.zarr", client_options={"allow_http": True}
    )
    for source in (inner, zarr.storage.ObjectStore(inner, read_only=True)):
        place = nk.cache(source, folder=folder)
        assert isinstance(place, CachedStore)
        np.testing.assert_array_equal(pixels(place), PIXELS)


def test_the_same_credentials_find_the_same_objects_in_whatever_order(server, folder):
    headers = {f"X-{letter}": letter for letter in "abcdefgh"}
    for i in range(5):
        inner = obstore.store.HTTPStore.from_url(
            server.url, client_options={"allow_http": True, "default_headers": headers}
        )
        store = nk.cache(inner, folder=folder, check="never" if i else "session")
        assert len(store.get("a")) == 10_240


class Shelf(fsspec.AbstractFileSystem):
    """A file system with or without checksums; counts what is read."""

    protocol = "shelf"
    cachable = False

    def __init__(self, root: Path, told: dict[str, Any] | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.root, self.told, self.reads = root, told or {}, 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        real = self.root / path.strip("/")
        if not real.is_file():
            raise FileNotFoundError(path)
        told = {k: v(real) if callable(v) else v for k, v in self.told.items()}
        return {"name": path, "size": real.stat().st_size, "type": "file", **told}

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        self.reads += 1
        return (self.root / path.strip("/")).read_bytes()[start:end]


def test_file_systems_with_checksums_are_cached(original, tmp_path, folder):
    www, other = replaced(original, tmp_path, "x.zarr", SHARDED)
    fs = Shelf(www, {"ETag": lambda path: f'"{path.stat().st_mtime_ns}"'})
    shelf = fs.get_mapper("x.zarr")
    np.testing.assert_array_equal(pixels(nk.cache(shelf, folder=folder)), PIXELS)
    fs.reads = 0
    np.testing.assert_array_equal(pixels(nk.cache(shelf, folder=folder)), PIXELS)
    assert fs.reads == 0
    image = nk.open(nk.cache(shelf, folder=folder))["1"].image
    image[:4].load()
    clear(folder)
    swap(www)
    with pytest.raises(nk.ChunkError, match="it changed while it was read"):
        image.load()
    np.testing.assert_array_equal(pixels(nk.cache(shelf, folder=folder)), other)


@pytest.mark.parametrize("told", [{"mtime": 10**9}, {"mtime": "2020-01-01"}, {"updated": "x"}])
def test_file_systems_that_tell_times_are_cached_by_them(original, folder, told):
    store = nk.cache(Shelf(original, told).get_mapper(""), folder=folder)
    assert isinstance(store.inner, VersionedFiles)
    assert store.size("a") == 10_240
    assert bytes(store.get("a", 3, 2)) == b"\3\4"
    assert bool(files(folder)) == (told != {"updated": "x"})


def test_stores_without_versions_are_refused(original, folder):
    with pytest.raises(nk.NgffError, match="neither a checksum nor a time"):
        nk.cache(Shelf(original).get_mapper(""), folder=folder).get("a")
    with pytest.raises(nk.NgffError, match="does not tell versions"):
        nk.cache(zarr.storage.MemoryStore(), folder=folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "much"}, "size='much' is no size"),
        ({"size": True}, "is no size"),
        ({"size": -1}, "is no size"),
        ({"size": "10 kB"}, "too little"),
        ({"check": "often"}, "check='often'"),
    ],
)
def test_wrong_options_are_named(server, folder, options, said):
    with pytest.raises(nk.NgffError, match=said):
        nk.cache(server.url, folder=folder, **options)
    with pytest.raises(nk.NgffError, match="cache="):
        nk.open(server.url, storage_options={"cache": {"much": 1}})


def test_a_place_pickles_with_the_versions_it_has_parts_of(tmp_path, folder):
    (tmp_path / "a").write_bytes(b"0" * 99)
    with httpd.serve(tmp_path) as server:
        store: Store = nk.cache(server.url, folder=folder)
        store.get("a", -9, 9)
        copy = pickle.loads(pickle.dumps(store))
        server.clear()
        assert bytes(copy.get("a", -9, 9)) == b"0" * 9
        assert not server.hits
        (tmp_path / "a").write_bytes(b"1" * 98)
        with pytest.raises(ChangedError):
            pickle.loads(pickle.dumps(store)).get("a", 0, 9)


def test_dask_workers_read_through_it(server, folder):
    pytest.importorskip("dask")
    image = nk.open(nk.cache(f"{server.url}/sharded.zarr", folder=folder), chunks={})["1"].image
    again = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(again.compute(scheduler="threads"), PIXELS)
    assert files(folder)


def test_many_threads_read_the_same_pixels(server, folder):
    place = nk.cache(f"{server.url}/sharded.zarr", folder=folder)
    image = nk.open(place)["1"].image
    with ThreadPoolExecutor(64) as pool:
        for z, plane in enumerate(pool.map(lambda z: image[z].values, [*range(16)] * 4)):
            np.testing.assert_array_equal(plane, PIXELS[z % 16])


def test_it_can_be_converted_from(server, folder, tmp_path):
    nk.convert(nk.cache(f"{server.url}/v2.zarr", folder=folder), tmp_path / "out.zarr", mags=["1"])
    np.testing.assert_array_equal(pixels(tmp_path / "out.zarr"), PIXELS)


# --- S3 -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket(original: Path) -> Iterator[tuple[str, Any]]:
    with buckets.running("bucket", original) as url, buckets.client_of(url) as client:
        yield url, client


@pytest.mark.parametrize("name", NAMES)
def test_s3_is_cached(bucket, folder, name):
    options = {"endpoint": bucket[0], "skip_signature": True}
    for check in ("session", "session", "always", "never"):
        place = nk.cache(f"s3://bucket/{name}", folder=folder, check=check, storage_options=options)
        np.testing.assert_array_equal(pixels(place), PIXELS)
    assert list(cached(folder).addresses) == [f"s3://bucket/{name}"]


def test_s3_objects_that_change_are_not_mixed(bucket, folder):
    url, client = bucket
    options = {"endpoint": url, "skip_signature": True}

    def put(body: bytes) -> None:
        client.put_object(Bucket="bucket", Key="changes", Body=body, ACL="public-read")

    put(b"0" * 99)
    store = nk.cache("s3://bucket", folder=folder, storage_options=options)
    assert bytes(store.get("changes", -9, 9)) == b"0" * 9
    put(b"1" * 99)
    with pytest.raises(ChangedError):
        store.get("changes", 5, 5)
    with pytest.raises(ChangedError):
        store.get_ranges("changes", [(5, 5)])
    store = nk.cache("s3://bucket", folder=folder, storage_options=options)
    assert bytes(store.get("changes", -9, 9)) == b"1" * 9


# --- seeing and emptying ------------------------------------------------------------------------


def test_a_cache_is_counted_and_emptied_by_address(server, folder):
    for name in ("v3.zarr", "sharded.zarr"):
        pixels(nk.cache(f"{server.url}/{name}", folder=folder))
    info = cached(folder)
    assert set(info.addresses) == {f"{server.url}/v3.zarr", f"{server.url}/sharded.zarr"}
    assert info.objects == len(files(folder))
    assert info.nbytes == bytes_taken(folder)
    assert f"{server.url}/v3.zarr: " in str(info)
    assert f"{server.url}/v3.zarr" in info._repr_html_()
    (folder / "mine.txt").write_text("stays")
    (folder / bounded.LAYOUT / "notes.txt").write_text("stays")
    gone = clear(folder, f"{server.url}/v3.zarr")
    assert list(gone.addresses) == [f"{server.url}/v3.zarr"]
    assert list(cached(folder).addresses) == [f"{server.url}/sharded.zarr"]
    assert not clear(folder, "http://elsewhere").objects
    assert clear(folder).objects
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"mine.txt", "notes.txt", "total"}


def test_the_default_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/ngffkit")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == tmp_path / ".cache" / "ngffkit"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_folder() == tmp_path / "Library" / "Caches" / "ngffkit"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_folder() == tmp_path / "local" / "ngffkit"


def test_the_command_line_keeps_shows_and_clears(server, folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    url = f"{server.url}/v3.zarr"
    assert main(["info", "--cache", "50 MB", url]) == 0
    assert main(["cache"]) == 0
    assert url in capsys.readouterr().out
    assert cached().objects == cached(tmp_path / "xdg" / "ngffkit").objects > 0
    out = str(tmp_path / "out.zarr")
    assert main(["convert", "-q", "--cache", "9 MB", "--cache-folder", str(folder), url, out]) == 0
    np.testing.assert_array_equal(pixels(out), PIXELS)
    server.clear()
    again = str(tmp_path / "again.zarr")
    more = ["--cache-folder", str(folder), "--cache-check", "never"]
    assert main(["copy", "-q", *more, url, again]) == 0
    assert not server.hits
    capsys.readouterr()
    assert main(["cache", "--json", "--folder", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["addresses"][0]["address"] == url
    assert main(["cache", "--clear", "--folder", str(folder), "--address", url]) == 0
    assert not cached(folder).objects
    assert main(["cache", "--address", url]) == 2
    assert main(["info", "--cache", "much", url]) == 2
    assert "a size was expected" in capsys.readouterr().err
