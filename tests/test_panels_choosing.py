"""Choosing a place: this machine, a bucket, web servers with and without index pages, fsspec."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import buckets
import httpd
import pytest

from ngffkit.errors import NgffError
from ngffkit.panels import choosing, listing
from ngffkit.panels.chooser import MOST, Chooser, too_long
from ngffkit.panels.choosing import PAGE, ChooseModel
from ngffkit.panels.indexes import links
from ngffkit.panels.listing import above, joined, list_place, place_of
from ngffkit.panels.storage import masked, read_options, spelled

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of folders, Zarrs with and without the name of one, and files."""
    root = tmp_path / "data"
    for name in ("a b", "named.zarr", "unnamed", "wk"):
        (root / name).mkdir(parents=True)
    (root / "unnamed" / "zarr.json").write_text("{}")
    (root / "wk" / "datasource-properties.json").write_text("{}")
    for name in ("z10.tif", "z9.tif", ".hidden"):
        (root / name).write_bytes(b"x" * 2000)
    (root / "packed.ozx").write_bytes(b"PK")
    return root


def entries(model: ChooseModel) -> list[tuple[str, str]]:
    return [(entry["name"], entry["kind"]) for entry in model.listing["entries"]]


def listed(place: Any, options: dict[str, Any] | None = None, **how: Any) -> ChooseModel:
    model = ChooseModel(**how)
    if options:
        model.storage_options = options
    model.do("go", place=str(place))
    assert model.settle(30)
    assert not model.message
    return model


# --- this machine ---------------------------------------------------------------------------------


def test_a_folder_is_listed_with_zarrs_as_single_things(folder):
    model = listed(folder)
    assert entries(model) == [
        ("a b", "folder"),
        ("named.zarr", "zarr"),
        *(("packed.ozx", "zarr"), ("unnamed", "zarr"), ("wk", "zarr")),
        *(("z9.tif", "file"), ("z10.tif", "file")),
    ]
    assert [entry["size"] for entry in model.listing["entries"]][-1] == "2.0 kB"
    assert model.listing["crumbs"][-1] == {"label": "data", "place": str(folder)}
    model.do("filter", text=".hid")
    assert model.settle()
    assert entries(model) == [(".hidden", "file")]


def test_folders_are_entered_and_left(folder):
    model = listed(folder)
    model.do("enter", name="a b")
    assert model.settle()
    assert (model.listing["place"], entries(model)) == (str(folder / "a b"), [])
    model.do("up")
    assert model.settle()
    assert model.listing["place"] == str(folder)
    model.do("enter", name="unnamed")
    assert model.settle()
    assert (model.listing["zarr"], entries(model)) == (True, [("zarr.json", "file")])
    model.do("go", place="../wk")
    assert model.settle()
    assert model.listing["place"] == str(folder / "wk")


def test_what_is_marked_is_chosen_else_the_folder(folder):
    model = listed(folder)
    model.do("toggle")
    model.do("mark", name="z9.tif")
    model.do("choose")
    assert model.chosen == {"url": str(folder / "z9.tif"), "count": 1}
    assert not model.listing["open"]
    model.do("mark", name="")
    model.do("choose")
    model.do("choose", place="a b")
    assert model.chosen == {"url": str(folder / "a b"), "count": 3}


@pytest.mark.parametrize(
    ("typed", "chosen"), [("unnamed", True), ("named.zarr", True), ("z9.tif", True), ("a b", False)]
)
def test_a_typed_zarr_or_file_is_taken_and_a_folder_is_listed(folder, typed, chosen):
    model = ChooseModel(str(folder))
    model.do("take", place=typed)
    assert model.settle()
    assert model.chosen["url"] == (str(folder / typed) if chosen else "")
    assert model.listing["open"] is not chosen
    assert model.listing["text"] == str(folder / typed)


def test_fifty_thousand_files_come_a_page_at_a_time(tmp_path):
    for i in range(50_000):
        os.close(os.open(tmp_path / f"z{i}.tif", os.O_CREAT | os.O_WRONLY))
    model = listed(tmp_path)
    shown = model.listing
    assert (shown["total"], shown["matching"], len(shown["entries"])) == (50_000, 50_000, PAGE)
    assert len(json.dumps(shown)) < 20_000
    model.do("turn", offset=PAGE)
    assert model.settle()
    assert entries(model)[0] == ("z100.tif", "file")
    model.do("turn", offset=10**9)
    assert model.settle()
    assert entries(model)[-1] == ("z49999.tif", "file")
    model.do("filter", text="*77.tif", edit=3)
    assert model.settle()
    assert (model.listing["matching"], model.listing["edits"]["filter"]) == (500, 3)
    assert too_long(str(tmp_path))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nowhere", "there is no"),
        ("a\0b", "null"),
        ("~nobodyatall/x", "not a path"),
        ("s3://", "s3:// lacks a bucket"),
        ("nosuch://a/b", "not known"),
        ("memory://nowhere", "nothing is at"),
    ],
)
def test_what_cannot_be_listed_is_said_and_the_list_stays(folder, typed, said):
    model = listed(folder)
    model.do("go", place=typed)
    assert model.settle()
    text = model.listing["error"] or model.message["text"]
    assert said in text
    assert "mistake" not in text
    assert model.listing["place"] == str(folder)
    assert not model.listing["busy"]
    model.do("go", place=str(folder / "wk"))
    assert model.settle()
    assert not model.listing["error"]


def test_a_folder_that_may_not_be_read_is_said(folder, monkeypatch):
    def refuse(_: str) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(NgffError, match="may not be read by you; ask its owner"):
        list_place(str(folder))


def test_nothing_typed_is_no_place(folder):
    model = ChooseModel(str(folder))
    model.do("take", place="  ")
    assert "nothing is typed" in model.message["text"]


def test_a_disk_that_hangs_is_given_up_and_holds_up_nothing(folder, monkeypatch):
    release = threading.Event()
    real = list_place

    def slow(place: str, options: Any) -> Any:
        if place.endswith("slow"):
            release.wait(30)
        return real(place, options)

    monkeypatch.setattr("ngffkit.panels.choosing.list_place", slow)
    model = ChooseModel(str(folder), patience=0.2)
    model.do("go", place="slow")
    assert model.listing["busy"]
    assert model.settle(10)
    assert "didn't answer within 0.2 s" in model.listing["error"]
    patient = ChooseModel(str(folder), patience=60)
    patient.do("go", place="slow")
    patient.do("filter", text="x")
    patient.do("go", place="wk")
    assert patient.settle(10)
    assert patient.listing["place"] == str(folder / "wk")
    release.set()


def test_an_entry_that_hangs_is_given_up_as_well(folder, monkeypatch):
    release = threading.Event()
    real = choosing.is_one

    def slow(place: str, entry: Any) -> bool:
        # a network disk that is gone, mounted in the folder
        if entry.name == "wk":
            release.wait(30)
        return real(place, entry)

    monkeypatch.setattr(choosing, "is_one", slow)
    model = ChooseModel(str(folder.parent), patience=0.2)
    model.do("go", place=str(folder))
    assert model.settle(10)
    assert "didn't answer within 0.2 s" in model.listing["error"]
    model.do("go", place=str(folder / "a b"))
    assert model.settle(10)
    assert model.listing["place"] == str(folder / "a b")
    # a page or a filter may come upon it later
    model = ChooseModel(str(folder), patience=0.2)
    monkeypatch.setattr(choosing, "is_one", real)
    model.do("again")
    assert model.settle(10)
    monkeypatch.setattr(choosing, "is_one", slow)
    model.do("filter", text="w")
    assert model.settle(10)
    assert "didn't answer within 0.2 s" in model.listing["error"]
    release.set()


def test_places_are_offered_as_one_types(folder):
    model = listed(folder)
    model.do("complete", text=f"{folder}/Z", edit=4)
    assert model.settle()
    assert model.listing["offers"] == [f"{folder}/z9.tif", f"{folder}/z10.tif"]
    assert model.listing["edits"]["text"] == 4
    for text in ("z", "", "s3://", "/nowhere/at/all"):
        model.do("complete", text=text)
        assert model.settle()
        assert model.listing["offers"] == []


def test_a_target_is_a_folder_and_a_name(folder):
    model = ChooseModel(str(folder), "target")
    model.do("choose")
    assert "type a name" in model.listing["name_error"]
    model.do("call_it", name="a/b", edit=1)
    assert "without slashes" in model.listing["name_error"]
    model.do("choose")
    assert model.chosen["count"] == 0
    model.do("call_it", name="new", edit=2)
    model.do("choose")
    assert model.chosen["url"] == str(folder / "new.zarr")
    model.do("mark", name="packed.ozx")
    model.do("choose")
    assert model.chosen["url"] == str(folder / "packed.ozx")


# --- secrets --------------------------------------------------------------------------------------


def test_secrets_stand_neither_in_the_state_nor_in_code():
    model = ChooseModel()
    model.do("options", text="anon=false secret=hush access_key_id=AKIA", edit=1)
    assert model.storage_options == {"anon": False, "secret": "hush", "access_key_id": "AKIA"}
    assert model.listing["options"] == "anon=false secret=*** access_key_id=***"
    model.do("options", text="secret=*** region=eu", edit=2)
    assert model.storage_options == {"secret": "hush", "region": "eu"}
    model.do("options", text="hush", edit=3)
    assert "KEY=VALUE" in model.listing["options_error"]
    told = json.dumps([model.listing, model.message, model.chosen]) + repr(model)
    assert "hush" not in told
    assert "AKIA" not in told
    assert repr(spelled(model.storage_options)) == "{'secret': secret, 'region': 'eu'}"
    assert masked(read_options("token=1", {})) == "token=***"


# --- buckets --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with buckets.running("unlisted") as url:
        with buckets.client_of(url) as client:
            client.create_bucket(Bucket="listed", ACL="public-read")
            for key in ("top.tif", "a b/im/zarr.json", "a b/c.zarr/zarr.json", "a b/x.tif"):
                client.put_object(Bucket="listed", Key=key, Body=b"x" * 1500, ACL="public-read")
            client.put_object(Bucket="unlisted", Key="a", Body=b"x")
        yield url


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)


def test_a_bucket_is_listed(endpoint, nobody):
    model = listed("s3://listed", {"endpoint_url": endpoint, "anon": True})
    assert entries(model) == [("a b", "folder"), ("top.tif", "file")]
    assert model.listing["entries"][1]["size"] == "1.5 kB"
    assert not model.listing["up"]
    model.do("enter", name="a b")
    assert model.settle(30)
    # what a folder of a bucket is, is seen when it is entered
    assert entries(model) == [("c.zarr", "zarr"), ("im", "folder"), ("x.tif", "file")]
    model.do("take", place="s3://listed/a b/im/")
    assert model.settle(30)
    assert model.chosen["url"] == "s3://listed/a b/im"
    model.do("take", place="s3://listed/a b/x.tif")
    assert model.settle(30)
    assert model.chosen == {"url": "s3://listed/a b/x.tif", "count": 2}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://nosuch/a", "there is no such bucket"),
        ("s3://listed/nothing", "nothing is at s3://listed/nothing"),
    ],
)
def test_what_a_bucket_refuses_is_said(endpoint, nobody, place, said):
    with pytest.raises(NgffError, match=said):
        list_place(place, {"endpoint": endpoint, "anon": True})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("status code: 403 <Code>AccessDenied</Code>", "may not be listed by you"),
        ("<Code>InvalidAccessKeyId</Code> status code: 403", "key isn't accepted"),
        ("error sending request: dns error", "look at the endpoint"),
        ("something else", "something else"),
    ],
)
def test_what_clouds_say_is_put_into_words(answer, said, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(answer)

    monkeypatch.setattr("obstore.list_with_delimiter", refuse)
    with pytest.raises(NgffError, match=said):
        list_place("s3://unlisted/a", {"anon": True})


# --- web servers ----------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Nginx(BaseHTTPRequestHandler):
    """An index page as nginx has it: absolute and sorted links, in chunks, without a length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = (
            b'<html><body><h1>Index of /d/</h1><a href="../">../</a><a href="?C=N">Name</a>'
            b'<a href="/d/a%20b/">a b/</a> <a href="im.zarr/">im.zarr/</a><a href="x.tif">x</a>'
            b'<a href="https://elsewhere/">e</a><a href="http://[bad">b</a><a href="/d/x/y">y</a>'
        )
        self.send_response(200 if self.path == "/d/" else 403)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.path == "/d/":
            self.wfile.write(f"{len(page):x}\r\n".encode() + page + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_index_pages_are_lists(folder):
    with web(partial(Quiet, directory=str(folder.parent))) as url:
        model = listed(f"{url}/data")
        found = entries(model)
        assert ("a b", "folder") in found
        assert ("named.zarr", "zarr") in found
        assert ("z9.tif", "file") in found
        model.do("enter", name="unnamed")
        assert model.settle(30)
        assert model.listing["zarr"]
        model.do("go", place=f"{url}/data")
        assert model.settle(30)
        model.do("mark", name="z9.tif")
        model.do("choose")
        assert model.chosen["url"] == f"{url}/data/z9.tif"


def test_headers_for_one_server_go_to_no_other():
    seen: list[tuple[str, str | None]] = []

    class Away(BaseHTTPRequestHandler):
        """Sends to another server, which has a list."""

        def do_GET(self) -> None:
            host = self.headers["Host"]
            seen.append((host, self.headers["Authorization"]))
            if self.path == "/first/":
                self.send_response(302)
                self.send_header("Location", "/moved/")
            elif self.path == "/moved/":
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{host.split(':')[1]}/list/")
            else:
                self.send_response(200)
            self.send_header("Content-Length", "17")
            self.end_headers()
            self.wfile.write(b'<a href="a.tif"> ')

        def log_message(self, *_: Any) -> None:
            pass

    with web(Away) as url:
        options = {"headers": {"Authorization": "Bearer hush"}}
        assert [e.name for e in list_place(f"{url}/first", options).entries] == ["a.tif"]
    own = url.removeprefix("http://")
    elsewhere = own.replace("127.0.0.1", "localhost")
    assert seen == [(own, "Bearer hush")] * 2 + [(elsewhere, None)]


def test_names_that_no_store_has_are_passed_over():
    assert list(links(f'<a href="{"1" * 5000}"><a href="2">', "http://h/d/")) == [("2", False)]


def test_index_pages_of_other_servers_are_lists():
    with web(Nginx) as url:
        found = list_place(f"{url}/d")
        assert [(e.name, e.kind) for e in found.entries] == [
            *(("a b", "folder"), ("im.zarr", "zarr"), ("x.tif", "file")),
        ]
        assert joined(found.place, "a b") == f"{url}/d/a%20b"
        with pytest.raises(NgffError, match=r"answered 403.*type the address of the image itself"):
            list_place(f"{url}/e")


def test_a_server_without_index_pages_still_knows_an_image(folder):
    with httpd.serve(folder) as server:
        model = ChooseModel()
        model.do("take", place=f"{server.url}/unnamed/")
        assert model.settle(30)
        assert model.chosen["url"] == f"{server.url}/unnamed"
        model.do("take", place=f"{server.url}/nothing")
        assert model.settle(30)
        assert "type the address of the image itself" in model.listing["error"]
        assert model.chosen["count"] == 1


def test_a_server_that_is_down_is_said():
    with web(Nginx) as url:
        pass
    with pytest.raises(NgffError, match="refused"):
        list_place(f"{url}/d")


# --- everything else ------------------------------------------------------------------------------


def test_other_file_systems_are_listed_by_fsspec():
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/choosing/im/zarr.json", b"{}")
    memory.pipe("/choosing/x.tif", b"x" * 12)
    try:
        model = listed("memory://choosing")
        assert entries(model) == [("im", "folder"), ("x.tif", "file")]
        model.do("take", place="memory://choosing/im")
        assert model.settle()
        assert model.chosen["url"] == "memory://choosing/im"
        model.do("take", place="memory://choosing/x.tif")
        assert model.settle()
        assert model.chosen["url"] == "memory://choosing/x.tif"
    finally:
        memory.rm("/choosing", recursive=True)


def test_a_missing_package_is_named(monkeypatch):
    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install paramiko to enable SFTP")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(NgffError, match="a package is missing: Install paramiko"):
        list_place("sftp://host/a")


@pytest.mark.parametrize(
    "place", ["/", "/a", "s3://b", "s3://b/c d", "http://h/a%20b", "memory://a/b", "memory://a"]
)
def test_going_down_and_up_leads_back(place):
    assert above(joined(place, "x y")) == place
    assert place_of(joined(place, "x y")) == joined(place, "x y")
    assert listing.crumbs(place)[-1][1] == place


# --- the widget -----------------------------------------------------------------------------------


def test_the_chooser_tells_what_was_chosen_and_closes(folder):
    chosen: list[str] = []
    chooser = Chooser(chosen.append, start=str(folder), title="Source")
    chooser.model.do("choose", place="named.zarr")
    chooser.model.do("choose", place="named.zarr")
    assert chosen == [str(folder / "named.zarr")] * 2
    chooser.close()
    chooser.model.do("choose", place="wk")
    assert len(chosen) == 2


def test_ipyfilechooser_is_made_when_asked_for_and_enters_no_long_folder(folder):
    (folder / "many").mkdir()
    for i in range(MOST + 1):
        (folder / "many" / f"{i}").touch()
    chosen: list[str] = []
    chooser = Chooser(chosen.append, start=str(folder / "many"))
    assert len(chooser.children) == 2
    chooser.model.do("toggle")
    chooser.model.do("classic")
    assert chooser.model.settle()
    classic = chooser.children[1]
    classic._select.click()  # as one does to unfold it
    assert classic._pathlist.value == str(folder)
    classic._set_form_values(str(folder / "many"), "")
    assert len(classic._dircontent.options) < 20
    assert "many has more than 2000 entries" in classic._label.value or classic.title
    classic._set_form_values(str(folder), "z9.tif")
    classic._select.click()
    assert chosen == [str(folder / "z9.tif")]
    # what was chosen puts the list away, and the dialog with it
    assert len(chooser.children) == 2
    chooser.close()
