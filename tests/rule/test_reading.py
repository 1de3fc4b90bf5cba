"""A reading as bytes: it unpacks to the values that were packed, and holds whole hashes of deliveries only."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from exporter.events.model import ReadingEvent
from exporter.rule.outcome import Outcome
from exporter.rule.reading import (
    Reading,
    delivery_count,
    has,
    key,
    pack,
    revise,
    timestamp_of,
    unpack,
    value_of,
    without_first,
)
from tests.support.deliveries import NOW, G, delivery

VALUES = st.floats(0, allow_nan=False, allow_infinity=False) | st.integers(0, 2000).map(float)
GENERATIONS = st.none() | st.integers(0, 1 << 33)
IDS = st.text(max_size=1024)
ARRIVALS = st.integers(0, 1 << 45)


def event(count: float, generation: int | None = None, event_id: str = "") -> ReadingEvent:
    """Return a delivery of one reading."""
    return delivery(NOW, count)._replace(generation=generation, id=event_id)


@given(VALUES, GENERATIONS, IDS, ARRIVALS, st.sampled_from(Outcome), st.integers(1, 20))
def test_a_first_delivery(
    count: float, generation: int | None, event_id: str, arrival: int, outcome: Outcome, deliveries: int
) -> None:
    """A packed first delivery unpacks to the same reading."""
    packed = pack(event(count, generation, event_id), bytes(8 * deliveries), arrival, outcome)
    assert unpack(packed) == Reading(NOW, count, generation, 0, deliveries, outcome, arrival, event_id)
    assert (timestamp_of(packed), value_of(packed), delivery_count(packed)) == (NOW, count, deliveries)
    assert packed.startswith(key(NOW))
    if deliveries > 1:
        assert unpack(without_first(packed)) == unpack(packed)._replace(deliveries=deliveries - 1)


@given(VALUES, VALUES, GENERATIONS, GENERATIONS, IDS, IDS, ARRIVALS)
def test_another_delivery(
    count: float,
    other: float,
    generation: int | None,
    later: int | None,
    event_id: str,
    other_id: str,
    arrival: int,
) -> None:
    """A further delivery replaces the reading, unless its generation is known to be older."""
    before = pack(event(count, generation, event_id), b"firsthash"[:8], 1, Outcome.BACKFILLED)
    packed, outcome = revise(before, event(other, later, other_id), b"2nd hash", arrival)
    assert has(packed, b"firsthas")
    assert has(packed, b"2nd hash")
    if generation is not None and later is not None and later < generation:
        expected = unpack(before)._replace(outcome=Outcome.SUPERSEDED)
    else:
        known = generation if later is None else later
        became = Outcome.REPEATED if other == count else Outcome.CORRECTED
        expected = Reading(NOW, other, known, int(other != count), 2, became, arrival, other_id)
    assert unpack(packed) == expected._replace(deliveries=2)
    assert outcome is expected.outcome


def test_a_hash_astride_two_others_is_not_found() -> None:
    """A hash is found only as a whole delivery, never across two that are adjacent."""
    one, two = bytes(range(8)), bytes(range(8, 16))
    astride = (one + two)[3:11]
    for event_id in ("", "event_1", astride.decode()):  # an id is no delivery either
        packed = pack(event(1.0, G, event_id), one + two, NOW, Outcome.NEW)
        assert not has(packed, astride)
        assert not has(packed, key(NOW))
        assert has(packed, one)
        assert has(packed, two)
        assert not has(without_first(packed), one)
        packed = pack(event(1.0, G, event_id), one + two + astride, NOW, Outcome.NEW)
        assert has(packed, astride)


def test_very_many_revisions() -> None:
    """Revisions are counted up to 65,535, and the value stays right beyond them."""
    packed = pack(event(0.0), b"", NOW, Outcome.NEW)
    for n in range(1, 65_538):
        packed, _ = revise(packed, event(float(n)), b"", NOW)
        if n == 65_534:
            assert unpack(packed).revisions == 65_534
    assert (unpack(packed).revisions, unpack(packed).value) == (65_535, 65_537.0)


def test_a_reading_is_small() -> None:
    """Five deliveries with an id as long as Butlr's fit into one size class of the allocator."""
    packed = pack(event(1.0, G, "event_" + "x" * 27), bytes(40), NOW, Outcome.NEW)
    assert sys.getsizeof(packed) == 143
