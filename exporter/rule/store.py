"""All spaces: the one true current count of each, as a fold of `Store.apply` over deliveries."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import NamedTuple

from exporter.events.model import Measure, Metadata, OccupancyEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Reading, unpack
from exporter.rule.space import Count, Space, SpaceState, _Space

_TOGETHER = 200
"""Spaces that a reader of their readings looks at before it lets deliveries pass."""

_SWEEP_EVERY = 1000
"""Least milliseconds between two searches for forgotten spaces when there is no room for a new one."""


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


class Store:
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
        return list(map(unpack, kept))

    def states(self, space_ids: Iterable[str]) -> list[SpaceState]:
        """Return all that is known of spaces, as far as they still are."""
        with self._lock:
            return [space.state(self._limits) for space_id in space_ids if (space := self._spaces.get(space_id))]

    def ids(self) -> list[str]:
        """Return those of all spaces."""
        with self._lock:
            return list(self._spaces)

    def restore(self, states: Iterable[SpaceState]) -> None:
        """Take back what was known, before anything is delivered."""
        with self._lock:
            for state in states:
                self._added(state.space_id).restore(state, self._limits)

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
