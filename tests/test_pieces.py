"""Long work in pieces."""

from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import pieces
from exporter.pieces import in_pieces, paced, sorted_in_pieces


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list to which each pause is added."""
    pauses: list[float] = []
    monkeypatch.setattr(pieces, "sleep", pauses.append)
    return pauses


def test_between_two_pieces_others_run(pauses: list[float]) -> None:
    """There is a pause between two pieces, and none before the first or behind the last."""
    assert [list(piece) for piece in in_pieces(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert len(pauses) == 2
    assert list(in_pieces([], 2)) == []
    assert len(pauses) == 2


def test_entries_one_by_one(pauses: list[float]) -> None:
    """There is a pause behind each so many entries."""
    assert list(paced("abcde", 2)) == ["a", "b", "c", "d", "e"]
    assert len(pauses) == 2


def test_sorting_pauses(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting pauses between the pieces that it sorts, and while it merges them."""
    monkeypatch.setattr(pieces, "_SORTED", 3)
    assert list(sorted_in_pieces(range(9), lambda n: -n)) == list(range(8, -1, -1))
    assert len(pauses) == 5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers())))
def test_sorting_in_pieces_is_sorting(items: list[tuple[int, int]]) -> None:
    """Entries are sorted by their key, and equal ones stay in their order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_SORTED", 3)
        patch.setattr(pieces, "sleep", lambda _: None)
        assert list(sorted_in_pieces(items, itemgetter(0))) == sorted(items, key=itemgetter(0))
