"""The pages and the API with Butlr's assets: offline devices, tags, polls and failures."""

import pytest
from flask.testing import FlaskClient

from exporter.app import Exporter, build
from exporter.butlr.errors import BadAnswer
from exporter.cloud.outages import Outages
from exporter.events.measures import Kind, Measure
from exporter.rule.outcome import Outcome
from exporter.settings.load import load
from tests.support.connected import CONNECTED, POD, named, send, text
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, body, delivery
from tests.support.inventories import ROOM, asset, device, inventory


class TestDevices:
    """Sensors and hives that are not connected."""

    def test_offline_devices(self, exporter: Exporter, client: FlaskClient) -> None:
        """The page lists offline sensors and hives with their place and the age of their last sign."""
        exporter.assets.replace(
            inventory(
                asset(Kind.ZONE, "zone_a"),
                sensors=(device("a", ROOM, is_online=False, heard_ms=NOW - 5 * MINUTE, address="00-17"), device("b")),
                hives=(device("h", is_online=False), device("unknown", is_online=None)),
            )
        )
        send(client, "zone_a")
        page = text(client.get("/").text)
        assert "Offline 1 of 2 sensors, 1 of 2 hives" in page
        assert "Device a Birch, 1st Floor, Main, HQ, 00-17 offline 5 min ago" in page
        assert "Device h 1st Floor, Main, HQ offline \N{EN DASH}" in page
        assert "Device b" not in page
        assert "Device unknown" not in page
        cloud = client.get("/api/v1/spaces").get_json()["cloud"]
        assert (cloud["sensors"], cloud["hives"]) == ({"number": 2, "offline": 1}, {"number": 2, "offline": 1})

    @pytest.mark.parametrize(
        ("online", "words"),
        [
            ([False, True, False], "no data since 07:00 UTC 2 of 3 sensors offline"),
            ([False, False], "no data since 07:00 UTC all 2 sensors offline"),
            ([False], "no data since 07:00 UTC the sensor is offline"),
        ],
    )
    def test_a_silent_zone(self, exporter: Exporter, client: FlaskClient, online: list[bool], words: str) -> None:
        """The line of a silent zone and its page say how many sensors of its room are offline."""
        sensors = tuple(device(f"s{n}", ROOM, is_online=each) for n, each in enumerate(online))
        exporter.assets.replace(inventory(sensors=(*sensors, device("elsewhere"))))
        event = {"id": "event_1", "type": "ZONE_OCCUPANCY", "timestamp": NOW - HOUR, "metadata": POD._asdict()}
        client.post("/webhook", json=event | {"data": 3})
        assert words in text(client.get("/").text)
        assert words in text(client.get("/spaces/zone/zone_pod").text)

    def test_a_zone_outside_of_rooms(self, exporter: Exporter, client: FlaskClient) -> None:
        """Butlr says only the floor of the sensors outside of rooms, and so does the page."""
        exporter.assets.replace(
            inventory(
                named(Kind.ZONE, "zone_b", "Booth"),
                sensors=(device("a", is_online=False), device("b"), device("c", ROOM, is_online=False)),
            )
        )
        assert "1 of 2 sensors on its floor offline" in client.get("/spaces/zone/zone_b").text
        assert client.get("/api/v1/spaces/zone/zone_b").get_json()["sensors"]["of_floor"]

    def test_a_sensor_itself(self, exporter: Exporter, client: FlaskClient) -> None:
        """The page of a sensor says that it is offline; that of a floor counts all of its sensors."""
        exporter.assets.replace(
            inventory(asset(Kind.FLOOR, "space_1"), sensors=(device("zone_a", is_online=False), device("b", ROOM)))
        )
        client.post("/webhook", data=body(delivery(NOW - HOUR, 2, measure=Measure.DETECTIONS)))
        assert "the sensor is offline" in client.get("/spaces/sensor/zone_a").text
        assert "1 of 2 sensors offline" in client.get("/spaces/floor/space_1").text

    def test_butlr_delivers_nothing(self, exporter: Exporter, client: FlaskClient) -> None:
        """Where every place is silent though all sensors are online, the page says that Butlr delivers nothing."""
        send(client, "zone_a", timestamp=NOW - HOUR)
        words = "Butlr delivers nothing, although all 2 sensors are online"
        exporter.assets.replace(inventory(sensors=(device("a"), device("b"))))
        assert words in client.get("/").text
        exporter.assets.replace(inventory(sensors=(device("a"), device("b", is_online=False))))
        assert "delivers nothing" not in client.get("/").text
        exporter.assets.replace(inventory(sensors=(device("a"), device("b"))))
        send(client, "zone_b")
        assert "delivers nothing" not in client.get("/").text


class TestPolls:
    """An exporter that asks Butlr's API for counts."""

    @pytest.fixture
    def exporter(self, clock: Clock) -> Exporter:
        """Return an exporter that polls."""
        return build(load(CONNECTED | {"poll": "60s"}, {}), clock)

    def test_polls_without_events(self, exporter: Exporter, client: FlaskClient) -> None:
        """The page of an exporter without a webhook speaks of polls, not of events."""
        exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a")))
        page = text(client.get("/").text)
        assert "every 60 s: they appear here by themselves" in page
        assert "webhooks apply" not in page
        families = exporter.metrics.cloud
        families.last_poll_seconds = NOW / 1000 - 20
        families.count_polled("ZONE_OCCUPANCY_1MIN", Outcome.NEW, 3)
        families.count_polled("ROOM_OCCUPANCY_1MIN", Outcome.NEW, 1)
        exporter.store.apply(delivery(NOW, 3, measure=Measure.ZONE_OCCUPANCY_1MIN), NOW)
        page = text(client.get("/").text)
        assert "Last poll 20 s ago" in page
        assert "Last event" not in page
        assert "asked for counts every 60 s; the last poll ended 07:59 UTC . Readings since the start: 4 new." in page
        assert "in the last minute" not in page
        assert client.get("/api/v1/spaces").get_json()["cloud"]["poll"] == {
            "interval_seconds": 60,
            "last": "2027-01-15T07:59:40Z",
            "age_seconds": 20,
            "readings": {"new": 4},
        }
        assert "too old to be shown" not in page
        families.count_polled("ZONE_OCCUPANCY_1MIN", Outcome.LATE, 7)
        page = text(client.get("/").text)
        assert "too old to be shown; butlr-exporter backfill brings them into Prometheus" in page

    def test_polls_beside_events(self, client: FlaskClient) -> None:
        """With a webhook as well, the page speaks of both."""
        send(client, "zone_a")
        page = text(client.get("/").text)
        assert "Last event 0 s ago" in page
        assert "no poll has succeeded yet." in page
        assert "1 event in the last minute" in page


def test_a_failure(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of Butlr's API is one line of the page with its reason, until it ends."""
    outages = Outages()
    monkeypatch.setattr("exporter.cloud.service.Outages", lambda: outages)
    client = build(load(CONNECTED, {}), clock).app.test_client()
    send(client, "zone_a")
    before = client.head("/api/v1/spaces").headers["ETag"]
    outages.failed("read the assets", BadAnswer("the answer is HTML"))
    assert "Butlr's API: cannot read the assets: the answer is HTML" in client.get("/").text.replace("&#39;", "'")
    assert client.get("/api/v1/spaces").get_json()["cloud"]["failures"] == {"read the assets": "the answer is HTML"}
    assert client.head("/api/v1/spaces").headers["ETag"] != before
    outages.succeeded("read the assets")
    assert "cannot read the assets" not in client.get("/").text


def test_the_source_of_a_capacity(exporter: Exporter, client: FlaskClient) -> None:
    """The page of a space says that its capacity is Butlr's own, and shows its tags."""
    exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a", ("Desks",), 4)))
    send(client, "zone_a")
    page = text(client.get("/spaces/zone/zone_a").text)
    assert "Capacity 4, as configured at Butlr" in page
    assert "Tag: Desks." in page
    assert client.get("/api/v1/spaces/zone/zone_a").get_json()["tags"] == ["Desks"]
