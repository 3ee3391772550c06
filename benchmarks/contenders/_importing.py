"""What it takes to import a package, in a process that has imported next to nothing before."""

from __future__ import annotations

import sys
import time
from importlib import import_module


def tell_import(package: str, *modules: str) -> None:
    """Import modules, and tell how long it took; `package` says whose version counts.

    Nothing that a contender may need is imported before the clock stops: it would be a present.
    """
    before, wall, cpu = len(sys.modules), time.perf_counter(), time.process_time()
    for module in modules:
        import_module(module)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    loaded = len(sys.modules) - before

    from _asked import tell

    tell(package, wall=wall, cpu=cpu, figures={"modules loaded": loaded})
