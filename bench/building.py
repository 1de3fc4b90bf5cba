"""A building of many zones: in a store of this process, or sent to an exporter."""

import http.client
import json
import time
from collections.abc import Iterator
from itertools import islice
from random import Random

from bench.processes import HOST
from exporter.events.ids import ksuid
from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent
from exporter.rule.limits import Limits
from exporter.rule.store import Snapshot, Store
from exporter.simulate.world.building import zones

SHARE = 4
"""One of so many zones changes between two scrapes: each does every minute, and is scraped every 15 seconds."""

_ARRAY = 1000
"""Events of one request that fills an exporter."""


class Building:
    """Zones in a store, of which a part changes again and again."""

    def __init__(self, number: int) -> None:
        """Let there be some zones, with names as the simulator has them."""
        self.now = int(time.time() * 1000)
        forever = 1 << 40
        self._store = Store(Limits(forever, 600_000, 0, 360_000, 300_000, number))
        names = [json.loads(zone.metadata[0]) for zone in zones(number, Random(1))]
        self._zones = [Metadata(**{name: value or "" for name, value in each.items()}) for each in names]
        self._chance = Random(2)
        self.change(1)

    def change(self, share: int = SHARE) -> None:
        """Let one of so many zones have a new reading."""
        self.now += 1000
        for zone in self._chance.sample(self._zones, len(self._zones) // share):
            self._store.apply(self._event(zone), self.now)

    def _event(self, zone: Metadata) -> OccupancyEvent:
        value = float(self._chance.randrange(20))
        second = int(time.time())
        sensed = self.now - self._chance.randrange(900)
        event_id = f"event_{ksuid(second, self._chance.getrandbits(128))}"
        return OccupancyEvent(event_id, Measure.ZONE_OCCUPANCY, zone.zone_id, sensed, value, second, zone)

    def events(self, share: int, deliveries: int = 1, at: int = 0) -> Iterator[dict[str, object]]:
        """Return new readings of one of so many zones as Butlr sends them, sensed now or `at`."""
        at = at or int(time.time() * 1000)
        for zone in self._chance.sample(self._zones, len(self._zones) // share):
            for _ in range(deliveries):
                event = self._event(zone)
                told = {"id": event.id, "type": event.measure, "timestamp": at, "data": event.value}
                yield {**told, "metadata": event.metadata._asdict()}

    def snapshot(self) -> Snapshot:
        """Return the zones as they are."""
        return self._store.snapshot(self.now)


def fill(port: int, number: int) -> None:
    """Let an exporter know some zones."""
    post(port, Building(number).events(1))


def post(port: int, events: Iterator[dict[str, object]], together: int = _ARRAY) -> None:
    """Post events as arrays of so many. Raises RuntimeError if one is refused."""
    client = http.client.HTTPConnection(HOST, port, timeout=60)
    while some := list(islice(events, together)):
        client.request("POST", "/webhook", json.dumps(some))
        response = client.getresponse()
        told = response.read()
        if response.status != 200:
            raise RuntimeError(f"an event was refused: {told[:500]!r}")
    client.close()


def scrape(port: int, encoding: str = "") -> None:
    """Scrape a port, and drop what comes. Raises RuntimeError if it is not a scrape in this encoding."""
    client = http.client.HTTPConnection(HOST, port, timeout=300)
    client.request("GET", "/metrics", headers={"Accept-Encoding": encoding} if encoding else {})
    response = client.getresponse()
    if response.status != 200 or response.getheader("Content-Encoding", "") != encoding:
        raise RuntimeError(f"a scrape was answered with {response.status} and the wrong encoding")
    while response.read(1 << 20):
        pass
    client.close()
