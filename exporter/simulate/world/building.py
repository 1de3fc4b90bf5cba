"""The simulated estate: sites, buildings, floors, rooms, zones and sensors, with names fit for a dashboard."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from random import Random
from typing import Any, NamedTuple

from exporter.events.ids import ksuid
from exporter.simulate.world.people import DESK, LOUNGE, MEETING, QUEUE, TABLES, Use

_SITES = ("Berlin", "Boston", "Bengaluru", "Lisbon", "Osaka", "Toronto", "Nairobi", "Oslo")
_BUILDINGS = ("Main Building", "Annex")
_FLOORS = ("Ground Floor", "1st Floor")


class _Spot(NamedTuple):
    """One zone of the plan that all floors share."""

    room_name: str
    """Empty for a zone in no room."""
    zone_name: str
    """`{n}` stands for the zone's number in the estate."""
    use: Use


_FLOOR_PLAN = (
    _Spot("", "Desk {n:02}", DESK),
    _Spot("Cafeteria", "Tables", TABLES),
    _Spot("", "Lounge", LOUNGE),
    _Spot("Aspen", "Meeting Table", MEETING),
    _Spot("", "Desk {n:02}", DESK),
    _Spot("Cafeteria", "Coffee Bar", QUEUE),
    _Spot("Birch", "Meeting Table", MEETING),
    _Spot("", "Desk {n:02}", DESK),
)

CREATED_SECONDS = 1_730_900_000
"""The Unix second in the ids of all places."""

_NO_ROOM: tuple[dict[str, str | None], ...] = (
    {},
    {"room_id": None, "room_name": None},
    {"room_id": "", "room_name": ""},
)
"""The ways to say that a zone is in no room; Butlr's docs do not say which one Butlr uses."""


class Zone(NamedTuple):
    """One zone: the metadata of its events, and how people use it."""

    id: str
    use: Use
    crowded_hour: int | None
    metadata: tuple[str, ...]
    """JSON, one text for each of the names that the zone has in turn."""
    floor: int
    """Number of its floor in the estate."""
    room: str
    """Id of its room; empty for a zone in no room."""


class Device(NamedTuple):
    """A sensor: the metadata of its events."""

    id: str
    metadata: tuple[str, ...]
    """JSON, before and after the firmware of its hive is replaced."""


class Room(NamedTuple):
    """A room with a sensor of presence and motion."""

    id: str
    metadata: tuple[str, ...]
    """JSON, one text for each of the custom ids that the room has in turn."""
    sensor: Device


class Floor(NamedTuple):
    """A floor with the rooms that have zones, and a sensor at each door."""

    id: str
    metadata: tuple[str, ...]
    """JSON, one text."""
    zones: tuple[Zone, ...]
    rooms: tuple[Room, ...]
    doors: tuple[Device, ...]


def zones_of(number: int, seed: int) -> list[Zone]:
    """Return the zones of the estate that has this seed."""
    return list(zones(number, Random(f"building {seed}")))


def floors_of(all_zones: Iterable[Zone], seed: int) -> list[Floor]:
    """Return the floors of the estate that has this seed and these zones."""
    return list(floors(all_zones, Random(f"devices {seed}")))


def zones(number: int, random: Random) -> Iterator[Zone]:
    """Return zones, floor by floor.

    Every third has a custom id, every fifth a crowded hour, and every tenth three names in turn.
    """
    place: dict[str, str] = {"org_id": _id("org", random), "org_name": "Simulated Ltd."}
    room_ids: dict[str, str] = {}
    for n in range(number):
        floor, spot_number = divmod(n, len(_FLOOR_PLAN))
        if spot_number == 0:
            room_ids = {spot.room_name: _id("room", random) for spot in _FLOOR_PLAN if spot.room_name}
            place |= _changed_place(floor, random)
        room, pattern, use = _FLOOR_PLAN[spot_number]
        name = pattern.format(n=n + 1)
        zone: dict[str, str | None] = {"zone_id": _id("zone", random), "zone_name": name}
        zone |= {"room_id": room_ids[room], "room_name": room} if room else _NO_ROOM[n % len(_NO_ROOM)]
        if n % 3 == 0:
            zone["zone_custom_id"] = f"Z-{n + 1:04}"
        yield Zone(
            id=str(zone["zone_id"]),
            use=use,
            crowded_hour=9 + n // 5 % 8 if n % 5 == 1 else None,
            metadata=tuple(
                json.dumps(place | zone | {"zone_name": f"{prefix}{name}"})
                for prefix in (("", "Quiet ", "Focus ") if n % 10 == 0 else ("",))
            ),
            floor=floor,
            room=room_ids[room] if room else "",
        )


def floors(zones: Iterable[Zone], random: Random) -> Iterator[Floor]:
    """Return the floors of some zones, with their rooms and doors.

    Each ground floor has two doors, each other floor one. Every third room has three custom ids in turn, the first of
    which is none.
    """
    room_number = 0
    for number, grouped in groupby(zones, lambda zone: zone.floor):
        of_floor = tuple(grouped)
        places = [json.loads(zone.metadata[0]) for zone in of_floor]
        place = {name: value for name, value in places[0].items() if not name.startswith(("room_", "zone_"))}
        hive = {
            "hive_id": _id("hive", random),
            "hive_serial": f"{random.getrandbits(48):012x}",
            "hive_model": "2.0",
        }
        names = {zone.room: place["room_name"] for zone, place in zip(of_floor, places, strict=True) if zone.room}
        rooms = []
        for room_id, name in names.items():
            room_number += 1
            room = place | {"room_id": room_id, "room_name": name}
            custom_ids = ("", f"R-{room_number:03}", f"R-{room_number:03}-B") if room_number % 3 == 1 else ("",)
            rooms.append(
                Room(
                    room_id,
                    tuple(json.dumps(room | ({"room_custom_id": each} if each else {})) for each in custom_ids),
                    _device(room | hive, "presence", random),
                )
            )
        doors = tuple(_device(place | hive, "traffic", random) for _ in range(1 if number % len(_FLOORS) else 2))
        yield Floor(place["floor_id"], (json.dumps(place),), of_floor, tuple(rooms), doors)


def _device(place: dict[str, Any], mode: str, random: Random) -> Device:
    sensor = {
        "sensor_id": ksuid(CREATED_SECONDS, random.getrandbits(128)),  # Butlr's docs show it without a prefix
        "mac_address": "-".join(("00", "17", "0d", "00", "00", *(f"{random.randrange(256):02x}" for _ in range(3)))),
        "sensor_mode": mode,
        "sensor_model": "Heatic 2+",
    }
    versions = ("2.4.4", "2.4.5")
    return Device(
        sensor["sensor_id"], tuple(json.dumps(place | {"hive_version": version} | sensor) for version in versions)
    )


def _changed_place(floor: int, random: Random) -> dict[str, str]:
    """Return the metadata that differs from the floor before.

    Every floor changes its own fields, every second one the building's, and every fourth one the site's.
    """
    building, storey = divmod(floor, len(_FLOORS))
    site, wing = divmod(building, len(_BUILDINGS))
    place = {"floor_id": _id("space", random), "floor_name": _FLOORS[storey], "floor_custom_id": f"F-{floor + 1:03}"}
    if storey == 0:
        place |= {"building_id": _id("building", random), "building_name": _BUILDINGS[wing]}
    if storey == wing == 0:
        repetition, city = divmod(site, len(_SITES))
        name = f"{_SITES[city]} {repetition + 1}" if repetition else _SITES[city]
        place |= {"site_id": _id("site", random), "site_name": name}
    return place


def _id(prefix: str, random: Random) -> str:
    return f"{prefix}_{ksuid(CREATED_SECONDS, random.getrandbits(128))}"
