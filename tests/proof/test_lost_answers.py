"""Writes to S3 that arrive, and whose answers don't: the same bytes, at once or when resumed."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import buckets
import httpd
import numpy as np
import pytest
import s3_proxy
from ledger import FULL

import ngffkit as nk
from ngffkit.execute import locks
from ngffkit.stores import uploads
from ngffkit.stores.targets import open_target

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")

pytestmark = pytest.mark.faults

BUCKET = "lost-answers"
PIXELS = np.random.default_rng(0).integers(1, 999, (8, 32, 32), np.uint16)
HOW: dict[str, Any] = {
    "voxel_size": (4, 4, 8),
    "unit": "nm",
    "chunks": 8,
    "shards": 16,
    "mags": ["1", "2"],
}

#: Which requests are hit, by key and kind.
REQUESTS = {
    "journal": "*.journal/journal*#put",
    "document": "*zarr.json#put",
    "shard": "*/c/*#put",
    "lock": "*.journal/lock#create",
    "begin of an upload": "*/c/*#begin",
    "part of an upload": "*/c/*#part",
    "completion of an upload": "*/c/*#complete",
    "removal": "*#delete",
}

PATIENCE, RETRIES = 1.5, 2

ANSWERS: dict[str, httpd.Fault] = {
    "reset": httpd.reset,
    "closed": httpd.hung_up,
    "500": httpd.status(500),
    "503": httpd.status(503),
    "too late": httpd.stall(2 * PATIENCE),
}
TIMES = {"once": 1, "thrice": 3, "always": float("inf")}


def convert(url: str, options: Mapping[str, Any]) -> None:
    nk.convert(PIXELS, url, target_options=options, **HOW)


def convert_series(url: str, options: Mapping[str, Any]) -> None:
    nk.convert(PIXELS[None], url, target_options=options, axes="tzyx", **HOW)


def add_labels(url: str, options: Mapping[str, Any]) -> None:
    nk.add_labels(url, (PIXELS % 200).astype("u1"), "bright", storage_options=options)


def append(url: str, options: Mapping[str, Any]) -> None:
    nk.append(url, PIXELS, "t", storage_options=options)


@dataclass(frozen=True)
class Doing:
    """Something that writes, and what must be there before."""

    do: Callable[[str, Mapping[str, Any]], None]
    before: tuple[Callable[[str, Mapping[str, Any]], None], ...] = ()
    expected: dict[str, bytes] = field(default_factory=dict)


DOINGS = {
    "convert": Doing(convert),
    "labels": Doing(add_labels, (convert,)),
    "append": Doing(append, (convert_series,)),
}

#: A conversion with all of them; edits send the same kinds of requests.
ALL = [
    *itertools.product(("convert",), REQUESTS, ANSWERS, TIMES),
    *itertools.product(("labels", "append"), REQUESTS, ("reset", "503"), ("once", "always")),
]

#: In small: each request and each answer, the lock by both.
FEW = [
    ("convert", "lock", "reset", "once"),
    ("convert", "lock", "503", "once"),
    ("convert", "lock", "closed", "always"),
    ("convert", "journal", "503", "always"),
    ("convert", "shard", "reset", "once"),
    ("convert", "begin of an upload", "500", "once"),
    ("convert", "part of an upload", "closed", "once"),
    ("convert", "completion of an upload", "reset", "always"),
    ("convert", "completion of an upload", "503", "once"),
    ("labels", "document", "reset", "always"),
    ("append", "document", "503", "thrice"),
    ("append", "removal", "500", "always"),
]


@pytest.fixture(scope="module")
def proxy() -> Iterator[s3_proxy.Proxy]:
    with buckets.running(BUCKET) as url, s3_proxy.between(url, keeps=False) as between:
        yield between


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Do all of it in folders: the bytes that must be in the bucket."""
    out = {}
    for name, doing in DOINGS.items():
        root = tmp_path_factory.mktemp(name) / "a.zarr"
        for do in (*doing.before, doing.do):
            do(str(root), {})
        files = (path for path in root.rglob("*") if path.is_file())
        out[name] = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return out


@pytest.fixture
def options(proxy: s3_proxy.Proxy, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    # parts of uploads are small here
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(uploads, "PART", 1000)
    proxy.clear()
    backoff = {
        "init_backoff": dt.timedelta(milliseconds=2),
        "max_backoff": dt.timedelta(milliseconds=8),
        "base": 2,
    }
    return {
        "endpoint": proxy.url,
        "region": "us-east-1",
        "key": "key",
        "secret": "secret",
        "retry_config": {"max_retries": RETRIES, "backoff": backoff},
        "client_options": {"timeout": f"{int(PATIENCE * 1000)}ms"},
    }


def stored(url: str, options: Mapping[str, Any]) -> dict[str, bytes]:
    target = open_target(url, options)
    return {key: bytes(target.store.get(key)) for key in target.keys()}  # noqa: SIM118


def finished(do: Callable[[], None]) -> bool:
    """Make the same call again until it goes through, as a person would; False if it never does."""
    for _ in range(4):
        try:
            do()
        except nk.BusyError:
            time.sleep(1.1)  # the lock of the call that failed, whose removal was lost
        except nk.PlanError as err:
            # all of it was there, and only the word for that was lost
            return "exists" in str(err) and "unfinished" not in str(err)
        else:
            return True
    return False


@pytest.mark.parametrize("case", ALL if FULL else FEW, ids="-".join)
def test_a_lost_answer_changes_no_byte(ledger, proxy, options, undisturbed, monkeypatch, case):
    what, request_, answer, times = case
    if "upload" in request_:
        monkeypatch.setattr(uploads, "_ONE_REQUEST", 1000)
    url = f"s3://{BUCKET}/{what}-{request_}-{answer}-{times}.zarr".replace(" ", "-")
    doing = DOINGS[what]
    for do in doing.before:
        do(url, options)
    proxy.clear()
    proxy.fault(f"{BUCKET}{REQUESTS[request_]}", ANSWERS[answer], TIMES[times])
    outcome, said = "right", ""
    try:
        doing.do(url, options)
    except nk.BusyError as err:
        outcome, said = "wrong", str(err)  # there is nobody else
    except nk.NgffError as err:
        outcome, said = "said", str(err)
    except Exception as err:  # noqa: BLE001 - whatever it is, it counts
        outcome, said = "wrong", repr(err)
    met = proxy.faulted
    proxy.clear()
    # from now on who died is dead after a second: a lock whose removal was lost is in nobody's way
    monkeypatch.setattr(locks.LeaseLock.__init__, "__defaults__", (5.0, 1.0))
    if outcome == "said" and not finished(lambda: doing.do(url, options)):
        outcome = "wrong"
    if stored(url, options) != undisturbed[what]:
        outcome = "wrong"
    ledger.enter("lost answers", outcome)
    assert outcome != "wrong", said
    assert met, f"nobody asked for {REQUESTS[request_]}"
    if outcome == "said":
        assert BUCKET in said
    if request_ == "lock" and times == "once":
        assert outcome == "right", said
    assert nk.verify(url, storage_options=options).ok


def test_a_lock_of_another_one_is_not_taken_for_ours(proxy, options):
    target = open_target(f"s3://{BUCKET}/two.zarr", options)
    with locks.LeaseLock(target, stale=60):
        proxy.fault(f"{BUCKET}/*lock#create", httpd.reset, 1)
        with pytest.raises(nk.NgffError):
            locks.LeaseLock(target, stale=60).__enter__()
    assert Path(target.url).name == "two.zarr"
