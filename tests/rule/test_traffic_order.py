"""Crossings in any order, with any repetition: the same counters, which never fall."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.rule.outcome import Outcome
from exporter.rule.traffic import Crossings
from tests.support.crossings import Delivery, Totals, apply, counted, crossing, state, totals
from tests.support.deliveries import MINUTE, NOW
from tests.support.examples import thorough
from tests.support.stores import LIMITS

_DRAWN = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from([0, 0, 1, 2, 59, 60]), st.integers(0, 3), st.integers(0, 3)),
    min_size=1,
    max_size=24,
)
"""Id, age in minutes and numbers: few of each, so that ids come again with all that may differ."""

_AGED = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=24)
"""Id and numbers; the age of an id is its number in minutes, so that an id has one timestamp."""


def drawn(choices: Sequence[tuple[int, int, int, int]]) -> list[Delivery]:
    """Return the deliveries of drawn numbers."""
    return [crossing(n, entered, left, t=NOW - age * MINUTE) for n, age, entered, left in choices]


def aged(choices: Sequence[tuple[int, int, int]]) -> list[Delivery]:
    """Return the deliveries of drawn numbers, with one timestamp for each id."""
    return drawn([(n, n, entered, left) for n, entered, left in choices])


def oracle(deliveries: Sequence[Delivery]) -> Totals:
    """Return the totals from the whole list, in the words of the contract: each id once, with the larger of each."""
    ids = {delivery.id for delivery in deliveries}
    crossed = [delivery.timestamp for delivery in deliveries if delivery.entered > 0 or delivery.left > 0]
    return Totals(
        sum(max(delivery.entered for delivery in deliveries if delivery.id == each) for each in ids),
        sum(max(delivery.left for delivery in deliveries if delivery.id == each) for each in ids),
        max(crossed, default=-1),
    )


def expected_outcome(before: Sequence[Delivery], delivery: Delivery) -> Outcome:
    """Return the outcome of a delivery in the window after others, in the words of the contract."""
    same = [other for other in before if other.id == delivery.id]
    if not same:
        return Outcome.NEW
    most = max(other.entered for other in same), max(other.left for other in same)
    if delivery.entered > most[0] or delivery.left > most[1]:
        return Outcome.CORRECTED
    return Outcome.DUPLICATE if delivery[2:] == most else Outcome.SUPERSEDED


@thorough
@given(_DRAWN, st.lists(st.integers(0, 23), max_size=24), st.randoms(use_true_random=False))
def test_any_order_and_repetition(
    choices: Sequence[tuple[int, int, int, int]], again: list[int], rng: random.Random
) -> None:
    """Two orders of the same deliveries, some repeated, end in the same state, which the oracle has too."""
    deliveries = drawn(choices)
    first = counted(deliveries)
    shuffled = deliveries + [deliveries[at % len(deliveries)] for at in again]
    rng.shuffle(shuffled)
    assert state(counted(shuffled)) == state(first)
    assert totals(first) == oracle(deliveries)


@thorough
@given(_DRAWN)
def test_each_prefix(choices: Sequence[tuple[int, int, int, int]]) -> None:
    """After each delivery the oracle agrees, the outcome explains the change, and no counter has fallen."""
    deliveries = drawn(choices)
    crossings, before = Crossings(), Totals(0, 0, -1)
    for n, delivery in enumerate(deliveries):
        outcome = apply(crossings, delivery)
        now = totals(crossings)
        assert now == oracle(deliveries[: n + 1])
        assert outcome is expected_outcome(deliveries[:n], delivery)
        assert all(new >= old for new, old in zip(now, before, strict=True))
        changed = now[:2] != before[:2]
        assert not changed or outcome in (Outcome.NEW, Outcome.CORRECTED)
        assert changed or outcome is not Outcome.CORRECTED
        before = now


@thorough
@given(_DRAWN, st.integers(1, 90), st.integers(1, 12))
def test_everything_again_changes_nothing(choices: Sequence[tuple[int, int, int, int]], window: int, most: int) -> None:
    """With any window and bound, each delivery that comes again is known or late, and no counter ever falls."""
    deliveries = drawn(choices)
    crossings, before = Crossings(), Totals(0, 0, -1)
    for delivery in deliveries:
        apply(crossings, delivery, window * MINUTE, most)
        assert all(new >= old for new, old in zip(totals(crossings), before, strict=True))
        before = totals(crossings)
    again = {apply(crossings, delivery, window * MINUTE, most) for delivery in deliveries}
    assert again <= {Outcome.DUPLICATE, Outcome.SUPERSEDED, Outcome.LATE}
    assert totals(crossings) == before


@thorough
@given(_AGED, st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_order_in_a_full_sensor(choices: Sequence[tuple[int, int, int]], most: int, rng: random.Random) -> None:
    """A sensor at its bound remembers the same ids in any order, and counts none of them twice."""
    deliveries = aged(choices)
    first = state(counted(deliveries, most))
    shuffled = list(deliveries)
    rng.shuffle(shuffled)
    second = state(counted(shuffled, most))
    assert (second.floor, second.ids) == (first.floor, first.ids)
    for end in (first, second):
        assert end.entered <= oracle(deliveries).entered
        assert end.left <= oracle(deliveries).left
    in_time = sorted(deliveries, key=lambda delivery: delivery.timestamp)
    assert totals(counted(in_time, most)) == oracle(deliveries)


@thorough
@given(_DRAWN, st.integers(0, 24), st.integers(1, 12))
def test_a_restart_changes_nothing(choices: Sequence[tuple[int, int, int, int]], at: int, most: int) -> None:
    """A state that is saved and restored between two deliveries leads to the same end."""
    deliveries = drawn(choices)
    crossings = Crossings()
    crossings.restore(state(counted(deliveries[:at], most)), replace(LIMITS, max_crossings=most))
    for delivery in deliveries[at:]:
        apply(crossings, delivery, most=most)
    assert state(crossings) == state(counted(deliveries, most))
