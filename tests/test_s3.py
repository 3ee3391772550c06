"""The S3 protocol, spoken with a server of this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import buckets
import httpd
import makers
import numpy as np
import pytest
import xarray as xr
from makers import How

import ngffkit as nk
from ngffkit.stores.opening import open_store
from ngffkit.stores.remote import ObjectStore

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
HOW = How(dims="zyx", chunks=(4, 16, 16), factors=[{"y": 2, "x": 2}])
SHARDED = How(dims="zyx", chunks=(4, 16, 16), shards=(8, 64, 64), compressor=None)
PIXELS = np.random.default_rng(0).integers(1, 999, (8, 64, 64), np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what is uploaded."""
    import zipfile

    root = tmp_path_factory.mktemp("s3")
    levels = makers.pyramid(PIXELS, HOW)
    makers.write(root / "x.zarr", levels, HOW, labels={"cells": levels})
    makers.write(root / "v2.zarr", levels, How(dims="zyx", chunks=(4, 16, 16), version="0.4"))
    makers.write(root / "sharded.zarr", [PIXELS], SHARDED)
    for name in ("a", "b"):
        makers.write(root / "many" / name, [PIXELS], HOW)
    raw = How(dims="zyx", chunks=(4, 16, 16), compressor=None)
    big = np.random.default_rng(1).integers(0, 999, (64, 128, 128), np.uint16)
    inside = makers.write(tmp_path_factory.mktemp("zip") / "big", [big], raw)
    with zipfile.ZipFile(root / "big.ozx", "w") as file:
        for path in sorted(inside.rglob("*")):
            file.write(path, path.relative_to(inside).as_posix())
    return root


@pytest.fixture(scope="module")
def endpoint(folder: Path) -> Iterator[str]:
    with buckets.running("bucket", folder) as url:
        with buckets.client_of(url) as client:
            secret = (folder / "x.zarr" / "zarr.json").read_bytes()
            client.put_object(Bucket="bucket", Key="private.zarr/zarr.json", Body=secret)
        yield url


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away whoever runs the tests is at S3."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)


def options(endpoint: str, spelling: str) -> dict[str, Any]:
    return {
        "obstore": {"endpoint": endpoint, "skip_signature": True},
        "obstore, signed": {
            "endpoint": endpoint,
            "access_key_id": "key",
            "secret_access_key": "secret",
            "region": "us-east-1",
        },
        "fsspec": {"endpoint_url": endpoint, "anon": True},
        "fsspec, signed": {"endpoint_url": endpoint, "key": "key", "secret": "secret"},
        "fsspec, nested": {
            "anon": True,
            "client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"},
        },
        "nobody": {"endpoint": endpoint},
    }[spelling]


SPELLINGS = ["obstore", "obstore, signed", "fsspec", "fsspec, signed", "fsspec, nested", "nobody"]


def check(source: Any, **more: Any) -> Any:
    tree = nk.open(source, **more)
    np.testing.assert_array_equal(tree["1"].image.values, PIXELS)
    return tree


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_image_is_opened(endpoint, spelling):
    tree = check("s3://bucket/x.zarr", storage_options=options(endpoint, spelling))
    np.testing.assert_array_equal(tree["labels/cells/1"].labels.values, PIXELS)
    assert tree.ngff.source == "s3://bucket/x.zarr"


@pytest.mark.parametrize("name", ["v2.zarr", "sharded.zarr", "x.zarr/"])
def test_all_layouts(endpoint, name):
    check(f"s3://bucket/{name}", storage_options=options(endpoint, "fsspec"))


def test_one_mag(endpoint):
    made = xr.open_dataset(
        "s3://bucket/x.zarr",
        engine="ngff",
        mag="2-2-1",
        storage_options=options(endpoint, "fsspec"),
    )
    np.testing.assert_array_equal(made.image.values, makers.pyramid(PIXELS, HOW)[1])


def test_a_folder_of_images_is_listed(endpoint):
    tree = nk.open("s3://bucket/many", storage_options=options(endpoint, "fsspec"))
    assert set(tree.children) == {"a", "b"}
    np.testing.assert_array_equal(tree["b/1"].image.values, PIXELS)


def test_a_whole_bucket_is_listed(endpoint):
    store = open_store("s3://bucket", options(endpoint, "fsspec"))
    assert {"x.zarr", "many", "big.ozx"} <= set(store.children())
    assert store.children("many") == ["a", "b"]


def test_an_image_by_fsspec(endpoint):
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of botocore's own making
        mapper = fsspec.get_mapper(
            "s3://bucket/x.zarr", endpoint_url=endpoint, key="key", secret="secret"
        )
        tree = check(mapper)
    assert tree.ngff.source == "s3://bucket/x.zarr"


def test_an_image_by_a_chain_of_fsspec(endpoint, tmp_path):
    pytest.importorskip("s3fs")
    more = {
        "s3": {"endpoint_url": endpoint, "key": "key", "secret": "secret"},
        "simplecache": {"cache_storage": str(tmp_path)},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of botocore's own making
        check("simplecache::s3://bucket/x.zarr", storage_options=more)


def test_an_image_by_obstore(endpoint):
    from obstore.store import S3Store

    inner = S3Store(
        "bucket",
        prefix="x.zarr",
        endpoint=endpoint,
        skip_signature=True,
        client_options={"allow_http": True},
    )
    assert check(inner).ngff.source == "s3://bucket/x.zarr"


def test_a_zip_file_is_read_by_ranges(endpoint, folder, monkeypatch):
    got: list[int] = []
    inner = ObjectStore.get

    def watch(self: ObjectStore, key: str, start: int = 0, length: int | None = None) -> Any:
        data = inner(self, key, start, length)
        got.append(len(data))
        return data

    monkeypatch.setattr(ObjectStore, "get", watch)
    size = (folder / "big.ozx").stat().st_size
    tree = nk.open("s3://bucket/big.ozx", storage_options=options(endpoint, "fsspec"))
    assert sum(got) < size / 3
    got.clear()
    tree["1"].image.isel(z=0).values  # noqa: B018 - reads
    chunks, nbytes = 64, 4 * 16 * 16 * 2
    assert len(got) == chunks
    assert sum(got) < chunks * (nbytes + 256)


def test_a_private_image_is_a_refusal(endpoint):
    with pytest.raises(nk.StoreError, match="403") as caught:
        nk.open("s3://bucket/private.zarr", storage_options=options(endpoint, "fsspec"))
    assert caught.value.denied
    assert caught.value.url == "s3://bucket/private.zarr/zarr.json"


def test_nothing_there(endpoint):
    for url in ("s3://bucket/nothing.zarr", "s3://no-such-bucket/x.zarr"):
        with pytest.raises(nk.NotFoundError, match=url):
            nk.open(url, storage_options=options(endpoint, "fsspec"))


# --- buckets that may be read, not listed -------------------------------------------------------


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpd.Server]:
    """Serve a bucket as S3 does without the right to list: what does not exist is a 403."""
    root = tmp_path_factory.mktemp("closed")
    levels = makers.pyramid(PIXELS, HOW)
    makers.write(root / "bucket" / "x.zarr", levels, HOW)
    v2 = How(dims="zyx", chunks=(4, 16, 16), version="0.4")
    makers.write(root / "bucket" / "v2.zarr", levels, v2)
    sparse = PIXELS.copy()
    sparse[:, :16, :16] = 0
    makers.write(root / "bucket" / "sparse.zarr", makers.pyramid(sparse, HOW), HOW)
    with httpd.serve(root, absent=403) as server:
        yield server


@pytest.mark.parametrize("name", ["x.zarr", "v2.zarr"])
def test_a_closed_bucket_is_opened(closed, name):
    check(f"s3://bucket/{name}", storage_options=options(closed.url, "fsspec"))


def test_nothing_in_a_closed_bucket_is_a_refusal(closed):
    with pytest.raises(nk.StoreError, match="403") as caught:
        nk.open("s3://bucket/nothing.zarr", storage_options=options(closed.url, "fsspec"))
    assert caught.value.denied
    assert "s3://bucket/nothing.zarr" in caught.value.url


def test_sparse_data_of_a_closed_bucket_go_by_the_policy(closed):
    def image(missing: str) -> Any:
        more = options(closed.url, "fsspec")
        return nk.open("s3://bucket/sparse.zarr", missing=missing, storage_options=more)["1"].image

    with pytest.raises(nk.ChunkError, match="403") as caught:
        image("error").values  # noqa: B018 - reads
    assert caught.value.denied
    with pytest.warns(nk.NgffWarning, match=r"0/0/0 \(and 1 more\).*denies access") as said:
        pixels = image("warn").values
    assert len(said) == 1
    assert not pixels[:, :16, :16].any()
    np.testing.assert_array_equal(image("fill").values, pixels)
