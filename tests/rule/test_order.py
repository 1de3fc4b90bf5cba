"""Attempts to break the rule: any order, any number, any thread."""

import random
import threading
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent
from exporter.rule.outcome import Outcome
from exporter.rule.space import Space
from exporter.rule.store import Store
from tests.support.deliveries import MINUTE, NOW, SECOND, G, deliveries, delivery
from tests.support.examples import thorough
from tests.support.stores import LIMITS, readings, spaces, told, value


class TestBounds:
    """Memory is bounded per zone whatever arrives."""

    def test_too_many_timestamps_shorten_the_window(self) -> None:
        """The newest are kept; what was dropped is late for good, in any order of arrival."""
        limits = replace(LIMITS, max_deliveries=10)
        events = [delivery(NOW - n * SECOND, n) for n in range(30)]
        for seed in range(20):
            random.Random(seed).shuffle(events)
            store, _ = told(*events, limits=limits)
            assert readings(store) == {NOW - n * SECOND: n for n in range(10)}
            assert store.apply(delivery(NOW - 10 * SECOND, 99), NOW) is Outcome.LATE

    def test_a_dropped_reading_does_not_come_back(self) -> None:
        """Even when its going left room: else a retry could bring back what a correction replaced."""
        limits = replace(LIMITS, max_deliveries=10)
        old = [delivery(NOW - MINUTE, n, id=f"old_{n}") for n in range(5)]
        store, _ = told(*old, *[delivery(NOW, n, id=f"new_{n}") for n in range(6)], limits=limits)
        assert readings(store) == {NOW: 5}
        assert store.apply(old[0], NOW) is Outcome.LATE

    def test_what_was_dropped_stays_late(self) -> None:
        """Although there is room for it again."""
        limits = replace(LIMITS, max_deliveries=3)
        old = [delivery(NOW - MINUTE, n, id=f"old_{n}") for n in range(3)]
        store, _ = told(*old, delivery(NOW), limits=limits)
        assert store.apply(old[0]._replace(id="once more"), NOW) is Outcome.LATE
        assert readings(store) == {NOW: 1}

    def test_too_many_deliveries_of_one_reading_forget_the_first(self) -> None:
        """The last reading is never dropped; only then an id goes before its reading."""
        limits = replace(LIMITS, max_deliveries=3)
        events = [delivery(v=n, id=f"e_{n}") for n in range(5)]
        store, _ = told(*events, limits=limits)
        assert value(store) == 4
        assert [store.apply(event, NOW) for event in events[2:]] == [Outcome.DUPLICATE] * 3
        assert store.apply(events[0], NOW) is Outcome.CORRECTED

    def test_a_flood_of_one_zone_stays_small(self) -> None:
        """50,000 timestamps and ids inside the window keep less than 4 MiB."""
        store = Store(LIMITS)
        tracemalloc.start()
        for n in range(50_000):
            store.apply(delivery(NOW - n % 40_000, n % 7, id=f"event_{n}"), NOW)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 4 << 20
        assert len(readings(store)) <= LIMITS.max_deliveries


def state(store: Store) -> object:
    """Return everything that a reader can see, and the readings behind it."""
    seen = spaces(store)
    return seen, {
        (space.id, count.measure): [r[:3] for r in store.readings(count.measure, space.id)]
        for space in seen
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
        for measure, received in measures.items():
            n = max(e.timestamp for e in received)
            kept[zone, measure] = {
                e.timestamp: e.value
                for e in sorted(received, key=lambda e: e.generation or 0)
                if e.timestamp > n - window
            }
    return names, kept


class TestOrderDoesNotMatter:
    """For events whose generations differ every delivery of one set ends in the same state."""

    @thorough
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

    @thorough
    @given(deliveries(), st.randoms(use_true_random=False), st.integers(1, 12))
    def test_a_full_zone_too(self, events: list[OccupancyEvent], rng: random.Random, bound: int) -> None:
        """The bound on memory shortens the window by what was delivered, not by when."""
        limits = replace(LIMITS, max_deliveries=bound)
        first, _ = told(*events, limits=limits)
        rng.shuffle(events)
        second, _ = told(*events, limits=limits)
        assert state(first) == state(second)

    @thorough
    @given(deliveries())
    def test_everything_again_changes_nothing(self, events: list[OccupancyEvent]) -> None:
        """The fold is idempotent: what is in the window is a duplicate, what is not is late."""
        store, _ = told(*events)
        before = state(store)
        again = {store.apply(event, NOW) for event in events}
        assert again <= {Outcome.DUPLICATE, Outcome.LATE}
        assert state(store) == before

    @thorough
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["e_1", "e_2", "e_3"]))))
    def test_exact_repeats_of_unknown_generations(self, drawn: list[tuple[int, int, str]]) -> None:
        """Ids of any shape: an event seen before never changes anything."""
        store = Store(LIMITS)
        seen = set()
        for minutes, v, id_ in drawn:
            before = state(store)
            outcome = store.apply(delivery(NOW - minutes * MINUTE, v, id=id_), NOW)
            assert (outcome is Outcome.DUPLICATE) is ((minutes, v, id_) in seen)
            if outcome is Outcome.DUPLICATE:
                assert state(store) == before
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
        store = Store(LIMITS)
        outcomes: list[Outcome] = []
        done = threading.Event()
        torn: list[Space] = []

        def send(seed: int) -> None:
            mine = list(events)
            random.Random(seed).shuffle(mine)
            outcomes.extend([store.apply(event, NOW) for event in mine])

        def read() -> None:
            while not done.is_set():
                for space in store.snapshot(NOW).spaces:
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
        assert state(store) == state(expected)
        assert len(outcomes) == 4 * len(events)
        assert outcomes.count(Outcome.DUPLICATE) == 3 * len(events)
        assert torn == []
