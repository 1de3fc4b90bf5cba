"""The readings of one measure of one space: rows 5 to 11 of the rule, whose table is in `exporter.rule`.

Pure, like the rest of the rule.
"""

from array import array
from bisect import bisect_left
from typing import NamedTuple

from exporter.events.measures import Cadence, Measure
from exporter.events.model import ReadingEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import (
    Count,
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

FOREVER = 1 << 62
"""Later than any time, milliseconds since the epoch."""

_UNREAD = array("q", [0])

_NEW, _BACKFILLED = Outcome.NEW, Outcome.BACKFILLED


class SeriesState(NamedTuple):
    """All that is known of one measure of one space."""

    measure: Measure
    floor: int
    """The newest timestamp that is `late`."""
    readings: list[bytes]
    """Each packed, oldest first; at least one."""


class Series:
    """The readings of one measure of one space."""

    adds_up = False
    """Whether an event that is not the newest changes the current value."""

    is_stream = False
    """Whether only the newest reading is kept, and only in memory."""

    __slots__ = ("at", "cutoff", "deliveries", "due", "measure", "newest", "readings")

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.readings: list[bytes] = []
        """Each packed, oldest first. Always the same list, unless the series is a stream."""
        self.newest = -1
        self.cutoff = -1
        """The newest timestamp that is `late` although it may be in the window: its reading was dropped to bound
        memory. It only rises, so a dropped reading stays away."""
        self.deliveries = 0
        self.due = _UNREAD
        """The times (ms) until which the settled readings of some series stay as they were read last; 0 if they may
        have changed already. In one array, as a reader of many series could not afford to look at each."""
        self.at = 0
        """The place of this series in `due`."""

    def apply(self, event: ReadingEvent, now: int, limits: Limits) -> Outcome:
        """Apply one delivery that arrives at `now`."""
        t = event.timestamp
        if t <= self.cutoff or t <= self.newest - limits.window:
            return Outcome.LATE
        # Before `due`, an older reading may be settled, and a newer one may push a settled one out of the window.
        due = self.due[self.at]
        if not due - limits.settle_after <= t < due:
            self.due[self.at] = 0
        delivery = fingerprint(event)
        at, reading = self._find(t)
        if reading is None:
            outcome = _NEW if t > self.newest else _BACKFILLED
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
        self.readings.extend(state.readings)
        self.deliveries = sum(map(delivery_count, self.readings))
        self._trim(timestamp_of(self.readings[-1]), limits)

    def count(self) -> Count:
        """Return the current value."""
        return Count(self.measure, self.newest, value_of(self.readings[-1]))

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
            self.due[self.at] = 0
            self.cutoff = timestamp_of(oldest)
            self._drop(self.cutoff)
        else:
            self.readings[0] = without_first(oldest)
            self.deliveries -= 1


class StreamSeries(Series):
    """The newest reading of a measure that is sent several times a second: no other one is in its window."""

    is_stream = True

    __slots__ = ()

    def apply(self, event: ReadingEvent, now: int, limits: Limits) -> Outcome:
        """Apply one delivery that arrives at `now`."""
        if event.timestamp < self.newest:
            return Outcome.LATE
        if event.timestamp == self.newest:
            return super().apply(event, now, limits)
        self.readings = [pack(event, fingerprint(event), now, _NEW)]
        self.newest, self.deliveries = event.timestamp, 1
        return _NEW


def new_series(measure: Measure) -> Series:
    """Return a series of a measure without any reading."""
    return StreamSeries(measure) if measure.declared.cadence is Cadence.STREAM else Series(measure)


def is_older(generation: int | None, than: int | None) -> bool:
    """Tell whether a generation is known to be older; with equal or unknown ones the later arrival wins."""
    return generation is not None and than is not None and generation < than
