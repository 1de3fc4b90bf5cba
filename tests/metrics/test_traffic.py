"""The families of entryways, read as Prometheus reads them, and held against those of prometheus_client."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from bench.reference import Reference
from exporter.capacity.rules import NO_RULES
from exporter.events.measures import Kind, Measure
from exporter.events.model import SensorMetadata
from exporter.metrics.spaces import SpaceFamilies
from exporter.rule.space import Space
from exporter.rule.traffic import Crossed
from tests.support.crossings import crossing, event, sensor
from tests.support.deliveries import HOUR, NOW, SECOND, delivery
from tests.support.scraped import Scraped
from tests.support.stores import LIMITS, snapshot_of

DOOR = {"building_name": "", "floor_name": "1st Floor", "room_name": "", "sensor_id": "sensor_a", "site_name": ""}
"""The labels of the sensor in `sensor()`."""


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
class TestEntryway:
    """The families of one entryway are the same in both formats."""

    def test_one(self, openmetrics: bool) -> None:
        """An entryway has a counter for each direction, the time of its last crossing, and the names of its sensor."""
        scraped = Scraped(event(crossing(1, 3, 2)), event(crossing(0, 0, 0)))
        samples = scraped.samples(openmetrics=openmetrics)
        assert samples["butlr_entryway_crossings_total"] == [
            (DOOR | {"direction": "in"}, 3),
            (DOOR | {"direction": "out"}, 2),
        ]
        assert samples["butlr_entryway_last_crossing_timestamp_seconds"] == [(DOOR, NOW / 1000 - 1)]
        assert samples["butlr_sensor_info"] == [(sensor()._asdict(), 1)]
        states = [value for labels, value in samples["butlr_exporter_spaces"] if labels["kind"] == "sensor"]
        assert states == [1, 0]

    def test_none(self, openmetrics: bool) -> None:
        """Without an entryway the families are there and have no samples."""
        families = Scraped().families(openmetrics=openmetrics)
        assert families["butlr_entryway_crossings"].type == "counter"
        assert families["butlr_entryway_crossings"].samples == []
        assert families["butlr_entryway_last_crossing_timestamp_seconds"].samples == []
        assert families["butlr_sensor_info"].samples == []

    def test_nobody_yet(self, openmetrics: bool) -> None:
        """An entryway through which nobody came has counters of 0 and no last crossing."""
        samples = Scraped(event(crossing(0, 0, 0))).samples(openmetrics=openmetrics)
        assert [value for _, value in samples["butlr_entryway_crossings_total"]] == [0, 0]
        assert "butlr_entryway_last_crossing_timestamp_seconds" not in samples

    def test_a_renamed_sensor(self, openmetrics: bool) -> None:
        """A sensor that was moved has one series of each family, under its new names."""
        scraped = Scraped(event(crossing(1)))
        scraped.samples(openmetrics=openmetrics)
        scraped.store.apply(event(crossing(0), sensor(floor="2nd Floor")), NOW)
        samples = scraped.samples(openmetrics=openmetrics)
        assert samples["butlr_entryway_crossings_total"][0] == (
            DOOR | {"floor_name": "2nd Floor", "direction": "in"},
            2,
        )
        assert len(samples["butlr_entryway_crossings_total"]) == 2

    def test_never_stale(self, openmetrics: bool) -> None:
        """The counters of a silent entryway stay until it is forgotten."""
        scraped = Scraped(event(crossing(0)))
        scraped.clock.now += 24 * HOUR
        assert len(scraped.samples(openmetrics=openmetrics)["butlr_entryway_crossings_total"]) == 2
        scraped.clock.now += 1
        assert "butlr_entryway_crossings_total" not in scraped.samples(openmetrics=openmetrics)

    def test_beside_other_sensors(self, openmetrics: bool) -> None:
        """A sensor that only sees people has no counter, also when it is written again."""
        seen = delivery(measure=Measure.DETECTIONS, zone="sensor_b")._replace(metadata=sensor("sensor_b"))
        scraped = Scraped(event(crossing(0)), seen)
        assert len(scraped.samples(openmetrics=openmetrics)["butlr_entryway_crossings_total"]) == 2
        scraped.store.apply(seen._replace(id="event_b", value=3.0), NOW)
        samples = scraped.samples(openmetrics=openmetrics)
        assert [labels["sensor_id"] for labels, _ in samples["butlr_entryway_crossings_total"]] == ["sensor_a"] * 2

    @pytest.mark.parametrize("name", ["butlr_entryway_crossings", "butlr_entryway_crossings_total"])
    def test_by_name(self, openmetrics: bool, name: str) -> None:
        """The counter is found by its name in either format."""
        families = Scraped(event(crossing(0))).families(openmetrics=openmetrics, names=[name])
        assert [*families] == ["butlr_entryway_crossings"]
        assert len(families["butlr_entryway_crossings"].samples) == 2


def test_many() -> None:
    """Every entryway is written, however many there are."""
    sensors = [sensor(f"sensor_{n}") for n in range(1001)]
    samples = Scraped(
        *[event(crossing(n), each) for n, each in enumerate(sensors)], limits=replace(LIMITS, max_spaces=2000)
    ).samples()
    found = [labels["sensor_id"] for labels, _ in samples["butlr_entryway_last_crossing_timestamp_seconds"]]
    assert found == [each.sensor_id for each in sensors]


_NAMES = st.text(max_size=3)
_SENSORS = st.builds(
    Space,
    st.just(Kind.SENSOR),
    st.sampled_from("abc"),
    st.builds(SensorMetadata, site_name=_NAMES, floor_name=_NAMES, sensor_id=_NAMES, mac_address=_NAMES),
    st.just(())
    | st.tuples(
        st.builds(
            Crossed,
            st.just(Measure.CROSSINGS),
            st.just(NOW),
            st.integers(0, 10**12).map(float),
            st.integers(0, 10**12),
            st.sampled_from([-1, NOW, NOW - SECOND, NOW - 1]),
        )
    ),
)


@given(st.lists(st.lists(_SENSORS, unique_by=lambda each: each.id, max_size=3), min_size=1, max_size=4))
def test_byte_for_byte(scrapes: list[list[Space]]) -> None:
    """Both formats are byte for byte those of the library, in each of several scrapes of changing sensors."""
    labels = ["site_name", "zone_name", "floor_name"]
    families = SpaceFamilies(labels, lambda: NO_RULES)
    for sensors in scrapes:
        snapshot = snapshot_of(sensors)
        reference = Reference(lambda: snapshot, labels, lambda *_: None).registry  # noqa: B023 - called at once
        assert b"".join(families.render(lambda: snapshot)) == generate_latest(reference)  # noqa: B023
        openmetrics = b"".join(families.render(lambda: snapshot, openmetrics=True))  # noqa: B023
        assert openmetrics + b"# EOF\n" == generate_openmetrics(reference)
