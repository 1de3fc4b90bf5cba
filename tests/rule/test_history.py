"""The corrected history as OpenMetrics text: held against prometheus_client, and folded from deliveries."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.metrics.families import SETTLED
from exporter.metrics.settled import openmetrics
from exporter.metrics.text import timestamp
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.series import Point
from exporter.rule.store import Settled, Store
from exporter.settings.declared import Settings
from tests.support.deliveries import MINUTE, NOW, SECOND, G, deliveries, delivery
from tests.support.examples import thorough
from tests.support.stores import LIMITS

LABELS = Settings().labels
SMOOTHED = Measure.ZONE_OCCUPANCY_1MIN


def text(*settled: Settled, labels: tuple[str, ...] = LABELS) -> str:
    """Return what is written."""
    return "".join(openmetrics(settled, labels))


class TestOpenMetrics:
    """What is written."""

    def test_nothing_yet(self) -> None:
        """Both families, without samples."""
        families = {family.name: family for family in text_string_to_metric_families(text())}
        assert set(families) == {"butlr_zone_occupancy_settled", "butlr_zone_occupancy_1min_settled"}
        assert {(family.type, len(family.samples)) for family in families.values()} == {("gauge", 0)}

    def test_a_zone(self) -> None:
        """To the letter."""
        settled = Settled(Metadata(zone_id="z", zone_name="Desk 01"), SMOOTHED, [Point(NOW - 500, 2.5), Point(NOW, 3)])
        series = 'butlr_zone_occupancy_1min_settled{zone_id="z",zone_name="Desk 01"}'
        assert text(settled, labels=("zone_name", "zone_id")).splitlines() == [
            f"# HELP butlr_zone_occupancy_settled {Measure.ZONE_OCCUPANCY.declared.settled_help}",
            "# TYPE butlr_zone_occupancy_settled gauge",
            f"# HELP butlr_zone_occupancy_1min_settled {SMOOTHED.declared.settled_help}",
            "# TYPE butlr_zone_occupancy_1min_settled gauge",
            f"{series} 2.5 1799999999.5",
            f"{series} 3.0 1800000000.0",
            "# EOF",
        ]

    @given(
        st.lists(
            st.builds(
                Settled,
                st.builds(Metadata, **{field: st.text() for field in Metadata._fields}),
                st.sampled_from(Measure),
                st.lists(st.builds(Point, st.integers(EARLIEST_TIMESTAMP, NOW), st.floats(0))),
            )
        ),
        st.lists(st.sampled_from(Metadata._fields), unique=True).map(
            lambda labels: tuple(dict.fromkeys([*labels, "zone_id"]))
        ),
    )
    def test_as_prometheus_client_writes_it(self, settled: list[Settled], labels: tuple[str, ...]) -> None:
        """Byte for byte, whatever the names and values."""

        class Collector:
            def collect(self) -> list[Metric]:
                families = {m: GaugeMetricFamily(SETTLED[m], m.declared.settled_help, labels=labels) for m in Measure}
                for metadata, measure, points in settled:
                    for t, value in points:
                        values = [getattr(metadata, label) for label in labels]
                        families[measure].add_metric(values, value, timestamp=t / 1000)
                return list(families.values())

        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector())
        assert text(*settled, labels=labels).encode() == generate_latest(registry)

    @given(st.integers(EARLIEST_TIMESTAMP, 2**31 * SECOND - 1))
    def test_every_millisecond_arrives(self, milliseconds: int) -> None:
        """Until 2038 also at a reader that cuts off what is behind the point, as Prometheus does."""
        seconds = float(timestamp(milliseconds))
        assert int(seconds * 1000) == round(seconds * 1000) == milliseconds


def history(
    *events: OccupancyEvent, now: int = NOW, window: int = 15 * MINUTE, tolerance: int = 5 * MINUTE
) -> tuple[History, list[Outcome]]:
    """Return the history of some deliveries, and what became of each."""
    told = History(window, 6 * MINUTE, tolerance, now)
    return told, [told.apply(event) for event in events]


class TestHistory:
    """Deliveries folded into what every reading came to."""

    def test_readings_that_left_the_window(self) -> None:
        """Are told as well, each with its last value, oldest first."""
        hours = [NOW - 60 * m * MINUTE for m in (3, 2, 1)]
        events = [delivery(t, v, generation=G + v) for v, t in enumerate(hours)]
        told, outcomes = history(*events, delivery(hours[2], 9, generation=G + 9), delivery(hours[0], 7, generation=G))
        assert outcomes == [Outcome.NEW] * 3 + [Outcome.CORRECTED, Outcome.LATE]
        (only,) = told.settled()
        assert only.points == [(hours[0], 0), (hours[1], 1), (hours[2], 9)]

    def test_a_wider_window_takes_what_is_late(self) -> None:
        """For deliveries that were put together from several files."""
        told, outcomes = history(delivery(NOW - MINUTE * 60), delivery(NOW - MINUTE * 600, 2), window=999 * MINUTE)
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]
        (only,) = told.settled()
        assert len(only.points) == 2

    def test_what_may_still_change(self) -> None:
        """Is left out, and so is a zone that has nothing else."""
        told, _ = history(delivery(NOW - 6 * MINUTE), delivery(NOW - 6 * MINUTE + 1), delivery(zone="zone_b"))
        (only,) = told.settled()
        assert (only.metadata.zone_id, only.points) == ("zone_a", [(NOW - 6 * MINUTE, 1)])

    def test_the_newest_names(self) -> None:
        """All of a zone's history is one series."""
        told, _ = history(delivery(NOW - 60 * MINUTE, name="old"), delivery(NOW - 30 * MINUTE, name="new"))
        (only,) = told.settled()
        assert only.metadata.zone_name == "new"

    def test_the_future(self) -> None:
        """Is refused, as the service does: ahead of now, or of all that was computed so far."""
        _, outcomes = history(delivery(NOW + 6 * MINUTE))
        assert outcomes == [Outcome.FUTURE]
        then = NOW - 600 * MINUTE
        told, outcomes = history(
            delivery(then, generation=then // 1000),
            delivery(then + 300 * MINUTE, generation=then // 1000 + 60),
            delivery(then + MINUTE, generation=then // 1000 + 60),
            delivery(then + 2 * MINUTE, generation=G + 9999),
            delivery(then + 3 * MINUTE, generation=then // 1000 + 120),
        )
        assert outcomes == [Outcome.NEW, Outcome.FUTURE, Outcome.NEW, Outcome.NEW, Outcome.NEW]
        assert told.computed == NOW

    def test_until(self) -> None:
        """What is from then on is left out."""
        told, _ = history(delivery(NOW - 20 * MINUTE), delivery(NOW - 10 * MINUTE))
        (only,) = told.settled(until=NOW - 10 * MINUTE)
        assert only.points == [(NOW - 20 * MINUTE, 1)]

    def test_any_number_of_deliveries(self) -> None:
        """The service forgets the oldest readings of a flood; here none is."""
        then = NOW - 6000 * MINUTE
        events = [delivery(then + m * MINUTE, r, id=f"e{m}_{r}") for m in range(2000) for r in range(5)]
        told, _ = history(*reversed(events), window=9999 * MINUTE)
        (only,) = told.settled()
        assert only.points == [(then + m * MINUTE, 0) for m in range(2000)]

    @thorough
    @given(deliveries())
    def test_the_same_as_the_service(self, events: list[OccupancyEvent]) -> None:
        """Of what is in the window, the service's store says the same, in whatever order it was delivered."""
        now = NOW + 4 * MINUTE
        told, _ = history(*events, now=now, tolerance=99 * MINUTE)  # some were computed before they were sensed
        shuffled = random.Random(1).sample(events, len(events))
        service = Store(LIMITS)
        for event in shuffled:
            service.apply(event, now)
        shown = {(each.metadata, each.measure): each.points for each in service.settled(now, 99)}
        exported = {(each.metadata, each.measure): each.points for each in told.settled()}
        for key, points in shown.items():
            oldest = now - LIMITS.window
            assert points == [point for point in exported[key] if point[0] > oldest]


@pytest.mark.parametrize("measure", Measure)
def test_names(measure: Measure) -> None:
    """Those of the live families, with an ending."""
    assert SETTLED[measure].removesuffix("_settled") in ("butlr_zone_occupancy", "butlr_zone_occupancy_1min")
    assert measure.declared.settled_help.endswith(".")
