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

A delivery is remembered as a 64-bit hash of id and value: a false duplicate among the deliveries of one
reading is about as likely as one in 10^18.
"""

from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import NamedTuple

from exporter.events import Measure, Metadata, OccupancyEvent

_SWEEP_EVERY = 1000
"""Least milliseconds between two searches for forgotten spaces when there is no room for a new one."""


class Outcome(StrEnum):
    """What became of an event: a row of the table."""

    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    FUTURE = "future"
    OVERFLOW = "overflow"
    LATE = "late"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    REPEATED = "repeated"
    CORRECTED = "corrected"
    NEW = "new"
    BACKFILLED = "backfilled"


REFUSED = frozenset({Outcome.INVALID, Outcome.FUTURE, Outcome.OVERFLOW})
"""Outcomes that the sender is told of as an error."""

APPLIED = frozenset({Outcome.REPEATED, Outcome.CORRECTED, Outcome.NEW, Outcome.BACKFILLED})
"""Outcomes with an effect."""


@dataclass(frozen=True)
class Limits:
    """The rule's numbers, times in milliseconds; `stale_after` and `forget_after` of 0 mean never."""

    window: int
    stale_after: int
    forget_after: int
    future_tolerance: int
    max_spaces: int
    max_deliveries: int = 8192
    """Distinct deliveries remembered for each measure of a space: nine a second for the default window."""


class Reading(NamedTuple):
    """One reading as it stands now."""

    timestamp: int
    value: float
    generation: int | None


class Count(NamedTuple):
    """The current count of one measure of a space: the value of its newest reading."""

    measure: Measure
    timestamp: int
    value: float


class Space(NamedTuple):
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
            space = self._space(event.space_id, now)
            return Outcome.OVERFLOW if space is None else space.take(event, now, self._limits)

    def snapshot(self, now: int) -> Snapshot:
        """Return every space that is known at `now`."""
        with self._lock:
            self._forget(now)
            spaces = [space.view for space in self._spaces.values()]
        return Snapshot(now, self._limits.stale_after, spaces)

    def readings(self, measure: Measure, space_id: str) -> list[Reading]:
        """Return the readings kept for one measure of one space, oldest first."""
        with self._lock:
            space = self._spaces.get(space_id)
            series = space.series.get(measure) if space else None
            kept = [Reading(t, r.value, r.generation) for t, r in series.readings.items()] if series else []
        return sorted(kept)

    def _space(self, space_id: str, now: int) -> "_Space | None":
        space = self._spaces.get(space_id)
        if space is not None and self._is_forgotten(space, now):
            del self._spaces[space_id]
            space = None
        if space is None:
            if len(self._spaces) >= self._limits.max_spaces and abs(now - self._swept) >= _SWEEP_EVERY:
                self._forget(now)
            if len(self._spaces) < self._limits.max_spaces:
                space = self._spaces[space_id] = _Space(space_id)
        return space

    def _is_forgotten(self, space: "_Space", now: int) -> bool:
        return 0 < self._limits.forget_after < now - space.arrival

    def _forget(self, now: int) -> None:
        self._swept = now
        for space_id in [space_id for space_id, space in self._spaces.items() if self._is_forgotten(space, now)]:
            del self._spaces[space_id]


class _Space:
    """The series of one space, and the names that the newest of their readings came with."""

    __slots__ = ("arrival", "named", "series", "view")

    def __init__(self, space_id: str) -> None:
        self.arrival = 0
        self.named: tuple[int, int | None] = (-1, None)
        self.series: dict[Measure, _Series] = {}
        self.view = Space(space_id, Metadata(), ())

    def take(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        self.arrival = now
        series = self.series.get(event.measure)
        if series is None:
            series = self.series[event.measure] = _Series()
        outcome = series.take(event, limits)
        if event.timestamp == series.newest and outcome in APPLIED:
            self._show(event)
        return outcome

    def _show(self, event: OccupancyEvent) -> None:
        metadata = self.view.metadata
        if self._names(event) and event.metadata != metadata:
            metadata = event.metadata
        counts = tuple(
            Count(measure, series.newest, series.readings[series.newest].value)
            for measure, series in sorted(self.series.items())
        )
        view = Space(self.view.id, metadata, counts)
        if view != self.view:
            self.view = view

    def _names(self, event: OccupancyEvent) -> bool:
        timestamp, generation = self.named
        if event.timestamp < timestamp:
            return False
        if event.timestamp > timestamp:
            self.named = (event.timestamp, event.generation)
            return True
        if _is_older(event.generation, generation):
            return False
        if event.generation is not None:
            self.named = (timestamp, event.generation)
        return True


class _Series:
    """The readings of one measure of one space: rows 5 to 11."""

    __slots__ = ("deliveries", "floor", "newest", "readings")

    def __init__(self) -> None:
        self.readings: dict[int, _Reading] = {}
        self.newest = -1
        self.floor = -1
        """What is not after this is late. It only rises, so a reading that went does not come back."""
        self.deliveries = 0

    def take(self, event: OccupancyEvent, limits: Limits) -> Outcome:
        t = event.timestamp
        if t <= self.floor:
            return Outcome.LATE
        delivery = hash((event.id, event.value))
        reading = self.readings.get(t)
        if reading is not None:
            if delivery in reading.deliveries:
                return Outcome.DUPLICATE
            reading.deliveries[delivery] = None
            outcome = reading.revise(event.value, event.generation)
        else:
            self.readings[t] = _Reading(event.value, event.generation, delivery)
            outcome = Outcome.NEW if t > self.newest else Outcome.BACKFILLED
        self.deliveries += 1
        if outcome is Outcome.NEW:
            self.newest = t
            self._close(t - limits.window)
        while self.deliveries > limits.max_deliveries:
            self._shorten()
        return Outcome.LATE if t <= self.floor else outcome

    def _close(self, floor: int) -> None:
        """Drop the readings that are not after `floor`."""
        self.floor = max(self.floor, floor)
        for t in [t for t in self.readings if t <= self.floor]:
            self.deliveries -= len(self.readings.pop(t).deliveries)

    def _shorten(self) -> None:
        oldest = min(self.readings)
        if oldest < self.newest:
            self._close(oldest)
        else:
            first_delivery = next(iter(self.readings[oldest].deliveries))
            del self.readings[oldest].deliveries[first_delivery]
            self.deliveries -= 1


class _Reading:
    """A value, how late it was computed, and the deliveries it was received in, first to last."""

    __slots__ = ("deliveries", "generation", "value")

    def __init__(self, value: float, generation: int | None, delivery: int) -> None:
        self.value = value
        self.generation = generation
        self.deliveries: dict[int, None] = {delivery: None}

    def revise(self, value: float, generation: int | None) -> Outcome:
        if _is_older(generation, self.generation):
            return Outcome.SUPERSEDED
        if generation is not None:
            self.generation = generation
        if value == self.value:
            return Outcome.REPEATED
        self.value = value
        return Outcome.CORRECTED


def _is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
