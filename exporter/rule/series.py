"""The readings of one measure of one space, and what becomes of one more delivery: rows 5 to 11 of the rule.

Pure, like the rest of the rule; the table stands in `store`.
"""

from bisect import bisect_left
from typing import NamedTuple

from exporter.events.model import Measure, OccupancyEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import (
    delivery_count,
    fingerprint,
    has,
    key,
    pack,
    revise,
    timestamp_of,
    value_of,
    without_first,
)


class SeriesState(NamedTuple):
    """All that is known of one measure of one space."""

    measure: Measure
    floor: int
    """What is not after this is late."""
    readings: list[bytes]
    """Each packed, oldest first; at least one."""


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
        delivery = fingerprint(event)
        at, reading = self._find(t)
        if reading is None:
            outcome = Outcome.NEW if t > self.newest else Outcome.BACKFILLED
            self.readings.insert(at, pack(event, delivery, now, outcome))
        elif has(reading, delivery):
            return Outcome.DUPLICATE
        else:
            self.readings[at], outcome = revise(reading, event, delivery, now)
        self.deliveries += 1
        self._grow(t, limits)
        return Outcome.LATE if t <= self.closed else outcome

    def floor(self, limits: Limits) -> int:
        """Return the newest time of which a reading would be late; -1 is before any."""
        return max(self.closed, self.newest - limits.window, -1)

    def state(self, limits: Limits) -> SeriesState:
        """Return all that is known."""
        return SeriesState(self.measure, self.floor(limits), self.readings[:])

    def restore(self, state: SeriesState, limits: Limits) -> None:
        """Take back what was known, as far as these limits allow."""
        self.closed = state.floor
        self.readings = state.readings
        self.deliveries = sum(map(delivery_count, self.readings))
        self._grow(timestamp_of(self.readings[-1]), limits)

    def settled(self, now: int, points: int, limits: Limits) -> list[tuple[int, float]]:
        """Return the newest settled readings, at most `points`, oldest first: timestamp and value.

        None is older than the window, which for a silent space goes on with the clock.
        """
        begin, _ = self._find(max(now - limits.window, -1) + 1)
        end, _ = self._find(max(now - limits.settle_after, -1) + 1)
        return [(timestamp_of(reading), value_of(reading)) for reading in self.readings[max(begin, end - points) : end]]

    def current(self) -> float:
        """Return the value of the newest reading."""
        return value_of(self.readings[-1])

    def _find(self, t: int) -> tuple[int, bytes | None]:
        """Return where a reading is, or where it would be, and what is there of it."""
        begin = key(t)
        at = bisect_left(self.readings, begin)
        if at < len(self.readings) and self.readings[at].startswith(begin):
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
            self.deliveries -= sum(map(delivery_count, self.readings[:end]))
            del self.readings[:end]

    def _shorten(self) -> None:
        oldest = self.readings[0]
        if timestamp_of(oldest) < self.newest:
            self.closed = timestamp_of(oldest)
            self._drop(self.closed)
        else:
            self.readings[0] = without_first(oldest)
            self.deliveries -= 1


def is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
