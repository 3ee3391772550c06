"""The address of a local server as a browser sees it, when the notebook is somewhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """Where a browser reaches a port of this machine.

    Parameters
    ----------
    url : str
        Begins the address of everything that is served at the port; without a slash at its end.
        A path alone (``/user/me/proxy/8000``) when nobody told the kernel what the host is called:
        it goes with whatever host the notebook's page has.
    host : str
        The host that browsers name in their requests, with its port; empty when unknown.
        jupyter-server-proxy passes it on as it came.
    note : str
        What must be so that it works.
    """

    url: str
    host: str
    note: str

    @property
    def complete(self) -> bool:
        """Whether the host is known, so that the address works outside of the notebook's page."""
        return "://" in self.url


_NOTE = (
    "reached through jupyter-server-proxy, which must be installed where the Jupyter server runs "
    "(`jupyter server extension list` there names it); only browsers that are logged in there, or "
    "send its token, get an answer, so a viewer on another site does not"
)


def public_address(port: int, env: Mapping[str, str] | None = None) -> PublicAddress | None:
    """Return where a browser reaches a port of this machine, None when the port itself will do.

    Parameters
    ----------
    port : int
        Where the server listens, on loopback.
    env : Mapping, optional
        The environment of the kernel; its own when left out.

    Returns
    -------
    PublicAddress or None
        Under JupyterHub and Binder, and where ``JUPYTER_SERVER_URL`` or
        ``NGFFKIT_PROXY_URL`` (the address of the Jupyter server, as browsers see it) is
        set to another machine's.

    Notes
    -----
    JupyterHub sets ``JUPYTERHUB_SERVICE_PREFIX``, the path of a user's server, for every kernel,
    ``JUPYTERHUB_HOST`` where each user has a domain, and since version 5 ``JUPYTERHUB_PUBLIC_URL``
    where it was told its own address. jupyter-server-proxy answers at ``proxy/<port>/`` below.

    Examples
    --------
    >>> hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_HOST": "https://hub.example"}
    >>> public_address(8000, hub).url
    'https://hub.example/user/ada/proxy/8000'
    >>> public_address(8000, {}) is None
    True
    """
    known = os.environ if env is None else env
    base = _base(known)
    if base is None:
        return None
    url = f"{base.rstrip('/')}/proxy/{port}"
    return PublicAddress(url, urlsplit(url).netloc, _NOTE)


def _base(env: Mapping[str, str]) -> str | None:
    """Return the address of the Jupyter server, or its path when the host is unknown."""
    if told := env.get("NGFFKIT_PROXY_URL"):
        return told
    prefix = env.get("JUPYTERHUB_SERVICE_PREFIX")
    if prefix:
        public = env.get("JUPYTERHUB_PUBLIC_URL")  # of this user's server, path and all
        if public:
            return public
        hub = env.get("JUPYTERHUB_PUBLIC_HUB_URL")
        host = env.get("JUPYTERHUB_HOST") or (_origin(hub) if hub else "")
        return f"{host.rstrip('/')}/{prefix.strip('/')}"
    server = env.get("JUPYTER_SERVER_URL", "")
    # a server on this machine: its browser is here as well, and needs no detour
    return server if server and not _is_local(server) else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _is_local(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower()
    return host in ("localhost", "::1", "0.0.0.0", "") or host.startswith("127.")  # noqa: S104
