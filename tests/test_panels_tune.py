"""The tune panel without a page: diagnosis, editor, benchmark, rewriting, connection doctor."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from httpd import serve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import How, pyramid, write

import ngffkit as nk
from ngffkit.access.lines import LAN, S3, SSD, Line
from ngffkit.errors import NgffError, PlanError
from ngffkit.panels import tune_model
from ngffkit.panels.bench_model import BenchModel
from ngffkit.panels.charts import Series, chart
from ngffkit.panels.connection import Samples, findings, of_data
from ngffkit.panels.doctor import NBYTES, DoctorModel, DoctorPart
from ngffkit.panels.layout_model import LayoutModel, typed_text
from ngffkit.panels.tune_fields import CUSTOM, PRESETS
from ngffkit.panels.tune_model import TuneModel
from ngffkit.panels.tune_view import TunePanel
from ngffkit.tuning.priced import price
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.speeds import brief

SIDE = 96
HALF = [dict.fromkeys("zyx", 2)]
LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"version": "0.4", "chunks": 12},
    "v3": {"version": "0.5", "chunks": 20},
    "sharded": {"version": "0.5", "chunks": 8, "shards": (32, 32, 32)},
}


def volume(side: int = SIDE) -> np.ndarray:
    """Return pixels that compress by half or so."""
    at = np.arange(side)
    noise = np.random.default_rng(0).integers(0, 8, (side,) * 3)
    return (np.add.outer(np.add.outer(at, at), at) % 199 + noise).astype("u1")


def made(root: Path, **how: Any) -> Path:
    chosen = How(factors=HALF, **how)
    return write(root, pyramid(volume(), chosen), chosen)


@pytest.fixture(scope="module", params=LAYOUTS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("panels") / "a.zarr", **LAYOUTS[request.param])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("panels") / "small.zarr", **LAYOUTS["v2"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return an image that may be changed."""
    return made(tmp_path / "own.zarr", **LAYOUTS["v2"])


def diagnosed(source: Any, **texts: str) -> TuneModel:
    model = TuneModel(str(source))
    for name, text in {"line": "S3", "probe": "no", **texts}.items():
        model.do("set", name=name, text=text)
    model.do("run")
    assert model.work.wait(30)
    assert model.layout.settle()
    assert model.work.doing == "done", model.form["problems"]
    return model


@pytest.fixture(scope="module")
def looked(small: Path) -> Tuning:
    return nk.tune(small, line="S3")


def problems(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the errors beside fields."""
    return {
        name: " ".join(f"{p['message']} {p['remedy']}" for p in found)
        for name, found in state["problems"].items()
        if any(p["severity"] == "error" for p in found)
    }


def run_code(text: str) -> Any:
    """Return what the last line of some code gives."""
    *head, last = text.split("\n\n")
    names: dict[str, Any] = {}
    exec("\n".join(head), names)
    return eval(last, names)


# --- what layouts cost ----------------------------------------------------------------------------


def test_the_editor_shows_the_numbers_of_tune(path: Path):
    model = diagnosed(path, probe="yes")
    tuning = model.tuning
    assert tuning is not None
    editor = model.layout
    assert editor.priced is not None
    assert editor.priced.rows == tuning.rows
    assert editor.priced.objects == tuning.survey.objects
    assert editor.priced.nbytes == tuning.survey.nbytes
    if not tuning.layout:
        return
    editor.do("take", key="all")
    assert editor.settle()
    assert editor.fields.values == {k: v for k, v in tuning.layout.items() if v is not None} | (
        {"shards": None} if tuning.layout["shards"] is None else {}
    )
    assert editor.priced.rows[: len(tuning.best)] == tuning.best
    assert editor.priced.gain == tuning.gain
    if "mags" not in tuning.layout:
        assert editor.priced.objects == tuning.objects


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": 32, "shards": None},
        {"chunks": (32, 32, 16), "shards": None, "compression": "none"},
        {"chunks": 24, "shards": None, "compression": "gzip"},
        {"chunks": 16, "shards": 48, "version": "0.5"},
        {"version": "0.5"},
        {"chunks": 32, "shards": None, "mags": ["1", "2", "4"]},
    ],
    ids=str,
)
def test_what_is_predicted_is_what_rewriting_gives(
    options: dict[str, Any], looked: Tuning, small: Path, tmp_path: Path
):
    priced = price(looked, options)
    result = nk.rewrite(small, target=tmp_path / "b.zarr", **options)
    after = nk.tune(result.url, line="S3", probe=False)
    assert priced.objects == after.survey.objects
    assert priced.nbytes == pytest.approx(after.survey.nbytes, rel=0.08)
    assert [row.name for row in priced.rows] == [row.name for row in after.rows]
    # which ranges of a shard travel together depends on the size of each chunk in it
    near = 0.3 if priced.layout.shards else 0.0
    for guessed, found in zip(priced.rows, after.rows, strict=True):
        assert guessed.traffic.requests == pytest.approx(found.traffic.requests, rel=near)
        assert guessed.traffic.chunks == found.traffic.chunks
        # what is known of the bytes is the look at mag 1
        if guessed.mag == "1":
            assert guessed.traffic.nbytes == pytest.approx(found.traffic.nbytes, rel=0.3)


def test_nothing_is_read_to_price_a_layout(small: Path):
    with serve(small) as server:
        tuning = nk.tune(server.url, line="S3")
        asked = len(server.asked())
        for options in ({"chunks": 32}, {"compression": "gzip"}, {"mags": ["1", "2", "4"]}):
            assert price(tuning, options).rows != tuning.rows
        assert len(server.asked()) == asked


def test_views_of_added_mags_are_compared_with_what_they_are_made_of(looked: Tuning):
    priced = price(looked, {"mags": ["1", "2", "4"]})
    (now, then) = priced.before[-1], priced.rows[-1]
    assert now.name == then.name == "view 4"
    assert now.traffic.requests > then.traffic.requests
    assert len(priced.rows) == len(looked.rows) + 1


@pytest.mark.parametrize(
    ("options", "loc"),
    [
        ({"chunks": 32, "shards": 33, "version": "0.5"}, "shards"),
        ({"shards": 48}, "shards"),
        ({"chunks": {"q": 3}}, "chunks"),
        ({"compression": "lzma"}, "compression"),
        ({"version": "9"}, "version"),
        ({"mags": ["3-x"]}, "mags"),
    ],
)
def test_layouts_that_cannot_be_name_their_option(
    options: dict[str, Any], loc: str, looked: Tuning
):
    with pytest.raises(PlanError) as raised:
        price(looked, options)
    assert raised.value.problems[0].loc.startswith(loc)


# --- diagnosis ------------------------------------------------------------------------------------


def test_a_diagnosis_is_that_of_tune_and_its_line_gives_the_same(small: Path):
    model = diagnosed(small)
    assert model.tuning is not None
    expected = nk.tune(small, line="S3", probe=False)
    assert model.tuning.to_json() == expected.to_json()
    again = run_code(model.code["text"])
    assert again.to_json() == expected.to_json()
    assert model.report["html"] == expected._repr_html_()
    assert [item["key"] for item in model.advice["items"]] == [i.key for i in expected.advice]
    assert {one["key"] for one in model.layout.chart["legend"]} == {"now", "advised"}


@pytest.mark.parametrize("use", [*PRESETS, CUSTOM])
def test_uses_count_only_patterns_that_the_image_has(use: str, small: Path):
    texts = {"use": use} | ({"weights": "xz plane=2, view 2=1"} if use == CUSTOM else {})
    if use == "time series":
        model = TuneModel(str(small))
        model.do("set", name="use", text=use)
        model.do("run")
        assert model.work.wait(30)
        assert "no time series; it has cutout 64" in problems(model.form)["use"]
        return
    model = diagnosed(small, **texts)
    assert model.tuning is not None
    assert run_code(model.code["text"]).use == model.tuning.use
    assert (
        model.tuning.use.weights[{"viewer": "view", CUSTOM: "xz plane"}.get(use, "")]
        if (use in ("viewer", CUSTOM))
        else len(model.tuning.use.weights) == 1
    )


@pytest.mark.parametrize(
    ("texts", "field", "said"),
    [
        ({"source": "/nowhere.zarr"}, "source", "nowhere"),
        ({"source": "gopher://a/b"}, "source", "gopher"),
        ({"image": "labels/none"}, "image", "labels/none"),
        ({"use": CUSTOM, "weights": "zz plane=1"}, "weights", "no pattern 'zz plane'"),
        ({"use": CUSTOM}, "weights", "no weights"),
    ],
)
def test_what_cannot_be_diagnosed_is_said_beside_its_field(
    texts: Mapping[str, str], field: str, said: str, small: Path
):
    model = TuneModel(str(small))
    for name, text in texts.items():
        model.do("set", name=name, text=text)
    model.do("run")
    assert model.work.wait(60)
    assert said in problems(model.form)[field]
    assert model.tuning is None
    assert not model.run_state["blocked"]
    model.do("set", name=field, text="")
    assert field not in problems(model.form)


def test_without_an_image_nothing_can_begin():
    model = TuneModel()
    assert model.run_state["blocked"]
    for one, name in ((model, "run"), (model.bench, "run"), (model.layout, "run")):
        one.do(name)
        assert "image" in one.message["text"]
    model.do("take", key="all")
    assert model.message["severity"] == "error"
    model.doctor.do("data_line")
    assert "diagnose an image first" in model.doctor.message["text"]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let diagnoses wait until they are let go."""
    begun, go, tune = threading.Event(), threading.Event(), tune_model.tune

    def slow(*args: Any, **given: Any) -> Tuning:
        begun.set()
        assert go.wait(30)
        return tune(*args, **given)

    monkeypatch.setattr(tune_model, "tune", slow)
    yield begun, go
    go.set()


def test_a_diagnosis_is_cancelled_and_what_comes_late_is_dropped(held: Any, small: Path):
    begun, go = held
    model = TuneModel(str(small))
    model.do("run")
    assert begun.wait(10)
    # nothing waits for it meanwhile
    model.do("set", name="line", text="LAN")
    assert (model.run_state["doing"], model.report["busy"]) == ("running", True)
    model.do("cancel")
    assert model.work.wait(10)
    assert (model.run_state["doing"], model.report["busy"]) == ("stopped", False)
    go.set()
    model.do("run")
    assert model.work.wait(30)
    assert model.tuning is not None
    assert model.tuning.reading.line == "LAN"


def test_diagnoses_that_were_cancelled_do_not_pile_up(held: Any, small: Path):
    def reading() -> int:
        return sum(thread.name == "ngffkit-tune" for thread in threading.enumerate())

    _, go = held
    model = TuneModel(str(small))
    already = reading()
    for _ in range(6):
        model.do("run")
        model.do("cancel")
        assert model.work.wait(10)
    model.do("run")
    assert 1 <= reading() - already <= 3
    go.set()
    assert model.work.wait(30)
    assert model.tuning is not None


def test_the_line_of_python_is_of_what_is_typed_also_when_an_older_diagnosis_ends(
    held: Any, small: Path
):
    _, go = held
    model = TuneModel(str(small))
    model.do("run")
    model.do("set", name="line", text="LAN")
    go.set()
    assert model.work.wait(30)
    assert "line='LAN'" in model.code["text"]
    assert model.report["stale"]


def test_the_parts_share_a_lock():
    model = TuneModel()
    parts = (model.layout, model.bench, model.doctor)
    latest = (model.layout.latest, model.layout.pricing, model.doctor.latest)
    assert {part.lock for part in parts} | {one._lock for one in latest} == {model.lock}


def test_the_options_of_what_was_rewritten_are_known(small: Path, tmp_path: Path):
    model = diagnosed(small)
    editor = model.layout
    typed = {"chunks": "24", "target": str(tmp_path / "b.zarr"), "target_options": "token=hush"}
    for name, text in typed.items():
        editor.do("set", name=name, text=text)
    assert editor.settle()
    told: list[Mapping[str, Any]] = []
    model.observe(lambda _: told.append(model.written_with), "result")
    editor.do("run")
    assert editor.work.wait(30)
    assert editor.work.doing == "done", editor.run_state
    assert model.work.wait(30)
    assert told == [{"token": "hush"}]


def test_where_one_image_goes_another_does_not(small: Path, path: Path):
    model = diagnosed(small)
    tuning, given = model.tuning, dict(model.layout.given)
    typed = {"target": "/a.zarr", "target_options": "key=hush", "overwrite": "yes"}
    for name, text in typed.items():
        model.layout.do("set", name=name, text=text)
    model.layout.load(tuning, given)
    assert model.layout.fields.values["target"] == "/a.zarr"
    model.layout.load(tuning, {"source": str(path)})
    assert not set(typed) & set(model.layout.fields.values)


def test_nothing_is_rewritten_while_the_image_is_diagnosed(own: Path, held: Any):
    begun, go = held
    go.set()
    model = diagnosed(own)
    model.layout.do("set", name="chunks", text="32")
    assert model.layout.settle()
    assert not model.layout.hindered()
    go.clear()
    begun.clear()
    model.do("run")
    assert begun.wait(10)
    model.layout.do("run")
    assert "being diagnosed" in model.layout.message["text"]
    model.do("cancel")
    assert model.work.wait(10)
    assert not model.layout.run_state["blocked"]


def test_another_text_makes_the_report_stale(small: Path):
    model = diagnosed(small)
    assert not model.report["stale"]
    model.do("set", name="line", text="LAN")
    assert model.report["stale"]
    model.do("set", name="line", text="S3")
    assert not model.report["stale"]


# --- wrong input ----------------------------------------------------------------------------------

WRONG = [
    ("tune", "line", "DSL"),
    ("tune", "use", "nothing"),
    ("tune", "weights", "xy plane"),
    ("tune", "storage_options", "anon"),
    ("tune", "probe", "perhaps"),
    ("layout", "chunks", "6x"),
    ("layout", "shards", "-1"),
    ("layout", "compression", "lzma"),
    ("layout", "version", "9"),
    ("layout", "mags", "1, x"),
    ("layout", "target_options", "region"),
    ("layout", "overwrite", "1"),
    ("layout", "verify", "1"),
    ("layout", "keep", "1"),
    ("layout", "memory", "much"),
    ("layout", "workers", "0"),
    ("bench", "patterns", "xy plane,,"),
    ("bench", "rounds", "0"),
    ("bench", "seconds", "-1"),
]


def part_of(model: TuneModel, name: str) -> Any:
    return model if name == "tune" else getattr(model, name)


@pytest.mark.parametrize(("part", "field", "text"), WRONG)
def test_wrong_input_is_said_beside_its_field_at_once(
    part: str, field: str, text: str, small: Path
):
    model = TuneModel(str(small))
    if field == "weights":
        model.do("set", name="use", text=CUSTOM)
    one = part_of(model, part)
    one.do("set", name=field, text=text)
    said = problems(one.form)[field]
    assert repr(text) in said
    assert "expected" in said or "choose" in said
    assert one.run_state["blocked"]
    one.do("run")
    assert one.message["severity"] == "error"
    one.do("set", name=field, text="")
    assert not problems(one.form)


@pytest.fixture(scope="module")
def patient(small: Path) -> TuneModel:
    return diagnosed(small)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_text_in_any_field_raises(patient: TuneModel, data: Any):
    part = data.draw(st.sampled_from(["tune", "layout", "bench"]))
    one = part_of(patient, part)
    name = data.draw(st.sampled_from(sorted(one.fields.fields)))
    text = data.draw(st.text(max_size=20) | st.from_regex(r"[0-9xyz=,: .\-]{1,12}", fullmatch=True))
    before = one.fields.texts[name]
    one.do("set", name=name, text=text)
    assert patient.layout.settle()
    assert "mistake" not in str(one.message)
    assert "mistake" not in str(one.form["problems"])
    one.do("set", name=name, text=before)


# --- editor and rewriting -------------------------------------------------------------------------


def test_problems_of_a_layout_stand_beside_its_fields(small: Path):
    editor = diagnosed(small).layout
    editor.do("set", name="chunks", text="32")
    editor.do("set", name="shards", text="50")
    editor.do("set", name="version", text="0.5")
    assert editor.settle()
    assert "no multiple" in problems(editor.form)["shards"]
    assert editor.run_state["blocked"]
    editor.do("set", name="shards", text="64")
    assert editor.settle()
    assert not problems(editor.form)
    assert not editor.run_state["blocked"]
    assert "64" in editor.plan["html"]


def test_each_advice_can_be_taken(small: Path):
    model = diagnosed(small)
    assert model.tuning is not None
    for item in model.tuning.advice:
        model.do("take", key=item.key)
        assert model.layout.settle()
        assert {name: model.layout.fields.values.get(name) for name in item.options} == item.options
    model.do("take", key="sleep")
    assert "no advice 'sleep'" in model.message["text"]


def test_rewritten_in_place_it_is_diagnosed_anew(own: Path):
    before = nk.open_dataset(own)["image"].values
    model = diagnosed(own)
    assert model.tuning is not None
    files = model.tuning.survey.objects
    model.layout.do("set", name="chunks", text="48")
    model.layout.do("set", name="shards", text="none")
    assert model.layout.settle()
    priced = model.layout.priced
    assert priced is not None
    model.layout.do("run")
    assert model.layout.work.wait(60)
    assert model.layout.result, model.layout.work.error
    assert model.work.wait(60)
    assert model.tuning.survey.objects == priced.objects
    assert model.outcome["text"] == f"{files:,} files became {priced.objects:,}"
    assert [one["label"] for one in model.outcome["chart"]["legend"]] == ["before", "after"]
    assert model.result["url"] == str(own)
    assert model.layout.fields.values == {}
    after = nk.open_dataset(own)["image"]
    assert after.encoding["chunks"] == (48, 48, 48)
    np.testing.assert_array_equal(after.values, before)


def test_the_line_of_python_writes_the_same_bytes(own: Path, tmp_path: Path):
    model = diagnosed(own)
    editor = model.layout
    texts = {"chunks": "32", "shards": "none", "target": str(tmp_path / "panel.zarr")}
    for name, text in texts.items():
        editor.do("set", name=name, text=text)
    assert editor.settle()
    code = editor.code["text"]
    editor.do("run")
    assert editor.work.wait(60)
    assert editor.result, editor.work.error
    assert model.work.wait(60)
    assert model.fields.texts["source"] == str(tmp_path / "panel.zarr")
    run_code(code.replace("panel.zarr", "line.zarr"))
    found = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("[0-9]*")
         if p.is_file()}
        for name in ("panel.zarr", "line.zarr")
    ]  # fmt: skip
    assert found[0]
    assert found[0] == found[1]


def test_a_rewriting_is_cancelled_and_goes_on(own: Path):
    before = nk.open_dataset(own)["image"].values
    editor = diagnosed(own).layout
    editor.do("set", name="chunks", text="16")
    assert editor.settle()
    plan_of, halfway = editor.plan_of, threading.Event()

    class Slow:
        def __init__(self, plan: Any) -> None:
            self.plan = plan

        def __getattr__(self, name: str) -> Any:
            return getattr(self.plan, name)

        def run(self, watch: Any) -> Any:
            def slowly(progress: Any) -> None:
                if progress.tasks_done and not halfway.is_set():
                    halfway.set()
                    editor.do("cancel")
                watch(progress)

            return self.plan.run(slowly)

    editor.plan_of = lambda values: Slow(plan_of(values))  # type: ignore[method-assign]
    editor.do("run")
    assert editor.work.wait(60)
    assert editor.work.doing == "stopped"
    assert nk.open_dataset(own)["image"].encoding["chunks"] == (12, 12, 12)
    assert editor.run_state["doing"] == "stopped"
    editor.do("run")
    assert editor.work.wait(60)
    assert editor.result, editor.work.error
    after = nk.open_dataset(own)["image"]
    assert after.encoding["chunks"] == (16, 16, 16)
    np.testing.assert_array_equal(after.values, before)


def test_remote_images_are_rewritten_elsewhere_alone(small: Path):
    with serve(small) as server:
        model = diagnosed(server.url)
        model.layout.do("set", name="chunks", text="32")
        assert model.layout.settle()
        assert "target" in str(problems(model.layout.form))
        assert model.layout.run_state["blocked"]


def test_options_of_a_chooser_are_used_and_not_shown(small: Path):
    model = TuneModel()
    model.choose(str(small), {"secret": "hush", "anon": True})
    assert model.values["storage_options"] == {"secret": "hush", "anon": True}
    assert "hush" not in str(model.form) + model.code["text"]
    assert "'secret': secret" in model.code["text"]
    model.do("set", name="source", text="/other.zarr")
    assert "storage_options" not in model.values


def test_options_are_typed_as_they_are_read():
    for value in ({"z": 16, "x": 4}, None, ["1", "2-2-1"], "zstd:1", "auto"):
        editor = LayoutModel()
        name = "mags" if isinstance(value, list) else "shards"
        name = "compression" if value == "zstd:1" else name
        editor.fields.set(name, typed_text(value))
        assert editor.fields.values[name] == value


# --- benchmark ------------------------------------------------------------------------------------


def test_a_benchmark_stands_beside_its_prediction(small: Path):
    model = diagnosed(small, line="here", probe="yes")
    bench = model.bench
    for name, text in {"patterns": "xy plane, view 2", "rounds": "2"}.items():
        bench.do("set", name=name, text=text)
    bench.do("run")
    assert bench.work.wait(60)
    assert bench.found is not None, bench.work.error
    assert [row.name for row in bench.found.rows] == ["xy plane", "view 2"]
    assert bench.run_state["text"] == "4 of 4 reads"
    assert [one["key"] for one in bench.chart["legend"]] == ["predicted", "measured", "warm"]
    (first, _) = bench.chart["rows"]
    counted = {point["key"]: point["text"] for point in first["points"]["requests"]}
    assert counted["predicted"] == counted["measured"]
    timed = [point for point in first["points"]["seconds"] if point["key"] != "predicted"]
    assert all(point["low"] <= point["at"] <= point["high"] for point in timed)
    assert "measured" in [one["key"] for one in model.layout.chart["legend"]]
    again = run_code(bench.code["text"])
    assert [row.requests for row in again.rows] == [row.requests for row in bench.found.rows]


def test_a_benchmark_is_cancelled_between_reads(small: Path):
    bench = BenchModel()
    bench.load({"source": str(small)})
    bench.do("set", name="rounds", text="50")
    stopped = threading.Event()

    def stop(_change: Any) -> None:
        if bench.run_state["text"].startswith("1") and not stopped.is_set():
            stopped.set()
            bench.do("cancel")

    bench.observe(stop, "run_state")
    bench.do("run")
    assert bench.work.wait(60)
    assert stopped.is_set()
    assert bench.work.doing == "stopped"
    assert bench.found is None


def test_patterns_that_an_image_lacks_are_said_beside_the_field(small: Path):
    bench = BenchModel()
    bench.load({"source": str(small)})
    bench.do("set", name="patterns", text="time series")
    bench.do("run")
    assert bench.work.wait(60)
    assert "time series" in problems(bench.form)["patterns"]


# --- charts ---------------------------------------------------------------------------------------


def test_the_plot_says_the_seconds_that_advice_goes_by(small: Path):
    model = diagnosed(small)
    assert model.tuning is not None
    said = {row["name"]: row["points"]["seconds"][0]["text"] for row in model.layout.chart["rows"]}
    assert said == {row.name: brief(row.counted("S3")) for row in model.tuning.rows}


def test_places_follow_values_on_a_logarithmic_axis():
    values = {name: {"requests": n, "nbytes": n, "seconds": n} for name, n in
              {"a": 1.0, "b": 10.0, "c": 100.0}.items()}  # fmt: skip
    found = chart([Series("now", "today", values)], "S3")
    for measure in ("requests", "nbytes", "seconds"):
        a, b, c = (row["points"][measure][0]["at"] for row in found["rows"])
        assert 0 < a < b < c < 1
        assert b - a == pytest.approx(c - b, abs=1e-3)
    for axis in found["axes"]:
        places = [at for at, _ in axis["ticks"]]
        assert places == sorted(places)
        assert 2 <= len(places) <= 5


def test_empty_and_odd_values_stay_within_the_plot():
    values = {"a": {"requests": 0, "nbytes": 0.0, "seconds": 0.0}, "b": {"requests": 3}}
    found = chart([Series("now", "today", values)], "S3")
    places = [p["at"] for row in found["rows"] for ps in row["points"].values() for p in ps]
    assert all(0 <= at <= 1 for at in places)
    assert chart([], "S3")["rows"] == []


# --- the doctor -----------------------------------------------------------------------------------

MEGABYTE = 2**20
GOOD: dict[str, Any] = {
    "replies": [3.0] * 20,
    "buffers": [(MEGABYTE, 25.0), (3 * MEGABYTE, 60.0)],
    "subshell": True,
}


@pytest.mark.parametrize(
    ("given", "versions", "keys"),
    [
        ({}, {}, ["good"]),
        ({"replies": [46.0] * 20, "buffers": [(MEGABYTE, 42.0)]}, {}, ["nagle"]),
        ({"replies": [3.0] * 5 + [44.0] * 15, "buffers": [(MEGABYTE, 99.0)]}, {}, ["nagle"]),
        ({"replies": [48.0] * 20, "buffers": [(MEGABYTE, 90.0)]}, {}, ["good"]),
        # the same megabyte, of which the way is 5 ms, or 45
        (
            {"replies": [48.0] * 20, "buffers": [(MEGABYTE, 90.0), (3 * MEGABYTE, 260.0)]},
            {},
            ["nagle"],
        ),
        (
            {"replies": [48.0] * 20, "buffers": [(MEGABYTE, 90.0), (3 * MEGABYTE, 180.0)]},
            {},
            ["good"],
        ),
        ({"replies": [180.0] * 20, "buffers": [(MEGABYTE, 280.0)] * 2}, {}, ["far", "slow"]),
        ({"replies": [180.0] * 20, "buffers": [(3 * MEGABYTE, 280.0)]}, {}, ["far"]),
        ({"buffers": [(MEGABYTE, 1000.0), (3 * MEGABYTE, 2900.0)]}, {}, ["slow"]),
        ({"lost": 2}, {}, ["lost"]),
        ({"replies": [], "buffers": [], "lost": 2, "subshell": None}, {}, ["lost"]),
        ({"subshell": False}, {"ipykernel": "6.29.5"}, ["waits"]),
        ({"subshell": False}, {"ipykernel": "7.4.0"}, ["waits"]),
        ({}, {"ipykernel": "7.0.1"}, ["old"]),
        ({}, {"ipykernel": "7.1.0"}, ["good"]),
        ({}, {"ipykernel": "odd"}, ["good"]),
    ],
)
def test_the_doctor_names_the_cause(
    given: dict[str, Any], versions: dict[str, str], keys: list[str]
):
    model = DoctorModel()
    model._versions = versions
    model.do("measured", **{**GOOD, **given})
    assert not model.message
    found = model.state["findings"]
    assert [one["key"] for one in found] == keys
    assert all(one["text"] and (one["remedy"] or one["severity"] == "good") for one in found)


def test_what_to_do_depends_on_the_version():
    waits = Samples((0.003,), ((MEGABYTE, 0.02),), subshell=False)
    (old,) = findings(waits, {"ipykernel": "6.29"})
    (new,) = findings(waits, {"ipykernel": "7.4.0"})
    assert "ipykernel>=7.1" in old.code
    assert not new.code
    assert "JupyterLab" in new.remedy


def test_settings_that_are_named_are_those_of_jupyter_server():
    pytest.importorskip("jupyter_server")
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
    from traitlets.config import Config

    from ngffkit.panels.connection import NODELAY, RATE

    names: dict[str, Any] = {"c": Config()}
    exec(NODELAY + RATE, names)
    made = names["c"].ServerApp.kernel_websocket_connection_class
    assert issubclass(made, ZMQChannelsWebsocketConnection)
    assert "kernel_websocket_connection_class" in ServerApp.class_trait_names(config=True)
    for name in names["c"].ZMQChannelsWebsocketConnection:
        assert name in ZMQChannelsWebsocketConnection.class_trait_names(config=True)


@pytest.mark.parametrize(
    "given",
    [
        {"replies": ["x"], "buffers": []},
        {"replies": [-1], "buffers": []},
        {"replies": [float("nan")], "buffers": []},
        {"replies": [], "buffers": [], "lost": True},
        {"replies": []},
    ],
)
def test_measurements_that_are_none_are_refused(given: dict[str, Any]):
    model = DoctorModel()
    model.do("measured", **given)
    assert model.message["severity"] == "error"
    assert "mistake" not in model.message["text"]
    assert model.state["findings"] == []


@pytest.mark.parametrize(
    ("line", "severity"),
    [(SSD, "good"), (LAN, "good"), (S3, "advice"), (Line("here", 1e-3, 1e6, 4), "advice")],
)
def test_the_line_to_the_data_is_judged(line: Line, severity: str):
    assert of_data(line).severity == severity


def test_the_line_to_the_data_is_measured(small: Path):
    doctor = DoctorModel()
    doctor.load({"source": str(small)})
    doctor.do("data_line")
    assert doctor.latest.settle()
    (found,) = doctor.state["findings"]
    assert found["title"].startswith("data: ")
    doctor.load({"source": "/nowhere.zarr"})
    doctor.do("data_line")
    assert doctor.latest.settle()
    (found,) = doctor.state["findings"]
    assert found["severity"] == "error"
    assert "nowhere" in found["text"]
    assert not doctor.state["busy"]


def test_the_line_to_the_data_stays_busy_while_the_page_is_measured(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    go = threading.Event()
    monkeypatch.setattr("ngffkit.panels.doctor._probed", lambda _: go.wait(30) and LAN)
    doctor = DoctorModel()
    doctor.load({"source": str(small)})
    doctor.do("data_line")
    doctor.do("measured", replies=[1.0], buffers=[[2**20, 5.0]])
    assert doctor.state["busy"]
    go.set()
    assert doctor.latest.settle()
    assert not doctor.state["busy"]


def test_the_kernel_echoes_what_the_page_asks_for(monkeypatch: pytest.MonkeyPatch):
    part = DoctorPart(DoctorModel(), "state", "doctor")
    sent: list[tuple[Any, Any]] = []
    monkeypatch.setattr(part, "send", lambda content, buffers=None: sent.append((content, buffers)))
    part._hear(part, {"echo": 7, "nbytes": 0}, [])
    part._hear(part, {"echo": 8, "nbytes": NBYTES}, [])
    part._hear(part, {"echo": 9, "nbytes": 10**12}, [])
    part._hear(part, {"echo": 10, "nbytes": "x"}, [])
    assert [content["echo"] for content, _ in sent] == [7, 8, 9, 10]
    assert [len(buffers[0]) if buffers else 0 for _, buffers in sent] == [0, NBYTES, 0, 0]
    assert sent[0][0]["subshell"] is False
    aside = threading.Thread(target=lambda: part._hear(part, {"echo": 11, "nbytes": 0}, []))
    aside.start()
    aside.join()
    assert sent[-1][0]["subshell"] is True
    part._hear(part, {"do": "measured", "given": GOOD}, [])
    assert part.state["findings"][0]["key"] == "good"
    part.close()


# --- the view -------------------------------------------------------------------------------------


def test_what_needs_a_diagnosis_is_shown_after_it(small: Path):
    panel = TunePanel(TuneModel(str(small)))
    assert panel._found.layout.display == "none"
    panel.model.do("set", name="probe", text="no")
    panel.model.do("run")
    assert panel.model.work.wait(30)
    assert panel._found.layout.display == ""
    panel.close()
    panel.model.do("set", name="line", text="LAN")
    assert not panel.model.message


def test_an_error_of_reading_is_no_traceback(tmp_path: Path):
    path = made(tmp_path / "a.zarr", **LAYOUTS["v3"])
    (path / "0" / "zarr.json").write_text("{")
    model = TuneModel(str(path))
    model.do("run")
    assert model.work.wait(30)
    assert model.work.doing == "failed"
    assert isinstance(model.work.error, NgffError)
    assert "mistake" not in problems(model.form)["source"]
