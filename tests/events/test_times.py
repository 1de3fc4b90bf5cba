"""Times in milliseconds."""

from datetime import timedelta

from exporter.events.times import milliseconds, utc


def test_a_duration() -> None:
    """A duration is counted in whole milliseconds."""
    assert milliseconds(timedelta(seconds=1.5, microseconds=999)) == 1500


def test_an_absurd_time() -> None:
    """A time beyond every calendar is shown as its number."""
    assert utc(10**18) == "1000000000000000000"
