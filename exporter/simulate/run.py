"""One run of the simulator, from the plan to the verdict: puts the other modules together."""

import asyncio
import itertools
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import IO

import uvloop

from exporter.events.text import NotText
from exporter.files import STANDARD_STREAM, discard_output, open_binary
from exporter.simulate.client import Target
from exporter.simulate.load import files
from exporter.simulate.load.progress import Progress
from exporter.simulate.load.report import outcome_lines, printable
from exporter.simulate.load.sender import Sender, SendingFailed
from exporter.simulate.verdict import Judge, print_failure, print_lines
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.verify.scrape import (
    Scraped,
    ScrapeFailed,
    scrape,
)
from exporter.simulate.world.delivery import Delivery, Plan
from exporter.simulate.world.stream import deliveries

Clock = Callable[[], float]
"""Returns Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The options of a run."""

    webhook: Target
    plan: Plan
    rule: Rule
    start_ms: int | None = None
    """When the simulated time begins, milliseconds since the epoch.

    None is now; with `out` or `rate`, so long ago that the simulated time ends now.
    """
    source: str | None = None
    """A file of deliveries to send instead of those of the plan."""
    cloud: socket.socket | None = None
    """A listening socket at which to serve Butlr's API instead of sending the deliveries to the webhook."""
    faults: bool = False
    """Whether requests to this API fail now and then."""
    tls: ssl.SSLContext | None = None
    """The certificates that webhooks may have which are registered with this API; None are those of this machine."""
    out: str | None = None
    """A file to write the deliveries to instead of sending them."""
    rate: float | None = None
    """Deliveries a second; None sends each when it is due."""
    connections: int = 4
    retry: bool = False
    """Whether to wait for an exporter that does not answer."""
    metrics: Target | None = None
    """The exposition to verify after the last answer; None verifies nothing."""
    has_journal: bool = True
    """Whether the exporter keeps its readings over a restart."""


def run(job: Job, clock: Clock = time.time) -> int:
    """Run a job; return the exit status: 0 if all was well, else 1."""
    start_ms = job.start_ms
    if start_ms is None:
        start_ms = int(clock() * 1000)
        if job.out or job.rate:
            start_ms -= job.plan.length_ms or 0
    try:
        with ExitStack() as stack:
            if job.cloud is not None:
                listening = stack.enter_context(job.cloud)
                progress = stack.enter_context(closing(Progress(start_ms, job.plan.length_ms)))
                return uvloop.run(_serve(job, start_ms, listening, progress, clock))
            if job.source is not None:
                stream = files.read(stack.enter_context(open_binary(job.source, "rb")))
                progress = stack.enter_context(closing(Progress()))
            else:
                stream = deliveries(job.plan, start_ms)
                progress = stack.enter_context(closing(Progress(start_ms, job.plan.length_ms)))
            if job.out is not None:
                return _write(job, stream, stack.enter_context(open_binary(job.out, "wb")), progress)
            return uvloop.run(_Run(job, progress, clock).send(stream))
    except (SendingFailed, ScrapeFailed) as error:
        return print_failure(str(error))
    except NotText as error:
        return print_failure(f"{'standard input' if job.source == STANDARD_STREAM else job.source} {error}")
    except asyncio.CancelledError:
        return print_failure("stopped without waiting for answers")
    except BrokenPipeError:  # the reader of the deliveries has closed its end
        discard_output()
        return 1
    except OSError as error:
        return print_failure(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))


def _write(job: Job, stream: Iterable[Delivery | None], file: IO[bytes], progress: Progress) -> int:
    """Write the deliveries to a file, print their expected outcomes, and return the exit status."""
    written = []
    lost = 0
    with suppress(KeyboardInterrupt):
        for delivery in filter(None, stream):
            progress.count(delivery)
            lost += delivery.lost
            if not delivery.lost:
                file.write(delivery.body + b"\n")
                # As if it had been answered at once; the oracle needs an outcome, but only its own is printed.
                written.append(Exchange(delivery.body, 0, delivery.due_ms, delivery.due_ms, 1, {"": 1}))
    file.flush()
    progress.close()
    outcomes = Counter(judgement.expected for judgement in Oracle(written, job.rule).judgements())
    lines = [f"{len(written):,} deliveries written; an exporter must answer them with", *outcome_lines(outcomes)]
    if lost:
        lines.append(f"{lost:,} lost on purpose")
    print_lines(*lines, file=sys.stderr if job.out == STANDARD_STREAM else sys.stdout)
    return 0


async def _serve(job: Job, start_ms: int, listening: socket.socket, progress: Progress, clock: Clock) -> int:
    """Serve Butlr's API, verify if the job says so, and return the exit status. Raises ScrapeFailed."""
    # A GraphQL engine takes longer to import than many a run.
    from exporter.simulate.cloud.run import CloudRun

    began = time.monotonic()
    offset_seconds = clock() - began

    def now() -> float:
        return time.monotonic() + offset_seconds

    judge = _judge(job)
    before: Scraped | None = None
    if judge:
        with suppress(ScrapeFailed):  # the exporter may need the cloud to start
            before = await scrape(judge.metrics)
    cloud = CloudRun(
        job.plan,
        now,
        progress,
        connections=job.connections,
        tls=job.tls,
        keeps=judge is not None,
        has_faults=job.faults,
    )
    try:
        await cloud.run(listening, deliveries(job.plan, start_ms, cloud.on_sensed))
        progress.close()
        totals = cloud.log.totals
        if totals.answered:
            print_lines(*totals.summary(time.monotonic() - began))
        if faults := cloud.summary():
            print_lines(faults)
        return await judge.verify(cloud.exchanges, cloud.log.unanswered, before, now) if judge else 0
    finally:
        await cloud.stop()


class _Run:
    """A run that sends."""

    def __init__(self, job: Job, progress: Progress, clock: Clock) -> None:
        self._job = job
        self._progress = progress
        self._exchanges: list[Exchange] = []
        self._began = time.monotonic()
        self._clock_offset_seconds = clock() - self._began
        self._sender = Sender(
            job.webhook,
            connections=job.connections,
            retry=job.retry,
            one_per_space=job.metrics is not None,
            send_time=self._send_times(),
            clock=self._now,
            on_answer=self._record,
            on_wait=lambda reason: progress.print_above(f"butlr-exporter: {printable(reason)}; trying again"),
        )

    def _now(self) -> float:
        """Return Unix seconds that advance steadily, even if the system's clock is set meanwhile."""
        return time.monotonic() + self._clock_offset_seconds

    def _send_times(self) -> Callable[[Delivery], float]:
        """Return a function that returns when to send a delivery, Unix seconds."""
        rate, began, number = self._job.rate, self._now(), itertools.count()
        if rate is None:
            return lambda delivery: delivery.due_ms / 1000
        return lambda _: began + next(number) / rate

    def _record(self, delivery: Delivery, exchange: Exchange) -> None:
        """Count an answered delivery, and keep it if it is to be verified."""
        self._progress.count(delivery)
        if self._job.metrics:
            self._exchanges.append(exchange)

    async def send(self, stream: Iterator[Delivery | None]) -> int:
        """Send, print a summary, and verify if the job says so; return the exit status.

        Raises SendingFailed, ScrapeFailed.
        """
        self._handle_signals()
        before: Scraped | None = None
        if self._job.metrics:
            try:  # so that a wrong address is reported before the run, not after it
                before = await scrape(self._job.metrics)
            except ScrapeFailed:
                if not self._job.retry:
                    raise
        totals = self._sender.totals
        try:
            await self._sender.send(stream)
        except SendingFailed:
            self._progress.close()
            if totals.answered:
                print_lines(*totals.summary(time.monotonic() - self._began))
            raise
        self._sender.stop()
        self._progress.close()
        print_lines(*totals.summary(time.monotonic() - self._began))
        status = await self._verify(before)
        if totals.refused:
            return print_failure(f"{totals.refused:,} deliveries were refused, the first with {totals.refusal}")
        return status

    def _handle_signals(self) -> None:
        """Stop at the first signal and wait for the answers under way; at the second one do not wait."""
        loop = asyncio.get_running_loop()
        running = asyncio.current_task()
        assert running is not None  # noqa: S101 - this is a coroutine

        def stop() -> None:
            if self._sender.stopped:
                running.cancel()
            self._sender.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    async def _verify(self, before: Scraped | None) -> int:
        """Return the exit status of the verification, 0 without one."""
        judge = _judge(self._job)
        return await judge.verify(self._exchanges, self._sender.unanswered, before, self._now) if judge else 0


def _judge(job: Job) -> Judge | None:
    return Judge(job.metrics, job.rule, job.has_journal) if job.metrics else None
