"""The readings of one measure of one space, and what becomes of one more delivery: rows 5 to 11 of the rule.

Pure, like the rest of the rule; the table stands in `occupancy`.
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from struct import Struct
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


_TIME = Struct(">Q")
"""A timestamp; as bytes these are in the order of time."""

_LENGTH = 2
"""Bytes for that of an id."""

_HEAD = Struct("<dqqHBH")
"""Value, generation, arrival, revisions, the number of the outcome, length of the id. A reading of five deliveries with
Butlr's ids is 143 bytes with it, which take 144; one byte more, and it would be 160."""

_MOST_REVISIONS = (1 << 16) - 1
"""What does not fit is counted no further."""

_VALUE = Struct("<d")

_OUTCOMES = list(Outcome)
_NUMBERS = {outcome: number for number, outcome in enumerate(_OUTCOMES)}

_SHARED = {float(people): float(people) for people in range(1000)}
"""One object for each of the usual values."""


class SeriesMemory(NamedTuple):
    """All that is known of one measure of one space."""

    measure: Measure
    floor: int
    """What is not after this is late."""
    readings: list[bytes]
    """Each packed as `Kept.packed` does, oldest first; at least one."""


class Memory(NamedTuple):
    """All that is known of one space: what a journal keeps, and gives back."""

    space_id: str
    metadata: Metadata
    named_at: int
    """The timestamp of the reading that the names came with."""
    named_generation: int | None
    """And its generation."""
    arrival: int
    """Of the last delivery."""
    series: list[SeriesMemory]
    """At least one."""


class Series:
    """The readings of one measure of one space: rows 5 to 11."""

    __slots__ = ("closed", "deliveries", "measure", "newest", "readings")

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.readings: list[bytes] = []
        """Each packed, oldest first."""
        self.newest = -1
        self.closed = -1
        """What is not after this is late, though it would be in the window. It only rises, so what went stays away."""
        self.deliveries = 0

    def take(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        """Take one delivery that arrives at `now`."""
        t = event.timestamp
        if t <= self.closed or t <= self.newest - limits.window:
            return Outcome.LATE
        delivery = _hash(event)
        at, packed = self._find(t)
        if packed is None:
            reading = Kept(event.value, event.generation)
            outcome = Outcome.NEW if t > self.newest else Outcome.BACKFILLED
            self.readings.insert(at, b"")
        else:
            if _holds(packed, delivery):
                return Outcome.DUPLICATE
            reading = Kept.unpacked(packed)
            outcome = reading.revise(event.value, event.generation)
        reading.deliveries += delivery
        reading.outcome = outcome
        if outcome is not Outcome.SUPERSEDED:
            reading.id, reading.arrival = event.id, now
        self.readings[at] = reading.packed(t)
        self.deliveries += 1
        self._grow(t, limits)
        return Outcome.LATE if t <= self.closed else outcome

    def floor(self, limits: Limits) -> int:
        """Return the newest time of which a reading would be late; -1 is before any."""
        return max(self.closed, self.newest - limits.window, -1)

    def memory(self, limits: Limits) -> SeriesMemory:
        """Return all that is known."""
        return SeriesMemory(self.measure, self.floor(limits), self.readings[:])

    def recall(self, memory: SeriesMemory, limits: Limits) -> None:
        """Take back what was known, as far as these limits allow."""
        self.closed = memory.floor
        self.readings = memory.readings
        self.deliveries = sum(map(_number, self.readings))
        self._grow(_time(self.readings[-1]), limits)

    def settled(self, now: int, points: int, limits: Limits) -> list[tuple[int, float]]:
        """Return the newest settled readings, at most `points`, oldest first: timestamp and value.

        None is older than the window, which for a silent space goes on with the clock.
        """
        first, _ = self._find(max(now - limits.window, -1) + 1)
        end, _ = self._find(max(now - limits.settle_after, -1) + 1)
        return [(_time(packed), _value(packed)) for packed in self.readings[max(first, end - points) : end]]

    def current(self) -> float:
        """Return the value of the newest reading."""
        return _value(self.readings[-1])

    def times(self) -> list[int]:
        """Return the timestamps of the readings, oldest first."""
        return list(map(_time, self.readings))

    def reading(self, t: int) -> "Kept | None":
        """Return all that is kept of a reading, if it is."""
        _, packed = self._find(t)
        return None if packed is None else Kept.unpacked(packed)

    def _find(self, t: int) -> tuple[int, bytes | None]:
        """Return where a reading is, or where it would be, and what is there of it."""
        key = _TIME.pack(t)
        at = bisect_left(self.readings, key)
        if at < len(self.readings) and self.readings[at].startswith(key):
            return at, self.readings[at]
        return at, None

    def _grow(self, t: int, limits: Limits) -> None:
        """Keep what is in the window of a reading that was added, and no more than may be remembered."""
        if t > self.newest:
            self.newest = t
            self._drop(t - limits.window)
        while self.deliveries > limits.max_deliveries:
            self._shorten()

    def _drop(self, floor: int) -> None:
        """Drop the readings that are not after `floor`."""
        end, _ = self._find(max(floor, -1) + 1)
        if end:
            self.deliveries -= sum(map(_number, self.readings[:end]))
            del self.readings[:end]

    def _shorten(self) -> None:
        oldest = self.readings[0]
        if _time(oldest) < self.newest:
            self.closed = _time(oldest)
            self._drop(self.closed)
        else:
            self.readings[0] = oldest[: _TIME.size] + oldest[_TIME.size + HASH :]
            self.deliveries -= 1


class Kept:
    """A value, how late it was computed, and the deliveries it was received in, first to last.

    The rest is for people: the id and the arrival of the delivery that stands, the outcome of the last one, and how
    often the value changed.
    """

    __slots__ = ("arrival", "deliveries", "generation", "id", "outcome", "revisions", "value")

    def __init__(self, value: float, generation: int | None) -> None:
        self.value = value
        self.generation = generation
        self.deliveries = b""
        self.id = ""
        self.arrival = 0
        self.outcome = Outcome.NEW
        self.revisions = 0

    def packed(self, t: int) -> bytes:
        """Return it in a third of the memory that objects take: its timestamp, the deliveries, the id, and the rest.

        Journals hold it as well, so what changes here is another version of them.
        """
        text = self.id.encode()
        generation = -1 if self.generation is None else self.generation
        revisions = min(self.revisions, _MOST_REVISIONS)
        head = _HEAD.pack(self.value, generation, self.arrival, revisions, _NUMBERS[self.outcome], len(text))
        return _TIME.pack(t) + self.deliveries + text + head

    @classmethod
    def unpacked(cls, packed: bytes) -> "Kept":
        """Return what was packed."""
        end = len(packed) - _HEAD.size
        value, generation, arrival, revisions, outcome, length = _HEAD.unpack_from(packed, end)
        kept = cls(_SHARED.get(value, value), None if generation < 0 else generation)
        kept.deliveries = packed[_TIME.size : end - length]
        kept.id = packed[end - length : end].decode()
        kept.arrival, kept.outcome, kept.revisions = arrival, _OUTCOMES[outcome], revisions
        return kept

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


def _holds(packed: bytes, delivery: bytes) -> bool:
    """Tell whether a delivery is among those of a reading, and not astride two of them."""
    at = packed.find(delivery, _TIME.size)
    while at >= 0 and (at - _TIME.size) % HASH:
        at = packed.find(delivery, at + 1)
    return 0 <= at < _TIME.size + _number(packed) * HASH


def _number(packed: bytes) -> int:
    """Return of how many deliveries a reading is."""
    return (len(packed) - _TIME.size - _HEAD.size - int.from_bytes(packed[-_LENGTH:], "little")) // HASH


def _time(packed: bytes) -> int:
    """Return the timestamp of a reading."""
    time: int = _TIME.unpack_from(packed)[0]
    return time


def _value(packed: bytes) -> float:
    """Return the value of a reading."""
    value: float = _VALUE.unpack_from(packed, len(packed) - _HEAD.size)[0]
    return _SHARED.get(value, value)


def is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
