"""Numbers, ages, times and places as text for people."""

import pytest

from exporter.web.pages import display


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
        ("seconds", "text"), [(None, "\N{EN DASH}"), (0.04, "0.1 s"), (1.26, "1.3 s"), (75, "75 s")]
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

    @pytest.mark.parametrize(("value", "share"), [(0, 0), (1, 25), (4, 100), (5, 100), (60, 100)])
    def test_bar(self, value: float, share: float) -> None:
        """A bar ends at the capacity, here 4, however many people there are."""
        assert display.filled(value, 4) == share

    def test_place(self) -> None:
        """A place is read from the narrowest name to the widest, with unknown ones left out."""
        assert display.place(("Birch", "", "HQ", "")) == "Birch, HQ"
        assert display.place(("", "")) == ""

    @pytest.mark.parametrize(
        ("value", "word", "text"),
        [
            (1, "person", "1 person"),
            (2.5, "person", "2.5 people"),
            (1, "zone", "1 zone"),
            (1200, "zone", "1,200 zones"),
        ],
    )
    def test_counted(self, value: float, word: str, text: str) -> None:
        """A number of things has the plural of their word, and people are the plural of a person."""
        assert display.counted(value, word) == text

    @pytest.mark.parametrize(
        ("time", "text"),
        [
            ("2027-01-15T07:05:59Z", "07:05 UTC"),
            ("2027-01-14T22:00:00Z", "14 Jan, 22:00 UTC"),
            ("99999999999999999", "99999999999999999"),
        ],
    )
    def test_clock(self, time: str, text: str) -> None:
        """A time names its zone, and its day if that is another one than today."""
        assert display.clock(time, "2027-01-15T08:00:00Z") == text

    @pytest.mark.parametrize(
        ("floors", "text"),
        [
            ({"floor": 2}, "Butlr's own count of 2 floors"),
            ({"floor": 1, "zone": 2, "room": 1}, "Butlr's own count of 1 floor, sums on 3"),
            ({"zone": 3}, "sum of zones, which may overlap"),
            ({"zone": 3, "room": 1}, "sum of zones or rooms, which may overlap"),
            ({"room": 1}, "sum of rooms"),
        ],
    )
    def test_sources(self, floors: dict[str, int], text: str) -> None:
        """The number of people says from which counts it is."""
        assert display.sources(floors) == text
