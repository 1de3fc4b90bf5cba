"""Settled readings as OpenMetrics text, held against prometheus_client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.events.measures import Measure
from exporter.events.model import Metadata
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.metrics.families import SETTLED
from exporter.metrics.settled import openmetrics
from exporter.metrics.text import timestamp
from exporter.rule.series import Point
from exporter.rule.store import Settled
from exporter.settings.declared import Settings
from tests.support.deliveries import NOW, SECOND

LABELS = Settings().labels
SMOOTHED = Measure.ZONE_OCCUPANCY_1MIN


def text(*settled: Settled, labels: tuple[str, ...] = LABELS) -> str:
    """Return the OpenMetrics text of settled readings."""
    return "".join(openmetrics(settled, labels))


class TestOpenMetrics:
    """The OpenMetrics text of settled readings."""

    def test_no_readings(self) -> None:
        """Without readings the text has both families and no sample."""
        families = {family.name: family for family in text_string_to_metric_families(text())}
        assert set(families) == {"butlr_zone_occupancy_settled", "butlr_zone_occupancy_1min_settled"}
        assert {(family.type, len(family.samples)) for family in families.values()} == {("gauge", 0)}

    def test_a_zone(self) -> None:
        """A settled reading is written with its labels, value and timestamp."""
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
        """The text equals that of prometheus_client byte for byte, for any names and values."""

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
        """A reader that truncates to milliseconds, as Prometheus does, reads each timestamp until 2038 exactly."""
        seconds = float(timestamp(milliseconds))
        assert int(seconds * 1000) == round(seconds * 1000) == milliseconds


@pytest.mark.parametrize("measure", Measure)
def test_names(measure: Measure) -> None:
    """The family of a measure's settled readings has the name of its live family and the ending `_settled`."""
    assert SETTLED[measure].removesuffix("_settled") in ("butlr_zone_occupancy", "butlr_zone_occupancy_1min")
    assert measure.declared.settled_help.endswith(".")
