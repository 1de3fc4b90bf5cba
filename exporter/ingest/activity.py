"""The last minute and the last refusals, so that people see whether events arrive.

It keeps the events by outcome and the delays of new readings for 60 seconds, and the reason and event id of the last 20
refusals. It keeps nothing else of their content, and knows nothing of HTTP.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from exporter.events.parse import FieldError
from exporter.metrics.counters import Result
from exporter.rule.outcome import Outcome

SPAN = 60
"""Seconds that `last_minute` covers."""

MAX_REFUSALS = 20

MAX_TEXT = 300
"""Characters of a reason, and of an event id, that stay."""

_STEPS = 20
"""Delays are counted in this many steps for each factor of e: to 5 %."""

_NEW = Outcome.NEW


class Refusal(NamedTuple):
    """One event that was refused, or one request that was rejected as a whole."""

    time: int
    """Milliseconds since the epoch."""
    what: str
    """The outcome of the event, or the reason for which the request was rejected."""
    field: str
    """A dotted path; empty for the whole."""
    message: str
    id: str
    """The id of the event; empty if there is none."""
    times: int = 1
    """The number of equal refusals; `time` is that of the last."""


class LastMinute(NamedTuple):
    """The events of the last minute."""

    outcomes: dict[Outcome, int]
    median: float | None
    """The median delay of new readings in seconds; None if there was none."""
    p95: float | None


class _Second:
    __slots__ = ("delays", "outcomes")

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.delays: Counter[int] = Counter()


class Activity:
    """The recent activity. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock in Unix seconds."""
        self._clock = clock
        self._seconds: dict[int, _Second] = {}
        self._refusals: dict[tuple[str, str, str, str], Refusal] = {}
        self._lock = Lock()

    def count(self, results: Iterable[Result], arrival_seconds: float) -> None:
        """Count events that arrived together at `arrival_seconds`, Unix time."""
        number = int(arrival_seconds)
        with self._lock:
            second = self._seconds.get(number)
            if second is None:
                second = self._seconds[number] = _Second()
                if len(self._seconds) > 2 * SPAN:
                    self._seconds = {n: kept for n, kept in self._seconds.items() if number - SPAN < n <= number}
            outcomes, delays = second.outcomes, second.delays
            for _, outcome, delay, _ in results:
                outcomes[outcome] += 1
                if outcome is _NEW:
                    delays[round(math.log(max(delay, 0.01)) * _STEPS)] += 1

    def refuse(self, what: str, reasons: Sequence[FieldError], event_id: str = "") -> None:
        """Remember a refusal with the first of its reasons."""
        now = int(self._clock() * 1000)
        field, message = reasons[0]
        key = (what, field[:MAX_TEXT], message[:MAX_TEXT], event_id[:MAX_TEXT])
        with self._lock:
            before = self._refusals.pop(key, None)
            self._refusals[key] = Refusal(now, *key, before.times + 1 if before else 1)
            if len(self._refusals) > MAX_REFUSALS:
                del self._refusals[next(iter(self._refusals))]

    def refusals(self) -> list[Refusal]:
        """Return the last refusals, newest first."""
        with self._lock:
            return list(reversed(self._refusals.values()))

    def last_minute(self) -> LastMinute:
        """Return the outcomes and delays of the last minute."""
        now = self._clock()
        outcomes: Counter[Outcome] = Counter()
        delays: Counter[int] = Counter()
        with self._lock:
            for number, second in self._seconds.items():
                if now - SPAN < number <= now:
                    outcomes += second.outcomes
                    delays += second.delays
        return LastMinute(dict(outcomes.most_common()), _quantile(delays, 0.5), _quantile(delays, 0.95))


def _quantile(delays: Counter[int], share: float) -> float | None:
    rank = share * delays.total()
    for step, number in sorted(delays.items()):
        rank -= number
        if rank <= 0:
            return math.exp(step / _STEPS)
    return None
