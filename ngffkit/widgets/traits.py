"""Traits of the viewer: parts of its state, set by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any

import traitlets

#: Messages of pages are handled on a thread of their own while cells run on another. While
#: traitlets takes what a page says, it checks nothing that another thread sets. One lock for all
#: views, because linked ones set each other, from either side.
GUARD = threading.RLock()


class Told:
    """A value that is read off the state, so that it isn't wanted of it again."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Part(traitlets.TraitType[Any, Any]):
    """A part of the state; what it may be is checked by the viewer, None included."""

    allow_none = False
    default_value = None

    def set(self, obj: Any, value: Any) -> None:
        """Set it, and tell who observes it."""
        with GUARD:
            super().set(obj, value)
