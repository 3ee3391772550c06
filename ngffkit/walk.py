"""From a store to what is in it: metadata documents, fetched in few rounds, as a tree of nodes.

Only metadata are read here. Requests that don't depend on one another travel together, since a
round trip costs more than anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ngffkit import spec
from ngffkit.arrays import ArraySpec, parse_array
from ngffkit.errors import MetadataError, NgffError, NotFoundError, StoreError
from ngffkit.image import Image, Plate
from ngffkit.store import Store

#: Consolidated metadata of a whole plate take some 20 MB.
MAX_DOCUMENT = 64 * 2**20

_ROOT_V2 = (".zgroup", ".zarray", "datasource-properties.json")


@dataclass(frozen=True, slots=True)
class Document:
    """The metadata of one Zarr node.

    Parameters
    ----------
    path : str
        Below the root of the store.
    array : Mapping, optional
        The array's own document (``.zarray`` or ``zarr.json``); None for groups.
    attrs : Mapping
        The attributes.
    """

    path: str
    array: Mapping[str, Any] | None
    attrs: Mapping[str, Any]

    def spec(self) -> ArraySpec:
        """Return what the array is; raises MetadataError when it is none."""
        if self.array is None:
            raise MetadataError("is a group; an array was expected", self.path)
        return parse_array(self.array, self.attrs, self.path)


@dataclass(slots=True)
class Node:
    """Something that was found in a store.

    Parameters
    ----------
    path : str
        Below the root of the store; empty for the root.
    kind : str
        ``image``, ``plate``, ``well``, ``collection``, ``arrays``, ``array`` or ``webknossos``.
    image : Image, optional
        For images.
    specs : tuple of ArraySpec
        The arrays of the image's levels, in their order; None where not asked for.
    children : dict of str to Node
        By name; labels of an image under ``labels``.
    plate : Plate, optional
        For plates.
    notes : tuple of str
        What was read liberally.
    attrs : Mapping
        The attributes of the group.
    crops : tuple of dict of str to slice
        For arrays that are padded beyond the image: what to cut out, by level.
    """

    path: str
    kind: str
    image: Image | None = None
    specs: tuple[ArraySpec | None, ...] = ()
    children: dict[str, Node] = field(default_factory=dict)
    plate: Plate | None = None
    notes: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    crops: tuple[Mapping[str, slice], ...] = ()


def join(*parts: str) -> str:
    """Join path parts with slashes, leaving out empty ones."""
    return "/".join(part for part in parts if part)


class Metadata:
    """Fetches and parses the metadata documents of a store, many at a time.

    Parameters
    ----------
    store : Store
        Where they are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.format: int | None = None
        self.denied: StoreError | None = None
        self._known: dict[str, Document] | None = None

    def root(self) -> Document | None:
        """Read the root, find out the Zarr format and take up consolidated metadata."""
        v3, v2 = self._texts(["zarr.json", ".zattrs"])
        if v3 is not None:
            self.format = 3
            doc = _object(v3, "zarr.json")
            self._consolidated(doc)
            return _document_v3("", doc)
        if v2 is not None:
            self.format = 2
            attrs = _object(v2, ".zattrs")
            if spec.detect(attrs) is not None:
                return Document("", None, attrs)
        group, array, _ = self._texts(list(_ROOT_V2))
        if array is not None or group is not None or v2 is not None:
            self.format = 2
            attrs = _object(v2, ".zattrs") if v2 is not None else {}
            return Document("", _object(array, ".zarray") if array is not None else None, attrs)
        return None

    def text(self, key: str) -> bytes | None:
        """Read one further document."""
        return self._texts([key])[0]

    def groups(self, paths: Sequence[str]) -> list[Document | None]:
        """Read the attributes of several groups; None for those that don't exist."""
        return self._many([(path, False) for path in paths])

    def arrays(self, paths: Sequence[str]) -> list[Document | None]:
        """Read the documents of several arrays; None for those that don't exist."""
        return self._many([(path, True) for path in paths])

    def mixed(self, wanted: Sequence[tuple[str, bool]]) -> list[Document | None]:
        """Read several nodes in one round; each with whether it should be an array."""
        return self._many(wanted)

    def _many(self, wanted: Sequence[tuple[str, bool]]) -> list[Document | None]:
        if self._known is not None:
            return [self._known.get(path) for path, _ in wanted]
        if self.format == 3:
            texts = self._texts([join(path, "zarr.json") for path, _ in wanted])
            return [
                None if text is None else _document_v3(path, _object(text, join(path, "zarr.json")))
                for (path, _), text in zip(wanted, texts, strict=True)
            ]
        names = [join(path, ".zarray" if array else ".zattrs") for path, array in wanted]
        out: list[Document | None] = []
        for (path, array), text in zip(wanted, self._texts(names), strict=True):
            if text is None:
                out.append(None)
                continue
            parsed = _object(text, join(path, ".zarray" if array else ".zattrs"))
            out.append(Document(path, parsed if array else None, {} if array else parsed))
        return out

    def v2_attrs(self, paths: Sequence[str]) -> list[Mapping[str, Any]]:
        """Read ``.zattrs`` of several v2 arrays; empty where there are none."""
        texts = self._texts([join(path, ".zattrs") for path in paths])
        return [
            {} if text is None else _object(text, join(path, ".zattrs"))
            for path, text in zip(paths, texts, strict=True)
        ]

    def _texts(self, keys: Sequence[str]) -> list[bytes | None]:
        if self.store.concurrency == 1 or len(keys) == 1:
            return [self._text(key) for key in keys]
        with ThreadPoolExecutor(min(len(keys), self.store.concurrency)) as pool:
            return list(pool.map(self._text, keys))

    def _text(self, key: str) -> bytes | None:
        try:
            # one byte more than allowed tells a document that is too long
            raw = self.store.get(key)
        except StoreError as err:
            if not err.denied:
                raise
            self.denied = err  # object stores answer 403 for what does not exist, too
            return None
        if raw is None:
            return None
        if len(raw) > MAX_DOCUMENT:
            raise MetadataError(f"has {len(raw)} bytes; at most {MAX_DOCUMENT} are read", key)
        return bytes(raw)

    def _consolidated(self, doc: Mapping[str, Any]) -> None:
        block = doc.get("consolidated_metadata")
        inner = block.get("metadata") if isinstance(block, Mapping) else None
        if not isinstance(inner, Mapping):
            return
        self._known = {
            path: _document_v3(path, item)
            for path, item in inner.items()
            if isinstance(item, Mapping)
        }

    def children(self, path: str) -> list[str] | None:
        """Return the names of the nodes below a group; None when that can't be known."""
        if self._known is not None:
            head = f"{path}/" if path else ""
            names = {p[len(head) :].split("/", 1)[0] for p in self._known if p.startswith(head)}
            return sorted(names - {""})
        found = self.store.children(path)
        if found is None:
            return None
        return [name for name in found if not name.startswith(".") and name != "zarr.json"]


def _object(text: bytes | None, where: str) -> Mapping[str, Any]:
    assert text is not None
    if text[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise StoreError(
            where, where, "a web page came instead of the document (a login page?)"
        )
    try:
        value = json.loads(text)
    except RecursionError:
        raise MetadataError("is nested too deep", where) from None
    except (ValueError, UnicodeDecodeError) as err:
        raise MetadataError(f"is not JSON: {err}", where) from None
    if not isinstance(value, Mapping):
        raise MetadataError(f"is a {type(value).__name__}; an object was expected", where)
    return value


def _document_v3(path: str, doc: Mapping[str, Any]) -> Document:
    attrs = doc.get("attributes")
    return Document(
        path,
        doc if doc.get("node_type") == "array" else None,
        attrs if isinstance(attrs, Mapping) else {},
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of a store to look at.

    Parameters
    ----------
    labels : bool
        Whether label images are looked up.
    wells : tuple of str, "all"
        Wells of a plate whose fields are looked up.
    mag : object, optional
        The only level to look up.
    """

    labels: bool = True
    wells: tuple[str, ...] | str = ()
    mag: object = None


def walk(store: Store, wanted: Wanted) -> Node:
    """Find out what a store holds.

    Raises
    ------
    NotFoundError
        When it holds nothing that is understood.
    MetadataError
        When a document is wrong or harmful.
    """
    meta = Metadata(store)
    root = meta.root()
    if root is None:
        return _without_root(meta, wanted)
    if root.array is not None:
        return _plain_array(meta, root)
    return Walker(meta, wanted).group(root)


def _without_root(meta: Metadata, wanted: Wanted) -> Node:
    from ngffkit import webknossos

    text = meta.text(webknossos.PROPERTIES)
    if text is not None:
        return webknossos.walk(meta, _object(text, webknossos.PROPERTIES), wanted)
    node = Walker(meta, wanted).listing("")
    if node is not None:
        return node
    if meta.denied is not None:
        raise meta.denied
    hint = "; it can't be listed, so give the address of the image itself"
    raise NotFoundError(
        f"{meta.store.url} holds no OME-Zarr, Zarr array or WEBKNOSSOS dataset"
        + (hint if meta.store.children() is None else "")
    )


def _plain_array(meta: Metadata, root: Document) -> Node:
    if meta.format == 2 and not root.attrs:
        root = Document("", root.array, meta.v2_attrs([""])[0])
    return Node("", "array", specs=(root.spec(),), attrs=root.attrs)


class Walker:
    """Walks groups, each level of the hierarchy in one round.

    Parameters
    ----------
    meta : Metadata
        Fetches documents.
    wanted : Wanted
        How much of them.
    """

    def __init__(self, meta: Metadata, wanted: Wanted) -> None:
        self.meta, self.wanted = meta, wanted

    def group(self, doc: Document) -> Node:
        """Make the node of a group whose attributes are known."""
        found = spec.detect(doc.attrs)
        if found is None:
            return self._other(doc)
        handlers: Mapping[str, Callable[[Document, spec.Found], Node]] = {
            "image": lambda d, f: self.images([(d, f)])[0],
            "plate": self._plate,
            "well": self._well,
            "series": self._series,
            "labels": self._labels_group,
            "scene": self._scene,
        }
        return handlers[found.kind](doc, found)

    def _other(self, doc: Document) -> Node:
        """A group without OME metadata: WEBKNOSSOS, a list of images, or plain arrays."""
        if not doc.path:
            from ngffkit import webknossos

            text = self.meta.text(webknossos.PROPERTIES)
            if text is not None:
                return webknossos.walk(
                    self.meta, _object(text, webknossos.PROPERTIES), self.wanted
                )
        node = self.listing(doc.path)
        if node is None:
            where = join(self.meta.store.url, doc.path)
            hint = (
                "; it can't be listed, so give the address of the image itself"
                if self.meta.children(doc.path) is None
                else ""
            )
            raise NotFoundError(f"{where} is a Zarr group without images or arrays{hint}")
        node.attrs = doc.attrs
        return node

    # --- images -----------------------------------------------------------------------------

    def images(self, docs: Sequence[tuple[Document, spec.Found]]) -> list[Node]:
        """Make the nodes of several image groups: their arrays and labels in shared rounds."""
        decoded = [spec.decode_pyramids(found) for _, found in docs]
        requests: list[tuple[str, bool]] = []
        for (doc, _), pyramids in zip(docs, decoded, strict=True):
            for pyramid in pyramids:
                requests += [(join(doc.path, p), True) for p in self._paths(pyramid)]
            if self.wanted.labels:
                requests.append((join(doc.path, "labels"), False))
        replies = dict(
            zip((p for p, _ in requests), self.meta.mixed(requests), strict=True)
        )
        nodes = [
            self._image(doc, pyramids, replies)
            for (doc, _), pyramids in zip(docs, decoded, strict=True)
        ]
        if self.wanted.labels:
            self._add_labels([doc.path for doc, _ in docs], nodes, replies)
        return nodes

    def _paths(self, pyramid: spec.Pyramid) -> tuple[str, ...]:
        if self.wanted.mag is None or any(step is None for step in pyramid.maps):
            return pyramid.paths
        return (pyramid.paths[self._only(pyramid)],)

    def _only(self, pyramid: spec.Pyramid) -> int:
        # scales are in the group's metadata, so the mag is known before any array is
        image = pyramid.with_shapes([(1,) * len(pyramid.axes or ())] * len(pyramid.paths))
        path = image.levels[image.level_of(self.wanted.mag)].path
        return pyramid.paths.index(path)

    def _image(
        self,
        doc: Document,
        pyramids: Sequence[spec.Pyramid],
        replies: Mapping[str, Document | None],
    ) -> Node:
        made = [self._pyramid(doc, pyramid, replies) for pyramid in pyramids]
        if len(made) == 1:
            return made[0]
        names: list[str] = []
        for i, node in enumerate(made):
            assert node.image is not None
            name = node.image.name.replace("/", "_") or str(i)
            names.append(name if name not in names else f"{name}_{i}")
        return Node(
            doc.path, "collection", children=dict(zip(names, made, strict=True)), attrs=doc.attrs
        )

    def _pyramid(
        self,
        doc: Document,
        pyramid: spec.Pyramid,
        replies: Mapping[str, Document | None],
    ) -> Node:
        specs: dict[str, ArraySpec] = {}
        for path in self._paths(pyramid):
            reply = replies[join(doc.path, path)]
            if reply is None:
                i = pyramid.paths.index(path)
                raise MetadataError(
                    f"is {path!r}, but there is no array; the image is incomplete",
                    join(doc.path, "") + f"{pyramid.loc}.datasets[{i}].path",
                )
            specs[path] = reply.spec()
        shapes = [specs[p].layout.shape if p in specs else None for p in pyramid.paths]
        known = next(i for i, shape in enumerate(shapes) if shape is not None)
        full = [shape or _guess(pyramid, i, known, shapes[known]) for i, shape in enumerate(shapes)]
        image = pyramid.with_shapes(full)
        return Node(
            doc.path,
            "image",
            image,
            tuple(specs.get(level.path) for level in image.levels),
            notes=pyramid.notes,
            attrs=doc.attrs,
        )

    def _add_labels(
        self,
        paths: Sequence[str],
        nodes: Sequence[Node],
        replies: Mapping[str, Document | None],
    ) -> None:
        wanted: list[tuple[Node, str, str]] = []
        for path, node in zip(paths, nodes, strict=True):
            reply = replies[join(path, "labels")]
            found = None if reply is None else spec.detect(reply.attrs)
            for name in () if found is None else spec.names_of(found, "labels"):
                wanted.append((node, name, join(path, "labels", name)))
        replies2 = self.meta.groups([path for _, _, path in wanted])
        images: list[tuple[Node, str, Document, spec.Found]] = []
        for (node, name, path), doc in zip(wanted, replies2, strict=True):
            found = None if doc is None else spec.detect(doc.attrs)
            if doc is None or found is None or found.kind != "image":
                node.notes += (f"labels name {name!r}, but no image is at {path}",)
            else:
                images.append((node, name, doc, found))
        if not images:
            return
        inner = Walker(self.meta, Wanted(labels=False, mag=None))
        for (node, name, _, _), label in zip(
            images, inner.images([(doc, found) for _, _, doc, found in images]), strict=True
        ):
            _as_label(label)
            holder = node.children.setdefault("labels", Node(join(node.path, "labels"), "labels"))
            holder.children[name] = label

    def _labels_group(self, doc: Document, found: spec.Found) -> Node:
        paths = [join(doc.path, name) for name in spec.names_of(found, "labels")]
        nodes = self._images_at(paths)
        for node in nodes.values():
            _as_label(node)
        names = {path: path.removeprefix(f"{doc.path}/") for path in paths}
        return Node(doc.path, "labels", children={names[p]: n for p, n in nodes.items()})

    def _images_at(self, paths: Sequence[str]) -> dict[str, Node]:
        """Make nodes of the groups at these paths; those that are no images are left out."""
        docs = [(doc, spec.detect(doc.attrs)) for doc in self.meta.groups(paths) if doc is not None]
        images = [(doc, found) for doc, found in docs if found and found.kind == "image"]
        made = dict(
            zip((doc.path for doc, _ in images), self.images(images), strict=True) if images else ()
        )
        for doc, found in docs:
            if found and found.kind not in ("image", "labels"):
                made[doc.path] = self.group(doc)
        return made

    # --- plates -----------------------------------------------------------------------------

    def _plate(self, doc: Document, found: spec.Found) -> Node:
        plate = spec.decode_plate(found)
        node = Node(doc.path, "plate", plate=plate, attrs=doc.attrs)
        asked = self.wanted.wells
        known = [well.path for well in plate.wells]
        if asked == "all":
            chosen = known
        else:
            chosen = [well_path(name, known) for name in asked]
        wells = self._wells([join(doc.path, path) for path in chosen])
        for path in known:
            stub = Node(join(doc.path, path), "well")
            node.children[path] = wells.get(join(doc.path, path), stub)
        return node

    def _wells(self, paths: Sequence[str]) -> dict[str, Node]:
        docs = [doc for doc in self.meta.groups(paths) if doc is not None]
        fields: dict[str, list[str]] = {}
        for doc in docs:
            found = spec.detect(doc.attrs)
            if found is None or found.kind != "well":
                raise MetadataError("is no well", doc.path)
            fields[doc.path] = [join(doc.path, name) for name, _ in spec.decode_well(found)]
        nodes = self._images_at([path for group in fields.values() for path in group])
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

    def _well(self, doc: Document, found: spec.Found) -> Node:
        names = [name for name, _ in spec.decode_well(found)]
        nodes = self._images_at([join(doc.path, name) for name in names])
        children = {n: nodes[join(doc.path, n)] for n in names if join(doc.path, n) in nodes}
        return Node(doc.path, "well", children=children, attrs=doc.attrs)

    # --- collections ------------------------------------------------------------------------

    def _series(self, doc: Document, found: spec.Found) -> Node:
        """bioformats2raw: images listed by ``OME/``, or numbered from 0."""
        if "series" in found.body:
            names: Sequence[str] = spec.names_of(found, "series")
            base = doc.path.rpartition("/")[0]
        else:
            base = doc.path
            inner = self.meta.groups([join(base, "OME")])[0]
            ome = None if inner is None else spec.detect(inner.attrs)
            names = spec.names_of(ome, "series") if ome is not None else ()
        nodes = self._images_at([join(base, n) for n in names]) if names else self._numbered(base)
        children = {path.removeprefix(f"{base}/"): node for path, node in nodes.items()}
        if not children:
            raise NotFoundError(f"{join(self.meta.store.url, base)} lists no images")
        return Node(doc.path, "collection", children=children, attrs=doc.attrs)

    def _numbered(self, base: str) -> dict[str, Node]:
        out: dict[str, Node] = {}
        start, count = 0, 4
        while True:
            paths = [join(base, str(i)) for i in range(start, start + count)]
            found = self._images_at(paths)
            out |= found
            if len(found) < len(paths):
                return out
            start, count = start + count, count * 2

    def _scene(self, doc: Document, found: spec.Found) -> Node:
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
        nodes = self._images_at([join(doc.path, name) for name in names])
        children = {n: nodes[join(doc.path, n)] for n in names if join(doc.path, n) in nodes}
        node = Node(doc.path, "collection", children=children, attrs=doc.attrs)
        missing = [name for name in names if name not in children]
        if missing:
            node.notes = (f"the scene names {missing}, where no images are",)
        return node

    def listing(self, path: str) -> Node | None:
        """Make a node of whatever lies in a group or folder, where the store can list."""
        names = self.meta.children(path)
        if not names:
            return None
        from ngffkit.listing import list_group

        return list_group(self, path, names)


def _as_label(node: Node) -> None:
    from dataclasses import replace

    from ngffkit.image import LabelInfo

    if node.image is not None and node.image.kind != "label":
        node.image = replace(node.image, kind="label", label=LabelInfo())


def well_path(name: str, known: Iterable[str]) -> str:
    """Accept ``B/03``, ``B03`` and ``B3``."""
    known = list(known)
    for path in known:
        row, _, column = path.partition("/")
        if name in (path, f"{row}{column}", f"{row}{column.lstrip('0')}"):
            return path
    raise NgffError(f"no well {name!r}; the plate has {', '.join(known[:24])}")


def _guess(
    pyramid: spec.Pyramid, i: int, known: int, shape: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Return the shape a level should have, from its scale and that of a level that was read."""
    here, there = pyramid.maps[i], pyramid.maps[known]
    assert here is not None
    assert there is not None
    assert shape is not None
    place = [there.order.index(j) for j in range(len(shape))]
    return tuple(
        max(1, round(n * there.scale[k] / here.scale[k]))
        for n, k in zip(shape, place, strict=True)
    )
