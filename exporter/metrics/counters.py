"""What became of events, counted, and how late they came.

prometheus_client's own counters take a lock and a few microseconds for each event; here those that came together are
counted together, and its registry asks for the sums. Source of the families: `metrics`, which registers this.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from threading import Lock

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from exporter.events.measures import Measure
from exporter.rule.outcome import APPLIED, Outcome

EVENT_TYPES: dict[Measure | None, str] = {**{measure: measure.value for measure in Measure}, None: "other"}
"""The `event_type` label of an event by its measure; None is any type that is not exported."""

OUTCOMES: dict[Measure | None, list[Outcome]] = {
    **{measure: [outcome for outcome in Outcome if outcome is not Outcome.UNSUPPORTED] for measure in Measure},
    None: [Outcome.INVALID, Outcome.UNSUPPORTED],
}
"""What can become of an event, by its measure."""

DELAY_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 180, 240, 300, 360, 600, 1800, 3600)
"""Seconds. Fine where live deliveries fall, a minute each through the five in which Butlr recomputes."""

Result = tuple[Measure | None, Outcome, float]
"""One event: its measure, or None for a type that is not exported, what became of it, and its delay in seconds."""


class EventCounters:
    """The counts of one app. Thread-safe."""

    def __init__(self) -> None:
        # All that can be is there from the start, at 0.
        self._events = {(measure, outcome): 0 for measure in EVENT_TYPES for outcome in OUTCOMES[measure]}
        self._delays: dict[Measure | None, list[int]] = {measure: [0] * (len(DELAY_BUCKETS) + 1) for measure in Measure}
        self._sums: dict[Measure | None, float] = dict.fromkeys(Measure, 0.0)
        self._lock = Lock()

    def count(self, taken: Iterable[Result]) -> None:
        """Count events; the delay of one from a fast clock counts as none."""
        events, delays, sums = self._events, self._delays, self._sums
        with self._lock:
            for measure, outcome, delay in taken:
                events[measure, outcome] += 1
                if outcome in APPLIED:
                    late = delay if delay > 0 else 0.0
                    delays[measure][bisect_left(DELAY_BUCKETS, late)] += 1
                    sums[measure] += late

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        with self._lock:
            counted = self._events.copy()
            delays = {measure: (self._delays[measure].copy(), self._sums[measure]) for measure in Measure}
        events = CounterMetricFamily(
            "butlr_exporter_events", "Events received, by what became of them.", labels=["event_type", "outcome"]
        )
        for (measure, outcome), number in counted.items():
            events.add_metric([EVENT_TYPES[measure], outcome], number)
        delay = HistogramMetricFamily(
            "butlr_exporter_event_delay_seconds",
            "Arrival minus sensing time of the events that were applied.",
            labels=["event_type"],
        )
        bounds = [*(str(float(bound)) for bound in DELAY_BUCKETS), "+Inf"]
        for measure, (numbers, total) in delays.items():
            buckets = list(zip(bounds, accumulate(numbers), strict=True))
            delay.add_metric([EVENT_TYPES[measure]], buckets, total)
        return [events, delay]
