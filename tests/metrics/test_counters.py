"""The counters of events, held against those of prometheus_client."""

from threading import Thread

import prometheus_client as client
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.counters import CLAMPED, DELAY_BUCKETS, EXPORTED, OUTCOMES, SETTLING, EventCounters, Result
from exporter.rule.outcome import APPLIED, REFUSED, Outcome

EACH = [(event_type, outcome) for event_type, outcomes in OUTCOMES.items() for outcome in outcomes]
DELAYS = st.sampled_from([-1.0, 0.0, *map(float, DELAY_BUCKETS), 1e9]) | st.integers(-1000, 4_000_000).map(
    lambda milliseconds: milliseconds / 1000
)


def rendered(collector: EventCounters) -> str:
    """Return the exposition of these counters alone."""
    registry = client.CollectorRegistry()
    registry.register(collector)
    return client.generate_latest(registry).decode()


@given(st.lists(st.lists(st.tuples(st.sampled_from(EACH), DELAYS, st.booleans()))))
def test_same_exposition(requests: list[list[tuple[tuple[str, Outcome], float, bool]]]) -> None:
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
    for event_type, outcome in EACH:
        events.labels(event_type, outcome)
    corrections = client.Counter(
        "butlr_exporter_settled_corrections",
        "Corrections that came after the count was final.",
        labels[:1],
        registry=registry,
    )
    negatives = client.Counter(
        "butlr_exporter_negative_values", "Counts below zero, each taken as zero.", labels[:1], registry=registry
    )
    for event_type in EXPORTED:
        delays.labels(event_type)
    for event_type in SETTLING:
        corrections.labels(event_type)
    for event_type in CLAMPED:
        negatives.labels(event_type)
    counters = EventCounters(360.0)
    for request in requests:
        results = [
            Result(event_type, outcome, delay, negative and event_type in CLAMPED)
            for (event_type, outcome), delay, negative in request
        ]
        counters.count(results)
        for event_type, outcome, delay, was_negative in results:
            events.labels(event_type, outcome).inc()
            if outcome is Outcome.CORRECTED and delay >= 360 and event_type in SETTLING:
                corrections.labels(event_type).inc()
            if outcome in APPLIED:
                delays.labels(event_type).observe(max(delay, 0.0))
            if was_negative and outcome not in REFUSED:
                negatives.labels(event_type).inc()
    assert rendered(counters) == client.generate_latest(registry).decode()


def test_readings_that_no_event_brought() -> None:
    """Readings without an event count where they correct final counts, and where a number was below 0."""
    counters = EventCounters(360.0)
    counters.count_without_events(
        [
            Result("ROOM_OCCUPANCY_1MIN", Outcome.CORRECTED, 360.0),
            Result("ROOM_OCCUPANCY_1MIN", Outcome.CORRECTED, 359.0, was_negative=True),
            Result("ROOM_OCCUPANCY_1MIN", Outcome.BACKFILLED, 3600.0),
            Result("ROOM_OCCUPANCY_1MIN", Outcome.OVERFLOW, 3600.0, was_negative=True),
        ]
    )
    families = {family.name: family for family in counters.collect()}
    numbers = {
        name: {sample.value for sample in family.samples if sample.labels["event_type"] == "ROOM_OCCUPANCY_1MIN"}
        for name, family in families.items()
    }
    assert numbers["butlr_exporter_settled_corrections"] == numbers["butlr_exporter_negative_values"] == {1}
    assert numbers["butlr_exporter_events"] == {0}


def test_threads() -> None:
    """No event is lost when several threads count at once."""
    counters = EventCounters(360.0)
    results = [Result(event_type, outcome, 1.0) for event_type, outcome in EACH]

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
