"""Room for a new space: forgotten spaces make it at once, and an event that is refused costs no search."""

import random
from dataclasses import replace

from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, delivery
from tests.support.stores import LIMITS

DAY = 24 * HOUR
FULL = replace(LIMITS, max_spaces=2)


def full(limits: Limits = FULL) -> Store:
    """Return a store with no room: the second of its two spaces had its delivery half a second after the first."""
    store = Store(limits)
    assert store.apply(delivery(zone="zone_a"), NOW) is Outcome.NEW
    assert store.apply(delivery(zone="zone_b"), NOW + 500) is Outcome.NEW
    return store


class TestRoom:
    """A full store, and spaces that are forgotten."""

    def test_within_a_second_after_another(self) -> None:
        """A space that is forgotten half a second after another leaves room at once."""
        store, then = full(), NOW + DAY
        assert store.apply(delivery(zone="zone_c"), then) is Outcome.OVERFLOW
        assert store.apply(delivery(then, zone="zone_c"), then + 1) is Outcome.NEW
        assert store.apply(delivery(then, zone="zone_d"), then + 500) is Outcome.OVERFLOW
        assert store.apply(delivery(then, zone="zone_d"), then + 501) is Outcome.NEW

    def test_right_after_a_scrape(self) -> None:
        """A space that is forgotten right after a scrape leaves room at once."""
        store, then = full(), NOW + DAY
        assert len(store.snapshot(then).spaces) == 2
        assert store.apply(delivery(then, zone="zone_c"), then + 1) is Outcome.NEW

    def test_after_a_delivery_meanwhile(self) -> None:
        """A space that had a delivery since the last search stays, and is forgotten in its own time."""
        store, then = full(), NOW + DAY
        assert len(store.snapshot(NOW + SECOND).spaces) == 2
        store.apply(delivery(zone="zone_a"), NOW + HOUR)
        assert store.apply(delivery(then, zone="zone_c"), then + 501) is Outcome.NEW
        assert store.apply(delivery(then, zone="zone_d"), then + HOUR) is Outcome.OVERFLOW
        assert store.apply(delivery(then, zone="zone_d"), then + HOUR + 1) is Outcome.NEW

    def test_when_the_clock_was_set_back(self) -> None:
        """A space whose last delivery came after the clock was set back is forgotten by that arrival."""
        store = full()
        assert len(store.snapshot(NOW + HOUR).spaces) == 2
        for zone in ("zone_a", "zone_b"):
            store.apply(delivery(NOW - HOUR, zone=zone), NOW - HOUR)
        assert len(store.snapshot(NOW - HOUR).spaces) == 2
        assert store.apply(delivery(zone="zone_c"), NOW - HOUR + DAY) is Outcome.OVERFLOW
        assert store.apply(delivery(zone="zone_c"), NOW - HOUR + DAY + 1) is Outcome.NEW

    def test_after_an_old_entry(self) -> None:
        """A space that an old entry of a journal brought is forgotten by the arrival of the entry."""
        store = full(replace(FULL, max_spaces=3))
        assert len(store.snapshot(NOW + HOUR).spaces) == 2
        store.replay([(delivery(zone="zone_old"), NOW - HOUR)])
        assert store.apply(delivery(zone="zone_c"), NOW - HOUR + DAY) is Outcome.OVERFLOW
        assert store.apply(delivery(zone="zone_c"), NOW - HOUR + DAY + 1) is Outcome.NEW

    def test_after_a_saved_space(self) -> None:
        """A space that was restored after a search is forgotten by its own arrival."""
        saved, store = Store(FULL), Store(FULL)
        saved.apply(delivery(zone="zone_old"), NOW)
        store.apply(delivery(zone="zone_a"), NOW + HOUR)
        assert len(store.snapshot(NOW + HOUR).spaces) == 1
        store.restore(saved.states(saved.keys()))
        assert store.apply(delivery(zone="zone_c"), NOW + DAY) is Outcome.OVERFLOW
        assert store.apply(delivery(zone="zone_c"), NOW + DAY + 1) is Outcome.NEW

    def test_never(self) -> None:
        """With `forget_after` 0 a full store stays full."""
        store = full(replace(FULL, forget_after=0))
        assert store.apply(delivery(zone="zone_c"), NOW + 1000 * DAY) is Outcome.OVERFLOW

    def test_as_if_every_call_searched(self) -> None:
        """For any deliveries and scrapes, the spaces that are known are those with a delivery within `forget_after`."""
        limits = replace(LIMITS, max_spaces=3, forget_after=10 * MINUTE)
        for seed in range(100):
            chance, store, now = random.Random(seed), Store(limits), NOW
            arrivals: dict[str, int] = {}
            for _ in range(60):
                now += chance.choice([0, 1, SECOND, MINUTE, 4 * MINUTE])
                arrivals = {zone: arrival for zone, arrival in arrivals.items() if now - arrival <= 10 * MINUTE}
                zone = chance.choice("abcdef")
                if chance.random() < 0.2:
                    assert {space.id for space in store.snapshot(now).spaces} == arrivals.keys()
                elif store.apply(delivery(NOW, zone=zone), now) is Outcome.OVERFLOW:
                    assert zone not in arrivals
                    assert len(arrivals) == 3
                else:
                    arrivals[zone] = now
                    assert len(arrivals) <= 3
