"""One reading packed into bytes, a third of the memory that objects take, and its revision: rows 7 to 9 of the rule.

A packed reading is: its timestamp, so that packed readings sort by time; a fingerprint of each of its deliveries, in
order of arrival; the id of the delivery that its value is from; the numbers of `_TAIL`. Journals hold packed readings,
so a change of this layout is a new `FORMAT` of `exporter.journal.codec`.

Pure, like the rest of the rule.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from struct import unpack as unpack_numbers
from typing import NamedTuple

from msgspec import Struct as Record

from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.rule.outcome import NUMBERS, Outcome

_TIME = Struct(">Q")

_FINGERPRINT = 8
"""Bytes of the fingerprint of a delivery."""

_TAIL = Struct("<dqqHBH")
"""Value, generation or -1, arrival (ms), revisions, number of the outcome, length of the id. A reading of five
deliveries with Butlr's ids is 143 bytes long and takes 144 of memory; with one byte more it would take 160."""

_TAIL_SIZE = _TAIL.size

_VALUE_END = 8 - _TAIL_SIZE
"""Position behind the value, counted from the end of a packed reading."""

NO_READING = bytes(_TIME.size + _TAIL_SIZE)
"""A packed reading that stands for none: no reading is so old."""

_LENGTH = 2
"""Bytes of the length of the id, the last number of `_TAIL`."""

_VALUE = Struct("<d")

_MAX_REVISIONS = (1 << 16) - 1
"""The count of revisions stops here."""

_SUPERSEDED, _REPEATED, _CORRECTED = Outcome.SUPERSEDED, Outcome.REPEATED, Outcome.CORRECTED

_OUTCOMES = {number: outcome for outcome, number in NUMBERS.items()}

_INTERNED = {float(people): float(people) for people in range(1000)}
"""One object for each of the usual values."""


class Point(NamedTuple):
    """A timestamp, milliseconds since the epoch, and the value of its reading."""

    timestamp: int
    value: float


class PointColumns(NamedTuple):
    """One point of each of many series, in two columns: an object for each would take as long as to read it."""

    timestamps: Sequence[int]
    """Milliseconds since the epoch; 0 where a series has no such point."""
    values: Sequence[float]


class Count(Record, frozen=True, gc=False):
    """The current value of one measure of a space: that of its newest reading.

    It is no object for the garbage collector, which makes a scrape of many spaces a tenth cheaper.
    """

    measure: Measure
    timestamp: int
    value: float


class Reading(NamedTuple):
    """One reading with its present value."""

    timestamp: int
    value: float
    generation: int | None
    revisions: int
    """Number of times that the value has changed."""
    deliveries: int
    """Number of distinct deliveries."""
    outcome: Outcome
    """Outcome of the last delivery."""
    arrival: int
    """Arrival of the delivery that the value is from, in milliseconds."""
    id: str
    """Event id of the same delivery."""


def fingerprint(event: ReadingEvent) -> bytes:
    """Return 64 bits by which a delivery is recognised: a hash of its id and value, the same in every process."""
    return blake2b(event.id.encode() + _VALUE.pack(event.value), digest_size=_FINGERPRINT).digest()


def pack(event: ReadingEvent, delivery: bytes, now: int, outcome: Outcome) -> bytes:
    """Return the reading of its first delivery, which arrives at `now` (ms) and has this fingerprint."""
    generation = -1 if event.generation is None else event.generation
    return key(event.timestamp) + delivery + _end_of(event, generation, now, 0, outcome)


def revise(packed: bytes, event: ReadingEvent, delivery: bytes, now: int) -> tuple[bytes, Outcome]:
    """Return a reading after one more delivery, which it does not hold yet, and the outcome: rows 7 to 9."""
    end = len(packed) - _TAIL.size
    value, generation, arrival, revisions, _, length = _TAIL.unpack_from(packed, end)
    deliveries = packed[: end - length] + delivery
    if event.generation is not None:
        if event.generation < generation:
            outcome = _SUPERSEDED
            tail = _TAIL.pack(value, generation, arrival, revisions, NUMBERS[outcome], length)
            return deliveries + packed[end - length : end] + tail, outcome
        generation = event.generation
    outcome = _REPEATED
    if event.value != value:
        outcome = _CORRECTED
        revisions = min(revisions + 1, _MAX_REVISIONS)
    return deliveries + _end_of(event, generation, now, revisions, outcome), outcome


def _end_of(event: ReadingEvent, generation: int, now: int, revisions: int, outcome: Outcome) -> bytes:
    """Return the end of a reading whose value is from this event."""
    text = event.id.encode()
    return text + _TAIL.pack(event.value, generation, now, revisions, NUMBERS[outcome], len(text))


def has(packed: bytes, delivery: bytes) -> bool:
    """Tell whether a reading holds the fingerprint of a delivery; bytes across two fingerprints do not count."""
    at = packed.find(delivery, _TIME.size)
    while at >= 0 and (at - _TIME.size) % _FINGERPRINT:
        at = packed.find(delivery, at + 1)
    return 0 <= at < _TIME.size + delivery_count(packed) * _FINGERPRINT


def without_first(packed: bytes) -> bytes:
    """Return a reading without the fingerprint of its first delivery."""
    return packed[: _TIME.size] + packed[_TIME.size + _FINGERPRINT :]


def unpack(packed: bytes) -> Reading:
    """Return a packed reading as a value with names."""
    end = len(packed) - _TAIL.size
    value, generation, arrival, revisions, outcome, length = _TAIL.unpack_from(packed, end)
    return Reading(
        timestamp_of(packed),
        value,
        None if generation < 0 else generation,
        revisions,
        delivery_count(packed),
        _OUTCOMES[outcome],
        arrival,
        packed[end - length : end].decode(),
    )


def key(timestamp: int) -> bytes:
    """Return the bytes that the reading of a timestamp begins with."""
    return _TIME.pack(timestamp)


def delivery_count(packed: bytes) -> int:
    """Return the number of fingerprints in a reading."""
    return (len(packed) - _TIME.size - _TAIL.size - int.from_bytes(packed[-_LENGTH:], "little")) // _FINGERPRINT


def timestamp_of(packed: bytes) -> int:
    """Return the timestamp of a reading."""
    timestamp: int = _TIME.unpack_from(packed)[0]
    return timestamp


def timestamps_of(packed: Sequence[bytes]) -> tuple[int, ...]:
    """Return the timestamp of each of many readings, or of the keys that they begin with."""
    return unpack_numbers(f">{len(packed)}Q", b"".join([each[: _TIME.size] for each in packed]))


def points_of(packed: Sequence[bytes]) -> PointColumns:
    """Return timestamp and value of each of many readings; NO_READING has neither."""
    values = unpack_numbers(f"<{len(packed)}d", b"".join([each[-_TAIL_SIZE:_VALUE_END] for each in packed]))
    return PointColumns(timestamps_of(packed), values)


def value_of(packed: bytes) -> float:
    """Return the value of a reading; equal usual values are the same object."""
    people: float = _VALUE.unpack_from(packed, len(packed) - _TAIL.size)[0]
    return _INTERNED.get(people, people)
