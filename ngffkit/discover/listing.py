"""Groups and folders that say nothing of themselves: what lies in them tells."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ngffkit import spec
from ngffkit.discover.documents import Document, Metadata, join
from ngffkit.discover.nodes import Node
from ngffkit.errors import MetadataError
from ngffkit.stores.substore import below

if TYPE_CHECKING:
    from ngffkit.discover.walk import Walker

#: A folder with more children than this is not a list of images.
_MAX_CHILDREN = 10_000


def list_group(walker: Walker, path: str, names: Sequence[str]) -> Node | None:
    """Make a node of the images, or else of the plain arrays, below a path.

    Parameters
    ----------
    walker : Walker
        Walks what is found.
    path : str
        Of the group or folder; it need not be a Zarr group.
    names : sequence of str
        What lies in it.

    Returns
    -------
    Node or None
        None when nothing in it is understood.

    Raises
    ------
    MetadataError
        When there are images, but none that can be opened.
    """
    names = names[:_MAX_CHILDREN]
    if walker.meta.format is None:
        return _folder(walker, path, names)
    return _group(walker, path, names)


def _folder(walker: Walker, path: str, names: Sequence[str]) -> Node | None:
    """Look into a plain folder, where each child is a store of its own format."""
    failed: list[MetadataError] = []

    def look(name: str) -> Node | None:
        meta = Metadata(below(walker.meta.store, join(path, name)))
        try:
            root = meta.root()
            if root is None:
                return None
            if root.array is None and spec.detect(root.attrs) is None:
                return None
            node = _array(root) if root.array is not None else walker.over(meta).group(root)
        except MetadataError as err:
            # one broken image must not hide the others
            failed.append(MetadataError(str(err), join(path, name)))
            return None
        node.shift(join(path, name))
        return node

    workers = min(walker.meta.store.concurrency, len(names))
    with ThreadPoolExecutor(workers) as pool:
        found = dict(zip(names, pool.map(look, names), strict=True))
    return _or_first(_holder(path, found), failed)


def _or_first(node: Node | None, failed: Sequence[MetadataError]) -> Node | None:
    """Note what was left out; when nothing else was found, that is the error."""
    if node is None and failed:
        raise failed[0]
    if node is not None:
        node.notes = tuple(f"left out: {err}" for err in failed)
    return node


def _group(walker: Walker, path: str, names: Sequence[str]) -> Node | None:
    """Look into a Zarr group, whose children share its format, in shared rounds."""
    meta, paths = walker.meta, [join(path, name) for name in names]
    if meta.format == 2:
        docs = meta.mixed([(p, array) for p in paths for array in (False, True)])
        pairs = list(zip(docs[::2], docs[1::2], strict=True))
        merged = [_merge(group, array) for group, array in pairs]
    else:
        merged = meta.groups(paths)
    nodes = walker.of([doc for doc in merged if doc is not None and doc.array is None])
    failed: list[MetadataError] = []
    for doc in merged:
        if doc is not None and doc.array is not None:
            try:
                nodes[doc.path] = _array(doc)
            except MetadataError as err:  # texts among numbers, for one
                failed.append(err)
    found = {name: nodes.get(p) for name, p in zip(names, paths, strict=True)}
    return _or_first(_holder(path, found), failed)


def _merge(group: Document | None, array: Document | None) -> Document | None:
    # in Zarr v2 an array's attributes lie beside it, where those of a group would
    if array is None or array.array is None:
        return group
    return Document(array.path, array.array, group.attrs if group is not None else array.attrs)


def _array(doc: Document) -> Node:
    return Node(doc.path, "array", specs=(doc.spec(),), attrs=doc.attrs)


def _holder(path: str, found: dict[str, Node | None]) -> Node | None:
    children = {name: node for name, node in found.items() if node is not None}
    images = {name: node for name, node in children.items() if node.kind != "array"}
    if images:
        return Node(path, "collection", children=images)
    return Node(path, "arrays", children=children) if children else None
