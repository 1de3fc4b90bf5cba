"""The pictures of the documentation are those that their scripts draw."""

from pathlib import Path

from tests.support.paths import ROOT

HISTORY = ROOT / "docs" / "history.md"


def test_history(tmp_path: Path) -> None:
    """To the byte, and what was counted stands in the text."""
    from docs.plot_history import PICTURE, main  # loads matplotlib, which takes longer than to collect all tests

    found = main(tmp_path / "history.svg")
    assert found in HISTORY.read_text()
    assert (tmp_path / "history.svg").read_bytes() == PICTURE.read_bytes()
