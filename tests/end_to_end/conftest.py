"""The browser that the tests of one module share, and a page of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.support.browsing import SOON_MS, launched, with_capacity
from tests.support.running import Running

expect.set_options(timeout=SOON_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, which ends with the module: while it runs, no test of this process can run an event loop."""
    with launched() as started:
        yield started


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Running]:
    """Return an exporter with a capacity file."""
    with with_capacity(tmp_path) as exporter:
        yield exporter


@pytest.fixture
def page(browser: Browser, exporter: Running) -> Iterator[Page]:
    """Return a page that may log no trouble in the console and may make requests to the exporter only."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(SOON_MS)
    trouble: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            trouble.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((exporter.url, "data:")):
            trouble.append(request.url)

    page.on("console", said)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", asked)
    page.clock.install()
    yield page
    context.close()
    assert [text for text in trouble if "404 (Not Found)" not in text] == []
