"""The part of Butlr's cloud in the pages: missing spaces, offline devices, polls and failures. Without Flask.

A space is missing if Butlr lists it and nothing ever came from it.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import is_not
from threading import Lock
from typing import Any, NamedTuple

from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata
from exporter.events.times import utc
from exporter.inventory import Asset, Assets, Device, Inventory
from exporter.metrics.cloud import CloudFamilies
from exporter.pieces import in_pieces, sorted_in_pieces
from exporter.rule.store import Snapshot
from exporter.web.pages import display
from exporter.web.pages.content import Listed
from exporter.web.pages.rows import Query, State, floor_names, place_key, with_words

_PIECE = 2000
"""Assets or devices that are passed without a pause."""


class Cloud(NamedTuple):
    """The sources of the pages about Butlr's cloud."""

    assets: Assets
    poll_seconds: float | None = None
    """The interval of polls in seconds; None if the exporter does not poll."""
    failures: Callable[[], Mapping[str, str]] = dict
    """Return the reason of each failure that lasts, by the work that failed."""


class Sensors:
    """The sensors that look at a space."""

    def __init__(self, devices: Sequence[Device], *, is_floor: bool = False) -> None:
        """Take the sensors; `is_floor` for a zone outside of rooms: Butlr says only which floor its sensors are on."""
        self.devices = devices
        self.is_floor = is_floor
        self.offline = sum(device.is_online is False for device in devices)
        """The number of those that are not connected."""

    @property
    def offline_first(self) -> Sequence[Device]:
        """The sensors, those that are offline before the others."""
        return sorted(self.devices, key=lambda device: device.is_online is not False)

    @property
    def words(self) -> str:
        """The number of those that are offline, in words; empty if none is."""
        return display.offline(self.offline, len(self.devices), " on its floor" if self.is_floor else "")


class _Index:
    """The sensors of one inventory by the space that they look at."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        by_place: dict[tuple[str, str], list[Device]] = {}
        by_floor: dict[str, list[Device]] = {}
        self.by_id: dict[str, Device] = {}
        for piece in in_pieces(inventory.sensors, _PIECE):
            for device in piece:
                floor_id, room_id = device.place.floor_id, device.place.room_id
                by_place.setdefault((floor_id, room_id), []).append(device)
                by_floor.setdefault(floor_id, []).append(device)
                self.by_id[device.id] = device
        self.on_floor = {key: Sensors(devices) for key, devices in by_floor.items()}
        self.in_room = {key: Sensors(devices, is_floor=not key[1]) for key, devices in by_place.items()}
        """By floor and room; the room is empty for the sensors outside of rooms."""


_NONE = Sensors([])


class Directory:
    """The spaces and devices that Butlr lists, beside those that the exporter knows. Thread-safe."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._missing: dict[Kind, list[Asset]] = {}
        """In the order of the inventory, as they were sorted last."""
        self._sorted: dict[Kind, list[Asset]] = {}
        self._index = _Index(assets.current)
        self._lock = Lock()

    @property
    def inventory(self) -> Inventory:
        """Everything that Butlr lists."""
        return self._assets.current

    @property
    def reads(self) -> int:
        """The number of inventories that were read so far."""
        return self._assets.reads

    def asset(self, kind: Kind, space_id: str) -> Asset | None:
        """Return a space that Butlr lists, missing or not."""
        return self.inventory.spaces.get(kind, {}).get(space_id)

    def missing(self, snapshot: Snapshot, only: Kind | None = None) -> dict[Kind, list[Asset]]:
        """Return the missing spaces, or those of one kind, sorted by place; without kinds that have none."""
        found = {}
        with self._lock:
            for kind, listed in self.inventory.spaces.items():
                if listed and only in (None, kind):
                    ids = _ids(snapshot, kind)
                    pieces = in_pieces([*listed], _PIECE)  # keys alone, as pairs would be a hundred thousand tuples
                    found[kind] = [listed[each] for piece in pieces for each in piece if each not in ids]
            return {kind: self._by_place(kind, assets) for kind, assets in found.items() if assets}

    def _by_place(self, kind: Kind, assets: list[Asset]) -> list[Asset]:
        before = self._missing.get(kind, [])
        if len(before) != len(assets) or any(map(is_not, before, assets)):
            self._missing[kind] = assets
            self._sorted[kind] = [*sorted_in_pieces(assets, lambda each: place_key(kind, each.metadata))]
        return self._sorted[kind]

    def sensors_of(self, kind: Kind, metadata: AnyMetadata) -> Sensors:
        """Return the sensors that look at a space, as far as Butlr says."""
        index, inventory = self._index, self.inventory
        if index.inventory is not inventory:
            index = self._index = _Index(inventory)
        if kind is Kind.SENSOR:
            device = index.by_id.get(str(getattr(metadata, kind.id_field)))
            return Sensors([device]) if device else _NONE
        if kind is Kind.FLOOR:
            return index.on_floor.get(metadata.floor_id, _NONE)
        return index.in_room.get((metadata.floor_id, metadata.room_id), _NONE)

    def offline(self) -> list[Device]:
        """Return the sensors and hives that are not connected, by place."""
        devices = [*self.inventory.sensors, *self.inventory.hives]
        offline = [each for piece in in_pieces(devices, _PIECE) for each in piece if each.is_online is False]
        return [*sorted_in_pieces(offline, lambda each: (place_key(Kind.ROOM, each.place), each.name, each.id))]


class MissingPage(NamedTuple):
    """The missing spaces of one kind on a page."""

    numbers: Mapping[Kind, int]
    """The number of missing spaces of each kind that has some."""
    matched: int
    """Number of those that the query finds, on all pages."""
    spaces: Sequence[Listed]
    page: int
    pages: int


def cloud_json(cloud: Cloud, families: CloudFamilies, now_ms: int) -> dict[str, Any]:
    """Return the polls, the failures of requests to Butlr, and the number of devices that are offline."""
    inventory = cloud.assets.current
    polled = families.last_poll_seconds or None  # 0 before the first
    poll = {
        "interval_seconds": cloud.poll_seconds,
        "last": None if polled is None else utc(int(polled * 1000)),
        "age_seconds": None if polled is None else max(0.0, now_ms / 1000 - polled),
        "readings": families.polled(),
    }
    return {
        "poll": None if cloud.poll_seconds is None else poll,
        "failures": dict(cloud.failures()),
        "sensors": _numbers(inventory.sensors),
        "hives": _numbers(inventory.hives),
    }


def _numbers(devices: Sequence[Device]) -> dict[str, int]:
    offline = sum(each.is_online is False for piece in in_pieces(devices, _PIECE) for each in piece)
    return {"number": len(devices), "offline": offline}


def _ids(snapshot: Snapshot, kind: Kind) -> set[str]:
    """Return the ids of the known spaces of a kind."""
    ids: set[str] = set()
    for piece in in_pieces(snapshot.by_kind.get(kind, []), _PIECE):
        ids.update([space.id for space in piece])
    return ids


def found_missing(assets: Sequence[Asset], query: Query) -> Sequence[Asset]:
    """Return the missing spaces that a query finds, in their order."""
    if query.state not in (None, State.MISSING):
        return []
    if query.floor:
        assets = [asset for piece in in_pieces(assets, _PIECE) for asset in piece if _is_on(asset, query.floor)]
    return with_words(assets, query.words, lambda asset: asset.metadata)


def _is_on(asset: Asset, floor: str) -> bool:
    """Return whether a space lies on a floor, whose key is its id or its names."""
    return floor in (asset.metadata.floor_id, display.place(floor_names(asset.metadata)))
