"""What a panel knows and does, without a page: sections to show, actions to take.

A model runs as well without a browser: ``model.do("set", name="chunks", text="32")`` is all that a
keystroke does, and ``model.form`` is all that the page shows of it.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from ngffkit.errors import NgffError
from ngffkit.panels.runs import as_ours
from ngffkit.shown import shown


def action[F: Callable[..., Any]](function: F) -> F:
    """Let a page call a method of a model by its name."""
    function.is_action = True  # type: ignore[attr-defined]
    return function


class Model(traitlets.HasTraits):
    """The state of a panel: one trait per section, each a JSON object; `do` changes it.

    Actions may come from several threads at once (a notebook's page is answered beside the cell
    that runs, and work in the background reports); each holds `lock` while it changes the state.

    Attributes
    ----------
    message : dict
        What went wrong or was done last: ``{"severity": ..., "text": ...}``; empty at first.
    code : str
        The lines of Python that do the same.
    """

    message = traitlets.Dict()
    code = traitlets.Dict({"text": ""})

    def setup_instance(self, *args: Any, lock: Any = None, **kwargs: Any) -> None:
        """Make the lock before `__init__`, where subclasses hand it to what they make first.

        Models that call one another both ways share one, by ``lock=`` of theirs: two locks that
        are taken in either order would wait for each other.
        """
        super().setup_instance(*args, **kwargs)
        self.lock = lock or threading.RLock()

    def do(self, name: str, /, **given: Any) -> None:
        """Take an action; what goes wrong is said in `message`.

        Parameters
        ----------
        name : str
            Of a method marked as `action`.
        **given
            Its arguments.

        Examples
        --------
        >>> model = Model()
        >>> model.do("fly")
        >>> model.message["text"]
        "there is no action 'fly'"
        """
        method = getattr(type(self), name, None)
        try:
            if not getattr(method, "is_action", False):
                raise NgffError(f"there is no action {shown(name)}")
            assert method is not None
            try:
                inspect.signature(method).bind(self, **given)
            except TypeError as err:
                raise NgffError(f"action {name}: {err}") from err
            with self.lock:
                method(self, **given)
        except Exception as err:  # noqa: BLE001 - the page is told, there is no caller who could be
            self.say(as_ours(err), "error")

    def say(self, text: object, severity: str = "advice") -> None:
        """Show a message, from any thread; nothing when it is empty."""
        with self.lock:
            self.message = {"severity": severity, "text": str(text)} if str(text) else {}

    def show(self, section: str, state: Mapping[str, Any]) -> None:
        """Set a section, from any thread."""
        with self.lock:
            setattr(self, section, dict(state))
