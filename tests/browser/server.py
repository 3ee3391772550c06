"""A Jupyter server of our own: JupyterLab, Notebook 7 and Voila on one port of the loopback."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import nbformat

TESTS: Final = Path(__file__).parents[1]
PATIENCE: Final = 90.0
KERNELSPEC: Final = {"name": "python3", "display_name": "Python 3", "language": "python"}

#: JupyterLab asks the world for news, unless told not to.
SETTINGS: Final = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}


#: The debugger asks each kernel, and complains when the kernel is gone before it has answered.
LEFT_OUT: Final = {"disabledExtensions": {"@jupyterlab/debugger-extension": True}}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Parameters
    ----------
    url, token : str
        Where it is, and what opens it.
    root : Path
        The folder of its notebooks.
    log : Path
        What it said.
    """

    url: str
    token: str
    root: Path
    log: Path

    def api(self, path: str, method: str = "GET") -> Any:
        """Ask its REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        for patience in (1.0, 1.0, 1.0, 0.0):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    text = answer.read()
                break
            except urllib.error.HTTPError as err:
                # it lists kernels that are just beginning or ending, and stumbles
                if err.code != HTTPStatus.INTERNAL_SERVER_ERROR or not patience:
                    raise
                time.sleep(patience)
        return json.loads(text) if text else None

    def write(self, name: str, cells: list[str]) -> str:
        """Write a notebook of code cells; return its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],
            metadata={"kernelspec": KERNELSPEC},
        )
        nbformat.write(notebook, self.root / name)
        return name

    def stop_kernels(self) -> None:
        """End every kernel, so that the next test has the machine for itself."""
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")
        for kernel in self.api("kernels"):
            with contextlib.suppress(urllib.error.HTTPError):
                self.api(f"kernels/{kernel['id']}", "DELETE")


@contextmanager
def serve(home: Path) -> Iterator[Server]:
    """Start a server in an empty folder; end it with all its kernels."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = Server(
        f"http://127.0.0.1:{port}", secrets.token_hex(12), home / "notebooks", home / "log"
    )
    server.root.mkdir(parents=True)
    for name, values in SETTINGS.items():
        _write(home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings", values)
    _write(home / "config" / "labconfig" / "page_config.json", LEFT_OUT)
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            _command(server, port),
            cwd=server.root,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(server, process)
        yield server
    finally:
        _end(process)


def _write(file: Path, values: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def _command(server: Server, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={server.token}", f"--ServerApp.root_dir={server.root}"),
        *("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"),
    ]


def _environment(home: Path) -> dict[str, str]:
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
        "PYTHONPATH": TESTS,
    }
    left_out = ("MPLBACKEND", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {
        **kept,
        **{name: str(path) for name, path in folders.items()},
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            server.api("kernels")
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = server.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the Jupyter server didn't start:\n{said}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end its kernels and itself, then end what is left of its group."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
