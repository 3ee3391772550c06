"""Faults of S3 and of web servers: right pixels after retries, or a typed error, never zeros."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpd
import makers
import numcodecs
import numpy as np
import pytest
import s3_proxy
import zarr
from makers import How

import ngffkit as nk

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
PIXELS = np.random.default_rng(0).integers(1, 999, (8, 32, 32), np.uint16)
COMMON: dict[str, Any] = {"dims": "zyx", "chunks": (4, 16, 16), "factors": [{"y": 2, "x": 2}]}

#: Checksums all along: bits that flip in a chunk without one can't be told from pixels.
ZSTD = zarr.codecs.ZstdCodec(level=1, checksum=True)
HOWS = {
    "v2": How(**COMMON, version="0.4", compressor=numcodecs.Zstd(1, checksum=True)),
    "v3": How(**COMMON, compressor=ZSTD),
    "sharded": How(**COMMON, shards=(8, 32, 32), compressor=ZSTD),
}

#: What is hit: the image, and the request.
TARGETS = {
    "v2 root": ("v2", "v2/.zattrs#*"),
    "v3 root": ("v3", "v3/zarr.json#*"),
    "v2 array": ("v2", "v2/0/.zarray#*"),
    "v3 array": ("v3", "v3/0/zarr.json#*"),
    "v2 chunk": ("v2", "v2/0/1/1/1#*"),
    "v3 chunk": ("v3", "v3/0/c/1/1/1#*"),
    "shard index": ("sharded", "sharded/0/c/0/0/0#end"),
    "shard range": ("sharded", "sharded/0/c/0/0/0#range"),
    "zip directory": ("v3.ozx", "v3.ozx#*"),
}
CHUNKS = ("v2 chunk", "v3 chunk", "shard index", "shard range")

READS = {"plane": np.s_[5], "full": np.s_[:], "pixel": np.s_[5, 20, 20]}

RETRIES, PATIENCE = 3, 0.15
BACKOFF = {
    "init_backoff": dt.timedelta(milliseconds=2),
    "max_backoff": dt.timedelta(milliseconds=8),
    "base": 2,
}

ALWAYS = float("inf")


@dataclass(frozen=True)
class Case:
    """A fault, how many times, and what must come of it: either will do where that is open."""

    fault: httpd.Fault
    times: float
    outcome: str = ""
    retries: int = RETRIES

    @property
    def options(self) -> dict[str, Any]:
        """Return how the store is opened."""
        return {
            "retry_config": {"max_retries": self.retries, "backoff": BACKOFF},
            "client_options": {"read_timeout": f"{int(PATIENCE * 1000)}ms"},
        }


def other_range(answer: httpd.Answer) -> httpd.Answer:
    """Send what was asked for, and say that it is from elsewhere."""
    said = {**answer.headers}
    if "Content-Range" in said:
        said["Content-Range"] = f"bytes 1-{len(answer.body)}/{10**6}"
    return httpd.Answer(answer.status, answer.body, said)


FAULTS = {
    "503 once": Case(httpd.status(503), 1, "right"),
    "503 thrice": Case(httpd.status(503), RETRIES, "right"),
    "503 always": Case(httpd.status(503), ALWAYS, "error"),
    "500 once": Case(httpd.status(500), 1, "right"),
    "429 once": Case(httpd.status(429), 1, "right"),
    "429 always": Case(httpd.status(429), ALWAYS, "error"),
    "slow, within the time": Case(httpd.stall(PATIENCE / 5), ALWAYS, "right"),
    "slow, beyond it once": Case(httpd.stall(2 * PATIENCE), 1, "right"),
    # each try waits for as long as its patience lasts: one more is enough
    "slow, beyond it always": Case(httpd.stall(2 * PATIENCE), ALWAYS, "error", retries=1),
    "reset once": Case(httpd.reset, 1, "right"),
    "reset always": Case(httpd.reset, ALWAYS, "error"),
    "truncated once": Case(httpd.truncated, 1, "right"),
    "truncated always": Case(httpd.truncated, ALWAYS, "error"),
    "short once": Case(httpd.short, 1),
    "short always": Case(httpd.short, ALWAYS, "error"),
    "other range once": Case(other_range, 1, "right"),
    "404": Case(httpd.status(404), ALWAYS, "error"),
    "403": Case(httpd.status(403), ALWAYS, "error"),
    "401": Case(httpd.status(401), ALWAYS, "error"),
    "redirect to a login": Case(httpd.login, ALWAYS, "error"),
    "login page, 200": Case(httpd.html, ALWAYS, "error"),
    "login page, 200, once": Case(httpd.html, 1),
    "damaged": Case(httpd.damaged, ALWAYS, "error"),
}

#: Every target by either way; more than a plane by one of them.
MORE = {"s3": "full", "http": "pixel"}

CASES = [
    (scheme, target, read, fault)
    for scheme, target, fault in itertools.product(MORE, TARGETS, FAULTS)
    for read in ("plane", MORE[scheme])
    if read == "plane" or (target in CHUNKS and "always" not in fault)
]

#: How a case ended, for the table.
OUTCOMES: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_proxy.Proxy]:
    """Put the images into moto's bucket, behind a proxy."""
    root = tmp_path_factory.mktemp("faults")
    for name, how in HOWS.items():
        makers.write(root / name, makers.pyramid(PIXELS, how), how)
    with zipfile.ZipFile(root / "v3.ozx", "w") as file:
        for path in sorted((root / "v3").rglob("*")):
            file.write(path, path.relative_to(root / "v3").as_posix())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    _fill(url, root)
    with s3_proxy.between(url) as between:
        yield between
    server.stop()


def _fill(url: str, root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boto3's own making
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS)
        client.create_bucket(Bucket="faults")
        put = partial(client.put_object, Bucket="faults", ACL="public-read")
        for path in root.rglob("*"):
            if path.is_file():
                put(Key=path.relative_to(root).as_posix(), Body=path.read_bytes())
        client.close()


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print at the end how the cases ended."""
    yield
    lines = [f"{sum(OUTCOMES.values())} faults of S3 and web servers"]
    lines += [
        f"  {name:24} right {OUTCOMES[name, 'right']:3d}  typed error {OUTCOMES[name, 'error']:3d}"
        for name in FAULTS
    ]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(lines))


def opened(proxy: s3_proxy.Proxy, scheme: str, name: str, options: dict[str, Any]) -> Any:
    if scheme == "http":
        return nk.open(f"{proxy.url}/faults/{name}", storage_options=options)["1"].image
    where = {"endpoint": proxy.url, "anon": True}
    return nk.open(f"s3://faults/{name}", storage_options=options | where)["1"].image


@pytest.mark.parametrize(("scheme", "target", "read", "fault"), CASES)
def test_a_fault_gives_right_pixels_or_a_typed_error(proxy, scheme, target, read, fault):
    name, pattern = TARGETS[target]
    case, box = FAULTS[fault], READS[read]
    proxy.clear()
    # of a document, all that is asked when it is opened is hit
    image = opened(proxy, scheme, name, case.options) if target in CHUNKS else None
    if case.times == ALWAYS and target in CHUNKS:
        # who was refused a part may ask for the rest of it, or for all
        pattern = pattern.replace("#end", "#*").replace("#range", "#[rw]*")
    proxy.fault(f"faults/{pattern}", case.fault, case.times)
    try:
        image = opened(proxy, scheme, name, case.options) if image is None else image
        pixels = image[box].values
    except nk.NgffError as err:
        outcome = "error"
        check_message(err, target, f"faults/{name}" if scheme == "s3" else f"{proxy.url}/faults")
    else:
        outcome = "right"
        np.testing.assert_array_equal(pixels, PIXELS[box])
    OUTCOMES[fault, outcome] += 1
    assert proxy.faulted, f"nobody asked for {pattern}"
    assert not case.outcome or outcome == case.outcome


def check_message(err: nk.NgffError, target: str, where: str) -> None:
    """Check that an error names the key and its address; of an absent array, who refers to it."""
    said = str(err)
    assert where in said or "there is no array" in said, said
    if target in CHUNKS:
        assert isinstance(err, nk.ChunkError)
        assert err.key in said
        assert err.url in said


def test_there_are_enough_cases():
    assert len(CASES) >= 400
