"""Where Chromium and node are, for tests that need them; who has neither is told what is skipped.

Where the environment variable CI is set, what is missing is a failure instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: What keeps a browser from asking the network, and lets root run it.
QUIET: Final = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

#: WebGL2 without a graphics card: the page itself is put together by the processor too, as
#: browsers without one do it; WebGL's imitation would take ten times as long. And no WebGL.
SOFTWARE_GL: Final = (
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    "--disable-gpu-compositing",
)
NO_GL: Final = ("--disable-gpu", "--disable-3d-apis")

#: What the browser says of a test that reads pixels back.
READING: Final = "GPU stall due to ReadPixels"


def missing(what: str, remedy: str) -> NoReturn:
    """Skip a test for want of a program; fail where there must be one."""
    says = f"{what} is missing: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(f"{says} (CI is set, so this is no reason to skip)", pytrace=False)
    pytest.skip(says)


def node() -> tuple[str, Path]:
    """Return node and the folder of the JavaScript sources, whose packages are installed."""
    found, folder = shutil.which("node"), Path(__file__).parents[1] / "js"
    if found is None:
        missing("node", "apt-get install nodejs npm, or https://nodejs.org")
    if not (folder / "node_modules" / "esbuild").exists():
        missing("esbuild", "make js")
    return found, folder


def executable() -> str:
    """Return the path of a Chromium; NGFFKIT_CHROMIUM names another one."""
    if named := os.environ.get("NGFFKIT_CHROMIUM"):
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("Chromium", "apt-get install chromium, or let NGFFKIT_CHROMIUM name one")
    return found


@contextmanager
def browser(flags: tuple[str, ...] = SOFTWARE_GL) -> Iterator[Any]:
    """Give a Chromium of Playwright's, closed at the end.

    Others of the same `browser.browser_type` may be launched beside it, with `launch`; a second one
    of these contexts may not be open at the same time.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright", "pip install playwright")
    executable()
    with sync_playwright() as playwright, launch(playwright.chromium, flags) as found:
        yield found


@contextmanager
def launch(kind: Any, flags: tuple[str, ...]) -> Iterator[Any]:
    """Start a browser of a kind with some flags more."""
    found = kind.launch(executable_path=executable(), args=[*QUIET, *flags])
    try:
        yield found
    finally:
        found.close()
