"""What people are shown: the rows and numbers of the status page and of its JSON twin.

A reading of the store and of what happened recently, and nothing else; it knows nothing of Flask. Times are UTC, ages
and delays are seconds. A stale count is not shown as a number.
"""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from exporter.capacity import CapacityFile
from exporter.events.model import Measure, Metadata
from exporter.events.times import utc
from exporter.ingest.activity import Activity
from exporter.metrics.registry import Metrics
from exporter.rule.reading import Reading
from exporter.rule.space import Count, Space
from exporter.rule.store import Snapshot, Store
from exporter.web.pages import display

PAGE = 100
"""Zones on a page."""

MOST_DRAWN = 30
"""Readings on a line."""

_ORDER = ("site_name", "building_name", "floor_name", "room_name", "zone_name", "zone_id")


class State(StrEnum):
    """What zones may be chosen by."""

    FRESH = "fresh"
    STALE = "stale"
    CROWDED = "crowded"


class Sort(StrEnum):
    """What zones may be sorted by."""

    PLACE = "place"
    PEOPLE = "people"
    FULL = "full"
    AGE = "age"
    NAME = "name"


class Query(NamedTuple):
    """Which zones are asked for: all, unless something is given."""

    words: str = ""
    """Each must be in a name or id of the zone, in any case."""
    state: State | None = None
    sort: Sort = Sort.PLACE
    page: int | None = None
    """From 1; None is all of them."""


class Zone(NamedTuple):
    """One zone as it is chosen and sorted by."""

    space: Space
    shown: Count
    """The plain count if it is fresh or the only one, else the smoothed one."""
    stale: bool
    capacity: float | None

    @property
    def crowded(self) -> bool:
        """Whether there are more people than it is meant for."""
        return not self.stale and self.capacity is not None and self.shown.value > self.capacity


class Status:
    """What is shown of one exporter. Thread-safe."""

    def __init__(
        self,
        store: Store,
        recent: Activity,
        metrics: Metrics,
        capacity: CapacityFile,
        clock: Callable[[], int],
    ) -> None:
        """Take what is shown, and a clock that tells milliseconds since the epoch."""
        self._store = store
        self._recent = recent
        self._metrics = metrics
        self._capacity = capacity
        self._clock = clock

    def zones(self, query: Query) -> dict[str, Any]:
        """Return the totals, what happened recently, and the zones that are asked for."""
        snapshot = self._store.snapshot(self._clock())
        zones = self._look(snapshot)
        chosen = _chosen(zones, query)
        pages = max(1, -(-len(chosen) // PAGE))
        page = min(query.page, pages) if query.page is not None else None
        received = self._metrics.last_event
        age = None if received is None else snapshot.now / 1000 - received
        return {
            "time": utc(snapshot.now),
            "totals": _totals(zones),
            "events": {**self._events(), "age_seconds": age},
            "matched": len(chosen),
            "page": page,
            "pages": pages,
            "zones": [
                _zone(snapshot, zone) for zone in (chosen if page is None else chosen[(page - 1) * PAGE : page * PAGE])
            ],
        }

    def zone(self, zone_id: str) -> dict[str, Any] | None:
        """Return all that is known of one zone, if it is."""
        snapshot = self._store.snapshot(self._clock())
        space = next((space for space in snapshot.spaces if space.id == zone_id), None)
        if space is None:
            return None
        (zone,) = self._look(snapshot._replace(spaces=[space]))
        rule = self._capacity.current.rule(space.metadata)
        wanted = {field: pattern.text for field, pattern in rule.patterns.items()} if rule else {}
        return {
            "time": utc(snapshot.now),
            **_zone(snapshot, zone),
            "rule": {"line": rule.line, "fields": wanted, "max": rule.max} if rule else None,
            "readings": {
                count.measure: [_reading(reading) for reading in self._store.readings(count.measure, zone_id)]
                for count in space.counts
            },
        }

    def tag(self, query: Query) -> str:
        """Return what stays the same as long as what is shown does, but for times and ages."""
        snapshot = self._store.snapshot(self._clock())
        shown = (
            self._metrics.last_event,
            _totals(self._look(snapshot)),
            sum(map(snapshot.is_stale, (count for space in snapshot.spaces for count in space.counts))),
            self._events(),
            self._capacity.last_success_seconds,
            query,
        )
        return _digest(shown)

    def zone_tag(self, zone: dict[str, Any]) -> str:
        """Return the same of one zone."""
        measures = {measure: count["stale"] for measure, count in zone["measures"].items()}
        return _digest((measures, {name: zone[name] for name in zone if name not in ("time", "measures")}))

    def line(self, zone_id: str, measure: Measure) -> display.Line:
        """Return the last readings of one measure of a zone as a line up to now."""
        readings = self._store.readings(measure, zone_id)[-MOST_DRAWN:]
        return display.line([(r.timestamp, r.value, r.revisions > 0) for r in readings], self._clock())

    def _look(self, snapshot: Snapshot) -> list[Zone]:
        zones = []
        for space in snapshot.spaces:
            count = next((count for count in space.counts if not snapshot.is_stale(count)), space.counts[0])
            zones.append(Zone(space, count, snapshot.is_stale(count), self._capacity.of(space.metadata)))
        return zones

    def _events(self) -> dict[str, Any]:
        last_minute = self._recent.last_minute()
        received = self._metrics.last_event
        return {
            "last_minute": {outcome.value: number for outcome, number in last_minute.outcomes.items()},
            "delay_seconds": {"median": last_minute.median, "p95": last_minute.p95},
            "last_received": None if received is None else utc(int(received * 1000)),
            "refused": [refusal._asdict() | {"time": utc(refusal.time)} for refusal in self._recent.refusals()],
        }


def _chosen(zones: list[Zone], query: Query) -> list[Zone]:
    if query.state is not None:
        zones = [zone for zone in zones if _is(zone, query.state)]
    if words := query.words.casefold().split():
        zones = [zone for zone in zones if all(word in _names(zone) for word in words)]
    keys: dict[Sort, Callable[[Zone], Any]] = {
        Sort.PLACE: lambda _: 0,
        Sort.PEOPLE: lambda zone: 1 if zone.stale else -zone.shown.value,
        Sort.FULL: lambda zone: 1 if zone.stale or not zone.capacity else -zone.shown.value / zone.capacity,
        Sort.AGE: lambda zone: zone.shown.timestamp,
        Sort.NAME: lambda zone: zone.space.metadata.zone_name.casefold(),
    }
    key = keys[query.sort]
    return sorted(zones, key=lambda zone: (key(zone), _place(zone.space)))


def _is(zone: Zone, state: State) -> bool:
    return {State.FRESH: not zone.stale, State.STALE: zone.stale, State.CROWDED: zone.crowded}[state]


def _names(zone: Zone) -> str:
    return "\n".join(zone.space.metadata).casefold()


def _place(space: Space) -> tuple[str, ...]:
    metadata: Metadata = space.metadata
    return tuple(getattr(metadata, field) for field in _ORDER)


def _totals(zones: Iterable[Zone]) -> dict[str, Any]:
    known = fresh = crowded = 0
    people = 0.0
    for zone in zones:
        known += 1
        fresh += not zone.stale
        crowded += zone.crowded
        people += 0 if zone.stale else zone.shown.value
    people = min(people, sys.float_info.max)  # of counts that nobody can believe
    return {"zones": known, "fresh": fresh, "stale": known - fresh, "crowded": crowded, "people": people}


def _zone(snapshot: Snapshot, zone: Zone) -> dict[str, Any]:
    return {
        "zone_id": zone.space.id,
        "state": "stale" if zone.stale else "fresh",
        "crowded": zone.crowded,
        "metadata": zone.space.metadata._asdict(),
        "measure": zone.shown.measure,
        "capacity": zone.capacity,
        "measures": {
            count.measure: {
                "occupancy": None if snapshot.is_stale(count) else count.value,
                "timestamp": utc(count.timestamp),
                "age_seconds": (snapshot.now - count.timestamp) / 1000,
                "stale": snapshot.is_stale(count),
            }
            for count in zone.space.counts
        },
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "timestamp": utc(reading.timestamp),
        "value": reading.value,
        "revisions": reading.revisions,
        "deliveries": reading.deliveries,
        "generation": None if reading.generation is None else utc(reading.generation * 1000),
        "outcome": reading.outcome,
        "arrival": utc(reading.arrival),
        "id": reading.id,
    }


def _digest(shown: object) -> str:
    return blake2b(repr(shown).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
