"""An exporter with a client id and a clock that the test moves, for the pages about Butlr's cloud."""

import pytest
from flask.testing import FlaskClient

from exporter.app import Exporter, build
from exporter.settings.load import load
from tests.support.connected import CONNECTED
from tests.support.deliveries import Clock


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def exporter(clock: Clock) -> Exporter:
    """Return an exporter with a client id, which asks nobody."""
    return build(load(CONNECTED, {}), clock)


@pytest.fixture
def client(exporter: Exporter) -> FlaskClient:
    """Return a client of it."""
    return exporter.app.test_client()
