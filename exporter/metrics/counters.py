"""Events counted by outcome, their delays, and corrections that came too late.

prometheus_client's own counters take a lock and a few microseconds for each event. These count all events of one
event-loop iteration under one lock, and hand their sums to the registry at a scrape.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from threading import Lock
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from exporter.events.measures import UNDOCUMENTED, Cadence, Measure, Payload
from exporter.rule.outcome import APPLIED, REFUSED, Outcome

OTHER = "other"
"""The label `event_type` of any type that is neither exported nor undocumented."""

EXPORTED = {each.name: measure for measure in Measure for each in measure.declared.types}
"""The measure of each event type that is exported, as Butlr calls it."""

SETTLING = [name for name, measure in EXPORTED.items() if measure.declared.cadence is Cadence.MINUTE]
"""The event types whose readings settle."""

CLAMPED = [name for name, measure in EXPORTED.items() if measure.declared.payload is Payload.CLAMPED]
"""The event types whose numbers below 0 are taken as 0."""

_NEVER = {
    Cadence.EVENT: {Outcome.UNSUPPORTED, Outcome.REPEATED, Outcome.BACKFILLED},
    Cadence.STREAM: {Outcome.UNSUPPORTED, Outcome.BACKFILLED},  # only the newest reading is kept
}
"""The outcomes that an event of an exported type cannot have, where these are more than one."""

OUTCOMES: dict[str, list[Outcome]] = {
    **{
        name: [o for o in Outcome if o not in _NEVER.get(measure.declared.cadence, {Outcome.UNSUPPORTED})]
        for name, measure in EXPORTED.items()
    },
    **{name: [Outcome.INVALID, Outcome.UNSUPPORTED] for name in (*UNDOCUMENTED, OTHER)},
}
"""The outcomes that an event can have, by event type."""

DELAY_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 180, 240, 300, 360, 600, 1800, 3600)
"""Upper bounds in seconds: fine where live deliveries fall, then a minute each while Butlr recomputes."""


class Result(NamedTuple):
    """One event as it is counted."""

    event_type: str
    """As Butlr calls it, or OTHER."""
    outcome: Outcome
    delay: float
    """Arrival minus time of sensing, in seconds."""
    was_negative: bool = False
    """Whether a number below 0 was taken as 0."""


class EventCounters:
    """The counters of one app. Thread-safe."""

    def __init__(self, settle_after_seconds: float) -> None:
        """Take the delay in seconds from which on a correction is counted as too late."""
        self._settle_after_seconds = settle_after_seconds
        # Every combination that can occur is there from the start, at 0, so that a first refusal is an increase.
        self._events = {(name, outcome): 0 for name, outcomes in OUTCOMES.items() for outcome in outcomes}
        self._delays = {name: [0] * (len(DELAY_BUCKETS) + 1) for name in EXPORTED}
        self._sums = dict.fromkeys(EXPORTED, 0.0)
        self._late_corrections = dict.fromkeys(SETTLING, 0)
        self._negative = dict.fromkeys(CLAMPED, 0)
        self._lock = Lock()

    def count(self, results: Iterable[Result]) -> None:
        """Count events; the delay of an event from a clock that is ahead counts as 0."""
        events, delays, sums, late = self._events, self._delays, self._sums, self._late_corrections
        with self._lock:
            for event_type, outcome, delay, was_negative in results:
                events[event_type, outcome] += 1
                if outcome in APPLIED:
                    positive = delay if delay > 0 else 0.0
                    delays[event_type][bisect_left(DELAY_BUCKETS, positive)] += 1
                    sums[event_type] += positive
                    if delay >= self._settle_after_seconds and outcome is Outcome.CORRECTED and event_type in late:
                        late[event_type] += 1
                if was_negative and outcome not in REFUSED:
                    self._negative[event_type] += 1

    def count_without_events(self, results: Iterable[Result]) -> None:
        """Count corrections that came too late and numbers below 0, where no event brought the readings."""
        with self._lock:
            for event_type, outcome, delay, was_negative in results:
                if delay >= self._settle_after_seconds and outcome is Outcome.CORRECTED:
                    self._late_corrections[event_type] += 1
                if was_negative and outcome not in REFUSED:
                    self._negative[event_type] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        with self._lock:
            events = self._events.copy()
            delays = {name: (self._delays[name].copy(), self._sums[name]) for name in EXPORTED}
            corrections, negative = self._late_corrections.copy(), self._negative.copy()
        return [
            _events(events),
            _delays(delays),
            _by_type(
                "butlr_exporter_settled_corrections",
                "Corrections that came after the count was final.",
                corrections,
            ),
            _by_type("butlr_exporter_negative_values", "Counts below zero, each taken as zero.", negative),
        ]


def _events(numbers: dict[tuple[str, Outcome], int]) -> Metric:
    family = CounterMetricFamily(
        "butlr_exporter_events", "Events received, by outcome.", labels=["event_type", "outcome"]
    )
    for (event_type, outcome), number in numbers.items():
        family.add_metric([event_type, outcome], number)
    return family


def _delays(delays: dict[str, tuple[list[int], float]]) -> Metric:
    family = HistogramMetricFamily(
        "butlr_exporter_event_delay_seconds",
        "Arrival minus sensing time of the events that were applied.",
        labels=["event_type"],
    )
    bounds = [*(str(float(bound)) for bound in DELAY_BUCKETS), "+Inf"]
    for event_type, (numbers, total) in delays.items():
        family.add_metric([event_type], list(zip(bounds, accumulate(numbers), strict=True)), total)
    return family


def _by_type(name: str, help_text: str, numbers: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=["event_type"])
    for event_type, number in numbers.items():
        family.add_metric([event_type], number)
    return family
