"""The viewer's bundle is what its sources make, small, and asks nothing of the network."""

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
BUNDLE: Final = ROOT / "ngffkit" / "widgets" / "static" / "browse.js"
MAX_BYTES: Final = 150_000

#: Names of vocabularies, which nobody fetches.
NAMESPACES: Final = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}

#: What a page may not do: fail on plain http, run texts, ask others.
BARRED: Final = (
    *(r"crypto\.randomUUID", r"\beval\(", r"\bnew Function\b", r"\bXMLHttpRequest\b"),
    *(r"\bimportScripts\b", r"\bsendBeacon\b", r"\bnew WebSocket\b", r"@import\b"),
    *(r"\bwindow\.fetch\b", r"\bglobalThis\.fetch\b", r"\bimport\s*\(", r"\bimport\s*[\"'{*]"),
)


@pytest.fixture(scope="module")
def bundle() -> str:
    assert BUNDLE.exists(), "run make js"
    return BUNDLE.read_text("utf-8")


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


def test_bundle_is_small(bundle: str):
    assert 10_000 < len(bundle.encode()) < MAX_BYTES


def test_bundle_is_one_module_of_widget_and_page(bundle: str):
    exports = re.findall(r"export\s*\{([^}]*)\}", bundle)
    assert len(exports) == 1
    names = {part.split(" as ")[-1].strip() for part in exports[0].split(",")}
    assert {"default", "mountPage"} <= names


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


def test_building_again_gives_the_same_bytes(bundle: str, tmp_path: Path):
    node, _ = chromium.node()
    run(node, "build.js", str(tmp_path / "again.js"))
    assert (tmp_path / "again.js").read_text("utf-8") == bundle, "run make js"


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
