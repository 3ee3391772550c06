"""Shows all the options of `ngffkit.plan` and its kin as ``**options``; they have entries."""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.util.inspect import stringify_signature

from ngffkit.planning.options import keywords


def shorten(_app: Any, what: str, _name: str, obj: Any, *_: Any) -> tuple[str, None] | None:
    """Return the signature of a function that spells all options, with ``**options`` for them."""
    if what != "function" or not hasattr(obj, "__signature__"):
        return None
    signature = inspect.signature(obj)
    spelled = {parameter.name for parameter in keywords()}
    own = [known for name, known in signature.parameters.items() if name not in spelled]
    options = inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)
    short = inspect.Signature([*own, options])
    return stringify_signature(short, show_annotation=False), None


def setup(app: Any) -> dict[str, bool]:
    """Ask for signatures as autodoc makes them."""
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
