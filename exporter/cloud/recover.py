"""Recovers minutes that were missed: before the start, and while no events came. The newest are read first."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from exporter.butlr.batches import Batches
from exporter.butlr.errors import CloudError
from exporter.butlr.reporting import MAX_SPAN_MS, MINUTE_MS
from exporter.cloud.names import Names
from exporter.cloud.outages import Outages
from exporter.cloud.readings import MEASURES, Readings
from exporter.events.measures import Kind
from exporter.events.times import utc
from exporter.inventory import Assets
from exporter.metrics.cloud import CloudFamilies
from exporter.rule.outcome import Outcome

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Time after a failure to the next attempt."""

WORK = "recover minutes"


class Recovery:
    """Asks for the missing minutes of each kind of space, one request at a time, for one thread."""

    def __init__(
        self,
        recover_ms: int,
        batches: Batches,
        readings: Readings,
        names: Names,
        assets: Assets,
        families: CloudFamilies,
        outages: Outages,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """Take the age of the oldest minute to ask for (0: none), and all that is read and written.

        `clock` returns Unix seconds, `monotonic` those of a steady clock.
        """
        self.recover_ms = recover_ms
        self._batches = batches
        self._readings = readings
        self._names = names
        self._assets = assets
        self._families = families
        self._outages = outages
        self._clock = clock
        self._monotonic = monotonic
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
            if not self._jobs or self._monotonic() < self._next_at:
                return False
            self._reading = self._read(next(iter(self._jobs.values())))
        try:
            next(self._reading)
        except StopIteration:
            self._reading = None
        except CloudError as error:
            self._outages.failed(WORK, error)
            self._reading = None
            self._next_at = self._monotonic() + RETRY_SECONDS
            return False
        return True

    def _read(self, job: "_Job") -> Iterator[None]:
        """Read the newest part of a job that one request may ask for. Raises CloudError."""
        spaces = self._assets.current.spaces[job.kind]
        stop_ms = job.stop_ms
        start_ms = max(job.start_ms, self._oldest_ms(), stop_ms - MAX_SPAN_MS)
        if spaces and start_ms < stop_ms:
            if not job.is_begun:
                job.is_begun = True
                self._families.expect_polled([MEASURES[job.kind]])
                span = {"from": utc(job.start_ms), "to": utc(stop_ms)}
                log.info("recovery begins", {"kind": job.kind, "spaces": len(spaces), **span})
            job.is_failing = True  # until all answers are there
            for report in self._batches.read(job.kind, spaces, start_ms, stop_ms):
                job.count(self._readings.apply(report, self._names.known))
                yield
            job.is_failing = False
            self._outages.succeeded(WORK)
            self._readings.report_unused(WORK)
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
            self._outages.dismiss(WORK)

    def _oldest_ms(self) -> int:
        """Return the oldest minute that is asked for at present."""
        oldest_ms = int(self._clock() * 1000) - self.recover_ms
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
