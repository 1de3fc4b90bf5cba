"""Attempts to break the rule: any order, any number, any thread."""

import random
import threading
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Cadence, Kind, Measure
from exporter.events.model import AnyMetadata, ReadingEvent
from exporter.rule.outcome import Outcome
from exporter.rule.space import Space
from exporter.rule.store import Store
from tests.support.deliveries import MINUTE, NOW, SECOND, G, deliveries, delivery
from tests.support.examples import thorough
from tests.support.stores import LIMITS, applied, readings, spaces, value


class TestBounds:
    """Memory per zone is bounded for every stream of deliveries."""

    def test_too_many_timestamps_shorten_the_window(self) -> None:
        """In any order of arrival the newest readings stay, and a dropped reading is late when it returns."""
        limits = replace(LIMITS, max_deliveries=10)
        events = [delivery(NOW - n * SECOND, n) for n in range(30)]
        for seed in range(20):
            random.Random(seed).shuffle(events)
            store, _ = applied(*events, limits=limits)
            assert readings(store) == {NOW - n * SECOND: n for n in range(10)}
            assert store.apply(delivery(NOW - 10 * SECOND, 99), NOW) is Outcome.LATE

    def test_a_dropped_reading_does_not_come_back(self) -> None:
        """A retry of a dropped reading is late, even when the drop has left room for it."""
        limits = replace(LIMITS, max_deliveries=10)
        old = [delivery(NOW - MINUTE, n, id=f"old_{n}") for n in range(5)]
        store, _ = applied(*old, *[delivery(NOW, n, id=f"new_{n}") for n in range(6)], limits=limits)
        assert readings(store) == {NOW: 5}
        assert store.apply(old[0], NOW) is Outcome.LATE

    def test_a_dropped_reading_stays_late(self) -> None:
        """A dropped reading stays late although there is room again."""
        limits = replace(LIMITS, max_deliveries=3)
        old = [delivery(NOW - MINUTE, n, id=f"old_{n}") for n in range(3)]
        store, _ = applied(*old, delivery(NOW), limits=limits)
        assert store.apply(old[0]._replace(id="once more"), NOW) is Outcome.LATE
        assert readings(store) == {NOW: 1}

    def test_too_many_deliveries_of_one_reading_forget_the_first(self) -> None:
        """The only reading of a zone is never dropped; its first ids are forgotten instead."""
        limits = replace(LIMITS, max_deliveries=3)
        events = [delivery(v=n, id=f"e_{n}") for n in range(5)]
        store, _ = applied(*events, limits=limits)
        assert value(store) == 4
        assert [store.apply(event, NOW) for event in events[2:]] == [Outcome.DUPLICATE] * 3
        assert store.apply(events[0], NOW) is Outcome.CORRECTED

    def test_a_flood_of_one_zone_stays_small(self) -> None:
        """A zone with 50,000 timestamps and ids inside the window takes less than 4 MiB."""
        store = Store(LIMITS)
        tracemalloc.start()
        for n in range(50_000):
            store.apply(delivery(NOW - n % 40_000, n % 7, id=f"event_{n}"), NOW)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 4 << 20
        assert len(readings(store)) <= LIMITS.max_deliveries


def state(store: Store) -> object:
    """Return everything that a reader can see, and the stored readings."""
    seen = spaces(store)
    return seen, {
        (space.id, count.measure): [r[:3] for r in store.readings(count.measure, space.id)]
        for space in seen
        for count in space.counts
    }


Names = dict[tuple[Kind, str], AnyMetadata]

Kept = dict[tuple[str, Measure], dict[int, float]]


def oracle(events: Sequence[ReadingEvent], window: int) -> tuple[Names, Kept]:
    """Return the names and readings of the end state, computed from the whole list in the words of the contract."""
    spaces: dict[tuple[Kind, str], dict[Measure, list[ReadingEvent]]] = {}
    for event in events:
        space = spaces.setdefault((event.measure.kind, event.space_id), {})
        space.setdefault(event.measure, []).append(event)
    names: Names = {}
    kept: Kept = {}
    for (kind, space_id), measures in spaces.items():
        newest = max((e for es in measures.values() for e in es), key=lambda e: (e.timestamp, e.generation or 0))
        names[kind, space_id] = newest.metadata
        for measure, received in measures.items():
            n = max(e.timestamp for e in received)
            of_measure = 1 if measure.declared.cadence is Cadence.STREAM else window
            kept[space_id, measure] = {
                e.timestamp: e.value
                for e in sorted(received, key=lambda e: e.generation or 0)
                if e.timestamp > n - of_measure
            }
    return names, kept


class TestOrderDoesNotMatter:
    """Events with generations that all differ end in the same state in every order of deliveries."""

    @thorough
    @given(deliveries(), st.randoms(use_true_random=False))
    def test_any_order_and_repetition(self, events: list[ReadingEvent], rng: random.Random) -> None:
        """Two orders of the same deliveries agree with each other and with the oracle."""
        first, outcomes = applied(*events)
        shuffled = list(events)
        rng.shuffle(shuffled)
        second, _ = applied(*shuffled)
        assert state(first) == state(second)
        assert Outcome.FUTURE not in outcomes
        names, kept = oracle(events, LIMITS.window)
        spaces = first.snapshot(NOW).spaces
        assert {(space.kind, space.id): space.metadata for space in spaces} == names
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
    def test_any_order_in_a_full_zone(self, events: list[ReadingEvent], rng: random.Random, bound: int) -> None:
        """A zone at its bound on memory ends in the same state in any order of deliveries."""
        limits = replace(LIMITS, max_deliveries=bound)
        first, _ = applied(*events, limits=limits)
        rng.shuffle(events)
        second, _ = applied(*events, limits=limits)
        assert state(first) == state(second)

    @thorough
    @given(deliveries())
    def test_everything_again_changes_nothing(self, events: list[ReadingEvent]) -> None:
        """Every event that is delivered again is a duplicate or late, and changes nothing."""
        store, _ = applied(*events)
        before = state(store)
        again = {store.apply(event, NOW) for event in events}
        assert again <= {Outcome.DUPLICATE, Outcome.LATE}
        assert state(store) == before

    @thorough
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["e_1", "e_2", "e_3"]))))
    def test_exact_repeats_of_unknown_generations(self, drawn: list[tuple[int, int, str]]) -> None:
        """An event with an unknown generation is a duplicate when it comes again, and changes nothing."""
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
    """Many senders and readers work at once."""

    def test_threads_end_in_the_same_state(self) -> None:
        """Four senders in different orders end in the same state, and a reader never sees half a write."""
        events = [
            delivery(NOW - minute * MINUTE, 10 * minute + revision, generation=G + 10 * minute + revision, zone=zone)
            for minute in range(10)
            for revision in range(5)
            for zone in ("zone_a", "zone_b", "zone_c")
        ]
        expected, _ = applied(*events)
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
