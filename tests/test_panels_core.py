"""What all panels are made of: forms, work in the background, models, and their parts in a page."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
import traitlets

import ngffkit as nk
from ngffkit import typed
from ngffkit.errors import BusyError, NgffError, PlanError, Problem
from ngffkit.execute.running import Progress
from ngffkit.panels.fields import Field, choice, group, is_yes, switch
from ngffkit.panels.form import Form, problems_of
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import Model, action
from ngffkit.panels.parts import Panel, Part
from ngffkit.panels.runs import Run

FIELDS = (
    Field("chunks", "chunks", "voxels per chunk", typed.voxels, default="auto"),
    Field("memory", "memory", "what may be taken", typed.memory),
    *group("more", switch("overwrite", "overwrite", "remove what is there")),
    choice("method", "method", "how mags are made", ("mean", "median"), "mean"),
)


# --- forms ----------------------------------------------------------------------------------------


def test_only_what_differs_from_the_default_is_asked_for():
    form = Form(FIELDS)
    assert form.values == {}
    form.update({"chunks": "64,64,32", "memory": " 1 GB ", "overwrite": "yes", "method": "median"})
    expected = {"chunks": (64, 64, 32), "memory": "1 GB", "overwrite": True, "method": "median"}
    assert form.values == expected
    form.update({"chunks": "auto", "memory": "", "overwrite": "no", "method": "mean"})
    assert form.values == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [("chunks", "6x"), ("chunks", "-1"), ("memory", "much"), ("overwrite", "perhaps")],
)
def test_a_text_that_cannot_be_read_says_so_beside_its_field(name, text):
    form = Form(FIELDS)
    form.set(name, text)
    (problem,) = form.problems[name]
    assert repr(text) in problem.message
    assert "expected" in problem.remedy
    assert not form.ok
    assert not form.readable
    assert name not in form.values
    form.set(name, form.fields[name].default)
    assert form.ok
    assert not form.problems


def test_what_functions_say_stands_beside_the_field_until_that_is_typed_into():
    form = Form(FIELDS)
    form.tell(
        [
            Problem("chunks.z", "error", "too deep"),
            Problem("chunks", "advice", "rather 64"),
            Problem("memory", "error", "too little"),
            Problem("source", "error", "nothing there"),
        ]
    )
    said = {name: [p.message for p in found] for name, found in form.problems.items()}
    expected = {"chunks": ["too deep", "rather 64"], "memory": ["too little"]}
    assert said == expected | {"": ["nothing there"]}
    form.set("chunks", "32")
    assert set(form.problems) == {"memory", ""}


def test_a_text_that_cannot_be_read_hides_what_was_said_of_the_former_one():
    form = Form(FIELDS)
    form.set("memory", "much")
    form.tell([Problem("memory", "error", "too little")])
    (problem,) = form.problems["memory"]
    assert "much" in problem.message


def test_there_is_no_other_field():
    with pytest.raises(NgffError, match="no field 'chunk'; choose chunks, memory"):
        Form(FIELDS).set("chunk", "64")


def test_what_a_page_shows_is_plain_data():
    import json

    form = Form(FIELDS)
    form.set("chunks", "x", edit=3)
    state = json.loads(json.dumps(form.to_json()))
    assert state["edits"] == {"chunks": 3}
    assert state["texts"]["chunks"] == "x"
    assert state["problems"]["chunks"][0]["severity"] == "error"
    assert [field["group"] for field in state["fields"]] == ["", "", "more", ""]


def test_errors_become_problems_of_their_fields():
    problem = Problem("chunks", "error", "no")
    assert problems_of(PlanError([problem])) == (problem,)
    (other,) = problems_of(NgffError("gone"), "source")
    assert (other.loc, other.message) == ("source", "gone")


def test_a_switch_is_yes_or_no():
    with pytest.raises(ValueError, match="yes or no"):
        is_yes("1")


# --- the last thing asked for ---------------------------------------------------------------------


def test_only_the_last_answer_is_given():
    latest, found, begun = Latest("test", pause=0.01), [], threading.Event()
    release = threading.Event()

    def slow() -> str:
        begun.set()
        release.wait(10)
        return "old"

    latest.ask(slow, found.append)
    assert begun.wait(10)
    latest.ask(lambda: "new", found.append)
    release.set()
    assert latest.settle(10)
    assert found == ["new"]
    latest.ask(lambda: "again", found.append)
    latest.drop()
    assert latest.settle(10)
    assert found == ["new"]


def test_no_answer_is_given_once_more_was_asked_for():
    lock, found, ready = threading.RLock(), [], threading.Event()
    latest = Latest("test", 0.0, lock)

    def quick() -> str:
        ready.set()
        return "old"

    with lock:
        latest.ask(quick, found.append)
        assert ready.wait(10)
        # it is done, and only this lock is between it and whoever waits for it
        assert not latest.settle(0.05)
        latest.ask(lambda: "new", found.append)
        assert found == []
    assert latest.settle(10)
    assert found == ["new"]


# --- work -----------------------------------------------------------------------------------------


class Steps:
    """Work of some steps, each of which waits to be let go."""

    def __init__(self, count: int) -> None:
        self.count, self.done = count, 0
        self.go = threading.Semaphore(0)

    def __call__(self, watch: Any) -> int:
        for i in range(self.count):
            watch(Progress(i, self.count, i, self.count, "0", 0, 1.0, 0))
            assert self.go.acquire(timeout=10)
            self.done += 1
        return self.done


def until(check: Any) -> None:
    event = threading.Event()
    for _ in range(1000):
        if check():
            return
        event.wait(0.01)
    raise AssertionError("it did not come to pass")


def test_work_ends_with_its_result():
    seen = []
    run = Run(lambda: seen.append(run.doing))
    steps = Steps(3)
    run.start(steps)
    steps.go.release(3)
    assert run.wait(10)
    assert (run.doing, run.result, run.to_json()["error"]) == ("done", 3, "")
    assert seen[0] == "running"
    assert seen[-1] == "done"


def test_paused_work_stands_still_and_goes_on():
    run, steps = Run(lambda: None), Steps(5)
    run.start(steps)
    steps.go.release(1)
    until(lambda: steps.done == 1)
    run.pause()
    steps.go.release(4)
    # the step that had begun ends; the next is held before it begins
    until(lambda: steps.done == 2)
    assert not run.wait(0.2)
    assert (run.doing, steps.done) == ("paused", 2)
    run.resume()
    assert run.wait(10)
    assert (run.doing, steps.done) == ("done", 5)


@pytest.mark.parametrize("paused", [False, True])
def test_cancelled_work_stops_and_can_be_begun_again(paused):
    run, steps = Run(lambda: None), Steps(5)
    run.start(steps)
    if paused:
        run.pause()
    run.cancel()
    steps.go.release(5)
    assert run.wait(10)
    assert run.doing == "stopped"
    assert steps.done < 5
    run.start(lambda _: "again")
    assert run.wait(10)
    assert (run.doing, run.result) == ("done", "again")


def test_work_that_runs_is_not_begun_twice():
    run, steps = Run(lambda: None), Steps(1)
    run.start(steps)
    with pytest.raises(BusyError, match="cancel"):
        run.start(steps)
    steps.go.release()
    assert run.wait(10)


@pytest.mark.parametrize(
    ("error", "said"),
    [(NgffError("slice 3 is damaged"), "slice 3"), (KeyError("x"), "mistake in ngffkit")],
)
def test_work_that_fails_says_why(error, said, caplog):
    run = Run(lambda: None)

    def fail(_watch: Any) -> None:
        raise error

    run.start(fail)
    assert run.wait(10)
    assert run.doing == "failed"
    assert said in run.to_json()["error"]
    assert bool(caplog.records) == isinstance(error, KeyError)


def test_an_error_while_the_work_is_being_stopped_is_told():
    run, begun = Run(lambda: None), threading.Event()

    def fail(_watch: Any) -> None:
        begun.set()
        until(lambda: run.doing == "stopping")
        raise NgffError("the disk is full")

    run.start(fail)
    assert begun.wait(10)
    run.cancel()
    assert run.wait(10)
    assert (run.doing, str(run.error)) == ("failed", "the disk is full")


def test_a_conversion_is_cancelled_and_goes_on_where_it_stopped(tmp_path):
    volume = np.arange(64 * 128 * 128, dtype="u2").reshape(64, 128, 128)
    options: dict[str, Any] = {"voxel_size": (1, 1, 1), "chunks": 32, "shards": None, "mags": ["1"]}
    target = str(tmp_path / "a.zarr")
    halfway = threading.Event()
    run = Run(lambda: None)

    def work(watch: Any) -> Any:
        def slowly(progress: Progress) -> None:
            if progress.tasks_done >= 1 and not halfway.is_set():
                halfway.set()
                until(lambda: run.doing == "stopping")
            watch(progress)

        return nk.plan(volume, target, **options).run(slowly)

    run.start(work)
    assert halfway.wait(30)
    run.cancel()
    assert run.wait(30)
    assert run.doing == "stopped"
    run.start(lambda watch: nk.plan(volume, target, **options).run(watch))
    assert run.wait(30)
    assert run.doing == "done", run.error
    assert "was there" in run.to_json()["text"]
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, volume)


def test_a_result_is_not_lost_to_whoever_types_as_it_comes():
    seen = []

    def changed() -> None:
        if run.doing == "done":
            run.rest()
            seen.append((run.doing, run.result))

    run = Run(changed)
    run.start(lambda _: 5)
    assert run.wait(10)
    assert seen == [("done", 5)]
    run.rest()
    assert run.doing == "ready"


def test_work_heeds_a_cancel_before_it_tells_of_any_progress():
    run, begun, go, reached = Run(lambda: None), threading.Event(), threading.Event(), []

    def work(_watch: Any) -> None:
        begun.set()
        assert go.wait(10)
        run.heed()
        reached.append(1)

    run.start(work)
    assert begun.wait(10)
    run.cancel()
    go.set()
    assert run.wait(10)
    assert (run.doing, reached) == ("stopped", [])
    run.rest()
    assert run.doing == "ready"


# --- models and parts -----------------------------------------------------------------------------


class Counting(Model):
    count = traitlets.Dict({"n": 0})

    @action
    def add(self, by: int = 1) -> None:
        self.show("count", {"n": self.count["n"] + by})

    @action
    def break_(self) -> None:
        raise NgffError("broken")

    @action
    def stumble(self) -> None:
        raise RuntimeError("oops")

    def secret(self) -> None:
        raise AssertionError("not an action")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("break_", {}), "broken"),
        (("secret", {}), "no action 'secret'"),
        (("__init__", {}), "no action"),
        (("add", {"times": 2}), "unexpected keyword argument 'times'"),
        (("add", {"name": 2}), "unexpected keyword argument 'name'"),
        (("stumble", {}), "mistake in ngffkit"),
    ],
)
def test_what_goes_wrong_in_an_action_is_said(asked, said):
    model = Counting()
    model.do(asked[0], **asked[1])
    assert said in model.message["text"]
    assert model.message["severity"] == "error"
    assert model.count == {"n": 0}


def test_nothing_is_shown_while_python_ends_and_what_is_being_shown_is_shown_whole():
    code = """
import atexit, threading, time
atexit.register(lambda: (print("lines are gone", flush=True), time.sleep(0.6)))
from ngffkit.panels.latest import Latest
begun = threading.Event()
def slow(_):
    begun.set(); time.sleep(0.3); print("whole", flush=True)
Latest("one", 0).ask(lambda: None, slow)
Latest("two", 0).ask(lambda: time.sleep(0.3), lambda _: print("late", flush=True))
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["whole", "lines are gone"]


def test_a_thread_that_ended_leaves_nothing_for_the_end_of_python():
    latest = Latest("example", 0)
    latest.ask(lambda: None, lambda _: None)
    assert latest.settle(10)
    left = weakref.ref(latest)
    del latest
    deadline = time.monotonic() + 10
    while left() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert left() is None


def test_a_message_waits_for_whoever_changes_the_state():
    model = Counting()
    with model.lock:
        thread = threading.Thread(target=model.say, args=("late",))
        thread.start()
        thread.join(0.05)
        assert model.message == {}
    thread.join(10)
    assert model.message["text"] == "late"


def test_a_part_shows_its_section_and_passes_on_actions():
    model = Counting()
    part = Part(model, "count", "card", "a title", label="Go")
    assert (part.kind, part.title, part.fixed, part.state) == (
        *("card", "a title", {"label": "Go"}, {"n": 0}),
    )
    part._hear(part, {"do": "add", "given": {"by": 3}}, [])
    part._hear(part, {"do": "add"}, [])
    assert part.state == {"n": 4}
    for odd in ("text", {"do": 5}, {"do": "add", "given": [1]}, None):
        part._hear(part, odd, [])
    assert part.state == {"n": 5}
    assert Panel(model, [part]).children == (part,)
    part.close()
    model.do("add")
    assert part.state == {"n": 5}
