"""The estate that is simulated: sites, buildings, floors, rooms and zones with names that read well on a dashboard."""

import json
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from exporter.events.ids import ksuid
from exporter.simulate.world.people import DESK, LOUNGE, MEETING, QUEUE, TABLES, Use

_SITES = ("Berlin", "Boston", "Bengaluru", "Lisbon", "Osaka", "Toronto", "Nairobi", "Oslo")
_BUILDINGS = ("Main Building", "Annex")
_FLOORS = ("Ground Floor", "1st Floor")
_FLOOR: tuple[tuple[str, str, Use], ...] = (
    ("", "Desk {n:02}", DESK),
    ("Cafeteria", "Tables", TABLES),
    ("", "Lounge", LOUNGE),
    ("Aspen", "Meeting Table", MEETING),
    ("", "Desk {n:02}", DESK),
    ("Cafeteria", "Coffee Bar", QUEUE),
    ("Birch", "Meeting Table", MEETING),
    ("", "Desk {n:02}", DESK),
)
"""The zones of a floor: room, or none; name; use."""

_CREATED = 1_730_900_000
"""The second in which everything was set up."""

_IN_NO_ROOM: tuple[dict[str, str | None], ...] = (
    {},
    {"room_id": None, "room_name": None},
    {"room_id": "", "room_name": ""},
)
"""The ways to say that a zone is in no room; Butlr's docs leave open which it takes."""


class Zone(NamedTuple):
    """One zone: what its events say of it, and what people do in it."""

    id: str
    use: Use
    crowded_hour: int | None
    metadata: tuple[str, ...]
    """JSON, once for each of the names that it has one after the other."""


def zones(number: int, random: Random) -> Iterator[Zone]:
    """Return zones, floor by floor.

    Every third has a custom id, every fifth a crowded hour, every tenth three names one after the other.
    """
    place: dict[str, str] = {"org_id": _id("org", random), "org_name": "Simulated Ltd."}
    rooms: dict[str, str] = {}
    for n in range(number):
        floor, spot = divmod(n, len(_FLOOR))
        if spot == 0:
            rooms = {name: _id("room", random) for name, _, _ in _FLOOR if name}
            place |= _place(floor, random)
        room, pattern, use = _FLOOR[spot]
        name = pattern.format(n=n + 1)
        zone: dict[str, str | None] = {"zone_id": _id("zone", random), "zone_name": name}
        zone |= {"room_id": rooms[room], "room_name": room} if room else _IN_NO_ROOM[n % len(_IN_NO_ROOM)]
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


def _place(floor: int, random: Random) -> dict[str, str]:
    """Return what changes from the floor before: the floor, on every second a building, on every fourth a site."""
    building, storey = divmod(floor, len(_FLOORS))
    site, wing = divmod(building, len(_BUILDINGS))
    place = {"floor_id": _id("space", random), "floor_name": _FLOORS[storey], "floor_custom_id": f"F-{floor + 1:03}"}
    if storey == 0:
        place |= {"building_id": _id("building", random), "building_name": _BUILDINGS[wing]}
    if storey == wing == 0:
        again, city = divmod(site, len(_SITES))
        name = f"{_SITES[city]} {again + 1}" if again else _SITES[city]
        place |= {"site_id": _id("site", random), "site_name": name}
    return place


def _id(prefix: str, random: Random) -> str:
    return f"{prefix}_{ksuid(_CREATED, random.getrandbits(128))}"
