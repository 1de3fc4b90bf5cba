"""Butlr's assets as the exporter knows them: the spaces and devices that exist, whether or not any of them reports.

Values without I/O, which the garbage collector need not walk. `cloud` reads them from Butlr's API; metrics and pages
show them, and the poller asks about them.
"""

from collections.abc import Callable, Container, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import Metadata


class Asset(Struct, frozen=True, gc=False):
    """A zone, room or floor that Butlr lists."""

    kind: Kind
    metadata: Metadata
    """Its ids and names, and those of the places around it, as an event has them."""
    capacity: float | None = None
    """People that it is meant for; None if not configured."""
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its own id."""
        return str(getattr(self.metadata, self.kind.id_field))


class Device(Struct, frozen=True, gc=False):
    """A sensor or hive that Butlr lists."""

    id: str
    name: str
    address: str
    """The mac address of a sensor, the serial number of a hive."""
    place: Metadata
    """The ids and names of the room or floor that it is on, and of the places around that."""
    is_online: bool | None
    """None if Butlr does not say."""
    last_heartbeat_ms: int | None
    """When it was last heard of, milliseconds since the epoch; None if Butlr does not say."""


class Inventory(NamedTuple):
    """All spaces and devices that Butlr lists."""

    spaces: Mapping[Kind, Mapping[str, Asset]]
    """By kind and id; every kind that people are counted in is there."""
    sensors: tuple[Device, ...] = ()
    """With the ids that their events have."""
    hives: tuple[Device, ...] = ()

    @property
    def ids(self) -> Mapping[Kind, Container[str]]:
        """The ids of all spaces of all kinds; a sensor is one where its events are counted."""
        return {**self.spaces, Kind.SENSOR: frozenset(sensor.id for sensor in self.sensors)}

    @property
    def capacities(self) -> Mapping[Kind, Mapping[str, float]]:
        """The capacities that are configured, in people, by kind and id."""
        return {
            kind: {asset_id: asset.capacity for asset_id, asset in assets.items() if asset.capacity is not None}
            for kind, assets in self.spaces.items()
        }


NOTHING = Inventory(MappingProxyType({kind: MappingProxyType({}) for kind in WITH_PEOPLE}))
"""The inventory before the assets were read."""


class Assets:
    """The inventory as last read. Thread-safe: it is only ever replaced, by one thread, and followed before that."""

    def __init__(self) -> None:
        self.current = NOTHING
        self.reads = 0
        """The number of inventories so far; it grows after each replacement, so an ETag is never newer than a page."""
        self._followers: list[Callable[[Inventory], None]] = []

    def follow(self, follower: Callable[[Inventory], None]) -> None:
        """Have a function called with every inventory that is read from now on."""
        self._followers.append(follower)

    def replace(self, inventory: Inventory) -> None:
        """Have this inventory in force from now on."""
        for follower in self._followers:
            follower(inventory)
        self.current = inventory
        self.reads += 1
