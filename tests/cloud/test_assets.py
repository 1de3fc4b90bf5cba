"""Butlr's assets, as the service reads them again and again."""

import logging
from typing import Any

import prometheus_client
import pytest

from exporter.cloud.assets import AssetsReader
from exporter.cloud.outages import RETRY_SECONDS, Outages
from exporter.events.measures import Kind
from exporter.inventory import Assets
from exporter.metrics.cloud import CloudFamilies
from tests.support.butlr import Answer, Request, ScriptedCloud, data, refused

INTERVAL_SECONDS = 600.0


def on_a_floor(*zones: str, **more: Any) -> Answer:
    """Return sites with one floor and these zones."""
    floor = {"id": "space_1", "name": "1st Floor", "zones": [{"id": zone} for zone in zones], **more}
    return data({"sites": {"data": [{"id": "site_1", "buildings": [{"id": "building_1", "floors": [floor]}]}]}})


def sensors(*rows: dict[str, Any]) -> Answer:
    """Return sensors."""
    return data({"sensors": {"data": [*rows]}})


def hives(*rows: dict[str, Any]) -> Answer:
    """Return hives."""
    return data({"hives": {"data": [*rows]}})


class Account:
    """A reader of an account whose answers may be changed between two rounds."""

    def __init__(self) -> None:
        self.sites = on_a_floor("zone_1", "zone_2")
        self.sensors = sensors({"id": "sensor_s1", "floor_id": "space_1", "is_online": True})
        self.hives = hives({"id": "hive_1", "floor_id": "space_1", "isOnline": False})
        self.assets = Assets()
        self.families = CloudFamilies(prometheus_client.CollectorRegistry())
        self.now_seconds = 0.0
        cloud = ScriptedCloud()
        cloud.react = self._answer
        self.reader = AssetsReader(
            cloud.graphql(), self.assets, self.families, Outages(), lambda: self.now_seconds, INTERVAL_SECONDS
        )

    def _answer(self, request: Request) -> Answer:
        names = {"sites": self.sites, "sensors": self.sensors, "hives": self.hives}
        return next(answer for name, answer in names.items() if request.document["query"].startswith("{\n  " + name))

    def read(self) -> float:
        """Read the assets a minute later; return the seconds until the next time."""
        self.now_seconds += 60
        return self.reader.work()

    @property
    def zones(self) -> list[str]:
        """The ids of the zones that are listed."""
        return list(self.assets.current.spaces[Kind.ZONE])


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture the log from level info on."""
    caplog.set_level(logging.INFO, "exporter.cloud")
    return caplog


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    """Return the messages that were logged and their fields, and forget them."""
    found = [(record.getMessage(), record.args) for record in caplog.records]
    caplog.clear()
    return found


NUMBERS = {
    "zones": 2,
    "rooms": 0,
    "floors": 1,
    "sensors": 1,
    "sensors_offline": 0,
    "hives": 1,
    "hives_offline": 1,
}


def test_all_that_is_read(logged: pytest.LogCaptureFixture) -> None:
    """Spaces, sensors and hives are read; a sensor has the id that its events have, and its place."""
    account = Account()
    assert account.read() == INTERVAL_SECONDS
    inventory = account.assets.current
    assert account.zones == ["zone_1", "zone_2"]
    assert list(inventory.spaces[Kind.FLOOR]) == ["space_1"]
    (sensor,), (hive,) = inventory.sensors, inventory.hives
    assert (sensor.id, sensor.place.floor_name, sensor.is_online) == ("s1", "1st Floor", True)
    assert (hive.id, hive.place.floor_name, hive.is_online) == ("hive_1", "1st Floor", False)
    assert "s1" in inventory.ids[Kind.SENSOR]
    assert account.families.last_assets_seconds == 60
    assert messages(logged) == [("assets read", NUMBERS)]


def test_the_numbers_are_logged_when_they_change(logged: pytest.LogCaptureFixture) -> None:
    """A round with the numbers of the one before logs nothing."""
    account = Account()
    account.read()
    account.read()
    assert messages(logged) == [("assets read", NUMBERS)]
    account.sensors = sensors({"id": "sensor_s1", "is_online": False})
    account.read()
    assert messages(logged) == [("assets read", NUMBERS | {"sensors_offline": 1})]


def test_no_space_at_all(logged: pytest.LogCaptureFixture) -> None:
    """An answer without any space is refused, with one warning, and what was known stays."""
    account = Account()
    account.read()
    messages(logged)
    known = account.assets.current
    for nothing in (
        data({"sites": {"data": []}}),
        data({"sites": {"data": [{"id": "site_1"}]}}),
        data({"sites": {"data": [{"id": "site_1", "buildings": [{"id": "building_1", "floors": None}]}]}}),
    ):
        account.sites = nothing
        assert account.read() == RETRY_SECONDS
    assert account.assets.current is known
    assert account.families.last_assets_seconds == 60
    ((message, fields),) = messages(logged)
    assert message == "request to Butlr failed"
    assert fields["reason"].startswith("Butlr lists no floors, rooms or zones any more")
    account.sites = on_a_floor("zone_1")
    assert account.read() == INTERVAL_SECONDS
    assert account.zones == ["zone_1"]
    assert [message for message, _ in messages(logged)] == ["request to Butlr succeeded again", "assets read"]


@pytest.mark.parametrize("devices", ["sensors", "hives"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_devices_that_cannot_be_read(devices: str, is_empty: bool, logged: pytest.LogCaptureFixture) -> None:
    """Where one list of devices fails or comes back empty, it stays as it was, and everything else is used."""
    account = Account()
    account.read()
    messages(logged)
    known = account.assets.current
    empty = {"sensors": sensors(), "hives": hives()}[devices]
    setattr(account, devices, empty if is_empty else refused("not today"))
    account.sites = on_a_floor("zone_3")
    for _ in range(2):
        assert account.read() == INTERVAL_SECONDS
    assert account.zones == ["zone_3"]
    assert getattr(account.assets.current, devices) == getattr(known, devices)
    assert account.families.last_assets_seconds == 60
    failure, read = messages(logged)
    assert failure[0] == "request to Butlr failed"
    assert failure[1]["work"] == "read the sensors and hives"
    assert read == ("assets read", NUMBERS | {"zones": 1})


def test_an_account_without_devices() -> None:
    """A token that may not read devices, or an account without any, reads the spaces, which is a success."""
    account = Account()
    account.sensors, account.hives = refused("no right", code="FORBIDDEN"), hives()
    account.read()
    assert account.zones == ["zone_1", "zone_2"]
    assert account.assets.current.sensors == account.assets.current.hives == ()
    assert account.families.last_assets_seconds == 60


def test_entries_that_are_ignored(logged: pytest.LogCaptureFixture) -> None:
    """Entries without a usable id, or with one that was there before, are one warning until there are more."""
    account = Account()
    account.sites = on_a_floor("zone_1", "zone_1", "")
    account.read()
    account.read()
    warnings = [entry for entry in messages(logged) if entry[0] == "assets ignored"]
    assert [fields["entries"] for _, fields in warnings] == [2]
    assert account.zones == ["zone_1"]
    account.sites = on_a_floor("zone_1", "zone_1", "", "")
    account.read()
    assert [fields["entries"] for message, fields in messages(logged) if message == "assets ignored"] == [3]


def test_devices_that_are_there_twice() -> None:
    """A sensor whose id comes with and without the prefix of GraphQL is one sensor."""
    account = Account()
    account.sensors = sensors({"id": "sensor_s1", "is_online": True}, {"id": "s1", "is_online": False})
    account.read()
    assert [(sensor.id, sensor.is_online) for sensor in account.assets.current.sensors] == [("s1", True)]
