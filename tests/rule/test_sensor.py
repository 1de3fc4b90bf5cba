"""A sensor is a space: its crossings are kept, named, bounded and forgotten as the readings of other spaces are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Kind, Measure
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from exporter.rule.traffic import Crossed
from tests.support.crossings import Delivery, crossing, event, sensor
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, G, delivery, event_id
from tests.support.stores import LIMITS, applied


def crossed(store: Store, now: int = NOW) -> Crossed:
    """Return the crossings of a store with one sensor."""
    (space,) = store.snapshot(now).by_kind[Kind.SENSOR]
    (count,) = space.counts
    assert isinstance(count, Crossed)
    return count


def named(store: Store) -> str:
    """Return the floor of the only sensor of a store."""
    (space,) = store.snapshot(NOW).by_kind[Kind.SENSOR]
    return space.metadata.floor_name


class TestStore:
    """Crossings among other deliveries."""

    def test_the_events(self) -> None:
        """A reader gets the numbers of each known event, oldest first; a sensor without crossings has none."""
        store, _ = applied(*map(event, [crossing(1, 0, 1), crossing(3, 2, 1), crossing(3, 1, 4)]))
        known = store.crossings("sensor_a")
        assert known is not None
        assert known.events() == [(NOW - 3 * SECOND, 2, 4), (NOW - SECOND, 0, 1)]
        store.apply(delivery(measure=Measure.DETECTIONS, zone="s"), NOW)
        assert store.crossings("s") is None
        assert store.crossings("unknown") is None

    def test_the_view(self) -> None:
        """A reader sees both counters, the time of the last crossing, and the time of the newest event."""
        events = [crossing(3, 2, 1), crossing(2, 0, 1), crossing(1, 0, 0)]
        store, outcomes = applied(*map(event, events))
        assert outcomes == [Outcome.NEW] * 3
        count = crossed(store)
        assert (count.value, count.left) == (2, 2)
        assert (count.last_crossing, count.timestamp) == (NOW - 2 * SECOND, NOW - SECOND)

    def test_an_older_event_shows(self) -> None:
        """An event older than the newest one, and a correction of it, show at once."""
        store, _ = applied(event(crossing(0)), event(crossing(60, 2)))
        assert crossed(store).value == 3
        assert store.apply(event(crossing(60, 4)), NOW) is Outcome.CORRECTED
        assert crossed(store).value == 5

    def test_unchanged(self) -> None:
        """A repeated event leaves the sensor the same object, so that a scrape writes no line anew."""
        store, _ = applied(event(crossing(0, 2, 2)))
        before = store.snapshot(NOW).spaces[0]
        outcomes = [store.apply(event(crossing(0, n, n)), NOW) for n in (2, 1)]
        assert outcomes == [Outcome.DUPLICATE, Outcome.SUPERSEDED]
        assert store.apply(event(crossing(1, t=NOW - 25 * HOUR)), NOW) is Outcome.LATE
        assert store.snapshot(NOW).spaces[0] is before

    @pytest.mark.parametrize(("ahead", "outcome"), [(5 * MINUTE, Outcome.NEW), (5 * MINUTE + 1, Outcome.FUTURE)])
    def test_future(self, ahead: int, outcome: Outcome) -> None:
        """An event ahead of the clock by more than the tolerance is refused and leaves no sensor."""
        store, outcomes = applied(event(crossing(0, t=NOW + ahead)))
        assert outcomes == [outcome]
        assert len(store) == (outcome is Outcome.NEW)

    def test_overflow(self) -> None:
        """Sensors and zones share the room of `max_spaces`; a known sensor goes on counting."""
        limits = replace(LIMITS, max_spaces=2)
        others = [event(crossing(n), sensor(f"sensor_{n}")) for n in range(3)]
        store, outcomes = applied(
            others[0], delivery(), others[1], event(crossing(9), sensor("sensor_0")), limits=limits
        )
        assert outcomes == [Outcome.NEW, Outcome.NEW, Outcome.OVERFLOW, Outcome.NEW]
        assert len(store) == 2

    def test_equal_ids_of_other_kinds(self) -> None:
        """A zone with the id of a sensor is another space."""
        store, _ = applied(event(crossing(0), sensor("same")), delivery(zone="same"))
        assert [space.kind for space in store.snapshot(NOW).spaces] == [Kind.ZONE, Kind.SENSOR]
        assert sorted(store.keys()) == ["sensor:same", "zone:same"]

    def test_never_stale(self) -> None:
        """A sensor at a door that nobody uses is fresh until it is forgotten."""
        store, _ = applied(event(crossing(0)))
        snapshot = store.snapshot(NOW + 24 * HOUR)
        assert all(map(snapshot.is_fresh, snapshot.spaces))
        assert store.snapshot(NOW + 24 * HOUR + 1).spaces == []

    def test_any_delivery_keeps_a_sensor(self) -> None:
        """A repeated event is a delivery too, so it keeps its sensor from being forgotten."""
        store, _ = applied(event(crossing(0)))
        store.apply(event(crossing(0)), NOW + HOUR)
        assert len(store.snapshot(NOW + 25 * HOUR).spaces) == 1

    def test_nothing_settles(self) -> None:
        """Crossings are no readings, so none of them settles."""
        store, _ = applied(event(crossing(0)))
        assert [*store.settled(NOW + HOUR, 1).changes] == []


class TestNames:
    """A sensor has the names of its newest event."""

    def test_newest(self) -> None:
        """The metadata of the newest event names a sensor, in any order."""
        new = event(crossing(0), sensor(floor="new"))
        old = event(crossing(60), sensor(floor="old"))
        for events in ([new, old], [old, new], [old, new, old]):
            store, _ = applied(*events)
            assert named(store) == "new"

    def test_equal_times(self) -> None:
        """The later computed of two events of one time names the sensor, in any order."""
        first, second = (
            event(Delivery(event_id(G + n), NOW, 1, 0), sensor(floor=floor)) for n, floor in enumerate(["old", "new"])
        )
        for events in ([first, second], [second, first]):
            store, _ = applied(*events)
            assert named(store) == "new"

    def test_a_clock_that_is_ahead(self) -> None:
        """An id made in the future holds no generation, so it does not freeze the names of its sensor."""
        ahead = event(Delivery(event_id(G + 86_400), NOW, 1, 0), sensor(floor="old"))
        store, _ = applied(ahead, event(Delivery(event_id(G), NOW, 1, 0), sensor(floor="new")))
        assert named(store) == "new"

    def test_a_late_event(self) -> None:
        """A late event does not rename its sensor."""
        store, _ = applied(event(crossing(0)), event(crossing(1, t=NOW - 25 * HOUR), sensor(floor="late")))
        assert named(store) == "1st Floor"


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=20),
    st.integers(0, 20),
)
def test_a_restart_changes_nothing(drawn: list[tuple[int, int, int, bool]], at: int) -> None:
    """A store that is saved and restored between two deliveries ends as one that runs on."""
    events = [
        event(crossing(n, entered, left), sensor(floor=f"{n}")) if is_crossing else delivery(NOW - n, entered)
        for n, entered, left, is_crossing in drawn
    ]
    endless, _ = applied(*events)
    before, _ = applied(*events[:at])
    store = Store(LIMITS)
    store.restore(before.states(before.keys()))
    store.replay((each, NOW) for each in events[at:])
    assert store.states(sorted(store.keys())) == endless.states(sorted(endless.keys()))
    assert store.snapshot(NOW).by_kind == endless.snapshot(NOW).by_kind


def test_a_shorter_window_after_a_restart() -> None:
    """The setting `traffic_window` decides how long ids are known."""
    limits: Limits = replace(LIMITS, traffic_window=MINUTE)
    store, _ = applied(event(crossing(0)), limits=limits)
    assert store.apply(event(crossing(59)), NOW) is Outcome.NEW
    assert store.apply(event(crossing(60)), NOW) is Outcome.LATE


def test_a_sensor_without_crossings() -> None:
    """A state without crossings is restored as a sensor that has reported none."""
    (state,) = applied(event(crossing(0)))[0].states(["sensor:sensor_a"])
    store = Store(LIMITS)
    store.restore([state._replace(crossings=None)])
    assert store.snapshot(NOW).by_kind[Kind.SENSOR][0].counts == ()
