"""The answer to each query, for the pages and for their JSON twins, without Flask. Ages and delays are in seconds."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, NamedTuple

from exporter.capacity.file import CapacityFile
from exporter.events.measures import PEOPLE, Cadence, Kind, Measure
from exporter.events.model import AnyMetadata
from exporter.events.times import utc
from exporter.ingest.activity import Activity
from exporter.inventory import Asset, Assets
from exporter.metrics.registry import Metrics
from exporter.pieces import in_pieces
from exporter.rule.reading import Count
from exporter.rule.store import Snapshot, Store
from exporter.rule.traffic import Crossed
from exporter.web.pages import display
from exporter.web.pages.chart import Chart, Line, PlottedReading, chart, line
from exporter.web.pages.cloud import Cloud, Directory, MissingPage, cloud_json, found_missing
from exporter.web.pages.content import (
    Listed,
    brief_json,
    events_json,
    listed,
    listed_missing,
    missing_json,
    reading_json,
    space_json,
    value_of,
)
from exporter.web.pages.day import by_hour
from exporter.web.pages.floors import Floors
from exporter.web.pages.listing import PAGE_SIZE, listing_of, page_of
from exporter.web.pages.rows import (
    Query,
    Row,
    Rows,
    State,
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
        self,
        store: Store,
        activity: Activity,
        metrics: Metrics,
        capacity: CapacityFile,
        clock: Callable[[], int],
        cloud: Cloud | None = None,
    ) -> None:
        """Take the sources of the status, and a clock that returns milliseconds since the epoch.

        Without a client id for Butlr's cloud, `cloud` is None.
        """
        self._store = store
        self._activity = activity
        self._metrics = metrics
        self._capacity = capacity
        self._clock = clock
        self._rows = {kind: Rows(kind, capacity) for kind in Kind}
        self._cloud = cloud
        self._directory = Directory(cloud.assets if cloud else Assets())

    def page(self, query: Query) -> dict[str, Any]:
        """Return the totals, the recent activity, and the page of the places that the query finds, all of one kind.

        Without a kind in the query, it is the first one that has spaces.
        """
        snapshot = self._store.snapshot(self._clock())
        rows = self._by_place(snapshot)
        missing = self._directory.missing(snapshot)
        kind = query.kind or next(iter(rows), None) or next(iter(missing), Kind.ZONE)
        floors = Floors(rows)
        chosen = self._found(rows.get(kind, []), query, floors)
        listing = listing_of(chosen, floors, kind, query)
        totals = {each: floors.totals(each) for each in rows}
        return {
            "time": utc(snapshot.now),
            "now_ms": snapshot.now,
            "kind": kind,
            "totals": totals,
            "people": floors.people(),
            "sources": floors.sources(),
            "matched": len(chosen),
            "listing": listing,
            "sections": [
                (group, [self._listed(row, snapshot) for row in inside]) for group, inside in listing.sections
            ],
            "missing": self._missing_page(missing, kind, query),
            "events": self._events_now(snapshot),
            "cloud": self._cloud_now(snapshot),
            "offline": self._directory.offline(),
            "is_silent": self._last_news() * 1000 < snapshot.fresh_since[Measure.ZONE_OCCUPANCY],
        }

    def _listed(self, row: Row, snapshot: Snapshot) -> Listed:
        offline = self._directory.sensors_of(row.space.kind, row.space.metadata).words if row.stale else ""
        return listed(row, snapshot.now, snapshot.fresh_since, offline)

    def _listed_missing(self, asset: Asset) -> Listed:
        sensors = self._directory.sensors_of(asset.kind, asset.metadata)
        return listed_missing(asset, self._capacity.current.of(asset.metadata, asset.kind), sensors.words)

    def _missing_page(self, missing: Mapping[Kind, Sequence[Asset]], kind: Kind, query: Query) -> MissingPage:
        """Return the missing spaces of a kind: the first of them, or the page of a query for them alone."""
        matched = found_missing(missing.get(kind, []), query)
        if query.state is not State.MISSING:
            query = query._replace(page=1)
        assets, page, pages = page_of(matched, len(matched), query, PAGE_SIZE)
        numbers = {each: len(assets) for each, assets in missing.items()}
        return MissingPage(numbers, len(matched), [self._listed_missing(each) for each in assets], page, pages)

    def _cloud_now(self, snapshot: Snapshot) -> dict[str, Any] | None:
        return None if self._cloud is None else cloud_json(self._cloud, self._metrics.cloud, snapshot.now)

    def _last_news(self) -> float:
        """Return when the last event came or the last poll without a failure ended, Unix seconds; 0 before both."""
        return max(self._metrics.last_event or 0, self._metrics.cloud.last_poll_seconds or 0)

    def spaces_as_json(self, query: Query) -> Iterator[bytes]:
        """Return the spaces that a query finds, of every kind unless it names one, as JSON.

        The text comes in pieces between which other threads run.
        """
        answer = self._answer(query, self._store.snapshot(self._clock()))
        empty = _json(answer.head | {"spaces": []})
        yield empty.removesuffix("]}").encode()
        separator = ""
        for piece in in_pieces(answer.spaces, _WRITTEN):
            spaces = _json([self._brief(each, answer.snapshot) for each in piece])
            yield f"{separator}{spaces[1:-1]}".encode()
            separator = ","
        yield b"]}\n"

    def _brief(self, space: Row | Asset, snapshot: Snapshot) -> dict[str, Any]:
        if isinstance(space, Asset):
            return missing_json(space, self._capacity.current.of(space.metadata, space.kind))
        return space_json(space, snapshot.now, snapshot.fresh_since)

    def _answer(self, query: Query, snapshot: Snapshot) -> "_Answer":
        only = None if query.floor else query.kind  # floors are counted from every kind
        rows = self._by_place(snapshot, [only] if only else Kind)
        of_kind = [rows.get(query.kind, [])] if query.kind else [*rows.values()]
        floors = Floors({} if only else rows)
        chosen = self._found([row for each in of_kind for row in each], query, floors)
        every_missing = self._directory.missing(snapshot, query.kind)
        missing = [asset for assets in every_missing.values() for asset in found_missing(assets, query)]
        matched = len(chosen) + len(missing)
        pages = max(1, -(-matched // PAGE_SIZE))
        page = min(query.page, pages) if query.page is not None else None
        ordered: Iterable[Row | Asset] = chain(in_order(chosen, query.sort), missing)
        if page is not None:
            ordered = islice(ordered, (page - 1) * PAGE_SIZE, page * PAGE_SIZE)
        each = [totals(rows) for rows in of_kind]
        known = each[0] if query.kind else all_totals(each, floors.people())
        head = {
            "time": utc(snapshot.now),
            "totals": {**known._asdict(), "missing": sum(map(len, every_missing.values()))},
            "events": self._events_now(snapshot),
            "cloud": self._cloud_now(snapshot),
            "matched": matched,
            "page": page,
            "pages": pages,
        }
        return _Answer(head, list(ordered), snapshot)

    def _found(self, rows: Sequence[Row], query: Query, floors: Floors) -> Sequence[Row]:
        """Return the rows that a query finds, in their order."""
        chosen = found(rows, query)
        return floors.on(chosen, query.floor) if query.floor else chosen

    def _by_place(self, snapshot: Snapshot, kinds: Iterable[Kind] = Kind) -> dict[Kind, list[Row]]:
        """Return the rows of each of these kinds that has spaces."""
        return {kind: self._rows[kind].by_place(snapshot) for kind in kinds if snapshot.by_kind[kind]}

    def space(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return everything known about one space; None if the space is unknown, also to Butlr's assets."""
        snapshot = self._store.snapshot(self._clock())
        space = self._found_space(kind, space_id, snapshot)
        return None if space is None else self._space(space, self._inside(kind, space_id, snapshot), snapshot)

    def space_page(self, kind: Kind, space_id: str) -> dict[str, Any] | None:
        """Return the same, and the space, those inside it, and its sensors as a page lists them."""
        snapshot = self._store.snapshot(self._clock())
        space = self._found_space(kind, space_id, snapshot)
        if space is None:
            return None
        inside = self._inside(kind, space_id, snapshot)
        metadata: AnyMetadata = space.metadata if isinstance(space, Asset) else space.space.metadata
        sensors = self._directory.sensors_of(kind, metadata)
        return self._space(space, inside, snapshot) | {
            "space": self._listed_missing(space) if isinstance(space, Asset) else self._listed(space, snapshot),
            "floor": metadata.floor_id if kind is not Kind.FLOOR else "",
            "now_ms": snapshot.now,
            "is_kind_known": bool(snapshot.by_kind[kind]),
            "devices": sensors.offline_first[:PAGE_SIZE],
            "listed": {
                smaller: [self._listed(each, snapshot) for each in rows[:PAGE_SIZE]] for smaller, rows in inside.items()
            },
        }

    def _found_space(self, kind: Kind, space_id: str, snapshot: Snapshot) -> Row | Asset | None:
        """Return a space that is known, or missing."""
        space = next((space for space in snapshot.by_kind[kind] if space.id == space_id), None)
        if space is None:
            return self._directory.asset(kind, space_id)
        return make_row(space, self._capacity.current, snapshot.fresh_since)

    def _space(self, found: Row | Asset, inside: Mapping[Kind, Sequence[Row]], snapshot: Snapshot) -> dict[str, Any]:
        space = found if isinstance(found, Asset) else found.space
        kind, space_id, metadata = space.kind, space.id, space.metadata
        counts = () if isinstance(space, Asset) else space.counts
        rule = self._capacity.current.rule(metadata, kind)
        fields = {field: pattern.text for field, pattern in rule.patterns.items()} if rule else {}
        asset = self._directory.asset(kind, space_id)
        sensors = self._directory.sensors_of(kind, metadata)
        return {
            "time": utc(snapshot.now),
            **self._brief(found, snapshot),
            "rule": {"line": rule.line, "fields": fields, "max": rule.max} if rule else None,
            "tags": [*asset.tags] if asset else [],
            "sensors": {"number": len(sensors.devices), "offline": sensors.offline, "of_floor": sensors.is_floor},
            "inside": {
                kind: {"number": len(rows), "spaces": [brief_json(each) for each in rows[:PAGE_SIZE]]}
                for kind, rows in inside.items()
            },
            "day": self._day(space_id, counts, snapshot.now),
            "readings": {
                count.measure: [
                    reading_json(count.measure, reading) for reading in self._store.readings(count.measure, space_id)
                ]
                for count in counts
            },
        }

    def _inside(self, kind: Kind, space_id: str, snapshot: Snapshot) -> dict[Kind, list[Row]]:
        """Return the spaces of each kind that lie in a floor or room."""
        places = {
            smaller: rows_inside(self._rows[smaller].by_place(snapshot), kind.id_field, space_id)
            for smaller in _INSIDE.get(kind, ())
        }
        return {smaller: rows for smaller, rows in places.items() if rows}

    def _day(self, space_id: str, counts: Sequence[Count], now_ms: int) -> dict[str, Any] | None:
        """Return the crossings of the last day below a sensor, None if it has never reported any."""
        if not any(isinstance(count, Crossed) for count in counts):
            return None
        known = self._store.crossings(space_id)  # None if the sensor was forgotten since the snapshot
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
            self._directory.reads,
            [(kind, len(assets)) for kind, assets in self._directory.missing(snapshot).items()],
            self._metrics.cloud.last_poll_seconds,
            self._cloud and self._cloud.failures(),
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
        return events_json(self._activity.last_minute(), self._metrics.last_event, self._activity.refusals())


class _Answer(NamedTuple):
    """The answer of the API to a query."""

    head: dict[str, Any]
    """All but the spaces."""
    spaces: Sequence[Row | Asset]
    """Those that have reported, then the missing ones."""
    snapshot: Snapshot


def _words(measure: Measure, value: float) -> str:
    return display.text(value_of(measure, value))


def _digest(content: object) -> str:
    return blake2b(repr(content).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
