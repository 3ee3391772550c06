"""Browse without a page, all panels in one, and the same under Voila."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import makers
import numpy as np
import pytest
import traitlets
import zarr

import ngffkit as nk
from ngffkit.cli import main
from ngffkit.errors import NgffError
from ngffkit.panels import voila
from ngffkit.panels.app import PANELS, App
from ngffkit.panels.browse_model import BrowseModel
from ngffkit.panels.browse_view import BrowsePanel
from ngffkit.panels.model import Model, action
from ngffkit.panels.parts import Panel
from ngffkit.panels.voila import VoilaApp

SIZE = np.arange(4 * 16 * 16, dtype="u2").reshape(4, 16, 16)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an image of two mags, a folder of two images, and a plate."""
    root = tmp_path_factory.mktemp("browse")
    how = makers.How(dims="zyx", chunks=(4, 8, 8))
    levels = [SIZE, np.ascontiguousarray(SIZE[:, ::2, ::2])]
    makers.write(root / "one.zarr", levels, how)
    for name in ("x.zarr", "y.zarr"):
        makers.write(root / "many" / name, levels, how)
    plate = root / "plate.zarr"
    for field in "01":
        makers.write(plate / "B" / "03" / field, levels, how)
    fields = [{"path": "0"}, {"path": "1"}]
    wells = [
        {"path": "B/03", "rowIndex": 0, "columnIndex": 0},
        {"path": "B/04", "rowIndex": 0, "columnIndex": 1},
    ]
    about = {"name": "p", "rows": [{"name": "B"}], "wells": wells}
    about["columns"] = [{"name": "03"}, {"name": "04"}]
    attributes = {"version": "0.5", "well": {"images": fields}}
    zarr.open_group(plate / "B" / "03", mode="a", attributes={"ome": attributes})
    zarr.open_group(plate, mode="a", attributes={"ome": {"version": "0.5", "plate": about}})
    return root


def opened(place: Any, **given: Any) -> BrowseModel:
    model = BrowseModel()
    model.do("open", place=place, **given)
    assert model.settle(30)
    assert not model.message, model.message
    return model


def choices(model: BrowseModel, name: str) -> list[str]:
    return next((f["choices"] for f in model.form["fields"] if f["name"] == name), [])


def runs(code: str, **names: Any) -> Any:
    """Run the lines that a panel shows; return what the last one gives."""
    head, last = code.rsplit("\n\n", 1)
    exec(head, names)
    return eval(last, names)


# --- browse ---------------------------------------------------------------------------------------


def test_an_image_is_opened_with_its_mags(root):
    place = str(root / "one.zarr")
    model = opened(place)
    assert model.opened == {"url": place, "count": 1, "busy": False}
    mags = choices(model, "mag")
    assert [text.split(":")[0] for text in mags] == ["auto", "1", "1-2-2"] or len(mags) == 3
    assert "16 × 16 × 4 voxels" in mags[1]
    assert "8 × 8 × 4 voxels" in mags[2]
    assert choices(model, "image") == []
    view = runs(model.code["text"])
    assert view.places.manifest["name"] == model.seen.scene.places.manifest["name"]
    view.close()


def test_a_mag_is_held_and_let_go(root):
    model = opened(str(root / "one.zarr"))
    coarse = choices(model, "mag")[2]
    model.do("set", name="mag", text=coarse, edit=7)
    assert model.mag == coarse.split(":")[0]
    assert model.form["texts"]["mag"] == coarse
    assert model.form["edits"]["mag"] == 7
    view = runs(model.code["text"])
    assert view.mag == model.mag
    view.close()
    model.do("set", name="mag", text="auto")
    assert model.mag == "auto"
    model.do("hold", mag="64")
    assert "there is no mag '64'; there are auto, 1" in model.message["text"]
    model.do("set", name="mag", text="64")
    assert "choose one of the list" in model.message["text"]


def test_images_of_a_folder_are_choices(root):
    model = opened(str(root / "many"))
    assert choices(model, "image") == ["x.zarr", "y.zarr"]
    assert model.form["texts"]["image"] == "x.zarr"
    model.do("set", name="image", text="y.zarr", edit=1)
    assert model.settle(30)
    assert (model.form["texts"]["image"], model.opened["count"]) == ("y.zarr", 2)
    view = runs(model.code["text"])
    assert view.scene.layers.layers[0].levels[0].shape == {"z": 4, "y": 16, "x": 16}
    view.close()


def test_wells_and_fields_of_a_plate_are_choices(root):
    model = opened(str(root / "plate.zarr"))
    assert choices(model, "image") == ["B/03", "B/04"]
    assert choices(model, "field") == ["B/03/0", "B/03/1"]
    model.do("set", name="field", text="B/03/1")
    assert model.settle(30)
    assert model.form["texts"] | {"mag": ""} == {"image": "B/03", "field": "B/03/1", "mag": ""}
    assert "wells='B/03')['B/03/1']" in model.code["text"]
    runs(model.code["text"]).close()
    model.do("set", name="image", text="B/04")
    assert model.settle(30)
    assert "well B/04 has no image" in model.message["text"]
    # what is still shown is chosen again
    assert model.form["texts"]["image"] == "B/03"


def test_arrays_of_the_notebook_are_shown(root):
    model = opened(SIZE)
    assert "nk.browse(x)" in model.code["text"]
    runs(model.code["text"], x=SIZE).close()
    model.do("describe")
    assert model.settle(30)
    assert "ndarray" in model.message["text"]
    assert model.card == {"html": "", "busy": False}
    labelled = opened(nk.open_dataset(str(root / "one.zarr")))
    labelled.do("check")
    assert labelled.settle(30)
    assert "valid" in labelled.card["html"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere.zarr", "does not exist"),
        ("  ", "nothing is typed"),
        ("nosuch://a/b", "can't open"),
    ],
)
def test_what_cannot_be_opened_is_said_and_what_is_shown_stays(root, place, said):
    model = opened(str(root / "one.zarr"))
    model.do("open", place=place)
    assert model.settle(30)
    assert said in model.message["text"]
    assert (model.opened["count"], model.opened["busy"]) == (1, False)
    model.do("open", place=str(root / "one.zarr"))
    assert model.settle(30)
    assert not model.message


def test_the_card_and_the_problems_are_shown_one_at_a_time(root):
    model = BrowseModel()
    model.do("check")
    assert "nothing is open" in model.message["text"]
    model = opened(str(root / "one.zarr"))
    model.do("describe")
    assert model.settle(30)
    assert "<th>format</th>" in model.card["html"]
    model.do("check")
    assert model.settle(30)
    assert "<th>format</th>" not in model.card["html"]
    assert [button["pressed"] for button in model.buttons["buttons"]] == [False, True]
    model.do("check")
    assert model.card["html"] == ""


def test_secrets_of_the_store_stand_in_no_line(root):
    options = {"anon": True, "secret": "hush"}
    model = opened(str(root / "one.zarr"), options=options)
    assert "hush" not in json.dumps([model.code, model.form, model.opened])
    assert "hush" not in repr(model.seen)
    assert "storage_options={'anon': True, 'secret': secret}" in model.code["text"]
    runs(model.code["text"], secret="hush").close()


def test_the_panel_replaces_its_viewer_and_ends_the_old_one(root):
    panel = BrowsePanel()
    assert panel.viewer is None
    panel.chooser.model.do("choose", place=str(root / "one.zarr"))
    assert panel.model.settle(30)
    first = panel.viewer
    assert first in panel.children
    panel.model.do("set", name="mag", text=choices(panel.model, "mag")[2])
    assert first.held_mag == panel.model.mag != "auto"
    # held or let go in the viewer's own controls
    first.mag = "auto"
    assert panel.model.mag == "auto"
    panel.chooser.model.do("choose", place=str(root / "many" / "x.zarr"))
    assert panel.model.settle(30)
    assert panel.viewer is not first
    assert first not in panel.children
    assert first.comm is None
    last = panel.viewer
    panel.close()
    assert last.comm is None


def test_choosing_again_while_an_image_is_opened_waits_for_nobody(root):
    panel = BrowsePanel()
    place = str(root / "one.zarr")
    held, chosen = threading.Event(), threading.Event()

    def found() -> None:
        # as the thread does that has opened an image
        with panel.model.lock:
            held.set()
            chosen.wait(0.3)
            panel.chooser.model.put(text=place)

    def choose() -> None:
        held.wait(10)
        panel.chooser.model.do("choose", place=place)
        chosen.set()

    threads = [threading.Thread(target=work, daemon=True) for work in (found, choose)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert panel.model.settle(30)
    assert panel.model.opened["count"] == 1
    panel.close()


def test_what_is_shown_no_longer_is_not_described(root, monkeypatch):
    go = threading.Event()

    def slow(_: Any) -> Any:
        go.wait(30)
        raise NgffError("of the image before")

    monkeypatch.setattr("ngffkit.description.describe", slow)
    model = opened(str(root / "one.zarr"))
    model.do("describe")
    model.do("open", place=str(root / "many" / "x.zarr"))
    assert model._latest.settle(30)
    go.set()
    assert model.settle(30)
    assert not model.message


# --- all in one -----------------------------------------------------------------------------------


def test_panels_are_made_when_they_are_first_shown(root):
    app = nk.app(root / "one.zarr")
    assert list(app.panels) == ["Browse"]
    assert app.panels["Browse"].model.settle(30)
    assert app.panels["Browse"].model.opened["url"] == str(root / "one.zarr")
    for name in PANELS:
        app.model.do("turn", name=name)
        assert not app.model.message, app.model.message
        shown = [n for n, p in app.panels.items() if p.layout.display != "none"]
        assert shown == [name]
    assert app.panels["Tune"].model.fields.texts["source"] == str(root / "one.zarr")
    app.model.do("turn", name="Fly")
    assert "there is no tab 'Fly'" in app.model.message["text"]
    app.close()


def test_an_array_is_shown_and_may_be_written():
    app = App(SIZE, panels=("Browse", "Write"))
    app.model.do("turn", name="Write")
    write = app.panels["Write"].model
    assert write.settle(30)
    assert write.fields.values["data"]
    assert app.panels["Browse"].model.settle(30)
    assert app.panels["Browse"].model.opened["count"] == 1
    app.close()


def test_tune_takes_up_what_browse_shows_with_its_options(root):
    app = App(panels=("Browse", "Tune"))
    browse = app.panels["Browse"].model
    browse.do("open", place=str(root / "many"), options={"secret": "hush"})
    assert browse.settle(30)
    browse.do("set", name="image", text="y.zarr")
    assert browse.settle(30)
    app.model.do("turn", name="Tune")
    tune = app.panels["Tune"].model
    assert tune.values["source"] == str(root / "many")
    assert tune.values["image"] == "y.zarr"
    assert tune.values["storage_options"] == {"secret": "hush"}
    assert "hush" not in json.dumps([tune.form, tune.code])
    app.close()


def test_an_app_that_is_closed_leaves_nothing(root):
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    app = nk.app(root / "one.zarr")
    for name in PANELS:
        app.model.do("turn", name=name)
    assert app.panels["Browse"].model.settle(30)
    app.panels["Browse"].model.do("open", place=str(root / "many"))
    assert app.panels["Browse"].model.settle(30)
    assert len(_instances) > len(before) + 50
    app.close()
    assert set(_instances) <= before


class Making(Model):
    """Makes an image at once."""

    result = traitlets.Dict()
    written_with = {"key": "hush"}  # noqa: RUF012 - never changed

    @action
    def make(self, url: str) -> None:
        self.result = {"url": url, "text": "made"}


def test_what_a_panel_made_is_opened_in_browse_by_a_click(root, monkeypatch):
    monkeypatch.setattr(
        "ngffkit.panels.convert_view.ConvertPanel", lambda: Panel(Making(), []), raising=False
    )
    app = App(panels=("Convert", "Browse"))
    assert list(app.panels) == ["Convert"]
    app.panels["Convert"].model.do("make", url=str(root / "one.zarr"))
    (button,) = app.model.buttons["buttons"]
    assert button["label"] == "Open one.zarr in Browse"
    assert "hush" not in json.dumps([app.model.buttons, app.model.made])
    app.model.do(button["do"], **button["given"])
    browse = app.panels["Browse"].model
    assert browse.settle(30)
    assert browse.opened["url"] == str(root / "one.zarr")
    assert browse.seen.options == {"key": "hush"}
    assert app.model.tabs["chosen"] == "Browse"
    assert app.model.buttons["buttons"] == []
    app.close()


@pytest.mark.parametrize("panels", [(), ("Fly",), "Browse", ("Browse", "Browse")])
def test_other_panels_are_refused(panels):
    with pytest.raises(NgffError, match="choose some of Browse, Convert, Write, Tune"):
        nk.app(panels=panels)


# --- Voila ----------------------------------------------------------------------------------------


def status(url: str, **how: Any) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **how), timeout=60) as answer:
            return int(answer.status) if "login" not in answer.url else 401
    except urllib.error.HTTPError as err:
        with err:
            return err.code


@pytest.mark.slow
def test_the_app_is_served_to_whoever_has_the_token_and_ends_with_ctrl_c(root, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "ngffkit.cli", "app", "one.zarr", "--no-browser"],
        cwd=root,
        env=None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        base, token = url.split("?token=")
        assert base.startswith("http://127.0.0.1:")
        for path in ("", "api/kernels/0", "voila/static/x.js"):
            assert status(base + path) in (401, 403, 404)
        assert status(f"{base}?token=wrong") in (401, 403)
        shutdown = f"{base}voila/api/shutdown/0"
        assert status(shutdown, method="POST", data=b"") in (401, 403)
        # neither the token nor the address is in the list of processes
        lines = Path(f"/proc/{process.pid}/cmdline")
        if lines.exists():
            shown = subprocess.run(
                ["ps", "-eo", "args"], capture_output=True, text=True, check=True
            )
            assert token not in shown.stdout
        assert status(url) == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "stopped" in said
    with pytest.raises(OSError, match="refused"):
        status(base)


def test_the_notebook_of_the_app_runs_where_the_user_is(tmp_path):
    notebook = voila._notebook("a'b.zarr", tmp_path)
    first, second = (cell["source"] for cell in notebook["cells"])
    assert first == f"import os\nos.chdir({str(tmp_path)!r})"
    assert second.splitlines()[:2] == ["import ngffkit as nk", 'app = nk.app("a\'b.zarr")']
    # what it opens on is there before the page is
    assert second.splitlines()[2].startswith("app.settle(")
    assert second.splitlines()[3] == "app"


def test_voila_that_is_missing_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(NgffError, match=r"pip install 'ngffkit\[app\]'"):
        VoilaApp()


def test_a_folder_or_port_that_cannot_be_had_is_said(tmp_path, capsys):
    assert main(["app", "--folder", str(tmp_path / "no"), "--no-browser"]) == 2
    assert "there is no folder" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port), "--no-browser"]) == 2
    assert f"port {port} can't be had" in capsys.readouterr().err
    assert main(["app", "--port", "99999", "--no-browser"]) == 2
    assert main(["app", "a", "b"]) == 2


def test_voila_that_fails_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    homes: list[str] = []

    def start(self: VoilaApp, notebook: Path) -> Any:
        homes.append(str(notebook.parent))
        self._log.write_text(f"a line\nno kernel {self._token}\n")
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])

    monkeypatch.setattr(VoilaApp, "_started", start)
    with pytest.raises(NgffError, match=r"Voila did not begin: no kernel \.\.\."):
        VoilaApp(folder=str(tmp_path))
    assert not Path(homes[0]).exists()


def test_kernels_that_no_page_shows_are_ended_when_idle_and_the_token_is_no_argument(
    tmp_path, monkeypatch
):
    commands: list[list[str]] = []
    tokens: list[str] = []

    def begin(command: list[str], **how: Any) -> Any:
        commands.append(command)
        tokens.append(how["env"]["JUPYTER_TOKEN"])
        raise KeyboardInterrupt

    monkeypatch.setattr(voila.subprocess, "Popen", begin)
    with pytest.raises(KeyboardInterrupt):
        VoilaApp(folder=str(tmp_path))
    (command,), (token,) = commands, tokens
    assert "--Voila.ip=127.0.0.1" in command
    assert "--Voila.auto_token=True" in command
    assert "--MappingKernelManager.cull_idle_timeout=600" in command
    assert len(token) >= 24
    assert not any(token in word for word in command)


def test_the_app_settles_when_its_image_is_shown(root):
    app = nk.app(str(root / "one.zarr"))
    assert app.settle()
    assert app.panels["Browse"].viewer in app.panels["Browse"].children
    for name in ("Convert", "Write", "Tune"):
        app.model.do("turn", name=name)
    assert app.settle()
    app.close()
