"""The rule for every minute measure of every kind of space: the same rows, and no space mixes with another."""

from dataclasses import replace

import pytest

from exporter.events.measures import Kind, Measure
from exporter.rule.outcome import Outcome
from tests.support.deliveries import MINUTE, MINUTE_MEASURES, NOW, G, delivery, names_of
from tests.support.stores import LIMITS, all_settled, applied, spaces

ROWS = [
    ("row 10", {"t": NOW, "v": 1, "generation": G}, Outcome.NEW),
    ("row 3", {"t": NOW + 5 * MINUTE + 1, "v": 9, "generation": G}, Outcome.FUTURE),
    ("row 5", {"t": NOW - 15 * MINUTE, "v": 9, "generation": G}, Outcome.LATE),
    ("row 6", {"t": NOW, "v": 1, "generation": G}, Outcome.DUPLICATE),
    ("row 9", {"t": NOW, "v": 2, "generation": G + 2}, Outcome.CORRECTED),
    ("row 7", {"t": NOW, "v": 3, "generation": G + 1}, Outcome.SUPERSEDED),
    ("row 8", {"t": NOW, "v": 2, "generation": G + 3}, Outcome.REPEATED),
    ("row 11", {"t": NOW - 7 * MINUTE, "v": 4, "generation": G}, Outcome.BACKFILLED),
    ("row 4", {"t": NOW, "zone": "another", "generation": G}, Outcome.OVERFLOW),
    ("row 10", {"t": NOW + 1, "v": 5, "generation": G + 4, "name": "Hall"}, Outcome.NEW),
]
"""Deliveries, each after those above it, and the row that decides it."""


@pytest.mark.parametrize("measure", MINUTE_MEASURES)
def test_every_row(measure: Measure) -> None:
    """The rows of the rule decide the events of each measure, and the newest reading names its space."""
    events = [delivery(**given, measure=measure) for _, given, _ in ROWS]  # type: ignore[arg-type]
    store, outcomes = applied(*events, limits=replace(LIMITS, max_spaces=1))
    assert outcomes == [outcome for *_, outcome in ROWS]
    (space,) = spaces(store)
    assert (space.kind, space.id) == (measure.kind, "zone_a")
    assert [(count.measure, count.timestamp, count.value) for count in space.counts] == [(measure, NOW + 1, 5)]
    assert space.metadata == names_of(measure.kind, "zone_a", "Hall")
    (settled,) = all_settled(store)
    assert (settled.measure, settled.points) == (measure, [(NOW - 7 * MINUTE, 4)])
    snapshot = store.snapshot(NOW + 10 * MINUTE + 2)
    assert snapshot.is_stale(space.counts[0])
    assert not store.snapshot(NOW + 10 * MINUTE + 1).is_stale(space.counts[0])


def test_equal_ids() -> None:
    """A zone, a room and a floor with the same id are three spaces, each with its own readings and names."""
    measures = [Measure.ZONE_OCCUPANCY, Measure.ROOM_OCCUPANCY, Measure.FLOOR_OCCUPANCY_1MIN]
    store, outcomes = applied(*[delivery(v=v, measure=measure, id="e") for v, measure in enumerate(measures)])
    assert outcomes == [Outcome.NEW] * 3
    found = store.snapshot(NOW).by_kind
    assert [(kind, space.counts[0].value) for kind in Kind for space in found[kind]] == [
        (Kind.ZONE, 0),
        (Kind.ROOM, 1),
        (Kind.FLOOR, 2),
    ]
    assert found[Kind.ROOM][0].metadata == names_of(Kind.ROOM, "zone_a")
    assert sorted(store.keys()) == ["floor:zone_a", "room:zone_a", "zone:zone_a"]


def test_all_kinds_share_the_room() -> None:
    """`max_spaces` bounds the spaces of all kinds together."""
    events = [delivery(), delivery(measure=Measure.ROOM_OCCUPANCY), delivery(measure=Measure.FLOOR_OCCUPANCY)]
    _, outcomes = applied(*events, limits=replace(LIMITS, max_spaces=2))
    assert outcomes == [Outcome.NEW, Outcome.NEW, Outcome.OVERFLOW]
