"""The measures that are exported, each declared once: parsers, rule, families, journal, pages and docs follow from it.

Source of the types: docs.butlr.io/real-time-occupancy/webhooks-overview and Butlr's changelog.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import NamedTuple, Self


class Kind(StrEnum):
    """A kind of space, as labels, addresses and journals write it."""

    ZONE = "zone"
    ROOM = "room"
    FLOOR = "floor"
    SENSOR = "sensor"

    @property
    def id_field(self) -> str:
        """The metadata field with a space's own id."""
        return f"{self}_id"

    def key(self, space_id: str) -> str:
        """Return the key of a space, such as `zone:zone_a`: no other space, of any kind, has it."""
        return self + ":" + space_id


class Payload(Enum):
    """The shape of an event's `data`."""

    COUNT = auto()
    """A number of people, 0 or more; fractions are legal."""
    CLAMPED = auto()
    """The same, but less than 0 is read as 0: a count of entries minus exits drifts."""
    MOTION = auto()
    """None, and one that is there is ignored: the event type is the value."""
    CROSSINGS = auto()
    """The people who crossed an entryway: `in` and `out`, whole numbers, 0 or more."""
    DETECTIONS = auto()
    """The positions of the people that a sensor sees: `local` and `world`, lists of pairs."""


PEOPLE = frozenset({Payload.COUNT, Payload.CLAMPED})
"""Payloads that are a number of people in a space; it may have a capacity."""


class Cadence(Enum):
    """When Butlr sends a reading."""

    MINUTE = auto()
    """Every minute, and computed again for five; readings are kept for a window, and settle."""
    CHANGE = auto()
    """When the value changes; readings are kept for a window, never stale, and do not settle."""
    STREAM = auto()
    """Several times a second; only the newest reading is kept, and its value in memory alone."""
    EVENT = auto()
    """When it happens: each event is counted once, and is no reading."""


class EventType(NamedTuple):
    """One event type of a measure."""

    name: str
    """As Butlr calls it, and as its events are counted."""
    spellings: tuple[str, ...] = ()
    """Other names of the same type."""
    value: float | None = None
    """The value of the reading, where `data` does not hold it."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All that tells one measure from another."""

    number: int
    """The measure in a journal; it is never given to another one."""
    kind: Kind
    payload: Payload
    cadence: Cadence
    types: tuple[EventType, ...]
    """At least one; with several, each has a value of its own."""
    family: str
    """The family of the current value; the families of its timestamp and its settled readings are named after it."""
    title: str
    """The measure for people."""
    help: str
    settled_help: str = ""
    """Empty unless its readings settle."""


_AS_FINAL = ", as finally computed; an instant query needs last_over_time."
"""The end of each help of settled readings: the newest is older than the five minutes that an instant query covers."""


_IN = {Kind.ZONE: "in the zone", Kind.ROOM: "in the room", Kind.FLOOR: "on the floor"}


def _people(number: int, kind: Kind, payload: Payload) -> Declaration:
    """Declare the people in a kind of space."""
    return Declaration(
        number=number,
        kind=kind,
        payload=payload,
        cadence=Cadence.MINUTE,
        types=(EventType(f"{kind.upper()}_OCCUPANCY"),),
        family=f"butlr_{kind}_occupancy",
        title="People",
        help=f"People {_IN[kind]} now, deduplicated and corrected.",
        settled_help=f"People {_IN[kind]} at that time{_AS_FINAL}",
    )


def _smoothed(number: int, kind: Kind, payload: Payload) -> Declaration:
    """Declare the people in a kind of space, as Butlr smooths their number over a minute."""
    name = f"{kind.upper()}_OCCUPANCY_1M"  # Butlr's changelog of 13 Aug 2025 spells it so; its webhook pages do not
    return replace(
        _people(number, kind, payload),
        types=(EventType(f"{name}IN", (name,)),),
        family=f"butlr_{kind}_occupancy_1min",
        title="People, smoothed over a minute",
        help=f"People {_IN[kind]} now, smoothed by Butlr over a minute.",
        settled_help=f"People {_IN[kind]} at that time, smoothed over a minute{_AS_FINAL}",
    )


class Measure(StrEnum):
    """A quantity that is exported, named by its first event type."""

    declared: Declaration
    kind: Kind
    only_type: str
    """The name of its event type; empty if it has several."""

    ZONE_OCCUPANCY = "ZONE_OCCUPANCY", _people(0, Kind.ZONE, Payload.COUNT)
    ZONE_OCCUPANCY_1MIN = "ZONE_OCCUPANCY_1MIN", _smoothed(1, Kind.ZONE, Payload.COUNT)
    ROOM_OCCUPANCY = "ROOM_OCCUPANCY", _people(2, Kind.ROOM, Payload.CLAMPED)
    ROOM_OCCUPANCY_1MIN = "ROOM_OCCUPANCY_1MIN", _smoothed(3, Kind.ROOM, Payload.CLAMPED)
    FLOOR_OCCUPANCY = "FLOOR_OCCUPANCY", _people(4, Kind.FLOOR, Payload.CLAMPED)
    FLOOR_OCCUPANCY_1MIN = "FLOOR_OCCUPANCY_1MIN", _smoothed(5, Kind.FLOOR, Payload.CLAMPED)
    MOTION = (
        "MOTION",
        Declaration(
            number=6,
            kind=Kind.ROOM,
            payload=Payload.MOTION,
            cadence=Cadence.CHANGE,
            types=(EventType("PIR_MOTION", value=1.0), EventType("PIR_NO_MOTION", value=0.0)),
            family="butlr_room_motion",
            title="Motion",
            help="1 while there is motion in the room, else 0.",
        ),
    )
    DETECTIONS = (
        "DETECTIONS",
        Declaration(
            number=7,
            kind=Kind.SENSOR,
            payload=Payload.DETECTIONS,
            cadence=Cadence.STREAM,
            types=(EventType("DETECTIONS"),),
            family="butlr_sensor_detections",
            title="People seen",
            help="People that the sensor sees now.",
        ),
    )
    CROSSINGS = (
        "CROSSINGS",
        Declaration(
            number=8,
            kind=Kind.SENSOR,
            payload=Payload.CROSSINGS,
            cadence=Cadence.EVENT,
            types=(EventType("TRAFFIC"),),
            family="butlr_entryway_crossings",
            title="Crossings",
            help="People who crossed the entryway, by direction.",
        ),
    )

    def __new__(cls, name: str, declared: Declaration) -> Self:
        """Return the member of this name, with its declaration."""
        measure = str.__new__(cls, name)
        measure._value_ = name
        measure.declared, measure.kind = declared, declared.kind
        measure.only_type = declared.types[0].name if len(declared.types) == 1 else ""
        return measure

    def type_of(self, value: float) -> str:
        """Return the event type of a reading with this value."""
        return self.only_type or _TYPE_OF_VALUE[self, value]


IN_MEMORY = frozenset(measure for measure in Measure if measure.declared.cadence is Cadence.STREAM)
"""The measures whose values no journal keeps: their readings are replaced within a second."""

WITH_PEOPLE = [kind for kind in Kind if any(each.kind is kind and each.declared.payload in PEOPLE for each in Measure)]
"""The kinds of spaces in which people are counted, and which so may have a capacity."""


class KnownType(NamedTuple):
    """One event type of an exported measure."""

    measure: Measure
    name: str
    """As Butlr calls it, and as its events are counted."""
    value: float | None
    """The value of the reading, where `data` does not hold it."""


_TYPE_OF_VALUE = {
    (measure, each.value): each.name for measure in Measure for each in measure.declared.types if each.value is not None
}
"""The event types of measures that have several, by measure and value."""


KNOWN_TYPES = {
    spelling: KnownType(measure, each.name, each.value)
    for measure in Measure
    for each in measure.declared.types
    for spelling in (each.name, *each.spellings)
}
"""The event types by all their names, in upper case."""


def known_type(event_type: str) -> KnownType | None:
    """Return the event type of this name as it was sent, in any case; None if it is not exported."""
    known = KNOWN_TYPES.get(event_type)
    # Upper case beyond ASCII would make an exported type of letters that only look alike.
    return KNOWN_TYPES.get(event_type.upper()) if known is None and event_type.isascii() else known


UNDOCUMENTED = ("SENSOR_HEALTH", "HIVE_HEALTH")
"""The event types of Butlr whose payload is documented nowhere: they are not exported, but counted by name."""


def name_of(event_type: str) -> str | None:
    """Return Butlr's name of a type as it was sent, in any case; None if it is neither exported nor undocumented."""
    known = known_type(event_type)
    if known is not None:
        return known.name
    return name if event_type.isascii() and (name := event_type.upper()) in UNDOCUMENTED else None


def measures_of(kind: Kind) -> list[Measure]:
    """Return the measures of a kind of space."""
    return [measure for measure in Measure if measure.kind is kind]
