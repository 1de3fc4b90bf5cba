"""The way of readings to the webhook: computed again and again, delayed, reordered, repeated, lost.

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
from exporter.events.measures import Measure
from exporter.simulate.world.building import Zone, zones
from exporter.simulate.world.people import OPENING_MINUTE, People
from exporter.simulate.world.sensing import COMPUTATIONS, Sensor

MINUTE_MS = 60_000

_MEAN_DELAY_MS = 500
"""Mean time from the computation of a reading to its arrival."""

_HELD_UP_SHARE = 0.04
"""Share of deliveries that are delayed by whole intervals, so that later computations overtake them."""

_REPEATED_SHARE = 0.04
"""Share of deliveries that are sent again under the same id."""

_STRAGGLER_SHARE = 0.04
"""Share of a zone's intervals in which a reading older than the exporter's window is sent as well."""

_STRAGGLER_AGES_MINUTES = (15, 15, 16, 18)
"""Ages of stragglers, counted from the newest reading; the smallest is the window itself."""

_REVISED_AT_ONCE_SHARE = 0.01
"""Share of computations that are followed by another in the same second; never that of the newest reading."""

_FIRST_RENAME = 6
"""Number of the interval, from 0, from which on some zones have their second name."""

_LAST_RENAME_BEFORE_END = 3
"""Intervals before the end of the run from which on these zones have their last name."""

_HELD_BACK_SHARE = 0.5
"""Share of the last deliveries under the second name that arrive after everything else."""


@dataclass(frozen=True)
class Plan:
    """The options of a simulation. Equal plans that start at equal times give equal streams."""

    zones: int = 20
    measures: tuple[Measure, ...] = (Measure.ZONE_OCCUPANCY,)
    interval_ms: int = MINUTE_MS
    """Time from reading to reading, at least 1,000 ms: ids tell computations apart by the second."""
    intervals: int | None = 10
    """Number of intervals; None is without end. The last four only compute earlier readings again."""
    seed: int = 1
    drop: float = 0.0
    """Share of deliveries that are lost."""
    burst: bool = False
    """Whether nothing arrives in the middle third of the run, and then all of it at once."""

    @property
    def length_ms(self) -> int | None:
        """Time from the first computation to the end; None without end."""
        return None if self.intervals is None else self.intervals * self.interval_ms


class Delivery(NamedTuple):
    """One POST."""

    due_ms: int
    """Time to send it, milliseconds since the epoch."""
    body: bytes
    zone: str = ""
    """Id of its zone; empty if unknown."""
    lost: bool = False
    """Whether it is never sent."""


def deliveries(plan: Plan, start_ms: int) -> Iterator[Delivery]:
    """Return the deliveries of a simulation that starts at `start_ms` (milliseconds since the epoch), by due time."""
    return _Stream(plan, start_ms).deliveries()


class _SimulatedZone(NamedTuple):
    """A zone, its people, and its sensor."""

    phase_ms: int
    """Time of its computations, from the beginning of each interval."""
    zone: Zone
    people: People
    sensor: Sensor


class _Computation(NamedTuple):
    """One computation of the recent readings of one measure of one zone."""

    zone: str
    """Id of the zone."""
    measure: Measure
    metadata: str
    """JSON."""
    now_ms: int
    """Milliseconds since the epoch."""
    precedes_last_rename: bool
    """Whether the zone has its last name from the next interval on."""


class _Stream:
    """Simulates a plan: keeps the deliveries that are under way in a heap, by due time."""

    def __init__(self, plan: Plan, start_ms: int) -> None:
        self._plan = plan
        self._start_ms = start_ms
        # Each subject has a random source of its own, so that `drop`, for one, does not change the people.
        building, self._people, self._sensing, self._delivery = (
            Random(f"{subject} {plan.seed}") for subject in ("building", "people", "sensing", "delivery")
        )
        # Computations are spread over the interval, zone by zone.
        self._zones = [
            _SimulatedZone(n * plan.interval_ms // plan.zones, zone, People(zone.use, zone.crowded_hour), Sensor())
            for n, zone in enumerate(zones(plan.zones, building))
        ]
        self._under_way: list[tuple[int, int, Delivery]] = []
        """A heap of due time (ms), sequence number and delivery."""
        self._sequence = count()

    def deliveries(self) -> Iterator[Delivery]:
        intervals = self._plan.intervals
        last_sensed = None if intervals is None else max(0, intervals - COMPUTATIONS)
        for n in count() if intervals is None else range(intervals):
            sensed_ms = self._start_ms + n * self._plan.interval_ms
            for phase_ms, zone, people, sensor in self._zones:
                now_ms = sensed_ms + phase_ms
                yield from self._due(now_ms)
                if last_sensed is None or n <= last_sensed:
                    sensor.sense(sensed_ms, people.step(OPENING_MINUTE + n, self._people), self._sensing)
                else:
                    sensor.skip()
                metadata = zone.metadata[self._name_number(zone, n)]
                precedes_last_rename = len(zone.metadata) > 1 and n + 1 == self._last_rename
                for measure in self._plan.measures:
                    self._compute(_Computation(zone.id, measure, metadata, now_ms, precedes_last_rename), sensor)
        yield from self._due(None)

    @property
    def _last_rename(self) -> int | None:
        """Number of the interval from which on renamed zones have their last name; None without end."""
        return None if self._plan.intervals is None else self._plan.intervals - _LAST_RENAME_BEFORE_END

    def _name_number(self, zone: Zone, n: int) -> int:
        """Return the index of the name that a zone has in interval `n`."""
        last = self._last_rename
        name = (n >= _FIRST_RENAME) + (last is not None and n >= last)
        return min(name, len(zone.metadata) - 1)

    def _due(self, until_ms: int | None) -> Iterator[Delivery]:
        """Remove and return the deliveries that are due by `until_ms`; None is all."""
        while self._under_way and (until_ms is None or self._under_way[0][0] <= until_ms):
            yield heappop(self._under_way)[2]

    def _compute(self, computation: _Computation, sensor: Sensor) -> None:
        """Send the results of a computation, and now and then a revision or an old reading."""
        smoothed = computation.measure is Measure.ZONE_OCCUPANCY_1MIN
        newest = None
        for number, reading in sensor.computations():
            value = reading.computed(number, smoothed)
            event_id = self._event_id(computation.now_ms)
            self._send(computation, event_id, reading.timestamp_ms, value)
            if newest is None:
                newest = reading
            elif self._delivery.random() < _REVISED_AT_ONCE_SHARE:
                # Butlr's docs do not say whether another value comes under another id.
                revision_id = self._delivery.choice((event_id, self._event_id(computation.now_ms)))
                self._send(computation, revision_id, reading.timestamp_ms, value + 1)
        if newest is not None and self._delivery.random() < _STRAGGLER_SHARE:
            age_ms = self._delivery.choice(_STRAGGLER_AGES_MINUTES) * MINUTE_MS
            event_id = self._event_id(computation.now_ms - age_ms)
            for _ in range(self._delivery.randint(1, 2)):  # an old delivery is often sent again and again
                self._send(computation, event_id, newest.timestamp_ms - age_ms, newest.truth)

    def _event_id(self, now_ms: int) -> str:
        return f"event_{ksuid(now_ms // 1000, self._delivery.getrandbits(128))}"

    def _send(self, computation: _Computation, event_id: str, timestamp_ms: int, value: float) -> None:
        """Send one event with its delay, sometimes held up, sometimes twice."""
        body = (
            f'{{"id": "{event_id}", "type": "{computation.measure.value}", "timestamp": {timestamp_ms}, '
            f'"version": "v1.0.0", "metadata": {computation.metadata}, "data": {value:g}}}'
        ).encode()
        random, interval_ms = self._delivery.random, self._plan.interval_ms
        due_ms = computation.now_ms + int(self._delivery.expovariate(1 / min(_MEAN_DELAY_MS, interval_ms / 4)))
        if random() < _HELD_UP_SHARE:
            due_ms += int((1 + 2 * random()) * interval_ms)
        self._schedule(due_ms, computation, body)
        if random() < _REPEATED_SHARE:
            self._schedule(due_ms + int(3 * random() * interval_ms), computation, body)

    def _schedule(self, due_ms: int, computation: _Computation, body: bytes) -> None:
        """Schedule a delivery for `due_ms`, or for another time in a burst or before a renaming; mark it if lost."""
        lost = self._delivery.random() < self._plan.drop
        if (length_ms := self._plan.length_ms) is not None:
            third_ms, end_ms = length_ms // 3, self._start_ms + length_ms
            if self._plan.burst and third_ms <= due_ms - self._start_ms < 2 * third_ms:
                # A backlog is sent as fast as possible, and in no order.
                due_ms = self._start_ms + 2 * third_ms + self._delivery.randrange(self._plan.interval_ms)
            due_ms = max(computation.now_ms, min(due_ms, end_ms - 1))
            if computation.precedes_last_rename and self._delivery.random() < _HELD_BACK_SHARE:
                due_ms = end_ms
        heappush(self._under_way, (due_ms, next(self._sequence), Delivery(due_ms, body, computation.zone, lost)))
