"""How numbers, ages and readings are written and drawn for people."""

import pytest

from exporter.web.pages import display


class TestDisplay:
    """How things are written and drawn."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(-5, "0 s"), (0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 d")],
    )
    def test_age(self, seconds: float, text: str) -> None:
        """In the largest unit of which there are two."""
        assert display.age(seconds) == text

    @pytest.mark.parametrize(
        ("seconds", "text"), [(None, "\N{EN DASH}"), (0.04, "0.0 s"), (1.26, "1.3 s"), (75, "75 s")]
    )
    def test_delay(self, seconds: float | None, text: str) -> None:
        """Short ones with a fraction."""
        assert display.delay(seconds) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            (2.5, "2.5"),
            (1234, "1,234"),
            (1e6, "1,000,000"),
            (1e300, "1e+300"),
            (4.04, "4.04"),
            (1234.5, "1,234"),
        ],
    )
    def test_number(self, value: float, text: str) -> None:
        """As people read it."""
        assert display.number(value) == text

    @pytest.mark.parametrize(("value", "share"), [(0, 0), (4, 66.7), (5, 83.3), (6, 100), (60, 100)])
    def test_bar(self, value: float, share: float) -> None:
        """Two thirds are the capacity, here 4; it cannot be fuller than full."""
        assert display.share(value, 4) == share

    def test_line(self) -> None:
        """From the oldest reading to now, the highest at the top; what was corrected is marked."""
        drawn = display.line([(0, 0, False), (50, 4, True), (80, 2.5, False)], 100)
        assert drawn.points == "3,25 60,3 94.2,11.2"
        assert drawn.corrected == [(60, 3)]
        assert drawn.words == "0, 4, 2.5; 1 corrected"

    def test_odd_lines(self) -> None:
        """None, one of nobody, and one that is ahead of the clock."""
        assert display.line([], 0) == display.Line("", [], "none")
        assert display.line([(1, 0, False)], 1).points == "3,25 6,25"
        assert display.line([(0, 1, False), (9, 1, False)], 0).points == "3,3 117,3"
