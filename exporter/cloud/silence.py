"""Notices when events come again after a silence in which some may have been lost."""

from collections.abc import Callable

from exporter.events.measures import PEOPLE, WITH_PEOPLE, Kind
from exporter.rule.store import Snapshot


class Silence:
    """Looks at the time of the last event, for one thread."""

    def __init__(
        self,
        last_event: Callable[[], float | None],
        snapshot: Callable[[], Snapshot],
        clock: Callable[[], float],
        longest_seconds: float,
    ) -> None:
        """Take functions that return the arrival of the last event, all spaces, and the time; in Unix seconds.

        Events may be `longest_seconds` apart without a loss.
        """
        self._last_event = last_event
        self._snapshot = snapshot
        self._clock = clock
        self._longest_seconds = longest_seconds
        self._last: float | None = None
        self._newest_ms: dict[Kind, int] | None = None
        """The newest readings at the begin of the present silence; None if there is none."""

    def ended(self) -> dict[Kind, int]:
        """Return `newest_readings` from before a silence that has just ended; nothing if none has."""
        last = self._last_event()
        if self._newest_ms is not None and last != self._last:
            before_ms, self._newest_ms = self._newest_ms, None
            return before_ms
        if self._newest_ms is None and last is not None and self._clock() - last > self._longest_seconds:
            self._last, self._newest_ms = last, newest_readings(self._snapshot())
        return {}


def newest_readings(snapshot: Snapshot) -> dict[Kind, int]:
    """Return the time (ms) of the newest reading of people in each kind of space that has any."""
    newest: dict[Kind, int] = {}
    for kind in WITH_PEOPLE:
        counts = [count for space in snapshot.by_kind[kind] for count in space.counts]
        if times := [count.timestamp for count in counts if count.measure.declared.payload in PEOPLE]:
            newest[kind] = max(times)
    return newest
