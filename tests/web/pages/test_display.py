"""Numbers, ages and readings as text and drawings for people."""

import pytest

from exporter.web.pages import display
from exporter.web.pages.display import PlottedReading


def reading(timestamp: int, value: float) -> PlottedReading:
    """Return a reading that was never corrected."""
    return PlottedReading(timestamp, value, corrected=False)


class TestDisplay:
    """Values become text and drawings."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(-5, "0 s"), (0, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 d")],
    )
    def test_age(self, seconds: float, text: str) -> None:
        """An age is shown in the largest unit of which it has at least two."""
        assert display.age(seconds) == text

    @pytest.mark.parametrize(
        ("seconds", "text"), [(None, "\N{EN DASH}"), (0.04, "0.0 s"), (1.26, "1.3 s"), (75, "75 s")]
    )
    def test_delay(self, seconds: float | None, text: str) -> None:
        """A delay below ten seconds has a fraction, and a missing one is a dash."""
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
            (999.6, "999.6"),
            (999.999, "1,000"),
            (10 / 3, "3.33"),
            (1.2e9, "1,200,000,000"),
        ],
    )
    def test_number(self, value: float, text: str) -> None:
        """A count has no needless fraction, commas between thousands, and an exponent from 1e15."""
        assert display.number(value) == text

    @pytest.mark.parametrize(("value", "share"), [(0, 0), (4, 66.7), (5, 83.3), (6, 100), (60, 100)])
    def test_bar(self, value: float, share: float) -> None:
        """Two thirds of a bar stand for the capacity, here 4, and the bar never overflows."""
        assert display.filled(value, 4) == share

    def test_line(self) -> None:
        """A line goes from the oldest reading to now, has the highest at the top, and marks corrected readings."""
        drawn = display.line([reading(0, 0), PlottedReading(50, 4, corrected=True), reading(80, 2.5)], 100)
        assert drawn.points == "3,25 60,3 94.2,11.2"
        assert drawn.corrected == [(60, 3)]
        assert drawn.words == "0, 4, 2.5; 1 corrected"

    def test_odd_lines(self) -> None:
        """A line has a drawing without a reading, with a single one, and with one ahead of the clock."""
        assert display.line([], 0) == display.Line("", [], "none")
        assert display.line([reading(1, 0)], 1).points == "3,25 6,25"
        assert display.line([reading(0, 1), reading(9, 1)], 0).points == "3,3 117,3"

    def test_line_of_changes(self) -> None:
        """A value that holds until it changes is drawn in steps, the last of which ends now."""
        drawn = display.line([reading(0, 1), reading(50, 0)], 100, until_next=True)
        assert drawn.points == "3,3 60,3 60,25 117,25"
        assert display.line([reading(100, 1)], 100, until_next=True).points == "3,3 117,3"
        assert display.line([], 0, until_next=True).points == ""
