"""Spaces and readings as the API and the pages have them; this module knows no query.

Times are UTC, ages are in seconds. No age is below 0, also after the clock was set back. In the API a stale count is
null, never a number; a page shows the last known count, marked as such.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.events.measures import PEOPLE, Kind, Measure, Payload
from exporter.events.model import AnyMetadata
from exporter.events.times import utc
from exporter.ingest.activity import LastMinute, Refusal
from exporter.inventory import Asset
from exporter.rule.reading import Count, Reading
from exporter.rule.traffic import Crossed
from exporter.web.pages import display
from exporter.web.pages.rows import Row, is_stale

_VALUES = {
    Payload.COUNT: "occupancy",
    Payload.CLAMPED: "occupancy",
    Payload.MOTION: "motion",
    Payload.DETECTIONS: "detections",
}
"""The name of the current value, by the payload of its measure."""

PLACES = {
    Kind.ZONE: ("zone", "room", "floor", "building", "site"),
    Kind.ROOM: ("room", "floor", "building", "site"),
    Kind.FLOOR: ("floor", "building", "site"),
    Kind.SENSOR: ("sensor", "room", "floor", "building", "site"),
}
"""The words for a space of each kind and for the places around it, the narrowest first."""

_utc = lru_cache(1 << 12)(utc)
"""Many spaces have a reading of the same time."""


def space_json(row: Row, now_ms: int, fresh_since: Mapping[Measure, int]) -> dict[str, Any]:
    """Return one space with its values."""
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
                "stale": is_stale(count, fresh_since),
            }
            for count in row.space.counts
        },
    }


def _values(count: Count, fresh_since: Mapping[Measure, int]) -> dict[str, Any]:
    """Return the current value of a count by its name; null while it is stale."""
    if isinstance(count, Crossed):
        return {"in": count.value, "out": float(count.left)}
    value = None if is_stale(count, fresh_since) else value_of(count.measure, count.value)
    return {_VALUES[count.measure.declared.payload]: value}


def missing_json(asset: Asset, capacity: float | None) -> dict[str, Any]:
    """Return a space that Butlr lists and that nothing ever came from; it has no values."""
    return {
        "kind": asset.kind,
        "id": asset.id,
        "state": "missing",
        "crowded": False,
        "metadata": asset.metadata._asdict(),
        "measure": None,
        "capacity": capacity,
        "measures": {},
    }


def brief_json(row: Row) -> dict[str, Any]:
    """Return a space as another one lists it, without an age, so that it changes with the space only."""
    motion = next((count for count in row.space.counts if count.measure.declared.payload is Payload.MOTION), None)
    return {
        "id": row.space.id,
        "name": getattr(row.space.metadata, f"{row.space.kind}_name", ""),
        "state": "stale" if row.stale else "fresh",
        "crowded": row.crowded,
        "people": row.people,
        "capacity": row.capacity,
        "motion": None if motion is None else value_of(motion.measure, motion.value),
    }


class Moment(NamedTuple):
    """A value, and the time of its reading."""

    value: Any
    timestamp: str
    age_seconds: float


class Listed(NamedTuple):
    """One space as a line of a page."""

    kind: Kind
    id: str
    name: str
    room: str
    place: tuple[str, ...]
    """The names around the space, the narrowest first."""
    measure: Measure | None
    """None of a missing space."""
    state: str
    """`crowded`, `stale`, `missing`, or empty if all is well."""
    people: float | None
    """The people in the space; the last known number if it is silent; None for a space that is not counted."""
    capacity: float | None
    sensed: Moment | None
    """None of a missing space."""
    motion: Moment | None = None
    detections: Moment | None = None
    crossings: Moment | None = None
    """The people who came in and went out, of an entryway."""
    offline: str = ""
    """How many of its sensors are offline, in words; empty if none is, or if the space is not silent."""


def listed(row: Row, now_ms: int, fresh_since: Mapping[Measure, int], offline: str = "") -> Listed:
    """Return one space as a page lists it; `offline` says how many sensors of a silent space are offline."""
    space, shown = row.space, row.shown
    moments = {}
    for count in space.counts:
        values = _values(count, fresh_since)
        value = (values["in"], values["out"]) if isinstance(count, Crossed) else next(iter(values.values()))
        age_seconds = max(0, now_ms - count.timestamp) / 1000
        moments[count.measure] = Moment(value, _utc(count.timestamp), age_seconds)
    return Listed(
        *_named(space.kind, space.id, space.metadata),
        measure=shown.measure,
        state="crowded" if row.crowded else "stale" if row.stale and space.kind is not Kind.SENSOR else "",
        people=shown.value if shown.measure.declared.payload in PEOPLE else None,
        capacity=row.capacity,
        sensed=moments[shown.measure],
        motion=moments.get(Measure.MOTION),
        detections=moments.get(Measure.DETECTIONS),
        crossings=moments.get(Measure.CROSSINGS),
        offline=offline if row.stale else "",
    )


def listed_missing(asset: Asset, capacity: float | None, offline: str) -> Listed:
    """Return a missing space as a page lists it."""
    named = _named(asset.kind, asset.id, asset.metadata)
    return Listed(*named, measure=None, state="missing", people=None, capacity=capacity, sensed=None, offline=offline)


def _named(kind: Kind, space_id: str, metadata: AnyMetadata) -> tuple[Kind, str, str, str, tuple[str, ...]]:
    """Return the first fields of a space as a page lists it: its kind, id and name, its room, and its place."""
    names = metadata._asdict()
    own, *around = PLACES[kind]
    name = display.name(names.get(f"{own}_name", ""), space_id)
    room = names.get("room_name", "") if own in ("zone", "sensor") else ""
    return kind, space_id, name, room, tuple(names[f"{place}_name"] for place in around)


def events_json(last_minute: LastMinute, received: float | None, refusals: Sequence[Refusal]) -> dict[str, Any]:
    """Return the recent activity without ages; `received` is when the last valid event came, Unix seconds."""
    return {
        "last_minute": {outcome.value: number for outcome, number in last_minute.outcomes.items()},
        "delay_seconds": {"median": last_minute.median, "p95": last_minute.p95},
        "last_received": None if received is None else utc(int(received * 1000)),
        "refused": [refusal._asdict() | {"time": utc(refusal.time)} for refusal in refusals],
    }


def value_of(measure: Measure, value: float) -> float | str:
    """Return a number of people as it is, and motion as a word."""
    return display.MOTION[value] if measure.declared.payload is Payload.MOTION else value


def reading_json(measure: Measure, reading: Reading) -> dict[str, Any]:
    """Return one reading of a measure."""
    return {
        "timestamp": utc(reading.timestamp),
        "value": value_of(measure, reading.value),
        "revisions": reading.revisions,
        "deliveries": reading.deliveries,
        "generation": None if reading.generation is None else utc(reading.generation * 1000),
        "outcome": reading.outcome,
        "arrival": utc(reading.arrival),
        "id": reading.id,
    }
