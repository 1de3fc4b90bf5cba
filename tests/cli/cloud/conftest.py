"""Clouds for the tests of the commands that ask Butlr."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from exporter.cli.cloud import connection
from tests.support.butlr import Answer, InMemory, ScriptedCloud
from tests.support.clouds import SimulatedCloud


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BUTLR_EXPORTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedCloud:
    """Let the commands reach the simulated cloud."""
    cloud = SimulatedCloud()
    monkeypatch.setattr(connection, "Transport", lambda _: InMemory(cloud))
    return cloud


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedCloud]:
    """Return a function that lets the commands reach a cloud with these answers."""

    def reach(*answers: Answer, **options: Any) -> ScriptedCloud:
        cloud = ScriptedCloud(*answers, **options)
        monkeypatch.setattr(connection, "Transport", lambda _: cloud)
        return cloud

    return reach
