"""The scripts draw the pictures of the documentation."""

import signal
import sys
from pathlib import Path

import pytest

import bench.__main__
from bench.table import Row
from tests.support.paths import ROOT

pytestmark = pytest.mark.xdist_group("matplotlib")
"""One process loads the library, which takes longer than to collect all tests."""

HISTORY = ROOT / "docs" / "history.md"


def test_history(tmp_path: Path) -> None:
    """The picture is drawn again to the byte, and the counted minutes stand in the text."""
    from docs.plot_history import PICTURE, main

    found = main(tmp_path / "history.svg")
    assert found in " ".join(HISTORY.read_text().split())
    assert (tmp_path / "history.svg").read_bytes() == PICTURE.read_bytes()


def test_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark draws the ratios that have a goal to exceed."""
    rows = [Row("a", "1 us", "3 us another", 3.0, ">= 3"), Row("b", "1 us", "3 us yet another", 3.0, "<= 3")]
    picture = tmp_path / "bench.svg"
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["bench", "--plot", str(picture)])
    monkeypatch.setattr(bench.__main__, "measure", lambda _: iter(rows))
    bench.__main__.main()
    drawn = picture.read_text()
    assert "3 us another" in drawn
    assert "yet another" not in drawn
