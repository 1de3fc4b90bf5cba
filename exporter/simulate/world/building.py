"""The simulated estate: sites, buildings, floors, rooms and zones with names that read well on a dashboard."""

import json
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

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

_CREATED_SECONDS = 1_730_900_000
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
    return f"{prefix}_{ksuid(_CREATED_SECONDS, random.getrandbits(128))}"
