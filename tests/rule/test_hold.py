"""Spaces that are held: no silence makes them forgotten."""

from dataclasses import replace

import pytest

from exporter.events.measures import Kind, Measure
from exporter.events.model import Event
from exporter.rule.outcome import Outcome
from exporter.rule.space import Forgotten
from exporter.rule.store import Store
from tests.support.crossings import crossing
from tests.support.crossings import event as crossing_event
from tests.support.deliveries import HOUR, MINUTE, NOW, delivery
from tests.support.stores import LIMITS, applied, spaces

LATER = NOW + LIMITS.forget_after + 1

HELD = {Kind.ZONE: {"zone_a"}}

A = Forgotten(Kind.ZONE, "zone_a")


def ids(store: Store, now: int) -> list[str]:
    """Return the ids of the spaces that are known."""
    return [space.id for space in spaces(store, now)]


def test_a_held_space_stays() -> None:
    """A held space stays with its names and its reading, and another one is forgotten."""
    store, _ = applied(delivery(v=3), delivery(zone="zone_b"))
    store.hold(HELD)
    for now in (LATER, NOW + 1000 * HOUR):
        (space,) = spaces(store, now)
        assert (space.id, space.counts[0].value, space.metadata) == ("zone_a", 3, delivery().metadata)
        assert store.knows(A, now)
        assert store.names(Kind.ZONE, "zone_a", now) == delivery().metadata
        assert not store.knows(Forgotten(Kind.ZONE, "zone_b"), now)
        assert store.snapshot(now).is_stale(space.counts[0])


def test_the_id_is_held_for_one_kind() -> None:
    """A room is not held by the id of a zone."""
    store, _ = applied(delivery(measure=Measure.ROOM_OCCUPANCY))
    store.hold(HELD)
    assert ids(store, LATER) == []


def test_held_no_longer() -> None:
    """A space that is no longer held falls under `forget_after` again, at once if it was silent for so long."""
    store, _ = applied(delivery(), delivery(zone="zone_b"))
    store.hold({Kind.ZONE: {"zone_a", "zone_b"}})
    assert ids(store, LATER) == ["zone_a", "zone_b"]
    store.apply(delivery(LATER, zone="zone_b"), LATER)
    store.hold({})
    assert ids(store, LATER) == ["zone_b"]
    assert ids(store, LATER + LIMITS.forget_after + 1) == []


def test_an_explicit_request_forgets() -> None:
    """A held space is forgotten where somebody asks for it, however long it was silent."""
    store, _ = applied(delivery())
    store.hold(HELD)
    assert store.forget(A, LATER)
    assert not store.knows(A, LATER)
    assert not store.forget(A, LATER)
    assert ids(store, LATER) == []


@pytest.mark.parametrize("first", [delivery(), crossing_event(crossing(0))])
def test_events_are_decided_alike(first: Event) -> None:
    """After a long silence, a held space begins anew as a forgotten one does, so that a replay ends in the same."""
    kept, _ = applied(first)
    kept.hold({kind: {"zone_a", "sensor_a"} for kind in Kind})
    plain, _ = applied(first)
    assert len(ids(kept, LATER)) == 1
    assert len(ids(plain, LATER)) == 0
    again = first._replace(id="other", timestamp=LATER)
    assert kept.apply(again, LATER) is plain.apply(again, LATER) is Outcome.NEW
    assert spaces(kept, LATER) == spaces(plain, LATER)
    replayed = Store(LIMITS)
    replayed.replay([(first, NOW), (again, LATER)])
    assert spaces(replayed, LATER) == spaces(kept, LATER)


class TestAll:
    """Before the assets are read, all spaces are held for some time."""

    def test_until_it_is_known_which(self) -> None:
        """All spaces stay until it is said which, and then only those."""
        store, _ = applied(delivery(), delivery(zone="zone_b"))
        store.hold_all(LATER + HOUR)
        assert ids(store, LATER) == ["zone_a", "zone_b"]
        assert store.knows(A, LATER)
        store.hold(HELD)
        assert ids(store, LATER) == ["zone_a"]

    def test_not_for_ever(self) -> None:
        """All spaces fall under `forget_after` again where nothing says which are held."""
        store, _ = applied(delivery())
        store.hold_all(LATER + HOUR)
        assert ids(store, LATER + HOUR) == ["zone_a"]
        assert ids(store, LATER + HOUR + 1) == []
        assert not store.knows(A, LATER + HOUR + 1)

    def test_after_a_restart(self) -> None:
        """A space that was silent for longer than `forget_after` before a restart is there afterwards."""
        before, _ = applied(delivery(v=3))
        before.hold(HELD)
        assert ids(before, LATER) == ["zone_a"]
        after = Store(LIMITS)
        after.hold_all(LATER + HOUR)
        after.restore(before.states(before.keys()))
        after.replay([(delivery(NOW, zone="zone_b"), NOW)])
        assert ids(after, LATER) == ["zone_a", "zone_b"]
        after.hold(HELD)
        assert spaces(after, LATER) == spaces(before, LATER)

    def test_a_new_space_needs_the_room(self) -> None:
        """A new space takes the room of one that would be forgotten, rather than be refused."""
        store, _ = applied(delivery(), limits=replace(LIMITS, max_spaces=1))
        store.hold_all(LATER + HOUR)
        assert store.apply(delivery(NOW + MINUTE, zone="zone_b"), NOW + MINUTE) is Outcome.OVERFLOW
        store.hold_all(LATER + HOUR)
        assert store.apply(delivery(LATER, zone="zone_b"), LATER) is Outcome.NEW
        assert ids(store, LATER) == ["zone_b"]


def test_held_spaces_that_fill_the_store() -> None:
    """Where only held spaces are known, `max_spaces` of them leave no room for a new one."""
    store, _ = applied(delivery(), limits=replace(LIMITS, max_spaces=1))
    store.hold(HELD)
    assert store.apply(delivery(LATER, zone="zone_b"), LATER) is Outcome.OVERFLOW
