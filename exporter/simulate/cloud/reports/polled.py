"""The answers of the Reporting API as deliveries, by which the oracle judges an exporter that polls.

An exporter takes the median of each minute as a reading of the smoothed type, computed when it asked.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from exporter.events.ids import ksuid
from exporter.simulate.cloud.assets import Assets
from exporter.simulate.cloud.reports.reporting import Point
from exporter.simulate.cloud.reports.request import FUNCTIONS, ReportRequest
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import MINUTE_MS, EventType

_TYPES = {
    "zone_occupancy": EventType.ZONE_OCCUPANCY_1MIN,
    "room_occupancy": EventType.ROOM_OCCUPANCY_1MIN,
    "floor_occupancy": EventType.FLOOR_OCCUPANCY_1MIN,
}
"""The type of event that has a measurement's readings."""

_ROUNDS = 2
"""Times that each space must be asked for after the end: with the second one, the exporter has applied the first."""

_WAIT_SECONDS = 0.1


class Polled:
    """Turns points into deliveries."""

    def __init__(
        self, assets: Assets, now_ms: Callable[[], float], record: Callable[[Exchange], None], random: Random
    ) -> None:
        """Take the spaces, a clock (milliseconds since the epoch), and a function that keeps deliveries."""
        self._assets = assets
        self._now_ms = now_ms
        self._record = record
        self._random = random
        self._asked: Counter[tuple[str, str]] = Counter()
        """The number of answers by measurement and space."""

    def take(self, request: ReportRequest, spaces: Sequence[tuple[str, str]], points: Sequence[Point]) -> None:
        """Take an answer: the pairs of measurement and space that were asked for, and their points."""
        if request.every_ms != MINUTE_MS or request.function is not FUNCTIONS["median"]:
            return
        self._asked.update(pair for pair in spaces if pair[0] in _TYPES)
        now_ms = self._now_ms()
        for point in points:
            if point.measurement in _TYPES:
                event = {
                    "id": f"event_{ksuid(int(now_ms / 1000), self._random.getrandbits(128))}",
                    "type": _TYPES[point.measurement],
                    "timestamp": point.begin_ms,
                    "version": "v1.0.0",
                    "metadata": self._assets.places[point.space_id].metadata,
                    "data": point.value,
                }
                # An exporter gives no outcome for a point; without a try, the oracle judges none.
                body = json.dumps(event).encode()
                self._record(Exchange(body, now_ms, now_ms, now_ms, tries=0, outcomes={"polled": 1}))

    async def wait(self) -> None:
        """Return when every space that was asked for has been asked for again, and its answer applied."""
        rounds = {pair: number + _ROUNDS for pair, number in self._asked.items()}
        while any(self._asked[pair] < number for pair, number in rounds.items()):
            await asyncio.sleep(_WAIT_SECONDS)
