"""Events as frozen values, made by the parsers and by nobody else."""

from typing import Any, NamedTuple

from exporter.events.measures import Kind, Measure

MAX_STRING = 1024
"""Characters of the longest string that an event may hold."""

new_tuple: Any = tuple.__new__
"""Makes a named tuple in half of the time that its own constructor takes: `new_tuple(Class, values)`."""


class Metadata(NamedTuple):
    """Every id, custom id and name that Butlr sends for the place of a space; `""` where it sent none."""

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


ID_POSITION = {kind: Metadata._fields.index(kind.id_field) for kind in Kind}
"""The position in `Metadata` of the own id of a space; the fields from there on are the space's own."""


class OccupancyEvent(NamedTuple):
    """One event: one JSON object from Butlr that reports a reading of a space."""

    id: str
    measure: Measure
    space_id: str
    timestamp: int
    """Time of sensing, milliseconds since the epoch."""
    value: float
    """People, 0 or more; fractions are legal."""
    generation: int | None
    """Time of computing, Unix seconds, if the id holds it."""
    metadata: Metadata

    @property
    def space_key(self) -> str:
        """The key of the space."""
        return self.measure.kind.key(self.space_id)


class UnsupportedEvent(NamedTuple):
    """A valid event of a type that is not exported."""

    type: str
