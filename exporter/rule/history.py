"""The whole history of captured deliveries, decided by the rule of the service. It knows nothing of HTTP or files."""

import sys
from collections import defaultdict
from collections.abc import Iterator

from exporter.events.measures import Cadence, Measure
from exporter.events.model import ReadingEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Point
from exporter.rule.settled import Settled
from exporter.rule.store import Store

_DECISIVE = frozenset({Outcome.NEW, Outcome.BACKFILLED, Outcome.CORRECTED})
"""Outcomes that set the value of a reading."""


class History:
    """The final value of every reading among deliveries that are applied in the order of their arrival.

    The rule of the service decides, but readings stay however old they are, and spaces and deliveries have no limit.
    The arrival of a captured delivery is not known, but it was computed before, at a time that most ids hold. So a
    reading ahead of all computations so far comes from a wrong clock.
    """

    def __init__(self, window: int, settle_after: int, future_tolerance: int, now: int) -> None:
        """Take the numbers of the rule in milliseconds, and the time, milliseconds since the epoch."""
        limits = Limits(
            window=window,
            stale_after=0,
            forget_after=0,
            settle_after=settle_after,
            future_tolerance=future_tolerance,
            max_spaces=sys.maxsize,
            max_deliveries=sys.maxsize,
        )
        self._limits = limits
        self._now = now
        self.computed = 0
        """Time at which the newest delivery was computed, milliseconds since the epoch; 0 while no id holds one."""
        self._store = Store(limits)
        self._values: dict[tuple[Measure, str], dict[int, float]] = defaultdict(dict)

    def apply(self, event: ReadingEvent) -> Outcome:
        """Apply one delivery."""
        if event.generation is not None:
            # An id that is later than any correction of its reading is from a clock that is ahead.
            latest = event.timestamp + self._limits.settle_after + self._limits.future_tolerance
            self.computed = max(self.computed, min(event.generation * 1000, latest, self._now))
        outcome = self._store.apply(event, self.computed or self._now)
        if outcome in _DECISIVE and event.measure.declared.cadence is Cadence.MINUTE:
            self._values[event.measure, event.space_id][event.timestamp] = event.value
        return outcome

    def release(self, newest: ReadingEvent, until: int | None = None) -> Settled | None:
        """Forget the readings that have left the window since `newest`, which was `new`, as nothing changes them.

        Return those before `until` (ms), oldest first, under the names in this event; None if there are none.
        """
        values = self._values.get((newest.measure, newest.space_id), {})
        left = sorted(t for t in values if t <= newest.timestamp - self._limits.window)
        released = [Point(t, values.pop(t)) for t in left]
        points = [point for point in released if point.timestamp <= self._last(until)]
        return Settled(newest.metadata, newest.measure, points) if points else None

    def _last(self, until: int | None) -> int:
        """Return the last time (ms) of a reading that is settled and before `until`."""
        settled = self._now - self._limits.settle_after
        return settled if until is None else min(settled, until - 1)

    def settled(self, until: int | None = None) -> Iterator[Settled]:
        """Return every settled reading before `until` (ms), oldest first, under the newest names of its space."""
        newest = self._last(until)
        for space in self._store.snapshot(self._now).spaces:
            for count in space.counts:
                values = self._values.get((count.measure, space.id), {})
                points = [Point(*reading) for reading in sorted(values.items()) if reading[0] <= newest]
                if points:
                    yield Settled(space.metadata, count.measure, points)
