"""What people are shown of the zones: the rows of the status page and of its JSON twin.

A reading of a snapshot and nothing else; it knows nothing of Flask or of metrics.
"""

from collections.abc import Callable
from typing import Any

from exporter.events import Metadata, utc
from exporter.occupancy import Snapshot, Space

_ORDER = ("site_name", "building_name", "floor_name", "room_name", "zone_name", "zone_id")


def status(snapshot: Snapshot, capacity: Callable[[Metadata], float | None]) -> dict[str, Any]:
    """Return every zone, in the order of its place, and the totals; times are UTC, ages are seconds.

    A stale count is not shown as a number: its `occupancy` is None.
    """
    fresh = sum(map(snapshot.is_fresh, snapshot.spaces))
    return {
        "time": utc(snapshot.now),
        "totals": {"zones": len(snapshot.spaces), "fresh": fresh, "stale": len(snapshot.spaces) - fresh},
        "zones": [_zone(snapshot, space, capacity) for space in sorted(snapshot.spaces, key=_place)],
    }


def _zone(snapshot: Snapshot, space: Space, capacity: Callable[[Metadata], float | None]) -> dict[str, Any]:
    return {
        "zone_id": space.id,
        "state": "fresh" if snapshot.is_fresh(space) else "stale",
        "metadata": space.metadata._asdict(),
        "capacity": capacity(space.metadata),
        "measures": {
            count.measure: {
                "occupancy": None if snapshot.is_stale(count) else count.value,
                "timestamp": utc(count.timestamp),
                "age_seconds": (snapshot.now - count.timestamp) / 1000,
                "stale": snapshot.is_stale(count),
            }
            for count in space.counts
        },
    }


def _place(space: Space) -> tuple[str, ...]:
    metadata: Metadata = space.metadata
    return tuple(getattr(metadata, field) for field in _ORDER)
