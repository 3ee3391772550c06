"""Two processes write to one place at the same moment: one is refused, the other's is whole."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import crash_child
import numpy as np
import places
import pytest
import test_crash
from places import bucket, server, source  # noqa: F401 - fixtures

import ngffkit as nk
from ngffkit.verifying import verify

pytestmark = [
    pytest.mark.in_memory,
    pytest.mark.faults,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]

ROW = "two writers"
BOTH = {0, crash_child.BUSY, crash_child.REFUSED}
ONE = {
    "v2": ("a.zarr", {"version": "0.4", "shards": None}),
    "sharded": ("a.zarr", {}),
    "zip": ("a.ozx", {}),
}


def content(root: Path) -> dict[str, bytes]:
    return {"": root.read_bytes()} if root.is_file() else test_crash.tree(root)


def enter(ledger: Any, codes: list[int]) -> None:
    """Count a case: nobody fails but by being refused, and somebody writes."""
    fine = set(codes) <= BOTH and 0 in codes
    ledger.enter(ROW, "wrong" if not fine else "said" if any(codes) else "right")
    assert fine, codes


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("resumed", [False, True])
def test_two_conversions_to_one_place(ledger, server, tmp_path, kind, resumed):  # noqa: F811
    name, more = ONE[kind]
    assert server.run(tmp_path / f"first-{name}", seed=1, more=more) == 0
    duration = server.seconds
    (tmp_path / "twin").mkdir()
    assert server.run(tmp_path / "twin" / name, more=more) == 0
    reference, refused = content(tmp_path / "twin" / name), 0
    for i in range(ledger.many(1, 6)):
        root = tmp_path / str(i) / name
        root.parent.mkdir()
        if resumed:
            code = server.run(root, seed=1, kill_after=duration * 0.5, more=more)
            assert code in (0, -signal.SIGKILL)
            if code == 0:
                continue
        order = {"target": str(root), "more": more}
        codes = server.run_at_once(order, order | {"seed": 2, "later": 0.02 * i})
        enter(ledger, codes)
        refused += sum(code != 0 for code in codes)
        assert content(root) == reference
        shutil.rmtree(root.parent)
    assert refused


def test_two_conversions_to_s3(ledger, server, bucket):  # noqa: F811
    more = {"target_options": bucket.options}
    assert server.run(f"{bucket.url}/one.zarr", more=more) == 0
    reference = bucket.objects("one.zarr")
    for i in range(ledger.many(1, 6)):
        order = {"target": f"{bucket.url}/two{i}.zarr", "more": more}
        codes = server.run_at_once(order, order | {"seed": 2, "later": 0.05 * i})
        enter(ledger, codes)
        assert any(codes)
        assert bucket.objects(f"two{i}.zarr") == reference


@pytest.mark.parametrize(("one", "other"), [("append", "append"), ("rewrite", "append")])
def test_two_edits_of_one_image(ledger, server, tmp_path, one, other):  # noqa: F811
    pristine = tmp_path / "p/a.zarr"
    crash_child.make_edited(str(pristine))
    old = crash_child.pixels(1, crash_child.EDITED)
    for i in range(ledger.many(2, 10)):
        root = tmp_path / str(i) / "a.zarr"
        shutil.copytree(pristine.parent, root.parent)
        order = {"target": str(root)}
        codes = server.run_at_once(order | {"do": one}, order | {"do": other, "later": 0.01 * i})
        enter(ledger, codes)
        appended = sum(
            code == 0 for code, what in zip(codes, (one, other), strict=True) if what == "append"
        )
        found = nk.open_dataset(root).image.values
        parts = [old, *[crash_child.pixels(2)[None]] * appended]
        np.testing.assert_array_equal(found, np.concatenate(parts))
        assert verify(root).ok
        # whoever was refused may begin now, and nothing of the other is in the way
        assert places.patiently(partial(server.run, root, do="labels")) == 0
        shutil.rmtree(root.parent)
