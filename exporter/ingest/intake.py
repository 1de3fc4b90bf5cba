"""The one way in for deliveries: request bodies parsed, events applied and journalled, results reported.

It knows nothing of HTTP; it returns outcomes, and receipts for the sender.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from exporter.events.fast import parse_fast
from exporter.events.measures import name_of
from exporter.events.model import CrossingEvent, Event, UnsupportedEvent, new_tuple
from exporter.events.parse import FieldError, InvalidEvent, parse_body, parse_event
from exporter.events.times import LATEST_SECONDS, utc
from exporter.ingest.observer import EventObserver
from exporter.ingest.receipt import MAX_ERRORS, EventError, Receipt
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten, Recorder
from exporter.metrics.counters import OTHER, Result
from exporter.rule.limits import Limits
from exporter.rule.outcome import REFUSED, Outcome
from exporter.rule.space import Forgotten
from exporter.rule.store import Store

log = logging.getLogger(__name__)

CHUNK = 100
"""Events of an array that are applied together; other deliveries pass in between."""

MAX_EVENTS = 10_000
"""Events of one array at most: a million mistakes of two bytes each must not keep others waiting."""


class TooManyEvents(ValueError):  # noqa: N818 - the name reads as the answer it becomes
    """An array of more than MAX_EVENTS events; none of them was applied."""


class NotAcknowledged(JournalError):  # noqa: N818 - the name reads as what happened
    """Events of request bodies were applied and counted, but the journal refused them; it saves them once it can.

    `outcomes` has the outcome of each body, its receipt, or None, as `Intake.receive_each` returns them.
    """

    def __init__(self, reason: str, outcomes: list[Outcome | Receipt | None]) -> None:
        """Take the reason and the outcomes."""
        super().__init__(reason)
        self.outcomes = outcomes


class Intake:
    """Applies deliveries to the store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        observer: EventObserver,
        limits: Limits,
        clock: Callable[[], float],
        recorder: Recorder | None = None,
    ) -> None:
        """Take the store and its limits, the observer of all results, a clock in Unix seconds, and any journal."""
        self._recorder = recorder
        self._decide = recorder.apply if recorder is not None else store.apply_all
        self._forget = recorder.forget if recorder is not None else store.forget
        self._observer = observer
        self._limits = limits
        self._clock = clock

    def apply(self, events: Sequence[Event], now_ms: int) -> list[Outcome]:
        """Apply events that come with no request and arrive at `now_ms`; return their outcomes.

        Raises NotWritten where the journal cannot be written; the events are applied then, and written later.
        """
        try:
            outcomes = self._decide(events, now_ms)
        except NotWritten as error:
            self._observer.events(_results(events, error.outcomes, now_ms), now_ms / 1000)
            raise
        self._observer.events(_results(events, outcomes, now_ms), now_ms / 1000)
        return outcomes

    def forget(self, space: Forgotten) -> bool:
        """Forget a space; return whether it was known.

        Raises JournalError where the journal cannot be written; the space stays then.
        """
        return self._forget(space, int(self._clock() * 1000))

    def receive(self, body: bytes) -> Receipt:
        """Apply the events of a request body; a bad one does not hold up the others.

        Raises NotJson, TooManyEvents, JournalError.
        """
        items = parse_body(body)
        if len(items) > MAX_EVENTS:
            raise TooManyEvents(f"{len(items)} events in one array; send at most {MAX_EVENTS} at a time")
        arrival_seconds = self._clock()
        now_ms = int(arrival_seconds * 1000)
        outcomes: dict[Outcome, int] = {}
        errors: list[EventError] = []
        failure: JournalError | None = None
        for first in range(0, len(items), CHUNK):
            chunk = items[first : first + CHUNK]
            parsed = list(map(_parse, chunk))
            events = [event for event in parsed if not isinstance(event, UnsupportedEvent | InvalidEvent)]
            try:
                decided = self._decide(events, now_ms) if events else []
            except NotWritten as error:
                failure, decided = error, error.outcomes
            results = list(_all_results(parsed, iter(decided), now_ms))
            self._observer.events(results, arrival_seconds)
            for result in results:
                outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
            for index, (item, event, result) in enumerate(zip(chunk, parsed, results, strict=True), first):
                if result.outcome in REFUSED:
                    reasons = self._reasons(event, result.outcome, now_ms)
                    self._observer.event_refused(result.outcome, reasons, _id_of(item))
                    errors += [EventError(index, *reason) for reason in reasons[: MAX_ERRORS - len(errors)]]
        if failure is not None:
            raise failure
        return Receipt(len(items), outcomes, errors)

    def receive_each(self, bodies: Sequence[bytes]) -> list[Outcome | Receipt | None]:
        """Apply request bodies that are one valid event each; return their outcomes, or a receipt for a refused event.

        None for any other body: such a body has no effect and is not counted, and `receive` gives the reason. Raises
        NotAcknowledged where the journal cannot be written.
        """
        if self._recorder is not None and self._recorder.refuses:
            return [None] * len(bodies)
        parsed = list(map(parse_fast, bodies))
        arrival_seconds = self._clock()
        now_ms = int(arrival_seconds * 1000)
        events = [event for event in parsed if event is not None]
        if not events:
            return [None] * len(bodies)
        failure = None
        try:
            decided = self._decide(events, now_ms)
        except NotWritten as error:
            failure, decided = error, error.outcomes
        self._observer.events(_results(events, decided, now_ms), arrival_seconds)
        if len(events) == len(bodies) and failure is None and REFUSED.isdisjoint(decided):  # nearly always
            return [*decided]
        outcomes = iter(decided)
        each = [None if event is None else self._answered(event, next(outcomes), now_ms) for event in parsed]
        if failure is not None:
            raise NotAcknowledged(str(failure), each) from None
        return each

    def _answered(self, event: Event, outcome: Outcome, now_ms: int) -> Outcome | Receipt:
        """Return the outcome of an event, or a receipt with the reasons if it is refused, and report these."""
        if outcome not in REFUSED:
            return outcome
        reasons = self._reasons(event, outcome, now_ms)
        self._observer.event_refused(outcome, reasons, event.id)
        return Receipt(1, {outcome: 1}, [EventError(0, *reason) for reason in reasons])

    def _reasons(
        self, event: Event | UnsupportedEvent | InvalidEvent, outcome: Outcome, now_ms: int
    ) -> list[FieldError]:
        """Return the reasons for which an event is refused, at least one."""
        if isinstance(event, InvalidEvent):
            return event.errors
        assert not isinstance(event, UnsupportedEvent)  # noqa: S101 - as it is never refused
        if outcome is Outcome.FUTURE:
            limit = self._limits.future_tolerance // 1000
            message = f"{utc(event.timestamp)} is more than {limit} s ahead of this server's clock, {utc(now_ms)}"
            hint = "; send milliseconds since the epoch" if event.timestamp > LATEST_SECONDS * 1000 else ""
            return [FieldError("timestamp", message + hint)]
        field = f"metadata.{event.measure.kind.id_field}"
        return [FieldError(field, f"one space too many: max_spaces is {self._limits.max_spaces}")]


def _parse(item: Any) -> Event | UnsupportedEvent | InvalidEvent:
    """Return the event of one item of a body, or the error that the item is."""
    try:
        return parse_event(item)
    except InvalidEvent as invalid:
        return invalid.with_traceback(None)  # or it holds its callers, which hold it, until the garbage collector comes


def _id_of(item: Any) -> str:
    """Return the `id` of a JSON value; empty if the value has none."""
    event_id = item.get("id") if isinstance(item, dict) else None
    return event_id if isinstance(event_id, str) else ""


def _results(events: Sequence[Event], outcomes: Iterable[Outcome], now_ms: int) -> list[Result]:
    """Return the result of each event, and log it if the log wants to know."""
    if log.isEnabledFor(logging.DEBUG):
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome not in REFUSED:  # the observer logs a refused one, with the reason
                space = {event.measure.kind.id_field: event.space_id}
                log.debug("event", {"outcome": outcome, "id": event.id, **space, **_numbers(event)})
    return [
        new_tuple(
            Result,
            (
                event.measure.only_type or event.type,  # as most have one, which is there at once
                outcome,
                (now_ms - event.timestamp) / 1000,
                event.was_negative,
            ),
        )
        for event, outcome in zip(events, outcomes, strict=True)
    ]


def _numbers(event: Event) -> dict[str, float]:
    if isinstance(event, CrossingEvent):
        return {"in": event.entered, "out": event.left}
    return {"value": event.value}


def _all_results(
    parsed: Sequence[Event | UnsupportedEvent | InvalidEvent], decided: Iterator[Outcome], now_ms: int
) -> Iterator[Result]:
    """Return the result of each item of a body; `decided` has the outcomes of its valid, supported events."""
    for event in parsed:
        if isinstance(event, InvalidEvent):
            yield Result(event.type or OTHER, Outcome.INVALID, 0.0)
        elif isinstance(event, UnsupportedEvent):
            yield Result(name_of(event.type) or OTHER, Outcome.UNSUPPORTED, 0.0)
        else:
            yield from _results([event], [next(decided)], now_ms)
