"""The whole history of captured deliveries, decided by the rule of the service. It knows nothing of HTTP or files."""

import sys
from collections import defaultdict
from collections.abc import Iterator

from exporter.events.model import Measure, OccupancyEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.store import Settled, Store

_DECISIVE = frozenset({Outcome.NEW, Outcome.BACKFILLED, Outcome.CORRECTED})
"""Outcomes after which a reading has the value of the event."""


class History:
    """The whole history of some deliveries, in the order of their arrival: what every reading came to.

    The service's own rule decides, but nothing is too old to be told, and there may be any number of zones and
    deliveries. When one arrived is not known, but that it was computed before, at a time that most ids hold: what
    is ahead of all of these was sensed by a clock that is wrong.
    """

    def __init__(self, window: int, settle_after: int, future_tolerance: int, now: int) -> None:
        """Take the rule's numbers in milliseconds, and the time, milliseconds since the epoch."""
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
        """When the newest delivery was computed, milliseconds since the epoch; 0 if no id tells."""
        self._store = Store(limits)
        self._values: dict[tuple[str, Measure], dict[int, float]] = defaultdict(dict)

    def take(self, event: OccupancyEvent) -> Outcome:
        """Take one delivery."""
        if event.generation is not None:
            self.computed = max(self.computed, min(event.generation * 1000, self._now))
        outcome = self._store.apply(event, self.computed or self._now)
        if outcome in _DECISIVE:
            self._values[event.space_id, event.measure][event.timestamp] = event.value
        return outcome

    def settled(self, until: int | None = None) -> Iterator[Settled]:
        """Return every settled reading under the zones' newest names, oldest first, but none from `until` on."""
        newest = self._now - self._limits.settle_after
        if until is not None:
            newest = min(newest, until - 1)
        for space in self._store.snapshot(self._now).spaces:
            for count in space.counts:
                values = self._values[space.id, count.measure]
                points = sorted(point for point in values.items() if point[0] <= newest)
                if points:
                    yield Settled(space.metadata, count.measure, points)
