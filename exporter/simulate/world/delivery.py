"""The way of events to the webhook: delayed, reordered, repeated, lost.

Source: docs.butlr.io, webhooks overview and FAQ: ordering is not guaranteed, and duplicates are to be expected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import NamedTuple

from exporter.events.ids import ksuid

MINUTE_MS = 60_000

_MEAN_DELAY_MS = 500
"""Mean time from the computation of a reading to its arrival."""

_HELD_UP_SHARE = 0.04
"""Share of deliveries that are delayed by whole intervals, so that later computations overtake them."""

_REPEATED_SHARE = 0.04
"""Share of deliveries that are sent again under the same id."""

_FIRST_RENAME = 6
"""Number of the interval, from 0, from which on some spaces have their second name."""

_LAST_RENAME_BEFORE_END = 3
"""Intervals before the end of the run from which on these spaces have their last name."""

_HELD_BACK_SHARE = 0.5
"""Share of the last deliveries under the second name that arrive after everything else."""


class EventType(StrEnum):
    """A type of events, as Butlr's webhook pages spell it."""

    ZONE_OCCUPANCY = "ZONE_OCCUPANCY"
    ZONE_OCCUPANCY_1MIN = "ZONE_OCCUPANCY_1MIN"
    ROOM_OCCUPANCY = "ROOM_OCCUPANCY"
    ROOM_OCCUPANCY_1MIN = "ROOM_OCCUPANCY_1MIN"
    FLOOR_OCCUPANCY = "FLOOR_OCCUPANCY"
    FLOOR_OCCUPANCY_1MIN = "FLOOR_OCCUPANCY_1MIN"
    PIR_MOTION = "PIR_MOTION"
    PIR_NO_MOTION = "PIR_NO_MOTION"
    DETECTIONS = "DETECTIONS"
    TRAFFIC = "TRAFFIC"

    @property
    def is_smoothed(self) -> bool:
        """Whether the value is smoothed over a minute."""
        return self.endswith("_1MIN")

    @property
    def other_spelling(self) -> str:
        """The type in another spelling that Butlr's docs have: in lower case, and `_1m` for `_1min`."""
        return self.lower().replace("_1min", "_1m")


@dataclass(frozen=True)
class Plan:
    """The options of a simulation. Equal plans that start at equal times give equal streams."""

    zones: int = 20
    types: tuple[EventType, ...] = (EventType.ZONE_OCCUPANCY,)
    interval_ms: int = MINUTE_MS
    """Time from reading to reading, at least 1,000 ms: ids tell computations apart by the second."""
    intervals: int | None = 10
    """Number of intervals; None is without end. The last four only compute earlier readings again."""
    seed: int = 1
    drop: float = 0.0
    """Share of deliveries that are lost."""
    burst: bool = False
    """Whether nothing arrives in the middle third of the run, and then all of it at once."""
    short_nights: bool = False
    """Whether nights last one hour instead of eleven, so that the building is rarely empty."""

    @property
    def length_ms(self) -> int | None:
        """Time from the first computation to the end; None without end."""
        return None if self.intervals is None else self.intervals * self.interval_ms


class Delivery(NamedTuple):
    """One POST."""

    due_ms: int
    """Time to send it, milliseconds since the epoch."""
    body: bytes
    space: str = ""
    """Id of its space; empty if unknown."""
    lost: bool = False
    """Whether it is never sent."""


class Source(NamedTuple):
    """A space or sensor, of which events are sent."""

    id: str
    metadata: tuple[str, ...]
    """JSON, one text for each of the names that it has in turn."""
    spells_otherwise: bool = False
    """Whether the types of its events are in another of the documented spellings."""


class Way:
    """The way of events to the webhook; keeps the deliveries that are under way in a heap, by due time."""

    def __init__(self, plan: Plan, start_ms: int) -> None:
        """Take the plan, and the time at which the simulation starts, milliseconds since the epoch."""
        self._plan = plan
        self._start_ms = start_ms
        self.random = Random(f"delivery {plan.seed}")
        """The source of all chance on the way."""
        self._under_way: list[tuple[int, int, Delivery]] = []
        """A heap of due time (ms), sequence number and delivery."""
        self._sequence = count()

    def due(self, until_ms: int | None) -> Iterator[Delivery]:
        """Remove and return the deliveries that are due by `until_ms`; None is all."""
        while self._under_way and (until_ms is None or self._under_way[0][0] <= until_ms):
            yield heappop(self._under_way)[2]

    def event_id(self, now_ms: int) -> str:
        """Return a new id of an event that is computed at this time."""
        return f"event_{ksuid(now_ms // 1000, self.random.getrandbits(128))}"

    def send(
        self,
        source: Source,
        event_type: EventType,
        now_ms: int,
        event_id: str,
        timestamp_ms: int,
        data: str = "",
        later_ms: int = 0,
    ) -> None:
        """Send one event, computed at `now_ms`, with its delay, sometimes held up, sometimes twice.

        `data` is JSON; an event without it has no such field. `later_ms` is added to the delay.
        """
        interval = max(0, (now_ms - self._start_ms) // self._plan.interval_ms)
        metadata = source.metadata[self._name_number(source, interval)]
        spelled = event_type.other_spelling if source.spells_otherwise else event_type.value
        last_field = f', "data": {data}' if data else ""
        body = (
            f'{{"id": "{event_id}", "type": "{spelled}", "timestamp": {timestamp_ms}, '
            f'"version": "v1.0.0", "metadata": {metadata}{last_field}}}'
        ).encode()
        random, interval_ms = self.random.random, self._plan.interval_ms
        earliest_ms = max(now_ms, self._start_ms) + later_ms
        precedes_last_rename = len(source.metadata) > 1 and interval + 1 == self._last_rename
        due_ms = earliest_ms + int(self.random.expovariate(1 / min(_MEAN_DELAY_MS, interval_ms / 4)))
        if random() < _HELD_UP_SHARE:
            due_ms += int((1 + 2 * random()) * interval_ms)
        self._schedule(due_ms, earliest_ms, source.id, body, precedes_last_rename)
        if random() < _REPEATED_SHARE:
            again_ms = due_ms + int(3 * random() * interval_ms)
            self._schedule(again_ms, earliest_ms, source.id, body, precedes_last_rename)

    @property
    def _last_rename(self) -> int | None:
        """Number of the interval from which on renamed spaces have their last name; None without end."""
        return None if self._plan.intervals is None else self._plan.intervals - _LAST_RENAME_BEFORE_END

    def _name_number(self, source: Source, interval: int) -> int:
        """Return the index of the name that a source has in an interval."""
        last = self._last_rename
        name = (interval >= _FIRST_RENAME) + (last is not None and interval >= last)
        return min(name, len(source.metadata) - 1)

    def _schedule(self, due_ms: int, earliest_ms: int, space: str, body: bytes, precedes_last_rename: bool) -> None:
        """Schedule a delivery for `due_ms`, or for another time in a burst or before a renaming; mark it if lost."""
        lost = self.random.random() < self._plan.drop
        if (length_ms := self._plan.length_ms) is not None:
            third_ms, end_ms = length_ms // 3, self._start_ms + length_ms
            if self._plan.burst and third_ms <= due_ms - self._start_ms < 2 * third_ms:
                # A backlog is sent as fast as possible, and in no order.
                due_ms = self._start_ms + 2 * third_ms + self.random.randrange(self._plan.interval_ms)
            due_ms = max(earliest_ms, min(due_ms, end_ms - 1))
            if precedes_last_rename and self.random.random() < _HELD_BACK_SHARE:
                due_ms = end_ms
        heappush(self._under_way, (due_ms, next(self._sequence), Delivery(due_ms, body, space, lost)))
