"""What each contender's script shares: what it is asked, and how it says what came of it.

The harness runs ``python contenders/NAME/JOB.py '{"...": ...}'`` with this folder on the path.
Other people's packages live in venvs of their own: nothing here may need more than numpy.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


def asked() -> dict[str, Any]:
    """Return what the harness asks."""
    return dict(json.loads(sys.argv[1]))


def digest(pixels: Any) -> str:
    """Return the digest of an array: of its shape and its values in C order."""
    import numpy as np

    array = np.ascontiguousarray(pixels)
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def timed(job: Callable[[], Any]) -> tuple[Any, float, float]:
    """Do a job; return what it returned, and its seconds: of a clock, and of processors.

    Children count that have ended: a job must wait for those it starts.
    """
    wall, cpu = time.perf_counter(), _processors()
    out = job()
    return out, time.perf_counter() - wall, _processors() - cpu


def _processors() -> float:
    """Return the seconds of processors so far, those of children that have ended included."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(one.ru_utime + one.ru_stime for one in used)


def tell(package: str, **found: Any) -> None:
    """Print what came of it, as the harness wants it; `package` says whose version counts."""
    print("RESULT " + json.dumps({"version": f"{package} {version(package)}", **found}), flush=True)
