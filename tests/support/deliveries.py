"""Events for tests: ids that carry a generation, the payloads that Butlr would send for them, and rough deliveries."""

import json
import random
import time
from itertools import product
from typing import Any, Protocol

from hypothesis import strategies as st

from exporter.events.ids import ksuid
from exporter.events.measures import Cadence, Kind, Measure
from exporter.events.model import METADATA, AnyMetadata, Metadata, ReadingEvent

NOW = 1_800_000_000_000
"""The tests' present, milliseconds since the epoch."""

G = NOW // 1000
"""A generation: the second in which an event sensed now may have been computed."""

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def event_id(generation: int, tail: int = 0) -> str:
    """Return an event id whose KSUID holds `generation` (Unix seconds) and `tail` (its random part)."""
    return f"event_{ksuid(generation, tail)}"


def delivery(
    t: int = NOW,
    v: float = 1.0,
    *,
    generation: int | None = None,
    id: str | None = None,  # noqa: A002 - the field's own name
    zone: str = "zone_a",
    name: str = "Desk 01",
    measure: Measure = Measure.ZONE_OCCUPANCY,
) -> ReadingEvent:
    """Return one parsed event; a generation makes its id, so equal generations give equal ids."""
    return ReadingEvent(
        id=id or (event_id(generation) if generation else "event_xxx"),
        measure=measure,
        space_id=zone,
        timestamp=t,
        value=float(v),
        generation=generation,
        metadata=names_of(measure.kind, zone, name),
    )


def names_of(kind: Kind, space_id: str, name: str = "Desk 01") -> AnyMetadata:
    """Return the metadata of a space on the 1st floor, unless that is the space; a sensor has the name of its room."""
    named = "room_name" if kind is Kind.SENSOR else f"{kind}_name"
    return METADATA[kind](**{"floor_name": "1st Floor", kind.id_field: space_id, named: name})


def payload(event: ReadingEvent) -> dict[str, Any]:
    """Return the payload that Butlr would POST for an event."""
    envelope = {
        "id": event.id,
        "type": event.type,
        "timestamp": event.timestamp,
        "version": "v1.0.0",
        "metadata": event.metadata._asdict(),
    }
    if event.measure is Measure.MOTION:
        return envelope
    if event.measure is Measure.DETECTIONS:
        points = [[0.5, 0.25]] * int(event.value)
        return envelope | {"data": {"local": points, "world": points}}
    return envelope | {"data": event.value}


def body(*events: ReadingEvent) -> bytes:
    """Return a request body: one object for one event, an array for several."""
    payloads = [payload(event) for event in events]
    return json.dumps(payloads[0] if len(payloads) == 1 else payloads).encode()


def of_now(number: int, zone: str = "zone_a", measure: Measure = Measure.ZONE_OCCUPANCY) -> list[bytes]:
    """Return bodies of one event each: a space's readings of the last milliseconds, the newest first."""
    now = int(time.time() * 1000)
    values = [n % 2 if measure is Measure.MOTION else n for n in range(number)]
    return [
        body(delivery(now - n, v, id=f"event_{zone}_{n}", zone=zone, measure=measure)) for n, v in enumerate(values)
    ]


class Clock:
    """A clock that tests move: Unix seconds, as `time.time` returns them."""

    def __init__(self, milliseconds: int = NOW) -> None:
        """Start at a time in milliseconds."""
        self.now = milliseconds

    def __call__(self) -> float:
        """Return the time (s)."""
        return self.now / 1000


class Named(Protocol):
    """A value with the metadata of a space."""

    @property
    def metadata(self) -> AnyMetadata:
        """The metadata."""


def place(known: Named) -> Metadata:
    """Return the metadata of a value of a zone, room or floor."""
    assert isinstance(known.metadata, Metadata)
    return known.metadata


MINUTE_MEASURES = [measure for measure in Measure if measure.declared.cadence is Cadence.MINUTE]

KEPT = [measure for measure in Measure if measure.declared.cadence in (Cadence.MINUTE, Cadence.CHANGE)]
"""The measures of readings that a journal keeps."""

READ = [measure for measure in Measure if measure.declared.cadence is not Cadence.EVENT]
"""The measures that have readings."""

_BY_KIND = [[measure for measure in READ if measure.kind is kind] for kind in Kind]

GROUPS = [*filter(None, _BY_KIND), [measures[0] for measures in _BY_KIND if measures]]
"""The measures of deliveries that meet: those of one kind of space, and one of each kind, in spaces with equal ids."""

READINGS = [
    [
        (age, v % 2 if measure is Measure.MOTION else v, *rest, measure)
        for age, v, *rest, measure in product(
            [*range(21), -1, -2], range(4), ["zone_a", "zone_b"], ["Desk 01", "Desk 1", "Desk one"], group
        )
    ]
    for group in GROUPS
]
"""Age in minutes, value, zone, name and measure: one draw instead of five, which are most of an example's time."""

_DRAWN = st.sampled_from(
    [
        st.dictionaries(st.integers(G - 900, G + 300), st.sampled_from(readings), min_size=1, max_size=24)
        for readings in READINGS
    ]
)
"""Strategies for readings by their generations."""

_AGAIN = st.lists(st.integers(0, 23), max_size=24)
"""The positions of events that are delivered again."""

_SEEDS = st.integers(0, (1 << 32) - 1)
"""Of a random order: one draw again, as a permutation would be one for each event."""


@st.composite
def deliveries(draw: st.DrawFn) -> list[ReadingEvent]:
    """Draw a set of events with generations that all differ, delivered in any order, each once or more.

    Each generation is known whenever the event arrives from now on, with a `future_tolerance` of five minutes.
    """
    events = [
        delivery(
            min(NOW - age * MINUTE, generation * SECOND + 5 * MINUTE),
            v,
            generation=generation,
            zone=zone,
            name=name,
            measure=measure,
        )
        for generation, (age, v, zone, name, measure) in draw(draw(_DRAWN)).items()
    ]
    events += [events[at % len(events)] for at in draw(_AGAIN)]
    random.Random(draw(_SEEDS)).shuffle(events)
    return events
