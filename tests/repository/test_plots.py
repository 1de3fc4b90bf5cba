"""The pictures of the documentation are those that their scripts draw."""

from pathlib import Path

from docs.plot_history import PICTURE, main
from tests.support.paths import ROOT

HISTORY = ROOT / "docs" / "history.md"


def test_history(tmp_path: Path) -> None:
    """To the byte, and what was counted stands in the text."""
    found = main(tmp_path / "history.svg")
    assert found in HISTORY.read_text()
    assert (tmp_path / "history.svg").read_bytes() == PICTURE.read_bytes()
