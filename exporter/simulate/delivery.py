"""How readings reach the webhook: computed again and again, delayed, reordered, repeated, lost.

Source: docs.butlr.io, webhooks overview and FAQ: ordering is not guaranteed, duplicates are to be expected,
and each minute is computed again for five minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.events import Measure
from exporter.simulate.building import zones
from exporter.simulate.ids import ksuid
from exporter.simulate.people import OPENING, People
from exporter.simulate.sensing import COMPUTATIONS, Sensed, Sensor

MINUTE = 60_000

_DELAY = 500
"""Milliseconds that a delivery takes on average."""

_HELD_UP = 0.04
"""Share of deliveries that take whole intervals, so that later computations overtake them."""

_REPEATED = 0.04
"""Share of deliveries that come again, under the same id."""

_STRAGGLES = 0.04
"""Share of computations that come with a reading from before the exporter's window."""

_LATE_BY = (15, 15, 16, 18)
"""Minutes that such a reading is older than the newest; the first is the window itself."""

_RENAMED_AFTER = 6
"""Intervals after which some zones have another name."""


@dataclass(frozen=True)
class Plan:
    """What to simulate. Equal plans that start at equal times are equal streams."""

    zones: int = 20
    measures: tuple[Measure, ...] = (Measure.ZONE_OCCUPANCY,)
    interval: int = MINUTE
    """Milliseconds from reading to reading, at least 1,000: ids tell computations apart by the second."""
    intervals: int | None = 10
    """How many; None is without an end. In the last four, what was sensed before is only computed again."""
    seed: int = 1
    drop: float = 0.0
    """Share of deliveries that are lost."""
    burst: bool = False
    """Whether nothing comes in the middle third, and then all of it at once."""

    @property
    def length(self) -> int | None:
        """Milliseconds from the first computation to the end, if there is one."""
        return None if self.intervals is None else self.intervals * self.interval


class Delivery(NamedTuple):
    """One POST."""

    due: int
    """When it comes, milliseconds since the epoch."""
    body: bytes
    lost: bool = False


def deliveries(plan: Plan, start: int) -> Iterator[Delivery]:
    """Return the deliveries in the order in which they come, from `start` on, milliseconds since the epoch."""
    return _Stream(plan, start).deliveries()


class _Stream:
    def __init__(self, plan: Plan, start: int) -> None:
        self._plan = plan
        self._start = start
        # One source for each, so that lost deliveries, say, do not change the people.
        building, self._people, self._sensing, self._delivery = (
            Random(f"{subject} {plan.seed}") for subject in ("building", "people", "sensing", "delivery")
        )
        # Computations are spread over the interval, zone by zone.
        self._zones = [
            (n * plan.interval // plan.zones, zone, People(zone.use, zone.crowded_hour), Sensor())
            for n, zone in enumerate(zones(plan.zones, building))
        ]
        self._waiting: list[tuple[int, int, Delivery]] = []
        self._number = count()

    def deliveries(self) -> Iterator[Delivery]:
        intervals = self._plan.intervals
        for n in count() if intervals is None else range(intervals):
            sensed = self._start + n * self._plan.interval
            for phase, zone, people, sensor in self._zones:
                yield from self._come(sensed + phase)
                if intervals is None or n < max(1, intervals - COMPUTATIONS + 1):
                    sensor.sense(sensed, people.step(OPENING + n, self._people), self._sensing)
                else:
                    sensor.rest()
                metadata = zone.renamed if n >= _RENAMED_AFTER else zone.metadata
                for measure in self._plan.measures:
                    self._compute(measure, sensor, metadata, sensed + phase)
        yield from self._come(None)

    def _come(self, until: int | None) -> Iterator[Delivery]:
        """Return what has come by a time."""
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            yield heappop(self._waiting)[2]

    def _compute(self, measure: Measure, sensor: Sensor, metadata: str, now: int) -> None:
        smoothed = measure is Measure.ZONE_OCCUPANCY_1MIN
        newest = None
        for round_, sensed in sensor.computations():
            newest = newest or sensed
            body = self._body(measure, sensed.timestamp, sensed.computed(round_, smoothed), metadata, now)
            self._send(body, now)
        if newest is not None and self._delivery.random() < _STRAGGLES:
            self._straggle(measure, newest, metadata, now)

    def _straggle(self, measure: Measure, newest: Sensed, metadata: str, now: int) -> None:
        """Send a reading of long ago; such ones are often sent more than once."""
        old = self._delivery.choice(_LATE_BY) * MINUTE
        body = self._body(measure, newest.timestamp - old, newest.truth, metadata, now - old)
        for _ in range(self._delivery.randint(1, 2)):
            self._send(body, now)

    def _send(self, body: bytes, now: int) -> None:
        random, interval = self._delivery.random, self._plan.interval
        due = now + int(self._delivery.expovariate(1 / min(_DELAY, interval / 4)))
        if random() < _HELD_UP:
            due += int((1 + 2 * random()) * interval)
        self._schedule(due, now, body)
        if random() < _REPEATED:
            self._schedule(due + int(3 * random() * interval), now, body)

    def _schedule(self, due: int, now: int, body: bytes) -> None:
        lost = self._delivery.random() < self._plan.drop
        if (length := self._plan.length) is not None:
            third = length // 3
            if self._plan.burst and third <= due - self._start < 2 * third:
                # A backlog is sent as fast as it goes, and in no order.
                due = self._start + 2 * third + self._delivery.randrange(self._plan.interval)
            due = max(now, min(due, self._start + length))
        heappush(self._waiting, (due, next(self._number), Delivery(due, body, lost)))

    def _body(self, measure: Measure, timestamp: int, value: float, metadata: str, now: int) -> bytes:
        event_id = f"event_{ksuid(now // 1000, self._delivery.getrandbits(128))}"
        return (
            f'{{"id": "{event_id}", "type": "{measure.value}", "timestamp": {timestamp}, "version": "v1.0.0", '
            f'"metadata": {metadata}, "data": {value:g}}}'
        ).encode()
