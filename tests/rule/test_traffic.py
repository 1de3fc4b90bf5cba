"""Crossings: each event id is counted once, with the largest numbers that came."""

import random
import timeit
import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import count
from struct import Struct

import pytest

from exporter.rule import traffic
from exporter.rule.outcome import Outcome
from exporter.rule.traffic import Crossings
from tests.support.crossings import Delivery, apply, counted, crossing, state, totals
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, event_id
from tests.support.stores import LIMITS

_numbers = count(10**6)


def _cross(crossings: Crossings) -> None:
    """Apply a crossing of an id that was never used."""
    apply(crossings, crossing(next(_numbers), t=NOW + 1))


class TestTable:
    """The table of `exporter.rule.traffic`, row by row."""

    def test_new(self) -> None:
        """The first delivery of an id is counted in both directions, also when a later event came before it."""
        crossings = Crossings()
        assert apply(crossings, crossing(0, 2, 1)) is Outcome.NEW
        assert apply(crossings, crossing(60, 0, 3)) is Outcome.NEW
        assert totals(crossings) == (2, 4, NOW)

    def test_nothing_yet(self) -> None:
        """Before the first event nobody has crossed, at no time."""
        assert totals(Crossings()) == (0, 0, -1)

    def test_duplicate(self) -> None:
        """The same id with the same numbers is counted once."""
        crossings = Crossings()
        outcomes = [apply(crossings, crossing(0, 2, 1)) for _ in range(3)]
        assert outcomes == [Outcome.NEW, Outcome.DUPLICATE, Outcome.DUPLICATE]
        assert totals(crossings) == (2, 1, NOW)

    def test_corrected(self) -> None:
        """The same id with a larger number counts as the larger of each."""
        crossings = Crossings()
        apply(crossings, crossing(0, 2, 1))
        assert apply(crossings, crossing(0, 3, 0)) is Outcome.CORRECTED
        assert totals(crossings) == (3, 1, NOW)
        assert apply(crossings, crossing(0, 0, 2)) is Outcome.CORRECTED
        assert totals(crossings) == (3, 2, NOW)
        assert apply(crossings, crossing(0, 3, 2)) is Outcome.DUPLICATE

    def test_superseded(self) -> None:
        """The same id with other numbers, none of them larger, changes nothing."""
        crossings = Crossings()
        apply(crossings, crossing(0, 3, 2))
        for entered, left in [(3, 1), (0, 2), (0, 0)]:
            assert apply(crossings, crossing(0, entered, left)) is Outcome.SUPERSEDED
        assert totals(crossings) == (3, 2, NOW)

    def test_nobody(self) -> None:
        """An event without a person is new and moves no counter and no time of the last crossing."""
        crossings = counted([crossing(60)])
        assert apply(crossings, crossing(0, 0, 0)) is Outcome.NEW
        assert totals(crossings) == (1, 0, NOW - MINUTE)
        assert totals(counted([crossing(0, 0, 0)])) == (0, 0, -1)

    @pytest.mark.parametrize(("age", "outcome"), [(HOUR - 1, Outcome.NEW), (HOUR, Outcome.LATE)])
    def test_late(self, age: int, outcome: Outcome) -> None:
        """An event as old as the window, counted back from the sensor's newest event, is not counted."""
        crossings = Crossings()
        apply(crossings, crossing(0, 0, 0), window=HOUR)
        assert apply(crossings, crossing(1, t=NOW - age), window=HOUR) is outcome
        assert crossings.entered == (outcome is Outcome.NEW)

    def test_a_repeat_after_the_window(self) -> None:
        """An id that has left the window is late when it comes again, and stays counted."""
        crossings = Crossings()
        old = crossing(1, 5, 4, t=NOW - HOUR)
        apply(crossings, old, window=HOUR)
        apply(crossings, crossing(0), window=HOUR)
        assert apply(crossings, old, window=HOUR) is Outcome.LATE
        assert apply(crossings, old._replace(entered=9), window=HOUR) is Outcome.LATE
        assert len(state(crossings).ids) == 8
        assert totals(crossings) == (6, 4, NOW)

    def test_the_same_id_at_another_time(self) -> None:
        """An id is counted once although its timestamp differs; its latest time decides when it is forgotten."""
        early, late = crossing(1, 1, 0, t=NOW - 50 * MINUTE), crossing(1, 2, 0, t=NOW)
        for first, second in [(early, late), (late, early)]:
            crossings = Crossings()
            apply(crossings, first, window=HOUR)
            apply(crossings, second, window=HOUR)
            assert totals(crossings) == (2, 0, NOW)
            apply(crossings, crossing(2, 0, 0, t=NOW + 50 * MINUTE), window=HOUR)
            assert apply(crossings, late, window=HOUR) is Outcome.DUPLICATE

    def test_ids_of_one_millisecond(self) -> None:
        """Many people may cross in one millisecond, each with an event of their own."""
        events = [crossing(n, 1, n, t=NOW) for n in range(100)]
        crossings = counted(events)
        assert totals(crossings) == (100, sum(range(100)), NOW)
        assert {apply(crossings, event) for event in events} == {Outcome.DUPLICATE}


class TestBounds:
    """Memory per sensor is bounded, and a forgotten id is never counted twice."""

    @pytest.mark.parametrize("step", [SECOND, 0])
    def test_too_many_ids(self, step: int) -> None:
        """In any order the newest ids stay, and a forgotten one is late when it comes again."""
        events = [crossing(n, 1, 1, t=NOW - n * step) for n in range(30)]
        rng = random.Random(1)
        ends = set()
        for _ in range(20):
            rng.shuffle(events)
            crossings = counted(events, most=10)
            before = totals(crossings)
            assert 10 <= before.entered <= 30
            again = [apply(crossings, event, most=10) for event in events]
            assert sorted(again) == [Outcome.DUPLICATE] * 10 + [Outcome.LATE] * 20
            assert totals(crossings) == before
            ends.add((state(crossings).floor, state(crossings).ids, state(crossings).records))
        assert len(ends) == 1

    def test_too_many_ids_in_the_order_of_time(self) -> None:
        """A door where more people cross than ids are remembered counts all of them."""
        crossings = counted([crossing(n) for n in reversed(range(100))], most=10)
        assert totals(crossings) == (100, 0, NOW)

    def test_an_event_before_a_forgotten_one(self) -> None:
        """An unknown event older than a forgotten one is late, as it may have been counted."""
        crossings = counted([crossing(n) for n in (4, 3, 2, 1)], most=3)
        assert apply(crossings, crossing(5), most=3) is Outcome.LATE
        assert apply(crossings, crossing(4), most=3) is Outcome.LATE
        assert crossings.entered == 4

    def test_a_forgotten_id_stays_late_with_room(self) -> None:
        """A forgotten id is late although a larger bound leaves room for it."""
        crossings = counted([crossing(n) for n in (4, 3, 2, 1)], most=3)
        assert apply(crossings, crossing(4), most=100) is Outcome.LATE

    def test_a_full_sensor_is_small(self) -> None:
        """A sensor with all ids that it can remember takes less than 184 KiB, which is 18 MiB for 100 sensors."""
        events = [Delivery(event_id(NOW // 1000, n), NOW + n, 1, 1) for n in range(9000)]
        crossings = Crossings()
        tracemalloc.start()
        for each in events:
            apply(crossings, each)
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, traffic.__file__)]).traces
        tracemalloc.stop()
        # Without the memory of other threads.
        assert 128 << 10 < sum(trace.size for trace in traces) < 184 << 10
        assert crossings.entered == 9000
        assert [apply(crossings, events[n]) for n in (807, 808)] == [Outcome.LATE, Outcome.DUPLICATE]

    def test_a_full_sensor_is_fast(self) -> None:
        """One more crossing of a sensor that knows thousands of ids costs about as much as of one that knows few."""
        seconds = {}
        for number in (10, 8000):
            crossings = counted([crossing(n) for n in reversed(range(number))])
            add = partial(_cross, crossings)
            seconds[number] = min(timeit.repeat(add, repeat=5, number=50))
        assert seconds[8000] < 3 * seconds[10]

    def test_ids_that_begin_alike(self) -> None:
        """An id is recognised by its whole hash: one that has only the first half in common is another."""
        saved = state(counted([crossing(1)]))
        other = Crossings()
        other.restore(saved._replace(ids=saved.ids[:7] + bytes([saved.ids[7] ^ 1])), LIMITS)
        assert apply(other, crossing(1)) is Outcome.NEW
        assert apply(other, crossing(1)) is Outcome.DUPLICATE
        assert totals(other).entered == 2

    @pytest.mark.parametrize("people", [2046, 2047, 2048, 1_000_000_000])
    def test_many_people(self, people: int) -> None:
        """Any number of people in one event is counted, corrected, saved and forgotten as a small one is."""
        crossings = counted([crossing(9, people, 1), crossing(8, 1, people)])
        assert totals(crossings) == (people + 1, people + 1, NOW - 8 * SECOND)
        assert apply(crossings, crossing(9, people, 1)) is Outcome.DUPLICATE
        assert apply(crossings, crossing(9, people - 1, 1)) is Outcome.SUPERSEDED
        assert apply(crossings, crossing(9, people + 1, 2)) is Outcome.CORRECTED
        assert state(crossings).events() == [(NOW - 9 * SECOND, people + 1, 2), (NOW - 8 * SECOND, 1, people)]
        again = Crossings()
        again.restore(state(crossings), LIMITS)
        assert state(again) == state(crossings)
        apply(again, crossing(0), most=1)
        assert state(again).events() == [(NOW, 1, 0)]
        assert totals(again).entered == people + 3


class TestState:
    """A saved state goes on as if nothing had happened."""

    def test_restored(self) -> None:
        """A restored sensor has the same counters, and recognises the same ids."""
        events = [crossing(n, n, 1) for n in range(20)]
        crossings = Crossings()
        crossings.restore(state(counted(events)), LIMITS)
        assert state(crossings) == state(counted(events))
        assert {apply(crossings, event) for event in events} == {Outcome.DUPLICATE}
        assert apply(crossings, crossing(3, 9, 9)) is Outcome.CORRECTED
        assert state(crossings) == state(counted([*events, crossing(3, 9, 9)]))

    def test_records_of_many_people(self) -> None:
        """A state whose records may have many people is restored as one with usual records is."""
        saved = state(counted([crossing(n, n, 1) for n in range(20)]))
        records = b"".join([Struct("<QII").pack(*each) for each in saved.events()])
        crossings = Crossings()
        crossings.restore(saved._replace(records=records), LIMITS)
        assert state(crossings) == saved

    def test_an_empty_state(self) -> None:
        """The state of a sensor before its first event is restored as such."""
        crossings = Crossings()
        crossings.restore(state(Crossings()), LIMITS)
        assert totals(crossings) == (0, 0, -1)

    def test_a_state_does_not_change(self) -> None:
        """A saved state is not changed by a later event."""
        crossings = counted([crossing(1)])
        saved = state(crossings)
        apply(crossings, crossing(0, 5, 5))
        assert saved == state(counted([crossing(1)]))

    def test_a_shorter_window(self) -> None:
        """A restored sensor with a shorter window forgets the older ids and keeps its counters."""
        crossings = Crossings()
        crossings.restore(state(counted([crossing(30), crossing(0)])), replace(LIMITS, traffic_window=20 * SECOND))
        assert len(crossings.state(LIMITS).ids) == 8
        assert apply(crossings, crossing(30), window=20 * SECOND) is Outcome.LATE
        assert totals(crossings) == (2, 0, NOW)

    def test_a_longer_window(self) -> None:
        """An id that was out of the window when the state was saved is still late with a longer window."""
        crossings = Crossings()
        apply(crossings, crossing(30), window=20 * SECOND)
        apply(crossings, crossing(0), window=20 * SECOND)
        saved = crossings.state(replace(LIMITS, traffic_window=20 * SECOND))
        longer = Crossings()
        longer.restore(saved, LIMITS)
        assert apply(longer, crossing(30)) is Outcome.LATE
        assert apply(longer, crossing(20)) is Outcome.LATE
        assert apply(longer, crossing(19)) is Outcome.NEW
