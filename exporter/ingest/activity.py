"""What happened in the last minute, and what was refused lately: for people who look whether events arrive.

Of the last 60 seconds it knows how many events had which outcome and how late the new readings came; of refusals the
last 20, with a reason for each but nothing of what was sent beyond an id. It knows nothing of HTTP or of metrics.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import NamedTuple

from exporter.metrics.counters import Result
from exporter.rule.outcome import Outcome

SPAN = 60
"""Seconds that are looked back."""

MOST_REFUSALS = 20

MOST_TEXT = 300
"""Characters of the longest reason that is kept, and of an id."""

_STEPS = 20
"""Delays are counted in this many steps for each factor of e: to 5 %."""


class Refusal(NamedTuple):
    """One event, or one request as a whole, that was refused."""

    time: int
    """Milliseconds since the epoch."""
    what: str
    """The outcome, or why the request was refused."""
    field: str
    """A dotted path; empty for the whole."""
    message: str
    id: str
    """The event's; empty if there is none."""
    times: int = 1
    """How often the same was refused for the same reason; `time` is that of the last."""


class LastMinute(NamedTuple):
    """What happened in it."""

    outcomes: dict[Outcome, int]
    median: float | None
    """Of the delays of new readings, seconds; None if there was none."""
    p95: float | None


class _Second:
    __slots__ = ("delays", "outcomes")

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.delays: Counter[int] = Counter()


class Activity:
    """What happened recently. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock that tells Unix seconds."""
        self._clock = clock
        self._seconds: dict[int, _Second] = {}
        self._refusals: dict[tuple[str, str, str, str], Refusal] = {}
        self._lock = Lock()

    def count(self, taken: Iterable[Result], arrival: float) -> None:
        """Count events that arrived together at a time, Unix seconds."""
        number = int(arrival)
        with self._lock:
            second = self._seconds.get(number)
            if second is None:
                second = self._seconds[number] = _Second()
                if len(self._seconds) > 2 * SPAN:
                    self._seconds = {n: kept for n, kept in self._seconds.items() if number - SPAN < n <= number}
            outcomes, delays = second.outcomes, second.delays
            for _, outcome, delay in taken:
                outcomes[outcome] += 1
                if outcome is Outcome.NEW:
                    delays[round(math.log(max(delay, 0.01)) * _STEPS)] += 1

    def refuse(self, what: str, reasons: Sequence[tuple[str, str]], event_id: str = "") -> None:
        """Keep why something was refused: field and message of each mistake, of which the first is kept."""
        now = int(self._clock() * 1000)
        field, message = reasons[0]
        key = (what, field[:MOST_TEXT], message[:MOST_TEXT], event_id[:MOST_TEXT])
        with self._lock:
            before = self._refusals.pop(key, None)
            self._refusals[key] = Refusal(now, *key, before.times + 1 if before else 1)
            if len(self._refusals) > MOST_REFUSALS:
                del self._refusals[next(iter(self._refusals))]

    def refusals(self) -> list[Refusal]:
        """Return the last ones, the newest first."""
        with self._lock:
            return list(reversed(self._refusals.values()))

    def last_minute(self) -> LastMinute:
        """Return what happened in it."""
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
