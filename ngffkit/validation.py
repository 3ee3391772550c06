"""Every problem of an image at once: documents against the specification, arrays against both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ngffkit import api, spec
from ngffkit.cards import Table, card, html_table
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover.documents import Metadata
from ngffkit.discover.walk import Node, Wanted, walk
from ngffkit.errors import MetadataError, NotFoundError, Problem, tally
from ngffkit.image import Image
from ngffkit.opened import Opened
from ngffkit.stores.base import Store
from ngffkit.stores.substore import below
from ngffkit.tree import images_of

#: Chunks outside of this, in decoded bytes, are slow for everyone (WEBKNOSSOS advises 32-128^3).
_SMALL, _LARGE = 2**14, 2**26


class Report(list[Problem]):
    """Problems, worst first; shows itself as a table in notebooks, as lines elsewhere."""

    @property
    def valid(self) -> bool:
        """Whether nothing but advice was found."""
        return all(problem.severity == "advice" for problem in self)

    def __repr__(self) -> str:
        """Return one line per problem and a sum."""
        told = tally(self) or "no problems"
        head = f"valid ({told})" if self.valid else f"not valid ({told})"
        return "\n".join([head, *(f"  {problem}" for problem in self)])

    def _repr_html_(self) -> str:
        """Return a card."""
        rows = tuple((p.severity, p.loc, p.message, p.remedy) for p in self)
        table = Table("", ("severity", "where", "what", "remedy"), rows)
        return card(repr(self).split("\n", 1)[0], html_table(table) if rows else "")


def validate(source: Any, *, storage_options: Mapping[str, Any] | None = None) -> Report:
    """List every problem of whatever is at a place.

    Metadata of the image, its labels, wells and fields are read, no pixels.

    Parameters
    ----------
    source : str, Path, zarr.Group, store, or an xarray object that ngffkit opened
        As for `ngffkit.open`.
    storage_options : Mapping, optional
        For the remote store.

    Returns
    -------
    Report
        A list of `Problem`; ``report.valid`` tells whether there is anything but advice.

    Raises
    ------
    NotFoundError
        When there is nothing to validate.

    Examples
    --------
    >>> validate("image.ome.zarr")  # doctest: +SKIP
    """
    store, missing_is = _store_of(source, storage_options)
    meta = Metadata(store)
    found: list[Problem] = []
    try:
        root = meta.root()
        if root is not None and root.array is None:
            found += _check_document(root.attrs, "")
        node = walk(store, Wanted(wells="all"))
    except NotFoundError:
        if not found:
            raise
        return _report(found)
    except MetadataError as err:
        found.append(_problem_of(err))
        return _report(found)
    found += _check_nodes(node)
    for path, opened in images_of(store, node, missing_is):
        found += [_under(path, problem) for problem in check_image(opened)]
    return _report(found)


def _store_of(source: Any, options: Mapping[str, Any] | None) -> tuple[Store, Any]:
    opened = api.as_opened(source, options, look=False)
    return below(opened.store, opened.node.path), opened.missing


def _report(problems: Sequence[Problem]) -> Report:
    rank = {"schema": 0, "meaning": 1, "advice": 2}
    unique = dict.fromkeys(problems)
    return Report(sorted(unique, key=lambda p: rank[p.severity]))


def _problem_of(err: MetadataError) -> Problem:
    text = str(err).removeprefix(f"{err.loc}: ") if err.loc else str(err)
    return Problem(err.loc, "meaning", text)


def _under(path: str, problem: Problem) -> Problem:
    if not path:
        return problem
    loc = f"{path}: {problem.loc}" if problem.loc else path
    return Problem(loc, problem.severity, problem.message, problem.remedy)


def _check_document(attrs: Mapping[str, Any], path: str) -> list[Problem]:
    from ngffkit.spec.check import check, kinds_of

    found = spec.detect(attrs)
    version = found.version if found is not None else ""
    return [
        _under(path, problem) for kind in kinds_of(attrs) for problem in check(attrs, version, kind)
    ]


def _check_nodes(node: Node) -> Iterator[Problem]:
    for child in node.children.values():
        if child.attrs and child.kind != "array" and node.kind != "webknossos":
            yield from _check_document(child.attrs, child.path)
        yield from _check_nodes(child)
    for note in node.notes:
        if "labels name" in note or "scene names" in note:
            yield Problem(node.path, "meaning", note, "write the image, or take the name out")


# --- arrays against metadata -----------------------------------------------------------------


def check_image(opened: Opened) -> list[Problem]:
    """Compare the arrays of an image with what its metadata say of them."""
    image = opened.image
    if image.version in ("zarr", "webknossos"):
        return []
    specs = [opened.spec(i) for i in range(len(image.levels))]
    return [
        *_check_types(image, specs),
        *_check_dims(image, specs),
        *_check_shapes(image),
        *_check_origins(image),
        *_check_channels(image),
        *_check_chunks(specs),
    ]


def _level(i: int) -> str:
    return f"multiscales[0].datasets[{i}]"


def _check_types(image: Image, specs: Sequence[ArraySpec]) -> Iterator[Problem]:
    first = specs[0].layout.dtype
    for i, one in enumerate(specs):
        if one.layout.dtype != first:
            yield Problem(
                _level(i),
                "meaning",
                f"is {one.layout.dtype}, the finest level is {first}",
                "write all levels with one type",
            )
    if image.kind == "label" and first.kind not in "iu":
        yield Problem(
            _level(0),
            "meaning",
            f"labels are {first}; whole numbers were expected",
            "write label ids as an integer type",
        )


def _check_dims(image: Image, specs: Sequence[ArraySpec]) -> Iterator[Problem]:
    for i, one in enumerate(specs):
        names = image.levels[i].grid.dims
        if one.dims is None and one.layout.zarr_format == 3:
            yield Problem(
                _level(i),
                "meaning",
                "the array has no dimension_names",
                f"set them to {list(names)}, as OME-Zarr demands since Zarr v3",
            )
        elif one.dims is not None and one.dims != names:
            yield Problem(
                _level(i),
                "meaning",
                f"the array calls its dimensions {list(one.dims)}, the axes are {list(names)}",
                "make them agree",
            )


def _check_shapes(image: Image) -> Iterator[Problem]:
    base = image.base
    for i, level in enumerate(image.levels[1:], 1):
        factors = level.grid.factors(base)
        for name in base.space:
            n0, n = base.shape[base.axis(name)], level.grid.shape[level.grid.axis(name)]
            expected = n0 / factors[name]
            # a level may round its size either way, and keep or drop a last partial bin
            if abs(n - expected) > 1.0 + 1e-6 * n0:
                yield Problem(
                    _level(i),
                    "meaning",
                    f"has {n} pixels along {name!r}; by its scale {expected:.4g} were expected",
                    "correct the scale of this level, or the array",
                )


def _check_origins(image: Image) -> Iterator[Problem]:
    """Compare where levels begin: binning moves the first pixel by half of what it grew."""
    base = image.base
    for i, level in enumerate(image.levels[1:], 1):
        grid = level.grid
        for name in base.space:
            k, k0 = grid.axis(name), base.axis(name)
            step, step0 = grid.scale[k], base.scale[k0]
            if step <= step0 * 1.001:
                continue
            shift = grid.origin[k] - base.origin[k0]
            if abs(shift) < 1e-9 * step:
                yield Problem(
                    _level(i),
                    "advice",
                    f"starts where the finest level starts along {name!r}; made by binning, its "
                    f"first pixel lies {(step - step0) / 2:.6g} further",
                    "add a translation of (scale_n - scale_0) / 2, unless it was made by striding",
                )
                break
            if not -1e-6 * step <= shift <= (step - step0) * (1 + 1e-6):
                yield Problem(
                    _level(i),
                    "meaning",
                    f"its first pixel is {shift:.6g} away from the finest level's along {name!r}; "
                    f"0 to {step - step0:.6g} was expected",
                    "correct the translation of this level",
                )
                break


def _check_channels(image: Image) -> Iterator[Problem]:
    base = image.base
    sizes = [n for axis, n in zip(base.axes, base.shape, strict=True) if axis.is_channel]
    count = sizes[0] if sizes else 1
    if image.channels and len(image.channels) != count:
        yield Problem(
            "omero.channels",
            "meaning",
            f"describes {len(image.channels)} channels, the image has {count}",
            "describe each channel once",
        )
    labels = [channel.label for channel in image.channels]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        yield Problem(
            "omero.channels",
            "advice",
            f"the labels {twice} are used more than once",
            "give each channel a name of its own, so that it can be selected by name",
        )


def _check_chunks(specs: Sequence[ArraySpec]) -> Iterator[Problem]:
    for i, one in enumerate(specs):
        layout = one.layout
        size = layout.chunk_nbytes
        whole = np.prod(layout.shape) <= np.prod(layout.chunks)
        if size > _LARGE:
            yield Problem(
                _level(i),
                "advice",
                f"chunks {list(layout.chunks)} are {size / 2**20:.0f} MiB each; every look at the "
                "image reads at least one",
                "re-chunk to 32-128 pixels per axis",
            )
        elif size < _SMALL and not whole and layout.shards is None:
            yield Problem(
                _level(i),
                "advice",
                f"chunks {list(layout.chunks)} are {size} bytes, in {layout.objects:,} objects",
                "re-chunk to 32-128 pixels per axis, or shard",
            )
        if one.fill is None:
            yield Problem(
                _level(i),
                "advice",
                "fill_value is null, so absent chunks have no defined value",
                "set fill_value to 0",
            )
