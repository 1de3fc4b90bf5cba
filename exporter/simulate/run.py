"""One run of the simulator, from the plan to the verdict: what the other modules are put together for."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import IO

import uvloop

from exporter.files import STANDARD, opened
from exporter.simulate.client import Target
from exporter.simulate.load import files
from exporter.simulate.load.progress import Progress
from exporter.simulate.load.report import printable, shares, table
from exporter.simulate.load.sender import Sender, Stopped
from exporter.simulate.verify.compare import answered_wrong, shown_wrong
from exporter.simulate.verify.oracle import Answered, Oracle, Rule
from exporter.simulate.verify.scrape import NotScraped, Scraped, newest, process_start, scrape
from exporter.simulate.world.delivery import Delivery, Plan, deliveries

Clock = Callable[[], float]
"""Tells Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a run is to do."""

    webhook: Target
    plan: Plan
    rule: Rule
    start: int | None = None
    """Milliseconds since the epoch; None is now, or so that what is not paced ends now."""
    source: str | None = None
    """A file of deliveries to send instead of those of the plan."""
    out: str | None = None
    """A file to write the deliveries to instead of sending them."""
    rate: float | None = None
    """Deliveries a second; None is each when it is due."""
    connections: int = 4
    retry: bool = False
    metrics: Target | None = None
    """Where to scrape what is to be verified."""
    journal: bool = True
    """Whether the exporter still knows after a restart what it knew before."""


def run(job: Job, clock: Clock = time.time) -> int:
    """Do it; return the exit status: 1 if anything was not as it must be."""
    start = job.start
    if start is None:
        start = int(clock() * 1000)
        if job.out or job.rate:
            start -= job.plan.length or 0
    try:
        with ExitStack() as stack:
            if job.source is not None:
                stream = files.read(stack.enter_context(opened(job.source, "rb")))
                progress = stack.enter_context(closing(Progress()))
            else:
                stream = deliveries(job.plan, start)
                progress = stack.enter_context(closing(Progress(start, job.plan.length)))
            if job.out is not None:
                return _write(job, stream, stack.enter_context(opened(job.out, "wb")), progress)
            return uvloop.run(_Run(job, progress, clock).send(stream))
    except (Stopped, NotScraped) as error:
        return _failed(str(error))
    except asyncio.CancelledError:
        return _failed("stopped without waiting for answers")
    except BrokenPipeError:  # whoever read the deliveries has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))


def _write(job: Job, stream: Iterable[Delivery | None], file: IO[bytes], progress: Progress) -> int:
    written = []
    lost = 0
    with suppress(KeyboardInterrupt):
        for delivery in filter(None, stream):
            progress(delivery)
            lost += delivery.lost
            if not delivery.lost:
                file.write(delivery.body + b"\n")
                # As if it had been answered at once; what the answer would be is the oracle's to say.
                written.append(Answered(delivery.body, 0, delivery.due, delivery.due, 1, {"": 1}))
    file.flush()
    progress.close()
    outcomes = Counter(judgement.must_be for judgement in Oracle(written, job.rule).judgements())
    lines = [f"{len(written):,} deliveries written; an exporter must answer them with", *shares(outcomes)]
    if lost:
        lines.append(f"{lost:,} lost on purpose")
    _say(*lines, file=sys.stderr if job.out == STANDARD else sys.stdout)
    return 0


class _Run:
    """A run that sends."""

    def __init__(self, job: Job, progress: Progress, clock: Clock) -> None:
        self._job = job
        self._progress = progress
        self._answered: list[Answered] = []
        self._began = time.monotonic()
        self._ahead = clock() - self._began
        self._sender = Sender(
            job.webhook,
            connections=job.connections,
            retry=job.retry,
            one_by_one=job.metrics is not None,
            pace=self._pace(),
            clock=self._now,
            answered=self._take,
            waiting=lambda reason: progress.say(f"butlr-exporter: {printable(reason)}; trying again"),
        )

    def _now(self) -> float:
        """Return Unix seconds that run steadily, whatever is done to the clock meanwhile."""
        return time.monotonic() + self._ahead

    def _pace(self) -> Callable[[Delivery], float]:
        """Return what tells when to send a delivery, Unix seconds."""
        rate, began, number = self._job.rate, self._now(), itertools.count()
        if rate is None:
            return lambda delivery: delivery.due / 1000
        return lambda _: began + next(number) / rate

    def _take(self, delivery: Delivery, answer: Answered) -> None:
        self._progress(delivery)
        if self._job.metrics:
            self._answered.append(answer)

    async def send(self, stream: Iterator[Delivery | None]) -> int:
        """Send, sum up, and verify if that is asked for; return the exit status. Raises Stopped, NotScraped."""
        self._heed_signals()
        before: Scraped | None = None
        if self._job.metrics:
            try:  # a mistake is told before the run, not after it
                before = await scrape(self._job.metrics)
            except NotScraped:
                if not self._job.retry:
                    raise
        tally = self._sender.tally
        try:
            await self._sender.send(stream)
        except Stopped:
            self._progress.close()
            if tally.deliveries:
                _say(*tally.summary(time.monotonic() - self._began))
            raise
        self._sender.stop()
        self._progress.close()
        _say(*tally.summary(time.monotonic() - self._began))
        verified = await self._verify(self._job.metrics, before) if self._job.metrics else 0
        if tally.refused:
            return _failed(f"{tally.refused:,} deliveries were refused, the first with {tally.refusal}")
        return verified

    def _heed_signals(self) -> None:
        """Stop at a signal and wait for the answers under way; at a second one do not wait."""
        loop = asyncio.get_running_loop()
        running = asyncio.current_task()
        assert running is not None  # noqa: S101 - this is a coroutine

        def stop() -> None:
            if self._sender.stopped:
                running.cancel()
            self._sender.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    async def _verify(self, metrics: Target, before: Scraped | None) -> int:
        since = self._now() * 1000
        scraped = await scrape(metrics)
        until = self._now() * 1000
        started = process_start(scraped)
        answered = self._answered
        restarted = any(answer.connected < started for answer in answered)
        if restarted and not self._job.journal:  # what an earlier process knew is forgotten
            answered = [answer for answer in answered if answer.connected > started]
            before = None
        known = newest(before) if before else {}
        oracle = Oracle(answered, self._job.rule, unanswered=self._sender.unanswered, known=known)
        counts, judgements = oracle.shown(), list(oracle.judgements())
        differences = [*shown_wrong(oracle, scraped, since, until), *answered_wrong(judgements)]
        checked = f"{len(counts):,} counts with their labels and {len(judgements):,} of {len(answered):,} answers"
        if differences:
            _say(*table(("zone", "what", "must be", "is"), differences))
            hint = "; it was restarted meanwhile, and without a journal it forgets: --no-journal"
            return _failed(
                f"of {checked} {len(differences):,} are not as they must be"
                f"{hint if restarted and self._job.journal else ''}"
            )
        if not counts:
            reason = (
                "the exporter had newer readings of these zones; another --seed makes others"
                if oracle.sent
                else "none was delivered"
            )
            return _failed(f"there was no count to verify: {reason}")
        _say(f"verified: {checked} are as they must be")
        if len(counts) < oracle.sent:
            _say(f"not verified: {oracle.sent - len(counts):,} counts of which the exporter had newer readings before")
        return 0


def _say(*lines: str, file: IO[str] | None = None) -> None:
    print(*map(printable, lines), sep="\n", file=file, flush=True)


def _failed(reason: str) -> int:
    _say(f"butlr-exporter: {reason}", file=sys.stderr)
    return 1
