"""Timestamps in milliseconds since the epoch: their limits, and how people read them."""

from datetime import UTC, datetime, timedelta

EARLIEST_TIMESTAMP = 1_420_070_400_000
"""2015-01-01 in milliseconds: an earlier timestamp is a mistake in the unit, not a reading."""

LATEST_SECONDS = 4_102_444_800
"""2100-01-01 in seconds: a timestamp too early for milliseconds is probably seconds up to here."""


def utc(milliseconds: int) -> str:
    """Return a time such as `2024-09-30T22:37:12Z`; the plain number if the calendar does not reach it."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def milliseconds(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)
