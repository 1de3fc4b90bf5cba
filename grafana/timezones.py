"""Time zones as PromQL, which itself knows only UTC: the seconds by which clocks are ahead, also in summer.

On the two days a year on which clocks change, the change is at midnight UTC instead of in the early morning.
"""

_SUNDAY = "day_of_month() - day_of_week()"
"""The day of the month of the newest Sunday, today included; 0 or less if it was in the month before."""


def _between(first: int, first_sunday: int, last: int, last_sunday: int) -> str:
    """Return a query that is 1 from a Sunday on (the first on or after a day of a month) until another, else 0."""
    return (
        f"((month() > bool {first}) * (month() < bool {last})"
        f" + (month() == bool {first}) * ({_SUNDAY} >= bool {first_sunday})"
        f" + (month() == bool {last}) * ({_SUNDAY} < bool {last_sunday}))"
    )


_EUROPE = _between(3, 25, 10, 25)
_NORTH_AMERICA = _between(3, 8, 11, 1)
_AUSTRALIA = f"(1 - {_between(4, 1, 10, 1)})"
_NEW_ZEALAND = f"(1 - {_between(4, 1, 9, 24)})"

HOUR = 3600

HALF_HOUR = 1800
"""Seconds from the middle of an hour to its end: the hour that ends at midnight belongs to the day before."""

TIMEZONES = {
    "UTC": "0",
    "Europe/London": f"{HOUR} * {_EUROPE}",
    "Europe/Berlin": f"{HOUR} + {HOUR} * {_EUROPE}",
    "Europe/Helsinki": f"{2 * HOUR} + {HOUR} * {_EUROPE}",
    "Europe/Istanbul": f"{3 * HOUR}",
    "Asia/Dubai": f"{4 * HOUR}",
    "Asia/Kolkata": f"{5.5 * HOUR:.0f}",
    "Asia/Bangkok": f"{7 * HOUR}",
    "Asia/Singapore": f"{8 * HOUR}",
    "Asia/Tokyo": f"{9 * HOUR}",
    "Australia/Brisbane": f"{10 * HOUR}",
    "Australia/Sydney": f"{10 * HOUR} + {HOUR} * {_AUSTRALIA}",
    "Pacific/Auckland": f"{12 * HOUR} + {HOUR} * {_NEW_ZEALAND}",
    "America/Sao_Paulo": f"{-3 * HOUR}",
    "America/New_York": f"{-5 * HOUR} + {HOUR} * {_NORTH_AMERICA}",
    "America/Chicago": f"{-6 * HOUR} + {HOUR} * {_NORTH_AMERICA}",
    "America/Denver": f"{-7 * HOUR} + {HOUR} * {_NORTH_AMERICA}",
    "America/Phoenix": f"{-7 * HOUR}",
    "America/Los_Angeles": f"{-8 * HOUR} + {HOUR} * {_NORTH_AMERICA}",
}
"""The seconds to add to UTC, as a query, by the name of a time zone; other places share the clocks of one of these."""

WORKING_DAYS = {"Monday to Friday": "< 6", "Monday to Saturday": "< 7", "Sunday to Thursday": "% 7 < 5", "all": "< 8"}
"""Conditions on the day of the week, of which Monday is 1 and Sunday 7."""


def _local(ago_seconds: int) -> str:
    """Return the local time so many seconds ago, in seconds."""
    now = f"time() - {ago_seconds}" if ago_seconds else "time()"
    return f"vector({now}) + ($timezone)"


def hour(ago_seconds: int = 0) -> str:
    """Return the local hour of the day, 0 to 23, so many seconds ago."""
    return f"hour({_local(ago_seconds)})"


def weekday(ago_seconds: int = 0) -> str:
    """Return the local day of the week, 1 (Monday) to 7, so many seconds ago."""
    return f"((day_of_week({_local(ago_seconds)}) + 6) % 7 + 1)"


def date(ago_seconds: int = 0) -> str:
    """Return the local date so many seconds ago as the number 20261124, followed by the day of the week."""
    local = _local(ago_seconds)
    day = f"year({local}) * 10000 + month({local}) * 100 + day_of_month({local})"
    return f"({day}) * 10 + {weekday(ago_seconds)}"


def in_office_hours(expr: str, ago_seconds: int = 0) -> str:
    """Return the series of a query in the chosen hours of the working days, and none outside them."""
    hours = f"{hour(ago_seconds)} >= $opens < $closes"
    return f"({expr} and on () ({hours} and {weekday(ago_seconds)} $days))"
