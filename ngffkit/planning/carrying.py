"""Carry out a plan: lock, journal, tasks, commit; the order that makes it safe."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from ngffkit.execute.commit import commit
from ngffkit.execute.journal import Journal
from ngffkit.execute.running import Watch, run_images
from ngffkit.planning.packed import remove_unpacked
from ngffkit.planning.plan import Plan, Result
from ngffkit.stores.packing import pack
from ngffkit.stores.targets import Written

#: The document by which WEBKNOSSOS opens an image in place.
SIDECAR = "datasource-properties.json"

#: Skipped parts that the image's attributes list; the journal has them all.
_LISTED = 100


def carry_out(plan: Plan, progress: Watch | None = None) -> Result:
    """Do what a plan says; see `Plan.run`."""
    plan.check()
    began = time.monotonic()
    run = plan.options.run
    with Journal.begin(
        plan.target, plan.fingerprint, plan.facts, resume=run.resume, overwrite=run.overwrite
    ) as journal:
        skipped = run_images(
            plan.images, journal, run.executor, run.workers, progress or (lambda _: None)
        )
        extra: dict[str, Any] = {}
        if skipped:
            listed = [entry.to_json() for entry in skipped[:_LISTED]]
            extra["ngffkit_skipped"] = {"count": len(skipped), "parts": listed}
        others: dict[str, bytes] = {}
        if plan.options.write.sidecar:
            from ngffkit.planning.sidecar import datasource

            others[SIDECAR] = json.dumps(datasource(plan), indent=2).encode()
        documents = commit(plan.target, plan.images, extra, others)
        if plan.packed is None:
            files, nbytes = tally(documents, journal)
        else:
            files, nbytes = 1, pack(plan.target.url, plan.packed, plan.image.version).size
        journal.finish({"documents": [[w.key, w.size, w.crc] for w in documents]})
    if plan.packed is not None:
        remove_unpacked(plan.target)
    return Result(plan.url, files, nbytes, tuple(skipped), round(time.monotonic() - began, 3))


def tally(documents: Sequence[Written], journal: Journal) -> tuple[int, int]:
    """Count objects and bytes, one record after the other: there may be millions."""
    files, nbytes = len(documents), sum(w.size for w in documents)
    for record in journal.done.values():
        files += len(record.written)
        nbytes += sum(w.size for w in record.written)
    return files, nbytes
