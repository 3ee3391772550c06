"""What the tests in a browser share: a server, a browser, JupyterLab in a tab of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import chromium
import pytest

from browser.pages import Lab, Page
from browser.server import Server, serve

SIZE = {"width": 1300, "height": 1000}


@pytest.fixture(scope="package")
def stoppable() -> Iterator[None]:
    """End the tests in order when they are asked to end: a server outlives its parent."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="package")
def browser(stoppable: None) -> Iterator[Any]:
    with chromium.browser() as found:
        yield found


@pytest.fixture(scope="package")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("jupyter")) as found:
        yield found


@pytest.fixture(scope="package")
def lab_tab(browser: Any, server: Server) -> Iterator[Lab]:
    with browser.new_context(viewport=SIZE) as context:
        yield Lab(context, server)


@pytest.fixture
def fresh_page(browser: Any) -> Iterator[Page]:
    """Give an empty tab; afterwards, nothing may have been logged as an error."""
    with browser.new_context(viewport=SIZE) as context:
        page = Page(context)
        yield page
        assert not page.errors, "\n".join(page.errors)


@pytest.fixture
def lab_without_gl(browser: Any, server: Server) -> Iterator[Lab]:
    """Give JupyterLab in a browser that has no WebGL."""
    with (
        chromium.launch(browser.browser_type, chromium.NO_GL) as other,
        other.new_context(viewport=SIZE) as context,
    ):
        page = Lab(context, server)
        yield page
        assert not page.errors, "\n".join(page.errors)


@pytest.fixture
def lab(lab_tab: Lab) -> Iterator[Lab]:
    """Give JupyterLab; afterwards, nothing may have been logged as an error."""
    lab_tab.errors.clear()
    lab_tab.sent.clear()
    lab_tab.asked.clear()
    yield lab_tab
    assert not lab_tab.errors, "\n".join(lab_tab.errors)
