"""Add a label image to an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ngffkit.discover.walk import join
from ngffkit.editing.carrying import Edit, begun
from ngffkit.editing.incoming import Incoming, incoming, laid
from ngffkit.editing.jobs import factors_of, shared_out
from ngffkit.editing.papers import Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.errors import MetadataError, Problem
from ngffkit.execute.commit import with_colors
from ngffkit.execute.documents import array_documents, group_documents, image_attributes
from ngffkit.execute.job import ImageJob
from ngffkit.grid import Grid
from ngffkit.planning.options import Options, WriteOptions
from ngffkit.planning.planner import draft_of
from ngffkit.sources.adjusting import adjust
from ngffkit.sources.contract import Source
from ngffkit.spec.encode import encode_labels
from ngffkit.spec.members import safe_path

_KIND, _LABELS = "add_labels", "labels"


def plan_labels(place: Place, data: Any, name: str, options: Options) -> Edit:
    """Plan to add labels; see `ngffkit.editing.doors.add_labels`."""
    image, papers = place.opened.image, Papers(place)
    _check_name(place, name)
    path = join(place.path, _LABELS, name)
    there = begun(place, _KIND).get("name") != name and _exists(papers, place, name)
    if there and not options.run.overwrite:
        remedy = "choose another name, or pass overwrite=True to replace them"
        refuse("name", f"{place.url} has labels {name!r} already", remedy)
    if options.write.version not in (image.version, WriteOptions().version):
        remedy = "leave version= out: labels are of the version of their image"
        refuse("version", f"is {options.write.version}, the image's is {image.version}", remedy)
    channel = tuple(axis.name for axis in image.base.axes if axis.is_channel)
    given = incoming(data, image.base, options, without=channel)
    source = _labelling(given, image.base, channel, options)
    write = replace(options.write, version=image.version, mags=_mags(place, source, options.write))
    draft = draft_of(join(_LABELS, name), source, write)
    levels = tuple(replace(level, path=join(place.path, level.path)) for level in draft.levels)
    ndim = len(source.info.grid.shape)
    job, taken = shared_out(place.target, source, levels, (0,) * ndim, draft.method, options.run)
    work = ImageJob(path, draft.image, replace(job, update=False))
    facts = {
        "source": source.info.fingerprint,
        "method": draft.method,
        "image": repr(draft.image),
        "levels": [[repr(lv.spec.layout), repr(lv.compression), lv.cut.region] for lv in levels],
    }

    def patch() -> None:
        for key, document in array_documents(work).items():
            papers.put(key, document)
        attributes = image_attributes(with_colors(work))
        for key, document in group_documents(path, attributes, place.zarr_format).items():
            papers.put(key, document)
        _list(place, papers, name)

    message = f"labels {name!r} are there already; they are removed first"
    notes = (Problem("overwrite", "advice", message),) if there else ()
    before = {"name": name}
    return Edit(_KIND, place, work, papers, facts, before, patch, (path,), taken, notes)


def _check_name(place: Place, name: Any) -> None:
    if place.opened.image.kind == "label":
        refuse("image", f"{place.url} is a label image itself", "name the image it labels")
    remedy = "choose a name like 'nuclei'"
    try:
        fine = isinstance(name, str) and safe_path(name, "name") == name
    except MetadataError:
        fine = False
    if not fine or name.startswith((".", "__")) or "/" in name or name == "zarr.json":
        refuse("name", f"{name!r} can't be the name of labels", remedy)


def _exists(papers: Papers, place: Place, name: str) -> bool:
    listed = papers.attributes(join(place.path, _LABELS))
    if name in (listed.get("ome", listed).get(_LABELS) or ()):
        return True
    path = join(place.path, _LABELS, name)
    return any(
        papers.get(join(path, key)) is not None for key in ("zarr.json", ".zgroup", ".zattrs")
    )


def _labelling(given: Incoming, base: Grid, channel: tuple[str, ...], options: Options) -> Source:
    """Return the labels as a source on the image's pixels, or on its own."""
    dtype = given.source.info.dtype
    if dtype.kind not in "iu":
        remedy = "number them: data.astype('uint32')"
        refuse("data", f"labels are whole numbers, the pixels are {dtype}", remedy)
    if given.coords:
        # the crop was applied when it was opened
        return adjust(given.source, replace(options.read, kind="label", labels=False, crop=None))
    dims = tuple(d for d in base.dims if d in given.dims)
    expected = tuple(n for d, n in zip(base.dims, base.shape, strict=True) if d not in channel)
    own = tuple(given.sizes.values())
    if own not in (expected, base.shape) or dims != given.dims:
        names = ", ".join(d for d in base.dims if d not in channel)
        message = f"an array of shape {own} can't lie on the pixels of the image"
        remedy = f"pass one of shape {expected} ({names}), or a DataArray with coordinates"
        refuse("data", message, remedy)
    kept = [base.axis(d) for d in dims]
    axes = tuple(base.axes[i] for i in kept)
    made = laid(given, axes, dtype, ())
    grid = Grid(axes, own, tuple(base.scale[i] for i in kept), tuple(base.origin[i] for i in kept))
    return _Labels(made, replace(made.info, grid=grid, kind="label"))


@dataclass(frozen=True, slots=True)
class _Labels:
    """Pixels under another description."""

    source: Source
    info: Any

    def read(self, box: Any) -> Any:
        return self.source.read(box)


def _mags(place: Place, source: Source, write: WriteOptions) -> Any:
    """Return the mags that were asked for, or those of the image where its pixels are as large."""
    image, grid = place.opened.image, source.info.grid
    asked = (write.mags, write.coarsest, write.until)
    if any(value is not None for value in asked) or write.sampling != WriteOptions().sampling:
        return write.mags
    same = all(
        name in image.base.dims
        and abs(grid.scale[grid.axis(name)] / image.base.scale[image.base.axis(name)] - 1) < 1e-6
        for name in grid.space
    )
    if not same or [d for d in image.base.space if d not in grid.dims]:
        return None
    out: list[dict[str, int]] = []
    shapes: set[tuple[int, ...]] = set()
    for level in image.levels:
        factors = factors_of(level.grid, image.base)
        if factors is None:
            continue
        named = dict(zip(image.base.dims, factors, strict=True))
        mag = {d: named[d] for d in grid.dims if d in named}
        shape = tuple(-(-n // mag.get(d, 1)) for d, n in zip(grid.dims, grid.shape, strict=True))
        if shape not in shapes:  # labels may be cut smaller than their image
            shapes.add(shape)
            out.append(mag)
    return out


def _list(place: Place, papers: Papers, name: str) -> None:
    """List the labels among those of the image."""
    path, version = join(place.path, _LABELS), place.opened.image.version
    for key, document in group_documents(path, {}, place.zarr_format).items():
        # also what is there, since consolidated metadata may lack it after a kill
        papers.put(key, papers.get(key) or document)
    attributes = papers.attributes(path)
    if not attributes:
        attributes = encode_labels([], version)
    body = attributes.get("ome", attributes)
    known = list(body.get(_LABELS) or [])
    body[_LABELS] = known if name in known else [*known, name]
    papers.put_attributes(path, attributes)
