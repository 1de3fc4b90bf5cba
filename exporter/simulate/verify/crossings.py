"""The crossings of one sensor: their outcomes and totals, from the words of the contract."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exporter.events.model import CrossingEvent
from exporter.simulate.verify.arrivals import Arrival, Judgement, Rule, were_sent_alone

_MAX_IDS = 8192
"""Ids that an exporter remembers of a sensor; with more of them its counters cannot be told."""


class Totals(NamedTuple):
    """The counters of a sensor."""

    entered: int = 0
    left: int = 0
    last_crossing_ms: int = -1
    """When somebody last crossed, milliseconds since the epoch; -1 if nobody did."""


def judgements(arrivals: Sequence[Arrival], rule: Rule, before: Totals) -> Iterator[Judgement]:
    """Judge every event that can only have had one outcome; `before` are the totals before the first arrival."""
    expected = _outcomes(arrivals, rule, before.last_crossing_ms)
    for arrival, alone, outcome in zip(arrivals, were_sent_alone(arrivals), expected, strict=True):
        outcomes = arrival.exchange.outcomes
        is_new = outcome in ("future", "late") or arrival.event.timestamp > before.last_crossing_ms
        if is_new and alone and arrival.is_future is not None and sum(outcomes.values()) == 1:
            yield Judgement(arrival.event, outcome, *outcomes)


def totals(arrivals: Sequence[Arrival], rule: Rule, before: Totals) -> Totals | None:
    """Return the totals after these arrivals; None if the exporter may have had some of them before.

    Deliveries are assumed to arrive in the order of their answers.
    """
    counted: dict[str, list[CrossingEvent]] = {}
    for arrival, outcome in zip(arrivals, _outcomes(arrivals, rule, before.last_crossing_ms), strict=True):
        if outcome not in ("future", "late"):
            counted.setdefault(arrival.event.id, []).append(_crossing(arrival))
    events = [event for same_id in counted.values() for event in same_id]
    if len(counted) > _MAX_IDS or any(event.timestamp <= before.last_crossing_ms for event in events):
        return None
    return Totals(
        before.entered + sum(max(event.entered for event in same_id) for same_id in counted.values()),
        before.left + sum(max(event.left for event in same_id) for same_id in counted.values()),
        max([event.timestamp for event in events if event.entered or event.left], default=before.last_crossing_ms),
    )


def _outcomes(arrivals: Sequence[Arrival], rule: Rule, n: int) -> Iterator[str]:
    """Return the outcome of each arrival; `n` is the newest timestamp before the first, or -1."""
    counted: dict[str, tuple[int, int]] = {}
    for arrival in arrivals:
        event = _crossing(arrival)
        if arrival.is_future:
            yield "future"
            continue
        if event.timestamp <= n - rule.traffic_window_ms:
            yield "late"
            continue
        n = max(n, event.timestamp)
        numbers = (event.entered, event.left)
        known = counted.get(event.id)
        larger = numbers if known is None else (max(known[0], numbers[0]), max(known[1], numbers[1]))
        counted[event.id] = larger
        if known is None:
            yield "new"
        elif larger != known:
            yield "corrected"
        else:
            yield "duplicate" if numbers == known else "superseded"


def _crossing(arrival: Arrival) -> CrossingEvent:
    assert isinstance(arrival.event, CrossingEvent)  # noqa: S101 - by its measure
    return arrival.event
