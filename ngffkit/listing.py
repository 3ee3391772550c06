"""Groups and folders that say nothing of themselves: what lies in them tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ngffkit import spec

if TYPE_CHECKING:
    from ngffkit.walk import Node, Walker

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
    """
    from ngffkit.walk import Metadata, Node, Walker, join

    children: dict[str, Node] = {}
    arrays: dict[str, Node] = {}
    for name in names[:_MAX_CHILDREN]:
        meta = walker.meta
        if meta.format is None:  # a folder: each child is a store of its own format
            meta = Metadata(_Below(walker.meta.store, name))
            root = meta.root()
            if root is None:
                continue
            if root.array is not None:
                arrays[name] = Node(name, "array", specs=(root.spec(),), attrs=root.attrs)
            elif spec.detect(root.attrs) is not None:
                children[name] = _shift(Walker(meta, walker.wanted).group(root), name)
            continue
        here = join(path, name)
        group, array = meta.mixed([(here, False), (here, True)])
        if array is not None and array.array is not None:
            attrs = meta.v2_attrs([here])[0] if meta.format == 2 else array.attrs
            array = type(array)(here, array.array, attrs)
            arrays[name] = Node(here, "array", specs=(array.spec(),), attrs=attrs)
        elif group is not None and spec.detect(group.attrs) is not None:
            children[name] = walker.group(group)
    if children:
        return Node(path, "collection", children=children)
    if arrays:
        return Node(path, "arrays", children=arrays)
    return None


class _Below:
    """A folder of a store, as a store."""

    def __init__(self, store: object, prefix: str) -> None:
        self.store, self.prefix = store, prefix
        self.url = f"{store.url}/{prefix}"  # type: ignore[attr-defined]
        self.concurrency = store.concurrency  # type: ignore[attr-defined]

    def get(self, key: str, start: int = 0, length: int | None = None) -> object:
        return self.store.get(f"{self.prefix}/{key}", start, length)  # type: ignore[attr-defined]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[object]:
        return self.store.get_ranges(f"{self.prefix}/{key}", ranges)  # type: ignore[attr-defined,no-any-return]

    def children(self, prefix: str = "") -> list[str] | None:
        below = f"{self.prefix}/{prefix}".rstrip("/")
        return self.store.children(below)  # type: ignore[attr-defined,no-any-return]


def _shift(node: Node, name: str) -> Node:
    """Make the paths of a node found below `name` start at the folder."""
    from ngffkit.walk import join

    node.path = join(name, node.path)
    for child in node.children.values():
        _shift(child, name)
    return node
