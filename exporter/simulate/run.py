"""One run of the simulator, from the plan to the verdict: what the other modules are put together for."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import IO

import uvloop
from tqdm import tqdm

from exporter.simulate.client import Target
from exporter.simulate.delivery import Delivery, Plan, deliveries
from exporter.simulate.oracle import Answered, Oracle, Rule
from exporter.simulate.report import shares, table
from exporter.simulate.sender import Sender, Stopped
from exporter.simulate.verify import Difference, NotScraped, differences, process_start, scrape

STANDARD = "-"
"""The name of a file that is standard input or output."""

Clock = Callable[[], float]
"""Tells Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a run is to do."""

    target: Target
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
    verify: str | None = None
    """Where to scrape the metrics to verify."""
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
        with ExitStack() as files:
            if job.source:
                return _send(job, _read(files.enter_context(_opened(job.source, "rb"))), _lines(), clock)
            stream = deliveries(job.plan, start)
            progress = _simulated_time(job.plan, start)
            if job.out:
                return _write(job, stream, files.enter_context(_opened(job.out, "wb")), progress)
            return _send(job, stream, progress, clock)
    except BrokenPipeError:  # whoever read the deliveries has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _opened(name: str, mode: str) -> AbstractContextManager[IO[bytes]]:
    if name != STANDARD:
        return open(name, mode)
    return nullcontext(sys.stdout.buffer if mode == "wb" else sys.stdin.buffer)


def _read(lines: IO[bytes]) -> Iterator[Delivery]:
    return (Delivery(0, body) for line in lines if (body := line.strip()))


class _Progress:
    """A bar while a person is watching."""

    def __init__(self, total: float | None, done: Callable[[Delivery], float]) -> None:
        self._done = done
        self._number = 0
        form = "{percentage:3.0f}%|{bar}| {elapsed}{postfix}" if total else "{elapsed}{postfix}"
        self.bar = tqdm(total=total, disable=None, leave=False, dynamic_ncols=True, bar_format=form)

    def __call__(self, delivery: Delivery) -> None:
        self._number += 1
        self.bar.set_postfix_str(f"{self._number:,} deliveries", refresh=False)
        self.bar.update(max(0.0, self._done(delivery) - self.bar.n))


def _simulated_time(plan: Plan, start: int) -> _Progress:
    return _Progress(plan.length, lambda delivery: delivery.due - start)


def _lines() -> _Progress:
    number = itertools.count(1)
    return _Progress(None, lambda _: next(number))


def _write(job: Job, stream: Iterator[Delivery], file: IO[bytes], progress: _Progress) -> int:
    written = []
    lost = 0
    with progress.bar, suppress(KeyboardInterrupt):
        for delivery in stream:
            progress(delivery)
            lost += delivery.lost
            if not delivery.lost:
                file.write(delivery.body + b"\n")
                # As if it had been answered at once; what the answer would be is the oracle's to say.
                written.append(Answered(delivery.body, 0, delivery.due, delivery.due, 1, {"": 1}))
    file.flush()
    outcomes = Counter(judgement.must_be for judgement in Oracle(written, job.rule).judgements())
    lines = [f"{len(written):,} deliveries written, {lost:,} lost on the way", *shares(outcomes)]
    _say(*lines, file=sys.stderr if job.out == STANDARD else sys.stdout)
    return 0


def _send(job: Job, stream: Iterator[Delivery], progress: _Progress, clock: Clock) -> int:
    if job.verify and not job.retry:
        try:  # a mistake is told before the run, not after it
            scrape(job.verify)
        except NotScraped as error:
            return _failed(str(error))
    answered: list[Answered] = []

    def take(delivery: Delivery, answer: Answered) -> None:
        progress(delivery)
        if job.verify:
            answered.append(answer)

    began = time.monotonic()
    ahead = clock() - began

    def steady() -> float:
        return time.monotonic() + ahead

    sender = Sender(
        job.target,
        connections=job.connections,
        retry=job.retry,
        pace=_pace(job.rate, steady()),
        clock=steady,
        answered=take,
        waiting=lambda reason: progress.bar.write(f"butlr-exporter: {reason}; trying again", file=sys.stderr),
    )
    with progress.bar:
        failure = uvloop.run(_until_stopped(sender, stream))
    tally = sender.tally
    if tally.deliveries or not failure:
        _say(*tally.summary(time.monotonic() - began))
    if failure:
        return _failed(failure)
    verified = _verify(job, sender, answered, clock) if job.verify else 0
    if tally.refused:
        return _failed(f"{tally.refused:,} deliveries were refused, the first with {tally.refusal}")
    return verified


def _pace(rate: float | None, began: float) -> Callable[[Delivery], float]:
    """Return what tells when to send a delivery, Unix seconds."""
    if rate is None:
        return lambda delivery: delivery.due / 1000
    number = itertools.count()
    return lambda _: began + next(number) / rate


async def _until_stopped(sender: Sender, stream: Iterator[Delivery]) -> str | None:
    """Send until the end or a signal; return what went wrong, if anything. A second signal stops at once."""
    loop = asyncio.get_running_loop()
    sending = asyncio.ensure_future(sender.send(stream))

    def stop() -> None:
        if sender.stopped:
            sending.cancel()
        sender.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await sending
    except Stopped as stopped:
        return str(stopped)
    except asyncio.CancelledError:
        return "stopped without waiting for the answers"
    return None


def _verify(job: Job, sender: Sender, answered: list[Answered], clock: Clock) -> int:
    since = clock() * 1000
    try:
        scraped = scrape(str(job.verify))
    except NotScraped as error:
        return _failed(str(error))
    started = process_start(scraped)
    if not job.journal:  # what an earlier process has answered is forgotten
        answered = [answer for answer in answered if answer.connected > started]
    oracle = Oracle(answered, job.rule, sender.unanswered)
    found = list(differences(oracle, scraped, since, clock() * 1000))
    judgements = list(oracle.judgements())
    found += [
        Difference(f"{event.metadata.zone_name} {event.space_id}", f"answer to {event.id}", must_be, is_)
        for event, must_be, is_ in judgements
        if must_be != is_
    ]
    checked = f"{len(oracle.shown()):,} counts with their labels and {len(judgements):,} answers"
    if not found:
        _say(f"verified: {checked} are as they must be")
        return 0
    _say(*table(("zone", "what", "must be", "is"), found))
    restarted = job.journal and any(answer.connected < started for answer in answered)
    hint = "; it was restarted meanwhile, and without a journal it forgets: --no-journal" if restarted else ""
    return _failed(f"of {checked} {len(found):,} are not as they must be{hint}")


def _say(*lines: str, file: IO[str] | None = None) -> None:
    print(*lines, sep="\n", file=file, flush=True)


def _failed(reason: str) -> int:
    print(f"butlr-exporter: {reason}", file=sys.stderr)  # noqa: T201
    return 1
