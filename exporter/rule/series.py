"""The readings of one measure of one space: rows 5 to 11 of the rule, whose table is in `exporter.rule`.

Pure, like the rest of the rule.
"""

from bisect import bisect_left
from typing import NamedTuple

from exporter.events.measures import Measure
from exporter.events.model import OccupancyEvent
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


class Point(NamedTuple):
    """A timestamp, milliseconds since the epoch, and the value of its reading."""

    timestamp: int
    value: float


class SeriesState(NamedTuple):
    """All that is known of one measure of one space."""

    measure: Measure
    floor: int
    """The newest timestamp that is `late`."""
    readings: list[bytes]
    """Each packed, oldest first; at least one."""


class Series:
    """The readings of one measure of one space."""

    __slots__ = ("cutoff", "deliveries", "measure", "newest", "readings")

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.readings: list[bytes] = []
        """Each packed, oldest first."""
        self.newest = -1
        self.cutoff = -1
        """The newest timestamp that is `late` although it may be in the window: its reading was dropped to bound
        memory. It only rises, so a dropped reading stays away."""
        self.deliveries = 0

    def apply(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        """Apply one delivery that arrives at `now`."""
        t = event.timestamp
        if t <= self.cutoff or t <= self.newest - limits.window:
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
        self._trim(t, limits)
        return Outcome.LATE if t <= self.cutoff else outcome

    def floor(self, limits: Limits) -> int:
        """Return the newest timestamp (ms) that is `late`; -1 if none is."""
        return max(self.cutoff, self.newest - limits.window, -1)

    def state(self, limits: Limits) -> SeriesState:
        """Return all that is known of the series."""
        return SeriesState(self.measure, self.floor(limits), self.readings[:])

    def restore(self, state: SeriesState, limits: Limits) -> None:
        """Continue from a saved state, as far as these limits allow."""
        self.cutoff = state.floor
        self.readings = state.readings
        self.deliveries = sum(map(delivery_count, self.readings))
        self._trim(timestamp_of(self.readings[-1]), limits)

    def settled(self, now: int, points: int, limits: Limits) -> list[Point]:
        """Return the newest settled readings, at most `points`, oldest first.

        Readings older than the window, counted from `now`, are left out: those of a silent space disappear.
        """
        begin, _ = self._find(max(now - limits.window, -1) + 1)
        end, _ = self._find(max(now - limits.settle_after, -1) + 1)
        return [
            Point(timestamp_of(packed), value_of(packed)) for packed in self.readings[max(begin, end - points) : end]
        ]

    def current(self) -> float:
        """Return the value of the newest reading."""
        return value_of(self.readings[-1])

    def _find(self, t: int) -> tuple[int, bytes | None]:
        """Return the position for the reading of a timestamp, and that reading if it is there."""
        begin = key(t)
        at = bisect_left(self.readings, begin)
        if at < len(self.readings) and self.readings[at].startswith(begin):
            return at, self.readings[at]
        return at, None

    def _trim(self, t: int, limits: Limits) -> None:
        """Drop the readings that the one of timestamp `t` moves out of the window, or out of `max_deliveries`."""
        if t > self.newest:
            self.newest = t
            self._drop(t - limits.window)
        while self.deliveries > limits.max_deliveries:
            self._drop_oldest()

    def _drop(self, floor: int) -> None:
        """Drop the readings up to timestamp `floor`."""
        end, _ = self._find(max(floor, -1) + 1)
        if end:
            self.deliveries -= sum(map(delivery_count, self.readings[:end]))
            del self.readings[:end]

    def _drop_oldest(self) -> None:
        """Drop the oldest reading; if it is the only one, only its oldest delivery."""
        oldest = self.readings[0]
        if timestamp_of(oldest) < self.newest:
            self.cutoff = timestamp_of(oldest)
            self._drop(self.cutoff)
        else:
            self.readings[0] = without_first(oldest)
            self.deliveries -= 1


def is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
