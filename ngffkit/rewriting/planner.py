"""From an image and what is asked for to a plan of its rewriting; no pixel moves."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ngffkit import __version__, api
from ngffkit.discover.walk import Wanted, join
from ngffkit.editing.place import refuse
from ngffkit.errors import NgffError, NotFoundError, Problem
from ngffkit.execute.journal import read_journal
from ngffkit.opened import Opened
from ngffkit.planning.memory import Room
from ngffkit.planning.options import Options
from ngffkit.planning.overlaps import overlap
from ngffkit.planning.packed import open_place
from ngffkit.planning.plan import Plan
from ngffkit.planning.planner import about_space, about_target, cost_of
from ngffkit.planning.sampling import sample_source
from ngffkit.rewriting.asked import fitting, is_writable, options_of
from ngffkit.rewriting.baggage import Baggage, search
from ngffkit.rewriting.comparing import peak
from ngffkit.rewriting.levels import Draft, Work, draft, share
from ngffkit.rewriting.nearby import owner_of
from ngffkit.rewriting.papers import Papers, group_paths, papers_of
from ngffkit.rewriting.plan import Rewriting
from ngffkit.rewriting.swapping import KEPT, is_foreign, recover, rewritten, stamp_of
from ngffkit.sources.contract import fingerprint_of
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import Target
from ngffkit.tree import as_image, images_of

_ELSEWHERE = "pass target=, which writes another image and leaves this one as it is"


def make_plan(
    x: Any,
    layout: Any,
    target: Any,
    image: str | None,
    given: Mapping[str, Any],
    *,
    verify: bool,
    keep: bool,
) -> Rewriting:
    """Plan a rewriting; see `ngffkit.rewriting.doors.plan_rewrite`."""
    home = _folder(x)
    if home is not None:
        recover(home)
    found = _found(x, home, image, given.get("storage_options"))
    root, images = _images(found, image, whole=target is None)
    options, asked = options_of(images[0][1], layout, given)
    drafts = tuple(_drafts(images, options, asked))
    papers = papers_of(found.store, root, drafts, options.write.version)
    place, packed, home = _place(found, root, target, home, options)
    same = _format(drafts[0].opened) == zarr_format(options.write.version)
    baggage = _baggage(found, root, drafts, keep=same)
    problems = list(_losses(drafts, baggage, in_place=home is not None))
    if home is None:
        problems += about_target(place, packed, options)
    else:
        problems += _about_home(home, drafts, options, keep=keep)
    room = Room.of(options.run)
    work = share(drafts, place, room)
    problems += work.problems
    inner = _inner(drafts, work, place, packed, options, room, verify=verify)
    problems += inner.problems
    facts = _facts(drafts, papers, baggage, verify=verify)
    inner = replace(inner, problems=tuple(problems), fingerprint=fingerprint_of(facts))
    seen = () if home is None else stamp_of(home)
    return Rewriting(inner, work, drafts, papers, baggage, home, verify, keep, seen)


def _inner(
    drafts: Sequence[Draft],
    work: Work,
    place: Target,
    packed: str | None,
    options: Options,
    room: Room,
    *,
    verify: bool,
) -> Plan:
    source = drafts[0].sources[0]
    assert source is not None
    sample = sample_source(source, drafts[0].levels[0])
    threads = max(item.job.threads for item in work.jobs)
    most = max(work.peak, peak(work.jobs, threads) if verify else 0)
    cost = cost_of(work.images, sample, room, room.total(most), options)
    problems = tuple(about_space(place, cost, sample))
    return Plan(source, place, work.images, options, cost, problems, "", packed)


def _facts(
    drafts: Sequence[Draft], papers: Papers, baggage: Baggage, *, verify: bool
) -> Mapping[str, Any]:
    """Return what must be equal for a rewriting to be resumed."""
    return {
        "ngffkit": __version__.rpartition(".")[0],
        "rewrite": [papers.version, verify],
        "groups": papers.groups,
        "files": baggage.files,
        "source": baggage.stamp,
        "images": [
            [
                item.path,
                item.method,
                [source.info.fingerprint for source in item.sources if source is not None],
                [[lv.path, repr(lv.spec), repr(lv.compression), lv.cut.region, lv.step]
                 for lv in item.levels],
            ]
            for item in drafts
        ],
    }  # fmt: skip


# --- what is rewritten ----------------------------------------------------------------------------


def _folder(x: Any) -> LocalTarget | None:
    """Return the folder of this machine that `x` names; None when it names something else."""
    if not isinstance(x, (str, os.PathLike)):
        try:
            x = api.as_opened(x, look=False).url
        except NgffError:
            return None
    text = os.fspath(x)
    if not isinstance(text, str) or "::" in text:
        return None
    scheme, sep, rest = text.partition("://")
    if sep and scheme.lower() != "file":
        return None
    path = Path(rest if sep else text).expanduser()
    try:
        return None if path.is_file() else LocalTarget(path)
    except (NgffError, OSError, ValueError):
        return None


def _found(x: Any, home: LocalTarget | None, image: str | None, storage: Any) -> Opened:
    parts = (image or "").strip("/").split("/")
    wells = ("/".join(parts[:2]),) if len(parts) >= 3 else ()
    if home is not None:
        # as it is now, whatever was opened before
        return api.find(home.url, Wanted(labels=True, wells=wells), "error", storage)
    if isinstance(x, (str, os.PathLike)):
        return api.find(x, Wanted(labels=True, wells=wells), "error", storage)
    try:
        return api.as_opened(x, storage)
    except NgffError:
        return api.find(x, Wanted(labels=True, wells=wells), "error", storage)


def _images(
    found: Opened, image: str | None, *, whole: bool
) -> tuple[str, list[tuple[str, Opened]]]:
    """Return the group that is rewritten, and the images in it with their paths below it."""
    store, node = found.store, found.node
    if node.kind == "array" and node.image is None:
        name = store.url.rstrip("/").rpartition("/")[2].partition(".")[0] or "array"
        return "", [("", as_image(store, node, "error", name))]
    if node.kind == "arrays":
        if image not in node.children:
            names = ", ".join(map(repr, node.children))
            refuse("image", f"{store.url} holds arrays: {names}", "choose one by image=")
        return image, [("", as_image(store, node.children[image], "error", image))]
    every = {path: item for path, item in images_of(store, node, "error") if not _is_label(path)}
    paths = [item.node.path for item in every.values()]
    several = len(every) > 1 and image is None and node.kind in ("collection", "series")
    if several and len(set(paths)) == len(paths):
        return node.path, [
            pair for item in every.values() for pair in _with_labels(item, node.path)
        ]
    if node.kind == "plate" and image is None:
        refuse("image", f"{found.url} is a plate", "name one of its images: image='B/03/0'")
    chosen = api.choose(dict(images_of(store, node, "error")), image, store.url)
    if whole and len(every) == 1 and node.kind == "collection":
        return node.path, list(_with_labels(chosen, node.path))
    return chosen.node.path, list(_with_labels(chosen, chosen.node.path))


def _is_label(path: str) -> bool:
    return "labels" in path.split("/")


def _with_labels(opened: Opened, root: str) -> Iterator[tuple[str, Opened]]:
    for item in (opened, *api.labels_of(opened).values()):
        yield _below(item.node.path, root), replace(item, missing="error")


def _below(path: str, root: str) -> str:
    return path[len(root) :].strip("/") if root and path.startswith(root) else path


def _drafts(
    images: Sequence[tuple[str, Opened]], options: Options, asked: Collection[str]
) -> Iterator[Draft]:
    first = images[0][1].image
    for path, opened in images:
        write = options.write
        if opened.image.kind != first.kind:
            # their mags are made as labels are
            write = replace(write, method=None)
        if opened.image.base.dims != first.base.dims:
            write = fitting(write, opened.image.base)
        yield draft(path, opened, write, asked)


def _format(opened: Opened) -> int:
    return opened.spec(0).layout.zarr_format


# --- where it goes --------------------------------------------------------------------------------


def _place(
    found: Opened, root: str, target: Any, home: LocalTarget | None, options: Options
) -> tuple[Target, str | None, LocalTarget | None]:
    """Return where it is written, the single file it is packed into, and what it replaces."""
    here = join(found.store.url, root)
    if target is not None:
        run = options.run
        place, packed = open_place(target, run.target_options, options.write.version)
        what = overlap(packed or place.url, here)
        if what:
            remedy = "leave out target= to replace it, or choose a place beside it"
            refuse("target", f"{packed or place.url} {what}", remedy)
        return place, packed, None
    if home is None or not os.path.isdir(home.root):  # noqa: PTH112 - a str
        message = f"{here} is no folder of this machine, so nothing can take its place at once"
        refuse("target", message, _ELSEWHERE)
    if root:
        message = f"{root} is one of the images of {found.store.url}"
        refuse("target", f"{message}, whose other documents may speak of it", _ELSEWHERE)
    if options.run.overwrite:
        refuse("overwrite", "is for a target", "leave it out: the image is replaced at the end")
    return rewritten(home), None, home


def _about_home(
    home: LocalTarget, drafts: Sequence[Draft], options: Options, *, keep: bool
) -> Iterator[Problem]:
    """Say what forbids to replace an image."""
    del options
    version = drafts[0].opened.image.version
    if not version[:1].isdigit():
        yield Problem("image", "error", f"{home.url} is {version} data, no OME-Zarr", _ELSEWHERE)
    if any(item.opened.node.crops for item in drafts):
        message = f"the arrays of {home.url} are padded beyond the image"
        yield Problem("image", "error", message, _ELSEWHERE)
    above = owner_of(home)
    if above:
        message = f"{home.url} is a part of {above}, whose documents may speak of it"
        yield Problem("target", "error", message, _ELSEWHERE)
    if os.path.ismount(home.root):
        message = f"{home.url} is a mount point, which can't be replaced"
        yield Problem("target", "error", message, _ELSEWHERE)
    if is_foreign(home):
        message = f"{rewritten(home).root} exists, and no rewriting has made it"
        yield Problem("target", "error", message, "move it elsewhere")
    if not os.access(os.path.dirname(home.root), os.W_OK | os.X_OK):  # noqa: PTH120
        message = f"the folder of {home.url} may not be written to"
        yield Problem("target", "error", message, f"get the permission, or {_ELSEWHERE}")
    if keep and os.path.lexists(f"{home.root}{KEPT}"):
        message = f"{home.root}{KEPT} exists"
        yield Problem("keep", "error", message, "remove it, or leave out keep=")
    try:
        unfinished = read_journal(home).finished is None
    except NotFoundError:
        return
    if unfinished:
        message = f"a conversion or an edit of {home.url} is unfinished"
        yield Problem("image", "error", message, "make that call again to finish it")


# --- what could be lost ---------------------------------------------------------------------------


def _baggage(found: Opened, root: str, drafts: Sequence[Draft], *, keep: bool) -> Baggage:
    folder = getattr(found.store, "root", None)
    if not isinstance(folder, str) or not os.path.isdir(folder):  # noqa: PTH112
        return Baggage()
    if not drafts[0].opened.image.version[:1].isdigit():
        return Baggage()  # a folder of other things, of which an image is taken
    ndims = {lv.path: len(lv.spec.layout.shape) for item in drafts for lv in item.levels}
    return search(join(folder, root), ndims, group_paths(drafts), keep=keep)


def _losses(drafts: Sequence[Draft], baggage: Baggage, *, in_place: bool) -> Iterator[Problem]:
    """Say what would not come along: an error where it would be gone."""
    severity: Any = "error" if in_place else "advice"
    remedy = _ELSEWHERE if in_place else "copy it by other means if it is needed"
    for path in baggage.left:
        message = "is a Zarr group or array of another program; a change of format leaves it behind"
        yield Problem(
            path, severity, message, f"keep the version, or {remedy}" if in_place else remedy
        )
    for path in baggage.links:
        yield Problem(path, severity, "is a link to a folder, which is not followed", remedy)
    for path in baggage.odd:
        message = "is no file that can be copied: a pipe, a device, or a link that leads nowhere"
        yield Problem(path, severity, message, "remove it" if in_place else remedy)
    for path in baggage.closed[:3] if in_place else ():
        message = "is a folder that is protected from writing, so it can't be replaced"
        yield Problem(path, "error", message, f"allow writing, or {_ELSEWHERE}")
    if not baggage.root and drafts[0].opened.image.version[:1].isdigit():
        message = "files of other programs beside the image are looked for in folders only"
        yield Problem("source", "advice", message, "copy them by other means if there are any")
    for item in drafts:
        yield from _losses_of(item, severity, remedy)


def _losses_of(item: Draft, severity: Any, remedy: str) -> Iterator[Problem]:
    old, new = item.opened.image, item.image
    body = item.opened.node.attrs
    body = body.get("ome", body)
    entries = body.get("multiscales") if isinstance(body, Mapping) else None
    if isinstance(entries, list) and len(entries) > 1:
        message = f"describes {len(entries)} images in one group, of which one is written"
        yield Problem(item.path or "multiscales", severity, message, remedy)
    if old.version == new.version:
        return
    if not is_writable(old.version) and old.version[:1].isdigit():
        message = f"is OME-Zarr {old.version}, which is not written; it becomes {new.version}"
        yield Problem(item.path or "version", "advice", message, "pass version= for another one")
    if old.transformations or len(old.coordinate_systems) > 1:
        message = f"has transformations that OME-Zarr {new.version} may have no words for"
        yield Problem(item.path or "version", severity, message, f"keep the version, or {remedy}")
