"""The connection doctor: how quickly kernel and page talk, the line to the data, what to do.

The page measures, since it alone has a clock at the end of the line; what its samples mean is said
in `ngffkit.panels.connection`, so that each cause can be tested without a browser.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import traitlets

from ngffkit.access.lines import Line
from ngffkit.access.probing import probe
from ngffkit.errors import NgffError
from ngffkit.panels.connection import PATIENCE, Finding, Samples, findings, of_data
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import Model, action
from ngffkit.panels.parts import Part
from ngffkit.panels.runs import as_ours
from ngffkit.planning.options import about
from ngffkit.shown import shown
from ngffkit.tuning.doors import image_of
from ngffkit.tuning.speeds import brief

#: What the page measures: small messages, one after another; buffers, one after another.
MESSAGES, BUFFERS, NBYTES = 20, 4, 2**20


def versions() -> dict[str, str]:
    """Return what the kernel knows of itself and of what is installed beside it."""
    from importlib.metadata import PackageNotFoundError, version

    out = {}
    for name in ("ipykernel", "jupyter_server", "anywidget", "ipywidgets"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = ""
    return out


class DoctorModel(Model):
    """What is known of the connection; ``measured`` takes the page's samples.

    Attributes
    ----------
    state : dict
        ``findings``, ``facts`` as pairs of text, ``measure`` (what the page shall do) and
        ``busy`` while the line to the data is measured.
    """

    state = traitlets.Dict()

    def __init__(self, *, lock: Any = None) -> None:  # noqa: ARG002 - of `Model.setup_instance`
        super().__init__()
        self.samples: Samples | None = None
        self.data: Finding | None = None
        self.given: Mapping[str, Any] = {}
        self.latest = Latest("ngffkit-doctor", 0.01, self.lock)
        self._busy = False
        self._versions = versions()
        self._draw()

    def load(self, given: Mapping[str, Any] | None) -> None:
        """Say which image the data's line leads to."""
        with self.lock:
            self.given, self.data, self._busy = dict(given or {}), None, False
            self.latest.drop()
            self._draw()

    @action
    def measured(
        self,
        replies: Sequence[float],
        buffers: Sequence[Sequence[float]],
        lost: int = 0,
        subshell: Any = None,
    ) -> None:
        """Take what the page has measured: milliseconds, and pairs of bytes and milliseconds."""
        small = tuple(_positive(each) / 1e3 for each in replies)
        large = tuple((int(_positive(n)), _positive(each) / 1e3) for n, each in buffers)
        known = subshell if isinstance(subshell, bool) else None
        self.samples = Samples(small, large, int(_positive(lost)), known)
        self._draw()

    @action
    def data_line(self) -> None:
        """Measure the line to the data, in the background."""
        if not self.given:
            raise NgffError("diagnose an image first; the line to its data is measured then")
        given = dict(self.given)
        self.say("")
        self._busy = True
        self._draw()
        self.latest.ask(lambda: _probed(given), self._show_line)

    def _show_line(self, found: Line | NgffError) -> None:
        with self.lock:
            self._busy = False
            if isinstance(found, NgffError):
                self.data = Finding("data", "error", "the data can't be read", str(found))
            else:
                self.data = of_data(found)
            self._draw()

    def _draw(self) -> None:
        samples = self.samples
        found = findings(samples, self._versions) if samples else ()
        every = [*found, *([self.data] if self.data else [])]
        self.state = {
            "measure": {
                "messages": MESSAGES,
                "buffers": BUFFERS,
                "nbytes": NBYTES,
                "patience": PATIENCE * 1e3,
            },
            "facts": [list(pair) for pair in self._facts()],
            "findings": [asdict(finding) for finding in every],
            "busy": self._busy,
            "image": bool(self.given),
        }

    def _facts(self) -> list[tuple[str, str]]:
        out = []
        samples = self.samples
        if samples is not None and samples.replies:
            low, high = min(samples.replies), max(samples.replies)
            spread = f"median of {len(samples.replies)}, {brief(low)} to {brief(high)}"
            out.append(("small message, there and back", f"{brief(samples.reply)} ({spread})"))
        if samples is not None and samples.buffers:
            size = about(sum(n for n, _ in samples.buffers))
            out.append(("kernel to page", f"{about(samples.rate)}/s (of {size})"))
        if samples is not None and samples.subshell is not None:
            word = "answered meanwhile" if samples.subshell else "waits for its end"
            out.append(("while a cell runs", word))
        for name, text in self._versions.items():
            where = "not installed beside the kernel" if name == "jupyter_server" else "none"
            out.append((name, text or where))
        return out


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise NgffError(f"{shown(value)} is no measurement; a number of 0 or more was expected")
    return float(value)


def _probed(given: Mapping[str, Any]) -> Line | NgffError:
    try:
        rest = given.get("image"), given.get("storage_options")
        opened, _ = image_of(given["source"], *rest)
        return probe(opened.reader(0), cold=True)
    except Exception as err:  # noqa: BLE001 - shown, a thread has nobody above it
        return as_ours(err)


class DoctorPart(Part):
    """The doctor in the page; answers its messages with buffers of the size that it asks for."""

    def _hear(self, widget: Any, content: Any, buffers: Any) -> None:
        asked = content.get("echo") if isinstance(content, dict) else None
        if asked is None:
            super()._hear(widget, content, buffers)
            return
        nbytes = content.get("nbytes")
        size = nbytes if isinstance(nbytes, int) and 0 <= nbytes <= 4 * NBYTES else 0
        beside = threading.current_thread() is not threading.main_thread()
        # noise of twice a deflate window, so that a line that compresses gains nothing
        noise = random.Random(0).randbytes(2**16) if size else b""  # noqa: S311 - nothing secret
        body = (noise * (size // 2**16 + 1))[:size]
        self.send({"echo": asked, "subshell": beside}, buffers=[body] if size else None)
