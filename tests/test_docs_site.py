"""The site builds without a warning, leads nowhere else, and leaves nothing out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import chromium
import pytest

import ngffkit
from ngffkit import webknossos
from ngffkit.accessor import NgffAccessor
from ngffkit.cli.flags import FLAGS
from ngffkit.cli.parsing import COMMANDS

DOCS: Final = Path(__file__).parents[1] / "docs"
NEEDED: Final = ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx_copybutton")

#: Links in the head of a page that a browser does not follow by itself.
RELATED: Final = ("next", "prev", "index", "search", "genindex", "canonical")

#: Public names that are no functions and no classes.
OTHERS: Final = ("webknossos", "__version__")

pytestmark = pytest.mark.slow


@dataclass
class Site:
    """What was built."""

    folder: Path
    warnings: str
    names: set[str]
    pages: dict[Path, Page] = field(default_factory=dict)


class Page(HTMLParser):
    """What a page refers to: links, and what a browser loads to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in RELATED:
            self.loads.append(given["href"])
        if tag in ("script", "img", "iframe", "source", "video", "embed") and "src" in given:
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    for name in NEEDED:
        if find_spec(name) is None:
            chromium.missing(name, "pip install --editable '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    warnings = build(DOCS, out / "html", out / "trees")
    found = Site(out / "html", warnings, entries((out / "html" / "objects.inv").read_bytes()))
    for path in found.folder.rglob("*.html"):
        if not path.is_relative_to(found.folder / "_static"):  # the theme's own macros
            found.pages[path] = Page(path.read_text("utf-8"))
    return found


def entries(inventory: bytes) -> set[str]:
    """Return ``kind name`` of all that the reference has an entry of."""
    text = zlib.decompress(inventory.split(b"\n", 4)[4]).decode()
    found = (re.match(r"(.+?) (\S+:\S+) -?\d+ ", line) for line in text.splitlines())
    return {f"{match[2]} {match[1]}" for match in found if match}


def build(source: Path, html: Path, trees: Path) -> str:
    """Build pages with the settings of the site; return what Sphinx warns of."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    command += ["-c", str(DOCS), "-d", str(trees), str(source), str(html)]
    variables = {**os.environ, "NGFFKIT_DOCS_NOTEBOOKS": "off", "PYTHONWARNINGS": ""}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert (html / "index.html").exists(), done.stderr
    assert bool(done.returncode) == bool(done.stderr), done.stderr
    return done.stderr


def local(site: Site, page: Path, link: str) -> tuple[Path, str] | None:
    """Return the file and the anchor that a link means; None for one that leaves the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    assert path.is_relative_to(site.folder), f"{page.name} leads out of the site by {link}"
    return path, unquote(parts.fragment)


def dead_links(site: Site) -> Iterator[str]:
    for path, page in site.pages.items():
        for link in {*page.links, *page.loads}:
            if (where := local(site, path, link)) is None:
                continue
            target, anchor = where
            if not target.is_file():
                yield f"{path.name}: {link}"
            elif anchor and target in site.pages and anchor not in site.pages[target].ids:
                yield f"{path.name}: {link} (no such anchor)"


def test_the_site_builds_without_a_warning(site: Site):
    assert not site.warnings


def test_all_links_and_pictures_lead_somewhere(site: Site):
    assert sum(len(page.links) for page in site.pages.values()) > 1000
    assert not sorted(dead_links(site))


def test_every_page_and_notebook_is_built_and_in_a_table_of_contents(site: Site):
    sources = [*DOCS.glob("*.md"), *DOCS.glob("reference/*.*"), *DOCS.glob("notebooks/*.ipynb")]
    pages = {site.folder / path.relative_to(DOCS).with_suffix(".html") for path in sources}
    assert pages <= set(site.pages)
    assert len([path for path in pages if path.parent.name == "notebooks"]) >= 4
    # sections are linked from all pages, their pages from those of the section
    reached, ahead = set(), {site.folder / "index.html"}
    while ahead:
        path = ahead.pop()
        reached.add(path)
        found = (local(site, path, link) for link in site.pages[path].links)
        ahead |= {where[0] for where in found if where and where[0] in pages} - reached
    assert pages <= reached


def test_a_browser_asks_no_other_host(site: Site):
    loads = {load for page in site.pages.values() for load in page.loads}
    assert not [load for load in loads if urlsplit(load).netloc]
    sheets = "".join(path.read_text("utf-8") for path in site.folder.rglob("*.css"))
    asked = re.findall(r"(?:@import\s*|url\(\s*)['\"]?((?:https?:)?//[^'\")\s]+)", sheets)
    assert not asked


def test_every_public_name_is_in_the_reference(site: Site):
    kinds = ("function", "class", "exception")
    names = sorted(set(ngffkit.__all__) - set(OTHERS))
    wanted = {name: {f"py:{kind} ngffkit.{name}" for kind in kinds} for name in names}
    assert not [name for name in names if not wanted[name] & site.names]


def test_everything_of_webknossos_is_in_the_reference(site: Site):
    assert "py:module ngffkit.webknossos" in site.names
    missing = [
        name
        for name in webknossos.__all__
        if not {f"py:{k} ngffkit.webknossos.{name}" for k in ("function", "class")} & site.names
    ]
    assert not missing


def test_every_member_of_the_accessor_is_in_the_reference(site: Site):
    members = [name for name in vars(NgffAccessor) if not name.startswith("_")]
    assert len(members) > 30
    known = {name.partition(" ")[2] for name in site.names}
    home = "ngffkit.accessor.NgffAccessor"
    assert not [name for name in members if f"{home}.{name}" not in known]


def test_every_command_is_in_the_reference_with_all_its_options(site: Site):
    page = site.pages[site.folder / "reference" / "commands.html"]
    assert not [c.name for c in COMMANDS if f"ngffkit-{c.name}" not in page.ids]
    options = {
        f"std:cmdoption ngffkit {command.name}.{name}"
        for command in COMMANDS
        for flag in FLAGS
        for name in flag.names
        if command.name in flag.commands
    }
    # the inventory spells a program of two words with a hyphen
    spelled = {
        name.replace("std:cmdoption ngffkit-", "std:cmdoption ngffkit ") for name in site.names
    }
    assert not sorted(options - spelled)


def shown(site: Site, page: str | Path) -> str:
    """Return the text of a page."""
    return unescape(re.sub(r"<[^>]+>", "", (site.folder / page).read_text("utf-8")))


def test_docstrings_are_shown_as_they_are_meant(site: Site):
    opening, accessor = (
        shown(site, "reference/opening.html"),
        shown(site, "reference/accessor.html"),
    )
    assert '>>> dt["2-2-1"]["image"].sizes["x"]\n128' in opening
    # a summary with a colon is no type
    assert "The channels that are left: label, colour, window." in accessor
    # what sections of NumPy's style and marks of a language look like where they are not understood
    odd = re.compile(r"^-{4,}$|:(?:py|obj|ref|doc):|``|\|[a-z]+\|", re.MULTILINE)
    pages = sorted((site.folder / "reference").glob("*.html"))
    assert not {
        page.name: odd.findall(text) for page in pages if odd.search(text := shown(site, page))
    }


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("[away](nowhere.md)", "nowhere"),
        ("![none](images/none.png)", "none.png"),
        ("```{eval-rst}\n`ngffkit.nothing`\n```", "ngffkit.nothing"),
    ],
)
def test_what_leads_nowhere_is_a_failure(tmp_path: Path, page: str, says: str):
    if any(find_spec(name) is None for name in NEEDED):
        chromium.missing("sphinx", "pip install --editable '.[docs]'")
    (tmp_path / "index.md").write_text(f"# One page\n\n{page}\n", "utf-8")
    assert says in build(tmp_path, tmp_path / "html", tmp_path / "trees")
