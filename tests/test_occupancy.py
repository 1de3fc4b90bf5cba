"""The rule: the truth table row by row, then attempts to break it."""

import random
import threading
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events import Measure, Metadata, OccupancyEvent
from exporter.occupancy import APPLIED, REFUSED, Limits, Occupancy, Outcome, Space
from tests.deliveries import HOUR, MINUTE, NOW, SECOND, delivery

LIMITS = Limits(
    window=15 * MINUTE,
    stale_after=10 * MINUTE,
    forget_after=24 * HOUR,
    future_tolerance=5 * MINUTE,
    max_spaces=100,
)
G = NOW // 1000
"""A generation: the second in which an event sensed now may have been computed."""


def told(*events: OccupancyEvent, limits: Limits = LIMITS, now: int = NOW) -> tuple[Occupancy, list[Outcome]]:
    """Return a store that has received these events, and what it said to each."""
    occupancy = Occupancy(limits)
    return occupancy, [occupancy.apply(event, now) for event in events]


def current(occupancy: Occupancy, zone: str = "zone_a", now: int = NOW) -> Space:
    """Return one space as a reader sees it."""
    return next(space for space in occupancy.snapshot(now).spaces if space.id == zone)


def value(occupancy: Occupancy, zone: str = "zone_a") -> float:
    """Return the current count of a space with one measure."""
    return current(occupancy, zone).counts[0].value


def readings(occupancy: Occupancy, zone: str = "zone_a") -> dict[int, float]:
    """Return every reading kept for the plain measure: timestamp to value."""
    return {reading.timestamp: reading.value for reading in occupancy.readings(Measure.ZONE_OCCUPANCY, zone)}


class TestTruthTable:
    """Rows 3 to 11; rows 1 and 2 never reach the rule."""

    def test_row_3_future(self) -> None:
        """Beyond the tolerance an event is refused, and the zone is as if it had not come."""
        occupancy, outcomes = told(delivery(NOW + 5 * MINUTE), delivery(NOW + 5 * MINUTE + 1, 9))
        assert outcomes == [Outcome.NEW, Outcome.FUTURE]
        assert readings(occupancy) == {NOW + 5 * MINUTE: 1}

    def test_row_3_future_of_an_unknown_zone_makes_no_zone(self) -> None:
        """A bad clock does not create a zone."""
        occupancy, outcomes = told(delivery(NOW + HOUR))
        assert outcomes == [Outcome.FUTURE]
        assert occupancy.snapshot(NOW).spaces == []

    def test_row_3_comes_before_row_4(self) -> None:
        """A future event of one zone too many is `future`."""
        _, outcomes = told(delivery(), delivery(NOW + HOUR, zone="zone_b"), limits=replace(LIMITS, max_spaces=1))
        assert outcomes[1] is Outcome.FUTURE

    def test_row_4_overflow(self) -> None:
        """With max_zones reached an unknown zone is refused and the known ones go on."""
        occupancy, outcomes = told(
            delivery(),
            delivery(zone="zone_b"),
            delivery(NOW + 1, 2),
            limits=replace(LIMITS, max_spaces=1),
        )
        assert outcomes == [Outcome.NEW, Outcome.OVERFLOW, Outcome.NEW]
        assert value(occupancy) == 2
        assert len(occupancy.snapshot(NOW).spaces) == 1

    def test_row_4_counts_zones_not_measures(self) -> None:
        """The other measure of a known zone is not one zone too many."""
        _, outcomes = told(
            delivery(), delivery(measure=Measure.ZONE_OCCUPANCY_1MIN), limits=replace(LIMITS, max_spaces=1)
        )
        assert outcomes == [Outcome.NEW, Outcome.NEW]

    def test_row_5_late(self) -> None:
        """At or before the end of the window nothing changes; one millisecond inside is taken."""
        occupancy, outcomes = told(
            delivery(NOW), delivery(NOW - 15 * MINUTE, 7), delivery(NOW - 15 * MINUTE + 1, 8), delivery(NOW - HOUR)
        )
        assert outcomes == [Outcome.NEW, Outcome.LATE, Outcome.BACKFILLED, Outcome.LATE]
        assert readings(occupancy) == {NOW: 1, NOW - 15 * MINUTE + 1: 8}

    def test_row_5_an_unknown_zone_takes_any_age(self) -> None:
        """The window counts from the zone's newest reading, so a first event is never late."""
        _, outcomes = told(delivery(NOW - 1000 * HOUR))
        assert outcomes == [Outcome.NEW]

    def test_row_6_duplicate(self) -> None:
        """The same id with the same value again is nothing."""
        _, outcomes = told(delivery(generation=G), delivery(generation=G))
        assert outcomes == [Outcome.NEW, Outcome.DUPLICATE]

    @pytest.mark.parametrize("first_id", ["event_old", "17", "zone_abc123", "event_" + "z" * 27])
    def test_row_6_an_old_delivery_retried_does_not_undo_a_correction(self, first_id: str) -> None:
        """Whatever the shape of its id."""
        first, correction = delivery(v=1, id=first_id), delivery(v=2, id="event_correction")
        occupancy, outcomes = told(first, correction, first, first, correction)
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED] + [Outcome.DUPLICATE] * 3
        assert value(occupancy) == 2

    def test_row_6_needs_the_same_value(self) -> None:
        """An id that comes back with another value is a correction; the first delivery again is a duplicate."""
        occupancy, outcomes = told(delivery(v=1, id="e"), delivery(v=2, id="e"), delivery(v=1, id="e"))
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED, Outcome.DUPLICATE]
        assert value(occupancy) == 2

    def test_row_6_needs_the_same_timestamp(self) -> None:
        """One id for two timestamps is two readings."""
        _, outcomes = told(delivery(id="e"), delivery(NOW - 1, id="e"))
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]

    def test_row_6_comes_before_row_7(self) -> None:
        """A superseded delivery was received all the same: again, it is a duplicate."""
        _, outcomes = told(delivery(generation=G), delivery(v=2, generation=G - 1), delivery(v=2, generation=G - 1))
        assert outcomes == [Outcome.NEW, Outcome.SUPERSEDED, Outcome.DUPLICATE]

    def test_row_7_superseded(self) -> None:
        """An older computation that arrives late changes nothing, not even the labels."""
        occupancy, outcomes = told(
            delivery(v=5, generation=G + 60, name="new name"), delivery(v=3, generation=G, name="old name")
        )
        assert outcomes == [Outcome.NEW, Outcome.SUPERSEDED]
        assert value(occupancy) == 5
        assert current(occupancy).metadata.zone_name == "new name"

    def test_row_7_needs_both_generations(self) -> None:
        """With an unknown generation on either side the later arrival wins."""
        _, known_first = told(delivery(v=1, generation=G), delivery(v=2, id="unknown"))
        occupancy, unknown_first = told(delivery(v=2, id="unknown"), delivery(v=1, generation=G))
        assert known_first == unknown_first == [Outcome.NEW, Outcome.CORRECTED]
        assert value(occupancy) == 1

    def test_row_8_repeated(self) -> None:
        """A recomputation that agrees moves the generation up, and so holds off what is older than it."""
        occupancy, outcomes = told(
            delivery(v=1, generation=G), delivery(v=1, generation=G + 60), delivery(v=2, generation=G + 30)
        )
        assert outcomes == [Outcome.NEW, Outcome.REPEATED, Outcome.SUPERSEDED]
        assert value(occupancy) == 1

    def test_row_8_an_unknown_generation_keeps_the_known_one(self) -> None:
        """A generation only moves up."""
        _, outcomes = told(delivery(v=1, generation=G), delivery(v=1, id="unknown"), delivery(v=2, generation=G - 1))
        assert outcomes == [Outcome.NEW, Outcome.REPEATED, Outcome.SUPERSEDED]

    def test_row_9_corrected(self) -> None:
        """A later computation of the newest reading changes the current count and its generation."""
        occupancy, outcomes = told(
            delivery(v=1, generation=G), delivery(v=2, generation=G + 60), delivery(v=3, generation=G + 30)
        )
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED, Outcome.SUPERSEDED]
        assert value(occupancy) == 2

    def test_row_9_of_an_older_reading(self) -> None:
        """A correction of the past leaves the current count and the labels alone."""
        occupancy, outcomes = told(
            delivery(NOW - MINUTE, 1, generation=G),
            delivery(NOW, 4, generation=G + 1),
            delivery(NOW - MINUTE, 2, generation=G + 2, name="elsewhere"),
        )
        assert outcomes[2] is Outcome.CORRECTED
        assert readings(occupancy) == {NOW - MINUTE: 2, NOW: 4}
        assert value(occupancy) == 4
        assert current(occupancy).metadata.zone_name == "Desk 01"

    def test_row_9_with_equal_generations_the_later_arrival_wins(self) -> None:
        """A KSUID counts whole seconds; within one there is no other order."""
        occupancy, outcomes = told(delivery(v=1, generation=G, id="a_1"), delivery(v=2, generation=G, id="a_2"))
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED]
        assert value(occupancy) == 2

    def test_row_10_new(self) -> None:
        """A newer reading becomes the current one, and what falls out of the window goes."""
        occupancy, outcomes = told(delivery(NOW - 15 * MINUTE, 1), delivery(NOW - 15 * MINUTE + 1, 2), delivery(NOW, 3))
        assert outcomes == [Outcome.NEW] * 3
        assert readings(occupancy) == {NOW - 15 * MINUTE + 1: 2, NOW: 3}
        assert value(occupancy) == 3

    def test_row_11_backfilled(self) -> None:
        """An older reading fills a gap and leaves the current count alone."""
        occupancy, outcomes = told(delivery(NOW, 3), delivery(NOW - MINUTE, 9))
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]
        assert value(occupancy) == 3
        assert readings(occupancy) == {NOW: 3, NOW - MINUTE: 9}

    def test_every_outcome_is_refused_applied_or_neither(self) -> None:
        """The sets that the rest of the program asks are the table's columns."""
        assert {Outcome.INVALID, Outcome.FUTURE, Outcome.OVERFLOW} == REFUSED
        assert {Outcome.NEW, Outcome.BACKFILLED, Outcome.CORRECTED, Outcome.REPEATED} == APPLIED


class TestLabels:
    """A zone has the names of its newest reading."""

    def test_a_rename_comes_with_a_newer_reading(self) -> None:
        """And not back with an older one."""
        occupancy, _ = told(
            delivery(NOW, name="new"), delivery(NOW - MINUTE, name="old"), delivery(NOW - HOUR, name="older")
        )
        assert current(occupancy).metadata.zone_name == "new"

    @pytest.mark.parametrize("second_value", [1, 2])
    def test_at_the_same_timestamp_the_later_generation_names_it(self, second_value: int) -> None:
        """Whether the value was repeated or corrected."""
        occupancy, _ = told(delivery(generation=G, name="old"), delivery(v=second_value, generation=G + 1, name="new"))
        assert current(occupancy).metadata.zone_name == "new"

    def test_a_duplicate_does_not_rename(self) -> None:
        """Row 6 never changes anything."""
        occupancy, _ = told(delivery(name="old"), delivery(name="new"))
        assert current(occupancy).metadata.zone_name == "old"

    @pytest.mark.parametrize("order", [1, -1])
    def test_both_measures_share_the_newest_names(self, order: int) -> None:
        """A zone is one zone: a rename seen in one measure renames the other, whichever came first."""
        plain = delivery(NOW - MINUTE, generation=G, name="old")
        smoothed = delivery(NOW, 7, generation=G + 1, name="new", measure=Measure.ZONE_OCCUPANCY_1MIN)
        occupancy, outcomes = told(*[plain, smoothed][::order])
        space = current(occupancy)
        assert outcomes == [Outcome.NEW, Outcome.NEW]
        assert space.metadata.zone_name == "new"
        assert {count.measure: count.value for count in space.counts} == {
            Measure.ZONE_OCCUPANCY: 1,
            Measure.ZONE_OCCUPANCY_1MIN: 7,
        }

    def test_an_unchanged_space_is_the_same_object(self) -> None:
        """So that a reader can tell by identity what it need not render again."""
        occupancy, _ = told(delivery(generation=G))
        before = current(occupancy)
        occupancy.apply(delivery(generation=G + 1), NOW)
        assert current(occupancy) is before


class TestTime:
    """Silence: stale, then forgotten."""

    def test_stale(self) -> None:
        """Older than stale_after, not just as old."""
        occupancy, _ = told(delivery())
        for age, stale in [(10 * MINUTE, False), (10 * MINUTE + 1, True)]:
            snapshot = occupancy.snapshot(NOW + age)
            assert snapshot.is_stale(snapshot.spaces[0].counts[0]) is stale
            assert snapshot.is_fresh(snapshot.spaces[0]) is not stale

    def test_stale_after_0_is_never(self) -> None:
        """For webhooks that send on change only."""
        occupancy, _ = told(delivery(), limits=replace(LIMITS, stale_after=0, forget_after=0))
        snapshot = occupancy.snapshot(NOW + 1000 * HOUR)
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_fresh_while_any_measure_is(self) -> None:
        """One silent measure does not make a zone stale."""
        occupancy, _ = told(delivery(NOW - HOUR), delivery(measure=Measure.ZONE_OCCUPANCY_1MIN))
        snapshot = occupancy.snapshot(NOW)
        assert [snapshot.is_stale(count) for count in snapshot.spaces[0].counts] == [True, False]
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_forgotten_after_silence(self) -> None:
        """Longer than forget_after, not just as long; any delivery counts, a late or repeated one too."""
        occupancy, _ = told(delivery())
        assert occupancy.apply(delivery(), NOW + HOUR) is Outcome.DUPLICATE
        assert len(occupancy.snapshot(NOW + 25 * HOUR).spaces) == 1
        assert occupancy.snapshot(NOW + 25 * HOUR + 1).spaces == []

    def test_a_refused_event_does_not_keep_a_zone(self) -> None:
        """`future` has no effect at all."""
        occupancy, _ = told(delivery())
        assert occupancy.apply(delivery(NOW + 3 * HOUR), NOW + HOUR) is Outcome.FUTURE
        assert occupancy.snapshot(NOW + 24 * HOUR + 1).spaces == []

    def test_forget_after_0_is_never(self) -> None:
        """For those who would rather see it stale for ever."""
        occupancy, _ = told(delivery(), limits=replace(LIMITS, forget_after=0))
        assert len(occupancy.snapshot(NOW + 10_000 * HOUR).spaces) == 1

    def test_a_forgotten_zone_begins_anew(self) -> None:
        """Its readings, ids and names are gone even when nobody looked in between."""
        occupancy, _ = told(delivery(name="old"))
        assert occupancy.apply(delivery(NOW - HOUR, name="new"), NOW + 25 * HOUR) is Outcome.NEW
        assert readings(occupancy) == {NOW - HOUR: 1}
        assert current(occupancy, now=NOW + 25 * HOUR).metadata.zone_name == "new"

    def test_forgotten_zones_make_room(self) -> None:
        """max_zones counts the zones that are known now."""
        occupancy, _ = told(delivery(), limits=replace(LIMITS, max_spaces=1))
        assert occupancy.apply(delivery(zone="zone_b"), NOW + 24 * HOUR) is Outcome.OVERFLOW
        assert occupancy.apply(delivery(zone="zone_b"), NOW + 25 * HOUR) is Outcome.NEW

    def test_an_old_event_makes_a_stale_zone(self) -> None:
        """Something that people can see, not a silent nothing."""
        occupancy, _ = told(delivery(NOW - 1000 * HOUR))
        snapshot = occupancy.snapshot(NOW)
        assert [snapshot.is_fresh(space) for space in snapshot.spaces] == [False]


class TestBounds:
    """Memory is bounded per zone whatever arrives."""

    def test_too_many_timestamps_shorten_the_window(self) -> None:
        """The newest are kept; what was dropped is late for good, in any order of arrival."""
        limits = replace(LIMITS, max_deliveries=10)
        events = [delivery(NOW - n * SECOND, n) for n in range(30)]
        for seed in range(20):
            random.Random(seed).shuffle(events)
            occupancy, _ = told(*events, limits=limits)
            assert readings(occupancy) == {NOW - n * SECOND: n for n in range(10)}
            assert occupancy.apply(delivery(NOW - 10 * SECOND, 99), NOW) is Outcome.LATE

    def test_a_dropped_reading_does_not_come_back(self) -> None:
        """Even when its going left room: else a retry could bring back what a correction replaced."""
        limits = replace(LIMITS, max_deliveries=10)
        old = [delivery(NOW - MINUTE, n, id=f"old_{n}") for n in range(5)]
        occupancy, _ = told(*old, *[delivery(NOW, n, id=f"new_{n}") for n in range(6)], limits=limits)
        assert readings(occupancy) == {NOW: 5}
        assert occupancy.apply(old[0], NOW) is Outcome.LATE

    def test_too_many_deliveries_of_one_reading_forget_the_first(self) -> None:
        """The last reading is never dropped; only then an id goes before its reading."""
        limits = replace(LIMITS, max_deliveries=3)
        events = [delivery(v=n, id=f"e_{n}") for n in range(5)]
        occupancy, _ = told(*events, limits=limits)
        assert value(occupancy) == 4
        assert [occupancy.apply(event, NOW) for event in events[2:]] == [Outcome.DUPLICATE] * 3
        assert occupancy.apply(events[0], NOW) is Outcome.CORRECTED

    def test_a_flood_of_one_zone_stays_small(self) -> None:
        """50,000 timestamps and ids inside the window keep less than 4 MiB."""
        occupancy = Occupancy(LIMITS)
        tracemalloc.start()
        for n in range(50_000):
            occupancy.apply(delivery(NOW - n % 40_000, n % 7, id=f"event_{n}"), NOW)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 4 << 20
        assert len(readings(occupancy)) <= LIMITS.max_deliveries


def state(occupancy: Occupancy) -> object:
    """Return everything that a reader can see, and the readings behind it."""
    snapshot = occupancy.snapshot(NOW)
    spaces = sorted(snapshot.spaces)
    return spaces, {
        (space.id, count.measure): sorted(occupancy.readings(count.measure, space.id))
        for space in spaces
        for count in space.counts
    }


Kept = dict[tuple[str, Measure], dict[int, float]]


def oracle(events: Sequence[OccupancyEvent], window: int) -> tuple[dict[str, Metadata], Kept]:
    """Work out the end state from the whole list at once, in the words of the contract."""
    zones: dict[str, dict[Measure, list[OccupancyEvent]]] = {}
    for event in events:
        zones.setdefault(event.space_id, {}).setdefault(event.measure, []).append(event)
    names: dict[str, Metadata] = {}
    kept: Kept = {}
    for zone, measures in zones.items():
        newest = max((e for es in measures.values() for e in es), key=lambda e: (e.timestamp, e.generation or 0))
        names[zone] = newest.metadata
        for measure, deliveries in measures.items():
            n = max(e.timestamp for e in deliveries)
            kept[zone, measure] = {
                e.timestamp: e.value
                for e in sorted(deliveries, key=lambda e: e.generation or 0)
                if e.timestamp > n - window
            }
    return names, kept


@st.composite
def deliveries(draw: st.DrawFn) -> list[OccupancyEvent]:
    """Draw a set of events with generations that all differ, delivered in any order, each once or more."""
    generations = draw(st.lists(st.integers(G - 900, G + 900), min_size=1, max_size=24, unique=True))
    events = [
        delivery(
            NOW - draw(st.integers(-2, 20)) * MINUTE,
            draw(st.integers(0, 3)),
            generation=generation,
            zone=draw(st.sampled_from(["zone_a", "zone_b"])),
            name=draw(st.sampled_from(["Desk 01", "Desk 1", "Desk one"])),
            measure=draw(st.sampled_from(Measure)),
        )
        for generation in generations
    ]
    again = draw(st.lists(st.sampled_from(events), max_size=24))
    return draw(st.permutations(events + again))


class TestOrderDoesNotMatter:
    """For events whose generations differ every delivery of one set ends in the same state."""

    @given(deliveries(), st.randoms(use_true_random=False))
    def test_any_order_and_repetition(self, events: list[OccupancyEvent], rng: random.Random) -> None:
        """Two orders agree with each other and with the oracle."""
        first, outcomes = told(*events)
        shuffled = list(events)
        rng.shuffle(shuffled)
        second, _ = told(*shuffled)
        assert state(first) == state(second)
        assert Outcome.FUTURE not in outcomes
        names, kept = oracle(events, LIMITS.window)
        spaces = first.snapshot(NOW).spaces
        assert {space.id: space.metadata for space in spaces} == names
        assert {
            (space.id, count.measure): {r.timestamp: r.value for r in first.readings(count.measure, space.id)}
            for space in spaces
            for count in space.counts
        } == kept
        for space in spaces:
            for count in space.counts:
                assert count.value == kept[space.id, count.measure][count.timestamp]

    @given(deliveries(), st.randoms(use_true_random=False), st.integers(1, 12))
    def test_a_full_zone_too(self, events: list[OccupancyEvent], rng: random.Random, bound: int) -> None:
        """The bound on memory shortens the window by what was delivered, not by when."""
        limits = replace(LIMITS, max_deliveries=bound)
        first, _ = told(*events, limits=limits)
        rng.shuffle(events)
        second, _ = told(*events, limits=limits)
        assert state(first) == state(second)

    @given(deliveries())
    def test_everything_again_changes_nothing(self, events: list[OccupancyEvent]) -> None:
        """The fold is idempotent: what is in the window is a duplicate, what is not is late."""
        occupancy, _ = told(*events)
        before = state(occupancy)
        again = {occupancy.apply(event, NOW) for event in events}
        assert again <= {Outcome.DUPLICATE, Outcome.LATE}
        assert state(occupancy) == before

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["e_1", "e_2", "e_3"]))))
    def test_exact_repeats_of_unknown_generations(self, drawn: list[tuple[int, int, str]]) -> None:
        """Ids of any shape: an event seen before never changes anything."""
        occupancy = Occupancy(LIMITS)
        seen = set()
        for minutes, v, id_ in drawn:
            before = state(occupancy)
            outcome = occupancy.apply(delivery(NOW - minutes * MINUTE, v, id=id_), NOW)
            assert (outcome is Outcome.DUPLICATE) is ((minutes, v, id_) in seen)
            if outcome is Outcome.DUPLICATE:
                assert state(occupancy) == before
            seen.add((minutes, v, id_))


class TestThreads:
    """Many senders and readers at once."""

    def test_threads_end_in_the_same_state(self) -> None:
        """Four senders in different orders and a reader that never sees half a write."""
        events = [
            delivery(NOW - minute * MINUTE, 10 * minute + revision, generation=G + 100 * minute + revision, zone=zone)
            for minute in range(10)
            for revision in range(5)
            for zone in ("zone_a", "zone_b", "zone_c")
        ]
        expected, _ = told(*events)
        occupancy = Occupancy(LIMITS)
        outcomes: list[Outcome] = []
        done = threading.Event()
        torn: list[Space] = []

        def send(seed: int) -> None:
            mine = list(events)
            random.Random(seed).shuffle(mine)
            outcomes.extend([occupancy.apply(event, NOW) for event in mine])

        def read() -> None:
            while not done.is_set():
                for space in occupancy.snapshot(NOW).spaces:
                    minute = (NOW - space.counts[0].timestamp) // MINUTE
                    if space.counts[0].value // 10 != minute:
                        torn.append(space)

        reader = threading.Thread(target=read)
        senders = [threading.Thread(target=send, args=(seed,)) for seed in range(4)]
        for thread in [reader, *senders]:
            thread.start()
        for thread in senders:
            thread.join()
        done.set()
        reader.join()
        assert state(occupancy) == state(expected)
        assert len(outcomes) == 4 * len(events)
        assert outcomes.count(Outcome.DUPLICATE) == 3 * len(events)
        assert torn == []
