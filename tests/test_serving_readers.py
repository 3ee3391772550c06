"""Other readers, through a real server: zarr-python, tensorstore, ngffkit, a browser, and a Hub."""

from __future__ import annotations

import http.server
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import chromium
import dask.array
import makers
import numpy as np
import pytest
import xarray as xr

import ngffkit as nk
from ngffkit.serving.jupyter import public_address

RANDOM = np.random.default_rng(3)
DATA = RANDOM.integers(0, 5000, (40, 90, 100)).astype("u2")
IDS = RANDOM.integers(0, 9, (40, 90, 100)).astype("u4")


@contextmanager
def serving(x: Any, **options: Any) -> Iterator[Any]:
    """Serve something while the block runs."""
    server = nk.serve(x, **options)
    try:
        yield server
    finally:
        server.close()


def stored(folder: Path, **how: Any) -> Path:
    """Write an image with labels; return its path."""
    made = makers.How(chunks=32, **how)
    labels = {"cells": [IDS, makers.reduce(IDS, (2, 2, 2), "nearest")]}
    return makers.write(folder / "it.zarr", makers.pyramid(DATA, made), made, labels=labels)


def lazy() -> xr.DataArray:
    """Return an expression that nobody has computed."""
    array = dask.array.from_array(DATA // 2, (16, 30, 64)) * 2 + dask.array.from_array(DATA % 2, 40)
    return xr.DataArray(array.astype("u2"), dims=list("zyx"))


MAKERS: dict[str, Callable[[Path], tuple[Any, dict[str, Any]]]] = {
    "v2": lambda folder: (stored(folder, version="0.4"), {}),
    "v3": lambda folder: (stored(folder, version="0.5"), {}),
    "sharded": lambda folder: (stored(folder, version="0.5", shards=(64, 64, 64)), {}),
    "live": lambda _: (lazy(), {"labels": {"cells": IDS}, "mags": [1, 2]}),
    "live v2": lambda _: (lazy(), {"labels": {"cells": IDS}, "mags": [1, 2], "version": "0.4"}),
}


@dataclass(frozen=True)
class Served:
    """What a server has, and where."""

    kind: str
    url: str

    @property
    def format(self) -> int:
        return 2 if "v2" in self.kind else 3


@pytest.fixture(scope="module", params=list(MAKERS))
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    x, options = MAKERS[request.param](tmp_path_factory.mktemp("served"))
    with serving(x, **options) as server:
        yield Served(request.param, server.url.rstrip("/"))


def asked(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for an address; return status, headers in small letters, and body."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as err:
        return err.code, {k.lower(): v for k, v in err.headers.items()}, err.read()


# --- readers -------------------------------------------------------------------------------------


def test_zarr_python_reads_equal_pixels_over_fsspec(served: Served):
    import zarr

    group = zarr.open_group(served.url, mode="r", zarr_format=served.format)
    np.testing.assert_array_equal(group["0"][...], DATA)
    np.testing.assert_array_equal(group["labels/cells/0"][...], IDS)
    np.testing.assert_array_equal(group["0"][5:9, 3, ::7], DATA[5:9, 3, ::7])


def test_zarr_python_reads_equal_pixels_over_obstore(served: Served):
    import zarr
    from obstore.store import HTTPStore

    store = zarr.storage.ObjectStore(
        HTTPStore.from_url(served.url, client_options={"allow_http": True}), read_only=True
    )
    group = zarr.open_group(store, mode="r", zarr_format=served.format)
    np.testing.assert_array_equal(group["0"][...], DATA)
    np.testing.assert_array_equal(group["labels/cells/0"][...], IDS)


def test_tensorstore_reads_equal_pixels(served: Served):
    import tensorstore

    def read(path: str) -> np.ndarray:
        spec = {"driver": f"zarr{served.format}".replace("zarr2", "zarr"), "kvstore": {}}
        spec["kvstore"] = {"driver": "http", "base_url": f"{served.url}/{path}/"}
        return np.asarray(tensorstore.open(spec, open=True, read=True).result().read().result())

    np.testing.assert_array_equal(read("0"), DATA)
    np.testing.assert_array_equal(read("labels/cells/0"), IDS)
    assert read("1").shape == (20, 45, 50)


def test_ngffkit_reads_equal_pixels_and_places(served: Served):
    dt = nk.open(served.url)
    np.testing.assert_array_equal(dt["1"].image.values, DATA)
    np.testing.assert_array_equal(dt["labels/cells/1"].labels.values, IDS)
    assert dt["2"].x.values[:2].tolist() == [0.5, 2.5]
    if "live" in served.kind:
        assert dt.ngff.validate().valid


def test_the_viewer_of_the_notebook_shows_equal_tiles(served: Served):
    from ngffkit.widgets.bricks import Bricks
    from ngffkit.widgets.layers import Layers
    from ngffkit.widgets.tiles import TileRequest, render

    layers, bricks = Layers.of(nk.open(served.url)), Bricks(2**26)
    given = {"layer": 0, "level": 0, "channel": 0, "order": ["y", "x"]}
    box = {"z": [7, 8], "y": [0, 90], "x": [10, 100]}
    tile = render(TileRequest.parse(given | {"box": box}, layers), bricks)
    np.testing.assert_array_equal(np.asarray(tile).reshape(90, 90), DATA[7, :, 10:])
    labels = next(i for i, layer in enumerate(layers.layers) if layer.kind == "label")
    tile = render(TileRequest.parse(given | {"layer": labels, "box": box}, layers), bricks)
    np.testing.assert_array_equal(np.asarray(tile).reshape(90, 90), IDS[7, :, 10:])


# --- a page of another origin --------------------------------------------------------------------

_FETCH = """
async ([url, range]) => {
  const answer = await fetch(url, range ? {headers: {Range: range}} : {});
  const body = new Uint8Array(await answer.arrayBuffer());
  return [answer.status, Array.from(body), answer.headers.get("Content-Range"),
          answer.headers.get("ETag")];
}
"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running(handler: Any) -> Iterator[int]:
    """Run a server of Python's own; give its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_a_page_of_another_origin_fetches_equal_bytes(tmp_path: Path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<!DOCTYPE html><title>a viewer</title>")
    root = stored(tmp_path, version="0.5", shards=(64, 64, 64))
    handler = partial(_Silent, directory=str(tmp_path / "page"))
    with running(handler) as port, chromium.browser() as browser:
        own = [f"http://127.0.0.1:{port}"]
        page = browser.new_page()
        page.goto(f"{own[0]}/index.html")
        for x in (root, lazy()):
            with serving(x, origins=own) as server:
                _fetches_equal_bytes(page, server.url.rstrip("/"))
            with serving(x) as closed, pytest.raises(Exception, match="Failed to fetch"):
                page.evaluate(_FETCH, [f"{closed.url.rstrip('/')}/zarr.json", None])


def _fetches_equal_bytes(page: Any, url: str) -> None:
    for key in ("zarr.json", "0/zarr.json", "0/c/0/0/0"):
        status, body, _, etag = page.evaluate(_FETCH, [f"{url}/{key}", None])
        expected = asked(f"{url}/{key}")
        assert (status, bytes(body)) == (200, expected[2])
        assert etag == expected[1]["etag"]
    for text, part in (("bytes=3-10", slice(3, 11)), ("bytes=-20", slice(-20, None))):
        status, body, span, _ = page.evaluate(_FETCH, [f"{url}/0/c/0/0/0", text])
        assert status == 206
        assert bytes(body) == expected[2][part]
        assert span.endswith(f"/{len(expected[2])}")
    assert page.evaluate(_FETCH, [f"{url}/0/c/9/9/9", None])[0] == 404


# --- jupyter-server-proxy ------------------------------------------------------------------------


@dataclass(frozen=True)
class Hub:
    """A Jupyter server such as JupyterHub starts for a user."""

    port: int
    token: str
    base: str = "/user/ada/"

    @property
    def env(self) -> dict[str, str]:
        """What a kernel there has in its environment."""
        return {
            "JUPYTERHUB_SERVICE_PREFIX": self.base,
            "JUPYTERHUB_HOST": f"http://127.0.0.1:{self.port}",
        }


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("hub")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        made = Hub(taken.getsockname()[1], secrets.token_hex(12))
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={made.port}"),
        *("--ServerApp.port_retries=0", f"--ServerApp.base_url={made.base}"),
        *(f"--IdentityProvider.token={made.token}", f"--ServerApp.root_dir={home}"),
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.jpserver_extensions={'jupyter_server_proxy': True}",
    ]
    env = os.environ | {name: str(home / name.lower()) for name in folders}
    env |= {"JUPYTER_PREFER_ENV_PATH": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=home, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        url = f"http://127.0.0.1:{made.port}{made.base}api"
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                said = (home / "log").read_text(errors="replace")[-2000:]
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def test_the_proxy_names_the_host_that_the_browser_named(hub: Hub):
    seen: list[dict[str, str]] = []

    class Recording(_Silent):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    with running(Recording) as port:
        found = public_address(port, hub.env)
        assert found is not None
        token = {"Authorization": f"token {hub.token}"}
        assert asked(f"{found.url}/a/b", **token)[2] == b"ok"
        asked(f"{found.url}/a/b", Host="hub.example.org", **token)
    assert seen[0]["host"] == found.host == f"127.0.0.1:{hub.port}"
    assert seen[1]["host"] == "hub.example.org"
    assert seen[0]["x-forwarded-context"] == f"{hub.base}proxy/{port}"


def test_what_is_served_is_read_through_the_proxy(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    for name, value in hub.env.items():
        monkeypatch.setenv(name, value)
    with serving(lazy()) as server:
        url = server.url.rstrip("/")
        assert urlsplit(url).port == hub.port
        assert urlsplit(url).path.startswith(f"{hub.base}proxy/")
        token = {"Authorization": f"token {hub.token}"}
        status, headers, whole = asked(f"{url}/0/c/0/0/0", **token)
        assert status == 200
        assert asked(f"{url}/0/c/0/0/0", Range="bytes=5-20", **token)[::2] == (206, whole[5:21])
        assert asked(f"{url}/0/c/0/0/0", Range="bytes=-7", **token)[::2] == (206, whole[-7:])
        status, head, body = asked(f"{url}/0/c/0/0/0", "HEAD", **token)
        assert (status, body) == (200, b"")
        assert head["etag"] == headers["etag"]
        # the proxy says of its own that the answer to HEAD has 0 bytes
        assert head["content-length"] in ("0", str(len(whole)))
        assert json.loads(asked(f"{url}/zarr.json", **token)[2])["node_type"] == "group"
        # the token may stand in the address as well; without it there is a page to log in
        assert asked(f"{url}/0/c/0/0/0?token={hub.token}")[2] == whole
        assert asked(f"{url}/0/c/0/0/0")[2] != whole
        headers = {"headers": {"Authorization": f"token {hub.token}"}}
        try:
            image = nk.open(url, storage_options=headers)["1"].image
        except nk.NgffError as err:
            pytest.fail(str(err))
        np.testing.assert_array_equal(image.values, DATA)
