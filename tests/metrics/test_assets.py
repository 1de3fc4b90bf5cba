"""The families of Butlr's assets, parsed as Prometheus parses them."""

import pytest

from exporter.events.measures import Kind
from exporter.inventory import Inventory
from exporter.metrics.families import ASSETS_HELP
from exporter.settings.load import load
from tests.support.deliveries import NOW, delivery
from tests.support.inventories import FLOOR, ROOM, asset, device, inventory
from tests.support.scraped import LABELS, Scraped

ONLY_FLOOR = {"site_name": "HQ", "building_name": "Main", "floor_name": "1st Floor", "room_name": ""}


def scraped(listed: Inventory, labels: tuple[str, ...] = LABELS) -> Scraped:
    """Return an exporter that knows `zone_a`, for which Butlr lists these assets."""
    found = Scraped(delivery(), labels=labels)
    found.metrics.show_assets(listed)
    return found


LISTED = inventory(
    asset(Kind.ZONE, "zone_a", ("Desks", "Quiet")),
    asset(Kind.ZONE, "zone_b"),
    asset(Kind.FLOOR, "space_1", ("Desks",)),
    sensors=(
        device("s1", ROOM, heard_ms=NOW - 500),
        device("s2", is_online=False),
        device("s3", is_online=None, heard_ms=NOW),
    ),
    hives=(device("hive_1"), device("hive_2", is_online=False), device("hive_3", is_online=None)),
)


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
class TestAssets:
    """The families are the same in both formats."""

    def test_before_the_assets_were_read(self, openmetrics: bool) -> None:
        """Every family is there without a sample, and no space is counted as missing."""
        families = Scraped(delivery()).families(openmetrics=openmetrics)
        for name in ASSETS_HELP:
            assert families[name].type == "gauge"
            assert families[name].documentation == ASSETS_HELP[name]
            assert families[name].samples == []
        states = {sample.labels["state"] for sample in families["butlr_exporter_spaces"].samples}
        assert states == {"fresh", "stale"}

    def test_tags(self, openmetrics: bool) -> None:
        """Each tag of a space is a sample with the id of the space."""
        samples = scraped(LISTED).samples(openmetrics=openmetrics)
        assert samples["butlr_zone_tag_info"] == [({"zone_id": "zone_a", "tag": tag}, 1) for tag in ("Desks", "Quiet")]
        assert samples["butlr_floor_tag_info"] == [({"floor_id": "space_1", "tag": "Desks"}, 1)]
        assert "butlr_room_tag_info" not in samples

    def test_devices(self, openmetrics: bool) -> None:
        """Sensors and hives have the labels of their places; a state that Butlr does not say is no sample."""
        samples = scraped(LISTED).samples(openmetrics=openmetrics)
        in_room = {**ONLY_FLOOR, "room_name": "Birch", "sensor_id": "s1"}
        assert samples["butlr_sensor_online"] == [(in_room, 1), ({**ONLY_FLOOR, "sensor_id": "s2"}, 0)]
        assert samples["butlr_sensor_last_heartbeat_timestamp_seconds"] == [
            (in_room, NOW / 1000 - 0.5),
            ({**ONLY_FLOOR, "sensor_id": "s3"}, NOW / 1000),
        ]
        assert samples["butlr_hive_online"] == [
            ({**ONLY_FLOOR, "hive_id": "hive_1"}, 1),
            ({**ONLY_FLOOR, "hive_id": "hive_2"}, 0),
        ]

    def test_only_named_samples(self, openmetrics: bool) -> None:
        """A scrape with names has the families of assets that are named and have samples."""
        names = ["butlr_zone_tag_info", "butlr_room_tag_info", "butlr_zone_occupancy"]
        families = scraped(LISTED).families(openmetrics=openmetrics, names=names)
        assert set(families) == {"butlr_zone_tag_info", "butlr_zone_occupancy"}
        assert scraped(LISTED).families(openmetrics=openmetrics, names=["butlr_zone_capacity"]) == {}

    def test_hostile_texts(self, openmetrics: bool) -> None:
        """Tags, ids and names with quotes, backslashes and line ends are parsed as they were, and forge no sample."""
        hostile = ['"', "\\", "\n", '"} 99\nbutlr_zone_tag_info{zone_id="forged', "会議室 🪑", "\r#"]
        listed = inventory(
            *(asset(Kind.ZONE, text, (text,)) for text in hostile),
            sensors=tuple(device(text, FLOOR._replace(floor_name=text)) for text in hostile),
            hives=tuple(device(text) for text in hostile),
        )
        samples = scraped(listed).samples(openmetrics=openmetrics)
        assert samples["butlr_zone_tag_info"] == [({"zone_id": text, "tag": text}, 1) for text in hostile]
        sensors = [(labels["sensor_id"], labels["floor_name"]) for labels, _ in samples["butlr_sensor_online"]]
        assert sensors == [(text, text) for text in hostile]
        assert [labels["hive_id"] for labels, _ in samples["butlr_hive_online"]] == hostile


def test_the_newest_inventory() -> None:
    """An inventory takes the place of the one before, with all its lines."""
    exporter = scraped(LISTED)
    exporter.metrics.show_assets(inventory(sensors=tuple(device(f"s{n}") for n in range(1000))))
    samples = exporter.samples()
    assert len(samples["butlr_sensor_online"]) == 1000
    assert not {"butlr_zone_tag_info", "butlr_hive_online"} & set(samples)


def test_chosen_labels() -> None:
    """A sensor has the chosen labels that a sensor can have, a hive those that a hive can have, and each its id."""
    listed = inventory(
        sensors=(device("s1", ROOM, address="00-17-0d-00-00-cc-bb-aa"),), hives=(device("hive_1", address="B12"),)
    )
    labels = load({"labels": "room_id, zone_name, mac_address, hive_serial, sensor_id"}, {}).labels
    samples = scraped(listed, labels).samples()
    assert samples["butlr_sensor_online"] == [
        ({"room_id": "room_1", "mac_address": "00-17-0d-00-00-cc-bb-aa", "hive_serial": "", "sensor_id": "s1"}, 1)
    ]
    assert samples["butlr_hive_online"] == [({"room_id": "", "hive_serial": "B12", "hive_id": "hive_1"}, 1)]


class TestMissing:
    """Spaces that Butlr lists and that never came are counted."""

    @staticmethod
    def missing(exporter: Scraped) -> dict[str, float]:
        """Return the number of missing spaces by kind."""
        samples = exporter.samples(names=["butlr_exporter_spaces"])["butlr_exporter_spaces"]
        return {labels["kind"]: value for labels, value in samples if labels["state"] == "missing"}

    def test_each_kind_with_people(self) -> None:
        """Every kind in which people are counted has its number of missing spaces; sensors have none."""
        assert self.missing(scraped(LISTED)) == {"zone": 1, "room": 0, "floor": 1}

    def test_spaces_that_come_and_go(self) -> None:
        """A missing space is missing until its first event, and again once it was forgotten."""
        exporter = scraped(LISTED)
        assert self.missing(exporter)["zone"] == 1
        exporter.store.apply(delivery(zone="zone_c"), NOW)  # which Butlr does not list
        assert self.missing(exporter)["zone"] == 1
        exporter.store.apply(delivery(zone="zone_b"), NOW)
        assert self.missing(exporter)["zone"] == 0
        exporter.clock.now = NOW + 25 * 3_600_000
        assert self.missing(exporter)["zone"] == 2

    def test_another_inventory(self) -> None:
        """Spaces that Butlr no longer lists are not missing; new ones are."""
        exporter = scraped(LISTED)
        assert self.missing(exporter) == {"zone": 1, "room": 0, "floor": 1}
        exporter.metrics.show_assets(inventory(asset(Kind.ROOM, "room_1"), asset(Kind.ZONE, "zone_a")))
        assert self.missing(exporter) == {"zone": 0, "room": 1, "floor": 0}

    def test_counted_only_after_a_change(self) -> None:
        """Scrapes without a space that comes or goes compare no space with the inventory."""
        asked = 0

        class Ids(frozenset[str]):
            def __contains__(self, item: object) -> bool:
                nonlocal asked
                asked += 1
                return super().__contains__(item)

        exporter = Scraped(delivery())
        exporter.metrics._spaces.listed = {Kind.ZONE: Ids(["zone_a", "zone_b"])}
        assert self.missing(exporter) == {"zone": 1}
        exporter.store.apply(delivery(NOW + 1, 3), NOW + 1)
        assert self.missing(exporter) == {"zone": 1}
        assert asked == 1
