"""Motion: 1 or 0 by the newest event time, by the rule of readings; never stale, and kept for `motion_forget_after`."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Kind, Measure
from exporter.events.model import ReadingEvent
from exporter.rule.history import History
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, G, delivery, names_of
from tests.support.examples import thorough
from tests.support.stores import LIMITS, all_settled, applied, current, snapshot_of, spaces, value

DAY = 24 * HOUR

ROWS = [
    ("row 10", {"t": NOW, "v": 1, "generation": G}, Outcome.NEW),
    ("row 3", {"t": NOW + 5 * MINUTE + 1, "v": 0, "generation": G}, Outcome.FUTURE),
    ("row 5", {"t": NOW - 15 * MINUTE, "v": 0, "generation": G}, Outcome.LATE),
    ("row 6", {"t": NOW, "v": 1, "generation": G}, Outcome.DUPLICATE),
    ("row 9", {"t": NOW, "v": 0, "generation": G + 2}, Outcome.CORRECTED),
    ("row 7", {"t": NOW, "v": 1, "generation": G + 1}, Outcome.SUPERSEDED),
    ("row 8", {"t": NOW, "v": 0, "generation": G + 3}, Outcome.REPEATED),
    ("row 11", {"t": NOW - 7 * MINUTE, "v": 1, "generation": G}, Outcome.BACKFILLED),
    ("row 4", {"t": NOW, "room": "another", "v": 1, "generation": G}, Outcome.OVERFLOW),
    ("row 10", {"t": NOW + 1, "v": 1, "generation": G + 4, "name": "Birch"}, Outcome.NEW),
]
"""Deliveries, each after those above it, and the row that decides it."""


def motion(t: int = NOW, v: float = 1, room: str = "room_a", **more: object) -> ReadingEvent:
    """Return one event about motion in a room."""
    return delivery(t, v, zone=room, measure=Measure.MOTION, **more)  # type: ignore[arg-type]


def people(t: int = NOW, v: float = 3, room: str = "room_a", **more: object) -> ReadingEvent:
    """Return one event about the people in a room."""
    return delivery(t, v, zone=room, measure=Measure.ROOM_OCCUPANCY, **more)  # type: ignore[arg-type]


class TestRows:
    """The rows of the rule decide."""

    def test_every_row(self) -> None:
        """The rows of the rule decide events about motion, and the newest reading names the room."""
        events = [motion(**given) for _, given, _ in ROWS]  # type: ignore[arg-type]
        store, outcomes = applied(*events, limits=replace(LIMITS, max_spaces=1))
        assert outcomes == [outcome for *_, outcome in ROWS]
        (space,) = spaces(store)
        assert (space.kind, space.id) == (Kind.ROOM, "room_a")
        assert [(count.measure, count.timestamp, count.value) for count in space.counts] == [
            (Measure.MOTION, NOW + 1, 1)
        ]
        assert space.metadata == names_of(Kind.ROOM, "room_a", "Birch")

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_the_newest_event_time_decides(self, order: tuple[int, ...]) -> None:
        """Motion that began before it ended is over, in whatever order the events arrive."""
        events = [motion(NOW - MINUTE, 1, id="began"), motion(NOW, 0, id="ended"), motion(NOW - HOUR, 0, id="before")]
        store, _ = applied(*[events[at] for at in order])
        assert value(store, "room_a") == 0
        assert current(store, "room_a").counts[0].timestamp == NOW

    def test_a_late_retry_does_not_undo_a_change(self) -> None:
        """The event that motion began, delivered again after the one that it ended, changes nothing."""
        began, ended = motion(NOW - MINUTE, 1, id="began"), motion(NOW, 0, id="ended")
        store, outcomes = applied(began, ended, began)
        assert outcomes == [Outcome.NEW, Outcome.NEW, Outcome.DUPLICATE]
        assert value(store, "room_a") == 0

    def test_motion_and_people_of_a_room_share_its_names(self) -> None:
        """A room has one name, that of its newest reading, be it of motion or of people."""
        store, _ = applied(people(NOW - MINUTE, name="old"), motion(NOW, name="new"), motion(NOW - HOUR, name="oldest"))
        room = current(store, "room_a")
        assert room.metadata == names_of(Kind.ROOM, "room_a", "new")
        assert {count.measure: count.value for count in room.counts} == {
            Measure.ROOM_OCCUPANCY: 3,
            Measure.MOTION: 1,
        }


class TestTime:
    """Silence means that nothing changed."""

    def test_never_stale(self) -> None:
        """Motion is fresh for as long as its room is known, also beside a count of people that is stale."""
        store, _ = applied(motion(), people())
        for age in (HOUR, 14 * DAY):
            snapshot = store.snapshot(NOW + age)
            (room,) = snapshot.spaces
            assert [snapshot.is_stale(count) for count in room.counts] == [True, False]
            assert snapshot.is_fresh(room)

    def test_never_stale_when_it_is_old_already(self) -> None:
        """A first event from years ago makes a room with motion that is fresh."""
        store, outcomes = applied(motion(NOW - 2000 * DAY))
        snapshot = store.snapshot(NOW)
        assert outcomes == [Outcome.NEW]
        assert snapshot.is_fresh(snapshot.spaces[0])

    @pytest.mark.parametrize("events", [[motion()], [motion(), people()], [people(), motion(v=0)]])
    def test_forgotten_after_motion_forget_after(self, events: list[ReadingEvent]) -> None:
        """A room with motion is forgotten after 14 days without a delivery, and not after one."""
        for scrapes in ([DAY + 1, 2 * DAY, 14 * DAY], []):
            store, _ = applied(*events)
            assert all(len(store.snapshot(NOW + age).spaces) == 1 for age in scrapes)
            assert store.snapshot(NOW + 14 * DAY + 1).spaces == []

    def test_a_room_without_motion(self) -> None:
        """A room that has only people is forgotten after `forget_after`, also beside rooms with motion."""
        store, _ = applied(people(room="room_b"), motion(), delivery())
        assert [space.id for space in spaces(store, NOW + DAY)] == ["room_a", "room_b", "zone_a"]
        assert [space.id for space in spaces(store, NOW + DAY + 1)] == ["room_a"]

    def test_any_delivery_counts(self) -> None:
        """A delivery of another measure, or one that changes nothing, keeps a room with motion."""
        for later in (people(), motion()):
            store, _ = applied(motion())
            store.apply(later, NOW + DAY)
            assert len(store.snapshot(NOW + 15 * DAY).spaces) == 1
            assert store.snapshot(NOW + 15 * DAY + 1).spaces == []

    def test_the_first_motion_of_a_known_room(self) -> None:
        """A room counts as one with motion from the first event about that on."""
        store, _ = applied(people())
        assert len(store.snapshot(NOW + HOUR).spaces) == 1
        store.apply(motion(), NOW + 2 * HOUR)
        assert len(store.snapshot(NOW + 2 * DAY).spaces) == 1
        assert store.snapshot(NOW + 14 * DAY + 2 * HOUR + 1).spaces == []

    def test_a_forgotten_room_begins_anew(self) -> None:
        """A room with motion that was silent for 14 days comes back without its old readings, before any scrape."""
        store, _ = applied(motion(v=1), people())
        assert store.apply(people(NOW - HOUR, 5), NOW + 14 * DAY + 1) is Outcome.NEW
        assert [count.value for count in current(store, "room_a", NOW + 14 * DAY + 1).counts] == [5]

    def test_0_is_never(self) -> None:
        """With `motion_forget_after` 0 a room with motion is never forgotten, and one without still is."""
        limits = replace(LIMITS, motion_forget_after=0)
        store, _ = applied(motion(), people(room="room_b"), limits=limits)
        assert [space.id for space in spaces(store, NOW + 10_000 * DAY)] == ["room_a"]
        assert store.apply(motion(), NOW + 10_001 * DAY) is Outcome.DUPLICATE

    def test_longer_than_forever(self) -> None:
        """With `forget_after` 0 a room with motion is still forgotten after `motion_forget_after`, and no other is."""
        store, _ = applied(motion(), people(room="room_b"), limits=replace(LIMITS, forget_after=0))
        assert len(spaces(store, NOW + 14 * DAY)) == 2
        assert [space.id for space in spaces(store, NOW + 14 * DAY + 1)] == ["room_b"]

    def test_shorter_than_forget_after(self) -> None:
        """A `motion_forget_after` that is shorter takes the place of `forget_after` too."""
        limits = replace(LIMITS, motion_forget_after=HOUR)
        store, _ = applied(people(), people(room="room_b"), limits=limits)
        assert len(spaces(store, NOW)) == 2
        store.apply(motion(), NOW + 1)
        assert [space.id for space in spaces(store, NOW + HOUR + 1)] == ["room_a", "room_b"]
        assert [space.id for space in spaces(store, NOW + HOUR + 2)] == ["room_b"]

    def test_forgotten_rooms_make_room(self) -> None:
        """A room with motion counts towards `max_spaces` until it is forgotten."""
        store, _ = applied(motion(), limits=replace(LIMITS, max_spaces=1))
        assert store.apply(motion(room="room_b"), NOW + 14 * DAY) is Outcome.OVERFLOW
        assert store.apply(motion(room="room_b"), NOW + 14 * DAY + 1) is Outcome.NEW

    @pytest.mark.parametrize(("forget_after", "motion_forget_after"), [(10, 25), (25, 10), (10, 0), (0, 10), (0, 0)])
    def test_as_if_every_call_searched(self, forget_after: int, motion_forget_after: int) -> None:
        """For any deliveries and scrapes, the spaces that are known are those whose own time has not passed."""
        limits = replace(
            LIMITS, max_spaces=4, forget_after=forget_after * MINUTE, motion_forget_after=motion_forget_after * MINUTE
        )
        for seed in range(100):
            chance, known, store, now = random.Random(seed), Known(limits), Store(limits), NOW
            for _ in range(60):
                now += chance.choice([0, 1, SECOND, MINUTE, 4 * MINUTE])
                event = chance.choice([motion, people])(NOW, 1, chance.choice("abcdef"))
                if chance.random() < 0.2:
                    assert {space.id for space in store.snapshot(now).spaces} == known.rooms(now)
                else:
                    assert (store.apply(event, now) is Outcome.OVERFLOW) is (not known.deliver(event, now))


class Known:
    """The rooms that must be known."""

    def __init__(self, limits: Limits) -> None:
        """Begin with none."""
        self.limits = limits
        self.arrivals: dict[str, int] = {}
        self.with_motion: set[str] = set()

    def rooms(self, now: int) -> set[str]:
        """Return the rooms that are known at a time (ms)."""
        for room, arrival in [*self.arrivals.items()]:
            has_motion = room in self.with_motion
            lifetime = self.limits.motion_forget_after if has_motion else self.limits.forget_after
            if 0 < lifetime < now - arrival:
                del self.arrivals[room]
                self.with_motion.discard(room)
        return set(self.arrivals)

    def deliver(self, event: ReadingEvent, now: int) -> bool:
        """Note a delivery at a time (ms); tell whether there is room for its space."""
        known = self.rooms(now)
        if event.space_id not in known and len(known) == self.limits.max_spaces:
            return False
        self.arrivals[event.space_id] = now
        if event.measure is Measure.MOTION:
            self.with_motion.add(event.space_id)
        return True


class TestNotSettled:
    """Butlr does not compute motion again, so that it has no history of settled readings."""

    def test_no_settled_reading(self) -> None:
        """A room has settled readings of its people, and none of its motion, at the first call and at the next."""
        store, _ = applied(motion(NOW - 8 * MINUTE), people(NOW - 8 * MINUTE))
        assert [each.measure for each in all_settled(store, points=9)] == [Measure.ROOM_OCCUPANCY]
        store.apply(motion(NOW - 9 * MINUTE, 0), NOW)
        store.apply(people(NOW - 9 * MINUTE, 7), NOW)
        assert [each.measure for each in all_settled(store, points=9)] == [Measure.ROOM_OCCUPANCY]

    def test_a_captured_history(self) -> None:
        """A captured history leaves motion out, and a room still has the name that came with it."""
        history = History(LIMITS.window, LIMITS.settle_after, LIMITS.future_tolerance, NOW + HOUR)
        for event in (people(NOW), motion(NOW + 1, name="new"), motion(room="room_b")):
            assert history.apply(event) is Outcome.NEW
        (only,) = history.settled()
        assert (only.measure, only.points) == (Measure.ROOM_OCCUPANCY, [(NOW, 3)])
        assert only.metadata == names_of(Kind.ROOM, "room_a", "new")


@thorough
@given(
    st.dictionaries(st.integers(G - 300, G + 300), st.tuples(st.integers(-2, 20), st.integers(0, 1)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_any_order(drawn: dict[int, tuple[int, int]], rng: random.Random) -> None:
    """In any order and repetition a room ends with the latest computation of its newest event."""
    events = [motion(NOW - age * MINUTE, v, generation=generation) for generation, (age, v) in drawn.items()]
    events = [event for event in events if event.generation and event.generation >= event.timestamp // SECOND - 300]
    if not events:
        return
    again = [*events, *rng.choices(events, k=5)]
    rng.shuffle(again)
    store, _ = applied(*again)
    newest = max(events, key=lambda event: (event.timestamp, event.generation))
    assert [(count.timestamp, count.value) for count in current(store, "room_a").counts] == [
        (newest.timestamp, newest.value)
    ]


def test_a_snapshot_of_a_room_with_motion() -> None:
    """A room without a count of people is fresh whatever `stale_after` is."""
    (room,) = spaces(applied(motion())[0])
    assert snapshot_of([room], stale_after=1, now=NOW + DAY).is_fresh(room)
