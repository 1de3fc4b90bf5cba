"""The rows and numbers of the status page and of its JSON twin, without Flask.

Times are UTC, ages and delays are in seconds. A stale count is null, never a number.
"""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from exporter.capacity.file import CapacityFile
from exporter.events.measures import Kind, Measure
from exporter.events.times import utc
from exporter.ingest.activity import Activity
from exporter.metrics.registry import Metrics
from exporter.rule.reading import Reading
from exporter.rule.space import Count, Space
from exporter.rule.store import Snapshot, Store
from exporter.web.pages import display

PAGE_SIZE = 100
"""Spaces on a page."""

MAX_PLOTTED = 30
"""Readings of a line at most: the newest ones."""

_PLACE = ("site_name", "building_name", "floor_name", "room_name", "zone_name")
"""The metadata fields that order spaces by their place in a building."""


class State(StrEnum):
    """The states by which spaces may be filtered."""

    FRESH = "fresh"
    STALE = "stale"
    CROWDED = "crowded"


class Sort(StrEnum):
    """The orders in which spaces may be sorted."""

    PLACE = "place"
    PEOPLE = "people"
    FULL = "full"
    AGE = "age"
    NAME = "name"


class Query(NamedTuple):
    """A search for spaces; by default it finds all of them."""

    words: str = ""
    """Words that the names and ids of a space must contain, in any case."""
    state: State | None = None
    sort: Sort = Sort.PLACE
    page: int | None = None
    """The page, from 1; None returns all pages at once."""


class Row(NamedTuple):
    """One space as it is filtered, sorted and listed."""

    space: Space
    shown: Count
    """The first fresh count of the space, plain before smoothed; its first count if none is fresh."""
    stale: bool
    capacity: float | None

    @property
    def crowded(self) -> bool:
        """Whether the space has more people than it is meant for."""
        return not self.stale and self.capacity is not None and self.shown.value > self.capacity


class Status:
    """The status of one exporter. Thread-safe."""

    def __init__(
        self, store: Store, activity: Activity, metrics: Metrics, capacity: CapacityFile, clock: Callable[[], int]
    ) -> None:
        """Take the sources of the status, and a clock that returns milliseconds since the epoch."""
        self._store = store
        self._activity = activity
        self._metrics = metrics
        self._capacity = capacity
        self._clock = clock

    def spaces(self, query: Query) -> dict[str, Any]:
        """Return the totals, the recent activity, and the spaces that the query finds."""
        snapshot = self._store.snapshot(self._clock())
        rows = self._rows(snapshot)
        found = _found(rows, query)
        pages = max(1, -(-len(found) // PAGE_SIZE))
        page = min(query.page, pages) if query.page is not None else None
        received = self._metrics.last_event
        age = None if received is None else snapshot.now / 1000 - received
        listed = found if page is None else found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return {
            "time": utc(snapshot.now),
            "totals": _totals(rows),
            "events": {**self._events(), "age_seconds": age},
            "matched": len(found),
            "page": page,
            "pages": pages,
            "spaces": [_space(snapshot, row) for row in listed],
        }

    def space(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return everything known about one space; None if the space is unknown."""
        snapshot = self._store.snapshot(self._clock())
        space = next((space for space in snapshot.by_kind[kind] if space.id == space_id), None)
        if space is None:
            return None
        (row,) = self._rows(snapshot._replace(by_kind={kind: [space]}))
        rule = self._capacity.current.rule(space.metadata)
        fields = {field: pattern.text for field, pattern in rule.patterns.items()} if rule else {}
        return {
            "time": utc(snapshot.now),
            **_space(snapshot, row),
            "rule": {"line": rule.line, "fields": fields, "max": rule.max} if rule else None,
            "readings": {
                count.measure: [_reading(reading) for reading in self._store.readings(count.measure, space_id)]
                for count in space.counts
            },
        }

    def etag(self, query: Query) -> str:
        """Return an ETag of `spaces(query)`; it changes with everything except times and ages."""
        snapshot = self._store.snapshot(self._clock())
        content = (
            self._metrics.last_event,
            _totals(self._rows(snapshot)),
            sum(map(snapshot.is_stale, (count for space in snapshot.spaces for count in space.counts))),
            self._events(),
            self._capacity.last_success_seconds,
            query,
        )
        return _digest(content)

    def space_etag(self, space: dict[str, Any]) -> str:
        """Return an ETag of the answer of `space`; it changes with everything except times and ages."""
        measures = {measure: count["stale"] for measure, count in space["measures"].items()}
        return _digest((measures, {name: space[name] for name in space if name not in ("time", "measures")}))

    def line(self, measure: Measure, space_id: str) -> display.Line:
        """Draw the last readings of one measure of a space, up to now."""
        readings = self._store.readings(measure, space_id)[-MAX_PLOTTED:]
        return display.line(
            [display.PlottedReading(r.timestamp, r.value, corrected=r.revisions > 0) for r in readings], self._clock()
        )

    def _rows(self, snapshot: Snapshot) -> list[Row]:
        rows = []
        for space in snapshot.spaces:
            count = next((count for count in space.counts if not snapshot.is_stale(count)), space.counts[0])
            rows.append(Row(space, count, snapshot.is_stale(count), self._capacity.of(space.metadata)))
        return rows

    def _events(self) -> dict[str, Any]:
        last_minute = self._activity.last_minute()
        received = self._metrics.last_event
        return {
            "last_minute": {outcome.value: number for outcome, number in last_minute.outcomes.items()},
            "delay_seconds": {"median": last_minute.median, "p95": last_minute.p95},
            "last_received": None if received is None else utc(int(received * 1000)),
            "refused": [refusal._asdict() | {"time": utc(refusal.time)} for refusal in self._activity.refusals()],
        }


def _found(rows: list[Row], query: Query) -> list[Row]:
    """Return the rows that a query finds, sorted."""
    if query.state is not None:
        rows = [row for row in rows if _has_state(row, query.state)]
    if words := query.words.casefold().split():
        rows = [row for row in rows if all(word in _searchable(row) for word in words)]
    keys: dict[Sort, Callable[[Row], Any]] = {
        Sort.PLACE: lambda _: 0,
        Sort.PEOPLE: lambda row: 1 if row.stale else -row.shown.value,
        Sort.FULL: lambda row: 1 if row.stale or not row.capacity else -row.shown.value / row.capacity,
        Sort.AGE: lambda row: row.shown.timestamp,
        Sort.NAME: lambda row: getattr(row.space.metadata, f"{row.space.kind}_name").casefold(),
    }
    key = keys[query.sort]
    return sorted(rows, key=lambda row: (key(row), _place(row.space)))


def _has_state(row: Row, state: State) -> bool:
    return {State.FRESH: not row.stale, State.STALE: row.stale, State.CROWDED: row.crowded}[state]


def _searchable(row: Row) -> str:
    return "\n".join(row.space.metadata).casefold()


def _place(space: Space) -> tuple[str, ...]:
    """Return the sort key of a space by where it lies: site, building, floor, room, own name and id."""
    return (*(getattr(space.metadata, field) for field in _PLACE), space.id)


def _totals(rows: Iterable[Row]) -> dict[str, Any]:
    known = fresh = crowded = 0
    people = 0.0
    for row in rows:
        known += 1
        fresh += not row.stale
        crowded += row.crowded
        people += 0 if row.stale else row.shown.value
    people = min(people, sys.float_info.max)  # absurd counts may add up to infinity, which JSON does not have
    return {"spaces": known, "fresh": fresh, "stale": known - fresh, "crowded": crowded, "people": people}


def _space(snapshot: Snapshot, row: Row) -> dict[str, Any]:
    return {
        "kind": row.space.kind,
        "id": row.space.id,
        "state": "stale" if row.stale else "fresh",
        "crowded": row.crowded,
        "metadata": row.space.metadata._asdict(),
        "measure": row.shown.measure,
        "capacity": row.capacity,
        "measures": {
            count.measure: {
                "occupancy": None if snapshot.is_stale(count) else count.value,
                "timestamp": utc(count.timestamp),
                "age_seconds": (snapshot.now - count.timestamp) / 1000,
                "stale": snapshot.is_stale(count),
            }
            for count in row.space.counts
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


def _digest(content: object) -> str:
    return blake2b(repr(content).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
