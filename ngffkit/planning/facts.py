"""What a plan says of itself as JSON values, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ngffkit import mag as _mag
from ngffkit.chunks.encoding import Compression
from ngffkit.errors import Problem
from ngffkit.execute.job import ImageJob, LevelJob

if TYPE_CHECKING:
    from ngffkit.planning.plan import Plan

#: The order in which problems are worth reading.
_ORDER = ("error", "schema", "meaning", "advice")


def facts_of(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values: sizes in bytes, shapes in the order of the axes.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk
    >>> plan = nk.plan(np.zeros((8, 64, 64), "u1"), "memory://a.zarr", voxel_size=(4, 4, 40))
    >>> facts_of(plan)["images"][0]["levels"][1]["mag"], facts_of(plan)["ok"]
    ('2-2-1', True)
    """
    return {
        "ok": plan.ok,
        "target": plan.target.url,
        "source": plan.source.info.name,
        "version": plan.image.version,
        "images": [_image_facts(item) for item in plan.images],
        "nbytes": plan.nbytes,
        "stored": plan.cost.stored,
        "files": plan.files,
        "tasks": plan.tasks,
        "peak_memory": plan.peak_memory,
        "memory": plan.cost.budget,
        "scratch": plan.cost.scratch,
        "seconds": plan.cost.seconds,
        "fingerprint": plan.fingerprint,
        "problems": [problem.to_json() for problem in by_weight(plan.problems)],
    }


def _image_facts(item: ImageJob) -> dict[str, Any]:
    grid = item.image.base
    return {
        "path": item.path,
        "name": item.image.name,
        "kind": item.image.kind,
        "dtype": str(item.job.levels[0].spec.layout.dtype),
        "method": item.job.method,
        "axes": [{"name": a.name, "type": a.type, "unit": a.unit} for a in grid.axes],
        "levels": [
            {
                "mag": _mag.normalise(spelled),
                "path": level.path,
                "shape": list(level.spec.layout.shape),
                "scale": list(entry.grid.scale),
                "origin": list(entry.grid.origin),
                "chunks": list(level.spec.layout.chunks),
                "shards": list(level.spec.layout.shards) if level.spec.layout.shards else None,
                "codec": codec_of(level),
                "files": level.spec.layout.objects,
                "nbytes": level.spec.layout.nbytes,
            }
            for spelled, entry, level in zip(
                item.image.mags, item.image.levels, item.job.levels, strict=True
            )
        ],
    }


def codec_of(level: LevelJob) -> str:
    """Return how an array is compressed, as it is asked for: ``zstd:1``."""
    found = level.compression
    if isinstance(found, Compression) and found.name != "none":
        return f"{found.name}:{found.level}"
    return ", ".join(found.codecs) or "none"


def by_weight(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return problems in the order in which they are worth reading, errors first."""
    return tuple(sorted(problems, key=lambda problem: _ORDER.index(problem.severity)))
