"""Minutes of many spaces, in as many requests as it takes, at a pace that Butlr accepts.

An empty answer is asked again in halves, as Butlr answers nothing where too much is asked for. But spaces without data
give the same answer, so the halving ends, and a space without data is asked for ever more rarely.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exporter.butlr.errors import CloudError
from exporter.butlr.reporting import Query, Report, Reporting, queries
from exporter.events.measures import Kind

PACE_SECONDS = 1.5
"""Time from one request to the next: Butlr's engineers estimate that it accepts some 50 a minute."""

MAX_HALVES = 8
"""Requests beyond one more for each first request that halving may cause in one reading."""


def fruitless_requests(first: int) -> int:
    """Return the most requests of one reading of spaces without data that begins with `first` requests; 0 for 0."""
    return first and 2 * first + MAX_HALVES


class Pace:
    """Keeps the requests of one thread apart, whichever reader makes them."""

    def __init__(
        self, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Wait by `pause`; `clock` returns seconds."""
        self._pause = pause
        self.clock = clock
        self._next_at = clock()

    def ask(self, reporting: Reporting, query: Query) -> Report:
        """Send a query as soon as it may be sent; return the answer. Raises CloudError."""
        if (wait_seconds := self._next_at - self.clock()) > 0:
            self._pause(wait_seconds)
        try:
            return reporting.ask(query)
        finally:
            self._next_at = self.clock() + PACE_SECONDS


class _Rest(NamedTuple):
    """The pause of a space without data."""

    seconds: float
    until: float


NEVER_WITH_DATA = 60
NO_LONGER_WITH_DATA = 10
"""Longest time without a request for a space without data, in intervals; it begins with one, and doubles."""


class Batches:
    """Reads minutes. Not for several threads at a time."""

    def __init__(self, reporting: Reporting, interval_seconds: float = 60, *, pace: Pace | None = None) -> None:
        """Read every `interval_seconds`, of which the rests of spaces without data are multiples; 0: none rests."""
        self._reporting = reporting
        self._interval_seconds = interval_seconds
        self._pace = pace or Pace()
        self._clock = self._pace.clock
        self._had_data: set[tuple[Kind, str]] = set()
        self._resting: dict[tuple[Kind, str], _Rest] = {}

    def read(self, kind: Kind, ids: Iterable[str], start_ms: int, stop_ms: int) -> Iterator[Report]:
        """Return the answers for the spaces that do not rest, each as soon as it is there. Raises CloudError."""
        for answer in self.answers(kind, ids, start_ms, stop_ms):
            if isinstance(answer, CloudError):
                raise answer
            yield answer

    def answers(self, kind: Kind, ids: Iterable[str], start_ms: int, stop_ms: int) -> Iterator[Report | CloudError]:
        """Return the same, with the error of each failed query in place of its answer."""
        now = self._clock()
        due = [each for each in dict.fromkeys(ids) if self._rest(kind, each).until <= now]
        # Spaces with data never share a request with the others: its empty answer would be no surprise.
        with_data = tuple(each for each in due if (kind, each) not in self._resting)
        without = tuple(each for each in due if (kind, each) in self._resting)
        waiting = deque([*queries(kind, with_data, start_ms, stop_ms), *queries(kind, without, start_ms, stop_ms)])
        halves_left = len(waiting) + MAX_HALVES
        found: set[str] = set()
        unknown: set[str] = set()
        while waiting:
            query = waiting.popleft()
            try:
                report = self._pace.ask(self._reporting, query)
            except CloudError as error:
                unknown.update(query.ids)
                yield error
                continue
            found |= {minute.space_id for minute in report.minutes}
            halves = query.halves() if report.is_empty else ()
            if len(halves) <= halves_left:
                halves_left -= len(halves)
                waiting.extendleft(reversed(halves))
            yield report
        self._remember(kind, [each for each in due if each in found or each not in unknown], found, now)

    def _remember(self, kind: Kind, due: Iterable[str], found: set[str], now: float) -> None:
        """Let the spaces rest that have no data; not those with data before, if no space at all has any now."""
        self._had_data |= {(kind, each) for each in found}
        for key in [(kind, each) for each in due]:
            if key[1] in found:
                self._resting.pop(key, None)
            elif found or key not in self._had_data:
                longest = NO_LONGER_WITH_DATA if key in self._had_data else NEVER_WITH_DATA
                doubled = 2 * self._rest(*key).seconds or self._interval_seconds
                seconds = min(doubled, longest * self._interval_seconds)
                self._resting[key] = _Rest(seconds, now + seconds)

    def resting(self, kind: Kind) -> int:
        """Return the number of spaces of a kind without data."""
        return sum(each is kind for each, _ in self._resting)

    def _rest(self, kind: Kind, space_id: str) -> _Rest:
        return self._resting.get((kind, space_id), _Rest(0, float("-inf")))
