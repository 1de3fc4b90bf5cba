"""A request body turned into outcomes: parse, apply, count, and say what was wrong.

The one way in for events, whatever brought them. It knows nothing of Flask; what it returns is what the
sender is told.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exporter.events.fast import parse_fast
from exporter.events.model import OccupancyEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, parse_body, parse_event
from exporter.events.times import LATEST_SECONDS, utc
from exporter.ingest.activity import Activity
from exporter.ingest.receipt import MAX_ERRORS, EventError, Receipt
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten, Recorder
from exporter.metrics.counters import Result
from exporter.metrics.registry import Metrics
from exporter.rule.limits import Limits
from exporter.rule.outcome import REFUSED, Outcome
from exporter.rule.store import Store

log = logging.getLogger(__name__)

TOGETHER = 100
"""Events of an array that are taken before others have their turn."""

MAX_EVENTS = 10_000
"""Most events of one array: a million mistakes of two bytes each must not keep others waiting."""


class TooManyEvents(ValueError):  # noqa: N818 - the name reads as the answer it becomes
    """An array of more events than are taken at once; none of them was."""


class Ingest:
    """Takes deliveries into the store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        limits: Limits,
        clock: Callable[[], float],
        recent: Activity,
        recorder: Recorder | None = None,
    ) -> None:
        """Take the store and its limits, what counts, a clock that tells Unix seconds, and who keeps a journal."""
        self._recent = recent
        self._recorder = recorder
        self._apply = recorder.apply if recorder is not None else _applier(store)
        self._metrics = metrics
        self._limits = limits
        self._clock = clock

    def receive(self, body: bytes) -> Receipt:
        """Take a request body event by event; a bad one does not hold up the others.

        Raises NotJson, TooManyEvents, JournalError.
        """
        items = parse_body(body)
        if len(items) > MAX_EVENTS:
            raise TooManyEvents(f"{len(items)} events in one array; send at most {MAX_EVENTS} at a time")
        arrival = self._clock()
        now = int(arrival * 1000)
        outcomes: Counter[Outcome] = Counter()
        errors: list[EventError] = []
        refusal: JournalError | None = None
        for first in range(0, len(items), TOGETHER):
            parsed = list(map(_parsed, items[first : first + TOGETHER]))
            events = [event for event in parsed if isinstance(event, OccupancyEvent)]
            try:
                applied = iter(self._apply(events, now))
            except NotWritten as error:
                refusal, applied = error, iter(error.outcomes)
            taken: list[Result] = []
            for index, event in enumerate(parsed, first):
                reasons = self._judged(items[index], event, applied, now, taken)
                errors.extend(EventError(index, *reason) for reason in reasons[: MAX_ERRORS - len(errors)])
            self._count(taken, arrival)
            outcomes.update(outcome for _, outcome, _ in taken)
        if refusal is not None:
            raise refusal
        return Receipt(len(items), dict(outcomes), errors)

    def receive_each(self, bodies: Sequence[bytes]) -> list[Outcome | None]:
        """Take request bodies that are one valid event each; return what became of them.

        None, and nothing was done, for one that is anything else, or is to be refused: `receive` then says why. Raises
        JournalError.
        """
        if self._recorder is not None and self._recorder.refuses:
            return [None] * len(bodies)
        events = list(map(parse_fast, bodies))
        arrival = self._clock()
        now = int(arrival * 1000)
        applied = iter(self._apply([event for event in events if event is not None], now))
        outcomes = [None if event is None else next(applied) for event in events]
        taken: list[Result] = []
        for at, (event, outcome) in enumerate(zip(events, outcomes, strict=True)):
            if event is None or outcome is None:
                continue
            if outcome in REFUSED:  # which has no effect
                outcomes[at] = None
            else:
                taken.append(self._taken(event, outcome, now))
        self._count(taken, arrival)
        return outcomes

    def _judged(
        self,
        item: Any,
        event: OccupancyEvent | UnsupportedEvent | InvalidEvent,
        applied: Iterator[Outcome],
        now: int,
        taken: list[Result],
    ) -> list[tuple[str, str]]:
        """Note what became of one item of a body; return why it was refused."""
        if isinstance(event, InvalidEvent):
            taken.append((event.measure, Outcome.INVALID, 0.0))
            return self._refused(Outcome.INVALID, [(field, message) for field, message in event.errors], item)
        if isinstance(event, UnsupportedEvent):
            taken.append((None, Outcome.UNSUPPORTED, 0.0))
            return []
        outcome = next(applied)
        taken.append(self._taken(event, outcome, now))
        if outcome in REFUSED:
            return self._refused(outcome, [self._refusal(event, outcome, now)], item)
        return []

    def _taken(self, event: OccupancyEvent, outcome: Outcome, now: int) -> Result:
        """Return what is counted of an event; tell the log what became of it."""
        if outcome is Outcome.CORRECTED and self._limits.is_settled(event.timestamp, now):
            self._metrics.count_settled_correction(event.measure)
        if log.isEnabledFor(logging.DEBUG) and outcome not in REFUSED:
            log.debug("event", {"outcome": outcome, "id": event.id, "zone_id": event.space_id, "value": event.value})
        return event.measure, outcome, (now - event.timestamp) / 1000

    def _count(self, taken: Sequence[Result], arrival: float) -> None:
        self._metrics.count(taken, arrival)
        self._recent.count(taken, arrival)

    def _refused(self, outcome: Outcome, reasons: list[tuple[str, str]], item: Any) -> list[tuple[str, str]]:
        """Tell the log and the page why an event was refused; return the reasons."""
        event_id = item.get("id") if isinstance(item, dict) else None
        shown = event_id[:100] if isinstance(event_id, str) else ""
        reason = "; ".join(f"{field}: {message}" if field else message for field, message in reasons)
        log.warning("event refused", {"outcome": outcome, "reason": reason[:500], "id": shown})
        self._recent.refuse(outcome, reasons, shown)
        return reasons

    def _refusal(self, event: OccupancyEvent, outcome: Outcome, now: int) -> tuple[str, str]:
        if outcome is Outcome.FUTURE:
            limit = self._limits.future_tolerance // 1000
            message = f"{utc(event.timestamp)} is more than {limit} s ahead of this server's clock, {utc(now)}"
            hint = "; send milliseconds since the epoch" if event.timestamp > LATEST_SECONDS * 1000 else ""
            return "timestamp", message + hint
        return f"metadata.{event.measure.kind.id_field}", f"one space too many: max_spaces is {self._limits.max_spaces}"


def _applier(store: Store) -> Callable[[Sequence[OccupancyEvent], int], list[Outcome]]:
    """Return what applies events to a store without a journal, as `Recorder.apply` does with one."""

    def apply(events: Sequence[OccupancyEvent], now_ms: int) -> list[Outcome]:
        return [store.apply(event, now_ms) for event in events]

    return apply


def _parsed(item: Any) -> OccupancyEvent | UnsupportedEvent | InvalidEvent:
    """Return the event of one item of a body, or the error that it is none."""
    try:
        return parse_event(item)
    except InvalidEvent as invalid:
        return invalid
