"""`ngffkit.serve`: an image over HTTP, for viewers outside of the notebook."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
import re
import secrets
import socket
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ngffkit.errors import NgffError, NgffWarning
from ngffkit.serving.guard import LOOPBACK, VIEWERS, Rules
from ngffkit.serving.server import Address, Server

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?|\*")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]|\*")


def serve(
    x: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
    name: str | None = None,
    **options: Any,
) -> Server:
    """Serve an image over HTTP, read-only, until the server is closed or the process ends.

    Parameters
    ----------
    x : path, URL, store, DataTree, Dataset, DataArray or array
        An OME-Zarr is served byte by byte; anything else is computed when it is asked for.
    host : str
        Address to listen at. Any other than loopback lets other machines connect, unencrypted,
        and needs `hosts`.
    port : int
        Port to listen at; 0 is any that is free.
    token : str, optional
        What addresses begin with, instead of a secret one of 256 bits: 16 to 128 letters, digits,
        ``-`` and ``_``. Whoever knows it can read the image.
    origins : sequence of str
        Further web sites whose pages may read, such as ``https://viewer.example``; ``*`` is all.
        Those of known viewers may.
    hosts : sequence of str
        Further names that this server answers to, without a port. Loopback's are known.
    name : str, optional
        What addresses end with; that of the image when left out. ``.zarr`` is added.
    **options
        As `ngffkit.serving.contents.content_of` takes them: `image`, `labels`, `raw`,
        `storage_options`, and how to encode what is computed.

    Returns
    -------
    Server
        Its `url` is the image's address, `links()` those of viewers, `close()` ends it.

    Raises
    ------
    NgffError
        When the port is taken, an option is wrong, or starlette and uvicorn are missing.

    Examples
    --------
    >>> server = serve("cells.ome.zarr")
    >>> server.url  # doctest: +SKIP
    'http://127.0.0.1:41234/.../cells.ome.zarr'
    >>> server.close()
    """
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise NgffError(f"serving needs {package}; pip install 'ngffkit[serve]'")
    _check(host, token, origins, hosts)
    from ngffkit.serving.app import App
    from ngffkit.serving.contents import content_of
    from ngffkit.serving.jupyter import public_address

    content = content_of(x, **options)
    with contextlib.ExitStack() as undo:
        undo.callback(content.close)
        last = _name_of(name, x, content.image.name)
        listening = undo.enter_context(_listen(host, port))
        found = public_address(listening.getsockname()[1])
        shown = _shown(host, hosts)
        known = (*LOOPBACK, shown.lower(), *(given.lower() for given in hosts))
        if found is not None:
            # where nobody knows the name of the hub, the token has to do
            known += (_without_port(found.host) or "*",)
        rules = Rules(token or secrets.token_urlsafe(32), last, known, (*VIEWERS, *origins))
        address = Address(f"http://{shown}:{listening.getsockname()[1]}", found)
        server = Server(App(content, rules), listening, address)
        undo.pop_all()
    return server


def _check(host: str, token: str | None, origins: Sequence[str], hosts: Sequence[str]) -> None:
    if not isinstance(host, str):
        raise NgffError(f"host={host!r} is no address; a text such as '127.0.0.1' was expected")
    if token is not None and not _TOKEN.fullmatch(token):
        raise NgffError(
            "the token is too easy to guess, or can't stand in an address: 16 to 128 letters, "
            "digits, - and _ were expected; without token= a secret one is made"
        )
    for what, given, pattern, example in (
        ("origins", origins, _ORIGIN, "https://viewer.example"),
        ("hosts", hosts, _HOST, "data.example"),
    ):
        if isinstance(given, str):
            raise NgffError(f"{what}={given!r} is one text; a list was expected: [{given!r}]")
        for item in given:
            if not pattern.fullmatch(item):
                raise NgffError(f"{what}: {item!r} was not understood; it looks like {example!r}")
    if not _is_loopback(host):
        if not hosts:
            raise NgffError(
                f"host={host!r} lets other machines connect; name what they call this one, e.g. "
                "hosts=['data.example'], or leave host out"
            )
        message = f"other machines can connect to {host}; the line is not encrypted, and whoever "
        warnings.warn(f"{message}has the address can read the image", NgffWarning, stacklevel=3)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host).lower()


def _shown(host: str, hosts: Sequence[str]) -> str:
    """Return the name that addresses have."""
    named = [given for given in hosts if given != "*"]
    if named and not _is_loopback(host):
        return named[0]
    try:
        # browsers shorten what is spelled out
        plain = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if plain.is_unspecified:
        return "127.0.0.1" if plain.version == 4 else "[::1]"
    return str(plain) if plain.version == 4 else f"[{plain}]"


def _listen(host: str, port: int) -> socket.socket:
    plain = host.strip("[]")
    family = socket.AF_INET6 if ":" in plain else socket.AF_INET
    # asyncio sets TCP_NODELAY on connections whose protocol is named
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there, it would let another program take the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((plain, port))
        made.listen(128)
    except (OSError, OverflowError, TypeError, ValueError) as err:
        made.close()
        cause = getattr(err, "strerror", None) or err
        raise NgffError(
            f"can't listen at port {port} of {host!r}: {cause}; port=0 is any that is free"
        ) from err
    return made


def _name_of(given: str | None, x: Any, title: str) -> str:
    """Return the last part of the address."""
    if given is not None:
        if not _NAME.fullmatch(given):
            raise NgffError(
                f"name={given!r} can't stand in an address; up to 100 letters, digits, '.', - and "
                "_ were expected, a letter or digit first"
            )
        text = given
    else:
        source = x.attrs.get("ngff_source") if isinstance(getattr(x, "attrs", None), Mapping) else x
        place = str(source) if isinstance(source, str) or hasattr(source, "__fspath__") else ""
        text = name_in(place) if place else name_in(title)
    text = re.sub(r"\.(ozx|zip)$", "", text)
    return text if text.endswith(".zarr") else f"{text}.zarr"


def name_in(place: str) -> str:
    """Return the last part of a path or URL, in letters that may stand in an address.

    Examples
    --------
    >>> name_in("/data/my cells.ome.zarr/"), name_in("https://host/a.zarr"), name_in("")
    ('my-cells.ome.zarr', 'a.zarr', 'image')
    """
    last = re.split(r"[/\\]", place.rstrip("/\\"))[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).lstrip("._-")[:90] or "image"
