"""Faults of S3 and of web servers: right pixels after retries, or a typed error, never zeros."""

from __future__ import annotations

import datetime as dt
import itertools
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import buckets
import fsspec
import httpd
import makers
import numcodecs
import numpy as np
import pytest
import s3_proxy
import zarr
from ledger import FULL
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

#: Hit when all is open, in `make faults`.
MEMBERS = {
    "v2 zip member": ("v2.zip", "v2.zip#*"),
    "v3 zip member": ("v3.ozx", "v3.ozx#*"),
    "shard in a zip file": ("sharded.ozx", "sharded.ozx#*"),
}

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
    "503 always": Case(httpd.status(503), ALWAYS, "said"),
    "500 once": Case(httpd.status(500), 1, "right"),
    "429 once": Case(httpd.status(429), 1, "right"),
    "429 always": Case(httpd.status(429), ALWAYS, "said"),
    "slow, within the time": Case(httpd.stall(PATIENCE / 5), ALWAYS, "right"),
    "slow, beyond it once": Case(httpd.stall(2 * PATIENCE), 1, "right"),
    # each try waits for as long as its patience lasts: one more is enough
    "slow, beyond it always": Case(httpd.stall(2 * PATIENCE), ALWAYS, "said", retries=1),
    "reset once": Case(httpd.reset, 1, "right"),
    "reset always": Case(httpd.reset, ALWAYS, "said"),
    "truncated once": Case(httpd.truncated, 1, "right"),
    "truncated always": Case(httpd.truncated, ALWAYS, "said"),
    "short once": Case(httpd.short, 1),
    "short always": Case(httpd.short, ALWAYS, "said"),
    "other range once": Case(other_range, 1, "right"),
    "404": Case(httpd.status(404), ALWAYS, "said"),
    "403": Case(httpd.status(403), ALWAYS, "said"),
    "401": Case(httpd.status(401), ALWAYS, "said"),
    "redirect to a login": Case(httpd.login, ALWAYS, "said"),
    "login page, 200": Case(httpd.html, ALWAYS, "said"),
    "login page, 200, once": Case(httpd.html, 1),
    "damaged": Case(httpd.damaged, ALWAYS, "said"),
}

#: What `make faults` adds.
MORE_FAULTS = {
    "500 thrice": Case(httpd.status(500), RETRIES, "right"),
    "500 always": Case(httpd.status(500), ALWAYS, "said"),
    "429 thrice": Case(httpd.status(429), RETRIES, "right"),
    "502 once": Case(httpd.status(502), 1, "right"),
    "502 always": Case(httpd.status(502), ALWAYS, "said"),
    "504 once": Case(httpd.status(504), 1, "right"),
    "400": Case(httpd.status(400), ALWAYS, "said"),
    "reset thrice": Case(httpd.reset, RETRIES, "right"),
    "closed once": Case(httpd.hung_up, 1, "right"),
    "closed always": Case(httpd.hung_up, ALWAYS, "said"),
    "cut in its body thrice": Case(httpd.truncated, RETRIES),
    "cut after a byte once": Case(httpd.cut(1), 1, "right"),
    "cut before its last byte once": Case(httpd.cut(-1), 1, "right"),
    "cut before its last byte always": Case(httpd.cut(-1), ALWAYS, "said"),
    "empty once": Case(httpd.empty, 1),
    "empty always": Case(httpd.empty, ALWAYS, "said"),
    "other range thrice": Case(other_range, RETRIES),
    "damaged once": Case(httpd.damaged, 1),
}

#: Every target by either way; more than a plane by one of them.
MORE = {"s3": "full", "http": "pixel"}

CASES = [
    (scheme, target, read, fault)
    for scheme, target, fault in itertools.product(MORE, TARGETS, FAULTS)
    for read in ("plane", MORE[scheme])
    if read == "plane" or (target in CHUNKS and "always" not in fault)
]

#: What else reads, in `make faults`: a cache on disk, fsspec, zarr-python's stores.
OTHER_DOORS = ("s3, cached", "http, cached", "http by fsspec", "http by zarr", "s3 by zarr")

if FULL:
    members = itertools.product(MORE, MEMBERS, ("plane", "full"), FAULTS)
    CASES += [*itertools.product(MORE, TARGETS, ("plane",), MORE_FAULTS), *members]
    CASES += [
        (door, target, "plane", fault)
        for door, target, fault in itertools.product(OTHER_DOORS, TARGETS, FAULTS)
        if target != "zip directory" or door.endswith("cached")  # a mapping is no file
    ]
    FAULTS |= MORE_FAULTS

#: How a case ended, for the table.
OUTCOMES: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_proxy.Proxy]:
    """Put the images into moto's bucket, behind a proxy."""
    root = tmp_path_factory.mktemp("faults")
    for name, how in HOWS.items():
        makers.write(root / name, makers.pyramid(PIXELS, how), how)
    for zipped in ("v2.zip", "v3.ozx", "sharded.ozx"):
        folder = root / zipped.partition(".")[0]
        with zipfile.ZipFile(root / zipped, "w") as file:
            for path in sorted(folder.rglob("*")):
                file.write(path, path.relative_to(folder).as_posix())
    with buckets.running("faults", root) as url, s3_proxy.between(url) as between:
        yield between


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print at the end how the cases ended."""
    yield
    lines = [f"{sum(OUTCOMES.values())} faults of S3 and web servers"]
    lines += [
        f"  {name:31} right {OUTCOMES[name, 'right']:3d}  typed error {OUTCOMES[name, 'said']:3d}"
        for name in FAULTS
    ]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(lines))


def opened(proxy: s3_proxy.Proxy, door: str, name: str, case: Case, folder: Path) -> Any:
    url, options = f"{proxy.url}/faults/{name}", case.options
    s3 = {"endpoint": proxy.url, "anon": True}
    if door.startswith("s3"):
        url, options = f"s3://faults/{name}", options | s3
    if door.endswith("cached"):
        options["cache"] = {"folder": str(folder)}
    if door == "http by fsspec":
        import aiohttp

        patience = {"timeout": aiohttp.ClientTimeout(sock_read=PATIENCE)}
        fs = fsspec.filesystem("http", client_kwargs=patience, skip_instance_cache=True)
        return nk.open(fs.get_mapper(url))["1"].image
    if door.endswith("by zarr"):
        store = zarr.storage.ObjectStore(object_store(url, options), read_only=True)
        return nk.open(store)["1"].image
    return nk.open(url, storage_options=options)["1"].image


def patiently_opened(*how: Any) -> Any:
    """Open what nothing was done to: on a busy machine the short patience of a case may not do."""
    for _ in range(5):
        try:
            return opened(*how)
        except nk.NgffError:
            continue
    return opened(*how)


def object_store(url: str, options: dict[str, Any]) -> Any:
    """Open one by obstore itself, as people do who hand it to zarr-python."""
    from obstore import store as stores

    client = options["client_options"] | {"allow_http": True}
    both = {"client_options": client, "retry_config": options["retry_config"]}
    if url.startswith("http"):
        return stores.HTTPStore.from_url(url, **both)
    return stores.S3Store(
        "faults",
        prefix=url.rpartition("/")[2],
        endpoint=options["endpoint"],
        skip_signature=True,
        **both,
    )


def what_came(read: Callable[[], np.ndarray], expected: np.ndarray) -> tuple[str, Any]:
    """Read, and judge: ``right``, ``said`` with the error, or ``wrong`` with what was wrong."""
    try:
        pixels = read()
    except nk.NgffError as err:
        return "said", err
    except Exception as err:  # noqa: BLE001 - another package's, or a crash: it counts
        return "wrong", err
    same = np.array_equal(pixels, expected)
    return ("right", None) if same else ("wrong", "other pixels")


@pytest.mark.faults
@pytest.mark.parametrize(("door", "target", "read", "fault"), CASES)
def test_a_fault_gives_right_pixels_or_a_typed_error(
    ledger, proxy, tmp_path, door, target, read, fault
):
    name, pattern = (TARGETS | MEMBERS)[target]
    case, box = FAULTS[fault], READS[read]
    proxy.clear()
    # of a document, all that is asked when it is opened is hit
    late = target in CHUNKS or target in MEMBERS
    image = patiently_opened(proxy, door, name, case, tmp_path) if late else None
    if case.times == ALWAYS and target in CHUNKS:
        # who was refused a part may ask for the rest of it, or for all
        pattern = pattern.replace("#end", "#*").replace("#range", "#[rw]*")
    proxy.fault(f"faults/{pattern}", case.fault, case.times)

    def look() -> np.ndarray:
        found = opened(proxy, door, name, case, tmp_path) if image is None else image
        return found[box].values

    outcome, why = what_came(look, PIXELS[box])
    assert proxy.faulted, f"nobody asked for {pattern}"
    ledger.enter("requests", outcome)
    OUTCOMES[fault, outcome] += 1
    assert outcome != "wrong", why
    if outcome == "said" and target not in MEMBERS:
        where = f"faults/{name}" if door.startswith("s3") else f"{proxy.url}/faults"
        check_message(why, target, where)
    # fsspec has no retries, and of a zip file not every byte counts
    patient = door in MORE or door.endswith("cached")
    if target not in MEMBERS and (patient or case.outcome == "said"):
        assert case.outcome in ("", outcome)


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
