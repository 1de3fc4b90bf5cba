"""Minutes of people from Butlr's Reporting API: one request, and its answer read.

Source: docs.butlr.io, Reporting API; recordings in the history of Butlr's public MCP server. Not tried against a live
account. Known traps: an answer to too large a request is empty, and so is one about spaces without data; `page_info`
counts 0 in full answers too; points are in no order; their `time` is the end of the window, unless `start` and `stop`
are the window itself; with `create_empty` a gap would be a zero, so it is not asked for.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from exporter.butlr.calls import Api, Call
from exporter.butlr.client import Client
from exporter.butlr.errors import BadAnswer, parsed, shown
from exporter.butlr.names import MEASUREMENTS, MEDIAN, MINUTE, REPORTING_PATH
from exporter.butlr.transport import Reply
from exporter.events.measures import Kind
from exporter.events.times import utc
from exporter.pieces import paced

MINUTE_MS = 60_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_IDS = 30
MAX_SPAN_MS = 7_200_000
"""Ids and time of the largest query: a fifth of the work at which Butlr answers nothing (support.butlr.io)."""

_PIECE = 100
"""Points that are read at a time: a millisecond, after which requests of other threads pass."""

_MIN_HALVED_MS = 3_600_000
"""Time up to which a query is halved by its ids, and no longer by its time."""


class Query(NamedTuple):
    """Whole minutes of some spaces of one kind."""

    kind: Kind
    ids: tuple[str, ...]
    start_ms: int
    stop_ms: int
    """The end of the last minute."""

    def halves(self) -> tuple["Query", ...]:
        """Return two smaller queries for the same: of half the time, then of half the ids; none for a single id."""
        minutes = (self.stop_ms - self.start_ms) // MINUTE_MS
        if self.stop_ms - self.start_ms > _MIN_HALVED_MS:
            middle_ms = self.start_ms + minutes // 2 * MINUTE_MS
            return self._replace(stop_ms=middle_ms), self._replace(start_ms=middle_ms)
        half = len(self.ids) // 2
        return (self._replace(ids=self.ids[:half]), self._replace(ids=self.ids[half:])) if half else ()


class Minute(NamedTuple):
    """The people in one space in one minute."""

    space_id: str
    start_ms: int
    """The begin of the minute, which is the timestamp of the reading."""
    value: float


class Dropped(StrEnum):
    """The reason for which a point is not used."""

    MALFORMED = "malformed"
    """Wrong types, no time, a time without its zone, or a count below 0 of a zone."""
    NOT_ASKED = "not asked for"
    """Another space, another minute, or no whole minute."""
    CONTRADICTORY = "contradictory"
    """Two values for one space and minute: neither is used."""


class Report(NamedTuple):
    """The answer to a query."""

    query: Query
    minutes: tuple[Minute, ...]
    """By time, then by space."""
    dropped: Counter[Dropped]
    is_empty: bool
    """Whether the answer has no point at all: the spaces have no data, or too much was asked for."""


class _Answer(msgspec.Struct):
    data: Any = msgspec.UNSET
    error: Any = None
    errors: Any = None


class Reporting:
    """Asks for minutes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, query: Query) -> Report:
        """Return the minutes of a query. Raises CloudError."""
        measurement = MEASUREMENTS[query.kind]
        body = {
            "filter": {
                "measurements": [measurement.name],
                "start": utc(query.start_ms),
                "stop": utc(query.stop_ms),
                measurement.ids_filter: {"eq": query.ids},
                "value": {"gte": 0},  # without it, zeros are left out
            },
            "window": {"every": MINUTE, "function": MEDIAN, "timezone": "UTC"},
        }
        return self._client.make(
            Call(
                Api.REPORTING,
                REPORTING_PATH,
                msgspec.json.encode(body),
                f"read {measurement.name}",
                lambda reply: _read(reply, query),
            )
        )


def _read(reply: Reply, query: Query) -> Report:
    """Return the minutes of an answer. Raises BadAnswer."""
    asked = f"Butlr's answer to the request to read {MEASUREMENTS[query.kind].name}"
    answer = parsed(reply.body, _Answer, asked)
    if answer.error or answer.errors:
        raise BadAnswer(f"{asked} has errors: {shown(str(answer.error or answer.errors))}")
    if not isinstance(answer.data, list) and answer.data != {}:
        raise BadAnswer(f"{asked} has no list of points")
    dropped: Counter[Dropped] = Counter()
    values: dict[tuple[int, str], float | None] = {}
    for each in paced(answer.data, _PIECE):
        minute = _minute(each, query)
        if isinstance(minute, Dropped):
            dropped[minute] += 1
            continue
        key = (minute.start_ms, minute.space_id)
        if values.setdefault(key, minute.value) != minute.value:
            values[key] = None
            dropped[Dropped.CONTRADICTORY] += 1
    minutes = [Minute(key[1], key[0], value) for key, value in sorted(values.items()) if value is not None]
    return Report(query, tuple(minutes), dropped, is_empty=not answer.data)


class _Point(msgspec.Struct):
    time: str
    value: float
    start: str | None = None
    stop: str | None = None
    zone_id: str | None = None
    room_id: str | None = None
    space_id: str | None = None


def _minute(point: Any, query: Query) -> Minute | Dropped:
    """Return the minute of a point, or the reason for which the point is not used."""
    try:
        found = msgspec.convert(point, _Point)
        start_ms = _start_ms(found)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return Dropped.MALFORMED
    if found.value < 0 and query.kind is Kind.ZONE:
        return Dropped.MALFORMED
    space_id = getattr(found, MEASUREMENTS[query.kind].id_field)
    is_asked = space_id in query.ids and query.start_ms <= start_ms < query.stop_ms and start_ms % MINUTE_MS == 0
    return Minute(space_id, start_ms, found.value) if is_asked else Dropped.NOT_ASKED


def _start_ms(point: _Point) -> int:
    """Return the begin of a point's window. Raises ValueError."""
    if point.start and point.stop:
        start_ms = _time_ms(point.start)
        if _time_ms(point.stop) - start_ms == MINUTE_MS:
            return start_ms
    return _time_ms(point.time) - MINUTE_MS


@lru_cache(1 << 12)
def _time_ms(text: str) -> int:
    """Return a time of any zone. Raises ValueError, OverflowError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return round((time - _EPOCH).total_seconds() * 1000)


def queries(kind: Kind, ids: tuple[str, ...], start_ms: int, stop_ms: int) -> Iterator[Query]:
    """Return the queries for the whole minutes in a time, the oldest first, each within the size that Butlr advises."""
    start_ms, stop_ms = -(-start_ms // MINUTE_MS) * MINUTE_MS, stop_ms // MINUTE_MS * MINUTE_MS
    for begin_ms in range(start_ms, stop_ms, MAX_SPAN_MS):
        end_ms = min(begin_ms + MAX_SPAN_MS, stop_ms)
        for first in range(0, len(ids), MAX_IDS):
            yield Query(kind, ids[first : first + MAX_IDS], begin_ms, end_ms)
