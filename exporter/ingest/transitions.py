"""Logs each space that appears, falls silent, returns, or is forgotten.

It compares snapshots, so that an event costs nothing, and a thousand spaces that fall silent together become a few
lines and a number.
"""

import logging
from collections.abc import Callable

from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.times import utc
from exporter.rule.space import Space
from exporter.rule.store import Snapshot

log = logging.getLogger(__name__)

MAX_LINES = 20
"""Spaces of a kind that one call of `Transitions.log` names for each transition; it logs the number of the others."""

_NAMES = ("zone_name", "room_name", "floor_name", "building_name")


class Transitions:
    """The known spaces, fresh or stale, at the last call of `log`. For one thread."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """Take a function that returns the present snapshot, and begin with the spaces known now."""
        self._snapshot = snapshot
        now = snapshot()
        self._fresh = {kind: {space.id: now.is_fresh(space) for space in now.by_kind[kind]} for kind in now.by_kind}
        """Whether each space was fresh, by kind and id."""

    def log(self) -> None:
        """Log the transitions since the last call."""
        snapshot = self._snapshot()
        for kind in snapshot.by_kind:
            self._log_kind(kind, snapshot)

    def _log_kind(self, kind: Kind, snapshot: Snapshot) -> None:
        before, fresh = self._fresh[kind], {}
        appeared, stale, returned = [], [], []
        for space in snapshot.by_kind[kind]:
            is_fresh = fresh[space.id] = snapshot.is_fresh(space)
            was_fresh = before.pop(space.id, None)
            if was_fresh is None:
                appeared.append(space)
            if is_fresh and was_fresh is False:
                returned.append(space)
            if not is_fresh and was_fresh is not False:
                stale.append(space)
        self._fresh[kind] = fresh
        _log_spaces(logging.INFO, kind, "appeared", [_names(space) for space in appeared])
        if kind in WITH_PEOPLE:  # a sensor is silent whenever it sees nobody
            _log_spaces(logging.WARNING, kind, "fell silent", [_names(space) | _last_reading(space) for space in stale])
            _log_spaces(logging.INFO, kind, "returned", [_names(space) for space in returned])
        _log_spaces(logging.INFO, kind, "forgotten", [{kind.id_field: space_id} for space_id in before])


def _log_spaces(level: int, kind: Kind, transition: str, spaces: list[dict[str, str]]) -> None:
    message = f"{kind} {transition}"
    for fields in spaces[:MAX_LINES]:
        log.log(level, message, fields)
    if len(spaces) > MAX_LINES:
        log.log(level, message, {f"more_{kind}s": len(spaces) - MAX_LINES})


def _names(space: Space) -> dict[str, str]:
    names = space.metadata._asdict()
    return {space.kind.id_field: space.id} | {field: names[field] for field in _NAMES if names.get(field)}


def _last_reading(space: Space) -> dict[str, str]:
    return {"last_reading": utc(max(count.timestamp for count in space.counts))}
