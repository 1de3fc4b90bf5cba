"""The counts that an exporter must show after some deliveries, and the outcomes that it must have answered.

Written from the words of the contract with the whole list in hand, where the exporter has to decide event by
event; it shares nothing with the rule that it judges but the parser of events, which also reads the time in an
id. Times are milliseconds since the epoch.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from exporter.events.measures import Kind, Measure
from exporter.events.model import AnyMetadata, ReadingEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event

SeriesKey = tuple[str, Measure]
"""Space id and measure."""


class Rule(NamedTuple):
    """The exporter's settings that decide outcomes and staleness."""

    window_ms: int = 15 * 60_000
    stale_after_ms: int = 10 * 60_000
    future_tolerance_ms: int = 5 * 60_000


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


class ExpectedCount(NamedTuple):
    """The count that must be shown for one measure of one zone."""

    metadata: AnyMetadata
    value: float
    timestamp_ms: int
    """When it was sensed."""


class Judgement(NamedTuple):
    """The expected and the actual outcome of one event."""

    event: ReadingEvent
    expected: str
    actual: str


class _Arrival(NamedTuple):
    """The arrival of one event."""

    number: int
    """Position among all arrivals."""
    event: ReadingEvent
    exchange: Exchange


class Oracle:
    """Judges an exporter by all deliveries that it answered, in the order of the answers."""

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        rule: Rule,
        *,
        unanswered: Iterable[bytes] = (),
        newest_before_ms: Mapping[SeriesKey, int] = MappingProxyType({}),
    ) -> None:
        """Take the exchanges, the bodies that were not answered, and the newest readings from before.

        Zones with an unanswered delivery are left out, as it may have arrived or not; so are zones with a generation
        that is known or unknown by the time of arrival. `newest_before_ms` has the timestamps of the newest readings
        that the exporter had before the first delivery.
        """
        self.rule = rule
        self._newest_before_ms = newest_before_ms
        self._series: dict[SeriesKey, list[_Arrival]] = defaultdict(list)
        shared_metadata: dict[AnyMetadata, AnyMetadata] = {}
        in_order = sorted(exchanges, key=lambda exchange: exchange.answered_ms)
        arrivals = (
            (event, exchange) for exchange in in_order if _was_applied(exchange) for event in _events(exchange.body)
        )
        in_doubt = {(event.measure.kind, event.space_id) for body in unanswered for event in _events(body)}
        for number, (event, exchange) in enumerate(arrivals):
            is_known = self._is_generation_known(event, exchange)
            if is_known is None:
                in_doubt.add((event.measure.kind, event.space_id))
            judged = event._replace(
                metadata=shared_metadata.setdefault(event.metadata, event.metadata),
                generation=event.generation if is_known else None,
            )
            self._series[event.space_id, event.measure].append(_Arrival(number, judged, exchange))
        for kind, space in in_doubt:
            for measure in _measures(kind):
                self._series.pop((space, measure), None)

    @property
    def series_sent(self) -> int:
        """Number of delivered pairs of zone and measure."""
        return len(self._series)

    def expected_counts(self) -> dict[SeriesKey, ExpectedCount]:
        """Return the count of each zone and measure that must be shown unless it is stale.

        Zones are left out if the exporter had newer readings of them before the first delivery.
        """
        newest: dict[tuple[Kind, str], dict[Measure, list[_Arrival]]] = defaultdict(dict)
        for (zone, measure), arrivals in self._series.items():
            if accepted := [arrival for arrival in arrivals if self._is_future(arrival) is not True]:
                n = max(arrival.event.timestamp for arrival in accepted)
                newest[measure.kind, zone][measure] = _distinct(
                    arrival for arrival in accepted if arrival.event.timestamp == n
                )
        expected = {}
        for (kind, zone), measures in newest.items():
            if any(arrivals[0].event.timestamp <= self._n_before(zone, m) for m, arrivals in measures.items()):
                continue
            # A zone has one name: that of its newest reading of any measure.
            latest = max(arrivals[0].event.timestamp for arrivals in measures.values())
            if latest <= max(self._n_before(zone, measure) for measure in _measures(kind)):
                continue
            of_latest = [a for arrivals in measures.values() for a in arrivals if a.event.timestamp == latest]
            metadata = _decisive(sorted(of_latest)).metadata
            for measure, arrivals in measures.items():
                expected[zone, measure] = ExpectedCount(
                    metadata, _decisive(arrivals).value, arrivals[0].event.timestamp
                )
        return expected

    def _n_before(self, zone: str, measure: Measure) -> int:
        """Return the timestamp of the newest reading before the first delivery; -1 if none."""
        return self._newest_before_ms.get((zone, measure), -1)

    def history(self) -> dict[SeriesKey, dict[int, float]]:
        """Return the final value of every reading by its timestamp, for each zone and measure.

        A reading that was older than the window when it arrived is left out. Deliveries are assumed to arrive in the
        order of their answers.
        """
        history: dict[SeriesKey, dict[int, float]] = {}
        for (zone, measure), arrivals in self._series.items():
            n = self._n_before(zone, measure)
            at: dict[int, list[_Arrival]] = defaultdict(list)
            for arrival in arrivals:
                t = arrival.event.timestamp
                if t > n - self.rule.window_ms and self._is_future(arrival) is not True:
                    n = max(n, t)
                    at[t].append(arrival)
            history[zone, measure] = {t: _decisive(_distinct(received)).value for t, received in sorted(at.items())}
        return history

    def is_stale(self, count: ExpectedCount, now_ms: float) -> bool:
        """Tell whether a count is too old to be shown at `now_ms`."""
        return 0 < self.rule.stale_after_ms < now_ms - count.timestamp_ms

    def judgements(self) -> Iterator[Judgement]:
        """Judge every event that can only have had one outcome.

        Not judged are deliveries that overlapped with another of the same zone, or that were sent more than once:
        only the exporter knows the order of their arrival. Arrays of events, and readings that the exporter may
        have had before, are not judged either.
        """
        for (zone, measure), arrivals in self._series.items():
            at: dict[int, list[_Arrival]] = defaultdict(list)
            before = n = self._n_before(zone, measure)
            for arrival, alone in zip(arrivals, _were_sent_alone(arrivals), strict=True):
                event = arrival.event
                future = self._is_future(arrival)
                if alone and future is not None and sum(arrival.exchange.outcomes.values()) == 1:
                    expected = "future" if future else self._outcome(event, at[event.timestamp], n)
                    if expected in ("future", "late") or event.timestamp > before:
                        yield Judgement(event, expected, *arrival.exchange.outcomes)
                if not future:
                    at[event.timestamp].append(arrival)
                    n = max(n, event.timestamp)

    def _outcome(self, event: ReadingEvent, earlier: list[_Arrival], n: int) -> str:
        """Return the outcome of the first row of the contract's table that holds.

        `earlier` arrived before for the same timestamp, and `n` is the newest timestamp, or -1.
        """
        if event.timestamp <= n - self.rule.window_ms:
            return "late"
        if any((a.event.id, a.event.value) == (event.id, event.value) for a in earlier):
            return "duplicate"
        if any(_is_older(event, a.event) for a in earlier):
            return "superseded"
        if earlier:
            return "repeated" if _decisive(_distinct(earlier)).value == event.value else "corrected"
        return "new" if event.timestamp > n else "backfilled"

    def _is_generation_known(self, event: ReadingEvent, exchange: Exchange) -> bool | None:
        """Tell whether an event has a generation that can be true; None if the time of arrival decides.

        It cannot be later than the arrival, or earlier than the reading, by more than the tolerance.
        """
        if event.generation is None:
            return False
        first_ms, last_ms = event.generation * 1000, event.generation * 1000 + 999
        if last_ms < event.timestamp - self.rule.future_tolerance_ms:
            return False
        ahead_until_ms = first_ms - self.rule.future_tolerance_ms
        if exchange.sent_ms < ahead_until_ms <= exchange.answered_ms:
            return None
        return ahead_until_ms <= exchange.answered_ms

    def _is_future(self, arrival: _Arrival) -> bool | None:
        """Tell whether an event was ahead of the clock when it arrived; None if the time of arrival decides."""
        ahead_until_ms = arrival.event.timestamp - self.rule.future_tolerance_ms
        if arrival.exchange.sent_ms < ahead_until_ms <= arrival.exchange.answered_ms:
            return None
        return ahead_until_ms > arrival.exchange.answered_ms


def _measures(kind: Kind) -> list[Measure]:
    return [measure for measure in Measure if measure.kind is kind]


def _was_applied(exchange: Exchange) -> bool:
    """Tell whether the exporter judged the events, rather than refusing the request or having no room for them."""
    return bool(exchange.outcomes) and "overflow" not in exchange.outcomes


def _events(body: bytes) -> Iterator[ReadingEvent]:
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
        if isinstance(event, ReadingEvent):
            yield event


def _distinct(arrivals: Iterable[_Arrival]) -> list[_Arrival]:
    """Return the first arrival of each id with each value: the very same event again changes nothing."""
    first: dict[tuple[str, float], _Arrival] = {}
    for arrival in arrivals:
        first.setdefault((arrival.event.id, arrival.event.value), arrival)
    return list(first.values())


def _decisive(arrivals: Sequence[_Arrival]) -> ReadingEvent:
    """Return the event that decides a reading: the last to arrive of those that were not superseded at arrival."""
    decisive = arrivals[0].event
    latest = decisive.generation
    for event in (arrival.event for arrival in arrivals[1:]):
        if event.generation is None or latest is None or event.generation >= latest:
            decisive = event
        latest = max((g for g in (latest, event.generation) if g is not None), default=None)
    return decisive


def _is_older(event: ReadingEvent, than: ReadingEvent) -> bool:
    return event.generation is not None and than.generation is not None and event.generation < than.generation


def _were_sent_alone(arrivals: list[_Arrival]) -> list[bool]:
    """Tell for each arrival whether it was sent once, and while no other was under way."""
    if not arrivals:
        return []
    exchanges = [arrival.exchange for arrival in arrivals]
    answered_before = [float("-inf"), *accumulate((e.answered_ms for e in exchanges[:-1]), max)]
    sent_after = [*list(accumulate((e.sent_ms for e in reversed(exchanges[1:])), min))[::-1], float("inf")]
    return [
        e.tries == 1 and before <= e.sent_ms and e.answered_ms <= after
        for before, e, after in zip(answered_before, exchanges, sent_after, strict=True)
    ]
