"""The assets of a Butlr account: its sites, buildings, floors, rooms and zones, its sensors and hives.

Source: docs.butlr.io, asset management. A `max` of 0 means that no capacity is configured. A building's capacity is the
sum of its floors' unless somebody set it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from exporter.butlr.graphql import Graphql, decode
from exporter.butlr.names import (
    HIVE_HEARTBEAT,
    HIVE_ONLINE,
    HIVE_SERIAL,
    HIVES,
    SENSORS,
    SITES,
    TEST_SERIALS,
    VIRTUAL_MACS,
)
from exporter.events.measures import Kind
from exporter.events.model import MAX_STRING, Metadata
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.pieces import paced

_READ_SITES = "read the sites"

_WITHOUT_PAUSE = 50
"""Places or devices that are decoded without a pause: half a millisecond."""


class Level(StrEnum):
    """The level of a place, from the widest to the narrowest; rooms and zones are both below a floor."""

    SITE = "site"
    BUILDING = "building"
    FLOOR = "floor"
    ROOM = "room"
    ZONE = "zone"

    @property
    def kind(self) -> Kind | None:
        """The kind of space; None for a site or building, which is none."""
        return Kind(self.value) if self in (Level.FLOOR, Level.ROOM, Level.ZONE) else None


class Place(msgspec.Struct, frozen=True, gc=False):
    """A site, building, floor, room or zone."""

    level: Level
    metadata: Metadata
    """Its ids, custom ids and names, and those of the places around it, as an event has them."""
    custom_id: str = ""
    capacity: float | None = None
    """People that it is meant for; None if not configured."""
    tags: tuple[str, ...] = ()
    timezone: str = ""
    """The time zone of a site or floor, such as `America/New_York`; empty if not configured."""

    @property
    def id(self) -> str:
        """Its own id."""
        return str(getattr(self.metadata, f"{self.level}_id"))

    @property
    def name(self) -> str:
        """Its own name; empty without one."""
        return str(getattr(self.metadata, f"{self.level}_name"))


class Device(msgspec.Struct, frozen=True, gc=False):
    """A sensor or a hive."""

    id: str
    name: str
    address: str
    """The mac address of a sensor, the serial number of a hive."""
    floor_id: str
    room_id: str
    is_online: bool | None
    """None if Butlr does not say."""
    last_heartbeat_ms: int | None
    """When it was last heard of, milliseconds since the epoch; None if Butlr does not say."""


class Topology(NamedTuple):
    """All places of an account, each below the one that it belongs to."""

    places: tuple[Place, ...]
    ignored: int
    """Entries without a usable id, or with one that was there before."""


class _Tag(msgspec.Struct):
    name: str | None = None


class _Capacity(msgspec.Struct):
    max: float | None = None


class _Entry(msgspec.Struct):
    """The fields that all places have."""

    id: str
    name: str | None = None
    custom_id: str | None = msgspec.field(name="customID", default=None)
    capacity: _Capacity | None = None
    tags: list[_Tag | None] | None = None
    timezone: str | None = None


class _Room(_Entry):
    pass


class _Zone(_Entry):
    room_id: str | None = None


class _Floor(_Entry):
    rooms: list[msgspec.Raw] | None = None
    zones: list[msgspec.Raw] | None = None


class _Building(_Entry):
    floors: list[_Floor] | None = None


class _Site(_Entry):
    org_id: str | None = None
    buildings: list[_Building] | None = None


class _SiteRows(msgspec.Struct):
    data: list[_Site]


class _Sites(msgspec.Struct):
    sites: _SiteRows


class _Sensor(msgspec.Struct):
    id: str
    name: str | None = None
    address: str | None = msgspec.field(name="mac_address", default=None)
    floor_id: str | None = None
    room_id: str | None = None
    is_online: bool | None = None
    last_heartbeat: str | float | None = None


class _Rows(msgspec.Struct):
    data: list[msgspec.Raw]


class _Sensors(msgspec.Struct):
    sensors: _Rows


class _Hive(msgspec.Struct):
    id: str
    name: str | None = None
    address: str | None = msgspec.field(name=HIVE_SERIAL, default=None)
    floor_id: str | None = None
    room_id: str | None = None
    is_online: bool | None = msgspec.field(name=HIVE_ONLINE, default=None)
    last_heartbeat: str | float | None = msgspec.field(name=HIVE_HEARTBEAT, default=None)


class _Hives(msgspec.Struct):
    hives: _Rows


def read_topology(graphql: Graphql) -> Topology:
    """Return all places of the account. Raises CloudError."""
    sites = graphql.query(SITES, _Sites, _READ_SITES).sites.data
    places: dict[tuple[Level, str], Place] = {}
    count = 0
    for place in paced(_places(sites), _WITHOUT_PAUSE):
        count += 1
        if _short(place.id):
            places.setdefault((place.level, place.id), place)
    return Topology(tuple(places.values()), count - len(places))


def read_sensors(graphql: Graphql) -> tuple[Device, ...]:
    """Return the sensors of the account, without virtual and test ones. Raises CloudError."""
    purpose = "read the sensors"
    rows = graphql.query(SENSORS, _Sensors, purpose).sensors.data
    return tuple(_devices((decode(row, _Sensor, purpose) for row in rows), VIRTUAL_MACS))


def read_hives(graphql: Graphql) -> tuple[Device, ...]:
    """Return the hives of the account, without test ones. Raises CloudError."""
    purpose = "read the hives"
    rows = graphql.query(HIVES, _Hives, purpose).hives.data
    return tuple(_devices((decode(row, _Hive, purpose) for row in rows), TEST_SERIALS))


def _places(sites: list[_Site]) -> Iterator[Place]:
    for site in sites:
        at_site = Metadata(org_id=site.org_id or "", site_id=site.id, site_name=_short(site.name))
        yield _place(Level.SITE, site, at_site)
        for building in site.buildings or ():
            at_building = at_site._replace(building_id=building.id, building_name=_short(building.name))
            yield _place(Level.BUILDING, building, at_building)
            for floor in building.floors or ():
                yield from _on_floor(floor, at_building)


def _on_floor(floor: _Floor, at_building: Metadata) -> Iterator[Place]:
    at_floor = at_building._replace(
        floor_id=floor.id, floor_name=_short(floor.name), floor_custom_id=_short(floor.custom_id)
    )
    yield _place(Level.FLOOR, floor, at_floor)
    at_room = {}
    for text in floor.rooms or ():
        room = decode(text, _Room, _READ_SITES)
        at_room[room.id] = at_floor._replace(
            room_id=room.id, room_name=_short(room.name), room_custom_id=_short(room.custom_id)
        )
        yield _place(Level.ROOM, room, at_room[room.id])
    for text in floor.zones or ():
        zone = decode(text, _Zone, _READ_SITES)
        around = at_room.get(zone.room_id or "", at_floor)
        at_zone = around._replace(zone_id=zone.id, zone_name=_short(zone.name), zone_custom_id=_short(zone.custom_id))
        yield _place(Level.ZONE, zone, at_zone)


def _place(level: Level, entry: _Entry, metadata: Metadata) -> Place:
    people = entry.capacity.max if entry.capacity else None
    tags = tuple(dict.fromkeys(name for tag in entry.tags or () if tag and (name := _short(tag.name))))
    return Place(
        level, metadata, _short(entry.custom_id), people if people and people > 0 else None, tags, entry.timezone or ""
    )


def _devices(rows: Iterable[_Sensor | _Hive], left_out: tuple[str, ...]) -> Iterator[Device]:
    seen = set()
    for row in paced(rows, _WITHOUT_PAUSE):
        address = _short(row.address)
        if not _short(row.id) or row.id in seen or address.lower().startswith(left_out):
            continue
        seen.add(row.id)
        yield Device(
            row.id,
            _short(row.name),
            address,
            row.floor_id or "",
            row.room_id or "",
            row.is_online,
            _time_ms(row.last_heartbeat),
        )


def _short(text: str | None) -> str:
    """Return a text; empty without one, and for one that is too long for an event."""
    return text if text and len(text) <= MAX_STRING else ""


def _time_ms(value: str | float | None) -> int | None:
    """Return a time, written as RFC 3339 or as seconds or milliseconds; None if it is none."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = time.timestamp() if time.tzinfo else None
    if value is None:
        return None
    milliseconds = value if value >= EARLIEST_TIMESTAMP else value * 1000
    return int(milliseconds) if EARLIEST_TIMESTAMP <= milliseconds < 1 << 48 else None
