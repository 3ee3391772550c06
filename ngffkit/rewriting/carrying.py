"""Carry out a rewriting: write beside, compare, commit, exchange; the order that makes it safe."""

from __future__ import annotations

import time

from ngffkit.errors import NgffError, PlanError, Problem, SourceError, WriteError
from ngffkit.execute.journal import Journal, read_journal
from ngffkit.execute.locks import locked
from ngffkit.execute.running import Watch, run_images
from ngffkit.planning.carrying import tally
from ngffkit.planning.packed import remove_unpacked
from ngffkit.planning.plan import Result
from ngffkit.rewriting.comparing import compare
from ngffkit.rewriting.papers import commit
from ngffkit.rewriting.plan import Rewriting
from ngffkit.rewriting.rights import dress
from ngffkit.rewriting.swapping import (
    discard,
    is_begun,
    is_finished,
    prepare,
    recover,
    rewritten,
    stamp_of,
    swap,
)
from ngffkit.stores.packing import pack
from ngffkit.verifying import verify


def carry_out(plan: Rewriting, progress: Watch | None = None) -> Result:
    """Do what a plan says; see `Rewriting.run`."""
    plan.check()
    began = time.monotonic()
    watch = progress or (lambda _: None)
    if plan.home is None:
        written = _write(plan, watch)
        _verify(plan, watch)
    else:
        recover(plan.home)
        with locked(plan.home) as lock:
            if stamp_of(plan.home) != plan.seen or not plan.baggage.is_current:
                message = f"{plan.home.url} was changed since this was planned"
                raise PlanError([Problem("image", "error", message, "plan it again")])
            written = _beside(plan, watch)
            _verify(plan, watch)
            dress(plan.home.root, rewritten(plan.home).root, plan.baggage)
            # a chunk that has gone reads as fill, twice; a file that has come would be removed
            if not plan.baggage.is_current:
                raise _changed(plan)
            lock.check()
            swap(plan.home, keep=plan.keep)
    files, nbytes = written
    return Result(plan.url, files, nbytes, (), round(time.monotonic() - began, 3))


def _beside(plan: Rewriting, watch: Watch) -> tuple[int, int]:
    """Write the image that will replace another one, or go on with it; return files and bytes."""
    assert plan.home is not None
    target, fingerprint = plan.plan.target, plan.plan.fingerprint
    resume = plan.plan.options.run.resume
    if resume and is_finished(target, fingerprint):
        sizes = [item.size for item in read_journal(target).objects().values()]
        return len(sizes), sum(sizes)
    if not (resume and is_begun(target, fingerprint)):
        # of another layout, or of what the image was before
        prepare(plan.home)
        discard(target)
    prepare(plan.home)
    return _write(plan, watch)


def _write(plan: Rewriting, watch: Watch) -> tuple[int, int]:
    """Write pixels, compare them, and make an image of them; return files and bytes."""
    inner, run = plan.plan, plan.plan.options.run
    target = inner.target
    with Journal.begin(
        target, inner.fingerprint, inner.facts, resume=run.resume, overwrite=run.overwrite
    ) as journal:
        run_images(plan.work.jobs, journal, run.executor, run.workers, watch)
        differs = _compared(plan, watch)
        if differs is None:
            documents = commit(target, plan.papers, plan.drafts, plan.baggage)
            count, nbytes = tally(documents, journal)
            if inner.packed is not None:
                count, nbytes = 1, pack(target.url, inner.packed, plan.version).size
            journal.finish({"documents": [[w.key, w.size, w.crc] for w in documents]})
    if differs is not None:
        # nothing of it can be trusted, so the next call begins anew
        discard(target)
        raise differs
    if inner.packed is not None:
        remove_unpacked(target)
    return count, nbytes


def _compared(plan: Rewriting, watch: Watch) -> NgffError | None:
    """Compare all pixels; return what differs."""
    try:
        if plan.verify:
            compare(plan.work.jobs, plan.plan.target, threads_of(plan), watch)
    except WriteError as err:
        return err
    return None if plan.baggage.is_current else _changed(plan)


def _changed(plan: Rewriting) -> SourceError:
    cause = "files were added, changed or removed while it was read; nothing was replaced"
    return SourceError(plan.baggage.root, f"{cause}, rewrite it again")


def threads_of(plan: Rewriting) -> int:
    """Return how many boxes are compared at the same time."""
    return max(1, *(item.job.threads for item in plan.work.jobs))


def _verify(plan: Rewriting, watch: Watch) -> None:
    """Compare every object with its checksum, now that all of them are there."""
    if not plan.verify:
        return
    inner = plan.plan
    options = inner.options.run.target_options
    found = verify(inner.packed or inner.target.url, options, watch)
    if found.ok:
        return
    first = next(problem for problem in found.problems if problem.severity == "error")
    what = f"{first.message}; nothing was replaced" if plan.home else first.message
    if plan.home is not None:
        discard(inner.target)
    raise WriteError(first.loc, inner.url, what)
