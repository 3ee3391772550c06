"""The bundles are what their sources make, small, and ask nothing of the network."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Final

import chromium
import pytest

ROOT: Final = Path(__file__).parents[1]
JS: Final = ROOT / "js"
STATIC: Final = ROOT / "ngffkit" / "widgets" / "static"
#: By name: the largest size, and what each exports.
BUNDLES: Final = {
    "browse.js": (150_000, {"default", "mountPage"}),
    "panels.js": (40_000, {"default"}),
}

#: Names of vocabularies, which nobody fetches.
NAMESPACES: Final = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}

#: What a page may not do: fail on plain http, run texts, ask others.
BARRED: Final = (
    *(r"crypto\.randomUUID", r"\beval\(", r"\bnew Function\b", r"\bXMLHttpRequest\b"),
    *(r"\bimportScripts\b", r"\bsendBeacon\b", r"\bnew WebSocket\b", r"@import\b"),
    *(r"\bwindow\.fetch\b", r"\bglobalThis\.fetch\b", r"\bimport\s*\(", r"\bimport\s*[\"'{*]"),
)


@pytest.fixture(scope="module", params=BUNDLES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def bundle(name: str) -> str:
    assert (STATIC / name).exists(), "run make js"
    return (STATIC / name).read_text("utf-8")


def digest() -> str:
    """Hash the sources as js/build.js does: name, length and bytes of each, in order."""
    found = [path for path in (JS / "src").rglob("*") if path.is_file()]
    names = sorted(path.relative_to(JS).as_posix() for path in found)
    out = hashlib.sha256()
    for name in sorted([*names, "build.js", "package.json"]):
        data = (JS / name).read_bytes()
        out.update(f"{name}\n{len(data)}\n".encode() + data)
    return out.hexdigest()


def test_bundle_is_made_of_these_sources(bundle: str):
    made = re.search(r"sha256 ([0-9a-f]{64})", bundle.split("\n", 1)[0])
    assert made, "the first line holds no hash; run make js"
    assert made.group(1) == digest(), "the bundle is stale; run make js"


def test_bundle_is_small(name: str, bundle: str):
    assert 5_000 < len(bundle.encode()) < BUNDLES[name][0]


def test_bundle_is_one_module(name: str, bundle: str):
    exports = re.findall(r"export\s*\{([^}]*)\}", bundle)
    assert len(exports) == 1
    found = {part.split(" as ")[-1].strip() for part in exports[0].split(",")}
    assert found >= BUNDLES[name][1]


def test_bundle_asks_nothing_of_the_network(bundle: str):
    urls = set(re.findall(r"""(?:https?|wss?):/{2}[^\s"'`)]*""", bundle))
    assert urls <= NAMESPACES
    found = [pattern for pattern in BARRED if re.search(pattern, bundle)]
    assert not found


def test_packages_come_from_no_particular_registry():
    assert '"resolved"' not in (JS / "package-lock.json").read_text("utf-8")


# --- with node ------------------------------------------------------------------------------------


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_building_again_gives_the_same_bytes(tmp_path: Path):
    node, _ = chromium.node()
    run(node, "build.js", str(tmp_path))
    for name in BUNDLES:
        again = (tmp_path / name).read_bytes()
        assert again == (STATIC / name).read_bytes(), f"{name}: run make js"


def test_javascript_has_the_types_it_says():
    node, _ = chromium.node()
    run(node, "node_modules/typescript/bin/tsc", "--project", "tsconfig.json")


def test_javascript_does_what_its_tests_say():
    node, _ = chromium.node()
    tests = sorted(str(path.relative_to(JS)) for path in (JS / "test").glob("*.test.js"))
    assert tests
    run(node, "--test", *tests)


def test_javascript_has_short_modules():
    long = {
        path.relative_to(JS).as_posix(): lines
        for path in (JS / "src").rglob("*.js")
        if (lines := path.read_text("utf-8").count("\n")) > 400
    }
    assert not long, f"longer than 400 lines: {long}"
