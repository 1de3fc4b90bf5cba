"""Generations that cannot be true: later than the arrival, or earlier than the reading, by more than the tolerance."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.ids import generation
from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Reading
from exporter.rule.space import Space
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, G, deliveries, delivery, event_id, place
from tests.support.examples import thorough
from tests.support.stores import LIMITS, applied, current, readings, spaces, value

TOLERANCE = LIMITS.future_tolerance // SECOND
"""Seconds."""

NO_TIME = ["event_" + digits * 27 for digits in "0AZ"]
"""Ids of 27 digits that are no KSUIDs of any time near the readings."""


def known_generation(event: ReadingEvent, now: int = NOW) -> int | None:
    """Return the generation that the store keeps of an event that arrives at `now` (ms)."""
    store, _ = applied(event, now=now)
    (reading,) = store.readings(Measure.ZONE_OCCUPANCY, event.space_id)
    return reading.generation


class TestLimits:
    """The earliest and the latest generation that is known."""

    @pytest.mark.parametrize(("ahead", "is_known"), [(TOLERANCE, True), (TOLERANCE + 1, False), (1 << 31, False)])
    def test_later_than_the_arrival(self, ahead: int, is_known: bool) -> None:
        """A generation is unknown if it is later than the arrival by more than the tolerance."""
        assert known_generation(delivery(generation=G + ahead)) == (G + ahead if is_known else None)

    @pytest.mark.parametrize(("before", "is_known"), [(TOLERANCE, True), (TOLERANCE + 1, False)])
    def test_earlier_than_the_reading(self, before: int, is_known: bool) -> None:
        """A generation is unknown if it is earlier than the time of its reading by more than the tolerance."""
        assert known_generation(delivery(generation=G - before)) == (G - before if is_known else None)

    def test_the_second_of_an_id_is_truncated(self) -> None:
        """An id of the second that begins before the limit is known: it may have been made at the end of the second."""
        assert known_generation(delivery(NOW + 999, generation=G - TOLERANCE)) == G - TOLERANCE

    def test_without_a_tolerance(self) -> None:
        """With a tolerance of 0 an event that was computed in the second of its reading has a known generation."""
        event = delivery(NOW + 500, generation=G)
        store, _ = applied(event, limits=replace(LIMITS, future_tolerance=0), now=NOW + 700)
        assert store.readings(Measure.ZONE_OCCUPANCY, "zone_a")[0].generation == G

    @pytest.mark.parametrize("number", NO_TIME)
    def test_an_id_that_is_no_time(self, number: str) -> None:
        """An id of 27 digits that holds no time near its reading has no generation."""
        made = generation(number)
        assert made is not None
        assert known_generation(delivery(id=number)._replace(generation=made)) is None


class TestWrongClocks:
    """Deliveries from a clock that is ahead, between those of right clocks."""

    @pytest.mark.parametrize("ahead", [event_id(G + 3665), *NO_TIME])
    def test_a_clock_that_is_ahead_does_not_freeze_a_reading(self, ahead: str) -> None:
        """A computation of a clock that is an hour ahead stands only until the next one arrives."""
        events = [
            (delivery(NOW, 3, generation=G + 5), 5),
            (delivery(NOW, 9, id=ahead, name="ahead")._replace(generation=generation(ahead)), 65),
            (delivery(NOW, 4, generation=G + 125), 125),
            (delivery(NOW, 4, generation=G + 185), 185),
            (delivery(NOW, 4, generation=G + 245), 245),
        ]
        store = Store(LIMITS)
        outcomes, values = [], []
        for event, second in events:
            outcomes.append(store.apply(event, NOW + second * SECOND))
            values.append(value(store))
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED, Outcome.CORRECTED, Outcome.REPEATED, Outcome.REPEATED]
        assert values == [3, 9, 4, 4, 4]
        assert place(current(store)).zone_name == "Desk 01"
        assert store.apply(delivery(NOW, 5, generation=G + 124), NOW + 250 * SECOND) is Outcome.SUPERSEDED

    def test_a_clock_that_is_ahead_does_not_freeze_the_names(self) -> None:
        """The names of a space are those of the later arrival where one generation cannot be true."""
        store, _ = applied(
            delivery(generation=G + 3665, name="ahead"),
            delivery(generation=G + 5, name="right", measure=Measure.ZONE_OCCUPANCY_1MIN),
        )
        assert place(current(store)).zone_name == "right"

    def test_a_retry_at_a_time_when_its_generation_may_be_true(self) -> None:
        """A delivery that comes again when its generation has become possible is a duplicate, and changes nothing."""
        ahead, right = delivery(NOW, 9, generation=G + 301), delivery(NOW, 4, generation=G + 5)
        store, _ = applied(ahead, right)
        assert store.apply(ahead, NOW + MINUTE) is Outcome.DUPLICATE
        assert value(store) == 4

    def test_a_replay_judges_by_the_arrival_of_each_entry(self) -> None:
        """A replay an hour later comes to the same readings, as each entry has its own arrival."""
        events = [delivery(NOW, 9, generation=G + 3665), delivery(NOW, 4, generation=G + 125)]
        store, _ = applied(*events)
        again = Store(LIMITS)
        again.replay((event, NOW) for event in events)
        assert again.states(again.keys()) == store.states(store.keys())
        assert value(again) == 4

    def test_a_clock_that_is_ahead_does_not_freeze_the_history(self) -> None:
        """A captured computation of a clock that is an hour ahead stands only until the next one."""
        history = History(LIMITS.window, LIMITS.settle_after, LIMITS.future_tolerance, NOW + 24 * HOUR)
        events = [delivery(NOW, v, generation=G + second) for second, v in ((5, 3), (3665, 9), (125, 4), (185, 4))]
        assert [history.apply(event) for event in events[:3]] == [Outcome.NEW, Outcome.CORRECTED, Outcome.CORRECTED]
        assert history.apply(events[3]) is Outcome.REPEATED
        (only,) = history.settled()
        assert only.points == [(NOW, 4)]
        assert history.computed <= NOW + LIMITS.settle_after + LIMITS.future_tolerance

    def test_a_history_whose_every_computation_is_late(self) -> None:
        """Readings that were all computed half an hour late are in the history, whatever the gaps between them."""
        history = History(LIMITS.window, LIMITS.settle_after, LIMITS.future_tolerance, NOW + 24 * HOUR)
        times = [NOW + minutes * MINUTE for minutes in (0, 1, 2, 90, 91)]
        outcomes = [history.apply(delivery(t, generation=t // SECOND + 1800)) for t in times]
        assert outcomes == [Outcome.NEW] * 5


def state(store: Store) -> tuple[list[Space], list[list[Reading]]]:
    """Return all that a reader sees of a store, and its readings."""
    seen = spaces(store)
    return seen, [store.readings(count.measure, space.id) for space in seen for count in space.counts]


CLOCKS = st.sampled_from([None, -86_400, -1300, -301, -300, -299, -1, 0, 1, 60, 299, 300, 301, 360, 3600, 1 << 31])
"""Generations, in seconds from now."""


class TestAnyDeliveries:
    """Plausible and implausible generations in any order."""

    @thorough
    @given(
        st.lists(
            st.tuples(CLOCKS, st.integers(-2, 16), st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 2)),
            max_size=16,
        )
    )
    def test_as_if_the_id_held_no_time(self, drawn: list[tuple[int | None, int, int, str, int]]) -> None:
        """Deliveries end as if each id whose generation cannot be true held none."""
        with_times, without, now = Store(LIMITS), Store(LIMITS), NOW
        for number, (clock, age, v, name, later) in enumerate(drawn):
            now += later * MINUTE
            seconds = None if clock is None else G + clock
            event = delivery(NOW - age * MINUTE, v, id=f"e{number % 5}", name=name)._replace(generation=seconds)
            known = seconds is not None and event.timestamp - 5 * MINUTE <= seconds * 1000 <= now + 5 * MINUTE
            outcome = with_times.apply(event, now)
            assert outcome is without.apply(event if known else event._replace(generation=None), now)
        assert state(with_times) == state(without)

    @thorough
    @given(deliveries(), st.randoms(use_true_random=False))
    def test_any_order_at_any_arrival(self, events: list[ReadingEvent], rng: random.Random) -> None:
        """Generations that are known whenever they arrive lead to the same state in any order, at any arrivals."""
        ends = []
        for _ in range(2):
            rng.shuffle(events)
            store, now = Store(LIMITS), NOW
            for event in events:
                now += rng.randrange(20 * SECOND)
                store.apply(event, now)
            ends.append((spaces(store), readings(store)))
        assert ends[0] == ends[1]
