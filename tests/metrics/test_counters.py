"""The counters of events, held against those of prometheus_client."""

from threading import Thread

import prometheus_client as client
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Measure
from exporter.metrics.counters import DELAY_BUCKETS, EVENT_TYPES, OUTCOMES, EventCounters, Result
from exporter.rule.outcome import APPLIED, Outcome

EACH = [(measure, outcome) for measure, outcomes in OUTCOMES.items() for outcome in outcomes]
DELAYS = st.sampled_from([-1.0, 0.0, *map(float, DELAY_BUCKETS), 1e9]) | st.integers(-1000, 4_000_000).map(
    lambda milliseconds: milliseconds / 1000
)


def rendered(collector: EventCounters) -> str:
    """Return the exposition of these counters alone."""
    registry = client.CollectorRegistry()
    registry.register(collector)
    return client.generate_latest(registry).decode()


@given(st.lists(st.lists(st.tuples(st.sampled_from(EACH), DELAYS))))
def test_same_exposition(requests: list[list[tuple[tuple[Measure, object], float]]]) -> None:
    """The exposition is that of prometheus_client's counters, byte for byte."""
    client.disable_created_metrics()
    registry = client.CollectorRegistry()
    labels = ["event_type", "outcome"]
    events = client.Counter("butlr_exporter_events", "Events received, by outcome.", labels, registry=registry)
    delays = client.Histogram(
        "butlr_exporter_event_delay_seconds",
        "Arrival minus sensing time of the events that were applied.",
        labels[:1],
        buckets=DELAY_BUCKETS,
        registry=registry,
    )
    for measure, outcome in EACH:
        events.labels(EVENT_TYPES[measure], outcome)
    corrections = client.Counter(
        "butlr_exporter_settled_corrections",
        "Corrections that came after the reading had settled.",
        labels[:1],
        registry=registry,
    )
    for measure in Measure:
        delays.labels(EVENT_TYPES[measure])
        corrections.labels(EVENT_TYPES[measure])
    counters = EventCounters(360.0)
    for request in requests:
        results = [Result(measure, outcome, delay) for (measure, outcome), delay in request]  # type: ignore[arg-type]
        counters.count(results)
        for measure, outcome, delay in results:
            events.labels(EVENT_TYPES[measure], outcome).inc()
            if outcome is Outcome.CORRECTED and delay >= 360:
                corrections.labels(EVENT_TYPES[measure]).inc()
            if outcome in APPLIED:
                delays.labels(EVENT_TYPES[measure]).observe(max(delay, 0.0))
    assert rendered(counters) == client.generate_latest(registry).decode()


def test_threads() -> None:
    """No event is lost when several threads count at once."""
    counters = EventCounters(360.0)
    results = [Result(measure, outcome, 1.0) for measure, outcome in EACH]

    def count() -> None:
        for _ in range(2000):
            counters.count(results)

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events, *_ = counters.collect()
    assert {sample.value for sample in events.samples} == {8000}
