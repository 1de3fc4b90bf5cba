"""Entries and saved spaces as bytes: MessagePack, for nobody but the exporter.

A record is an array that begins with FORMAT. The classes here declare its fields and their order; values are copied by
name, and a measure is its declared number. So a file depends on the order of no tuple and of no enum in the rule.
"""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct, msgpack

from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata, OccupancyEvent, new_tuple
from exporter.journal.records import frame, unframe_one
from exporter.rule.series import SeriesState
from exporter.rule.space import SpaceState

FORMAT = 1
"""The version of all that is declared here, and of a packed reading (`exporter.rule.reading`). A new one needs a new
`database.VERSION` too, by which a file of another version is refused before it is read."""

_NUMBERS = {measure: measure.declared.number for measure in Measure}
_MEASURES = {number: measure for measure, number in _NUMBERS.items()}


class MetadataRecord(NamedTuple):
    """`Metadata` in a file. A new field goes to the end, with a default."""

    org_id: str
    org_name: str
    site_id: str
    site_name: str
    building_id: str
    building_name: str
    floor_id: str
    floor_name: str
    floor_custom_id: str
    room_id: str
    room_name: str
    room_custom_id: str
    zone_id: str
    zone_name: str
    zone_custom_id: str


class DeliveryRecord(Struct, array_like=True, gc=False):
    """`OccupancyEvent` in a file."""

    id: str
    measure: int
    space_id: str
    timestamp: int
    value: float
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


class SavedSpace(NamedTuple):
    """A space, and the number of the last entry before it was saved."""

    number: int
    state: SpaceState


_encode = msgpack.Encoder().encode
_decode_space = msgpack.Decoder(SpaceRecord).decode
_written_order = itemgetter(*map(Metadata._fields.index, MetadataRecord._fields))
_read_order = itemgetter(*map(MetadataRecord._fields.index, Metadata._fields))

decode_entry = msgpack.Decoder(EntryRecord).decode
"""Return an entry from the content of its record. Raises ValueError."""


def encode_delivery(event: OccupancyEvent, with_metadata: bool) -> DeliveryRecord:
    """Return an event as part of an entry."""
    return DeliveryRecord(
        event.id,
        _NUMBERS[event.measure],
        event.space_id,
        event.timestamp,
        event.value,
        event.generation,
        _encode_metadata(event.metadata) if with_metadata else None,
    )


def decode_delivery(record: DeliveryRecord, metadata: Metadata) -> OccupancyEvent:
    """Return the event of a delivery, with this metadata. Raises KeyError for an unknown measure."""
    return OccupancyEvent(
        id=record.id,
        measure=_MEASURES[record.measure],
        space_id=record.space_id,
        timestamp=record.timestamp,
        value=record.value,
        generation=record.generation,
        metadata=metadata,
    )


def _encode_metadata(metadata: Metadata) -> MetadataRecord:
    record: MetadataRecord = new_tuple(MetadataRecord, _written_order(metadata))
    return record


def decode_metadata(record: MetadataRecord) -> Metadata:
    """Return the metadata of a record."""
    metadata: Metadata = new_tuple(Metadata, _read_order(record))
    return metadata


def encode_entry(number: int, arrival_ms: int, deliveries: list[DeliveryRecord]) -> bytes:
    """Return the framed record of an entry."""
    return frame(_encode(EntryRecord(number, arrival_ms, deliveries)))


def encode_space(number: int, state: SpaceState) -> bytes:
    """Return the framed record of a space after the entry of this number."""
    series = [SeriesRecord(_NUMBERS[each.measure], each.floor, each.readings) for each in state.series]
    metadata = _encode_metadata(state.metadata)
    return frame(
        _encode(
            SpaceRecord(number, state.space_id, metadata, state.named_at, state.named_generation, state.arrival, series)
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
    state = SpaceState(
        space_id=record.space_id,
        metadata=decode_metadata(record.metadata),
        named_at=record.named_at,
        named_generation=record.named_generation,
        arrival=record.arrival,
        series=[
            SeriesState(measure=_MEASURES[each.measure], floor=each.floor, readings=each.readings)
            for each in record.series
        ],
    )
    if not state.series or state.key != key:
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
