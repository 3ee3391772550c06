"""S3 by moto, on loopback. Its buckets are one for all of a process: choose other names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def client_of(url: str, secret: str = "secret") -> Iterator[Any]:
    """Give boto3's client of a server."""
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": secret}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boto3's own making
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def running(bucket: str, folder: Path | None = None, secret: str = "secret") -> Iterator[str]:
    """Run a server that has a bucket, with the files of a folder for everybody; give its URL."""
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with client_of(url, secret) as client:
            client.create_bucket(Bucket=bucket)
            for path in folder.rglob("*") if folder else ():
                if path.is_file():
                    key = path.relative_to(folder).as_posix()
                    client.put_object(
                        Bucket=bucket, Key=key, Body=path.read_bytes(), ACL="public-read"
                    )
        yield url
    finally:
        server.stop()
