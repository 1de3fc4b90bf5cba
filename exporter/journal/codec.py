"""What is in the rows and records of a journal: spaces as they were, and deliveries that came together.

It is MessagePack, for nobody but the exporter.
"""

from collections.abc import Iterable, Iterator

from msgspec import msgpack

from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent
from exporter.journal.records import opened, sealed
from exporter.rule.space import SpaceState

_MEASURES = {Measure.ZONE_OCCUPANCY: 0, Measure.ZONE_OCCUPANCY_1MIN: 1}
_BY_NUMBER = {number: measure for measure, number in _MEASURES.items()}

Told = tuple[str, int, str, int, float, int | None, Metadata | None]
"""A delivery with the number of its measure, and with names where they are others than those of the space's before."""

_encode = msgpack.Encoder().encode
entry_in = msgpack.Decoder(tuple[int, int, list[Told]]).decode
"""Return what `sealed_entry` made a record of. Raises ValueError."""

_space = msgpack.Decoder(tuple[int, SpaceState]).decode


def told(event: OccupancyEvent, with_names: bool) -> Told:
    """Return a delivery as it is written."""
    event_id, measure, space_id, timestamp, value, computed, metadata = event
    return event_id, _MEASURES[measure], space_id, timestamp, value, computed, metadata if with_names else None


def delivered(delivery: Told, metadata: Metadata) -> OccupancyEvent:
    """Return what was delivered, under these names."""
    event_id, measure, space_id, timestamp, value, computed, _ = delivery
    return OccupancyEvent(event_id, _BY_NUMBER[measure], space_id, timestamp, value, computed, metadata)


def sealed_entry(number: int, arrival: int, deliveries: list[Told]) -> bytes:
    """Return the record of what came together: the number that it has, its arrival, and the deliveries."""
    return sealed(_encode((number, arrival, deliveries)))


def sealed_space(number: int, memory: SpaceState) -> bytes:
    """Return the record of a space as it was after the entry of a number."""
    return sealed(_encode((number, memory)))


def opened_space(space_id: str, record: bytes) -> tuple[int, SpaceState]:
    """Return what was in such a record. Raises ValueError if it is not what was written."""
    (content,) = opened(record)
    number, memory = _space(content)
    if memory.space_id != space_id:
        raise ValueError("a space is not what was written")
    return number, memory


def pieces(contents: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Return contents as records, as many together as fit into some bytes, or one that does not."""
    piece = b""
    for content in contents:
        record = sealed(content)
        if piece and len(piece) + len(record) > size:
            yield piece
            piece = b""
        piece += record
    if piece:
        yield piece
