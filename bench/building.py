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
from exporter.events.model import Metadata, ReadingEvent
from exporter.rule.limits import Limits
from exporter.rule.store import Snapshot, Store
from exporter.simulate.world.building import zones

ZONES_PER_CHANGE = 4
"""One in so many zones changes between two scrapes: each changes every minute and is scraped every 15 seconds."""

_EVENTS_PER_REQUEST = 1000
"""Events in a request that only fills an exporter."""


class Building:
    """Zones in a store, some of which change at each call of `change`."""

    def __init__(self, number: int) -> None:
        """Make this number of zones, with names as in the simulator."""
        self.now_ms = int(time.time() * 1000)
        self._store = Store(
            Limits(
                window=1 << 40,  # so long that no reading is ever removed
                stale_after=600_000,
                forget_after=0,
                settle_after=360_000,
                future_tolerance=300_000,
                max_spaces=number,
            )
        )
        names = [json.loads(zone.metadata[0]) for zone in zones(number, Random(1))]
        self._zones = [Metadata(**{name: value or "" for name, value in each.items()}) for each in names]
        self._random = Random(2)
        self.change(1)

    def change(self, one_in: int = ZONES_PER_CHANGE) -> None:
        """Give one in so many zones a new reading."""
        self.now_ms += 1000
        for zone in self._random.sample(self._zones, len(self._zones) // one_in):
            self._store.apply(self._event(zone), self.now_ms)

    def _event(self, zone: Metadata) -> ReadingEvent:
        value = float(self._random.randrange(20))
        second = int(time.time())
        sensed_ms = self.now_ms - self._random.randrange(900)
        event_id = f"event_{ksuid(second, self._random.getrandbits(128))}"
        return ReadingEvent(event_id, Measure.ZONE_OCCUPANCY, zone.zone_id, sensed_ms, value, second, zone)

    def events(self, one_in: int, deliveries: int = 1, at_ms: int = 0) -> Iterator[dict[str, object]]:
        """Return new readings of one in so many zones as Butlr sends them, sensed now or at `at_ms`."""
        at_ms = at_ms or int(time.time() * 1000)
        for zone in self._random.sample(self._zones, len(self._zones) // one_in):
            for _ in range(deliveries):
                event = self._event(zone)
                yield {
                    "id": event.id,
                    "type": event.measure,
                    "timestamp": at_ms,
                    "data": event.value,
                    "metadata": event.metadata._asdict(),
                }

    def snapshot(self) -> Snapshot:
        """Return the present state of the zones."""
        return self._store.snapshot(self.now_ms)


def post(port: int, events: Iterator[dict[str, object]], per_request: int = _EVENTS_PER_REQUEST) -> None:
    """Post events in arrays. Raises RuntimeError if one is refused."""
    client = http.client.HTTPConnection(HOST, port, timeout=60)
    while array := list(islice(events, per_request)):
        client.request("POST", "/webhook", json.dumps(array))
        response = client.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"an event was refused: {answer[:500]!r}")
    client.close()


def scrape(port: int, encoding: str = "", path: str = "/metrics") -> None:
    """Scrape a port, or read another path, and discard the answer. Raises RuntimeError for an error or encoding."""
    client = http.client.HTTPConnection(HOST, port, timeout=300)
    client.request("GET", path, headers={"Accept-Encoding": encoding} if encoding else {})
    response = client.getresponse()
    if response.status != 200 or response.getheader("Content-Encoding", "") != encoding:
        raise RuntimeError(f"a scrape was answered with {response.status} and the wrong encoding")
    while response.read(1 << 20):
        pass
    client.close()
