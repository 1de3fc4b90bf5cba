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

from exporter.events.ids import ksuid
from exporter.events.model import Measure
from exporter.simulate.world.building import Zone, zones
from exporter.simulate.world.people import OPENING, People
from exporter.simulate.world.sensing import COMPUTATIONS, Sensor

MINUTE = 60_000

_DELAY = 500
"""Milliseconds that a delivery takes on average."""

_HELD_UP = 0.04
"""Share of deliveries that take whole intervals, so that later computations overtake them."""

_REPEATED = 0.04
"""Share of deliveries that come again, under the same id."""

_STRAGGLES = 0.04
"""Share of a zone's intervals in which a reading from before the exporter's window is sent as well."""

_LATE_BY = (15, 15, 16, 18)
"""Minutes that such a reading is older than the newest; the first is the window itself."""

_REVISED_AT_ONCE = 0.01
"""Share of computations, but of the newest reading, that are followed by another in the same second."""

_RENAMED_AFTER = 6
"""Intervals after which some zones have another name."""

_RENAMED_BEFORE = 3
"""Intervals before the end at which they get yet another."""

_HELD_BACK = 0.5
"""Share of the deliveries under a name that is about to change which come at the very end."""


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
    zone: str = ""
    """The id of its zone, if that is known."""
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
        last_sensed = None if intervals is None else max(0, intervals - COMPUTATIONS)
        for n in count() if intervals is None else range(intervals):
            sensed = self._start + n * self._plan.interval
            for phase, zone, people, sensor in self._zones:
                now = sensed + phase
                yield from self._come(now)
                if last_sensed is None or n <= last_sensed:
                    sensor.sense(sensed, people.step(OPENING + n, self._people), self._sensing)
                else:
                    sensor.rest()
                name, leaving = self._name(zone, n)
                for measure in self._plan.measures:
                    self._compute(_Computation(zone.id, measure, zone.metadata[name], now, leaving), sensor)
        yield from self._come(None)

    def _name(self, zone: Zone, n: int) -> tuple[int, bool]:
        """Return which of its names a zone has in an interval, and whether it is about to have its last."""
        last = None if self._plan.intervals is None else self._plan.intervals - _RENAMED_BEFORE
        name = (n >= _RENAMED_AFTER) + (last is not None and n >= last)
        return min(name, len(zone.metadata) - 1), len(zone.metadata) > 1 and n + 1 == last

    def _come(self, until: int | None) -> Iterator[Delivery]:
        """Return what has come by a time."""
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            yield heappop(self._waiting)[2]

    def _compute(self, computation: "_Computation", sensor: Sensor) -> None:
        smoothed = computation.measure is Measure.ZONE_OCCUPANCY_1MIN
        newest = None
        for round_, sensed in sensor.computations():
            value = sensed.computed(round_, smoothed)
            event_id = self._event_id(computation.now)
            self._send(computation, event_id, sensed.timestamp, value)
            if newest is None:
                newest = sensed
            elif self._delivery.random() < _REVISED_AT_ONCE:
                # Whether another value has another id is not documented either.
                again = self._delivery.choice((event_id, self._event_id(computation.now)))
                self._send(computation, again, sensed.timestamp, value + 1)
        if newest is not None and self._delivery.random() < _STRAGGLES:
            old = self._delivery.choice(_LATE_BY) * MINUTE
            event_id = self._event_id(computation.now - old)
            for _ in range(self._delivery.randint(1, 2)):  # such ones are often sent again and again
                self._send(computation, event_id, newest.timestamp - old, newest.truth)

    def _event_id(self, now: int) -> str:
        return f"event_{ksuid(now // 1000, self._delivery.getrandbits(128))}"

    def _send(self, computation: "_Computation", event_id: str, timestamp: int, value: float) -> None:
        body = (
            f'{{"id": "{event_id}", "type": "{computation.measure.value}", "timestamp": {timestamp}, '
            f'"version": "v1.0.0", "metadata": {computation.metadata}, "data": {value:g}}}'
        ).encode()
        random, interval = self._delivery.random, self._plan.interval
        due = computation.now + int(self._delivery.expovariate(1 / min(_DELAY, interval / 4)))
        if random() < _HELD_UP:
            due += int((1 + 2 * random()) * interval)
        self._schedule(due, computation, body)
        if random() < _REPEATED:
            self._schedule(due + int(3 * random() * interval), computation, body)

    def _schedule(self, due: int, computation: "_Computation", body: bytes) -> None:
        lost = self._delivery.random() < self._plan.drop
        if (length := self._plan.length) is not None:
            third, end = length // 3, self._start + length
            if self._plan.burst and third <= due - self._start < 2 * third:
                # A backlog is sent as fast as it goes, and in no order.
                due = self._start + 2 * third + self._delivery.randrange(self._plan.interval)
            due = max(computation.now, min(due, end - 1))
            if computation.leaving and self._delivery.random() < _HELD_BACK:
                due = end
        heappush(self._waiting, (due, next(self._number), Delivery(due, body, computation.zone, lost)))


class _Computation(NamedTuple):
    """What is computed of a zone at one time."""

    zone: str
    measure: Measure
    metadata: str
    """JSON."""
    now: int
    """Milliseconds since the epoch."""
    leaving: bool
    """Whether the zone has another name from the next time on."""
