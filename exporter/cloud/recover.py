"""Recovers minutes that were missed: before the start, and while no events came. The newest are read first."""

import logging
from collections import Counter
from collections.abc import Iterator

from exporter.butlr.batches import Batches
from exporter.butlr.errors import CloudError
from exporter.butlr.reporting import MAX_SPAN_MS, MINUTE_MS
from exporter.cloud.outages import RETRY_SECONDS
from exporter.cloud.readings import MEASURES, MinutesParts
from exporter.events.measures import Kind
from exporter.events.times import utc
from exporter.rule.outcome import Outcome

log = logging.getLogger(__name__)

WORK = "recover minutes"


class Recovery:
    """Asks for the missing minutes of each kind of space, one request at a time, for one thread."""

    def __init__(self, recover_ms: int, batches: Batches, parts: MinutesParts) -> None:
        """Take the age of the oldest minute to ask for; 0: none is."""
        self.recover_ms = recover_ms
        self._batches = batches
        self._parts = parts
        self._jobs: dict[Kind, _Job] = {}
        self._reading: Iterator[None] | None = None
        self._next_at = float("-inf")

    def add(self, kind: Kind, start_ms: int, stop_ms: int) -> None:
        """Have the minutes from start to stop asked for, as far as they are not too old."""
        start_ms = max(start_ms // MINUTE_MS * MINUTE_MS, self._oldest_ms())
        stop_ms = stop_ms // MINUTE_MS * MINUTE_MS
        if start_ms >= stop_ms:
            return
        if job := self._jobs.get(kind):
            job.start_ms, job.stop_ms = min(job.start_ms, start_ms), max(job.stop_ms, stop_ms)
        else:
            self._jobs[kind] = _Job(kind, start_ms, stop_ms)

    def step(self) -> bool:
        """Make the next request, if there is one to make now; return whether there was."""
        if self._reading is None:
            if not self._jobs or self._parts.monotonic() < self._next_at:
                return False
            self._reading = self._read(next(iter(self._jobs.values())))
        try:
            next(self._reading)
        except StopIteration:
            self._reading = None
        except CloudError as error:
            self._parts.outages.failed(WORK, error)
            self._reading = None
            self._next_at = self._parts.monotonic() + RETRY_SECONDS
            return False
        return True

    def _read(self, job: "_Job") -> Iterator[None]:
        """Read the newest part of a job that one request may ask for. Raises CloudError."""
        spaces = self._parts.assets.current.spaces[job.kind]
        stop_ms = job.stop_ms
        start_ms = max(job.start_ms, self._oldest_ms(), stop_ms - MAX_SPAN_MS)
        if spaces and start_ms < stop_ms:
            if not job.is_begun:
                job.is_begun = True
                self._parts.families.expect_polled([MEASURES[job.kind]])
                span = {"from": utc(job.start_ms), "to": utc(stop_ms)}
                log.info("recovery begins", {"kind": job.kind, "spaces": len(spaces), **span})
            job.is_failing = True  # until all answers are there
            for report in self._batches.read(job.kind, spaces, start_ms, stop_ms):
                job.count(self._parts.readings.apply(report, self._parts.names.known))
                yield
            job.is_failing = False
            self._parts.outages.succeeded(WORK)
            self._parts.readings.report_unused(WORK)
        if job.stop_ms == stop_ms:  # else more minutes were added meanwhile
            job.stop_ms = start_ms
        if job.stop_ms <= max(job.start_ms, self._oldest_ms()):
            self._end(job)

    def _end(self, job: "_Job") -> None:
        """Forget a job of which nothing is left to ask for, or is young enough."""
        del self._jobs[job.kind]
        if job.is_failing:
            log.warning("recovery ended early", {**job.numbers(), "reason": "the other minutes are too old now"})
        elif job.is_begun:
            log.info("recovered", job.numbers())
        if not self._jobs:
            self._parts.outages.dismiss(WORK)

    def _oldest_ms(self) -> int:
        """Return the oldest minute that is asked for at present."""
        oldest_ms = int(self._parts.clock() * 1000) - self.recover_ms
        return -(-oldest_ms // MINUTE_MS) * MINUTE_MS


class _Job:
    """The minutes of one kind that are still to be asked for."""

    def __init__(self, kind: Kind, start_ms: int, stop_ms: int) -> None:
        self.kind = kind
        self.start_ms = start_ms
        self.stop_ms = stop_ms
        self.is_begun = False
        self.is_failing = False
        """Whether the last attempt to read a part of them has had no success."""
        self._requests = 0
        self._outcomes: Counter[Outcome] = Counter()

    def count(self, outcomes: Counter[Outcome]) -> None:
        """Count an answer."""
        self._requests += 1
        self._outcomes += outcomes

    def numbers(self) -> dict[str, object]:
        """Return the numbers of the whole recovery, for the log."""
        readings = self._outcomes.total()
        return {
            "kind": self.kind,
            "requests": self._requests,
            "readings": readings,
            **{str(outcome): number for outcome, number in self._outcomes.items()},
        }
