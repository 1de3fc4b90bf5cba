"""The events that an exporter received, in the order in which it answered them.

Times are milliseconds since the epoch.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from exporter.events.measures import Measure
from exporter.events.model import AnyMetadata, Event, ReadingEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event

SeriesKey = tuple[str, Measure]
"""Id of a space, and measure."""


class Rule(NamedTuple):
    """The exporter's settings that decide outcomes and staleness."""

    window_ms: int = 15 * 60_000
    stale_after_ms: int = 10 * 60_000
    future_tolerance_ms: int = 5 * 60_000
    traffic_window_ms: int = 24 * 60 * 60_000
    detections_stale_after_ms: int = 30_000


class Exchange(NamedTuple):
    """One delivery and the answer to it.

    The delivery arrived at some time from `sent_ms` to `answered_ms`.
    """

    body: bytes
    connected_ms: float
    """When the connection of the answer was made."""
    sent_ms: float
    """When the delivery was sent for the first time."""
    answered_ms: float
    tries: int
    outcomes: dict[str, int]
    """Number of events by outcome, as the exporter answered."""


class Judgement(NamedTuple):
    """The expected and the actual outcome of one event."""

    event: Event
    expected: str
    actual: str


class Arrival(NamedTuple):
    """The arrival of one event."""

    number: int
    """Position among all arrivals."""
    event: Event
    exchange: Exchange
    is_future: bool | None
    """Whether the event was ahead of the clock when it arrived; None if the time of arrival decides."""


def by_series(exchanges: Iterable[Exchange], rule: Rule, unanswered: Iterable[bytes]) -> dict[SeriesKey, list[Arrival]]:
    """Return the arrivals of each space and measure, in order.

    Spaces with an unanswered delivery are left out, as it may have arrived or not; so are spaces with a generation
    that is known or unknown by the time of arrival. Other generations that cannot be true are unknown.
    """
    series: dict[SeriesKey, list[Arrival]] = defaultdict(list)
    shared: dict[AnyMetadata, AnyMetadata] = {}
    in_order = sorted(exchanges, key=lambda exchange: exchange.answered_ms)
    arrivals = (
        (event, exchange) for exchange in in_order if _was_applied(exchange) for event in _events(exchange.body)
    )
    in_doubt = {event.space_key for body in unanswered for event in _events(body)}
    for number, (event, exchange) in enumerate(arrivals):
        is_known = _is_generation_known(event, exchange, rule)
        if is_known is None:
            in_doubt.add(event.space_key)
        judged = event._replace(
            metadata=shared.setdefault(event.metadata, event.metadata),
            generation=event.generation if is_known else None,
        )
        ahead_until_ms = event.timestamp - rule.future_tolerance_ms
        arrival = Arrival(number, judged, exchange, _is_before(exchange, ahead_until_ms))
        series[event.space_id, event.measure].append(arrival)
    return {key: found for key, found in series.items() if found[0].event.space_key not in in_doubt}


POLLED_MS = 10_000
"""Time for which a polled reading, which has no try, may be under way after the answer that has it."""


def were_sent_alone(arrivals: Sequence[Arrival]) -> list[bool]:
    """Tell for each arrival whether it was sent once, and while no other of these was under way."""
    if not arrivals:
        return []
    exchanges = [arrival.exchange for arrival in arrivals]
    ends_ms = [e.answered_ms if e.tries else e.answered_ms + POLLED_MS for e in exchanges[:-1]]
    answered_before = [float("-inf"), *accumulate(ends_ms, max)]
    sent_after = [*list(accumulate((e.sent_ms for e in reversed(exchanges[1:])), min))[::-1], float("inf")]
    return [
        e.tries == 1 and before <= e.sent_ms and e.answered_ms <= after
        for before, e, after in zip(answered_before, exchanges, sent_after, strict=True)
    ]


def distinct(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Return the first arrival of each id with each value: the very same event again changes nothing."""
    first: dict[tuple[str, tuple[float, ...]], Arrival] = {}
    for arrival in arrivals:
        first.setdefault((arrival.event.id, _numbers(arrival.event)), arrival)
    return list(first.values())


def decisive(arrivals: Sequence[Arrival]) -> Event:
    """Return the event that decides a timestamp: the last to arrive of those that were not superseded at arrival."""
    found = arrivals[0].event
    latest = found.generation
    for event in (arrival.event for arrival in arrivals[1:]):
        if event.generation is None or latest is None or event.generation >= latest:
            found = event
        latest = max((g for g in (latest, event.generation) if g is not None), default=None)
    return found


def is_older(event: Event, than: Event) -> bool:
    """Tell whether an event was computed before another; not if one of the generations is unknown."""
    return event.generation is not None and than.generation is not None and event.generation < than.generation


def _numbers(event: Event) -> tuple[float, ...]:
    return (event.value,) if isinstance(event, ReadingEvent) else (event.entered, event.left)


def _is_before(exchange: Exchange, time_ms: float) -> bool | None:
    """Tell whether a delivery arrived before a time; None if the exact time of arrival decides."""
    if exchange.sent_ms < time_ms <= exchange.answered_ms:
        return None
    return time_ms > exchange.answered_ms


def _is_generation_known(event: Event, exchange: Exchange, rule: Rule) -> bool | None:
    """Tell whether an event has a generation that can be true; None if the time of arrival decides.

    It cannot be later than the arrival, or earlier than the reading, by more than the tolerance.
    """
    if event.generation is None:
        return False
    first_ms, last_ms = event.generation * 1000, event.generation * 1000 + 999
    if last_ms < event.timestamp - rule.future_tolerance_ms:
        return False
    is_ahead = _is_before(exchange, first_ms - rule.future_tolerance_ms)
    return None if is_ahead is None else not is_ahead


def _was_applied(exchange: Exchange) -> bool:
    """Tell whether the exporter judged the events, rather than refusing the request or having no room for them."""
    return bool(exchange.outcomes) and "overflow" not in exchange.outcomes


def _events(body: bytes) -> Iterator[Event]:
    """Return the valid events of exported measures in a body."""
    try:
        items = parse_body(body)
    except NotJson:
        return
    for item in items:
        try:
            event = parse_event(item)
        except InvalidEvent:
            continue
        if not isinstance(event, UnsupportedEvent):
            yield event
