"""A web server on a thread of this process, for one content."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import html
import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ngffkit.cards import card
from ngffkit.errors import NgffError
from ngffkit.serving.app import App
from ngffkit.serving.jupyter import PublicAddress
from ngffkit.serving.links import links_of, notes_of

if TYPE_CHECKING:
    import uvicorn

#: Connections at a time; more are told to come again (503). Each holds a piece at most.
_CONNECTIONS = 256

#: Seconds: until a server has to be up; until what is being sent is cut off on closing.
_UP, _DOWN = 10.0, 0.4


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is reached.

    Parameters
    ----------
    local : str
        From this machine.
    public : PublicAddress, optional
        From a browser elsewhere, under JupyterHub.
    """

    local: str
    public: PublicAddress | None = None


class Server:
    """Serves one image until it is closed; a context manager. Made by `ngffkit.serve`.

    Parameters
    ----------
    app : App
        Answers.
    listening : socket.socket
        Bound; connections to it are taken.
    address : Address
        Where that is, without the path.

    Examples
    --------
    >>> import ngffkit as nk
    >>> with nk.serve("cells.ome.zarr") as server:
    ...     served = nk.open_dataset(server.url)
    ...     equal = served.equals(nk.open_dataset("cells.ome.zarr"))
    >>> equal, server.closed
    (True, True)
    """

    def __init__(self, app: App, listening: socket.socket, address: Address) -> None:
        self._app, self._address = app, address
        self._process, self._closing = os.getpid(), threading.Lock()
        # uvicorn closes its own; this one says to forks as well that it is over
        self._socket, self._listening = listening.dup(), listening
        self.port = int(listening.getsockname()[1])
        self.closed = False
        self._inner = _inner(app)
        self._thread = threading.Thread(target=self._run, name="ngffkit-serve", daemon=True)
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_UP * 200)):
            if self._inner.started or not self._thread.is_alive():
                break
            waited.wait(0.005)
        if not self._inner.started:
            self.close()
            raise NgffError(f"the server at {address.local} did not start within {_UP:.0f} s")
        atexit.register(self.close)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._inner.serve(sockets=[self._listening])
        # those that were cut off, and those that did not ask for anything yet
        for connection in list(self._inner.server_state.connections):
            transport = connection.transport
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    @property
    def path(self) -> str:
        """Path of the image's root: token and name."""
        return f"/{self._app.rules.token}/{self._app.rules.name}"

    @property
    def local_url(self) -> str:
        """Address of the image for programs on this machine."""
        return f"{self._address.local}{self.path}"

    @property
    def url(self) -> str:
        """Address of the image for browsers; whoever has it can read the image."""
        public = self._address.public
        return f"{public.url}{self.path}" if public is not None else self.local_url

    def links(self) -> dict[str, str]:
        """Return addresses that open the image in viewers, by the viewer's name."""
        return links_of(self.url, self._app.content)

    def notes(self) -> tuple[str, ...]:
        """Say which viewers were left out and why, and who can reach the address."""
        return notes_of(self.url, self._app.content)

    def wait(self) -> None:
        """Return when the server is closed."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """Stop answering, within a second. Answers that are being sent are cut off."""
        if os.getpid() != self._process:
            # a fork has the socket, not the thread that serves
            self._socket.close()
            self._listening.close()
            self.closed = True
            return
        with self._closing:
            if self.closed:
                return
            self._inner.should_exit = True
            self._thread.join(5)
            self._listening.close()
            _deaf(self._socket)
            self._app.close()
            self.closed = True
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise NgffError("a server can't be pickled: it lives in one process; pass its url on")

    def __repr__(self) -> str:
        return f"<ngffkit server {'closed' if self.closed else self.url}>"

    def _repr_html_(self) -> str:
        if self.closed:
            return card("ngffkit server", "<p>closed</p>")
        rows = [_link("address", self.url, self.url)]
        for name, link in self.links().items():
            # WEBKNOSSOS has no page that takes an address: it is pasted there
            pasted = name == "webknossos"
            rows.append(_row(name, html.escape(link)) if pasted else _link(name, link, "open"))
        public = self._address.public
        notes = [*self.notes(), *([public.note] if public is not None else [])]
        listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
        return card(self._app.rules.name, f"<table>{''.join(rows)}</table><ul>{listed}</ul>")


def _deaf(listening: socket.socket) -> None:
    """Close a socket, also for forks of this process: else the port would stay taken, and hang."""
    with contextlib.suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def _link(name: str, url: str, text: str) -> str:
    safe = html.escape(url)
    shown = html.escape(text)
    return _row(name, f"<a href='{safe}' target='_blank' rel='noopener noreferrer'>{shown}</a>")


def _row(name: str, cell: str) -> str:
    return f"<tr><th>{html.escape(name)}</th><td>{cell}</td></tr>"


def _inner(app: App) -> uvicorn.Server:
    import uvicorn

    options: dict[str, Any] = {"timeout_graceful_shutdown": _DOWN}
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        **options,
    )
    return uvicorn.Server(config)
