"""Where tests of writers write to: memory, a disk that is small, a bucket; and what they write."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import buckets
import crash_child
import pytest
import test_crash

from ngffkit.stores.targets import open_target

# slices, and a process that forks others and kills them
source, server = test_crash.source, test_crash.server


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
    with buckets.running("writers") as url:
        options = {"endpoint": url, "region": "us-east-1", "key": "key", "secret": "secret"}
        yield Bucket("s3://writers", options)


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
