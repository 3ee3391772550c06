"""To and from a WEBKNOSSOS server: the official client against a stand-in on loopback.

The client lives in a venv of its own (``make oracles``), with ngffkit beside it. One process there
runs every command; the tests look at what it said, and at what the server got.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpd
import numpy as np
import pytest
import webknossos_server as standin

import ngffkit as nk
from ngffkit.cli import main
from ngffkit.webknossos import client, staging

CLIENT: Final = Path(__file__).parents[1] / ".venv-webknossos/bin/python"
PROPERTIES: Final = "datasource-properties.json"
HOSTED: Final = "a" * 24
BOX: Final = "10,20,3,40,30,10"
needs_client = pytest.mark.skipif(
    not CLIENT.exists(), reason="make oracles sets up WEBKNOSSOS's client"
)

CHILD: Final = """
import contextlib, io, json, os, sys
from ngffkit.cli import main
out = []
for words, token in json.load(sys.stdin):
    os.environ.pop("WK_TOKEN", None)
    if token:
        os.environ["WK_TOKEN"] = token
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        if words[0] == "python":
            exec(words[1])
            status = 0
        else:
            status = main(words)
    out.append([status, said.getvalue(), told.getvalue()])
sys.stdout.write("\\n" + json.dumps(out))
"""


def noise(*shape: int, dtype: str = "u1", most: int = 250) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(1, most, shape).astype(dtype)


EM: Final = noise(20, 90, 100)
CELLS: Final = noise(20, 90, 100, dtype="u8", most=2**60)


@dataclass
class Ran:
    """What came of the commands, and what the server knows now."""

    server: standin.Standin
    root: Path
    said: dict[str, tuple[int, str, str]]

    def uploaded(self, name: str) -> tuple[dict[str, Any], Path]:
        """Return what was reserved for a dataset, and the folder of its files."""
        for ident, asked in self.server.reserved.items():
            if asked["datasetName"] == name:
                return asked, self.server.root / ident
        raise KeyError(name)


def hosted(name: str, *, apart: bool = False) -> standin.Hosted:
    """Return a dataset as the server has it: from (5, 6, 3) on, in the order c, x, y, z."""
    pixels, layers = {}, []
    for layer, values in (("color", EM), ("cells", CELLS)):
        shift = 8 if apart and layer == "cells" else 0
        corner = (5 + shift, 6, 3)
        whole = np.zeros((1, *(a + n for a, n in zip(corner, values.T.shape, strict=True))))
        whole = whole.astype(values.dtype)
        whole[:, corner[0] :, corner[1] :, corner[2] :] = values.T
        mags = [[1, 1, 1], [2, 2, 1]]
        for mag in mags:
            pixels[layer, standin.spelled(mag)] = whole[:, :: mag[0], :: mag[1], :: mag[2]]
        size = dict(zip(("width", "height", "depth"), values.T.shape, strict=True))
        kind = "color" if layer == "color" else "segmentation"
        entry = {"name": layer, "category": kind, "dataFormat": "zarr3", "numChannels": 1}
        # where it lies on the server's disk, which nobody else can read
        places = [{"mag": mag, "path": f"/srv/{layer}/{standin.spelled(mag)}"} for mag in mags]
        entry |= {"elementClass": values.dtype.name, "mags": places}
        layers.append(entry | {"boundingBox": {"topLeft": list(corner), **size}})
    scale = {"factor": [4.0, 4.0, 40.0], "unit": "nanometer"}
    ident = {"name": name, "team": "lab"}
    properties = {"id": ident, "scale": scale, "dataLayers": layers, "version": 1}
    return standin.Hosted(name, properties, pixels)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    root = tmp_path_factory.mktemp("transfer")
    how = {"voxel_size": (4, 4, 40), "unit": "nm", "chunks": 32, "shards": 64}
    nk.webknossos.write({"em": EM, "cells": CELLS}, root / "pair", segmentations=["cells"], **how)
    nk.sample(root / "plain.zarr")
    nk.convert(EM, root / "old.zarr", version="0.4", **how | {"shards": None})
    with standin.running(root / "server") as server:
        server.hosted[HOSTED] = hosted("host")
        server.hosted["b" * 24] = hosted("taken", apart=True)
        # it is busy at first, which the client sits out
        server.wrong[f"{standin.UPLOAD}/reserveUpload"] = 2
        server.full.add("cut-off")
        (root / "tmp").mkdir()
        said = run(orders_of(root, server.url), root / "tmp")
        yield Ran(server, root, said)


def orders_of(root: Path, url: str) -> dict[str, tuple[list[str], str]]:
    token, to = standin.TOKEN, ["--url", url]
    script = (
        "import ngffkit as nk\n"
        f"ds = nk.open_dataset({str(root / 'plain.zarr')!r})\n"
        "crop = ds.isel(z=slice(3, 13), y=slice(10, 60))\n"
        f"sent = nk.webknossos.upload(crop, url={url!r}, name='crop', mags=['1'])\n"
        "print(sent.layers, sent.files)\n"
    )
    page = f"{url}/datasets/host-{HOSTED}/view"
    out = str(root / "out")
    return {
        "pair": (["upload", str(root / "pair"), *to, "--folder", "Datasets/mine"], token),
        "plain": (["upload", str(root / "plain.zarr"), *to, "--token", token, "--json"], ""),
        "old": (["upload", str(root / "old.zarr"), *to, "-q"], token),
        "chosen": (
            ["upload", str(root / "pair"), *to, "--layers", "cells", "--name", "only", "-q"],
            token,
        ),
        "crop": (["python", script], token),
        "taken": (["upload", str(root / "pair"), *to, "--name", "taken"], token),
        "stranger": (["upload", str(root / "pair"), *to], "wrong-7731"),
        "no folder": (["upload", str(root / "pair"), *to, "--folder", "Datasets/no"], token),
        "no layer": (["upload", str(root / "pair"), *to, "--layers", "em,nope"], token),
        "cut off": (["upload", str(root / "pair"), *to, "--name", "cut-off"], token),
        "once more": (["upload", str(root / "pair"), *to, "--name", "cut-off"], token),
        "nobody": (["upload", str(root / "pair"), "--url", "http://127.0.0.1:9"], token),
        "download": (["download", page, f"{out}/host.zarr"], token),
        "box": (["download", page, f"{out}/box.zarr", "--bbox", BOX], token),
        "mag": (["download", page, f"{out}/mag.zarr", "--mag", "2-2-1", "-q"], token),
        "by name": (["download", "host", f"{out}/name.zarr", *to, "--layers", "cells"], token),
        "shared": (["download", f"{page}?token={token}", f"{out}/shared.zarr", "--json"], ""),
        "apart": (["download", f"{url}/datasets/taken-{'b' * 24}", f"{out}/apart"], token),
        "not there": (["download", f"{url}/datasets/x-{'c' * 24}", f"{out}/no.zarr"], token),
        "outside": (["download", page, f"{out}/no.zarr", "--bbox", "900,0,0,9,9,9"], token),
        "refused": (["download", page, f"{out}/no.zarr"], "wrong-7731"),
    }


def run(orders: dict[str, tuple[list[str], str]], tmp: Path) -> dict[str, tuple[int, str, str]]:
    known = {k: v for k, v in os.environ.items() if k not in ("WK_TOKEN", "PYTEST_CURRENT_TEST")}
    done = subprocess.run(
        [CLIENT, "-W", "ignore", "-c", CHILD],
        input=json.dumps(list(orders.values())),
        capture_output=True,
        text=True,
        check=False,
        env=known | {"TMPDIR": str(tmp)},
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    return {name: tuple(answer) for name, answer in zip(orders, answers, strict=True)}


@needs_client
def test_an_upload_arrives_whole_and_opens_with_the_same_pixels(ran):
    status, said, _ = ran.said["pair"]
    assert status == 0
    asked, folder = ran.uploaded("pair")
    assert asked["organizationId"] == "lab"
    # both refusals of a busy server were sat out
    assert ran.server.wrong[f"{standin.UPLOAD}/reserveUpload"] == 0
    assert asked["folderId"] == "6" * 24
    ident = next(i for i, dataset in ran.server.hosted.items() if dataset.name == "pair")
    assert said.splitlines()[-1] == f"look at it: {ran.server.url}/datasets/{ident}"
    sent = [f for f in folder.rglob("*") if f.is_file()]
    assert asked["resumableUploadInfo"]["totalFileCount"] == len(sent)
    dt = nk.open(folder)
    np.testing.assert_array_equal(dt["em/1"].image.values, EM)
    np.testing.assert_array_equal(dt["cells/1"].labels.values, CELLS)
    # chunks are sent as they lie there, not decoded and encoded again
    sizes = Counter(f.read_bytes() for f in (ran.root / "pair").rglob("c/*/*/*"))
    assert sizes == Counter(f.read_bytes() for f in folder.rglob("c/*/*/*"))


@needs_client
@pytest.mark.parametrize("name", ["plain", "old"])
def test_an_image_without_a_sidecar_is_sent_without_a_copy_and_stays_as_it_is(ran, name):
    status, said, _ = ran.said[name]
    assert status == 0
    assert not (ran.root / f"{name}.zarr" / PROPERTIES).exists()
    _, folder = ran.uploaded(name if name == "old" else "plain")
    dt, own = nk.open(folder), nk.open(ran.root / f"{name}.zarr")
    if name == "old":
        np.testing.assert_array_equal(dt["array/1"].image.values, EM)
        return
    told = json.loads(said)
    assert told["layers"] == ["cells_nuclei", "cells_membranes", "nuclei"]
    for i, layer in enumerate(told["layers"][:2]):
        for mag in own.children.keys() - {"labels"}:
            np.testing.assert_array_equal(
                dt[f"{layer}/{mag}"].image.values, own[mag].image.isel(c=[i]).values
            )
    np.testing.assert_array_equal(
        dt["nuclei/1"].labels.values, own["labels/nuclei/1"].labels.values
    )
    # layers of several channels share their arrays: each is sent once
    nbytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    arrays = [f for f in (ran.root / "plain.zarr").rglob("*/c/**/*") if f.is_file()]
    assert nbytes < sum(f.stat().st_size for f in arrays) + 50_000
    assert told["nbytes"] == nbytes


@needs_client
def test_layers_can_be_chosen(ran):
    assert ran.said["chosen"] == (0, "", "")
    _, folder = ran.uploaded("only")
    assert list(nk.open(folder).children) == ["cells"]
    assert not (folder / "em").exists()


@needs_client
def test_of_an_xarray_object_its_own_pixels_are_sent(ran):
    status, _, told = ran.said["crop"]
    assert status == 0, told
    _, folder = ran.uploaded("crop")
    own = nk.open_dataset(ran.root / "plain.zarr").isel(z=slice(3, 13), y=slice(10, 60))
    layers = nk.open(folder)
    assert len(layers.children) == own.sizes["c"]
    for i, layer in enumerate(layers.children.values()):
        np.testing.assert_array_equal(layer["1"].image.values, own.image.isel(c=[i]).values)


FAILURES: Final = {
    "taken": "not a valid new dataset name",
    "stranger": r"the server refused \(401\); check the token",
    "no folder": "Could not find folder Datasets/no",
    "no layer": "--layers: there is no 'nope'; there are em, cells",
    "nobody": "can't upload to http://127.0.0.1:9: ",
    "cut off": "the disk is full",
    "not there": r"the server answered 404: .*Dataset not found",
    "outside": "--bbox: layer 'color' has no voxel there; along x it has 5 to 105",
    "refused": r"the server refused \(401\)",
}


@needs_client
@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_is_told_in_a_line(ran, name):
    import re

    status, said, told = ran.said[name]
    assert status == 2
    assert re.search(FAILURES[name], told), told
    assert told.count("ngffkit: ") == 1
    assert "Traceback" not in told + said
    assert not (ran.root / "out/no.zarr").exists()


@needs_client
def test_an_upload_that_was_cut_off_leaves_no_dataset_and_is_sent_anew(ran):
    tried = [i for i, asked in ran.server.reserved.items() if asked["datasetName"] == "cut-off"]
    assert len(tried) == 2
    assert ran.said["once more"][0] == 0
    assert [d.name for d in ran.server.hosted.values()].count("cut-off") == 1
    np.testing.assert_array_equal(nk.open(ran.server.root / tried[1])["em/1"].image.values, EM)


@needs_client
def test_no_temporary_folder_is_left(ran):
    assert not [path for path in (ran.root / "tmp").iterdir() if "ngffkit" in path.name]


@needs_client
def test_the_token_is_nowhere(ran):
    for secret in (standin.TOKEN, "wrong-7731"):
        assert not [name for name, answer in ran.said.items() if secret in str(answer)]
        written = [
            f for f in ran.root.rglob("*") if f.is_file() and secret.encode() in f.read_bytes()
        ]
        assert not written


@needs_client
def test_a_download_is_an_image_with_labels_in_its_place(ran):
    assert ran.said["download"][0] == 0, ran.said["download"]
    dt = nk.open(ran.root / "out/host.zarr")
    image, labels = dt["1"].image, dt["labels/cells/1"].labels
    np.testing.assert_array_equal(image.values[0], EM)
    np.testing.assert_array_equal(labels.values.reshape(CELLS.shape), CELLS)
    np.testing.assert_allclose(image.x.values[:2], [5 * 4 + 0, 6 * 4])
    assert image.x.attrs["units"] == "nanometer"
    assert nk.validate(ran.root / "out/host.zarr").valid


@needs_client
def test_a_part_of_a_download_is_where_it_was(ran):
    assert ran.said["box"][0] == 0, ran.said["box"]
    image = nk.open(ran.root / "out/box.zarr")["1"].image
    x, y, z, width, height, depth = map(int, BOX.split(","))
    inside = EM[z - 3 :, y - 6 :, x - 5 :][:depth, :height, :width]
    np.testing.assert_array_equal(image.values[0], inside)
    np.testing.assert_allclose([image.x.values[0], image.z.values[0]], [x * 4, z * 40])


@needs_client
def test_a_coarser_mag_can_be_fetched(ran):
    assert ran.said["mag"][0] == 0, ran.said["mag"]
    image = nk.open(ran.root / "out/mag.zarr")["1"].image
    # it begins at an even voxel, 4, of which the image has the second half
    np.testing.assert_array_equal(image.values[0, :, :, 1:], EM[:, 0::2, 1::2])
    np.testing.assert_allclose(image.x.values[0], (4 + 0.5) * 4)


@needs_client
@pytest.mark.parametrize("name", ["by name", "shared"])
def test_names_and_shared_addresses_are_understood(ran, name):
    status, _, told = ran.said[name]
    assert status == 0, told
    place = ran.root / "out" / ("name.zarr" if name == "by name" else "shared.zarr")
    tree = nk.open(place)
    found = tree["1"].labels if name == "by name" else tree["labels/cells/1"].labels
    np.testing.assert_array_equal(found.values.reshape(CELLS.shape), CELLS)


@needs_client
def test_layers_that_lie_apart_become_a_dataset(ran):
    status, _, told = ran.said["apart"]
    assert status == 0, told
    dt = nk.open(ran.root / "out/apart")
    assert list(dt.children) == ["color", "cells"]
    image, labels = dt["color/1"].image, dt["cells/1"].labels
    for name in ("color", "cells"):
        # WEBKNOSSOS counts from the first voxel, the image alone knows where that is
        alone = next(iter(nk.open(ran.root / "out/apart" / name)["1"].data_vars.values()))
        np.testing.assert_allclose([alone.x.values[0], alone.z.values[0]], [5 * 4, 3 * 40])
    np.testing.assert_array_equal(image.values[0], EM)
    np.testing.assert_array_equal(labels.values[0, :, :, 8:], CELLS)
    assert not labels.values[0, :, :, :8].any()


# --- without the client ---------------------------------------------------------------------------


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webknossos", None)
    monkeypatch.delenv("WK_TOKEN", raising=False)


def test_without_the_client_it_says_what_to_install_and_what_else_there_is(no_client, capsys):
    for command in (["upload", "x.zarr"], ["download", "https://wk.org/datasets/a-1", "y.zarr"]):
        assert main([*command, "--token", "abc"]) == 2
        told = capsys.readouterr().err
        assert "pip install 'ngffkit[webknossos]'" in told
        assert "nk.webknossos.uris" in told


def test_without_a_token_nothing_is_sent(no_client):
    with pytest.raises(nk.NgffError, match=r"no token; pass token=, or set WK_TOKEN"):
        nk.webknossos.upload("x.zarr")
    for bad in ("abc\ndef", "sécret", "two words"):
        with pytest.raises(nk.NgffError, match="no token has") as caught:
            nk.webknossos.upload("x.zarr", token=bad)
        assert bad not in str(caught.value)


@pytest.mark.parametrize("url", ["webknossos.org", "ftp://a", "https://user:secret@host", ""])
def test_what_is_no_server_is_refused(url):
    with pytest.raises(nk.NgffError, match="is no address of a server") as caught:
        client.server_of(url)
    assert "secret" not in str(caught.value)


def test_what_is_no_dataset_is_refused():
    with pytest.raises(nk.NgffError, match="is no address of a dataset"):
        client.server_in("https://host/volume.zarr", None)
    with pytest.raises(nk.NgffError) as caught:
        client.server_in("https://host/volume.zarr?token=xyz123", None)
    assert "xyz123" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("boom abc123", "boom (token)"),
        ("GET https://h/?token=xyz&a=1 failed", "GET https://h/?token=(token)&a=1 failed"),
        ("x" * 700, "x" * 600 + "..."),
        ("", "ValueError"),
    ],
)
def test_errors_are_short_and_hold_no_token(said, expected):
    assert client._said(ValueError(said), "abc123") == expected


@dataclass
class Sent:
    """What the client was given to send: it is gone afterwards, so the pixels are kept."""

    name: str = ""
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    linked: bool = False
    folder: Path = Path()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sent:
    """Put the sending off, and keep what would be sent."""
    kept = Sent()

    def send(_: Any, folder: Path, name: str, *__: Any) -> tuple[str, str]:
        kept.name, kept.folder = name, folder
        for layer, node in nk.open(folder).children.items():
            values = next(iter(node["1"].data_vars.values()))
            kept.layers[layer] = values.values.reshape(values.shape[-3:])
        for entry in json.loads((folder / PROPERTIES).read_text())["dataLayers"]:
            kept.kinds[entry["name"]] = entry["category"]
        targets = [path.resolve() for path in folder.rglob("*") if path.is_symlink()]
        kept.linked = not any(str(path).startswith(tempfile.gettempdir()) for path in targets)
        return "1", "https://wk.org/datasets/1"

    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(client, "load", lambda: None)
    monkeypatch.setattr(client, "session", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(client, "send", send)
    return kept


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a dataset, the same in a zip file, and a folder of two images."""
    root = tmp_path_factory.mktemp("places")
    how = {"voxel_size": (4, 4, 40), "unit": "nm", "mags": ["1"]}
    ids = {"segmentations": ["cells"]}
    nk.webknossos.write({"em": EM, "cells": CELLS}, root / "brain", **ids, **how)
    shutil.make_archive(str(root / "brain"), "zip", root / "brain")
    nk.convert(EM, root / "one.ozx", **how)
    nk.convert(EM, root / "one.zarr", name="one", **how)
    return root


BOTH: Final = {"em": "color", "cells": "segmentation"}
WAYS: Final = {
    "a dataset": (lambda p, _: p / "brain", "brain", BOTH, True),
    "a dataset that was opened": (lambda p, _: nk.open(p / "brain"), "brain", BOTH, True),
    "a dataset in a zip file": (lambda p, _: p / "brain.zip", "brain", BOTH, False),
    "a dataset on the web": (lambda _, url: f"{url}/brain", "brain", BOTH, False),
    "a layer of one": (lambda p, _: nk.open(p / "brain")["em"], "em", {"em": "color"}, False),
    "an image in a zip file": (lambda p, _: p / "one.ozx", "one", {"one": "color"}, False),
    "an image on the web": (lambda _, url: f"{url}/one.zarr", "one", {"one": "color"}, False),
    "an image that was opened": (
        lambda p, _: nk.open(p / "one.zarr"),
        "one",
        {"one": "color"},
        True,
    ),
    "a Dataset": (lambda p, _: nk.open_dataset(p / "one.zarr"), "one", {"one": "color"}, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_it_lies_in_the_same_layers_are_sent(sent, places, way):
    make, name, kinds, linked = WAYS[way]
    with httpd.serve(places) as server:
        done = nk.webknossos.upload(make(places, server.url), token="abc")
    assert (sent.name, sent.kinds, sent.linked) == (name, kinds, linked)
    assert done.layers == tuple(kinds)
    for layer, values in sent.layers.items():
        np.testing.assert_array_equal(values, CELLS if layer == "cells" else EM)
    assert not sent.folder.exists()


def test_a_dataset_in_a_zip_file_is_written_as_far_as_it_is_sent(sent, places):
    nk.webknossos.upload(places / "brain.zip", token="abc", layers=["cells"])
    assert sent.kinds == {"cells": "segmentation"}


@pytest.mark.parametrize("name", ["brain", "one.zarr"])
def test_what_is_sent_as_it_is_takes_no_options(sent, places, name):
    with pytest.raises(nk.NgffError, match=r"chunks: .* is sent as it is; convert it first"):
        nk.webknossos.upload(places / name, token="abc", chunks=8)
    assert not sent.name
    # the command line passes on how to keep remote data, whatever is named
    nk.webknossos.upload(places / name, token="abc", storage_options={"cache": {"size": "1 GB"}})
    assert sent.linked


def test_when_sending_fails_nothing_is_left_of_it(sent, places, monkeypatch, tmp_path):
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "send", fail)
    before = {f: f.stat().st_mtime_ns for f in places.rglob("*")}
    for x in (places / "brain", places / "brain.zip"):
        with pytest.raises(KeyboardInterrupt):
            nk.webknossos.upload(x, token="abc")
    assert not list((tmp_path / "scratch").iterdir())
    assert {f: f.stat().st_mtime_ns for f in places.rglob("*")} == before


def test_what_is_staged_is_linked_and_counted(tmp_path):
    root = tmp_path / "a.zarr"
    nk.convert(noise(2, 8, 40, 40), root, axes="czyx", voxel_size=(1, 1, 1), sidecar=True)
    document = json.loads((root / PROPERTIES).read_text())
    (tmp_path / "staged").mkdir()
    files, nbytes = staging.stage(document, root, tmp_path / "staged")
    links = [p for p in (tmp_path / "staged").rglob("*") if p.is_symlink()]
    assert sorted(link.resolve() for link in links) == sorted(
        p.parent for p in root.glob("*/zarr.json")
    )
    every = [p for link in links for p in link.rglob("*") if p.is_file()]
    assert files == len(every) + 1
    staged = tmp_path / "staged" / PROPERTIES
    assert nbytes == sum(p.stat().st_size for p in [*every, staged])
    # nothing near the top that would make the server guess anew
    names = {p.name for p in (tmp_path / "staged").rglob("*")}
    assert not names & {".zattrs", ".zgroup"}


@pytest.mark.parametrize("path", ["../outside", "/etc", "absent"])
def test_properties_that_lead_elsewhere_send_nothing(tmp_path, path):
    entry = {"mag": [1, 1, 1], "path": path}
    layer = {"name": "a", "dataFormat": "zarr3", "mags": [entry]}
    (tmp_path / "staged").mkdir()
    (tmp_path / "root").mkdir()
    with pytest.raises(nk.NgffError):
        staging.stage({"dataLayers": [layer]}, tmp_path / "root", tmp_path / "staged")
    assert not list((tmp_path / "staged").iterdir())
