"""Fixtures for the tests of the journal."""

from pathlib import Path

import pytest

from tests.support.recordings import Recording


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path for a journal, in a folder of its own."""
    return str(tmp_path / "journal.db")


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Return a store with a journal."""
    return Recording(tmp_path)
