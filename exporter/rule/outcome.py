"""The outcomes of an event: one for each row of the rule, whose table is in `exporter.rule`."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of an event: a row of the table."""

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
"""Outcomes that are answered as an error."""

APPLIED = frozenset({Outcome.REPEATED, Outcome.CORRECTED, Outcome.NEW, Outcome.BACKFILLED})
"""Outcomes of events that added, confirmed or changed a reading."""

NUMBERS = {
    Outcome.INVALID: 0,
    Outcome.UNSUPPORTED: 1,
    Outcome.FUTURE: 2,
    Outcome.OVERFLOW: 3,
    Outcome.LATE: 4,
    Outcome.DUPLICATE: 5,
    Outcome.SUPERSEDED: 6,
    Outcome.REPEATED: 7,
    Outcome.CORRECTED: 8,
    Outcome.NEW: 9,
    Outcome.BACKFILLED: 10,
}
"""The number of each outcome in a reading as bytes, and so in a journal. A number is never given to another outcome."""
