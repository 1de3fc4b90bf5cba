"""Logs when a zone appears, goes stale, returns, or is forgotten.

It compares snapshots, so that an event costs nothing, and a thousand zones that fall silent together are a few lines
and a number.
"""

import logging
from collections.abc import Callable

from exporter.events.times import utc
from exporter.rule.space import Space
from exporter.rule.store import Snapshot

log = logging.getLogger(__name__)

MAX_LINES = 20
"""Zones that one call of `Transitions.log` names for each kind of change; it logs only the number of the others."""


class Transitions:
    """The zones of the last snapshot, fresh or stale. For one thread."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """Compare the snapshots that `snapshot` returns, beginning with the present one."""
        self._snapshot = snapshot
        now = snapshot()
        self._fresh = {space.id: now.is_fresh(space) for space in now.spaces}

    def log(self) -> None:
        """Log the changes since the last call."""
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
        _log_zones(logging.INFO, "zone appeared", [_names(space) for space in appeared])
        _log_zones(logging.WARNING, "zone went stale", [_names(space) | _last(space) for space in stale])
        _log_zones(logging.INFO, "zone returned", [_names(space) for space in returned])
        _log_zones(logging.INFO, "zone forgotten", [{"zone_id": space_id} for space_id in before])


def _log_zones(level: int, message: str, zones: list[dict[str, str]]) -> None:
    for zone in zones[:MAX_LINES]:
        log.log(level, message, zone)
    if len(zones) > MAX_LINES:
        log.log(level, message, {"more_zones": len(zones) - MAX_LINES})


def _names(space: Space) -> dict[str, str]:
    names = space.metadata._asdict()
    return {
        field: names[field]
        for field in ("zone_id", "zone_name", "room_name", "floor_name", "building_name")
        if names[field]
    }


def _last(space: Space) -> dict[str, str]:
    return {"last_reading": utc(max(count.timestamp for count in space.counts))}
