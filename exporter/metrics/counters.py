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

from exporter.events.measures import Measure
from exporter.rule.outcome import APPLIED, Outcome

EVENT_TYPES: dict[Measure | None, str] = {**{measure: measure.value for measure in Measure}, None: "other"}
"""The label `event_type` by measure; None is any type that is not exported."""

OUTCOMES: dict[Measure | None, list[Outcome]] = {
    **{measure: [outcome for outcome in Outcome if outcome is not Outcome.UNSUPPORTED] for measure in Measure},
    None: [Outcome.INVALID, Outcome.UNSUPPORTED],
}
"""The outcomes that an event can have, by measure."""

DELAY_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 180, 240, 300, 360, 600, 1800, 3600)
"""Upper bounds in seconds: fine where live deliveries fall, then a minute each while Butlr recomputes."""


class Result(NamedTuple):
    """One event as it is counted."""

    measure: Measure | None
    """None for a type that is not exported."""
    outcome: Outcome
    delay: float
    """Arrival minus time of sensing, in seconds."""


class EventCounters:
    """The counters of one app. Thread-safe."""

    def __init__(self, settle_after_seconds: float) -> None:
        """Take the delay in seconds from which on a correction is counted as too late."""
        self._settle_after_seconds = settle_after_seconds
        # Every combination that can occur is there from the start, at 0, so that a first refusal is an increase.
        self._events = {(measure, outcome): 0 for measure in EVENT_TYPES for outcome in OUTCOMES[measure]}
        self._delays: dict[Measure | None, list[int]] = {measure: [0] * (len(DELAY_BUCKETS) + 1) for measure in Measure}
        self._sums: dict[Measure | None, float] = dict.fromkeys(Measure, 0.0)
        self._late_corrections: dict[Measure | None, int] = dict.fromkeys(Measure, 0)
        self._lock = Lock()

    def count(self, results: Iterable[Result]) -> None:
        """Count events; the delay of an event from a clock that is ahead counts as 0."""
        events, delays, sums = self._events, self._delays, self._sums
        with self._lock:
            for measure, outcome, delay in results:
                events[measure, outcome] += 1
                if outcome in APPLIED:
                    positive = delay if delay > 0 else 0.0
                    delays[measure][bisect_left(DELAY_BUCKETS, positive)] += 1
                    sums[measure] += positive
                    if delay >= self._settle_after_seconds and outcome is Outcome.CORRECTED:
                        self._late_corrections[measure] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        with self._lock:
            events = self._events.copy()
            delays = {measure: (self._delays[measure].copy(), self._sums[measure]) for measure in Measure}
            corrections = self._late_corrections.copy()
        return [_events(events), _delays(delays), _corrections(corrections)]


def _events(numbers: dict[tuple[Measure | None, Outcome], int]) -> Metric:
    family = CounterMetricFamily(
        "butlr_exporter_events", "Events received, by outcome.", labels=["event_type", "outcome"]
    )
    for (measure, outcome), number in numbers.items():
        family.add_metric([EVENT_TYPES[measure], outcome], number)
    return family


def _delays(delays: dict[Measure, tuple[list[int], float]]) -> Metric:
    family = HistogramMetricFamily(
        "butlr_exporter_event_delay_seconds",
        "Arrival minus sensing time of the events that were applied.",
        labels=["event_type"],
    )
    bounds = [*(str(float(bound)) for bound in DELAY_BUCKETS), "+Inf"]
    for measure, (numbers, total) in delays.items():
        family.add_metric([EVENT_TYPES[measure]], list(zip(bounds, accumulate(numbers), strict=True)), total)
    return family


def _corrections(numbers: dict[Measure | None, int]) -> Metric:
    family = CounterMetricFamily(
        "butlr_exporter_settled_corrections",
        "Corrections that came after the reading had settled.",
        labels=["event_type"],
    )
    for measure, number in numbers.items():
        family.add_metric([EVENT_TYPES[measure]], number)
    return family
