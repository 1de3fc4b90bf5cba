"""The rows and numbers of the status page and of its JSON twin, without Flask.

Times are UTC, ages and delays are in seconds. A stale count is null, never a number, and no age is below 0, also after
the clock was set back.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from exporter.capacity.file import CapacityFile
from exporter.events.measures import Cadence, Kind, Measure, Payload
from exporter.events.times import utc
from exporter.ingest.activity import Activity
from exporter.metrics.registry import Metrics
from exporter.pieces import in_pieces
from exporter.rule.reading import Count, Reading
from exporter.rule.store import Snapshot, Store
from exporter.rule.traffic import Crossed
from exporter.web.pages import display
from exporter.web.pages.day import by_hour
from exporter.web.pages.rows import (
    Query,
    Row,
    Rows,
    all_totals,
    found,
    in_order,
    inside,
    make_row,
    stale_counts,
    totals,
)

PAGE_SIZE = 100
"""Spaces on a page."""

_WRITTEN = 32
"""Spaces that are written without a pause: half a millisecond, and less than `memory.LARGE` with ordinary names."""

_VALUES = {
    Payload.COUNT: "occupancy",
    Payload.CLAMPED: "occupancy",
    Payload.MOTION: "motion",
    Payload.DETECTIONS: "detections",
}
"""The name of the current value, by the payload of its measure."""

_INSIDE = {Kind.FLOOR: (Kind.ROOM, Kind.ZONE, Kind.SENSOR), Kind.ROOM: (Kind.ZONE, Kind.SENSOR)}
"""The kinds of spaces that lie in a space."""

MAX_PLOTTED = 30
"""Readings of a line at most: the newest ones."""


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
        self._rows = {kind: Rows(kind, capacity) for kind in Kind}

    def spaces(self, query: Query) -> dict[str, Any]:
        """Return the totals, the recent activity, and the spaces that the query finds, all of one kind.

        Without a kind in the query, it is the first one that has spaces. `kinds` is the number of spaces of each kind.
        """
        snapshot = self._store.snapshot(self._clock())
        kinds = {kind: len(spaces) for kind, spaces in snapshot.by_kind.items() if spaces}
        kind = query.kind or next(iter(kinds), Kind.ZONE)
        listing = self._listing(query._replace(kind=kind), snapshot)
        spaces = [_space(row, listing.now_ms, listing.fresh_since) for row in listing.rows]
        return listing.head | {"kind": kind, "kinds": kinds, "spaces": spaces}

    def spaces_as_json(self, query: Query) -> Iterator[bytes]:
        """Return the same as JSON, of every kind unless one is asked for, in pieces between which other threads run."""
        listing = self._listing(query, self._store.snapshot(self._clock()))
        empty = _json(listing.head | {"spaces": []})
        yield empty.removesuffix("]}").encode()
        separator = ""
        for piece in in_pieces(listing.rows, _WRITTEN):
            spaces = _json([_space(row, listing.now_ms, listing.fresh_since) for row in piece])
            yield f"{separator}{spaces[1:-1]}".encode()
            separator = ","
        yield b"]}\n"

    def _listing(self, query: Query, snapshot: Snapshot) -> "_Listing":
        rows = self._by_place(query, snapshot)
        chosen = found([row for each in rows for row in each] if len(rows) > 1 else rows[0], query)
        pages = max(1, -(-len(chosen) // PAGE_SIZE))
        page = min(query.page, pages) if query.page is not None else None
        listed: Iterable[Row] = in_order(chosen, query.sort)
        if page is not None:
            listed = islice(listed, (page - 1) * PAGE_SIZE, page * PAGE_SIZE)
        received = self._metrics.last_event
        head = {
            "time": utc(snapshot.now),
            "totals": all_totals(rows)._asdict(),
            "events": {
                **self._events(),
                "age_seconds": None if received is None else max(0.0, snapshot.now / 1000 - received),
            },
            "matched": len(chosen),
            "page": page,
            "pages": pages,
        }
        return _Listing(head, list(listed), snapshot.now, snapshot.fresh_since)

    def _by_place(self, query: Query, snapshot: Snapshot) -> list[list[Row]]:
        """Return the rows of each kind that a query asks for."""
        return [self._rows[kind].by_place(snapshot) for kind in ([query.kind] if query.kind else Kind)]

    def space(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return everything known about one space; None if the space is unknown."""
        snapshot = self._store.snapshot(self._clock())
        space = next((space for space in snapshot.by_kind[kind] if space.id == space_id), None)
        if space is None:
            return None
        row = make_row(space, self._capacity.current, snapshot.fresh_since)
        rule = self._capacity.current.rule(space.metadata, kind)
        fields = {field: pattern.text for field, pattern in rule.patterns.items()} if rule else {}
        return {
            "time": utc(snapshot.now),
            **_space(row, snapshot.now, snapshot.fresh_since),
            "rule": {"line": rule.line, "fields": fields, "max": rule.max} if rule else None,
            "inside": self._inside(kind, space_id, snapshot),
            "day": self._day(kind, space_id, snapshot.now),
            "readings": {
                count.measure: [
                    _reading(count.measure, reading) for reading in self._store.readings(count.measure, space_id)
                ]
                for count in space.counts
            },
        }

    def _inside(self, kind: Kind, space_id: str, snapshot: Snapshot) -> dict[Kind, dict[str, Any]]:
        """Return the spaces of each kind that lie in a floor or room: their number, and the first of them."""
        places = {}
        for smaller in _INSIDE.get(kind, ()):
            rows = inside(self._rows[smaller].by_place(snapshot), kind.id_field, space_id)
            if rows:
                places[smaller] = {"number": len(rows), "spaces": [_brief(row) for row in rows[:PAGE_SIZE]]}
        return places

    def _day(self, kind: Kind, space_id: str, now_ms: int) -> dict[str, Any] | None:
        """Return the crossings of the last day below a sensor, None without any."""
        known = self._store.crossings(space_id) if kind is Kind.SENSOR else None
        return None if known is None else by_hour(known.events(), now_ms)

    def etag(self, query: Query) -> str:
        """Return an ETag of `spaces(query)`; it changes with everything except times and ages."""
        snapshot = self._store.snapshot(self._clock())
        rows = self._by_place(query, snapshot)
        content = (
            self._metrics.last_event,
            [totals(each) for each in rows],
            [stale_counts(each, snapshot.fresh_since) for each in rows],
            [len(spaces) for spaces in snapshot.by_kind.values()],
            self._events(),
            self._capacity.last_success_seconds,
            query,
        )
        return _digest(content)

    def space_etag(self, space: dict[str, Any]) -> str:
        """Return an ETag of the answer of `space`; it changes with everything except times and ages."""
        measures = [
            {name: count[name] for name in count if name != "age_seconds"} for count in space["measures"].values()
        ]
        return _digest((measures, {name: space[name] for name in space if name not in ("time", "measures", "day")}))

    def line(self, measure: Measure, space_id: str) -> display.Line:
        """Draw the last readings of one measure of a space, up to now."""
        readings = self._store.readings(measure, space_id)[-MAX_PLOTTED:]
        return display.line(
            [display.PlottedReading(r.timestamp, r.value, corrected=r.revisions > 0) for r in readings],
            self._clock(),
            lambda value: display.text(_value(measure, value)),
            until_next=measure.declared.cadence is Cadence.CHANGE,
        )

    def _events(self) -> dict[str, Any]:
        last_minute = self._activity.last_minute()
        received = self._metrics.last_event
        return {
            "last_minute": {outcome.value: number for outcome, number in last_minute.outcomes.items()},
            "delay_seconds": {"median": last_minute.median, "p95": last_minute.p95},
            "last_received": None if received is None else utc(int(received * 1000)),
            "refused": [refusal._asdict() | {"time": utc(refusal.time)} for refusal in self._activity.refusals()],
        }


class _Listing(NamedTuple):
    """The answer to a query."""

    head: dict[str, Any]
    """All but the spaces."""
    rows: Sequence[Row]
    now_ms: int
    fresh_since: Mapping[Measure, int]
    """The oldest timestamp (ms) of a count of each measure that is not stale."""


def _space(row: Row, now_ms: int, fresh_since: Mapping[Measure, int]) -> dict[str, Any]:
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
                **_values(count, fresh_since),
                "timestamp": _utc(count.timestamp),
                "age_seconds": max(0, now_ms - count.timestamp) / 1000,
                "stale": count.timestamp < fresh_since[count.measure],
            }
            for count in row.space.counts
        },
    }


def _values(count: Count, fresh_since: Mapping[Measure, int]) -> dict[str, Any]:
    """Return the current value of a count by its name; null while it is stale."""
    if isinstance(count, Crossed):
        return {"in": count.value, "out": float(count.left)}
    is_stale = count.timestamp < fresh_since[count.measure]
    return {_VALUES[count.measure.declared.payload]: None if is_stale else _value(count.measure, count.value)}


def _brief(row: Row) -> dict[str, Any]:
    """Return a space as another one lists it, without an age, so that it changes with the space only."""
    motion = next((count for count in row.space.counts if count.measure.declared.payload is Payload.MOTION), None)
    return {
        "id": row.space.id,
        "name": getattr(row.space.metadata, f"{row.space.kind}_name", ""),
        "state": "stale" if row.stale else "fresh",
        "crowded": row.crowded,
        "people": row.people,
        "capacity": row.capacity,
        "motion": None if motion is None else _value(motion.measure, motion.value),
    }


def _value(measure: Measure, value: float) -> float | str:
    """Return a number of people as it is, and motion as a word."""
    return display.MOTION[value] if measure.declared.payload is Payload.MOTION else value


def _reading(measure: Measure, reading: Reading) -> dict[str, Any]:
    return {
        "timestamp": utc(reading.timestamp),
        "value": _value(measure, reading.value),
        "revisions": reading.revisions,
        "deliveries": reading.deliveries,
        "generation": None if reading.generation is None else utc(reading.generation * 1000),
        "outcome": reading.outcome,
        "arrival": utc(reading.arrival),
        "id": reading.id,
    }


def _digest(content: object) -> str:
    return blake2b(repr(content).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))


_utc = lru_cache(1 << 12)(utc)
"""Many spaces have a reading of the same time."""
