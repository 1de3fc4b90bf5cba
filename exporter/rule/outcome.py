"""What can become of an event: the rows of the rule, whose table stands in `store`."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of an event: a row of the table."""

    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    FUTURE = "future"
    OVERFLOW = "overflow"
    LATE = "late"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    REPEATED = "repeated"
    CORRECTED = "corrected"
    NEW = "new"
    BACKFILLED = "backfilled"


REFUSED = frozenset({Outcome.INVALID, Outcome.FUTURE, Outcome.OVERFLOW})
"""Outcomes that the sender is told of as an error."""

APPLIED = frozenset({Outcome.REPEATED, Outcome.CORRECTED, Outcome.NEW, Outcome.BACKFILLED})
"""Outcomes with an effect on what is shown."""
