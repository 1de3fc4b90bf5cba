"""The simulated cloud's topology: butlr.md, topology."""

import json
from collections import Counter
from itertools import chain

from exporter.simulate.world.stream import deliveries
from tests.support.clouds import START_SECONDS, SimulatedCloud

TOPOLOGY = """
query { sites { data {
  id name timezone customID org_id
  buildings { id name customID capacity { max mid }
    floors { id name floorNumber timezone customID capacity { max mid } tags { id name }
      rooms { id name floor_id customID roomType capacity { max mid } tags { id name } }
      zones { id name floor_id room_id customID capacity { max mid } tags { id name }
        sensors { id mac_address is_online } }
    } } } } }
"""


def test_topology() -> None:
    """Every space with events is in the topology, and on each ground floor a zone without events is as well."""
    cloud = SimulatedCloud(zones=40)
    answer = cloud.query(TOPOLOGY)
    assert answer.status == 200
    assert set(answer.json) == {"data"}
    sites = answer.json["data"]["sites"]["data"]
    floors = [floor for site in sites for building in site["buildings"] for floor in building["floors"]]
    known = {space["id"]: space["name"] for floor in floors for space in [floor, *floor["rooms"], *floor["zones"]]}
    sent: dict[str, str] = {}
    for delivery in filter(None, deliveries(cloud.plan, int(START_SECONDS * 1000))):
        metadata = json.loads(delivery.body)["metadata"]
        for kind in ("floor", "room", "zone"):
            if space_id := metadata.get(f"{kind}_id"):
                sent.setdefault(space_id, metadata[f"{kind}_name"])
    assert sent.items() <= known.items()
    assert [name for space_id, name in known.items() if space_id not in sent] == ["Phone Booth"] * 3
    assert Counter(space_id.partition("_")[0] for space_id in known) == {"space": 5, "room": 15, "zone": 43}
    assert {floor["floorNumber"] for floor in floors} == {0, 1}


def test_capacities() -> None:
    """Some zones have no capacity, which reads 0, and the one of a building is the sum of those of its floors."""
    cloud = SimulatedCloud(zones=40)
    for site in cloud.query(TOPOLOGY).json["data"]["sites"]["data"]:
        for building in site["buildings"]:
            floors = [floor["capacity"]["max"] for floor in building["floors"]]
            assert building["capacity"]["max"] == sum(floors) > 0
            zones = chain.from_iterable(floor["zones"] for floor in building["floors"])
            assert {zone["capacity"]["max"] for zone in zones} >= {0, 1, 8}


def test_sensors() -> None:
    """Only the sensors of zones without events are offline; virtual sensors and hives are listed too."""
    cloud = SimulatedCloud(zones=40)
    answer = cloud.query(
        """{ zones { data { name sensors { is_online last_heartbeat } } }
        sensors { data { id mac_address mode } } hives { data { id serialNumber isOnline } } }"""
    ).json["data"]
    assert {
        (zone["name"] == "Phone Booth", *map(str, zone["sensors"][0].values())) for zone in answer["zones"]["data"]
    } == {
        (True, "False", "None"),
        (False, "True", "2026-05-28T20:27:00Z"),
    }
    sensors = answer["sensors"]["data"]
    assert (
        len({sensor["mac_address"] for sensor in sensors}) == len({sensor["id"] for sensor in sensors}) == len(sensors)
    )
    assert all(sensor["id"].startswith("sensor_") for sensor in sensors)
    assert [sensor["mac_address"][:5] for sensor in sensors][-2:] == ["mi-rr", "fa-ke"]
    assert [hive["serialNumber"][:4] for hive in answer["hives"]["data"]][-1] == "FAKE"
    chosen = "query ($macs: [String!]) { sensors(mac_addresses: $macs) { data { mac_address } } }"
    only = sensors[3]["mac_address"]
    assert cloud.query(chosen, macs=[only]).json["data"] == {"sensors": {"data": [{"mac_address": only}]}}


def test_lookups() -> None:
    """An asset is found by its id or by its custom id, and an unknown id finds none."""
    cloud = SimulatedCloud()
    floor = cloud.query("{ floors { data { id customID } } }").json["data"]["floors"]["data"][1]
    query = "query ($id: ID, $custom: ID) { floor(id: $id, customID: $custom) { id } }"
    assert cloud.query(query, id=floor["id"]).json == {"data": {"floor": {"id": floor["id"]}}}
    assert cloud.query(query, custom=floor["customID"]).json == {"data": {"floor": {"id": floor["id"]}}}
    assert cloud.query(query, id="space_0").json == {"data": {"floor": None}}
    assert cloud.query(query).json == {"data": {"floor": None}}


def test_refused_queries() -> None:
    """A query that the schema refuses is answered with errors that name the field, and no data."""
    cloud = SimulatedCloud()
    answer = cloud.query("{ sites { data { id floorID } } }")
    assert answer.status == 422
    assert answer.json["data"] is None
    assert "floorID" in answer.json["errors"][0]["message"]
    assert answer.json["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert cloud.query("{ sites {").json["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert cloud.query("query ($id: ID!) { floor(id: $id) { id } }").status == 422
    assert cloud.query("{ __schema { queryType { name } } }").json == {
        "data": {"__schema": {"queryType": {"name": "Query"}}}
    }
