"""Tells the log when a zone appears, goes stale, returns, or is forgotten.

It compares snapshots, so an event costs nothing, and a thousand zones that fall silent together are a few
lines and a number.
"""

import logging
from collections.abc import Callable

from exporter.events.times import utc
from exporter.rule.space import Space
from exporter.rule.store import Snapshot

log = logging.getLogger(__name__)

MOST_LINES = 20
"""Zones named for each kind of change in one look; the rest are a number."""


class Transitions:
    """What was last seen of every zone. For one thread."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """Take what gives the zones as they are at the time of a look; those that are known already are no news."""
        self._snapshot = snapshot
        now = snapshot()
        self._fresh = {space.id: now.is_fresh(space) for space in now.spaces}

    def log(self) -> None:
        """Log what has changed since the last look."""
        snapshot = self._snapshot()
        before, self._fresh = self._fresh, {}
        appeared, stale, returned = [], [], []
        for space in snapshot.spaces:
            fresh = self._fresh[space.id] = snapshot.is_fresh(space)
            was_fresh = before.pop(space.id, None)
            if was_fresh is None:
                appeared.append(space)
            if fresh and was_fresh is False:
                returned.append(space)
            if not fresh and was_fresh is not False:
                stale.append(space)
        _tell(logging.INFO, "zone appeared", [_names(space) for space in appeared])
        _tell(logging.WARNING, "zone went stale", [_names(space) | _last(space) for space in stale])
        _tell(logging.INFO, "zone returned", [_names(space) for space in returned])
        _tell(logging.INFO, "zone forgotten", [{"zone_id": space_id} for space_id in before])


def _tell(level: int, message: str, zones: list[dict[str, str]]) -> None:
    for zone in zones[:MOST_LINES]:
        log.log(level, message, zone)
    if len(zones) > MOST_LINES:
        log.log(level, message, {"more_zones": len(zones) - MOST_LINES})


def _names(space: Space) -> dict[str, str]:
    names = space.metadata._asdict()
    return {
        field: names[field]
        for field in ("zone_id", "zone_name", "room_name", "floor_name", "building_name")
        if names[field]
    }


def _last(space: Space) -> dict[str, str]:
    return {"last_reading": utc(max(count.timestamp for count in space.counts))}
