"""Cards, reports and the command line: what people read, and what scripts do."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ngffkit as nk
from ngffkit.cli import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a sample that may be damaged."""
    return Path(nk.sample(tmp_path / "cells.ome.zarr"))


def _edit(path: Path, **changes: object) -> None:
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0].update(changes)
    (path / "zarr.json").write_text(json.dumps(document))


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_the_card_says_what_people_ask(path: Path) -> None:
    described = nk.open(path).ngff.describe()
    text = repr(described)
    for fact in (
        "OME-Zarr 0.5, Zarr v3",
        "2×32×256×256",
        "1×16×64×64",
        "1×32×256×256",
        "2-2-1",
        "0.25 micrometer",
        "64 micrometer",
        "#2FA8FF",
        "100 – 2600",
        "nuclei",
        "2 of 2",
        "zstd",
        "uint16",
    ):
        assert fact in text
    parser = _Balanced()
    parser.feed(described._repr_html_())
    assert not parser.open
    assert {"2-2-1", "0.25 micrometer", "membranes"} <= set(parser.cells)


def test_names_cant_inject_html(path: Path) -> None:
    _edit(path, name="<script>alert(1)</script>")
    page = nk.describe(path)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_good_image_is_valid(path: Path) -> None:
    report = nk.validate(path)
    assert report.valid
    assert not [p for p in report if p.severity != "advice"]
    assert repr(report).startswith("valid")


def test_every_problem_at_once_with_its_address(path: Path) -> None:
    document = json.loads((path / "zarr.json").read_text())
    entry = document["attributes"]["ome"]["multiscales"][0]
    entry["name"] = 7
    entry["datasets"][2]["coordinateTransformations"][0]["scale"][3] = 3.0
    document["attributes"]["ome"]["omero"]["channels"].append({"label": "third"})
    (path / "zarr.json").write_text(json.dumps(document))
    array = json.loads((path / "s1" / "zarr.json").read_text())
    array["dimension_names"] = ["c", "z", "x", "y"]
    (path / "s1" / "zarr.json").write_text(json.dumps(array))
    report = nk.validate(path)
    assert not report.valid
    found = {(p.severity, p.loc) for p in report}
    assert ("schema", "ome.multiscales[0].name") in found
    assert ("meaning", "multiscales[0].datasets[1]") in found  # dimension names
    assert ("meaning", "multiscales[0].datasets[2]") in found  # 64 pixels, 85 by its scale
    assert ("meaning", "omero.channels") in found
    assert all(p.remedy for p in report)


def test_labels_and_missing_arrays_are_looked_at(path: Path) -> None:
    shutil.rmtree(path / "labels" / "nuclei" / "s2")
    report = nk.validate(path)
    assert any("labels/nuclei" in p.loc and "no array" in p.message for p in report)


def test_a_label_image_that_is_named_but_absent(path: Path) -> None:
    shutil.rmtree(path / "labels" / "nuclei")
    report = nk.validate(path)
    assert any("'nuclei'" in p.message and p.severity == "meaning" for p in report)


def test_pyramids_without_translation_are_noted(path: Path) -> None:
    document = json.loads((path / "zarr.json").read_text())
    for entry in document["attributes"]["ome"]["multiscales"][0]["datasets"]:
        del entry["coordinateTransformations"][1:]
    (path / "zarr.json").write_text(json.dumps(document))
    notes = [p for p in nk.validate(path) if "0.125 further" in p.message]
    assert [p.severity for p in notes] == ["advice"]


def test_info_prints_text_and_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(path)]) == 0
    assert "OME-Zarr 0.5" in capsys.readouterr().out
    assert main(["info", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["mag"] for row in told["mags"]] == ["1", "2-2-1", "4-4-1"]


def test_validate_tells_by_its_exit_code(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(path)]) == 0
    _edit(path, datasets=[])
    assert main(["validate", str(path)]) == 1
    assert "datasets" in capsys.readouterr().out
    assert main(["validate", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    assert told["problems"][0]["loc"] == "ome.multiscales[0].datasets"


def test_nothing_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "no.zarr")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ngffkit: ")
    assert "does not exist" in told
    assert "Traceback" not in told
    (tmp_path / "empty").mkdir()
    assert main(["validate", str(tmp_path / "empty")]) == 2
    assert "holds no OME-Zarr" in capsys.readouterr().err
