"""The simulated building as Butlr's GraphQL API shows it: sites, buildings, floors, rooms, zones, sensors and hives.

Source: docs.butlr.io, asset management. Each object is a dict with the names of the schema's fields.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from exporter.events.ids import ksuid
from exporter.simulate.cloud.names import SENSOR_PREFIX, VIRTUAL_HIVE, VIRTUAL_SENSORS
from exporter.simulate.world.building import CREATED_SECONDS, Device, Floor, Room, Zone
from exporter.simulate.world.people import DESK, LOUNGE, MEETING, QUEUE, TABLES, Use

_MAX_BY_USE: Mapping[Use, int] = {DESK: 1, MEETING: 8, LOUNGE: 0, TABLES: 12, QUEUE: 8}
"""The capacity of zones; 0 is not configured."""

_NAME_BY_USE: Mapping[Use, str] = {DESK: "Desks", MEETING: "Meeting", LOUNGE: "Lounge", TABLES: "Food", QUEUE: "Food"}
"""The tag of zones."""

_TIMEZONES = {"Berlin": "Europe/Berlin", "Boston": "America/New_York", "Lisbon": "Europe/Lisbon", "Oslo": "Europe/Oslo"}
"""The time zone of sites by name; others have none, as Butlr allows."""

_SILENT_ZONE = "Phone Booth"
"""A zone on each ground floor whose sensor is offline, so that no event of it ever comes."""

Asset = dict[str, Any]


class Place(NamedTuple):
    """A zone, room or floor."""

    kind: str
    metadata: Mapping[str, str]
    """Its ids, custom ids and names, and those of the places around it, with the names of an event's metadata."""
    tags: frozenset[str]
    """The ids of its tags."""


class Assets:
    """The assets of an account."""

    def __init__(self, floors: Iterable[Floor], seed: int, seen: Callable[[], str]) -> None:
        """Take the floors, and a function that returns when sensors that are online were last seen."""
        self._random = Random(f"assets {seed}")
        self._seen = lambda _info: seen()
        self.sites: list[Asset] = []
        self.buildings: list[Asset] = []
        self.floors: list[Asset] = []
        self.rooms: list[Asset] = []
        self.zones: list[Asset] = []
        self.sensors: list[Asset] = []
        self.hives: list[Asset] = []
        self.places: dict[str, Place] = {}
        """The spaces by their ids."""
        self.org_id = ""
        self._tags: dict[str, Asset] = {}
        for floor in floors:
            self._add_floor(floor)
        for building in self.buildings:
            building["capacity"] = _capacity(sum(floor["capacity"]["max"] for floor in building["floors"]))
        for mac_address in VIRTUAL_SENSORS:
            self._add_sensor(self._id(SENSOR_PREFIX.rstrip("_")), mac_address, "presence", self.floors[0], {})
        self.hives.append({"id": self._id("hive"), "name": "Virtual", "serialNumber": VIRTUAL_HIVE, "isOnline": False})

    def resolvers(self) -> dict[str, Any]:
        """Return the resolvers of the fields of Query about assets."""
        return {
            "sites": {"data": self.sites},
            "site": _finder(self.sites),
            "building": _finder(self.buildings),
            "floor": _finder(self.floors),
            "room": _finder(self.rooms),
            "zone": _finder(self.zones),
            "floors": _selector(self.floors, ids="id"),
            "rooms": _selector(self.rooms, ids="id"),
            "zones": _selector(self.zones, ids="id"),
            "sensors": _selector(self.sensors, ids="id", mac_addresses="mac_address"),
            "hives": _selector(self.hives, ids="id", serial_numbers="serialNumber"),
        }

    def _add_floor(self, floor: Floor) -> None:
        place = json.loads(floor.metadata[0])
        self.org_id = place["org_id"]
        site = _found(self.sites, place["site_id"])
        if site is None:
            name = place["site_name"]
            site = {"id": place["site_id"], "name": name, "timezone": _TIMEZONES.get(name), "customID": None}
            site |= {"org_id": self.org_id, "buildings": []}
            self.sites.append(site)
        building = _found(self.buildings, place["building_id"])
        if building is None:
            building = {"id": place["building_id"], "name": place["building_name"], "customID": None, "floors": []}
            self.buildings.append(building)
            site["buildings"].append(building)
        added: Asset = {
            "id": floor.id,
            "name": place["floor_name"],
            "floorNumber": len(building["floors"]),
            "timezone": site["timezone"],
            "customID": place["floor_custom_id"],
            "tags": [],
            "sensors": [],
            "hives": [],
        }
        self.floors.append(added)
        building["floors"].append(added)
        self._add_hive(floor, added)
        for door in floor.doors:
            self._add_device(door, added, {})
        sensors = {room.id: self._add_device(room.sensor, added, {"room_id": room.id}) for room in floor.rooms}
        added["zones"] = [self._zone(zone, added, sensors) for zone in floor.zones]
        if not added["floorNumber"]:
            added["zones"].append(self._silent_zone(added))
        added["rooms"] = [self._room(room, added) for room in floor.rooms]
        outside = (zone for zone in added["zones"] if zone["room_id"] is None)
        added["capacity"] = _capacity(sum(space["capacity"]["max"] for space in (*added["rooms"], *outside)))
        self.zones += added["zones"]
        self.rooms += added["rooms"]
        around = {"org_id": self.org_id, "site_id": site["id"], "site_name": site["name"]}
        around |= {"building_id": building["id"], "building_name": building["name"]}
        on_floor = self._add_place("floor", added, around)
        in_rooms = {room["id"]: self._add_place("room", room, on_floor) for room in added["rooms"]}
        for zone in added["zones"]:
            self._add_place("zone", zone, in_rooms.get(zone["room_id"], on_floor))

    def _add_place(self, kind: str, asset: Asset, around: Mapping[str, str]) -> Mapping[str, str]:
        """Add a space; return its metadata."""
        metadata = {**around, f"{kind}_id": asset["id"], f"{kind}_name": asset["name"]}
        if asset["customID"]:
            metadata[f"{kind}_custom_id"] = asset["customID"]
        self.places[asset["id"]] = Place(kind, metadata, frozenset(tag["id"] for tag in asset["tags"]))
        return metadata

    def _add_hive(self, floor: Floor, on: Asset) -> None:
        metadata = json.loads(floor.doors[0].metadata[-1])
        hive = {"id": metadata["hive_id"], "name": f"Hive {len(self.hives) + 1}", "floor_id": on["id"]}
        hive |= {"serialNumber": metadata["hive_serial"], "isOnline": True, "lastHeartbeat": self._seen}
        self.hives.append(hive)
        on["hives"].append(hive)

    def _add_device(self, device: Device, floor: Asset, place: Asset) -> Asset:
        metadata = json.loads(device.metadata[-1])
        mac_address, mode = metadata["mac_address"], metadata["sensor_mode"]
        return self._add_sensor(f"{SENSOR_PREFIX}{device.id}", mac_address, mode, floor, place)

    def _add_sensor(
        self, sensor_id: str, mac_address: str, mode: str, floor: Asset, place: Asset, *, is_online: bool = True
    ) -> Asset:
        seen = self._seen if is_online else None
        sensor = {
            "id": sensor_id,
            "name": f"Sensor {len(self.sensors) + 1}",
            "mac_address": mac_address,
            "mode": mode,
            "model": "Heatic 2+",
            "floor_id": floor["id"],
            "room_id": None,
            "hive_serial": floor["hives"][0]["serialNumber"],
            "is_online": is_online,
            "last_heartbeat": seen,
            "last_occupancy_message": seen,
            "power_type": "wired",
            "installation_status": "INSTALLED",
            "is_sleep_time": False,
            **place,
        }
        self.sensors.append(sensor)
        floor["sensors"].append(sensor)
        return sensor

    def _zone(self, zone: Zone, floor: Asset, sensors: Mapping[str, Asset]) -> Asset:
        metadata = json.loads(zone.metadata[0])
        own = sensors[zone.room] if zone.room else self._add_zone_sensor(floor, is_online=True)
        return {
            "id": zone.id,
            "name": metadata["zone_name"],
            "floor_id": floor["id"],
            "room_id": zone.room or None,
            "customID": metadata.get("zone_custom_id"),
            "tags": [self._tag(_NAME_BY_USE[zone.use])],
            "capacity": _capacity(_MAX_BY_USE[zone.use]),
            "sensors": [own],
        }

    def _silent_zone(self, floor: Asset) -> Asset:
        sensor = self._add_zone_sensor(floor, is_online=False)
        zone = {"id": self._id("zone"), "name": _SILENT_ZONE, "floor_id": floor["id"], "room_id": None}
        return zone | {"customID": None, "tags": [], "capacity": _capacity(1), "sensors": [sensor]}

    def _add_zone_sensor(self, floor: Asset, *, is_online: bool) -> Asset:
        mac_address = f"00-17-0d-00-01-{len(self.sensors) >> 16:02x}-{len(self.sensors) >> 8 & 255:02x}"
        mac_address += f"-{len(self.sensors) & 255:02x}"
        sensor_id = self._id(SENSOR_PREFIX.rstrip("_"))
        return self._add_sensor(sensor_id, mac_address, "presence", floor, {}, is_online=is_online)

    def _room(self, room: Room, floor: Asset) -> Asset:
        metadata = json.loads(room.metadata[-1])
        zones = [zone for zone in floor["zones"] if zone["room_id"] == room.id]
        return {
            "id": room.id,
            "name": metadata["room_name"],
            "floor_id": floor["id"],
            "customID": metadata.get("room_custom_id"),
            "roomType": "cafeteria" if len(zones) > 1 else "meeting",
            "tags": zones[0]["tags"],
            "capacity": _capacity(sum(zone["capacity"]["max"] for zone in zones)),
        }

    def _tag(self, name: str) -> Asset:
        if name not in self._tags:
            self._tags[name] = {"id": self._id("tag"), "name": name}
        return self._tags[name]

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{ksuid(CREATED_SECONDS, self._random.getrandbits(128))}"


def _capacity(people: int) -> Asset:
    return {"max": people, "mid": 0}


def _found(assets: Sequence[Asset], asset_id: str) -> Asset | None:
    """Return the last asset if it has this id: assets come in the order of their places."""
    return assets[-1] if assets and assets[-1]["id"] == asset_id else None


def _finder(assets: Sequence[Asset]) -> Callable[..., Asset | None]:
    """Return a resolver that finds one asset by its id or custom id."""

    def find(_info: object, *, id: str | None = None, customID: str | None = None) -> Asset | None:  # noqa: A002, N803
        wanted = ("id", id) if id is not None else ("customID", customID)
        return next((asset for asset in assets if wanted[1] is not None and asset[wanted[0]] == wanted[1]), None)

    return find


def _selector(assets: Sequence[Asset], **fields: str) -> Callable[..., Asset]:
    """Return a resolver of some assets: each argument lists the values of one field; none gives all."""

    def select(_info: object, **arguments: Sequence[str] | None) -> Asset:
        chosen = list(assets)
        for argument, values in arguments.items():
            if values is not None:
                chosen = [asset for asset in chosen if asset[fields[argument]] in values]
        return {"data": chosen}

    return select
