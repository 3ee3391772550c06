"""The official client, when it is installed: the only place that knows its names.

What it raises becomes an `NgffError` that does not hold the token.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from ngffkit.errors import NgffError

#: Where datasets go when nobody says otherwise.
URL = "https://webknossos.org"

#: The environment variable by which the client takes its token.
TOKEN = "WK_TOKEN"  # noqa: S105 - its name, not its value

#: What an address of a dataset begins with.
_DATASET = re.compile(r"(https?://[^/]+(?:/[^/]+)*?)/(?:datasets|links)/")


def load() -> Any:
    """Return the client.

    Raises
    ------
    NgffError
        When it is not installed.
    """
    try:
        with warnings.catch_warnings():
            # of readers of files that nobody asked for
            warnings.simplefilter("ignore")
            return importlib.import_module("webknossos")
    except ImportError as err:
        raise NgffError(
            f"WEBKNOSSOS's client can't be imported ({err}): pip install 'ngffkit[webknossos]', "
            "best into an environment of its own, since it asks for older versions of what "
            "others use. "
            "Data on the web need no upload: paste what nk.webknossos.uris returns into "
            "WEBKNOSSOS's form for remote datasets"
        ) from None


def token_of(token: str | None) -> str:
    """Return the token to use: the one given, or that of the environment.

    Raises
    ------
    NgffError
        When there is none, or what there is can't be one.
    """
    found = (token or os.environ.get(TOKEN, "")).strip()
    if not found:
        raise NgffError(
            f"there is no token; pass token=, or set {TOKEN}. It is shown at {URL}/account/token, "
            "or at that page of your server"
        )
    if not found.isascii() or not found.isprintable() or " " in found:
        # headers can't hold it, and what complains of that would show it
        raise NgffError("the token holds characters that no token has; copy it once more")
    return found


def server_of(url: str) -> str:
    """Return the address of a server, without what people paste along.

    Examples
    --------
    >>> server_of("https://webknossos.org/dashboard/datasets"), server_of("http://localhost:9000/")
    ('https://webknossos.org', 'http://localhost:9000')
    """
    match = re.match(r"(https?://[^/?#\s]+)", str(url).strip())
    if not match or "@" in match[1]:
        said = without_secrets(str(url))
        raise NgffError(f"{said!r} is no address of a server; expected one such as {URL}")
    return match[1]


def server_in(address: str, url: str | None) -> str:
    """Return the server of a dataset: the one its address names, or else the one given.

    Examples
    --------
    >>> server_in("https://wk.lab.org/datasets/a-6512/view", None), server_in("a", None)
    ('https://wk.lab.org', 'https://webknossos.org')
    """
    match = _DATASET.match(address)
    if match:
        return server_of(match[1])
    if "://" in address:
        raise NgffError(
            f"{without_secrets(address)!r} is no address of a dataset; expected one such as "
            f"{URL}/datasets/NAME-ID, or its name or id"
        )
    return server_of(url or URL)


@contextmanager
def session(server: str, token: str | None, doing: str, *, quiet: bool = True) -> Iterator[Any]:
    """Yield the client, signed in; what it raises becomes an error of ours.

    Parameters
    ----------
    server : str
        Its address.
    token : str or None
        Who asks; None for what is public.
    doing : str
        What is being done, for messages.
    quiet : bool
        Whether the client shows no bar; otherwise it does on stderr, since stdout is for results.

    Raises
    ------
    NgffError
        When the client is not installed, or with what it said; never with the token.
    """
    client = load()
    try:
        with (
            client.webknossos_context(url=server, token=token),
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO() if quiet else sys.stderr),
        ):
            warnings.simplefilter("ignore")
            yield client
    except NgffError:
        raise
    except Exception as err:  # noqa: BLE001 - it raises whatever its parts raise
        raise NgffError(f"{doing} {server}: {_said(err, token)}") from None


def _said(err: BaseException, token: str | None) -> str:
    """Return what went wrong in a line or two, without the token."""
    text = " ".join(str(err).split()) or type(err).__name__
    status = re.search(r"Got response status (\d+)", text)
    code = int(status[1]) if status else 0
    if code in (401, 403):
        text = f"the server refused ({code}); check the token, and what it may do there"
    elif status:
        body = text.partition("characters)")[2] or text[status.end() :]
        text = f"the server answered {code}: {body.removeprefix(' with body').lstrip(': ')}"
    if token:
        text = text.replace(token, "(token)")
    text = without_secrets(text)
    return text if len(text) <= 600 else f"{text[:600]}..."


def without_secrets(text: str) -> str:
    """Return a text without what addresses in it carry to let people in.

    Examples
    --------
    >>> without_secrets("https://me:abc@wk.org/datasets/a-1?token=xyz&b=2")
    'https://(password)@wk.org/datasets/a-1?token=(token)&b=2'
    """
    text = re.sub(r"([?&](?:token|sharingToken)=)[^&\s\"']+", r"\1(token)", text)
    return re.sub(r"(\w://)[^/?#\s]+@", r"\1(password)@", text)


def send(
    client: Any, folder: Path, name: str, where: str | None, jobs: int | None
) -> tuple[str, str]:
    """Upload a dataset, and return its id and its address.

    Parameters
    ----------
    client : module
        Signed in.
    folder : Path
        The dataset.
    name : str
        What it is called there.
    where : str, optional
        Path of a folder of the server's dashboard.
    jobs : int, optional
        Requests at the same time.
    """
    place = None if where is None else client.RemoteFolder.get_by_path(where)
    dataset = client.Dataset.open(folder)
    sent = dataset.upload(new_dataset_name=name, folder=place, jobs=jobs)
    return str(sent.dataset_id), str(sent.url)


def streamed(client: Any, address: str) -> tuple[str, str, Mapping[str, str]]:
    """Return the name of a dataset, where the server streams it as Zarr, and the headers to send.

    Parameters
    ----------
    client : module
        Signed in.
    address : str
        Address, name or id of the dataset.
    """
    remote = client.RemoteDataset.open(address, read_only=True)
    for layer in remote.layers.values():
        for mag in layer.mags.values():
            place = mag.path
            # <data store>/zarr/<id>/<layer>/<mag>
            root = str(place).rstrip("/").rsplit("/", 2)[0]
            return str(remote.name), root, dict(place.storage_options.get("headers") or {})
    raise NgffError(f"{without_secrets(address)!r} has no layer whose pixels the server streams")
