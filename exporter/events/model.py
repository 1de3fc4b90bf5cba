"""Events as frozen values: what Butlr's payloads become."""

from enum import StrEnum
from typing import NamedTuple

MAX_STRING = 1024
"""Longest string taken from an event, in characters."""


class Measure(StrEnum):
    """A quantity that is exported, named by its event type as Butlr sends it."""

    ZONE_OCCUPANCY = "ZONE_OCCUPANCY"
    ZONE_OCCUPANCY_1MIN = "ZONE_OCCUPANCY_1MIN"


MEASURES = {
    "ZONE_OCCUPANCY": Measure.ZONE_OCCUPANCY,
    "ZONE_OCCUPANCY_1MIN": Measure.ZONE_OCCUPANCY_1MIN,
    # Butlr's changelog of 13 Aug 2025 spells it so; its webhook pages do not.
    "ZONE_OCCUPANCY_1M": Measure.ZONE_OCCUPANCY_1MIN,
}


class Metadata(NamedTuple):
    """Where a space is: every id, custom id and name that Butlr sends for it; `""` where it sent none."""

    org_id: str = ""
    org_name: str = ""
    site_id: str = ""
    site_name: str = ""
    building_id: str = ""
    building_name: str = ""
    floor_id: str = ""
    floor_name: str = ""
    floor_custom_id: str = ""
    room_id: str = ""
    room_name: str = ""
    room_custom_id: str = ""
    zone_id: str = ""
    zone_name: str = ""
    zone_custom_id: str = ""


class OccupancyEvent(NamedTuple):
    """One delivery of one reading of one space."""

    id: str
    measure: Measure
    space_id: str
    timestamp: int
    """When it was sensed, milliseconds since the epoch."""
    value: float
    """People, 0 or more; fractions are legal."""
    generation: int | None
    """When Butlr computed it, Unix seconds, if the id tells."""
    metadata: Metadata


class UnsupportedEvent(NamedTuple):
    """A valid event of a type that is not exported."""

    type: str


def measure_of(event_type: str) -> Measure | None:
    """Return the measure of an event type as it was sent, in any case; None if it is not exported."""
    measure = MEASURES.get(event_type)
    # Upper case beyond ASCII would take letters for others that only look alike.
    return MEASURES.get(event_type.upper()) if measure is None and event_type.isascii() else measure
