"""What an exporter must show after some deliveries, and what it must have answered to each.

Written from the words of the contract with the whole list in hand, where the exporter has to decide event by
event; it shares nothing with the rule that it judges but the parser of events, which also reads the time in an
id. Times are milliseconds since the epoch.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from exporter.events.model import Measure, Metadata, OccupancyEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event


class Rule(NamedTuple):
    """The exporter's settings that matter, in milliseconds."""

    window: int = 15 * 60_000
    stale_after: int = 10 * 60_000
    future_tolerance: int = 5 * 60_000


class Answered(NamedTuple):
    """One delivery and the answer to it.

    It was first sent at `sent`, and arrived then or at any time up to the answer; the answer came over a
    connection that was made at `connected`.
    """

    body: bytes
    connected: float
    sent: float
    answered: float
    tries: int
    outcomes: dict[str, int]
    """How many events had which outcome, as the exporter answered."""


class Shown(NamedTuple):
    """What must be shown of one measure of one zone."""

    metadata: Metadata
    value: float
    timestamp: int
    """When it was sensed."""


class Judgement(NamedTuple):
    """What an answer must have been, and what it was."""

    event: OccupancyEvent
    must_be: str
    is_: str


class _Arrival(NamedTuple):
    number: int
    event: OccupancyEvent
    delivery: Answered


class Oracle:
    """Has every delivery that was answered, in the order of the answers."""

    def __init__(
        self,
        answered: Iterable[Answered],
        rule: Rule,
        *,
        unanswered: Iterable[bytes] = (),
        known: Mapping[tuple[str, Measure], int] = MappingProxyType({}),
    ) -> None:
        """Take them, and of which time the exporter had a newest reading before, for each zone and measure.

        Zones with a delivery that was not answered are left out, for it may have arrived or not.
        """
        self.rule = rule
        self._known = known
        self._series: dict[tuple[str, Measure], list[_Arrival]] = defaultdict(list)
        names: dict[Metadata, Metadata] = {}
        in_order = sorted(answered, key=lambda delivery: delivery.answered)
        arrivals = (
            (event, delivery) for delivery in in_order if _arrived(delivery) for event in _events(delivery.body)
        )
        for number, (event, delivery) in enumerate(arrivals):
            shared = event._replace(metadata=names.setdefault(event.metadata, event.metadata))
            self._series[event.space_id, event.measure].append(_Arrival(number, shared, delivery))
        for event in (event for body in unanswered for event in _events(body)):
            for measure in Measure:
                self._series.pop((event.space_id, measure), None)

    @property
    def sent(self) -> int:
        """How many counts were sent: measures of zones."""
        return len(self._series)

    def shown(self) -> dict[tuple[str, Measure], Shown]:
        """Return what must be shown of every zone and measure, if it is not stale.

        Left out are zones of which the exporter had newer readings before.
        """
        newest: dict[str, dict[Measure, list[_Arrival]]] = defaultdict(dict)
        for (zone, measure), arrivals in self._series.items():
            if taken := [arrival for arrival in arrivals if self._is_future(arrival) is not True]:
                n = max(arrival.event.timestamp for arrival in taken)
                newest[zone][measure] = _distinct(arrival for arrival in taken if arrival.event.timestamp == n)
        shown = {}
        for zone, measures in newest.items():
            if any(arrivals[0].event.timestamp <= self._n_before(zone, m) for m, arrivals in measures.items()):
                continue
            # A zone has one name, that of its newest reading, whatever this measures.
            latest = max(arrivals[0].event.timestamp for arrivals in measures.values())
            if latest <= max(self._n_before(zone, measure) for measure in Measure):
                continue
            of_latest = [a for arrivals in measures.values() for a in arrivals if a.event.timestamp == latest]
            metadata = _standing(sorted(of_latest)).metadata
            for measure, arrivals in measures.items():
                shown[zone, measure] = Shown(metadata, _standing(arrivals).value, arrivals[0].event.timestamp)
        return shown

    def _n_before(self, zone: str, measure: Measure) -> int:
        return self._known.get((zone, measure), -1)

    def history(self) -> dict[tuple[str, Measure], dict[int, float]]:
        """Return what every reading came to, by its timestamp, of each zone and measure.

        Which readings there are depends on the order of arrival, which is taken to be that of the answers: what was
        older than the window when it arrived is none.
        """
        history: dict[tuple[str, Measure], dict[int, float]] = {}
        for (zone, measure), arrivals in self._series.items():
            n = self._n_before(zone, measure)
            at: dict[int, list[_Arrival]] = defaultdict(list)
            for arrival in arrivals:
                t = arrival.event.timestamp
                if t > n - self.rule.window and self._is_future(arrival) is not True:
                    n = max(n, t)
                    at[t].append(arrival)
            history[zone, measure] = {t: _standing(_distinct(received)).value for t, received in sorted(at.items())}
        return history

    def is_stale(self, shown: Shown, now: float) -> bool:
        """Tell whether a count is too old at a time to be shown."""
        return 0 < self.rule.stale_after < now - shown.timestamp

    def judgements(self) -> Iterator[Judgement]:
        """Return every answer that can only have been one, with what it must have been.

        Not judged are deliveries that were under way while another of the same zone was, or that were sent
        more than once: nobody but the exporter knows in which order they arrived. Nor are arrays of events, or
        readings that the exporter may have had before.
        """
        for (zone, measure), arrivals in self._series.items():
            at: dict[int, list[_Arrival]] = defaultdict(list)
            before = n = self._n_before(zone, measure)
            for arrival, alone in zip(arrivals, _alone(arrivals), strict=True):
                event = arrival.event
                future = self._is_future(arrival)
                if alone and future is not None and sum(arrival.delivery.outcomes.values()) == 1:
                    must_be = "future" if future else self._outcome(event, at[event.timestamp], n)
                    if must_be in ("future", "late") or event.timestamp > before:
                        yield Judgement(event, must_be, *arrival.delivery.outcomes)
                if not future:
                    at[event.timestamp].append(arrival)
                    n = max(n, event.timestamp)

    def _outcome(self, event: OccupancyEvent, earlier: list[_Arrival], n: int) -> str:
        """Return the first row of the table that holds.

        `earlier` arrived before for the same timestamp, and `n` is the newest timestamp, or -1.
        """
        if event.timestamp <= n - self.rule.window:
            return "late"
        if any((a.event.id, a.event.value) == (event.id, event.value) for a in earlier):
            return "duplicate"
        if any(_is_older(event, a.event) for a in earlier):
            return "superseded"
        if earlier:
            return "repeated" if _standing(_distinct(earlier)).value == event.value else "corrected"
        return "new" if event.timestamp > n else "backfilled"

    def _is_future(self, arrival: _Arrival) -> bool | None:
        """Tell whether it was ahead of the clock when it arrived; None if that depends on when it did."""
        ahead = arrival.event.timestamp - self.rule.future_tolerance
        if arrival.delivery.sent < ahead <= arrival.delivery.answered:
            return None
        return ahead > arrival.delivery.answered


def _arrived(delivery: Answered) -> bool:
    """Tell whether an answer says that the events were looked at, and not that the exporter had no room for them."""
    return bool(delivery.outcomes) and "overflow" not in delivery.outcomes


def _events(body: bytes) -> Iterator[OccupancyEvent]:
    """Return the events of a body that are valid and of a measure that is exported."""
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


def _distinct(arrivals: Iterable[_Arrival]) -> list[_Arrival]:
    """Return the first arrival of each id with each value: the very same event again changes nothing."""
    first: dict[tuple[str, float], _Arrival] = {}
    for arrival in arrivals:
        first.setdefault((arrival.event.id, arrival.event.value), arrival)
    return list(first.values())


def _standing(arrivals: Sequence[_Arrival]) -> OccupancyEvent:
    """Return the one of several events for a timestamp that stands: the last to arrive of those not outdated then."""
    standing = arrivals[0].event
    latest = standing.generation
    for event in (arrival.event for arrival in arrivals[1:]):
        if event.generation is None or latest is None or event.generation >= latest:
            standing = event
        latest = max((g for g in (latest, event.generation) if g is not None), default=None)
    return standing


def _is_older(event: OccupancyEvent, than: OccupancyEvent) -> bool:
    return event.generation is not None and than.generation is not None and event.generation < than.generation


def _alone(arrivals: list[_Arrival]) -> list[bool]:
    """Tell of each whether it was sent once, and while no other was under way."""
    if not arrivals:
        return []
    deliveries = [arrival.delivery for arrival in arrivals]
    answered_before = [float("-inf"), *accumulate((d.answered for d in deliveries[:-1]), max)]
    sent_after = [*list(accumulate((d.sent for d in reversed(deliveries[1:])), min))[::-1], float("inf")]
    return [
        d.tries == 1 and before <= d.sent and d.answered <= after
        for before, d, after in zip(answered_before, deliveries, sent_after, strict=True)
    ]
