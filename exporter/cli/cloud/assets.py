"""`butlr-exporter assets`: the places of a Butlr account, with their capacities and devices."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from exporter.butlr.assets import Device, Level, Place, Topology, read_hives, read_sensors, read_topology
from exporter.butlr.errors import CloudError
from exporter.butlr.graphql import Graphql
from exporter.cli.arguments import print_error, write_output
from exporter.cli.cloud import capacity
from exporter.cli.cloud.connection import connected
from exporter.cli.cloud.display import counted, number, plain, print_json, print_table
from exporter.events.model import FIELDS
from exporter.events.times import utc
from exporter.files import STANDARD_STREAM, discard_output, reason
from exporter.settings.declared import Settings

_INDENT = {level: "  " * depth for level, depth in zip(Level, (0, 1, 2, 3, 3), strict=True)}

_MAX_OFFLINE = 20
"""Offline devices that are named."""


def run(settings: Settings, capacity_file: str | None, *, as_json: bool) -> int:
    """Show the assets, or write a capacity file; return the exit status."""
    if capacity_file and (mistake := _not_ours(capacity_file)):
        print_error(mistake)
        return 1
    return connected(settings, lambda graphql: _show(graphql, capacity_file, as_json=as_json))


def _show(graphql: Graphql, capacity_file: str | None, *, as_json: bool) -> int:
    topology = read_topology(graphql)
    if topology.ignored:
        print_error(f"{topology.ignored} places are left out: Butlr lists them twice or without a usable id")
    try:
        if capacity_file:
            return _write_capacities(capacity_file, topology.places)
        return _print_all(graphql, topology, as_json=as_json)
    except BrokenPipeError:  # the reader has closed its end
        discard_output()
        return 1


def _print_all(graphql: Graphql, topology: Topology, *, as_json: bool) -> int:
    found = {"sensor": _devices(read_sensors, graphql), "hive": _devices(read_hives, graphql)}
    if as_json:
        print_json(
            {
                "places": [_place_json(place) for place in topology.places],
                **{f"{noun}s": None if each is None else [*map(_device_json, each)] for noun, each in found.items()},
            }
        )
    else:
        _print_places(topology.places)
        names = {place.id: _name(place) for place in topology.places}
        for noun, devices in found.items():
            _print_devices(noun, devices, names)
    return 1 if None in found.values() else 0


def _devices(read: Callable[[Graphql], Sequence[Device]], graphql: Graphql) -> Sequence[Device] | None:
    """Return the devices; None after printing why they cannot be read."""
    try:
        return read(graphql)
    except CloudError as error:
        print_error(str(error))
        return None


def _print_places(places: Sequence[Place]) -> None:
    if not places:
        print("The account has no sites that this API token may read.")  # noqa: T201
        return
    print_table(
        ("kind", "name", "capacity", "tags", "id"),
        (
            (
                place.level,
                _INDENT[place.level] + (place.name or "(no name)"),
                "" if place.capacity is None else number(place.capacity),
                ", ".join(place.tags),
                place.id,
            )
            for place in places
        ),
        right=["capacity"],
    )
    counts = Counter(place.level for place in places)
    spaces = [place for place in places if place.level.kind]
    with_capacity = sum(place.capacity is not None for place in spaces)
    print()  # noqa: T201
    print(", ".join(counted(counts[level], level) for level in Level))  # noqa: T201
    print(f"{with_capacity:,} of {len(spaces):,} floors, rooms and zones have a capacity")  # noqa: T201


def _name(place: Place) -> str:
    """Return the names of a place, from the narrowest to the widest."""
    names = [getattr(place.metadata, f"{level}_name") for level in reversed(Level)]
    return plain(", ".join(filter(None, names)))


def _print_devices(noun: str, devices: Sequence[Device] | None, names: Mapping[str, str]) -> None:
    """Print the number of devices, and those that are offline with the names of their places."""
    if devices is None:
        return
    offline = [device for device in devices if device.is_online is False]
    print(f"{counted(len(devices), noun)}, {len(offline):,} of them offline")  # noqa: T201
    for device in offline[:_MAX_OFFLINE]:
        since = "" if device.last_heartbeat_ms is None else f", last heard of at {utc(device.last_heartbeat_ms)}"
        found = names.get(device.room_id) or names.get(device.floor_id)
        where = f", {found}" if found else ""
        print(  # noqa: T201
            f"  {plain(device.name or device.id)} ({plain(device.address or 'no address')}){where}{since}"
        )
    if len(offline) > _MAX_OFFLINE:
        print(f"  and {len(offline) - _MAX_OFFLINE:,} more")  # noqa: T201


def _place_json(place: Place) -> dict[str, Any]:
    shared = {
        "kind": place.level,
        "id": place.id,
        "name": place.name,
        "custom_id": place.custom_id,
        "capacity": place.capacity,
        "tags": place.tags,
        "timezone": place.timezone,
    }
    fields = FIELDS[place.level.kind] if place.level.kind else ()
    return shared | {field: getattr(place.metadata, field) for field in fields}


def _device_json(device: Device) -> dict[str, Any]:
    return asdict(device)


def _write_capacities(file: str, places: Sequence[Place]) -> int:
    try:
        lines = capacity.lines(places)
    except capacity.TooManyRules as error:
        print_error(str(error))
        return 1
    if not write_output(file, lines):
        return 1
    rules = sum(place.level.kind is not None and place.capacity is not None for place in places)
    print_error(f"{counted(rules, 'rule')} written; Butlr has no capacity for the other floors, rooms and zones")
    return 0


def _not_ours(file: str) -> str | None:
    """Return the mistake if a file is there that a person wrote; it would be lost."""
    if file == STANDARD_STREAM or not os.path.isfile(file):
        return None
    try:
        with open(file, "rb") as lines:
            is_ours = lines.readline().startswith(capacity.MARK.encode())
    except OSError as error:
        return f"{file!r} cannot be read: {reason(error)}"
    return None if is_ours else f"{file!r} was not written by this command; choose another name, or move it away"
