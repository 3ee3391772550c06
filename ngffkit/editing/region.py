"""Replace the pixels of a box, and what coarser mags show of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ngffkit.editing.carrying import Edit
from ngffkit.editing.incoming import incoming, laid, offsets
from ngffkit.editing.jobs import held_arrays, level_job, method_for, seen_by, shared_out, sure_links
from ngffkit.editing.papers import Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.execute.job import ImageJob
from ngffkit.planning.options import Options
from ngffkit.sources.contract import Box


def plan_region(place: Place, data: Any, at: Mapping[str, int], options: Options) -> Edit:
    """Plan to replace the pixels of a box; see `ngffkit.editing.doors.write_region`."""
    image, papers = place.opened.image, Papers(place)
    held = held_arrays(place, papers)
    given = incoming(data, image.base, options)
    if given.lazy_from and given.lazy_from.startswith(place.opened.url):
        message = "the data are still to be read from the image that they are to be written to"
        refuse("data", message, "load them first: data.load()")
    start = offsets(given, place, at)
    lone = [name for name in image.base.dims if name not in given.dims]
    layout = held[0].spec.layout
    source = laid(given, image.base.axes, layout.dtype, lone)
    first = tuple(start[name] for name in image.base.dims)
    shape = source.info.grid.shape
    if 0 in shape:
        refuse("data", f"has {' x '.join(map(str, shape))} pixels", "pass at least one")
    method = method_for(image, held[0], options.write.method)
    found = sure_links(image, [level.grid for level in image.levels])
    boxes: list[Box | None] = [
        tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True)),
    ]
    levels = [level_job(held[0], held[0].spec, boxes[0] or (), None, source.info.block)]
    for array, link in zip(held[1:], found[1:], strict=True):
        assert link is not None  # `sure_links` has refused
        above = boxes[link.parent]
        box = above and seen_by(above, link.step, array.spec.layout.shape, method)
        boxes.append(box)
        nothing = (slice(0, 0),) * len(shape)
        levels.append(level_job(array, array.spec, box or nothing, link, written=box is not None))
    job, taken = shared_out(place.target, source, levels, first, method, options.run)
    facts = {
        "source": source.info.fingerprint,
        "at": list(first),
        "shape": list(shape),
        "method": method,
        "regions": [level.cut.region for level in levels],
    }
    work = ImageJob(place.path, image, job)
    return Edit("write_region", place, work, papers, facts, taken=taken)
