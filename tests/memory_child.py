"""One conversion in a fresh process: prints what was planned, and the most memory it had."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from ngffkit import writing
from ngffkit.planning.memory import resident


def main() -> None:
    order = json.loads(sys.argv[1])
    before = resident()
    plan = writing.plan(order["source"], order["target"], **order["options"])
    plan.run()
    # ru_maxrss would count what the parent had when it made this process
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found is not None
    peak = int(found[1]) * 1024
    facts = {
        "planned": plan.peak_memory,
        "peak": peak,
        "before": before,
        "staged": plan.cost.scratch,
        "nbytes": plan.nbytes,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
