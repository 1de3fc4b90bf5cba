"""The receipt for one request."""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.rule.outcome import REFUSED, Outcome

MAX_ERRORS = 100
"""Most errors told for one request: an array of mistakes must not make an answer far larger than itself."""


@dataclass(frozen=True, slots=True)
class EventError:
    """Why one event of a request was refused; `field` is a dotted path, `""` for the whole event."""

    index: int
    field: str
    message: str


class Receipt(NamedTuple):
    """What became of the events of one request."""

    received: int
    outcomes: dict[Outcome, int]
    errors: list[EventError]
    """At most MAX_ERRORS; empty if no event was refused."""

    @property
    def refused(self) -> int:
        """How many events were refused."""
        return sum(n for outcome, n in self.outcomes.items() if outcome in REFUSED)
