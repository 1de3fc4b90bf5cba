"""The readings of one measure of one space: their outcomes and final values, from the words of the contract."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from exporter.events.measures import Cadence, Measure
from exporter.events.model import ReadingEvent
from exporter.simulate.verify.arrivals import Arrival, Judgement, Rule, decisive, distinct, is_older, were_sent_alone


def judgements(arrivals: Sequence[Arrival], rule: Rule, n_before: int) -> Iterator[Judgement]:
    """Judge every event that can only have had one outcome.

    `n_before` is the timestamp (ms) of the newest reading before the first arrival, or -1.
    """
    at: dict[int, list[Arrival]] = defaultdict(list)
    n = n_before
    for arrival, alone in zip(arrivals, were_sent_alone(arrivals), strict=True):
        event, outcomes = arrival.event, arrival.exchange.outcomes
        if alone and arrival.is_future is not None and sum(outcomes.values()) == 1:
            expected = "future" if arrival.is_future else _outcome(arrival, at[event.timestamp], n, rule)
            if expected in ("future", "late") or event.timestamp > n_before:
                yield Judgement(event, expected, *outcomes)
        if not arrival.is_future:
            at[event.timestamp].append(arrival)
            n = max(n, event.timestamp)


def history(arrivals: Sequence[Arrival], rule: Rule, n_before: int) -> dict[int, float]:
    """Return the final value of every reading by its timestamp (ms).

    A reading that was older than the window when it arrived is left out. Deliveries are assumed to arrive in the order
    of their answers.
    """
    n = n_before
    at: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        t = arrival.event.timestamp
        if not _is_late(arrival, n, rule) and arrival.is_future is not True:
            n = max(n, t)
            at[t].append(arrival)
    return {t: value(received) for t, received in sorted(at.items())}


def value(arrivals: Sequence[Arrival]) -> float:
    """Return the final value of a reading after these arrivals for its timestamp."""
    event = decisive(distinct(arrivals))
    assert isinstance(event, ReadingEvent)  # noqa: S101 - by its measure
    return event.value


def stale_after_ms(measure: Measure, rule: Rule) -> int:
    """Return the age of the newest reading from which on the value of a measure is not shown; 0 is never."""
    return {
        Cadence.MINUTE: rule.stale_after_ms,
        Cadence.STREAM: rule.detections_stale_after_ms,
    }.get(measure.declared.cadence, 0)


def _outcome(arrival: Arrival, earlier: list[Arrival], n: int, rule: Rule) -> str:
    """Return the outcome of the first row of the contract's table that holds.

    `earlier` arrived before for the same timestamp, and `n` is the newest timestamp, or -1.
    """
    event = arrival.event
    if _is_late(arrival, n, rule):
        return "late"
    if len(distinct([*earlier, arrival])) == len(distinct(earlier)):
        return "duplicate"
    if any(is_older(event, other.event) for other in earlier):
        return "superseded"
    if earlier:
        return "repeated" if value(earlier) == value([arrival]) else "corrected"
    return "new" if event.timestamp > n else "backfilled"


def _is_late(arrival: Arrival, n: int, rule: Rule) -> bool:
    """Tell whether a reading is out of the window; of a stream only the newest reading is in it."""
    event = arrival.event
    if event.measure.declared.cadence is Cadence.STREAM:
        return event.timestamp < n
    return event.timestamp <= n - rule.window_ms
