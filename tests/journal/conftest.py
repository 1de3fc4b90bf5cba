"""Fixtures for the tests of the journal."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a path for a journal, in a folder of its own."""
    return str(tmp_path / "journal.db")
