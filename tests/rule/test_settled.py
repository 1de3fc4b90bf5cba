"""The settled readings that may have changed since they were read last."""

from dataclasses import replace

import pytest

from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, delivery
from tests.support.stores import LIMITS, applied, points_of_each


def changes(store: Store, now: int, points: int = 1) -> list[tuple[str, list[int]]]:
    """Return zone id and values of each change."""
    settlement = store.settled(now, points)
    return [
        (settlement.snapshot.by_kind[changes.measure.kind][at].id, [int(value) for _, value in found])
        for changes in settlement.changes
        for at, found in zip(changes.positions, points_of_each(changes), strict=True)
    ]


def test_only_changes_after_the_first_call() -> None:
    """A call returns a measure again only once its next reading settles, or its oldest leaves the window."""
    store, _ = applied(delivery(NOW - 7 * MINUTE, 1), delivery(NOW, 2), delivery(NOW, 3, zone="zone_b"))
    assert changes(store, NOW) == [("zone_a", [1]), ("zone_b", [])]
    assert changes(store, NOW + 6 * MINUTE - 1) == []
    assert changes(store, NOW + 6 * MINUTE) == [("zone_a", [2]), ("zone_b", [3])]
    assert changes(store, NOW + 15 * MINUTE - 1) == []
    assert changes(store, NOW + 15 * MINUTE) == [("zone_a", []), ("zone_b", [])]
    assert changes(store, NOW + HOUR) == []


def test_an_event_of_an_unsettled_minute() -> None:
    """An event of a minute that has not settled changes nothing until the minute settles."""
    store, _ = applied(*[delivery(NOW - n * MINUTE, n) for n in range(8)])
    assert changes(store, NOW) == [("zone_a", [6])]
    for n in range(6):
        assert store.apply(delivery(NOW - n * MINUTE, 9, id=f"{n}"), NOW + 1) is Outcome.CORRECTED
    assert store.apply(delivery(NOW + 1, 9), NOW + 1) is Outcome.NEW
    assert changes(store, NOW + MINUTE - 1) == []
    assert changes(store, NOW + MINUTE) == [("zone_a", [9])]


@pytest.mark.parametrize("t", [NOW - 7 * MINUTE, NOW - 7 * MINUTE + 1])
def test_an_event_of_a_settled_minute(t: int) -> None:
    """A reading that is corrected, or comes, when it has settled already, comes with the next call."""
    store, _ = applied(delivery(NOW - 7 * MINUTE, 1), delivery(NOW, 2))
    assert changes(store, NOW) == [("zone_a", [1])]
    store.apply(delivery(t, 5, id="late"), NOW)
    assert changes(store, NOW) == [("zone_a", [5])]
    assert changes(store, NOW) == []


def test_a_bounded_number_of_deliveries() -> None:
    """A settled reading that is dropped to bound memory is gone at the next call."""
    events = [delivery(NOW - 7 * MINUTE, 1), delivery(NOW, 2)]
    store, _ = applied(*events, limits=replace(LIMITS, max_deliveries=2))
    assert changes(store, NOW) == [("zone_a", [1])]
    store.apply(delivery(NOW - MINUTE, 3), NOW)
    assert changes(store, NOW) == [("zone_a", [])]


def test_a_reading_from_the_future() -> None:
    """A settled reading is gone with a reading so far ahead that the window leaves it behind."""
    store, _ = applied(delivery(NOW - 11 * MINUTE, 1))
    assert changes(store, NOW) == [("zone_a", [1])]
    assert store.apply(delivery(NOW + 4 * MINUTE, 2), NOW) is Outcome.NEW
    assert changes(store, NOW) == [("zone_a", [])]


def test_everything_anew() -> None:
    """Every measure comes again with a clock that moved back, other points, or changes that were not read."""
    store, _ = applied(delivery(NOW - 8 * MINUTE, 1), delivery(NOW - 7 * MINUTE, 2))
    assert changes(store, NOW) == [("zone_a", [2])]
    assert changes(store, NOW - MINUTE - 1) == [("zone_a", [1])]
    assert changes(store, NOW) == [("zone_a", [2])]
    assert changes(store, NOW, points=2) == [("zone_a", [1, 2])]
    next(store.settled(NOW - 1, 2).changes)
    assert changes(store, NOW, points=2) == [("zone_a", [1, 2])]


def test_a_clock_that_moves_back_into_the_window() -> None:
    """A reading that had left the window comes again when the clock moves back."""
    store, _ = applied(delivery(NOW - 15 * MINUTE, 1))
    assert changes(store, NOW) == [("zone_a", [])]
    assert changes(store, NOW - 1) == [("zone_a", [1])]
