"""The line to the page: a model without a view that carries tiles, and how messages find a thread.

JupyterLab sends the messages of widgets to a subshell: a thread of the kernel that answers while a
cell runs on the main one.
"""

from __future__ import annotations

from typing import Any

import ipywidgets


def follow_the_page(widget: Any) -> None:
    """Let messages to a widget go to the shell that the page sends them to.

    A comm of ipykernel 7.4 remembers the shell that last sent on it, and has the next message from
    the page handled there, whatever the page says. A comm that was opened in a cell, or that a
    thread sends on (which counts as the shell that got the last message), would so have its next
    message wait until the running cell ends. This one doesn't ask the comm's memory.

    Parameters
    ----------
    widget : ipywidgets.Widget
        Whose comm is open. Comms of other kernels, and of none, stay as they are.
    """
    comm = widget.comm
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _as_asked  # noqa: SLF001 - there is no public way


def _as_asked(_data: Any, asked: str | None) -> str | None:
    return asked


class Line(ipywidgets.Widget):  # type: ignore[misc]
    """A model without a view or state, on a comm of its own that no cell ever sends on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        follow_the_page(self)
