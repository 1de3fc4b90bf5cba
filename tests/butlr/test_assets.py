"""Assets: the documented answer read, and answers that lie."""

import json
from typing import Any

import pytest

from exporter.butlr.assets import Level, Place, Topology, read_hives, read_sensors, read_topology
from exporter.butlr.errors import BadAnswer, Refused
from exporter.butlr.transport import Reply
from tests.support.butlr import ScriptedCloud, data, refused, sample

FLOOR = "space_2oUBnI7YL51GNemTvKIxEgSZ8gx"


def topology(document: Any) -> Topology:
    """Return the places of an answer with these sites."""
    return read_topology(ScriptedCloud(data({"sites": {"data": document}})).graphql())


def on_a_floor(**lists: Any) -> list[dict[str, Any]]:
    """Return a site whose only floor has these rooms and zones."""
    return [{"id": "site_1", "buildings": [{"id": "building_1", "floors": [{"id": "space_1", **lists}]}]}]


def test_the_documented_answer() -> None:
    """Every place has its level, ids, names, capacity and tags; a capacity of 0 is none."""
    places, ignored = read_topology(ScriptedCloud(sample("sites")).graphql())
    assert ignored == 0
    assert [(place.level.value, place.name, place.capacity, place.tags) for place in places] == [
        ("site", "HQ", None, ()),
        ("building", "Main", 20, ()),
        ("floor", "1st Floor", 20, ("Sales",)),
        ("room", "Birch", 8, ()),
        ("zone", "Desk 01", 4, ("Desks", "Quiet")),
        ("zone", "Lounge", None, ()),
    ]
    assert [place.level.kind for place in places][:3] == [None, None, "floor"]


def test_metadata_is_that_of_events() -> None:
    """A zone has the ids, custom ids and names of the places around it, under the names that events have."""
    places, _ = read_topology(ScriptedCloud(sample("sites")).graphql())
    desk, lounge = places[-2:]
    assert desk.id == "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28"
    assert desk.metadata._asdict() == {
        "org_id": "org_2oUBiRES2AmpczNM5yLu7pChz8o",
        "org_name": "",
        "site_id": "site_2oUBkdxF0lLJZxyWVix09ZTsMNV",
        "site_name": "HQ",
        "building_id": "building_2oUBkaFkcYwDzo7HLXpPh8bP4cD",
        "building_name": "Main",
        "floor_id": FLOOR,
        "floor_name": "1st Floor",
        "floor_custom_id": "2tZStWPtxqpmb3w0PoJDm7AnfIX",
        "room_id": "room_2oUDDps5iKHHo6RwlMgGVihmTlq",
        "room_name": "Birch",
        "room_custom_id": "2tZSGplhA4CZ58wFlTf7wAeKMVo",
        "zone_id": desk.id,
        "zone_name": "Desk 01",
        "zone_custom_id": "2tZTBBPk0Xmmo8zl1zFXrBHZwsz",
    }
    assert lounge.metadata.room_id == ""


def test_sensors_without_virtual_and_test_ones() -> None:
    """Virtual and test sensors are left out, in any case of their mac address."""
    online, offline = read_sensors(ScriptedCloud(sample("sensors")).graphql())
    assert online.is_online is True
    assert online.last_heartbeat_ms == 1_795_593_600_000
    assert (offline.name, offline.is_online, offline.last_heartbeat_ms) == ("", False, None)


def test_hives_without_test_ones() -> None:
    """Hives with a test serial number are left out."""
    (hive,) = read_hives(ScriptedCloud(sample("hives")).graphql())
    assert (hive.address, hive.is_online, hive.last_heartbeat_ms) == ("hive-1", True, None)


@pytest.mark.parametrize(
    ("heartbeat", "found_ms"),
    [
        ("2026-11-25T10:00:00+02:00", 1_795_593_600_000),
        ("2026-11-25T08:00:00.123456Z", 1_795_593_600_123),
        ("2026-11-25T08:00:00", None),
        ("yesterday", None),
        (1_795_593_600, 1_795_593_600_000),
        (1_795_593_600_000, 1_795_593_600_000),
        (-1, None),
        (0, None),
        (1e300, None),
    ],
)
def test_times_of_heartbeats(heartbeat: Any, found_ms: int | None) -> None:
    """A heartbeat in another time zone, in seconds or in milliseconds is the same moment; any other text is none."""
    row = {"id": "sensor_1", "last_heartbeat": heartbeat}
    (sensor,) = read_sensors(ScriptedCloud(data({"sensors": {"data": [row]}})).graphql())
    assert sensor.last_heartbeat_ms == found_ms


def test_lists_that_are_null() -> None:
    """A list that is null is empty; so is an account without sites."""
    assert topology([]) == ((), 0)
    assert len(topology(on_a_floor(rooms=None, zones=None, tags=[None, {"name": None}], capacity=None)).places) == 3


def test_ids_that_are_none_or_twice() -> None:
    """An entry with an empty, endless or known id is ignored and counted."""
    zones = [{"id": "zone_1", "name": "first"}, {"id": ""}, {"id": "z" * 2000}, {"id": "zone_1", "name": "second"}]
    found = topology(on_a_floor(zones=zones))
    assert found.ignored == 3
    assert found.places[-1].name == "first"


def test_a_zone_in_a_room_that_is_not_on_its_floor() -> None:
    """A zone whose room is not on its floor has no room."""
    zone: Place = topology(on_a_floor(zones=[{"id": "zone_1", "room_id": "room_9"}])).places[-1]
    assert (zone.level, zone.metadata.room_id) == (Level.ZONE, "")


@pytest.mark.parametrize("people", [0, -3, None])
def test_a_capacity_that_is_none(people: Any) -> None:
    """A capacity of 0, below 0 or null is not configured."""
    assert topology(on_a_floor(zones=[{"id": "zone_1", "capacity": {"max": people}}])).places[-1].capacity is None


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"sites": None}, r"\$.sites"),
        ({"sites": {"data": None}}, r"\$.sites.data"),
        ({"sites": {"data": "none"}}, r"\$.sites.data"),
        ({"sites": {"data": [None]}}, r"\$.sites.data\[0\]"),
        ({"sites": {"data": [{"name": "HQ"}]}}, "missing required field `id`"),
        ({"sites": {"data": on_a_floor(zones=[{"id": "zone_1", "capacity": {"max": "4"}}])}}, "capacity.max"),
        ({"sites": {"data": on_a_floor(zones={"id": "zone_1"})}}, "zones"),
    ],
)
def test_wrong_types(document: Any, where: str) -> None:
    """A wrong type rejects the whole answer, and the error says where it stands."""
    with pytest.raises(BadAnswer, match=where):
        read_topology(ScriptedCloud(data(document)).graphql())


def test_a_part_of_the_topology() -> None:
    """An answer with errors gives no places at all: missing ones are not gone."""
    whole = json.loads(sample("sites").body)
    with pytest.raises(Refused, match="rooms"):
        read_topology(ScriptedCloud(refused("rooms: timeout", **whole)).graphql())


def test_endless_texts() -> None:
    """A name, custom id or tag that is longer than an event may hold is none, and so is a device with such an id."""
    endless = "x" * 1025
    zone = {"id": "zone_1", "name": endless, "customID": endless, "tags": [{"name": endless}, {"name": "Desks"}]}
    place = topology(on_a_floor(zones=[zone])).places[-1]
    assert (place.name, place.custom_id, place.metadata.zone_custom_id, place.tags) == ("", "", "", ("Desks",))
    rows = [{"id": endless}, {"id": "sensor_1", "name": endless, "mac_address": endless}]
    (sensor,) = read_sensors(ScriptedCloud(data({"sensors": {"data": rows}})).graphql())
    assert (sensor.id, sensor.name, sensor.address) == ("sensor_1", "", "")


def test_wrong_types_anywhere() -> None:
    """An answer of which any room, zone or device has the wrong form is not used."""
    for lists in ({"rooms": [{"id": "room_1"}, {"id": 7}]}, {"zones": [{"id": "zone_1", "tags": "Desks"}]}):
        with pytest.raises(BadAnswer, match="read the sites has the wrong form"):
            topology(on_a_floor(**lists))
    rows = [{"id": "sensor_1"}, {"id": "sensor_2", "is_online": "yes"}]
    with pytest.raises(BadAnswer, match="read the sensors has the wrong form"):
        read_sensors(ScriptedCloud(data({"sensors": {"data": rows}})).graphql())


def test_half_of_a_character_anywhere() -> None:
    """Half of a surrogate pair in the name of a zone is read as U+FFFD."""
    text = json.dumps({"data": {"sites": {"data": on_a_floor(zones=[{"id": "zone_1", "name": "HALF"}])}}})
    places = read_topology(ScriptedCloud(Reply(200, text.replace("HALF", r"A\ud83d").encode())).graphql()).places
    assert places[-1].name == "A\N{REPLACEMENT CHARACTER}"
