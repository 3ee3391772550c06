"""Writing to S3: the protocol, spoken with a server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import buckets
import numpy as np
import pytest

import ngffkit as nk
from ngffkit.stores.targets import open_target

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")

PIXELS = np.random.default_rng(0).integers(0, 999, (40, 100, 130), np.uint16)
HOW = {"voxel_size": (4, 4, 10), "unit": "nm", "chunks": 32, "shards": 64}


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, Any]]:
    with buckets.running("bucket") as url:
        yield {"endpoint": url, "region": "us-east-1", "key": "key", "secret": "secret"}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_conversion_to_s3(options, tmp_path, version):
    how = {**HOW, "version": version, "shards": None if version == "0.4" else 64}
    url = f"s3://bucket/{version}.zarr"
    plan = nk.plan(PIXELS, url, target_options=options, **how)
    assert plan.run().files > plan.files
    nk.convert(PIXELS, tmp_path / "a.zarr", **how)
    target = open_target(url, options)
    local = {
        p.relative_to(tmp_path / "a.zarr").as_posix(): p.read_bytes()
        for p in (tmp_path / "a.zarr").rglob("*")
        if p.is_file()
    }
    assert {key: bytes(target.store.get(key)) for key in target.keys()} == local  # noqa: SIM118
    ds = nk.open_dataset(url, storage_options=options)
    np.testing.assert_array_equal(ds["image"].values, PIXELS)
    assert nk.verify(url, storage_options=options).ok
    with pytest.raises(nk.PlanError, match="exists"):
        nk.convert(PIXELS, url, target_options=options, **how)


def test_an_interrupted_one_goes_on(options, tmp_path):
    class StopError(Exception):
        pass

    def watch(progress):
        if progress.tasks_done == 1:
            raise StopError

    url = "s3://bucket/resumed.zarr"
    np.save(tmp_path / "a.npy", PIXELS)
    with pytest.raises(StopError):
        nk.convert(tmp_path / "a.npy", url, target_options=options, progress=watch, **HOW)
    with pytest.raises(nk.NotFoundError):
        nk.open(url, storage_options=options)
    seen = []
    nk.convert(tmp_path / "a.npy", url, target_options=options, progress=seen.append, **HOW)
    assert seen[0].resumed > 0
    ds = nk.open_dataset(url, storage_options=options)
    np.testing.assert_array_equal(ds["image"].values, PIXELS)


def test_a_bucket_that_is_not_there(options):
    with pytest.raises(nk.StoreError, match="bucket does not exist"):
        nk.convert(PIXELS, "s3://nowhere/a.zarr", target_options=options, **HOW)
