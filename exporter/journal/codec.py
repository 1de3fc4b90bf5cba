"""Entries and saved spaces as bytes: MessagePack, for nobody but the exporter.

A record is an array that begins with FORMAT. The classes here declare its fields and their order; values are copied by
name, and a measure is its declared number. So a file depends on the order of no tuple and of no enum in the rule.
"""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct, msgpack
from msgspec.structs import asdict

from exporter.events.measures import Kind, Measure, measures_of
from exporter.events.model import METADATA, AnyMetadata, CrossingEvent, Event, ReadingEvent, new_tuple
from exporter.journal.records import frame, unframe_one
from exporter.rule.series import SeriesState
from exporter.rule.space import Forgotten, SpaceState
from exporter.rule.traffic import CrossingsState

FORMAT = 1
"""The version of all that is declared here, of a packed reading (`exporter.rule.reading`), and of the known ids of
crossings (`exporter.rule.traffic`). A field that is new at the end, with a default, and one more type of a value leave
it: all older records are read. They need a new `database.VERSION`, by which an older exporter refuses the file."""

_NUMBERS = {measure: measure.declared.number for measure in Measure}
_MEASURES = {number: measure for measure, number in _NUMBERS.items()}


_PLACE = (
    "org_id",
    "org_name",
    "site_id",
    "site_name",
    "building_id",
    "building_name",
    "floor_id",
    "floor_name",
    "floor_custom_id",
    "room_id",
    "room_name",
    "room_custom_id",
)

PLACE_FIELDS = (*_PLACE, "zone_id", "zone_name", "zone_custom_id")

SENSOR_FIELDS = (
    *_PLACE,
    "hive_id",
    "hive_serial",
    "hive_model",
    "hive_version",
    "sensor_id",
    "mac_address",
    "sensor_mode",
    "sensor_model",
)

METADATA_FIELDS = {
    Kind.ZONE: PLACE_FIELDS,
    Kind.ROOM: PLACE_FIELDS,
    Kind.FLOOR: PLACE_FIELDS,
    Kind.SENSOR: SENSOR_FIELDS,
}
"""The fields of the metadata of each kind of space, in the order of a file."""

MetadataRecord = tuple[str, ...]
"""The values of these fields."""


class CrossedRecord(Struct, array_like=True, gc=False):
    """The people of a `CrossingEvent` in a file."""

    entered: int
    left: int


class DeliveryRecord(Struct, array_like=True, gc=False):
    """`ReadingEvent`, `CrossingEvent` or `Forgotten` in a file."""

    id: str
    measure: int
    space_id: str
    timestamp: int
    value: float | CrossedRecord | None
    """None where somebody had the space forgotten; any measure names its kind then."""
    generation: int | None
    metadata: MetadataRecord | None
    """None where the last record of the space has the same."""


class EntryRecord(Struct, array_like=True, tag=FORMAT, gc=False):
    """Deliveries that arrived together; none in the entry that ends an outage."""

    number: int
    """One more than the number of the entry before."""
    arrival_ms: int
    deliveries: list[DeliveryRecord]


class SeriesRecord(Struct, array_like=True, gc=False):
    """`SeriesState` in a file."""

    measure: int
    floor: int
    readings: list[bytes]


class CrossingsRecord(Struct, array_like=True, gc=False):
    """`CrossingsState` in a file."""

    entered: int
    left: int
    last_crossing: int
    floor: bytes
    ids: bytes
    records: bytes


class SpaceRecord(Struct, array_like=True, tag=FORMAT, gc=False):
    """`SpaceState` in a file."""

    number: int
    """The number of the last entry before the space was saved."""
    space_id: str
    metadata: MetadataRecord
    named_at: int
    named_generation: int | None
    arrival: int
    series: list[SeriesRecord]
    crossings: CrossingsRecord | None = None


class SavedSpace(NamedTuple):
    """A space, and the number of the last entry before it was saved."""

    number: int
    state: SpaceState


_encode = msgpack.Encoder().encode
_decode_space = msgpack.Decoder(SpaceRecord).decode
_written_order = {
    kind: itemgetter(*map(METADATA[kind]._fields.index, fields)) for kind, fields in METADATA_FIELDS.items()
}
_read_order = {kind: itemgetter(*map(fields.index, METADATA[kind]._fields)) for kind, fields in METADATA_FIELDS.items()}

decode_entry = msgpack.Decoder(EntryRecord).decode
"""Return an entry from the content of its record. Raises ValueError."""


def encode_delivery(event: Event, with_metadata: bool) -> DeliveryRecord:
    """Return an event as part of an entry."""
    return DeliveryRecord(
        event.id,
        _NUMBERS[event.measure],
        event.space_id,
        event.timestamp,
        event.value if isinstance(event, ReadingEvent) else CrossedRecord(event.entered, event.left),
        event.generation,
        _encode_metadata(event.metadata, event.measure.kind) if with_metadata else None,
    )


def encode_forgotten(space: Forgotten) -> DeliveryRecord:
    """Return, as part of an entry, that somebody had a space forgotten."""
    measure = _NUMBERS[measures_of(space.kind)[0]]
    return DeliveryRecord("", measure, space.space_id, timestamp=0, value=None, generation=None, metadata=None)


def decode_delivery(record: DeliveryRecord, metadata: AnyMetadata) -> Event | Forgotten:
    """Return the event of a delivery, with this metadata. Raises KeyError for an unknown measure."""
    if record.value is None:
        return Forgotten(kind_of(record), record.space_id)
    if isinstance(record.value, CrossedRecord):
        return CrossingEvent(
            id=record.id,
            measure=_MEASURES[record.measure],
            space_id=record.space_id,
            timestamp=record.timestamp,
            entered=record.value.entered,
            left=record.value.left,
            generation=record.generation,
            metadata=metadata,
        )
    return ReadingEvent(
        id=record.id,
        measure=_MEASURES[record.measure],
        space_id=record.space_id,
        timestamp=record.timestamp,
        value=record.value,
        generation=record.generation,
        metadata=metadata,
    )


def _encode_metadata(metadata: AnyMetadata, kind: Kind) -> MetadataRecord:
    record: MetadataRecord = _written_order[kind](metadata)
    return record


def decode_metadata(record: MetadataRecord, kind: Kind) -> AnyMetadata:
    """Return the metadata of a record. Raises ValueError where it is that of another kind of space."""
    if len(record) != len(METADATA_FIELDS[kind]):
        raise ValueError("the record of some metadata is damaged")
    metadata: AnyMetadata = new_tuple(METADATA[kind], _read_order[kind](record))
    return metadata


def encode_entry(number: int, arrival_ms: int, deliveries: list[DeliveryRecord]) -> bytes:
    """Return the framed record of an entry."""
    return frame(_encode(EntryRecord(number, arrival_ms, deliveries)))


def encode_space(number: int, state: SpaceState) -> bytes:
    """Return the framed record of a space after the entry of this number."""
    series = [SeriesRecord(_NUMBERS[each.measure], each.floor, each.readings) for each in state.series]
    return frame(
        _encode(
            SpaceRecord(
                number,
                state.space_id,
                _encode_metadata(state.metadata, state.kind),
                state.named_at,
                state.named_generation,
                state.arrival,
                series,
                None if state.crossings is None else CrossingsRecord(**state.crossings._asdict()),
            )
        )
    )


def kind_of(record: DeliveryRecord) -> Kind:
    """Return the kind of space of a delivery. Raises KeyError for an unknown measure."""
    return _MEASURES[record.measure].kind


def decode_space(key: str, blob: bytes) -> SavedSpace:
    """Return the space of a framed record.

    Raises ValueError for a damaged record or another space's, KeyError for an unknown measure.
    """
    record = _decode_space(unframe_one(blob))
    if not record.series and record.crossings is None:
        raise ValueError("the record of a space is damaged")
    kind = _MEASURES[record.series[0].measure].kind if record.series else Kind.SENSOR
    state = SpaceState(
        space_id=record.space_id,
        metadata=decode_metadata(record.metadata, kind),
        named_at=record.named_at,
        named_generation=record.named_generation,
        arrival=record.arrival,
        series=[
            SeriesState(measure=_MEASURES[each.measure], floor=each.floor, readings=each.readings)
            for each in record.series
        ],
        crossings=None if record.crossings is None else CrossingsState(**asdict(record.crossings)),
    )
    if state.key != key:
        raise ValueError("the record of a space is damaged")
    return SavedSpace(record.number, state)


def pieces(contents: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Return contents as framed records, joined to pieces of at most `size` bytes; a larger record is a piece alone."""
    piece = b""
    for content in contents:
        record = frame(content)
        if piece and len(piece) + len(record) > size:
            yield piece
            piece = b""
        piece += record
    if piece:
        yield piece
