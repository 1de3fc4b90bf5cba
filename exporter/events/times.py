"""Timestamps: milliseconds since the epoch, and how they are written."""

from datetime import UTC, datetime, timedelta

EARLIEST_TIMESTAMP = 1_420_070_400_000
"""2015-01-01 in milliseconds: anything before is a mistake in the unit, not a reading."""

LATEST_SECONDS = 4_102_444_800
"""2100-01-01 in seconds: a timestamp too early for milliseconds is taken for seconds up to here."""


def utc(milliseconds: int) -> str:
    """Return a time for people, such as `2024-09-30T22:37:12Z`; beyond the calendar, the plain number."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def milliseconds(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)
