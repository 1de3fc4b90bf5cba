"""All deliveries of a simulation: readings that are computed again and again, and what sensors send at once.

Source: docs.butlr.io, webhooks overview: each minute the counts of the last five minutes are computed again.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.simulate.world.building import Floor, Room, Zone, floors_of, zones_of
from exporter.simulate.world.delivery import MINUTE_MS, Delivery, EventType, Plan, Source, Way
from exporter.simulate.world.estate import Estate
from exporter.simulate.world.moments import Moments
from exporter.simulate.world.sensing import COMPUTATIONS, SensedReading, Sensor

_STRAGGLER_SHARE = 0.04
"""Share of a space's intervals in which a reading older than the exporter's window is sent as well."""

_STRAGGLER_AGES_MINUTES = (15, 15, 16, 18)
"""Ages of stragglers, counted from the newest reading; the smallest is the window itself."""

_REVISED_AT_ONCE_SHARE = 0.01
"""Share of computations that are followed by another in the same second; never that of the newest reading."""


OnSensed = Callable[[str, int, SensedReading], None]
"""Called with the id of a space, the time of the first computation of a reading (ms), and the reading."""


def deliveries(plan: Plan, start_ms: int, on_sensed: OnSensed = lambda *_: None) -> Iterator[Delivery]:
    """Return the deliveries of a simulation that starts at `start_ms` (milliseconds since the epoch), by due time.

    `on_sensed` is called for each reading before the first delivery that is due later.
    """
    return _Stream(plan, start_ms, on_sensed).deliveries()


class _SensedSpace(NamedTuple):
    """A space whose readings are computed again and again."""

    phase_ms: int
    """Time of its computations, from the beginning of each interval."""
    source: Source
    types: list[EventType]
    sensor: Sensor
    sensing: Random


class _Stream:
    """Simulates a plan."""

    def __init__(self, plan: Plan, start_ms: int, on_sensed: OnSensed) -> None:
        self._plan = plan
        self._on_sensed = on_sensed
        self._start_ms = start_ms
        # Each subject has a random source of its own, so that `drop`, for one, does not change the people.
        people, walking, moments, sensing, others_sensing = (
            Random(f"{subject} {plan.seed}")
            for subject in ("people", "walking", "moments", "sensing", "sensing of rooms")
        )
        all_zones = zones_of(plan.zones, plan.seed)
        only_zones = all(event_type.startswith("ZONE_") for event_type in plan.types)
        all_floors = [] if only_zones else floors_of(all_zones, plan.seed)
        all_rooms = [room for floor in all_floors for room in floor.rooms]
        self._estate = Estate(all_zones, all_floors, people, walking, has_short_nights=plan.short_nights)
        self._way = Way(plan, start_ms)
        self._moments = Moments(plan, self._way, all_floors, moments)
        self._sensed = sorted(
            [
                *self._sensed_spaces("ZONE_", all_zones, sensing),
                *self._sensed_spaces("ROOM_", all_rooms, others_sensing),
                *self._sensed_spaces("FLOOR_", all_floors, others_sensing),
            ],
            key=lambda space: space.phase_ms,
        )

    def _sensed_spaces(
        self, prefix: str, spaces: Sequence[Zone | Room | Floor], sensing: Random
    ) -> Iterator[_SensedSpace]:
        """Return spaces of one kind, if the plan has types of events that begin with its prefix.

        Computations are spread over the interval, space by space.
        """
        types = [event_type for event_type in self._plan.types if event_type.startswith(prefix)]
        of_zones = prefix == "ZONE_"
        for n, space in enumerate(spaces if types else ()):
            source = Source(space.id, space.metadata, spells_otherwise=not of_zones and n % 2 == 1)
            phase_ms = n * self._plan.interval_ms // len(spaces)
            yield _SensedSpace(phase_ms, source, types, Sensor(counts_doors=not of_zones), sensing)

    def deliveries(self) -> Iterator[Delivery]:
        """Return all deliveries, by due time."""
        interval_ms, intervals = self._plan.interval_ms, self._plan.intervals
        last_sensed = None if intervals is None else max(0, intervals - COMPUTATIONS)
        minute = self._estate.step()
        self._moments.send(minute, self._start_ms - interval_ms)
        for n in count() if intervals is None else range(intervals):
            sensed_ms = self._start_ms + n * interval_ms
            is_sensed = last_sensed is None or n <= last_sensed
            people = minute.people
            if last_sensed is None or n < last_sensed:
                minute = self._estate.step()
                self._moments.send(minute, sensed_ms)
            for space in self._sensed:
                now_ms = sensed_ms + space.phase_ms
                yield from self._way.due(now_ms)
                if is_sensed:
                    reading = space.sensor.sense(sensed_ms, people[space.source.id], space.sensing)
                    self._on_sensed(space.source.id, now_ms, reading)
                else:
                    space.sensor.skip()
                for event_type in space.types:
                    self._compute(space, event_type, now_ms)
            yield from self._way.due(sensed_ms + interval_ms - 1)
        yield from self._way.due(None)

    def _compute(self, space: _SensedSpace, event_type: EventType, now_ms: int) -> None:
        """Send the results of a computation, and now and then a revision or an old reading."""
        chance = self._way.random

        def send(event_id: str, timestamp_ms: int, value: float) -> None:
            self._way.send(space.source, event_type, now_ms, event_id, timestamp_ms, f"{value:g}")

        newest = None
        for number, reading in space.sensor.computations():
            value = reading.computed(number, event_type.is_smoothed)
            event_id = self._way.event_id(now_ms)
            send(event_id, reading.timestamp_ms, value)
            if newest is None:
                newest = reading
            elif chance.random() < _REVISED_AT_ONCE_SHARE:
                # Butlr's docs do not say whether another value comes under another id.
                revision_id = chance.choice((event_id, self._way.event_id(now_ms)))
                send(revision_id, reading.timestamp_ms, value + 1)
        if newest is not None and chance.random() < _STRAGGLER_SHARE:
            age_ms = chance.choice(_STRAGGLER_AGES_MINUTES) * MINUTE_MS
            event_id = self._way.event_id(now_ms - age_ms)
            for _ in range(chance.randint(1, 2)):  # an old delivery is often sent again and again
                send(event_id, newest.timestamp_ms - age_ms, newest.truth)
