"""Detections: the newest message of a sensor counts, only its reading is kept, and it goes stale within seconds."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Kind, Measure
from exporter.events.model import ReadingEvent
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, G, delivery, names_of
from tests.support.examples import thorough
from tests.support.stores import LIMITS, all_settled, applied, current, spaces, value

ROWS = [
    ("row 10", {"t": NOW, "v": 2, "generation": G}, Outcome.NEW),
    ("row 3", {"t": NOW + 5 * MINUTE + 1, "v": 9, "generation": G}, Outcome.FUTURE),
    ("row 5", {"t": NOW - 1, "v": 9, "generation": G}, Outcome.LATE),
    ("row 6", {"t": NOW, "v": 2, "generation": G}, Outcome.DUPLICATE),
    ("row 9", {"t": NOW, "v": 3, "generation": G + 2}, Outcome.CORRECTED),
    ("row 7", {"t": NOW, "v": 4, "generation": G + 1}, Outcome.SUPERSEDED),
    ("row 8", {"t": NOW, "v": 3, "generation": G + 3}, Outcome.REPEATED),
    ("row 4", {"t": NOW, "sensor": "another", "generation": G}, Outcome.OVERFLOW),
    ("row 10", {"t": NOW + 1, "v": 5, "generation": G, "name": "Hall"}, Outcome.NEW),
    ("row 5", {"t": NOW, "v": 3, "generation": G + 3}, Outcome.LATE),
]
"""Deliveries, each after those above it, and the row that decides it; there is none for row 11."""


def seen(t: int = NOW, v: float = 1, sensor: str = "sensor_a", **more: object) -> ReadingEvent:
    """Return one message of a sensor about the people that it sees."""
    return delivery(t, v, zone=sensor, measure=Measure.DETECTIONS, **more)  # type: ignore[arg-type]


class TestRows:
    """The rows of the rule decide, with a window that holds the newest reading alone."""

    def test_every_row(self) -> None:
        """Each row but the one of older readings decides some messages, and the newest one names the sensor."""
        events = [seen(**given) for _, given, _ in ROWS]  # type: ignore[arg-type]
        store, outcomes = applied(*events, limits=replace(LIMITS, max_spaces=1))
        assert outcomes == [outcome for *_, outcome in ROWS]
        (space,) = spaces(store)
        assert (space.kind, space.id) == (Kind.SENSOR, "sensor_a")
        assert [(count.measure, count.timestamp, count.value) for count in space.counts] == [
            (Measure.DETECTIONS, NOW + 1, 5)
        ]
        assert space.metadata == names_of(Kind.SENSOR, "sensor_a", "Hall")

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_the_newest_message_counts(self, order: tuple[int, ...]) -> None:
        """Messages that arrive in any order leave the newest one in force, and no other one in memory."""
        events = [seen(NOW - n * SECOND, n, id=f"e_{n}") for n in range(3)]
        store, _ = applied(*[events[at] for at in order])
        assert value(store, "sensor_a") == 0
        assert [(r.timestamp, r.value) for r in store.readings(Measure.DETECTIONS, "sensor_a")] == [(NOW, 0)]

    def test_the_window_does_not_matter(self) -> None:
        """One millisecond older than the newest is late, however long the window of other measures is."""
        _, outcomes = applied(seen(NOW), seen(NOW - 1), limits=replace(LIMITS, window=1000 * HOUR))
        assert outcomes == [Outcome.NEW, Outcome.LATE]

    def test_many_messages_of_one_instant(self) -> None:
        """Messages of one timestamp are bounded like the deliveries of any reading."""
        store, outcomes = applied(*[seen(v=n, id=f"e_{n}") for n in range(5)], limits=replace(LIMITS, max_deliveries=3))
        assert outcomes == [Outcome.NEW, *[Outcome.CORRECTED] * 4]
        assert value(store, "sensor_a") == 4
        assert store.readings(Measure.DETECTIONS, "sensor_a")[0].deliveries == 3

    def test_earlier_messages_do_not_count(self) -> None:
        """The bound on deliveries counts those of the newest timestamp alone."""
        events = [seen(NOW + n, id=f"e_{n}") for n in range(9)]
        store, _ = applied(*events, limits=replace(LIMITS, max_deliveries=2))
        assert store.apply(seen(NOW + 8, 5, id="other"), NOW) is Outcome.CORRECTED
        assert store.apply(events[-1], NOW) is Outcome.DUPLICATE

    def test_a_sensor_and_a_zone_of_one_id(self) -> None:
        """A sensor and a zone with the same id are two spaces."""
        store, outcomes = applied(seen(sensor="x"), delivery(zone="x"))
        assert outcomes == [Outcome.NEW, Outcome.NEW]
        assert [space.kind for space in store.snapshot(NOW).spaces] == [Kind.ZONE, Kind.SENSOR]


class TestTime:
    """A silent sensor sees nobody."""

    def test_stale(self) -> None:
        """Detections older than `detections_stale_after` are stale, and those just as old are fresh."""
        store, _ = applied(seen())
        for age, stale in [(30 * SECOND, False), (30 * SECOND + 1, True)]:
            snapshot = store.snapshot(NOW + age)
            assert snapshot.is_stale(snapshot.spaces[0].counts[0]) is stale
            assert snapshot.is_fresh(snapshot.spaces[0]) is not stale

    def test_0_is_never_stale(self) -> None:
        """With `detections_stale_after` 0 detections are never stale, and `stale_after` has no effect on them."""
        store, _ = applied(seen(), limits=replace(LIMITS, detections_stale_after=0, stale_after=1))
        snapshot = store.snapshot(NOW + 23 * HOUR)
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_other_measures_keep_their_own_time(self) -> None:
        """`detections_stale_after` has no effect on counts of people."""
        store, _ = applied(delivery())
        snapshot = store.snapshot(NOW + 10 * MINUTE)
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_forgotten_after_silence(self) -> None:
        """A sensor is forgotten after `forget_after` without a delivery, be it late, and not `motion_forget_after`."""
        store, _ = applied(seen())
        assert store.apply(seen(NOW - HOUR), NOW + HOUR) is Outcome.LATE
        assert len(store.snapshot(NOW + 25 * HOUR).spaces) == 1
        assert store.snapshot(NOW + 25 * HOUR + 1).spaces == []


class TestNotKept:
    """Detections are neither settled nor for a journal."""

    def test_no_settled_reading(self) -> None:
        """A sensor has no settled readings."""
        store, _ = applied(seen(NOW - 8 * MINUTE), delivery(NOW - 8 * MINUTE))
        assert [each.measure for each in all_settled(store, points=9)] == [Measure.ZONE_OCCUPANCY]

    def test_no_state(self) -> None:
        """A sensor with detections only has no state to save, and no key by which a journal would ask for one."""
        store, _ = applied(seen(), delivery())
        assert store.keys() == ["zone:zone_a"]
        assert [state.key for state in store.states(["sensor:sensor_a", "zone:zone_a"])] == ["zone:zone_a"]
        assert len(store) == 2

    def test_a_captured_history(self) -> None:
        """A captured history leaves detections out."""
        history = History(LIMITS.window, LIMITS.settle_after, LIMITS.future_tolerance, NOW + HOUR)
        assert history.apply(seen()) is Outcome.NEW
        assert list(history.settled()) == []

    def test_a_flood_stays_small(self) -> None:
        """However many messages a sensor sends, one reading stays."""
        store = Store(LIMITS)
        for n in range(5000):
            store.apply(seen(NOW + n, n % 7, id=f"e_{n}"), NOW + n)
        assert [r.deliveries for r in store.readings(Measure.DETECTIONS, "sensor_a")] == [1]
        assert current(store, "sensor_a", NOW + 5000).counts[0].timestamp == NOW + 4999


@thorough
@given(
    st.dictionaries(st.integers(G - 298, G + 300), st.tuples(st.integers(-2, 20), st.integers(0, 3)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_any_order(drawn: dict[int, tuple[int, int]], rng: random.Random) -> None:
    """In any order and repetition a sensor ends with the latest computation of its newest message."""
    events = [seen(NOW - age * SECOND, v, generation=generation) for generation, (age, v) in drawn.items()]
    again = [*events, *rng.choices(events, k=5)]
    rng.shuffle(again)
    store, outcomes = applied(*again)
    newest = max(events, key=lambda event: (event.timestamp, event.generation))
    assert [(count.timestamp, count.value) for count in current(store, "sensor_a").counts] == [
        (newest.timestamp, newest.value)
    ]
    assert Outcome.BACKFILLED not in outcomes
    assert {store.apply(event, NOW) for event in again} <= {Outcome.DUPLICATE, Outcome.LATE}
