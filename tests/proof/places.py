"""Where tests of writers write to: memory, a disk that is small, a bucket; and what they write."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crash_child
import pytest
import test_crash

from ngffkit.stores.targets import open_target


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: forcing to the disk is most of the time."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="ngffkit-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return slices, and slices of labels."""
    root = tmp_path_factory.mktemp("source")
    crash_child.make_source(root)
    return root


@pytest.fixture(scope="module")
def server(source: Path) -> Iterator[test_crash.Server]:
    """Give a process that forks others, and kills them."""
    made = test_crash.Server(source)
    yield made
    made.close()


@dataclass
class Bucket:
    """A bucket of a server of this machine."""

    url: str
    options: dict[str, Any]

    def objects(self, name: str) -> dict[str, bytes]:
        """Return all objects below a name."""
        target = open_target(f"{self.url}/{name}", self.options)
        return {key: bytes(target.store.get(key)) for key in list(target.keys())}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """Give a bucket of moto's; processes of their own reach it, too."""
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boto3's own making
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="writers")
        client.close()
    options = {"endpoint": endpoint, "region": "us-east-1", "key": "key", "secret": "secret"}
    yield Bucket("s3://writers", options)
    made.stop()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Mount a disk of 8 MB; only root can."""
    folder = tmp_path_factory.mktemp("disk")
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root mounts")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def patiently(attempt: Callable[[], int], seconds: float = 30) -> int:
    """Try again while a lock is held; return the last exit code."""
    until = time.monotonic() + seconds
    while (code := attempt()) == crash_child.BUSY and time.monotonic() < until:
        time.sleep(0.3)
    return code


def tiny(target: Path, **more: Any) -> Any:
    """Convert a few thousand voxels to two mags."""
    return test_crash.tiny(target, **more)
