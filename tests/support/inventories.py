"""Inventories of a few spaces and devices."""

from types import MappingProxyType

from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import Metadata
from exporter.inventory import Asset, Device, Inventory

FLOOR = Metadata(site_name="HQ", building_name="Main", floor_id="space_1", floor_name="1st Floor")

ROOM = FLOOR._replace(room_id="room_1", room_name="Birch")


def asset(kind: Kind, space_id: str, tags: tuple[str, ...] = (), capacity: float | None = None) -> Asset:
    """Return a space on the first floor."""
    return Asset(kind, FLOOR._replace(**{kind.id_field: space_id}), capacity, tags)


def device(
    device_id: str,
    place: Metadata = FLOOR,
    *,
    is_online: bool | None = True,
    heard_ms: int | None = None,
    address: str = "",
) -> Device:
    """Return a sensor or a hive."""
    return Device(device_id, f"Device {device_id}", address, place, is_online, heard_ms)


def inventory(*assets: Asset, sensors: tuple[Device, ...] = (), hives: tuple[Device, ...] = ()) -> Inventory:
    """Return what Butlr lists."""
    spaces: dict[Kind, dict[str, Asset]] = {kind: {} for kind in WITH_PEOPLE}
    for each in assets:
        spaces[each.kind][each.id] = each
    return Inventory(MappingProxyType(spaces), sensors, hives)
