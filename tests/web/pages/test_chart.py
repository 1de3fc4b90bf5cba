"""Readings as drawings."""

import re
import sys

import pytest

from exporter.web.pages import display
from exporter.web.pages.chart import LARGE, Line, PlottedReading, chart, line


def reading(timestamp: int, value: float) -> PlottedReading:
    """Return a reading that was never corrected."""
    return PlottedReading(timestamp, value, corrected=False)


def test_line() -> None:
    """A line goes from the oldest reading to now, has the highest at the top, and marks corrected readings."""
    drawn = line([reading(0, 0), PlottedReading(50, 4, corrected=True), reading(80, 2.5)], 100)
    assert drawn.points == "3,25 60,3 94.2,11.2"
    assert drawn.corrected == [(60, 3)]
    assert drawn.words == "0, 4, 2.5; 1 corrected"


def test_odd_lines() -> None:
    """A line has a drawing without a reading, with a single one, and with one ahead of the clock."""
    assert line([], 0) == Line("", [], "none")
    assert line([reading(1, 0)], 1).points == "3,25 6,25"
    assert line([reading(0, 1), reading(9, 1)], 0).points == "3,3 117,3"


def test_line_of_changes() -> None:
    """A value that holds until it changes is drawn in steps, the last of which ends now."""
    drawn = line([reading(0, 1), reading(50, 0)], 100, until_next=True)
    assert drawn.points == "3,3 60,3 60,25 117,25"
    assert line([reading(100, 1)], 100, until_next=True).points == "3,3 117,3"
    assert line([], 0, until_next=True).points == ""


@pytest.mark.parametrize(
    ("values", "capacity", "labels"),
    [
        ([0, 0], None, ["0", "1"]),
        ([1, 4], None, ["0", "1", "2", "3", "4"]),
        ([5, 2], None, ["0", "2", "4", "6"]),
        ([3, 2], 40, ["0", "10", "20", "30", "40"]),
        ([130], 100, ["0", "50", "100", "150"]),
    ],
)
def test_scale(values: list[float], capacity: float | None, labels: list[str]) -> None:
    """The scale of a chart has round values, from 0 to the highest reading and the capacity at least."""
    drawn = chart([reading(n, value) for n, value in enumerate(values)], 9, display.number, capacity=capacity)
    assert [tick.label for tick in drawn.ticks] == labels
    assert (drawn.ticks[0].y, drawn.ticks[-1].y) == (LARGE.bottom, LARGE.top)


def test_chart() -> None:
    """A reading that equals the capacity lies on the capacity's line, and the time axis ends now."""
    drawn = chart([reading(50, 2), reading(60, 4)], 100, display.number, capacity=4)
    assert drawn.line.points == f"30,84 94.8,{drawn.capacity_y:g}"
    assert (drawn.begin_ms, drawn.end_ms) == (50, 100)
    assert chart([], 100, display.number).line.points == ""


def test_chart_of_motion() -> None:
    """The scale of motion has its words."""
    drawn = chart([reading(0, 1), reading(50, 0)], 100, lambda value: display.MOTION[value], until_next=True)
    assert [tick.label for tick in drawn.ticks] == ["no motion", "motion"]
    assert drawn.capacity_y is None


@pytest.mark.parametrize("value", [1e300, sys.float_info.max, 5e-324])
def test_absurd_charts(value: float) -> None:
    """Each number that an event may have is drawn at finite positions."""
    drawn = chart([reading(0, value), reading(1, 0)], 2, display.number, capacity=3)
    assert not re.search("nan|inf", f"{drawn.line.points} {drawn.ticks}")
