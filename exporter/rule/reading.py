"""A reading as bytes, a third of the memory that objects take, and what becomes of it by one more delivery.

It begins with its timestamp, so that readings as bytes are in the order of time. Then the deliveries it was received
in, first to last, the id of the one that stands, and the rest. Journals hold it as well, so what changes here is
another version of them.

Pure, like the rest of the rule.
"""

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from exporter.events.model import OccupancyEvent
from exporter.rule.outcome import NUMBERS, Outcome

_TIME = Struct(">Q")

_DELIVERY = 8
"""Bytes by which a delivery is remembered."""

_REST = Struct("<dqqHBH")
"""Value, generation or -1, arrival, revisions, the number of the outcome, length of the id. A reading of five
deliveries with Butlr's ids is 143 bytes with it, which take 144; one byte more, and it would be 160."""

_LENGTH = 2
"""Bytes of the last of these."""

_VALUE = Struct("<d")

_MOST_REVISIONS = (1 << 16) - 1
"""What does not fit is counted no further."""

_OUTCOMES = {number: outcome for outcome, number in NUMBERS.items()}

_SHARED = {float(people): float(people) for people in range(1000)}
"""One object for each of the usual values."""


class Reading(NamedTuple):
    """One reading as it stands now."""

    timestamp: int
    value: float
    generation: int | None
    revisions: int
    """How often the value changed."""
    deliveries: int
    """How many different ones there were."""
    outcome: Outcome
    """Of the last of them."""
    arrival: int
    """Of the delivery that stands."""
    id: str
    """The same delivery's."""


def fingerprint(event: OccupancyEvent) -> bytes:
    """Return what a delivery is remembered by: 64 bits of its id and value, the same in every process."""
    return blake2b(event.id.encode() + _VALUE.pack(event.value), digest_size=_DELIVERY).digest()


def pack(event: OccupancyEvent, delivery: bytes, now: int, outcome: Outcome) -> bytes:
    """Return a reading that begins with a delivery."""
    generation = -1 if event.generation is None else event.generation
    return key(event.timestamp) + delivery + _standing(event, generation, now, 0, outcome)


def revise(packed: bytes, event: OccupancyEvent, delivery: bytes, now: int) -> tuple[bytes, Outcome]:
    """Return a reading after a delivery that it does not hold, and what became of that: rows 7 to 9."""
    end = len(packed) - _REST.size
    value, generation, arrival, revisions, _, length = _REST.unpack_from(packed, end)
    deliveries = packed[: end - length] + delivery
    if event.generation is not None:
        if event.generation < generation:
            outcome = Outcome.SUPERSEDED
            rest = _REST.pack(value, generation, arrival, revisions, NUMBERS[outcome], length)
            return deliveries + packed[end - length : end] + rest, outcome
        generation = event.generation
    outcome = Outcome.REPEATED
    if event.value != value:
        outcome = Outcome.CORRECTED
        revisions = min(revisions + 1, _MOST_REVISIONS)
    return deliveries + _standing(event, generation, now, revisions, outcome), outcome


def _standing(event: OccupancyEvent, generation: int, now: int, revisions: int, outcome: Outcome) -> bytes:
    """Return what is behind the deliveries, of which this one stands."""
    text = event.id.encode()
    return text + _REST.pack(event.value, generation, now, revisions, NUMBERS[outcome], len(text))


def has(packed: bytes, delivery: bytes) -> bool:
    """Tell whether a delivery is among those of a reading, and not astride two of them."""
    at = packed.find(delivery, _TIME.size)
    while at >= 0 and (at - _TIME.size) % _DELIVERY:
        at = packed.find(delivery, at + 1)
    return 0 <= at < _TIME.size + delivery_count(packed) * _DELIVERY


def without_first(packed: bytes) -> bytes:
    """Return a reading that has forgotten the first of its deliveries."""
    return packed[: _TIME.size] + packed[_TIME.size + _DELIVERY :]


def unpack(packed: bytes) -> Reading:
    """Return a reading for people."""
    end = len(packed) - _REST.size
    value, generation, arrival, revisions, outcome, length = _REST.unpack_from(packed, end)
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
    """Return what the reading of a time begins with."""
    return _TIME.pack(timestamp)


def delivery_count(packed: bytes) -> int:
    """Return of how many deliveries a reading is."""
    return (len(packed) - _TIME.size - _REST.size - int.from_bytes(packed[-_LENGTH:], "little")) // _DELIVERY


def timestamp_of(packed: bytes) -> int:
    """Return the timestamp of a reading."""
    timestamp: int = _TIME.unpack_from(packed)[0]
    return timestamp


def value_of(packed: bytes) -> float:
    """Return the value of a reading, the usual ones as one object each."""
    people: float = _VALUE.unpack_from(packed, len(packed) - _REST.size)[0]
    return _SHARED.get(people, people)
