"""Crossings of one sensor: deliveries, and the counters that they lead to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from exporter.rule.outcome import Outcome
from exporter.rule.traffic import Crossings, CrossingsState
from tests.support.deliveries import HOUR, NOW, SECOND
from tests.support.stores import LIMITS

DAY = 24 * HOUR


class Delivery(NamedTuple):
    """One delivery of a crossing."""

    id: str
    timestamp: int
    entered: int
    left: int


class Totals(NamedTuple):
    """The families of one sensor."""

    entered: int
    left: int
    last_crossing: int


def crossing(n: int, entered: int = 1, left: int = 0, *, t: int | None = None) -> Delivery:
    """Return the delivery number `n`, `n` seconds before now unless `t` is its timestamp."""
    return Delivery(f"event_{n}", NOW - n * SECOND if t is None else t, entered, left)


def apply(crossings: Crossings, delivery: Delivery, window: int = DAY, most: int = 8192) -> Outcome:
    """Apply one delivery with these limits."""
    return crossings.apply(*delivery, replace(LIMITS, traffic_window=window, max_crossings=most))


def counted(deliveries: Sequence[Delivery], most: int = 8192) -> Crossings:
    """Return the crossings of these deliveries in this order."""
    crossings = Crossings()
    for delivery in deliveries:
        apply(crossings, delivery, most=most)
    return crossings


def totals(crossings: Crossings) -> Totals:
    """Return the counters and the time of the last crossing."""
    return Totals(crossings.entered, crossings.left, crossings.last_crossing)


def state(crossings: Crossings) -> CrossingsState:
    """Return all that is known of a sensor."""
    return crossings.state(LIMITS)
