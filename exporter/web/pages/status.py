"""The answer to each query, for the pages and for their JSON twins, without Flask. Ages and delays are in seconds."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from exporter.capacity.file import CapacityFile
from exporter.events.measures import PEOPLE, Cadence, Kind, Measure
from exporter.events.times import utc
from exporter.ingest.activity import Activity
from exporter.metrics.registry import Metrics
from exporter.pieces import in_pieces
from exporter.rule.space import Space
from exporter.rule.store import Snapshot, Store
from exporter.rule.traffic import Crossed
from exporter.web.pages import display
from exporter.web.pages.chart import Chart, Line, PlottedReading, chart, line
from exporter.web.pages.content import brief_json, listed, reading_json, space_json, value_of
from exporter.web.pages.day import by_hour
from exporter.web.pages.floors import Floors
from exporter.web.pages.listing import PAGE_SIZE, listing_of
from exporter.web.pages.rows import (
    Query,
    Row,
    Rows,
    all_totals,
    found,
    in_order,
    make_row,
    rows_inside,
    stale_counts,
    totals,
)

_WRITTEN = 32
"""Spaces that are written without a pause: half a millisecond, and less than `memory.LARGE` with ordinary names."""

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

    def page(self, query: Query) -> dict[str, Any]:
        """Return the totals, the recent activity, and the page of the places that the query finds, all of one kind.

        Without a kind in the query, it is the first one that has spaces.
        """
        snapshot = self._store.snapshot(self._clock())
        rows = self._by_place(snapshot)
        kind = query.kind or next(iter(rows), Kind.ZONE)
        floors = Floors(rows)
        chosen = self._found(rows.get(kind, []), query, floors)
        listing = listing_of(chosen, floors, kind, query)
        return {
            "time": utc(snapshot.now),
            "kind": kind,
            "totals": {each: floors.totals(each) for each in rows},
            "people": floors.people(),
            "sources": floors.sources(),
            "matched": len(chosen),
            "listing": listing,
            "sections": [
                (group, [listed(row, snapshot.now, snapshot.fresh_since) for row in inside])
                for group, inside in listing.sections
            ],
            "events": self._events_now(snapshot),
            "is_silent": (self._metrics.last_event or 0) * 1000 < snapshot.fresh_since[Measure.ZONE_OCCUPANCY],
        }

    def spaces_as_json(self, query: Query) -> Iterator[bytes]:
        """Return the spaces that a query finds, of every kind unless it names one, as JSON.

        The text comes in pieces between which other threads run.
        """
        answer = self._answer(query, self._store.snapshot(self._clock()))
        empty = _json(answer.head | {"spaces": []})
        yield empty.removesuffix("]}").encode()
        separator = ""
        for piece in in_pieces(answer.rows, _WRITTEN):
            spaces = _json([space_json(row, answer.now_ms, answer.fresh_since) for row in piece])
            yield f"{separator}{spaces[1:-1]}".encode()
            separator = ","
        yield b"]}\n"

    def _answer(self, query: Query, snapshot: Snapshot) -> "_Answer":
        only = None if query.floor else query.kind  # floors are counted from every kind
        rows = self._by_place(snapshot, [only] if only else Kind)
        of_kind = [rows.get(query.kind, [])] if query.kind else [*rows.values()]
        floors = Floors({} if only else rows)
        chosen = self._found([row for each in of_kind for row in each], query, floors)
        pages = max(1, -(-len(chosen) // PAGE_SIZE))
        page = min(query.page, pages) if query.page is not None else None
        ordered: Iterable[Row] = in_order(chosen, query.sort)
        if page is not None:
            ordered = islice(ordered, (page - 1) * PAGE_SIZE, page * PAGE_SIZE)
        each = [totals(rows) for rows in of_kind]
        head = {
            "time": utc(snapshot.now),
            "totals": (each[0] if query.kind else all_totals(each, floors.people()))._asdict(),
            "events": self._events_now(snapshot),
            "matched": len(chosen),
            "page": page,
            "pages": pages,
        }
        return _Answer(head, list(ordered), snapshot.now, snapshot.fresh_since)

    def _found(self, rows: Sequence[Row], query: Query, floors: Floors) -> Sequence[Row]:
        """Return the rows that a query finds, in their order."""
        chosen = found(rows, query)
        return floors.on(chosen, query.floor) if query.floor else chosen

    def _by_place(self, snapshot: Snapshot, kinds: Iterable[Kind] = Kind) -> dict[Kind, list[Row]]:
        """Return the rows of each of these kinds that has spaces."""
        return {kind: self._rows[kind].by_place(snapshot) for kind in kinds if snapshot.by_kind[kind]}

    def space(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return everything known about one space; None if the space is unknown."""
        snapshot = self._store.snapshot(self._clock())
        row = self._row(kind, space_id, snapshot)
        return None if row is None else self._space(row, self._inside(kind, space_id, snapshot), snapshot)

    def space_page(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return the same, and the space and those inside it as a page lists them."""
        snapshot = self._store.snapshot(self._clock())
        row = self._row(kind, space_id, snapshot)
        if row is None:
            return None
        inside = self._inside(kind, space_id, snapshot)
        return self._space(row, inside, snapshot) | {
            "space": listed(row, snapshot.now, snapshot.fresh_since),
            "floor": row.floor if kind is not Kind.FLOOR else "",
            "listed": {
                smaller: [listed(each, snapshot.now, snapshot.fresh_since) for each in rows[:PAGE_SIZE]]
                for smaller, rows in inside.items()
            },
        }

    def _row(self, kind: Kind, space_id: str, snapshot: Snapshot) -> Row | None:
        space = next((space for space in snapshot.by_kind[kind] if space.id == space_id), None)
        return None if space is None else make_row(space, self._capacity.current, snapshot.fresh_since)

    def _space(self, row: Row, inside: Mapping[Kind, Sequence[Row]], snapshot: Snapshot) -> dict[str, Any]:
        space = row.space
        rule = self._capacity.current.rule(space.metadata, space.kind)
        fields = {field: pattern.text for field, pattern in rule.patterns.items()} if rule else {}
        return {
            "time": utc(snapshot.now),
            **space_json(row, snapshot.now, snapshot.fresh_since),
            "rule": {"line": rule.line, "fields": fields, "max": rule.max} if rule else None,
            "inside": {
                kind: {"number": len(rows), "spaces": [brief_json(each) for each in rows[:PAGE_SIZE]]}
                for kind, rows in inside.items()
            },
            "day": self._day(space, snapshot.now),
            "readings": {
                count.measure: [
                    reading_json(count.measure, reading) for reading in self._store.readings(count.measure, space.id)
                ]
                for count in space.counts
            },
        }

    def _inside(self, kind: Kind, space_id: str, snapshot: Snapshot) -> dict[Kind, list[Row]]:
        """Return the spaces of each kind that lie in a floor or room."""
        places = {
            smaller: rows_inside(self._rows[smaller].by_place(snapshot), kind.id_field, space_id)
            for smaller in _INSIDE.get(kind, ())
        }
        return {smaller: rows for smaller, rows in places.items() if rows}

    def _day(self, space: Space, now_ms: int) -> dict[str, Any] | None:
        """Return the crossings of the last day below a sensor, None if it has never reported any."""
        if not any(isinstance(count, Crossed) for count in space.counts):
            return None
        known = self._store.crossings(space.id)  # None if the sensor was forgotten since the snapshot
        return by_hour(known.events() if known else [], now_ms)

    def etag(self, query: Query) -> str:
        """Return an ETag of both answers to a query; it changes with everything except times and ages."""
        snapshot = self._store.snapshot(self._clock())
        rows = self._by_place(snapshot)
        content = (
            self._metrics.last_event,
            [(kind, totals(each), stale_counts(each, snapshot.fresh_since)) for kind, each in rows.items()],
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

    def line(self, measure: Measure, space_id: str) -> Line:
        """Draw the last readings of one measure of a space, up to now."""
        words_of = partial(_words, measure)
        until_next = measure.declared.cadence is Cadence.CHANGE
        return line(self._plotted(measure, space_id), self._clock(), words_of, until_next=until_next)

    def chart(self, measure: Measure, space_id: str, capacity: float | None) -> Chart:
        """Draw the same readings with a scale, and with the capacity if the measure is a number of people."""
        words_of = partial(_words, measure)
        until_next = measure.declared.cadence is Cadence.CHANGE
        if measure.declared.payload not in PEOPLE:
            capacity = None
        readings = self._plotted(measure, space_id)
        return chart(readings, self._clock(), words_of, until_next=until_next, capacity=capacity)

    def _plotted(self, measure: Measure, space_id: str) -> list[PlottedReading]:
        readings = self._store.readings(measure, space_id)[-MAX_PLOTTED:]
        return [PlottedReading(r.timestamp, r.value, corrected=r.revisions > 0) for r in readings]

    def _events_now(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the recent activity, with an age."""
        received = self._metrics.last_event
        return self._events() | {"age_seconds": None if received is None else max(0.0, snapshot.now / 1000 - received)}

    def _events(self) -> dict[str, Any]:
        last_minute = self._activity.last_minute()
        received = self._metrics.last_event
        return {
            "last_minute": {outcome.value: number for outcome, number in last_minute.outcomes.items()},
            "delay_seconds": {"median": last_minute.median, "p95": last_minute.p95},
            "last_received": None if received is None else utc(int(received * 1000)),
            "refused": [refusal._asdict() | {"time": utc(refusal.time)} for refusal in self._activity.refusals()],
        }


class _Answer(NamedTuple):
    """The answer of the API to a query."""

    head: dict[str, Any]
    """All but the spaces."""
    rows: Sequence[Row]
    now_ms: int
    fresh_since: Mapping[Measure, int]
    """The oldest timestamp (ms) of a count of each measure that is not stale."""


def _words(measure: Measure, value: float) -> str:
    return display.text(value_of(measure, value))


def _digest(content: object) -> str:
    return blake2b(repr(content).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
