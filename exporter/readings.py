"""The readings of one measure of one space, and what becomes of one more delivery: rows 5 to 11 of the rule.

Pure, like the rest of the rule; the table stands in `occupancy`.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from exporter.events import Measure, Metadata, OccupancyEvent


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
"""Outcomes with an effect on what is shown."""

REMEMBERED = APPLIED | {Outcome.SUPERSEDED}
"""Outcomes of deliveries that are known from then on."""


@dataclass(frozen=True)
class Limits:
    """The rule's numbers, times in milliseconds; `stale_after` and `forget_after` of 0 mean never."""

    window: int
    stale_after: int
    forget_after: int
    settle_after: int
    future_tolerance: int
    max_spaces: int
    max_deliveries: int = 8192
    """Distinct deliveries remembered for each measure of a space: nine a second for the default window."""

    def is_settled(self, timestamp: int, now: int) -> bool:
        """Tell whether a reading is so old that Butlr will not compute it again."""
        return now - timestamp >= self.settle_after


HASH = 8
"""Bytes by which a delivery is remembered."""


class Memory(NamedTuple):
    """All that is known of one reading: what a journal keeps, and gives back."""

    space_id: str
    metadata: Metadata
    """The space's."""
    arrival: int
    """Of the last delivery for the space."""
    measure: Measure
    timestamp: int
    value: float
    generation: int | None
    deliveries: bytes
    """Hashes of HASH bytes each, first to last."""
    floor: int
    """Readings of this measure of this space that are not after it are forgotten; -1 if no delivery moved it on."""
    alone: bool
    """Whether nothing else is known of the space, whatever was before it was forgotten."""


class Series:
    """The readings of one measure of one space: rows 5 to 11."""

    __slots__ = ("deliveries", "floor", "newest", "readings")

    def __init__(self) -> None:
        self.readings: dict[int, Kept] = {}
        self.newest = -1
        self.floor = -1
        """What is not after this is late. It only rises, so a reading that went does not come back."""
        self.deliveries = 0

    def take(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        """Take one delivery that arrives at `now`."""
        t = event.timestamp
        if t <= self.floor:
            return Outcome.LATE
        delivery = _hash(event)
        reading = self.readings.get(t)
        if reading is not None:
            if _holds(reading.deliveries, delivery):
                return Outcome.DUPLICATE
            reading.deliveries += delivery
            outcome = reading.revise(event.value, event.generation)
        else:
            reading = self.readings[t] = Kept(event.value, event.generation)
            reading.deliveries = delivery
            outcome = Outcome.NEW if t > self.newest else Outcome.BACKFILLED
        reading.outcome = outcome
        if outcome is not Outcome.SUPERSEDED:
            reading.id, reading.arrival = event.id, now
        self.deliveries += 1
        self._grow(t, limits)
        return Outcome.LATE if t <= self.floor else outcome

    def recall(self, memory: Memory, limits: Limits) -> None:
        """Take back what was known of one reading."""
        if memory.timestamp > self.floor and memory.timestamp not in self.readings:
            reading = self.readings[memory.timestamp] = Kept(memory.value, memory.generation)
            reading.deliveries = memory.deliveries
            self.deliveries += len(reading.deliveries) // HASH
            self._grow(memory.timestamp, limits)

    def settled(self, now: int, points: int, limits: Limits) -> list[tuple[int, float]]:
        """Return the newest settled readings, at most `points`, oldest first: timestamp and value.

        None is older than the window, which for a silent space goes on with the clock.
        """
        oldest, newest = now - limits.window, now - limits.settle_after
        times = sorted(t for t in self.readings if oldest < t <= newest)
        return [(t, self.readings[t].value) for t in times[-points:]]

    def _grow(self, t: int, limits: Limits) -> None:
        """Keep what is in the window of a reading that was added, and no more than may be remembered."""
        if t > self.newest:
            self.newest = t
            self._close(t - limits.window)
        while self.deliveries > limits.max_deliveries:
            self._shorten()

    def _close(self, floor: int) -> None:
        """Drop the readings that are not after `floor`."""
        self.floor = max(self.floor, floor)
        for t in [t for t in self.readings if t <= self.floor]:
            self.deliveries -= len(self.readings.pop(t).deliveries) // HASH

    def _shorten(self) -> None:
        oldest = min(self.readings)
        if oldest < self.newest:
            self._close(oldest)
        else:
            self.readings[oldest].deliveries = self.readings[oldest].deliveries[HASH:]
            self.deliveries -= 1


class Kept:
    """A value, how late it was computed, and the deliveries it was received in, first to last.

    What is for people only does not outlast the process: the id and the arrival of the delivery that stands, the
    outcome of the last one, and how often the value changed.
    """

    __slots__ = ("arrival", "deliveries", "generation", "id", "outcome", "revisions", "value")

    def __init__(self, value: float, generation: int | None) -> None:
        self.value = value
        self.generation = generation
        self.deliveries = b""
        self.id = ""
        self.arrival: int | None = None
        self.outcome: Outcome | None = None
        self.revisions = 0

    def revise(self, value: float, generation: int | None) -> Outcome:
        """Take another delivery of this reading."""
        if is_older(generation, self.generation):
            return Outcome.SUPERSEDED
        if generation is not None:
            self.generation = generation
        if value == self.value:
            return Outcome.REPEATED
        self.value = value
        self.revisions += 1
        return Outcome.CORRECTED


def _hash(event: OccupancyEvent) -> bytes:
    """Return what a delivery is remembered by: 64 bits of its id and value; the last byte is first in journals."""
    return blake2b(f"{event.id}\0{event.value!r}".encode(), digest_size=HASH).digest()[::-1]


def _holds(deliveries: bytes, delivery: bytes) -> bool:
    """Tell whether a delivery is among others, and not astride two of them."""
    at = deliveries.find(delivery)
    while at > 0 and at % HASH:
        at = deliveries.find(delivery, at + 1)
    return at >= 0


def is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
