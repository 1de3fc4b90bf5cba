"""The scripts draw the pictures of the documentation."""

from pathlib import Path

from tests.support.paths import ROOT

HISTORY = ROOT / "docs" / "history.md"


def test_history(tmp_path: Path) -> None:
    """The picture is drawn again to the byte, and the counted minutes stand in the text."""
    from docs.plot_history import PICTURE, main  # loads matplotlib, which takes longer than to collect all tests

    found = main(tmp_path / "history.svg")
    assert found in " ".join(HISTORY.read_text().split())
    assert (tmp_path / "history.svg").read_bytes() == PICTURE.read_bytes()
