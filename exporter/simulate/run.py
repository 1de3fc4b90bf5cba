"""One run of the simulator, from the plan to the verdict: what the other modules are put together for."""

import asyncio
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import IO

import uvloop
from tqdm import tqdm

from exporter.simulate.client import Target
from exporter.simulate.delivery import Delivery, Plan, deliveries
from exporter.simulate.oracle import Answered, Oracle, Rule
from exporter.simulate.report import shares, table
from exporter.simulate.sender import Sender, Stopped
from exporter.simulate.verify import Difference, NotScraped, differences, scrape

STANDARD = "-"
"""The name of a file that is standard input or output."""


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


def run(job: Job, clock: Callable[[], float] = time.time) -> int:
    """Do it; return the exit status: 1 if anything was not as it must be. `clock` tells Unix seconds."""
    try:
        return _write(job, clock) if job.out else _send(job, clock)
    except OSError as error:
        return _failed(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))


def _stream(job: Job, clock: Callable[[], float]) -> tuple[int, Iterator[Delivery]]:
    """Return when the deliveries begin, and the deliveries."""
    start = job.start
    if start is None:
        start = int(clock() * 1000)
        if job.out or job.rate:
            start -= _length(job.plan) or 0
    return start, _read(job.source) if job.source else deliveries(job.plan, start)


def _length(plan: Plan) -> int | None:
    return None if plan.intervals is None else plan.intervals * plan.interval


def _read(name: str) -> Iterator[Delivery]:
    file: AbstractContextManager[IO[bytes]] = nullcontext(sys.stdin.buffer) if name == STANDARD else open(name, "rb")  # noqa: SIM115
    with file as lines:
        for line in lines:
            if body := line.strip():
                yield Delivery(0, body)


class _Progress:
    """A bar while a person is watching: of the simulated time, or of a file's lines."""

    def __init__(self, job: Job, start: int) -> None:
        length = _length(job.plan)
        total = None if job.source or length is None else length / 1000
        self._start = start
        self._number = 0
        self._lines = bool(job.source)
        form = "{percentage:3.0f}%|{bar}| {elapsed}, {postfix}" if total else "{elapsed}, {postfix}"
        self.bar = tqdm(total=total, disable=None, leave=False, bar_format=form)

    def __call__(self, delivery: Delivery) -> None:
        self._number += 1
        self.bar.set_postfix_str(f"{self._number:,} deliveries", refresh=False)
        self.bar.update(1 if self._lines else max(0, (delivery.due - self._start) / 1000 - self.bar.n))


def _write(job: Job, clock: Callable[[], float]) -> int:
    start, stream = _stream(job, clock)
    progress = _Progress(job, start)
    written = []
    lost = 0
    file: AbstractContextManager[IO[bytes]] = (
        nullcontext(sys.stdout.buffer) if job.out == STANDARD else open(str(job.out), "wb")  # noqa: SIM115
    )
    with progress.bar, file as lines, suppress(KeyboardInterrupt):
        for delivery in stream:
            progress(delivery)
            lost += delivery.lost
            if not delivery.lost:
                lines.write(delivery.body + b"\n")
                # As if it were answered at once; what it would be answered is the oracle's to say.
                written.append(Answered(delivery.body, delivery.due, delivery.due, 1, {"": 1}))
    outcomes = Counter(judgement.must_be for judgement in Oracle(written, job.rule).judgements())
    _say(
        f"{len(written):,} deliveries written, {lost:,} lost on the way",
        *shares(outcomes),
        to_error=job.out == STANDARD,
    )
    return 0


def _send(job: Job, clock: Callable[[], float]) -> int:
    if job.verify and not job.retry:
        try:  # a mistake is told before the run, not after it
            scrape(job.verify)
        except NotScraped as error:
            return _failed(f"{job.verify}: {error}")
    start, stream = _stream(job, clock)
    progress = _Progress(job, start)
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
    )
    with progress.bar:
        failure = uvloop.run(_until_stopped(sender, stream))
    tally = sender.tally
    if tally.deliveries or not failure:
        _say(*tally.summary(time.monotonic() - began))
    if failure:
        return _failed(failure)
    if sender.unanswered:
        _say(f"stopped before {len(sender.unanswered)} deliveries were answered; their zones are not verified")
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


def _verify(job: Job, sender: Sender, answered: list[Answered], clock: Callable[[], float]) -> int:
    if not job.journal:  # what was delivered before nobody was there is forgotten
        answered = [answer for answer in answered if answer.answered > sender.absent * 1000]
    oracle = Oracle(answered, job.rule, sender.unanswered)
    since = clock() * 1000
    try:
        scraped = scrape(str(job.verify))
    except NotScraped as error:
        return _failed(f"{job.verify}: {error}")
    found = list(differences(oracle, scraped, since, clock() * 1000))
    judgements = list(oracle.judgements())
    wrong = [
        Difference(f"{event.metadata.zone_name} {event.space_id}", f"answer to {event.id}", must_be, is_)
        for event, must_be, is_ in judgements
        if must_be != is_
    ]
    checked = f"{len(oracle.shown()):,} counts with their labels, and {len(judgements):,} answers"
    if not found and not wrong:
        _say(f"verified: {checked}, are as they must be")
        return 0
    _say(*table(("zone", "what", "must be", "is"), [*found, *wrong]))
    return _failed(f"verified {checked}: {len(found) + len(wrong):,} are not as they must be")


def _say(*lines: str, to_error: bool = False) -> None:
    print(*lines, sep="\n", file=sys.stderr if to_error else sys.stdout, flush=True)


def _failed(reason: str) -> int:
    print(f"butlr-exporter: {reason}", file=sys.stderr)  # noqa: T201
    return 1
