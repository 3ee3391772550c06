"""The server: every byte of the image, and nothing else, whoever asks in whatever way."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpd
import makers
import numpy as np
import pytest
import tensorstore
import zarr

import ngffkit as nk
from ngffkit.api import as_opened
from ngffkit.errors import StoreError
from ngffkit.serving import app as apps
from ngffkit.serving.content import Head
from ngffkit.serving.guard import Rules
from ngffkit.serving.stored import StoredContent

TOKEN = "correct-horse-battery"
ROOT = f"/{TOKEN}/image.zarr"
SECRET = b"the secret of the house"
VIEWER = "https://neuroglancer-demo.appspot.com"
HOST = "Host: localhost\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return an image with secrets beside it and within it, and links to them."""
    top = tmp_path_factory.mktemp("served")
    data = np.random.default_rng(0).integers(0, 60000, (20, 40, 40), "u2")
    how = makers.How()
    root = makers.write(
        top / "image.zarr",
        makers.pyramid(data, how),
        how,
        labels={"cells": makers.pyramid((data > 9).astype("u4"), how, "nearest")},
    )
    makers.write(top / "other.zarr", makers.pyramid(data, how), how)
    for place in (top, root, root / "0", root / "0/c"):
        (place / "secret.txt").write_bytes(SECRET)
    (top / "secrets").mkdir()
    (top / "secrets/zarr.json").write_bytes(SECRET)
    (top / "secrets/0").write_bytes(SECRET)
    # within the grid, so that only what lies there can refuse
    chunks = root / "0/c/0/0"
    for name in ("0", "1", "2"):
        (chunks / name).unlink()
    (chunks / "0").symlink_to(top / "secret.txt")
    os.mkfifo(chunks / "1")
    (chunks / "2").symlink_to(root / "0/c/1/0/2")  # to elsewhere in the image
    shutil.rmtree(root / "0/c/0/1")
    (root / "0/c/0/1").symlink_to(top / "secrets")
    (root / "datasource-properties.json").symlink_to("../secret.txt")
    return root


@pytest.fixture(scope="module")
def server(folder):
    with nk.serve(folder, token=TOKEN, origins=["https://mine.example"]) as made:
        yield made


def ask(port: int, request: bytes) -> bytes:
    """Send bytes as they are, and return all that comes."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(request)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
    return b"".join(parts)


def get(server, path: str, headers: str = "", method: str = "GET", host: str = HOST):
    head = f"{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n"
    raw = ask(server.port, head.encode("latin-1"))
    top, _, body = raw.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    fields = [line.split(": ", 1) for line in lines[1:]]
    return int(lines[0].split(" ")[1]), {k.lower(): v for k, v in fields}, body


DOC = f"{ROOT}/zarr.json"

#: Paths that are nobody's, or somebody else's, and the statuses they may get.
PATHS = [
    *("/", "//", "/zarr.json", "/image.zarr/zarr.json", "/favicon.ico", "/robots.txt", "*"),
    *(f"/{TOKEN}", f"/{TOKEN}/", ROOT, f"{ROOT}/", f"{ROOT}/0", f"{ROOT}/0/", f"{ROOT}/0/c/"),
    *(f"{ROOT}/labels", f"{ROOT}/labels/", f"{ROOT}/0/c/0", f"{ROOT}/zarr.json/"),
    *(f"/{TOKEN[:-1]}/image.zarr/zarr.json", f"/{TOKEN}x/image.zarr/zarr.json"),
    *(f"/{TOKEN.upper()}/image.zarr/zarr.json", "/AAAA/image.zarr/zarr.json"),
    *(f"/{TOKEN}/other.zarr/zarr.json", f"/{TOKEN}/zarr.json", f"//{TOKEN}/image.zarr/zarr.json"),
    *(f"/%63{TOKEN[1:]}/image.zarr/zarr.json", f"/{TOKEN}%00/image.zarr/zarr.json"),
    *(f"{ROOT}/secret.txt", f"{ROOT}/0/secret.txt", f"{ROOT}/0/c/secret.txt"),
    *(f"{ROOT}/../secret.txt", f"{ROOT}/../../secret.txt", f"{ROOT}/../other.zarr/zarr.json"),
    *(
        f"{ROOT}/0/../zarr.json",
        f"{ROOT}/./zarr.json",
        f"{ROOT}//zarr.json",
        f"{ROOT}/0//zarr.json",
    ),
    *(f"{ROOT}/%2e%2e/secret.txt", f"{ROOT}/%2E%2E/secret.txt", f"{ROOT}/.%2e/secret.txt"),
    *(f"{ROOT}/..%2fsecret.txt", f"{ROOT}/%2e%2e%2fsecret.txt", f"{ROOT}%2f..%2fsecret.txt"),
    *(f"{ROOT}/%252e%252e/secret.txt", f"{ROOT}/..%252fsecret.txt", f"{ROOT}/%25%32%65/zarr.json"),
    *(f"{ROOT}/..\\secret.txt", f"{ROOT}/..%5csecret.txt", f"{ROOT}\\..\\secret.txt"),
    *(f"{ROOT}/zarr.json%00", f"{ROOT}/zarr.json%00.txt", f"{ROOT}/%00/zarr.json"),
    *(f"{ROOT}/zarr.json%0d%0aX-Leak:1", f"{ROOT}/zarr.json%20", f"{ROOT}/zarr.json."),
    *(f"{ROOT}//etc/passwd", f"{ROOT}/%2fetc/passwd", "//etc/passwd", f"{ROOT}/file:///etc/passwd"),
    *(f"{ROOT}/%c0%ae%c0%ae/secret.txt", f"{ROOT}/%c0%afsecret.txt", f"{ROOT}/%ff/zarr.json"),
    *(f"{ROOT}/%e2%80%ae/zarr.json", f"{ROOT}/%ef%bc%8e%ef%bc%8e/secret.txt"),
    *(f"{ROOT}/%e2%80%a4%e2%80%a4/secret.txt", f"{ROOT}/..%ef%bc%8fsecret.txt"),
    *(f"{ROOT}/zarr.json%", f"{ROOT}/%zz/zarr.json", f"{ROOT}/%u002e%u002e/secret.txt"),
    *(f"{ROOT}/~/secret.txt", f"{ROOT}/..;/secret.txt", f"{ROOT}/;/zarr.json", f"{ROOT}/CON"),
    *(f"{ROOT}/0/c/00/1/1", f"{ROOT}/0/c/+1/1/1", f"{ROOT}/0/c/-1/1/1", f"{ROOT}/0/c/1.0/1/1"),
    *(f"{ROOT}/0/c/1/1/3", f"{ROOT}/0/c/2/0/0", f"{ROOT}/0/c/1/1", f"{ROOT}/0/c/1/1/1/1"),
    *(f"{ROOT}/0/c/1/1/%d9%a1", f"{ROOT}/0/c/1/1/%c2%b9", f"{ROOT}/0/c/1/1/1e0"),
    *(f"{ROOT}/0/c/1/1/{10**30}", f"{ROOT}/0/1/1/1", f"{ROOT}/0/c.1.1.1", f"{ROOT}/9/zarr.json"),
    *(f"{ROOT}/ZARR.JSON", f"{ROOT}/.zattrs", f"{ROOT}/labels/nobody/zarr.json"),
    *(f"{ROOT}/{'a' * 3000}", f"{ROOT}/{'a/' * 1000}zarr.json", f"{ROOT}{'/..' * 40}/etc/passwd"),
]

#: Keys of the image behind which something else lies, and the statuses they get.
TRAPS = {
    f"{ROOT}/0/c/0/0/0": 502,
    f"{ROOT}/0/c/0/0/1": 502,
    f"{ROOT}/0/c/0/1/0": 502,
    f"{ROOT}/0/c/0/1/2": 502,
    f"{ROOT}/datasource-properties.json": 502,
}


def harmless(answer) -> bool:
    status, headers, body = answer
    text = b"\n".join(f"{k}: {v}".encode() for k, v in headers.items()) + body
    words = (SECRET, b"root:", b"zarr_format", b"Traceback", b"/tmp", b"secret", b".py", b"x-leak")
    return status >= 400 and not any(word in text for word in words)


def enter(ledger, fine):
    """Enter an address that leads out; what isn't refused is wrong, whatever fails after."""
    ledger.enter("escapes", "said" if fine else "wrong")


@pytest.mark.faults
@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(server, folder, path, ledger):
    answer = get(server, path)
    inside = harmless(answer) and str(folder).encode() not in answer[2]
    enter(ledger, inside and answer[0] in (400, 404))
    assert answer[0] in (400, 404)
    assert inside
    # a HEAD tells no more
    assert get(server, path, method="HEAD")[0] == answer[0]


@pytest.mark.faults
@pytest.mark.parametrize("path", TRAPS)
def test_links_that_lead_out_and_pipes_are_refused(server, folder, path, ledger):
    answer = get(server, path)
    enter(ledger, harmless(answer) and answer[0] == TRAPS[path])
    assert answer[0] == TRAPS[path]
    assert harmless(answer)


def test_a_link_within_the_image_is_followed(server, folder):
    status, _, body = get(server, f"{ROOT}/0/c/0/0/2")
    assert (status, body) == (200, (folder / "0/c/1/0/2").read_bytes())


def test_a_wrong_token_is_like_no_token(server):
    wrong, absent = get(server, "/AAAA/image.zarr/zarr.json"), get(server, f"{ROOT}/no")
    drop = {"date"}
    assert wrong[2] == absent[2]
    assert {k: v for k, v in wrong[1].items() if k not in drop} == {
        k: v for k, v in absent[1].items() if k not in drop
    }


METHODS = "POST PUT DELETE PATCH TRACE CONNECT PROPFIND MKCOL COPY MOVE LOCK get FOO".split()


@pytest.mark.parametrize("method", METHODS)
def test_other_methods_are_told_which_there_are(server, method):
    answer = get(server, DOC, method=method)
    assert answer[0] == 405
    assert answer[1]["allow"] == "GET, HEAD, OPTIONS"
    assert harmless(answer)


HOSTS = {
    "": 400,
    "Host: \r\n": 400,
    "Host: evil.example\r\n": 421,
    "Host: evil.example:80\r\n": 421,
    "Host: localhost.evil.example\r\n": 421,
    "Host: evil.example@localhost\r\n": 400,
    "Host: localhost@evil.example\r\n": 400,
    "Host: localhost/evil\r\n": 400,
    "Host: localhost, evil.example\r\n": 400,
    "Host: localhost\r\nHost: evil.example\r\n": 400,
    "Host: 127.0.0.2\r\n": 421,
    "Host: 2130706433\r\n": 421,
    "Host: 0.0.0.0\r\n": 421,
    "Host: localhost:99999999\r\n": 400,
    "Host: [::1]:80:80\r\n": 400,
    "X-Forwarded-Host: localhost\r\nHost: evil.example\r\n": 421,
}


@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts_are_refused(server, host):
    answer = get(server, DOC, host=host)
    assert answer[0] == HOSTS[host]
    assert harmless(answer)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8", "127.0.0.1:80", "[::1]:80"])
def test_names_of_this_machine_are_right(server, host):
    assert get(server, DOC, host=f"Host: {host}\r\n")[0] == 200


def test_http_1_0_without_a_host_is_refused(server):
    assert b" 400 " in ask(server.port, f"GET {DOC} HTTP/1.0\r\n\r\n".encode())[:20]


SMUGGLED = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Content-Length: -1\r\n",
    "Bad Header: 1\r\n",
]


@pytest.mark.parametrize("headers", SMUGGLED)
def test_one_request_is_never_taken_for_two(server, headers):
    inner = f"GET /AAAA HTTP/1.1\r\n{HOST}\r\n"
    raw = ask(server.port, f"GET {DOC} HTTP/1.1\r\n{HOST}{headers}\r\n{inner}".encode())
    assert raw.count(b"HTTP/1.1 ") == 1


# --- ranges and conditions ------------------------------------------------------------------------

SIZE = 1000
WHOLE = (200, 0, SIZE)
RANGES = {
    "bytes=0-0": (206, 0, 1),
    "bytes=0-99": (206, 0, 100),
    "bytes=990-": (206, 990, SIZE),
    "bytes=990-5000": (206, 990, SIZE),
    "bytes=-10": (206, 990, SIZE),
    "bytes=-5000": (206, 0, SIZE),
    "bytes= 5-6": (206, 5, 7),
    "BYTES=5-6": (206, 5, 7),
    "bytes=000005-6": (206, 5, 7),
    f"bytes=5-{10**40}": (206, 5, SIZE),
    "bytes=1000-": (416, 0, 0),
    "bytes=1000-1001": (416, 0, 0),
    f"bytes={10**40}-": (416, 0, 0),
    "bytes=-0": (416, 0, 0),
    "bytes=9-8": WHOLE,
    "bytes=-": WHOLE,
    "bytes=": WHOLE,
    "bytes=a-b": WHOLE,
    "bytes=--1": WHOLE,
    "bytes=+1-2": WHOLE,
    "bytes=1": WHOLE,
    "bytes=0x1-0x2": WHOLE,
    "bytes=1-2;3-4": WHOLE,
    "bytes=0-1,5-6": WHOLE,
    "bytes=0-,0-,0-,0-": WHOLE,
    "lines=0-1": WHOLE,
    "0-1": WHOLE,
}


class Plain:
    """Content of one object."""

    image, labels = None, {}

    def __init__(self, size: int = SIZE) -> None:
        self.data = np.random.default_rng(1).bytes(size)
        self.fails, self.asked = {}, []

    def knows(self, key):
        return key == "x"

    def head(self, _):
        return Head(len(self.data), '"one"')

    def read(self, _, start, stop):
        self.asked.append((start, stop))
        if start in self.fails:
            raise self.fails[start]
        return self.data[start:stop]

    def close(self):
        pass


def call(content, headers=(), method="GET", origins=(), path=f"{ROOT}/x"):
    """Ask the app alone, without a server; return status, headers, body and whether it is whole."""
    app = apps.App(content, Rules(TOKEN, "image.zarr", origins=tuple(origins)))
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    fields = {"host": "localhost", **dict(headers)}
    scope["headers"] = [(k.encode(), v.encode()) for k, v in fields.items()]
    sent = []

    async def run():
        async def receive():
            await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(run())
    app.close()
    body = b"".join(m.get("body", b"") for m in sent[1:])
    known = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    whole = len(sent) > 1 and not sent[-1].get("more_body", False)
    return sent[0]["status"], known, body, whole


@pytest.mark.parametrize("asked", RANGES)
def test_ranges_are_those_of_the_standard(asked):
    content = Plain()
    status, start, stop = RANGES[asked]
    found = call(content, {"range": asked})
    assert found[0] == status
    if status == 416:
        assert found[1]["content-range"] == f"bytes */{SIZE}"
        return
    assert found[2] == content.data[start:stop]
    assert found[1]["content-length"] == str(stop - start)
    wanted = f"bytes {start}-{stop - 1}/{SIZE}" if status == 206 else None
    assert found[1].get("content-range") == wanted


CONDITIONS = [
    ({"if-none-match": '"one"'}, 304),
    ({"if-none-match": 'W/"one", "two"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": '"two"'}, 200),
    ({"if-match": '"one"'}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": 'W/"one"'}, 412),
    ({"if-match": '"two"'}, 412),
    ({"if-match": '"two"', "if-none-match": '"one"'}, 412),
    ({"range": "bytes=0-1", "if-range": '"one"'}, 206),
    ({"range": "bytes=0-1", "if-range": '"two"'}, 200),
    ({"range": "bytes=0-1", "if-range": 'W/"one"'}, 200),
    ({"range": "bytes=0-1", "if-range": "Mon, 23 Nov 2026 00:00:00 GMT"}, 200),
    ({"range": "bytes=2000-", "if-range": '"two"'}, 200),
    ({"range": "bytes=0-1", "if-none-match": '"one"'}, 304),
]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS)
def test_conditions_are_those_of_the_standard(headers, status):
    found = call(Plain(), headers)
    assert found[0] == status
    assert found[1]["etag"] == '"one"'
    if status == 304:
        assert found[2] == b""


def test_head_says_what_get_says(server):
    for path in (DOC, f"{ROOT}/0/c/1/1/1"):
        whole, head = get(server, path), get(server, path, method="HEAD")
        assert whole[0] == head[0] == 200
        assert {**whole[1], "date": ""} == {**head[1], "date": ""}
        assert head[2] == b""
        assert len(whole[2]) == int(head[1]["content-length"])


def test_large_objects_are_read_in_pieces():
    content = Plain(3 * apps.PIECE + 5)
    found = call(content)
    assert found[2] == content.data
    assert len(content.asked) == 4
    assert max(stop - start for start, stop in content.asked) == apps.PIECE


def test_what_fails_at_its_start_gets_a_status_and_later_is_never_whole(caplog):
    error = StoreError("x", "/home/ada/data", "disk on fire")
    content = Plain(3 * apps.PIECE)
    content.fails = {0: error}
    status, _, body, whole = call(content)
    assert (status, whole) == (502, True)
    assert b"home" not in body
    content.fails = {apps.PIECE: error}
    status, headers, body, whole = call(content)
    assert status == 200
    assert not whole
    assert len(body) < int(headers["content-length"])
    assert "disk on fire" in caplog.text


@pytest.mark.parametrize("error", [ValueError("/home/ada"), nk.NgffError("/home/ada")])
def test_other_errors_tell_nothing(error, caplog):
    content = Plain()
    content.fails = {0: error}
    status, _, body, _ = call(content)
    assert status == 500
    assert b"ada" not in body


def test_an_object_that_shrinks_is_no_short_answer(caplog):
    content = Plain()
    content.head = lambda _: Head(SIZE + 1, '"one"')
    assert call(content)[0] == 502


# --- pages ----------------------------------------------------------------------------------------


def test_pages_of_viewers_may_read_and_others_not(server):
    for path in (DOC, f"{ROOT}/0/c/9/9/9"):  # that something is absent counts as well
        for origin in (VIEWER, "https://mine.example"):
            headers = get(server, path, f"Origin: {origin}\r\n")[1]
            assert headers["access-control-allow-origin"] == origin
            assert "ETag" in headers["access-control-expose-headers"]
            assert headers["vary"] == "Origin"
        for origin in ("https://evil.example", "null", f"{VIEWER}.evil.example", "*"):
            headers = get(server, path, f"Origin: {origin}\r\n")[1]
            assert "access-control-allow-origin" not in headers
            assert headers["vary"] == "Origin"


def test_preflights_allow_ranges_and_private_networks(server):
    asked = (
        "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: range, cookie\r\n"
        "Access-Control-Request-Private-Network: true\r\n"
    )
    status, headers, _ = get(server, DOC, f"Origin: {VIEWER}\r\n{asked}", "OPTIONS")
    assert status == 204
    assert headers["access-control-allow-headers"] == "range"
    assert headers["access-control-allow-private-network"] == "true"
    assert headers["access-control-allow-origin"] == VIEWER
    status, headers, _ = get(server, DOC, f"Origin: https://evil.example\r\n{asked}", "OPTIONS")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]
    assert get(server, "/AAAA/image.zarr/zarr.json", f"Origin: {VIEWER}\r\n", "OPTIONS")[0] == 404


def test_every_origin_only_on_request():
    found = call(Plain(), {"origin": "https://any.example"}, origins=["*"])
    assert found[1]["access-control-allow-origin"] == "*"


# --- what is there --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    data = np.random.default_rng(2).integers(0, 60000, (20, 40, 40), "u2")
    how = makers.How(chunks=8, shards=[16, 16, 16])
    labels = {"cells": makers.pyramid((data > 9).astype("u4"), how, "nearest")}
    root = tmp_path_factory.mktemp("whole") / "it.zarr"
    return makers.write(root, makers.pyramid(data, how), how, labels=labels)


def files(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def test_every_file_comes_with_equal_bytes_in_parallel(whole):
    with nk.serve(whole) as server, ThreadPoolExecutor(16) as pool:
        names = files(whole)

        def same(name):
            with urllib.request.urlopen(f"{server.url}/{name}") as answer:
                return answer.read() == (whole / name).read_bytes()

        assert len(names) > 30
        assert all(pool.map(same, names * 4))


def test_version_0_4_comes_byte_by_byte(tmp_path):
    how = makers.How(version="0.4", consolidated=True)
    root = makers.write(tmp_path / "old.zarr", [np.ones((9, 9, 9), "u1")] * 2, how)
    (root / ".zgroup").write_text('{ "zarr_format" : 2 }\n')
    with nk.serve(root) as server:
        for name in files(root):
            body = urllib.request.urlopen(f"{server.url}/{name}").read()
            assert body == (root / name).read_bytes()


def test_other_readers_see_the_same_pixels(whole):
    expected = zarr.open_array(whole / "0", mode="r")[...]
    with nk.serve(whole) as server:
        spec = {"driver": "zarr3", "kvstore": f"{server.url}/0/"}
        found = tensorstore.open(spec).result().read().result()
        np.testing.assert_array_equal(found, expected)
        array = zarr.open_array(f"{server.url}/0", mode="r")
        np.testing.assert_array_equal(array[...], expected)
        ours = nk.open_dataset(server.url)
        np.testing.assert_array_equal(ours["image"].values, expected)
        cells = nk.open_dataset(server.url, image="labels/cells")
        np.testing.assert_array_equal(cells["labels"].values, (expected > 9))


def test_a_zip_file_and_a_web_server_are_passed_on(whole, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "it"), "zip", whole)
    chunk = "0/c/0/0/0"
    expected = (whole / chunk).read_bytes()
    with httpd.serve(whole.parent) as remote:
        for place in (packed, f"{remote.url}/it.zarr"):
            with nk.serve(place) as server:
                answer = urllib.request.urlopen(f"{server.url}/{chunk}")
                assert answer.read() == expected
                request = urllib.request.Request(
                    f"{server.url}/{chunk}", headers={"Range": "bytes=-7"}
                )
                assert urllib.request.urlopen(request).read() == expected[-7:]
                assert server.url.endswith("/it.zarr")


@pytest.mark.parametrize("fault", [httpd.html, httpd.login, httpd.status(403)])
def test_what_a_web_server_spoils_is_no_200(whole, fault, caplog):
    with httpd.serve(whole.parent) as remote, nk.serve(f"{remote.url}/it.zarr") as server:
        remote.fault("*/c/*", fault)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{server.url}/0/c/0/0/0")
        assert caught.value.code == 502
        assert remote.url.encode() not in caught.value.read()
        caught.value.close()


def test_an_exchanged_folder_does_not_lead_out(whole, tmp_path):
    root = shutil.copytree(whole, tmp_path / "it.zarr")
    content = StoredContent(as_opened(root))
    assert content.head("0/c/0/0/0") is not None
    shutil.move(root / "0/c", tmp_path / "moved")
    (root / "0/c").symlink_to(tmp_path / "moved")
    with pytest.raises(StoreError, match="leads out"):
        content.read("0/c/0/0/0", 0, 1)


def test_a_plate_has_the_keys_of_its_wells(tmp_path):
    how = makers.How(factors=())
    makers.plate(tmp_path / "p.zarr", "A", 1, 1)
    makers.well(tmp_path / "p.zarr/A/01", {"0": [np.ones((4, 4, 4), "u1")]}, how)
    from ngffkit.api import find
    from ngffkit.discover.nodes import Wanted

    content = StoredContent(find(tmp_path / "p.zarr", Wanted(wells="all")))
    for key in ("zarr.json", "A/zarr.json", "A/01/zarr.json", "A/01/0/0/c/0/0/0"):
        assert content.knows(key), key
    assert not content.knows("A/02/zarr.json")


# --- the server -----------------------------------------------------------------------------------


def test_it_stops_at_once_with_connections_open(whole):
    server = nk.serve(whole)
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        path = f"{server.path}/zarr.json"
        line.sendall(f"GET {path} HTTP/1.1\r\n{HOST}\r\n".encode())
        assert line.recv(15) == b"HTTP/1.1 200 OK"
        server.close()
        server.close()
        line.settimeout(5)
        while line.recv(65536):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    assert "closed" in repr(server)


def test_several_at_a_time_each_with_its_own_token(whole):
    with nk.serve(whole) as one, nk.serve(whole) as two:
        assert one.url != two.url
        assert get(one, f"{two.path}/zarr.json")[0] == 404
        assert get(two, f"{two.path}/zarr.json")[0] == 200


def test_it_serves_while_a_loop_runs(whole):
    async def inside():
        with nk.serve(whole) as server:
            return await asyncio.to_thread(get, server, f"{server.path}/zarr.json")

    assert asyncio.run(inside())[0] == 200


def test_small_packets_are_sent_at_once(whole):
    # else a header and a body would wait for one another's receipts
    with nk.serve(whole) as server, socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(f"GET {server.path}/zarr.json HTTP/1.1\r\n{HOST}\r\n".encode())
        line.recv(65536)
        (connection,) = server._inner.server_state.connections
        sock = connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_does_not_leave_its_process(whole):
    with nk.serve(whole) as server, pytest.raises(nk.NgffError, match="pass its url on"):
        pickle.dumps(server)


WRONG = [
    ({"host": "0.0.0.0"}, "hosts="),
    ({"token": "short"}, "too easy to guess"),
    ({"token": "a/b" * 9}, "can't stand"),
    ({"name": "../x"}, "can't stand"),
    ({"origins": "https://a.example"}, "one text"),
    ({"origins": ["a.example"]}, "looks like"),
    ({"hosts": ["http://a"]}, "looks like"),
    ({"port": 99999}, "can't listen"),
    ({"host": "192.0.2.1", "hosts": ["a"]}, "can't listen"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
@pytest.mark.filterwarnings("ignore:other machines")
def test_wrong_options_are_named(whole, options, message):
    with pytest.raises(nk.NgffError, match=message):
        nk.serve(whole, **options)


def test_a_port_that_is_taken_is_named(whole):
    with nk.serve(whole) as server, pytest.raises(nk.NgffError, match=f"port {server.port}"):
        nk.serve(whole, port=server.port)


def test_other_machines_only_with_a_warning(whole):
    with pytest.warns(nk.NgffWarning, match="not encrypted"):
        server = nk.serve(whole, host="0.0.0.0", hosts=["data.example"])
    with server:
        assert server.url.startswith("http://data.example:")
        path = f"{server.path}/zarr.json"
        assert get(server, path, host="Host: data.example:80\r\n")[0] == 200
        assert get(server, path, host="Host: evil.example\r\n")[0] == 421


def test_the_card_has_links_that_tell_viewers_nothing(server):
    card = server._repr_html_()
    assert server.url in card
    assert card.count("<a ") == card.count("target='_blank' rel='noopener noreferrer'") >= 3


@contextmanager
def ended(process: Any) -> Iterator[None]:
    """End a process when its test has failed: leaving its block would wait for it."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def test_the_command_line_serves_until_ctrl_c(whole):
    command = [sys.executable, "-m", "ngffkit.cli", "serve", "--json", "--origin", VIEWER]
    command += ["--token", TOKEN, str(whole)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        ended(process),
    ):
        facts = json.loads(process.stdout.readline())
        assert urllib.request.urlopen(f"{facts['url']}/zarr.json").status == 200
        assert f"/{TOKEN}/it.zarr" in facts["url"]
        assert facts["links"]
        # a browser keeps connections open
        with socket.create_connection(("127.0.0.1", facts["port"]), 10) as line:
            line.sendall(f"GET {DOC} HTTP/1.1\r\n{HOST}\r\n".encode())
            assert line.recv(8) == b"HTTP/1.1"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", facts["port"]))
        assert b"Traceback" not in process.stderr.read()


def test_an_idle_server_does_not_keep_python_from_ending(whole):
    code = f"import ngffkit as nk; nk.serve({str(whole)!r})"
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    print(f"{time.monotonic() - start:.1f} s")
    assert (done.returncode, done.stderr) == (0, b"")


# --- whoever waits, and whoever does not ----------------------------------------------------------


class Slow(Plain):
    """Content whose chunks wait for a sign, while documents don't."""

    def __init__(self) -> None:
        super().__init__()
        self.sign, self.begun = threading.Event(), []

    def knows(self, _):
        return True

    def read(self, key, start, stop):
        if key[-1].isdigit():
            self.begun.append(key)
            self.sign.wait(20)
        return self.data[start:stop]


@pytest.fixture
def slow(whole, monkeypatch):
    """Serve slow content; give it and its server."""
    content = Slow()
    monkeypatch.setattr("ngffkit.serving.contents._stored", lambda *_, **__: content)
    content.image = nk.open_dataset(whole).attrs["ngff_source"].opened.image
    with nk.serve(whole) as server:
        yield content, server
    content.sign.set()


def asking(server, key: str) -> socket.socket:
    """Ask for a key, and don't wait for the answer."""
    line = socket.create_connection(("127.0.0.1", server.port), 10)
    line.sendall(f"GET {server.path}/{key} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
    return line


def until(condition) -> None:
    """Wait until something is so."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never was")


def test_slow_chunks_hold_up_no_documents_and_what_nobody_waits_for_is_not_begun(slow):
    content, server = slow
    lines = [asking(server, f"0/c/{i}") for i in range(apps.THREADS)]
    until(lambda: len(content.begun) == apps.THREADS)
    assert get(server, f"{server.path}/zarr.json")[0] == 200
    left, stays = asking(server, "0/c/98"), asking(server, "0/c/99")
    until(lambda: len(server._inner.server_state.connections) == apps.THREADS + 2)
    left.close()
    until(lambda: len(server._inner.server_state.connections) == apps.THREADS + 1)
    content.sign.set()
    for line in (*lines, stays):
        with line:
            assert line.recv(15) == b"HTTP/1.1 200 OK"
    assert "0/c/99" in content.begun
    assert "0/c/98" not in content.begun


def test_closing_cuts_off_what_is_computed_in_words(slow, caplog):
    content, server = slow
    with asking(server, "0/c/0") as line:
        until(lambda: content.begun)
        server.close()
        answer = line.recv(65536)
    assert not answer or b" 503 " in answer[:20]
    assert "Traceback" not in caplog.text


def test_python_ends_while_a_chunk_is_computed(whole):
    code = """
import threading, urllib.request
import numpy as np, ngffkit as nk
from ngffkit.serving import virtual
begun = threading.Event()
server = nk.serve(np.zeros((8, 300, 300), "u1"))
def endless(*_):
    begun.set()
    threading.Event().wait(60)
virtual.VirtualContent._computed = endless
url = server.url + "/0/c/0/0/0"
threading.Thread(target=urllib.request.urlopen, args=(url,), daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert done.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_keep_the_port(whole):
    server = nk.serve(whole)
    child = os.fork()
    if child == 0:  # pragma: no cover - a process of its own
        time.sleep(60)
        os._exit(0)
    try:
        server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 5)
        nk.serve(whole, port=server.port).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_signals_stay_as_they_are(whole):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with nk.serve(whole):
        inside = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert inside == before


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.2", "127.0.0.2"), ("localhost", "localhost"), ("::1", "[::1]"), ("0::1", "[::1]")],
)
def test_any_loopback_address_is_one_that_answers(whole, host, shown):
    try:
        server = nk.serve(whole, host=host)
    except nk.NgffError as err:
        pytest.skip(str(err))
    with server:
        assert server.url.startswith(f"http://{shown}:{server.port}/")
        assert urllib.request.urlopen(f"{server.url}/zarr.json").status == 200


def test_an_object_of_unknown_size_is_not_said_to_be_absent(whole, monkeypatch, caplog):
    from ngffkit.stores.versions import Fetched

    with httpd.serve(whole.parent) as remote:
        content = StoredContent(as_opened(f"{remote.url}/it.zarr"))
        monkeypatch.setattr(content._place.store, "fetch", lambda *_, **__: Fetched(b"", "", -1))
        with pytest.raises(StoreError, match="how large"):
            content.head("0/c/0/0/0")
