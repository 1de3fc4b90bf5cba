"""Events as frozen values, made by the parsers and by nobody else."""

from typing import Any, NamedTuple

from exporter.events.measures import Kind, Measure

MAX_STRING = 1024
"""Characters of the longest string that an event may hold."""

new_tuple: Any = tuple.__new__
"""Makes a named tuple in half of the time that its own constructor takes: `new_tuple(Class, values)`."""


class Metadata(NamedTuple):
    """Every id, custom id and name that Butlr sends for a zone, room or floor; `""` where it sent none."""

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


class SensorMetadata(NamedTuple):
    """The same for a sensor: its place, its hive and itself."""

    # A named tuple cannot inherit fields, so those of a place are written in both classes.
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
    hive_id: str = ""
    hive_serial: str = ""
    hive_model: str = ""
    hive_version: str = ""
    sensor_id: str = ""
    mac_address: str = ""
    sensor_mode: str = ""
    sensor_model: str = ""


AnyMetadata = Metadata | SensorMetadata
"""The metadata of a space of any kind; its fields are read by their names in `FIELDS`."""

METADATA: dict[Kind, type[Metadata] | type[SensorMetadata]] = {
    Kind.ZONE: Metadata,
    Kind.ROOM: Metadata,
    Kind.FLOOR: Metadata,
    Kind.SENSOR: SensorMetadata,
}
"""The class of the metadata of each kind of space."""

ID_POSITION = {kind: METADATA[kind]._fields.index(kind.id_field) for kind in Kind}
"""The position in its metadata of the own id of a space; the fields from there on are the space's own."""


def _fields(kind: Kind) -> tuple[str, ...]:
    fields = METADATA[kind]._fields
    last = max(position for position, field in enumerate(fields) if field.startswith(f"{kind}_"))
    return fields[: last + 1]


FIELDS = {kind: _fields(kind) for kind in Kind}
"""The metadata fields that each kind of space can have, in the order of its metadata: a room has no zone."""

EVERY_FIELD = tuple(dict.fromkeys([*Metadata._fields, *SensorMetadata._fields]))
"""The metadata fields of all kinds of spaces, those of a zone first."""


class ReadingEvent(NamedTuple):
    """One event that reports a reading of a space."""

    id: str
    measure: Measure
    space_id: str
    timestamp: int
    """Time of sensing, milliseconds since the epoch."""
    value: float
    """People, 0 or more; fractions are legal. For motion 1 or 0."""
    generation: int | None
    """Time of computing, Unix seconds, if the id holds it."""
    metadata: AnyMetadata
    was_negative: bool = False
    """Whether Butlr sent a number below 0, which is read as 0."""

    @property
    def space_key(self) -> str:
        """The key of the space."""
        return self.measure.kind.key(self.space_id)

    @property
    def type(self) -> str:
        """The event type, as Butlr calls it."""
        return self.measure.type_of(self.value)


class CrossingEvent(NamedTuple):
    """One event that reports people who crossed an entryway."""

    id: str
    measure: Measure
    space_id: str
    timestamp: int
    """Time of sensing, milliseconds since the epoch."""
    entered: int
    """People who came in, 0 or more: `data.in`."""
    left: int
    """People who went out, 0 or more: `data.out`."""
    generation: int | None
    """Time of computing, Unix seconds, if the id holds it."""
    metadata: AnyMetadata
    was_negative: bool = False
    """Never, as an event with a number below 0 is invalid."""

    @property
    def space_key(self) -> str:
        """The key of the space."""
        return self.measure.kind.key(self.space_id)

    @property
    def type(self) -> str:
        """The event type, as Butlr calls it."""
        return self.measure.only_type


Event = ReadingEvent | CrossingEvent
"""A valid event of an exported measure."""


class UnsupportedEvent(NamedTuple):
    """A valid event of a type that is not exported."""

    type: str
