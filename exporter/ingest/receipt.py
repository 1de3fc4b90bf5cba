"""The receipt for one request: the outcomes of its events, and the reasons for those that were refused."""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.rule.outcome import REFUSED, Outcome

MAX_ERRORS = 100
"""Errors reported for one request at most: an array of mistakes must not make an answer far larger than itself."""


@dataclass(frozen=True, slots=True)
class EventError:
    """The reason for which the event at `index` of a request was refused."""

    index: int
    field: str
    message: str


class Receipt(NamedTuple):
    """The outcomes of the events of one request."""

    received: int
    outcomes: dict[Outcome, int]
    errors: list[EventError]
    """At most MAX_ERRORS; empty if no event was refused."""

    @property
    def refused(self) -> int:
        """The number of refused events."""
        return sum(n for outcome, n in self.outcomes.items() if outcome in REFUSED)
