"""The one true current count of every space, whatever the order, repetition or revision of deliveries.

Pure: no clock, no I/O, no pydantic, Flask or prometheus_client. State is a fold of `Occupancy.apply`
over deliveries, keyed by (space id, measure); what a space is (a zone, later a room or a floor) it does
not know. All times are integers, milliseconds since the epoch; generations are Unix seconds.

A *reading* is a value of one measure of one space at one timestamp. The readings of one measure of one
space are kept for a `window` counted back from the newest of them, `n`; only row 4 asks for the space as a
whole. For an event with timestamp `t` and value `v` the first row that
holds decides (rows 1 and 2 are decided before an event comes here):

| #  | when                                                        | outcome     | effect                        |
|----|-------------------------------------------------------------|-------------|-------------------------------|
| 1  | not a valid event                                           | invalid     | none                          |
| 2  | type is not one we export                                   | unsupported | none                          |
| 3  | `t` > now + `future_tolerance`                              | future      | none                          |
| 4  | space unknown and `max_spaces` reached                      | overflow    | none                          |
| 5  | space known and `t` <= `n` - `window`                       | late        | none                          |
| 6  | the same id with the same `v` already received for this `t` | duplicate   | none                          |
| 7  | `t` known, both generations known, the event's is older     | superseded  | none                          |
| 8  | `t` known, same `v`                                         | repeated    | generation moves up           |
| 9  | `t` known, other `v`                                        | corrected   | the reading takes `v`         |
| 10 | space unknown, or `t` > `n`                                 | new         | becomes the current reading   |
| 11 | otherwise                                                   | backfilled  | an older reading is added     |

Memory is bounded for each measure of a space: it remembers `max_deliveries` distinct deliveries. One
more drops its oldest reading, as if the window were shorter, and what is dropped stays `late`. That
depends on what was delivered and not on the order, so order still does not matter. Only where a single
reading was delivered that often are its earliest ids forgotten instead.

A delivery is remembered as a 64-bit hash of id and value, the same in every process: a false duplicate among
the deliveries of one reading is about as likely as one in 10^18.
"""

import sys
from collections.abc import Iterable, Iterator
from operator import attrgetter
from threading import Lock
from typing import NamedTuple

from msgspec import Struct

from exporter.events import Measure, Metadata, OccupancyEvent
from exporter.outcome import APPLIED, REFUSED, Outcome
from exporter.packed import Reading, unpacked
from exporter.readings import Limits, Memory, Series, is_older

__all__ = [
    "APPLIED",
    "REFUSED",
    "Count",
    "Limits",
    "Memory",
    "Occupancy",
    "Outcome",
    "Reading",
    "Settled",
    "Snapshot",
    "Space",
]

_TOGETHER = 200
"""Spaces that a reader of their readings looks at before it lets deliveries pass."""

_OWN = Metadata._fields.index("zone_id")
"""The names from here on are a space's own."""

_SWEEP_EVERY = 1000
"""Least milliseconds between two searches for forgotten spaces when there is no room for a new one."""


class Count(Struct, frozen=True, gc=False):
    """The current count of one measure of a space: the value of its newest reading.

    Like `Space`, no object that the garbage collector must look at: a scrape of many takes a tenth less for it.
    """

    measure: Measure
    timestamp: int
    value: float


class Space(Struct, frozen=True, gc=False):
    """One space as a reader sees it. The same object as long as nothing in it changes."""

    id: str
    metadata: Metadata
    """That of the newest reading of any measure, so that a space has one name at any time."""
    counts: tuple[Count, ...]


class Snapshot(NamedTuple):
    """Every known space at one instant; safe to read without a lock."""

    now: int
    stale_after: int
    spaces: list[Space]

    def is_stale(self, count: Count) -> bool:
        """Tell whether a count is too old to be shown as the present."""
        return 0 < self.stale_after < self.now - count.timestamp

    def is_fresh(self, space: Space) -> bool:
        """Tell whether any count of a space is not stale."""
        return not all(map(self.is_stale, space.counts))


class Settled(NamedTuple):
    """The newest settled readings of one measure of a space."""

    metadata: Metadata
    """The space's, as it is now."""
    measure: Measure
    points: list[tuple[int, float]]
    """Timestamp and value of at least one, oldest first."""


class Occupancy:
    """All spaces. Thread-safe: each call is atomic, and readers get values that no writer touches."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._spaces: dict[str, _Space] = {}
        self._swept = 0
        self._lock = Lock()

    def apply(self, event: OccupancyEvent, now: int) -> Outcome:
        """Take one delivery that arrives at `now`."""
        if event.timestamp > now + self._limits.future_tolerance:
            return Outcome.FUTURE
        with self._lock:
            space = self._known(event.space_id, now)
            if space is None:
                if not self._has_room(now):
                    return Outcome.OVERFLOW
                space = self._added(event.space_id)
            return space.take(event, now, self._limits)

    def snapshot(self, now: int) -> Snapshot:
        """Return every space that is known at `now`."""
        with self._lock:
            self._forget(now)
            spaces = [space.view for space in self._spaces.values()]
        return Snapshot(now, self._limits.stale_after, spaces)

    def settled(self, now: int, points: int) -> Iterator[Settled]:
        """Return the newest settled readings of every space that is known at `now`, at most `points` of each measure.

        Each space is of one instant, but not all of the same: deliveries go on in between.
        """
        with self._lock:
            self._forget(now)
            spaces = list(self._spaces.values())
        for first in range(0, len(spaces), _TOGETHER):
            with self._lock:
                found = [
                    Settled(space.view.metadata, series.measure, shown)
                    for space in spaces[first : first + _TOGETHER]
                    for series in space.series
                    if (shown := series.settled(now, points, self._limits))
                ]
            yield from found

    def readings(self, measure: Measure, space_id: str) -> list[Reading]:
        """Return the readings kept for one measure of one space, oldest first."""
        with self._lock:
            space = self._spaces.get(space_id)
            series = space.find(measure) if space else None
            kept = series.readings[:] if series else []
        return list(map(unpacked, kept))

    def memories(self, space_ids: Iterable[str]) -> list[Memory]:
        """Return all that is known of spaces, as far as they still are."""
        with self._lock:
            return [space.memory(self._limits) for space_id in space_ids if (space := self._spaces.get(space_id))]

    def ids(self) -> list[str]:
        """Return those of all spaces."""
        with self._lock:
            return list(self._spaces)

    def recall(self, memories: Iterable[Memory]) -> None:
        """Take back what was known, before anything is delivered."""
        with self._lock:
            for memory in memories:
                self._added(memory.space_id).recall(memory, self._limits)

    def replay(self, deliveries: Iterable[tuple[OccupancyEvent, int]]) -> int:
        """Take again what was taken before, each with its arrival; return how many deliveries that is.

        They were acknowledged, so none is refused.
        """
        number = 0
        with self._lock:
            for event, arrival in deliveries:
                space = self._known(event.space_id, arrival) or self._added(event.space_id)
                space.take(event, arrival, self._limits)
                number += 1
        return number

    def _known(self, space_id: str, now: int) -> "_Space | None":
        """Return a space that is known, and was not silent for so long that it is forgotten."""
        space = self._spaces.get(space_id)
        if space is not None and self._is_forgotten(space, now):
            del self._spaces[space_id]
            return None
        return space

    def _has_room(self, now: int) -> bool:
        """Tell whether there may be one more space."""
        if len(self._spaces) >= self._limits.max_spaces and abs(now - self._swept) >= _SWEEP_EVERY:
            self._forget(now)
        return len(self._spaces) < self._limits.max_spaces

    def _added(self, space_id: str) -> "_Space":
        space = self._spaces[space_id] = _Space(space_id)
        return space

    def _is_forgotten(self, space: "_Space", now: int) -> bool:
        return 0 < self._limits.forget_after < now - space.arrival

    def _forget(self, now: int) -> None:
        self._swept = now
        if self._limits.forget_after > 0:
            before = now - self._limits.forget_after
            for space_id in [space_id for space_id, space in self._spaces.items() if space.arrival < before]:
                del self._spaces[space_id]


class _Space:
    """The series of one space, and the names that the newest of their readings came with."""

    __slots__ = ("arrival", "named_at", "named_generation", "series", "view")

    def __init__(self, space_id: str) -> None:
        self.arrival = 0
        self.named_at = -1
        """The timestamp of the reading that the names came with, and its generation."""
        self.named_generation: int | None = None
        self.series: tuple[Series, ...] = ()
        """In the order of their measures."""
        self.view = Space(space_id, Metadata(), ())

    def take(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        self.arrival = now
        series = self.find(event.measure) or self._add(event.measure)
        outcome = series.take(event, now, limits)
        if event.timestamp == series.newest and outcome in APPLIED:
            self._show(event, outcome)
        return outcome

    def find(self, measure: Measure) -> Series | None:
        """Return the series of a measure, if there is one."""
        for series in self.series:
            if series.measure is measure:
                return series
        return None

    def _add(self, measure: Measure) -> Series:
        added = Series(measure)
        self.series = tuple(sorted([*self.series, added], key=attrgetter("measure")))
        return added

    def memory(self, limits: Limits) -> Memory:
        """Return all that is known."""
        series = [series.memory(limits) for series in self.series]
        return Memory(self.view.id, self.view.metadata, self.named_at, self.named_generation, self.arrival, series)

    def recall(self, memory: Memory, limits: Limits) -> None:
        """Take back what was known."""
        self.arrival, self.named_at, self.named_generation = memory.arrival, memory.named_at, memory.named_generation
        for known in memory.series:
            self._add(known.measure).recall(known, limits)
        self._view(memory.metadata)

    def _show(self, event: OccupancyEvent, outcome: Outcome) -> None:
        metadata = self.view.metadata
        if self._names(event.timestamp, event.generation) and event.metadata != metadata:
            self._view(event.metadata)
        elif outcome is not Outcome.REPEATED:
            self._view(metadata)

    def _view(self, metadata: Metadata) -> None:
        if metadata is not self.view.metadata:
            metadata = _shared(metadata)
        counts = tuple([Count(series.measure, series.newest, series.current()) for series in self.series])
        self.view = Space(self.view.id, metadata, counts)

    def _names(self, timestamp: int, generation: int | None) -> bool:
        """Tell whether the names are to be those that come with a reading, and note that they are."""
        if timestamp == self.named_at:
            if is_older(generation, self.named_generation):
                return False
            if generation is not None:
                self.named_generation = generation
            return True
        if timestamp < self.named_at:
            return False
        self.named_at, self.named_generation = timestamp, generation
        return True


def _shared(metadata: Metadata) -> Metadata:
    """Return the same names, of which those of what has many spaces are the same objects for all of them."""
    return Metadata(*map(sys.intern, metadata[:_OWN]), *metadata[_OWN:])
