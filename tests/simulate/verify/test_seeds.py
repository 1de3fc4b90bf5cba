"""A whole simulated building, delivered to an exporter in this process and judged by the oracle."""

from collections.abc import Iterable

import pytest

from exporter.app import build
from exporter.events.measures import Measure, known_type
from exporter.events.model import UnsupportedEvent
from exporter.events.parse import parse_body, parse_event
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.compare import answer_differences, exposition_differences
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.verify.scrape import CROSSINGS, READINGS, VALUES, Scraped, parse
from exporter.simulate.world.delivery import Delivery, EventType, Plan
from exporter.simulate.world.stream import deliveries
from tests.support.deliveries import NOW, SECOND, Clock

TYPES = tuple(event_type for event_type in EventType if known_type(event_type))


def delivered(stream: Iterable[Delivery], clock: Clock) -> tuple[Oracle, Scraped]:
    """Deliver a stream to an exporter, each delivery when it is due; return the oracle and the last scrape."""
    exporter = build(clock=clock)
    exchanges = []
    for delivery in stream:
        clock.now = delivery.due_ms
        event = parse_event(*parse_body(delivery.body))
        assert not isinstance(event, UnsupportedEvent)
        outcome = exporter.store.apply(event, clock.now)
        exchanges.append(Exchange(delivery.body, 0, clock.now, clock.now, 1, {outcome.value: 1}))
    exporter.close()
    return Oracle(exchanges, Rule()), parse(b"".join(exporter.metrics.exposition(openmetrics=False)).decode())


@pytest.mark.parametrize("seed", range(1, 11))
def test_every_measure(seed: int) -> None:
    """An exporter shows and answers what the oracle expects, for every type of event."""
    clock = Clock()
    interval_ms = 60 * SECOND if seed % 2 else SECOND  # detections are stale at the end, or not
    plan = Plan(zones=8, types=TYPES, interval_ms=interval_ms, intervals=16, seed=seed)
    oracle, scraped = delivered(deliveries(plan, NOW), clock)
    judgements = list(oracle.judgements())
    assert list(exposition_differences(oracle, scraped, clock.now, clock.now)) == []
    assert list(answer_differences(judgements)) == []
    assert len(judgements) > 1000
    expected = {measure for _, measure in (*oracle.expected_counts(), *oracle.expected_totals())}
    assert expected == {*READINGS, *CROSSINGS}
    shown = {measure for measure in expected if any(scraped[VALUES[measure]].values())}
    assert expected - shown == ({Measure.DETECTIONS} if interval_ms > SECOND else set())
