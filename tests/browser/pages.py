"""Pages of the browser: notebooks that run in them, and what they say to their kernels."""

from __future__ import annotations

import ast
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from browser.messages import Message, decode
from browser.server import Server

#: Milliseconds that a page may take to do what it is waited for; long, for busy machines.
PATIENCE: Final = 60_000

#: Milliseconds of quiet after which nothing more is expected.
QUIET: Final = 400

#: What other packages log as errors in a lean environment, none of it ours: pages without an icon,
#: settings and workspaces that are not there yet, templates and extensions that Voila looks for,
#: mathematics from a network that isn't there, modules that Voila doesn't share with extensions of
#: JupyterLab, settings that Notebook 7 lacks, questions to a kernel that the test has ended.
NOISE: Final = re.compile(
    r"favicon|Failed to load resource: .* 404|@voila-dashboards|nbextensions/"
    r"|MathJax is not defined|RUNTIME-012|\(reading 'schema'\)"
    r"|Shared module @jupyterlab/filebrowser doesn't exist"
    r"|Canceled future for \w+ message before replies were done"
)

#: What Voila's own template asks the world for.
OF_VOILA: Final = (
    "https://cdn.jsdelivr.net/npm/@fortawesome/",
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/",
)
OUTSIDE: Final = re.compile(r"(https?|wss?)://(?!127\.0\.0\.1[:/])")

IDLE: Final = """() => {
  const session = jupyterapp.shell.currentWidget?.sessionContext?.session;
  return session?.kernel?.status === "idle" && session.kernel.connectionStatus === "connected";
}"""

#: Each notebook has a name of its own: JupyterLab remembers those it has seen.
COUNT: Final = itertools.count()

#: Outputs that are errors or on stderr.
ERRORS: Final = ", ".join(
    f".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.{kind}']"
    for kind in ("stderr", "error")
)

ASK: Final = """async (expression) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const asked = { code: "", user_expressions: { it: expression }, silent: true };
  const { content } = await kernel.requestExecute({ ...asked, store_history: false }).done;
  const { it } = content.user_expressions;
  return it.status === "ok" ? it.data["text/plain"] : `${it.ename}: ${it.evalue}`;
}"""


INSERT: Final = """(code) => {
  const { content, context } = jupyterapp.shell.currentWidget;
  const cell = { cell_type: "code", source: code };
  context.model.sharedModel.insertCell(content.widgets.length, cell);
  content.activeCellIndex = content.widgets.length - 1;
}"""
RUN: Final = """() => {
  window.testRuns = true;
  jupyterapp.commands.execute("notebook:run-cell").then(() => { window.testRuns = false; });
}"""


class Page:
    """One tab: collects what is logged as an error, asked of the network, and sent to kernels."""

    def __init__(self, context: Any) -> None:
        context.route(OUTSIDE, lambda route: route.fulfill(status=200, body=""))
        self.tab = context.new_page()
        self.tab.set_default_timeout(PATIENCE)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.sent: list[Message] = []
        self.tab.on("console", self._logged)
        self.tab.on("pageerror", lambda error: self._failed(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("websocket", self._opened)

    def _logged(self, message: Any) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            self._failed(f"{message.text} ({where})")

    def _failed(self, text: str) -> None:
        if not NOISE.search(text):
            self.errors.append(text)

    def _opened(self, socket: Any) -> None:
        if "/api/kernels/" in socket.url:
            socket.on("framesent", lambda frame: self.sent.append(decode(frame)))

    def asked_outside(self) -> list[str]:
        """Return what was asked of other machines; they answered with nothing."""
        return [url for url in self.asked if OUTSIDE.match(url) and not url.startswith(OF_VOILA)]

    def comm_messages(self) -> list[Message]:
        """Return what widgets sent to their kernels so far."""
        return [message for message in self.sent if message.kind == "comm_msg"]

    def tile_requests(self) -> list[dict[str, Any]]:
        """Return the requests for tiles that were sent so far."""
        asked = (message.custom for message in self.comm_messages())
        return [content for content in asked if content.get("do") == "fetch"]

    def pause(self, milliseconds: float = QUIET) -> None:
        """Let the page go on for a while."""
        self.tab.wait_for_timeout(milliseconds)

    def until(self, true: Callable[[], Any], what: str) -> None:
        """Wait until something becomes true that the page doesn't know of."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not true():
            assert time.monotonic() < deadline, f"waited in vain: {what}"
            self.pause(30)


class Lab(Page):
    """JupyterLab in a tab."""

    def __init__(self, context: Any, server: Server) -> None:
        super().__init__(context)
        self.server = server
        self.name = ""
        self.tab.goto(f"{server.url}/lab?token={server.token}&reset")
        self.tab.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")

    @contextmanager
    def notebook(self, *cells: str) -> Iterator[Lab]:
        """Run a fresh notebook of these cells; close it and end its kernel afterwards."""
        self.name = self.server.write(f"test{next(COUNT)}.ipynb", list(cells))
        self.command("docmanager:open", {"path": self.name, "factory": "Notebook"})
        self.tab.wait_for_function(IDLE)
        try:
            self.run_all()
            yield self
        finally:
            self.command("docmanager:save")
            self.command("application:close")
            self.server.stop_kernels()

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Carry out one of JupyterLab's commands."""
        script = "([name, given]) => jupyterapp.commands.execute(name, given).then(() => null)"
        self.tab.evaluate(script, [name, arguments or {}])

    def run_all(self) -> None:
        """Run all cells to their end; an error in one is an error of the test."""
        self.command("notebook:run-all-cells")
        wrong = self.tab.locator(ERRORS)
        assert not wrong.count(), wrong.first.inner_text()

    def insert(self, code: str) -> None:
        """Add a cell at the end, without running it."""
        self.tab.evaluate(INSERT, code)

    def append(self, code: str) -> None:
        """Add a cell at the end and run it, without waiting for its end; see `running`."""
        self.insert(code)
        self.tab.evaluate(RUN)

    def running(self) -> bool:
        """Tell whether the cell that was appended still runs."""
        return bool(self.tab.evaluate("() => window.testRuns"))

    def python(self, expression: str) -> Any:
        """Evaluate an expression in the kernel; return its value, which must be plain."""
        text = self.tab.evaluate(ASK, f"__import__('json').dumps({expression}, default=str)")
        try:
            return json.loads(ast.literal_eval(text))
        except (SyntaxError, ValueError):
            raise AssertionError(f"{expression}: {text}") from None

    def do(self, statement: str) -> None:
        """Carry out a statement in the kernel."""
        self.python(f"exec({statement!r})")

    def python_becomes(self, expression: str, expected: Any) -> None:
        """Wait until an expression has a value in the kernel."""
        found = [None]

        def same() -> bool:
            found[0] = self.python(expression)
            return bool(found[0] == expected)

        try:
            self.until(same, expression)
        except AssertionError:
            raise AssertionError(f"{expression} is {found[0]!r}, not {expected!r}") from None
