"""The natural order of names."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.pages.order import by_level, natural

FLOORS = [
    "Third Basement",
    "Basement 2",
    "-1",
    "B1",
    "Lower Ground",
    "ground floor",
    "Lobby",
    "Mezzanine",
    "1st Floor",
    "2nd Floor",
    "Third Floor",
    "Level 4",
    "Eighth Floor",
    "9th Floor",
    "Tenth Floor",
    "11. OG",
    "Twelfth Floor",
    "Roof",
    "",
]


def test_floors() -> None:
    """Cellars come first, then the ground floor, then floors by their number, then roofs, then no name at all."""
    shuffled = random.Random(1).sample(FLOORS, len(FLOORS))
    assert sorted(shuffled, key=by_level) == FLOORS


def test_names() -> None:
    """Numbers inside a name are compared by their value, and text in any case."""
    assert sorted(["Desk 10", "desk 2", "Desk 2b", "Atrium"], key=natural) == ["Atrium", "desk 2", "Desk 2b", "Desk 10"]


@pytest.mark.parametrize("name", ["9" * 1024, "\u0663", "-", "b", "1\n2"])
def test_odd_names(name: str) -> None:
    """A number of any length, a digit of another script and a lone sign are names as any other."""
    assert natural(name) < natural(f"{name}x")
    assert by_level(name) == by_level(name)


@given(st.text(), st.text())
def test_any_names(one: str, other: str) -> None:
    """Any two names can be compared."""
    assert (natural(one) < natural(other)) or (natural(other) <= natural(one))
    assert (by_level(one) < by_level(other)) or (by_level(other) <= by_level(one))
