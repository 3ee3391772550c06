"""The app outside of notebooks: Voila, on this machine's loopback, behind a token."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ngffkit.errors import NgffError

#: Seconds that Voila may take to begin, and to end.
_BEGIN, _END = 60.0, 15.0

#: Seconds after which the kernel of a page that was closed ends, unless it is at work: progress
#: counts as activity.
_IDLE = 600

#: Seconds that the first page waits for the image it opens on.
_OPENING = 20

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

#: What a browser is opened on: the token is in no list of processes.
_REDIRECT = (
    '<!doctype html><meta http-equiv="refresh" content="0; url={url}"><title>ngffkit</title>'
)


class VoilaApp:
    """`nk.app` in a browser, served by Voila for as long as the block lasts.

    It listens on 127.0.0.1 alone and answers nobody who lacks the token. Each page has a kernel of
    its own. Work that runs in it goes on when the page is closed; idle, it ends some minutes later.

    Parameters
    ----------
    x : str, optional
        A path or URL that Browse opens.
    folder : str
        Where relative paths begin.
    port : int
        Where to listen; 0 for any free port.

    Attributes
    ----------
    url : str
        The address, with the token.
    idle : int
        Seconds after which a kernel that no page shows, and that does nothing, ends.

    Raises
    ------
    NgffError
        When Voila is missing or can't begin, or the folder or port can't be had.

    Examples
    --------
    >>> with VoilaApp("cells.zarr") as app:  # doctest: +SKIP
    ...     print(app.url)
    ...     app.wait()
    """

    idle = _IDLE

    def __init__(self, x: str | None = None, *, folder: str = ".", port: int = 0) -> None:
        if importlib.util.find_spec("voila") is None:
            raise NgffError("ngffkit app needs Voila; pip install 'ngffkit[app]'")
        self.folder = Path(folder).expanduser().absolute()
        if not self.folder.is_dir():
            raise NgffError(f"there is no folder {str(self.folder)!r} to work in; make it first")
        self.port = _free(port)
        self._token = secrets.token_urlsafe(24)
        self.url = f"http://127.0.0.1:{self.port}/?token={self._token}"
        self._home = tempfile.TemporaryDirectory(prefix="ngffkit-app-")
        home = Path(self._home.name)
        self._log = home / "log"
        notebook = home / "ngffkit.ipynb"
        notebook.write_text(json.dumps(_notebook(x, self.folder)), "utf-8")
        try:
            self._process = self._started(notebook)
            self._await()
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Wait until Voila ends.

        Raises
        ------
        NgffError
            When it ended by itself, with what it said last.
        """
        if self._process.wait():
            raise NgffError(f"Voila ended: {self._said()}")

    def open_browser(self) -> bool:
        """Open the address in a browser; tell whether there is one."""
        import webbrowser

        page = Path(self._home.name, "open.html")
        page.write_text(_REDIRECT.format(url=self.url), "utf-8")
        try:
            return webbrowser.open(page.as_uri())
        except webbrowser.Error:
            return False

    def close(self) -> None:
        """End Voila with all its kernels, and remove what was written for it."""
        process = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            # as Ctrl-C does: it ends its kernels first
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END)
                    break
        self._home.cleanup()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.close()

    def _started(self, notebook: Path) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "voila", str(notebook), "--no-browser"),
            *(f"--port={self.port}", "--Voila.ip=127.0.0.1", "--Voila.port_retries=0"),
            # the token comes by the environment: arguments are for everyone to read
            "--Voila.auto_token=True",
            # Voila's pages can't end their kernels where there is a token: they lack the other one
            f"--MappingKernelManager.cull_idle_timeout={self.idle}",
            f"--MappingKernelManager.cull_interval={min(60, self.idle)}",
        ]
        environment = os.environ | {"JUPYTER_TOKEN": self._token}
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own words
                command,
                cwd=self._home.name,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _BEGIN
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NgffError(f"Voila did not begin: {self._said()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/login", timeout=5):
                    return
            except urllib.error.HTTPError as err:
                err.close()
                return
            except OSError:
                time.sleep(0.1)
        raise NgffError(f"Voila did not answer within {_BEGIN:g} s: {self._said()}")

    def _said(self) -> str:
        """Return the last line of Voila's log that says something, without the token."""
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return (lines[-1] if lines else "it said nothing").replace(self._token, "...")[:300]


def _free(port: int) -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as err:
            raise NgffError(f"port {port} can't be had ({err}); choose another, or none") from err
        return int(taken.getsockname()[1])


def _notebook(x: str | None, folder: Path) -> dict[str, Any]:
    """Return the notebook that Voila shows."""
    # Voila runs this before the page loads. A viewer that were made while it loads might be neither
    # among the widgets that the page asks for nor among those it hears of later
    shown = f"import ngffkit as nk\napp = nk.app({x!r})\napp.settle({_OPENING})\napp"
    code = [f"import os\nos.chdir({str(folder)!r})", shown]
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text,
        }
        for i, text in enumerate(code)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": _KERNEL}, "cells": cells}
