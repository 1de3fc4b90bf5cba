"""The settled readings that may have changed since they were read last."""

from collections import deque
from dataclasses import replace

import pytest

from exporter.events.measures import Kind, Measure
from exporter.rule.outcome import Outcome
from exporter.rule.space import Forgotten
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, delivery
from tests.support.stores import LIMITS, applied, points_of_each


def changes(store: Store, now: int, points: int = 1) -> list[tuple[str, list[int]]]:
    """Return zone id and values of each change."""
    by_kind = store.snapshot(now).by_kind
    return [
        (by_kind[changes.measure.kind][at].id, [int(value) for _, value in found])
        for changes in store.settled(now, points).changes
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


@pytest.mark.parametrize("t", [NOW - MINUTE, NOW])
def test_a_bounded_number_of_deliveries(t: int) -> None:
    """A settled reading that is dropped to bound memory is gone at the next call."""
    events = [delivery(NOW - 7 * MINUTE, 1), delivery(NOW, 2)]
    store, _ = applied(*events, limits=replace(LIMITS, max_deliveries=2))
    assert changes(store, NOW) == [("zone_a", [1])]
    store.apply(delivery(t, 3, id="third"), NOW)
    assert changes(store, NOW) == [("zone_a", [])]


def test_an_event_of_one_of_many_zones() -> None:
    """A corrected reading comes with its own zone, and no other zone with it."""
    store, _ = applied(*[delivery(NOW - 7 * MINUTE, 1, zone=zone) for zone in ("first", "second", "third")])
    assert len(changes(store, NOW)) == 3
    store.apply(delivery(NOW - 7 * MINUTE, 5, id="late", zone="second"), NOW)
    assert changes(store, NOW) == [("second", [5])]


def test_many_readings_that_leave_the_window_at_once() -> None:
    """A reading that is not settled does not come in the place of settled ones that have left the window."""
    minutes = [14, 13, 12, 5, 4, 3, 2, 1, 0]
    store, _ = applied(*[delivery(NOW - n * MINUTE, n) for n in minutes])
    assert changes(store, NOW) == [("zone_a", [12])]
    store.apply(delivery(NOW + 4 * MINUTE, 9), NOW)
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


def test_measures_of_one_space() -> None:
    """Each measure comes again when its own readings change."""
    store, _ = applied(
        delivery(NOW - 7 * MINUTE, 1),
        delivery(NOW - 3 * MINUTE, 2),
        delivery(NOW - 7 * MINUTE, 3, measure=Measure.ZONE_OCCUPANCY_1MIN),
        delivery(NOW - 4 * MINUTE, 4, measure=Measure.ZONE_OCCUPANCY_1MIN),
    )
    assert changes(store, NOW) == [("zone_a", [1]), ("zone_a", [3])]
    assert changes(store, NOW + 2 * MINUTE - 1) == []
    assert changes(store, NOW + 2 * MINUTE) == [("zone_a", [4])]
    assert changes(store, NOW + 3 * MINUTE) == [("zone_a", [2])]


def test_a_measure_that_comes_later() -> None:
    """The first settled reading of a measure comes with the next call, and no other measure with it."""
    store, _ = applied(delivery(NOW - 7 * MINUTE, 1))
    assert changes(store, NOW) == [("zone_a", [1])]
    store.apply(delivery(NOW - 7 * MINUTE, 2, measure=Measure.ZONE_OCCUPANCY_1MIN), NOW)
    assert changes(store, NOW) == [("zone_a", [2])]


def test_zones_of_one_batch() -> None:
    """Each zone comes when its own reading settles or leaves the window, whatever the others do."""
    store, _ = applied(
        delivery(NOW - 10 * MINUTE, 1, zone="silent"),
        delivery(NOW - 7 * MINUTE, 2, zone="live"),
        delivery(NOW - 3 * MINUTE, 3, zone="live"),
        delivery(NOW - 20 * MINUTE, 4, zone="gone"),
        delivery(NOW - MINUTE, 5, zone="young"),
    )
    assert changes(store, NOW) == [("silent", [1]), ("live", [2]), ("gone", []), ("young", [])]
    assert changes(store, NOW + 3 * MINUTE - 1) == []
    assert changes(store, NOW + 3 * MINUTE) == [("live", [3])]
    assert changes(store, NOW + 5 * MINUTE - 1) == []
    assert changes(store, NOW + 5 * MINUTE) == [("silent", []), ("young", [5])]
    assert changes(store, NOW + 12 * MINUTE) == [("live", [])]
    assert changes(store, NOW + 14 * MINUTE - 1) == []
    assert changes(store, NOW + 14 * MINUTE) == [("young", [])]
    assert changes(store, NOW + HOUR) == []


def test_the_last_millisecond_of_the_window() -> None:
    """A reading is there until the window ends, also beside a zone whose only reading is older."""
    events = [delivery(NOW - 15 * MINUTE + 1, 1, zone="last"), delivery(NOW - 15 * MINUTE, 2, zone="gone")]
    store, _ = applied(*events)
    assert changes(store, NOW) == [("last", [1]), ("gone", [])]
    assert changes(store, NOW + 1) == [("last", [])]


def test_the_oldest_of_several_points() -> None:
    """A zone with several points comes when the oldest of them leaves the window, before the next one settles."""
    store, _ = applied(*[delivery(NOW - n * MINUTE, n) for n in (14, 13, 12, 2)])
    assert changes(store, NOW, points=2) == [("zone_a", [13, 12])]
    assert changes(store, NOW + 2 * MINUTE - 1, points=2) == []
    assert changes(store, NOW + 2 * MINUTE, points=2) == [("zone_a", [12])]


@pytest.mark.parametrize("measure", [Measure.MOTION, Measure.DETECTIONS])
def test_measures_that_never_settle(measure: Measure) -> None:
    """An event of a measure that has no settled readings does not bring its space again."""
    kind, space = measure.kind, "space"
    minute = next(each for each in Measure if each.kind is kind) if kind is Kind.ROOM else measure
    store, _ = applied(delivery(NOW - 7 * MINUTE, 1, zone=space, measure=minute))
    assert len(changes(store, NOW)) == (kind is Kind.ROOM)
    store.apply(delivery(NOW - 8 * MINUTE, 1, zone=space, measure=measure), NOW)
    assert changes(store, NOW) == []


class TestSpaces:
    """The spaces come with the changes only when any has come, gone, been renamed, or got one more measure."""

    def test_the_same_spaces(self) -> None:
        """Events that neither bring nor rename a space leave the spaces as they were."""
        store, _ = applied(delivery(NOW - 7 * MINUTE, 1))
        assert comes_with_spaces(store, NOW)
        store.apply(delivery(NOW, 2), NOW)
        store.apply(delivery(NOW - 7 * MINUTE, 3), NOW)
        assert not comes_with_spaces(store, NOW + HOUR)

    def test_a_new_space(self) -> None:
        """The spaces come again with one more."""
        store = read_once()
        store.apply(delivery(zone="zone_b"), NOW)
        assert comes_with_spaces(store, NOW)
        assert not comes_with_spaces(store, NOW)

    def test_a_new_measure(self) -> None:
        """The spaces come again when one has got one more measure."""
        store = read_once()
        store.apply(delivery(measure=Measure.ZONE_OCCUPANCY_1MIN), NOW)
        assert comes_with_spaces(store, NOW)
        assert not comes_with_spaces(store, NOW)

    def test_a_renamed_space(self) -> None:
        """The spaces come again with a new name, also one that came with a repeated value."""
        store = read_once()
        store.apply(delivery(NOW + 1, name="new"), NOW)
        assert comes_with_spaces(store, NOW)
        store.apply(delivery(NOW + 1, name="newer", id="again"), NOW)
        assert comes_with_spaces(store, NOW)
        assert not comes_with_spaces(store, NOW)

    def test_a_forgotten_space(self) -> None:
        """The spaces come again without one that somebody had forgotten."""
        store = read_once()
        store.forget(Forgotten(Kind.ZONE, "zone_a"), NOW)
        assert comes_with_spaces(store, NOW)

    def test_a_space_without_deliveries(self) -> None:
        """The spaces come again without one that was silent for too long, whichever call drops it."""
        store = read_once()
        assert comes_with_spaces(store, NOW + 24 * HOUR + 1)
        store = read_once()
        assert store.snapshot(NOW + 24 * HOUR + 1).spaces == []
        assert comes_with_spaces(store, NOW + 24 * HOUR + 1)
        store = read_once()
        assert not store.knows(Forgotten(Kind.ZONE, "zone_a"), NOW + 24 * HOUR + 1)
        assert comes_with_spaces(store, NOW + 24 * HOUR + 1)

    def test_a_journal(self) -> None:
        """The spaces come again after states or deliveries were read back."""
        store = read_once()
        store.restore(applied(delivery(zone="zone_b"))[0].states(["zone:zone_b"]))
        assert comes_with_spaces(store, NOW)
        store.replay([(delivery(NOW + 1, name="new"), NOW)])
        assert comes_with_spaces(store, NOW)
        store.replay([(Forgotten(Kind.ZONE, "zone_a"), NOW)])
        assert comes_with_spaces(store, NOW)

    def test_a_reader_that_did_not_end(self) -> None:
        """The spaces come again after changes that were not read to the end, and with a clock that moved back."""
        store = read_once()
        store.apply(delivery(zone="zone_b"), NOW)
        assert store.settled(NOW, 1).by_kind is not None
        assert comes_with_spaces(store, NOW)
        assert comes_with_spaces(store, NOW - 1)
        assert not comes_with_spaces(store, NOW)


def read_once() -> Store:
    """Return a store with one zone, whose settled readings were read."""
    store, _ = applied(delivery())
    assert comes_with_spaces(store, NOW)
    return store


def comes_with_spaces(store: Store, now: int) -> bool:
    """Read the changes to the end; tell whether the spaces came with them."""
    settlement = store.settled(now, 1)
    deque(settlement.changes, maxlen=0)
    return settlement.by_kind is not None
