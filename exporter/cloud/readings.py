"""Minutes from Butlr's Reporting API, applied like events: through the same rule, into the same journal."""

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exporter.butlr.reporting import Report
from exporter.cloud.names import Names
from exporter.cloud.outages import Outages
from exporter.events.ids import ksuid
from exporter.events.measures import Kind, Measure
from exporter.events.model import AnyMetadata, ReadingEvent
from exporter.events.parse import FieldError
from exporter.ingest.intake import Intake
from exporter.ingest.observer import EventObserver
from exporter.inventory import Assets
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten
from exporter.metrics.cloud import CloudFamilies
from exporter.metrics.counters import Result
from exporter.metrics.registry import Metrics
from exporter.pieces import in_pieces
from exporter.rule.outcome import Outcome

log = logging.getLogger(__name__)

MEASURES = {
    Kind.ZONE: Measure.ZONE_OCCUPANCY_1MIN,
    Kind.ROOM: Measure.ROOM_OCCUPANCY_1MIN,
    Kind.FLOOR: Measure.FLOOR_OCCUPANCY_1MIN,
}
"""The measure of the minutes of each kind of space."""

CHUNK = 100
"""Readings that are applied together; events pass in between."""

NameOf = Callable[[Kind, str, int], AnyMetadata]
"""Returns the names of a space at a time, milliseconds since the epoch."""

_TOO_MANY = "of more spaces than max_spaces"


class _Observer:
    """Counts readings, apart from events."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def events(self, results: Sequence[Result], _: float) -> None:
        """Count readings that were applied together."""
        self._metrics.count_polled(results)

    def event_refused(self, outcome: Outcome, reasons: Sequence[FieldError], event_id: str) -> None:
        """Do nothing, as no request brings a reading."""


class Readings:
    """Applies minutes, for one thread."""

    def __init__(self, intake: Callable[[EventObserver], Intake], metrics: Metrics, clock: Callable[[], float]) -> None:
        """Take a function that makes the intake with an observer; `clock` returns Unix seconds."""
        self._intake = intake(_Observer(metrics))
        self._metrics = metrics
        self._clock = clock
        self._is_journalled = True
        self._unused: Counter[str] = Counter()
        self._reported: set[str] = set()
        """The reasons that were logged."""

    def apply(self, report: Report, name_of: NameOf) -> Counter[Outcome]:
        """Apply the minutes of an answer that has just come; return the number of readings by outcome."""
        now_ms = int(self._clock() * 1000)
        kind = report.query.kind
        measure, generation = MEASURES[kind], now_ms // 1000
        # The answer is as old as the request at most, so its time is that of the computation.
        event_id = f"poll_{ksuid(generation, secrets.randbits(128))}"
        names = {each: name_of(kind, each, now_ms) for each in {minute.space_id for minute in report.minutes}}
        newest_first = reversed(report.minutes)  # so that no older one is the present one meanwhile
        events = [
            ReadingEvent(
                event_id,
                measure,
                minute.space_id,
                minute.start_ms,
                max(minute.value, 0.0),
                generation,
                names[minute.space_id],
                minute.value < 0,
            )
            for minute in newest_first
        ]
        outcomes: Counter[Outcome] = Counter()
        for chunk in in_pieces(events, CHUNK):
            outcomes.update(self._apply(chunk, now_ms))
        for reason, number in report.dropped.items():
            self._unused[reason] += number
            self._metrics.cloud.count_polled(measure.only_type, Outcome.INVALID, number)
        if outcomes[Outcome.OVERFLOW]:
            self._unused[_TOO_MANY] += outcomes[Outcome.OVERFLOW]
        return outcomes

    def report_unused(self, work: str) -> None:
        """Log the number of points that were not used since the last call, unless all reasons were logged before."""
        if not self._unused.keys() <= self._reported:
            reasons = ", ".join(f"{number} {reason}" for reason, number in self._unused.most_common())
            log.warning("points of Butlr's answers not used", {"work": work, "points": reasons})
            self._reported |= self._unused.keys()
        self._unused.clear()

    def _apply(self, events: Sequence[ReadingEvent], now_ms: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            outcomes = self._intake.apply(events, now_ms)
        except JournalError as error:
            if isinstance(error, NotWritten):
                outcomes = error.outcomes
            if self._is_journalled:
                log.warning("readings of Butlr's API not in the journal yet", {"reason": str(error)})
            self._is_journalled = False
        else:
            self._is_journalled = True
        return outcomes


class MinutesParts(NamedTuple):
    """The parts of the thread that reads minutes, which polling and recovery share."""

    readings: Readings
    names: Names
    assets: Assets
    families: CloudFamilies
    outages: Outages
    clock: Callable[[], float]
    """Returns Unix seconds."""
    monotonic: Callable[[], float]
    """Returns the seconds of a steady clock."""
