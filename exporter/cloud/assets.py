"""Reads Butlr's assets into the inventory.

An answer that lacks anything is not used: nothing that is known is lost by a bad answer.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from exporter.butlr import assets as api
from exporter.butlr.errors import BadAnswer, CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import id_in_events
from exporter.cloud.outages import RETRY_SECONDS, Outages
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import Metadata
from exporter.inventory import Asset, Assets, Device, Inventory
from exporter.metrics.cloud import CloudFamilies
from exporter.pieces import paced

log = logging.getLogger(__name__)

PLACES, DEVICES = "read the assets", "read the sensors and hives"
"""The works of one round, as the log names them."""

_WITHOUT_PAUSE = 200
"""Spaces or devices that are handled without a pause: half a millisecond."""


class _Read(NamedTuple):
    """Devices after an attempt to read them."""

    devices: tuple[Device, ...]
    failure: CloudError | None = None
    """The reason for which they are those of an earlier round."""


class AssetsReader:
    """Reads the assets, for one thread."""

    def __init__(
        self,
        graphql: Graphql,
        assets: Assets,
        families: CloudFamilies,
        outages: Outages,
        clock: Callable[[], float],
        interval_seconds: float,
    ) -> None:
        """Read every `interval_seconds`; `clock` returns Unix seconds."""
        self._graphql = graphql
        self._assets = assets
        self._families = families
        self._outages = outages
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._numbers: Mapping[str, int] = {}
        """The numbers that were logged last."""
        self._ignored = 0
        """The number of unusable entries that was logged last."""

    def work(self) -> float:
        """Read the assets once; return the seconds until the next time.

        Where only the sensors or the hives cannot be read, those that were read before stay; the round is no success
        then, as they grow old.
        """
        known = self._assets.current
        try:
            topology = api.read_topology(self._graphql)
            spaces = _spaces(topology)
            _check_not_all_gone("floors, rooms or zones", any(spaces.values()), any(known.spaces.values()))
        except CloudError as error:
            self._outages.failed(PLACES, error)
            return min(self._interval_seconds, RETRY_SECONDS)
        self._outages.succeeded(PLACES)
        places = {place.id: place.metadata for place in paced(topology.places, _WITHOUT_PAUSE)}
        sensors = self._read("sensors", api.read_sensors, known.sensors, places)
        hives = self._read("hives", api.read_hives, known.hives, places)
        inventory = Inventory(MappingProxyType(spaces), sensors.devices, hives.devices)
        self._assets.replace(inventory)
        if (failure := sensors.failure or hives.failure) is None:
            self._outages.succeeded(DEVICES)
        else:
            self._outages.failed(DEVICES, failure)
        if not any(read.failure and read.devices for read in (sensors, hives)):
            self._families.last_assets_seconds = self._clock()
        self._log(inventory, topology.ignored)
        return self._interval_seconds

    def _read(
        self,
        name: str,
        read: Callable[[Graphql], Iterable[api.Device]],
        known: tuple[Device, ...],
        places: Mapping[str, Metadata],
    ) -> _Read:
        """Return the devices that Butlr lists, or those that are known and the failure."""
        try:
            devices = _placed(read(self._graphql), places)
            _check_not_all_gone(name, bool(devices), bool(known))
        except CloudError as error:
            return _Read(known, error)
        return _Read(devices)

    def _log(self, inventory: Inventory, ignored: int) -> None:
        """Log the numbers of assets where they have changed."""
        numbers = {f"{kind}s": len(each) for kind, each in inventory.spaces.items()}
        for name, devices in (("sensors", inventory.sensors), ("hives", inventory.hives)):
            numbers[name] = len(devices)
            numbers[f"{name}_offline"] = sum(device.is_online is False for device in devices)
        if numbers != self._numbers:
            log.info("assets read", numbers)
        if ignored > self._ignored:
            log.warning("assets ignored", {"entries": ignored, "reason": "no usable id, or an id that another one has"})
        self._numbers, self._ignored = numbers, ignored


def _check_not_all_gone(things: str, has_any: bool, had_any: bool) -> None:
    """Check that not all things are gone that were listed before, as an API without them is probably wrong.

    Raises BadAnswer.
    """
    if had_any and not has_any:
        raise BadAnswer(
            f"Butlr lists no {things} any more, and listed some before; the exporter keeps those, "
            "and believes the answer after a restart"
        )


def _spaces(topology: api.Topology) -> dict[Kind, dict[str, Asset]]:
    """Return the spaces among the places, by kind and id."""
    spaces: dict[Kind, dict[str, Asset]] = {kind: {} for kind in WITH_PEOPLE}
    for place in paced(topology.places, _WITHOUT_PAUSE):
        if (kind := place.level.kind) is not None:
            spaces[kind][place.id] = Asset(kind, place.metadata, place.capacity, place.tags)
    return spaces


def _placed(devices: Iterable[api.Device], places: Mapping[str, Metadata]) -> tuple[Device, ...]:
    """Return devices with the ids that events have and with their places, one of each id."""
    found: dict[str, Device] = {}
    for device in paced(devices, _WITHOUT_PAUSE):
        device_id = id_in_events(device.id)
        place = places.get(device.room_id) or places.get(device.floor_id) or Metadata()
        found.setdefault(
            device_id,
            Device(device_id, device.name, device.address, place, device.is_online, device.last_heartbeat_ms),
        )
    return tuple(found.values())
