"""The corrected history: folded from deliveries, and held against the store."""

import random

from hypothesis import given

from exporter.events.model import ReadingEvent
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import MINUTE, NOW, G, deliveries, delivery, place
from tests.support.stores import LIMITS, all_settled


def history(
    *events: ReadingEvent, now: int = NOW, window: int = 15 * MINUTE, tolerance: int = 5 * MINUTE
) -> tuple[History, list[Outcome]]:
    """Return the history of some deliveries, and the outcome of each."""
    folded = History(window, 6 * MINUTE, tolerance, now)
    return folded, [folded.apply(event) for event in events]


class TestHistory:
    """Deliveries folded into the final value of every reading."""

    def test_readings_that_left_the_window(self) -> None:
        """Readings older than the window stay in the history, each with its last value, oldest first."""
        hours = [NOW - 60 * m * MINUTE for m in (3, 2, 1)]
        events = [delivery(t, v, generation=G + v) for v, t in enumerate(hours)]
        folded, outcomes = history(
            *events, delivery(hours[2], 9, generation=G + 9), delivery(hours[0], 7, generation=G)
        )
        assert outcomes == [Outcome.NEW] * 3 + [Outcome.CORRECTED, Outcome.LATE]
        (only,) = folded.settled()
        assert only.points == [(hours[0], 0), (hours[1], 1), (hours[2], 9)]

    def test_readings_are_released_as_they_leave_the_window(self) -> None:
        """A new reading releases those that it makes too old to change, each once, with its names."""
        first, second, third = (delivery(NOW - 60 * m * MINUTE, m, name=f"after {m} h") for m in (3, 2, 1))
        folded, _ = history(first)
        assert folded.release(first) is None
        folded.apply(second)
        released = folded.release(second)
        assert released is not None
        assert (released.points, place(released).zone_name) == ([(first.timestamp, 3)], "after 2 h")
        folded.apply(third)
        assert folded.release(third, until=second.timestamp) is None
        assert [each.points for each in folded.settled()] == [[(third.timestamp, 1)]]

    def test_a_wider_window_accepts_late_readings(self) -> None:
        """A wider window accepts readings from several files that the service would call late."""
        folded, outcomes = history(delivery(NOW - MINUTE * 60), delivery(NOW - MINUTE * 600, 2), window=999 * MINUTE)
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]
        (only,) = folded.settled()
        assert len(only.points) == 2

    def test_unsettled_readings(self) -> None:
        """A reading younger than `settle_after` is left out, and so is a zone without a settled reading."""
        folded, _ = history(delivery(NOW - 6 * MINUTE), delivery(NOW - 6 * MINUTE + 1), delivery(zone="zone_b"))
        (only,) = folded.settled()
        assert (place(only).zone_id, only.points) == ("zone_a", [(NOW - 6 * MINUTE, 1)])

    def test_the_newest_names(self) -> None:
        """All readings of a zone have its newest name."""
        folded, _ = history(delivery(NOW - 60 * MINUTE, name="old"), delivery(NOW - 30 * MINUTE, name="new"))
        (only,) = folded.settled()
        assert place(only).zone_name == "new"

    def test_the_future(self) -> None:
        """A reading too far ahead of the computations so far, or of now, is refused as in the service."""
        _, outcomes = history(delivery(NOW + 6 * MINUTE))
        assert outcomes == [Outcome.FUTURE]
        then = NOW - 600 * MINUTE
        folded, outcomes = history(
            delivery(then, generation=then // 1000),
            delivery(then + 300 * MINUTE, generation=then // 1000 + 60),
            delivery(then + MINUTE, generation=then // 1000 + 60),
            delivery(then + 2 * MINUTE, generation=G + 9999),
            delivery(then + 3 * MINUTE, generation=then // 1000 + 120),
        )
        assert outcomes == [Outcome.NEW, Outcome.FUTURE, Outcome.NEW, Outcome.NEW, Outcome.NEW]
        assert folded.computed == then + 13 * MINUTE  # that of no clock that is ahead

    def test_until(self) -> None:
        """Readings from `until` on are left out."""
        folded, _ = history(delivery(NOW - 20 * MINUTE), delivery(NOW - 10 * MINUTE))
        (only,) = folded.settled(until=NOW - 10 * MINUTE)
        assert only.points == [(NOW - 20 * MINUTE, 1)]

    def test_any_number_of_deliveries(self) -> None:
        """A flood of deliveries drops no reading from the history, unlike in the service."""
        then = NOW - 6000 * MINUTE
        events = [delivery(then + m * MINUTE, r, id=f"e{m}_{r}") for m in range(2000) for r in range(5)]
        folded, _ = history(*reversed(events), window=9999 * MINUTE)
        (only,) = folded.settled()
        assert only.points == [(then + m * MINUTE, 0) for m in range(2000)]

    @given(deliveries())
    def test_the_same_as_the_service(self, events: list[ReadingEvent]) -> None:
        """Within the window the history agrees with the store, in any order of deliveries."""
        now = NOW + 4 * MINUTE
        folded, _ = history(*events, now=now, tolerance=99 * MINUTE)  # some were computed before they were sensed
        shuffled = random.Random(1).sample(events, len(events))
        service = Store(LIMITS)
        for event in shuffled:
            service.apply(event, now)
        shown = {(each.metadata, each.measure): each.points for each in all_settled(service, now, 99)}
        exported = {(each.metadata, each.measure): each.points for each in folded.settled()}
        for key, points in shown.items():
            oldest = now - LIMITS.window
            assert points == [point for point in exported[key] if point[0] > oldest]
