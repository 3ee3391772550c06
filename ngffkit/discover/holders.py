"""What holds images: plates, wells, series, scenes and groups of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ngffkit import spec
from ngffkit.discover.documents import Document, join
from ngffkit.discover.nodes import Node
from ngffkit.errors import MetadataError, NgffError, NotFoundError

if TYPE_CHECKING:
    from ngffkit.discover.walk import Walker


def _labels(walker: Walker, doc: Document, found: spec.Found) -> Node:
    paths = {join(doc.path, name): name for name in spec.names_of(found, "labels")}
    nodes = walker.at(list(paths))
    for node in nodes.values():
        node.as_label()
    return Node(doc.path, "labels", children={paths[p]: node for p, node in nodes.items()})


# --- plates -------------------------------------------------------------------------------------


def _plate(walker: Walker, doc: Document, found: spec.Found) -> Node:
    plate = spec.decode_plate(found)
    node = Node(doc.path, "plate", plate=plate, attrs=doc.attrs)
    asked = walker.wanted.wells
    known = [well.path for well in plate.wells]
    chosen = known if asked == "all" else [well_path(name, known) for name in asked]
    wells = _wells(walker, [join(doc.path, path) for path in chosen])
    for path in known:
        here = join(doc.path, path)
        node.children[path] = wells.get(here) or Node(here, "well")
    return node


def _wells(walker: Walker, paths: Sequence[str]) -> dict[str, Node]:
    docs = [doc for doc in walker.meta.groups(paths) if doc is not None]
    fields: dict[str, list[str]] = {}
    for doc in docs:
        found = spec.detect(doc.attrs)
        if found is None or found.kind != "well":
            raise MetadataError("is no well", doc.path)
        fields[doc.path] = [join(doc.path, name) for name, _ in spec.decode_well(found)]
    nodes = walker.at([path for group in fields.values() for path in group])
    return {
        doc.path: Node(
            doc.path,
            "well",
            children={
                path.removeprefix(f"{doc.path}/"): nodes[path]
                for path in fields[doc.path]
                if path in nodes
            },
            attrs=doc.attrs,
        )
        for doc in docs
    }


def _well(walker: Walker, doc: Document, found: spec.Found) -> Node:
    names = [name for name, _ in spec.decode_well(found)]
    return Node(doc.path, "well", children=_named(walker, doc.path, names), attrs=doc.attrs)


def well_path(name: str, known: Iterable[str]) -> str:
    """Accept ``B/03``, ``B03`` and ``B3``."""
    known = list(known)
    for path in known:
        row, _, column = path.partition("/")
        if name in (path, f"{row}{column}", f"{row}{column.lstrip('0')}"):
            return path
    raise NgffError(f"no well {name!r}; the plate has {', '.join(known[:24])}")


# --- collections --------------------------------------------------------------------------------


def _named(walker: Walker, base: str, names: Iterable[str]) -> dict[str, Node]:
    """Make nodes of the images of these names, those that are there."""
    paths = {join(base, name): name for name in names}
    return {paths[path]: node for path, node in walker.at(list(paths)).items()}


def _series(walker: Walker, doc: Document, found: spec.Found) -> Node:
    """bioformats2raw: images listed by ``OME/``, or numbered from 0."""
    if "series" in found.body:
        names: Sequence[str] = spec.names_of(found, "series")
        base = doc.path.rpartition("/")[0]
    else:
        base = doc.path
        inner = walker.meta.groups([join(base, "OME")])[0]
        ome = None if inner is None else spec.detect(inner.attrs)
        names = spec.names_of(ome, "series") if ome is not None else ()
    children = _named(walker, base, names) if names else _numbered(walker, base)
    if not children:
        raise NotFoundError(f"{join(walker.meta.store.url, base)} lists no images")
    return Node(doc.path, "collection", children=children, attrs=doc.attrs)


def _numbered(walker: Walker, base: str) -> dict[str, Node]:
    out: dict[str, Node] = {}
    start, count = 0, 4
    while True:
        found = _named(walker, base, map(str, range(start, start + count)))
        out |= found
        if len(found) < count:
            return out
        start, count = start + count, count * 2


def _scene(walker: Walker, doc: Document, found: spec.Found) -> Node:
    """0.6: images placed in a common world; their transformations are kept as they are."""
    scene = found.body["scene"]
    loc = f"{found.prefix}scene.coordinateTransformations"
    steps = scene.get("coordinateTransformations") if isinstance(scene, Mapping) else None
    if not isinstance(steps, list):
        raise MetadataError("is missing; a list was expected", loc)
    names: dict[str, None] = {}
    for i, step in enumerate(steps):
        for end in ("input", "output"):
            place = step.get(end) if isinstance(step, Mapping) else None
            path = place.get("path") if isinstance(place, Mapping) else None
            if path is not None:
                names[spec.safe_path(path, f"{loc}[{i}].{end}.path")] = None
    children = _named(walker, doc.path, names)
    node = Node(doc.path, "collection", children=children, attrs=doc.attrs)
    missing = [name for name in names if name not in children]
    if missing:
        node.notes = (f"the scene names {missing}, where no images are",)
    return node


#: What makes the node of a group, by what the group is.
HANDLERS: Mapping[str, Callable[[Walker, Document, spec.Found], Node]] = {
    "plate": _plate,
    "well": _well,
    "series": _series,
    "labels": _labels,
    "scene": _scene,
}
