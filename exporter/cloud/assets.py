"""Reads Butlr's assets into the inventory, and its capacities beside the rules of the capacity file.

An answer that lacks anything is not used: nothing that is known is lost by a bad answer.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

from exporter.butlr import assets as api
from exporter.butlr.errors import BadAnswer, CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import id_in_events
from exporter.capacity.file import CapacityFile
from exporter.cloud.outages import Outages
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import Metadata
from exporter.inventory import Asset, Assets, Device, Inventory
from exporter.metrics.cloud import CloudFamilies

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Time after a failure to the next attempt; a shorter interval stays as it is."""

WORK = "read the assets"


class AssetsReader:
    """Reads the assets, for one thread."""

    def __init__(
        self,
        graphql: Graphql,
        assets: Assets,
        capacity: CapacityFile,
        families: CloudFamilies,
        outages: Outages,
        clock: Callable[[], float],
        interval_seconds: float,
    ) -> None:
        """Read every `interval_seconds`; `clock` returns Unix seconds."""
        self._graphql = graphql
        self._assets = assets
        self._capacity = capacity
        self._families = families
        self._outages = outages
        self._clock = clock
        self._interval_seconds = interval_seconds

    def work(self) -> float:
        """Read the assets once; return the seconds until the next time."""
        try:
            self._read()
        except CloudError as error:
            self._outages.failed(WORK, error)
            return min(self._interval_seconds, RETRY_SECONDS)
        self._outages.succeeded(WORK)
        return self._interval_seconds

    def _read(self) -> None:
        topology = api.read_topology(self._graphql)
        spaces: dict[Kind, dict[str, Asset]] = {kind: {} for kind in WITH_PEOPLE}
        places: dict[str, Metadata] = {}
        for place in topology.places:
            places[place.id] = place.metadata
            if (kind := place.level.kind) is not None:
                spaces[kind][place.id] = Asset(kind, place.metadata, place.capacity, place.tags)
        sensors = tuple(_placed(api.read_sensors(self._graphql), places))
        hives = tuple(_placed(api.read_hives(self._graphql), places))
        before = self._assets.current
        _check_not_all_gone("floors, rooms or zones", any(spaces.values()), any(before.spaces.values()))
        _check_not_all_gone("sensors", bool(sensors), bool(before.sensors))
        _check_not_all_gone("hives", bool(hives), bool(before.hives))
        self._assets.replace(Inventory(spaces, sensors, hives))
        self._capacity.configure(
            {
                (kind, asset.id): asset.capacity
                for kind, each in spaces.items()
                for asset in each.values()
                if asset.capacity is not None
            }
        )
        self._families.last_assets_seconds = self._clock()
        numbers = {f"{kind}s": len(each) for kind, each in spaces.items()}
        log.debug("assets read", {**numbers, "sensors": len(sensors), "hives": len(hives)})


def _check_not_all_gone(things: str, has_any: bool, had_any: bool) -> None:
    """Check that not all things are gone that were listed before, as an API without them is probably wrong.

    Raises BadAnswer.
    """
    if had_any and not has_any:
        raise BadAnswer(
            f"Butlr lists no {things} any more, and listed some before; the exporter keeps those, "
            "and believes the answer after a restart"
        )


def _placed(devices: Iterable[api.Device], places: dict[str, Metadata]) -> Iterator[Device]:
    for device in devices:
        place = places.get(device.room_id) or places.get(device.floor_id) or Metadata()
        device_id = id_in_events(device.id)
        yield Device(device_id, device.name, device.address, place, device.is_online, device.last_heartbeat_ms)
