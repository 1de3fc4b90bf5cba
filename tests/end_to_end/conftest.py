"""The browser that the tests of one module share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browsing import launched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, which ends with the module: while it runs, no test of this process can run an event loop."""
    with launched() as started:
        yield started
