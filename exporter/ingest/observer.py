"""Results of events and requests, reported in one call: counted, remembered for people, logged. It decides nothing."""

import logging
from collections.abc import Sequence
from typing import Protocol

from exporter.events.parse import FieldError
from exporter.ingest.activity import Activity
from exporter.metrics.counters import Result
from exporter.metrics.registry import Metrics, Rejection
from exporter.rule.outcome import Outcome

log = logging.getLogger(__name__)

_MAX_ID = 100
"""Characters of an event id that are logged."""

_MAX_REASON = 500
"""Characters of a reason that are logged."""


class EventObserver(Protocol):
    """Gets the results of deliveries, whether requests brought them or not."""

    def events(self, results: Sequence[Result], arrival_seconds: float) -> None:
        """Report events that arrived together at `arrival_seconds`, Unix time."""

    def event_refused(self, outcome: Outcome, reasons: Sequence[FieldError], event_id: str) -> None:
        """Report one event that is answered as an error; at least one reason, and the id if the event has one."""


class Observer:
    """Counts, logs and remembers. Thread-safe."""

    def __init__(self, metrics: Metrics, activity: Activity) -> None:
        """Take the counters and the recent activity."""
        self._metrics = metrics
        self._activity = activity

    def events(self, results: Sequence[Result], arrival_seconds: float) -> None:
        """Report events that arrived together at `arrival_seconds`, Unix time."""
        self._metrics.count(results, arrival_seconds)
        self._activity.count(results, arrival_seconds)

    def event_refused(self, outcome: Outcome, reasons: Sequence[FieldError], event_id: str) -> None:
        """Report one event that is answered as an error; at least one reason, and the id if the event has one."""
        reason = "; ".join(map(str, reasons))
        log.warning("event refused", {"outcome": outcome, "reason": reason[:_MAX_REASON], "id": event_id[:_MAX_ID]})
        self._activity.refuse(outcome, reasons, event_id[:_MAX_ID])

    def request_rejected(self, rejection: Rejection, detail: str) -> None:
        """Report one request that was rejected before any event was read; pages show `detail` as the reason."""
        self._metrics.count_rejection(rejection)
        self._activity.refuse(rejection, [FieldError("", detail)])

    def reader_rejected(self, rejection: Rejection, _: str) -> None:
        """Count one rejected request of a reader, but show it to nobody: a browser asks without its password first."""
        self._metrics.count_rejection(rejection)
