"""The measures that are exported, each declared once: parsers, rule, families, journal, pages and docs follow from it.

Source of the types: docs.butlr.io/real-time-occupancy/webhooks-overview and Butlr's changelog.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Self


class Kind(StrEnum):
    """A kind of space, as labels, addresses and journals write it."""

    ZONE = "zone"

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


class Cadence(Enum):
    """When Butlr sends a reading."""

    MINUTE = auto()
    """Every minute, and computed again for five; readings are kept for a window, and settle."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All that tells one measure from another."""

    number: int
    """The measure in a journal; it is never given to another one."""
    kind: Kind
    payload: Payload
    cadence: Cadence
    spellings: tuple[str, ...] = ()
    """Other names of the event type."""
    family: str
    """The family of the current value; the families of its timestamp and its settled readings are named after it."""
    title: str
    """The measure for people."""
    help: str
    settled_help: str


class Measure(StrEnum):
    """A quantity that is exported, named by its event type as Butlr sends it."""

    declared: Declaration
    kind: Kind

    ZONE_OCCUPANCY = (
        "ZONE_OCCUPANCY",
        Declaration(
            number=0,
            kind=Kind.ZONE,
            payload=Payload.COUNT,
            cadence=Cadence.MINUTE,
            family="butlr_zone_occupancy",
            title="People",
            help="People in the zone now, deduplicated and corrected.",
            settled_help="People in the zone at that time, as finally computed.",
        ),
    )
    ZONE_OCCUPANCY_1MIN = (
        "ZONE_OCCUPANCY_1MIN",
        Declaration(
            number=1,
            kind=Kind.ZONE,
            payload=Payload.COUNT,
            cadence=Cadence.MINUTE,
            # Butlr's changelog of 13 Aug 2025 spells it so; its webhook pages do not.
            spellings=("ZONE_OCCUPANCY_1M",),
            family="butlr_zone_occupancy_1min",
            title="People, smoothed over a minute",
            help="People in the zone now, smoothed by Butlr over a minute.",
            settled_help="People in the zone at that time, smoothed over a minute, as finally computed.",
        ),
    )

    def __new__(cls, event_type: str, declared: Declaration) -> Self:
        """Return the member that is its event type, with its declaration."""
        measure = str.__new__(cls, event_type)
        measure._value_ = event_type
        measure.declared, measure.kind = declared, declared.kind
        return measure


_BY_TYPE = {spelling: measure for measure in Measure for spelling in (measure.value, *measure.declared.spellings)}


def measure_of(event_type: str) -> Measure | None:
    """Return the measure of an event type as it was sent, in any case; None if it is not exported."""
    measure = _BY_TYPE.get(event_type)
    # Upper case beyond ASCII would make an exported type of letters that only look alike.
    return _BY_TYPE.get(event_type.upper()) if measure is None and event_type.isascii() else measure


def measures_of(kind: Kind) -> list[Measure]:
    """Return the measures of a kind of space."""
    return [measure for measure in Measure if measure.kind is kind]
