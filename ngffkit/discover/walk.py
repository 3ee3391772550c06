"""From a store to what is in it, as a tree of nodes; only metadata are read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ngffkit import spec
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover import holders, listing, webknossos
from ngffkit.discover.documents import Document, Metadata, join
from ngffkit.discover.holders import well_path
from ngffkit.discover.nodes import Node, Wanted
from ngffkit.errors import MetadataError, NotFoundError
from ngffkit.stores.base import Store

__all__ = ["Node", "Walker", "Wanted", "join", "walk", "well_path"]

_NO_LIST = "; it can't be listed, so give the address of the image itself"


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
    properties = meta.properties()
    if properties is not None:
        return webknossos.walk(meta, properties, wanted)
    node = Walker(meta, wanted).listing("")
    if node is not None:
        return node
    refusal = meta.refusal()
    if refusal is not None:
        raise refusal
    raise NotFoundError(
        f"{meta.store.url} holds no OME-Zarr, Zarr array or WEBKNOSSOS dataset"
        + (_NO_LIST if meta.children("") is None else "")
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

    def over(self, meta: Metadata) -> Walker:
        """Return one that looks for the same in another store."""
        return Walker(meta, self.wanted)

    def group(self, doc: Document) -> Node:
        """Make the node of a group whose attributes are known."""
        found = spec.detect(doc.attrs)
        if found is None:
            return self._other(doc)
        if found.kind == "image":
            return self.images([(doc, found)])[0]
        return holders.HANDLERS[found.kind](self, doc, found)

    def _other(self, doc: Document) -> Node:
        """Make the node of a group without OME metadata: WEBKNOSSOS, images or plain arrays."""
        properties = None if doc.path else self.meta.properties()
        if properties is not None:
            return webknossos.walk(self.meta, properties, self.wanted)
        node = self.listing(doc.path)
        if node is None:
            where = join(self.meta.store.url, doc.path)
            hint = _NO_LIST if self.meta.children(doc.path) is None else ""
            raise NotFoundError(f"{where} is a Zarr group without images or arrays{hint}")
        node.attrs = doc.attrs
        return node

    def listing(self, path: str) -> Node | None:
        """Make a node of whatever lies in a group or folder, where the store can list."""
        names = self.meta.children(path)
        return listing.list_group(self, path, names) if names else None

    def at(self, paths: Sequence[str]) -> dict[str, Node]:
        """Make nodes of the groups at these paths; those that hold no images are left out."""
        return self.of([doc for doc in self.meta.groups(paths) if doc is not None])

    def of(self, docs: Sequence[Document]) -> dict[str, Node]:
        """Make nodes, by path, of the groups whose documents these are."""
        known = [(doc, found) for doc in docs if (found := spec.detect(doc.attrs)) is not None]
        images = [(doc, found) for doc, found in known if found.kind == "image"]
        made = {node.path: node for node in self.images(images)} if images else {}
        for doc, found in known:
            if found.kind not in ("image", "labels"):
                made[doc.path] = self.group(doc)
        return {doc.path: made[doc.path] for doc in docs if doc.path in made}

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
        replies = dict(zip((p for p, _ in requests), self.meta.mixed(requests), strict=True))
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
            name = node.image.name.replace("/", "_")
            if name in ("", ".", ".."):  # paths, to a tree
                name = str(i)
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
                refusal = self.meta.refusal(join(doc.path, path))
                if refusal is not None:
                    raise refusal
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
            names = () if found is None else spec.names_of(found, "labels")
            wanted += [(node, name, join(path, "labels", name)) for name in names]
        docs = self.meta.groups([path for _, _, path in wanted])
        images: list[tuple[Node, str, Document, spec.Found]] = []
        for (node, name, path), doc in zip(wanted, docs, strict=True):
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
            label.as_label()
            holder = node.children.setdefault("labels", Node(join(node.path, "labels"), "labels"))
            holder.children[name] = label


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
        max(1, round(n * there.scale[k] / here.scale[k])) for n, k in zip(shape, place, strict=True)
    )
