"""Edits in any order, against a model in memory: after each, all that is there must be right.

The model is a NumPy array per image and label image. Its mags are made by ``max`` and ``nearest``,
which are whole numbers' own: what they give doesn't depend on rounding, nor on which mag another
one was made from.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import buckets
import httpd
import makers
import numpy as np
import pytest
import s3_proxy
import zarr
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import ngffkit as nk
from ngffkit.execute import locks
from ngffkit.stores.targets import open_target
from ngffkit.verifying import verify
from ngffkit.writing import convert

DIMS = "tzyx"
VOXEL = {"z": 4.0, "y": 2.0, "x": 1.0}
NAMES = ("cells", "nuclei")
SEEDS = st.integers(0, 2**16)
SIZES = st.tuples(st.integers(3, 11), st.integers(5, 21), st.integers(5, 21))
#: Version, chunks and shards that go together.
LAYOUTS = st.sampled_from(
    [("0.4", 4, None), ("0.4", 16, None), ("0.5", 4, None), ("0.5", 4, 8), ("0.5", 8, 16)]
)


class Held:
    """One image of the model.

    Parameters
    ----------
    pixels : ndarray
        Of mag 1.
    mags : list of int
        Factors along z, y and x.
    method : str
        How coarser ones are made.
    """

    def __init__(self, pixels: np.ndarray, mags: list[int], method: str) -> None:
        self.pixels, self.mags, self.method = pixels, mags, method

    def level(self, mag: int) -> np.ndarray:
        return makers.reduce(self.pixels, [1, mag, mag, mag], self.method)


def noise(shape: tuple[int, ...], seed: int, dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 999, shape).astype(dtype)


class Edits(RuleBasedStateMachine):
    """An image on disk that is edited."""

    ledger: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="model"))
        self.path = str(self.top / "a.zarr")
        self.labels: dict[str, Held] = {}
        self.sound = False

    def teardown(self) -> None:
        shutil.rmtree(self.top, ignore_errors=True)
        if self.sound:
            self.ledger.enter("model", "right")

    # --- what is done -------------------------------------------------------------------------

    @initialize(
        size=SIZES,
        times=st.integers(1, 2),
        layout=LAYOUTS,
        seed=SEEDS,
        names=st.lists(st.sampled_from(NAMES), unique=True),
    )
    def begin(self, size, times, layout, seed, names):
        self.write((times, *size), layout, seed, overwrite=False)
        for name in names:
            self.add(name, seed)

    def write(self, shape, layout, seed, *, overwrite):
        self.sound = False
        self.version, chunks, shards = layout
        self.image = Held(noise(shape, seed), [1, 2], "max")
        self.labels = {}
        convert(
            self.image.pixels,
            self.path,
            axes=DIMS,
            voxel_size=VOXEL,
            unit="um",
            version=self.version,
            chunks=chunks,
            shards=shards,
            mags=[1, 2],
            method="max",
            overwrite=overwrite,
        )

    @rule(size=SIZES, times=st.integers(1, 2), layout=LAYOUTS, seed=SEEDS)
    def overwrite(self, size, times, layout, seed):
        self.write((times, *size), layout, seed, overwrite=True)

    @precondition(lambda self: self.image.pixels.shape[0] < 6)
    @rule(count=st.integers(1, 2), seed=SEEDS)
    def append(self, count, seed):
        self.sound = False
        more = noise((count, *self.image.pixels.shape[1:]), seed)
        nk.append(self.path, more, "t", method="max")
        self.image.pixels = np.concatenate([self.image.pixels, more])

    @rule(name=st.sampled_from(NAMES), seed=SEEDS)
    def label(self, name, seed):
        self.add(name, seed)

    def add(self, name, seed):
        self.sound = False
        ids = noise(self.image.pixels.shape, seed, "u4")
        nk.add_labels(self.path, ids, name, method="nearest", overwrite=name in self.labels)
        self.labels[name] = Held(ids, list(self.image.mags), "nearest")

    @precondition(lambda self: self.labels)
    @rule(data=st.data())
    def remove(self, data):
        some = st.lists(st.sampled_from(sorted(self.labels)), min_size=1, unique=True)
        self.drop(data.draw(some, label="names"))

    def drop(self, names):
        self.sound = False
        nk.remove_labels(self.path, names[0] if len(names) == 1 else names)
        for name in names:
            del self.labels[name]
            assert not Path(self.path, "labels", name).exists()

    @rule(data=st.data(), seed=SEEDS)
    def region(self, data, seed):
        self.sound = False
        name = data.draw(st.sampled_from([None, *sorted(self.labels)]), label="of")
        held = self.image if name is None else self.labels[name]
        box = []
        for axis, size in zip(DIMS, held.pixels.shape, strict=True):
            start = data.draw(st.integers(0, size - 1), label=axis)
            box.append(slice(start, data.draw(st.integers(start + 1, size), label="to")))
        shape = tuple(cut.stop - cut.start for cut in box)
        pixels = noise(shape, seed, held.pixels.dtype.str)
        at = {axis: cut.start for axis, cut in zip(DIMS, box, strict=True)}
        image = {} if name is None else {"image": f"labels/{name}"}
        nk.write_region(self.path, pixels, at=at, method=held.method, **image)
        held.pixels = held.pixels.copy()
        held.pixels[tuple(box)] = pixels

    @precondition(lambda self: 4 not in self.image.mags)
    @rule()
    def coarser(self):
        self.sound = False
        nk.downsample(self.path, mags=[1, 2, 4], method="max")
        self.image.mags = [1, 2, 4]

    @rule(layout=LAYOUTS)
    def rewrite(self, layout):
        self.sound = False
        self.version, chunks, shards = layout
        nk.rewrite(self.path, version=self.version, chunks=chunks, shards=shards)

    # --- what must be so ----------------------------------------------------------------------

    @invariant()
    def is_right(self):
        if not hasattr(self, "image"):
            return
        self.compare(self.image, None)
        for name, held in self.labels.items():
            self.compare(held, name)
        found = nk.open(self.path)
        assert set(found["labels"].children if "labels" in found.children else ()) == set(
            self.labels
        )
        assert found.ngff.image.version == self.version
        report = nk.validate(self.path)
        assert report.valid, str(report)
        checked = verify(self.path)
        assert checked.ok, str(checked)
        self.sound = True

    def compare(self, held: Held, name: str | None) -> None:
        image = None if name is None else f"labels/{name}"
        opened = nk.open_dataset(self.path, image=image).ngff.image
        assert len(opened.levels) == len(held.mags)
        for level, mag in zip(opened.levels, held.mags, strict=True):
            wanted = held.level(mag)
            dataset = nk.open_dataset(self.path, image=image, mag=mag if mag > 1 else None)
            found = next(iter(dataset.data_vars.values()))
            where = f"{image} mag {mag}"
            np.testing.assert_array_equal(found.values, wanted, err_msg=where)
            for axis, size in VOXEL.items():
                n = wanted.shape[DIMS.index(axis)]
                first = 0 if held.method == "nearest" else size * (mag - 1) / 2
                truth = first + size * mag * np.arange(n)
                assert np.allclose(found[axis].values, truth), f"{where} along {axis}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of consolidated metadata in v3
                path = "/".join(p for p in (self.path, image, level.path) if p)
                np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], wanted)


@pytest.mark.faults
def test_edits_in_any_order_leave_what_a_model_has(ledger):
    examples = ledger.many(4, 120)
    how = settings(
        max_examples=examples,
        stateful_step_count=ledger.many(6, 12),
        deadline=None,
        database=None,
        derandomize=not ledger.full,
        suppress_health_check=list(HealthCheck),
    )
    machine = type("Counted", (Edits,), {"ledger": ledger})
    try:
        run_state_machine_as_test(machine, settings=how)
    except BaseException:
        ledger.enter("model", "wrong")
        raise
    assert not ledger.wrong("model")


@pytest.mark.faults
@pytest.mark.parametrize("layout", [("0.4", 4, None), ("0.5", 4, 8)])
def test_labels_come_and_go_between_other_edits(ledger, layout):
    machine = type("Counted", (Edits,), {"ledger": ledger})()
    steps = [
        lambda: machine.write((1, 5, 9, 9), layout, 1, overwrite=False),
        lambda: machine.add("cells", 2),
        machine.coarser,
        lambda: machine.add("nuclei", 3),
        lambda: machine.drop(["cells"]),
        lambda: machine.append(1, 4),
        lambda: machine.drop(["nuclei"]),
        lambda: machine.add("cells", 5),
        lambda: machine.rewrite(layout),
        lambda: machine.drop(["cells"]),
    ]
    try:
        for step in steps:
            step()
            machine.is_right()
    except BaseException:
        machine.sound = False
        ledger.enter("model", "wrong")
        raise
    finally:
        machine.teardown()


# --- labels that go, in a bucket ------------------------------------------------------------------

BUCKET = "edits-in-any-order"


@pytest.fixture(scope="module")
def proxy() -> Iterator[s3_proxy.Proxy]:
    with buckets.running(BUCKET) as url, s3_proxy.between(url, keeps=False) as between:
        yield between


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    "requests", [None, "*labels/*#put", "*journal/journal/0*#put", "*zarr/*#put", "#delete"]
)
def test_labels_in_a_bucket_go_whatever_request_fails(proxy, monkeypatch, version, requests):
    # who died is dead after a second
    monkeypatch.setattr(locks.LeaseLock.__init__, "__defaults__", (5.0, 1.0))
    soon = {"init_backoff": dt.timedelta(milliseconds=2), "max_backoff": dt.timedelta(0, 0, 8000)}
    options = {"endpoint": proxy.url, "region": "us-east-1", "key": "key", "secret": "secret"}
    options |= {"retry_config": {"max_retries": 1, "backoff": {**soon, "base": 2}}}
    name = "".join(c for c in f"{version}-{requests}" if c.isalnum())
    url = f"s3://{BUCKET}/{name}.zarr"
    how = {"voxel_size": (1, 1, 1), "chunks": 8, "mags": [1, 2], "target_options": options}
    proxy.clear()
    convert(noise((8, 16, 16), 0), url, version=version, **how)
    before = set(open_target(url, options).keys())
    for label in ("a", "ab"):
        nk.add_labels(url, noise((8, 16, 16), 1), label, storage_options=options)
    kept = nk.open_dataset(url, image="labels/ab", storage_options=options)["labels"].values
    proxy.clear()
    if requests:
        proxy.fault(f"{BUCKET}{requests}", httpd.status(500), float("inf"))
        with pytest.raises(nk.NgffError, match=BUCKET):
            nk.remove_labels(url, "a", storage_options=options)
        assert proxy.faulted
        proxy.clear()
        found = nk.open_dataset(url, storage_options=options).ngff.labels
        assert sorted(found) in (["a", "ab"], ["ab"])
        if "a" in found:
            np.testing.assert_array_equal(found["a"]["labels"].values, kept)
    nk.remove_labels(url, "a", storage_options=options)
    left = set(open_target(url, options).keys())
    assert {key for key in left - before if not key.startswith("labels/ab/")} == (
        {"labels/.zgroup", "labels/.zattrs"} if version == "0.4" else {"labels/zarr.json"}
    )
    again = nk.open_dataset(url, image="labels/ab", storage_options=options)["labels"].values
    np.testing.assert_array_equal(again, kept)
    assert not nk.verify(url, storage_options=options).problems
