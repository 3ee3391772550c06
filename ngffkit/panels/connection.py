"""What slows the line between kernel and page down, and what to do about it; from measurements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ngffkit.access.lines import LAN, Line
from ngffkit.planning.options import about
from ngffkit.tuning.speeds import brief

#: Seconds of a small message from which on one waits for a timer, not the way: Nagle's algorithm
#: holds a segment back until the last one is acknowledged, which Linux delays by 40 ms (RFC 1122,
#: 4.2.3.2 allows 500 ms).
_HELD, _HELD_MOST = 0.035, 0.3

#: A quarter of the messages that is quicker than this part of the median: the way itself is short.
_QUICK = 0.35

#: A megabyte that takes no longer than so many small messages can't have waited for the timer.
_LIKE = 1.3

#: A way that is shorter than this part of a small message isn't what that message waits for.
_SHARE = 0.5

#: Bytes per second below which a window of tiles takes longer than a blink: a megabyte in 0.2 s.
_SLOW = 5e6

#: Seconds of a message from which on stepping through planes is felt as slow.
_FAR = 0.06

#: Where it is said: the file that a server reads its settings from.
_FILE = "~/.jupyter/jupyter_server_config.py"

#: Seconds that the page waits for an answer.
PATIENCE = 5.0

NODELAY = """\
# in ~/.jupyter/jupyter_server_config.py; then start the server anew
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class NoDelay(ZMQChannelsWebsocketConnection):
    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


c.ServerApp.kernel_websocket_connection_class = NoDelay
"""

RATE = """\
# in ~/.jupyter/jupyter_server_config.py; then start the server anew
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 10_000
"""

UPGRADE = "pip install --upgrade 'ipykernel>=7.1'"


@dataclass(frozen=True, slots=True)
class Samples:
    """What the page has measured; times in seconds.

    Parameters
    ----------
    replies : tuple of float
        From each small message to its answer, one after another.
    buffers : tuple of (int, float)
        Bytes that were asked for, and the time until they were there: one buffer for itself, then
        several together.
    lost : int
        Messages that were not answered within `PATIENCE`.
    subshell : bool or None
        Whether messages are handled beside the cell that runs; None when nothing came.
    """

    replies: tuple[float, ...]
    buffers: tuple[tuple[int, float], ...]
    lost: int = 0
    subshell: bool | None = None

    @property
    def reply(self) -> float:
        """The median of small messages, in seconds."""
        return statistics.median(self.replies) if self.replies else math.inf

    @property
    def rate(self) -> float:
        """Bytes per second of the best of the buffers, their way there and back included."""
        return max((n / seconds for n, seconds in self.buffers if seconds > 0), default=0.0)

    @property
    def proof(self) -> str:
        """What shows that small messages wait for a timer and not for the way; empty if nothing."""
        reply, quickest = self.reply, min(self.replies, default=math.inf)
        if quickest < reply * _QUICK:
            return f"the quickest takes {brief(quickest)}"
        size, took = self.buffers[0] if self.buffers else (0, math.inf)
        if took < reply * _LIKE:
            return f"{about(size)} come in {brief(took)}"
        if len(self.buffers) > 1 and self.buffers[1][0] > size:
            # two sizes tell how much of it was the transfer: time = way + size / rate
            more, longer = self.buffers[1]
            way = took - size * (longer - took) / (more - size)
            if way < reply * _SHARE:
                rest = brief(max(way, 0.0))
                return f"of {about(size)} in {brief(took)}, all but {rest} is the transfer"
        return ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    key : str
        ``lost``, ``nagle``, ``far``, ``slow``, ``waits``, ``old``, ``data`` or ``good``.
    severity : {"error", "advice", "good"}
        How bad it is.
    title, text : str
        What, with its numbers; what it means.
    remedy : str
        What to do about it.
    code : str
        Lines that do it, to copy.
    """

    key: str
    severity: Literal["error", "advice", "good"]
    title: str
    text: str
    remedy: str = ""
    code: str = ""


def findings(samples: Samples, facts: Mapping[str, str]) -> tuple[Finding, ...]:
    """Say what slows the line between kernel and page down, and what to do about it.

    Parameters
    ----------
    samples : Samples
        What the page has measured.
    facts : Mapping of str to str
        Versions by package; empty ones are not installed where the kernel runs.

    Returns
    -------
    tuple of Finding
        The worst first.

    Examples
    --------
    >>> slow = Samples((0.044,) * 20, ((2**20, 0.04), (3 * 2**20, 0.08)), subshell=True)
    >>> [finding.key for finding in findings(slow, {})]
    ['nagle']
    >>> [f.key for f in findings(Samples((0.003,), ((2**20, 0.03),), subshell=True), {})]
    ['good']
    """
    if not samples.replies and not samples.lost:
        return ()
    out = [*_lost(samples), *_delays(samples), *_rates(samples), *_shells(samples, facts)]
    if not out:
        text = (
            f"{brief(samples.reply)} per message and {about(samples.rate)}/s: the viewer is held "
            "up by neither"
        )
        out = [Finding("good", "good", "the connection is good", text)]
    order = {"error": 0, "advice": 1, "good": 2}
    return tuple(sorted(out, key=lambda finding: order[finding.severity]))


def _lost(samples: Samples) -> list[Finding]:
    if not samples.lost:
        return []
    text = (
        f"{samples.lost} message{'s'[: samples.lost != 1]} had no answer within {PATIENCE:g} s. "
        "jupyter_server drops messages of a kernel that sends more than 1,000 a second, printed "
        "lines and pictures of other widgets among them, and says so on the page's console only; "
        "or the kernel was busy"
    )
    remedy = (
        "run this again while no cell runs; if messages are still lost, raise the limit "
        "(iopub_msg_rate_limit; iopub_data_rate_limit counts printed text alone)"
    )
    return [Finding("lost", "error", "messages get lost", text, remedy, RATE)]


def _delays(samples: Samples) -> list[Finding]:
    if not samples.replies:
        return []
    reply, quickest = samples.reply, min(samples.replies)
    if _HELD <= reply <= _HELD_MOST and samples.proof:
        text = (
            f"{brief(reply)} per small message, though {samples.proof}. The server holds small "
            "messages back until the page's machine has acknowledged the last one, which that does "
            "after 40 ms (Nagle's algorithm and delayed acknowledgements): stock jupyter_server "
            "never sets TCP_NODELAY on its websockets"
        )
        remedy = (
            f"whoever runs the server lets its websockets send at once, in {_FILE}; where that "
            "can't be had nothing is lost: the viewer asks for tiles ahead and together"
        )
        return [
            Finding("nagle", "advice", "small messages wait for a timer", text, remedy, NODELAY)
        ]
    if reply >= _FAR:
        text = (
            f"{brief(reply)} per small message, {brief(quickest)} at best: the kernel is far away, "
            "or a proxy (JupyterHub, a VPN, a browser's extension) holds messages up"
        )
        remedy = (
            "run the browser near the kernel or the kernel near you; through ssh, forward the "
            "port directly (ssh -L) rather than over several machines"
        )
        return [Finding("far", "advice", "messages take long", text, remedy)]
    return []


def _rates(samples: Samples) -> list[Finding]:
    rate = samples.rate
    if not samples.buffers or rate >= _SLOW:
        return []
    tile = 2**20 / rate if rate else math.inf
    text = (
        f"{about(rate)}/s from kernel to page; a window of tiles (1 MB) takes {brief(tile)}. "
        "No limit of jupyter_server's does that: iopub_data_rate_limit counts printed text alone. "
        "What does: the network itself; ssh -C, which compresses on one processor what is "
        "compressed badly; proxies (JupyterHub's, nginx's) that buffer or compress websockets"
    )
    remedy = (
        "through ssh, leave -C and 'Compression yes' out; behind a proxy have websockets passed "
        "on without buffering and compression; otherwise look at coarser mags or smaller windows"
    )
    return [Finding("slow", "advice", "little gets through", text, remedy)]


def _shells(samples: Samples, facts: Mapping[str, str]) -> list[Finding]:
    version = facts.get("ipykernel", "")
    number = _version(version)
    if number is not None and (7, 0) <= number < (7, 1):
        text = f"ipykernel {version} loses messages that threads send, as the viewer's do"
        title = "ipykernel 7.0 loses messages"
        return [Finding("old", "error", title, text, "install 7.1 or later", UPGRADE)]
    if samples.subshell is not False:
        return []
    text = "messages are handled by the thread that runs cells: while one runs, panels wait for it"
    if number is not None and number < (7, 0):
        remedy = "install ipykernel 7.1 or later, whose subshells answer beside the cell"
        text += f" (ipykernel {version} has no subshells)"
        return [Finding("waits", "advice", "panels wait for cells", text, remedy, UPGRADE)]
    remedy = (
        "use JupyterLab 4.4 or Notebook 7.4 or later; VS Code and Colab don't ask for subshells, "
        "and there panels go on when the cell ends"
    )
    return [Finding("waits", "advice", "panels wait for cells", text, remedy)]


def of_data(line: Line) -> Finding:
    """Say what the line to the data means.

    Parameters
    ----------
    line : Line
        As `ngffkit.access.probing.probe` measures it.

    Examples
    --------
    >>> of_data(Line("here", 0.05, 8e7, 64)).title
    'data: 50.0 ms to the first byte, 80.0 MB/s, 64 requests at a time'
    """
    title = (
        f"data: {brief(line.latency)} to the first byte, {about(line.bandwidth)}/s, "
        f"{line.concurrency} request{'s'[: line.concurrency != 1]} at a time"
    )
    if line.latency >= 10 * LAN.latency:
        text = "each request waits; what needs fewer of them is quicker"
        remedy = "larger chunks, shards and consolidated metadata help; so does a cache (nk.cache)"
        return Finding("data", "advice", title, text, remedy, "data = nk.cache(url)")
    if line.bandwidth < _SLOW:
        text = "few bytes get through; what is compressed better or read coarser is quicker"
        remedy = "a cache (nk.cache) keeps what was read once"
        return Finding("data", "advice", title, text, remedy, "data = nk.cache(url)")
    return Finding("data", "good", title, "the line to the data is quick")


def _version(text: str) -> tuple[int, int] | None:
    parts = text.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and _digits(parts[:2]) else None


def _digits(parts: Sequence[str]) -> bool:
    return all(part.isdecimal() for part in parts)
